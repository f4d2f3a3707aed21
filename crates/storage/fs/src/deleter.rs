//! Deleting objects, and what unfinished writers left.

use crate::{
    backend::Shared,
    error::os,
    lister::{Entry, entries},
    root::{Root, split},
    staged::lock,
};
use rockhold_core::{Key, Result, STAGED_PREFIX};
use rustix::{
    fs::{self, AtFlags, FlockOperation},
    io::Errno,
};
use std::collections::BTreeSet;

/// Deletes objects, then the directories that are empty now: a store of
/// objects has no directories of its own.
pub(crate) fn delete(shared: &Shared, keys: &[Key]) -> Result<Vec<Result<()>>> {
    let root = &shared.root;
    let mut directories = BTreeSet::new();
    let mut results = Vec::with_capacity(keys.len());
    for key in keys {
        let (path, _) = split(key.as_str());
        let result = unlink(root, key).map_err(|errno| os(errno, "delete", key));
        if matches!(result, Ok(true)) {
            shared.durability.emptied(path);
            directories.insert(path);
        }
        results.push(result.map(drop));
    }
    directories.into_iter().for_each(|path| prune(root, path));
    Ok(results)
}

/// Whether an object was there.
fn unlink(root: &Root, key: &Key) -> rustix::io::Result<bool> {
    let (path, name) = split(key.as_str());
    let _lock = lock(root, FlockOperation::LockShared)?;
    let removed = root
        .open_directory(path)
        .and_then(|directory| fs::unlinkat(&directory, name, AtFlags::empty()))
        .map(|()| true);
    match removed {
        // A directory is not an object; what says so differs between systems.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => Ok(false),
        Err(Errno::PERM) if root.open_directory(key.as_str()).is_ok() => Ok(false),
        other => other,
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
    let mut open = vec![prefix.as_str().to_owned()];
    let mut visited = Vec::new();
    while let Some(path) = open.pop() {
        let failed = |errno| os(errno, "discard staged", &path);
        let directory = match root.open_directory(&path) {
            Ok(directory) => directory,
            // Links and foreign file systems hold nothing of ours.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => continue,
            Err(errno) => return Err(failed(errno)),
        };
        for entry in entries(&directory).map_err(failed)? {
            match entry.map_err(failed)? {
                Entry::File(name) if name.starts_with(STAGED_PREFIX) => {
                    match fs::unlinkat(&directory, &name, AtFlags::empty()) {
                        Ok(()) => removed += 1,
                        Err(Errno::NOENT) => {}
                        Err(errno) => return Err(failed(errno)),
                    }
                }
                Entry::File(_) => {}
                Entry::Directory(name) => open.push(format!("{path}/{name}")),
            }
        }
        visited.push(path);
    }
    // Deepest first.
    visited.iter().rev().for_each(|path| prune(root, path));
    Ok(removed)
}
