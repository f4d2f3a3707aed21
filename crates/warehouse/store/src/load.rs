//! Loads: everything that adds, replaces or removes rows.

use crate::catalog::{
    NewPartition, ObjectInfo, PartitionInfo, close_partition, current_partitions, fold, insert_partition,
    next_sequence, object_by_id, require_object,
};
use crate::core::{Core, guard};
use crate::data::{self, FileInfo, StagedWriter, TableFile};
use crate::ddl::{self, Change};
use crate::error::{Outcome, int, nat};
use crate::keeper::Order;
use crate::store::{Inner, Store};
use crate::{catalog::schema::GARBAGE, core::torn_down};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, StreamExt};
use rockhold_core::{Error, ErrorKind, JobId, Namespace, ObjectName, Result, Timestamp, VersionId};
use rockhold_model::Partition;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tokio::sync::OwnedMutexGuard;

/// Labels of loads are remembered for three days, as in StarRocks.
const LABEL_KEEP_MS: i64 = 3 * 24 * 60 * 60 * 1000;

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
            file: Some(file),
        })
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
    pub async fn commit(mut self) -> Result<LoadSummary> {
        let (shared, turn) = (self.shared.clone(), self.turn.take());
        blocking(move || {
            let _turn = turn;
            let ended = Work { ended: true, ..Work::default() };
            let work = std::mem::replace(&mut *guard(&shared.work), ended);
            let done = commit(shared.core(), &shared, &work);
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

/// One file of a load. Files of one load may be written at the same time.
/// Dropping it before [`LoadFile::finish`] removes it.
pub struct LoadFile {
    shared: Arc<Shared>,
    index: usize,
    bucket: u32,
    loads: (u64, u64),
    file: Option<TableFile>,
}

impl std::fmt::Debug for LoadFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadFile").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl LoadFile {
    /// Says that the rows come from these loads (first, last) and not from
    /// this one: for files that merge others.
    pub fn set_loads(&mut self, first: u64, last: u64) {
        self.loads = (first, last);
    }

    /// Appends a sorted batch.
    ///
    /// # Errors
    /// `StorageFull`, `Unavailable`; the file is given up then.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let mut file = self.file.take().ok_or_else(ended)?;
        let file = blocking(move || {
            file.write(&batch)?;
            Ok(file)
        })
        .await?;
        self.file = Some(file);
        Ok(())
    }

    /// Ends the file. An empty one is removed, giving `None`.
    ///
    /// # Errors
    /// `StorageFull`, `Unavailable`.
    pub async fn finish(mut self) -> Result<Option<FileInfo>> {
        let file = self.file.take().ok_or_else(ended)?;
        let shared = self.shared.clone();
        let info = blocking(move || shared.core().faults.around("finish file", || file.finish())).await?;
        if info.rows == 0 {
            let path = self.shared.core().layout.staging_of(&self.shared.id).join(&info.name);
            fs::remove_file(&path).map_err(|e| Error::io(e, "unlink", path.display()))?;
            return Ok(None);
        }
        let mut work = guard(&self.shared.work);
        if work.ended {
            return Err(ended());
        }
        let part = work.parts.get_mut(self.index).ok_or_else(ended)?;
        part.added.push(NewFile { info: info.clone(), bucket: self.bucket, loads: self.loads });
        Ok(Some(info))
    }
}

fn ended() -> Error {
    Error::internal("the load or its file has ended")
}

/// Files durable, names reserved, files in place, names durable, catalog: in this order.
fn commit(core: &Core, shared: &Shared, work: &Work) -> Result<LoadSummary> {
    let files: Vec<&NewFile> = work.parts.iter().flat_map(|p| &p.added).collect();
    if !files.is_empty() {
        let staging = core.layout.staging_of(&shared.id);
        let paths: Vec<PathBuf> = files.iter().map(|f| staging.join(&f.info.name)).collect();
        data::sync_many(&core.faults, &staging, &paths)?;
        core.write("reserve names", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO files (name, digest, len, created, owner) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for NewFile { info, .. } in &files {
                let len = int(info.len)?;
                insert.execute(params![info.name, info.digest.as_bytes(), len, core.now().0, shared.id])?;
            }
            Ok(())
        })?;
        let names: Vec<String> = files.iter().map(|f| f.info.name.clone()).collect();
        let dirs = data::move_into_place(&core.faults, &core.layout, &shared.id, &names)?;
        data::sync_dirs(&core.faults, &core.layout.data(), dirs)?;
    }
    core.write("commit load", |transaction| commit_rows(core, transaction, shared, work))
}

