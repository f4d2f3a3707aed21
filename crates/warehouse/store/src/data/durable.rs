//! Durability: files first, then their names, then the catalog.

use crate::fault::Faults;
use crate::layout::{Layout, make_dir};
use rockhold_core::{Error, Result};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Above this many files or directories one `syncfs` is cheaper than `fsync` on each.
const FEW: usize = 16;

/// Makes the contents of a file durable.
pub(crate) fn sync_file(faults: &Faults, path: &Path) -> Result<()> {
    faults.around("fsync file", || {
        File::open(path).and_then(|f| f.sync_all()).map_err(|e| Error::io(e, "fsync", path.display()))
    })
}

/// Makes the contents of many files below `root` durable.
pub(crate) fn sync_many(faults: &Faults, root: &Path, files: &[PathBuf]) -> Result<()> {
    if files.len() > FEW {
        return sync_file_system(faults, root);
    }
    files.iter().try_for_each(|file| sync_file(faults, file))
}

/// Makes the names in directories below `root` durable.
pub(crate) fn sync_dirs(faults: &Faults, root: &Path, dirs: impl IntoIterator<Item = PathBuf>) -> Result<()> {
    let dirs: BTreeSet<PathBuf> = dirs.into_iter().collect();
    if dirs.len() > FEW {
        return sync_file_system(faults, root);
    }
    for dir in &dirs {
        faults.around("fsync directory", || {
            File::open(dir).and_then(|f| f.sync_all()).map_err(|e| Error::io(e, "fsync", dir.display()))
        })?;
    }
    Ok(())
}

/// Asks the kernel to begin writing a file to the disk, without waiting, so
/// that the sync at the end finds little left to do.
pub(crate) fn begin_writeback(file: &File) {
    // What is dirty is written first, and so stays in the cache for now. Only
    // advice: what it says about errors, the sync says too.
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

/// Makes everything on the file system of `root` durable.
fn sync_file_system(faults: &Faults, root: &Path) -> Result<()> {
    faults.around("syncfs", || {
        let file = File::open(root).map_err(|e| Error::io(e, "syncfs", root.display()))?;
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&file).map_err(|e| Error::io(e.into(), "syncfs", root.display()))?;
        #[cfg(not(target_os = "linux"))]
        {
            drop(file);
            rustix::fs::sync();
        }
        Ok(())
    })
}

/// Moves staged files of `owner` to their places in `data/`. A file that is
/// there already was moved by an earlier try. Gives the directories whose
/// names are to be made durable.
pub(crate) fn move_into_place(
    faults: &Faults,
    layout: &Layout,
    owner: &[u8; 16],
    names: &[String],
) -> Result<BTreeSet<PathBuf>> {
    let staging = layout.staging_of(owner);
    let mut dirs = BTreeSet::new();
    for name in names {
        let (from, to) = (staging.join(name), layout.file(name));
        let shard = layout.shard(name);
        if dirs.insert(shard.clone()) && !shard.is_dir() {
            make_dir(&shard)?;
            dirs.insert(layout.data());
        }
        faults.around("rename file", || match fs::rename(&from, &to) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && to.is_file() => Ok(()),
            other => other.map_err(|e| Error::io(e, "rename", from.display())),
        })?;
    }
    Ok(dirs)
}

/// Removes data files; those that are gone are fine. The removals are durable
/// when it returns, so that their rows may be forgotten.
pub(crate) fn unlink(faults: &Faults, layout: &Layout, names: &[String]) -> Result<()> {
    let mut dirs = BTreeSet::new();
    for name in names {
        let path = layout.file(name);
        let gone = faults.around("unlink file", || match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(Error::io(e, "unlink", path.display())),
        })?;
        if gone {
            dirs.insert(layout.shard(name));
        }
    }
    sync_dirs(faults, &layout.data(), dirs)
}

/// Removes the staging directory of a load or restore that has ended.
pub(crate) fn remove_staging(faults: &Faults, dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    faults.around("remove staging", || match fs::remove_dir_all(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|e| Error::io(e, "unlink", dir.display())),
    })
}
