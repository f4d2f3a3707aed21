//! A file under construction, and how it becomes an object.

use crate::{
    error::{io, os},
    platform::{begin_writeback, rename_new},
    root::{Root, etag, is_directory, meta, split},
};
use rockhold_core::{Error, ErrorKind, Key, ObjectMeta, Result, STAGED_PREFIX, WriteMode};
use rustix::{
    fd::OwnedFd,
    fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, Timespec, Timestamps},
    io::Errno,
};
use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    os::unix::fs::FileExt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

/// How much is written in one call. On Linux 6.18 writes of megabytes were
/// measured at up to five times the processor time of these.
const WRITE_LEN: usize = 256 << 10;

/// From this length on, the way to the disk begins with the write.
const WRITEBACK_LEN: usize = 1 << 20;

/// A file with a `.tmp-` name beside the place of its object. Dropped before
/// it is published, it is removed.
#[derive(Debug)]
pub(crate) struct Staged {
    root: Arc<Root>,
    directory: Arc<OwnedFd>,
    name: String,
    key: Key,
    file: File,
    published: AtomicBool,
}

impl Staged {
    /// Begins a file for `key`. In `CreateNew` mode an object that is there
    /// already is noticed here, before anything is written.
    pub(crate) fn create(root: &Arc<Root>, key: &Key, operation: &'static str) -> Result<Self> {
        let (path, _) = split(key.as_str());
        let mut attempt = 0;
        let (directory, name, file) = loop {
            attempt += 1;
            match Self::try_create(root, path) {
                Ok(created) => break created,
                // The directory was emptied and removed by somebody else: make it again.
                Err(Errno::NOENT | Errno::EXIST) if attempt < 100 => root.forget(path),
                Err(Errno::NOTDIR) => {
                    let error =
                        Error::invalid("a part of the path is an object, so nothing can lie below it");
                    return Err(error.during(operation).at(key));
                }
                Err(Errno::NOENT) => {
                    return Err(os(Errno::NOENT, operation, root.path().display())
                        .with("hint", "the root directory was removed"));
                }
                Err(errno) => return Err(os(errno, operation, key)),
            }
        };
        Ok(Self {
            root: Arc::clone(root),
            directory,
            name,
            key: key.clone(),
            file,
            published: AtomicBool::new(false),
        })
    }

