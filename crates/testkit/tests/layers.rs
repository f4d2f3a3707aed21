//! The layers keep the contract: all of them over a store that fails often.

use rockhold_core::{ErrorKind, MemoryRepository};
use rockhold_layers::{
    Counters, Failure, Fault, FaultPlan, Layers, Limiter, Limits, Metrics, Operation, RetryPolicy, Scope,
    Timeouts,
};
use rockhold_testkit::{repository::Subject, repository_conformance};
use std::{sync::Arc, time::Duration};

/// Of six calls of each operation one is refused and one throttled; of six
/// streams one breaks and one is cut; of six parts, commits and deletions one
/// arrives twice and one loses its reply.
async fn fresh() -> Subject {
    let plan = FaultPlan::new();
    // An abort is not repeated, by design.
    for operation in Operation::ALL.into_iter().filter(|operation| *operation != Operation::Abort) {
        let scope = |skip| Scope::operation(operation).skip(skip).every(6);
        plan.on(scope(0), Fault::before(Failure::unavailable(None)));
        plan.on(scope(2), Fault::before(Failure::throttled(Some(Duration::from_millis(2)))));
        plan.on(scope(4), Fault::BreakStream(1, Failure::temporary(ErrorKind::Unavailable)));
        plan.on(scope(5), Fault::CutStream(3));
    }
    for operation in [Operation::WritePart, Operation::Commit, Operation::Delete] {
        plan.on(Scope::operation(operation).skip(1).every(6), Fault::Duplicate);
        plan.on(Scope::operation(operation).skip(3).every(6), Fault::after(Failure::unavailable(None)));
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
        .around(Arc::new(MemoryRepository::new().page_limit(3)));
    Subject::new(repository)
}

repository_conformance!(fresh());
