//! CANCEL BACKUP and CANCEL RESTORE.

use crate::Engine;
use crate::error::{common, from_core};
use crate::job::restore_state;
use rockhold_core::JobKind;
use rockhold_sql::SqlError;

impl Engine {
    /// Asks the running job of a database (empty: of the external catalogs)
    /// to stop, whichever process owns it, and where it runs here waits until
    /// it has.
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
        let refuse = |state: &str| {
            common(format!(
                "Failed to cancel job: Job with label {} can not be cancelled. state: {state}",
                job.label
            ))
        };
        if job.finished {
            return Err(refuse(&job.state));
        }
        let Some(handle) = self.running_job(job.id) else {
            return self.0.state.request_cancel(job.id).await.map_err(from_core);
        };
        let state = handle.record().state;
        if kind == JobKind::Restore && state == restore_state::COMMITTING {
            // One catalog transaction is under way; it ends one way or the other at once.
            return Err(refuse(&state));
        }
        handle.cancel();
        handle.wait().await;
        Ok(())
    }

    /// A restore into a new database may be cancelled before the database exists.
    async fn require_database_or_job(&self, database: &str) -> Result<(), SqlError> {
        match self.0.state.jobs(Some(database)).await.map_err(from_core)?.is_empty() {
            true => self.require_database(database).await,
            false => Ok(()),
        }
    }
}
