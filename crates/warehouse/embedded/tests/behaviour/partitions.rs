use crate::bench::Bench;

#[tokio::test]
async fn loads_create_the_partitions_of_automatic_tables() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE e (at DATETIME, v INT) PARTITION BY date_trunc('month', at);
             CREATE TABLE l (day DATE, city VARCHAR(20), v INT) PARTITION BY (day, city);
             INSERT INTO e VALUES ('2024-01-31 23:59:59', 1), ('2024-02-01', 2), (NULL, 3);
             INSERT INTO l VALUES ('2026-01-31', 'Berlin', 1), ('2026-01-31', NULL, 2), ('2026-01-31', 'Berlin', 3)",
        )
        .await;
    let names = |rows: Vec<String>| -> Vec<String> {
        let mut names: Vec<String> =
            rows.iter().map(|row| row.split('|').nth(1).unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(bench.rows("SHOW PARTITIONS FROM e").await), ["p000001", "p202401", "p202402"]);
    assert_eq!(names(bench.rows("SHOW PARTITIONS FROM l").await), ["p20260131_Berlin", "p20260131_NULL"]);
    assert_eq!(bench.table("SHOW PARTITIONS FROM l").await.0[7], "List");
    assert_eq!(bench.rows("SELECT v FROM l PARTITION (p20260131_Berlin) ORDER BY v").await, ["1", "3"]);
    assert_eq!(bench.rows("SELECT x.v FROM e PARTITION (P202402) x").await, ["2"]);
    assert!(bench.value("SHOW CREATE TABLE e").await.contains("PARTITION BY date_trunc('month', at)"));
}

#[tokio::test]
async fn expressions_partition_by_a_hidden_column() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (at DATETIME, v INT) PARTITION BY (date_trunc('day', at), v);
             INSERT INTO t VALUES ('2024-01-01 10:00:00', 1), ('2024-01-01 20:00:00', 1), ('2024-01-02', 1)",
        )
        .await;
    assert_eq!(bench.rows("SHOW PARTITIONS FROM t").await.len(), 2);
    assert_eq!(bench.table("SELECT * FROM t").await.0, ["at", "v"]);
    assert_eq!(bench.rows("DESC t").await.len(), 2);
    assert_eq!(bench.run("DELETE FROM t WHERE at < '2024-01-01 12:00:00'").await, 1);
    assert_eq!(bench.rows("SELECT count(*) FROM t").await, ["2"]);
}

#[tokio::test]
async fn partitions_are_added_dropped_and_renamed() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (d DATE, v INT) PARTITION BY RANGE(d) (START ('2024-01-01') END ('2024-03-01') EVERY (INTERVAL 1 MONTH));
             ALTER TABLE t ADD PARTITION p3 VALUES LESS THAN ('2024-04-01');
             INSERT INTO t VALUES ('2024-01-15', 1), ('2024-02-15', 2), ('2024-03-15', 3);
             ALTER TABLE t RENAME PARTITION p3 march; ALTER TABLE t DROP PARTITION p202401",
        )
        .await;
    assert_eq!(bench.rows("SELECT v FROM t ORDER BY v").await, ["2", "3"]);
    assert_eq!(bench.rows("SELECT v FROM t PARTITION (march)").await, ["3"]);
    bench.error("ALTER TABLE t DROP PARTITION nosuch").await;
    bench.run("ALTER TABLE t DROP PARTITION IF EXISTS nosuch").await;
    bench.error("ALTER TABLE t ADD PARTITION x VALUES LESS THAN ('2024-03-10')").await;
    bench.error("INSERT INTO t VALUES ('2024-01-15', 1)").await;
    bench
        .run(
            "ALTER TABLE t ADD TEMPORARY PARTITION tp VALUES [('2024-03-01'), ('2024-04-01'));
             ALTER TABLE t REPLACE PARTITION (march) WITH TEMPORARY PARTITION (tp)",
        )
        .await;
    assert_eq!(bench.rows("SELECT v FROM t").await, ["2"]);
}

#[tokio::test]
async fn list_partitions_hold_their_values_and_null() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (s VARCHAR(9), v INT) PARTITION BY LIST(s)
               (PARTITION pa VALUES IN ('a', 'b'), PARTITION pn VALUES IN (NULL));
             INSERT INTO t VALUES ('a', 1), (NULL, 2)",
        )
        .await;
    assert_eq!(bench.rows("SELECT v FROM t PARTITION (pn)").await, ["2"]);
    assert!(bench.error("INSERT INTO t VALUES ('A', 1)").await.message.contains("('A')"));
}

/// A restore makes partitions in the order of their names.
#[tokio::test]
async fn list_partitions_are_shown_alike_in_whatever_order_they_were_made() {
    let mut bench = Bench::new().await;
    let create = |partitions: &str| {
        format!(
            "CREATE TABLE t (k INT NOT NULL, v INT) PARTITION BY LIST(k) ({partitions}) DISTRIBUTED BY HASH(v) BUCKETS 2"
        )
    };
    let (p1, p2, p3) =
        ("PARTITION p1 VALUES IN ('2')", "PARTITION P2 VALUES IN ('9', '1')", "PARTITION a VALUES IN ('10')");
    bench.run(&create(&format!("{p1}, {p2}, {p3}"))).await;
    let before = bench.rows("SHOW CREATE TABLE t").await;
    let names = |rows: Vec<String>| -> Vec<String> {
        rows.iter().map(|row| row.split('|').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(names(bench.rows("SHOW PARTITIONS FROM t").await), ["p1", "P2", "a"]);
    bench.run("DROP TABLE t").await;
    bench.run(&create(&format!("{p3}, {p2}"))).await;
    bench.run(&format!("ALTER TABLE t ADD {p1}")).await;
    assert_eq!(bench.rows("SHOW CREATE TABLE t").await, before);
    assert_eq!(names(bench.rows("SHOW PARTITIONS FROM t").await), ["p1", "P2", "a"]);
}
