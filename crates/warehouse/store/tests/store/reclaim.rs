//! What is reclaimed, and when.

use crate::support::*;
use rockhold_core::{JobId, KindId, PinRequest, Warehouse};
use rockhold_warehouse_store::{Change, OpenOptions, Store};
use std::time::{Duration, Instant};

#[tokio::test]
async fn files_are_removed_when_the_last_pin_goes() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let query = store.snapshot(&[name("t")]).await.expect("pin");
    let job = JobId::random().expect("id");
    let cut = store.pin(job, vec![PinRequest::new(KindId::TABLE, name("t"))]).await.expect("pin");
    store.change(Change::TruncatePartitions { table: name("t"), names: None }).await.expect("truncate");
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 1);
    drop(query);
    store.reclaim().await.expect("reclaim");
    assert_eq!(save(&*cut, 0).await.expect("read")[0].rows(), [1]);
    store.release(job).await.expect("release");
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 0);
}

#[tokio::test]
async fn a_pin_does_not_keep_other_tables() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    create_table(&store, "u", &["p1"]).await;
    load(&store, "u", "p1", &[1]).await.expect("load");
    let _query = store.snapshot(&[name("t")]).await.expect("pin");
    store.change(Change::TruncatePartitions { table: name("u"), names: None }).await.expect("truncate");
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 0);
}

#[tokio::test]
async fn the_background_reclaims_by_itself() {
    let dir = tempfile::tempdir().expect("dir");
    let mut options = OpenOptions::create();
    options.time_zone = Some("UTC".into());
    let store = Store::open(dir.path(), options).await.expect("new");
    store.change(Change::CreateDatabase { name: "db".into() }).await.expect("database");
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let query = store.snapshot(&[name("t")]).await.expect("pin");
    store.change(Change::DropDatabase { name: "db".into() }).await.expect("drop");
    drop(query);
    let end = Instant::now() + Duration::from_secs(20);
    while !files_on_disk(dir.path()).is_empty() {
        assert!(Instant::now() < end, "not reclaimed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn pins_of_a_store_go_with_it() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let reader = Store::open(dir.path(), reopen()).await.expect("open");
    let job = JobId::random().expect("id");
    let cut = reader.pin(job, vec![PinRequest::new(KindId::TABLE, name("t"))]).await.expect("pin");
    store.change(Change::TruncatePartitions { table: name("t"), names: None }).await.expect("truncate");
    store.reclaim().await.expect("reclaim");
    assert_eq!(save(&*cut, 0).await.expect("read")[0].rows(), [1]);
    drop((cut, reader));
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 0);
}

#[tokio::test]
async fn an_owner_that_cannot_be_seen_keeps_its_pins_until_its_lease_runs_out() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let other = Store::open(dir.path(), reopen()).await.expect("open");
    let query = other.snapshot(&[name("t")]).await.expect("pin");
    let catalog = rusqlite::Connection::open(dir.path().join("catalog.sqlite")).expect("open");
    // As if the pin came from another container.
    catalog.execute("UPDATE owners SET host = 'elsewhere', pid = 1, start = 1", []).expect("update");
    store.change(Change::TruncatePartitions { table: name("t"), names: None }).await.expect("truncate");
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 1);
    catalog.execute("UPDATE owners SET expires = 1", []).expect("update");
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 0);
    drop(query);
}
