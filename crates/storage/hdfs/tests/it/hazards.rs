//! What goes wrong on the way: lost answers, servers that hang or die.

use crate::{
    relay::Relay,
    support::{
        at, client, fresh, fresh_path, impatient, key, listed, open, own, patient, put, read, simple,
        write_once,
    },
};
use bytes::Bytes;
use rockhold_core::{CreateRequest, Effect, ErrorKind, SharedRepository};
use rockhold_testkit::must;
use std::time::{Duration, Instant};

/// A hanging NameNode never answers; a busy machine takes its time.
const FAR_LESS_THAN_FOR_EVER: Duration = Duration::from_secs(60);

/// The shared cluster through a relay.
async fn through(namenode: &str) -> (Relay, SharedRepository, String) {
    let relay = Relay::to(namenode).await;
    let path = fresh_path();
    let config = at(format!("{}{path}", relay.url()));
    (relay, open(config).await, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rename_whose_answer_got_lost_is_settled_by_looking() {
    let Some(hdfs) = simple("a_rename_whose_answer_got_lost_is_settled_by_looking") else { return };
    let (relay, repository, _) = through(hdfs.get("namenode")).await;
    relay.lose("rename2", false);
    let meta = must(put(&*repository, "a", "bytes").await);
    assert_eq!(relay.lost(), 1);
    assert_eq!(must(repository.head(&key("a")).await), meta);
    // Somebody else's object is not taken for ours.
    relay.lose("rename2", false);
    let error = put(&*repository, "a", "other").await.unwrap_err();
    assert_eq!(relay.lost(), 2);
    // The rename was refused, and that answer was lost: staged still, so repeat.
    assert!(error.is_temporary() && error.effect() == Effect::MaybeApplied, "{error:?}");
    assert_eq!(read(&*repository, "a").await, "bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_that_nobody_can_settle_is_perhaps_applied_and_a_commit_can_be_repeated() {
    let name = "a_lost_answer_that_nobody_can_settle_is_perhaps_applied_and_a_commit_can_be_repeated";
    let Some(hdfs) = simple(name) else { return };
    let (relay, repository, _) = through(hdfs.get("namenode")).await;
    relay.lose("rename2", true);
    let error = put(&*repository, "a", "bytes").await.unwrap_err();
    assert!(error.is_temporary() && error.effect() == Effect::MaybeApplied, "{error:?}");
    relay.revive();
    assert_eq!(read(&*repository, "a").await, "bytes");

    let writer = must(repository.create(CreateRequest::new(key("b"), 4)).await);
    must(writer.write_part(0, Bytes::from_static(b"abc")).await);
    let before = relay.lost();
    relay.lose("rename2", false);
    // Everything after the lost answer is refused, then served again.
    let relay_then = relay.clone();
    relay.lose("rename2", true);
    let error = writer.commit().await.unwrap_err();
    assert_eq!((relay.lost(), error.effect()), (before + 1, Effect::MaybeApplied), "{error:?}");
    relay_then.revive();
    let meta = must(writer.commit().await);
    assert_eq!((meta.len, must(repository.head(&key("b")).await)), (3, meta.clone()));
    assert_eq!(must(writer.commit().await), meta);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_failed_while_closing_goes_on_with_what_was_synced() {
    let Some(hdfs) = simple("a_commit_that_failed_while_closing_goes_on_with_what_was_synced") else {
        return;
    };
    let (relay, repository, path) = through(hdfs.get("namenode")).await;
    let writer = must(repository.create(CreateRequest::new(key("a"), 100_000)).await);
    for number in 0..3 {
        must(writer.write_part(number, vec![number as u8; 100_000].into()).await);
    }
    relay.lose("complete", false);
    let error = writer.commit().await.unwrap_err();
    assert!(relay.lost() == 1 && error.is_temporary() && error.effect() == Effect::NotApplied, "{error:?}");
    assert!(listed(&*repository).await.is_empty());
    assert_eq!(must(writer.commit().await).len, 300_000);
    let whole = read(&*repository, "a").await;
    assert!((0..3).all(|n| whole[n * 100_000..(n + 1) * 100_000].iter().all(|byte| *byte == n as u8)));
    // Nothing was copied.
    assert_eq!(client(hdfs.get("url")).list_status(&path, true).await.unwrap().len(), 1);
}

/// A NameNode may close a file and die before it says so. To a client that asks
/// again, the file is not its own any more; this is no proof that somebody else
/// took it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_file_about_which_nobody_can_be_asked_is_not_given_up() {
    let Some(hdfs) = simple("a_closed_file_about_which_nobody_can_be_asked_is_not_given_up") else { return };
    let (relay, repository, _) = through(hdfs.get("namenode")).await;
    for n in 0..30 {
        let name = format!("a{n}");
        let writer = must(repository.create(CreateRequest::new(key(&name), 100)).await);
        must(writer.write_part(0, Bytes::from_static(b"bytes")).await);
        relay.deny();
        relay.lose("recoverLease", false);
        // On a busy machine the client asks once more by itself, and is told yes.
        let Err(error) = writer.commit().await else { continue };
        assert_eq!(relay.lost(), 1, "{error:?}");
        assert!(error.is_temporary() && error.effect() == Effect::NotApplied, "{error:?}");
        assert_eq!(must(writer.commit().await).len, 5);
        assert_eq!(read(&*repository, &name).await, "bytes");
        return;
    }
    panic!("no file was asked about");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_create_and_delete_are_temporary_and_leave_nothing() {
    let Some(hdfs) = simple("lost_answers_of_create_and_delete_are_temporary_and_leave_nothing") else {
        return;
    };
    let (relay, repository, path) = through(hdfs.get("namenode")).await;
    must(put(&*repository, "kept", "bytes").await);
    relay.lose("create", false);
    let error = put(&*repository, "a", "bytes").await.unwrap_err();
    // The staged name is of no interest to anybody: nothing was applied.
    assert!(error.is_temporary() && error.effect() == Effect::NotApplied, "{error:?}");
    must(put(&*repository, "a", "bytes").await);
    // The removal of what was left is not the deletion that is meant.
    must(repository.barrier().await);
    relay.lose("delete", false);
    let results = must(repository.delete(vec![key("a")]).await);
    let error = results.into_iter().next().unwrap().unwrap_err();
    assert!(error.is_temporary() && error.effect() == Effect::MaybeApplied, "{error:?}");
    assert!(must(repository.delete(vec![key("a")]).await).iter().all(Result::is_ok));
    assert_eq!(relay.lost(), 2);
    assert_eq!(listed(&*repository).await, ["kept"]);
    // The file whose creation was not answered was removed in the background.
    assert_eq!(client(hdfs.get("url")).list_status(&path, true).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_staged_file_that_nobody_could_remove_is_removed_later_and_a_barrier_waits_for_that() {
    let name = "a_staged_file_that_nobody_could_remove_is_removed_later_and_a_barrier_waits_for_that";
    let Some(hdfs) = simple(name) else { return };
    let (relay, repository, path) = through(hdfs.get("namenode")).await;
    must(put(&*repository, "kept", "bytes").await);
    relay.lose("create", true);
    let error = put(&*repository, "a", "bytes").await.unwrap_err();
    assert!(error.is_temporary() && error.effect() == Effect::NotApplied, "{error:?}");
    let plain = client(hdfs.get("url"));
    let lying = async || plain.list_status(&path, true).await.unwrap();
    // Long enough for an attempt to remove it, which fails.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(lying().await.len(), 2, "{:?}", lying().await);
    relay.revive();
    must(repository.barrier().await);
    assert_eq!(lying().await.len(), 1, "{:?}", lying().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namenode_that_hangs_is_given_up_in_time_and_used_again_when_it_goes_on() {
    let name = "a_namenode_that_hangs_is_given_up_in_time_and_used_again_when_it_goes_on";
    let Some((mut cluster, _alone)) = own("hdfs", name).await else { return };
    let url = cluster.service().get("url").to_owned();
    let config = fresh(&url);
    must(put(&*open(config.clone()).await, "a", "bytes").await);
    let repository = open(impatient(config)).await;
    cluster.process("nn1").pause();
    for _ in 0..2 {
        let begun = Instant::now();
        let error = repository.head(&key("a")).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::TimedOut, Effect::NotApplied), "{error:?}");
        assert!(error.is_temporary() && begun.elapsed() < FAR_LESS_THAN_FOR_EVER);
        assert!(error.to_string().contains("did not answer within 4 s"), "{error}");
        let error = put(&*repository, "b", "bytes").await.unwrap_err();
        assert!(error.kind() == ErrorKind::TimedOut && error.is_temporary(), "{error:?}");
    }
    let opening = Instant::now();
    let error = crate::support::refused(impatient(fresh(&url))).await;
    assert!(error.kind() == ErrorKind::TimedOut && opening.elapsed() < FAR_LESS_THAN_FOR_EVER, "{error:?}");
    cluster.process("nn1").resume();
    // It has old requests to answer first.
    let repository = patient(repository);
    must(write_once(&repository, "c", "bytes").await);
    assert_eq!(read(&*repository, "a").await, "bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_datanode_is_a_passing_trouble_and_parts_outlive_it() {
    let Some((mut cluster, _alone)) =
        own("hdfs", "a_dead_datanode_is_a_passing_trouble_and_parts_outlive_it").await
    else {
        return;
    };
    let url = cluster.service().get("url").to_owned();
    let repository = open(fresh(&url)).await;
    must(put(&*repository, "a", "bytes").await);
    let writer = must(repository.create(CreateRequest::new(key("parts"), 100_000)).await);
    for number in 0..2 {
        must(writer.write_part(number, vec![number as u8; 100_000].into()).await);
    }
    cluster.process("dn").kill();
    for result in
        [put(&*repository, "b", "bytes").await.map(drop), writer.write_part(2, vec![2; 100_000].into()).await]
    {
        let error = result.unwrap_err();
        assert!(error.is_temporary(), "{error:?}");
        let text = crate::support::line(&error);
        assert!(text.contains("DataNode"), "{text}");
    }
    let error = rockhold_core::read_object(&*repository, &key("a"), 100).await.unwrap_err();
    assert!(error.is_temporary() && error.kind() == ErrorKind::Unavailable, "{error:?}");
    cluster.restart().unwrap();
    // What was acknowledged before is there; the rest is written again.
    must_soon(async || writer.write_part(2, vec![2; 100_000].into()).await).await;
    must(writer.write_part(3, Bytes::from_static(b"end")).await);
    must_soon(async || writer.commit().await.map(drop)).await;
    let whole = read(&*repository, "parts").await;
    assert_eq!(whole.len(), 300_003);
    assert!((0..3).all(|n| whole[n * 100_000..(n + 1) * 100_000].iter().all(|byte| *byte == n as u8)));
    assert_eq!(read(&*repository, "a").await, "bytes");
}

/// Repeats what fails temporarily, as the layer above does.
async fn must_soon(attempt: impl AsyncFn() -> rockhold_core::Result<()>) {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(()) => return,
            Err(error) if error.is_temporary() && begun.elapsed() < Duration::from_secs(120) => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}
