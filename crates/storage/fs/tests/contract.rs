//! The local disk keeps the contract: as it is, with the smallest settings, and
//! below all layers while one call in three fails and most streams break.

#![allow(clippy::expect_used, clippy::panic)] // the helpers of tests are tests too

use rockhold_core::{ErrorKind, SharedRepository};
use rockhold_layers::{
    Counters, Failure, Fault, FaultPlan, Layers, Limiter, Limits, Metrics, Operation, RetryPolicy, Scope,
    Timeouts,
};
use rockhold_storage_fs::{FsConfig, FsRepository};
use rockhold_testkit::{must, repository::Subject, repository_conformance};
use std::{sync::Arc, time::Duration};

async fn open(change: impl FnOnce(FsConfig) -> FsConfig) -> (SharedRepository, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let config = change(must(FsConfig::for_directory(&directory.path().join("root"))));
    (Arc::new(must(FsRepository::open(config).await)), directory)
}

mod plain {
    use super::*;

    async fn fresh() -> Subject {
        let (repository, directory) = open(|config| config).await;
        Subject::new(repository).keeping(directory)
    }

    repository_conformance!(fresh());
}

mod smallest_settings {
    use super::*;

    async fn fresh() -> Subject {
        let (repository, directory) = open(|config| config.page_limit(1).piece_len(1).fsync_limit(0)).await;
        Subject::new(repository).keeping(directory)
    }

    repository_conformance!(fresh());
}

mod all_layers_over_faults {
    use super::*;

    async fn fresh() -> Subject {
        let (repository, directory) = open(|config| config).await;
        let plan = FaultPlan::new();
        // An abort is not repeated, by design.
        for operation in Operation::ALL.into_iter().filter(|operation| *operation != Operation::Abort) {
            let scope = |skip| Scope::operation(operation).skip(skip).every(6);
            plan.on(scope(0), Fault::before(Failure::unavailable(None)));
            plan.on(scope(2), Fault::before(Failure::throttled(Some(Duration::from_millis(2)))));
            plan.on(scope(4), Fault::BreakStream(1, Failure::temporary(ErrorKind::Unavailable)));
            plan.on(scope(5), Fault::CutStream(3));
        }
        // Two tasks in step can each meet the failing call of a plan many times in a row.
        let policy =
            RetryPolicy::default().attempts(30).waits(Duration::from_millis(1), Duration::from_millis(2));
        let repository = Layers::new()
            .metrics(Metrics::new())
            .retry(policy)
            .limit(Limiter::new(Limits::default().calls(8)))
            .timeout(Timeouts::default())
            .checksum()
            .count(Counters::new())
            .fault(plan)
            .around(repository);
        Subject::new(repository).keeping(directory)
    }

    repository_conformance!(fresh());
}
