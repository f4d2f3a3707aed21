//! Real processes, killed with SIGKILL in the middle of a job over a real disk
//! and a real server, and two that want the same label at once.

use crate::support::{World, open_layered, open_with};
use crate::vendors::{self, in_parts, on_minio};
use rockhold_core::ObjectName;
use rockhold_layers::{Fault, FaultPlan, Layers, Moment, Scope};
use rockhold_storage_fs::FsFactory;
use rockhold_storage_s3::S3Factory;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

/// What a child is to do: `<dir> <number of the call at which it dies, 0, or
/// "part"> <statement>`.
const CHILD: &str = "ROCKHOLD_TEST_CHILD";
/// It dies when it has sent the second part of a file to a bucket.
const AT_THE_SECOND_PART: &str = "part";
const SEPARATOR: char = '\u{1}';

/// Not a test of its own: the body of the child processes.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(order) = std::env::var(CHILD) else { return };
    let parts: Vec<&str> = order.split(SEPARATOR).collect();
    let (dir, sql) = (Path::new(parts[0]), parts[2]);
    let plan = FaultPlan::new();
    let w = if parts[1] == AT_THE_SECOND_PART {
        let second = Scope::point("write part").skip(1).times(1);
        plan.on(second, Fault::run(Moment::After, |_| kill_self()));
        let (s3, layers) = (Arc::new(S3Factory::default()), Layers::new().fault(plan));
        open_layered(dir, s3, &FaultPlan::new(), layers, in_parts()).await.unwrap()
    } else {
        let number = parts[1].parse::<u64>().unwrap();
        if number > 0 {
            let moment = if number.is_multiple_of(2) { Moment::Before } else { Moment::After };
            plan.at(number, Fault::run(moment, |_| kill_self()));
        }
        open_with(dir, Arc::new(FsFactory), &plan).await.unwrap()
    };
    match w.job(sql).await {
        Ok(record) => println!("STATE {} {}", record.state, rockhold_engine::job_status(&record)),
        Err(error) => println!("ERROR {error}"),
    }
}

fn kill_self() {
    let me = rustix::process::getpid();
    rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(60));
}

fn spawn(dir: &Path, number: impl std::fmt::Display, sql: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::child", "--nocapture"])
        .env(CHILD, format!("{}{SEPARATOR}{number}{SEPARATOR}{sql}", dir.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What the child said, and how it ended.
fn finish(child: Child) -> (String, ExitStatus) {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    // The name of the test stands in front of what it prints first.
    let said = text.lines().find_map(|l| l.find("STATE ").or(l.find("ERROR ")).map(|at| l[at..].to_owned()));
    (said.unwrap_or_default(), output.status)
}

struct Place(tempfile::TempDir);

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    async fn world(&self, name: &str) -> World {
        open_with(&self.path(name), Arc::new(FsFactory), &FaultPlan::new()).await.unwrap()
    }

    fn location(&self) -> String {
        format!("file://{}", self.path("repository").display())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_a_restore_killed_by_sigkill_are_whole_or_nothing() {
    use std::os::unix::process::ExitStatusExt;
    let place = Place(tempfile::tempdir().unwrap());
    let rows = {
        let w = place.world("w").await;
        w.set_up_at(3, &place.location()).await;
        w.visible(&ObjectName::new("d", "t")).await.unwrap()
    };
    let (mut killed, mut number) = (0, 1);
    // A sample of the calls: the repository and the directory are real, so each costs a process.
    let timestamp_of = loop {
        let (said, status) = finish(spawn(&place.path("w"), number, "BACKUP DATABASE d SNAPSHOT s TO r"));
        if status.signal() == Some(9) {
            killed += 1;
            number += 3;
            continue;
        }
        // Either this run met its end alive, or a killed one before it had committed.
        assert!(said.starts_with("STATE FINISHED") || said.contains("already exist"), "{said}");
        let w = place.world("w").await;
        assert_eq!(w.visible(&ObjectName::new("d", "t")).await.unwrap(), rows);
        break w.restore_statement("s", " AS copy").await;
    };
    println!("backup: {killed} kills");
    assert!(killed >= 5, "{killed}");
    let (mut killed, mut number) = (0, 1);
    loop {
        let (said, status) = finish(spawn(&place.path("w"), number, &timestamp_of));
        let w = place.world("w").await;
        w.store.become_writer().await.unwrap();
        let copy = w.visible(&ObjectName::new("copy", "t")).await;
        if status.signal() == Some(9) {
            killed += 1;
            number += 3;
            if copy.is_none() {
                assert_eq!(w.store.list_databases().await.unwrap().len(), 1, "no empty database is left");
                continue;
            }
        } else {
            assert!(said.starts_with("STATE FINISHED"), "{said}");
        }
        let mut copy = copy.unwrap();
        copy[0].clone_from(&rows[0]);
        assert_eq!(copy, rows);
        break;
    }
    println!("restore: {killed} kills");
    assert!(killed >= 5, "{killed}");
}

/// Parts that were sent are paid for until somebody removes them; that they are
/// gone says the server's own list of unfinished uploads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_that_a_killed_process_sent_are_removed_by_whoever_takes_its_label() {
    use std::os::unix::process::ExitStatusExt;
    let test = "parts_that_a_killed_process_sent_are_removed_by_whoever_takes_its_label";
    let Some(server) = rockhold_testkit::servers::own("minio", test) else { return };
    let (place, dir) = (on_minio(&server, "killed"), tempfile::tempdir().unwrap());
    let rows = {
        let w = vendors::world(dir.path(), &place, None, &FaultPlan::new()).await;
        vendors::set_up(&w).await;
        w.sql(&place.create_repository()).await.unwrap();
        vendors::rows(&w).await.unwrap()
    };
    let backup = "BACKUP DATABASE d SNAPSHOT s TO r";
    let (said, status) = finish(spawn(dir.path(), AT_THE_SECOND_PART, backup));
    assert_eq!(status.signal(), Some(9), "{said}");
    assert_eq!(place.unfinished().await, 1);
    let w = vendors::world(dir.path(), &place, None, &FaultPlan::new()).await;
    w.done(backup).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let other = vendors::world(elsewhere.path(), &place, None, &FaultPlan::new()).await;
    place.is_whole(&other, &rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_claim_a_label_one_writes_the_snapshot() {
    let place = Place(tempfile::tempdir().unwrap());
    for name in ["a", "b"] {
        place.world(name).await.set_up_at(2, &place.location()).await;
    }
    for round in 0..5 {
        let sql = format!("BACKUP DATABASE d SNAPSHOT s{round} TO r");
        let children: Vec<Child> = ["a", "b"].iter().map(|name| spawn(&place.path(name), 0, &sql)).collect();
        let said: Vec<String> = children.into_iter().map(|child| finish(child).0).collect();
        let finished = said.iter().filter(|s| s.starts_with("STATE FINISHED")).count();
        let text = format!("Snapshot with name 's{round}' already exist in repository");
        let refused = said.iter().filter(|s| s.starts_with("ERROR") && s.contains(&text)).count();
        assert_eq!((finished, refused), (1, 1), "{said:?}");
    }
    let w = place.world("a").await;
    let listed = w.engine.show_snapshots("r", rockhold_engine::SnapshotFilter::All).await.unwrap();
    let listed = listed.collect().await.unwrap();
    assert_eq!(listed.len(), 5);
    assert!(listed.iter().all(|row| row[2].as_deref() == Some("OK")), "{listed:?}");
}
