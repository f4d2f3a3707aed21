//! Who asks: each way to credentials, on servers that give them.

use crate::{
    imds::Imds,
    proxy::Counting,
    real::{bucket, request},
};
use aws_sdk_sts::config::{BehaviorVersion, Credentials as Keys, Region};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use rockhold_core::{
    ErrorKind, Key, ListRequest, OpenRepository, PutRequest, RepositoryFactory, SharedRepository, WriteMode,
    read_object,
};
use rockhold_storage_s3::{Network, S3Factory};
use rockhold_testkit::{
    must, refused,
    servers::{Service, free_port, service},
};
use std::{
    env,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

fn sts_with(service: &Service, access_key: &str, secret_key: &str) -> aws_sdk_sts::Client {
    let config = aws_sdk_sts::config::Builder::default()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .sleep_impl(aws_smithy_async::rt::sleep::TokioSleep::new())
        .region(Region::new(service.get("region").to_owned()))
        .endpoint_url(service.get("endpoint"))
        .credentials_provider(Keys::new(access_key, secret_key, None, None, "test"));
    aws_sdk_sts::Client::from_conf(config.build())
}

/// The token service of a server, asked by the owner of buckets.
pub(crate) fn sts(service: &Service) -> aws_sdk_sts::Client {
    sts_with(service, service.get("access_key"), service.get("secret_key"))
}

/// The same, asked by the user who may assume the role.
pub(crate) fn sts_as_user(service: &Service) -> aws_sdk_sts::Client {
    sts_with(service, service.get("user_access_key"), service.get("user_secret_key"))
}

/// A request without any credentials.
fn bare(service: &Service, bucket: &str) -> OpenRepository {
    let mut request = request(service, bucket);
    request.secrets.clear();
    request.properties.insert("aws.s3.region".into(), service.get("region").into());
    request
}

fn property(request: &mut OpenRepository, name: &str, value: impl Into<String>) {
    request.properties.insert(name.into(), value.into());
}

async fn open(request: OpenRepository) -> SharedRepository {
    must(S3Factory::default().open(request).await).repository
}

async fn works(repository: &SharedRepository) {
    let key = must(Key::new("object"));
    must(repository.put(PutRequest::new(key.clone(), "bytes").mode(WriteMode::Overwrite)).await);
    assert_eq!(must(read_object(&**repository, &key, 10).await), "bytes");
}

/// moto's metadata service leaves out a header of IMDSv2, so the service is one
/// of the test's own, and the keys it gives are real ones of MinIO.
#[tokio::test]
async fn the_role_of_the_machine_is_asked_for() {
    let Some(service) = service("minio", "the_role_of_the_machine_is_asked_for") else { return };
    let bucket = bucket(&service).await;
    let keys = sts(&service).assume_role().role_arn("arn:aws:iam::000000000000:role/any");
    let keys = keys.role_session_name("machine").send().await.expect("keys").credentials.expect("keys");
    let document = format!(
        r#"{{"Code":"Success","Type":"AWS-HMAC","LastUpdated":"2020-01-01T00:00:00Z","AccessKeyId":"{}","SecretAccessKey":"{}","Token":"{}","Expiration":"2100-01-01T00:00:00Z"}}"#,
        keys.access_key_id, keys.secret_access_key, keys.session_token
    );
    let imds = Imds::start(document).await;
    let mut request = bare(&service, &bucket);
    property(&mut request, "aws.s3.use_instance_profile", "true");
    property(&mut request, "rockhold.imds.endpoint", imds.url());
    let repository = open(request).await;
    works(&repository).await;
    works(&repository).await;
    let asked = imds.asked();
    assert_eq!(asked.first().map(String::as_str), Some("PUT /latest/api/token"), "{asked:?}");
    assert!(asked.len() <= 4, "the metadata service was asked for each request: {asked:?}");
}

#[tokio::test]
async fn a_machine_without_a_role_is_told_what_to_give() {
    let Some(service) = service("moto", "a_machine_without_a_role_is_told_what_to_give") else { return };
    let mut request = bare(&service, "bucket");
    property(&mut request, "aws.s3.use_instance_profile", "true");
    property(&mut request, "rockhold.imds.endpoint", format!("http://127.0.0.1:{}", free_port()));
    let error = refused(ErrorKind::Unauthenticated, S3Factory::default().open(request).await);
    let line = error.to_string();
    assert!(line.contains("the metadata service gives no credentials"), "{line}");
    assert!(line.contains("give aws.s3.access_key and aws.s3.secret_key"), "{line}");
}

/// A request with keys to where nobody listens.
fn nowhere() -> OpenRepository {
    let mut request = OpenRepository::new("s3://bucket/path");
    property(&mut request, "aws.s3.endpoint", format!("http://127.0.0.1:{}", free_port()));
    request.secrets.insert("aws.s3.access_key".into(), "k".into());
    request.secrets.insert("aws.s3.secret_key".into(), "a-secret-of-the-test".into());
    request
}

#[tokio::test]
async fn keys_that_have_no_effect_are_told_when_the_machine_has_no_role() {
    let mut request = nowhere();
    property(&mut request, "aws.s3.use_instance_profile", "true");
    property(&mut request, "rockhold.imds.endpoint", format!("http://127.0.0.1:{}", free_port()));
    let error = refused(ErrorKind::Unauthenticated, S3Factory::default().open(request).await);
    let line = error.to_string();
    let remark = "(remark aws.s3.access_key and aws.s3.secret_key have no effect beside \
                  aws.s3.use_instance_profile)";
    assert!(line.contains("the metadata service gives no credentials") && line.ends_with(remark), "{line}");
    assert!(!line.contains("a-secret-of-the-test"), "{line}");
}

#[tokio::test]
async fn an_sts_that_cannot_be_reached_is_no_refused_role() {
    let mut request = nowhere();
    property(&mut request, "aws.s3.iam_role_arn", "arn:aws:iam::000000000000:role/any");
    let sts = format!("http://127.0.0.1:{}", free_port());
    property(&mut request, "aws.s3.sts.endpoint", &sts);
    let error = refused(ErrorKind::Unauthenticated, S3Factory::default().open(request.clone()).await);
    let line = error.to_string();
    assert!(line.contains(&format!("STS at {sts} cannot be reached (")), "{line}");
    assert!(line.contains("); correct aws.s3.sts.endpoint or aws.s3.sts.region"), "{line}");
    assert!(!line.contains("is not given") && error.is_temporary(), "{error:?}");

    // It is not asked by a machine without a role.
    property(&mut request, "aws.s3.use_instance_profile", "true");
    property(&mut request, "rockhold.imds.endpoint", format!("http://127.0.0.1:{}", free_port()));
    let error = refused(ErrorKind::Unauthenticated, S3Factory::default().open(request).await);
    assert!(!error.to_string().contains("cannot be reached"), "{error}");
}

/// The role as the user who may assume it, on Ceph: the user alone may not.
#[tokio::test]
async fn a_role_is_assumed() {
    let Some(service) = service("rgw", "a_role_is_assumed") else { return };
    let bucket = bucket(&service).await;
    let mut request = bare(&service, &bucket);
    request.secrets.insert("aws.s3.access_key".into(), service.get("user_access_key").into());
    request.secrets.insert("aws.s3.secret_key".into(), service.get("user_secret_key").into());
    let alone = open(request.clone()).await;
    let key = must(Key::new("object"));
    refused(ErrorKind::PermissionDenied, alone.put(PutRequest::new(key, "bytes")).await);

    property(&mut request, "aws.s3.iam_role_arn", service.get("role_arn"));
    property(&mut request, "aws.s3.external_id", "an-external-id");
    let sts = Counting::before(service.get("endpoint"), b"ExternalId=an-external-id").await;
    property(&mut request, "aws.s3.sts.endpoint", sts.url());
    property(&mut request, "aws.s3.sts.region", service.get("region"));
    works(&open(request.clone()).await).await;
    assert_eq!(sts.count(), 1, "the role is asked for with the external id");

    property(&mut request, "aws.s3.iam_role_arn", "arn:aws:iam:::role/no-such-role");
    let error = refused(ErrorKind::Unauthenticated, S3Factory::default().open(request).await);
    let line = error.to_string();
    assert!(line.contains("the role arn:aws:iam:::role/no-such-role is not given"), "{line}");
    assert!(!line.contains('\n') && !line.contains("rgw-rockhold-user-secret"), "{line}");
}

/// A clock that can be moved.
#[derive(Clone, Debug, Default)]
struct Movable(Arc<AtomicU64>);

impl TimeSource for Movable {
    fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// The server of this test looks at no clock, so that ours can be moved.
#[tokio::test]
async fn a_role_is_renewed_before_it_expires() {
    let Some(service) = service("moto", "a_role_is_renewed_before_it_expires") else { return };
    let bucket = bucket(&service).await;
    let sts = Counting::before(service.get("endpoint"), b"Action=AssumeRole").await;
    let mut request = request(&service, &bucket);
    property(&mut request, "aws.s3.region", service.get("region"));
    property(&mut request, "aws.s3.iam_role_arn", service.get("role_arn"));
    property(&mut request, "aws.s3.sts.endpoint", sts.url());
    let clock = Movable::default();
    let mut network = Network::default();
    network.time_source = Some(SharedTimeSource::new(clock.clone()));
    let repository = must(S3Factory::default().network(network).open(request).await).repository;
    works(&repository).await;
    works(&repository).await;
    assert_eq!(sts.count(), 1, "the role is asked for once");
    clock.0.store(3600 - 30, Ordering::SeqCst); // half a minute before the hour is over
    must(repository.list(ListRequest::default()).await);
    assert_eq!(sts.count(), 2, "the role was not renewed");
}

/// What a workload's variables say is read in a process of its own: variables
/// belong to the process.
const CHILD: &str = "ROCKHOLD_TEST_OF_VARIABLES";

fn child(test: &str, variables: &[(&str, &str)]) {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]).env(CHILD, "yes").env_remove("AWS_PROFILE");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.envs(variables.iter().copied());
    let output = command.output().expect("a child");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn the_token_of_a_workload_is_exchanged() {
    let test = "credentials::the_token_of_a_workload_is_exchanged";
    let Some(service) = service("moto", "the_token_of_a_workload_is_exchanged") else { return };
    if env::var_os(CHILD).is_none() {
        let token = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(token.path(), "a.web.token\n").expect("a token");
        let path = token.path().to_str().expect("a path");
        let role = service.get("role_arn");
        return child(test, &[("AWS_WEB_IDENTITY_TOKEN_FILE", path), ("AWS_ROLE_ARN", role)]);
    }
    let sts = Counting::before(service.get("endpoint"), b"Action=AssumeRoleWithWebIdentity").await;
    let mut request = bare(&service, &bucket(&service).await);
    property(&mut request, "aws.s3.use_web_identity_token_file", "true");
    property(&mut request, "aws.s3.sts.endpoint", sts.url());
    works(&open(request).await).await;
    assert_eq!(sts.count(), 1);
}

#[tokio::test]
async fn the_default_chain_finds_what_the_environment_says() {
    let test = "credentials::the_default_chain_finds_what_the_environment_says";
    let Some(service) = service("minio", "the_default_chain_finds_what_the_environment_says") else { return };
    if env::var_os(CHILD).is_none() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", service.get("access_key")),
            ("AWS_SECRET_ACCESS_KEY", service.get("secret_key")),
        ];
        return child(test, &keys);
    }
    let mut request = bare(&service, &bucket(&service).await);
    property(&mut request, "aws.s3.use_aws_sdk_default_behavior", "true");
    works(&open(request).await).await;
}
