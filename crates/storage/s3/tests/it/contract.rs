//! The contract of `Repository`: as it is, with the smallest settings, and
//! below all layers while calls fail and streams break.

use crate::server::{Quirks, Server};
use rockhold_core::{ErrorKind, SharedRepository};
use rockhold_layers::{
    Counters, Failure, Fault, FaultPlan, Layers, Limiter, Limits, Metrics, Operation, RetryPolicy, Scope,
    Timeouts,
};
use rockhold_storage_s3::{S3Config, S3Repository};
use rockhold_testkit::{must, repository::Subject, repository_conformance};
use std::{sync::Arc, time::Duration};

async fn in_process(quirks: Quirks, change: impl FnOnce(&mut S3Config)) -> (SharedRepository, Server) {
    let server = Server::start(quirks).await;
    let mut config = server.config("below/here");
    change(&mut config);
    (Arc::new(must(S3Repository::open(config).await)), server)
}

/// All layers, over calls that fail before and after their effect.
pub(crate) fn layered(repository: SharedRepository) -> SharedRepository {
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

mod plain {
    use super::*;

    async fn fresh() -> Subject {
        let (repository, server) = in_process(Quirks::default(), |_| {}).await;
        Subject::new(repository).keeping(server)
    }

    repository_conformance!(fresh());
}

mod smallest_settings {
    use super::*;

    async fn fresh() -> Subject {
        let change = |config: &mut S3Config| config.page_limit = 1;
        let (repository, server) = in_process(Quirks::default(), change).await;
        Subject::new(repository).keeping(server)
    }

    repository_conformance!(fresh());
}

mod all_layers_over_faults {
    use super::*;

    async fn fresh() -> Subject {
        let (repository, server) = in_process(Quirks::default(), |_| {}).await;
        Subject::new(layered(repository)).keeping(server)
    }

    repository_conformance!(fresh());
}

/// Google's interface, which neither deletes many objects by one request nor
/// copies into parts.
mod google {
    use super::*;

    async fn fresh() -> Subject {
        let quirks = Quirks { is_google: true, ..Quirks::default() };
        let (repository, server) = in_process(quirks, |_| {}).await;
        Subject::new(repository).keeping(server)
    }

    repository_conformance!(fresh());
}
