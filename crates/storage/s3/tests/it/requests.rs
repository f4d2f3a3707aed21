//! How many requests things cost, and what is left behind.

use crate::server::{Quirks, Server};
use bytes::Bytes;
use rockhold_core::{
    CreateRequest, Effect, Error, ErrorKind, Key, ListRequest, OpenRepository, PutRequest, Repository,
    RepositoryFactory, WriteMode, format,
};
use rockhold_storage_s3::{S3Config, S3Factory, S3Repository};
use rockhold_testkit::{must, refused};

async fn open(quirks: Quirks, change: impl FnOnce(&mut S3Config)) -> (S3Repository, Server) {
    let server = Server::start(quirks).await;
    let mut config = server.config("r");
    change(&mut config);
    let repository = must(S3Repository::open(config).await);
    assert_eq!(server.calls(), ["ListObjectsV2"]);
    (repository, server)
}

fn key(text: &str) -> Key {
    must(Key::new(text))
}

const PART: u64 = 5 << 20;

#[tokio::test]
async fn an_object_of_one_part_costs_one_request() {
    let (repository, server) = open(Quirks::default(), |_| {}).await;
    // Shorter than a part; as long as one, when that is announced; empty.
    for (name, len, expected) in [("short", 10, None), ("full", PART, Some(PART)), ("empty", 0, None)] {
        let mut request = CreateRequest::new(key(name), PART);
        request.expected_len = expected;
        let writer = must(repository.create(request).await);
        if len > 0 {
            must(writer.write_part(0, Bytes::from(vec![7; len as usize])).await);
        }
        assert_eq!(must(writer.commit().await).len, len);
        assert_eq!(server.calls(), ["PutObject"], "{name}");
        assert_eq!(must(repository.head(&key(name)).await).len, len);
        server.calls();
    }
}

#[tokio::test]
async fn an_object_of_three_parts_costs_three_requests_more() {
    let (repository, server) = open(Quirks::default(), |_| {}).await;
    let writer = must(repository.create(CreateRequest::new(key("object"), PART)).await);
    for number in 0..3 {
        must(writer.write_part(number, Bytes::from(vec![7; PART as usize])).await);
    }
    assert_eq!(must(writer.commit().await).len, 3 * PART);
    let mut expected = vec!["CreateMultipartUpload"];
    expected.extend(["UploadPart"; 3]);
    // A server that is not known to keep conditions here is asked first.
    expected.extend(["HeadObject", "CompleteMultipartUpload"]);
    assert_eq!(server.calls(), expected);
}

#[tokio::test]
async fn a_thousand_keys_are_deleted_by_one_request() {
    let (repository, server) = open(Quirks::default(), |_| {}).await;
    must(repository.delete((0..2001).map(|n| key(&format!("k/{n}"))).collect()).await);
    assert_eq!(server.calls(), ["DeleteObjects"; 3]);
    let (repository, server) = open(Quirks { is_google: true, ..Quirks::default() }, |_| {}).await;
    must(repository.delete((0..3).map(|n| key(&format!("k/{n}"))).collect()).await);
    assert_eq!(server.calls(), ["DeleteObject"; 3]);
}

