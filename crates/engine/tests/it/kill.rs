//! Killed at every step: every call of a job to the repository and every
//! effect of the warehouse on disk is numbered; for each number the call fails
//! before its effect, fails after it, and the process dies there. Afterwards
//! the whole state is compared with what it may be, and a second try succeeds.

use crate::support::{MemoryFactory, World, open};
use rockhold_core::{ErrorKind, ObjectName};
use rockhold_layers::{Failure, Fault, FaultPlan, Moment};
use std::path::{Path, PathBuf};

const BACKUP: &str = "BACKUP DATABASE d SNAPSHOT s TO r";

fn table() -> ObjectName {
    ObjectName::new("d", "t")
}

/// The state that each run begins from.
pub(crate) struct Start {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) memory: MemoryFactory,
}

impl Start {
    /// A copy of the directory and of the repository.
    pub(crate) fn copy(&self, to: &Path) -> MemoryFactory {
        copy_dir(self.dir.path(), to);
        self.memory.fork()
    }
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), &target).map(drop).unwrap()
        }
    }
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    FailsBefore,
    FailsAfter,
    Dies(Moment),
}

const WRONGS: [Wrong; 4] =
    [Wrong::FailsBefore, Wrong::FailsAfter, Wrong::Dies(Moment::Before), Wrong::Dies(Moment::After)];

impl Wrong {
    fn fault(self) -> Fault {
        let failure = Failure::permanent(ErrorKind::Unavailable);
        match self {
            Self::FailsBefore => Fault::before(failure),
            Self::FailsAfter => Fault::after(failure),
            Self::Dies(moment) => Fault::Die(moment),
        }
    }
}

pub(crate) async fn world(dir: &Path, memory: &MemoryFactory, plan: &FaultPlan) -> World {
    open(dir, memory, plan).await.unwrap()
}

/// Runs `sql` from `start` once for every number and every way to go wrong,
/// then opens the directory again as a new process would and calls `check`
/// with whether the job said FINISHED. Prints and gives the number of points.
pub(crate) async fn at_every_step<F>(
    name: &str,
    start: &Start,
    sql: &str,
    check: impl Fn(World, PathBuf, MemoryFactory, bool) -> F,
) -> u64
where
    F: Future<Output = ()>,
{
    let place = tempfile::tempdir().unwrap();
    let calls = {
        let dir = place.path().join("count");
        let memory = start.copy(&dir);
        let plan = FaultPlan::new();
        let w = world(&dir, &memory, &plan).await;
        w.done(sql).await;
        plan.passed()
    };
    let mut points = 0;
    for number in 1..=calls {
        for wrong in WRONGS {
            // A folder of its own: tasks of the run before may still close their files.
            let dir = place.path().join(format!("run{points}"));
            let memory = start.copy(&dir);
            let plan = FaultPlan::new();
            plan.at(number, wrong.fault());
            // A process that dies while it opens the directory leaves it as it was.
            let finished = match open(&dir, &memory, &plan).await {
                Err(_) => false,
                Ok(w) => {
                    let record = w.job(sql).await;
                    record.is_ok_and(|r| r.state == "FINISHED")
                }
            };
            let w = world(&dir, &memory, &FaultPlan::new()).await;
            // Whoever writes next puts things right.
            w.store.become_writer().await.unwrap();
            w.store.reclaim().await.unwrap();
            let context = format!("{name}: step {number} of {calls}, {wrong:?}");
            let checked = std::panic::AssertUnwindSafe(check(w, dir.clone(), memory, finished));
            if let Err(panic) = futures::FutureExt::catch_unwind(checked).await {
                eprintln!("{context}");
                std::panic::resume_unwind(panic);
            }
            points += 1;
            std::fs::remove_dir_all(&dir).unwrap();
        }
    }
    println!("{name}: {calls} calls, {points} points");
    points
}

pub(crate) async fn start_with_table() -> Start {
    let start = Start { dir: tempfile::tempdir().unwrap(), memory: MemoryFactory::default() };
    let w = world(start.dir.path(), &start.memory, &FaultPlan::new()).await;
    w.set_up(2).await;
    drop(w);
    start
}

/// Everything that lies in the warehouse's data and staging folders.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.join("data"), dir.join("staging")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path())
            } else {
                found.push(entry.path())
            }
        }
    }
    found
}

