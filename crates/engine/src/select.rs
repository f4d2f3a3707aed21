//! From the ON list of a BACKUP to the objects that it means.

use crate::error::{common, common_analysis, from_core};
use crate::references::Node;
use crate::{Engine, PartitionNames, Selection, What};
use rockhold_core::{KindId, Namespace, ObjectName, ObjectSummary, PinRequest};
use rockhold_sql::SqlError;
use std::collections::BTreeSet;

/// One object that a backup takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) kind: KindId,
    pub(crate) name: ObjectName,
    /// Names as the warehouse stores them, in the order of the statement.
    pub(crate) partitions: Option<Vec<String>>,
    /// Whether the statement names it; otherwise it came by ALL or with its database.
    pub(crate) by_name: bool,
}

impl Selected {
    pub(crate) fn pin_request(&self) -> PinRequest {
        let request = PinRequest::new(self.kind.clone(), self.name.clone());
        match &self.partitions {
            None => request,
            Some(names) => {
                let distinct: BTreeSet<String> = names.iter().cloned().collect();
                request.partitions(distinct.into_iter().collect())
            }
        }
    }
}

impl Engine {
    /// The objects that `items` mean: named items first in their order,
    /// expansions by name; without items everything that a backup of a
    /// database takes.
    pub(crate) async fn select_for_backup(
        &self,
        database: &str,
        items: Option<&[Selection]>,
    ) -> Result<Vec<Selected>, SqlError> {
        let present = self.0.warehouse.objects(database).await.map_err(from_core)?;
        let mut selected: Vec<Selected> = Vec::new();
        match items {
            None => {
                for object in &present {
                    let descriptor = self.0.kinds.get(&object.kind).ok_or_else(|| cannot_back_up(object))?;
                    if descriptor.in_database_backup {
                        selected.push(whole(object, false));
                    }
                }
            }
            Some(items) => {
                for item in items {
                    if let What::One { name, partitions, .. } = &item.what {
                        let found =
                            self.select_named(database, &present, item, name, partitions.as_ref()).await?;
                        if found.iter().any(|one| selected.iter().any(|s| s.is(&one.kind, &one.name))) {
                            return Err(SqlError::analyze(format!("Duplicated table: {name}")));
                        }
                        selected.extend(found);
                    }
                }
                for item in items.iter().filter(|item| item.what == What::All) {
                    for object in present.iter().filter(|o| Some(&o.kind) == item.kind.as_ref()) {
                        if !selected.iter().any(|s| s.is(&object.kind, &object.name)) {
                            selected.push(whole(object, false));
                        }
                    }
                }
            }
        }
        if selected.is_empty() {
            return Err(common(format!("Database {database} is empty: there is nothing to back up")));
        }
        Ok(selected)
    }

    /// The external catalogs that a BACKUP means: those named, or all.
    pub(crate) async fn select_catalogs(&self, names: Option<&[String]>) -> Result<Vec<Selected>, SqlError> {
        let mut present = self.0.warehouse.objects("").await.map_err(from_core)?;
        present.retain(|object| self.namespace(&object.kind) == Namespace::Catalog);
        let Some(names) = names else {
            if present.is_empty() {
                return Err(common_analysis("No external catalog can be backed up: there is none"));
            }
            return Ok(present.iter().map(|object| whole(object, false)).collect());
        };
        let mut selected: Vec<Selected> = Vec::new();
        for name in names {
            let object = present
                .iter()
                .find(|object| object.name.name == *name)
                .ok_or_else(|| common_analysis(format!("External catalog {name} does not exist")))?;
            if selected.iter().any(|s| s.is(&object.kind, &object.name)) {
                return Err(SqlError::analyze(format!("Duplicated external catalog: {name}")));
            }
            selected.push(whole(object, true));
        }
        Ok(selected)
    }

