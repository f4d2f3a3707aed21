//! What was written and is not yet known to be on the disk.

use crate::{
    error::os,
    platform::sync_all,
    root::{Root, split},
    staged::sync_directories,
};
use rockhold_core::{Error, ErrorKind, Key, Result};
use rustix::{fs, io::Errno};
use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Changes since the last barrier.
#[derive(Debug)]
pub(crate) struct Durability {
    /// Held while a barrier syncs: one that comes meanwhile waits, since what
    /// it must cover may be in the hands of the first.
    running: Mutex<()>,
    pending: Mutex<Pending>,
    fsync_limit: usize,
}

#[derive(Debug, Default)]
struct Pending {
    written: BTreeSet<Key>,
    /// Directories that lost an entry.
    emptied: BTreeSet<String>,
    /// Too many to name; the sets are empty then.
    many: bool,
    /// A barrier failed. Linux reports lost data once and then forgets it, so
    /// nothing that this handle says afterwards could be believed.
    lost: bool,
}

impl Durability {
    pub(crate) fn new(fsync_limit: usize) -> Self {
        Self { running: Mutex::default(), pending: Mutex::default(), fsync_limit }
    }

    /// Notes an object that was made visible.
    pub(crate) fn wrote(&self, key: &Key) {
        let mut pending = self.pending();
        if !pending.many {
            pending.written.insert(key.clone());
            self.check_limit(&mut pending);
        }
    }

    /// Notes a directory in which a file was deleted.
    pub(crate) fn emptied(&self, path: &str) {
        let mut pending = self.pending();
        if !pending.many && !pending.emptied.contains(path) {
            pending.emptied.insert(path.to_owned());
            self.check_limit(&mut pending);
        }
    }

    fn check_limit(&self, pending: &mut Pending) {
        if pending.written.len() + pending.emptied.len() > self.fsync_limit {
            *pending = Pending { many: true, lost: pending.lost, ..Pending::default() };
        }
    }

    /// Makes all changes noted so far durable.
    pub(crate) fn barrier(&self, root: &Root) -> Result<()> {
        let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = {
            let mut pending = self.pending();
            if pending.lost {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "an earlier barrier failed and data may be lost; open the repository again and repeat the job",
                )
                .during("barrier")
                .at(root.path().display()));
            }
            std::mem::take(&mut *pending)
        };
        let synced = if taken.many {
            match sync_all(root.fd()) {
                Err(Errno::NOSYS) => {
                    fs::sync();
                    Ok(())
                }
                other => other,
            }
        } else {
            sync_each(root, &taken)
        };
        synced.map_err(|errno| {
            self.pending().lost = true;
            os(errno, "barrier", root.path().display()).permanent()
        })
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sync_each(root: &Root, taken: &Pending) -> rustix::io::Result<()> {
    let mut directories: BTreeSet<&str> = taken.emptied.iter().map(String::as_str).collect();
    for key in &taken.written {
        directories.insert(split(key.as_str()).0);
        match root.open_file(key).and_then(|(file, _)| fs::fsync(&file)) {
            // Deleted since: then its directory counts.
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(errno) => return Err(errno),
        }
    }
    directories.into_iter().try_for_each(|path| sync_directories(root, path))
}