#[tokio::test]
async fn writers_that_go_away_leave_no_upload_behind() {
    let (repository, server) = open(Quirks::default(), |_| {}).await;
    for name in ["dropped", "aborted"] {
        let writer = must(repository.create(CreateRequest::new(key(name), PART)).await);
        must(writer.write_part(0, Bytes::from(vec![7; PART as usize])).await);
        assert_eq!(server.uploads(), 1);
        if name == "aborted" {
            must(writer.abort().await);
        } else {
            drop(writer);
        }
        for _ in 0..1500 {
            if server.uploads() == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert_eq!(server.uploads(), 0, "{name}");
    }
    let aborts = server.calls().iter().filter(|call| **call == "AbortMultipartUpload").count();
    assert_eq!(aborts, 2);
}

#[tokio::test]
async fn a_call_that_is_dropped_while_an_upload_begins_leaves_no_upload_behind() {
    let (repository, server) = open(Quirks::default(), |_| {}).await;
    for (polls, gives_up) in (0..40).flat_map(|polls| [(polls, false), (polls, true)]) {
        let writer = must(repository.create(CreateRequest::new(key("object"), PART)).await);
        {
            let mut write = std::pin::pin!(writer.write_part(0, Bytes::from(vec![7; PART as usize])));
            for _ in 0..polls {
                if futures::poll!(&mut write).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        if gives_up {
            must(writer.abort().await);
        }
    }
    for _ in 0..1500 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if server.uploads() == 0 {
            return;
        }
    }
    panic!("{} uploads were left behind", server.uploads());
}

#[tokio::test]
async fn a_long_object_is_copied_in_ranges_and_a_condition_is_kept() {
    let (repository, server) = open(Quirks::default(), |config| config.copy_limit = 2 * PART).await;
    let bytes: Bytes = (0..2 * PART + 17).map(|n| (n % 251) as u8).collect();
    must(repository.put(PutRequest::new(key("from"), bytes.clone())).await);
    server.calls();
    must(repository.copy(&key("from"), &key("to"), WriteMode::Overwrite).await);
    let calls = server.calls();
    assert_eq!(calls.iter().filter(|call| **call == "UploadPartCopy").count(), 2, "{calls:?}");
    let read = must(rockhold_core::read_object(&repository, &key("to"), 1 << 30).await);
    assert!(read == bytes);
    let taken = repository.copy(&key("from"), &key("to"), WriteMode::CreateNew).await;
    refused(ErrorKind::AlreadyExists, taken);
    assert_eq!(server.uploads(), 0);
}

#[tokio::test]
async fn a_server_that_ignores_conditions_is_found_out() {
    let (repository, server) = open(Quirks { ignores_conditions: true, ..Quirks::default() }, |_| {}).await;
    assert!(!must(format::keeps_create_new(&repository).await));
    let left = must(repository.list(ListRequest::default()).await);
    assert!(left.objects.is_empty(), "the probe left {left:?}");
    drop(server);
    let (repository, _server) = open(Quirks::default(), |_| {}).await;
    assert!(must(format::keeps_create_new(&repository).await));
}

#[tokio::test]
async fn opening_costs_one_request_and_creating_asks_for_lifecycle_rules_too() {
    let server = Server::start(Quirks::default()).await;
    let mut request = OpenRepository::new("s3a://bucket/r").directory("below");
    request.properties.insert("aws.s3.endpoint".into(), format!("http://{}", server.address));
    request.secrets.insert("fs.s3a.access.key".into(), crate::server::ACCESS_KEY.into());
    request.secrets.insert("aws.s3.secret_key".into(), crate::server::SECRET_KEY.into());
    let opened = must(S3Factory::default().open(request.clone()).await);
    assert_eq!(opened.repository.info().location, "s3a://bucket/r/below");
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    assert_eq!(server.calls(), ["ListObjectsV2"]);
    must(S3Factory::default().open(request.create(true)).await);
    assert_eq!(server.calls(), ["ListObjectsV2", "GetBucketLifecycleConfiguration"]);
}

/// Some servers answer `If-None-Match` with "not implemented".
#[tokio::test]
async fn a_server_without_conditions_is_found_out_and_can_be_written_to() {
    let (repository, server) = open(Quirks { lacks_conditions: true, ..Quirks::default() }, |_| {}).await;
    assert!(!must(format::keeps_create_new(&repository).await));
    server.calls();
    let writer = must(repository.create(CreateRequest::new(key("object"), PART)).await);
    for number in 0..2 {
        must(writer.write_part(number, Bytes::from(vec![7; PART as usize])).await);
    }
    assert_eq!(must(writer.commit().await).len, 2 * PART);
    must(repository.put(PutRequest::new(key("small"), "small")).await);
    // Once known, the condition is not sent again.
    let puts = server.calls().iter().filter(|call| **call == "PutObject").count();
    assert_eq!(puts, 1);
}

/// The object is there and the answer said that it failed: the writer knows its
/// own object by its mark, and a stranger's as well.
#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_recognised_when_it_is_repeated() {
    let (repository, server) = open(Quirks::default(), |_| {}).await;
    for (name, parts, call) in [("one", 1, "PutObject"), ("two", 2, "CompleteMultipartUpload")] {
        let mut request = CreateRequest::new(key(name), PART);
        request.expected_len = Some(parts * PART);
        let writer = must(repository.create(request).await);
        for number in 0..parts {
            must(writer.write_part(number as u32, Bytes::from(vec![7; PART as usize])).await);
        }
        server.lose_answer_of(call);
        let committed = match writer.commit().await {
            Ok(meta) => meta,
            Err(error) => {
                assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied));
                must(writer.commit().await)
            }
        };
        assert_eq!(committed.len, parts * PART);
        assert_eq!(must(repository.head(&key(name)).await).etag, committed.etag);
    }
    let writer = must(repository.create(CreateRequest::new(key("taken"), PART)).await);
    must(writer.write_part(0, Bytes::from_static(b"mine")).await);
    must(repository.put(PutRequest::new(key("taken"), "yours")).await);
    let error = refused(ErrorKind::AlreadyExists, writer.commit().await);
    assert_eq!(error.effect(), Effect::NotApplied);
    assert_eq!(must(rockhold_core::read_object(&repository, &key("taken"), 10).await), "yours");
}

/// A refusal that may be caused by an object of one's own, which nobody can look
/// at just now, is no refusal yet.
#[tokio::test]
async fn a_commit_that_cannot_look_whose_object_is_there_can_be_repeated() {
    let (repository, server) = open(Quirks::default(), |_| {}).await;
    let writer = must(repository.create(CreateRequest::new(key("object"), PART)).await);
    must(writer.write_part(0, Bytes::from_static(b"bytes")).await);
    for call in ["PutObject", "HeadObject"] {
        server.lose_answer_of(call);
        let error = refused(ErrorKind::Unavailable, writer.commit().await);
        assert!(error.is_temporary() && error.effect() == Effect::MaybeApplied, "{call}: {error:?}");
    }
    let meta = must(writer.commit().await);
    assert_eq!((meta.len, must(repository.head(&key("object")).await).etag), (5, meta.etag));
}

/// What takes long is answered before it has ended: with a success, and in it
/// the failure.
#[tokio::test]
async fn a_failure_inside_a_success_is_one_of_the_server_and_passes() {
    let (repository, server) = open(Quirks { fails_inside_success: true, ..Quirks::default() }, |_| {}).await;
    let is_failure = |error: Error| {
        assert!(error.is_temporary() && error.effect() == Effect::MaybeApplied, "{error:?}");
        assert!(error.to_string().contains("the server failed: InternalError"), "{error}");
    };
    let writer = must(repository.create(CreateRequest::new(key("from"), PART)).await);
    for number in 0..2 {
        must(writer.write_part(number, Bytes::from(vec![7; PART as usize])).await);
    }
    server.lose_answer_of("CompleteMultipartUpload");
    is_failure(refused(ErrorKind::Unavailable, writer.commit().await));
    assert_eq!(must(writer.commit().await).len, 2 * PART);
    let (from, to) = (key("from"), key("to"));
    let copy = || repository.copy(&from, &to, WriteMode::Overwrite);
    server.lose_answer_of("CopyObject");
    is_failure(refused(ErrorKind::Unavailable, copy().await));
    assert_eq!(must(copy().await).len, 2 * PART);
}
