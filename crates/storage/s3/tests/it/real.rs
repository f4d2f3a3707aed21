//! The same contract on real servers: MinIO and Ceph's gateway.

use crate::contract::layered;
use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials as Keys, Region},
    types::{
        BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
        LifecycleRuleFilter,
    },
};
use bytes::Bytes;
use rockhold_core::{
    CreateRequest, Effect, ErrorKind, JobId, Key, ListRequest, OpenRepository, PutRequest, Repository,
    RepositoryFactory, Result, SharedRepository, list_all, read_object,
};
use rockhold_layers::{Layers, RetryPolicy};
use rockhold_storage_s3::S3Factory;
use rockhold_testkit::{
    must,
    repository::{Subject, run_all},
    servers::{Service, own, service},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A client of the test's own, for what is none of the adapter's business.
pub(crate) fn client(service: &Service) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_s3::config::Builder::default()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .region(Region::new(service.get("region").to_owned()))
        .endpoint_url(service.get("endpoint"))
        .force_path_style(true)
        .credentials_provider(Keys::new(
            service.get("access_key"),
            service.get("secret_key"),
            None,
            None,
            "test",
        ));
    Client::from_conf(config.build())
}

/// A new bucket on a server.
pub(crate) async fn bucket(service: &Service) -> String {
    let name = format!("rockhold-{}", must(JobId::random()).to_string().to_lowercase());
    client(service).create_bucket().bucket(&name).send().await.expect("a bucket");
    name
}

/// What opens a bucket with the server's own keys.
pub(crate) fn request(service: &Service, bucket: &str) -> OpenRepository {
    let mut request = OpenRepository::new(format!("s3a://{bucket}/below/here"));
    request.properties.insert("aws.s3.endpoint".into(), service.get("endpoint").into());
    for (property, field) in [("aws.s3.access_key", "access_key"), ("aws.s3.secret_key", "secret_key")] {
        request.secrets.insert(property.into(), service.get(field).into());
    }
    request
}

pub(crate) async fn open(request: OpenRepository) -> SharedRepository {
    must(S3Factory::default().open(request).await).repository
}

