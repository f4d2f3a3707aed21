//! Two NameNodes: one active, one in standby.

use crate::{
    kerberos::by_keytab,
    support::{fresh_path, impatient, in_child, key, line, open, own, patient, read, refused, write_once},
};
use bytes::Bytes;
use futures::future::join_all;
use rockhold_core::{CreateRequest, ErrorKind, ObjectWriter, Result, SharedRepository};
use rockhold_storage_hdfs::HdfsConfig;
use rockhold_testkit::{
    must,
    servers::{Running, SERVICES, Service, hdfs::make_active, service},
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn config(cluster: &Running, order: &str) -> HdfsConfig {
    pair(&cluster.service(), order)
}

fn pair(service: &Service, order: &str) -> HdfsConfig {
    HdfsConfig::new(format!("{}{}", service.get("url"), fresh_path()))
        .conf_dir(std::env::temp_dir())
        .set("dfs.nameservices", service.get("nameservice"))
        .set("dfs.ha.namenodes.ns1", order)
        .set("dfs.namenode.rpc-address.ns1.nn1", service.get("nn1"))
        .set("dfs.namenode.rpc-address.ns1.nn2", service.get("nn2"))
}

/// Every test of a pair of NameNodes needs one that it may hurt, and a cluster
/// takes long to start, so they share one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_and_readers_survive_failovers_deaths_and_hangs() {
    let test = "writers_and_readers_survive_failovers_deaths_and_hangs";
    let Some((mut cluster, _alone)) = own("hdfs-ha", test).await else { return };
    a_standby_alone_is_told(&cluster).await;
    blanks_and_order_do_not_matter(&cluster).await;
    a_graceful_failover_goes_unnoticed(&cluster).await;
    the_active_may_die_while_files_are_written(&mut cluster).await;
    an_active_that_hangs_is_passed_over(&mut cluster).await;
}

async fn a_standby_alone_is_told(cluster: &Running) {
    let location = format!("hdfs://{}{}", cluster.service().get("nn2"), fresh_path());
    let error = refused(HdfsConfig::new(location).conf_dir(std::env::temp_dir())).await;
    assert!(error.kind() == ErrorKind::Unavailable && error.is_temporary(), "{error:?}");
    assert!(
        line(&error).contains("the NameNode is in standby state; name the active one, or the nameservice"),
        "{error}"
    );
}

async fn blanks_and_order_do_not_matter(cluster: &Running) {
    for order in ["nn2 , nn1", "nn1, nn2"] {
        let repository = open(config(cluster, order)).await;
        must(write_once(&repository, "a", "bytes").await);
        assert_eq!(read(&*repository, "a").await, "bytes");
    }
}

async fn a_graceful_failover_goes_unnoticed(cluster: &Running) {
    let repository = patient(open(config(cluster, "nn1,nn2")).await);
    let writing = write_many(&repository, "graceful", 30);
    let state = cluster;
    let failing_over = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        tokio::task::block_in_place(|| make_active(state, "nn2", false)).unwrap();
        tokio::task::block_in_place(|| make_active(state, "nn1", false)).unwrap();
    };
    let (written, ()) = tokio::join!(writing, failing_over);
    must(written);
    check_many(&repository, "graceful", 30).await;
}

