//! RESTORE: submitted here, run in the background.

mod download;
mod estimate;
mod groups;
mod plan;
mod run;
mod select;
mod sink;

pub(crate) use estimate::estimate;

use crate::backup::slot_error;
use crate::error::{common, from_core, refuse_system_database};
use crate::job::{JobDetail, JobObject, restore_state};
use crate::repositories::Opened;
use crate::{Engine, JobHandle, RestoreRequest, RestoreScope};
use plan::{chosen_entries, resolve_partitions};
use rockhold_core::format::{EntryReader, ObjectEntry, SnapshotDocument, SnapshotKind, read_document};
use rockhold_core::{Error, Guarantee, JobId, JobKind, JobRecord, Namespace, Result};
use rockhold_sql::SqlError;
use rockhold_sql::analyze::names;
use select::{Chosen, Stored};
use std::collections::BTreeSet;

/// What a running restore works with.
pub(crate) struct RestoreJob {
    pub(crate) opened: Opened,
    pub(crate) kind: SnapshotKind,
    /// How much of the snapshot is of one instant.
    pub(crate) cut: Guarantee,
    pub(crate) chosen: Vec<Chosen>,
    /// Of each chosen object: its entry and the partitions taken.
    pub(crate) entries: Vec<(ObjectEntry, Option<BTreeSet<String>>)>,
    pub(crate) replication_num: Option<u32>,
}

/// A RESTORE whose names were checked against the snapshot.
pub(crate) struct PreparedRestore {
    /// The target database; empty for external catalogs.
    pub(crate) database: String,
    pub(crate) job: RestoreJob,
}

impl Engine {
    /// Checks a RESTORE, registers its job and lets it run.
    ///
    /// # Errors
    /// With StarRocks's numbers and texts; nothing is left behind, not even
    /// the target database.
    pub async fn submit_restore(&self, request: RestoreRequest) -> Result<JobHandle, SqlError> {
        self.0.state.take_ownership().await.map_err(from_core)?;
        let PreparedRestore { database, job } = self.prepare_restore(&request, true).await?;
        let mut objects = Vec::with_capacity(job.chosen.len());
        for (one, (entry, partitions)) in job.chosen.iter().zip(&job.entries) {
            let shown = self.job_object(&job.opened, one, entry, partitions.as_ref()).await;
            objects.push(shown.map_err(from_core)?);
        }
        let now = self.0.clock.now();
        let timeout = request.timeout.unwrap_or(self.0.config.backup_job_default_timeout);
        let mut detail = JobDetail::new(objects, request.timestamp, timeout);
        detail.allow_load = request.allow_load;
        detail.replication_num = request.replication_num.unwrap_or(3);
        let record = JobRecord {
            id: JobId::random().map_err(from_core)?,
            number: -1,
            kind: JobKind::Restore,
            database,
            label: request.label,
            repository: request.repository,
            state: restore_state::PENDING.into(),
            finished: false,
            created: now,
            detail: crate::engine::detail_value(&detail).map_err(from_core)?,
        };
        self.0.state.submit(&record).await.map_err(|e| slot_error(&record.database, e))?;
        let (handle, running) = self.adopt_job(record);
        tokio::spawn(run::run(running, job));
        Ok(handle)
    }

    /// Everything about a RESTORE that can be refused before its job begins,
    /// in StarRocks's order. Changes nothing. `slot` says whether a running
    /// job of the database refuses it.
    pub(crate) async fn prepare_restore(
        &self,
        request: &RestoreRequest,
        slot: bool,
    ) -> Result<PreparedRestore, SqlError> {
        let opened = self.require_repository(&request.repository).await?;
        let label = &request.label;
        let info = |e: Error| {
            let advice = match e.kind() {
                rockhold_core::ErrorKind::Corrupt => "",
                _ => ". Maybe specified wrong backup timestamp",
            };
            common(format!("Failed to get info of snapshot '{label}' because: {e}{advice}"))
        };
        let snapshot = opened.labels.read_snapshot(label, Some(&request.timestamp)).await.map_err(info)?;
        let document = snapshot.document;
        let (database, chosen) = match document.kind {
            SnapshotKind::Database => {
                self.choose_of_database(request, &opened, &document, slot, info).await?
            }
            SnapshotKind::ExternalCatalogs => {
                self.choose_of_catalogs(request, &opened, &document, slot, info).await?
            }
        };
        let of_catalogs = document.kind == SnapshotKind::ExternalCatalogs;
        for one in &chosen {
            // A snapshot comes from anywhere: what it is of decides what it may hold.
            let misplaced = (self.namespace(&one.kind) == Namespace::Catalog) != of_catalogs;
            if misplaced || self.codec(&one.kind).is_err() {
                return Err(common(format!(
                    "Table: {} cannot support backup restore, type: {}",
                    one.name.name,
                    one.kind.as_str().to_ascii_uppercase()
                )));
            }
        }
        let found =
            chosen_entries(&opened.repository, document.objects.clone(), &chosen).await.map_err(info)?;
        let mut entries = Vec::with_capacity(found.len());
        for (entry, one) in found.into_iter().zip(&chosen) {
            let partitions = match &one.partitions {
                None => None,
                Some(asked) => {
                    Some(resolve_partitions(&opened.repository, &entry, asked, label).await.map_err(|e| {
                        match e.kind() {
                            rockhold_core::ErrorKind::NotFound => common(e.message().to_owned()),
                            _ => from_core(e),
                        }
                    })?)
                }
            };
            entries.push((entry, partitions));
        }
        let (kind, cut, replication_num) = (document.kind, document.cut, request.replication_num);
        let job = RestoreJob { opened, kind, cut, chosen, entries, replication_num };
        Ok(PreparedRestore { database, job })
    }

