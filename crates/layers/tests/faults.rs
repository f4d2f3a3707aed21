//! The fault layer does what its plan says, and the layers above notice.

mod support;

use rockhold_core::{
    CreateRequest, ErrorKind, GetRequest, ListRequest, MemoryRepository, PutRequest, Repository, list_all,
};
use rockhold_layers::{Counters, Fault, FaultPlan, Layers, Moment, Operation, Scope};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};
use support::{key, must};

fn faulty() -> (Arc<MemoryRepository>, FaultPlan, Arc<dyn Repository>) {
    let (store, plan) = (Arc::new(MemoryRepository::new()), FaultPlan::new());
    let repository = Layers::new().checksum().fault(plan.clone()).around(store.clone());
    (store, plan, repository)
}

/// A job of seven calls.
async fn job(repository: &dyn Repository) -> rockhold_core::Result<()> {
    repository.put(PutRequest::new(key("labels/one/claim"), "claim")).await?;
    let writer = repository.create(CreateRequest::new(key("data/1"), 4)).await?;
    writer.write_part(0, "1234".into()).await?;
    writer.write_part(1, "5".into()).await?;
    writer.commit().await?;
    repository.barrier().await?;
    repository.put(PutRequest::new(key("labels/one/outcome"), "outcome")).await.map(drop)
}

#[tokio::test]
async fn a_job_can_be_killed_at_every_step() {
    let (_, plan, repository) = faulty();
    plan.record();
    must(job(&*repository).await);
    let points: Vec<_> = plan.log().iter().map(|passed| passed.point).collect();
    assert_eq!(points, ["put", "create", "write part", "write part", "commit", "barrier", "put"]);

    for number in 1..=plan.passed() {
        for moment in [Moment::Before, Moment::After] {
            let (store, plan, repository) = faulty();
            plan.at(number, Fault::Die(moment));
            let error = job(&*repository).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Cancelled);
            assert!(!error.is_temporary());
            assert_eq!(plan.passed(), number, "the dead make no calls");
            repository.head(&key("labels/one/claim")).await.unwrap_err();

            let done = number - u64::from(moment == Moment::Before);
            let mut expected = Vec::new();
            expected.extend((done >= 5).then(|| key("data/1")));
            expected.extend((done >= 1).then(|| key("labels/one/claim")));
            expected.extend((done >= 7).then(|| key("labels/one/outcome")));
            assert_eq!(store.objects().into_keys().collect::<Vec<_>>(), expected, "{number} {moment:?}");
            // What was staged stays, as nobody lives to remove it.
            let staged = u64::from((2..5).contains(&done));
            assert_eq!(must(store.discard_staged(&key("data")).await), staged, "{number} {moment:?}");
        }
    }
}

#[tokio::test]
async fn other_crates_number_their_own_points_in_the_same_plan() {
    let (_, plan, repository) = faulty();
    plan.on(Scope::point("catalog commit"), Fault::Die(Moment::After));
    must(repository.put(PutRequest::new(key("a"), "bytes")).await);
    let passage = must(plan.enter("catalog commit", None));
    assert_eq!(passage.number(), 2);
    passage.finish(Ok(())).unwrap_err();
    repository.put(PutRequest::new(key("b"), "bytes")).await.unwrap_err();
    plan.enter("catalog commit", None).unwrap_err();
    assert_eq!(plan.passed(), 2);
}

#[tokio::test]
async fn a_callback_runs_at_its_call() {
    let (store, plan, repository) = faulty();
    let called = Arc::new(AtomicU64::new(0));
    let (seen, at) = (Arc::clone(&called), Arc::clone(&store));
    plan.at(
        2,
        Fault::run(Moment::After, move |passed| {
            assert_eq!((passed.point, at.objects().len()), ("put", 2));
            seen.store(passed.number, SeqCst);
        }),
    );
    must(repository.put(PutRequest::new(key("a"), "bytes")).await);
    must(repository.put(PutRequest::new(key("b"), "bytes")).await);
    assert_eq!(called.load(SeqCst), 2);
}

#[tokio::test]
async fn flipped_bits_pass_the_layers_for_the_digests_to_find() {
    let (store, plan, repository) = faulty();
    plan.at(1, Fault::FlipBit(1));
    must(repository.put(PutRequest::new(key("a"), "abc")).await);
    assert_eq!(store.objects()[&key("a")], "acc");
    plan.at(2, Fault::FlipBit(2));
    assert_eq!(must(must(repository.get(GetRequest::new(key("a"))).await).read_all(9).await), "acb");
}

#[tokio::test]
async fn a_cut_stream_is_refused_as_too_short() {
    let (_, plan, repository) = faulty();
    must(repository.put(PutRequest::new(key("a"), "abcdef")).await);
    plan.at(2, Fault::CutStream(2));
    let error = must(repository.get(GetRequest::new(key("a"))).await).read_all(9).await.unwrap_err();
    assert_eq!(error.to_string(), "read a: the stream ended 4 bytes early");
    assert!(error.is_temporary());
}

#[tokio::test]
async fn a_stale_listing_hides_what_was_written_last() {
    let (_, plan, repository) = faulty();
    for name in ["a", "b", "c"] {
        must(repository.put(PutRequest::new(key(name), "bytes")).await);
    }
    plan.at(4, Fault::HideNewest(2));
    assert_eq!(must(list_all(&*repository, ListRequest::default()).await).objects.len(), 1);
    assert_eq!(must(list_all(&*repository, ListRequest::default()).await).objects.len(), 3);
}

#[tokio::test]
async fn a_request_delivered_twice_is_answered_once() {
    let (store, plan, repository) = faulty();
    plan.on(Scope::all(), Fault::Duplicate);
    must(job(&*repository).await);
    assert_eq!(store.objects()[&key("data/1")], "12345");
    // The second `create` belongs to nobody.
    assert_eq!(must(store.discard_staged(&key("data")).await), 1);
}

#[tokio::test]
async fn scopes_skip_repeat_and_end() {
    let (_, plan, repository) = faulty();
    let failure = rockhold_layers::Failure::unavailable(None);
    let scope = Scope::operation(Operation::Head).below(key("x")).skip(1).every(2).times(2);
    plan.on(scope, Fault::before(failure));
    let mut failed = Vec::new();
    for round in 0..8 {
        repository.head(&key("y")).await.unwrap_err();
        if repository.head(&key("x/1")).await.unwrap_err().kind() == ErrorKind::Unavailable {
            failed.push(round);
        }
    }
    assert_eq!(failed, [1, 3]);
}

#[tokio::test]
async fn calls_and_bytes_are_counted_for_each_attempt() {
    let counters = Counters::new();
    let repository = Layers::new().count(counters.clone()).around(Arc::new(MemoryRepository::new()));
    must(job(&*repository).await);
    let before = counters.snapshot();
    assert_eq!((before.calls(), before.bytes_up(), before.bytes_down()), (7, 17, 0));
    repository.head(&key("missing")).await.unwrap_err();
    must(must(repository.get(GetRequest::new(key("data/1")).range(1..4)).await).read_all(9).await);
    let more = counters.snapshot().since(&before);
    assert_eq!((more.calls(), more.bytes_up(), more.bytes_down()), (2, 0, 3));
    assert_eq!(more.of(Operation::Head).failed, 1);
    assert_eq!(more.of(Operation::Read).calls, 1);
}
