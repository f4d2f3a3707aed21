//! Deleting objects, and what unfinished writers left.

use crate::{
    backend::Shared,
    error::os,
    lister::{Entry, entries},
    root::{Root, is_directory, split},
    staged::lock,
};
use rockhold_core::{Key, Result, STAGED_PREFIX};
use rustix::{
    fd::OwnedFd,
    fs::{self, AtFlags, FlockOperation},
    io::Errno,
};
use std::{collections::BTreeSet, sync::Arc};

/// How many objects are deleted under one lock: few enough that somebody who
/// waits to compare and replace does not wait long.
const LOCKED_TOGETHER: usize = 64;

/// Deletes objects, then the directories that are empty now: a store of
/// objects has no directories of its own.
pub(crate) fn delete(shared: &Shared, keys: &[Key]) -> Result<Vec<Result<()>>> {
    let root = &shared.root;
    let mut results = Vec::with_capacity(keys.len());
    let mut emptied = BTreeSet::new();
    for batch in keys.chunks(LOCKED_TOGETHER) {
        let locked = lock(root, FlockOperation::LockShared);
        let mut at = Directory { path: "", opened: Ok(Arc::clone(root.fd())), lost_entries: false };
        for key in batch {
            let (path, name) = split(key.as_str());
            if at.path != path {
                std::mem::replace(&mut at, Directory::open(root, path)).close(shared, &mut emptied);
            }
            let removed = locked.as_ref().map_err(|errno| *errno).and_then(|_| at.unlink(name));
            results.push(removed.map_err(|errno| os(errno, "delete", key)));
        }
        at.close(shared, &mut emptied);
    }
    emptied.into_iter().for_each(|path| prune(root, path));
    Ok(results)
}

/// The directory of the keys that are deleted at the moment.
struct Directory<'a> {
    path: &'a str,
    opened: rustix::io::Result<Arc<OwnedFd>>,
    lost_entries: bool,
}

impl<'a> Directory<'a> {
    fn open(root: &Root, path: &'a str) -> Self {
        Self { path, opened: root.open_directory(path), lost_entries: false }
    }

    fn unlink(&mut self, name: &str) -> rustix::io::Result<()> {
        let opened = self.opened.as_ref().map_err(|errno| *errno);
        match opened.and_then(|directory| fs::unlinkat(directory, name, AtFlags::empty())) {
            Ok(()) => {
                self.lost_entries = true;
                Ok(())
            }
            // A directory is not an object; what says so differs between systems.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => Ok(()),
            Err(Errno::PERM) if opened.is_ok_and(|directory| is_directory(directory, name)) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn close(self, shared: &Shared, emptied: &mut BTreeSet<&'a str>) {
        if self.lost_entries {
            shared.durability.emptied(self.path);
            emptied.insert(self.path);
        }
    }
}

/// Removes a directory and those above it as far as they are empty. A writer
/// that loses its directory this way makes it again.
fn prune(root: &Root, path: &str) {
    let mut path = path;
    while !path.is_empty() {
        let (above, name) = split(path);
        let removed =
            root.open_directory(above).and_then(|above| fs::unlinkat(&above, name, AtFlags::REMOVEDIR));
        if removed.is_err() {
            return;
        }
        root.forget(path);
        path = above;
    }
}

/// Removes the staged files below a prefix; gives how many.
pub(crate) fn discard_staged(shared: &Shared, prefix: &Key) -> Result<u64> {
    let root = &shared.root;
    let mut removed = 0;
    let visited = each_staged(shared, prefix, "discard staged", |directory, name| {
        match fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) => removed += 1,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    })?;
    // Deepest first.
    visited.iter().rev().for_each(|path| prune(root, path));
    Ok(removed)
}

/// Counts the staged files below a prefix.
pub(crate) fn count_staged(shared: &Shared, prefix: &Key) -> Result<u64> {
    let mut count = 0;
    each_staged(shared, prefix, "count staged", |_, _| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Calls `found` with every staged file below a prefix; gives the directories
/// that were visited, each before those in it.
fn each_staged(
    shared: &Shared,
    prefix: &Key,
    operation: &'static str,
    mut found: impl FnMut(&Arc<OwnedFd>, &str) -> rustix::io::Result<()>,
) -> Result<Vec<String>> {
    let mut open = vec![prefix.as_str().to_owned()];
    let mut visited = Vec::new();
    while let Some(path) = open.pop() {
        let failed = |errno| os(errno, operation, &path);
        let directory = match shared.root.open_directory(&path) {
            Ok(directory) => directory,
            // Links and foreign file systems hold nothing of ours.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => continue,
            Err(errno) => return Err(failed(errno)),
        };
        for entry in entries(&directory).map_err(failed)? {
            match entry.map_err(failed)? {
                Entry::File(name) if name.starts_with(STAGED_PREFIX) => {
                    found(&directory, &name).map_err(failed)?;
                }
                Entry::File(_) => {}
                Entry::Directory(name) => open.push(format!("{path}/{name}")),
            }
        }
        visited.push(path);
    }
    Ok(visited)
}
