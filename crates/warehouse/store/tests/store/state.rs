//! The numbered sentences of the state store's contract.

use crate::support::*;
use rockhold_core::format::FileEntry;
use rockhold_core::{
    Digest, ErrorKind, JobId, JobKind, JobRecord, Key, KindId, LiveObject, ObjectName, RepositoryId,
    RepositoryRecord, Secret, StateStore, Warehouse,
};
use rockhold_warehouse_store::{OpenOptions, Store};
use serde_json::{Value, json};
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
#[cfg(unix)]
async fn sealed_values_open_wherever_the_key_is_brought() {
    use std::os::unix::fs::PermissionsExt;
    let (here_dir, there_dir) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
    let (here, there) = (new_store(here_dir.path()).await, new_store(there_dir.path()).await);
    let error = here.export_keys().await.expect_err("there is no key yet");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let sealed = here.seal("password", &Secret::new("hunter2")).await.expect("seal");
    assert_eq!(here.open_sealed("password", &sealed).await.expect("open").expose(), "hunter2");
    let moved = here.open_sealed("user", &sealed).await.expect_err("another property");
    assert_eq!(moved.kind(), ErrorKind::Corrupt);
    let again = here.seal("password", &Secret::new("hunter2")).await.expect("seal");
    assert!(again.key_id == sealed.key_id && again.sealed != sealed.sealed, "never the same nonce");

    there.add_repository(repository("repo")).await.expect("its own key is made");
    let own = there.seal("password", &Secret::new("own")).await.expect("seal");
    let error = there.open_sealed("password", &sealed).await.expect_err("not its key");
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    assert!(error.message().contains(&sealed.key_id) && error.message().contains("rockhold key import"));

    let keys = here.export_keys().await.expect("export");
    for garbage in ["", "no key\n", "rockhold-key-1 0123456789abcdef 00\n", &format!("{}x", keys.expose())] {
        let error = there.import_keys(&Secret::new(garbage)).await.expect_err("garbage");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let key = there_dir.path().join("secret.key");
    let before = std::fs::read(&key).expect("read");
    let other = keys.expose().trim_end().to_owned();
    let other = other.get(..other.len() - 1).unwrap_or_default().to_owned() + "z";
    assert!(there.import_keys(&Secret::new(other)).await.is_err());
    assert_eq!(std::fs::read(&key).expect("read"), before, "a refused import changes nothing");

    let done = there.import_keys(&keys).await.expect("import");
    assert_eq!((done.added, done.known), (1, 0));
    assert_eq!(there.open_sealed("password", &sealed).await.expect("open").expose(), "hunter2");
    assert_eq!(there.open_sealed("password", &own).await.expect("open").expose(), "own");
    let later = there.seal("password", &Secret::new("x")).await.expect("seal");
    assert_eq!(later.key_id, own.key_id, "the own key still seals");
    assert_eq!(std::fs::metadata(&key).expect("meta").permissions().mode() & 0o777, 0o600);
    drop(there);
    let there = Store::open(there_dir.path(), reopen()).await.expect("open");
    assert!(there.repository("repo").await.expect("read").is_some());
    assert_eq!(there.open_sealed("password", &sealed).await.expect("open").expose(), "hunter2");
    let both = there.export_keys().await.expect("export");
    assert_eq!(both.expose().lines().count(), 2);
    let back = here.import_keys(&both).await.expect("import");
    assert_eq!((back.added, back.known), (1, 1));
}

#[tokio::test]
async fn secrets_without_their_key_are_restored_sealed_and_named() {
    let (here_dir, there_dir) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
    let (here, there) = (new_store(here_dir.path()).await, new_store(there_dir.path()).await);
    let catalog = |secrets: Value| LiveObject {
        kind: KindId::EXTERNAL_CATALOG,
        name: ObjectName::new("", "lake"),
        definition: json!({ "name": "lake", "properties": {}, "secrets": secrets }),
        state: Value::Null,
    };
    let foreign = here.seal("password", &Secret::new("theirs")).await.expect("seal");
    let incoming = catalog(json!({ "password": foreign }));
    let admitted = there.admit(incoming.clone(), None).await.expect("without any key here");
    assert_eq!(admitted.object, incoming);
    assert_eq!(admitted.notes.len(), 1);
    assert!(
        admitted.notes[0].contains("lake: the secret password")
            && admitted.notes[0].contains(&foreign.key_id)
    );

    let own = there.seal("password", &Secret::new("ours")).await.expect("seal");
    let existing = catalog(json!({ "password": own, "user": own }));
    let admitted = there.admit(incoming.clone(), Some(&existing)).await.expect("over an existing one");
    assert_eq!(admitted.object, catalog(json!({ "password": own })), "the secret that opens stays");
    assert!(admitted.notes[0].contains("the one that is here stays"), "{:?}", admitted.notes);

    there.import_keys(&here.export_keys().await.expect("export")).await.expect("import");
    let admitted = there.admit(incoming.clone(), Some(&existing)).await.expect("with the key");
    assert_eq!((admitted.object, admitted.notes), (incoming, Vec::new()));
    let damaged = catalog(json!({ "password": 7 }));
    assert_eq!(there.admit(damaged, None).await.expect_err("damaged").kind(), ErrorKind::Corrupt);
    let table = LiveObject { definition: json!({ "name": "t" }), ..catalog(Value::Null) };
    assert!(there.admit(table, None).await.expect("a kind without secrets").notes.is_empty());
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
    // Digests that begin alike are told apart; of equal ones the newest is given.
    let mut alike = *Digest::of(&[0]).as_bytes();
    alike[31] ^= 1;
    let alike = Digest::from_bytes(alike);
    assert_eq!(store.known_files(here, &[first], &[alike]).await.expect("known"), [None]);
    let (mut other, mut newer) = (entry(6, second), entry(0, second));
    other.digest = alike;
    newer.rows = 77;
    store.remember_files(here, second, &[newer.clone(), other.clone()]).await.expect("remember");
    let known = store.known_files(here, &[second], &[alike, newer.digest]).await.expect("known");
    assert_eq!(known, [Some(other), Some(newer)]);
    store.forget_job_files(here, first).await.expect("forget");
    let known = store.known_files(here, &[first, second], &asked).await.expect("known");
    assert_eq!(known[0].as_ref().expect("the other job's").key, entry(0, second).key);
    assert_eq!(known[2], None);
}

/// A catalog as format 1 had it.
fn make_format_1(dir: &std::path::Path) -> rusqlite::Connection {
    let catalog = rusqlite::Connection::open(dir.join("catalog.sqlite")).expect("open");
    let tables = "DROP TABLE known_files; DROP TABLE upload_jobs; \
                  CREATE TABLE known_files (repository BLOB NOT NULL, digest BLOB NOT NULL, job BLOB NOT NULL, \
                  entry TEXT NOT NULL, PRIMARY KEY (repository, digest, job)) STRICT, WITHOUT ROWID; \
                  CREATE INDEX known_files_job ON known_files (repository, job, digest); \
                  INSERT INTO known_files VALUES (x'01', x'02', x'03', '{}'); PRAGMA user_version = 1;";
    catalog.execute_batch(tables).expect("format 1");
    catalog
}

fn format(catalog: &rusqlite::Connection) -> i32 {
    catalog.pragma_query_value(None, "user_version", |row| row.get(0)).expect("format")
}

#[tokio::test]
async fn a_catalog_of_format_1_is_read_as_it_is_and_upgraded_by_the_first_who_writes() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1, 2]).await.expect("load");
    drop(store);
    let catalog = make_format_1(dir.path());
    let store = Store::open(dir.path(), reopen()).await.expect("open");
    assert_eq!(rows_by_partition(&store, "t").await["p1"], [1, 2]);
    assert_eq!(format(&catalog), 1, "reading changes nothing");
    let (repository, job) = (RepositoryId::random().expect("id"), JobId::random().expect("id"));
    let known = store.known_files(repository, &[job], &[Digest::of(b"x")]).await.expect("known");
    assert_eq!(known, [None], "EXPLAIN BACKUP asks without writing");
    store.take_ownership().await.expect("writer");
    assert_eq!(format(&catalog), 2);
    let known = store.known_files(repository, &[job], &[Digest::of(b"x")]).await.expect("known");
    assert_eq!(known, [None], "the cache begins anew");
    store.forget_job_files(repository, job).await.expect("forget");
    load(&store, "t", "p1", &[3]).await.expect("load");
    drop(store);
    let store = Store::open(dir.path(), reopen()).await.expect("open");
    assert_eq!(rows_by_partition(&store, "t").await["p1"], [1, 2, 3]);
}

#[tokio::test]
async fn a_store_that_a_newer_version_has_upgraded_meanwhile_is_not_written_to() {
    let dir = tempfile::tempdir().expect("dir");
    drop(new_store(dir.path()).await);
    let store = Store::open(dir.path(), reopen()).await.expect("open");
    let catalog = rusqlite::Connection::open(dir.path().join("catalog.sqlite")).expect("open");
    catalog.pragma_update(None, "user_version", 3).expect("format 3");
    let refused = store.take_ownership().await.expect_err("too new");
    assert!(refused.message().contains("has format 3"), "{refused}");
    let refused = store.next_number().await.expect_err("too new");
    assert!(refused.message().contains("has format 3"), "{refused}");
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
