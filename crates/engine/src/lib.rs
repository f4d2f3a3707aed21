//! BACKUP and RESTORE of a warehouse, as jobs.
//!
//! An [`Engine`] is put together by an [`EngineBuilder`] from a warehouse, a
//! state store, object types and storage vendors, and knows none of them by
//! name. [`Engine::execute`] takes the statements about repositories,
//! snapshots and jobs; everything is a method of its own, too.
//!
//! | module | subject |
//! |---|---|
//! | `repositories` | CREATE / SHOW / DROP REPOSITORY, opening |
//! | `check` | what works and what does not in a repository |
//! | `select`, `backup` | BACKUP: what it takes; submitting, running, uploading |
//! | `restore` | RESTORE: choosing, planning, staging, committing |
//! | `references` | order by dependency, circles, what is missing |
//! | `explain` | EXPLAIN BACKUP, EXPLAIN RESTORE |
//! | `snapshots` | SHOW SNAPSHOT, DROP SNAPSHOT |
//! | `show`, `cancel_job` | SHOW BACKUP / RESTORE, CANCEL |
//! | `job` | records, progress, handles |
//!
//! Invariants:
//!
//! * A statement that fails leaves nothing behind: no database, no claim, no job.
//! * Every wait of a job ends when it is cancelled, except the two commits: the
//!   outcome of a backup and the transaction of a restore are one call each.
//! * A job that ends CANCELLED has removed exactly what it wrote, as far as the
//!   store could be reached; its claim is ended before anything is removed.

mod backup;
mod cancel;
mod cancel_job;
mod check;
mod config;
mod engine;
mod error;
mod execute;
mod explain;
mod job;
mod properties;
mod references;
mod repositories;
mod request;
mod restore;
mod select;
mod show;
mod snapshots;
mod workers;

pub use cancel::CancelToken;
pub use check::{CheckResult, CheckStep, RepositoryCheck};
pub use config::EngineConfig;
pub use engine::{Engine, EngineBuilder, LayerFn};
pub use error::from_core as sql_error;
pub use execute::Executed;
pub use job::{
    CANCELLED, FINISHED, JobDetail, JobHandle, JobObject, ProgressCounts, backup_state, job_status,
    restore_state,
};
pub use request::{
    BackupRequest, BackupScope, PartitionNames, RestoreRequest, RestoreScope, Selection, What,
};
pub use rockhold_sql::analyze::SnapshotFilter;
