//! What a program that embeds us can measure.

use crate::support::{Place, TestWarehouse};
use rockhold::{Metrics, Operation, Rockhold};

#[tokio::test(flavor = "multi_thread")]
async fn calls_to_the_repositories_are_measured_over_all_jobs() {
    let (place, metrics) = (Place::new(), Metrics::new());
    let rockhold =
        Rockhold::embedded(place.path("w")).time_zone("UTC").metrics(metrics.clone()).open().await.unwrap();
    let mut w = TestWarehouse { session: rockhold.session().unwrap(), rockhold };
    w.sql("CREATE DATABASE d; USE d; CREATE TABLE t (k INT) DUPLICATE KEY(k); INSERT INTO t VALUES (1)")
        .await;
    let written = || metrics.of(Operation::Put).succeeded;
    assert_eq!(written(), 0);
    w.sql(&place.create_repository("r", "r")).await;
    let created = written();
    assert!(created > 0);
    w.job("BACKUP DATABASE d SNAPSHOT s TO r").await;
    // At least the file, the claim and the outcome.
    assert!(written() >= created + 3, "{:?}", metrics.of(Operation::Put));
    let put = metrics.of(Operation::Put);
    assert!(put.failed + put.dropped == 0 && put.time > std::time::Duration::ZERO, "{put:?}");
    assert_eq!(put.classes.iter().sum::<u64>(), put.succeeded);
    let read = metrics.of(Operation::Get).succeeded;
    let timestamp = w.timestamp("r", "s").await;
    w.sql("DROP DATABASE d FORCE").await;
    w.job(&format!(
        "RESTORE SNAPSHOT s FROM r DATABASE d PROPERTIES (\"backup_timestamp\" = \"{timestamp}\")"
    ))
    .await;
    assert!(metrics.of(Operation::Get).succeeded > read);
}
