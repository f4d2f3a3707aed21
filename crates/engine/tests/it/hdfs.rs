//! A backup and a restore go on when the active NameNode of an HDFS dies.

use crate::place::Place;
use crate::support::{World, open_with};
use async_trait::async_trait;
use rockhold_core::{Key, ObjectName, OpenRepository, OpenedRepository, RepositoryFactory, Result};
use rockhold_layers::{Fault, FaultPlan, Layers, Operation, Scope};
use rockhold_storage_hdfs::HdfsFactory;
use rockhold_testkit::servers::{Running, hdfs::make_active, own};
use rockhold_warehouse_store::Change;
use std::sync::Arc;
use std::time::Duration;

/// As a program has it: the adapter below the standard layers.
#[derive(Debug)]
struct Layered;

#[async_trait]
impl RepositoryFactory for Layered {
    fn schemes(&self) -> &[&'static str] {
        HdfsFactory.schemes()
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        let mut opened = HdfsFactory.open(request).await?;
        opened.repository = Layers::standard().around(opened.repository);
        Ok(opened)
    }
}

/// Both halves, since a pair of NameNodes takes long to start.
#[tokio::test(flavor = "multi_thread")]
async fn the_active_namenode_dies_in_the_middle_of_a_backup_and_of_a_restore() {
    let test = "the_active_namenode_dies_in_the_middle_of_a_backup_and_of_a_restore";
    let Some(mut cluster) = own("hdfs-ha", test) else { return };
    let dir = tempfile::tempdir().unwrap();
    let plan = FaultPlan::new();
    // Slow enough to be met in the middle.
    let data = Key::new("data").unwrap();
    for operation in [Operation::Put, Operation::Get] {
        plan.on(Scope::operation(operation).below(data.clone()), Fault::Stall(Duration::from_millis(150)));
    }
    let w = open_with(dir.path(), Arc::new(Layered), &plan).await.unwrap();
    w.store.change(Change::CreateDatabase { name: "d".into() }).await.unwrap();
    let table = ObjectName::new("d", "t");
    w.create_table(&table, 12).await;
    w.load(&table, 1).await;
    w.load(&table, 50).await;
    let place = place(&cluster);
    w.sql(&place.create_repository()).await.unwrap();
    let before = w.visible(&table).await.unwrap();

    let backup = w.submit("BACKUP DATABASE d SNAPSHOT s TO r").await.unwrap();
    change_over(&w, &mut cluster, "UPLOADING", "nn1", "nn2").await;
    let record = backup.wait().await;
    assert_eq!(record.state, "FINISHED", "{}", rockhold_engine::job_status(&record));

    let truncate = Change::TruncatePartitions { table: table.clone(), names: None };
    w.store.change(truncate).await.unwrap();
    w.store.reclaim().await.unwrap();
    assert!(w.visible(&table).await.unwrap().len() < before.len());
    // The first is back, in standby, before the second dies.
    cluster.restart().unwrap();
    let restore = w.submit(&w.restore_statement("s", "").await).await.unwrap();
    change_over(&w, &mut cluster, "DOWNLOADING", "nn2", "nn1").await;
    let record = restore.wait().await;
    assert_eq!(record.state, "FINISHED", "{}", rockhold_engine::job_status(&record));
    assert_eq!(w.visible(&table).await.unwrap(), before);
    place.holds_nothing_else().await;
}

/// The keys of the pair stand in the statement, which StarRocks refuses.
fn place(cluster: &Running) -> Place {
    let service = cluster.service();
    Place {
        factory: Arc::new(HdfsFactory),
        location: format!("{}/everybody/backup", service.get("url")),
        properties: vec![
            ("username", String::new()),
            ("dfs.nameservices", "ns1".to_owned()),
            ("dfs.ha.namenodes.ns1", "nn1, nn2".to_owned()),
            ("dfs.namenode.rpc-address.ns1.nn1", service.get("nn1").to_owned()),
            ("dfs.namenode.rpc-address.ns1.nn2", service.get("nn2").to_owned()),
            (
                "dfs.client.failover.proxy.provider.ns1",
                "org.apache.hadoop.hdfs.server.namenode.ha.ConfiguredFailoverProxyProvider".to_owned(),
            ),
        ],
    }
}

/// Waits until a job is well within a state, then kills one NameNode and makes
/// the other active a little later.
async fn change_over(w: &World, cluster: &mut Running, state: &str, dying: &str, next: &str) {
    let begun = w.counters.snapshot().calls();
    let is_within = || w.engine.running_jobs().iter().any(|job| job.record().state == state);
    while !is_within() || w.counters.snapshot().calls() <= begun + 6 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::task::block_in_place(|| {
        cluster.process(dying).kill();
        assert!(is_within(), "the job was faster than the kill");
        make_active(cluster, next, true).unwrap();
    });
}
