//! What can go wrong inside a transaction, and how SQLite's errors read.

use rockhold_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// An error of SQLite or of ours; `?` takes both.
#[derive(Debug)]
pub(crate) enum Failure {
    Sql(rusqlite::Error),
    Ours(Error),
}

pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Ours(error) => error,
            Failure::Sql(error) => from_sqlite(error),
        }
    }
}

pub(crate) fn from_sqlite(error: rusqlite::Error) -> Error {
    let code = error.sqlite_error_code();
    let (kind, text): (_, String) = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            ErrorKind::Unavailable,
            "another process holds the catalog for too long; repeat the statement".into(),
        ),
        Some(ErrorCode::DiskFull) => (
            ErrorKind::StorageFull,
            "no space left on the disk of the warehouse; free some and repeat".into(),
        ),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => (
            ErrorKind::Corrupt,
            "catalog.sqlite is damaged or is no catalog of ours; restore the warehouse from a backup".into(),
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => (
            ErrorKind::PermissionDenied,
            "the catalog cannot be opened for writing, which reading needs too; check owner and mode of the \
             directory, and that its disk is not mounted read-only"
                .into(),
        ),
        Some(ErrorCode::SystemIoFailure) => (
            ErrorKind::Unavailable,
            "input/output error in the catalog; check the disk and the room on it".into(),
        ),
        _ => (ErrorKind::Internal, format!("the catalog refused a statement: {error}")),
    };
    let busy = kind == ErrorKind::Unavailable;
    let error = Error::new(kind, text).because(error);
    if busy { error.temporary(None) } else { error }
}

/// A count as SQLite stores it.
pub(crate) fn int(n: u64) -> Result<i64, Error> {
    i64::try_from(n).map_err(|_| Error::invalid(format!("the number {n} is too large")))
}

/// A count that SQLite stored; the schema keeps it from being negative.
pub(crate) fn nat(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
