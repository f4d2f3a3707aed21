//! What the tests share: tables of one integer column, backups in memory.

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rockhold_core::format::{Children, FileEntry, PartitionEntry, Totals};
use rockhold_core::{
    Cut, DataPart, Digest, JobId, Key, KindId, Namespace, ObjectName, PinRequest, PinnedPartition,
    RestoreAction, RestorePlan, RestoreTarget, Result, StagedFile, Timestamp, VersionId, Warehouse,
};
use rockhold_model::{Partition, PartitionValue};
use rockhold_warehouse_store::{
    Change, Fault, FaultHook, Load, LoadSummary, NewObject, OpenOptions, Step, Store,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub(crate) fn name(table: &str) -> ObjectName {
    ObjectName::new("db", table)
}

pub(crate) fn partition(name: &str) -> Partition {
    Partition::new(name, PartitionValue::All)
}

/// Options without a background thread at work, so that effects come in one order.
pub(crate) fn quiet() -> OpenOptions {
    let mut options = OpenOptions::create();
    options.background = false;
    options.time_zone = Some("UTC".into());
    options
}

pub(crate) fn reopen() -> OpenOptions {
    let mut options = OpenOptions::default();
    options.background = false;
    options
}

pub(crate) async fn new_store(dir: &Path) -> Store {
    let store = Store::open(dir, quiet()).await.expect("a new warehouse");
    store.change(Change::CreateDatabase { name: "db".into() }).await.expect("a database");
    store
}

pub(crate) fn definition(table: &str) -> Value {
    json!({ "name": table, "columns": ["v"] })
}

pub(crate) async fn create_table(store: &Store, table: &str, partitions: &[&str]) {
    store
        .change(Change::CreateObject(NewObject {
            namespace: Namespace::Relation,
            kind: KindId::TABLE,
            name: name(table),
            definition: definition(table),
            state: json!({ "auto_increment": 1 }),
            partitions: partitions.iter().map(|p| partition(p)).collect(),
        }))
        .await
        .expect("a table");
}

pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, false)]))
}

pub(crate) fn batch(rows: &[i64]) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(rows.to_vec()))]).expect("a batch")
}

pub(crate) async fn add_rows(load: &Load, partition: &str, rows: &[i64]) -> Result<()> {
    let target = load.partition(partition).expect("a partition");
    let batches = futures::stream::iter([Ok(batch(rows))]);
    load.write_file(&target, 0, schema(), batches).await.map(|_| ())
}

/// One load of one file.
pub(crate) async fn load(store: &Store, table: &str, partition: &str, rows: &[i64]) -> Result<LoadSummary> {
    let load = store.begin_load(&name(table), None).await?;
    add_rows(&load, partition, rows).await?;
    load.commit().await
}

pub(crate) fn rows_of(path: &Path) -> Vec<i64> {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    read_rows(file)
}

pub(crate) fn rows_in(bytes: &[u8]) -> Vec<i64> {
    read_rows(Bytes::copy_from_slice(bytes))
}

fn read_rows<R: parquet::file::reader::ChunkReader + 'static>(source: R) -> Vec<i64> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(source).expect("parquet").build().expect("a reader");
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.expect("a batch");
        let column = batch.column(0).as_any().downcast_ref::<Int64Array>().expect("integers");
        rows.extend(column.values().iter().copied());
    }
    rows
}

/// Rows of a partition, sorted.
pub(crate) type Contents = BTreeMap<String, (VersionId, Vec<i64>)>;

/// What a query of the table sees.
pub(crate) async fn read_table(store: &Store, table: &str) -> Result<Contents> {
    let snapshot = store.snapshot(&[name(table)]).await?;
    let mut all = BTreeMap::new();
    for partition in &snapshot.objects()[0].partitions {
        let files = snapshot.files(partition).await?;
        assert_eq!(files.len() as u64, partition.files, "the sum of files of {}", partition.name());
        assert_eq!(files.iter().map(|f| f.rows).sum::<u64>(), partition.rows, "the sum of rows");
        assert_eq!(files.iter().map(|f| f.len).sum::<u64>(), partition.bytes, "the sum of bytes");
        let mut rows: Vec<i64> = files.iter().flat_map(|file| rows_of(&file.path)).collect();
        rows.sort_unstable();
        all.insert(partition.name().to_owned(), (partition.version_id, rows));
    }
    Ok(all)
}

/// Only names and rows.
pub(crate) async fn rows_by_partition(store: &Store, table: &str) -> BTreeMap<String, Vec<i64>> {
    let contents = read_table(store, table).await.expect("readable");
    contents.into_iter().map(|(name, (_, rows))| (name, rows)).collect()
}

/// A partition as a repository would hold it.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    pub(crate) entry: PartitionEntry,
    pub(crate) files: Vec<(FileEntry, Vec<u8>)>,
}

