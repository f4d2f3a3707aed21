//! What a person is told when something is wrong: one line that names what to
//! change, on real servers.

use crate::{
    real::{bucket, request},
    server::{ACCESS_KEY, EXPIRED_ACCESS_KEY, Quirks, Server},
};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError, SharedDnsResolver};
use rockhold_core::{
    Effect, Error, ErrorKind, Key, OpenRepository, Repository, RepositoryFactory,
    format::{AccessMode, probe_access},
    read_object,
};
use rockhold_storage_s3::{Network, S3Factory, S3Repository};
use rockhold_testkit::{
    must, refused,
    servers::{Service, free_port, own_minio, service},
};
use std::time::{Duration, Instant, SystemTime};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

async fn open(request: OpenRepository) -> Result<rockhold_core::OpenedRepository, Error> {
    S3Factory::default().open(request).await
}

/// Checks what every error must be: one line, no secret, and the words.
fn tells(error: &Error, words: &[&str]) {
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
    let all = format!("{line} {error:?}");
    for secret in ["rockhold-root-secret", "rgw-rockhold-root-secret", "a-wrong-secret"] {
        assert!(!all.contains(secret), "a secret is printed: {all}");
    }
}

fn set(request: &mut OpenRepository, name: &str, value: &str) {
    if rockhold_core::is_secret_property(name) {
        request.secrets.insert(name.into(), value.into());
    } else {
        request.properties.insert(name.into(), value.into());
    }
}

/// Both implementations of the protocol, as far as they run.
fn servers(test: &str) -> Vec<Service> {
    ["minio", "rgw"].iter().filter_map(|name| service(name, test)).collect()
}

/// The refusal of wrong keys. MinIO tells them when the store is opened. Ceph's
/// gateway calls it a lack of permission, which is no reason not to open;
/// CREATE REPOSITORY finds it by trying.
async fn refused_keys(service: &Service, request: OpenRepository) -> Error {
    let error = if service.name() == "minio" {
        refused(ErrorKind::Unauthenticated, open(request).await)
    } else {
        let repository = must(open(request).await).repository;
        refused(ErrorKind::PermissionDenied, probe_access(&*repository, AccessMode::ReadWrite).await)
    };
    assert!(!error.is_temporary());
    assert_eq!(error.effect(), Effect::NotApplied);
    error
}

#[tokio::test]
async fn a_wrong_access_key_is_named() {
    for service in servers("a_wrong_access_key_is_named") {
        let mut request = request(&service, &bucket(&service).await);
        set(&mut request, "aws.s3.access_key", "NOSUCHKEY");
        let error = refused_keys(&service, request).await;
        tells(&error, &["correct aws.s3.access_key"]);
    }
}

#[tokio::test]
async fn a_wrong_secret_key_is_named() {
    for service in servers("a_wrong_secret_key_is_named") {
        let mut request = request(&service, &bucket(&service).await);
        set(&mut request, "aws.s3.secret_key", "a-wrong-secret");
        let error = refused_keys(&service, request).await;
        tells(&error, &["correct", "aws.s3.secret_key"]);
    }
}

#[tokio::test]
async fn a_missing_bucket_is_named() {
    for service in servers("a_missing_bucket_is_named") {
        let error = refused(ErrorKind::NotFound, open(request(&service, "no-such-bucket-here")).await);
        tells(&error, &["the bucket no-such-bucket-here does not exist at http://127.0.0.1:", "create it"]);
    }
}

