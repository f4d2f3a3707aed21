//! A sample of the faults on a real server: MinIO, killed and started again in
//! the middle, gone for good, and behind a connection that fails, stalls and
//! loses replies. Every call is struck on the store in memory, in `faults`.

use crate::faults::{Wrong, config};
use crate::support::{World, open_layered};
use crate::verify::{clean_up, orphans};
use rockhold_core::{Key, ObjectName, OpenRepository, RepositoryFactory, SharedRepository};
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

    /// A new bucket. With one drive a bucket is a folder.
    fn bucket(&self, name: &str) -> Bucket {
        let running = self.0.lock().unwrap();
        std::fs::create_dir(running.state().join("data").join(name)).unwrap();
        let service = running.service();
        let get = |field: &str| service.get(field).to_owned();
        Bucket {
            location: format!("s3a://{name}/backups"),
            properties: [
                ("aws.s3.endpoint", get("endpoint")),
                ("aws.s3.access_key", get("access_key")),
                ("aws.s3.secret_key", get("secret_key")),
            ],
        }
    }
}

struct Bucket {
    location: String,
    properties: [(&'static str, String); 3],
}

impl Bucket {
    fn create_repository(&self) -> String {
        let properties: Vec<String> =
            self.properties.iter().map(|(key, value)| format!("\"{key}\" = \"{value}\"")).collect();
        format!(
            "CREATE REPOSITORY r WITH BROKER ON LOCATION \"{}\" PROPERTIES ({})",
            self.location,
            properties.join(", ")
        )
    }

    /// The store of the repository `r`, with nothing but retries around it.
    async fn repository(&self) -> SharedRepository {
        let mut request = OpenRepository::new(self.location.clone()).directory("__rockhold_repository_r");
        for (key, value) in &self.properties {
            if rockhold_core::is_secret_property(key) {
                request.secrets.insert((*key).to_owned(), value.clone().into());
            } else {
                request.properties.insert((*key).to_owned(), value.clone());
            }
        }
        let opened = S3Factory::default().open(request).await.unwrap();
        Layers::standard().around(opened.repository)
    }

    async fn set_up(&self, w: &World) {
        w.set_up_with(2, &self.create_repository()).await;
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

/// The snapshot `s` gives the rows in a warehouse that has none of the files;
/// nothing else lies in the bucket.
async fn is_whole(bucket: &Bucket, rows: &[String]) {
    let dir = tempfile::tempdir().unwrap();
    let other = world(dir.path(), &FaultPlan::new(), 8).await;
    other.sql(&bucket.create_repository()).await.unwrap();
    other.done(&other.restore_statement("s", "").await).await;
    assert_eq!(other.visible(&table()).await.unwrap(), rows, "the snapshot holds the rows");
    let repository = bucket.repository().await;
    assert_eq!(orphans(&repository).await.unwrap(), [], "nothing is left in the bucket");
    let data = Key::new("data").unwrap();
    assert_eq!(repository.discard_staged(&data).await.unwrap(), 0, "no upload is left in the bucket");
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
    bucket.set_up(&w).await;
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
        bucket.set_up(&w).await;
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
        bucket.set_up(&w).await;
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
    bucket.set_up(&w).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_of_what_a_store_does_wrong_is_overcome_or_told_over_minio() {
    let test = "a_sample_of_what_a_store_does_wrong_is_overcome_or_told_over_minio";
    let Some(server) = Server::own(test) else { return };
    let (mut points, mut finished) = (0, 0);
    // The calls of a backup of two partitions, and what each sample does there.
    let wrongs = [
        Wrong::Unavailable,
        Wrong::Throttled,
        Wrong::LosesReply,
        Wrong::Refuses,
        Wrong::RefusesAfter,
        Wrong::Duplicates,
        Wrong::Vanishes,
    ];
    for (number, wrong) in (0..).flat_map(|round| wrongs.map(|wrong| (1 + round * 3, wrong))).take(21) {
        let bucket = server.bucket(&format!("sample-{points}"));
        let (dir, plan) = (tempfile::tempdir().unwrap(), FaultPlan::new());
        let w = world(dir.path(), &plan, 4).await;
        bucket.set_up(&w).await;
        let rows = w.visible(&table()).await.unwrap();
        wrong.strike(&plan, plan.passed() + number);
        let outcome = w.job(BACKUP).await;
        let context = format!("call {number}, {wrong:?}: {outcome:?}");
        let (state, said) = match &outcome {
            Ok(record) => (record.state.clone(), job_status(record)),
            Err(refused) => ("REFUSED".to_owned(), refused.to_string()),
        };
        drop(w);
        let w = world(dir.path(), &FaultPlan::new(), 8).await;
        w.store.become_writer().await.unwrap();
        assert_eq!(w.visible(&table()).await.as_deref(), Some(rows.as_slice()), "{context}");
        if state == "FINISHED" {
            finished += 1;
        } else {
            assert!(!wrong.is_overcome(), "{context}");
            assert!(said.len() > 20, "{context}");
            clean_up(&bucket.repository().await, "s").await.unwrap();
            w.done(BACKUP).await;
        }
        is_whole(&bucket, &rows).await;
        points += 1;
    }
    println!("{test}: {points} points, {finished} of them FINISHED and {} CANCELLED", points - finished);
}
