//! BACKUP: submitted here, run in the background.

mod bases;
mod estimate;
mod known;
mod run;
mod sink;
mod upload;

pub(crate) use bases::Bases;
pub(crate) use estimate::{Amounts, EstimateSink};
pub(crate) use known::KnownFiles;

use crate::error::{common, from_core};
use crate::job::{JobDetail, JobObject, backup_state, guarantee_note};
use crate::repositories::Opened;
use crate::select::Selected;
use crate::{BackupRequest, BackupScope, Engine, JobHandle};
use rockhold_core::format::{Claim, ClaimRequest, SnapshotKind};
use rockhold_core::{Effect, ErrorKind, JobId, JobKind, JobRecord};
use rockhold_sql::SqlError;
use std::sync::{Arc, atomic::AtomicBool};

/// What a running backup works with.
pub(crate) struct BackupJob {
    pub(crate) opened: Opened,
    pub(crate) claim: Claim,
    /// In the order in which entries of a snapshot are written.
    pub(crate) selected: Vec<Selected>,
    pub(crate) kind: SnapshotKind,
    /// Whether a file was sent in parts, so that the store may hold parts that
    /// nobody knows of.
    pub(crate) in_parts: Arc<AtomicBool>,
}

/// A BACKUP whose names and repository were checked.
pub(crate) struct PreparedBackup {
    /// The database; empty for external catalogs.
    pub(crate) database: String,
    pub(crate) kind: SnapshotKind,
    /// Each behind the objects that it refers to.
    pub(crate) selected: Vec<Selected>,
    pub(crate) opened: Opened,
    pub(crate) notes: Vec<String>,
    /// Whether earlier snapshots are built upon.
    pub(crate) reuse: bool,
}

