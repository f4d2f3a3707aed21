//! What the network and the service do to one call, and what is left then.

use crate::support::{BUCKET, eventually, key, layered, listed, stand};
use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use rockhold_core::{
    CreateRequest, Effect, ErrorKind, GetRequest, ListRequest, ObjectWriter, PutRequest, Repository, Retry,
    WriteMode, read_object,
};
use rockhold_layers::FaultPlan;
use rockhold_storage_gcs::GcsRepository;
use rockhold_testkit::{must, refused};
use rockhold_testkit_gcs::{Call, Fault, Rule};
use std::time::{Duration, Instant};

fn letters(len: usize) -> Bytes {
    (0..len).map(|n| (n * 31 % 251) as u8).collect()
}

async fn begin(repository: &GcsRepository, path: &str, part_len: u64) -> Box<dyn ObjectWriter> {
    must(repository.create(CreateRequest::new(key(path), part_len)).await)
}

async fn read(repository: &dyn Repository, path: &str) -> Bytes {
    must(read_object(repository, &key(path), 1 << 30).await)
}

#[tokio::test]
async fn an_upload_that_is_cut_off_leaves_nothing_under_the_name() {
    let stand = stand(|config| config).await;
    for kept in [0, 100, 200_000] {
        stand.gcs.fault(Rule::next(Call::Upload), Fault::ResetRequest(kept));
        let put = stand.repository.put(PutRequest::new(key("object"), letters(300_000))).await;
        let error = refused(ErrorKind::Unavailable, put);
        assert!(error.is_temporary());
        assert_eq!(error.effect(), Effect::MaybeApplied);
        assert!(stand.names().is_empty(), "after {kept} bytes");
    }
    // The name is free: nothing was finalised in the meantime.
    must(stand.repository.put(PutRequest::new(key("object"), letters(300_000))).await);
    assert_eq!(read(&stand.repository, "object").await, letters(300_000));
}

#[tokio::test]
async fn the_service_refuses_bytes_that_were_changed_on_their_way() {
    let stand = stand(|config| config).await;
    stand.gcs.fault(Rule::next(Call::Upload).times(2), Fault::FlipUploadBit(77));
    let put = stand.repository.put(PutRequest::new(key("object"), letters(1000))).await;
    let error = refused(ErrorKind::Corrupt, put);
    assert!(error.is_temporary());
    assert_eq!(error.effect(), Effect::NotApplied);
    assert!(stand.names().is_empty());
    // A part, too; and sent again it is right.
    let writer = begin(&stand.repository, "parts", 1000).await;
    refused(ErrorKind::Corrupt, writer.write_part(0, letters(1000)).await);
    must(writer.write_part(0, letters(1000)).await);
    must(writer.commit().await);
    assert_eq!(read(&stand.repository, "parts").await, letters(1000));
}

