//! What a backup of a million files costs beside moving them: planning,
//! committing, showing, and memory. The catalog is simulated and says of each
//! file that it is in the repository already; everything else is real.
//!
//! ```sh
//! cargo run --release -p rockhold-tests-bench -- 1000000
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that fails says where"
)]

use async_trait::async_trait;
use rockhold::{Engine, EngineBuilder, Rockhold};
use rockhold_core::format::{FileEntry, PartitionEntry, data_key};
use rockhold_core::{
    Admitted, ClusterId, Cut, DataPart, Digest, FileReceiver, Guarantees, JobId, JobOutcome, KindId,
    LiveObject, Namespace, ObjectName, ObjectSummary, Outcome, PartitionWriter, PinRequest, PinnedFile,
    PinnedPartition, ReceivedFile, RestorePlan, Result, StagedFile, Timestamp, VersionId, Warehouse,
};
use rockhold_engine::Executed;
use rockhold_model::{Bound, Partition, PartitionValue};
use rockhold_object_table::TableCodec;
use rockhold_storage_fs::FsFactory;
use rockhold_warehouse_store::{OpenOptions, Store};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Files of a partition, one for each bucket.
const FILES: u64 = 10;

/// A warehouse whose table has as many partitions as it is told.
#[derive(Debug)]
struct Simulated {
    store: Store,
    partitions: u64,
    /// Raised, the first partition has other rows.
    changes: AtomicU64,
}

struct SimulatedCut {
    objects: Vec<LiveObject>,
    job: JobId,
    partitions: u64,
    change: u64,
}

#[async_trait]
impl Cut for SimulatedCut {
    fn objects(&self) -> &[LiveObject] {
        &self.objects
    }

    async fn partitions(&self, _: usize, after: Option<&str>, limit: usize) -> Result<Vec<PinnedPartition>> {
        let first = after.map_or(0, |name| name[1..].parse::<u64>().unwrap() + 1);
        let numbers = (first..self.partitions).take(limit);
        Ok(numbers.map(|n| partition(n, if n == 0 { self.change } else { 0 })).collect())
    }

    async fn files(
        &self,
        partition: &PinnedPartition,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<PinnedFile>> {
        let first = after.map_or(0, |number| number + 1);
        (first..FILES).take(limit).map(|number| file(self.job, partition.handle as u64, number)).collect()
    }
}

fn partition(n: u64, change: u64) -> PinnedPartition {
    let mut id = [0; 16];
    id.copy_from_slice(&Digest::of(format!("{n} {change}").as_bytes()).as_bytes()[..16]);
    let name = format!("p{n:08}");
    let bound = |n: u64| vec![Bound::Value(n.to_string())];
    let range = PartitionValue::Range { lower: bound(n), upper: bound(n + 1) };
    let definition = serde_json::to_value(Partition::new(name.clone(), range)).unwrap();
    let mut pinned = PinnedPartition::new(n as i64, name, definition, VersionId::from_bytes(id));
    (pinned.files, pinned.rows, pinned.bytes) = (FILES, FILES * 50_000, FILES * 4_000_000);
    pinned
}

fn file(job: JobId, partition: u64, number: u64) -> Result<PinnedFile> {
    let unique = partition * FILES + number;
    let entry = FileEntry {
        key: data_key(job, unique, "parquet")?,
        offset: 0,
        len: 4_000_000,
        digest: Digest::of(&unique.to_le_bytes()),
        chunks: Vec::new(),
        logical_len: None,
        logical_digest: None,
        codec: None,
        key_id: None,
        rows: 50_000,
        bucket: number as u32,
        loads: Some((1, 1)),
        rollup: None,
    };
    let mut pinned = PinnedFile::new(number, DataPart::Delegated(Box::new(entry)), 50_000);
    (pinned.bucket, pinned.loads) = (number as u32, Some((1, 1)));
    Ok(pinned)
}

#[async_trait]
impl Warehouse for Simulated {
    async fn pin(&self, job: JobId, requests: Vec<PinRequest>) -> Result<Arc<dyn Cut>> {
        let objects = self.store.pin(job, requests).await?.objects().to_vec();
        let change = self.changes.load(Ordering::Relaxed);
        Ok(Arc::new(SimulatedCut { objects, job, partitions: self.partitions, change }))
    }

