//! A real server, MinIO, that is killed and started again in the middle of a
//! job, or is gone for good.

use crate::faults::config;
use crate::place::Place;
use crate::support::{World, open_layered};
use crate::vendors::on_minio;
use crate::verify::{clean_up, orphans};
use rockhold_core::{Key, ObjectName};
use rockhold_engine::job_status;
use rockhold_layers::{Fault, FaultPlan, Layers, Moment, RetryPolicy, Scope, Timeouts};
use rockhold_storage_s3::S3Factory;
use rockhold_testkit::servers::{Running, own};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BACKUP: &str = "BACKUP DATABASE d SNAPSHOT s TO r";

fn table() -> ObjectName {
    ObjectName::new("d", "t")
}

/// A server of the test's own; who kills it restarts it in the background.
#[derive(Clone)]
struct Server(Arc<Mutex<Running>>);

impl Server {
    fn own(test: &str) -> Option<Self> {
        own("minio", test).map(|running| Self(Arc::new(Mutex::new(running))))
    }

    fn kill(&self) {
        self.0.lock().unwrap().kill();
    }

    fn restart(&self) {
        self.0.lock().unwrap().restart().unwrap();
    }

    /// What kills the server at a call and starts it again a while later.
    fn killer(&self, moment: Moment) -> Fault {
        let server = self.clone();
        Fault::run(moment, move |_| {
            server.kill();
            let server = server.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(300));
                server.restart();
            });
        })
    }

    /// A new bucket.
    fn bucket(&self, name: &str) -> Place {
        on_minio(&self.0.lock().unwrap(), name)
    }
}

/// Waits for a server that starts again, and not for one that has gone.
fn layers(plan: &FaultPlan, attempts: u32) -> Layers {
    let policy = RetryPolicy::default().attempts(attempts);
    Layers::new()
        .retry(policy.waits(Duration::from_millis(50), Duration::from_secs(1)))
        .timeout(Timeouts::default().call(Duration::from_secs(5)).transfer(Duration::from_secs(5)))
        .checksum()
        .fault(plan.clone())
}

/// Files of more than a few hundred bytes go up in parts, here in one.
async fn world(dir: &Path, plan: &FaultPlan, attempts: u32) -> World {
    let storage = Arc::new(S3Factory::default());
    open_layered(dir, storage, &FaultPlan::new(), layers(plan, attempts), config()).await.unwrap()
}

/// The snapshot `s` is whole, for a warehouse that has none of the files.
async fn is_whole(place: &Place, rows: &[String]) {
    let dir = tempfile::tempdir().unwrap();
    let other = world(dir.path(), &FaultPlan::new(), 8).await;
    place.is_whole(&other, &[(table(), rows.to_vec())]).await;
}

