//! Many files: pages stay small, commits stay short.

use crate::support::*;
use rockhold_core::{JobId, KindId, PinRequest, RestoreAction, StagedFile, Warehouse};
use serde_json::json;

const FILES: usize = 20_000;
const BATCH: usize = 1_000;

/// One file referenced many times: the catalog has as many rows as for many
/// files, the disk only one.
#[tokio::test]
async fn twenty_thousand_files_are_staged_in_batches_and_read_in_pages() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    let (file, _) = &saved[0].files[0];
    let job = JobId::random().expect("id");
    store.begin(job, &plan("big", RestoreAction::Create, json!({}))).await.expect("begin");
    let found = store.find_file(job, &file.digest, file.len).await.expect("find").expect("here");
    for part in 0..2 {
        let mut entry = saved[0].entry.clone();
        entry.name = format!("p{part}");
        entry.definition["name"] = json!(entry.name);
        let [handle] = store.stage_partitions(job, 0, vec![entry]).await.expect("stage")[..] else {
            panic!("one handle")
        };
        for first in (0..FILES / 2).step_by(BATCH) {
            let batch = (first..first + BATCH)
                .map(|number| StagedFile::new(handle, number as u64, found.clone(), file))
                .collect();
            store.stage_files(job, batch).await.expect("stage");
        }
    }
    store.commit(job).await.expect("commit");

    let job = JobId::random().expect("id");
    let cut = store.pin(job, vec![PinRequest::new(KindId::TABLE, name("big"))]).await.expect("pin");
    let mut seen = 0;
    for partition in cut.partitions(0, None, 10).await.expect("partitions") {
        assert_eq!((partition.files, partition.rows), (FILES as u64 / 2, FILES as u64 / 2));
        let mut after = None;
        loop {
            let page = cut.files(&partition, after, BATCH).await.expect("page");
            assert!(page.len() <= BATCH);
            let Some(last) = page.last() else { break };
            assert_eq!(page[0].number, after.map_or(0, |n| n + 1));
            after = Some(last.number);
            seen += page.len();
        }
    }
    assert_eq!(seen, FILES);
    store.release(job).await.expect("release");
    let table = name("big");
    let drop = rockhold_warehouse_store::Change::DropObject {
        namespace: rockhold_core::Namespace::Relation,
        name: table,
    };
    store.change(drop).await.expect("drop");
    store.reclaim().await.expect("reclaim");
    assert_eq!(rows_by_partition(&store, "t").await["p1"], [1], "the shared file stays");
}
