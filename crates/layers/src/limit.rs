//! Permits and byte rates.

use crate::{
    Operation,
    around::{Around, Pieces},
    operation::Call,
    waiting::waiting,
};
use futures::StreamExt;
use rockhold_core::{Error, Key, Result};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep_until},
};

/// What a [`Limiter`] enforces. Everything is unlimited by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most calls at one time (0 counts as 1).
    pub calls: Option<usize>,
    /// Object bytes sent per second (0 counts as 1).
    pub upload: Option<u64>,
    /// Object bytes received per second (0 counts as 1).
    pub download: Option<u64>,
}

impl Limits {
    /// Sets [`Limits::calls`].
    #[must_use]
    pub fn calls(mut self, calls: usize) -> Self {
        self.calls = Some(calls);
        self
    }

    /// Sets [`Limits::upload`].
    #[must_use]
    pub fn upload(mut self, bytes_per_second: u64) -> Self {
        self.upload = Some(bytes_per_second);
        self
    }

    /// Sets [`Limits::download`].
    #[must_use]
    pub fn download(mut self, bytes_per_second: u64) -> Self {
        self.download = Some(bytes_per_second);
        self
    }
}

/// Permits and rates. Repositories that share a limiter share its limits.
///
/// A permit is held during one attempt of a call, or during the wait for the
/// next piece of a stream; never while the caller does something else, so a
/// caller that writes while it reads cannot lock itself out.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    permits: Option<Semaphore>,
    upload: Option<Rate>,
    download: Option<Rate>,
}

impl Limiter {
    /// A limiter with nothing used yet.
    pub fn new(limits: Limits) -> Self {
        let permits = |calls: usize| Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS));
        Self(Arc::new(Shared {
            permits: limits.calls.map(permits),
            upload: limits.upload.map(Rate::new),
            download: limits.download.map(Rate::new),
        }))
    }
}

impl Shared {
    async fn permit(&self) -> Result<Option<SemaphorePermit<'_>>> {
        match &self.permits {
            None => Ok(None),
            Some(permits) => match permits.acquire().await {
                Ok(permit) => Ok(Some(permit)),
                Err(closed) => Err(Error::internal("the limiter was closed").because(closed)),
            },
        }
    }
}

/// A byte rate: each taker waits until the bytes before its own are paid for.
#[derive(Debug)]
struct Rate {
    bytes_per_second: u64,
    free_at: Mutex<Option<Instant>>,
}

impl Rate {
    fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), free_at: Mutex::new(None) }
    }

    async fn take(&self, bytes: u64) {
        let now = Instant::now();
        let mine = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = free_at.map_or(now, |at| at.max(now));
            let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
            let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
            *free_at = Some(mine.checked_add(cost).unwrap_or(mine));
            mine
        };
        if mine > now {
            sleep_until(mine).await;
        }
    }
}

#[derive(Debug)]
pub(crate) struct LimitLayer(pub(crate) Limiter);

impl Around for LimitLayer {
    async fn call<T, F>(&self, call: Call<'_>, inner: F) -> Result<T>
    where
        T: Send,
        F: Future<Output = Result<T>> + Send,
    {
        let shared = &self.0.0;
        if let (Some(rate), 1..) = (&shared.upload, call.bytes_up) {
            waiting(rate.take(call.bytes_up)).await;
        }
        let _permit = waiting(shared.permit()).await.map_err(|e| e.during(call.operation.name()))?;
        inner.await
    }

    fn stream(self: Arc<Self>, _: Key, _: u64, pieces: Pieces) -> Pieces {
        let shared = Arc::clone(&self.0.0);
        futures::stream::unfold(pieces, move |mut pieces| {
            let shared = Arc::clone(&shared);
            async move {
                let piece = match waiting(shared.permit()).await {
                    Ok(_permit) => pieces.next().await?,
                    Err(error) => Err(error.during(Operation::Read.name())),
                };
                if let (Some(rate), Ok(bytes)) = (&shared.download, &piece) {
                    waiting(rate.take(bytes.len() as u64)).await;
                }
                Some((piece, pieces))
            }
        })
        .boxed()
    }
}
