//! Stopped at every step: each effect fails before it happens, fails after it
//! happened, and the process is killed there. Whatever happens, the next
//! writer finds the state before or the state after, whole, and no file, pin
//! or staged row too many.

use crate::processes::spawn;
use crate::support::*;
use parquet::arrow::ArrowWriter;
use rockhold_core::format::{Children, FileEntry, PartitionEntry, Totals};
use rockhold_core::{
    Digest, Effect, JobId, JobOutcome, Key, Namespace, RepositoryId, RepositoryRecord, RestoreAction, Result,
    Secret, StateStore, VersionId, Warehouse,
};
use rockhold_warehouse_store::{Change, Fault, FaultHook, Store};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, atomic::Ordering};

/// Fixed, so that the caller can ask for its outcome after an error.
const JOB: JobId = JobId::from_bytes([7; 16]);

/// A partition from somewhere else.
fn foreign(name: &str, rows: &[i64]) -> Saved {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema(), None).expect("writer");
    writer.write(&batch(rows)).expect("write");
    writer.close().expect("close");
    let entry = FileEntry {
        key: Key::new("data/x/0.parquet").expect("key"),
        offset: 0,
        len: bytes.len() as u64,
        digest: Digest::of(&bytes),
        chunks: vec![],
        logical_len: None,
        logical_digest: None,
        codec: None,
        key_id: None,
        rows: rows.len() as u64,
        bucket: 0,
        loads: Some((1, 5)),
        rollup: None,
    };
    let partition = PartitionEntry {
        name: name.into(),
        definition: serde_json::to_value(partition(name)).expect("json"),
        version_id: VersionId::random().expect("id"),
        version: 4,
        visible_time: at(1),
        totals: Totals::default(),
        files: Children::default(),
    };
    Saved { entry: partition, files: vec![(entry, bytes)] }
}

async fn prepare(dir: &Path) {
    let store = new_store(dir).await;
    create_table(&store, "t", &["p1", "p2"]).await;
    load(&store, "t", "p1", &[1, 2]).await.expect("load");
    load(&store, "t", "p2", &[3]).await.expect("load");
    load(&store, "t", "p2", &[4]).await.expect("load");
    create_table(&store, "keep", &["k"]).await;
    load(&store, "keep", "k", &[9]).await.expect("load");
}

/// What an interrupted process leaves: an open restore, a load whose files are in place.
async fn prepare_wreck(dir: &Path) {
    let scratch = tempfile::tempdir().expect("dir");
    let work = scratch.path().join("w");
    prepare(&work).await;
    let dead = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (flag, to, from) = (dead.clone(), dir.to_path_buf(), work.clone());
    let mut options = reopen();
    let hook: FaultHook = Arc::new(move |step| {
        if step.name == "commit load" && !step.after && flag.swap(false, Ordering::SeqCst) {
            copy_dir(&from, &to);
        }
        Fault::Continue
    });
    options.fault = Some(hook);
    let store = Store::open(&work, options).await.expect("open");
    let restore = plan("keep", RestoreAction::Merge, json!({ "auto_increment": 50 }));
    store.begin(JOB, &restore).await.expect("begin");
    stage(&store, JOB, 0, &[foreign("k", &[90]), foreign("k2", &[91])]).await.expect("stage");
    let found = backup(&store, "t").await.expect("backup");
    let held = &found[0].files[0].0;
    store.find_file(JOB, &held.digest, held.len).await.expect("find").expect("here");
    let mut unfinished = store.receive(JOB, "parquet", 1 << 20).await.expect("receive");
    unfinished.write(vec![7; 300_000].into()).await.expect("write");
    dead.store(true, Ordering::SeqCst);
    load(&store, "t", "p1", &[55]).await.expect("load");
    // Unlike a dead process this one still lives, and so would its pins.
    let catalog = rusqlite::Connection::open(dir.join("catalog.sqlite")).expect("open");
    catalog.execute("DELETE FROM owners", []).expect("delete");
}