/// So many numbers, spread over all calls.
fn sample(calls: u64, count: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (0..count).map(|n| 1 + n * (calls - 1) / (count - 1)).collect();
    numbers.dedup();
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_go_on_when_minio_is_killed_and_started_again_in_the_middle() {
    let test = "jobs_go_on_when_minio_is_killed_and_started_again_in_the_middle";
    let Some(server) = Server::own(test) else { return };

    // How many calls there are.
    let bucket = server.bucket("count");
    let (dir, plan) = (tempfile::tempdir().unwrap(), FaultPlan::new());
    let w = world(dir.path(), &plan, 8).await;
    w.set_up_with(2, &bucket.create_repository()).await;
    let before = plan.passed();
    w.done(BACKUP).await;
    let backup_calls = plan.passed() - before;
    let restore = w.restore_statement("s", " AS copy").await;
    w.store.change(rockhold_warehouse_store::Change::DropDatabase { name: "d".into() }).await.unwrap();
    w.store.reclaim().await.unwrap();
    let before = plan.passed();
    w.done(&restore).await;
    let restore_calls = plan.passed() - before;

    let mut kills = 0;
    for number in sample(backup_calls, 6) {
        let moment = if kills % 2 == 0 { Moment::Before } else { Moment::After };
        let bucket = server.bucket(&format!("backup-{number}"));
        let (dir, plan) = (tempfile::tempdir().unwrap(), FaultPlan::new());
        let w = world(dir.path(), &plan, 100).await;
        w.set_up_with(2, &bucket.create_repository()).await;
        let rows = w.visible(&table()).await.unwrap();
        plan.at(plan.passed() + number, server.killer(moment));
        w.done(BACKUP).await;
        // Killed at the last call, it may still be on its way.
        server.restart();
        is_whole(&bucket, &rows).await;
        kills += 1;
    }
    for number in sample(restore_calls, 4) {
        let bucket = server.bucket(&format!("restore-{number}"));
        let (dir, plan) = (tempfile::tempdir().unwrap(), FaultPlan::new());
        let w = world(dir.path(), &plan, 100).await;
        w.set_up_with(2, &bucket.create_repository()).await;
        let rows = w.visible(&table()).await.unwrap();
        w.done(BACKUP).await;
        let restore = w.restore_statement("s", "").await;
        w.store.change(rockhold_warehouse_store::Change::DropDatabase { name: "d".into() }).await.unwrap();
        w.store.reclaim().await.unwrap();
        plan.at(plan.passed() + number, server.killer(Moment::Before));
        w.done(&restore).await;
        assert_eq!(w.visible(&table()).await.unwrap(), rows);
        kills += 1;
    }
    println!("{test}: {backup_calls} and {restore_calls} calls, {kills} kills");
    assert!(kills >= 9, "{kills}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_end_with_the_reason_when_minio_does_not_come_back_and_succeed_when_it_does() {
    let test = "jobs_end_with_the_reason_when_minio_does_not_come_back_and_succeed_when_it_does";
    let Some(server) = Server::own(test) else { return };
    let bucket = server.bucket("gone");
    let (dir, plan) = (tempfile::tempdir().unwrap(), FaultPlan::new());
    let w = world(dir.path(), &plan, 2).await;
    w.set_up_with(2, &bucket.create_repository()).await;
    let rows = w.visible(&table()).await.unwrap();

    // When the second file is sent.
    let dying = server.clone();
    let data = Scope::point("write part").below(Key::new("data").unwrap()).skip(1).times(1);
    plan.on(data, Fault::run(Moment::Before, move |_| dying.kill()));
    let record = w.job(BACKUP).await.unwrap();
    let said = job_status(&record);
    assert_eq!(record.state, "CANCELLED", "{said}");
    assert!(said.starts_with("[BAD_CONNECTION, msg: ") && said.contains("data/"), "{said}");
    assert!(said.contains("start the server"), "{said}");
    assert_eq!(w.visible(&table()).await.as_deref(), Some(rows.as_slice()), "the warehouse is as it was");

    server.restart();
    clean_up(&bucket.repository().await, "s").await.unwrap();
    assert_eq!(orphans(&bucket.repository().await).await.unwrap(), [], "what was stored is removed");
    w.done(BACKUP).await;
    is_whole(&bucket, &rows).await;

    // And in the middle of a restore.
    let restore = w.restore_statement("s", "").await;
    w.store.change(rockhold_warehouse_store::Change::DropDatabase { name: "d".into() }).await.unwrap();
    w.store.reclaim().await.unwrap();
    let dying = server.clone();
    let data = Scope::point("get").below(Key::new("data").unwrap()).skip(1).times(1);
    plan.on(data, Fault::run(Moment::Before, move |_| dying.kill()));
    let record = w.job(&restore).await.unwrap();
    let said = job_status(&record);
    assert_eq!(record.state, "CANCELLED", "{said}");
    assert!(said.starts_with("[BAD_CONNECTION, msg: "), "{said}");
    assert!(w.store.list_databases().await.unwrap().is_empty(), "nothing is left in the warehouse");
    server.restart();
    w.done(&restore).await;
    assert_eq!(w.visible(&table()).await.unwrap(), rows);
}
