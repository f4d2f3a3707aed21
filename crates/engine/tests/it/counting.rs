//! A warehouse and a repository that count how many calls are under way at
//! once. Each call is held for a moment, so that calls that may meet do meet.

use async_trait::async_trait;
use bytes::Bytes;
use rockhold_core::format::PartitionEntry;
use rockhold_core::{
    Admitted, Capabilities, ClusterId, CreateRequest, Cut, Digest, FileReceiver, GetRequest, Guarantees,
    JobId, JobOutcome, Key, ListPage, ListRequest, LiveObject, Namespace, ObjectMeta, ObjectName,
    ObjectReader, ObjectSummary, ObjectWriter, PinRequest, PutRequest, ReceivedFile, Repository,
    RepositoryInfo, RestorePlan, Result, SharedRepository, SharedWarehouse, StagedFile, Timestamp, Warehouse,
};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How many are inside, and how many were at most.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
    /// How many must meet before the first one goes on.
    expected: AtomicUsize,
    met: Notify,
}

/// How long calls wait for the others on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct Inside<'a>(&'a Gauge);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gauge {
    /// Calls wait, once, until so many are inside: what may meet meets, however
    /// slow the machine is. More are counted as well.
    pub(crate) fn expect(&self, count: usize) {
        self.expected.store(count, Ordering::SeqCst);
    }

    async fn meet(&self) {
        let met = async {
            loop {
                let notified = self.met.notified();
                if self.most() >= self.expected.load(Ordering::SeqCst) {
                    return;
                }
                notified.await;
            }
        };
        if tokio::time::timeout(PATIENCE, met).await.is_err() {
            // They never meet; the test says so.
            self.expect(0);
        }
    }

    /// Counts `work`, and holds it for so many milliseconds first.
    async fn hold<T>(&self, time: u64, work: impl Future<Output = T>) -> T {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let _inside = Inside(self);
        self.met.notify_waiters();
        self.meet().await;
        tokio::time::sleep(Duration::from_millis(time)).await;
        work.await
    }

    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) pins: Gauge,
    pub(crate) releases: Gauge,
    /// Calls that write data files or parts of them.
    pub(crate) uploads: Gauge,
    /// Calls that read data files, up to their first byte.
    pub(crate) downloads: Gauge,
    /// How often a file was looked for in the warehouse.
    pub(crate) finds: AtomicUsize,
    /// Whether the repository says that parts cost more when they are sent at once.
    pub(crate) one_part_after_the_other: AtomicBool,
}

impl Gauges {
    /// Those of the pools: pins, releases, uploads, downloads.
    pub(crate) fn pools(&self) -> [&Gauge; 4] {
        [&self.pins, &self.releases, &self.uploads, &self.downloads]
    }
}

#[derive(Debug)]
pub(crate) struct CountingWarehouse {
    pub(crate) inner: SharedWarehouse,
    pub(crate) gauges: Arc<Gauges>,
    pub(crate) guarantees: Guarantees,
}

