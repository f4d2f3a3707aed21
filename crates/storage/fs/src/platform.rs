//! What differs between operating systems.

use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{self, AtFlags, Mode, OFlags},
    io::{Errno, Result},
};

/// How files and directories are opened: never following a link, never
/// waiting for the other end of a pipe that somebody put there.
pub(crate) const OPEN: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

/// Opens a relative path below `root` in one step. `NOSYS` where the kernel
/// cannot.
#[cfg(target_os = "linux")]
pub(crate) fn open_beneath(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    // The kernel gives AGAIN when a rename elsewhere made it unsure.
    let mut opened = Err(Errno::AGAIN);
    for _ in 0..16 {
        opened = fs::openat2(root, path, flags, Mode::empty(), resolve);
        if opened.as_ref().err() != Some(&Errno::AGAIN) {
            break;
        }
    }
    opened
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn open_beneath(_: &OwnedFd, _: &str, _: OFlags) -> Result<OwnedFd> {
    Err(Errno::NOSYS)
}

/// Opens a relative path one directory at a time.
pub(crate) fn open_walking(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let Some((directories, name)) = path.rsplit_once('/') else {
        return fs::openat(root, path, flags, Mode::empty());
    };
    let mut at: Option<OwnedFd> = None;
    for segment in directories.split('/') {
        let above = at.as_ref().unwrap_or(root);
        at = Some(fs::openat(above, segment, OPEN | OFlags::DIRECTORY, Mode::empty())?);
    }
    fs::openat(at.as_ref().unwrap_or(root), name, flags, Mode::empty())
}

/// Gives a file its final name, in the same directory, where nothing has it.
pub(crate) fn rename_new(directory: &OwnedFd, from: &str, to: &str) -> Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    match fs::renameat_with(directory, from, directory, to, fs::RenameFlags::NOREPLACE) {
        Err(Errno::NOSYS | Errno::INVAL | Errno::OPNOTSUPP) => {}
        done => return done,
    }
    // Network file systems have no rename without replacing, but a link fails where the name is taken.
    fs::linkat(directory, from, directory, to, AtFlags::empty())?;
    // The object is there; a second name that cannot be removed is found by `discard_staged`.
    let _ = fs::unlinkat(directory, from, AtFlags::empty());
    Ok(())
}

/// Makes everything on the file system of `root` durable.
#[cfg(target_os = "linux")]
pub(crate) fn sync_all(root: impl AsFd) -> Result<()> {
    fs::syncfs(root)
}

/// Makes everything on the file system of `root` durable.
#[cfg(not(target_os = "linux"))]
pub(crate) fn sync_all(_: impl AsFd) -> Result<()> {
    Err(Errno::NOSYS)
}

/// Asks the kernel to begin writing these bytes to the disk, without waiting,
/// so that a barrier finds little left to do.
#[cfg(target_os = "linux")]
pub(crate) fn begin_writeback(file: impl AsFd, at: u64, len: u64) {
    // What is dirty is written first, and so stays in the cache for now. Only
    // advice: what it says about errors, a barrier says too.
    let _ = fs::fadvise(file, at, std::num::NonZeroU64::new(len), fs::Advice::DontNeed);
}

/// Asks the kernel to begin writing these bytes to the disk.
#[cfg(not(target_os = "linux"))]
pub(crate) fn begin_writeback(_: impl AsFd, _: u64, _: u64) {}
