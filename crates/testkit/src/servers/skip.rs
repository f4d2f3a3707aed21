//! The one way for a test to say that it cannot run here.

use std::{fs::OpenOptions, io::Write};

/// The variable that names the file to which skips are appended.
pub const SKIP_LOG: &str = "ROCKHOLD_SKIP_LOG";

/// Says, loudly, that `test` does not run here, and why. The test returns
/// after this call; `cargo xtask test` counts it as skipped, which in CI is a
/// failure.
///
/// # Panics
///
/// When the log that was asked for cannot be written: a skip that nobody
/// counts is a test that passes without running.
pub fn skip(test: &str, reason: &str) {
    println!("SKIPPED: {test}: {reason}");
    let Some(path) = std::env::var_os(SKIP_LOG) else { return };
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut log| log.write_all(format!("{test}\t{reason}\n").as_bytes()));
    if let Err(error) = written {
        panic!("cannot write to {}: {error}", path.display());
    }
}
