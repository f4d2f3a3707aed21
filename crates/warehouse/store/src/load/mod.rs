//! Loads: everything that adds, replaces or removes rows, and objects that are
//! made together with their files.

mod commit;
mod file;
mod raw;

pub(crate) use commit::abandon;
pub use file::LoadFile;
pub use raw::RawFile;

use crate::catalog::{ObjectInfo, PartitionInfo, current_partitions, fold, require_object};
use crate::core::{Core, guard, torn_down};
use crate::data::{FileInfo, StagedWriter, TableFile};
use crate::ddl::{Change, NewObject};
use crate::error::Outcome;
use crate::keeper::Order;
use crate::store::{Inner, Store};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use rockhold_core::{Error, ErrorKind, JobId, LiveObject, Namespace, ObjectName, Result, VersionId};
use rockhold_model::Partition;
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::OwnedMutexGuard;

/// A load into one table: INSERT, UPDATE, DELETE, INSERT OVERWRITE, compaction.
/// Nothing is visible before [`Load::commit`]; dropping it removes what it wrote.
///
/// Loads of one table run one after the other: `begin_load` waits for the one
/// before, so the order of load numbers is the order of commits.
pub struct Load {
    shared: Arc<Shared>,
    turn: Option<OwnedMutexGuard<()>>,
}

struct Shared {
    inner: Arc<Inner>,
    id: [u8; 16],
    object: ObjectInfo,
    label: Option<String>,
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    parts: Vec<Part>,
    changes: Vec<Change>,
    state: Value,
    /// What the commit makes before anything else, and what goes before that.
    creates: Option<(Vec<Change>, NewObject)>,
    ended: bool,
}

struct Part {
    definition: Partition,
    current: Option<PartitionInfo>,
    truncated: bool,
    removed: Vec<u64>,
    added: Vec<NewFile>,
}

struct NewFile {
    info: FileInfo,
    bucket: u32,
    loads: (u64, u64),
    rollup: Option<String>,
}

impl Part {
    fn is_touched(&self) -> bool {
        self.current.is_none() || self.truncated || !self.removed.is_empty() || !self.added.is_empty()
    }
}

/// A partition of the table that is loaded.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoadPartition {
    /// Its definition.
    pub definition: Partition,
    /// What it holds; `None` when this load creates it.
    pub current: Option<PartitionInfo>,
    index: usize,
}

/// A partition that a load has touched so far.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PendingPartition {
    /// The partition.
    pub partition: LoadPartition,
    /// Whether what it held goes.
    pub truncated: bool,
    /// The files that go, by number.
    pub removed: Vec<u64>,
    /// The files that come.
    pub added: Vec<PendingFile>,
}

/// A file that a load has written and that nobody else sees yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingFile {
    /// Where it is until the load ends.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// Its bucket, from 0.
    pub bucket: u32,
    /// The rollup whose rows it holds; `None` for the table's own.
    pub rollup: Option<String>,
}

/// What a load did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadSummary {
    /// The partitions that have a new version: name, id and number for display.
    pub versions: Vec<(String, VersionId, u64)>,
    /// Physical rows added.
    pub rows: u64,
    /// Files added.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("table", &self.shared.object.object.name).finish_non_exhaustive()
    }
}

impl Store {
    /// Begins a load into a relation. Waits for an earlier load of the same
    /// table to end. `label` must be unused in the database.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` "cannot write RESTORE state table", or naming
    /// the process that is writing; `AlreadyExists` for a label that was used.
    pub async fn begin_load(&self, table: &ObjectName, label: Option<&str>) -> Result<Load> {
        let name = table.clone();
        let object = self
            .run(move |core| {
                core.ensure_writer()?;
                core.read(|connection| for_load(connection, &name))
            })
            .await?;
        let turn = self.core().table_lock(object.row_id()).lock_owned().await;
        let (name, label) = (table.clone(), label.map(str::to_owned));
        let wanted = label.clone();
        let (object, parts) = self
            .read(move |connection| {
                let object = for_load(connection, &name)?;
                if let Some(label) = &wanted {
                    refuse_used_label(connection, &name.database, label)?;
                }
                let parts = current_partitions(connection, object.row_id())?;
                Ok((object, parts))
            })
            .await?;
        let parts = parts
            .into_iter()
            .map(|current| Part {
                definition: current.definition.clone(),
                current: Some(current),
                truncated: false,
                removed: Vec::new(),
                added: Vec::new(),
            })
            .collect();
        let work = Work { parts, ..Work::default() };
        let shared = Shared {
            inner: self.inner.clone(),
            id: *JobId::random()?.as_bytes(),
            object,
            label,
            work: Mutex::new(work),
        };
        Ok(Load { shared: Arc::new(shared), turn: Some(turn) })
    }
}

