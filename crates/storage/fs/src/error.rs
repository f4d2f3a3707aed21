//! From what the kernel says to what a person can act upon.

use rockhold_core::{Error, ErrorKind, Key, Result};
use rustix::io::Errno;
use std::fmt::Display;

/// Maps an error number. `what` is the key or path concerned.
pub(crate) fn os(errno: Errno, operation: &'static str, what: impl Display) -> Error {
    let (kind, message) = match errno {
        Errno::NOENT => (ErrorKind::NotFound, "no such object"),
        Errno::EXIST => (ErrorKind::AlreadyExists, "an object with this key exists"),
        Errno::ACCESS | Errno::PERM => (
            ErrorKind::PermissionDenied,
            "permission denied; give this user read and write access to the repository's directory",
        ),
        Errno::ROFS => (
            ErrorKind::PermissionDenied,
            "the file system is mounted read-only; mount it writable or choose another location",
        ),
        Errno::NOSPC => (ErrorKind::StorageFull, "no space left on the device; free some and repeat"),
        Errno::DQUOT => (ErrorKind::StorageFull, "the disk quota is used up; raise it or free some space"),
        Errno::FBIG => (ErrorKind::StorageFull, "the file would be longer than the file system allows"),
        Errno::LOOP => (
            ErrorKind::InvalidInput,
            "a symbolic link lies there; links inside a repository are not followed, so put the file or \
             directory itself in its place",
        ),
        Errno::XDEV => (
            ErrorKind::InvalidInput,
            "another file system is mounted there; a repository lies on one file system",
        ),
        Errno::NOTDIR => (ErrorKind::InvalidInput, "a part of the path is a file, not a directory"),
        Errno::ISDIR => (ErrorKind::InvalidInput, "a directory lies there"),
        Errno::NAMETOOLONG => (ErrorKind::InvalidInput, "the name is too long for this file system"),
        Errno::MFILE | Errno::NFILE => {
            (ErrorKind::Unavailable, "too many open files; raise the limit (`ulimit -n`)")
        }
        Errno::IO => (ErrorKind::Unavailable, "input/output error; check the disk and the kernel's log"),
        _ => {
            let error = Error::new(ErrorKind::Unavailable, format!("the file system says: {errno}"));
            let error = error.during(operation).at(what).because(std::io::Error::from(errno));
            return if is_passing(errno) { error.temporary(None) } else { error };
        }
    };
    let error = Error::new(kind, message).during(operation).at(what).because(std::io::Error::from(errno));
    if is_passing(errno) { error.temporary(None) } else { error }
}

/// Whether the next attempt may find the trouble gone without anybody's doing.
fn is_passing(errno: Errno) -> bool {
    [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::INTR, Errno::NOMEM, Errno::BUSY, Errno::STALE]
        .contains(&errno)
}

/// Maps an error of the standard library's file functions.
pub(crate) fn io(error: std::io::Error, operation: &'static str, what: impl Display) -> Error {
    match Errno::from_io_error(&error) {
        Some(errno) => os(errno, operation, what),
        None => Error::io(error, operation, what),
    }
}

/// A missing object, also where a part of its path is no directory.
pub(crate) fn reading(errno: Errno, operation: &'static str, key: &Key) -> Error {
    match errno {
        Errno::NOTDIR | Errno::ISDIR => os(Errno::NOENT, operation, key),
        other => os(other, operation, key),
    }
}

/// Runs what may block on a thread that may.
pub(crate) async fn blocking<T, F>(operation: &'static str, run: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(lost) => {
            let error = Error::internal("a thread of the local disk's adapter ended early").during(operation);
            Err(error.maybe_applied().because(lost))
        }
    }
}