#[tokio::test]
async fn no_resumable_upload_is_ever_begun() {
    let stand = stand(|config| config).await;
    // Longer than what the official client sends in pieces by itself.
    must(stand.repository.put(PutRequest::new(key("object"), letters(20 << 20))).await);
    let writer = begin(&stand.repository, "parts", 17 << 20).await;
    must(writer.write_part(0, letters(17 << 20)).await);
    must(writer.write_part(1, letters(1)).await);
    must(writer.commit().await);
    assert_eq!((stand.gcs.count(Call::StartSession), stand.gcs.unfinished_sessions()), (0, 0));
    assert_eq!(stand.gcs.count(Call::Upload), 3);
    assert!(read(&stand.repository, "object").await == letters(20 << 20));
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_says_that_it_may_be_there() {
    let stand = stand(|config| config).await;
    stand.gcs.fault(Rule::next(Call::Upload), Fault::LoseReply);
    let request = || PutRequest::new(key("object"), "mine");
    let error = refused(ErrorKind::Unavailable, stand.repository.put(request()).await);
    assert_eq!((error.is_temporary(), error.effect()), (true, Effect::MaybeApplied));
    assert_eq!(read(&stand.repository, "object").await, "mine");

    let layered = layered(stand.shared(), FaultPlan::new());
    stand.gcs.fault(Rule::next(Call::Upload), Fault::LoseReply);
    let again = layered.put(PutRequest::new(key("second"), "mine")).await;
    assert_eq!(refused(ErrorKind::AlreadyExists, again).effect(), Effect::MaybeApplied);
}

#[tokio::test]
async fn every_call_that_gets_no_answer_ends_in_time() {
    let limit = Duration::from_secs(5);
    let stand = stand(|config| config.timeouts(limit, limit)).await;
    must(stand.repository.put(PutRequest::new(key("there"), letters(100_000))).await);
    let writer = begin(&stand.repository, "parts", 10).await;
    must(writer.write_part(0, letters(10)).await);
    for fault in [Fault::Stall, Fault::StallReply] {
        for call in [Call::Upload, Call::Read, Call::Head, Call::List, Call::Delete, Call::Compose] {
            stand.gcs.fault(Rule::next(call), fault.clone());
        }
        let begun = Instant::now();
        let repository = &stand.repository;
        let there = key("there");
        let (put, get, head, list, committed, deleted) = tokio::join!(
            repository.put(PutRequest::new(key("new"), "x")),
            repository.get(GetRequest::new(there.clone())),
            repository.head(&there),
            repository.list(ListRequest::default()),
            writer.commit(),
            repository.delete(vec![key("none")]),
        );
        assert!(begun.elapsed() < limit * 10, "{:?}", begun.elapsed());
        for error in [
            refused(ErrorKind::TimedOut, put),
            refused(ErrorKind::TimedOut, get),
            refused(ErrorKind::TimedOut, head),
            refused(ErrorKind::TimedOut, list),
            refused(ErrorKind::TimedOut, committed),
            refused(ErrorKind::TimedOut, must(deleted).remove(0)),
        ] {
            let changes = !matches!(error.operation(), Some("get" | "head" | "list"));
            let effect = if changes { Effect::MaybeApplied } else { Effect::NotApplied };
            assert_eq!((error.is_temporary(), error.effect()), (true, effect), "{error:?}");
            assert!(error.to_string().contains(&format!("no answer within {limit:?}")), "{error}");
        }
        must(repository.delete(vec![key("new"), key("parts")]).await);
    }
    // In the middle of the bytes.
    stand.gcs.fault(Rule::next(Call::Read), Fault::StallBody(1000));
    let mut stream = must(stand.repository.get(GetRequest::new(key("there"))).await).stream;
    assert_eq!(must(stream.next().await.expect("a piece")).len(), 1000);
    let stalled = stream.next().await.expect("an error");
    assert!(refused(ErrorKind::TimedOut, stalled).is_temporary());
    assert!(stream.next().await.is_none(), "an error ends the stream");
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_known_again() {
    let stand = stand(|config| config).await;
    for (round, fault) in [Fault::LoseReply, Fault::ResetBody(5)].into_iter().enumerate() {
        for mode in [WriteMode::CreateNew, WriteMode::Overwrite] {
            let path = format!("object-{round}-{mode:?}");
            let request = CreateRequest::new(key(&path), 4).mode(mode);
            let writer = must(stand.repository.create(request).await);
            must(writer.write_part(0, Bytes::from_static(b"abcd")).await);
            must(writer.write_part(1, Bytes::from_static(b"e")).await);
            stand.gcs.fault(Rule::next(Call::Compose), fault.clone());
            let error = refused(ErrorKind::Unavailable, writer.commit().await);
            assert_eq!(error.effect(), Effect::MaybeApplied);
            let meta = must(writer.commit().await);
            assert_eq!(must(stand.repository.head(&key(&path)).await), meta);
            assert_eq!(read(&stand.repository, &path).await, "abcde");
        }
    }
    assert!(stand.names().iter().all(|name| !name.contains(".tmp-")), "{:?}", stand.names());
}

#[tokio::test]
async fn an_object_of_somebody_else_is_not_taken_for_ones_own() {
    let stand = stand(|config| config).await;
    let writer = begin(&stand.repository, "object", 4).await;
    must(writer.write_part(0, Bytes::from_static(b"mine")).await);
    // The first commit does nothing, as far as it shows; then somebody is faster.
    stand.gcs.fault(Rule::next(Call::Compose), Fault::Status(503, None));
    refused(ErrorKind::Unavailable, writer.commit().await);
    must(stand.repository.put(PutRequest::new(key("object"), "yours")).await);
    refused(ErrorKind::AlreadyExists, writer.commit().await);
    assert_eq!(read(&stand.repository, "object").await, "yours");
}

#[tokio::test]
async fn a_commit_that_was_dropped_on_its_way_is_known_again() {
    let stand = stand(|config| config).await;
    let writer = begin(&stand.repository, "object", 4).await;
    must(writer.write_part(0, Bytes::from_static(b"mine")).await);
    stand.gcs.fault(Rule::next(Call::Compose), Fault::StallReply);
    let composed = async {
        while stand.gcs.object(BUCKET, "root/object").is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        committed = writer.commit() => panic!("nobody answered: {committed:?}"),
        () = composed => {}
    }
    let meta = must(writer.commit().await);
    assert_eq!(must(stand.repository.head(&key("object")).await), meta);
}

#[tokio::test]
async fn more_parts_than_one_composition_takes_are_composed_in_levels() {
    let stand = stand(|config| config).await;
    for parts in [32, 33, 70, 1100_u32] {
        let path = format!("object-{parts}");
        let writer = begin(&stand.repository, &path, 10).await;
        let whole = letters(parts as usize * 10 - 3);
        let part = |n: u32| whole.slice(n as usize * 10..whole.len().min((n as usize + 1) * 10));
        let written = join_all((0..parts).map(|n| writer.write_part(n, part(n)))).await;
        written.into_iter().for_each(must);
        let before = stand.gcs.count(Call::Compose);
        let meta = must(writer.commit().await);
        assert_eq!(meta.len, whole.len() as u64);
        let composed = match parts {
            32 => 1,
            33 => 1 + 1, // the 33rd part stands alone
            70 => 3 + 1,
            _ => 35 + 2 + 1,
        };
        assert_eq!(stand.gcs.count(Call::Compose) - before, composed, "{parts} parts");
        assert_eq!(stand.gcs.components(BUCKET, &format!("root/{path}")), Some(i64::from(parts)));
        assert!(read(&stand.repository, &path).await == whole);
    }
    assert_eq!(stand.names(), ["root/object-1100", "root/object-32", "root/object-33", "root/object-70"]);
}

#[tokio::test]
async fn every_attempt_at_a_part_is_removed_in_the_end() {
    let stand = stand(|config| config).await;
    let writer = begin(&stand.repository, "object", 4).await;
    // Stored although nobody heard; then refused; then written.
    stand.gcs.fault(Rule::next(Call::Upload), Fault::LoseReply);
    refused(ErrorKind::Unavailable, writer.write_part(0, Bytes::from_static(b"lost")).await);
    stand.gcs.fault(Rule::next(Call::Upload), Fault::Status(500, None));
    refused(ErrorKind::Unavailable, writer.write_part(0, Bytes::from_static(b"fail")).await);
    must(writer.write_part(0, Bytes::from_static(b"good")).await);
    assert_eq!(stand.names().len(), 2);
    must(writer.commit().await);
    assert_eq!(stand.names(), ["root/object"]);
    assert_eq!(read(&stand.repository, "object").await, "good");
}

#[tokio::test]
async fn a_staged_part_that_was_replaced_is_not_taken() {
    let stand = stand(|config| config).await;
    let writer = begin(&stand.repository, "object", 4).await;
    must(writer.write_part(0, Bytes::from_static(b"mine")).await);
    let staged = stand.names().remove(0);
    let (place, name) = staged.rsplit_once('/').expect("a path");
    let config = crate::support::config(stand.gcs.endpoint());
    let mut intruder = config.clone();
    intruder.location = format!("gs://{BUCKET}/{place}");
    let intruder = must(GcsRepository::open(intruder).await);
    must(intruder.put(PutRequest::new(key(name), "yours").mode(WriteMode::Overwrite)).await);
    refused(ErrorKind::Conflict, writer.commit().await);
    assert!(listed(&stand.repository).await.is_empty());
}

#[tokio::test]
async fn a_writer_that_was_dropped_removes_its_parts_by_itself() {
    let stand = stand(|config| config).await;
    let writer = begin(&stand.repository, "object", 4).await;
    for number in 0..3 {
        must(writer.write_part(number, Bytes::from_static(b"part")).await);
    }
    assert_eq!(stand.names().len(), 3);
    drop(writer);
    eventually("the parts are gone", || stand.names().is_empty()).await;
}

#[tokio::test]
async fn what_cannot_be_removed_at_commit_or_abort_is_found_later() {
    let stand = stand(|config| config).await;
    let writer = begin(&stand.repository, "job/committed", 4).await;
    must(writer.write_part(0, Bytes::from_static(b"part")).await);
    stand.gcs.fault(Rule::every(Call::Delete), Fault::Status(503, None));
    must(writer.commit().await); // the object is there, which is what was asked for
    std::mem::forget(writer);
    let writer = begin(&stand.repository, "job/aborted", 4).await;
    must(writer.write_part(0, Bytes::from_static(b"part")).await);
    refused(ErrorKind::Unavailable, writer.abort().await);
    stand.gcs.clear_faults();
    eventually("the dropped writer has tried once more", || stand.names().len() == 2).await;
    assert_eq!(must(stand.repository.discard_staged(&key("job")).await), 1);
    assert_eq!(stand.names(), ["root/job/committed"]);
}

#[tokio::test]
async fn discarding_walks_all_pages_and_counts_writers() {
    let stand = stand(|config| config).await;
    for writer in 0..3 {
        let writer = begin(&stand.repository, &format!("data/job/{writer}"), 1).await;
        let parts = join_all((0..500).map(|n| writer.write_part(n, Bytes::from_static(b"x")))).await;
        parts.into_iter().for_each(must);
        std::mem::forget(writer);
    }
    // What is staged for the key itself belongs to a living writer, perhaps.
    let living = begin(&stand.repository, "data/job", 1).await;
    must(living.write_part(0, Bytes::from_static(b"x")).await);
    assert_eq!(must(stand.repository.count_staged(&key("data/job")).await), 3);
    assert_eq!(must(stand.repository.count_staged(&key("data")).await), 4);
    assert_eq!(stand.names().len(), 1501);
    let before = stand.gcs.count(Call::List);
    assert_eq!(must(stand.repository.discard_staged(&key("data/job")).await), 3);
    assert!(stand.gcs.count(Call::List) - before >= 2, "1,501 names are more than one page");
    assert_eq!(stand.names().len(), 1);
    must(living.commit().await);
}

#[tokio::test]
async fn a_busy_service_says_how_long_to_wait() {
    let stand = stand(|config| config).await;
    for (status, kind) in [(429, ErrorKind::Throttled), (503, ErrorKind::Unavailable)] {
        for call in [Call::Upload, Call::Read, Call::List, Call::Delete] {
            stand.gcs.fault(Rule::next(call), Fault::Status(status, Some(7)));
        }
        let repository = &stand.repository;
        let mut deleted = must(repository.delete(vec![key("a")]).await);
        for error in [
            refused(kind, repository.put(PutRequest::new(key("a"), "x")).await),
            refused(kind, repository.get(GetRequest::new(key("a"))).await),
            refused(kind, repository.list(ListRequest::default()).await),
            refused(kind, deleted.remove(0)),
        ] {
            assert_eq!(error.retry(), Retry::Temporary { after: Some(Duration::from_secs(7)) }, "{error:?}");
        }
    }
}

#[tokio::test]
async fn reads_that_break_off_are_continued_by_the_layers() {
    let stand = stand(|config| config).await;
    let whole = letters(3_000_000);
    must(stand.repository.put(PutRequest::new(key("object"), whole.clone())).await);
    let faults = [
        Fault::ResetBody(1_000_000),
        Fault::ShortRange(500_000),
        Fault::ResetBody(0),
        Fault::Status(503, None),
        Fault::LoseReply,
    ];
    for fault in faults {
        stand.gcs.fault(Rule::next(Call::Read), fault);
    }
    let layered = layered(stand.shared(), FaultPlan::new());
    assert!(read(&*layered, "object").await == whole);
    assert!(stand.gcs.count(Call::Read) >= 5);
}

#[tokio::test]
async fn a_read_that_gives_less_or_other_bytes_is_an_error() {
    let stand = stand(|config| config).await;
    must(stand.repository.put(PutRequest::new(key("object"), letters(1000))).await);
    let get = || GetRequest::new(key("object"));
    let all = async |request| must(stand.repository.get(request).await).read_all(2000).await;

    for request in [get(), get().range(100..900)] {
        stand.gcs.fault(Rule::next(Call::Read), Fault::ShortRange(300));
        let error = refused(ErrorKind::Unavailable, all(request).await);
        assert!(error.is_temporary() && error.to_string().contains("fewer bytes"), "{error}");
    }
    // The checksum of a whole object is known; that of a range is not.
    stand.gcs.fault(Rule::next(Call::Read), Fault::FlipBodyBit(500));
    refused(ErrorKind::Corrupt, all(get()).await);

    stand.gcs.fault(Rule::next(Call::Read), Fault::IgnoreRange);
    let error = refused(ErrorKind::Unsupported, stand.repository.get(get().range(100..900)).await);
    assert!(error.to_string().contains("ignores ranges"), "{error}");
    assert_eq!(must(all(get().range(100..900)).await), letters(1000).slice(100..900));
}

#[tokio::test]
async fn a_service_that_goes_away_is_named() {
    let stand = stand(|config| config).await;
    let endpoint = stand.gcs.endpoint().to_owned();
    must(stand.repository.put(PutRequest::new(key("object"), letters(100))).await);
    drop(stand.gcs);
    // The first call may still find the connection that was kept.
    let _ = stand.repository.head(&key("object")).await;
    let head = stand.repository.head(&key("object")).await;
    let put = stand.repository.put(PutRequest::new(key("other"), "x")).await;
    for error in [refused(ErrorKind::Unavailable, head), refused(ErrorKind::Unavailable, put)] {
        assert!(error.is_temporary());
        let line = error.to_string();
        assert!(line.contains(&format!("cannot reach {endpoint} (")), "{line}");
        assert!(line.ends_with("check gcp.gcs.endpoint, the network and HTTPS_PROXY"), "{line}");
    }
}
