//! R3, R4: writing on condition.

use super::Subject;
use crate::{must, refused};
use bytes::Bytes;
use futures::future::join_all;
use rockhold_core::{
    CreateNew, CreateRequest, ErrorKind, GetRequest, Key, PutRequest, Repository, Result, WriteMode,
};
use std::sync::Arc;

fn keeps_create_new(subject: &Subject) -> bool {
    subject.can().create_new != CreateNew::Missing
}

/// R3, without a race.
pub async fn r3_create_new_refuses_a_key_that_is_taken(subject: &Subject) {
    if !keeps_create_new(subject) {
        return;
    }
    let before = subject.write("taken", "first").await;
    refused(ErrorKind::AlreadyExists, subject.put(PutRequest::new(subject.key("taken"), "second")).await);
    refused(
        ErrorKind::AlreadyExists,
        write_in_parts(&**subject, subject.key("taken"), subject.part_len()).await,
    );
    if subject.can().copy {
        subject.write("other", "third").await;
        let copied = subject.copy(&subject.key("other"), &subject.key("taken"), WriteMode::CreateNew).await;
        refused(ErrorKind::AlreadyExists, copied);
    }
    assert_eq!(subject.read("taken").await, "first");
    subject.assert_same(&before, &must(subject.head(&subject.key("taken")).await));
}

/// R3 under a race of writers of both sorts, each with bytes of its own.
pub async fn r3_exactly_one_of_many_creators_wins(subject: &Subject) {
    if !keeps_create_new(subject) {
        return;
    }
    for round in 0..8 {
        let key = subject.key(&format!("deep/{round}/claimed"));
        let start = Arc::new(tokio::sync::Barrier::new(16));
        let racers = (0..16u8).map(|racer| {
            let (repository, key, start) = (subject.shared(), key.clone(), Arc::clone(&start));
            let part_len = subject.part_len();
            tokio::spawn(async move {
                let bytes = Bytes::from(vec![racer; 100]);
                start.wait().await;
                if racer % 2 == 0 {
                    return repository.put(PutRequest::new(key, bytes)).await.map(|_| racer);
                }
                let writer = repository.create(CreateRequest::new(key, part_len)).await?;
                writer.write_part(0, bytes).await?;
                writer.commit().await.map(|_| racer)
            })
        });
        let mut winners = Vec::new();
        for racer in join_all(racers).await {
            match racer {
                Ok(Ok(winner)) => winners.push(winner),
                Ok(result) => drop(refused(ErrorKind::AlreadyExists, result)),
                Err(panic) => panic!("a racer ended early: {panic}"),
            }
        }
        let [winner] = winners[..] else {
            panic!("the writers {winners:?} were all told that they are the first");
        };
        let path = subject.path(&key);
        assert_eq!(subject.read(&path).await, vec![winner; 100], "a loser changed something");
    }
}

/// R3 after R9.
pub async fn r3_a_key_is_free_again_once_deleted(subject: &Subject) {
    for round in 0..3 {
        subject.write("deep/reused", format!("round {round}")).await;
        assert_eq!(subject.read("deep/reused").await, format!("round {round}"));
        must(subject.delete(vec![subject.key("deep/reused")]).await);
    }
}

/// R4, without a race.
pub async fn r4_if_match_replaces_only_the_version_it_names(subject: &Subject) {
    if !subject.can().if_match {
        return;
    }
    let replace = async |etag: &Option<String>, bytes: &'static str| {
        let etag = etag.clone().unwrap_or_default();
        let request = PutRequest::new(subject.key("versioned"), bytes).mode(WriteMode::IfMatch(etag));
        subject.put(request).await
    };
    let first = subject.write("versioned", "one").await;
    let second = must(replace(&first.etag, "two").await);
    refused(ErrorKind::PreconditionFailed, replace(&first.etag, "lost").await);
    assert_eq!(subject.read("versioned").await, "two");
    must(replace(&second.etag, "three").await);
    must(subject.delete(vec![subject.key("versioned")]).await);
    refused(ErrorKind::PreconditionFailed, replace(&second.etag, "risen").await);
    refused(ErrorKind::NotFound, subject.head(&subject.key("versioned")).await);
}

/// R4 under a race: a counter that everybody raises on condition.
pub async fn r4_racing_updates_on_condition_lose_none(subject: &Subject) {
    const RACERS: usize = 6;
    const ROUNDS: usize = 5;
    if !subject.can().if_match {
        return;
    }
    subject.write("counter", "0").await;
    let racers = (0..RACERS).map(|_| {
        let (repository, key) = (subject.shared(), subject.key("counter"));
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                while let Err(error) = raise(&*repository, &key).await {
                    assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error:?}");
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for racer in join_all(racers).await {
        assert!(racer.is_ok(), "a racer ended early");
    }
    assert_eq!(subject.read("counter").await, (RACERS * ROUNDS).to_string());
}

/// Adds one to a counter. `PreconditionFailed` when somebody came in between.
async fn raise(repository: &dyn Repository, key: &Key) -> Result<()> {
    let reader = repository.get(GetRequest::new(key.clone())).await?;
    let etag = reader.meta.etag.clone().unwrap_or_default();
    let text = reader.read_all(100).await?;
    let number: usize = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let request = PutRequest::new(key.clone(), (number + 1).to_string()).mode(WriteMode::IfMatch(etag));
    repository.put(request).await.map(drop)
}

/// R4 needs tags that tell versions apart, also of equal length and written at once.
pub async fn r4_entity_tags_change_with_the_bytes(subject: &Subject) {
    let mut seen = std::collections::HashSet::new();
    for round in 0..20 {
        let Some(etag) = subject.overwrite("tagged", vec![round; 64]).await.etag else {
            return;
        };
        assert_eq!(must(subject.head(&subject.key("tagged")).await).etag.as_ref(), Some(&etag));
        assert!(seen.insert(etag), "round {round} has the tag of an earlier one");
        if round % 2 == 1 {
            must(subject.delete(vec![subject.key("tagged")]).await);
        }
    }
}

async fn write_in_parts(repository: &dyn Repository, key: Key, part_len: u64) -> Result<()> {
    let writer = repository.create(CreateRequest::new(key, part_len)).await?;
    writer.write_part(0, Bytes::from_static(b"in parts")).await?;
    writer.commit().await.map(drop)
}

/// `copy`: the two objects have nothing in common afterwards.
pub async fn copy_gives_an_independent_object(subject: &Subject) {
    if !subject.can().copy {
        return;
    }
    let bytes = Bytes::from(vec![b'c'; 2_000_000]);
    subject.write("from", bytes.clone()).await;
    let (from, to) = (subject.key("from"), subject.key("deep/to"));
    let meta = must(subject.copy(&from, &to, WriteMode::CreateNew).await);
    assert_eq!((meta.key, meta.len), (to.clone(), 2_000_000));
    subject.overwrite("from", "changed").await;
    assert_eq!(subject.read("deep/to").await, bytes);
    must(subject.copy(&from, &to, WriteMode::Overwrite).await);
    must(subject.delete(vec![from.clone()]).await);
    assert_eq!(subject.read("deep/to").await, "changed");
    refused(ErrorKind::NotFound, subject.copy(&from, &to, WriteMode::Overwrite).await);
}
