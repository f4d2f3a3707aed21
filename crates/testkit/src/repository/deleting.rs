//! R9, R10: deleting, and durability.

use super::Subject;
use crate::{must, refused};
use futures::future::join_all;
use rockhold_core::{CreateNew, ErrorKind, Key, ListRequest, PutRequest, Result, WriteMode, read_object};

/// R9 for present, missing and repeated keys.
pub async fn r9_each_key_has_its_result_in_order(subject: &Subject) {
    for path in ["a", "b", "dir/c", "kept"] {
        subject.write(path, "bytes").await;
    }
    let keys: Vec<Key> = ["missing", "a", "dir/c", "dir", "a", "b/below", "no/such/dir"]
        .iter()
        .map(|path| subject.key(path))
        .collect();
    let results = must(subject.delete(keys.clone()).await);
    assert_eq!(results.len(), keys.len());
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(subject.paths().await, ["b", "kept"]);
    assert!(must(subject.delete(Vec::new()).await).is_empty());
}

/// R9: the adapter splits what is too much for its store.
pub async fn r9_more_keys_than_a_batch_are_deleted_in_one_call(subject: &Subject) {
    let count = subject.can().delete_batch.min(2000) + 1;
    let present = [0, count / 2, count - 1];
    for n in present {
        subject.write(&format!("many/{n}"), "bytes").await;
    }
    let keys = (0..count).map(|n| subject.key(&format!("many/{n}"))).collect();
    let results = must(subject.delete(keys).await);
    assert_eq!(results.len(), count);
    assert!(results.iter().all(Result::is_ok));
    assert!(subject.paths().await.is_empty());
}

/// R8 and R9: a store of objects has no empty directories.
pub async fn r9_prefixes_vanish_with_their_last_object(subject: &Subject) {
    subject.write("a/b/c/1", "bytes").await;
    subject.write("a/b/2", "bytes").await;
    let children = async || {
        let request = ListRequest::below(subject.area().clone()).children_only();
        must(subject.list(request).await).prefixes
    };
    must(subject.delete(vec![subject.key("a/b/c/1")]).await);
    assert_eq!(children().await, [subject.key("a")]);
    must(subject.delete(vec![subject.key("a/b/2")]).await);
    assert!(children().await.is_empty());
    // The place can be used again, for an object too.
    subject.write("a", "now an object").await;
    assert_eq!(subject.read("a").await, "now an object");
}

/// R10, as far as it shows without pulling the plug.
pub async fn r10_barriers_succeed_after_few_and_after_many_writes(subject: &Subject) {
    must(subject.barrier().await);
    subject.write("few/1", "bytes").await;
    let writer = subject.begin("few/2").await;
    must(writer.commit().await);
    must(subject.barrier().await);
    join_all((0..100).map(async |n| subject.write(&format!("many/{n}"), "bytes").await)).await;
    must(subject.delete(vec![subject.key("few/1"), subject.key("few/2")]).await);
    let (one, other) = tokio::join!(subject.barrier(), subject.barrier());
    must(one.and(other));
    must(subject.delete(vec![subject.key("many/1")]).await);
    must(subject.barrier().await);
    assert_eq!(subject.paths().await.len(), 99);
}

/// R10: `durable` changes nothing else.
pub async fn r10_durable_puts_behave_like_others(subject: &Subject) {
    let key = subject.key("labels/one/claim");
    let claim = |bytes: &'static str| PutRequest::new(key.clone(), bytes).durable();
    let meta = must(subject.put(claim("mine")).await);
    assert_eq!(meta.len, 4);
    if subject.can().create_new != CreateNew::Missing {
        refused(ErrorKind::AlreadyExists, subject.put(claim("yours")).await);
        assert_eq!(must(read_object(&**subject, &key, 10).await), "mine");
    }
    must(subject.put(claim("again").mode(WriteMode::Overwrite)).await);
    assert_eq!(must(read_object(&**subject, &key, 10).await), "again");
    must(subject.barrier().await);
}
