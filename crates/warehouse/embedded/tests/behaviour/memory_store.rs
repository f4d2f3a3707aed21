//! A storage vendor of one test: `mem://`, in memory.

use async_trait::async_trait;
use rockhold_core::{
    Capabilities, CreateRequest, Error, GetRequest, Key, ListPage, ListRequest, MemoryRepository, ObjectMeta,
    ObjectReader, ObjectWriter, OpenRepository, OpenedRepository, PutRequest, Repository, RepositoryFactory,
    RepositoryInfo, Result, WriteMode,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Opens locations below `mem://bucket` and keeps what it was asked.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    bucket: Arc<MemoryRepository>,
    /// Bytes that were read.
    pub(crate) read: Arc<AtomicU64>,
    /// Locations and names of properties, as they were given.
    pub(crate) opened: Mutex<Vec<(String, Vec<String>)>>,
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
        let path = request.location.strip_prefix("mem://bucket").unwrap_or_default().trim_matches('/');
        if request.secrets.get("mem.secret").is_some_and(|secret| secret.expose() == "wrong") {
            return Err(Error::new(
                rockhold_core::ErrorKind::Unauthenticated,
                "the secret is not the right one",
            ));
        }
        let root = if path.is_empty() { None } else { Some(Key::new(path)?) };
        let repository = Arc::new(Below { root, bucket: self.bucket.clone(), read: self.read.clone() });
        Ok(OpenedRepository { repository, warnings: Vec::new() })
    }
}

/// A directory of the bucket as a repository.
#[derive(Debug)]
struct Below {
    root: Option<Key>,
    bucket: Arc<MemoryRepository>,
    read: Arc<AtomicU64>,
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
        self.bucket.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        self.bucket.head(&self.inner(key)).await.map(|meta| self.meta(meta))
    }

    async fn get(&self, mut request: GetRequest) -> Result<ObjectReader> {
        request.key = self.inner(&request.key);
        let mut reader = self.bucket.get(request).await?;
        self.read.fetch_add(reader.range.end - reader.range.start, Ordering::Relaxed);
        reader.meta = self.meta(reader.meta);
        Ok(reader)
    }

    async fn put(&self, mut request: PutRequest) -> Result<ObjectMeta> {
        request.key = self.inner(&request.key);
        self.bucket.put(request).await.map(|meta| self.meta(meta))
    }

    async fn create(&self, mut request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        request.key = self.inner(&request.key);
        self.bucket.create(request).await
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
