//! R1, R2, R5: what is seen, and when.

use super::Subject;
use crate::{must, refused};
use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use rockhold_core::{CreateRequest, ErrorKind, GetRequest, Key, PutRequest, WriteMode, read_object};

/// R1: readers race with writers that replace an object by another of
/// different length and letters.
pub async fn r1_readers_see_an_object_whole_or_not_at_all(subject: &Subject) {
    let key = subject.key("raced");
    let (short, long) = (Bytes::from(vec![b'a'; 10_000]), Bytes::from(vec![b'b'; 200_000]));
    let write = async |bytes: Bytes| {
        for _ in 0..20 {
            let request = PutRequest::new(key.clone(), bytes.clone()).mode(WriteMode::Overwrite);
            must(subject.put(request).await);
            tokio::task::yield_now().await;
        }
    };
    let read = async || {
        for _ in 0..20 {
            match read_object(&**subject, &key, 1 << 20).await {
                Ok(bytes) => assert!(bytes == short || bytes == long, "{} bytes are neither", bytes.len()),
                // Not there yet; or a reader that was cut off found another version.
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PreconditionFailed),
                    "{error:?}"
                ),
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(write(short.clone()), write(long.clone()), read(), read());
}

/// R1: a reader that has begun gets the bytes of one version, or an error.
pub async fn r1_an_object_keeps_its_bytes_for_those_who_read_it_while_it_is_replaced(subject: &Subject) {
    let old = Bytes::from(vec![b'a'; 5 << 20]);
    subject.write("replaced", old.clone()).await;
    let mut reader = must(subject.get(GetRequest::new(subject.key("replaced"))).await);
    let mut seen = match reader.stream.next().await {
        Some(piece) => must(piece).to_vec(),
        None => Vec::new(),
    };
    subject.overwrite("replaced", vec![b'b'; 5 << 20]).await;
    while let Some(piece) = reader.stream.next().await {
        match piece {
            Ok(bytes) => seen.extend_from_slice(&bytes),
            Err(_) => return, // allowed: it says so
        }
    }
    assert!(seen == old, "a reader saw bytes of two versions");
}

/// R2: `put`, `commit` and `copy` are seen by `head`, `get` and `list`.
pub async fn r2_what_was_written_is_seen_at_once(subject: &Subject) {
    let put = subject.write("put", "of put").await;
    let writer = subject.begin("deep/committed").await;
    must(writer.write_part(0, Bytes::from_static(b"of commit")).await);
    let committed = must(writer.commit().await);
    let mut expected = vec![("deep/committed", committed, "of commit"), ("put", put, "of put")];
    if subject.can().copy {
        let copied = subject.copy(&subject.key("put"), &subject.key("copied"), WriteMode::CreateNew).await;
        expected.push(("copied", must(copied), "of put"));
    }
    for (path, meta, bytes) in &expected {
        assert_eq!(meta.key, subject.key(path));
        assert_eq!(meta.len, bytes.len() as u64);
        subject.assert_same(meta, &must(subject.head(&subject.key(path)).await));
        assert_eq!(subject.read(path).await, *bytes);
    }
    let mut paths: Vec<_> = expected.iter().map(|(path, ..)| (*path).to_owned()).collect();
    paths.sort();
    assert_eq!(subject.paths().await, paths);
}

/// R2 for what is there already.
pub async fn r2_what_was_replaced_or_deleted_is_seen_at_once(subject: &Subject) {
    for round in 0..10 {
        subject.overwrite("changed", format!("round {round}")).await;
        assert_eq!(subject.read("changed").await, format!("round {round}"));
    }
    must(subject.delete(vec![subject.key("changed")]).await);
    refused(ErrorKind::NotFound, subject.head(&subject.key("changed")).await);
    assert!(subject.paths().await.is_empty());
}

/// R5 for writers that go away in an orderly manner.
pub async fn r5_a_writer_that_was_dropped_leaves_nothing(subject: &Subject) {
    let writer = subject.begin("dropped/object").await;
    must(writer.write_part(0, subject.part(b'a')).await);
    must(writer.write_part(1, Bytes::from_static(b"tail")).await);
    drop(writer);
    refused(ErrorKind::NotFound, subject.head(&subject.key("dropped/object")).await);
    assert!(subject.paths().await.is_empty());
    subject.write("dropped/object", "another").await;
    assert_eq!(subject.read("dropped/object").await, "another");
}

/// R5 for writers that are killed: they run no code any more, so their writer
/// is leaked here.
pub async fn r5_what_a_killed_writer_left_is_discarded(subject: &Subject) {
    let job = subject.key("data/job");
    for path in ["data/job/1", "data/job/deep/2"] {
        let writer = subject.begin(path).await;
        must(writer.write_part(0, subject.part(b'a')).await);
        std::mem::forget(writer);
    }
    assert!(subject.paths().await.is_empty());
    counts_staged(subject, &job, 2).await;
    assert_eq!(must(subject.discard_staged(&job).await), 2);
    counts_staged(subject, &job, 0).await;
    assert_eq!(must(subject.discard_staged(&job).await), 0);
    assert!(subject.paths().await.is_empty());
    subject.write("data/job/1", "again").await;
}

/// The store counts so many unfinished writes, if it counts them at all.
async fn counts_staged(subject: &Subject, prefix: &Key, expected: u64) {
    match subject.count_staged(prefix).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => {}
        counted => assert_eq!(must(counted), expected),
    }
}