/// A restore that was committed a moment before its process died.
async fn prepare_committed(dir: &Path) {
    prepare(dir).await;
    let store = Store::open(dir, reopen()).await.expect("open");
    restoring(&store).await.expect("restored");
}

async fn loading(store: &Store) -> Result<()> {
    let load = store.begin_load(&name("t"), Some("label")).await?;
    add_rows(&load, "p1", &[100]).await?;
    add_rows(&load, "p2", &[101, 102]).await?;
    load.create_partition(partition("p9"));
    add_rows(&load, "p9", &[103]).await?;
    load.merge_state(json!({ "auto_increment": 104 }));
    load.commit().await.map(|_| ())
}

async fn overwriting(store: &Store) -> Result<()> {
    let load = store.begin_load(&name("t"), None).await?;
    let (p1, p2) = (load.partition("p1").expect("p1"), load.partition("p2").expect("p2"));
    load.truncate(&p1);
    add_rows(&load, "p1", &[200]).await?;
    load.remove_file(&p2, 0);
    load.commit().await?;
    store.reclaim().await
}

async fn restoring(store: &Store) -> Result<()> {
    let mut plan = plan("t", RestoreAction::Merge, json!({ "auto_increment": 77 }));
    let mut new = plan.targets[0].clone();
    (new.name, new.action, new.definition) = (name("new"), RestoreAction::Create, definition("new"));
    plan.targets.push(new);
    let found = backup(store, "keep").await?;
    store.begin(JOB, &plan).await?;
    stage(store, JOB, 0, &[foreign("P1", &[300]), foreign("p3", &[301, 302])]).await?;
    let mut here = found[0].clone();
    (here.entry.name, here.entry.definition["name"]) = ("n".into(), json!("n"));
    stage(store, JOB, 1, &[here]).await?;
    store.commit(JOB).await
}

async fn giving_up(store: &Store) -> Result<()> {
    store.begin(JOB, &plan("t", RestoreAction::Merge, json!({ "auto_increment": 77 }))).await?;
    stage(store, JOB, 0, &[foreign("p1", &[300])]).await?;
    let found = backup(store, "keep").await?;
    let held = &found[0].files[0].0;
    store.find_file(JOB, &held.digest, held.len).await?;
    store.rollback(JOB).await?;
    store.reclaim().await
}

async fn dropping(store: &Store) -> Result<()> {
    store.change(Change::DropObject { namespace: Namespace::Relation, name: name("t") }).await?;
    store.reclaim().await
}

async fn adding_a_repository(store: &Store) -> Result<()> {
    let mut record = RepositoryRecord::new("repo", "file:///r", RepositoryId::from_bytes([1; 16]), at(1));
    record.secrets.insert("password".into(), Secret::new("p"));
    store.add_repository(record).await.map(|_| ())
}

async fn run(scenario: &str, store: &Store) -> Result<()> {
    match scenario {
        "load" => loading(store).await,
        "overwrite" => overwriting(store).await,
        "restore" => restoring(store).await,
        "rollback" => giving_up(store).await,
        "drop" => dropping(store).await,
        "repository" => adding_a_repository(store).await,
        "recover" | "settle" => store.become_writer().await,
        other => panic!("unknown scenario {other}"),
    }
}

async fn template(scenario: &str, dir: &Path) {
    match scenario {
        "recover" => prepare_wreck(dir).await,
        "settle" => prepare_committed(dir).await,
        _ => prepare(dir).await,
    }
}

