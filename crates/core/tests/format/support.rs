//! A store that counts, yields and fails, and makers of entries.
#![allow(clippy::unwrap_used, reason = "tests")]

use async_trait::async_trait;
use rockhold_core::format::{
    AccessMode, BaseRef, ClaimRequest, FileEntry, LabelStore, Pause, RepositoryRoot, SnapshotKind, data_key,
    initialise,
};
use rockhold_core::{
    Capabilities, Clock, ClusterId, CreateNew, CreateRequest, Digest, Error, ErrorKind, GetRequest, JobId,
    Key, ListPage, ListRequest, MemoryRepository, ObjectMeta, ObjectReader, ObjectWriter, PinnedPartition,
    PutRequest, Repository, RepositoryInfo, Result, Timestamp, VersionId, WriteMode,
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000 + self.0.load(Ordering::SeqCst))
    }
}

/// Lets other tasks run, and moves the clock.
#[derive(Debug)]
pub(crate) struct TestPause(pub(crate) Arc<ManualClock>);

#[async_trait]
impl Pause for TestPause {
    async fn pause(&self, time: Duration) {
        self.0.advance(time);
        tokio::time::sleep(time / 50).await;
    }
}

/// What happens to one mutating call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails and changes nothing.
    Before,
    /// It happens and the reply is lost.
    After,
}

/// A decorator over the store in memory.
#[derive(Debug)]
pub(crate) struct Harness {
    pub(crate) memory: MemoryRepository,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) puts: Mutex<Vec<Key>>,
    pub(crate) gets: Mutex<Vec<Key>>,
    pub(crate) lists: AtomicU64,
    mutations: AtomicU64,
    fault: Mutex<Option<(u64, Fault)>>,
    yields: bool,
}

impl Harness {
    pub(crate) fn new() -> Self {
        Self::with(|c| c)
    }

    pub(crate) fn with(change: impl FnOnce(Capabilities) -> Capabilities) -> Self {
        let clock = Arc::new(ManualClock::default());
        let memory = MemoryRepository::new()
            .clock(clock.clone())
            .page_limit(3)
            .with_capabilities(change(Capabilities::full()));
        Self {
            memory,
            clock,
            puts: Mutex::default(),
            gets: Mutex::default(),
            lists: AtomicU64::new(0),
            mutations: AtomicU64::new(0),
            fault: Mutex::default(),
            yields: false,
        }
    }

    pub(crate) fn without_create_new() -> Self {
        Self::with(|mut c| {
            c.create_new = CreateNew::Missing;
            c
        })
    }

    pub(crate) fn without_times() -> Self {
        Self::with(|mut c| {
            c.modified = false;
            c
        })
    }

    pub(crate) fn yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    /// Makes the mutating call number `n` from now fail.
    pub(crate) fn fail(&self, n: u64, fault: Fault) {
        *self.fault.lock().unwrap() = Some((self.mutations.load(Ordering::SeqCst) + n, fault));
    }

    pub(crate) fn mutations(&self) -> u64 {
        self.mutations.load(Ordering::SeqCst)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.memory.objects().keys().map(Key::to_string).collect()
    }

    pub(crate) async fn overwrite(&self, key: &Key, bytes: Vec<u8>) {
        self.memory.put(PutRequest::new(key.clone(), bytes).mode(WriteMode::Overwrite)).await.unwrap();
    }

    async fn turn(&self) {
        if self.yields {
            for _ in 0..JobId::random().unwrap().as_bytes()[0] % 4 {
                tokio::task::yield_now().await;
            }
        }
    }

    fn next(&self) -> Option<Fault> {
        let now = self.mutations.fetch_add(1, Ordering::SeqCst);
        let mut fault = self.fault.lock().unwrap();
        match *fault {
            Some((n, kind)) if n == now => {
                *fault = None;
                Some(kind)
            }
            _ => None,
        }
    }
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "injected").temporary(None)
}

#[async_trait]
impl Repository for Harness {
    fn info(&self) -> RepositoryInfo {
        self.memory.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        self.turn().await;
        self.memory.head(key).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        self.turn().await;
        self.gets.lock().unwrap().push(request.key.clone());
        self.memory.get(request).await
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        self.turn().await;
        let fault = self.next();
        if fault == Some(Fault::Before) {
            return Err(down());
        }
        self.puts.lock().unwrap().push(request.key.clone());
        let done = self.memory.put(request).await;
        self.turn().await;
        if fault == Some(Fault::After) { Err(down().maybe_applied()) } else { done }
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        self.memory.create(request).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.turn().await;
        self.lists.fetch_add(1, Ordering::SeqCst);
        self.memory.list(request).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        self.turn().await;
        let fault = self.next();
        if fault == Some(Fault::Before) {
            return Err(down());
        }
        let done = self.memory.delete(keys).await;
        if fault == Some(Fault::After) { Err(down().maybe_applied()) } else { done }
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        self.memory.discard_staged(prefix).await
    }

    async fn barrier(&self) -> Result<()> {
        self.turn().await;
        self.memory.barrier().await
    }
}

pub(crate) const NOW: Timestamp = Timestamp(1_770_106_801_317);

pub(crate) async fn root_of(store: &Harness) -> RepositoryRoot {
    initialise(store, "r", AccessMode::ReadWrite, NOW, "2026-02-03 08:20:01").await.unwrap()
}

/// Opens the labels of a store, making the repository first.
pub(crate) async fn labels_of(store: &Arc<Harness>) -> LabelStore {
    let root = root_of(store).await;
    let pause = Arc::new(TestPause(store.clock.clone()));
    LabelStore::new(store.clone(), &root.document, AccessMode::ReadWrite, pause)
}

pub(crate) fn request(label: &str) -> ClaimRequest {
    ClaimRequest {
        label: label.into(),
        job: JobId::random().unwrap(),
        cluster: ClusterId::from_bytes([7; 16]),
        owner: "host:1".into(),
        database: "shop".into(),
        kind: SnapshotKind::Database,
        bases: Vec::<BaseRef>::new(),
        created: NOW,
        backup_timestamp: "2026-02-03-08-20-01-317".into(),
        known_dead: Vec::new(),
    }
}

pub(crate) fn version(n: u64) -> VersionId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&n.to_le_bytes());
    VersionId::from_bytes(bytes)
}

pub(crate) fn file(n: u64) -> FileEntry {
    let digest = Digest::of(&n.to_le_bytes());
    FileEntry {
        key: data_key(JobId::from_bytes([3; 16]), n, "parquet").unwrap(),
        offset: 0,
        len: 1000 + n,
        digest,
        chunks: Vec::new(),
        logical_len: None,
        logical_digest: None,
        codec: None,
        key_id: None,
        rows: 10 + n,
        bucket: u32::try_from(n % 4).unwrap(),
        loads: Some((n, n + 1)),
        rollup: None,
    }
}

/// A partition whose definition has about `weight` bytes.
pub(crate) fn partition(name: &str, id: u64, weight: usize) -> PinnedPartition {
    let definition = json!({"range": [name, 1.5], "comment": "x".repeat(weight)});
    let mut partition = PinnedPartition::new(1, name, definition, version(id));
    partition.version = id;
    partition
}

/// What a store holds, as text keys.
pub(crate) fn below(objects: &BTreeMap<Key, bytes::Bytes>, prefix: &str) -> usize {
    objects.keys().filter(|key| key.as_str().starts_with(prefix)).count()
}