    async fn select_named(
        &self,
        database: &str,
        present: &[ObjectSummary],
        item: &Selection,
        name: &str,
        partitions: Option<&PartitionNames>,
    ) -> Result<Vec<Selected>, SqlError> {
        let namespace = item.kind.as_ref().map_or(Namespace::Relation, |k| self.namespace(k));
        let found: Vec<&ObjectSummary> =
            present.iter().filter(|o| self.is_named(&o.kind, &o.name, namespace, name)).collect();
        let Some(first) = found.first() else {
            return Err(match namespace {
                Namespace::Function => common(format!("Invalid backup function(s), function name: {name}")),
                _ => SqlError::analyze(format!("Incorrect table name '{name}'")),
            });
        };
        let descriptor = self.0.kinds.get(&first.kind).ok_or_else(|| cannot_back_up(first))?;
        let Some(partitions) = partitions else {
            return Ok(found.into_iter().map(|object| whole(object, true)).collect());
        };
        if !descriptor.has_data {
            return Err(SqlError::analyze(format!("Incorrect table name '{name}': it has no partitions")));
        }
        if partitions.temporary {
            return Err(common("Do not support backing up temp partitions"));
        }
        let here = self
            .0
            .warehouse
            .partitions(&ObjectName::new(database, name), Some(&partitions.names))
            .await
            .map_err(from_core)?;
        let stored: Vec<&str> = here.iter().filter_map(|p| p.get("name").and_then(|n| n.as_str())).collect();
        let mut names = Vec::with_capacity(partitions.names.len());
        for asked in &partitions.names {
            let stored =
                stored.iter().find(|s| s.to_lowercase() == asked.to_lowercase()).ok_or_else(|| {
                    SqlError::analyze(format!("partition[{asked}] does not exist in table {name}"))
                })?;
            names.push((*stored).to_owned());
        }
        Ok(vec![Selected { partitions: Some(names), ..whole(first, true) }])
    }

    /// Puts every object behind those it refers to, and says what is referred
    /// to and not there.
    ///
    /// # Errors
    /// When a table has temporary partitions, when objects refer to each other
    /// in a circle, and when a kind refuses
    /// to be backed up by name without what it refers to.
    pub(crate) async fn arrange_for_backup(
        &self,
        selected: Vec<Selected>,
    ) -> Result<(Vec<Selected>, Vec<String>), SqlError> {
        let mut notes = Vec::new();
        let mut nodes = Vec::with_capacity(selected.len());
        for one in &selected {
            let is_relation = self.namespace(&one.kind) == Namespace::Relation;
            if is_relation && self.0.warehouse.has_temporary_partitions(&one.name).await.map_err(from_core)? {
                return Err(common(format!(
                    "Do not support backing up table with temp partitions: {}; replace or drop them first",
                    one.name
                )));
            }
            let references = match self.references_of(one).await {
                Ok(references) => references,
                Err(error) => {
                    notes.push(format!("what {} refers to cannot be read: {error}", one.name));
                    Vec::new()
                }
            };
            nodes.push(Node { kind: one.kind.clone(), name: one.name.clone(), references });
        }
        for (place, missing) in self.missing_references(&nodes).await.map_err(from_core)? {
            let Some(one) = selected.get(place) else { continue };
            let refusal = self.codec(&one.kind).map_err(from_core)?.refuse_without(&one.name, &missing);
            if let (true, Some(text)) = (one.by_name, refusal) {
                return Err(SqlError::analyze(text));
            }
            notes.push(format!(
                "{} {} refers to {missing}, which does not exist",
                self.kind_words(&one.kind),
                one.name
            ));
        }
        let order = self.dependency_order(&nodes, |_| 0).map_err(|e| common(e.message().to_owned()))?;
        let ordered = order.into_iter().filter_map(|place| selected.get(place).cloned()).collect();
        Ok((ordered, notes))
    }

    async fn references_of(&self, one: &Selected) -> rockhold_core::Result<Vec<rockhold_core::ObjectRef>> {
        let descriptor = self.descriptor(&one.kind)?;
        if !descriptor.refers {
            return Ok(Vec::new());
        }
        // One that is gone is named when it is pinned.
        let Some(object) = self.0.warehouse.object(descriptor.namespace, &one.name).await? else {
            return Ok(Vec::new());
        };
        let codec = self.codec(&one.kind)?;
        codec.references(&one.name, &codec.encode(&object)?)
    }
}

impl Selected {
    fn is(&self, kind: &KindId, name: &ObjectName) -> bool {
        self.kind == *kind && self.name == *name
    }
}

fn whole(object: &ObjectSummary, by_name: bool) -> Selected {
    Selected { kind: object.kind.clone(), name: object.name.clone(), partitions: None, by_name }
}

fn cannot_back_up(object: &ObjectSummary) -> SqlError {
    common(format!(
        "Table: {} cannot support backup restore, type: {}",
        object.name.name,
        object.kind.as_str().to_ascii_uppercase()
    ))
}
