//! The two ways a call can end, as assertions.

use rockhold_core::{Error, ErrorKind, Result};

/// The value of a call that must succeed.
///
/// # Panics
/// When it did not.
#[track_caller]
pub fn must<T, E: std::fmt::Debug>(result: std::result::Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("this call must succeed: {error:?}"),
    }
}

/// The error of a call that must be refused with this kind.
///
/// # Panics
/// When it succeeded, or failed otherwise.
#[track_caller]
pub fn refused<T>(kind: ErrorKind, result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("this call must be refused: {kind}"),
        Err(error) if error.kind() == kind => error,
        Err(error) => panic!("this call must be refused as `{kind}`, not: {error:?}"),
    }
}
