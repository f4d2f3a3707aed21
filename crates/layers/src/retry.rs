//! Repeats what failed temporarily.

use crate::{Operation, resume::resuming, waiting::measured};
use async_trait::async_trait;
use bytes::Bytes;
use rockhold_core::{
    Capabilities, CreateRequest, Effect, Error, GetRequest, Key, ListPage, ListRequest, ObjectMeta,
    ObjectReader, ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, Retry, SharedRepository,
    WriteMode,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How often and how long to repeat. Permanent errors are never repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The most attempts of one call, the first included (0 counts as 1). 8 by default.
    pub attempts: u32,
    /// The wait before the second attempt; doubled for each further one. 100 ms by default.
    pub first_wait: Duration,
    /// The longest wait of our own choice. 20 s by default. A service that
    /// asks for more gets it, within the budget.
    pub longest_wait: Duration,
    /// The most time from the first attempt to the last, waits included. 3 min
    /// by default. Waiting for a permit or a byte rate does not count. A
    /// stream's budget begins anew with each piece that is asked for.
    pub budget: Duration,
    /// Fixes the jitter, for tests.
    pub seed: Option<u64>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 8,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(20),
            budget: Duration::from_secs(180),
            seed: None,
        }
    }
}

impl RetryPolicy {
    /// Sets [`RetryPolicy::attempts`].
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets [`RetryPolicy::first_wait`] and [`RetryPolicy::longest_wait`].
    #[must_use]
    pub fn waits(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_wait, self.longest_wait) = (first, longest);
        self
    }

    /// Sets [`RetryPolicy::budget`].
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Sets [`RetryPolicy::seed`].
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }
}

/// The attempts of one call.
pub(crate) struct Attempts {
    policy: RetryPolicy,
    begun: Instant,
    made: u32,
    random: u64,
}

impl Attempts {
    pub(crate) fn new(policy: &RetryPolicy) -> Self {
        let random = policy.seed.unwrap_or_else(|| getrandom::u64().unwrap_or_default());
        // Zero is the one state that the generator below never leaves.
        Self { policy: policy.clone(), begun: Instant::now(), made: 0, random: random | 1 }
    }

    /// Makes room for what an attempt spent waiting for our own limits.
    pub(crate) fn forgive(&mut self, waited: Duration) {
        self.begun = self.begun.checked_add(waited).unwrap_or(self.begun);
    }

    /// Begins anew, after progress.
    pub(crate) fn reset(&mut self) {
        self.begun = Instant::now();
        self.made = 0;
    }

    /// Waits before the next attempt, or gives the error back when there is none.
    pub(crate) async fn after(&mut self, error: Error) -> Result<()> {
        self.made = self.made.saturating_add(1);
        let Retry::Temporary { after } = error.retry() else {
            return Err(error);
        };
        let wait = self.wait(after);
        let in_time = self.begun.elapsed().saturating_add(wait) <= self.policy.budget;
        if self.made >= self.policy.attempts.max(1) || !in_time {
            return Err(if self.made > 1 { error.with("attempts", self.made) } else { error });
        }
        tracing::debug!(attempt = self.made, ?wait, ?error, "repeating");
        sleep(wait).await;
        Ok(())
    }

    /// Half of the exponential wait, plus up to the same again by chance; on
    /// top of what the service asked for, where it did.
    fn wait(&mut self, after: Option<Duration>) -> Duration {
        let doubled = 1u32.checked_shl(self.made - 1).unwrap_or(u32::MAX);
        let full = self.policy.first_wait.saturating_mul(doubled).min(self.policy.longest_wait);
        let jitter = (full / 2).mul_f64(self.chance());
        match after {
            Some(after) => after.saturating_add(jitter),
            None => full / 2 + jitter,
        }
    }