    async fn choose_of_database(
        &self,
        request: &RestoreRequest,
        opened: &Opened,
        document: &SnapshotDocument,
        slot: bool,
        info: impl Fn(Error) -> SqlError,
    ) -> Result<(String, Vec<Chosen>), SqlError> {
        let RestoreScope::Database { source, target, items } = &request.scope else {
            return Err(common("This is not a snapshot for external catalog restore"));
        };
        let database = target.clone().unwrap_or_else(|| document.database.clone());
        names::check_database(&database)?;
        refuse_system_database(&database)?;
        if slot {
            self.require_free_slot(&database).await?;
        }
        if let Some(source) = source
            && *source != document.database
        {
            return Err(common(format!(
                "Target database: {source} is not existed in snapshot: it holds database {}",
                document.database
            )));
        }
        let stored = stored_objects(opened, document).await.map_err(info)?;
        let chosen = self.choose_for_restore(&request.label, &stored, items.as_deref(), &database)?;
        Ok((database, chosen))
    }

    /// A snapshot of external catalogs; without a catalog clause all of them.
    async fn choose_of_catalogs(
        &self,
        request: &RestoreRequest,
        opened: &Opened,
        document: &SnapshotDocument,
        slot: bool,
        info: impl Fn(Error) -> SqlError,
    ) -> Result<(String, Vec<Chosen>), SqlError> {
        let list = match &request.scope {
            RestoreScope::Catalogs(list) => list.as_deref(),
            RestoreScope::Database { source: None, target: None, items: None } => None,
            RestoreScope::Database { .. } => {
                return Err(common("Cannot specify database for external catalog snapshot"));
            }
        };
        if slot {
            self.require_free_slot("").await?;
        }
        let stored = stored_objects(opened, document).await.map_err(info)?;
        Ok((String::new(), self.choose_catalogs(&stored, list)?))
    }

    /// What SHOW RESTORE says of an object: at most the first hundred partitions.
    async fn job_object(
        &self,
        opened: &Opened,
        chosen: &Chosen,
        entry: &ObjectEntry,
        partitions: Option<&BTreeSet<String>>,
    ) -> Result<JobObject> {
        const SHOWN: usize = 100;
        let mut names = Vec::new();
        match partitions {
            Some(partitions) => names.extend(partitions.iter().take(SHOWN).cloned()),
            None => {
                let repository = opened.repository.clone();
                let mut reader =
                    EntryReader::partitions(repository, &entry.name, entry.partitions.clone(), None);
                while names.len() < SHOWN
                    && let Some(partition) = reader.next().await?
                {
                    names.push(partition.name);
                }
                let document = read_document(&*opened.repository, entry).await?;
                names.extend(self.codec(&chosen.kind)?.hidden_partitions(&document)?);
            }
        }
        let renamed = chosen.name.name != chosen.target.name;
        Ok(JobObject {
            kind: chosen.kind.clone(),
            name: chosen.name.name.clone(),
            partitions: names,
            alias: renamed.then(|| chosen.target.name.clone()),
        })
    }
}

async fn stored_objects(opened: &Opened, document: &SnapshotDocument) -> Result<Vec<Stored>> {
    let mut reader = EntryReader::objects(opened.repository.clone(), document.objects.clone());
    let mut stored = Vec::new();
    while let Some(entry) = reader.next().await? {
        stored.push(Stored { kind: entry.kind, name: entry.name });
    }
    Ok(stored)
}
