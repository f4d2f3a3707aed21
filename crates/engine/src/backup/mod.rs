//! BACKUP: submitted here, run in the background.

mod run;
mod sink;
mod upload;

use crate::error::{common, from_core};
use crate::job::{JobDetail, JobObject, backup_state};
use crate::repositories::Opened;
use crate::select::Selected;
use crate::{BackupRequest, BackupScope, Engine, JobHandle};
use rockhold_core::format::{BaseRef, Claim, ClaimRequest, SnapshotKind, SnapshotState};
use rockhold_core::{Effect, ErrorKind, JobId, JobKind, JobRecord, Result};
use rockhold_sql::SqlError;

/// What a running backup works with.
pub(crate) struct BackupJob {
    pub(crate) opened: Opened,
    pub(crate) claim: Claim,
    pub(crate) selected: Vec<Selected>,
}

impl Engine {
    /// Checks a BACKUP, claims its label, registers its job and lets it run.
    ///
    /// # Errors
    /// With StarRocks's numbers and texts; nothing is left behind.
    pub async fn submit_backup(&self, request: BackupRequest) -> Result<JobHandle, SqlError> {
        let (database, items) = match &request.scope {
            BackupScope::Database { name, items } => (name.clone(), items.as_deref()),
            BackupScope::Catalogs(_) => return Err(crate::execute::no_catalogs()),
        };
        self.0.state.take_ownership().await.map_err(from_core)?;
        self.require_database(&database).await?;
        if self.0.state.repository(&request.repository).await.map_err(from_core)?.is_none() {
            return Err(common(format!("Repository {} does not exist", request.repository)));
        }
        let mut selected = self.select_for_backup(&database, items).await?;
        let objects = selected
            .iter()
            .map(|s| JobObject {
                kind: s.kind.clone(),
                name: s.name.clone(),
                partitions: s.partitions.clone().unwrap_or_default(),
                alias: None,
            })
            .collect();
        // Entries of a snapshot are written in this order.
        selected.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));

        let opened = self.require_repository(&request.repository).await?;
        if opened.record.read_only {
            return Err(common(format!("Repository {} is read only", request.repository)));
        }
        self.require_free_slot(&database).await?;

        let now = self.0.clock.now();
        let timestamp = self.0.warehouse.snapshot_timestamp(now);
        let id = JobId::random().map_err(from_core)?;
        let claim = self.claim_label(&opened, &request, &database, id, now, &timestamp).await?;
        let timeout = request.timeout.unwrap_or(self.0.config.backup_job_default_timeout);
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
            detail: crate::engine::detail_value(&JobDetail::new(objects, timestamp, timeout))
                .map_err(from_core)?,
        };
        if let Err(error) = self.0.state.submit(&record).await {
            match claim.abort("the job could not be registered", &owner(), now, false).await {
                Ok(_) => self.forget_claim(id).await,
                Err(left) => tracing::warn!(error = ?left, "a claim was left behind"),
            }
            return Err(slot_error(error));
        }
        let (handle, running) = self.adopt_job(record);
        tokio::spawn(run::run(running, BackupJob { opened, claim, selected }));
        Ok(handle)
    }

    async fn claim_label(
        &self,
        opened: &Opened,
        request: &BackupRequest,
        database: &str,
        job: JobId,
        now: rockhold_core::Timestamp,
        timestamp: &str,
    ) -> Result<Claim, SqlError> {
        let label = &request.label;
        // Refused before anything is read that only a claim needs.
        opened.labels.check_free(label).await.map_err(|e| label_error(label, e))?;
        // The warehouse has one owner at a time: whatever claims it noted and
        // that no job of this process holds belong to dead jobs.
        let mut known_dead = self.0.state.noted_claims().await.map_err(from_core)?;
        known_dead.retain(|noted| self.running_job(*noted).is_none());
        self.0.state.note_claim(job).await.map_err(from_core)?;
        let claim = ClaimRequest {
            label: label.clone(),
            job,
            cluster: self.0.warehouse.cluster(),
            owner: owner(),
            database: database.to_owned(),
            kind: SnapshotKind::Database,
            bases: self.bases(opened, database).await.map_err(from_core)?,
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

    /// The newest snapshots of the same database, newest first.
    async fn bases(&self, opened: &Opened, database: &str) -> Result<Vec<BaseRef>> {
        let mut found: Vec<_> = opened
            .labels
            .list_snapshots()
            .await?
            .into_iter()
            .filter_map(|listing| match listing.state {
                SnapshotState::Committed(summary) if summary.database == database => Some(summary),
                _ => None,
            })
            .collect();
        found.sort_by_key(|summary| std::cmp::Reverse((summary.finished, summary.created)));
        found.truncate(self.0.config.max_bases);
        Ok(found.into_iter().map(|s| BaseRef { label: s.label, n: s.n, job: s.job }).collect())
    }

    /// One unfinished job of a database at a time.
    pub(crate) async fn require_free_slot(&self, database: &str) -> Result<(), SqlError> {
        let jobs = self.0.state.jobs(Some(database)).await.map_err(from_core)?;
        match jobs.iter().any(|job| !job.finished) {
            false => Ok(()),
            true => Err(one_job_only()),
        }
    }
}

fn one_job_only() -> SqlError {
    common("Can only run one backup or restore job of a database at same time")
}

/// The error of a job that could not be registered.
pub(crate) fn slot_error(error: rockhold_core::Error) -> SqlError {
    match error.kind() {
        ErrorKind::Conflict if error.message().contains("job") => one_job_only(),
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
