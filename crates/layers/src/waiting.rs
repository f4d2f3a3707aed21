//! Time that an attempt spent waiting for our own limits.
//!
//! The limit layer stands inside of retry, so that each repeat takes its own
//! permit. What it waits there is no fault of the store: it must not use up
//! the time that retry has for repeating. The limit layer notes it, retry
//! takes it off.

use std::{cell::Cell, time::Duration};
use tokio::time::Instant;

tokio::task_local! {
    static WAITED: Cell<Duration>;
}

/// Runs an attempt; tells how much of its time was spent in [`waiting`].
pub(crate) async fn measured<F: Future>(attempt: F) -> (F::Output, Duration) {
    let attempt = async {
        let output = attempt.await;
        (output, WAITED.with(Cell::get))
    };
    WAITED.scope(Cell::default(), attempt).await
}

/// Waits for a permit or for a byte rate.
pub(crate) async fn waiting<F: Future>(wait: F) -> F::Output {
    let begun = Instant::now();
    let output = wait.await;
    // Without retry around, nobody asks.
    let _ = WAITED.try_with(|waited| waited.set(waited.get() + begun.elapsed()));
    output
}
