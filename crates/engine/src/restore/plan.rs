//! What a restore will do with each object, decided before anything changes.

use crate::Engine;
use crate::references::Node;
use crate::restore::groups::Groups;
use crate::restore::select::Chosen;
use rockhold_core::format::{Children, EntryReader, ObjectEntry, PartitionEntry, read_document};
use rockhold_core::{
    Comparison, Document, Error, ErrorKind, KindDescriptor, KindId, LiveObject, Namespace, ObjectName,
    Renames, RestoreAction, RestoreOptions, RestorePlan, RestoreTarget, Result, SharedRepository,
};
use rockhold_model::{Partition, PartitionValue};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One object of the plan, with what is needed to restore it.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// Its entry in the snapshot.
    pub(crate) entry: ObjectEntry,
    /// Its document under its new name.
    pub(crate) document: Document,
    /// The partitions taken, by their names in the snapshot; `None` for all.
    pub(crate) partitions: Option<BTreeSet<String>>,
    pub(crate) naming: Naming,
}

/// The only partition of an unpartitioned object is called as the object, so
/// it gets the object's new name.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    old: String,
    new: String,
}

impl Naming {
    /// The definition of a partition under its new name; `None` when it keeps its own.
    ///
    /// # Errors
    /// `Corrupt` when the definition is not one.
    pub(crate) fn apply(&self, name: &str, definition: &Value) -> Result<Option<(String, Value)>> {
        if self.old == self.new || name != self.old {
            return Ok(None);
        }
        let mut partition: Partition = serde_json::from_value(definition.clone())
            .map_err(|e| Error::corrupt(format!("the definition of partition {name} cannot be read: {e}")))?;
        if partition.value != PartitionValue::All {
            return Ok(None);
        }
        partition.name.clone_from(&self.new);
        let definition = serde_json::to_value(&partition)
            .map_err(|e| Error::internal("a partition cannot be written as JSON").because(e))?;
        Ok(Some((partition.name, definition)))
    }
}

impl Planned {
    /// The partitions that are taken.
    pub(crate) fn reader(&self, repository: &SharedRepository) -> EntryReader<PartitionEntry> {
        let children: Children<PartitionEntry> = self.entry.partitions.clone();
        EntryReader::partitions(repository.clone(), &self.entry.name, children, self.partitions.clone())
    }
}

/// One object and what becomes of it.
pub(crate) struct Step {
    pub(crate) planned: Planned,
    pub(crate) kind: KindId,
    pub(crate) target: ObjectName,
    /// Why it is refused, or what is made of it.
    pub(crate) decision: Result<RestoreTarget>,
}

/// Everything that a restore will do, in the order in which objects are made.
pub(crate) struct Planning {
    pub(crate) database: String,
    pub(crate) steps: Vec<Step>,
    /// Why the whole is refused: objects that refer to each other in a circle.
    pub(crate) circle: Option<Error>,
    pub(crate) notes: Vec<String>,
}

impl Planning {
    /// The plan that is executed, and the remarks about it.
    ///
    /// # Errors
    /// The first refusal.
    pub(crate) fn accept(self) -> Result<(RestorePlan, Vec<Planned>, Vec<String>)> {
        let mut plan = RestorePlan { database: self.database, targets: Vec::new() };
        let mut planned = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            plan.targets.push(step.decision?);
            planned.push(step.planned);
        }
        match self.circle {
            Some(error) => Err(error),
            None => Ok((plan, planned, self.notes)),
        }
    }
}

/// Finds the entries of the chosen objects, in the order in which they were chosen.
///
/// # Errors
/// `Corrupt`, `NotFound`.
pub(crate) async fn chosen_entries(
    repository: &SharedRepository,
    objects: Children<ObjectEntry>,
    chosen: &[Chosen],
) -> Result<Vec<ObjectEntry>> {
    let wanted: BTreeMap<(&KindId, &ObjectName), usize> =
        chosen.iter().enumerate().map(|(i, c)| ((&c.kind, &c.name), i)).collect();
    let mut found: Vec<Option<ObjectEntry>> = vec![None; chosen.len()];
    let mut reader = EntryReader::objects(repository.clone(), objects);
    while let Some(entry) = reader.next().await? {
        if let Some(place) = wanted.get(&(&entry.kind, &entry.name)).and_then(|i| found.get_mut(*i)) {
            *place = Some(entry);
        }
    }
    found
        .into_iter()
        .zip(chosen)
        .map(|(entry, c)| {
            entry.ok_or_else(|| Error::not_found("the object is not in the snapshot").at(&c.name))
        })
        .collect()
}