/// The other process: killed at one step, without any chance to clean up.
pub(crate) async fn run_killed(scenario: &str, step: u64, dir: &Path) {
    let mut options = reopen();
    let hook: FaultHook = Arc::new(move |now| {
        if now.number == step {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        Fault::Continue
    });
    options.fault = Some(hook);
    let store = Store::open(dir, options).await.expect("open");
    run(scenario, &store).await.expect("runs to its end");
}

/// Everything a user can see.
#[derive(Clone, Debug, PartialEq)]
struct Visible {
    objects: Vec<String>,
    rows: BTreeMap<String, BTreeMap<String, Vec<i64>>>,
    versions: BTreeSet<VersionId>,
    repositories: Vec<String>,
}

impl Visible {
    /// Runs give other version ids, so the state after is known by its rows.
    fn looks_like(&self, other: &Self) -> bool {
        self.objects == other.objects && self.rows == other.rows && self.repositories == other.repositories
    }
}

async fn look(store: &Store) -> Visible {
    let mut visible =
        Visible { objects: vec![], rows: BTreeMap::new(), versions: BTreeSet::new(), repositories: vec![] };
    for object in store.list_objects("db").await.expect("list") {
        let live = &object.object;
        visible.objects.push(format!(
            "{} {} {} {} {}",
            live.kind,
            live.name,
            live.definition,
            live.state,
            object.status()
        ));
        let mut partitions = BTreeMap::new();
        for (partition, (version, rows)) in read_table(store, &live.name.name).await.expect("read") {
            visible.versions.insert(version);
            partitions.insert(partition, rows);
        }
        visible.rows.insert(live.name.name.clone(), partitions);
    }
    for repository in store.repositories().await.expect("list") {
        assert_eq!(repository.secrets["password"].expose(), "p");
        visible.repositories.push(repository.name);
    }
    visible
}

/// Recovers and looks; then nothing may be left over, on disk or in the catalog.
async fn observe(dir: &Path) -> Visible {
    let store = Store::open(dir, reopen()).await.expect("open");
    store.become_writer().await.expect("recover");
    let visible = look(&store).await;
    store.reclaim().await.expect("reclaim");
    let mut needed = BTreeSet::new();
    for object in store.list_objects("db").await.expect("list") {
        let snapshot = store.snapshot(&[object.object.name]).await.expect("pin");
        for partition in &snapshot.objects()[0].partitions {
            needed.extend(snapshot.files(partition).await.expect("files").into_iter().map(|f| f.path));
        }
    }
    drop(store);
    let there: BTreeSet<_> = files_on_disk(dir).into_iter().collect();
    assert_eq!(there, needed, "the files on disk are those of the catalog");
    assert_eq!(staged_on_disk(dir), 0, "nothing is staged");
    let catalog = rusqlite::Connection::open(dir.join("catalog.sqlite")).expect("open");
    for (table, condition) in [
        ("files", "owner IS NOT NULL"),
        ("holds", "1"),
        ("suspects", "1"),
        ("dead_data", "1"),
        ("pins", "1"),
        ("owners", "1"),
        ("restore_targets", "1"),
        ("restores", "phase = 'open' OR settled = 0"),
        ("partitions", "removed IS NOT NULL OR added IS NULL"),
        ("partition_files", "removed IS NOT NULL"),
    ] {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE {condition}");
        let left: i64 = catalog.query_row(&sql, [], |row| row.get(0)).expect("count");
        assert_eq!(left, 0, "rows left in {table}");
    }
    let verdict: String = catalog.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("check");
    assert_eq!(verdict, "ok");
    visible
}

/// Copies the template and runs the scenario, failing at `step`. Gives the
/// result, what the same store shows afterwards, and how many steps there were.
async fn run_failing(scenario: &str, dir: &Path, step: u64) -> (Result<()>, Option<Visible>, u64) {
    let (hook, seen) = fail_at(step);
    let mut options = reopen();
    options.fault = Some(hook);
    let store = Store::open(dir, options).await.expect("open");
    let done = run(scenario, &store).await;
    let mut shown = None;
    if done.is_err() && store.become_writer().await.is_ok() {
        // What an engine does with a restore that failed.
        if store.outcome(JOB).await.expect("outcome") == JobOutcome::Open {
            store.rollback(JOB).await.expect("rollback");
        }
        shown = Some(look(&store).await);
    }
    (done, shown, seen.load(Ordering::SeqCst))
}

async fn enumerate(scenario: &str) {
    let base = tempfile::tempdir().expect("dir");
    let original = base.path().join("template");
    template(scenario, &original).await;
    let fresh = |label: &str, step: u64| {
        let dir = base.path().join(format!("{label}{step}"));
        copy_dir(&original, &dir);
        dir
    };
    let (before, after) = match scenario {
        // Recovery shows the same at its beginning and its end.
        "recover" | "settle" => {
            let state = observe(&fresh("before", 0)).await;
            (state.clone(), state)
        }
        _ => {
            let untouched = observe(&fresh("before", 0)).await;
            let dir = fresh("after", 0);
            run_failing(scenario, &dir, u64::MAX).await.0.expect("runs");
            (untouched, observe(&dir).await)
        }
    };
    let judge = |seen: &Visible, what: &str| {
        let is_before = *seen == before;
        let is_after = seen.looks_like(&after);
        assert!(is_before || is_after, "{scenario}, {what}: neither before nor after\n{seen:#?}");
        (is_before, is_after)
    };
    let (mut points, mut kills) = (0, 0_u64);
    loop {
        let dir = fresh("fail", points);
        let (done, shown, total) = run_failing(scenario, &dir, points).await;
        if total <= points {
            done.expect("no step failed");
            break;
        }
        let seen = observe(&dir).await;
        let (is_before, is_after) = judge(&seen, &format!("step {points} failed"));
        if let Some(shown) = shown {
            judge(&shown, &format!("step {points} failed, same process"));
        }
        match done {
            Ok(()) => assert!(is_after, "{scenario}: reported success at step {points}"),
            Err(error) if error.effect() == Effect::NotApplied && ["load", "restore"].contains(&scenario) => {
                assert!(is_before, "{scenario}: reported no effect at step {points}: {error}");
            }
            Err(_) => {}
        }
        let dir = fresh("kill", points);
        let mut child = spawn(&format!("kill|{scenario}|{points}"), &dir);
        let ended = child.wait().expect("wait");
        let (_, is_after) = judge(&observe(&dir).await, &format!("killed at step {points}"));
        // File names are random, and so is the number of directories to sync:
        // a run may be a few steps shorter than the one before.
        kills += u64::from(!ended.success());
        assert!(!ended.success() || is_after, "{scenario}: step {points} was not reached");
        for label in ["fail", "kill"] {
            std::fs::remove_dir_all(base.path().join(format!("{label}{points}"))).expect("remove");
        }
        points += 1;
    }
    println!("{scenario}: {points} points failed, {kills} killed");
    assert!(points >= 4, "{scenario}: {points}");
}

#[tokio::test]
async fn a_load_stopped_at_every_step_is_whole_or_absent() {
    enumerate("load").await;
}

#[tokio::test]
async fn an_overwrite_stopped_at_every_step_is_whole_or_absent() {
    enumerate("overwrite").await;
}

#[tokio::test]
async fn a_restore_stopped_at_every_step_is_whole_or_absent() {
    enumerate("restore").await;
}

#[tokio::test]
async fn a_rollback_stopped_at_every_step_gives_the_state_before() {
    enumerate("rollback").await;
}

#[tokio::test]
async fn a_drop_stopped_at_every_step_leaves_no_files() {
    enumerate("drop").await;
}

#[tokio::test]
async fn adding_a_repository_stopped_at_every_step_keeps_its_secret_or_nothing() {
    enumerate("repository").await;
}

#[tokio::test]
async fn recovery_stopped_at_every_step_is_completed_by_the_next() {
    enumerate("recover").await;
}

#[tokio::test]
async fn settling_a_committed_restore_stopped_at_every_step_is_completed_by_the_next() {
    enumerate("settle").await;
}
