//! How a restore meets what is there: partitions, other names, refusals.

use crate::support::{Place, TestWarehouse};

/// A warehouse with tables of several partitionings and the snapshot `s` of them.
async fn backed_up(place: &Place) -> (TestWarehouse, String) {
    let mut w = place.warehouse("w").await;
    w.sql(
        "CREATE DATABASE d; USE d;
         CREATE TABLE p (d DATE, v INT) PARTITION BY RANGE(d) (PARTITION p1 VALUES LESS THAN ('2024-01-01'),
             PARTITION p2 VALUES LESS THAN ('2024-02-01')) DISTRIBUTED BY HASH(v) BUCKETS 2;
         INSERT INTO p VALUES ('2023-05-05', 1), ('2024-01-15', 2), (NULL, 3);
         CREATE TABLE l (k VARCHAR(5), v INT) PARTITION BY (k) DISTRIBUTED BY HASH(v) BUCKETS 2;
         INSERT INTO l VALUES ('a', 1), ('b', 2), ('汉', 3);
         CREATE TABLE e (t DATETIME, v INT) PARTITION BY date_trunc('day', t);
         INSERT INTO e VALUES ('2024-01-01 10:00:00', 1), ('2024-01-03 10:00:00', 2);
         CREATE TABLE ai (id BIGINT NOT NULL AUTO_INCREMENT, v INT) PRIMARY KEY (id) DISTRIBUTED BY HASH(id);
         INSERT INTO ai (v) VALUES (10), (20)",
    )
    .await;
    w.sql(&place.create_repository("r", "repository")).await;
    w.job("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let timestamp = w.timestamp("r", "s").await;
    (w, timestamp)
}

fn restore(timestamp: &str, rest: &str) -> String {
    format!("RESTORE SNAPSHOT s FROM r {rest} PROPERTIES (\"backup_timestamp\" = \"{timestamp}\")")
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_partitions_of_the_snapshot_are_replaced_and_missing_ones_are_added() {
    let place = Place::new();
    let (mut w, ts) = backed_up(&place).await;
    w.sql("ALTER TABLE p DROP PARTITION p1 FORCE; INSERT INTO p VALUES ('2024-01-20', 99)").await;
    w.job(&restore(&ts, "DATABASE d ON (TABLE p PARTITION (P1))")).await;
    assert_eq!(w.lines("SELECT v FROM p ORDER BY v").await, ["1", "2", "3", "99"]);

    // StarRocks cannot add list partitions by RESTORE; here they are added when no value collides.
    w.sql("DROP TABLE l FORCE; CREATE TABLE l (k VARCHAR(5), v INT) PARTITION BY (k) DISTRIBUTED BY HASH(v) BUCKETS 2").await;
    w.sql("INSERT INTO l VALUES ('z', 9)").await;
    w.job(&restore(&ts, "DATABASE d ON (TABLE l)")).await;
    assert_eq!(w.lines("SELECT k, v FROM l ORDER BY v").await, ["a|1", "b|2", "汉|3", "z|9"]);
    w.sql("INSERT INTO l VALUES ('new', 10)").await;
    assert_eq!(w.lines("SELECT count(*) FROM l").await, ["5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlapping_range_is_refused_and_nothing_changes() {
    let place = Place::new();
    let (mut w, ts) = backed_up(&place).await;
    w.sql(
        "DROP TABLE p FORCE; CREATE TABLE p (d DATE, v INT)
         PARTITION BY RANGE(d) (PARTITION wide VALUES [('2023-01-01'), ('2024-01-10'))) DISTRIBUTED BY HASH(v) BUCKETS 2;
         INSERT INTO p VALUES ('2023-02-02', 7)",
    )
    .await;
    let status = w.cancelled(&restore(&ts, "DATABASE d ON (TABLE p)")).await;
    assert!(status.contains("has conflict range with existing ranges"), "{status}");
    assert_eq!(w.lines("SELECT v FROM p").await, ["7"]);
    w.sql("INSERT INTO p VALUES ('2023-02-03', 8)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_different_schema_is_refused_with_the_first_difference() {
    let place = Place::new();
    let (mut w, ts) = backed_up(&place).await;
    w.sql("DROP TABLE p FORCE; CREATE TABLE p (d DATE, v BIGINT) PARTITION BY RANGE(d) () DISTRIBUTED BY HASH(v) BUCKETS 2").await;
    let status = w.cancelled(&restore(&ts, "DATABASE d ON (TABLE p)")).await;
    assert!(
        status.contains(
            "Table p already exist but with different schema, errMsg: partition distribution col hash"
        ),
        "{status}"
    );
    w.sql("DROP TABLE p FORCE; CREATE TABLE p (d DATE, v INT) PARTITION BY RANGE(d) () DISTRIBUTED BY HASH(v) BUCKETS 3").await;
    let status = w.cancelled(&restore(&ts, "DATABASE d ON (TABLE p)")).await;
    assert!(status.contains("bucket num is inconsistent"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_follow_as_in_databases_and_tables() {
    let place = Place::new();
    let (mut w, ts) = backed_up(&place).await;
    w.job(&restore(&ts, "DATABASE d AS other ON (TABLE p AS pp, TABLE e)")).await;
    assert_eq!(w.lines("SHOW TABLES FROM other").await, ["e", "pp"]);
    assert_eq!(w.lines("SELECT count(*) FROM other.pp").await, ["3"]);
    w.sql("INSERT INTO other.e VALUES ('2025-05-05 00:00:00', 3)").await;
    assert_eq!(w.lines("SELECT count(*) FROM other.e").await, ["3"]);
    // AS onto an existing table of the same schema overwrites it.
    w.sql("TRUNCATE TABLE other.pp").await;
    w.job(&restore(&ts, "DATABASE d AS other ON (TABLE p AS pp)")).await;
    assert_eq!(w.lines("SELECT count(*) FROM other.pp").await, ["3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_restore_leaves_no_database_behind() {
    let place = Place::new();
    let (mut w, ts) = backed_up(&place).await;
    for (rest, text) in [
        ("DATABASE d AS fresh ON (TABLE nosuch)", "Table nosuch does not exist in snapshot s"),
        (
            "DATABASE d AS fresh ON (TABLE p PARTITION (px))",
            "Partition px of table p does not exist in snapshot s",
        ),
        ("DATABASE x AS fresh", "Target database: x is not existed in snapshot"),
        (
            "DATABASE d AS fresh ON (TABLE p TEMPORARY PARTITION (p1))",
            "Do not support restoring temporary partitions",
        ),
    ] {
        let error = w.fails(&restore(&ts, rest)).await;
        assert!(error.starts_with("5064") && error.contains(text), "{error}");
    }
    let wrong = w.fails(&restore("2020-01-01-00-00-00-000", "DATABASE d AS fresh")).await;
    assert!(
        wrong.contains("Failed to get info of snapshot 's' because")
            && wrong.contains("Maybe specified wrong backup timestamp"),
        "{wrong}"
    );
    assert!(!w.lines("SHOW DATABASES").await.contains(&"fresh".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auto_increment_counter_never_goes_back() {
    let place = Place::new();
    let (mut w, ts) = backed_up(&place).await;
    w.sql("INSERT INTO ai (v) VALUES (30), (40), (50)").await;
    w.job(&restore(&ts, "DATABASE d ON (TABLE ai)")).await;
    assert_eq!(w.lines("SELECT id FROM ai ORDER BY id").await, ["1", "2"]);
    w.sql("INSERT INTO ai (v) VALUES (60)").await;
    let ids = w.lines("SELECT max(id) FROM ai").await;
    assert!(ids[0].parse::<i64>().unwrap() > 5, "{ids:?}");
    // A table that is made anew goes on from the snapshot's value.
    w.job(&restore(&ts, "DATABASE d ON (TABLE ai AS ai2)")).await;
    w.sql("INSERT INTO ai2 (v) VALUES (70)").await;
    assert_eq!(w.lines("SELECT id FROM ai2 ORDER BY id").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_syntaxes_take_the_same_snapshot() {
    let place = Place::new();
    let (mut w, _) = backed_up(&place).await;
    w.job("BACKUP SNAPSHOT d.old_form TO r ON (p PARTITION (p1), l)").await;
    w.job("BACKUP DATABASE d SNAPSHOT new_form TO r ON (TABLE p PARTITION (p1), TABLE l)").await;
    for label in ["old_form", "new_form"] {
        let ts = w.timestamp("r", label).await;
        w.job(&format!(
            "RESTORE SNAPSHOT {label}_db.{label} FROM r PROPERTIES (\"backup_timestamp\" = \"{ts}\")"
        ))
        .await;
        assert_eq!(w.lines(&format!("SHOW TABLES FROM {label}_db")).await, ["l", "p"]);
        assert_eq!(
            w.lines(&format!("SELECT v FROM {label}_db.p ORDER BY v")).await,
            ["1", "3"],
            "partition p1 alone"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_temporary_partitions_is_neither_backed_up_nor_restored_over() {
    let place = Place::new();
    let mut w = place.warehouse("w").await;
    w.sql(
        "CREATE DATABASE d; USE d;
         CREATE TABLE t (k INT, v INT) PARTITION BY RANGE (k) (PARTITION p VALUES LESS THAN ('10'))
           DISTRIBUTED BY HASH (k);
         INSERT INTO t VALUES (1, 1); CREATE TABLE other (k INT) DISTRIBUTED BY HASH (k)",
    )
    .await;
    w.sql(&place.create_repository("r", "repo")).await;
    w.job("BACKUP DATABASE d SNAPSHOT before TO r").await;
    w.sql("ALTER TABLE t ADD TEMPORARY PARTITION tp VALUES LESS THAN ('10')").await;
    let said = "Do not support backing up table with temp partitions: d.t; replace or drop them first";
    for refused in
        ["BACKUP DATABASE d SNAPSHOT s TO r", "BACKUP DATABASE d SNAPSHOT s TO r ON (TABLE t PARTITION (p))"]
    {
        let error = w.fails(refused).await;
        assert!(error.contains(said), "{error}");
    }
    w.job("BACKUP DATABASE d SNAPSHOT of_other TO r ON (TABLE other)").await;
    let timestamp = w.timestamp("r", "before").await;
    let restore = format!(
        "RESTORE SNAPSHOT before FROM r DATABASE d PROPERTIES (\"backup_timestamp\" = \"{timestamp}\")"
    );
    let status = w.cancelled(&restore).await;
    assert!(status.contains("Do not support restoring table with temp partitions: d.t"), "{status}");
    w.sql("ALTER TABLE t DROP TEMPORARY PARTITION tp").await;
    w.job(&restore).await;
    w.job("BACKUP DATABASE d SNAPSHOT s TO r").await;
}
