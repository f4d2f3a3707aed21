//! What a restore will do with each object, decided before anything changes.

use crate::Engine;
use crate::restore::select::Chosen;
use rockhold_core::format::{Children, EntryReader, ObjectEntry, PartitionEntry, read_document};
use rockhold_core::{
    Comparison, Document, Error, ErrorKind, KindId, LiveObject, ObjectName, Renames, RestoreAction,
    RestoreOptions, RestorePlan, RestoreTarget, Result, SharedRepository,
};
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
}

impl Planned {
    /// The partitions that are taken.
    pub(crate) fn reader(&self, repository: &SharedRepository) -> EntryReader<PartitionEntry> {
        let children: Children<PartitionEntry> = self.entry.partitions.clone();
        EntryReader::partitions(repository.clone(), &self.entry.name, children, self.partitions.clone())
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

impl Engine {
    /// Compares every target with the warehouse and makes the plan.
    ///
    /// # Errors
    /// `Conflict` with StarRocks's text when a target refuses; `Corrupt`;
    /// whatever store and warehouse give. Nothing was changed.
    pub(crate) async fn plan_restore(
        &self,
        repository: &SharedRepository,
        database: &str,
        chosen: &[Chosen],
        entries: Vec<(ObjectEntry, Option<BTreeSet<String>>)>,
        options: &RestoreOptions,
    ) -> Result<(RestorePlan, Vec<Planned>)> {
        let mut renames = Renames::default();
        for c in chosen {
            renames.databases.insert(c.name.database.clone(), database.to_owned());
            renames.objects.insert(c.name.clone(), c.target.clone());
        }
        let exists = self.0.warehouse.databases().await?.iter().any(|d| d == database);
        let mut plan = RestorePlan { database: database.to_owned(), targets: Vec::new() };
        let mut planned = Vec::new();
        let mut names = BTreeSet::new();
        for (c, (entry, partitions)) in chosen.iter().zip(entries) {
            if !names.insert((self.namespace(&c.kind), c.target.name.clone())) {
                return Err(conflict(format!("two objects of the restore would be named {}", c.target.name)));
            }
            let codec = self.codec(&c.kind)?;
            let stored = read_document(&**repository, &entry).await?;
            let document = codec.rename(&c.name, &stored, &renames)?;
            let incoming = codec.prepare(codec.decode(&c.target, &document)?, options)?;
            let one = Planned { entry, document, partitions };
            let action = match exists {
                false => RestoreAction::Create,
                true => self.meet(repository, c, &one, &incoming, options).await?,
            };
            plan.targets.push(RestoreTarget {
                kind: incoming.kind,
                name: incoming.name,
                definition: incoming.definition,
                state: incoming.state,
                action,
            });
            planned.push(one);
        }
        Ok((plan, planned))
    }

    /// What happens to a target, given what has its name now.
    async fn meet(
        &self,
        repository: &SharedRepository,
        chosen: &Chosen,
        planned: &Planned,
        incoming: &LiveObject,
        options: &RestoreOptions,
    ) -> Result<RestoreAction> {
        let warehouse = &self.0.warehouse;
        let descriptor = self.descriptor(&chosen.kind)?;
        let name = &chosen.target;
        let Some(existing) = warehouse.object(descriptor.namespace, name).await? else {
            return Ok(RestoreAction::Create);
        };
        if existing.kind != chosen.kind {
            return Err(conflict(format!(
                "Table: {} has existed and it is not a {}; use AS to restore under another name",
                name.name,
                descriptor.singular.join(" ")
            )));
        }
        if let Some(state) = warehouse.busy(name).await? {
            return Err(conflict(format!("Table {}'s state is not NORMAL: {state}", name.name)));
        }
        let codec = self.codec(&chosen.kind)?;
        match codec.compare(&codec.encode(&existing)?, &planned.document)? {
            Comparison::Same => {}
            Comparison::Different(text) if text.starts_with("Table ") => return Err(conflict(text)),
            Comparison::Different(text) => {
                return Err(conflict(format!(
                    "Table {} already exist but with different schema, errMsg: {text}",
                    name.name
                )));
            }
        }
        if !descriptor.has_data {
            return Ok(RestoreAction::Replace);
        }
        let here = warehouse.partitions(name, None).await?;
        let mut check = codec.merge_check(&existing, here, incoming, options)?;
        let mut reader = planned.reader(repository);
        while let Some(partition) = reader.next().await? {
            if let Comparison::Different(text) = check.check(&partition.definition)? {
                return Err(conflict(text));
            }
        }
        Ok(RestoreAction::Merge)
    }
}

fn conflict(message: String) -> Error {
    Error::new(ErrorKind::Conflict, message)
}
