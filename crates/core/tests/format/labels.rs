//! Claims, outcomes, drops, one after the other.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{Fault, Harness, NOW, labels_of, request};
use rockhold_core::format::{
    BaseRef, Claim, DEAD_AFTER, Ending, LabelStore, Liveness, RENEW, SnapshotDocument, SnapshotState,
    data_key, page_key,
};
use rockhold_core::{CreateNew, ErrorKind, Guarantee, PutRequest, Repository};
use std::{sync::Arc, time::Duration};

pub(crate) fn header(claim: &Claim) -> SnapshotDocument {
    claim.snapshot("rockhold test", Guarantee::Whole, NOW)
}

async fn states(labels: &LabelStore) -> Vec<String> {
    let word = |state: &SnapshotState| match state {
        SnapshotState::Committed(_) => "committed",
        SnapshotState::Claimed { liveness: Liveness::Live, .. } => "live",
        SnapshotState::Claimed { liveness: Liveness::Dead, .. } => "dead",
        SnapshotState::Aborted(_) => "aborted",
        SnapshotState::Dropped => "dropped",
        _ => "other",
    };
    let listed = labels.list_snapshots().await.unwrap();
    listed.iter().map(|l| format!("{} {} {}", l.label, l.n, word(&l.state))).collect()
}