/// Resolves partition names, in any case, to those of the snapshot.
///
/// # Errors
/// `NotFound` with StarRocks's text for a name that is not there.
pub(crate) async fn resolve_partitions(
    repository: &SharedRepository,
    entry: &ObjectEntry,
    asked: &[String],
    label: &str,
) -> Result<BTreeSet<String>> {
    let mut open: BTreeMap<String, &String> = asked.iter().map(|name| (name.to_lowercase(), name)).collect();
    let mut found = BTreeSet::new();
    let mut reader = EntryReader::partitions(repository.clone(), &entry.name, entry.partitions.clone(), None);
    while !open.is_empty() {
        let Some(partition) = reader.next().await? else { break };
        if open.remove(&partition.name.to_lowercase()).is_some() {
            found.insert(partition.name);
        }
    }
    match open.values().next() {
        None => Ok(found),
        Some(name) => Err(Error::not_found(format!(
            "Partition {name} of table {} does not exist in snapshot {label}",
            entry.name.name
        ))),
    }
}

/// Whether an error speaks against one object, so that the others can still be looked at.
fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists | ErrorKind::Unsupported)
}

impl Engine {
    /// Compares every target with the warehouse and makes the plan. Changes nothing.
    ///
    /// # Errors
    /// `Corrupt`; whatever store and warehouse give. What is refused stands in
    /// the plan.
    pub(crate) async fn plan_restore(
        &self,
        repository: &SharedRepository,
        database: &str,
        chosen: &[Chosen],
        entries: &[(ObjectEntry, Option<BTreeSet<String>>)],
        options: &RestoreOptions,
    ) -> Result<Planning> {
        // References change with the objects that this restore brings, and only with those.
        let renames = Renames {
            databases: BTreeMap::new(),
            objects: chosen.iter().map(|c| (c.name.clone(), c.target.clone())).collect(),
        };
        let exists = database.is_empty() || self.0.warehouse.databases().await?.iter().any(|d| d == database);
        let mut groups = Groups::new(database, exists);
        let mut notes = Vec::new();
        let mut names = BTreeSet::new();
        let mut nodes = Vec::with_capacity(chosen.len());
        let mut steps = Vec::with_capacity(chosen.len());
        for (c, (entry, partitions)) in chosen.iter().zip(entries) {
            let codec = self.codec(&c.kind)?;
            let stored = read_document(&**repository, entry).await?;
            let (document, mut refusal) = match codec.rename(&c.name, &stored, &renames) {
                Ok(document) => (document, None),
                Err(error) if is_refusal(&error) => (stored, Some(error)),
                Err(error) => return Err(error),
            };
            if !names.insert((self.namespace(&c.kind), c.target.name.clone())) {
                refusal =
                    Some(conflict(format!("two objects of the restore would be named {}", c.target.name)));
            }
            let references = match codec.references(&c.target, &document) {
                Ok(references) => references,
                Err(error) => {
                    notes.push(format!("what {} refers to cannot be read: {error}", c.target));
                    Vec::new()
                }
            };
            nodes.push(Node { kind: c.kind.clone(), name: c.target.clone(), references });
            let naming = Naming { old: c.name.name.clone(), new: c.target.name.clone() };
            let planned = Planned { entry: entry.clone(), document, partitions: partitions.clone(), naming };
            let decision = match refusal {
                Some(error) => Err(error),
                None => match self.decide(repository, c, &planned, exists, options, &mut groups).await {
                    Ok((target, said)) => {
                        notes.extend(said);
                        Ok(target)
                    }
                    Err(error) if is_refusal(&error) => Err(error),
                    Err(error) => return Err(error),
                },
            };
            steps.push(Some(Step { planned, kind: c.kind.clone(), target: c.target.clone(), decision }));
        }
        for (place, missing) in self.missing_references(&nodes).await? {
            let Some(node) = nodes.get(place) else { continue };
            notes.push(format!(
                "{} {} refers to {missing}, which does not exist: it works once {missing} is restored or made",
                self.kind_words(&node.kind),
                node.name
            ));
        }
        let class = |node: &Node| self.0.kinds.get(&node.kind).map_or(0, |k| k.restore_class);
        let (order, circle) = match self.dependency_order(&nodes, class) {
            Ok(order) => (order, None),
            Err(error) => ((0..nodes.len()).collect(), Some(error)),
        };
        let steps = order.into_iter().filter_map(|place| steps.get_mut(place)?.take()).collect();
        Ok(Planning { database: database.to_owned(), steps, circle, notes })
    }

