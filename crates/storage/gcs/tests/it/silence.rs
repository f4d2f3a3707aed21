//! A server that takes requests and never answers: whoever waits for it is let
//! go in time, and whoever comes next does not wait behind them.

use crate::support::{BUCKET, config, emulator, eventually, key, stand};
use bytes::Bytes;
use rockhold_core::{CreateRequest, ErrorKind, ObjectWriter, Repository, read_object};
use rockhold_storage_gcs::{GcsConfig, GcsCredentials, GcsRepository};
use rockhold_testkit::{must, refused};
use rockhold_testkit_gcs::{Call, Fault, Rule};
use serde_json::json;
use std::time::{Duration, Instant};

/// What one request may take here.
const LIMIT: Duration = Duration::from_secs(5);

/// No call of these tests takes as long, unless it waits for many requests.
const FEW: Duration = Duration::from_secs(20);

/// So many parts that their deletions, one after the other, would take far
/// longer, until the limit of all of them passes.
const PARTS: u32 = 20;

fn impatient(config: GcsConfig) -> GcsConfig {
    config.timeouts(LIMIT, FEW * 2).parallel(1)
}

async fn written(repository: &GcsRepository, path: &str) -> Box<dyn ObjectWriter> {
    let writer = must(repository.create(CreateRequest::new(key(path), 4)).await);
    for number in 0..PARTS {
        must(writer.write_part(number, Bytes::from_static(b"part")).await);
    }
    writer
}

#[tokio::test]
async fn a_commit_does_not_wait_for_every_part_that_cannot_be_deleted() {
    let stand = stand(impatient).await;
    let writer = written(&stand.repository, "object").await;
    stand.gcs.fault(Rule::every(Call::Delete), Fault::Stall);
    let begun = Instant::now();
    must(writer.commit().await); // the object is there, which is what was asked for
    assert!(begun.elapsed() < FEW, "{:?}", begun.elapsed());
    let whole = must(read_object(&stand.repository, &key("object"), 1000).await);
    assert_eq!(whole.len(), PARTS as usize * 4);
    stand.gcs.clear_faults();
    drop(writer);
    eventually("the dropped writer has tried once more", || stand.names() == ["root/object"]).await;
}

#[tokio::test]
async fn an_abort_does_not_wait_for_every_part_that_cannot_be_deleted() {
    let stand = stand(impatient).await;
    let writer = written(&stand.repository, "job/object").await;
    stand.gcs.fault(Rule::every(Call::Delete), Fault::Stall);
    let begun = Instant::now();
    let error = refused(ErrorKind::TimedOut, writer.abort().await);
    assert!(error.is_temporary() && begun.elapsed() < FEW, "{error:?} {:?}", begun.elapsed());
    let begun = Instant::now();
    refused(ErrorKind::TimedOut, stand.repository.discard_staged(&key("job")).await);
    assert!(begun.elapsed() < FEW, "{:?}", begun.elapsed());
    stand.gcs.clear_faults();
    must(stand.repository.discard_staged(&key("job")).await);
    assert!(stand.names().is_empty(), "{:?}", stand.names());
}

#[tokio::test]
async fn a_token_that_never_comes_is_asked_for_again() {
    let gcs = emulator().await;
    gcs.close();
    gcs.set_machine_account("writer@project.iam.gserviceaccount.com");
    gcs.fault(Rule::every(Call::Token), Fault::Stall);
    let mut config = config(gcs.endpoint()).credentials(GcsCredentials::ComputeEngine);
    config.metadata_endpoint = Some(gcs.endpoint().to_owned());
    // Opening does not depend on a token, and ends.
    let repository = must(GcsRepository::open(config.timeouts(FEW, FEW)).await);
    let begun = Instant::now();
    let error = refused(ErrorKind::Unavailable, repository.head(&key("object")).await);
    assert!(error.is_temporary() && begun.elapsed() < FEW, "{error:?} {:?}", begun.elapsed());
    assert!(error.to_string().starts_with("head object: no token was to be had, since"), "{error}");
    gcs.clear_faults();
    // The request that stalled is still under way, and no call waits for it any more.
    for _ in 0..3 {
        match repository.head(&key("object")).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            other => assert!(other.is_err_and(|error| error.is_temporary())),
        }
    }
    panic!("the service gives tokens again, and none was taken");
}

#[tokio::test]
async fn settings_of_the_bucket_are_not_waited_for() {
    let gcs = emulator().await;
    let rules = json!({"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]});
    gcs.set_bucket(BUCKET, "lifecycle", rules);
    let repository = must(GcsRepository::open(impatient(config(gcs.endpoint()))).await);
    assert_eq!(repository.bucket_warnings().await.len(), 1);
    for fault in [Fault::Stall, Fault::StallReply] {
        gcs.fault(Rule::next(Call::Bucket), fault.clone());
        let begun = Instant::now();
        assert_eq!(repository.bucket_warnings().await, [""; 0], "{fault:?}");
        assert!(begun.elapsed() < FEW, "{:?}", begun.elapsed());
    }
}
