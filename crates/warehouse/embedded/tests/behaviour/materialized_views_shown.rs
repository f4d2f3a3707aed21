//! What SHOW says of materialized views.

use crate::bench::Bench;
use crate::materialized_views::shown;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    sql: String,
    show_create: Option<String>,
}

/// Each materialized view of the recorded file prints what StarRocks printed.
#[tokio::test]
async fn show_create_is_starrocks_text() {
    let text = include_str!("../../../../../tests/recorded/show-create.jsonl");
    let mut bench = Bench::new().await;
    // These tables are not in the file.
    bench
        .run(
            "CREATE TABLE rng1 (k DATE, v INT) PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN ('2024-01-01'),
               PARTITION pm VALUES LESS THAN (MAXVALUE)) DISTRIBUTED BY HASH(v) BUCKETS 2;
             CREATE TABLE uniq1 (k INT, v INT) UNIQUE KEY(k) DISTRIBUTED BY HASH(k)",
        )
        .await;
    let mut seen = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Recorded { sql, show_create } = serde_json::from_str(line).unwrap();
        let name =
            sql.split_whitespace().nth(if sql.contains("MATERIALIZED") { 3 } else { 2 }).unwrap().to_owned();
        if ["dup1", "lst3"].contains(&name.as_str()) {
            bench.run(&sql).await;
        }
        // mv8 holds bitmaps, which have no open form; mv9 reads a logical view.
        if sql.starts_with("CREATE MATERIALIZED VIEW mv") && !["mv8", "mv9"].contains(&name.as_str()) {
            bench.run(&sql).await;
            let shown = bench.value(&format!("SHOW CREATE MATERIALIZED VIEW {name}")).await;
            assert_eq!(shown, format!("{name}|{}", show_create.unwrap()));
            seen.push(name);
        }
    }
    assert_eq!(seen, ["mv1", "mv2", "mv3", "mv6", "mv7"]);
}

#[tokio::test]
async fn show_has_starrocks_columns() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, v INT);
             CREATE MATERIALIZED VIEW m1 REFRESH DEFERRED MANUAL AS SELECT k FROM t;
             CREATE MATERIALIZED VIEW m2 REFRESH MANUAL AS SELECT v FROM t",
        )
        .await;
    let (names, rows) = bench.table("SHOW MATERIALIZED VIEWS FROM d WHERE NAME = 'm1'").await;
    assert_eq!(names.len(), 27);
    assert_eq!(
        names[..10],
        [
            "id",
            "database_name",
            "name",
            "refresh_type",
            "is_active",
            "inactive_reason",
            "partition_type",
            "task_id",
            "task_name",
            "last_refresh_start_time"
        ]
    );
    let values: Vec<String> =
        rows[0].iter().map(|value| value.clone().unwrap_or_else(|| "NULL".into())).collect();
    assert_eq!(values[1..7], ["d", "m1", "MANUAL", "true", "", "UNPARTITIONED"]);
    assert_eq!(values[9..21], ["NULL", "NULL", "0.000", "", "false", "", "", "{}", "", "", "", "0"]);
    assert!(values[21].starts_with("CREATE MATERIALIZED VIEW `m1` (`k`)"), "{}", values[21]);
    assert_eq!(bench.rows("SHOW MATERIALIZED VIEWS LIKE '%2'").await.len(), 1);
    let (names, rows) = bench.table("REFRESH MATERIALIZED VIEW m1 WITH SYNC MODE").await;
    assert_eq!((names, rows.len()), (vec!["QUERY_ID".to_owned()], 1));
    let id = rows[0][0].clone().unwrap();
    assert_eq!(
        shown(&mut bench, "m1", &["last_refresh_job_id", "last_refresh_state"]).await,
        format!("{id}|SUCCESS")
    );
    bench.run("CANCEL REFRESH MATERIALIZED VIEW m1 FORCE; DROP MATERIALIZED VIEW m1").await;
    assert_eq!(bench.error("CANCEL REFRESH MATERIALIZED VIEW m1").await.errno, 5502);
    assert_eq!(bench.error("REFRESH MATERIALIZED VIEW m1").await.errno, 5502);
    bench.run("DROP MATERIALIZED VIEW IF EXISTS m1").await;
    assert_eq!(bench.rows("SHOW TABLES").await, ["m2", "t"]);
}