async fn the_active_may_die_while_files_are_written(cluster: &mut Running) {
    let repository = patient(open(config(cluster, "nn1,nn2")).await);
    let parts = must(repository.create(CreateRequest::new(key("parts"), 300_000)).await);
    must(parts.write_part(0, Bytes::from(vec![0; 300_000])).await);
    let other = repository.clone();
    let writing = tokio::spawn(async move { write_many(&other, "deaths", 60).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.process("nn1").kill();
    must(rest_of_parts(&*parts, cluster).await);
    must(writing.await.unwrap());
    check_many(&repository, "deaths", 60).await;
    // What could not be removed while no NameNode was active is removed since.
    must(repository.barrier().await);
    assert_eq!(must(repository.count_staged(&key("deaths")).await), 0);
    let meta = must(parts.commit().await);
    assert_eq!(meta.len, 1_200_000);
    let whole = read(&*repository, "parts").await;
    assert!((0..4).all(|n| whole[n * 300_000..(n + 1) * 300_000].iter().all(|byte| *byte == n as u8)));
    cluster.restart().unwrap();
}

async fn rest_of_parts(parts: &dyn ObjectWriter, cluster: &Running) -> Result<()> {
    let rest = join_all((1..4u8).map(|n| parts.write_part(u32::from(n), Bytes::from(vec![n; 300_000]))));
    let taking_over = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        tokio::task::block_in_place(|| make_active(cluster, "nn2", true)).unwrap();
    };
    let (rest, ()) = tokio::join!(rest, taking_over);
    rest.into_iter().collect()
}

/// A NameNode that is stopped accepts connections and answers nothing; it is
/// the first of the list, and the one that was active.
async fn an_active_that_hangs_is_passed_over(cluster: &mut Running) {
    let repository = patient(open(impatient(config(cluster, "nn2,nn1"))).await);
    must(write_once(&repository, "before", "bytes").await);
    cluster.process("nn2").pause();
    // There is no fencing here: what is stopped is killed before it goes on.
    tokio::task::block_in_place(|| make_active(cluster, "nn1", true)).unwrap();
    must(write_once(&repository, "after", "bytes").await);
    assert_eq!(read(&*repository, "before").await, "bytes");
    cluster.process("nn2").kill();
    // What is dead refuses at once.
    let again = patient(open(config(cluster, "nn2,nn1")).await);
    must(write_once(&again, "one-of-two", "bytes").await);
}

/// The pair with Kerberos. The Kerberos library reads its settings from the
/// environment, so a child writes, while its parent kills the active NameNode.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_with_kerberos_survives_the_death_of_the_active() {
    const PLACE: &str = "ROCKHOLD_HDFS_TEST_PLACE";
    let test = "a_writer_with_kerberos_survives_the_death_of_the_active";
    let name = format!("ha::{test}");
    if let Some(place) = std::env::var_os(PLACE) {
        assert!(in_child(&name, &[]));
        let Some(cluster) = service("hdfs-ha-kerberos", test) else { return };
        return write_over_a_death(&cluster, &PathBuf::from(place)).await;
    }
    let Some((mut cluster, _alone)) = own("hdfs-ha-kerberos", test).await else { return };
    let place = tempfile::tempdir().unwrap();
    let hdfs = cluster.service();
    let services = place.path().join("services.json");
    std::fs::write(&services, serde_json::json!({ hdfs.name(): hdfs.fields() }).to_string()).unwrap();
    let child = {
        let (conf, place) = (hdfs.get("krb5_conf").to_owned(), place.path().display().to_string());
        let services = services.display().to_string();
        tokio::task::spawn_blocking(move || {
            in_child(&name, &[("KRB5_CONFIG", &conf), (SERVICES, &services), (PLACE, &place)])
        })
    };
    appears(&place.path().join("begun")).await;
    cluster.process("nn1").kill();
    tokio::task::block_in_place(|| make_active(&cluster, "nn2", true)).unwrap();
    std::fs::write(place.path().join("failed-over"), "").unwrap();
    assert!(!child.await.unwrap());
}

async fn write_over_a_death(cluster: &Service, place: &Path) {
    let repository = patient(open(pair(cluster, "nn1,nn2").login(by_keytab(cluster, "alice"))).await);
    must(write_many(&repository, "before", 10).await);
    std::fs::write(place.join("begun"), "").unwrap();
    let failed_over = place.join("failed-over");
    let mut rounds = 0;
    while !failed_over.exists() {
        must(write_many(&repository, &format!("during-{rounds}"), 5).await);
        rounds += 1;
    }
    must(write_many(&repository, "after", 10).await);
    check_many(&repository, "before", 10).await;
    for round in 0..rounds {
        check_many(&repository, &format!("during-{round}"), 5).await;
    }
    check_many(&repository, "after", 10).await;
    // A new login finds the one that is left.
    let again = patient(open(pair(cluster, "nn1,nn2").login(by_keytab(cluster, "bob"))).await);
    must(write_once(&again, "of-bob", "bytes").await);
}

async fn appears(file: &Path) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !file.exists() {
        assert!(Instant::now() < deadline, "{} does not appear", file.display());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn write_many(repository: &SharedRepository, prefix: &str, count: usize) -> Result<()> {
    for first in (0..count).step_by(5) {
        let five = (first..first + 5).map(|n| async move {
            write_once(repository, &format!("{prefix}/{n}"), Bytes::from(vec![n as u8; 10_000])).await
        });
        join_all(five).await.into_iter().collect::<Result<()>>()?;
    }
    Ok(())
}

async fn check_many(repository: &SharedRepository, prefix: &str, count: usize) {
    for n in 0..count {
        assert_eq!(
            read(&**repository, &format!("{prefix}/{n}")).await,
            vec![n as u8; 10_000],
            "{prefix}/{n}"
        );
    }
}