#[tokio::test]
async fn a_label_lives_from_claim_to_drop_and_again() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let claim = labels.claim(request("l")).await.unwrap();
    assert_eq!(states(&labels).await, ["l 1 live"]);
    assert_eq!(labels.read_snapshot("l", None).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(labels.drop_snapshot("l", "me", NOW).await.unwrap_err().kind(), ErrorKind::Conflict);
    claim.heartbeat().beat().await.unwrap();
    let digest = claim.commit(header(&claim)).await.unwrap();
    assert_eq!(claim.commit(header(&claim)).await.unwrap(), digest, "committing twice is a success");
    assert_eq!(claim.heartbeat().beat().await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(states(&labels).await, ["l 1 committed"]);
    let read = labels.read_snapshot("l", Some("2026-02-03-08-20-01-317")).await.unwrap();
    assert_eq!((read.document, read.outcome), (header(&claim), digest));
    assert_eq!(labels.read_snapshot("l", Some("2026")).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(labels.read_snapshot("none", None).await.unwrap_err().kind(), ErrorKind::NotFound);

    let error = labels.claim(request("l")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(error.to_string(), "Snapshot with name 'l' already exist in repository");
    assert_eq!(labels.check_free("l").await.unwrap_err().to_string(), error.to_string());
    labels.check_free("free").await.unwrap();

    labels.drop_snapshot("l", "me", NOW).await.unwrap();
    assert_eq!(states(&labels).await, ["l 1 dropped"]);
    assert_eq!(labels.drop_snapshot("l", "me", NOW).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(labels.read_snapshot("l", None).await.unwrap_err().kind(), ErrorKind::NotFound);
    let claim = labels.claim(request("l")).await.unwrap();
    assert_eq!(claim.document().n, 2);
    claim.commit(header(&claim)).await.unwrap();
    assert_eq!(states(&labels).await, ["l 2 committed"]);
}

#[tokio::test]
async fn a_bid_for_the_next_attempt_does_not_hide_what_the_last_one_left() {
    let store = Arc::new(Harness::without_create_new());
    let labels = labels_of(&store).await;
    let dead = labels.claim(request("l")).await.unwrap();
    dead.abort("ended", "me", NOW, true).await.unwrap();
    let bid = rockhold_core::Key::new("labels/l/2/bids/claim-0123").unwrap();
    store.put(PutRequest::new(bid, "")).await.unwrap();
    assert_eq!(states(&labels).await, ["l 1 aborted"]);
    let claim = labels.force(true).claim(request("l")).await.unwrap();
    assert_eq!((claim.document().n, claim.adopts()), (2, &[dead.document().job][..]));
}

#[tokio::test]
async fn create_new_is_tried_when_a_label_is_taken_and_not_where_labels_are_read() {
    let store = Arc::new(Harness::with(|mut c| {
        c.create_new = CreateNew::Probe;
        c
    }));
    let claim = labels_of(&store).await.claim(request("l")).await.unwrap();
    claim.commit(header(&claim)).await.unwrap();
    let labels = labels_of(&store).await;
    let before = store.mutations();
    assert_eq!(states(&labels).await, ["l 1 committed"]);
    labels.read_snapshot("l", None).await.unwrap();
    labels.check_free("m").await.unwrap();
    assert_eq!(store.mutations(), before);
    let tried = || store.puts.lock().unwrap().iter().filter(|key| key.as_str().starts_with("probe/")).count();
    let before = tried();
    let claim = labels.claim(request("m")).await.unwrap();
    let once = tried();
    assert!(once > before);
    claim.commit(header(&claim)).await.unwrap();
    labels.drop_snapshot("m", "me", NOW).await.unwrap();
    assert_eq!(tried(), once, "what was found is remembered");
}

#[tokio::test]
async fn an_aborted_job_leaves_a_free_label_and_no_files() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let claim = labels.claim(request("l")).await.unwrap();
    let job = claim.document().job;
    for n in 0..10 {
        store.put(PutRequest::new(data_key(job, n, "parquet").unwrap(), "rows")).await.unwrap();
        store.put(PutRequest::new(page_key(job, n).unwrap(), "page")).await.unwrap();
    }
    let Ending::Aborted(abandoned) = claim.abort("cancelled", "me", NOW, false).await.unwrap() else {
        panic!("committed")
    };
    assert_eq!(abandoned.remove_files(&*store).await.unwrap(), 20);
    assert!(!store.keys().iter().any(|key| key.starts_with("data/") || key.starts_with("meta/")));
    let lost = claim.commit(header(&claim)).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Conflict);
    assert_eq!(
        lost.to_string(),
        "the claim on the label was lost, me aborted it: cancelled; repeat the backup"
    );
    assert_eq!(states(&labels).await, ["l 1 aborted"]);
    assert_eq!(labels.drop_snapshot("l", "me", NOW).await.unwrap_err().kind(), ErrorKind::NotFound);
    let next = labels.claim(request("l")).await.unwrap();
    assert_eq!((next.document().n, next.adopts().len()), (2, 0));
    // An abort after the commit finds the snapshot.
    next.commit(header(&next)).await.unwrap();
    assert!(matches!(next.abort("late", "me", NOW, false).await.unwrap(), Ending::Committed(_)));
}

#[tokio::test]
async fn a_live_claim_is_refused_and_a_dead_one_is_taken_over_with_its_files() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let first = labels.claim(request("l")).await.unwrap();
    store.clock.advance(DEAD_AFTER - RENEW);
    first.heartbeat().beat().await.unwrap();
    store.clock.advance(DEAD_AFTER);
    let refused = labels.claim(request("l")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().starts_with("another job is writing this snapshot; wait until it has ended"));

    store.clock.advance(Duration::from_millis(1));
    assert_eq!(states(&labels).await, ["l 1 dead"]);
    let second = labels.claim(request("l")).await.unwrap();
    assert_eq!(second.adopts(), [first.document().job]);
    // The first wakes up, may not commit and may not remove what the second uses.
    assert_eq!(first.commit(header(&first)).await.unwrap_err().kind(), ErrorKind::Conflict);
    let Ending::Aborted(none) = first.abort("woke up", "me", NOW, false).await.unwrap() else {
        panic!("committed")
    };
    assert!(none.jobs().is_empty());

    // The third knows the second to be dead and takes over both.
    let mut third = request("l");
    third.known_dead = vec![second.document().job];
    let third = labels.claim(third).await.unwrap();
    assert_eq!(third.document().n, 3);
    assert_eq!(third.adopts(), [second.document().job, first.document().job]);
    // Given up for good, it removes the files of all three.
    let Ending::Aborted(all) = third.abort("cancelled", "me", NOW, false).await.unwrap() else {
        panic!("committed")
    };
    assert_eq!(all.jobs(), [third.document().job, second.document().job, first.document().job]);
    assert!(labels.claim(request("l")).await.unwrap().adopts().is_empty());
}

#[tokio::test]
async fn a_restarted_owner_ends_its_claim_without_holding_it() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let claim = labels.claim(request("l")).await.unwrap();
    let job = claim.document().job;
    assert!(labels.abandon("l", request("x").job, "r", "me", NOW, true).await.unwrap().is_none());
    assert!(labels.abandon("none", job, "r", "me", NOW, true).await.unwrap().is_none());
    let ending = labels.abandon("l", job, "owner ended", "me", NOW, true).await.unwrap();
    assert!(matches!(ending, Some(Ending::Aborted(a)) if a.jobs().is_empty()));
    let next = labels.claim(request("l")).await.unwrap();
    assert_eq!(next.adopts(), [job]);
    next.commit(header(&next)).await.unwrap();
    let ending = labels.abandon("l", next.document().job, "owner ended", "me", NOW, true).await.unwrap();
    assert!(matches!(ending, Some(Ending::Committed(_))));
}

