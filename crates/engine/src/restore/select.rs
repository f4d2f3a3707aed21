//! From the ON list of a RESTORE to the objects of the snapshot that it means.

use crate::error::common;
use crate::{Engine, Selection, What};
use rockhold_core::{KindId, Namespace, ObjectName};
use rockhold_sql::SqlError;
use std::collections::BTreeSet;

/// One object that a restore takes out of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) kind: KindId,
    /// Its name in the snapshot.
    pub(crate) name: ObjectName,
    /// Its name in the warehouse.
    pub(crate) target: ObjectName,
    /// As typed; checked against the partition entries later. `None` for all.
    pub(crate) partitions: Option<Vec<String>>,
}

/// An object of the snapshot, as its header knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) kind: KindId,
    pub(crate) name: ObjectName,
}

impl Engine {
    /// The objects that `items` mean: named items in their order, then
    /// expansions by name; without items everything.
    pub(crate) fn choose_for_restore(
        &self,
        label: &str,
        stored: &[Stored],
        items: Option<&[Selection]>,
        target_database: &str,
    ) -> Result<Vec<Chosen>, SqlError> {
        let whole = |object: &Stored| whole(object, target_database);
        let Some(items) = items else { return Ok(stored.iter().map(whole).collect()) };
        let mut chosen: Vec<Chosen> = Vec::new();
        for item in items {
            if let What::One { name, partitions, alias } = &item.what {
                let namespace = item.kind.as_ref().map_or(Namespace::Relation, |k| self.namespace(k));
                let mut found =
                    stored.iter().filter(|o| self.is_named(&o.kind, &o.name, namespace, name)).peekable();
                if found.peek().is_none() {
                    return Err(match namespace {
                        Namespace::Function => common(format!("Cannot find restore function: {name}")),
                        _ => common(format!("Table {name} does not exist in snapshot {label}")),
                    });
                }
                if let (Namespace::Function, Some(alias)) = (namespace, alias)
                    && alias.contains('(')
                {
                    return Err(SqlError::analyze(format!("Incorrect function name '{alias}'")));
                }
                for object in found.filter(|o| !chosen.iter().any(|c| c.is(o))).collect::<Vec<_>>() {
                    let mut one = whole(object);
                    if let Some(alias) = alias {
                        one.target.name = renamed(namespace, &object.name, alias);
                    }
                    if let Some(partitions) = partitions {
                        if partitions.temporary {
                            return Err(common("Do not support restoring temporary partitions"));
                        }
                        one.partitions = Some(partitions.names.clone());
                    }
                    chosen.push(one);
                }
            }
        }
        for item in items.iter().filter(|item| item.what == What::All) {
            for object in stored.iter().filter(|o| Some(&o.kind) == item.kind.as_ref()) {
                if !chosen.iter().any(|c| c.is(object)) {
                    chosen.push(whole(object));
                }
            }
        }
        if chosen.is_empty() {
            return Err(common(format!("Snapshot {label} has nothing of what ON names")));
        }
        Ok(chosen)
    }

    /// The external catalogs that a RESTORE means, by name in any case, with
    /// their new names; all without a list.
    pub(crate) fn choose_catalogs(
        &self,
        stored: &[Stored],
        list: Option<&[(String, Option<String>)]>,
    ) -> Result<Vec<Chosen>, SqlError> {
        let Some(list) = list else { return Ok(stored.iter().map(|o| whole(o, "")).collect()) };
        let mut chosen: Vec<Chosen> = Vec::new();
        let mut targets = BTreeSet::new();
        for (name, alias) in list {
            let exact = stored.iter().find(|o| o.name.name == *name);
            let object = exact
                .or_else(|| stored.iter().find(|o| o.name.name.eq_ignore_ascii_case(name)))
                .ok_or_else(|| common(format!("Cannot find restore catalog: {name}")))?;
            if chosen.iter().any(|c| c.is(object)) {
                return Err(SqlError::analyze(format!("Duplicated external catalog: {name}")));
            }
            let mut one = whole(object, "");
            if let Some(alias) = alias {
                one.target.name.clone_from(alias);
            }
            if !targets.insert(one.target.name.clone()) {
                return Err(SqlError::analyze(format!("Duplicated alias name: {}", one.target.name)));
            }
            chosen.push(one);
        }
        Ok(chosen)
    }
}

impl Chosen {
    fn is(&self, object: &Stored) -> bool {
        self.kind == object.kind && self.name == object.name
    }
}

fn whole(object: &Stored, target_database: &str) -> Chosen {
    Chosen {
        kind: object.kind.clone(),
        name: object.name.clone(),
        target: ObjectName::new(target_database, object.name.name.clone()),
        partitions: None,
    }
}

/// The name behind AS; a function keeps its signature, and its name is lower case.
fn renamed(namespace: Namespace, name: &ObjectName, alias: &str) -> String {
    match namespace {
        Namespace::Function => {
            let signature = name.name.get(name.base_name().len()..).unwrap_or_default();
            format!("{}{signature}", alias.to_lowercase())
        }
        Namespace::Relation | Namespace::Catalog => alias.to_owned(),
    }
}
