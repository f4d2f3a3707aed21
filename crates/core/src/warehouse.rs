//! The contract of a warehouse: pinning what is backed up, staging and
//! committing what is restored.
//!
//! Only the warehouse pins and commits. Everything is plain data, so that a
//! live cluster behind a network protocol fits as well as a local directory.

use crate::format::{FileEntry, PartitionEntry};
use crate::{
    ClusterId, Digest, JobId, KindId, LiveObject, Namespace, ObjectName, Result, Timestamp, VersionId,
};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, path::PathBuf, sync::Arc};

/// A warehouse shared between tasks.
pub type SharedWarehouse = Arc<dyn Warehouse>;

/// How much happens at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guarantee {
    /// Each table by itself.
    PerTable,
    /// Everything that the job names.
    Whole,
}

/// What a warehouse promises; the weaker word is reported to users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Guarantees {
    /// Of a pinned cut.
    pub cut: Guarantee,
    /// Of a commit.
    pub commit: Guarantee,
}

impl Guarantees {
    /// Names both.
    pub fn new(cut: Guarantee, commit: Guarantee) -> Self {
        Self { cut, commit }
    }
}

/// One object to pin.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinRequest {
    /// Its kind.
    pub kind: KindId,
    /// Its name.
    pub name: ObjectName,
    /// Only these partitions (names as found, not as typed); `None` for all.
    pub partitions: Option<Vec<String>>,
}

impl PinRequest {
    /// The whole object.
    pub fn new(kind: KindId, name: ObjectName) -> Self {
        Self { kind, name, partitions: None }
    }

    /// Only these partitions.
    #[must_use]
    pub fn partitions(mut self, names: Vec<String>) -> Self {
        self.partitions = Some(names);
        self
    }
}

/// A partition at the version that is pinned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PinnedPartition {
    /// The warehouse's handle, for [`Cut::files`].
    pub handle: i64,
    /// Its name.
    pub name: String,
    /// Its definition: the serialised partition of `rockhold-model`.
    pub definition: Value,
    /// The identity of its contents.
    pub version_id: VersionId,
    /// StarRocks's version number, for display only.
    pub version: u64,
    /// When that version became visible.
    pub visible_time: Timestamp,
    /// How many files it has, those of rollups too.
    pub files: u64,
    /// The physical rows of its own files, without rollups.
    pub rows: u64,
    /// The bytes of all its files.
    pub bytes: u64,
}

impl PinnedPartition {
    /// A partition without files; the caller fills the sums.
    pub fn new(handle: i64, name: impl Into<String>, definition: Value, version_id: VersionId) -> Self {
        Self {
            handle,
            name: name.into(),
            definition,
            version_id,
            version: 1,
            visible_time: Timestamp(0),
            files: 0,
            rows: 0,
            bytes: 0,
        }
    }
}

/// Where the bytes of a pinned file are.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataPart {
    /// A local file that does not change while the pin is held.
    LocalFile {
        /// Where.
        path: PathBuf,
        /// The digest recorded when it was written; the upload refuses a mismatch.
        digest: Digest,
        /// Its length in bytes.
        len: u64,
    },
    /// The warehouse has written the bytes to the repository by itself.
    Delegated(Box<FileEntry>),
}

/// One file of a pinned partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PinnedFile {
    /// Its number inside the partition: the order of files, and the cursor of [`Cut::files`].
    pub number: u64,
    /// Its bytes.
    pub part: DataPart,
    /// The extension of its natural format: `parquet`, `json`, `jar`, …
    pub extension: String,
    /// Its physical rows.
    pub rows: u64,
    /// Its bucket, from 0.
    pub bucket: u32,
    /// The load sequences of its rows, first and last, where the key model orders by them.
    pub loads: Option<(u64, u64)>,
    /// The rollup whose rows the file holds; `None` for the table's own.
    pub rollup: Option<String>,
}

impl PinnedFile {
    /// A Parquet file of bucket 0; the caller fills the rest.
    pub fn new(number: u64, part: DataPart, rows: u64) -> Self {
        Self { number, part, extension: "parquet".into(), rows, bucket: 0, loads: None, rollup: None }
    }
}

/// A consistent cut of the pinned objects. What it gives never changes; the
/// files stay until [`Warehouse::release`]. Partitions and files are given in
/// batches, so that nobody ever holds all of them.
#[async_trait]
pub trait Cut: Send + Sync {
    /// The objects, in the order of the requests.
    fn objects(&self) -> &[LiveObject];