fn commit_rows(core: &Core, connection: &Connection, shared: &Shared, work: &Work) -> Outcome<LoadSummary> {
    let changed = || {
        let error =
            Error::new(ErrorKind::Conflict, "the table was altered or dropped during the load; repeat it");
        error.with("table", &shared.object.object.name)
    };
    let row = shared.object.row_id();
    let object = object_by_id(connection, row)?.ok_or_else(changed)?;
    refuse_under_restore(&object)?;
    if object.revision != shared.object.revision || object.next_load != shared.object.next_load {
        return Err(changed().into());
    }
    let now = core.now();
    if let Some(label) = &shared.label {
        record_label(connection, &object.object.name.database, label, now)?;
    }
    let sequence = next_sequence(connection)?;
    let mut summary = LoadSummary::default();
    for part in work.parts.iter().filter(|part| part.is_touched()) {
        commit_part(connection, row, part, sequence, now, &mut summary)
            .map_err(|failure| Error::from(failure).with("table", &object.object.name))?;
    }
    connection.execute("UPDATE files SET owner = NULL WHERE owner = ?1", [shared.id])?;
    connection.execute("UPDATE objects SET next_load = next_load + 1 WHERE id = ?1", [row])?;
    if !work.state.is_null() {
        ddl::set_state(connection, &object, &work.state)?;
    }
    ddl::apply(core, connection, &work.changes)?;
    Ok(summary)
}

fn record_label(connection: &Connection, database: &str, label: &str, now: Timestamp) -> Outcome<()> {
    connection
        .execute("DELETE FROM load_labels WHERE committed < ?1", [now.0.saturating_sub(LABEL_KEEP_MS)])?;
    refuse_used_label(connection, database, label)?;
    connection.execute(
        "INSERT INTO load_labels (database, label, committed) VALUES (?1, ?2, ?3)",
        params![database, label, now.0],
    )?;
    Ok(())
}

/// One partition: the old version ends, a new one begins.
fn commit_part(
    connection: &Connection,
    object: i64,
    part: &Part,
    sequence: i64,
    now: Timestamp,
    summary: &mut LoadSummary,
) -> Outcome<()> {
    let mut new = match &part.current {
        Some(old) => {
            if !close_partition(connection, old.row, sequence)? {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("partition {} was changed during the load; repeat it", old.name()),
                )
                .into());
            }
            let mut new = NewPartition::same_rows(object, &part.definition, old, sequence);
            if part.truncated {
                new = NewPartition {
                    position: Some(old.position),
                    ..NewPartition::empty(object, &part.definition, sequence, now)?
                };
            }
            new
        }
        None => NewPartition::empty(object, &part.definition, sequence, now)?,
    };
    new.version_id = VersionId::random()?;
    new.visible_time = now;
    let data = match new.data {
        Some(data) => data,
        None => crate::catalog::next_id(connection)?,
    };
    new.data = Some(data);
    if part.current.is_none() || part.truncated {
        new.position = new.position.or(Some(data));
        new.version = if part.added.is_empty() { 1 } else { 2 };
    } else {
        new.version = new.version.saturating_add(1);
        for number in &part.removed {
            let (rows, bytes) = remove_file(connection, data, *number, sequence)?;
            new.files -= 1;
            new.rows -= rows;
            new.bytes -= bytes;
        }
    }
    for file in &part.added {
        add_file(connection, data, new.next_file, file, sequence)?;
        new.next_file += 1;
        new.files += 1;
        new.rows = new.rows.saturating_add(int(file.info.rows)?);
        new.bytes = new.bytes.saturating_add(int(file.info.len)?);
        summary.rows = summary.rows.saturating_add(file.info.rows);
        summary.files += 1;
        summary.bytes = summary.bytes.saturating_add(file.info.len);
    }
    insert_partition(connection, &new)?;
    summary.versions.push((part.definition.name.clone(), new.version_id, nat(new.version)));
    Ok(())
}

fn add_file(connection: &Connection, data: i64, number: i64, file: &NewFile, sequence: i64) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO partition_files (data, number, file, bucket, rows, first_load, last_load, added) \
             SELECT ?1, ?2, id, ?4, ?5, ?6, ?7, ?8 FROM files WHERE name = ?3",
        )?
        .execute(params![
            data,
            number,
            file.info.name,
            file.bucket,
            int(file.info.rows)?,
            int(file.loads.0)?,
            int(file.loads.1)?,
            sequence
        ])?;
    Ok(())
}

/// Ends a file and gives its rows and bytes.
fn remove_file(connection: &Connection, data: i64, number: u64, sequence: i64) -> Outcome<(i64, i64)> {
    let removed = connection
        .prepare_cached(
            "UPDATE partition_files SET removed = ?3 WHERE data = ?1 AND number = ?2 AND removed IS NULL \
             RETURNING rows, (SELECT len FROM files WHERE id = file)",
        )?
        .query_row(params![data, int(number)?, sequence], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    removed.ok_or_else(|| {
        Error::new(
            ErrorKind::Conflict,
            format!("file {number} is not in the partition; repeat the statement"),
        )
        .into()
    })
}

/// Removes what a load wrote, unless it was committed after all.
pub(crate) fn abandon(core: &Core, id: &[u8; 16]) -> Result<()> {
    let reserved: i64 = core.read(|connection| {
        Ok(connection.query_row("SELECT COUNT(*) FROM files WHERE owner = ?1", [id], |row| row.get(0))?)
    })?;
    if reserved > 0 {
        core.write("abandon load", |transaction| {
            transaction.execute("UPDATE files SET owner = ?2 WHERE owner = ?1", params![id, GARBAGE])?;
            Ok(())
        })?;
    }
    data::remove_staging(&core.faults, &core.layout.staging_of(id))
}
