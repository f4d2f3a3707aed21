//! A repeated BACKUP takes over what a dead job uploaded, after reading it.

use crate::support::{MemoryFactory, World, open};
use rockhold_core::{Key, ObjectName, PutRequest, Repository, WriteMode};
use rockhold_layers::{Fault, FaultPlan, Moment, Operation, Scope};
use std::collections::BTreeSet;

const BACKUP: &str = "BACKUP DATABASE d SNAPSHOT s TO r";
const ROOT: &str = "mem://r/__rockhold_repository_r";

fn data(memory: &MemoryFactory) -> BTreeSet<Key> {
    let objects = memory.repository(ROOT).objects();
    objects.into_keys().filter(|key| key.as_str().starts_with("data/")).collect()
}

/// A backup that died when everything was uploaded and the outcome was not
/// written; then the directory opened again, as by the next process.
async fn died(dir: &tempfile::TempDir, memory: &MemoryFactory) -> (World, Vec<String>) {
    let rows = {
        let w = open(dir.path(), memory, &FaultPlan::new()).await.unwrap();
        w.set_up(4).await;
        w.visible(&ObjectName::new("d", "t")).await.unwrap()
    };
    let plan = FaultPlan::new();
    {
        let w = open(dir.path(), memory, &plan).await.unwrap();
        let labels = Scope::operation(Operation::Put).below(Key::new("labels").unwrap());
        // The first is the claim, the second the outcome.
        plan.on(labels.skip(1), Fault::Die(Moment::Before));
        assert_eq!(w.job(BACKUP).await.unwrap().state, "CANCELLED");
    }
    assert!(plan.is_dead());
    assert_eq!(data(memory).len(), 8, "the dead job could not clean up");
    (open(dir.path(), memory, &FaultPlan::new()).await.unwrap(), rows)
}

async fn restores(w: &World, rows: &[String]) {
    w.done(&w.restore_statement("s", " AS copy").await).await;
    let mut copy = w.visible(&ObjectName::new("copy", "t")).await.unwrap();
    copy[0].clone_from(&rows[0]);
    assert_eq!(copy, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_backup_adopts_what_a_dead_job_uploaded_after_reading_it() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let (w, rows) = died(&dir, &memory).await;
    let left = data(&memory);
    let stored: u64 = memory
        .repository(ROOT)
        .objects()
        .iter()
        .filter(|(key, _)| left.contains(*key))
        .map(|(_, bytes)| bytes.len() as u64)
        .sum();
    let before = w.counters.snapshot();
    w.done(BACKUP).await;
    let spent = w.counters.snapshot().since(&before);
    assert_eq!(data(&memory), left, "nothing is uploaded again");
    assert!(spent.bytes_down() >= stored, "each file was read before it was believed: {spent:?}");
    restores(&w, &rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_job_left_damaged_or_lost_is_uploaded_again() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let (w, rows) = died(&dir, &memory).await;
    let left = data(&memory);
    let repository = memory.repository(ROOT);
    let (damaged, lost) = (left.first().unwrap().clone(), left.last().unwrap().clone());
    let mut bytes = repository.objects()[&damaged].to_vec();
    bytes[17] ^= 4;
    let put = PutRequest::new(damaged.clone(), bytes).mode(WriteMode::Overwrite);
    repository.put(put).await.unwrap();
    repository.delete(vec![lost.clone()]).await.unwrap();
    w.done(BACKUP).await;
    let now = data(&memory);
    assert_eq!(now.len(), left.len() - 1 + 2, "the damaged and the lost one have new copies");
    assert!(!now.contains(&lost));
    w.store.change(rockhold_warehouse_store::Change::DropDatabase { name: "d".into() }).await.unwrap();
    w.store.reclaim().await.unwrap();
    restores(&w, &rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_label_adopts_nothing() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let (w, _) = died(&dir, &memory).await;
    // Whoever sweeps the dead job's files may do so at any time: only a claim
    // of its label keeps them.
    w.done("BACKUP DATABASE d SNAPSHOT other TO r").await;
    assert_eq!(data(&memory).len(), 16);
}
