//! The one way to stack the layers.

use crate::{
    Counters, FaultPlan, Limiter, Metrics, RetryPolicy, Timeouts, around::Layered, checksum::ChecksumLayer,
    count::CountLayer, fault::FaultLayer, limit::LimitLayer, metrics::MetricsLayer, retry::RetryLayer,
    timeout::TimeoutLayer,
};
use rockhold_core::SharedRepository;
use std::sync::Arc;

/// Collects layers and stacks them in the order of this crate's
/// documentation, whatever the order of the calls here.
///
/// ```
/// use rockhold_core::{MemoryRepository, SharedRepository};
/// use rockhold_layers::{Counters, Layers, RetryPolicy, Timeouts};
/// use std::sync::Arc;
///
/// let adapter: SharedRepository = Arc::new(MemoryRepository::new());
/// let counters = Counters::new();
/// let repository = Layers::new()
///     .count(counters.clone())
///     .retry(RetryPolicy::default())
///     .timeout(Timeouts::default())
///     .checksum()
///     .around(adapter);
/// # let _ = (repository, counters.snapshot().calls());
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Layers {
    metrics: Option<Metrics>,
    retry: Option<RetryPolicy>,
    limit: Option<Limiter>,
    timeout: Option<Timeouts>,
    checksum: bool,
    count: Option<Counters>,
    fault: Option<FaultPlan>,
}

impl Layers {
    /// No layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// What every adapter gets outside of tests: retry, timeout and checksum
    /// with their defaults.
    pub fn standard() -> Self {
        Self::new().retry(RetryPolicy::default()).timeout(Timeouts::default()).checksum()
    }

    /// Measures each operation.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Repeats what failed temporarily.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Bounds calls and byte rates.
    pub fn limit(mut self, limiter: Limiter) -> Self {
        self.limit = Some(limiter);
        self
    }

    /// Bounds the time of each attempt.
    pub fn timeout(mut self, timeouts: Timeouts) -> Self {
        self.timeout = Some(timeouts);
        self
    }

    /// Refuses answers that do not fit the request.
    pub fn checksum(mut self) -> Self {
        self.checksum = true;
        self
    }

    /// Counts each attempt.
    pub fn count(mut self, counters: Counters) -> Self {
        self.count = Some(counters);
        self
    }

    /// Fails by plan, for tests.
    pub fn fault(mut self, plan: FaultPlan) -> Self {
        self.fault = Some(plan);
        self
    }

    /// Stacks the layers around `adapter`.
    pub fn around(self, adapter: SharedRepository) -> SharedRepository {
        let mut stack = adapter;
        if let Some(plan) = self.fault {
            stack = Arc::new(FaultLayer::new(plan, stack));
        }
        if let Some(counters) = self.count {
            stack = Layered::shared(CountLayer(counters), stack);
        }
        if self.checksum {
            stack = Arc::new(ChecksumLayer(stack));
        }
        if let Some(timeouts) = self.timeout {
            stack = Layered::shared(TimeoutLayer(timeouts), stack);
        }
        if let Some(limiter) = self.limit {
            stack = Layered::shared(LimitLayer(limiter), stack);
        }
        if let Some(policy) = self.retry {
            stack = Arc::new(RetryLayer { policy: Arc::new(policy), inner: stack });
        }
        if let Some(metrics) = self.metrics {
            stack = Layered::shared(MetricsLayer(metrics), stack);
        }
        stack
    }
}
