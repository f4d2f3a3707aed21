//! From the ON list of a RESTORE to the objects of the snapshot that it means.

use crate::error::common;
use crate::{Engine, Selection, What};
use rockhold_core::{KindId, Namespace, ObjectName};
use rockhold_sql::SqlError;

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
        let whole = |object: &Stored| Chosen {
            kind: object.kind.clone(),
            name: object.name.clone(),
            target: ObjectName::new(target_database, object.name.name.clone()),
            partitions: None,
        };
        let Some(items) = items else { return Ok(stored.iter().map(whole).collect()) };
        let mut chosen = Vec::new();
        for item in items {
            if let What::One { name, partitions, alias } = &item.what {
                let namespace = item.kind.as_ref().map_or(Namespace::Relation, |k| self.namespace(k));
                let object = find(self, stored, namespace, name).ok_or_else(|| match namespace {
                    Namespace::Function => common(format!("Cannot find restore function: {name}")),
                    _ => common(format!("Table {name} does not exist in snapshot {label}")),
                })?;
                let mut one = whole(object);
                if let Some(alias) = alias {
                    one.target.name.clone_from(alias);
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
        for item in items.iter().filter(|item| item.what == What::All) {
            for object in stored.iter().filter(|o| Some(&o.kind) == item.kind.as_ref()) {
                if !chosen.iter().any(|c: &Chosen| c.name == object.name && c.kind == object.kind) {
                    chosen.push(whole(object));
                }
            }
        }
        if chosen.is_empty() {
            return Err(common(format!("Snapshot {label} has nothing of what ON names")));
        }
        Ok(chosen)
    }
}

fn find<'a>(engine: &Engine, stored: &'a [Stored], namespace: Namespace, name: &str) -> Option<&'a Stored> {
    stored.iter().find(|o| {
        engine.namespace(&o.kind) == namespace
            && match namespace {
                Namespace::Function => o.name.name.eq_ignore_ascii_case(name),
                _ => o.name.name == name,
            }
    })
}