#[tokio::test]
async fn a_wrong_region_is_named_and_a_missing_one_is_found() {
    let settings = |program: rockhold_testkit::servers::Program| program.env("MINIO_REGION", "eu-central-1");
    let Some(server) = own_minio("a_wrong_region_is_named_and_a_missing_one_is_found", settings) else {
        return;
    };
    let mut fields = server.service().fields().clone();
    fields.insert("region".into(), "eu-central-1".into());
    let service = Service::new("minio", fields);
    let bucket = bucket(&service).await;
    let mut wrong = request(&service, &bucket);
    set(&mut wrong, "aws.s3.region", "us-west-2");
    let error = refused(ErrorKind::InvalidInput, open(wrong).await);
    tells(&error, &["lies in the region eu-central-1, not us-west-2", "set aws.s3.region"]);

    let found = must(open(request(&service, &bucket)).await);
    let key = must(Key::new("object"));
    must(found.repository.put(rockhold_core::PutRequest::new(key.clone(), "bytes")).await);
    assert_eq!(must(read_object(&*found.repository, &key, 10).await), "bytes");
}

/// A clock that is an hour ahead.
#[derive(Debug)]
struct Ahead;

impl TimeSource for Ahead {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(3600)
    }
}

#[tokio::test]
async fn a_wrong_clock_is_named() {
    for service in servers("a_wrong_clock_is_named") {
        let mut network = Network::default();
        network.time_source = Some(SharedTimeSource::new(Ahead));
        let request = request(&service, &bucket(&service).await);
        let error =
            refused(ErrorKind::Unauthenticated, S3Factory::default().network(network).open(request).await);
        tells(&error, &["the clock of this machine", "set it"]);
    }
}

#[tokio::test]
async fn a_refused_connection_names_the_endpoint() {
    let mut request = OpenRepository::new("s3://bucket/path");
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    for (name, value) in
        [("aws.s3.endpoint", endpoint.as_str()), ("aws.s3.access_key", "k"), ("aws.s3.secret_key", "s")]
    {
        set(&mut request, name, value);
    }
    let error = refused(ErrorKind::Unavailable, open(request).await);
    tells(&error, &["nobody listens at", &endpoint, "correct aws.s3.endpoint"]);
    assert!(error.is_temporary(), "a server may come back");
    assert_eq!(error.effect(), Effect::NotApplied);
}

#[tokio::test]
async fn an_unknown_host_names_the_endpoint() {
    let mut request = OpenRepository::new("s3://bucket/path");
    for (name, value) in [
        ("aws.s3.endpoint", "http://no-such-host.invalid:9000"),
        ("aws.s3.access_key", "k"),
        ("aws.s3.secret_key", "s"),
    ] {
        set(&mut request, name, value);
    }
    let Err(error) = open(request).await else { panic!("there is no such host") };
    // Where the servers for names do not answer either, the limit of the connection passes first.
    if error.kind() == ErrorKind::TimedOut {
        return tells(&error, &["did not answer"]);
    }
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    tells(&error, &["the host of http://no-such-host.invalid:9000 is not known", "correct aws.s3.endpoint"]);
}

/// A resolver that knows no name.
#[derive(Debug)]
struct KnowsNobody;

impl ResolveDns for KnowsNobody {
    fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
        DnsFuture::ready(Err(ResolveDnsError::new("nobody has this name")))
    }
}

#[tokio::test]
async fn an_unknown_host_of_amazon_names_the_region() {
    let mut request = OpenRepository::new("s3://bucket/path");
    for (name, value) in
        [("aws.s3.region", "eu-west-9"), ("aws.s3.access_key", "k"), ("aws.s3.secret_key", "s")]
    {
        set(&mut request, name, value);
    }
    let mut network = Network::default();
    network.resolver = Some(SharedDnsResolver::new(KnowsNobody));
    let error = refused(ErrorKind::Unavailable, S3Factory::default().network(network).open(request).await);
    tells(&error, &["the host of Amazon S3 (eu-west-9) is not known; check aws.s3.region"]);
    assert!(!error.to_string().contains("aws.s3.endpoint"), "{error}");
}

/// A web server that answers everything alike, and its address.
async fn web_server(status: &'static str, body: &'static str) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let len = body.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{body}");
    let task = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match socket.read(&mut buffer).await {
                    Ok(len) if len > 0 => head.extend_from_slice(&buffer[..len]),
                    _ => break,
                }
            }
            // Whoever asked may be gone.
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, task)
}

