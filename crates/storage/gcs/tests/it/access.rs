//! Who is let in, and what somebody is told who is not.

use crate::support::{BUCKET, config, emulator, key};
use rockhold_core::{
    CreateRequest, Effect, Error, ErrorKind, GetRequest, ListRequest, OpenRepository, PutRequest, Repository,
    RepositoryFactory, Result, Secret, SharedRepository, WriteMode,
};
use rockhold_storage_gcs::{GcsFactory, GcsRepository};
use rockhold_testkit::{must, refused};
use rockhold_testkit_gcs::{Call, Emulator, Fault, Rule, ServiceAccount};
use std::ffi::OsStr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const KEY: &str = include_str!("keys/throwaway.pem");
const OTHER_KIND_OF_KEY: &str = include_str!("keys/throwaway-ec.pem");
const EMAIL: &str = "writer@project.iam.gserviceaccount.com";
const OTHER: &str = "owner@project.iam.gserviceaccount.com";

/// The properties of a service account, as CREATE REPOSITORY gives them.
fn account(endpoint: &str, key: &str) -> OpenRepository {
    let mut request = anonymous(endpoint);
    request.properties.remove("gcp.gcs.anonymous");
    request.properties.insert("gcp.gcs.service_account_email".into(), EMAIL.into());
    request.properties.insert("gcp.gcs.service_account_private_key_id".into(), "key-1".into());
    request.secrets.insert("gcp.gcs.service_account_private_key".into(), Secret::new(key));
    request
}

fn anonymous(endpoint: &str) -> OpenRepository {
    let mut request = OpenRepository::new(format!("gs://{BUCKET}/backup"));
    request.properties.insert("gcp.gcs.endpoint".into(), endpoint.into());
    request.properties.insert("gcp.gcs.anonymous".into(), "true".into());
    request
}

async fn open(request: OpenRepository) -> Result<SharedRepository> {
    let opened = GcsFactory.open(request).await?;
    assert_eq!(opened.warnings, Vec::<String>::new());
    Ok(opened.repository)
}

/// A stand-in that lets in the account of [`EMAIL`] alone.
async fn closed() -> Emulator {
    let gcs = emulator().await;
    gcs.close();
    gcs.add_account(ServiceAccount::new(EMAIL, "key-1", KEY).expect("a key"));
    gcs
}

/// Writes and reads, which somebody who is let in can.
async fn works(repository: &dyn Repository) {
    must(repository.put(PutRequest::new(key("object"), "bytes").mode(WriteMode::Overwrite)).await);
    assert_eq!(must(rockhold_core::read_object(repository, &key("object"), 10).await), "bytes");
    let writer =
        must(repository.create(CreateRequest::new(key("parts"), 4).mode(WriteMode::Overwrite)).await);
    must(writer.write_part(0, "part".into()).await);
    must(writer.commit().await);
}

