//! Many parties at once.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::labels::header;
use crate::support::{Harness, NOW, labels_of, request};
use rockhold_core::ErrorKind;
use rockhold_core::format::{DEAD_AFTER, Ending, SnapshotState};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_claims_exactly_one_wins() {
    for round in 0..30 {
        let store = Arc::new(Harness::new().yielding());
        let labels = labels_of(&store).await;
        let tasks: Vec<_> = (0..24)
            .map(|_| {
                let labels = labels.clone();
                tokio::spawn(async move { labels.claim(request("l")).await })
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => winners += 1,
                Err(e) => assert_eq!(e.kind(), ErrorKind::Conflict),
            }
        }
        assert_eq!(winners, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn where_create_new_is_missing_never_two_claims_win_and_bids_settle_it() {
    let mut won = 0;
    for round in 0..30 {
        let store = Arc::new(Harness::without_create_new().yielding());
        let labels = labels_of(&store).await;
        let tasks: Vec<_> = (0..6)
            .map(|_| {
                let labels = labels.clone();
                tokio::spawn(async move { labels.claim(request("l")).await })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(claim) => winners.push(claim),
                Err(e) => assert_eq!(e.kind(), ErrorKind::Conflict),
            }
        }
        assert!(winners.len() <= 1, "round {round}");
        won += winners.len();
        for claim in winners {
            claim.commit(header(&claim)).await.unwrap();
            let error = labels.claim(request("l")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        }
    }
    assert!(won >= 28, "{won} of 30 rounds had a winner");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn owner_and_those_who_take_it_for_dead_agree_on_one_ending() {
    let (mut commits, mut takeovers) = (0, 0);
    for harness in [Harness::new as fn() -> Harness, Harness::without_create_new] {
        let before = (commits, takeovers);
        let one_sided = |commits, takeovers| commits == before.0 || takeovers == before.1;
        let mut round = 0;
        // Who comes first is chance; what holds does so in every round.
        while round < 25 || round < 2000 && one_sided(commits, takeovers) {
            round += 1;
            let store = Arc::new(harness().yielding());
            let labels = labels_of(&store).await;
            let owner = labels.claim(request("l")).await.unwrap();
            store.clock.advance(DEAD_AFTER * 2);
            let commit = tokio::spawn({
                let owner = owner.clone();
                async move {
                    for _ in 0..round % 16 {
                        tokio::task::yield_now().await;
                    }
                    owner.commit(header(&owner)).await
                }
            });
            let others: Vec<_> = (0..4)
                .map(|_| {
                    let labels = labels.clone();
                    tokio::spawn(async move { labels.claim(request("l")).await })
                })
                .collect();
            let committed = commit.await.unwrap();
            let mut winners = 0;
            for other in others {
                match other.await.unwrap() {
                    Ok(claim) => {
                        winners += 1;
                        assert_eq!(claim.document().n, 2);
                        assert_eq!(claim.adopts(), [owner.document().job]);
                    }
                    Err(e) => {
                        assert!(matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::Conflict), "{e}");
                    }
                }
            }
            match committed {
                Ok(_) => {
                    commits += 1;
                    assert_eq!(winners, 0, "nobody takes over a committed snapshot");
                    labels.read_snapshot("l", None).await.unwrap();
                }
                Err(e) => {
                    assert_eq!(e.kind(), ErrorKind::Conflict, "{e}");
                    let ending = owner.abort("lost", "me", NOW, false).await.unwrap();
                    assert!(!matches!(ending, Ending::Committed(_)));
                    assert!(winners <= 1);
                    takeovers += winners;
                }
            }
        }
        println!("{} commits, {} takeovers", commits - before.0, takeovers - before.1);
        assert!(commits > before.0 && takeovers > before.1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_drops_one_succeeds() {
    for _ in 0..20 {
        let store = Arc::new(Harness::new().yielding());
        let labels = labels_of(&store).await;
        let claim = labels.claim(request("l")).await.unwrap();
        claim.commit(header(&claim)).await.unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let labels = labels.clone();
                tokio::spawn(async move { labels.drop_snapshot("l", "me", NOW).await })
            })
            .collect();
        let mut dropped = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => dropped += 1,
                Err(e) => assert_eq!(e.kind(), ErrorKind::NotFound),
            }
        }
        assert_eq!(dropped, 1);
        assert!(matches!(labels.list_snapshots().await.unwrap()[0].state, SnapshotState::Dropped));
    }
}
