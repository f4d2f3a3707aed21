//! Counts what the store really gets: each attempt, in calls and bytes.

use crate::{
    Operation,
    around::{Around, Pieces},
    operation::Call,
};
use futures::StreamExt;
use rockhold_core::{Key, Result};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counters of calls and bytes, shared between the layer and whoever reads them.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<[Cell; Operation::ALL.len()]>);

#[derive(Debug, Default)]
struct Cell {
    calls: AtomicU64,
    failed: AtomicU64,
    bytes_up: AtomicU64,
    bytes_down: AtomicU64,
}

/// What one operation cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// Calls begun. For [`Operation::Read`], streams begun.
    pub calls: u64,
    /// Calls that gave an error.
    pub failed: u64,
    /// Bytes of objects sent, whether or not the call succeeded.
    pub bytes_up: u64,
    /// Bytes of objects received.
    pub bytes_down: u64,
}

/// All counts at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([Count; Operation::ALL.len()]);

impl Counters {
    /// Counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The counts now.
    pub fn snapshot(&self) -> Counts {
        let mut counts = Counts::default();
        for (count, cell) in counts.0.iter_mut().zip(self.0.iter()) {
            count.calls = cell.calls.load(Relaxed);
            count.failed = cell.failed.load(Relaxed);
            count.bytes_up = cell.bytes_up.load(Relaxed);
            count.bytes_down = cell.bytes_down.load(Relaxed);
        }
        counts
    }

    fn cell(&self, operation: Operation) -> &Cell {
        &self.0[operation.index()]
    }
}

impl Counts {
    /// The counts of one operation.
    pub fn of(&self, operation: Operation) -> Count {
        self.0[operation.index()]
    }

    /// All calls to the store. Streams do not count beside their `get`.
    pub fn calls(&self) -> u64 {
        Operation::ALL.iter().filter(|o| **o != Operation::Read).map(|o| self.of(*o).calls).sum()
    }

    /// All bytes of objects sent.
    pub fn bytes_up(&self) -> u64 {
        self.0.iter().map(|count| count.bytes_up).sum()
    }

    /// All bytes of objects received.
    pub fn bytes_down(&self) -> u64 {
        self.0.iter().map(|count| count.bytes_down).sum()
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Counts) -> Counts {
        let mut difference = self.clone();
        for (count, old) in difference.0.iter_mut().zip(&earlier.0) {
            count.calls -= old.calls.min(count.calls);
            count.failed -= old.failed.min(count.failed);
            count.bytes_up -= old.bytes_up.min(count.bytes_up);
            count.bytes_down -= old.bytes_down.min(count.bytes_down);
        }
        difference
    }
}

#[derive(Debug)]
pub(crate) struct CountLayer(pub(crate) Counters);

impl Around for CountLayer {
    async fn call<T, F>(&self, call: Call<'_>, inner: F) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let cell = self.0.cell(call.operation);
        cell.calls.fetch_add(1, Relaxed);
        cell.bytes_up.fetch_add(call.bytes_up, Relaxed);
        let result = inner.await;
        if result.is_err() {
            cell.failed.fetch_add(1, Relaxed);
        }
        result
    }

    fn stream(self: Arc<Self>, _: Key, _: u64, pieces: Pieces) -> Pieces {
        self.0.cell(Operation::Read).calls.fetch_add(1, Relaxed);
        pieces
            .inspect(move |piece| {
                let cell = self.0.cell(Operation::Read);
                match piece {
                    Ok(bytes) => cell.bytes_down.fetch_add(bytes.len() as u64, Relaxed),
                    Err(_) => cell.failed.fetch_add(1, Relaxed),
                };
            })
            .boxed()
    }
}