impl Saved {
    pub(crate) fn rows(&self) -> Vec<i64> {
        let mut rows: Vec<i64> = self.files.iter().flat_map(|(_, bytes)| rows_in(bytes)).collect();
        rows.sort_unstable();
        rows
    }
}

/// Reads a cut in small pages, checking every digest.
pub(crate) async fn save(cut: &dyn Cut, object: usize) -> Result<Vec<Saved>> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = cut.partitions(object, after.as_deref(), 2).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.name.clone());
        for pinned in page {
            all.push(save_partition(cut, pinned).await?);
        }
    }
}

async fn save_partition(cut: &dyn Cut, pinned: PinnedPartition) -> Result<Saved> {
    let mut files = Vec::new();
    let mut after = None;
    loop {
        let page = cut.files(&pinned, after, 2).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.number);
        for file in page {
            let DataPart::LocalFile { path, digest, len } = &file.part else { panic!("a local file") };
            let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert_eq!((Digest::of(&bytes), bytes.len() as u64), (*digest, *len), "{}", path.display());
            let entry = FileEntry {
                key: Key::new(format!("data/x/{}.{}", files.len(), file.extension)).expect("a key"),
                offset: 0,
                len: *len,
                digest: *digest,
                chunks: Vec::new(),
                logical_len: None,
                logical_digest: None,
                codec: None,
                key_id: None,
                rows: file.rows,
                bucket: file.bucket,
                loads: file.loads,
                rollup: file.rollup.clone(),
            };
            files.push((entry, bytes));
        }
    }
    let entry = PartitionEntry {
        name: pinned.name,
        definition: pinned.definition,
        version_id: pinned.version_id,
        version: pinned.version,
        visible_time: pinned.visible_time,
        totals: Totals::default(),
        files: Children::default(),
    };
    Ok(Saved { entry, files })
}

/// Pins, reads and releases a table.
pub(crate) async fn backup(store: &Store, table: &str) -> Result<Vec<Saved>> {
    let job = JobId::random()?;
    let cut = store.pin(job, vec![PinRequest::new(KindId::TABLE, name(table))]).await?;
    let saved = save(&*cut, 0).await;
    store.release(job).await?;
    saved
}

pub(crate) fn plan(table: &str, action: RestoreAction, state: Value) -> RestorePlan {
    RestorePlan {
        database: "db".into(),
        targets: vec![RestoreTarget {
            kind: KindId::TABLE,
            name: name(table),
            definition: definition(table),
            state,
            action,
        }],
    }
}

/// Stages everything that was saved, reusing what is here.
pub(crate) async fn stage(store: &Store, job: JobId, target: usize, saved: &[Saved]) -> Result<()> {
    let entries = saved.iter().map(|saved| saved.entry.clone()).collect();
    let handles = store.stage_partitions(job, target, entries).await?;
    for (Saved { files, .. }, partition) in saved.iter().zip(handles) {
        for (number, (file, bytes)) in files.iter().enumerate() {
            let received = match store.find_file(job, &file.digest, file.len).await? {
                Some(found) => found,
                None => {
                    let mut receiver = store.receive(job, "parquet", file.len).await?;
                    for chunk in bytes.chunks(100) {
                        receiver.write(Bytes::copy_from_slice(chunk)).await?;
                    }
                    receiver.finish(file.digest).await?
                }
            };
            let staged = StagedFile::new(partition, number as u64, received, file);
            store.stage_files(job, vec![staged]).await?;
        }
    }
    Ok(())
}

/// A whole restore.
pub(crate) async fn restore(
    store: &Store,
    table: &str,
    action: RestoreAction,
    saved: &[Saved],
) -> Result<()> {
    let job = JobId::random()?;
    store.begin(job, &plan(table, action, json!({ "auto_increment": 1 }))).await?;
    stage(store, job, 0, saved).await?;
    store.commit(job).await
}

/// The data files on disk.
pub(crate) fn files_on_disk(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for shard in std::fs::read_dir(dir.join("data")).expect("data").flatten() {
        all.extend(std::fs::read_dir(shard.path()).expect("a shard").flatten().map(|f| f.path()));
    }
    all.sort();
    all
}

pub(crate) fn staged_on_disk(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("staging")).expect("staging").count()
}

/// A copy of everything below a directory.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// A hook that fails at step `at` and counts all steps.
pub(crate) fn fail_at(at: u64) -> (FaultHook, Arc<AtomicU64>) {
    let seen = Arc::new(AtomicU64::new(0));
    let count = seen.clone();
    let hook = move |step: Step| {
        count.fetch_max(step.number + 1, Ordering::SeqCst);
        if step.number == at { Fault::Fail } else { Fault::Continue }
    };
    (Arc::new(hook), seen)
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp(ms)
}
