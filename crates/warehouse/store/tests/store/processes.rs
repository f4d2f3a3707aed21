//! Two processes, one directory. The second process is this test binary again.

use crate::support::*;
use crate::{kill, state};
use rockhold_core::{ErrorKind, JobId, StateStore};
use rockhold_warehouse_store::{Change, OpenOptions, Store};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const ROLE: &str = "ROCKHOLD_STORE_TEST_ROLE";

/// Starts this binary as another process that plays `role` on `dir`.
pub(crate) fn spawn(role: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "processes::other_process", "--nocapture"])
        .env(ROLE, format!("{role}|{}", dir.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process")
}

/// Waits until the process says that it plays its role.
fn wait_ready(child: &mut Child) {
    let output = child.stdout.as_mut().expect("output");
    let ready = BufReader::new(output).lines().map_while(Result::ok).any(|line| line.contains("ready"));
    assert!(ready, "the other process ended early");
}

/// Lets it end by itself.
fn let_end(mut child: Child) {
    drop(child.stdin.take());
    assert!(child.wait().expect("wait").success());
}

fn stay() {
    println!("ready");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// Not a test of its own: what the other process does.
#[tokio::test]
async fn other_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut words = role.split('|');
    let mut word = || words.next().expect("a word").to_owned();
    match word().as_str() {
        "write" => {
            let mut options = reopen();
            options.command = "rockhold sql --file nightly.sql".into();
            let store = Store::open(word(), options).await.expect("open");
            store.become_writer().await.expect("writer");
            stay();
        }
        "pin" => {
            let store = Store::open(word(), reopen()).await.expect("open");
            let query = store.snapshot(&[name("t")]).await.expect("pin");
            stay();
            let partition = &query.objects()[0].partitions[0];
            let files = query.files(partition).await.expect("files");
            assert_eq!(files.iter().flat_map(|f| rows_of(&f.path)).collect::<Vec<_>>(), [1]);
        }
        "cancel" => {
            let job: JobId = word().parse().expect("a job");
            let store = Store::open(word(), reopen()).await.expect("open");
            store.request_cancel(job).await.expect("cancel");
        }
        "kill" => {
            let (scenario, step) = (word(), word().parse().expect("a number"));
            kill::run_killed(&scenario, step, Path::new(&word())).await;
        }
        other => panic!("unknown role {other}"),
    }
}

async fn table_with_a_row(dir: &Path) -> Store {
    let store = new_store(dir).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    store
}

#[tokio::test]
async fn a_second_writer_is_told_pid_and_command_of_the_first() {
    let dir = tempfile::tempdir().expect("dir");
    drop(table_with_a_row(dir.path()).await);
    let mut child = spawn("write", dir.path());
    wait_ready(&mut child);
    let store = Store::open(dir.path(), reopen()).await.expect("open");
    let error = load(&store, "t", "p1", &[2]).await.expect_err("locked");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        format!(
            "process {} (rockhold sql --file nightly.sql) is writing to the warehouse, waited 0 s; \
             repeat when it has ended, or wait longer with --lock-wait",
            child.id()
        )
    );
    assert_eq!(rows_by_partition(&store, "t").await["p1"], [1], "reading works meanwhile");

    let mut patient: OpenOptions = reopen();
    patient.lock_wait = Duration::from_secs(60);
    let waiting = Store::open(dir.path(), patient).await.expect("open");
    let waits = tokio::spawn(async move { load(&waiting, "t", "p1", &[2]).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waits.is_finished());
    let_end(child);
    waits.await.expect("task").expect("loaded after waiting");
    assert_eq!(rows_by_partition(&store, "t").await["p1"], [1, 2]);
}

#[tokio::test]
async fn a_reader_keeps_its_rows_while_another_process_writes_and_reclaims() {
    let dir = tempfile::tempdir().expect("dir");
    let store = table_with_a_row(dir.path()).await;
    let mut reader = spawn("pin", dir.path());
    wait_ready(&mut reader);
    store.change(Change::TruncatePartitions { table: name("t"), names: None }).await.expect("truncate");
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 1, "pinned by the other process");
    let_end(reader);
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 0);
}

#[tokio::test]
async fn pins_of_a_killed_process_are_dropped() {
    let dir = tempfile::tempdir().expect("dir");
    let store = table_with_a_row(dir.path()).await;
    let mut reader = spawn("pin", dir.path());
    wait_ready(&mut reader);
    store.change(Change::TruncatePartitions { table: name("t"), names: None }).await.expect("truncate");
    reader.kill().expect("kill");
    reader.wait().expect("wait");
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 0);
}

#[tokio::test]
async fn a_job_is_cancelled_from_another_process() {
    let dir = tempfile::tempdir().expect("dir");
    let store = table_with_a_row(dir.path()).await;
    let record = state::job("db", "label", "r");
    store.submit(&record).await.expect("submit");
    let mut child = spawn(&format!("cancel|{}", record.id), dir.path());
    assert!(child.wait().expect("wait").success());
    assert!(store.cancel_requested(record.id).await.expect("flag"));
}

#[tokio::test]
async fn the_next_writer_ends_the_jobs_of_a_dead_one() {
    let dir = tempfile::tempdir().expect("dir");
    let store = table_with_a_row(dir.path()).await;
    let record = state::job("db", "label", "r");
    store.submit(&record).await.expect("submit");
    let copy = tempfile::tempdir().expect("dir");
    // What a process that died now would leave.
    copy_dir(dir.path(), &copy.path().join("w"));
    let store = Store::open(copy.path().join("w"), reopen()).await.expect("open");
    assert!(!store.jobs(None).await.expect("jobs")[0].finished, "opening changes nothing");
    store.become_writer().await.expect("recover");
    let ended = store.jobs(None).await.expect("jobs").remove(0);
    assert_eq!((ended.state.as_str(), ended.finished), ("CANCELLED", true));
    assert_eq!(ended.detail["status"], "[COMMON_ERROR, msg: owner ended]");
    assert_eq!(ended.detail["progress"], record.detail["progress"]);
    assert!(ended.detail["finished_time"].is_i64());
    store.submit(&state::job("db", "again", "r")).await.expect("the database is free");
}
