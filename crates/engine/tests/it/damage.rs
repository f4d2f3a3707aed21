//! A flipped byte anywhere in a repository is named, and nothing is restored.

use crate::support::{MemoryFactory, open};
use rockhold_core::{Key, ObjectName, PutRequest, Repository, WriteMode};
use rockhold_layers::FaultPlan;
use std::sync::Arc;

/// How many places of each file are damaged, first and last byte included.
const REGIONS: usize = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_flipped_in_every_region_of_every_file_is_named_and_nothing_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryFactory::default();
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    // Enough partitions that they and their files do not fit into the header.
    w.set_up(40).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let restore = w.restore_statement("s", " AS copy").await;
    let repository = memory.repository("mem://r/__rockhold_repository_r");
    w.store.change(rockhold_warehouse_store::Change::DropDatabase { name: "d".into() }).await.unwrap();
    w.store.reclaim().await.unwrap();

    let objects = repository.objects();
    let folders: std::collections::BTreeSet<&str> =
        objects.keys().filter_map(|k| k.segments().next()).collect();
    assert_eq!(
        folders.into_iter().collect::<Vec<_>>(),
        ["README.txt", "data", "labels", "meta", "repository.json"]
    );
    let mut places = 0;
    for (key, bytes) in &objects {
        // Of the many data files a few stand for all; of everything else every file is damaged.
        let stands_for_all = ["/0.parquet", "/7.parquet", "/79.parquet"];
        if key.as_str().starts_with("data/") && !stands_for_all.iter().any(|end| key.as_str().ends_with(end))
        {
            continue;
        }
        for place in regions(bytes.len()) {
            let mut damaged = bytes.to_vec();
            damaged[place] ^= 0x10;
            put(&repository, key, damaged).await;
            let said = match w.job(&restore).await {
                Err(error) => error.to_string(),
                Ok(record) => format!("{} {}", record.state, rockhold_engine::job_status(&record)),
            };
            let readme = key.as_str() == "README.txt";
            if readme {
                // No row depends on it: the restore goes on, the damage is named to whoever opens the repository.
                assert!(said.starts_with("FINISHED"), "{said}");
                let change = rockhold_warehouse_store::Change::DropDatabase { name: "copy".into() };
                w.store.change(change).await.unwrap();
                w.store.reclaim().await.unwrap();
                let root = rockhold_core::format::open(&*repository, "r").await.unwrap();
                assert!(root.warnings.iter().any(|text| text.contains("README.txt")), "{:?}", root.warnings);
            } else {
                assert!(said.contains(key.as_str()), "{key} byte {place} of {}: {said}", bytes.len());
                assert!(!said.starts_with("FINISHED"), "{key} byte {place}: {said}");
                if key.as_str().starts_with("data/") {
                    assert!(said.contains("object d.t") && said.contains("partition p0"), "{said}");
                }
            }
            assert!(
                w.store.list_databases().await.unwrap().is_empty(),
                "{key} byte {place}: nothing is restored"
            );
            places += 1;
        }
        put(&repository, key, bytes.to_vec()).await;
    }
    println!("{places} places in {} files", objects.len());
    w.done(&restore).await;
    assert_eq!(w.visible(&ObjectName::new("copy", "t")).await.unwrap().len(), 81);
}

fn regions(len: usize) -> impl Iterator<Item = usize> {
    let mut places: Vec<usize> = (0..REGIONS).map(|n| n * (len - 1) / (REGIONS - 1)).collect();
    places.dedup();
    places.into_iter()
}

async fn put(repository: &Arc<rockhold_core::MemoryRepository>, key: &Key, bytes: Vec<u8>) {
    repository.put(PutRequest::new(key.clone(), bytes).mode(WriteMode::Overwrite)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_named_and_nothing_is_restored() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryFactory::default();
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(3).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let restore = w.restore_statement("s", " AS copy").await;
    let repository = memory.repository("mem://r/__rockhold_repository_r");
    w.store.change(rockhold_warehouse_store::Change::DropDatabase { name: "d".into() }).await.unwrap();
    w.store.reclaim().await.unwrap();
    for (key, bytes) in repository.objects() {
        if !key.as_str().starts_with("data/") {
            continue;
        }
        repository.delete(vec![key.clone()]).await.unwrap();
        let record = w.job(&restore).await.unwrap();
        let status = rockhold_engine::job_status(&record);
        assert_eq!(record.state, "CANCELLED");
        assert!(status.starts_with("[BAD_FILE") && status.contains(key.as_str()), "{status}");
        assert!(w.store.list_databases().await.unwrap().is_empty());
        put(&repository, &key, bytes.to_vec()).await;
    }
    w.done(&restore).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_reuses_nothing_stands_by_itself_and_the_next_ones_upon_it() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(3).await;
    let rows = w.visible(&ObjectName::new("d", "t")).await.unwrap();
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let repository = memory.repository("mem://r/__rockhold_repository_r");
    let data = || repository.objects().into_keys().filter(|key| key.as_str().starts_with("data/"));
    let lost: Vec<Key> = data().collect();
    repository.delete(lost).await.unwrap();
    w.done("BACKUP DATABASE d SNAPSHOT whole TO r PROPERTIES (\"reuse\" = \"false\")").await;
    assert_eq!(data().count(), 6, "every file is stored anew");
    w.done("BACKUP DATABASE d SNAPSHOT later TO r").await;
    assert_eq!(data().count(), 6, "and found again by the next one");
    let restores = [w.restore_statement("whole", "").await, w.restore_statement("later", "").await];
    for restore in restores {
        w.store.change(rockhold_warehouse_store::Change::DropDatabase { name: "d".into() }).await.unwrap();
        w.store.reclaim().await.unwrap();
        w.done(&restore).await;
        assert_eq!(w.visible(&ObjectName::new("d", "t")).await.as_ref(), Some(&rows));
    }
}