/// R5: what is visible, or staged elsewhere, stays.
pub async fn r5_discarding_leaves_objects_and_other_prefixes_alone(subject: &Subject) {
    subject.write("a/object", "kept").await;
    let elsewhere = subject.begin("ab/staged").await;
    must(elsewhere.write_part(0, Bytes::from_static(b"living")).await);
    assert_eq!(must(subject.discard_staged(&subject.key("a")).await), 0);
    assert_eq!(must(subject.discard_staged(&subject.key("missing")).await), 0);
    must(elsewhere.commit().await);
    assert_eq!(subject.read("a/object").await, "kept");
    assert_eq!(subject.read("ab/staged").await, "living");
}

/// R5: a writer that was taken for dead does not publish a part of its bytes.
pub async fn r5_a_living_writer_whose_parts_were_discarded_cannot_commit(subject: &Subject) {
    let writer = subject.begin("job/object").await;
    must(writer.write_part(0, subject.part(b'a')).await);
    must(subject.discard_staged(&subject.key("job")).await);
    refused(ErrorKind::Conflict, writer.commit().await);
    drop(writer);
    refused(ErrorKind::NotFound, subject.head(&subject.key("job/object")).await);
    assert!(subject.paths().await.is_empty());
}

/// R12: each call is dropped after some of its work.
pub async fn r12_dropped_calls_leave_the_store_usable(subject: &Subject) {
    let bytes = Bytes::from(vec![b'x'; 300_000]);
    for polls in 0..6 {
        let path = format!("object-{polls}");
        let key = subject.key(&path);
        poll_and_drop(polls, subject.put(PutRequest::new(key.clone(), bytes.clone()))).await;
        poll_and_drop(polls, subject.create(CreateRequest::new(key.clone(), subject.part_len()))).await;
        poll_and_drop(polls, subject.get(GetRequest::new(key.clone()))).await;
        poll_and_drop(polls, subject.list(rockhold_core::ListRequest::below(subject.area().clone()))).await;
        poll_and_drop(polls, subject.barrier()).await;
        let writer = subject.begin(&format!("parts-{polls}")).await;
        // The same bytes, as a repetition sends them: a server may get the dropped one last.
        poll_and_drop(polls, writer.write_part(0, subject.part(b'b'))).await;
        must(writer.write_part(0, subject.part(b'b')).await);
        poll_and_drop(polls, writer.commit()).await;
        must(writer.commit().await);
        assert_eq!(subject.read(&format!("parts-{polls}")).await, subject.part(b'b'));
        subject.overwrite(&path, bytes.clone()).await;
    }
    let reads =
        join_all((0..6).map(|polls| async move { subject.read(&format!("object-{polls}")).await })).await;
    assert!(reads.iter().all(|read| *read == bytes));
    must(subject.barrier().await);
}

/// Polls a future a few times and drops it.
async fn poll_and_drop<F: Future>(polls: usize, future: F) {
    let mut future = std::pin::pin!(future);
    for _ in 0..polls {
        if futures::poll!(&mut future).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
