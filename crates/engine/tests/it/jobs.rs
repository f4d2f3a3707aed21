//! One job of a database at a time; cancelling; worker pools.

use crate::support::{MemoryFactory, World, one_at_a_time, open, open_layered};
use rockhold_core::{ErrorKind, ObjectName};
use rockhold_engine::EngineConfig;
use rockhold_layers::{Failure, Fault, FaultPlan, Layers, Moment, Operation, Passed, Scope};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tokio::sync::Notify;

const BACKUP: &str = "BACKUP DATABASE d SNAPSHOT s TO r";

/// A world whose data uploads and downloads take a while.
async fn slow(dir: &tempfile::TempDir) -> (World, MemoryFactory, FaultPlan) {
    let (memory, plan) = (MemoryFactory::default(), FaultPlan::new());
    let w = open(dir.path(), &memory, &plan).await.unwrap();
    w.set_up(4).await;
    let data = rockhold_core::Key::new("data").unwrap();
    for operation in [Operation::Put, Operation::Get] {
        plan.on(Scope::operation(operation).below(data.clone()), Fault::Stall(Duration::from_millis(300)));
    }
    (w, memory, plan)
}

async fn until(w: &World, state: &str) {
    for _ in 0..12_000 {
        if w.engine.running_jobs().iter().any(|job| job.record().state == state) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("no job is {state}");
}

/// Another process that has the directory open, and what it sees of the last BACKUP.
async fn beside(dir: &tempfile::TempDir, memory: &MemoryFactory) -> World {
    let storage = Arc::new(memory.clone());
    open_layered(dir.path(), storage, &FaultPlan::new(), Layers::new(), attentive()).await.unwrap()
}

/// Jobs look for a cancel, and tell how far they are, all the time.
fn attentive() -> EngineConfig {
    EngineConfig { cancel_poll_ms: 10, note_ms: 0, ..one_at_a_time() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_job_of_a_database_is_refused_while_one_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (w, _, _) = slow(&dir).await;
    let job = w.submit(BACKUP).await.unwrap();
    let error = w.submit("BACKUP DATABASE d SNAPSHOT s2 TO r").await.unwrap_err();
    assert_eq!(error.errno, 5064);
    assert_eq!(error.to_string(), "Can only run one backup or restore job of a database at same time");
    let error = w.sql("DROP REPOSITORY r").await.unwrap_err();
    assert_eq!(error.to_string(), "Backup or restore job is running on this repository. Can not drop it");
    assert_eq!(job.wait().await.state, "FINISHED");
    w.sql("DROP REPOSITORY r").await.unwrap();
}

/// One database may be backed up while another is, and both may want one label.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_is_about_to_run_is_not_taken_for_dead_by_who_wants_the_same_label() {
    let (dir, memory, plan) = (tempfile::tempdir().unwrap(), MemoryFactory::default(), FaultPlan::new());
    let w = Arc::new(open(dir.path(), &memory, &plan).await.unwrap());
    w.set_up(1).await;
    w.store.change(rockhold_warehouse_store::Change::CreateDatabase { name: "e".into() }).await.unwrap();
    let table = ObjectName::new("e", "t");
    w.create_table(&table, 1).await;
    w.load(&table, 1).await;
    // The first claim is there, and its job does not run yet, while the second is made.
    let labels = rockhold_core::Key::new("labels").unwrap();
    let (claimed, answered) = (Arc::new(Notify::new()), Arc::new(Barrier::new(2)));
    let claim = {
        let (claimed, answered) = (claimed.clone(), answered.clone());
        move |_: &Passed| {
            claimed.notify_one();
            answered.wait();
        }
    };
    plan.on(Scope::operation(Operation::Put).below(labels).times(1), Fault::run(Moment::After, claim));
    let first = {
        let w = w.clone();
        async move { w.submit(BACKUP).await.unwrap().wait().await }
    };
    let second = async {
        claimed.notified().await;
        let second = w.submit("BACKUP DATABASE e SNAPSHOT s TO r").await;
        answered.wait();
        second.map(|_| ())
    };
    let (first, second) = tokio::join!(tokio::spawn(first), second);
    assert_eq!(first.unwrap().state, "FINISHED");
    let error = second.unwrap_err();
    assert!(error.to_string().contains("another job is writing this snapshot"), "{error}");
    w.timestamp("s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_leaves_no_file_and_frees_its_label() {
    let dir = tempfile::tempdir().unwrap();
    let (w, memory, _) = slow(&dir).await;
    let job = w.submit(BACKUP).await.unwrap();
    until(&w, "UPLOADING").await;
    w.sql("CANCEL BACKUP FROM d").await.unwrap();
    let record = job.wait().await;
    assert_eq!(record.state, "CANCELLED");
    assert_eq!(rockhold_engine::job_status(&record), "[COMMON_ERROR, msg: user cancelled]");
    let left = memory.repository("mem://r/__rockhold_repository_r").objects();
    let left: Vec<_> =
        left.keys().filter(|k| k.as_str().starts_with("data/") || k.as_str().starts_with("meta/")).collect();
    assert!(left.is_empty(), "{left:?}");
    let error = w.sql("CANCEL BACKUP FROM d").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Failed to cancel job: Job with label s can not be cancelled. state: CANCELLED"
    );
    w.done(BACKUP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_restore_leaves_nothing_and_the_target_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (w, _, _) = slow(&dir).await;
    w.done(BACKUP).await;
    let table = ObjectName::new("d", "t");
    let truncate = rockhold_warehouse_store::Change::TruncatePartitions { table: table.clone(), names: None };
    w.store.change(truncate).await.unwrap();
    w.store.reclaim().await.unwrap();
    let before = w.visible(&table).await.unwrap();
    let restore = w.restore_statement("s", "").await;
    let job = w.submit(&restore).await.unwrap();
    until(&w, "DOWNLOADING").await;
    let error = w.store.snapshot(std::slice::from_ref(&table)).await.unwrap_err();
    assert!(error.to_string().contains("RESTORE"), "{error}");
    w.sql("CANCEL RESTORE FROM d").await.unwrap();
    let record = job.wait().await;
    assert_eq!(
        rockhold_engine::job_status(&record),
        "[COMMON_ERROR, msg: user cancelled, current state: DOWNLOADING]"
    );
    assert_eq!(w.visible(&table).await.unwrap(), before);
    w.done(&restore).await;
    assert_eq!(w.visible(&table).await.unwrap().len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn show_has_the_columns_of_starrocks() {
    let dir = tempfile::tempdir().unwrap();
    let (w, _, _) = slow(&dir).await;
    assert!(w.engine.show_backup(Some("d")).await.unwrap().collect().await.unwrap().is_empty());
    assert_eq!(w.engine.show_backup(Some("nodb")).await.unwrap_err().errno, 5501);
    w.done("BACKUP SNAPSHOT d.s TO r ON (t PARTITION (P001, p002))").await;
    let rows = w.engine.show_backup(Some("d")).await.unwrap().collect().await.unwrap();
    let cell = |n: usize| rows[0][n].clone().unwrap_or_else(|| "NULL".into());
    assert!(cell(0).parse::<i64>().unwrap() > 0);
    assert_eq!(cell(4), "[d.tPARTITIONS (p001, p002) AS t]");
    assert_eq!(
        (cell(1), cell(2), cell(3), cell(12), cell(13)),
        ("s".into(), "d".into(), "FINISHED".into(), "[OK]".into(), "86400".into())
    );
    assert!(rows[0][5..9].iter().all(|time| time.as_ref().is_some_and(|t| t.len() == 19)), "{rows:?}");
    w.done(&w.restore_statement("s", " AS e").await).await;
    let rows = w.engine.show_restore(Some("e"), None).await.unwrap().collect().await.unwrap();
    let cell = |n: usize| rows[0][n].clone().unwrap_or_else(|| "NULL".into());
    assert_eq!(
        (cell(3), cell(4), cell(5), cell(6)),
        ("e".into(), "FINISHED".into(), "false".into(), "3".into())
    );
    assert_eq!(cell(7), "t PARTITIONS [p001, p002]");
    // A database shows its last job only.
    assert_eq!(w.engine.show_backup(None).await.unwrap().collect().await.unwrap().len(), 1);
}

/// A world whose uploads take a while and whose jobs are attentive.
async fn slow_and_attentive(dir: &tempfile::TempDir, memory: &MemoryFactory, plan: &FaultPlan) -> World {
    let (layers, none) = (Layers::new().fault(plan.clone()), FaultPlan::new());
    let w = open_layered(dir.path(), Arc::new(memory.clone()), &none, layers, attentive()).await.unwrap();
    w.set_up(4).await;
    let data = rockhold_core::Key::new("data").unwrap();
    plan.on(Scope::operation(Operation::Put).below(data), Fault::Stall(Duration::from_millis(300)));
    w
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_sees_how_far_a_job_is_and_its_cancel_waits_for_the_end() {
    let (dir, memory, plan) = (tempfile::tempdir().unwrap(), MemoryFactory::default(), FaultPlan::new());
    let w = slow_and_attentive(&dir, &memory, &plan).await;
    let other = beside(&dir, &memory).await;
    let job = w.submit(BACKUP).await.unwrap();
    until(&w, "UPLOADING").await;
    let mut seen = String::new();
    for _ in 0..1000 {
        let rows = other.engine.show_backup(Some("d")).await.unwrap().collect().await.unwrap();
        seen = rows[0][10].clone().unwrap_or_default();
        if !seen.is_empty() && !seen.ends_with(": 0/0]") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(seen.starts_with('[') && !seen.ends_with(": 0/0]"), "{seen}");
    other.sql("CANCEL BACKUP FROM d").await.unwrap();
    let rows = other.engine.show_backup(Some("d")).await.unwrap().collect().await.unwrap();
    assert_eq!(rows[0][3].as_deref(), Some("CANCELLED"), "CANCEL has waited for it");
    assert_eq!(job.wait().await.state, "CANCELLED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_that_comes_too_late_says_so_in_another_process_too() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    // This one does not look for cancels: its job ends as if there were none.
    let (w, plan) = (open(dir.path(), &memory, &FaultPlan::new()).await.unwrap(), FaultPlan::new());
    w.set_up(1).await;
    drop(w);
    let w = open(dir.path(), &memory, &plan).await.unwrap();
    plan.on(Scope::operation(Operation::Put), Fault::Stall(Duration::from_millis(100)));
    let other = beside(&dir, &memory).await;
    let job = w.submit(BACKUP).await.unwrap();
    let error = other.sql("CANCEL BACKUP FROM d").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Failed to cancel job: Job with label s can not be cancelled. state: FINISHED"
    );
    assert_eq!(job.wait().await.state, "FINISHED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_restore_of_a_dead_process_is_ended_by_cancel() {
    let (dir, memory, plan) = (tempfile::tempdir().unwrap(), MemoryFactory::default(), FaultPlan::new());
    let table = ObjectName::new("d", "t");
    let before = {
        let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
        w.set_up(2).await;
        w.done(BACKUP).await;
        w.load(&table, 500).await;
        w.visible(&table).await
    };
    {
        let w = open(dir.path(), &memory, &plan).await.unwrap();
        let restore = w.restore_statement("s", "").await;
        plan.on(Scope::point("begin restore"), Fault::Die(Moment::After));
        assert_eq!(w.job(&restore).await.unwrap().state, "CANCELLED");
    }
    let w = beside(&dir, &memory).await;
    let error = w.store.snapshot(std::slice::from_ref(&table)).await.unwrap_err();
    assert!(error.to_string().contains("RESTORE"), "{error}");
    w.sql("CANCEL RESTORE FROM d").await.unwrap();
    assert_eq!(w.visible(&table).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_fails_for_a_moment_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let (w, _, plan) = slow(&dir).await;
    w.done(BACKUP).await;
    let table = ObjectName::new("d", "t");
    let truncate = rockhold_warehouse_store::Change::TruncatePartitions { table: table.clone(), names: None };
    w.store.change(truncate).await.unwrap();
    w.store.reclaim().await.unwrap();
    let before = w.visible(&table).await.unwrap();
    let job = w.submit(&w.restore_statement("s", "").await).await.unwrap();
    until(&w, "DOWNLOADING").await;
    let full = Fault::before(Failure::permanent(ErrorKind::StorageFull));
    let rollback = "roll back restore";
    plan.on(Scope::point(rollback).times(3), full);
    plan.record();
    w.sql("CANCEL RESTORE FROM d").await.unwrap();
    assert_eq!(job.wait().await.state, "CANCELLED");
    assert_eq!(plan.log().iter().filter(|call| call.point == rollback).count(), 4);
    assert_eq!(w.visible(&table).await.unwrap(), before);
}
