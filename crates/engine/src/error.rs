//! From errors of the contracts to errors of statements and jobs.

use rockhold_core::{Error, ErrorKind, is_system_database};
use rockhold_sql::{SqlError, Stage};

/// StarRocks's word in front of the message of a cancelled job.
pub(crate) fn status_code(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::Corrupt => "BAD_FILE",
        ErrorKind::TimedOut => "TIMEOUT",
        ErrorKind::Unavailable | ErrorKind::Unauthenticated | ErrorKind::Throttled => "BAD_CONNECTION",
        ErrorKind::Unsupported => "UNSUPPORTED",
        ErrorKind::AlreadyExists => "BAD_REPLACE",
        _ => "COMMON_ERROR",
    }
}

/// `[CODE, msg: text]`, as the Status column shows it.
pub(crate) fn status_text(error: &Error) -> String {
    // Where a cancel struck says nothing; clients match StarRocks's text.
    if error.kind() == ErrorKind::Cancelled {
        return format!("[COMMON_ERROR, msg: {}]", error.message());
    }
    format!("[{}, msg: {error}]", status_code(error))
}

/// An execution error about backups, restores or repositories.
pub(crate) fn common(message: impl Into<String>) -> SqlError {
    SqlError::numbered(Stage::Execute, SqlError::COMMON, message)
}

/// An analysis error about backups, restores or repositories.
pub(crate) fn common_analysis(message: impl Into<String>) -> SqlError {
    SqlError::numbered(Stage::Analyze, SqlError::COMMON, message)
}

/// The error for a database that is not there.
pub(crate) fn unknown_database(name: &str) -> SqlError {
    SqlError::numbered(Stage::Analyze, 5501, format!("Unknown database '{name}'"))
}

/// Refuses a database that belongs to the system as the target of a restore.
pub(crate) fn refuse_system_database(name: &str) -> Result<(), SqlError> {
    if is_system_database(name) {
        return Err(common(format!(
            "Database {name} is the system's, nothing is restored into it; name another one: RESTORE … AS …"
        )));
    }
    Ok(())
}

/// An error of a contract, as the statement that met it reports it.
pub fn from_core(error: Error) -> SqlError {
    tracing::debug!(?error, "statement failed");
    common(error.to_string())
}
