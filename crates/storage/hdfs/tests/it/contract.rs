//! HDFS keeps the contract: as it is, with the smallest settings, and below all
//! layers while calls fail and streams break.

use crate::support::{fresh, open, simple};
use rockhold_core::{ErrorKind, SharedRepository};
use rockhold_layers::{
    Counters, Failure, Fault, FaultPlan, Layers, Limiter, Limits, Metrics, Operation, RetryPolicy, Scope,
    Timeouts,
};
use rockhold_testkit::repository::{Subject, run_all};
use std::time::Duration;

/// All layers, over faults in every call.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds() {
    let Some(hdfs) = simple("the_contract_holds") else { return };
    run_all(|| async { Subject::new(open(fresh(hdfs.get("url"))).await) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_with_the_smallest_settings() {
    let Some(hdfs) = simple("the_contract_holds_with_the_smallest_settings") else { return };
    let config = || fresh(hdfs.get("url")).page_limit(1).piece_len(1).set("dfs.blocksize", "1m");
    run_all(|| async { Subject::new(open(config()).await) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_contract_holds_below_all_layers_over_faults() {
    let Some(hdfs) = simple("the_contract_holds_below_all_layers_over_faults") else { return };
    run_all(|| async { Subject::new(layered(open(fresh(hdfs.get("url"))).await)) }).await;
}