impl Store {
    /// Begins an object that appears together with its files, when
    /// [`Load::commit_creating`] says so. Nothing is reserved: whether the name
    /// is free is seen then.
    ///
    /// # Errors
    /// `Conflict` naming the process that is writing.
    pub async fn begin_object(&self, namespace: Namespace, object: LiveObject) -> Result<Load> {
        let created = self
            .run(|core| {
                core.ensure_writer()?;
                Ok(core.now())
            })
            .await?;
        let object = ObjectInfo {
            id: 0,
            uid: String::new(),
            namespace,
            object,
            revision: 0,
            created,
            under_restore: false,
            next_load: 1,
        };
        let shared = Shared {
            inner: self.inner.clone(),
            id: *JobId::random()?.as_bytes(),
            object,
            label: None,
            work: Mutex::new(Work::default()),
        };
        Ok(Load { shared: Arc::new(shared), turn: None })
    }
}

fn for_load(connection: &Connection, name: &ObjectName) -> Outcome<ObjectInfo> {
    let object = require_object(connection, Namespace::Relation, name)?;
    refuse_under_restore(&object)?;
    Ok(object)
}

fn refuse_under_restore(object: &ObjectInfo) -> Result<()> {
    if object.under_restore {
        let error = Error::new(ErrorKind::Conflict, "cannot write RESTORE state table");
        return Err(error.with("table", &object.object.name));
    }
    Ok(())
}

fn refuse_used_label(connection: &Connection, database: &str, label: &str) -> Outcome<()> {
    let used = connection
        .query_row("SELECT 1 FROM load_labels WHERE database = ?1 AND label = ?2", [database, label], |_| {
            Ok(())
        })
        .optional()?;
    match used {
        None => Ok(()),
        Some(()) => Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("Label [{label}] has already been used; give another one"),
        )
        .into()),
    }
}

impl Load {
    /// The table as it was when the load began.
    pub fn object(&self) -> &ObjectInfo {
        &self.shared.object
    }

    /// The number of the load: the sequence by which later rows win. Grows
    /// from load to load of a table, also over restores.
    pub fn sequence(&self) -> u64 {
        self.shared.object.next_load
    }

    /// The partitions, those this load created last.
    pub fn partitions(&self) -> Vec<LoadPartition> {
        let work = guard(&self.shared.work);
        work.parts.iter().enumerate().map(|(index, part)| describe(index, part)).collect()
    }

    /// The partitions that this load has touched so far.
    pub fn pending(&self) -> Vec<PendingPartition> {
        let staging = self.shared.core().layout.staging_of(&self.shared.id);
        let work = guard(&self.shared.work);
        let file = |file: &NewFile| PendingFile {
            path: staging.join(&file.info.name),
            len: file.info.len,
            bucket: file.bucket,
            rollup: file.rollup.clone(),
        };
        let touched = work.parts.iter().enumerate().filter(|(_, part)| part.is_touched());
        touched
            .map(|(index, part)| PendingPartition {
                partition: describe(index, part),
                truncated: part.truncated,
                removed: part.removed.clone(),
                added: part.added.iter().map(file).collect(),
            })
            .collect()
    }

    /// The partition of that name, in any case; not a temporary one.
    pub fn partition(&self, name: &str) -> Option<LoadPartition> {
        let key = fold(name);
        self.partitions().into_iter().find(|p| !p.definition.temporary && fold(&p.definition.name) == key)
    }

    /// A partition that the commit will create; the one that is there, when
    /// the name is taken already.
    pub fn create_partition(&self, definition: Partition) -> LoadPartition {
        let mut work = guard(&self.shared.work);
        let key = fold(&definition.name);
        let known = work
            .parts
            .iter()
            .position(|p| p.definition.temporary == definition.temporary && fold(&p.definition.name) == key);
        let index = known.unwrap_or(work.parts.len());
        if known.is_none() {
            let (removed, added) = (Vec::new(), Vec::new());
            work.parts.push(Part {
                definition: definition.clone(),
                current: None,
                truncated: false,
                removed,
                added,
            });
        }
        match work.parts.get(index) {
            Some(part) => describe(index, part),
            None => LoadPartition { definition, current: None, index },
        }
    }

    /// Begins a file of a partition. Its rows must be sorted as the key model asks.
    ///
    /// # Errors
    /// `StorageFull`, `Unavailable`.
    pub async fn file(&self, partition: &LoadPartition, bucket: u32, schema: SchemaRef) -> Result<LoadFile> {
        let shared = self.shared.clone();
        let file = blocking(move || {
            let writer = StagedWriter::create(&shared.core().layout, &shared.id, "parquet")?;
            TableFile::new(writer, schema)
        })
        .await?;
        let sequence = self.sequence();
        Ok(LoadFile {
            shared: self.shared.clone(),
            index: partition.index,
            bucket,
            loads: (sequence, sequence),
            rollup: None,
            file: Some(file),
        })
    }