    /// What becomes of one object, with remarks about it.
    async fn decide(
        &self,
        repository: &SharedRepository,
        chosen: &Chosen,
        planned: &Planned,
        exists: bool,
        options: &RestoreOptions,
        groups: &mut Groups,
    ) -> Result<(RestoreTarget, Vec<String>)> {
        let (warehouse, codec) = (&self.0.warehouse, self.codec(&chosen.kind)?);
        let descriptor = self.descriptor(&chosen.kind)?;
        let existing = match exists {
            true => warehouse.object(descriptor.namespace, &chosen.target).await?,
            false => None,
        };
        let incoming = codec.prepare(codec.decode(&chosen.target, &planned.document)?, options)?;
        let admitted = warehouse.admit(incoming, existing.as_ref()).await?;
        let (mut incoming, mut notes) = (admitted.object, admitted.notes);
        let action = match &existing {
            None => {
                let (joined, note) = groups.join(self, incoming).await?;
                incoming = joined;
                notes.extend(note);
                RestoreAction::Create
            }
            Some(existing) => {
                self.meet(repository, descriptor, existing, planned, &incoming, options).await?
            }
        };
        let target = RestoreTarget {
            kind: incoming.kind,
            name: incoming.name,
            definition: incoming.definition,
            state: incoming.state,
            action,
        };
        Ok((target, notes))
    }

    /// What happens to a target whose name is taken. One rule for every kind:
    /// the same definition is replaced or gets its partitions replaced,
    /// anything else is refused.
    async fn meet(
        &self,
        repository: &SharedRepository,
        descriptor: &KindDescriptor,
        existing: &LiveObject,
        planned: &Planned,
        incoming: &LiveObject,
        options: &RestoreOptions,
    ) -> Result<RestoreAction> {
        let warehouse = &self.0.warehouse;
        let name = &incoming.name;
        if existing.kind != incoming.kind {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!(
                    "Table: {} has existed and it is not a {}; use AS to restore under another name",
                    name.name,
                    title(descriptor)
                ),
            ));
        }
        if let Some(state) = warehouse.busy(name).await? {
            return Err(conflict(format!(
                "{} {}'s state is not NORMAL: {state}",
                title(descriptor),
                name.name
            )));
        }
        if descriptor.namespace == Namespace::Relation && warehouse.has_temporary_partitions(name).await? {
            return Err(conflict(format!(
                "Do not support restoring table with temp partitions: {name}; replace or drop them first"
            )));
        }
        let codec = self.codec(&incoming.kind)?;
        match codec.compare(&codec.encode(existing)?, &planned.document)? {
            Comparison::Same => {}
            Comparison::Different(text) if text.starts_with("Table ") => return Err(conflict(text)),
            Comparison::Different(text) => {
                let what = if descriptor.has_data { "schema" } else { "definition" };
                return Err(conflict(format!(
                    "{} {} already exist but with different {what}, errMsg: {text}",
                    title(descriptor),
                    name.name
                )));
            }
        }
        if !descriptor.has_data {
            return Ok(RestoreAction::Replace);
        }
        let here = warehouse.partitions(name, None).await?;
        let mut check = codec.merge_check(existing, here, incoming, options)?;
        let mut reader = planned.reader(repository);
        while let Some(partition) = reader.next().await? {
            let renamed = planned.naming.apply(&partition.name, &partition.definition)?;
            let definition = renamed.map_or(partition.definition, |(_, definition)| definition);
            if let Comparison::Different(text) = check.check(&definition)? {
                return Err(conflict(text));
            }
        }
        Ok(RestoreAction::Merge)
    }
}

/// The words of a kind as StarRocks writes them: `Materialized View`.
fn title(descriptor: &KindDescriptor) -> String {
    let words: Vec<String> = descriptor
        .singular
        .iter()
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(String::from).unwrap_or_default();
            first + &letters.as_str().to_lowercase()
        })
        .collect();
    words.join(" ")
}

fn conflict(message: String) -> Error {
    Error::new(ErrorKind::Conflict, message)
}