#[tokio::test]
async fn what_is_no_s3_server_is_told_as_such() {
    for (status, body) in [
        ("404 Not Found", "<html><body>nothing here</body></html>"),
        ("404 Not Found", "404 page not found"),
        ("404 Not Found", ""),
        ("200 OK", "<!DOCTYPE html><html><body>welcome</body></html>"),
        ("200 OK", "{}"),
        ("200 OK", ""),
    ] {
        let (url, task) = web_server(status, body).await;
        let mut request = OpenRepository::new("s3://bucket/path");
        for (name, value) in
            [("aws.s3.endpoint", url.as_str()), ("aws.s3.access_key", "k"), ("aws.s3.secret_key", "s")]
        {
            set(&mut request, name, value);
        }
        let error = refused(ErrorKind::InvalidInput, open(request.clone()).await);
        let line = format!("{url} does not answer as an S3 server does; correct aws.s3.endpoint");
        tells(&error, &[line.as_str()]);
        assert!(!error.is_temporary(), "{status}, {body}: {error:?}");
        if (status, body) == ("404 Not Found", "") {
            // This is how HEAD is answered everywhere.
            let (config, _) = must(S3Factory::default().config(&request));
            let repository = must(S3Repository::connect(config).await);
            refused(ErrorKind::NotFound, repository.head(&must(Key::new("object"))).await);
        }
        task.abort();
    }
}

/// A request with keys that may do only `actions`, by a session policy.
async fn limited(service: &Service, bucket: &str, actions: &[&str]) -> OpenRepository {
    let actions: Vec<String> = actions.iter().map(|action| format!("\"{action}\"")).collect();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":[{}],"Resource":["arn:aws:s3:::*"]}}]}}"#,
        actions.join(",")
    );
    let keys = crate::credentials::sts(service)
        .assume_role()
        .role_arn("arn:aws:iam::000000000000:role/any")
        .role_session_name("limited")
        .policy(policy)
        .send()
        .await
        .expect("keys by STS")
        .credentials
        .expect("keys");
    let mut request = request(service, bucket);
    set(&mut request, "aws.s3.access_key", &keys.access_key_id);
    set(&mut request, "aws.s3.secret_key", &keys.secret_access_key);
    set(&mut request, "aws.s3.session_token", &keys.session_token);
    request
}

/// Every action that a repository needs is missing in turn.
#[tokio::test]
async fn a_missing_permission_is_named() {
    let Some(service) = service("minio", "a_missing_permission_is_named") else { return };
    let bucket = bucket(&service).await;
    let all = ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "s3:DeleteObject"];
    let full = must(open(limited(&service, &bucket, &all).await).await).repository;
    must(probe_access(&*full, AccessMode::ReadWrite).await);
    for missing in all {
        let rest: Vec<&str> = all.into_iter().filter(|action| *action != missing).collect();
        let repository = must(open(limited(&service, &bucket, &rest).await).await).repository;
        let refusal = probe_access(&*repository, AccessMode::ReadWrite).await;
        let error = refused(ErrorKind::PermissionDenied, refusal);
        tells(&error, &["permission denied", &format!("allow {missing}"), &bucket]);
        assert!(!error.is_temporary());
        assert_eq!(error.effect(), Effect::NotApplied);
    }
    let blind = must(open(limited(&service, &bucket, &["s3:GetObject"]).await).await).repository;
    let refusal = probe_access(&*blind, AccessMode::ReadOnly).await;
    tells(&refused(ErrorKind::PermissionDenied, refusal), &["allow s3:ListBucket"]);
}

/// A forbidden `head` has an answer without a body: the reason is asked for.
#[tokio::test]
async fn head_tells_the_reason_too() {
    let Some(service) = service("minio", "head_tells_the_reason_too") else { return };
    let bucket = bucket(&service).await;
    let writer =
        must(open(limited(&service, &bucket, &["s3:PutObject", "s3:ListBucket"]).await).await).repository;
    let key = must(Key::new("object"));
    must(writer.put(rockhold_core::PutRequest::new(key.clone(), "bytes")).await);
    let error = refused(ErrorKind::PermissionDenied, writer.head(&key).await);
    tells(&error, &["head object: permission denied", "s3:GetObject"]);
}

