//! The root directory and the paths below it.

use crate::{
    error::os,
    platform::{OPEN, open_beneath, open_walking},
};
use rockhold_core::{Key, ObjectMeta, Result, Timestamp};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// How many open directories are kept for the next file in the same place.
const KEPT: usize = 64;

/// The root directory of a repository.
#[derive(Debug)]
pub(crate) struct Root {
    fd: Arc<OwnedFd>,
    path: PathBuf,
    in_one_step: bool,
    kept: Mutex<HashMap<String, Arc<OwnedFd>>>,
}

impl Root {
    /// Opens the root and creates it, with everything above it, where asked to.
    pub(crate) fn open(path: PathBuf, create: bool) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let open = || fs::open(&path, flags, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) if create => {
                create_root(&path)?;
                open()
            }
            other => other,
        };
        let fd = opened.map_err(|errno| match errno {
            Errno::NOENT => os(errno, "open", path.display())
                .with("hint", "is the disk mounted? a new place is made by CREATE REPOSITORY"),
            other => os(other, "open", path.display()),
        })?;
        let in_one_step = open_beneath(&fd, ".", OPEN | OFlags::DIRECTORY).is_ok();
        Ok(Self { fd: Arc::new(fd), path, in_one_step, kept: Mutex::default() })
    }

    /// The root as a path, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The root as an open directory.
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    fn resolve(&self, path: &str, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        if self.in_one_step {
            open_beneath(&self.fd, path, flags)
        } else {
            open_walking(&self.fd, path, flags)
        }
    }

    /// Opens the file of a key for reading. Anything but a file is `NOENT`.
    pub(crate) fn open_file(&self, key: &Key) -> rustix::io::Result<(OwnedFd, Stat)> {
        let file = self.resolve(key.as_str(), OPEN)?;
        let stat = fs::fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((file, stat)),
            _ => Err(Errno::NOENT),
        }
    }

    /// Opens the directory at `path`; the empty path is the root.
    pub(crate) fn open_directory(&self, path: &str) -> rustix::io::Result<Arc<OwnedFd>> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.fd));
        }
        self.resolve(path, OPEN | OFlags::DIRECTORY).map(Arc::new)
    }

    /// The directory at `path`, created where it is missing. It may be removed
    /// again before it is used, by a `delete` that emptied it: then
    /// [`Root::forget`] it and ask once more.
    pub(crate) fn make_directory(&self, path: &str) -> rustix::io::Result<Arc<OwnedFd>> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.fd));
        }
        if let Some(kept) = self.kept().get(path) {
            return Ok(Arc::clone(kept));
        }
        let directory = match self.open_directory(path) {
            Err(Errno::NOENT) => {
                let (above, name) = split(path);
                let parent = self.make_directory(above)?;
                match fs::mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => {
                        self.forget(above);
                        return Err(errno);
                    }
                }
                self.open_directory(path)?
            }
            other => other?,
        };
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(path.to_owned(), Arc::clone(&directory));
        Ok(directory)
    }

    /// Stops keeping a directory that turned out to be removed.
    pub(crate) fn forget(&self, path: &str) {
        self.kept().remove(path);
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OwnedFd>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Splits a path into its directory, empty for the root, and its last name.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Whether a directory has a directory of this name in it.
pub(crate) fn is_directory(directory: &OwnedFd, name: &str) -> bool {
    let found = fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// Creates the root and makes it durable, so that a barrier need not look above it.
fn create_root(path: &Path) -> Result<()> {
    let failed = |errno: Errno, at: &Path| os(errno, "create", at.display());
    let mut missing = vec![path];
    while let Some(above) = missing.last().and_then(|at| at.parent()) {
        if above.exists() {
            break;
        }
        missing.push(above);
    }
    for directory in missing.into_iter().rev() {
        match fs::mkdir(directory, Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(failed(errno, directory)),
        }
        if let Some(above) = directory.parent() {
            let opened = fs::open(above, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY, Mode::empty());
            // Not every parent may be read by us; then its own file system decides.
            if let Ok(above) = opened {
                let _ = fs::fsync(above.as_fd());
            }
        }
    }
    Ok(())
}

/// The entity tag of a file.
pub(crate) fn etag(stat: &Stat) -> String {
    // The types differ between platforms; none is wider than these.
    let (len, inode) = (stat.st_size as u64, stat.st_ino);
    format!("{len:x}-{:x}.{:x}-{inode:x}", stat.st_mtime, stat.st_mtime_nsec)
}

/// What a repository tells of a file.
pub(crate) fn meta(key: Key, stat: &Stat) -> ObjectMeta {
    let millis = stat.st_mtime.saturating_mul(1000) + (stat.st_mtime_nsec as i64) / 1_000_000;
    ObjectMeta::new(key, stat.st_size as u64).with_etag(etag(stat)).with_modified(Timestamp(millis))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn without_openat2_links_are_not_followed_either() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        for path in ["outside", "root/a/b"] {
            std::fs::create_dir_all(directory.path().join(path)).unwrap();
        }
        for path in ["outside/x", "root/x", "root/a/b/x"] {
            std::fs::write(directory.path().join(path), "bytes").unwrap();
        }
        symlink(directory.path().join("outside"), root.join("a/link")).unwrap();
        symlink(directory.path().join("outside/x"), root.join("a/b/link")).unwrap();

        let mut root = Root::open(root, false).unwrap();
        root.in_one_step = false;
        let open = |path: &str| root.open_file(&Key::new(path).unwrap()).map(drop);
        assert_eq!(open("x"), Ok(()));
        assert_eq!(open("a/b/x"), Ok(()));
        assert_eq!(open("a/b/missing"), Err(Errno::NOENT));
        assert!(open("a/link/x").is_err());
        assert!(open("a/b/link").is_err());
        assert!(root.make_directory("a/link/new").is_err());
        assert!(root.make_directory("a/b/new/deep").is_ok());
    }
}