    /// The partitions of one object, sorted by name (bytes), those behind
    /// `after` first, at most `limit`. An empty answer is the end.
    ///
    /// # Errors
    /// `NotFound` when the pin was released.
    async fn partitions(
        &self,
        object: usize,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PinnedPartition>>;

    /// The files of one partition by number, those behind `after` first, at
    /// most `limit`. An empty answer is the end.
    ///
    /// # Errors
    /// `NotFound` when the pin was released.
    async fn files(
        &self,
        partition: &PinnedPartition,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<PinnedFile>>;
}

/// What a restore does with one object of the warehouse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreTarget {
    /// The object as it will be: target name, renamed definition, state.
    pub kind: KindId,
    /// Its name in the warehouse.
    pub name: ObjectName,
    /// Its definition, for an object that is created or replaced.
    pub definition: Value,
    /// Its state; merged into that of an existing object so that counters never go back.
    pub state: Value,
    /// Whether it is created or already there.
    pub action: RestoreAction,
}

/// How a restored object meets an existing one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreAction {
    /// No object has the name: it is created with the staged partitions.
    Create,
    /// The object is there: staged partitions replace those of the same name
    /// and are added otherwise; its other partitions stay.
    Merge,
    /// The object is there and its definition is replaced (kinds without data).
    Replace,
}

/// Everything that one restore will change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestorePlan {
    /// The target database; created at commit when it is missing. Empty for catalogs.
    pub database: String,
    /// The objects, in the order in which they are made.
    pub targets: Vec<RestoreTarget>,
}

/// A file that is here and verified, not yet part of any partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedFile {
    /// The warehouse's handle.
    pub handle: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub len: u64,
}

/// A received file in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StagedFile {
    /// The handle of its staged partition.
    pub partition: i64,
    /// Its number inside the partition.
    pub number: u64,
    /// Its bytes.
    pub file: ReceivedFile,
    /// Its extension.
    pub extension: String,
    /// Its physical rows.
    pub rows: u64,
    /// Its bucket.
    pub bucket: u32,
    /// The load sequences of its rows.
    pub loads: Option<(u64, u64)>,
    /// The rollup whose rows the file holds.
    pub rollup: Option<String>,
}

impl StagedFile {
    /// Places `file` in a partition as the entry says.
    pub fn new(partition: i64, number: u64, file: ReceivedFile, entry: &FileEntry) -> Self {
        let extension = entry.key.as_str().rsplit('.').next().unwrap_or("bin").to_owned();
        Self {
            partition,
            number,
            file,
            extension,
            rows: entry.rows,
            bucket: entry.bucket,
            loads: entry.loads,
            rollup: entry.rollup.clone(),
        }
    }
}

/// Takes in one file of a restore. Dropping it removes what was written.
#[async_trait]
pub trait FileReceiver: Send {
    /// Appends bytes.
    ///
    /// # Errors
    /// `StorageFull`, `Unavailable`.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Ends the file, which must have the length announced and this digest;
    /// the receiver hashes what it writes, so that nobody hashes twice.
    ///
    /// # Errors
    /// `Corrupt` when it has not; `StorageFull`, `Unavailable`.
    async fn finish(self: Box<Self>, digest: Digest) -> Result<ReceivedFile>;
}

/// How a job ended, as the warehouse itself recorded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// The warehouse does not know the job.
    Unknown,
    /// Begun, neither committed nor rolled back.
    Open,
    /// Committed; its effects are visible and durable.
    Committed,
    /// Rolled back; the state is as it was before.
    RolledBack,
}

/// An object as a warehouse can take it in.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// The object.
    pub object: LiveObject,
    /// What of it cannot be used here, one line each.
    pub notes: Vec<String>,
}

/// A short answer about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectSummary {
    /// Its kind.
    pub kind: KindId,
    /// Its name.
    pub name: ObjectName,
}

impl ObjectSummary {
    /// Names an object.
    pub fn new(kind: KindId, name: ObjectName) -> Self {
        Self { kind, name }
    }
}

/// A warehouse. See the module.
///
/// **Reading the catalog**
/// * H1. Names are case-sensitive; partition names are found in any case and
///   given as they are stored.
///
/// **Pins**
/// * H2. `pin` gives one consistent cut, as far as `guarantees().cut` says:
///   every partition at the version visible at one instant.
/// * H3. What is pinned does not change and does not vanish before `release`,
///   whatever is loaded, truncated, dropped or restored meanwhile.
/// * H4. Equal version ids mean equal rows, for ever and in every copy of the
///   warehouse.
///
/// **Restores**
/// * H5. `begin` puts existing targets into state RESTORE and changes nothing
///   else that a user can see.
/// * H6. Nothing staged is visible before `commit`.
/// * H7. `commit` is atomic as far as `guarantees().commit` says, durable when
///   it returns, and idempotent: a second call is a success.
/// * H8. `rollback` gives exactly the state before `begin`. After `commit` it
///   is refused; twice is a success.
/// * H9. `outcome` tells what happened, recorded together with the effect.
/// * H10. Counters such as AUTO_INCREMENT never go back.
#[async_trait]
pub trait Warehouse: Send + Sync + fmt::Debug {
    /// The identity of the warehouse.
    fn cluster(&self) -> ClusterId;

    /// What it promises.
    fn guarantees(&self) -> Guarantees;

    /// The literal `yyyy-MM-dd-HH-mm-ss-SSS` of a point in time in the
    /// warehouse's fixed time zone.
    fn snapshot_timestamp(&self, at: Timestamp) -> String;