/// What is shown of an error, to people and in logs. Never a secret.
fn line(error: &Error) -> String {
    let shown = format!("{error:?}");
    for part in KEY.lines().filter(|line| !line.starts_with('-')) {
        assert!(!shown.contains(part), "a secret is shown");
    }
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[tokio::test]
async fn a_service_account_is_let_in_by_its_key() {
    let gcs = closed().await;
    works(&*must(open(account(gcs.endpoint(), KEY)).await)).await;
    // Line ends may be written as in the JSON file.
    let repository = must(open(account(gcs.endpoint(), &KEY.replace('\n', "\\n"))).await);
    works(&*repository).await;
    let shown = format!("{repository:?}");
    assert!(shown.contains("gs://rockhold-test/backup") && !shown.contains("PRIVATE"), "{shown}");
    assert_eq!(gcs.names(BUCKET), ["backup/object", "backup/parts"]);
}

#[tokio::test]
async fn a_key_that_the_service_does_not_know_is_refused_once_and_for_all() {
    let gcs = closed().await;
    let mut request = account(gcs.endpoint(), KEY);
    request.properties.insert("gcp.gcs.service_account_private_key_id".into(), "deleted".into());
    let repository = must(open(request).await);
    let put = refused(ErrorKind::Unauthenticated, repository.put(PutRequest::new(key("a"), "x")).await);
    let list = refused(ErrorKind::Unauthenticated, repository.list(ListRequest::default()).await);
    for (error, operation) in [(put, "put a: "), (list, "list /: ")] {
        assert!(!error.is_temporary());
        assert_eq!(
            line(&error),
            format!(
                "{operation}the credentials were refused (Invalid Credentials); check \
                 gcp.gcs.service_account_email, gcp.gcs.service_account_private_key_id and \
                 gcp.gcs.service_account_private_key, that the key was not deleted and that this machine's \
                 clock is right"
            )
        );
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_before_anything_is_sent() {
    let gcs = closed().await;
    for bad in ["hunter2", "", OTHER_KIND_OF_KEY, &KEY[..KEY.len() / 2]] {
        let error = refused(ErrorKind::InvalidInput, open(account(gcs.endpoint(), bad)).await);
        let line = line(&error);
        let name = if bad.is_empty() { "gcp.gcs.service_account_private_key: missing" } else { "-----END" };
        assert!(line.contains("gcp.gcs.service_account_private_key: ") && line.contains(name), "{line}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    assert!(gcs.passed().is_empty());
}

#[tokio::test]
async fn an_account_acts_as_another_that_it_may_borrow() {
    let gcs = closed().await;
    let request = || {
        let mut request = account(gcs.endpoint(), KEY);
        request.properties.insert("gcp.gcs.impersonation_service_account".into(), OTHER.into());
        request.properties.insert("gcp.gcs.iam_endpoint".into(), gcs.endpoint().into());
        request
    };
    let repository = must(open(request()).await);
    let error = refused(ErrorKind::Unauthenticated, repository.head(&key("object")).await);
    assert!(!error.is_temporary());
    assert!(line(&error).contains("Service Account Token Creator"), "{error}");

    gcs.lend_account(OTHER);
    let repository = must(open(request()).await);
    works(&*repository).await;
    // Asked for once, and not with every call.
    assert_eq!(gcs.count(Call::Token), 2);
    gcs.expire_tokens();
    refused(ErrorKind::Unauthenticated, repository.head(&key("object")).await);
}

#[tokio::test]
async fn a_machine_opens_it_with_its_own_account() {
    let gcs = closed().await;
    gcs.set_machine_account(EMAIL);
    let mut request = anonymous(gcs.endpoint());
    request.properties.remove("gcp.gcs.anonymous");
    request.properties.insert("gcp.gcs.use_compute_engine_service_account".into(), "true".into());
    // The real address of the metadata server is not for tests.
    request.properties.insert("gcp.gcs.metadata_endpoint".into(), gcs.endpoint().into());
    works(&*must(open(request).await)).await;
}

const CHILD: &str = "ROCKHOLD_TEST_GCS_ENDPOINT";

/// What a child does: opens the bucket without any property but the endpoint.
#[tokio::test]
async fn child_with_default_credentials() {
    let Ok(endpoint) = std::env::var(CHILD) else {
        return; // run by hand, this is no child
    };
    let mut request = anonymous(&endpoint);
    request.properties.remove("gcp.gcs.anonymous");
    works(&*must(open(request).await)).await;
}

/// The environment belongs to a process, so this test starts its own binary again.
#[tokio::test]
async fn default_credentials_come_from_where_the_environment_says() {
    let gcs = closed().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("account.json");
    let account = serde_json::json!({
        "type": "service_account", "client_email": EMAIL, "private_key_id": "key-1", "private_key": KEY,
        "project_id": "project",
    });
    std::fs::write(&file, account.to_string()).expect("written");
    let run = async |name: &str, value: &OsStr| {
        let mut child = tokio::process::Command::new(std::env::current_exe().expect("this binary"));
        child.args(["--exact", "access::child_with_default_credentials", "--nocapture"]);
        child.env_remove("GOOGLE_APPLICATION_CREDENTIALS");
        // Nothing of the user who runs this, and a metadata server that is nowhere.
        child.env("HOME", directory.path()).env("GCE_METADATA_HOST", "127.0.0.1:1");
        let output = child.env(CHILD, gcs.endpoint()).env(name, value).output().await.expect("a child");
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        (output.status.success(), said.into_owned())
    };
    let (worked, said) = run("GOOGLE_APPLICATION_CREDENTIALS", file.as_os_str()).await;
    assert!(worked, "{said}");
    assert_eq!(gcs.names(BUCKET), ["backup/object", "backup/parts"]);
    let words = "there are no usable default credentials; set the properties";
    let missing = directory.path().join("missing.json");
    let (worked, said) = run("GOOGLE_APPLICATION_CREDENTIALS", missing.as_os_str()).await;
    assert!(
        !worked && said.contains(&format!("[unauthenticated, Permanent, NotApplied] open: {words}")),
        "{said}"
    );
    // A metadata server that is named may start later than we do, or fail for a while.
    let late = "NotApplied] put object: no token was to be had, since the service that gives them fails or";
    let is_late = |said: &str| said.contains("[unavailable, Temporary") && said.contains(late);
    let (worked, said) = run("UNUSED", OsStr::new("")).await;
    assert!(!worked && is_late(&said), "{said}");
    let host = OsStr::new(gcs.endpoint().trim_start_matches("http://"));
    gcs.set_machine_account(EMAIL);
    gcs.fault(Rule::every(Call::Token), Fault::Status(503, None));
    let (worked, said) = run("GCE_METADATA_HOST", host).await;
    assert!(!worked && is_late(&said), "{said}");
    gcs.clear_faults();
    let (worked, said) = run("GCE_METADATA_HOST", host).await;
    assert!(worked, "{said}");
}

#[tokio::test]
async fn a_stranger_is_told_that_credentials_are_missing() {
    let gcs = closed().await;
    let repository = must(open(anonymous(gcs.endpoint())).await);
    let error = refused(ErrorKind::Unauthenticated, repository.get(GetRequest::new(key("a"))).await);
    assert!(line(&error).contains("Anonymous caller does not have storage.objects access"), "{error}");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_named() {
    let gcs = closed().await;
    let repository = must(open(account(gcs.endpoint(), KEY)).await);
    for call in [Call::Upload, Call::Read, Call::Head, Call::List, Call::Delete, Call::Compose] {
        gcs.fault(Rule::every(call), Fault::Status(403, None));
    }
    let over = PutRequest::new(key("a"), "x").mode(WriteMode::Overwrite);
    let errors = [
        (repository.put(PutRequest::new(key("a"), "x")).await.map(drop), "storage.objects.create on"),
        (repository.put(over).await.map(drop), "storage.objects.create and storage.objects.delete on"),
        (repository.get(GetRequest::new(key("a"))).await.map(drop), "storage.objects.get on"),
        (repository.head(&key("a")).await.map(drop), "storage.objects.get on"),
        (repository.list(ListRequest::default()).await.map(drop), "storage.objects.list on"),
        (must(repository.delete(vec![key("a")]).await).remove(0), "storage.objects.delete on"),
        (repository.discard_staged(&key("a")).await.map(drop), "storage.objects.list on"),
        (
            repository.copy(&key("a"), &key("b"), WriteMode::CreateNew).await.map(drop),
            "storage.objects.create on",
        ),
    ];
    for (result, permission) in errors {
        let error = refused(ErrorKind::PermissionDenied, result);
        assert_eq!((error.is_temporary(), error.effect()), (false, Effect::NotApplied));
        let line = line(&error);
        let expected = format!("permission denied; grant the account {permission} the bucket {BUCKET}");
        assert!(line.contains(&expected), "{line}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_missing_is_named() {
    let gcs = emulator().await;
    let mut request = anonymous(gcs.endpoint());
    request.location = "gs://rockhold-tset/backup".into();
    let repository = must(open(request).await);
    let writer = must(repository.create(CreateRequest::new(key("a"), 4)).await);
    let errors = [
        repository.put(PutRequest::new(key("a"), "x")).await.map(drop),
        repository.get(GetRequest::new(key("a"))).await.map(drop),
        repository.head(&key("a")).await.map(drop),
        repository.list(ListRequest::default()).await.map(drop),
        must(repository.delete(vec![key("a")]).await).remove(0),
        writer.write_part(0, "part".into()).await,
        writer.commit().await.map(drop).map_err(|error| {
            // Nothing was written, which comes first.
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            Error::not_found("there is no bucket rockhold-tset;")
        }),
        repository.copy(&key("a"), &key("b"), WriteMode::CreateNew).await.map(drop),
    ];
    for result in errors {
        let error = refused(ErrorKind::NotFound, result);
        assert!(!error.is_temporary());
        assert!(line(&error).contains("there is no bucket rockhold-tset;"), "{error}");
    }
}

/// Answers every connection with the same bytes.
async fn answering(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(bytes).await;
            });
        }
    });
    address.to_string()
}

#[tokio::test]
async fn an_address_where_something_else_answers_is_named() {
    let page: &[u8] =
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\nconnection: close\r\n\r\n<html></html>";
    let elsewhere: &[u8] =
        b"HTTP/1.1 302 Found\r\nlocation: /login\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let yes: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
    for (bytes, kind, words) in [
        (page, ErrorKind::NotFound, "does not answer as Cloud Storage does; check gcp.gcs.endpoint"),
        (elsewhere, ErrorKind::InvalidInput, "sends the request elsewhere (302); check gcp.gcs.endpoint"),
        (yes, ErrorKind::Unavailable, "cannot be read"),
    ] {
        let address = answering(bytes).await;
        let repository = must(open(anonymous(&format!("http://{address}"))).await);
        for error in [
            refused(kind, repository.list(ListRequest::default()).await),
            refused(kind, repository.head(&key("a")).await),
            refused(kind, repository.get(GetRequest::new(key("a"))).await),
        ] {
            let line = line(&error);
            assert!(line.contains(words) && line.contains(&address), "{line}");
        }
        let put = repository.put(PutRequest::new(key("a"), "x")).await;
        assert!(put.is_err_and(|error| error.kind() != ErrorKind::Internal));
    }
}

#[tokio::test]
async fn a_server_without_tls_is_answered_with_what_to_write() {
    let gcs = emulator().await;
    let bare = gcs.endpoint().trim_start_matches("http://").to_owned();
    let repository = must(open(anonymous(&bare)).await); // no scheme: https
    for error in [
        refused(ErrorKind::InvalidInput, repository.list(ListRequest::default()).await),
        refused(ErrorKind::InvalidInput, repository.put(PutRequest::new(key("a"), "x")).await),
    ] {
        assert!(!error.is_temporary());
        let line = line(&error);
        let words = format!("https://{bare} does not speak TLS; write gcp.gcs.endpoint with http://");
        assert!(line.ends_with(&words), "{line}");
    }
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_named() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let endpoint = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    let repository = must(open(anonymous(&endpoint)).await);
    let put = refused(ErrorKind::Unavailable, repository.put(PutRequest::new(key("a"), "x")).await);
    let list = refused(ErrorKind::Unavailable, repository.list(ListRequest::default()).await);
    for error in [put, list] {
        assert_eq!((error.is_temporary(), error.effect()), (true, Effect::NotApplied), "{error:?}");
        let line = line(&error);
        assert!(line.contains(&format!("cannot reach {endpoint} (Connection refused")), "{line}");
    }
}

#[tokio::test]
async fn names_and_addresses_that_cannot_be_are_refused_at_once() {
    let gcs = emulator().await;
    let refuse = async |change: &dyn Fn(&mut OpenRepository)| {
        let mut request = anonymous(gcs.endpoint());
        change(&mut request);
        line(&refused(ErrorKind::InvalidInput, open(request).await))
    };
    let set = |name: &'static str, value: &'static str| {
        move |request: &mut OpenRepository| {
            request.properties.insert(name.into(), value.into());
        }
    };
    let said = refuse(&|request| request.location = "gs:/bucket".into()).await;
    assert_eq!(said, "gs:/bucket: a location in Google Cloud Storage is written `gs://bucket/path`");
    let said = refuse(&|request| request.directory = Some("a/b".into())).await;
    assert_eq!(said, "a/b: not the name of one directory");
    let said = refuse(&set("gcp.gcs.endpoint", "ftp://x")).await;
    assert!(said.contains("gcp.gcs.endpoint: not an address"), "{said}");
    let said = refuse(&set("gcp.gcs.endpoit", "x")).await;
    assert_eq!(said, "gcp.gcs.endpoit: there is no such property; did you mean gcp.gcs.endpoint?");
    let said = refuse(&set("gcp.gcs.use_compute_engine_service_account", "true")).await;
    assert!(said.starts_with("gcp.gcs.anonymous: gcp.gcs.use_compute_engine_service_account is given too"));
    assert!(gcs.passed().is_empty());
}

#[tokio::test]
async fn the_factory_opens_a_directory_below_and_warns_of_properties() {
    let gcs = emulator().await;
    let mut request = anonymous(gcs.endpoint()).directory("__rockhold_repository_r").create(true);
    request.properties.insert("aws.s3.region".into(), "eu".into());
    request.secrets.insert("aws.s3.secret_key".into(), Secret::new("hunter2"));
    let opened = must(GcsFactory.open(request).await);
    assert_eq!(opened.warnings.len(), 2);
    assert!(!format!("{opened:?}").contains("hunter2"));
    assert_eq!(opened.repository.info().location, format!("gs://{BUCKET}/backup/__rockhold_repository_r"));
    must(opened.repository.put(PutRequest::new(key("readme"), "x")).await);
    assert_eq!(gcs.names(BUCKET), ["backup/__rockhold_repository_r/readme"]);
}

#[tokio::test]
async fn foreign_objects_are_neither_listed_nor_in_the_way() {
    let gcs = emulator().await;
    let mut above = config(gcs.endpoint());
    above.location = format!("gs://{BUCKET}");
    let above = must(GcsRepository::open(above).await);
    for name in ["root-x/1", "rootfile", "root/object", "other"] {
        must(above.put(PutRequest::new(key(name), "x")).await);
    }
    let repository = must(GcsRepository::open(config(gcs.endpoint())).await);
    assert_eq!(crate::support::listed(&repository).await, ["object"]);
    assert_eq!(crate::support::listed(&above).await, ["other", "root-x/1", "root/object", "rootfile"]);
}
