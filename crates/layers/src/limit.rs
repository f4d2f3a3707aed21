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
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
/// caller that writes while it reads cannot lock itself out. Who has called
/// must go on polling: a call that waits may be the one that others wait for.
///
/// Calls that send bytes are of three sizes: up to 1 KiB, up to 64 KiB, and
/// more. Those of one size are let in one after the other, in the order in
/// which they came: each waits until what was sent by calls of its size and of
/// smaller ones is paid for, then for its permit. So a call waits for no larger
/// one, except for those that run and, of each size, the one that is next to
/// get a permit: the owner of a claim, whose heartbeat has some hundred bytes,
/// does not count as dead because large files are waiting. All sizes are
/// charged to the one rate, and while a larger call waits, a smaller size has
/// at most half of it. A call that is dropped while it waits has paid nothing,
/// and nobody waits for it any more.
#[derive(Clone, Debug)]
pub struct Limiter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    permits: Option<Semaphore>,
    /// By size: whose turn it is to be let in. Fair, as this kind of mutex is.
    turns: [tokio::sync::Mutex<()>; SIZES],
    upload: Option<Rate>,
    download: Option<Rate>,
}

/// The most bytes of the calls of each size but the last.
const MOST: [u64; SIZES - 1] = [1 << 10, 64 << 10];
const SIZES: usize = 3;
/// The size of all longer calls.
const LARGE: usize = SIZES - 1;

fn size(bytes: u64) -> usize {
    MOST.iter().position(|most| bytes <= *most).unwrap_or(LARGE)
}

impl Limiter {
    /// A limiter with nothing used yet.
    pub fn new(limits: Limits) -> Self {
        let permits = |calls: usize| Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS));
        Self(Arc::new(Shared {
            permits: limits.calls.map(permits),
            turns: Default::default(),
            upload: limits.upload.map(Rate::new),
            download: limits.download.map(Rate::new),
        }))
    }
}

impl Shared {
    /// Lets in a call that sends so many bytes.
    async fn admit(&self, bytes: u64) -> Result<Option<SemaphorePermit<'_>>> {
        if bytes == 0 {
            return self.permit().await;
        }
        let (size, since) = (size(bytes), Instant::now());
        let _turn = self.turns[size].lock().await;
        if let Some(rate) = &self.upload {
            rate.paid(size).await;
        }
        let permit = self.permit().await?;
        if let Some(rate) = &self.upload {
            rate.charge(size, bytes, since, self.larger_waits(size));
        }
        Ok(permit)
    }

    fn larger_waits(&self, size: usize) -> bool {
        self.turns.iter().skip(size + 1).any(|turn| turn.try_lock().is_err())
    }

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

/// A byte rate: bytes move at once when those before them are paid for.
#[derive(Debug)]
struct Rate {
    bytes_per_second: u64,
    /// By size: when the calls of this size and of smaller ones are paid for.
    paid_at: Mutex<[Option<Instant>; SIZES]>,
}

impl Rate {
    fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second: bytes_per_second.max(1), paid_at: Mutex::default() }
    }

    fn paid_at(&self) -> MutexGuard<'_, [Option<Instant>; SIZES]> {
        self.paid_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everything of this size and of smaller ones is paid for,
    /// also what smaller calls add meanwhile.
    async fn paid(&self, size: usize) {
        loop {
            let at = self.paid_at()[size];
            match at {
                Some(at) if at > Instant::now() => sleep_until(at).await,
                _ => return,
            }
        }
    }

    /// Charges bytes that somebody has wanted to move since `since`; gives when
    /// what came before them is paid for. With `halved` they take up twice their
    /// time for others of their size.
    fn charge(&self, size: usize, bytes: u64, since: Instant, halved: bool) -> Instant {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut paid_at = self.paid_at();
        // A timer wakes late. The time since then was waited for and counts.
        let mine = paid_at[size].map_or(since, |at| at.max(since));
        for (of, at) in paid_at.iter_mut().enumerate().skip(size) {
            let from = at.map_or(since, |at| at.max(since));
            let cost = if of == size && halved { cost.saturating_mul(2) } else { cost };
            *at = Some(from.checked_add(cost).unwrap_or(from));
        }
        mine
    }

    /// Charges bytes that have come, and waits until those before them are paid for.
    async fn received(&self, bytes: u64) {
        let now = Instant::now();
        let mine = self.charge(LARGE, bytes, now, false);
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
        let admitted = waiting(self.0.0.admit(call.bytes_up)).await;
        let _permit = admitted.map_err(|e| e.during(call.operation.name()))?;
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
                    waiting(rate.received(bytes.len() as u64)).await;
                }
                Some((piece, pieces))
            }
        })
        .boxed()
    }
}
