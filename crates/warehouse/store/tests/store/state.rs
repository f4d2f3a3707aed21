//! The numbered sentences of the state store's contract.

use crate::support::*;
use rockhold_core::format::FileEntry;
use rockhold_core::{
    Digest, ErrorKind, JobId, JobKind, JobRecord, Key, RepositoryId, RepositoryRecord, Secret, StateStore,
};
use rockhold_warehouse_store::{OpenOptions, Store};
use serde_json::json;
use std::path::Path;

pub(crate) fn job(database: &str, label: &str, repository: &str) -> JobRecord {
    JobRecord {
        id: JobId::random().expect("id"),
        number: -1,
        kind: JobKind::Backup,
        database: database.into(),
        label: label.into(),
        repository: repository.into(),
        state: "PENDING".into(),
        finished: false,
        created: at(5),
        detail: json!({ "progress": [1, 2] }),
    }
}

fn repository(name: &str) -> RepositoryRecord {
    let id = RepositoryId::random().expect("id");
    let mut record = RepositoryRecord::new(name, "s3://bucket/x", id, at(7));
    record.properties.insert("aws.s3.region".into(), "eu".into());
    record.secrets.insert("aws.s3.secret_key".into(), Secret::new("hunter2-is-the-secret"));
    record
}

#[tokio::test]
async fn s1_one_unfinished_job_per_database_and_the_last_one_stays() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let mut first = job("db", "first", "r");
    store.submit(&first).await.expect("submit");
    let error = store.submit(&job("db", "second", "r")).await.expect_err("busy");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.message().ends_with("current running: label = first"), "{error}");
    store.submit(&job("other", "third", "r")).await.expect("another database");
    (first.state, first.finished) = ("FINISHED".into(), true);
    store.update(&first).await.expect("update");
    assert_eq!(store.jobs(Some("db")).await.expect("jobs"), [first.clone()]);
    let second = job("db", "second", "r");
    store.submit(&second).await.expect("free again");
    assert_eq!(store.jobs(Some("db")).await.expect("jobs"), [second]);
    assert_eq!(store.jobs(None).await.expect("jobs").len(), 2);
    assert_eq!(store.update(&first).await.expect_err("replaced").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn s2_a_finished_job_is_never_revived() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let mut record = job("db", "l", "r");
    store.submit(&record).await.expect("submit");
    (record.state, record.finished) = ("CANCELLED".into(), true);
    store.update(&record).await.expect("end");
    record.detail = json!({ "more": 1 });
    store.update(&record).await.expect("detail may still change");
    let mut revived = record.clone();
    (revived.state, revived.finished) = ("UPLOADING".into(), false);
    assert_eq!(store.update(&revived).await.expect_err("ended").kind(), ErrorKind::Conflict);
    (revived.state, revived.finished) = ("FINISHED".into(), true);
    assert_eq!(store.update(&revived).await.expect_err("ended").kind(), ErrorKind::Conflict);
    assert_eq!(store.jobs(None).await.expect("jobs"), [record]);
}

#[tokio::test]
async fn cancel_flags_belong_to_one_job() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let record = job("db", "l", "r");
    store.submit(&record).await.expect("submit");
    assert!(!store.cancel_requested(record.id).await.expect("flag"));
    store.request_cancel(record.id).await.expect("cancel");
    assert!(store.cancel_requested(record.id).await.expect("flag"));
    store.update(&record).await.expect("an update keeps the flag");
    assert!(store.cancel_requested(record.id).await.expect("flag"));
    let unknown = JobId::random().expect("id");
    assert_eq!(store.request_cancel(unknown).await.expect_err("unknown").kind(), ErrorKind::NotFound);
}

fn bytes_below(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("list").flatten() {
        if entry.path().is_file() && entry.file_name() != "secret.key" {
            all.extend(std::fs::read(entry.path()).expect("read"));
        }
    }
    all
}

#[tokio::test]
async fn s3_secrets_are_sealed_and_come_back() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let record = repository("repo");
    let number = store.add_repository(record.clone()).await.expect("add");
    assert!(number > 0);
    let again = store.add_repository(repository("repo")).await.expect_err("twice");
    assert_eq!((again.kind(), again.message()), (ErrorKind::AlreadyExists, "Repository repo already exists"));
    let later = store.add_repository(repository("later")).await.expect("add");
    assert!(later > number);
    let names: Vec<String> = store.repositories().await.expect("list").into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["later", "repo"], "newest first");

    let needle = b"hunter2-is-the-secret";
    let found = |bytes: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    assert!(!found(&bytes_below(dir.path())), "while the log is written");
    drop(store);
    assert!(!found(&bytes_below(dir.path())), "after closing");

    let store = Store::open(dir.path(), reopen()).await.expect("open");
    let back = store.repository("repo").await.expect("read").expect("there");
    assert_eq!(back.secrets["aws.s3.secret_key"].expose(), "hunter2-is-the-secret");
    assert_eq!((back.id, back.properties, back.number), (record.id, record.properties, number));
    assert!(store.repository("none").await.expect("read").is_none());
}

