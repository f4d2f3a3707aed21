//! Restores over views, functions, materialized views and external catalogs,
//! killed at every step and cancelled: what was replaced is put back, what was
//! added is gone, nothing else was touched.

use crate::kill::{Start, at_every_step, files, no_job_is_left, world};
use crate::kinds::note_kind;
use crate::support::{MemoryFactory, World};
use rockhold_core::{KindId, Namespace, ObjectName};
use rockhold_layers::{Fault, FaultPlan, Moment, Operation, Scope};
use std::time::Duration;

/// What the objects are like in the snapshot, and what has become of them.
struct Story {
    start: Start,
    /// Database and catalogs as they were backed up.
    backed_up: [Vec<String>; 2],
    /// As they are when the restore begins.
    changed: [Vec<String>; 2],
    restore: String,
    catalogs: String,
}

async fn both(w: &World) -> [Vec<String>; 2] {
    [w.everything("d").await, w.everything("").await]
}

async fn story() -> Story {
    let start = Start { dir: tempfile::tempdir().unwrap(), memory: MemoryFactory::default() };
    let w = world(start.dir.path(), &start.memory, &FaultPlan::new()).await;
    w.set_up(1).await;
    let kept = [(KindId::VIEW, "d.v"), (note_kind(), "d.n"), (KindId::EXTERNAL_CATALOG, "hive")];
    for (kind, name) in &kept {
        w.create(kind.clone(), name, "kept", &[]).await;
        w.comment(kind, name, "as backed up").await;
    }
    w.create_with_file("d.f(INT)", "kept", b"first jar").await;
    w.create(KindId::MATERIALIZED_VIEW, "d.m", "of t", &["d.t"]).await;
    let m = ObjectName::new("d", "m");
    w.load(&m, 1).await;
    let lost = [
        (KindId::VIEW, "d.lost"),
        (KindId::FUNCTION, "d.f(VARCHAR)"),
        (KindId::MATERIALIZED_VIEW, "d.lost_too"),
        (KindId::EXTERNAL_CATALOG, "ice"),
    ];
    for (kind, name) in &lost {
        w.create(kind.clone(), name, "lost", &[]).await;
    }
    w.load(&ObjectName::new("d", "lost_too"), 30).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    w.done("BACKUP ALL EXTERNAL CATALOGS SNAPSHOT c TO r").await;
    let backed_up = both(&w).await;

    for (kind, name) in &kept {
        w.comment(kind, name, "changed since").await;
    }
    for (kind, name) in &lost {
        w.drop(w.engine.kinds().get(kind).unwrap().namespace, name).await;
    }
    // The same function, made again with another file.
    w.drop(Namespace::Function, "d.f(INT)").await;
    w.create_with_file("d.f(INT)", "kept", b"second jar").await;
    // Not in the snapshot, so never touched.
    w.create(KindId::FUNCTION, "d.f(DATE)", "new", &[]).await;
    w.create(KindId::EXTERNAL_CATALOG, "jdbc", "new", &[]).await;
    let truncate = rockhold_warehouse_store::Change::TruncatePartitions { table: m.clone(), names: None };
    w.store.change(truncate).await.unwrap();
    w.load(&m, 500).await;
    w.store.reclaim().await.unwrap();
    let changed = both(&w).await;
    let (restore, catalogs) = (w.restore_statement("s", "").await, w.restore("c", "").await);
    Story { start, backed_up, changed, restore, catalogs }
}

