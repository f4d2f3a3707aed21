//! Bounds the time of one attempt.

use crate::{
    Operation,
    around::{Around, Pieces},
    operation::Call,
};
use futures::StreamExt;
use rockhold_core::{Error, ErrorKind, Key, Result};
use std::{sync::Arc, time::Duration};

/// How many bytes may go up in [`Timeouts::transfer`].
const TRANSFER_LEN: u64 = 8 << 20;

/// How long one attempt may take. [`Duration::MAX`] means any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Calls that move no object bytes: `head`, `create`, `list`, `delete`,
    /// `abort`, and `get` until its first byte. 30 s by default.
    pub call: Duration,
    /// `put` and `write_part` for each 8 MiB begun, `commit`, `copy`, and the
    /// wait for the next piece of a stream. 2 min by default.
    pub transfer: Duration,
    /// `barrier`, `discard_staged` and `count_staged`, whose work has no bound.
    /// 30 min by default.
    pub sync: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(30),
            transfer: Duration::from_secs(120),
            sync: Duration::from_secs(30 * 60),
        }
    }
}

impl Timeouts {
    /// Sets [`Timeouts::call`].
    #[must_use]
    pub fn call(mut self, limit: Duration) -> Self {
        self.call = limit;
        self
    }

    /// Sets [`Timeouts::transfer`].
    #[must_use]
    pub fn transfer(mut self, limit: Duration) -> Self {
        self.transfer = limit;
        self
    }

    /// Sets [`Timeouts::sync`].
    #[must_use]
    pub fn sync(mut self, limit: Duration) -> Self {
        self.sync = limit;
        self
    }

    fn of(&self, operation: Operation, bytes_up: u64) -> Duration {
        use Operation::{Barrier, Commit, Copy, CountStaged, DiscardStaged, Put, Read, WritePart};
        match operation {
            Put | WritePart => {
                let times = bytes_up.div_ceil(TRANSFER_LEN).max(1);
                self.transfer.saturating_mul(u32::try_from(times).unwrap_or(u32::MAX))
            }
            Commit | Copy | Read => self.transfer,
            Barrier | DiscardStaged | CountStaged => self.sync,
            _ => self.call,
        }
    }
}

#[derive(Debug)]
pub(crate) struct TimeoutLayer(pub(crate) Timeouts);

impl TimeoutLayer {
    async fn bound<F: Future + Send>(
        &self,
        operation: Operation,
        bytes_up: u64,
        inner: F,
    ) -> Result<F::Output> {
        let limit = self.0.of(operation, bytes_up);
        tokio::time::timeout(limit, inner).await.map_err(|_| {
            let error = Error::new(ErrorKind::TimedOut, format!("no answer within {limit:?}"))
                .during(operation.name())
                .temporary(None);
            if operation.changes() { error.maybe_applied() } else { error }
        })
    }
}

impl Around for TimeoutLayer {
    async fn call<T, F>(&self, call: Call<'_>, inner: F) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        match self.bound(call.operation, call.bytes_up, inner).await {
            Ok(result) => result,
            Err(error) => Err(match call.key {
                Some(key) => error.at(key),
                None => error,
            }),
        }
    }

    fn stream(self: Arc<Self>, key: Key, _: u64, pieces: Pieces) -> Pieces {
        futures::stream::unfold(Some(pieces), move |pieces| {
            let (layer, key) = (Arc::clone(&self), key.clone());
            async move {
                let mut pieces = pieces?;
                match layer.bound(Operation::Read, 0, pieces.next()).await {
                    Ok(None) => None,
                    Ok(Some(piece)) => Some((piece, Some(pieces))),
                    Err(error) => Some((Err(error.at(key)), None)),
                }
            }
        })
        .boxed()
    }
}