    /// A number from 0 to 1, by Marsaglia's xorshift.
    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Repeats `attempt`. Once an attempt may have been applied, an error of a
/// later one says so too: the caller then looks before it decides.
async fn repeat<T, F, A>(policy: &RetryPolicy, operation: Operation, mut attempt: A) -> Result<T>
where
    A: FnMut() -> F + Send,
    F: Future<Output = Result<T>> + Send,
{
    let mut attempts = Attempts::new(policy);
    let mut maybe_applied = false;
    loop {
        let (outcome, waited) = measured(attempt()).await;
        let mut error = match outcome {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        attempts.forgive(waited);
        maybe_applied |= error.effect() == Effect::MaybeApplied && operation.is_ambiguous_when_repeated();
        if maybe_applied {
            error = error.maybe_applied();
        }
        attempts.after(error).await?;
    }
}

#[derive(Debug)]
pub(crate) struct RetryLayer {
    pub(crate) policy: Arc<RetryPolicy>,
    pub(crate) inner: SharedRepository,
}

#[async_trait]
impl Repository for RetryLayer {
    fn info(&self) -> RepositoryInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        repeat(&self.policy, Operation::Head, || self.inner.head(key)).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        let reader = repeat(&self.policy, Operation::Get, || self.inner.get(request.clone())).await?;
        Ok(resuming(reader, request.key, Arc::clone(&self.inner), Attempts::new(&self.policy)))
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        repeat(&self.policy, Operation::Put, || self.inner.put(request.clone())).await
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        let inner = repeat(&self.policy, Operation::Create, || self.inner.create(request.clone())).await?;
        Ok(Box::new(RetryWriter { policy: Arc::clone(&self.policy), inner }))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        repeat(&self.policy, Operation::List, || self.inner.list(request.clone())).await
    }

    /// Repeats only the keys that failed temporarily.
    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        let mut results: Vec<Result<()>> = keys.iter().map(|_| Ok(())).collect();
        let mut open: Vec<usize> = (0..keys.len()).collect();
        let mut attempts = Attempts::new(&self.policy);
        while !open.is_empty() {
            let batch: Vec<Key> = open.iter().filter_map(|at| keys.get(*at).cloned()).collect();
            let answers =
                repeat(&self.policy, Operation::Delete, || self.inner.delete(batch.clone())).await?;
            let mut again = Vec::new();
            let mut longest: Option<Error> = None;
            for (at, answer) in open.into_iter().zip(answers) {
                if let Err(error) = &answer
                    && let Retry::Temporary { after } = error.retry()
                {
                    again.push(at);
                    let wait = |e: &Error| match e.retry() {
                        Retry::Temporary { after } => after,
                        Retry::Permanent => None,
                    };
                    if longest.as_ref().is_none_or(|e| wait(e) < after) {
                        longest =
                            Some(Error::new(error.kind(), "some keys were not deleted").temporary(after));
                    }
                }
                if let Some(result) = results.get_mut(at) {
                    *result = answer;
                }
            }
            if let Some(error) = longest
                && attempts.after(error).await.is_err()
            {
                break; // the results hold each key's own error
            }
            open = again;
        }
        Ok(results)
    }

    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        repeat(&self.policy, Operation::Copy, || self.inner.copy(from, to, mode.clone())).await
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        repeat(&self.policy, Operation::DiscardStaged, || self.inner.discard_staged(prefix)).await
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        repeat(&self.policy, Operation::CountStaged, || self.inner.count_staged(prefix)).await
    }

    async fn barrier(&self) -> Result<()> {
        repeat(&self.policy, Operation::Barrier, || self.inner.barrier()).await
    }
}

struct RetryWriter {
    policy: Arc<RetryPolicy>,
    inner: Box<dyn ObjectWriter>,
}

#[async_trait]
impl ObjectWriter for RetryWriter {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        // Cloning shares the bytes; writing a part again replaces it (W3).
        repeat(&self.policy, Operation::WritePart, || self.inner.write_part(number, bytes.clone())).await
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        repeat(&self.policy, Operation::Commit, || self.inner.commit()).await
    }

    /// Not repeated: what it leaves is found by `discard_staged`.
    async fn abort(self: Box<Self>) -> Result<()> {
        self.inner.abort().await
    }
}
