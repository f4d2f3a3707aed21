//! Latency and outcome of each operation, as the caller sees it.

use crate::{
    Operation,
    around::{Around, Pieces},
    operation::Call,
};
use futures::StreamExt;
use rockhold_core::{Key, Result};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// The number of latency classes.
const CLASSES: usize = 32;

/// Counters of latency and outcome, shared between the layer and whoever
/// reads them. There is no exporter here; the numbers are plain.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<[Cell; Operation::ALL.len()]>);

#[derive(Debug, Default)]
struct Cell {
    succeeded: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
    micros: AtomicU64,
    classes: [AtomicU64; CLASSES],
}

/// What one operation did so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationMetrics {
    /// Calls that succeeded, after any number of attempts.
    pub succeeded: u64,
    /// Calls that failed in the end.
    pub failed: u64,
    /// Calls whose caller did not wait for the end.
    pub dropped: u64,
    /// The time of all calls together.
    pub time: Duration,
    /// How many calls took less than 2^n microseconds and not less than
    /// 2^(n-1), by n; the last class takes everything longer.
    pub classes: [u64; CLASSES],
}

impl Metrics {
    /// Counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The numbers of one operation. A stream ([`Operation::Read`]) is one
    /// call from its reader's birth to its end.
    pub fn of(&self, operation: Operation) -> OperationMetrics {
        let cell = &self.0[operation.index()];
        let mut metrics = OperationMetrics {
            succeeded: cell.succeeded.load(Relaxed),
            failed: cell.failed.load(Relaxed),
            dropped: cell.dropped.load(Relaxed),
            time: Duration::from_micros(cell.micros.load(Relaxed)),
            ..OperationMetrics::default()
        };
        for (class, count) in metrics.classes.iter_mut().zip(&cell.classes) {
            *class = count.load(Relaxed);
        }
        metrics
    }

    fn begin(&self, operation: Operation) -> Running {
        Running { metrics: self.clone(), operation, since: Instant::now(), outcome: Outcome::Dropped }
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Succeeded,
    Failed,
    Dropped,
}

/// A call that is under way; its drop is its end.
struct Running {
    metrics: Metrics,
    operation: Operation,
    since: Instant,
    outcome: Outcome,
}

impl Drop for Running {
    fn drop(&mut self) {
        let cell = &self.metrics.0[self.operation.index()];
        let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let class = (u64::BITS - micros.leading_zeros()) as usize;
        cell.micros.fetch_add(micros, Relaxed);
        cell.classes[class.min(CLASSES - 1)].fetch_add(1, Relaxed);
        match self.outcome {
            Outcome::Succeeded => cell.succeeded.fetch_add(1, Relaxed),
            Outcome::Failed => cell.failed.fetch_add(1, Relaxed),
            Outcome::Dropped => cell.dropped.fetch_add(1, Relaxed),
        };
    }
}

#[derive(Debug)]
pub(crate) struct MetricsLayer(pub(crate) Metrics);

impl Around for MetricsLayer {
    async fn call<T, F>(&self, call: Call<'_>, inner: F) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let mut running = self.0.begin(call.operation);
        let result = inner.await;
        running.outcome = if result.is_ok() { Outcome::Succeeded } else { Outcome::Failed };
        result
    }

    fn stream(self: Arc<Self>, _: Key, len: u64, pieces: Pieces) -> Pieces {
        let running = self.0.begin(Operation::Read);
        futures::stream::unfold((pieces, running, len), |(mut pieces, mut running, mut left)| async move {
            let next = pieces.next().await;
            match &next {
                // A reader that has all its bytes rarely asks for the end.
                Some(Ok(bytes)) => {
                    left = left.saturating_sub(bytes.len() as u64);
                    if left == 0 {
                        running.outcome = Outcome::Succeeded;
                    }
                }
                Some(Err(_)) => running.outcome = Outcome::Failed,
                None => running.outcome = Outcome::Succeeded,
            }
            Some((next?, (pieces, running, left)))
        })
        .boxed()
    }
}
