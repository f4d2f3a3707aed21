//! Cost follows what changed, not what exists: counted in calls and bytes.

use crate::support::{MemoryFactory, World, one_at_a_time, open, open_layered};
use rockhold_core::{ObjectName, Repository};
use rockhold_engine::EngineConfig;
use rockhold_layers::{Counts, FaultPlan, Layers, Operation};
use rockhold_warehouse_store::Change;
use std::sync::Arc;

const PARTITIONS: usize = 100;

async fn world(dir: &tempfile::TempDir) -> (World, MemoryFactory) {
    let memory = MemoryFactory::default();
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(PARTITIONS).await;
    (w, memory)
}

/// What one backup sent to the repository.
async fn backup(w: &World, label: &str) -> Counts {
    let before = w.counters.snapshot();
    w.done(&format!("BACKUP DATABASE d SNAPSHOT {label} TO r")).await;
    w.counters.snapshot().since(&before)
}

fn data_files(memory: &MemoryFactory) -> usize {
    let repository = memory.repository("mem://r/__rockhold_repository_r");
    assert_eq!(repository.info().scheme, "memory");
    repository.objects().keys().filter(|key| key.as_str().starts_with("data/")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_partition_of_a_hundred_moves_that_partition_and_a_few_pages() {
    let dir = tempfile::tempdir().unwrap();
    let (w, memory) = world(&dir).await;
    let first = backup(&w, "s1").await;
    assert_eq!(data_files(&memory), 2 * PARTITIONS);

    let unchanged = backup(&w, "s2").await;
    assert_eq!(data_files(&memory), 2 * PARTITIONS, "no file is stored again");
    println!(
        "first: {} calls, {} bytes up; unchanged: {} calls, {} bytes up, {} bytes down",
        first.calls(),
        first.bytes_up(),
        unchanged.calls(),
        unchanged.bytes_up(),
        unchanged.bytes_down()
    );
    // Claim and outcome, and nothing else.
    assert!(unchanged.of(Operation::Put).calls <= 2, "{unchanged:?}");
    assert!(unchanged.bytes_up() * 20 < first.bytes_up(), "{unchanged:?}");

    w.load_into(&ObjectName::new("d", "t"), 90, |name| name == "p050").await;
    let changed = backup(&w, "s3").await;
    println!(
        "one partition: {} calls, {} bytes up, {} bytes down",
        changed.calls(),
        changed.bytes_up(),
        changed.bytes_down()
    );
    assert_eq!(data_files(&memory), 2 * PARTITIONS + 1, "one new file");
    // The file, at most two pages, claim and outcome.
    assert!(changed.of(Operation::Put).calls <= 5, "{changed:?}");
    assert!(changed.bytes_up() * 5 < first.bytes_up(), "{changed:?}");

    // Every snapshot is logically full.
    for label in ["s1", "s2", "s3"] {
        w.done(&w.restore_statement(label, &format!(" AS {label}_copy")).await).await;
    }
    let rows = |lines: Vec<String>| lines.len() - 1;
    let table = |db: &str| ObjectName::new(db, "t");
    assert_eq!(rows(w.visible(&table("s1_copy")).await.unwrap()), 2 * PARTITIONS);
    assert_eq!(rows(w.visible(&table("s3_copy")).await.unwrap()), 2 * PARTITIONS + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_of_several_batches_puts_every_file_where_it_belongs() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    // Partitions and files are staged 256 at a time; every file has other rows.
    w.set_up(600).await;
    let table = ObjectName::new("d", "t");
    w.load_into(&table, 70, |name| name < "p200").await;
    backup(&w, "s").await;
    let (rows, restore) = (w.visible(&table).await.unwrap(), w.restore_statement("s", "").await);
    assert_eq!(rows.len(), 1 + 2 * 600 + 199);
    w.store.change(Change::DropDatabase { name: "d".into() }).await.unwrap();
    w.store.reclaim().await.unwrap();
    w.done(&restore).await;
    assert!(w.visible(&table).await.unwrap() == rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_up_to_two_parts_takes_one_request() {
    // The files have some 900 bytes.
    for (part, requests) in [(600, 0), (300, 2)] {
        let (dir, storage) = (tempfile::tempdir().unwrap(), Arc::new(MemoryFactory::default()));
        let config = EngineConfig { upload_buffer_size: part, ..one_at_a_time() };
        let plan = FaultPlan::new();
        let w = open_layered(dir.path(), storage, &plan, Layers::new(), config).await.unwrap();
        w.set_up(1).await;
        let spent = backup(&w, "s").await;
        assert_eq!(spent.of(Operation::Create).calls, requests, "parts of {part} bytes: {spent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_where_the_files_are_here_downloads_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (w, _) = world(&dir).await;
    backup(&w, "s1").await;
    let restore = w.restore_statement("s1", " AS copy").await;
    let before = w.counters.snapshot();
    w.done(&restore).await;
    let spent = w.counters.snapshot().since(&before);
    println!("restore by reference: {} calls, {} bytes down", spent.calls(), spent.bytes_down());
    assert!(spent.of(Operation::Get).calls < 20, "{spent:?}");
    let writes = [Operation::Put, Operation::Create, Operation::Delete, Operation::Copy];
    assert!(writes.iter().all(|write| spent.of(*write).calls == 0), "a restore only reads: {spent:?}");
    let (mut copy, original) = (
        w.visible(&ObjectName::new("copy", "t")).await.unwrap(),
        w.visible(&ObjectName::new("d", "t")).await.unwrap(),
    );
    copy[0].clone_from(&original[0]);
    assert_eq!(copy, original);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_partition_is_not_uploaded_again() {
    let dir = tempfile::tempdir().unwrap();
    let (w, memory) = world(&dir).await;
    backup(&w, "s1").await;
    let table = ObjectName::new("d", "t");
    let mut definition = w.store.list_partitions(&table).await.unwrap()[7].definition.clone();
    definition.name = "renamed".into();
    let rename =
        Change::SetPartition { table: table.clone(), name: "p008".into(), temporary: false, definition };
    w.store.change(rename).await.unwrap();
    backup(&w, "s2").await;
    assert_eq!(data_files(&memory), 2 * PARTITIONS, "its files are found by digest");
    w.done(&w.restore_statement("s2", " AS copy").await).await;
    assert_eq!(w.visible(&ObjectName::new("copy", "t")).await.unwrap().len(), 2 * PARTITIONS + 1);
}
