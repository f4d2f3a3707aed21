//! What an engine must remember: repositories, jobs, and which files it knows
//! to be in a repository. A warehouse that is a directory keeps it there; a
//! server may keep it elsewhere.

use crate::format::FileEntry;
use crate::{Digest, JobId, RepositoryId, Result, Secret, Timestamp};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// A state store shared between tasks.
pub type SharedState = Arc<dyn StateStore>;

/// A repository as CREATE REPOSITORY left it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RepositoryRecord {
    /// The number that SHOW REPOSITORIES prints; given by the store when 0.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Its location, as given.
    pub location: String,
    /// The broker, where one was named.
    pub broker: String,
    /// Whether BACKUP and DROP SNAPSHOT are refused.
    pub read_only: bool,
    /// When the repository was created, as recorded in it.
    pub created: Timestamp,
    /// The identity recorded in it.
    pub id: RepositoryId,
    /// The properties that are no secrets.
    pub properties: BTreeMap<String, String>,
    /// The properties that are; encrypted at rest.
    pub secrets: BTreeMap<String, Secret>,
}

impl RepositoryRecord {
    /// A record without properties; the caller fills the rest.
    pub fn new(
        name: impl Into<String>,
        location: impl Into<String>,
        id: RepositoryId,
        created: Timestamp,
    ) -> Self {
        Self {
            number: 0,
            name: name.into(),
            location: location.into(),
            broker: String::new(),
            read_only: false,
            created,
            id,
            properties: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

/// BACKUP or RESTORE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// A backup.
    Backup,
    /// A restore.
    Restore,
}

/// A job as SHOW BACKUP and SHOW RESTORE see it. `detail` belongs to the
/// engine and survives a restart unread by the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its identity.
    pub id: JobId,
    /// The number shown; −1 until the job was taken up.
    pub number: i64,
    /// What it is.
    pub kind: JobKind,
    /// The database whose one slot it takes; empty for external catalogs.
    pub database: String,
    /// The snapshot label.
    pub label: String,
    /// The repository's name.
    pub repository: String,
    /// StarRocks's word for its state.
    pub state: String,
    /// Whether the state is final.
    pub finished: bool,
    /// When it was submitted.
    pub created: Timestamp,
    /// Everything else: times, progress, status, plan.
    pub detail: Value,
}

/// What an engine must remember. Every method is one transaction, durable
/// when it returns.
///
/// * S1. `submit` admits one unfinished job per database (`Conflict`
///   otherwise); the record replaces the database's finished one.
/// * S2. `update` never revives a finished job.
/// * S3. Secrets are encrypted at rest and appear in no other method.
#[async_trait]
pub trait StateStore: Send + Sync + fmt::Debug {
    /// Makes this process the owner: whatever a dead owner left is put right
    /// first (its jobs are CANCELLED, its restores completed or rolled back).
    /// Every writing method does the same by itself; a caller that decides by
    /// what it reads calls this before it reads. A second call costs nothing.
    ///
    /// # Errors
    /// `Conflict` naming the process that is the owner.
    async fn take_ownership(&self) -> Result<()>;

    /// As [`StateStore::take_ownership`], without waiting for an owner that is there.
    ///
    /// # Errors
    /// `Conflict` naming the process that is the owner.
    async fn take_ownership_now(&self) -> Result<()> {
        self.take_ownership().await
    }

    /// All repositories, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn repositories(&self) -> Result<Vec<RepositoryRecord>>;

    /// One repository.
    ///
    /// # Errors
    /// `Unavailable`; an unknown name is `None`.
    async fn repository(&self, name: &str) -> Result<Option<RepositoryRecord>>;

    /// Remembers a repository; gives its number.
    ///
    /// # Errors
    /// `AlreadyExists`.
    async fn add_repository(&self, record: RepositoryRecord) -> Result<i64>;

    /// Forgets a repository.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while an unfinished job names it.
    async fn remove_repository(&self, name: &str) -> Result<()>;

    /// A number for display that was never given before.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn next_number(&self) -> Result<i64>;

    /// Registers a new job (S1).
    ///
    /// # Errors
    /// `Conflict` with the label of the job that is running.
    async fn submit(&self, record: &JobRecord) -> Result<()>;

    /// Replaces the record of a job (S2).
    ///
    /// # Errors
    /// `NotFound`.
    async fn update(&self, record: &JobRecord) -> Result<()>;

    /// Replaces the member `progress` of the detail of a job that is not
    /// finished, so that other processes see how far it is. Nothing else of the
    /// record changes; an unknown or finished job is a success.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn note_progress(&self, job: JobId, progress: Value) -> Result<()> {
        let _ = (job, progress);
        Ok(())
    }

    /// The last job of each database, or of one.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn jobs(&self, database: Option<&str>) -> Result<Vec<JobRecord>>;

    /// Asks the owner of a job to stop; works from any process.
    ///
    /// # Errors
    /// `NotFound`.
    async fn request_cancel(&self, job: JobId) -> Result<()>;

    /// Whether somebody asked the job to stop.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn cancel_requested(&self, job: JobId) -> Result<bool>;

    /// Notes that a job is about to claim a label, so that its claim is known
    /// to be dead when the warehouse has a new owner.
    ///
    /// # Errors
    /// `Unavailable`; then the label is not claimed.
    async fn note_claim(&self, job: JobId) -> Result<()>;

    /// The jobs whose claims were noted and not forgotten.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn noted_claims(&self) -> Result<Vec<JobId>>;

    /// Forgets the claim of a job that has ended it in the repository; an
    /// unknown one is a success.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn forget_claim(&self, job: JobId) -> Result<()>;

    /// Files known to be in a repository, by digest, of those that one of
    /// `jobs` uploaded. A cache: what it does not know is uploaded again.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn known_files(
        &self,
        repository: RepositoryId,
        jobs: &[JobId],
        digests: &[Digest],
    ) -> Result<Vec<Option<FileEntry>>>;

    /// Adds what `job` uploaded.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn remember_files(&self, repository: RepositoryId, job: JobId, files: &[FileEntry]) -> Result<()>;

    /// Forgets what one job uploaded (its files were deleted).
    ///
    /// # Errors
    /// `Unavailable`.
    async fn forget_job_files(&self, repository: RepositoryId, job: JobId) -> Result<()>;
}
