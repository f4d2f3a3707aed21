//! A sample of what a store does wrong, on real servers: MinIO, HDFS, and a
//! stand-in for Cloud Storage. A table with a file that goes in several parts is
//! backed up and restored; each kind of fault, but those that swallow every
//! answer from then on, strikes at a few of the calls that it fits, spread over
//! the whole job. Every call is struck on the store in
//! memory, in `faults`.

use crate::faults::{Wrong, damage_is_named_by};
use crate::kill::copy_dir;
use crate::place::Place;
use crate::pools::load_large;
use crate::support::{World, one_at_a_time, open_layered};
use crate::verify::{clean_up, orphans};
use rockhold_core::{ObjectName, RepositoryFactory};
use rockhold_engine::{EngineConfig, job_status};
use rockhold_layers::{FaultPlan, Layers, Passed, RetryPolicy, Timeouts};
use rockhold_storage_gcs::GcsFactory;
use rockhold_storage_hdfs::HdfsFactory;
use rockhold_storage_s3::S3Factory;
use rockhold_testkit::servers::{Running, own, service};
use rockhold_testkit_gcs::Emulator;
use rockhold_warehouse_store::Change;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const BACKUP: &str = "BACKUP DATABASE d SNAPSHOT s TO r";

fn tables() -> [ObjectName; 2] {
    [ObjectName::new("d", "t"), ObjectName::new("d", "long")]
}

type Rows = Vec<(ObjectName, Vec<String>)>;

pub(crate) async fn rows(w: &World) -> Option<Rows> {
    let mut all = Vec::new();
    for table in tables() {
        let rows = w.visible(&table).await?;
        all.push((table, rows));
    }
    Some(all)
}

/// The long file has three parts, the least that S3 allows.
pub(crate) fn in_parts() -> EngineConfig {
    EngineConfig { upload_buffer_size: 5 << 20, ..one_at_a_time() }
}

/// The layers that a user has, in a hurry.
fn layers(wrong: Option<Wrong>, plan: &FaultPlan) -> Layers {
    let attempts = if wrong == Some(Wrong::Vanishes) { 2 } else { 8 };
    let policy = RetryPolicy::default().attempts(attempts);
    let (call, transfer, sync) = (Duration::from_secs(3), Duration::from_secs(5), Duration::from_secs(30));
    Layers::new()
        .retry(policy.waits(Duration::from_millis(20), Duration::from_millis(500)))
        .timeout(Timeouts::default().call(call).transfer(transfer).sync(sync))
        .checksum()
        .fault(plan.clone())
}

pub(crate) async fn world(dir: &Path, place: &Place, wrong: Option<Wrong>, plan: &FaultPlan) -> World {
    let layers = layers(wrong, plan);
    open_layered(dir, place.factory.clone(), &FaultPlan::new(), layers, in_parts()).await.unwrap()
}

/// A warehouse with two tables: small files, and one that goes in parts.
pub(crate) async fn set_up(w: &World) {
    w.store.change(Change::CreateDatabase { name: "d".into() }).await.unwrap();
    let [small, long] = tables();
    w.create_table(&small, 2).await;
    w.load(&small, 1).await;
    w.create_table(&long, 1).await;
    load_large(w, &long, 16).await;
}

/// For each wrong so many calls that it fits, spread over the job and not the
/// same for all.
fn sample(log: &[Passed], of_each: usize) -> Vec<(Passed, Wrong)> {
    let mut points = Vec::new();
    for (at, wrong) in Wrong::ALL.into_iter().enumerate() {
        // These wait out every attempt of every call.
        if matches!(wrong, Wrong::LosesReplies | Wrong::StallsForGood) {
            continue;
        }
        let mut calls: Vec<&Passed> =
            log.iter().filter(|call| Wrong::at(call.point).contains(&wrong)).collect();
        let is_data = |call: &Passed| call.subject.as_ref().is_some_and(|key| key.starts_with("data/"));
        if wrong.is_of_bytes() && calls.iter().any(|call| is_data(call)) {
            // Documents are small, and read by one code.
            calls.retain(|call| is_data(call));
        }
        for n in 0..of_each.min(calls.len()) {
            let call = (n * calls.len() / of_each + 5 * at) % calls.len();
            points.push((calls[call].clone(), wrong));
        }
    }
    points
}