/// So many files are in the warehouse once nobody reads the others any more.
pub(crate) async fn keeps_files(w: &World, dir: &Path, count: usize) {
    for _ in 0..200 {
        // Readers let go of what they read a moment after they have ended.
        w.store.reclaim().await.unwrap();
        if files(dir).len() == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("{:?} are in the warehouse, {count} belong there", files(dir));
}

pub(crate) async fn no_job_is_left(w: &World) {
    let jobs = rockhold_core::StateStore::jobs(&w.store, None).await.unwrap();
    assert!(jobs.iter().all(|job| job.finished), "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_killed_at_every_step_gives_a_whole_snapshot_or_none() {
    let start = start_with_table().await;
    let rows = {
        let place = tempfile::tempdir().unwrap();
        let memory = start.copy(place.path());
        world(place.path(), &memory, &FaultPlan::new()).await.visible(&table()).await.unwrap()
    };
    let points = at_every_step("backup", &start, BACKUP, |w, dir, memory, finished| {
        let rows = rows.clone();
        async move {
            assert_eq!(w.visible(&table()).await.as_ref(), Some(&rows), "the warehouse is as it was");
            keeps_files(&w, &dir, rows.len() - 1).await;
            no_job_is_left(&w).await;
            let listed = w.engine.show_snapshots("r", rockhold_engine::SnapshotFilter::All).await.unwrap();
            let listed = listed.collect().await.unwrap();
            if listed.is_empty() {
                assert!(!finished, "a job that said FINISHED has a snapshot");
                // The label is free again, and what a dead job uploaded is taken over or replaced.
                w.done(BACKUP).await;
            } else {
                assert_eq!(listed[0][2].as_deref(), Some("OK"), "{listed:?}");
            }
            w.done(&w.restore_statement("s", " AS copy").await).await;
            let mut copy = w.visible(&ObjectName::new("copy", "t")).await.unwrap();
            copy[0].clone_from(&rows[0]);
            assert_eq!(copy, rows, "the snapshot holds the rows");
            drop(memory);
        }
    })
    .await;
    assert!(points > 100, "{points}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_into_nothing_killed_at_every_step_is_whole_or_leaves_nothing() {
    let mut start = start_with_table().await;
    let (rows, restore) = {
        let w = world(start.dir.path(), &start.memory, &FaultPlan::new()).await;
        w.done(BACKUP).await;
        let rows = w.visible(&table()).await.unwrap();
        w.store.change(rockhold_warehouse_store::Change::DropDatabase { name: "d".into() }).await.unwrap();
        w.store.reclaim().await.unwrap();
        (rows, w.restore_statement("s", "").await)
    };
    assert!(files(start.dir.path()).is_empty());
    start.memory = start.memory.fork();
    let again = restore.clone();
    let points = at_every_step("restore into nothing", &start, &restore, |w, dir, _, finished| {
        let (rows, again) = (rows.clone(), again.clone());
        async move {
            no_job_is_left(&w).await;
            match w.visible(&table()).await {
                Some(found) => assert_eq!(found, rows),
                None => {
                    assert!(!finished);
                    assert!(w.store.list_databases().await.unwrap().is_empty(), "no empty database is left");
                    assert_eq!(files(&dir), Vec::<PathBuf>::new(), "nothing is left in the warehouse");
                    w.done(&again).await;
                    assert_eq!(w.visible(&table()).await.unwrap(), rows);
                }
            }
            keeps_files(&w, &dir, rows.len() - 1).await;
        }
    })
    .await;
    assert!(points > 60, "{points}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_over_a_table_killed_at_every_step_gives_the_old_rows_or_the_new_ones() {
    let start = start_with_table().await;
    let (backed_up, changed, restore) = {
        let w = world(start.dir.path(), &start.memory, &FaultPlan::new()).await;
        w.done(BACKUP).await;
        let backed_up = w.visible(&table()).await.unwrap();
        w.load(&table(), 70).await;
        let truncate = rockhold_warehouse_store::Change::TruncatePartitions {
            table: table(),
            names: Some(vec!["p001".into()]),
        };
        w.store.change(truncate).await.unwrap();
        w.store.reclaim().await.unwrap();
        (backed_up, w.visible(&table()).await.unwrap(), w.restore_statement("s", "").await)
    };
    assert_ne!(backed_up, changed);
    let again = restore.clone();
    let points = at_every_step("restore over a table", &start, &restore, |w, dir, _, finished| {
        let (backed_up, changed, again) = (backed_up.clone(), changed.clone(), again.clone());
        async move {
            no_job_is_left(&w).await;
            let found = w.visible(&table()).await.expect("the table stays");
            if found == changed {
                assert!(!finished);
                keeps_files(&w, &dir, changed.len() - 1).await;
                w.done(&again).await;
                w.store.reclaim().await.unwrap();
                assert_eq!(w.visible(&table()).await.unwrap(), backed_up);
            } else {
                assert_eq!(found, backed_up);
            }
            keeps_files(&w, &dir, backed_up.len() - 1).await;
        }
    })
    .await;
    assert!(points > 60, "{points}");
}
