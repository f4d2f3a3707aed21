//! R6, R7: reading.

use super::Subject;
use crate::{must, refused};
use bytes::Bytes;
use futures::StreamExt;
use rockhold_core::{ErrorKind, GetRequest};

/// R6, also for keys that are the prefix of an object, or lie below one.
pub async fn r6_missing_objects_are_not_found(subject: &Subject) {
    subject.write("dir/object", "there").await;
    for path in ["missing", "dir", "dir/missing", "dir/objec", "dir/object/below", "no/such/dir"] {
        refused(ErrorKind::NotFound, subject.head(&subject.key(path)).await);
        refused(ErrorKind::NotFound, subject.get(GetRequest::new(subject.key(path))).await);
    }
}

/// R7 for ranges that have bytes.
pub async fn r7_ranges_are_given_exactly_and_cut_at_the_end(subject: &Subject) {
    let bytes: Bytes = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let whole = subject.write("ranged", bytes.clone()).await;
    let len = bytes.len() as u64;
    for range in [0..1, 0..len, 5..100_000, len - 1..len, 7..len + 1, len - 3..u64::MAX, 0..u64::MAX] {
        let request = GetRequest::new(subject.key("ranged")).range(range.clone());
        let reader = must(subject.get(request).await);
        let cut = range.start..range.end.min(len);
        assert_eq!(reader.range, cut);
        subject.assert_same(&whole, &reader.meta); // the facts are those of the whole object
        let read = must(reader.read_all(len).await);
        assert!(read == bytes[cut.start as usize..cut.end as usize], "{range:?}");
    }
}

/// R7 for ranges that have none.
pub async fn r7_ranges_behind_the_object_are_refused(subject: &Subject) {
    subject.write("short", "12345").await;
    subject.write("empty", "").await;
    // Written out, since a literal range that runs backwards is taken for a slip.
    let range = |start, end| std::ops::Range { start, end };
    for (path, range) in [
        ("short", range(5, 6)),
        ("short", range(9, 10)),
        ("short", range(2, 2)),
        ("short", range(3, 2)),
        ("empty", range(0, 1)),
    ] {
        let request = GetRequest::new(subject.key(path)).range(range);
        refused(ErrorKind::InvalidInput, subject.get(request).await);
    }
    assert!(subject.read("empty").await.is_empty());
}

/// R4 and R7: a read on condition.
pub async fn r7_a_read_on_condition_refuses_another_version(subject: &Subject) {
    let Some(etag) = subject.write("versioned", "one").await.etag else {
        return;
    };
    let request = || GetRequest::new(subject.key("versioned")).if_match(etag.clone()).range(1..3);
    assert_eq!(must(must(subject.get(request()).await).read_all(10).await), "ne");
    subject.overwrite("versioned", "two").await;
    refused(ErrorKind::PreconditionFailed, subject.get(request()).await);
}

/// R7 for an object of many pieces.
pub async fn r7_large_objects_come_in_order_and_whole(subject: &Subject) {
    let bytes: Bytes = (0..9_000_001u32).map(|n| (n / 7 % 253) as u8).collect();
    subject.write("large", bytes.clone()).await;
    let mut reader = must(subject.get(GetRequest::new(subject.key("large"))).await);
    assert_eq!(reader.range, 0..bytes.len() as u64);
    let mut at = 0;
    while let Some(piece) = reader.stream.next().await {
        let piece = must(piece);
        assert!(bytes.get(at..at + piece.len()) == Some(&piece[..]), "the piece at {at} is wrong");
        at += piece.len();
    }
    assert_eq!(at, bytes.len());
}
