//! Exit codes, part of the command's contract (`docs/operations.md`).

/// Everything was done.
pub(crate) const OK: u8 = 0;
/// A statement failed; statements before it took effect.
pub(crate) const FAILED: u8 = 1;
/// The arguments cannot be understood (also clap's code).
pub(crate) const USAGE: u8 = 2;
/// A BACKUP or RESTORE job ended CANCELLED.
pub(crate) const JOB_CANCELLED: u8 = 3;
/// Another process writes to the data directory.
pub(crate) const LOCKED: u8 = 4;
/// Interrupted by Ctrl-C or SIGTERM; running jobs were cancelled first, unless
/// a second signal came meanwhile.
pub(crate) const INTERRUPTED: u8 = 130;