impl Engine {
    /// Checks a BACKUP, claims its label, registers its job and lets it run.
    ///
    /// # Errors
    /// With StarRocks's numbers and texts; nothing is left behind.
    pub async fn submit_backup(&self, request: BackupRequest) -> Result<JobHandle, SqlError> {
        self.0.state.take_ownership().await.map_err(from_core)?;
        let PreparedBackup { database, kind, mut selected, opened, notes, .. } =
            self.prepare_backup(&request).await?;
        self.require_free_slot(&database).await?;
        let objects = selected
            .iter()
            .map(|s| JobObject {
                kind: s.kind.clone(),
                name: s.name.name.clone(),
                partitions: s.partitions.clone().unwrap_or_default(),
                alias: None,
            })
            .collect();
        selected.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));

        let now = self.0.clock.now();
        let timestamp = self.0.warehouse.snapshot_timestamp(now);
        let id = JobId::random().map_err(from_core)?;
        let claiming = self.claiming(id);
        let claim = self.claim_label(&opened, &request, (&database, kind), id, now, &timestamp).await?;
        let timeout = request.timeout.unwrap_or(self.0.config.backup_job_default_timeout);
        let mut detail = JobDetail::new(objects, timestamp, timeout);
        detail.notes = notes;
        let record = JobRecord {
            id,
            number: -1,
            kind: JobKind::Backup,
            database,
            label: request.label,
            repository: request.repository,
            state: backup_state::PENDING.into(),
            finished: false,
            created: now,
            detail: crate::engine::detail_value(&detail).map_err(from_core)?,
        };
        if let Err(error) = self.0.state.submit(&record).await {
            match claim.abort("the job could not be registered", &owner(), now, false).await {
                Ok(_) => self.forget_claim(id).await,
                Err(left) => tracing::warn!(error = ?left, "a claim was left behind"),
            }
            return Err(slot_error(&record.database, error));
        }
        let (handle, running) = self.adopt_job(record);
        drop(claiming);
        let in_parts = Arc::default();
        tokio::spawn(run::run(running, BackupJob { opened, claim, selected, kind, in_parts }));
        Ok(handle)
    }

    /// Everything about a BACKUP that can be refused before its label is
    /// claimed, in StarRocks's order. Changes nothing.
    pub(crate) async fn prepare_backup(&self, request: &BackupRequest) -> Result<PreparedBackup, SqlError> {
        let (database, kind, selected, notes) = match &request.scope {
            BackupScope::Database { name, items } => {
                self.require_database(name).await?;
                self.require_known_repository(&request.repository).await?;
                let selected = self.select_for_backup(name, items.as_deref()).await?;
                let (selected, notes) = self.arrange_for_backup(selected).await?;
                (name.clone(), SnapshotKind::Database, selected, notes)
            }
            BackupScope::Catalogs(names) => {
                let selected = self.select_catalogs(names.as_deref()).await?;
                self.require_known_repository(&request.repository).await?;
                (String::new(), SnapshotKind::ExternalCatalogs, selected, Vec::new())
            }
        };
        let notes = notes.into_iter().chain(guarantee_note(self.0.warehouse.guarantees().cut)).collect();
        let opened = self.require_repository(&request.repository).await?;
        if opened.record.read_only {
            return Err(common(format!("Repository {} is read only", request.repository)));
        }
        Ok(PreparedBackup { database, kind, selected, opened, notes, reuse: request.reuse })
    }

    async fn require_known_repository(&self, name: &str) -> Result<(), SqlError> {
        match self.0.state.repository(name).await.map_err(from_core)? {
            Some(_) => Ok(()),
            None => Err(common(format!("Repository {name} does not exist"))),
        }
    }

    /// Refuses a label that a snapshot has.
    pub(crate) async fn require_free_label(
        &self,
        opened: &Opened,
        request: &BackupRequest,
    ) -> Result<(), SqlError> {
        opened.labels.check_free(&request.label).await.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists if request.incremental => {
                common("Currently does not support incremental backup")
            }
            _ => label_error(&request.label, error),
        })
    }

    async fn claim_label(
        &self,
        opened: &Opened,
        request: &BackupRequest,
        (database, kind): (&str, SnapshotKind),
        job: JobId,
        now: rockhold_core::Timestamp,
        timestamp: &str,
    ) -> Result<Claim, SqlError> {
        let label = &request.label;
        // Refused before anything is read that only a claim needs.
        self.require_free_label(opened, request).await?;
        // The warehouse has one owner at a time: whatever claims it noted and
        // that no job of this process holds belong to dead jobs.
        let mut known_dead = self.0.state.noted_claims().await.map_err(from_core)?;
        known_dead.retain(|noted| !self.holds_claim(*noted));
        self.0.state.note_claim(job).await.map_err(from_core)?;
        let bases = match kind {
            SnapshotKind::Database if request.reuse => {
                self.bases(opened, database).await.map_err(from_core)?
            }
            // Catalogs have no files that an earlier snapshot could hold.
            SnapshotKind::Database | SnapshotKind::ExternalCatalogs => Vec::new(),
        };
        let claim = ClaimRequest {
            label: label.clone(),
            job,
            cluster: self.0.warehouse.cluster(),
            owner: owner(),
            database: database.to_owned(),
            kind,
            bases,
            created: now,
            backup_timestamp: timestamp.to_owned(),
            known_dead,
        };
        match opened.labels.claim(claim).await {
            Ok(claim) => Ok(claim),
            Err(error) => {
                if error.effect() == Effect::MaybeApplied {
                    let left =
                        opened.labels.abandon(label, job, "the claim failed", &owner(), now, false).await;
                    if let Err(left) = left {
                        tracing::warn!(error = ?left, "a claim may have been left behind");
                    }
                }
                Err(label_error(label, error))
            }
        }
    }

    /// Forgets a claim that has ended. One that stays noted does no harm: it
    /// is only ever taken for dead.
    pub(crate) async fn forget_claim(&self, job: JobId) {
        if let Err(error) = self.0.state.forget_claim(job).await {
            tracing::warn!(?error, "a claim that has ended stays noted");
        }
    }

    /// One unfinished job of a database at a time, and one of the external catalogs.
    pub(crate) async fn require_free_slot(&self, database: &str) -> Result<(), SqlError> {
        let jobs = self.0.state.jobs(Some(database)).await.map_err(from_core)?;
        match jobs.iter().any(|job| !job.finished) {
            false => Ok(()),
            true => Err(one_job_only(database)),
        }
    }
}

fn one_job_only(database: &str) -> SqlError {
    let of = if database.is_empty() { "external catalog" } else { "a database" };
    common(format!("Can only run one backup or restore job of {of} at same time"))
}

/// The error of a job that could not be registered.
pub(crate) fn slot_error(database: &str, error: rockhold_core::Error) -> SqlError {
    match error.kind() {
        ErrorKind::Conflict if error.message().contains("job") => one_job_only(database),
        _ => from_core(error),
    }
}

fn label_error(label: &str, error: rockhold_core::Error) -> SqlError {
    match error.kind() {
        // The literal that clients match on.
        ErrorKind::AlreadyExists => common(error.message().to_owned()),
        ErrorKind::Conflict => {
            common(format!("Snapshot with name '{label}' already exist in repository: {error}"))
        }
        _ => from_core(error),
    }
}

/// Who writes, for people: host and process.
pub(crate) fn owner() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("pid {} on {}", std::process::id(), host.trim())
}
