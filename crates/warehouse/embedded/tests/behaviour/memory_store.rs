//! A storage vendor of one test: `mem://`, in memory.

use async_trait::async_trait;
use bytes::Bytes;
use rockhold_core::{
    Capabilities, CreateRequest, Error, ErrorKind, GetRequest, Key, ListPage, ListRequest, MemoryRepository,
    ObjectMeta, ObjectReader, ObjectWriter, OpenRepository, OpenedRepository, PutRequest, Repository,
    RepositoryFactory, RepositoryInfo, Result, WriteMode,
};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Opens locations below `mem://bucket` and keeps what it was asked.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    bucket: Arc<MemoryRepository>,
    /// Bytes that were read.
    pub(crate) read: Arc<AtomicU64>,
    /// Locations and names of properties, as they were given.
    pub(crate) opened: Mutex<Vec<(String, Vec<String>)>>,
    /// Whether what is missing might be created, each time.
    pub(crate) creating: Mutex<Vec<bool>>,
    pub(crate) writers: Arc<Writers>,
}

/// What a test wants of the objects that are written in parts, and what became
/// of them. A part takes 20 ms.
#[derive(Debug)]
pub(crate) struct Writers {
    /// The longest part that the store takes.
    pub(crate) longest_part: AtomicU64,
    pub(crate) parallel_parts: AtomicBool,
    /// The number of the part that fails.
    pub(crate) failing_part: AtomicU32,
    pub(crate) failing_abort: AtomicBool,
    /// Whether each whole object is asked for again, as after a lost answer.
    pub(crate) repeated_puts: AtomicBool,
    under_way: AtomicU64,
    /// The most parts that were under way at a time.
    pub(crate) most: AtomicU64,
    /// Objects that were given up; none while a part of one was under way.
    pub(crate) aborted: AtomicU64,
}

impl Default for Writers {
    fn default() -> Self {
        Self {
            longest_part: AtomicU64::new(1 << 30),
            parallel_parts: AtomicBool::new(true),
            failing_part: AtomicU32::new(u32::MAX),
            failing_abort: AtomicBool::default(),
            repeated_puts: AtomicBool::default(),
            under_way: AtomicU64::default(),
            most: AtomicU64::default(),
            aborted: AtomicU64::default(),
        }
    }
}

impl MemoryStore {
    pub(crate) async fn keys(&self) -> Vec<String> {
        let page = rockhold_core::list_all(&*self.bucket, ListRequest::default()).await.unwrap();
        page.objects.into_iter().map(|object| object.key.to_string()).collect()
    }

    pub(crate) async fn put(&self, key: &str, bytes: &str) {
        let request = PutRequest::new(Key::new(key).unwrap(), bytes.to_owned()).mode(WriteMode::Overwrite);
        self.bucket.put(request).await.unwrap();
    }

    /// Keys of objects that are neither complete nor given up.
    pub(crate) fn unfinished(&self) -> Vec<Key> {
        self.bucket.staged()
    }

    pub(crate) async fn len(&self, key: &str) -> u64 {
        self.bucket.head(&Key::new(key).unwrap()).await.unwrap().len
    }
}

#[async_trait]
impl RepositoryFactory for MemoryStore {
    fn schemes(&self) -> &[&'static str] {
        &["mem"]
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        let names = request.properties.keys().chain(request.secrets.keys()).cloned().collect();
        self.opened.lock().unwrap().push((request.location.clone(), names));
        self.creating.lock().unwrap().push(request.create);
        let path = request.location.strip_prefix("mem://bucket").unwrap_or_default().trim_matches('/');
        if request.secrets.get("mem.secret").is_some_and(|secret| secret.expose() == "wrong") {
            return Err(Error::new(ErrorKind::Unauthenticated, "the secret is not the right one"));
        }
        // As where directories are real ones.
        if path.starts_with("missing") && !request.create {
            return Err(Error::not_found("no such directory").during("open").at(&request.location));
        }
        let root = if path.is_empty() { None } else { Some(Key::new(path)?) };
        let idle = request.properties.keys().filter(|name| *name != "mem.user");
        let warnings = idle.map(|name| format!("the property {name} has no effect")).collect();
        let (bucket, read, writers) = (self.bucket.clone(), self.read.clone(), self.writers.clone());
        let repository = Arc::new(Below { root, bucket, read, writers });
        Ok(OpenedRepository { repository, warnings })
    }
}

