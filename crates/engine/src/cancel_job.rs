//! CANCEL BACKUP and CANCEL RESTORE.

use crate::Engine;
use crate::error::{common, from_core};
use crate::job::{CANCELLED, restore_state};
use rockhold_core::{ErrorKind, JobKind, JobRecord};
use rockhold_sql::SqlError;
use std::time::{Duration, Instant};

/// A process that lives has heard of a CANCEL after twice this time, unless it
/// was told to look less often.
const HEARD_AFTER: Duration = Duration::from_millis(500);

/// The longest that a CANCEL waits for a process that runs the job.
const HEARD_WITHIN: Duration = Duration::from_secs(60);

impl Engine {
    /// Asks the running job of a database (empty: of the external catalogs)
    /// to stop, whichever process runs it, and waits until it has.
    ///
    /// # Errors
    /// 5064 with StarRocks's texts.
    pub async fn cancel_job(&self, backup: bool, database: &str) -> Result<(), SqlError> {
        let kind = if backup { JobKind::Backup } else { JobKind::Restore };
        let none = || match kind {
            JobKind::Backup => common("No backup job is currently running"),
            JobKind::Restore => common("No restore is currently running"),
        };
        if !database.is_empty() {
            self.require_database_or_job(database).await?;
        }
        let jobs = self.0.state.jobs(Some(database)).await.map_err(from_core)?;
        let job = jobs.into_iter().find(|job| job.kind == kind).ok_or_else(none)?;
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
        handle.wait().await;
        Ok(())
    }

    /// Asks the process that runs the job to stop it, and waits until it has.
    /// One that is dead does not hear it: then the job is ended here.
    async fn cancel_elsewhere(&self, job: &JobRecord) -> Result<(), SqlError> {
        self.0.state.request_cancel(job.id).await.map_err(from_core)?;
        let (asked, poll) = (Instant::now(), self.0.config.cancel_poll().min(HEARD_AFTER));
        let mut looked_for_owner = false;
        while asked.elapsed() < HEARD_WITHIN {
            tokio::time::sleep(poll / 2).await;
            let jobs = self.0.state.jobs(Some(&job.database)).await.map_err(from_core)?;
            match jobs.iter().find(|other| other.id == job.id) {
                Some(now) if now.finished && now.state != CANCELLED => return Err(too_late(job, &now.state)),
                Some(now) if !now.finished => {}
                _ => return Ok(()),
            }
            if !looked_for_owner && asked.elapsed() > poll * 2 {
                looked_for_owner = true;
                match self.0.state.take_ownership().await {
                    Err(error) if error.kind() == ErrorKind::Conflict => {}
                    taken => taken.map_err(from_core)?,
                }
            }
        }
        Err(common(format!(
            "Job with label {} was asked to stop and has not yet; see SHOW {}",
            job.label,
            if job.kind == JobKind::Backup { "BACKUP" } else { "RESTORE" }
        )))
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
