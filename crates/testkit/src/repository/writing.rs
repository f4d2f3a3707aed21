//! W1 to W6: objects in parts.

use super::Subject;
use crate::{must, refused};
use bytes::Bytes;
use futures::future::join_all;
use rockhold_core::{CreateNew, CreateRequest, ErrorKind, WriteMode};

/// W1.
pub async fn w1_parts_have_the_agreed_length_and_no_gaps(subject: &Subject) {
    let too_long = Bytes::from(vec![0; subject.part_len() as usize + 1]);
    let writer = subject.begin("long").await;
    refused(ErrorKind::InvalidInput, writer.write_part(0, too_long).await);
    drop(writer);

    let writer = subject.begin("high").await;
    let number = subject.can().max_parts;
    refused(ErrorKind::InvalidInput, writer.write_part(number, subject.part(b'a')).await);
    drop(writer);

    let writer = subject.begin("gap").await;
    must(writer.write_part(0, subject.part(b'a')).await);
    must(writer.write_part(2, subject.part(b'c')).await);
    refused(ErrorKind::InvalidInput, writer.commit().await);
    drop(writer);

    let writer = subject.begin("short").await;
    must(writer.write_part(0, Bytes::from_static(b"short")).await);
    must(writer.write_part(1, subject.part(b'b')).await);
    refused(ErrorKind::InvalidInput, writer.commit().await);
    drop(writer);
    assert!(subject.paths().await.is_empty());
}

/// W1: what the capabilities exclude.
pub async fn w1_part_lengths_out_of_range_are_refused(subject: &Subject) {
    let (shortest, longest) = subject.can().part_len;
    for part_len in [0, shortest.saturating_sub(1), longest.saturating_add(1)] {
        if (shortest..=longest).contains(&part_len) {
            continue;
        }
        let request = CreateRequest::new(subject.key("object"), part_len);
        refused(ErrorKind::InvalidInput, subject.create(request).await);
    }
}

/// W2.
pub async fn w2_parts_come_in_any_order_and_at_once(subject: &Subject) {
    let len = subject.part_len() as usize;
    let whole: Bytes = (0..len * 5 + 17).map(|n| (n % 241) as u8).collect();
    let parts: Vec<Bytes> = (0..6).map(|n| whole.slice(n * len..whole.len().min((n + 1) * len))).collect();

    let writer = subject.begin("backwards").await;
    for number in (0..6u32).rev() {
        must(writer.write_part(number, parts[number as usize].clone()).await);
    }
    let meta = must(writer.commit().await);
    assert_eq!(meta.len, whole.len() as u64);
    assert!(subject.read("backwards").await == whole);

    let writer = subject.begin("at/once").await;
    let written =
        join_all((0..6).map(|number| writer.write_part(number, parts[number as usize].clone()))).await;
    written.into_iter().for_each(must);
    must(writer.commit().await);
    assert!(subject.read("at/once").await == whole);
}

/// W3, also where the last part becomes shorter.
pub async fn w3_a_part_written_again_is_replaced(subject: &Subject) {
    let writer = subject.begin("again").await;
    must(writer.write_part(0, subject.part(b'x')).await);
    must(writer.write_part(1, subject.part(b'y')).await);
    must(writer.write_part(0, subject.part(b'a')).await);
    must(writer.write_part(1, Bytes::from_static(b"tail")).await);
    let meta = must(writer.commit().await);
    assert_eq!(meta.len, subject.part_len() + 4);
    assert_eq!(subject.read("again").await, [&subject.part(b'a')[..], b"tail"].concat());
}

/// W4.
pub async fn w4_nothing_is_visible_before_commit(subject: &Subject) {
    subject.write("old", "old").await;
    let request = CreateRequest::new(subject.key("old"), subject.part_len()).mode(WriteMode::Overwrite);
    let over = must(subject.create(request).await);
    must(over.write_part(0, Bytes::from_static(b"new")).await);
    let fresh = subject.begin("fresh").await;
    must(fresh.write_part(0, Bytes::from_static(b"fresh")).await);
    assert_eq!(subject.read("old").await, "old");
    refused(ErrorKind::NotFound, subject.head(&subject.key("fresh")).await);
    must(over.commit().await);
    must(fresh.commit().await);
    assert_eq!(subject.read("old").await, "new");
    assert_eq!(subject.read("fresh").await, "fresh");
}

/// W4: a refusal is not the end of the writer.
pub async fn w4_a_failed_commit_may_be_repeated(subject: &Subject) {
    let writer = subject.begin("repeated").await;
    must(writer.write_part(1, Bytes::from_static(b"tail")).await);
    refused(ErrorKind::InvalidInput, writer.commit().await);
    must(writer.write_part(0, subject.part(b'a')).await);
    assert_eq!(must(writer.commit().await).len, subject.part_len() + 4);

    if subject.can().create_new == CreateNew::Missing {
        return;
    }
    let writer = subject.begin("raced").await;
    must(writer.write_part(0, Bytes::from_static(b"late")).await);
    subject.write("raced", "early").await;
    refused(ErrorKind::AlreadyExists, writer.commit().await);
    must(subject.delete(vec![subject.key("raced")]).await);
    must(writer.commit().await);
    assert_eq!(subject.read("raced").await, "late");
}

/// W4: a lost answer can be asked for again.
pub async fn w4_a_commit_repeated_after_success_gives_the_same_answer(subject: &Subject) {
    let writer = subject.begin("twice").await;
    must(writer.write_part(0, Bytes::from_static(b"once")).await);
    let first = must(writer.commit().await);
    assert_eq!(must(writer.commit().await), first);
    refused(ErrorKind::InvalidInput, writer.write_part(0, Bytes::from_static(b"late")).await);
    assert_eq!(must(writer.commit().await), first);
    drop(writer);
    assert_eq!(subject.read("twice").await, "once");
}

/// W5.
pub async fn w5_no_parts_make_an_empty_object(subject: &Subject) {
    let writer = subject.begin("empty").await;
    assert_eq!(must(writer.commit().await).len, 0);
    assert!(subject.read("empty").await.is_empty());
    let writer = subject.begin("empty-part").await;
    must(writer.write_part(0, Bytes::new()).await);
    assert_eq!(must(writer.commit().await).len, 0);
    assert!(subject.read("empty-part").await.is_empty());
}

/// W6.
pub async fn w6_abort_leaves_nothing(subject: &Subject) {
    let writer = subject.begin("dir/aborted").await;
    must(writer.write_part(0, subject.part(b'a')).await);
    must(writer.abort().await);
    refused(ErrorKind::NotFound, subject.head(&subject.key("dir/aborted")).await);
    assert_eq!(must(subject.discard_staged(subject.area()).await), 0);
    assert!(subject.paths().await.is_empty());
}
