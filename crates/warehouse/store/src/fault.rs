//! Numbered effects, so that a test can stop a job at each of them.

use rockhold_core::{Error, ErrorKind, Result};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A moment just before or just after one effect on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is done: `commit load`, `rename`, `fsync`, `unlink`, …
    pub name: &'static str,
    /// Counts all moments of one [`Store`](crate::Store), from 0.
    pub number: u64,
    /// Whether the effect has happened.
    pub after: bool,
}

/// What happens at a [`Step`]. To stop the process there, the hook itself kills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    Continue,
    /// The call fails: before its effect, or after it.
    Fail,
}

/// Called at every [`Step`].
pub type FaultHook = Arc<dyn Fn(Step) -> Fault + Send + Sync>;

/// Counts steps and asks the hook.
pub(crate) struct Faults {
    hook: Option<FaultHook>,
    next: AtomicU64,
}

impl Faults {
    pub(crate) fn new(hook: Option<FaultHook>) -> Self {
        Self { hook, next: AtomicU64::new(0) }
    }

    /// Runs one effect between its two moments.
    pub(crate) fn around<T, E: From<Error>>(
        &self,
        name: &'static str,
        effect: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.ask(name, false)?;
        let done = effect()?;
        self.ask(name, true).map_err(Error::maybe_applied)?;
        Ok(done)
    }

    fn ask(&self, name: &'static str, after: bool) -> Result<()> {
        let Some(hook) = &self.hook else { return Ok(()) };
        let number = self.next.fetch_add(1, Ordering::SeqCst);
        match hook(Step { name, number, after }) {
            Fault::Continue => Ok(()),
            Fault::Fail => {
                Err(Error::new(ErrorKind::Unavailable, format!("injected fault at step {number}"))
                    .during(name))
            }
        }
    }
}