    fn cluster(&self) -> ClusterId {
        self.store.cluster()
    }
    fn guarantees(&self) -> Guarantees {
        self.store.guarantees()
    }
    fn snapshot_timestamp(&self, at: Timestamp) -> String {
        self.store.snapshot_timestamp(at)
    }
    fn display_time(&self, at: Timestamp) -> String {
        self.store.display_time(at)
    }
    async fn databases(&self) -> Result<Vec<String>> {
        self.store.databases().await
    }
    async fn objects(&self, database: &str) -> Result<Vec<ObjectSummary>> {
        self.store.objects(database).await
    }
    async fn object(&self, namespace: Namespace, name: &ObjectName) -> Result<Option<LiveObject>> {
        self.store.object(namespace, name).await
    }
    async fn partitions(&self, name: &ObjectName, names: Option<&[String]>) -> Result<Vec<Value>> {
        Warehouse::partitions(&self.store, name, names).await
    }
    async fn busy(&self, name: &ObjectName) -> Result<Option<String>> {
        self.store.busy(name).await
    }
    async fn has_temporary_partitions(&self, name: &ObjectName) -> Result<bool> {
        self.store.has_temporary_partitions(name).await
    }
    async fn admit(&self, incoming: LiveObject, existing: Option<&LiveObject>) -> Result<Admitted> {
        self.store.admit(incoming, existing).await
    }
    async fn release(&self, job: JobId) -> Result<()> {
        self.store.release(job).await
    }
    async fn begin(&self, job: JobId, plan: &RestorePlan) -> Result<()> {
        self.store.begin(job, plan).await
    }
    async fn has_files(&self, job: Option<JobId>, files: &[(Digest, u64)]) -> Result<Vec<bool>> {
        self.store.has_files(job, files).await
    }
    async fn find_file(&self, job: JobId, digest: &Digest, len: u64) -> Result<Option<ReceivedFile>> {
        self.store.find_file(job, digest, len).await
    }
    async fn receive(&self, job: JobId, extension: &str, len: u64) -> Result<Box<dyn FileReceiver>> {
        self.store.receive(job, extension, len).await
    }
    async fn stage_partitions(
        &self,
        job: JobId,
        target: usize,
        entries: Vec<PartitionEntry>,
    ) -> Result<Vec<i64>> {
        self.store.stage_partitions(job, target, entries).await
    }
    async fn stage_files(&self, job: JobId, files: Vec<StagedFile>) -> Result<()> {
        self.store.stage_files(job, files).await
    }
    async fn commit(&self, job: JobId) -> Result<()> {
        self.store.commit(job).await
    }
    async fn rollback(&self, job: JobId) -> Result<()> {
        self.store.rollback(job).await
    }
    async fn outcome(&self, job: JobId) -> Result<JobOutcome> {
        self.store.outcome(job).await
    }
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Runs one statement, waits for its job, and says what it took.
async fn timed(engine: &Engine, what: &str, sql: &str) -> Vec<rockhold::Row> {
    let begin = Instant::now();
    let statement = rockhold_sql::parse_one(sql).unwrap();
    let rows = match engine.execute(&statement, None).await.unwrap().unwrap() {
        Executed::Job(job) => {
            let record = job.wait().await;
            assert_eq!(record.state, "FINISHED", "{sql}: {}", rockhold::job_status(&record));
            Vec::new()
        }
        Executed::Outcome(Outcome::Rows(rows)) => rows.collect().await.unwrap(),
        _ => Vec::new(),
    };
    println!("{what}: {:.2?}, peak so far {} MiB", begin.elapsed(), peak_mib());
    rows
}

async fn measure(dir: &Path, files: u64) -> Result<()> {
    let warehouse = dir.join("warehouse");
    let rockhold = Rockhold::embedded(&warehouse).open().await?;
    let mut session = rockhold.session().unwrap();
    let make = "CREATE DATABASE d; CREATE TABLE d.t (k BIGINT, v STRING) PARTITION BY RANGE (k) () \
                DISTRIBUTED BY HASH (k) BUCKETS 10";
    for statement in rockhold::statements(make) {
        session.execute(&statement.parsed.unwrap()).await.unwrap();
    }
    drop(session);
    rockhold.close().await;

    let mut options = OpenOptions::create();
    options.kinds.register(rockhold_object_table::descriptor())?;
    let store = Store::open(&warehouse, options).await?;
    let simulated =
        Arc::new(Simulated { store: store.clone(), partitions: files / FILES, changes: AtomicU64::new(0) });
    let engine = EngineBuilder::new(simulated.clone(), Arc::new(store))
        .object_type(Arc::new(TableCodec::default()), Some(Arc::new(PartitionWriter::new(KindId::TABLE))))?
        .storage(Arc::new(FsFactory))?
        .build();
    let create = format!(
        "CREATE REPOSITORY r WITH BROKER ON LOCATION \"file://{}\"",
        dir.join("repository").display()
    );
    timed(&engine, "create repository", &create).await;
    println!("{files} files in {} partitions", files / FILES);
    timed(&engine, "plan and commit, everything new", "BACKUP DATABASE d SNAPSHOT first TO r").await;
    timed(&engine, "plan and commit, nothing changed", "BACKUP DATABASE d SNAPSHOT second TO r").await;
    simulated.changes.fetch_add(1, Ordering::Relaxed);
    timed(&engine, "plan and commit, one partition changed", "BACKUP DATABASE d SNAPSHOT third TO r").await;
    timed(&engine, "SHOW BACKUP", "SHOW BACKUP FROM d").await;
    let shown = timed(&engine, "SHOW SNAPSHOT", "SHOW SNAPSHOT ON r").await;
    assert_eq!(shown.len(), 3, "{shown:?}");
    let one = "SHOW SNAPSHOT ON r WHERE SNAPSHOT = 'third'";
    let timestamp = timed(&engine, "SHOW SNAPSHOT of one label", one).await[0][1].clone().unwrap();
    let details = format!("{one} AND TIMESTAMP = '{timestamp}'");
    timed(&engine, "SHOW SNAPSHOT with its details", &details).await;
    let restore = format!(
        "EXPLAIN RESTORE SNAPSHOT third FROM r DATABASE d AS e PROPERTIES (\"backup_timestamp\" = \"{timestamp}\")"
    );
    timed(&engine, "plan of a restore", &restore).await;
    Ok(())
}

fn main() {
    let files = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let dir = std::env::temp_dir().join(format!("rockhold-million-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(measure(&dir, files));
    std::fs::remove_dir_all(&dir).unwrap();
    outcome.unwrap();
}