/// What a run has to begin with.
struct Sampled<'a> {
    name: &'a str,
    place: Place,
    warehouse: tempfile::TempDir,
    rows: Rows,
    of_each: usize,
}

impl<'a> Sampled<'a> {
    async fn new(name: &'a str, place: Place, of_each: usize) -> Self {
        let warehouse = tempfile::tempdir().unwrap();
        let w = world(warehouse.path(), &place, None, &FaultPlan::new()).await;
        set_up(&w).await;
        let rows = rows(&w).await.unwrap();
        Self { name, place, warehouse, rows, of_each }
    }

    fn copy(&self) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(self.warehouse.path(), dir.path());
        dir
    }

    /// The calls of `sql` from a copy, as `begin` makes it ready.
    async fn calls(&self, place: &Place, sql: &str) -> Vec<Passed> {
        let (dir, plan) = (self.copy(), FaultPlan::new());
        let w = world(dir.path(), place, None, &plan).await;
        if sql == BACKUP {
            w.sql(&place.create_repository()).await.unwrap();
        }
        let before = plan.passed();
        plan.record();
        w.done(sql).await;
        let mut log = plan.log();
        log.retain_mut(|call| {
            call.number = call.number.saturating_sub(before);
            call.number > 0
        });
        log
    }

    async fn strike(&self, dir: &Path, place: &Place, sql: &str, call: &Passed, wrong: Wrong) -> Struck {
        let plan = FaultPlan::new();
        let w = world(dir, place, Some(wrong), &plan).await;
        if sql == BACKUP {
            w.sql(&place.create_repository()).await.unwrap();
        }
        wrong.strike(&plan, plan.passed() + call.number);
        let outcome = w.job(sql).await;
        let (state, said) = match &outcome {
            Ok(record) => (record.state.clone(), job_status(record)),
            Err(refused) => ("REFUSED".to_owned(), refused.to_string()),
        };
        let context = format!("{}: {call:?}, {wrong:?}: {state} {said}", self.name);
        let finished = state == "FINISHED";
        assert!(finished || !wrong.is_overcome(), "{context}");
        assert!(finished || said.len() > 20, "{context}");
        drop(w);
        let w = world(dir, place, None, &FaultPlan::new()).await;
        w.store.become_writer().await.unwrap();
        Struck { w, finished, context }
    }

    async fn backups(&self) {
        let log = self.calls(&self.place.below("count"), BACKUP).await;
        let parts = log.iter().filter(|call| call.point == "write part").count();
        assert!(parts >= 3, "the long file goes in parts: {log:?}");
        let (mut finished, points) = (0, sample(&log, self.of_each));
        for (n, (call, wrong)) in points.iter().enumerate() {
            let (dir, place) = (self.copy(), self.place.below(&format!("backup{n}")));
            let after = self.strike(dir.path(), &place, BACKUP, call, *wrong).await;
            assert_eq!(rows(&after.w).await.as_ref(), Some(&self.rows), "{}", after.context);
            finished += u64::from(after.finished);
            println!("{}", after.context);
            if after.finished && wrong.is_damage() {
                let elsewhere = tempfile::tempdir().unwrap();
                let other = world(elsewhere.path(), &place, None, &FaultPlan::new()).await;
                other.sql(&place.create_repository()).await.unwrap();
                damage_is_named_by(&other, &after.w, &place.repository().await, &self.rows).await;
                continue;
            }
            if !after.finished {
                let repository = place.repository().await;
                clean_up(&repository, "s").await.unwrap();
                assert_eq!(orphans(&repository).await.unwrap(), [], "{}", after.context);
                assert_eq!(place.unfinished().await, 0, "{}", after.context);
                after.w.done(BACKUP).await;
            }
            self.is_whole(&place).await;
        }
        println!("{}: backup, {} points, {finished} FINISHED", self.name, points.len());
        assert!(points.len() >= 12 * self.of_each, "{}", points.len());
    }

    async fn is_whole(&self, place: &Place) {
        let elsewhere = tempfile::tempdir().unwrap();
        let other = world(elsewhere.path(), place, None, &FaultPlan::new()).await;
        place.is_whole(&other, &self.rows).await;
    }

    async fn restores(&mut self) {
        let place = self.place.below("restores");
        let restore = {
            let w = world(self.warehouse.path(), &place, None, &FaultPlan::new()).await;
            w.sql(&place.create_repository()).await.unwrap();
            w.done(BACKUP).await;
            let restore = w.restore_statement("s", "").await;
            w.store.change(Change::DropDatabase { name: "d".into() }).await.unwrap();
            w.store.reclaim().await.unwrap();
            restore
        };
        let log = self.calls(&place, &restore).await;
        let (mut finished, points) = (0, sample(&log, self.of_each));
        for (call, wrong) in &points {
            let dir = self.copy();
            let after = self.strike(dir.path(), &place, &restore, call, *wrong).await;
            println!("{}", after.context);
            finished += u64::from(after.finished);
            if !after.finished {
                let databases = after.w.store.list_databases().await.unwrap();
                assert!(databases.is_empty(), "{}: nothing is restored", after.context);
                after.w.done(&restore).await;
            }
            assert_eq!(rows(&after.w).await.as_ref(), Some(&self.rows), "{}", after.context);
        }
        place.holds_nothing_else().await;
        println!("{}: restore, {} points, {finished} FINISHED", self.name, points.len());
        assert!(points.len() >= 10 * self.of_each, "{}", points.len());
    }
}