#[tokio::test]
async fn an_expired_token_is_named() {
    let server = Server::start(Quirks::default()).await;
    let mut request = OpenRepository::new("s3://bucket/path");
    for (name, value) in [
        ("aws.s3.endpoint", format!("http://{}", server.address).as_str()),
        ("aws.s3.access_key", EXPIRED_ACCESS_KEY),
        ("aws.s3.secret_key", "a-wrong-secret"),
        ("aws.s3.session_token", ACCESS_KEY),
    ] {
        set(&mut request, name, value);
    }
    let error = refused(ErrorKind::Unauthenticated, open(request).await);
    tells(&error, &["the session token has expired", "aws.s3.session_token"]);
    assert!(!error.is_temporary());
}

/// Ceph's gateway answers an expired token as a lack of permission, so both
/// are named.
#[tokio::test]
async fn a_token_that_expires_is_named_on_ceph() {
    let Some(service) = service("rgw", "a_token_that_expires_is_named_on_ceph") else { return };
    let bucket = bucket(&service).await;
    // A busy machine may need longer to use a token than it lasts.
    for seconds in [15_u16, 60, 240] {
        let (begun, lasts) = (Instant::now(), Duration::from_secs(seconds.into()));
        let keys = crate::credentials::sts_as_user(&service)
            .assume_role()
            .role_arn(service.get("role_arn"))
            .role_session_name("expiring")
            .duration_seconds(seconds.into())
            .send()
            .await
            .expect("keys by STS")
            .credentials
            .expect("keys");
        let mut request = request(&service, &bucket);
        set(&mut request, "aws.s3.access_key", &keys.access_key_id);
        set(&mut request, "aws.s3.secret_key", &keys.secret_access_key);
        set(&mut request, "aws.s3.session_token", &keys.session_token);
        let repository = must(open(request).await).repository;
        if let Err(error) = probe_access(&*repository, AccessMode::ReadWrite).await {
            assert!(begun.elapsed() > lasts, "{error:?}");
            continue;
        }
        tokio::time::sleep(lasts + Duration::from_secs(2)).await;
        let refusal = probe_access(&*repository, AccessMode::ReadWrite).await;
        let error = refused(ErrorKind::PermissionDenied, refusal);
        return tells(&error, &["aws.s3.session_token, which may have expired"]);
    }
    panic!("a token of four minutes was not used in time");
}

/// Bodies that are signed, bodies that a checksum covers, and parts.
#[tokio::test]
async fn bytes_that_change_on_the_way_are_refused() {
    for service in servers("bytes_that_change_on_the_way_are_refused") {
        let bucket = bucket(&service).await;
        for (len, parts) in [(200_000, 0), (3 << 20, 0), (5 << 20, 2)] {
            let (url, task) = crate::proxy::flipping(service.get("endpoint"), 100_000).await;
            let mut damaged = request(&service, &bucket);
            set(&mut damaged, "aws.s3.endpoint", service.get("endpoint"));
            let direct = must(open(damaged.clone()).await).repository;
            set(&mut damaged, "aws.s3.endpoint", &url);
            let repository = must(open(damaged).await).repository;
            let key = must(Key::new(format!("object-{len}-{parts}")));
            let bytes = bytes::Bytes::from(vec![7; len]);
            let result = if parts == 0 {
                repository.put(rockhold_core::PutRequest::new(key.clone(), bytes)).await.map(drop)
            } else {
                let create = rockhold_core::CreateRequest::new(key.clone(), len as u64);
                must(repository.create(create).await).write_part(0, bytes).await
            };
            let error = refused(ErrorKind::Unavailable, result);
            assert!(error.is_temporary(), "{error:?}");
            tells(&error, &["did not arrive as they were sent"]);
            refused(ErrorKind::NotFound, direct.head(&key).await);
            task.abort();
        }
    }
}