#[tokio::test]
async fn without_times_a_silent_owner_is_found_dead_by_watching_its_counter() {
    let store = Arc::new(Harness::without_times());
    let labels = labels_of(&store).await;
    let first = labels.claim(request("l")).await.unwrap();
    first.heartbeat().beat().await.unwrap();
    assert!(matches!(
        labels.list_snapshots().await.unwrap()[0].state,
        SnapshotState::Claimed { liveness: Liveness::Unknown, .. }
    ));
    let beating = tokio::spawn({
        let mut heartbeat = first.heartbeat();
        async move {
            loop {
                heartbeat.beat().await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    assert_eq!(labels.claim(request("l")).await.unwrap_err().kind(), ErrorKind::Conflict);
    beating.abort();
    let _ = beating.await;
    assert_eq!(labels.claim(request("l")).await.unwrap().adopts(), [first.document().job]);
}

#[tokio::test]
async fn bases_dropped_before_the_claim_are_not_used() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let mut bases = Vec::new();
    for label in ["a", "b", "c"] {
        let claim = labels.claim(request(label)).await.unwrap();
        claim.commit(header(&claim)).await.unwrap();
        bases.push(BaseRef { label: label.into(), n: 1, job: claim.document().job });
    }
    labels.drop_snapshot("b", "me", NOW).await.unwrap();
    let mut wanted = request("l");
    wanted.bases = bases.clone();
    let claim = labels.claim(wanted).await.unwrap();
    assert_eq!(claim.bases(), [bases[0].clone(), bases[2].clone()]);
    assert_eq!(claim.document().bases, bases);
    assert_eq!(header(&claim).bases, claim.bases());
}

#[tokio::test]
async fn a_damaged_snapshot_keeps_its_label_until_it_is_dropped() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let claim = labels.claim(request("l")).await.unwrap();
    claim.commit(header(&claim)).await.unwrap();
    store.overwrite(&claim.keys().outcome, b"{}".to_vec()).await;
    assert_eq!(states(&labels).await, ["l 1 other"]);
    assert_eq!(labels.claim(request("l")).await.unwrap_err().kind(), ErrorKind::Corrupt);
    labels.drop_snapshot("l", "me", NOW).await.unwrap();
    assert_eq!(labels.claim(request("l")).await.unwrap().document().n, 2);
}

#[tokio::test]
async fn a_damaged_claim_is_live_while_it_is_young_and_then_in_nobodys_way() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    let claim = labels.claim(request("l")).await.unwrap();
    store.overwrite(&claim.keys().claim, b"{}".to_vec()).await;
    assert_eq!(states(&labels).await, ["l 1 other"]);
    assert_eq!(labels.claim(request("l")).await.unwrap_err().kind(), ErrorKind::Conflict);
    store.clock.advance(DEAD_AFTER * 2);
    let next = labels.claim(request("l")).await.unwrap();
    assert_eq!((next.document().n, next.adopts().len()), (2, 0));
}

#[tokio::test]
async fn a_listing_costs_one_walk_and_one_read_for_each_label() {
    let store = Arc::new(Harness::new());
    let labels = labels_of(&store).await;
    for n in 0..10 {
        let claim = labels.claim(request(&format!("l{n}"))).await.unwrap();
        claim.commit(header(&claim)).await.unwrap();
    }
    let (lists, gets) =
        (store.lists.load(std::sync::atomic::Ordering::SeqCst), store.gets.lock().unwrap().len());
    let mutations = store.mutations();
    assert_eq!(labels.list_snapshots().await.unwrap().len(), 10);
    assert_eq!(store.lists.load(std::sync::atomic::Ordering::SeqCst) - lists, 7, "20 keys, 3 a page");
    assert_eq!(store.gets.lock().unwrap().len() - gets, 10);
    assert_eq!(store.mutations(), mutations, "no clock is needed when nothing is claimed");
}

/// A job runs with the mutating call `n` failing before or after its effect,
/// then settles what it does not know, as the engine does.
async fn run_with_fault(store: Arc<Harness>, n: u64, fault: Fault) -> bool {
    let labels = labels_of(&store).await;
    store.fail(n, fault);
    let wanted = request("l");
    let (label, job) = (wanted.label.clone(), wanted.job);
    let claimed = labels.claim(wanted).await;
    let committed = match &claimed {
        Ok(claim) => claim.commit(header(claim)).await.is_ok(),
        Err(_) => false,
    };
    // Settling may be what fails; calling again is safe.
    let labels = labels.force(true);
    let settled = match labels.abandon(&label, job, "failed", "me", NOW, false).await {
        Ok(settled) => settled,
        Err(_) => labels.abandon(&label, job, "failed again", "me", NOW, false).await.unwrap(),
    };
    match settled {
        Some(Ending::Committed(_)) => true,
        Some(Ending::Aborted(abandoned)) => {
            assert!(!committed, "a snapshot that was reported is never aborted");
            abandoned.remove_files(&*store).await.unwrap();
            false
        }
        None => {
            assert!(!committed);
            false
        }
    }
}

#[tokio::test]
async fn whatever_call_fails_a_job_ends_committed_or_aborted_and_knows_which() {
    for harness in [Harness::new as fn() -> Harness, Harness::without_create_new] {
        let mut points = 0;
        for n in 0.. {
            let mut reached = false;
            for fault in [Fault::Before, Fault::After] {
                let store = Arc::new(harness());
                let labels = labels_of(&store).await;
                let before = store.mutations();
                let committed = run_with_fault(store.clone(), n, fault).await;
                reached |= store.mutations() - before > n;
                points += 1;
                let read = labels.read_snapshot("l", None).await;
                assert_eq!(read.is_ok(), committed, "call {n} {fault:?}: {read:?}");
                // The label can be used again, at the worst with FORCE after a dead bid.
                let next = labels.clone().force(true).claim(request("l")).await;
                assert_eq!(next.is_ok(), !committed, "call {n} {fault:?}: {next:?}");
            }
            if !reached {
                break;
            }
        }
        println!("{points} fault points");
        assert!(points > 4);
    }
}