async fn keeps_the_contract(service: &Service) {
    let bucket = bucket(service).await;
    run_all(|| async { Subject::new(open(request(service, &bucket)).await) }).await;
    run_all(|| async { Subject::new(layered(open(request(service, &bucket)).await)) }).await;
    let left = client(service).list_multipart_uploads().bucket(&bucket).send().await.expect("a listing");
    assert!(left.uploads().is_empty(), "uploads were left behind: {:?}", left.uploads());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minio_keeps_the_contract() {
    if let Some(service) = service("minio", "minio_keeps_the_contract") {
        keeps_the_contract(&service).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ceph_keeps_the_contract() {
    if let Some(service) = service("rgw", "ceph_keeps_the_contract") {
        keeps_the_contract(&service).await;
    }
}

/// A killed client runs no code: what it left is found by who comes after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_killed_writer_are_found_after_the_server_was_restarted() {
    let test = "parts_of_a_killed_writer_are_found_after_the_server_was_restarted";
    let Some(mut server) = own("minio", test) else { return };
    let service = server.service();
    let bucket = bucket(&service).await;
    let repository = open(request(&service, &bucket)).await;
    let job = must(Key::new("data/job"));
    let begin = async |name: &str| {
        let writer = must(repository.create(CreateRequest::new(must(job.join(name)), 5 << 20)).await);
        must(writer.write_part(0, vec![7; 5 << 20].into()).await);
        std::mem::forget(writer);
    };
    begin("1").await;
    server.kill();
    server.restart().expect("the server comes back");
    begin("2").await;
    // MinIO forgets what began before its start until its own sweep: it tells
    // of such an upload by its whole name only.
    assert_eq!(must(repository.discard_staged(&job).await), 1);
    assert_eq!(must(repository.discard_staged(&must(job.join("1"))).await), 1);
}

#[tokio::test]
async fn lifecycle_rules_that_would_delete_files_are_told_when_a_repository_is_created() {
    let test = "lifecycle_rules_that_would_delete_files_are_told_when_a_repository_is_created";
    let Some(service) = service("minio", test) else { return };
    let bucket = bucket(&service).await;
    let rule = |id: &str, prefix: &str| {
        LifecycleRule::builder()
            .id(id)
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix(prefix).build())
            .expiration(LifecycleExpiration::builder().days(30).build())
            .build()
            .expect("a rule")
    };
    let rules =
        BucketLifecycleConfiguration::builder().rules(rule("tidy", "below/")).rules(rule("logs", "logs/"));
    let rules = rules.build().expect("rules");
    let put = client(&service).put_bucket_lifecycle_configuration().bucket(&bucket);
    // The protocol asks for a digest of the rules, which the SDK computes.
    put.lifecycle_configuration(rules).send().await.expect("rules are kept");
    let opened = must(S3Factory::default().open(request(&service, &bucket).create(true)).await);
    assert_eq!(opened.warnings.len(), 1, "{:?}", opened.warnings);
    assert!(opened.warnings[0].contains("the lifecycle rule tidy of the bucket"), "{:?}", opened.warnings);
    let opened = must(S3Factory::default().open(request(&service, &bucket)).await);
    assert!(opened.warnings.is_empty(), "only creating asks: {:?}", opened.warnings);
}

/// Whatever the server was doing when it died: each object is there once and
/// whole, and nothing is left of the calls that were cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_comes_back_loses_nothing() {
    let test = "a_server_that_is_killed_and_comes_back_loses_nothing";
    let Some(mut server) = own("minio", test) else { return };
    let service = server.service();
    let bucket = bucket(&service).await;
    let policy = RetryPolicy::default().waits(Duration::from_millis(100), Duration::from_secs(1));
    let repository = Layers::new().retry(policy.attempts(60)).around(open(request(&service, &bucket)).await);
    let written = Arc::new(AtomicUsize::new(0));
    let content = |n: usize| Bytes::from(vec![n as u8; if n.is_multiple_of(3) { 6 << 20 } else { 1000 }]);
    let writers = (0..4).map(|worker| {
        let (repository, written) = (SharedRepository::clone(&repository), Arc::clone(&written));
        tokio::spawn(async move {
            for n in (0..48).filter(|n| n % 4 == worker) {
                let (key, bytes) = (must(Key::new(format!("object/{n}"))), content(n));
                match write_again(&*repository, &key, &bytes).await {
                    Ok(()) => {}
                    // The answer to the first attempt was lost: only the content tells.
                    Err(e) if e.kind() == ErrorKind::AlreadyExists && e.effect() == Effect::MaybeApplied => {}
                    Err(error) => panic!("object {n}: {error:?}"),
                }
                written.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    for at in [8, 24] {
        while written.load(Ordering::SeqCst) < at {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        server.kill();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.restart().expect("the server comes back");
    }
    for writer in writers {
        writer.await.expect("a writer");
    }
    for n in 0..48 {
        let key = must(Key::new(format!("object/{n}")));
        assert!(must(read_object(&*repository, &key, 1 << 30).await) == content(n), "object {n}");
    }
    assert_eq!(must(list_all(&*repository, ListRequest::default()).await).objects.len(), 48);
}

/// Writes an object, and again when the server has lost its parts. MinIO
/// removes what it noted of the parts before it puts them together; killed in
/// between, it does not know them any more.
/// Source: `CompleteMultipartUpload` in cmd/erasure-multipart.go.
async fn write_again(repository: &dyn Repository, key: &Key, bytes: &Bytes) -> Result<()> {
    let (mut attempt, mut may_be_there) = (1, false);
    loop {
        match write(repository, key, bytes).await {
            Err(error) if error.kind() == ErrorKind::Conflict && attempt < 3 => {
                attempt += 1;
                may_be_there |= error.effect() == Effect::MaybeApplied;
            }
            // Put together after all, and this writer is not the one that did it:
            // only the content tells.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && may_be_there => return Ok(()),
            done => return done,
        }
    }
}

async fn write(repository: &dyn Repository, key: &Key, bytes: &Bytes) -> Result<()> {
    if bytes.len() <= 5 << 20 {
        return repository.put(PutRequest::new(key.clone(), bytes.clone())).await.map(drop);
    }
    let writer = repository.create(CreateRequest::new(key.clone(), 5 << 20)).await?;
    for (number, part) in (0..).zip(bytes.chunks(5 << 20)) {
        writer.write_part(number, bytes.slice_ref(part)).await?;
    }
    writer.commit().await.map(drop)
}
