//! A stand-in with a bucket, and a repository in it.

use rockhold_core::{Key, Repository, SharedRepository};
use rockhold_layers::{Counters, FaultPlan, Layers, Limiter, Limits, Metrics, RetryPolicy, Timeouts};
use rockhold_storage_gcs::{GcsConfig, GcsCredentials, GcsRepository};
use rockhold_testkit::must;
use rockhold_testkit_gcs::Emulator;
use std::{sync::Arc, time::Duration};

pub(crate) const BUCKET: &str = "rockhold-test";

/// A repository below `gs://rockhold-test/root`, and where it lies.
pub(crate) struct Stand {
    pub(crate) gcs: Emulator,
    pub(crate) repository: GcsRepository,
}

pub(crate) async fn emulator() -> Emulator {
    let gcs = Emulator::start().await.expect("a free port");
    gcs.create_bucket(BUCKET);
    gcs
}

/// Opens a bucket anonymously: no test may ask the metadata server of the
/// machine that it runs on.
pub(crate) fn config(endpoint: &str) -> GcsConfig {
    GcsConfig::new(format!("gs://{BUCKET}/root"))
        .endpoint(endpoint)
        .credentials(GcsCredentials::Anonymous)
        .timeouts(Duration::from_secs(10), Duration::from_secs(10))
}

pub(crate) async fn stand(change: impl FnOnce(GcsConfig) -> GcsConfig) -> Stand {
    let gcs = emulator().await;
    let repository = must(GcsRepository::open(change(config(gcs.endpoint()))).await);
    Stand { gcs, repository }
}

/// All layers, with waits that suit tests.
pub(crate) fn layered(repository: SharedRepository, plan: FaultPlan) -> SharedRepository {
    // Two tasks in step can each meet the failing call of a plan many times in a row.
    let policy =
        RetryPolicy::default().attempts(30).waits(Duration::from_millis(1), Duration::from_millis(2));
    Layers::new()
        .metrics(Metrics::new())
        .retry(policy)
        .limit(Limiter::new(Limits::default().calls(8)))
        .timeout(Timeouts::default())
        .checksum()
        .count(Counters::new())
        .fault(plan)
        .around(repository)
}

impl Stand {
    pub(crate) fn shared(&self) -> SharedRepository {
        Arc::new(self.repository.clone())
    }

    /// The names of all objects in the bucket, staged ones too.
    pub(crate) fn names(&self) -> Vec<String> {
        self.gcs.names(BUCKET)
    }
}

pub(crate) fn key(text: &str) -> Key {
    must(Key::new(text))
}

/// Waits until something holds that a task in the background brings about.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited in vain: {what}");
}

/// The paths of all objects.
pub(crate) async fn listed(repository: &dyn Repository) -> Vec<String> {
    let page = must(rockhold_core::list_all(repository, rockhold_core::ListRequest::default()).await);
    page.objects.iter().map(|object| object.key.to_string()).collect()
}
