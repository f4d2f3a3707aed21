//! What is repeated, how long, and what the caller learns.

mod support;

use bytes::Bytes;
use futures::StreamExt;
use rockhold_core::{
    CreateRequest, Effect, ErrorKind, GetRequest, MemoryRepository, PutRequest, Repository, WriteMode,
};
use rockhold_layers::{Counters, Failure, Fault, FaultPlan, Layers, Operation, RetryPolicy, Scope};
use std::{sync::Arc, time::Duration};
use support::{key, must};
use tokio::time::Instant;

fn policy() -> RetryPolicy {
    RetryPolicy::default().seed(7)
}

fn retrying(plan: &FaultPlan) -> (Arc<MemoryRepository>, Arc<dyn Repository>) {
    let store = Arc::new(MemoryRepository::new());
    let layers = Layers::new().retry(policy()).checksum().fault(plan.clone());
    (Arc::clone(&store), layers.around(store))
}

#[tokio::test(start_paused = true)]
async fn temporary_errors_are_repeated_with_growing_waits() {
    let plan = FaultPlan::new();
    plan.on(Scope::all().times(4), Fault::before(Failure::unavailable(None)));
    let (_, repository) = retrying(&plan);
    let begun = Instant::now();
    must(repository.put(PutRequest::new(key("a"), "bytes")).await);
    assert_eq!(plan.passed(), 5);
    // 100, 200, 400 and 800 ms, each at least half and at most whole.
    let waited = begun.elapsed();
    assert!((Duration::from_millis(750)..=Duration::from_millis(1500)).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn permanent_errors_are_not_repeated() {
    let plan = FaultPlan::new();
    plan.on(Scope::all(), Fault::before(Failure::permanent(ErrorKind::PermissionDenied)));
    let (_, repository) = retrying(&plan);
    let error = repository.head(&key("a")).await.unwrap_err();
    assert_eq!((error.kind(), plan.passed()), (ErrorKind::PermissionDenied, 1));
}

#[tokio::test(start_paused = true)]
async fn a_time_to_wait_that_the_service_names_is_honoured() {
    let plan = FaultPlan::new();
    let throttled = Failure::throttled(Some(Duration::from_secs(30)));
    plan.on(Scope::all().times(3), Fault::before(throttled));
    let (_, repository) = retrying(&plan);
    let begun = Instant::now();
    must(repository.put(PutRequest::new(key("a"), "bytes")).await);
    assert!(begun.elapsed() >= Duration::from_secs(90));
}

#[tokio::test(start_paused = true)]
async fn attempts_and_time_have_an_end_that_the_error_names() {
    let plan = FaultPlan::new();
    plan.on(Scope::all(), Fault::before(Failure::unavailable(None)));
    let (_, repository) = retrying(&plan);
    let error = repository.barrier().await.unwrap_err();
    assert_eq!(plan.passed(), 8);
    assert!(error.to_string().ends_with("attempts 8)"), "{error}");

    // The service asks for more than the budget has: there is no point in waiting.
    let plan = FaultPlan::new();
    plan.on(Scope::all(), Fault::before(Failure::unavailable(Some(Duration::from_secs(3600)))));
    let (_, repository) = retrying(&plan);
    let begun = Instant::now();
    repository.barrier().await.unwrap_err();
    assert_eq!((plan.passed(), begun.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_create_whose_reply_was_lost_is_passed_up_as_possibly_our_own() {
    let plan = FaultPlan::new();
    plan.at(1, Fault::after(Failure::unavailable(None)));
    let (store, repository) = retrying(&plan);
    let error = repository.put(PutRequest::new(key("claim"), "mine")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::AlreadyExists, Effect::MaybeApplied));
    assert_eq!(store.objects()[&key("claim")], "mine");

    // Where nothing was lost, the answer is clear.
    let error = repository.put(PutRequest::new(key("claim"), "mine")).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::AlreadyExists, Effect::NotApplied));
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_reply_was_lost_succeeds_when_repeated() {
    let plan = FaultPlan::new();
    plan.on(Scope::operation(Operation::WritePart).every(2), Fault::after(Failure::unavailable(None)));
    plan.on(Scope::operation(Operation::Commit).times(1), Fault::after(Failure::unavailable(None)));
    let (store, repository) = retrying(&plan);
    let writer = must(repository.create(CreateRequest::new(key("a"), 4)).await);
    must(writer.write_part(0, Bytes::from_static(b"1234")).await);
    must(writer.write_part(1, Bytes::from_static(b"56")).await);
    assert_eq!(must(writer.commit().await).len, 6);
    assert_eq!(store.objects()[&key("a")], "123456");
}

#[tokio::test(start_paused = true)]
async fn only_the_keys_that_failed_temporarily_are_deleted_again() {
    let plan = FaultPlan::new();
    let counters = Counters::new();
    let store = Arc::new(support::Flaky::new(["b", "c"], 2));
    let layers = Layers::new().retry(policy()).count(counters.clone()).fault(plan);
    let repository = layers.around(store.clone());
    let results = must(repository.delete(vec![key("a"), key("b"), key("never"), key("c")]).await);
    let kinds: Vec<_> = results.into_iter().map(|result| result.err().map(|e| e.kind())).collect();
    assert_eq!(kinds, [None, None, Some(ErrorKind::PermissionDenied), None]);
    assert_eq!(store.calls(), ["a b never c", "b c", "b c"]);
    assert_eq!(counters.snapshot().of(Operation::Delete).calls, 3);
}

fn large() -> Bytes {
    (0..3_000_000u32).map(|n| (n / 3 % 251) as u8).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_broke_or_was_cut_continues_at_its_offset() {
    for fault in [Fault::BreakStream(1_000_001, Failure::unavailable(None)), Fault::CutStream(1_000_001)] {
        let plan = FaultPlan::new();
        plan.on(Scope::operation(Operation::Get).times(2), fault);
        let counters = Counters::new();
        let store = Arc::new(MemoryRepository::new());
        must(store.put(PutRequest::new(key("large"), large())).await);
        let layers = Layers::new().retry(policy()).checksum().count(counters.clone()).fault(plan.clone());
        let repository = layers.around(store);
        let request = GetRequest::new(key("large")).range(10..2_900_000);
        let read = must(must(repository.get(request).await).read_all(1 << 30).await);
        assert!(read == large()[10..2_900_000]);
        assert_eq!(plan.passed(), 3);
        // Nothing was read twice.
        assert_eq!(counters.snapshot().bytes_down(), 2_900_000 - 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_does_not_continue_in_another_version() {
    let plan = FaultPlan::new();
    plan.on(
        Scope::operation(Operation::Get).times(1),
        Fault::BreakStream(500_000, Failure::unavailable(None)),
    );
    let (store, repository) = retrying(&plan);
    must(store.put(PutRequest::new(key("large"), large())).await);
    let mut reader = must(repository.get(GetRequest::new(key("large"))).await);
    must(reader.stream.next().await.unwrap());
    must(store.put(PutRequest::new(key("large"), large()).mode(WriteMode::Overwrite)).await);
    let error = loop {
        if let Err(error) = reader.stream.next().await.expect("an error comes before the end") {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    assert!(reader.stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn callers_that_fail_together_do_not_return_together() {
    let mut waits = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let plan = FaultPlan::new();
        plan.on(Scope::all().times(1), Fault::before(Failure::throttled(None)));
        let layers = Layers::new().retry(RetryPolicy::default()).fault(plan);
        let begun = Instant::now();
        must(layers.around(Arc::new(MemoryRepository::new())).barrier().await);
        waits.insert(begun.elapsed());
    }
    assert!(waits.len() > 10, "{waits:?}");
    let allowed = Duration::from_millis(50)..=Duration::from_millis(101);
    assert!(waits.iter().all(|wait| allowed.contains(wait)), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn bursts_of_429_and_503_are_waited_out() {
    for failure in [Failure::throttled(Some(Duration::from_secs(2))), Failure::unavailable(None)] {
        let plan = FaultPlan::new();
        // Every twelfth call begins a burst of five.
        for nth in 0..5 {
            plan.on(Scope::all().skip(nth).every(12), Fault::before(failure));
        }
        let (store, repository) = retrying(&plan);
        for n in 0..20 {
            must(repository.put(PutRequest::new(key(&format!("k{n}")), "bytes")).await);
        }
        assert_eq!(store.objects().len(), 20);
        assert!(plan.passed() >= 30, "{}", plan.passed());
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_bounds_all_attempts_together() {
    let plan = FaultPlan::new();
    plan.on(Scope::all(), Fault::before(Failure::unavailable(None)));
    let policy = policy().attempts(1000).waits(Duration::from_secs(1), Duration::from_secs(8));
    let layers = Layers::new().retry(policy.budget(Duration::from_secs(60))).fault(plan.clone());
    let begun = Instant::now();
    layers.around(Arc::new(MemoryRepository::new())).barrier().await.unwrap_err();
    let took = begun.elapsed();
    assert!((Duration::from_secs(50)..=Duration::from_secs(60)).contains(&took), "{took:?}");
    assert!((8..30).contains(&plan.passed()), "{}", plan.passed());
}