#[async_trait]
impl Warehouse for CountingWarehouse {
    fn cluster(&self) -> ClusterId {
        self.inner.cluster()
    }
    fn guarantees(&self) -> Guarantees {
        self.guarantees
    }
    fn snapshot_timestamp(&self, at: Timestamp) -> String {
        self.inner.snapshot_timestamp(at)
    }
    fn display_time(&self, at: Timestamp) -> String {
        self.inner.display_time(at)
    }
    async fn databases(&self) -> Result<Vec<String>> {
        self.inner.databases().await
    }
    async fn objects(&self, database: &str) -> Result<Vec<ObjectSummary>> {
        self.inner.objects(database).await
    }
    async fn object(&self, namespace: Namespace, name: &ObjectName) -> Result<Option<LiveObject>> {
        self.inner.object(namespace, name).await
    }
    async fn partitions(&self, name: &ObjectName, names: Option<&[String]>) -> Result<Vec<Value>> {
        self.inner.partitions(name, names).await
    }
    async fn busy(&self, name: &ObjectName) -> Result<Option<String>> {
        self.inner.busy(name).await
    }
    async fn has_temporary_partitions(&self, name: &ObjectName) -> Result<bool> {
        self.inner.has_temporary_partitions(name).await
    }
    async fn admit(&self, incoming: LiveObject, existing: Option<&LiveObject>) -> Result<Admitted> {
        self.inner.admit(incoming, existing).await
    }
    async fn has_files(&self, job: Option<JobId>, files: &[(Digest, u64)]) -> Result<Vec<bool>> {
        self.inner.has_files(job, files).await
    }
    async fn pin(&self, job: JobId, requests: Vec<PinRequest>) -> Result<Arc<dyn Cut>> {
        self.gauges.pins.hold(60, self.inner.pin(job, requests)).await
    }
    async fn release(&self, job: JobId) -> Result<()> {
        self.gauges.releases.hold(200, self.inner.release(job)).await
    }
    async fn begin(&self, job: JobId, plan: &RestorePlan) -> Result<()> {
        self.inner.begin(job, plan).await
    }
    async fn find_file(&self, job: JobId, digest: &Digest, len: u64) -> Result<Option<ReceivedFile>> {
        self.gauges.finds.fetch_add(1, Ordering::SeqCst);
        self.inner.find_file(job, digest, len).await
    }
    async fn receive(&self, job: JobId, extension: &str, len: u64) -> Result<Box<dyn FileReceiver>> {
        self.inner.receive(job, extension, len).await
    }
    async fn stage_partitions(
        &self,
        job: JobId,
        target: usize,
        entries: Vec<PartitionEntry>,
    ) -> Result<Vec<i64>> {
        self.inner.stage_partitions(job, target, entries).await
    }
    async fn stage_files(&self, job: JobId, files: Vec<StagedFile>) -> Result<()> {
        self.inner.stage_files(job, files).await
    }
    async fn commit(&self, job: JobId) -> Result<()> {
        self.inner.commit(job).await
    }
    async fn rollback(&self, job: JobId) -> Result<()> {
        self.inner.rollback(job).await
    }
    async fn outcome(&self, job: JobId) -> Result<JobOutcome> {
        self.inner.outcome(job).await
    }
}

#[derive(Debug)]
pub(crate) struct CountingRepository {
    pub(crate) inner: SharedRepository,
    pub(crate) gauges: Arc<Gauges>,
}

fn is_data(key: &Key) -> bool {
    key.as_str().starts_with("data/")
}

#[async_trait]
impl Repository for CountingRepository {
    fn info(&self) -> RepositoryInfo {
        self.inner.info()
    }
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        capabilities.parallel_parts &= !self.gauges.one_part_after_the_other.load(Ordering::SeqCst);
        capabilities
    }
    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        self.inner.head(key).await
    }
    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        match is_data(&request.key) {
            true => self.gauges.downloads.hold(60, self.inner.get(request)).await,
            false => self.inner.get(request).await,
        }
    }
    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        match is_data(&request.key) {
            true => self.gauges.uploads.hold(60, self.inner.put(request)).await,
            false => self.inner.put(request).await,
        }
    }
    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        let inner = self.inner.create(request).await?;
        Ok(Box::new(CountingWriter { inner, gauges: self.gauges.clone() }))
    }
    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.inner.list(request).await
    }
    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        self.inner.delete(keys).await
    }
    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        self.inner.discard_staged(prefix).await
    }
    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        self.inner.count_staged(prefix).await
    }
    async fn barrier(&self) -> Result<()> {
        self.inner.barrier().await
    }
}

struct CountingWriter {
    inner: Box<dyn ObjectWriter>,
    gauges: Arc<Gauges>,
}

#[async_trait]
impl ObjectWriter for CountingWriter {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        self.gauges.uploads.hold(60, self.inner.write_part(number, bytes)).await
    }
    async fn commit(&self) -> Result<ObjectMeta> {
        self.inner.commit().await
    }
    async fn abort(self: Box<Self>) -> Result<()> {
        self.inner.abort().await
    }
}
