//! Asking a job to stop.

use rockhold_core::{Error, Result};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::Notify;

/// A request to stop that many tasks can see. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    set: AtomicBool,
    reason: Mutex<String>,
    notify: Notify,
}

impl CancelToken {
    /// Asks to stop; the first reason stays.
    pub fn cancel(&self, reason: impl Into<String>) {
        {
            let mut slot = self.0.reason.lock().unwrap_or_else(PoisonError::into_inner);
            if slot.is_empty() {
                *slot = reason.into();
            }
        }
        self.0.set.store(true, Ordering::SeqCst);
        self.0.notify.notify_waiters();
    }

    /// Whether somebody asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.set.load(Ordering::SeqCst)
    }

    /// The error of a cancelled wait.
    pub fn error(&self) -> Error {
        let reason = self.0.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Error::cancelled(reason)
    }

    /// Fails when somebody asked.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(self.error()) } else { Ok(()) }
    }

    /// Waits until somebody asks.
    pub async fn cancelled(&self) {
        loop {
            let notified = self.0.notify.notified();
            if self.is_cancelled() {
                return;
            }
            notified.await;
        }
    }

    /// Waits for `work`, or stops waiting when somebody asks.
    ///
    /// # Errors
    /// `Cancelled`, or the error of `work`.
    pub async fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancelled() => Err(self.error()),
            result = work => result,
        }
    }
}
