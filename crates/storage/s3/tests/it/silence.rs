//! A server that takes a request and never answers: it is given up in time, and
//! whoever comes next does not wait behind it.

use crate::server::{Quirks, Server};
use bytes::Bytes;
use rockhold_core::{CreateRequest, Effect, Error, ErrorKind, Key, ObjectWriter, Repository};
use rockhold_storage_s3::S3Repository;
use rockhold_testkit::{must, refused};
use std::time::Duration;
use tokio::{net::TcpListener, time::timeout};

const PART: u64 = 5 << 20;

/// What the adapter waits here; the server answers everything else at once.
const LIMIT: Duration = Duration::from_secs(5);

/// No call of these tests takes as long, unless it waits for ever.
const EVER: Duration = Duration::from_secs(60);

async fn in_time<T>(call: impl Future<Output = T>) -> T {
    timeout(EVER, call).await.expect("the call waits for ever")
}

async fn open(server: &Server) -> S3Repository {
    let mut config = server.config("r");
    (config.limits.answer, config.limits.commit) = (LIMIT, LIMIT);
    must(S3Repository::open(config).await)
}

async fn begin(repository: &S3Repository, name: &str) -> Box<dyn ObjectWriter> {
    must(repository.create(CreateRequest::new(must(Key::new(name)), PART)).await)
}

fn part(byte: u8) -> Bytes {
    Bytes::from(vec![byte; PART as usize])
}

/// Silence is a passing trouble, after which something may have happened.
fn is_silence(error: &Error) {
    assert!(error.is_temporary() && error.effect() == Effect::MaybeApplied, "{error:?}");
    assert!(error.to_string().contains(&format!("the server did not answer within {LIMIT:?}")), "{error}");
}

#[tokio::test]
async fn opening_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let silent = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            held.push(client);
        }
    });
    let server = Server::start(Quirks::default()).await;
    let mut config = server.config("r");
    config.endpoint = rockhold_storage_s3::Endpoint::parse(&format!("http://{address}")).ok();
    config.limits.answer = LIMIT;
    let error = refused(ErrorKind::TimedOut, in_time(S3Repository::open(config)).await);
    assert!(error.is_temporary() && error.operation() == Some("open"), "{error:?}");
    silent.abort();
    // What is asked besides is not worth a failure.
    let repository = open(&server).await;
    server.swallow_answer_of("GetBucketLifecycleConfiguration");
    assert!(in_time(repository.lifecycle_warnings()).await.is_empty());
}

#[tokio::test]
async fn beginning_an_object_in_parts_ends_and_what_it_left_is_removed() {
    let server = Server::start(Quirks::default()).await;
    let repository = open(&server).await;
    let writer = begin(&repository, "data/job/1").await;
    server.swallow_answer_of("CreateMultipartUpload");
    let (one, two) = in_time(async {
        // The first who asks begins; the other waits for the same answer, and then asks by itself.
        tokio::join!(writer.write_part(0, part(1)), writer.write_part(1, part(2)))
    })
    .await;
    let failed: Vec<Error> = [one, two].into_iter().filter_map(Result::err).collect();
    assert_eq!(failed.len(), 1);
    failed.iter().for_each(is_silence);
    must(in_time(writer.write_part(0, part(1))).await);
    must(in_time(writer.write_part(1, part(2))).await);
    assert_eq!(must(writer.commit().await).len, 2 * PART);
    assert_eq!(server.uploads(), 0, "the one whose name nobody knew is gone, too");
    // Given up and dropped as well, before a second one was begun.
    for gives_up in [true, false] {
        let writer = begin(&repository, "data/job/2").await;
        server.swallow_answer_of("CreateMultipartUpload");
        is_silence(&in_time(writer.write_part(0, part(1))).await.expect_err("nobody answers"));
        assert_eq!(server.uploads(), 1);
        if gives_up {
            must(in_time(writer.abort()).await);
        } else {
            drop(writer);
            eventually_no_upload(&server).await;
        }
        assert_eq!(server.uploads(), 0);
    }
}

async fn eventually_no_upload(server: &Server) {
    for _ in 0..1500 {
        if server.uploads() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_commit_ends_and_the_next_one_recognises_its_object() {
    let server = Server::start(Quirks::default()).await;
    let repository = open(&server).await;
    for (name, caller_is_patient) in [("patient", true), ("impatient", false)] {
        let writer = begin(&repository, name).await;
        must(writer.write_part(0, part(1)).await);
        must(writer.write_part(1, part(2)).await);
        server.swallow_answer_of("CompleteMultipartUpload");
        if caller_is_patient {
            is_silence(&in_time(writer.commit()).await.expect_err("nobody answers"));
        } else {
            assert!(timeout(LIMIT / 4, writer.commit()).await.is_err());
        }
        assert_eq!(must(in_time(writer.commit()).await).len, 2 * PART, "{name}");
        assert_eq!(must(repository.head(&must(Key::new(name))).await).len, 2 * PART);
    }
    assert_eq!(server.uploads(), 0);
}

#[tokio::test]
async fn giving_up_ends() {
    let server = Server::start(Quirks::default()).await;
    let repository = open(&server).await;
    let writer = begin(&repository, "object").await;
    must(writer.write_part(0, part(1)).await);
    must(writer.write_part(1, part(2)).await);
    server.swallow_answer_of("AbortMultipartUpload");
    is_silence(&in_time(writer.abort()).await.expect_err("nobody answers"));
    assert_eq!(server.uploads(), 0);
}
