//! CANCEL BACKUP and CANCEL RESTORE.

use crate::Engine;
use crate::error::{common, from_core};
use crate::job::{CANCELLED, restore_state};
use rockhold_core::{ErrorKind, JobKind, JobRecord};
use rockhold_sql::SqlError;
use std::time::{Duration, Instant};

/// How often is looked whether the job has ended; after twice this time,
/// whether the process that runs it is there.
const HEARD_AFTER: Duration = Duration::from_millis(500);

impl Engine {
    /// Asks the running job of a database (empty: of the external catalogs)
    /// to stop, whichever process runs it, and waits until it has.
    ///
    /// # Errors
    /// 5064 with StarRocks's texts.
    pub async fn cancel_job(&self, backup: bool, database: &str) -> Result<(), SqlError> {
        let kind = if backup { JobKind::Backup } else { JobKind::Restore };
        if !database.is_empty() {
            self.require_database_or_job(database).await?;
        }
        let jobs = self.0.state.jobs(Some(database)).await.map_err(from_core)?;
        let job = jobs.into_iter().find(|job| job.kind == kind).ok_or_else(|| none_runs(kind))?;
        let refuse = |state: &str| too_late(&job, state);
        if job.finished {
            return Err(refuse(&job.state));
        }
        let Some(handle) = self.running_job(job.id) else { return self.cancel_elsewhere(&job).await };
        let state = handle.record().state;
        if kind == JobKind::Restore && state == restore_state::COMMITTING {
            // One catalog transaction is under way; it ends one way or the other at once.
            return Err(refuse(&state));
        }
        handle.cancel();
        let ended = handle.wait().await;
        if ended.state == CANCELLED { Ok(()) } else { Err(refuse(&ended.state)) }
    }

    /// Asks the process that runs the job to stop it, and waits until it has.
    /// One that is dead does not hear it: then the job is ended here.
    async fn cancel_elsewhere(&self, job: &JobRecord) -> Result<(), SqlError> {
        self.0.state.request_cancel(job.id).await.map_err(from_core)?;
        let poll = self.0.config.cancel_poll().min(HEARD_AFTER);
        let mut looked = Instant::now();
        loop {
            tokio::time::sleep(poll / 2).await;
            let jobs = self.0.state.jobs(Some(&job.database)).await.map_err(from_core)?;
            match jobs.iter().find(|other| other.id == job.id) {
                Some(now) if !now.finished => {}
                Some(now) if now.state == CANCELLED => return Ok(()),
                Some(now) => return Err(too_late(job, &now.state)),
                // It has ended, and another one has begun since.
                None => return Err(none_runs(job.kind)),
            }
            if looked.elapsed() > HEARD_AFTER * 2 {
                match self.0.state.take_ownership_now().await {
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    taken => taken.map_err(from_core)?,
                }
                looked = Instant::now();
            }
        }
    }

    /// A restore into a new database may be cancelled before the database exists.
    async fn require_database_or_job(&self, database: &str) -> Result<(), SqlError> {
        match self.0.state.jobs(Some(database)).await.map_err(from_core)?.is_empty() {
            true => self.require_database(database).await,
            false => Ok(()),
        }
    }
}

fn too_late(job: &JobRecord, state: &str) -> SqlError {
    common(format!("Failed to cancel job: Job with label {} can not be cancelled. state: {state}", job.label))
}

fn none_runs(kind: JobKind) -> SqlError {
    match kind {
        JobKind::Backup => common("No backup job is currently running"),
        JobKind::Restore => common("No restore is currently running"),
    }
}
