//! A vendor's host names on a real server: MinIO that takes them for its own.

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use bytes::Bytes;
use rockhold_core::{
    CreateRequest, ErrorKind, Key, ListRequest, OpenedRepository, PutRequest, Repository, Result, WriteMode,
    list_all, read_object,
};
use rockhold_testkit::{
    must, refused,
    servers::{Service, own_minio},
};

/// A client of the test's own, for what is none of the adapter's business.
fn client(service: &Service, region: &str) -> Client {
    let config = aws_sdk_s3::config::Builder::default()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .region(Region::new(region.to_owned()))
        .endpoint_url(service.get("endpoint"))
        .force_path_style(true)
        .credentials_provider(Credentials::new(
            service.get("access_key"),
            service.get("secret_key"),
            None,
            None,
            "test",
        ));
    Client::from_conf(config.build())
}

/// Writes, lists, copies, reads and deletes under `host`. The server's region
/// is the one that the adapter must find in the host name: another signature
/// would be refused.
pub(crate) async fn on_minio(
    test: &str,
    host: &'static str,
    region: &'static str,
    secret_property: &str,
    open: impl AsyncFn(&str, u16, &str, &str) -> Result<OpenedRepository>,
) {
    let settings = |program: rockhold_testkit::servers::Program| {
        program.env("MINIO_DOMAIN", host).env("MINIO_REGION", region)
    };
    let Some(server) = own_minio(test, settings) else { return };
    let service = server.service();
    client(&service, region).create_bucket().bucket("bucket-1250000000").send().await.expect("a bucket");
    let port = service.get("endpoint").rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let (access, secret) = (service.get("access_key"), service.get("secret_key"));

    let opened = must(open("bucket-1250000000", port, access, secret).await);
    let repository: &dyn Repository = &*opened.repository;
    let key = |text: &str| must(Key::new(text));
    must(repository.put(PutRequest::new(key("a/small"), "small")).await);
    let writer = must(repository.create(CreateRequest::new(key("a/large"), 5 << 20)).await);
    for number in 0..2 {
        must(writer.write_part(number, Bytes::from(vec![7; 5 << 20])).await);
    }
    must(writer.commit().await);
    must(repository.copy(&key("a/small"), &key("b/copy"), WriteMode::Overwrite).await);
    let page = must(list_all(repository, ListRequest::default()).await);
    let mut keys: Vec<String> = page.objects.iter().map(|object| object.key.to_string()).collect();
    keys.sort();
    assert_eq!(keys, ["a/large", "a/small", "b/copy"]);
    assert_eq!(must(read_object(repository, &key("b/copy"), 10).await), "small");
    assert_eq!(must(read_object(repository, &key("a/large"), 1 << 30).await).len(), 10 << 20);
    let keys = page.objects.into_iter().map(|object| object.key).collect();
    assert!(must(repository.delete(keys).await).iter().all(Result::is_ok));
    assert!(must(list_all(repository, ListRequest::default()).await).objects.is_empty());

    let wrong =
        refused(ErrorKind::Unauthenticated, open("bucket-1250000000", port, access, "wrong-secret").await);
    assert!(wrong.to_string().contains(secret_property), "{wrong}");
    let missing = refused(ErrorKind::NotFound, open("no-such-bucket", port, access, secret).await);
    assert!(missing.to_string().contains("the bucket no-such-bucket does not exist"), "{missing}");
}
