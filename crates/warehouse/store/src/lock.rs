//! LOCK: one process writes at a time.

use crate::layout::Layout;
use rockhold_core::{Error, ErrorKind, Result};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    time::{Duration, Instant},
};

/// Even who does not want to wait waits as long for a process that has just
/// ended, as in a script: whoever looks at the open files of a process that
/// ends, as monitors do, holds them for a moment longer than it.
const GRACE: Duration = Duration::from_millis(500);

/// The lock; released when dropped, or when the process dies.
#[derive(Debug)]
pub(crate) struct WriterLock {
    /// The lock belongs to the open file.
    file: File,
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Closing alone would leave the lock with a process that another
        // thread is just starting: until its `exec` it shares the open file.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

impl WriterLock {
    /// Takes the lock, waiting up to `wait`.
    ///
    /// # Errors
    /// `Conflict` naming the process that has it.
    pub(crate) fn take(layout: &Layout, wait: Duration, command: &str) -> Result<Self> {
        let path = layout.lock();
        let io = |e: std::io::Error| Error::io(e, "lock", path.display());
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        let end = Instant::now() + wait.max(GRACE);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(held_by(&mut file, wait));
                    }
                    std::thread::sleep(left.min(Duration::from_millis(20)));
                }
                Err(e) => return Err(io(e.into())),
            }
        }
        let one_line: String = command.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        file.set_len(0).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        file.write_all(format!("{}\n{one_line}\n", std::process::id()).as_bytes()).map_err(io)?;
        Ok(Self { file })
    }
}

fn held_by(file: &mut File, wait: Duration) -> Error {
    let mut text = String::new();
    let _ = file.seek(SeekFrom::Start(0));
    let _ = file.take(4096).read_to_string(&mut text);
    let mut lines = text.lines();
    let pid = lines.next().filter(|pid| !pid.is_empty()).unwrap_or("unknown").to_owned();
    let command = lines.next().unwrap_or_default().to_owned();
    Error::new(
        ErrorKind::Conflict,
        format!(
            "process {pid} ({command}) is writing to the warehouse, waited {} s; repeat when it has ended, or wait longer with --lock-wait",
            wait.as_secs()
        ),
    )
    .temporary(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(layout: &Layout) -> Result<WriterLock> {
        WriterLock::take(layout, Duration::ZERO, "a test")
    }

    #[test]
    fn who_ends_just_now_is_waited_for_and_who_goes_on_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let layout = Layout::new(dir.path()).expect("a layout");
        let held = take(&layout).expect("a free lock");
        let error = take(&layout).expect_err("it is held");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let this = format!("process {} (a test) is writing to the warehouse", std::process::id());
        assert!(error.to_string().contains(&this), "{error}");
        let ends = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(held);
        });
        take(&layout).expect("a lock that is freed in a moment");
        ends.join().expect("a thread");
    }
}
