//! Permits, byte rates and timeouts, by a clock that stands still.

mod support;

use futures::{StreamExt, future::join_all};
use rockhold_core::{Effect, ErrorKind, GetRequest, MemoryRepository, PutRequest, SharedRepository};
use rockhold_layers::{
    Failure, Fault, FaultPlan, Layers, Limiter, Limits, Metrics, Operation, RetryPolicy, Scope, Timeouts,
};
use std::{sync::Arc, time::Duration};
use support::{key, must};
use tokio::time::Instant;

fn memory() -> SharedRepository {
    Arc::new(MemoryRepository::new())
}

/// Puts so many bytes; tells how long it took.
async fn put(repository: &SharedRepository, name: String, bytes: usize) -> Duration {
    let begun = Instant::now();
    must(repository.put(PutRequest::new(key(&name), vec![0; bytes])).await);
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_than_permits_run_at_once() {
    let plan = FaultPlan::new();
    plan.on(Scope::all(), Fault::Stall(Duration::from_secs(1)));
    let stalled = Layers::new().fault(plan).around(memory());
    let repository = Layers::new().limit(Limiter::new(Limits::default().calls(3))).around(stalled);
    let begun = Instant::now();
    let puts = (0..10).map(|n| repository.put(PutRequest::new(key(&format!("k{n}")), "bytes")));
    join_all(puts).await.into_iter().for_each(|result| drop(must(result)));
    // Ten calls of a second each, three at a time.
    assert_eq!(begun.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_permit_does_not_count_against_the_time_of_a_call() {
    let plan = FaultPlan::new();
    plan.on(Scope::all(), Fault::Stall(Duration::from_secs(9)));
    let repository = Layers::new()
        .limit(Limiter::new(Limits::default().calls(1)))
        .timeout(Timeouts::default().transfer(Duration::from_secs(10)))
        .fault(plan)
        .around(memory());
    let puts = (0..5).map(|n| repository.put(PutRequest::new(key(&format!("k{n}")), "bytes")));
    join_all(puts).await.into_iter().for_each(|result| drop(must(result)));
}

#[tokio::test(start_paused = true)]
async fn bytes_are_sent_and_received_at_their_rate() {
    let limiter = Limiter::new(Limits::default().upload(1000).download(500));
    let repository = Layers::new().limit(limiter).around(memory());
    let begun = Instant::now();
    for n in 0..5 {
        must(repository.put(PutRequest::new(key(&format!("k{n}")), vec![0; 2000])).await);
    }
    // The first is sent at once; each later one waits for the one before.
    assert_eq!(begun.elapsed(), Duration::from_secs(8));
    let begun = Instant::now();
    for n in 0..3 {
        must(must(repository.get(GetRequest::new(key(&format!("k{n}")))).await).read_all(9999).await);
    }
    assert_eq!(begun.elapsed(), Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_goes_out_at_once_while_large_calls_wait_for_their_rate() {
    let repository = Layers::new().limit(Limiter::new(Limits::default().upload(1000))).around(memory());
    let begun = Instant::now();
    // A quarter of an hour for all of them together.
    let large = join_all((0..10).map(|n| put(&repository, format!("large{n}"), 100_000)));
    let beats = async {
        let mut waited = Duration::ZERO;
        for n in 0..10 {
            tokio::time::sleep(Duration::from_secs(20)).await;
            waited += put(&repository, format!("beat{n}"), 1000).await;
        }
        waited
    };
    let (_, waited) = tokio::join!(large, beats);
    assert_eq!(waited, Duration::ZERO);
    // The rate is kept all the same: before the last large one, nine of them
    // and the beats were paid for.
    assert_eq!(begun.elapsed(), Duration::from_secs(9 * 100 + 10));
}

#[tokio::test(start_paused = true)]
async fn calls_of_every_size_keep_the_rate() {
    for bytes in [1000, 50_000, 100_000] {
        let repository = Layers::new().limit(Limiter::new(Limits::default().upload(1000))).around(memory());
        let begun = Instant::now();
        join_all((0..11).map(|n| put(&repository, format!("k{n}"), bytes))).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(bytes as u64 / 100), "{bytes} bytes each");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_call_has_half_the_rate_while_small_ones_never_end() {
    let repository = Layers::new().limit(Limiter::new(Limits::default().upload(1000))).around(memory());
    assert_eq!(put(&repository, "first".into(), 100_000).await, Duration::ZERO);
    let small = async {
        for n in 0..1000 {
            put(&repository, format!("small{n}"), 1000).await;
        }
    };
    tokio::select! {
        () = small => panic!("the large call was passed by all"),
        waited = put(&repository, "second".into(), 100_000) => {
            // The first takes 100 s, and as long again is left to the others.
            assert!((190..=210).contains(&waited.as_secs()), "{waited:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_has_paid_nothing() {
    let repository = Layers::new().limit(Limiter::new(Limits::default().upload(1000))).around(memory());
    assert_eq!(put(&repository, "first".into(), 100_000).await, Duration::ZERO);
    let gives_up = put(&repository, "second".into(), 100_000);
    tokio::time::timeout(Duration::from_secs(1), gives_up).await.unwrap_err();
    assert_eq!(put(&repository, "third".into(), 100_000).await, Duration::from_secs(99));
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_gets_its_permit_before_the_large_calls_that_wait() {
    let plan = FaultPlan::new();
    plan.on(Scope::all(), Fault::Stall(Duration::from_secs(10)));
    let stalled = Layers::new().fault(plan).around(memory());
    let repository = Layers::new().limit(Limiter::new(Limits::default().calls(1))).around(stalled);
    let large = join_all((0..10).map(|n| put(&repository, format!("large{n}"), 100_000)));
    let (_, waited) = tokio::join!(large, put(&repository, "beat".into(), 100));
    // Behind the one that runs and the one that was next, and its own time.
    assert_eq!(waited, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_call_times_out_as_possibly_applied_and_gives_its_permit_back() {
    let plan = FaultPlan::new();
    plan.on(Scope::operation(Operation::Put).times(1), Fault::Stall(Duration::from_secs(3600)));
    let layers = Layers::new().limit(Limiter::new(Limits::default().calls(1))).timeout(Timeouts::default());
    let repository = layers.clone().fault(plan.clone()).around(memory());
    let error = repository.put(PutRequest::new(key("a"), "bytes")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::TimedOut, Effect::MaybeApplied));
    assert!(error.is_temporary());
    assert_eq!(error.to_string(), "put a: no answer within 120s");
    must(repository.put(PutRequest::new(key("a"), "bytes")).await);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_stream_times_out_and_is_continued() {
    let plan = FaultPlan::new();
    let hour = Duration::from_secs(3600);
    plan.on(Scope::operation(Operation::Get).times(1), Fault::StallStream(600_000, hour));
    let metrics = Metrics::new();
    let store = memory();
    must(store.put(PutRequest::new(key("a"), vec![7; 2_000_000])).await);
    let repository = Layers::new()
        .metrics(metrics.clone())
        .retry(RetryPolicy::default())
        .timeout(Timeouts::default())
        .fault(plan.clone())
        .around(store);
    let begun = Instant::now();
    let read = must(must(repository.get(GetRequest::new(key("a"))).await).read_all(1 << 30).await);
    assert_eq!(read.len(), 2_000_000);
    assert!(begun.elapsed() < Duration::from_secs(130), "{:?}", begun.elapsed());
    assert_eq!(plan.passed(), 2);
    // For the caller it was one call and one stream.
    assert_eq!(metrics.of(Operation::Get).succeeded, 1);
    assert_eq!(metrics.of(Operation::Read).succeeded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_longer_body_is_given_more_time() {
    let plan = FaultPlan::new();
    plan.on(Scope::all(), Fault::Stall(Duration::from_secs(3600)));
    let limits = Timeouts::default().transfer(Duration::from_secs(10));
    let repository = Layers::new().timeout(limits).fault(plan).around(memory());
    for (mib, seconds) in [(0, 10), (8, 10), (9, 20), (16, 20)] {
        let begun = Instant::now();
        let put = repository.put(PutRequest::new(key("a"), vec![0; mib << 20]));
        assert_eq!(put.await.unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), seconds, "{mib} MiB");
    }
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_success_failure_and_abandonment_with_their_times() {
    let plan = FaultPlan::new();
    plan.at(1, Fault::Stall(Duration::from_secs(2)));
    plan.at(2, Fault::before(Failure::permanent(ErrorKind::PermissionDenied)));
    plan.at(3, Fault::Stall(Duration::from_secs(5)));
    let metrics = Metrics::new();
    let repository = Layers::new().metrics(metrics.clone()).fault(plan).around(memory());
    let put = || repository.put(PutRequest::new(key("a"), "bytes"));
    must(put().await);
    put().await.unwrap_err();
    tokio::time::timeout(Duration::from_secs(1), put()).await.unwrap_err();
    let of = metrics.of(Operation::Put);
    assert_eq!((of.succeeded, of.failed, of.dropped), (1, 1, 1));
    assert_eq!(of.time, Duration::from_secs(3));
    assert_eq!(of.classes.iter().sum::<u64>(), 3);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_permits_and_rates_does_not_use_up_the_time_for_repeating() {
    let plan = FaultPlan::new();
    // Each call fails once, long after the budget of its first moment has passed.
    plan.on(Scope::operation(Operation::Put).every(2), Fault::before(Failure::unavailable(None)));
    let repository = Layers::new()
        .retry(RetryPolicy::default().budget(Duration::from_secs(10)))
        .limit(Limiter::new(Limits::default().calls(1).upload(100)))
        .fault(plan.clone())
        .around(memory());
    let begun = Instant::now();
    let puts = (0..8).map(|n| repository.put(PutRequest::new(key(&format!("k{n}")), vec![0; 3000])));
    join_all(puts).await.into_iter().for_each(|result| drop(must(result)));
    assert!(begun.elapsed() > Duration::from_secs(300), "{:?}", begun.elapsed());
    assert_eq!(plan.passed(), 16);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_and_a_low_rate_do_not_use_up_the_time_for_continuing_a_stream() {
    let plan = FaultPlan::new();
    let store = memory();
    must(store.put(PutRequest::new(key("a"), vec![7; 2_000_000])).await);
    plan.on(
        Scope::operation(Operation::Get).times(3),
        Fault::BreakStream(300_000, Failure::unavailable(None)),
    );
    let repository = Layers::new()
        .retry(RetryPolicy::default().budget(Duration::from_secs(10)))
        .limit(Limiter::new(Limits::default().calls(1).download(10_000)))
        .fault(plan.clone())
        .around(store);
    let mut stream = must(repository.get(GetRequest::new(key("a"))).await).stream;
    let mut read = 0;
    while let Some(piece) = stream.next().await {
        read += must(piece).len();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!((read, plan.passed()), (2_000_000, 4));
}