/// A directory of the bucket as a repository.
#[derive(Debug)]
struct Below {
    root: Option<Key>,
    bucket: Arc<MemoryRepository>,
    read: Arc<AtomicU64>,
    writers: Arc<Writers>,
}

impl Below {
    fn inner(&self, key: &Key) -> Key {
        match &self.root {
            Some(root) => root.join(key.as_str()).unwrap(),
            None => key.clone(),
        }
    }

    fn outer(&self, key: &Key) -> Key {
        match &self.root {
            Some(root) => Key::new(&key.as_str()[root.as_str().len() + 1..]).unwrap(),
            None => key.clone(),
        }
    }

    fn meta(&self, mut meta: ObjectMeta) -> ObjectMeta {
        meta.key = self.outer(&meta.key);
        meta
    }
}

#[async_trait]
impl Repository for Below {
    fn info(&self) -> RepositoryInfo {
        RepositoryInfo::new("mem", "mem://bucket")
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.bucket.capabilities();
        capabilities.part_len.1 = self.writers.longest_part.load(SeqCst);
        capabilities.max_put = capabilities.max_put.min(capabilities.part_len.1);
        capabilities.parallel_parts = self.writers.parallel_parts.load(SeqCst);
        capabilities
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        self.bucket.head(&self.inner(key)).await.map(|meta| self.meta(meta))
    }

    async fn get(&self, mut request: GetRequest) -> Result<ObjectReader> {
        request.key = self.inner(&request.key);
        let mut reader = self.bucket.get(request).await?;
        self.read.fetch_add(reader.range.end - reader.range.start, SeqCst);
        reader.meta = self.meta(reader.meta);
        Ok(reader)
    }

    async fn put(&self, mut request: PutRequest) -> Result<ObjectMeta> {
        request.key = self.inner(&request.key);
        if self.writers.repeated_puts.load(SeqCst) {
            self.bucket.put(request.clone()).await?;
        }
        let again = self.bucket.put(request).await.map(|meta| self.meta(meta));
        again.map_err(Error::maybe_applied)
    }

    async fn create(&self, mut request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        request.key = self.inner(&request.key);
        let inner = self.bucket.create(request).await?;
        Ok(Box::new(Watched { inner, writers: self.writers.clone() }))
    }

    async fn list(&self, mut request: ListRequest) -> Result<ListPage> {
        request.prefix = match &request.prefix {
            Some(prefix) => Some(self.inner(prefix)),
            None => self.root.clone(),
        };
        let page = self.bucket.list(request.limit(2)).await?;
        let objects = page.objects.into_iter().map(|meta| self.meta(meta)).collect();
        let prefixes = page.prefixes.iter().map(|key| self.outer(key)).collect();
        Ok(ListPage::new(objects, prefixes, page.next))
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        self.bucket.delete(keys.iter().map(|key| self.inner(key)).collect()).await
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        self.bucket.discard_staged(&self.inner(prefix)).await
    }

    async fn barrier(&self) -> Result<()> {
        self.bucket.barrier().await
    }
}

/// An object in parts that is watched.
struct Watched {
    inner: Box<dyn ObjectWriter>,
    writers: Arc<Writers>,
}

#[async_trait]
impl ObjectWriter for Watched {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let writers = &self.writers;
        let under_way = writers.under_way.fetch_add(1, SeqCst) + 1;
        writers.most.fetch_max(under_way, SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let written = match writers.failing_part.load(SeqCst) {
            failing if failing == number => Err(Error::new(ErrorKind::Unavailable, "the part was lost")),
            _ => self.inner.write_part(number, bytes).await,
        };
        writers.under_way.fetch_sub(1, SeqCst);
        written
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        self.inner.commit().await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        // Long enough to be missed by who does not wait for it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(self.writers.under_way.load(SeqCst), 0);
        self.inner.abort().await?;
        self.writers.aborted.fetch_add(1, SeqCst);
        match self.writers.failing_abort.load(SeqCst) {
            true => Err(Error::new(ErrorKind::Unavailable, "the abort was lost")),
            false => Ok(()),
        }
    }
}
