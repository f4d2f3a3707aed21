//! From the ON list of a BACKUP to the objects that it means.

use crate::error::{common, from_core};
use crate::{Engine, PartitionNames, Selection, What};
use rockhold_core::{KindId, Namespace, ObjectName, ObjectSummary, PinRequest};
use rockhold_sql::SqlError;
use std::collections::BTreeSet;

/// One object that a backup takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) kind: KindId,
    pub(crate) name: String,
    /// Names as the warehouse stores them, in the order of the statement.
    pub(crate) partitions: Option<Vec<String>>,
}

impl Selected {
    pub(crate) fn pin_request(&self, database: &str) -> PinRequest {
        let request = PinRequest::new(self.kind.clone(), ObjectName::new(database, self.name.clone()));
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
    /// The objects that `items` mean, sorted as StarRocks lists them: named
    /// items first in their order, expansions by name.
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
                    let taken = self.0.kinds.get(&object.kind).is_some_and(|k| k.in_database_backup);
                    if !taken {
                        return Err(cannot_back_up(object));
                    }
                    selected.push(whole(object));
                }
            }
            Some(items) => {
                for item in items {
                    if let What::One { name, partitions, .. } = &item.what {
                        let one =
                            self.select_one(database, &present, item, name, partitions.as_ref()).await?;
                        if selected.iter().any(|s| s.name == one.name && s.kind == one.kind) {
                            return Err(SqlError::analyze(format!("Duplicated table: {name}")));
                        }
                        selected.push(one);
                    }
                }
                for item in items.iter().filter(|item| item.what == What::All) {
                    for object in present.iter().filter(|o| Some(&o.kind) == item.kind.as_ref()) {
                        if !selected.iter().any(|s| s.name == object.name.name && s.kind == object.kind) {
                            selected.push(whole(object));
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

    async fn select_one(
        &self,
        database: &str,
        present: &[ObjectSummary],
        item: &Selection,
        name: &str,
        partitions: Option<&PartitionNames>,
    ) -> Result<Selected, SqlError> {
        // The type word is not compared with the object's kind: tables, views
        // and materialized views share one namespace, and StarRocks resolves
        // by name. Functions have a namespace of their own.
        let namespace = item.kind.as_ref().map_or(Namespace::Relation, |k| self.namespace(k));
        let object = present
            .iter()
            .find(|o| self.namespace(&o.kind) == namespace && o.name.name == name)
            .ok_or_else(|| match namespace {
                Namespace::Function => common(format!("Invalid backup function(s), function name: {name}")),
                _ => SqlError::analyze(format!("Incorrect table name '{name}'")),
            })?;
        let descriptor = self.0.kinds.get(&object.kind).ok_or_else(|| cannot_back_up(object))?;
        let Some(partitions) = partitions else { return Ok(whole(object)) };
        if !descriptor.has_data {
            return Err(SqlError::analyze(format!("Incorrect table name '{name}': it has no partitions")));
        }
        if partitions.temporary {
            return Err(common("Do not support backing up temp partitions"));
        }
        let found = self
            .0
            .warehouse
            .partitions(&ObjectName::new(database, name), Some(&partitions.names))
            .await
            .map_err(from_core)?;
        let stored: Vec<&str> = found.iter().filter_map(|p| p.get("name").and_then(|n| n.as_str())).collect();
        let mut names = Vec::with_capacity(partitions.names.len());
        for asked in &partitions.names {
            let stored =
                stored.iter().find(|s| s.to_lowercase() == asked.to_lowercase()).ok_or_else(|| {
                    SqlError::analyze(format!("partition[{asked}] does not exist in table {name}"))
                })?;
            names.push((*stored).to_owned());
        }
        Ok(Selected { kind: object.kind.clone(), name: name.to_owned(), partitions: Some(names) })
    }
}

fn whole(object: &ObjectSummary) -> Selected {
    Selected { kind: object.kind.clone(), name: object.name.name.clone(), partitions: None }
}

fn cannot_back_up(object: &ObjectSummary) -> SqlError {
    common(format!(
        "Table: {} cannot support backup restore, type: {}",
        object.name.name,
        object.kind.as_str().to_ascii_uppercase()
    ))
}
