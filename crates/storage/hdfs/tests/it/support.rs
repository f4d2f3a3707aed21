//! Clusters, repositories on them, and tests that need an environment of their own.

use bytes::Bytes;
use hdfs_native::{Client, ClientBuilder};
use rockhold_core::{
    Effect, Error, ErrorKind, Key, ObjectMeta, PutRequest, Repository, Result, SharedRepository, WriteMode,
};
use rockhold_layers::{Layers, RetryPolicy, Timeouts};
use rockhold_storage_hdfs::{HdfsConfig, HdfsRepository};
use rockhold_testkit::{
    must,
    servers::{self, Running, Service, service},
};
use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{Mutex, MutexGuard};

/// The shared cluster.
pub(crate) fn simple(test: &str) -> Option<Service> {
    service("hdfs", test)
}

/// A cluster to hurt, one at a time: each is several Java machines, whose start
/// would make the others miss their time limits.
pub(crate) async fn own(name: &str, test: &str) -> Option<(Running, MutexGuard<'static, ()>)> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let alone = ONE_AT_A_TIME.lock().await;
    let cluster = tokio::task::block_in_place(|| servers::own(name, test))?;
    Some((cluster, alone))
}

/// A directory that no other test uses.
pub(crate) fn fresh_path() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("/everybody/{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed))
}

/// A location on a cluster that no other test uses.
pub(crate) fn fresh(url: &str) -> HdfsConfig {
    at(format!("{url}{}", fresh_path()))
}

/// A location, without the site files of whoever runs the tests.
pub(crate) fn at(location: impl Into<String>) -> HdfsConfig {
    HdfsConfig::new(location).conf_dir(std::env::temp_dir())
}

pub(crate) async fn open(config: HdfsConfig) -> SharedRepository {
    Arc::new(must(HdfsRepository::open(config).await))
}

pub(crate) async fn refused(config: HdfsConfig) -> Error {
    match HdfsRepository::open(config).await {
        Ok(repository) => panic!("{repository:?} was opened"),
        Err(error) => error,
    }
}

/// Repeats what fails temporarily, until another NameNode took over or a busy
/// one has caught up.
pub(crate) fn patient(repository: SharedRepository) -> SharedRepository {
    let retry =
        RetryPolicy::default().attempts(100).waits(Duration::from_millis(100), Duration::from_secs(1));
    Layers::new().retry(retry).timeout(Timeouts::default()).around(repository)
}

/// Short limits, so that what hangs is noticed soon.
pub(crate) fn impatient(config: HdfsConfig) -> HdfsConfig {
    config.limits(Duration::from_secs(4), Duration::from_secs(20), Duration::from_secs(10))
}

/// A plain client, beside the adapter.
pub(crate) fn client(url: &str) -> Client {
    ClientBuilder::new().with_url(url).with_config_dir("/nonexistent").build().unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    must(Key::new(text))
}

pub(crate) async fn put(
    repository: &dyn Repository,
    path: &str,
    bytes: impl Into<Bytes>,
) -> Result<ObjectMeta> {
    repository.put(PutRequest::new(key(path), bytes)).await
}

/// A NameNode that dies takes the answer to a rename with it, and until the
/// other one is active nobody can be asked what became of it. The repeated put
/// then finds its own object and says so; what is there decides.
pub(crate) async fn write_once(
    repository: &SharedRepository,
    path: &str,
    bytes: impl Into<Bytes>,
) -> Result<()> {
    let bytes = bytes.into();
    match put(&**repository, path, bytes.clone()).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && error.effect() == Effect::MaybeApplied => {
            assert_eq!(read(&**repository, path).await, bytes, "{path}: not what was put");
            Ok(())
        }
        put => put.map(drop),
    }
}

pub(crate) async fn overwrite(
    repository: &dyn Repository,
    path: &str,
    bytes: &'static str,
) -> Result<ObjectMeta> {
    repository.put(PutRequest::new(key(path), bytes).mode(WriteMode::Overwrite)).await
}

pub(crate) async fn read(repository: &dyn Repository, path: &str) -> Bytes {
    must(rockhold_core::read_object(repository, &key(path), 1 << 30).await)
}

pub(crate) async fn listed(repository: &dyn Repository) -> Vec<String> {
    let page = must(rockhold_core::list_all(repository, rockhold_core::ListRequest::default()).await);
    page.objects.iter().map(|object| object.key.to_string()).collect()
}

/// An error as a user reads it: one line.
pub(crate) fn line(error: &Error) -> String {
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains(".java:") && line.len() < 700, "{line}");
    line
}

/// Kerberos reads its settings from the environment, which belongs to the
/// whole process: the test named `test` runs itself again with `variables`.
/// `true` in that child, which goes on; `false` in the parent, after the child
/// succeeded.
pub(crate) fn in_child(test: &str, variables: &[(&str, &str)]) -> bool {
    const CHILD: &str = "ROCKHOLD_HDFS_TEST_CHILD";
    if std::env::var(CHILD).is_ok_and(|child| child == test) {
        return true;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(CHILD, test)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{test} failed in a process of its own:\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}
