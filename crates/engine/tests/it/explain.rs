//! EXPLAIN BACKUP and EXPLAIN RESTORE: what they say comes true, and they
//! change nothing.

use crate::support::{MemoryFactory, World, open};
use rockhold_core::{Key, ObjectName, Row};
use rockhold_engine::{JobDetail, ProgressCounts};
use rockhold_layers::{FaultPlan, Operation, Scope};
use rockhold_warehouse_store::Change;
use tempfile::TempDir;

const BACKUP: &str = "BACKUP DATABASE d SNAPSHOT s TO r";
const ROOT: &str = "mem://r/__rockhold_repository_r";

async fn world() -> (TempDir, MemoryFactory, FaultPlan, World) {
    let (dir, memory, plan) = (tempfile::tempdir().unwrap(), MemoryFactory::default(), FaultPlan::new());
    let w = open(dir.path(), &memory, &plan).await.unwrap();
    w.set_up(10).await;
    (dir, memory, plan, w)
}

fn cell(row: &Row, place: usize) -> &str {
    row[place].as_deref().unwrap_or("NULL")
}

fn total(rows: &[Row]) -> &Row {
    rows.iter().find(|row| cell(row, 0) == "total").unwrap()
}

/// Files, bytes, and bytes to move of the total.
fn sums(rows: &[Row]) -> [u64; 3] {
    [6, 7, 8].map(|place| cell(total(rows), place).parse().unwrap())
}

/// Explains, does it, and compares.
async fn explained_and_done(w: &World, sql: &str) -> Vec<Row> {
    let rows = w.rows(&format!("EXPLAIN {sql}")).await.unwrap();
    let record = w.job(sql).await.unwrap();
    assert_eq!(record.state, "FINISHED", "{}", rockhold_engine::job_status(&record));
    let done: ProgressCounts = JobDetail::of(&record).unwrap().progress;
    assert_eq!(sums(&rows), [done.files, done.bytes, done.bytes_moved], "{sql}: {rows:?}");
    let said = format!("{} of {} files must be", done.files_moved, done.files);
    assert!(cell(total(&rows), 9).starts_with(&said), "{rows:?} {said}");
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_will_move_is_told_by_versions_and_digests_without_reading_data() {
    let (_dir, memory, plan, w) = world().await;
    let data = Scope::operation(Operation::Get).below(Key::new("data").unwrap());
    plan.on(data, rockhold_layers::Fault::run(rockhold_layers::Moment::Before, |_| panic!("data was read")));
    let rows = explained_and_done(&w, BACKUP).await;
    assert_eq!((cell(&rows[0], 0), cell(&rows[0], 1), cell(&rows[0], 2)), ("1", "table", "d.t"));
    assert_eq!((cell(&rows[0], 4), cell(&rows[0], 5), cell(&rows[0], 6)), ("upload", "10", "20"));
    assert_eq!(cell(&rows[2], 9), "cut: whole");

    let rows = explained_and_done(&w, "BACKUP DATABASE d SNAPSHOT s2 TO r").await;
    assert_eq!((cell(&rows[0], 4), cell(&rows[0], 8)), ("reference", "0"));
    w.load_into(&ObjectName::new("d", "t"), 90, |name| name == "p005").await;
    explained_and_done(&w, "BACKUP DATABASE d SNAPSHOT s3 TO r").await;
    explained_and_done(&w, "BACKUP DATABASE d SNAPSHOT s4 TO r ON (TABLE t PARTITION (p001, p005))").await;

    let before = memory.repository(ROOT).objects();
    let rows = w.rows(&format!("EXPLAIN {BACKUP}")).await.unwrap();
    let conflicts: Vec<&str> =
        rows.iter().filter(|row| cell(row, 0) == "conflict").map(|row| cell(row, 9)).collect();
    assert_eq!(conflicts, ["Snapshot with name 's' already exist in repository"]);
    assert_eq!(memory.repository(ROOT).objects(), before, "no claim is made");
    // Its errors are those of the statement.
    let error = w.rows("EXPLAIN BACKUP DATABASE d SNAPSHOT s5 TO r ON (TABLE x)").await.unwrap_err();
    assert!(error.to_string().contains("Incorrect table name 'x'"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_will_move_is_told_by_what_is_here() {
    let (_dir, memory, _plan, w) = world().await;
    w.done(BACKUP).await;
    let repository = memory.repository(ROOT);
    let before = repository.objects();
    let state = w.everything("d").await;
    let over = w.restore_statement("s", "").await;
    let rows = w.rows(&format!("EXPLAIN {over}")).await.unwrap();
    assert_eq!((cell(&rows[0], 3), cell(&rows[0], 4), cell(&rows[0], 8)), ("d.t", "merge", "0"));
    assert_eq!(w.everything("d").await, state);
    assert!(w.rows("SHOW RESTORE FROM d").await.unwrap().is_empty(), "no job is made");

    let table = ObjectName::new("d", "t");
    let names = Some(vec!["p003".into(), "p004".into()]);
    w.store.change(Change::TruncatePartitions { table, names }).await.unwrap();
    w.store.reclaim().await.unwrap();
    explained_and_done(&w, &over).await;
    let one = w.restore("s", "DATABASE d AS e ON (TABLE t PARTITION (P003) AS u)").await;
    let rows = explained_and_done(&w, &one).await;
    assert_eq!((cell(&rows[0], 2), cell(&rows[0], 3), cell(&rows[0], 4)), ("d.t", "e.u", "create"));
    assert_eq!((cell(&rows[0], 5), cell(&rows[0], 9)), ("1", "renamed"));

    for name in ["d", "e"] {
        w.store.change(Change::DropDatabase { name: name.into() }).await.unwrap();
    }
    w.store.reclaim().await.unwrap();
    let rows = explained_and_done(&w, &over).await;
    let [_, bytes, to_move] = sums(&rows);
    assert_eq!(bytes, to_move, "nothing is here");
    assert_eq!(repository.objects(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_explained_while_another_process_writes() {
    let (dir, memory, _plan, w) = world().await;
    w.done(BACKUP).await;
    let restore = w.restore_statement("s", "").await;
    // `w` holds the lock of the directory; this one never takes it.
    let other = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    for sql in ["BACKUP DATABASE d SNAPSHOT s2 TO r", &restore] {
        let explained = format!("EXPLAIN {sql}");
        let rows = other.rows(&explained);
        let rows = tokio::time::timeout(std::time::Duration::from_secs(5), rows).await;
        let rows = rows.expect("nobody waits for the lock").unwrap();
        assert_eq!(cell(total(&rows), 8), "0");
    }
    w.load(&ObjectName::new("d", "t"), 300).await;
}
