//! The repository itself: each operation on a thread that may block.

use crate::{
    FsConfig, deleter,
    durability::Durability,
    error::{blocking, io},
    lister::{self, Cursors},
    reader,
    root::Root,
    staged::{Staged, lock},
    writer,
};
use async_trait::async_trait;
use rockhold_core::{
    Capabilities, CreateNew, CreateRequest, Error, ErrorKind, GetRequest, Key, ListPage, ListRequest,
    ObjectMeta, ObjectReader, ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, WriteMode,
};
use rustix::fs::FlockOperation;
use std::{
    fs::File,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A repository below a directory of a local disk. Clones share one handle.
#[derive(Clone, Debug)]
pub struct FsRepository(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) root: Arc<Root>,
    pub(crate) config: FsConfig,
    pub(crate) durability: Durability,
    cursors: Mutex<Cursors>,
    /// Whether the file system has the locks that if-match needs.
    locks: bool,
}

impl Shared {
    pub(crate) fn cursors(&self) -> MutexGuard<'_, Cursors> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::full();
        capabilities.create_new = CreateNew::Atomic;
        capabilities.if_match = self.locks;
        capabilities.barrier_needed = true;
        capabilities.max_parts = 1_000_000;
        capabilities.distant = false;
        capabilities
    }

    fn check_mode(&self, mode: &WriteMode, operation: &'static str, key: &Key) -> Result<()> {
        match mode {
            WriteMode::IfMatch(_) if !self.locks => {
                let message = "this file system has no locks, so nothing is written on condition";
                Err(Error::unsupported(message).during(operation).at(key))
            }
            _ => Ok(()),
        }
    }

    fn copy(&self, from: &Key, to: &Key, mode: &WriteMode) -> Result<ObjectMeta> {
        let (source, _) =
            self.root.open_file(from).map_err(|errno| crate::error::reading(errno, "copy", from))?;
        let staged = Staged::create(&self.root, to, "copy")?;
        // The standard library lets the kernel copy, or share the blocks, where it can.
        std::io::copy(&mut &File::from(source), &mut staged.file()).map_err(|e| io(e, "copy", to))?;
        let meta = staged.publish(mode, false, "copy")?;
        self.durability.wrote(to);
        Ok(meta)
    }
}

impl FsRepository {
    /// Opens the directory that the configuration names.
    ///
    /// # Errors
    /// `InvalidInput` for a location that is not a path on disk or not a
    /// directory, `NotFound` where it must exist and does not,
    /// `PermissionDenied`.
    pub async fn open(config: FsConfig) -> Result<Self> {
        let path = config.root()?;
        blocking("open", move || {
            let root = Arc::new(Root::open(path, config.create)?);
            let locks = lock(&root, FlockOperation::NonBlockingLockShared);
            // Somebody else may hold the lock, which shows that there are locks.
            let locks = locks.is_ok() || locks.is_err_and(|errno| errno == rustix::io::Errno::WOULDBLOCK);
            let durability = Durability::new(config.fsync_limit);
            Ok(Self(Arc::new(Shared { root, config, durability, cursors: Mutex::default(), locks })))
        })
        .await
    }

    async fn run<T, F>(&self, operation: &'static str, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Shared>) -> Result<T> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        blocking(operation, move || run(&shared)).await
    }
}

#[async_trait]
impl Repository for FsRepository {
    fn info(&self) -> RepositoryInfo {
        RepositoryInfo::new("file", format!("file://{}", self.0.root.path().display()))
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        let key = key.clone();
        self.run("head", move |shared| reader::head(&shared.root, &key)).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        self.run("get", move |shared| {
            reader::open(&shared.root, request, shared.config.piece_len.clamp(4096, 64 << 20))
        })
        .await
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        self.0.check_mode(&request.mode, "put", &request.key)?;
        let (len, limit) = (request.bytes.len(), self.0.capabilities().max_put);
        if len as u64 > limit {
            let message = format!("{len} bytes are more than one put takes ({limit}); write it in parts");
            return Err(Error::new(ErrorKind::LimitExceeded, message).during("put").at(&request.key));
        }
        self.run("put", move |shared| writer::put(shared, &request)).await
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        self.0.check_mode(&request.mode, "create", &request.key)?;
        let writer = self.run("create", move |shared| writer::create(shared, request)).await?;
        Ok(Box::new(writer))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.run("list", move |shared| lister::list(shared, request)).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        self.run("delete", move |shared| deleter::delete(shared, &keys)).await
    }

    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        self.0.check_mode(&mode, "copy", to)?;
        let (from, to) = (from.clone(), to.clone());
        self.run("copy", move |shared| shared.copy(&from, &to, &mode)).await
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        let prefix = prefix.clone();
        self.run("discard staged", move |shared| deleter::discard_staged(shared, &prefix)).await
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        let prefix = prefix.clone();
        self.run("count staged", move |shared| deleter::count_staged(shared, &prefix)).await
    }

    async fn barrier(&self) -> Result<()> {
        self.run("barrier", |shared| shared.durability.barrier(&shared.root)).await
    }
}