/// What was backed up and what is new since then, as a restore leaves them.
fn restored(story: &Story, place: usize) -> Vec<String> {
    let mut lines = story.backed_up[place].clone();
    lines.extend(story.changed[place].iter().filter(|line| line.contains("\"new\"")).cloned());
    lines.sort();
    lines
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_over_objects_of_every_kind_killed_at_every_step_gives_all_the_old_ones_or_all_the_new() {
    let story = story().await;
    let (wanted, changed) = (restored(&story, 0), sorted(story.changed[0].clone()));
    assert_ne!(wanted, changed);
    let rows_here = files(story.start.dir.path()).len();
    let again = story.restore.clone();
    let points = at_every_step("restore over kinds", &story.start, &story.restore, |w, dir, _, finished| {
        let (wanted, changed, again) = (wanted.clone(), changed.clone(), again.clone());
        async move {
            no_job_is_left(&w).await;
            let found = sorted(w.everything("d").await);
            if found == changed {
                assert!(!finished);
                assert_eq!(files(&dir).len(), rows_here, "nothing is left in the warehouse");
                w.done(&again).await;
                assert_eq!(sorted(w.everything("d").await), wanted);
            } else {
                assert_eq!(found, wanted);
            }
        }
    })
    .await;
    assert!(points > 60, "{points}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_over_catalogs_killed_at_every_step_gives_all_the_old_ones_or_all_the_new() {
    let story = story().await;
    let (wanted, changed) = (restored(&story, 1), sorted(story.changed[1].clone()));
    assert_ne!(wanted, changed);
    let again = story.catalogs.clone();
    let points =
        at_every_step("restore over catalogs", &story.start, &story.catalogs, |w, _, _, finished| {
            let (wanted, changed, again) = (wanted.clone(), changed.clone(), again.clone());
            async move {
                no_job_is_left(&w).await;
                let found = sorted(w.everything("").await);
                if found == changed {
                    assert!(!finished);
                    w.done(&again).await;
                    assert_eq!(sorted(w.everything("").await), wanted);
                } else {
                    assert_eq!(found, wanted);
                }
            }
        })
        .await;
    assert!(points > 20, "{points}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_restore_over_objects_of_every_kind_leaves_each_as_it_was() {
    let story = story().await;
    let plan = FaultPlan::new();
    let data = rockhold_core::Key::new("data").unwrap();
    let get = Scope::operation(Operation::Get).below(data);
    plan.on(get, Fault::Stall(Duration::from_secs(2)));
    let w = world(story.start.dir.path(), &story.start.memory, &plan).await;
    let job = w.submit(&story.restore).await.unwrap();
    while job.record().state != "DOWNLOADING" {
        assert!(!job.record().finished, "{}", rockhold_engine::job_status(&job.record()));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // While it runs, nothing that it replaces can be changed.
    let name = ObjectName::new("d", "v");
    let drop = rockhold_warehouse_store::Change::DropObject { namespace: Namespace::Relation, name };
    let error = w.store.change(drop).await.unwrap_err();
    assert!(error.to_string().contains("a snapshot restore operation is in progress on table v"), "{error}");
    w.sql("CANCEL RESTORE FROM d").await.unwrap();
    assert_eq!(job.wait().await.state, "CANCELLED");
    w.store.reclaim().await.unwrap();
    assert_eq!(both(&w).await, story.changed);

    // That of the external catalogs has a target of its own.
    let error = w.sql("CANCEL BACKUP FOR EXTERNAL CATALOG").await.unwrap_err();
    assert!(error.to_string().contains("Job with label c can not be cancelled. state: FINISHED"), "{error}");
    let error = w.sql("CANCEL RESTORE FOR EXTERNAL CATALOG").await.unwrap_err();
    assert_eq!(error.to_string(), "No restore is currently running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_the_external_catalogs_is_cancelled_by_its_own_statement_and_has_one_slot() {
    let story = story().await;
    let plan = FaultPlan::new();
    let w = world(story.start.dir.path(), &story.start.memory, &plan).await;
    // Held still while its objects are pinned.
    let wait = Fault::run(Moment::Before, |_| std::thread::sleep(Duration::from_secs(3)));
    plan.on(Scope::point("pin"), wait.clone());
    let job = w.submit("BACKUP EXTERNAL CATALOG (hive) SNAPSHOT c2 TO r").await.unwrap();
    let error = w.job(&story.catalogs).await.unwrap_err();
    let text = "Can only run one backup or restore job of external catalog at same time";
    assert_eq!((error.errno, error.to_string()), (5064, text.to_owned()));
    w.sql("CANCEL BACKUP FOR EXTERNAL CATALOG").await.unwrap();
    let status = rockhold_engine::job_status(&job.wait().await);
    assert_eq!(status, "[COMMON_ERROR, msg: user cancelled]");
    assert!(w.rows("SHOW SNAPSHOT ON r WHERE SNAPSHOT IN ('c2')").await.unwrap().is_empty());
    w.done("BACKUP EXTERNAL CATALOG (hive) SNAPSHOT c2 TO r").await;

    plan.on(Scope::point("begin restore"), wait);
    let job = w.submit(&story.catalogs).await.unwrap();
    w.sql("CANCEL RESTORE FOR EXTERNAL CATALOG").await.unwrap();
    let status = rockhold_engine::job_status(&job.wait().await);
    assert_eq!(status, "[COMMON_ERROR, msg: user cancelled, current state: PENDING]");
    assert_eq!(both(&w).await, story.changed);
}