#[tokio::test]
#[cfg(unix)]
async fn a_missing_wrong_or_open_key_file_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    store.add_repository(repository("repo")).await.expect("add");
    let key = dir.path().join("secret.key");
    let mode = |path: &Path| std::fs::metadata(path).expect("meta").permissions().mode() & 0o777;
    assert_eq!(mode(&key), 0o600);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    let error = store.repository("repo").await.expect_err("open to all");
    assert!(error.message().ends_with("run chmod 600 on it"), "{error}");
    std::fs::remove_file(&key).expect("remove");
    let error = store.repository("repo").await.expect_err("missing");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.message().contains("put the file back"), "{error}");
    store.add_repository(repository("new")).await.expect("a new key is made");
    let error = store.repository("repo").await.expect_err("another key");
    assert!(error.message().contains("put the old file back"), "{error}");
    store.remove_repository("repo").await.expect("can be dropped");
    assert!(store.repository("new").await.expect("read").is_some());
}

#[tokio::test]
async fn the_key_file_may_lie_elsewhere() {
    let (dir, elsewhere) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
    let mut options: OpenOptions = quiet();
    options.key_file = Some(elsewhere.path().join("my.key"));
    let store = Store::open(dir.path(), options).await.expect("open");
    store.add_repository(repository("repo")).await.expect("add");
    assert!(elsewhere.path().join("my.key").is_file());
    assert!(!dir.path().join("secret.key").exists());
}

#[tokio::test]
async fn a_repository_in_use_is_not_forgotten() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    store.add_repository(repository("repo")).await.expect("add");
    let mut running = job("db", "l", "repo");
    store.submit(&running).await.expect("submit");
    assert_eq!(store.remove_repository("repo").await.expect_err("in use").kind(), ErrorKind::Conflict);
    (running.state, running.finished) = ("FINISHED".into(), true);
    store.update(&running).await.expect("end");
    store.remove_repository("repo").await.expect("remove");
    assert_eq!(store.remove_repository("repo").await.expect_err("gone").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn known_files_are_found_by_digest_and_by_job() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let (here, there) = (RepositoryId::random().expect("id"), RepositoryId::random().expect("id"));
    let (first, second) = (JobId::random().expect("id"), JobId::random().expect("id"));
    let entry = |n: u8, job: JobId| FileEntry {
        key: Key::new(format!("data/{job}/{n}.parquet")).expect("key"),
        offset: 0,
        len: 10,
        digest: Digest::of(&[n]),
        chunks: vec![],
        logical_len: None,
        logical_digest: None,
        codec: None,
        key_id: None,
        rows: 1,
        bucket: 0,
        loads: Some((1, 2)),
        rollup: None,
    };
    let files: Vec<FileEntry> = (0..5).map(|n| entry(n, first)).collect();
    store.remember_files(here, first, &files).await.expect("remember");
    store.remember_files(here, second, &[entry(0, second)]).await.expect("remember");
    let asked: Vec<Digest> = [0, 9, 3].iter().map(|n: &u8| Digest::of(&[*n])).collect();
    let known = store.known_files(here, &[second, first], &asked).await.expect("known");
    assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(known[0].as_ref().expect("known").key, entry(0, second).key, "the first job named wins");
    let known = store.known_files(here, &[second], &asked).await.expect("known");
    assert_eq!(known.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false]);
    let known = store.known_files(there, &[first, second], &asked).await.expect("known");
    assert!(known.iter().all(Option::is_none));
    store.forget_job_files(here, first).await.expect("forget");
    let known = store.known_files(here, &[first, second], &asked).await.expect("known");
    assert_eq!(known[0].as_ref().expect("the other job's").key, entry(0, second).key);
    assert_eq!(known[2], None);
}

#[tokio::test]
async fn numbers_never_repeat_over_restarts() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let first = store.next_number().await.expect("number");
    drop(store);
    let store = Store::open(dir.path(), reopen()).await.expect("open");
    assert!(store.next_number().await.expect("number") > first);
}

#[tokio::test]
async fn claims_are_noted_until_they_are_forgotten() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let claim = JobId::random().expect("id");
    store.note_claim(claim).await.expect("note");
    store.note_claim(claim).await.expect("twice");
    drop(store);
    let store = Store::open(dir.path(), reopen()).await.expect("open");
    assert_eq!(store.noted_claims().await.expect("claims"), [claim]);
    store.forget_claim(claim).await.expect("forget");
    store.forget_claim(claim).await.expect("twice");
    assert!(store.noted_claims().await.expect("claims").is_empty());
}