    /// The literal `yyyy-MM-dd HH:mm:ss` of a point in time in the warehouse's fixed time zone.
    fn display_time(&self, at: Timestamp) -> String;

    /// The databases, sorted.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn databases(&self) -> Result<Vec<String>>;

    /// The objects of a database in all namespaces, sorted by name; for the
    /// empty name the catalogs.
    ///
    /// # Errors
    /// `NotFound` when the database does not exist.
    async fn objects(&self, database: &str) -> Result<Vec<ObjectSummary>>;

    /// One object of a namespace.
    ///
    /// # Errors
    /// `Unavailable`; a missing object is `None`.
    async fn object(&self, namespace: Namespace, name: &ObjectName) -> Result<Option<LiveObject>>;

    /// The definitions of partitions (serialised partitions of
    /// `rockhold-model`), sorted by name: all, or those of `names`, which are
    /// found in any case and may be missing from the answer. Relations are
    /// looked for first.
    ///
    /// # Errors
    /// `NotFound` when the object does not exist.
    async fn partitions(&self, name: &ObjectName, names: Option<&[String]>) -> Result<Vec<Value>>;

    /// Why the object cannot be backed up or restored over now (`SCHEMA_CHANGE`,
    /// `RESTORE`, …); `None` when its state is NORMAL.
    ///
    /// # Errors
    /// `NotFound` when the object does not exist.
    async fn busy(&self, name: &ObjectName) -> Result<Option<String>>;

    /// Whether the relation has temporary partitions, which no snapshot holds:
    /// it is not backed up, and not restored over, as long as it has. `false`
    /// when there is no such relation.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn has_temporary_partitions(&self, name: &ObjectName) -> Result<bool> {
        let _ = name;
        Ok(false)
    }

    /// The object that a restore is to make, as this warehouse can take it in.
    /// What cannot be used here (a secret that is sealed under a key that is
    /// not here) is named; where `existing` has something usable in its place,
    /// that is kept. Changes nothing.
    ///
    /// # Errors
    /// `Corrupt`.
    async fn admit(&self, incoming: LiveObject, existing: Option<&LiveObject>) -> Result<Admitted> {
        let _ = existing;
        Ok(Admitted { object: incoming, notes: Vec::new() })
    }

    /// Whether files are here already, by digest and length, in the order of
    /// the question; for a job that is open also those it has staged. An
    /// estimate: nothing is read or held. A restore asks `find_file` for those
    /// that may be here and fetches the others.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn has_files(&self, job: Option<JobId>, files: &[(Digest, u64)]) -> Result<Vec<bool>>;

    /// Pins objects for `job` (H2, H3).
    ///
    /// # Errors
    /// `NotFound` naming the object or partition that is not there.
    async fn pin(&self, job: JobId, requests: Vec<PinRequest>) -> Result<Arc<dyn Cut>>;

    /// Lets go of everything pinned for `job`; twice is a success.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn release(&self, job: JobId) -> Result<()>;

    /// Begins a restore (H5).
    ///
    /// # Errors
    /// `Conflict` when a target is not NORMAL or an object to create has appeared.
    async fn begin(&self, job: JobId, plan: &RestorePlan) -> Result<()>;

    /// Finds a file that is here already by its digest, re-reads and verifies
    /// it, and holds it for `job`. `None` when there is none or it is damaged.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_file(&self, job: JobId, digest: &Digest, len: u64) -> Result<Option<ReceivedFile>>;

    /// Begins to take in a file of `len` bytes.
    ///
    /// # Errors
    /// `Conflict` when the job is not open; `InvalidInput` when the extension
    /// is none; `Unavailable`.
    async fn receive(&self, job: JobId, extension: &str, len: u64) -> Result<Box<dyn FileReceiver>>;

    /// Stages partitions of target number `target`, all or none, and gives
    /// their handles. An entry carries name, definition and display version;
    /// files follow.
    ///
    /// # Errors
    /// `InvalidInput` when a definition is not one or a partition is staged
    /// already; `Conflict` when the job is not open.
    async fn stage_partitions(
        &self,
        job: JobId,
        target: usize,
        entries: Vec<PartitionEntry>,
    ) -> Result<Vec<i64>>;

    /// Stages files, each in its staged partition. Called in batches, in any
    /// order; may be repeated when the answer was lost.
    ///
    /// # Errors
    /// `InvalidInput` when the job has no such partition or file; `Conflict`
    /// when it is not open.
    async fn stage_files(&self, job: JobId, files: Vec<StagedFile>) -> Result<()>;

    /// Makes everything staged durable and visible (H7).
    ///
    /// # Errors
    /// `Conflict` when the job is not open or a target has vanished; then
    /// nothing was changed.
    async fn commit(&self, job: JobId) -> Result<()>;

    /// Gives the restore up (H8).
    ///
    /// # Errors
    /// `Conflict` after commit.
    async fn rollback(&self, job: JobId) -> Result<()>;

    /// What became of a job (H9).
    ///
    /// # Errors
    /// `Unavailable`.
    async fn outcome(&self, job: JobId) -> Result<JobOutcome>;
}