    /// Begins a file of any other format, such as the artifact of a function.
    ///
    /// # Errors
    /// `InvalidInput` for an extension that is not 1 to 16 lower-case letters or
    /// digits; `StorageFull`, `Unavailable`.
    pub async fn raw_file(&self, partition: &LoadPartition, extension: &str) -> Result<RawFile> {
        let (shared, extension) = (self.shared.clone(), extension.to_owned());
        let writer =
            blocking(move || StagedWriter::create(&shared.core().layout, &shared.id, &extension)).await?;
        Ok(RawFile { shared: self.shared.clone(), index: partition.index, file: Some(writer) })
    }

    /// Writes one file from a stream of sorted batches. `None` when there were no rows.
    ///
    /// # Errors
    /// Those of the stream; `StorageFull`, `Unavailable`.
    pub async fn write_file(
        &self,
        partition: &LoadPartition,
        bucket: u32,
        schema: SchemaRef,
        batches: impl Stream<Item = Result<RecordBatch>>,
    ) -> Result<Option<FileInfo>> {
        let mut file = self.file(partition, bucket, schema).await?;
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.next().await {
            file.write(batch?).await?;
        }
        file.finish().await
    }

    /// Takes a file out of a partition; `number` as a snapshot gave it. Readers
    /// that pinned it keep it.
    pub fn remove_file(&self, partition: &LoadPartition, number: u64) {
        if let Some(part) = guard(&self.shared.work).parts.get_mut(partition.index) {
            part.removed.push(number);
        }
    }

    /// Empties a partition before what this load adds to it.
    pub fn truncate(&self, partition: &LoadPartition) {
        if let Some(part) = guard(&self.shared.work).parts.get_mut(partition.index) {
            part.truncated = part.current.is_some();
        }
    }

    /// Merges into the state of the table at commit; integers never go back.
    pub fn merge_state(&self, state: Value) {
        let mut work = guard(&self.shared.work);
        work.state = crate::catalog::merge_state(&work.state, &state);
    }

    /// Makes a change of the catalog in the transaction of the commit, after
    /// the rows have changed.
    pub fn also(&self, change: Change) {
        guard(&self.shared.work).changes.push(change);
    }

    /// Makes everything visible and durable in one transaction.
    ///
    /// # Errors
    /// `Conflict` when the table was altered, dropped or put under restore
    /// since the load began, and those of [`Change`]; then nothing was changed.
    /// `maybe_applied` where only looking tells.
    pub async fn commit(self) -> Result<LoadSummary> {
        self.finish().await
    }

    /// Makes `changes`, then the object of a load that [`Store::begin_object`]
    /// began, with its files, in one transaction.
    ///
    /// # Errors
    /// Those of [`Change`] and of making an object; then nothing was changed.
    pub async fn commit_creating(self, changes: Vec<Change>, object: NewObject) -> Result<LoadSummary> {
        guard(&self.shared.work).creates = Some((changes, object));
        self.finish().await
    }

    async fn finish(mut self) -> Result<LoadSummary> {
        let (shared, turn) = (self.shared.clone(), self.turn.take());
        blocking(move || {
            let _turn = turn;
            let ended = Work { ended: true, ..Work::default() };
            let work = std::mem::replace(&mut *guard(&shared.work), ended);
            let done = commit::commit(shared.core(), &shared, &work);
            // After a commit only the empty staging directory is left.
            if let Err(error) = abandon(shared.core(), &shared.id) {
                tracing::warn!(%error, "files of a failed load stay until the next writer");
            }
            shared.inner.keeper.order(Order::Tidy);
            done
        })
        .await
    }

    /// Removes what was written. Dropping the load does the same, later.
    ///
    /// # Errors
    /// `Unavailable`; the next writer repeats it.
    pub async fn rollback(self) -> Result<()> {
        let shared = self.shared.clone();
        guard(&shared.work).ended = true;
        blocking(move || abandon(shared.core(), &shared.id)).await
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let mut work = guard(&self.shared.work);
        if !work.ended {
            work.ended = true;
            self.shared.inner.keeper.order(Order::Abandon(self.shared.id));
        }
    }
}

impl Shared {
    fn core(&self) -> &Arc<Core> {
        &self.inner.core
    }
}

fn describe(index: usize, part: &Part) -> LoadPartition {
    LoadPartition { definition: part.definition.clone(), current: part.current.clone(), index }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(torn_down)?
}

fn ended() -> Error {
    Error::internal("the load or its file has ended")
}