    fn try_create(root: &Root, path: &str) -> rustix::io::Result<(Arc<OwnedFd>, String, File)> {
        let directory = root.make_directory(path)?;
        let name = format!("{STAGED_PREFIX}{:016x}", random());
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = fs::openat(&directory, &name, flags, Mode::from_raw_mode(0o666))?;
        Ok((directory, name, File::from(file)))
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Writes bytes at a position.
    pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> std::io::Result<()> {
        let mut position = at;
        for piece in bytes.chunks(WRITE_LEN) {
            self.file.write_all_at(piece, position)?;
            position += piece.len() as u64;
        }
        if bytes.len() >= WRITEBACK_LEN {
            begin_writeback(&self.file, at, bytes.len() as u64);
        }
        Ok(())
    }

    /// Whether an object has the key now.
    pub(crate) fn is_taken(&self) -> bool {
        let (_, name) = split(self.key.as_str());
        let found = fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
        found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) != FileType::Directory)
    }

    /// Makes the file visible under its key.
    pub(crate) fn publish(
        &self,
        mode: &WriteMode,
        durable: bool,
        operation: &'static str,
    ) -> Result<ObjectMeta> {
        let failed = |errno| os(errno, operation, &self.key);
        let stat = self.stamp().map_err(failed)?;
        if durable {
            self.file.sync_all().map_err(|e| io(e, operation, &self.key))?;
        }
        let (path, name) = split(self.key.as_str());
        match mode {
            WriteMode::CreateNew => self.rename_new(name, operation)?,
            WriteMode::Overwrite => {
                let _lock = lock(&self.root, FlockOperation::LockShared).map_err(failed)?;
                self.rename_over(name, operation)?;
            }
            WriteMode::IfMatch(wanted) => {
                let _lock = lock(&self.root, FlockOperation::LockExclusive).map_err(failed)?;
                let present = fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW);
                check_etag(present, wanted).map_err(|e| e.during(operation).at(&self.key))?;
                self.rename_over(name, operation)?;
            }
        }
        self.published.store(true, Relaxed);
        if durable {
            sync_directories(&self.root, path)
                .map_err(|errno| os(errno, operation, &self.key).maybe_applied())?;
        }
        Ok(meta(self.key.clone(), &stat))
    }

    /// Fills the digits of the time of writing below a millisecond by chance.
    /// Kernels step that clock by milliseconds and reuse inodes at once, so a
    /// deleted file and its successor could otherwise have one entity tag.
    fn stamp(&self) -> rustix::io::Result<Stat> {
        let stat = fs::fstat(&self.file)?;
        let nanos = stat.st_mtime_nsec as u64;
        let chance = random() % 1_000_000;
        let last_modification =
            Timespec { tv_sec: stat.st_mtime as _, tv_nsec: (nanos - nanos % 1_000_000 + chance) as _ };
        let last_access = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT as _ };
        fs::futimens(&self.file, &Timestamps { last_access, last_modification })?;
        fs::fstat(&self.file)
    }

    fn rename_new(&self, name: &str, operation: &'static str) -> Result<()> {
        match rename_new(&self.directory, &self.name, name) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) if is_directory(&self.directory, name) => {
                // An empty one may be left by somebody who died before filling it.
                let emptied = fs::unlinkat(&self.directory, name, AtFlags::REMOVEDIR);
                match emptied.and_then(|()| rename_new(&self.directory, &self.name, name)) {
                    Ok(()) => Ok(()),
                    Err(_) => Err(self.is_prefix(operation)),
                }
            }
            Err(errno) => Err(self.rename_failed(errno, operation)),
        }
    }

    fn rename_over(&self, name: &str, operation: &'static str) -> Result<()> {
        match fs::renameat(&self.directory, &self.name, &self.directory, name) {
            Ok(()) => Ok(()),
            Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => Err(self.is_prefix(operation)),
            Err(errno) => Err(self.rename_failed(errno, operation)),
        }
    }

    fn is_prefix(&self, operation: &'static str) -> Error {
        Error::invalid("other objects lie below this key").during(operation).at(&self.key)
    }

    fn rename_failed(&self, errno: Errno, operation: &'static str) -> Error {
        match errno {
            Errno::NOENT => Error::new(
                ErrorKind::Conflict,
                "another process discarded what was staged here; write the object again",
            )
            .during(operation)
            .at(&self.key),
            Errno::OPNOTSUPP | Errno::NOSYS => Error::unsupported(
                "this file system can neither rename without replacing nor link; choose another location",
            )
            .during(operation)
            .at(&self.key),
            // The directory may or may not have been changed on the disk.
            Errno::IO => os(errno, operation, &self.key).maybe_applied(),
            other => os(other, operation, &self.key),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published.load(Relaxed) {
            // What cannot be removed is found by `discard_staged`.
            let _ = fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Locks the root directory until the answer is dropped: exclusively to
/// compare and replace, shared to replace or delete without comparing.
/// Create-new needs no lock: it cannot replace what a comparison saw.
pub(crate) fn lock(root: &Root, how: FlockOperation) -> rustix::io::Result<OwnedFd> {
    // A lock belongs to an open file, so that each holder opens its own.
    let fd = fs::openat(root.fd(), ".", OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY, Mode::empty())?;
    loop {
        match fs::flock(&fd, how) {
            Ok(()) => return Ok(fd),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn check_etag(present: rustix::io::Result<Stat>, wanted: &str) -> Result<()> {
    let message = match present {
        Ok(stat) if etag(&stat) == wanted => return Ok(()),
        Ok(_) => "the object was changed since it was read",
        Err(_) => "the object does not exist any more",
    };
    Err(Error::new(ErrorKind::PreconditionFailed, message))
}

/// Makes the entries of a directory durable, and its own entry above, up to the root.
pub(crate) fn sync_directories(root: &Root, path: &str) -> rustix::io::Result<()> {
    let mut path = Some(path);
    while let Some(at) = path {
        match root.open_directory(at).and_then(|directory| fs::fsync(&directory)) {
            // A directory that is gone was removed from the one above, which comes next.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => return Err(errno),
        }
        path = if at.is_empty() { None } else { Some(split(at).0) };
    }
    Ok(())
}

/// A number that no other process has, for names and times.
fn random() -> u64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    SEED.get_or_init(RandomState::new).hash_one(COUNT.fetch_add(1, Relaxed))
}