/// One run, over, and the warehouse as the next process opens it.
struct Struck {
    w: World,
    finished: bool,
    context: String,
}

fn place(factory: impl RepositoryFactory + 'static, location: &str) -> Place {
    Place { factory: Arc::new(factory), location: location.to_owned(), properties: Vec::new() }
}

/// A bucket of a MinIO; with one drive it is a folder.
pub(crate) fn on_minio(server: &Running, bucket: &str) -> Place {
    std::fs::create_dir(server.state().join("data").join(bucket)).unwrap();
    let service = server.service();
    let mut place = place(S3Factory::default(), &format!("s3a://{bucket}/here"));
    place.properties = [
        ("aws.s3.endpoint", "endpoint"),
        ("aws.s3.access_key", "access_key"),
        ("aws.s3.secret_key", "secret_key"),
    ]
    .map(|(key, field)| (key, service.get(field).to_owned()))
    .into();
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minio_fails_stalls_and_lies() {
    let test = "minio_fails_stalls_and_lies";
    let Some(server) = own("minio", test) else { return };
    let mut sampled = Sampled::new(test, on_minio(&server, "faults"), 2).await;
    sampled.backups().await;
    sampled.restores().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hdfs_fails_stalls_and_lies() {
    let test = "hdfs_fails_stalls_and_lies";
    let Some(service) = service("hdfs", test) else { return };
    let location = format!("{}/everybody/faults-{}", service.get("url"), std::process::id());
    let mut place = place(HdfsFactory, &location);
    place.properties = vec![("username", "rockhold".to_owned())];
    let mut sampled = Sampled::new(test, place, 1).await;
    sampled.backups().await;
    sampled.restores().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stand_in_for_cloud_storage_fails_stalls_and_lies() {
    let test = "a_stand_in_for_cloud_storage_fails_stalls_and_lies";
    let gcs = Emulator::start().await.unwrap();
    gcs.create_bucket("faults");
    let mut place = place(GcsFactory, "gs://faults/here");
    place.properties =
        vec![("gcp.gcs.endpoint", gcs.endpoint().to_owned()), ("gcp.gcs.anonymous", "true".to_owned())];
    let mut sampled = Sampled::new(test, place, 1).await;
    sampled.backups().await;
    sampled.restores().await;
    assert_eq!(gcs.unfinished_sessions(), 0);
}
