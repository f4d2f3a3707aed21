use crate::bench::Bench;
use rockhold_core::ObjectName;
use std::collections::BTreeMap;

/// The version id of each partition.
pub(crate) async fn versions(bench: &Bench, name: &str) -> BTreeMap<String, String> {
    let partitions = bench.session.store().list_partitions(&ObjectName::new("d", name)).await.unwrap();
    partitions.iter().map(|p| (p.name().to_owned(), p.version_id.to_string())).collect()
}

/// The partitions whose version ids differ, and those that are new or gone.
pub(crate) fn changed(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
    names.sort();
    names.dedup();
    names.retain(|name| before.get(name) != after.get(name));
    names
}

/// Columns of the row of SHOW MATERIALIZED VIEWS.
pub(crate) async fn shown(bench: &mut Bench, view: &str, columns: &[&str]) -> String {
    let (names, rows) = bench.table(&format!("SHOW MATERIALIZED VIEWS LIKE '{view}'")).await;
    assert_eq!(rows.len(), 1);
    let value = |column: &&str| {
        let at = names.iter().position(|name| name == column).unwrap();
        rows[0][at].clone().unwrap_or_else(|| "NULL".into())
    };
    columns.iter().map(value).collect::<Vec<_>>().join("|")
}

/// Whether a view is active, and why it is not.
pub(crate) async fn activity(bench: &mut Bench, view: &str) -> String {
    shown(bench, view, &["is_active", "inactive_reason"]).await
}

const SALES: &str = "CREATE TABLE sales (d DATE, city VARCHAR(20), v INT) PARTITION BY RANGE(d)
    (PARTITION p1 VALUES LESS THAN ('2024-01-15'), PARTITION p2 VALUES LESS THAN ('2024-02-01'),
     PARTITION p3 VALUES LESS THAN ('2024-03-01')) DISTRIBUTED BY HASH(v) BUCKETS 2;
    INSERT INTO sales VALUES ('2024-01-01', 'a', 1), ('2024-01-20', 'a', 2), ('2024-01-20', 'b', 3),
     ('2024-02-02', 'b', 4)";

#[tokio::test]
async fn a_view_without_partitions_follows_every_load() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2;
             INSERT INTO t VALUES (1, 10), (1, 5), (2, 7);
             CREATE MATERIALIZED VIEW m (`key` COMMENT 'the key', total) COMMENT 'totals' DISTRIBUTED BY HASH(`key`)
               BUCKETS 2 REFRESH ASYNC PROPERTIES ('replication_num' = '1') AS SELECT k, sum(v) FROM t GROUP BY k",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY 1").await, ["1|15", "2|7"]);
    bench.run("INSERT INTO t VALUES (2, 1), (3, 3)").await;
    assert_eq!(bench.rows("SELECT `key`, TOTAL FROM m ORDER BY 1").await, ["1|15", "2|8", "3|3"]);
    bench.run("DELETE FROM t WHERE k = 1").await;
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY 1").await, ["2|8", "3|3"]);
    bench.run("TRUNCATE TABLE t").await;
    assert_eq!(bench.value("SELECT count(*) FROM m").await, "0");
    bench.run("INSERT OVERWRITE t VALUES (9, 9)").await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["9|9"]);
    // Joined like a table, listed like a view.
    assert_eq!(bench.rows("SELECT t.v, m.total FROM t JOIN m ON t.k = m.`key`").await, ["9|9"]);
    assert_eq!(bench.rows("SHOW FULL TABLES").await, ["m|VIEW", "t|BASE TABLE"]);
    assert_eq!(bench.rows("DESC m").await, ["key|int(11)|YES|true|NULL|", "total|bigint(20)|YES|true|NULL|"]);
    assert_eq!(
        bench.rows("SHOW CREATE MATERIALIZED VIEW m").await,
        [
            "m|CREATE MATERIALIZED VIEW `m` (`key` COMMENT \"the key\", `total`)\nCOMMENT \"totals\"\nDISTRIBUTED BY \
          HASH(`key`) BUCKETS 2 \nREFRESH ASYNC\nPROPERTIES (\n\"replicated_storage\" = \"true\",\n\"replication_num\" \
          = \"1\",\n\"storage_medium\" = \"HDD\"\n)\nAS SELECT k, sum(v) FROM t GROUP BY k;"
        ]
    );
    assert_eq!(
        shown(&mut bench, "m", &["refresh_type", "partition_type", "last_refresh_state", "rows"]).await,
        "ASYNC|UNPARTITIONED|SUCCESS|1"
    );
    assert_eq!(
        bench
            .rows(
                "SELECT table_name, is_active, table_rows, last_refresh_mv_refresh_partitions FROM \
                 information_schema.materialized_views"
            )
            .await,
        ["m|true|1|m"]
    );
    assert_eq!(
        bench.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'm'").await,
        ["key", "total"]
    );
}

#[tokio::test]
async fn only_partitions_whose_base_partitions_changed_are_computed() {
    let mut bench = Bench::new().await;
    bench.run(SALES).await;
    bench
        .run(
            "CREATE MATERIALIZED VIEW m PARTITION BY d DISTRIBUTED BY HASH(d) BUCKETS 1 REFRESH MANUAL AS
             SELECT d, sum(v) AS s FROM sales GROUP BY d",
        )
        .await;
    assert_eq!(
        bench.rows("SELECT * FROM m ORDER BY d").await,
        ["2024-01-01|1", "2024-01-20|5", "2024-02-02|4"]
    );
    let first = versions(&bench, "m").await;
    assert_eq!(first.keys().collect::<Vec<_>>(), ["p1", "p2", "p3"]);
    // Nothing changed: nothing is computed.
    bench.run("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(changed(&first, &versions(&bench, "m").await), Vec::<String>::new());
    assert_eq!(shown(&mut bench, "m", &["last_refresh_mv_refresh_partitions"]).await, "");
    // A load into one partition.
    bench.run("INSERT INTO sales VALUES ('2024-01-21', 'c', 10)").await;
    assert_eq!(bench.rows("SELECT count(*) FROM m").await, ["3"]);
    bench.run("REFRESH MATERIALIZED VIEW m").await;
    let second = versions(&bench, "m").await;
    assert_eq!(changed(&first, &second), ["p2"]);
    assert_eq!(
        shown(
            &mut bench,
            "m",
            &["last_refresh_mv_refresh_partitions", "last_refresh_base_refresh_partitions"]
        )
        .await,
        "p2|{\"sales\":[\"p2\"]}"
    );
    assert_eq!(
        bench.rows("SELECT * FROM m PARTITION (p2) ORDER BY d").await,
        ["2024-01-20|5", "2024-01-21|10"]
    );
    // A partition that goes takes its own with it, a new one brings one.
    bench
        .run(
            "ALTER TABLE sales DROP PARTITION p1;
             ALTER TABLE sales ADD PARTITION p4 VALUES LESS THAN ('2024-04-01');
             INSERT INTO sales VALUES ('2024-03-05', 'a', 6); REFRESH MATERIALIZED VIEW m",
        )
        .await;
    let third = versions(&bench, "m").await;
    assert_eq!(changed(&second, &third), ["p1", "p4"]);
    assert_eq!(
        bench.rows("SELECT * FROM m ORDER BY d").await,
        ["2024-01-20|5", "2024-01-21|10", "2024-02-02|4", "2024-03-05|6"]
    );
    // A partition with another name and the same rows is the same.
    bench.run("ALTER TABLE sales RENAME PARTITION p4 q4; REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(changed(&third, &versions(&bench, "m").await), Vec::<String>::new());
    // FORCE computes all.
    bench.run("REFRESH MATERIALIZED VIEW m FORCE").await;
    assert_eq!(changed(&third, &versions(&bench, "m").await), ["p2", "p3", "p4"]);
    assert_eq!(shown(&mut bench, "m", &["last_refresh_force_refresh"]).await, "true");
    let partitions = bench.table("SHOW PARTITIONS FROM m").await.1;
    let names: Vec<_> = partitions.iter().map(|row| row[1].clone().unwrap()).collect();
    assert_eq!(names, ["p2", "p3", "p4"]);
}

#[tokio::test]
async fn months_of_days_are_computed_from_the_days_in_them() {
    let mut bench = Bench::new().await;
    bench.run(SALES).await;
    bench
        .run(
            "CREATE MATERIALIZED VIEW by_expression PARTITION BY date_trunc('month', d) REFRESH ASYNC AS
               SELECT d, city, v FROM sales WHERE v > 0;
             CREATE MATERIALIZED VIEW by_item PARTITION BY (m) REFRESH ASYNC AS
               SELECT date_trunc('month', d) m, count(*) c, sum(v) s FROM sales GROUP BY date_trunc('month', d)",
        )
        .await;
    let months = vec!["p000001_202402", "p202402_202403"];
    for view in ["by_expression", "by_item"] {
        let found = versions(&bench, view).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), months, "{view}");
    }
    assert_eq!(bench.rows("SELECT * FROM by_item ORDER BY m").await, ["2024-01-01|3|6", "2024-02-01|1|4"]);
    let create = bench.value("SHOW CREATE MATERIALIZED VIEW by_expression").await;
    assert!(
        create.contains("\nPARTITION BY (date_trunc('month', `d`))\nDISTRIBUTED BY RANDOM\n"),
        "{create}"
    );
    let before = (versions(&bench, "by_expression").await, versions(&bench, "by_item").await);
    bench.run("INSERT INTO sales VALUES ('2024-02-29', 'x', 5), (NULL, 'n', 1)").await;
    assert_eq!(
        bench.rows("SELECT * FROM by_item ORDER BY m").await,
        ["NULL|1|1", "2024-01-01|3|6", "2024-02-01|2|9"]
    );
    bench.run("DELETE FROM sales WHERE city = 'x'").await;
    assert_eq!(bench.rows("SELECT sum(v) FROM by_expression").await, ["11"]);
    let after = (versions(&bench, "by_expression").await, versions(&bench, "by_item").await);
    assert_eq!((changed(&before.0, &after.0), changed(&before.1, &after.1)), {
        let months: Vec<String> = months.iter().map(|month| (*month).to_owned()).collect();
        (months.clone(), months)
    });
    bench.run("INSERT INTO sales VALUES ('2024-02-10', 'y', 7)").await;
    let last = versions(&bench, "by_item").await;
    assert_eq!(changed(&after.1, &last), ["p202402_202403"]);
}

#[tokio::test]
async fn lists_and_automatic_partitions_are_followed() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE l (k INT NOT NULL, c VARCHAR(10), v INT) PARTITION BY LIST(k)
               (PARTITION p1 VALUES IN ('1', '2'), PARTITION p2 VALUES IN ('3')) DISTRIBUTED BY HASH(v) BUCKETS 2;
             CREATE TABLE a (c VARCHAR(10), n INT, v INT) PARTITION BY (c, n);
             CREATE TABLE e (t DATETIME, v INT) PARTITION BY date_trunc('day', t);
             CREATE MATERIALIZED VIEW ml PARTITION BY (k) REFRESH ASYNC AS SELECT k, sum(v) s FROM l GROUP BY k;
             CREATE MATERIALIZED VIEW ma PARTITION BY (n) REFRESH ASYNC AS SELECT n, count(*) c FROM a GROUP BY n;
             CREATE MATERIALIZED VIEW me PARTITION BY t REFRESH ASYNC AS SELECT t, v FROM e;
             INSERT INTO l VALUES (1, 'x', 1), (2, 'x', 2), (3, 'y', 3);
             INSERT INTO a VALUES ('x', 1, 1), ('y', 1, 2), ('x', 2, 3), (NULL, NULL, 4);
             INSERT INTO e VALUES ('2024-01-01 10:00:00', 1), ('2024-01-02 11:00:00', 2)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM ml ORDER BY 1").await, ["1|1", "2|2", "3|3"]);
    assert_eq!(bench.rows("SELECT * FROM ma ORDER BY 1").await, ["NULL|1", "1|2", "2|1"]);
    assert_eq!(
        bench.rows("SELECT * FROM me ORDER BY 1").await,
        ["2024-01-01 10:00:00|1", "2024-01-02 11:00:00|2"]
    );
    assert_eq!(versions(&bench, "me").await.keys().collect::<Vec<_>>(), ["p20240101", "p20240102"]);
    assert_eq!(shown(&mut bench, "ml", &["partition_type"]).await, "LIST");
    assert_eq!(shown(&mut bench, "me", &["partition_type"]).await, "RANGE");
    let before = (versions(&bench, "ml").await, versions(&bench, "ma").await, versions(&bench, "me").await);
    bench
        .run(
            "INSERT INTO l VALUES (3, 'z', 30); INSERT INTO a VALUES ('z', 2, 1), ('q', 7, 1);
             INSERT INTO e VALUES ('2024-01-03 00:00:00', 3)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM ml ORDER BY 1").await, ["1|1", "2|2", "3|33"]);
    assert_eq!(bench.rows("SELECT * FROM ma ORDER BY 1").await, ["NULL|1", "1|2", "2|2", "7|1"]);
    assert_eq!(changed(&before.0, &versions(&bench, "ml").await), ["p2"]);
    assert_eq!(changed(&before.1, &versions(&bench, "ma").await).len(), 2);
    assert_eq!(changed(&before.2, &versions(&bench, "me").await), ["p20240103"]);
    bench.run("INSERT INTO l VALUES (1, 'z', 100)").await;
    let before = versions(&bench, "ml").await;
    bench.run("REFRESH MATERIALIZED VIEW ml PARTITION ('3') FORCE").await;
    assert_eq!(changed(&before, &versions(&bench, "ml").await), ["p2"]);
}

#[tokio::test]
async fn a_changed_table_beside_the_followed_one_makes_everything_stale() {
    let mut bench = Bench::new().await;
    bench.run(SALES).await;
    bench
        .run(
            "CREATE TABLE cities (city VARCHAR(20), land VARCHAR(20)) PRIMARY KEY(city) DISTRIBUTED BY HASH(city);
             INSERT INTO cities VALUES ('a', 'A'), ('b', 'B');
             CREATE MATERIALIZED VIEW m PARTITION BY d REFRESH MANUAL AS SELECT s.d, c.land, sum(s.v) v FROM sales s
               JOIN cities c ON s.city = c.city GROUP BY s.d, c.land",
        )
        .await;
    let rows = ["2024-01-01|A|1", "2024-01-20|A|2", "2024-01-20|B|3", "2024-02-02|B|4"];
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY 1, 2").await, rows);
    let before = versions(&bench, "m").await;
    bench.run("UPDATE cities SET land = 'BB' WHERE city = 'b'; REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(changed(&before, &versions(&bench, "m").await), ["p1", "p2", "p3"]);
    let rows = ["2024-01-01|A|1", "2024-01-20|A|2", "2024-01-20|BB|3", "2024-02-02|BB|4"];
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY 1, 2").await, rows);
    // Unless the view is told not to look at it.
    bench
        .run(
            "ALTER MATERIALIZED VIEW m SET ('excluded_refresh_tables' = 'cities');
             UPDATE cities SET land = 'X' WHERE city = 'b'; INSERT INTO sales VALUES ('2024-02-03', 'b', 1)",
        )
        .await;
    let before = versions(&bench, "m").await;
    bench.run("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(changed(&before, &versions(&bench, "m").await), ["p3"]);
    bench.run("REFRESH MATERIALIZED VIEW m FORCE").await;
    let rows = ["2024-01-01|A|1", "2024-01-20|A|2", "2024-01-20|X|3", "2024-02-02|X|4", "2024-02-03|X|1"];
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY 1, 2").await, rows);
}

#[tokio::test]
async fn views_over_views_are_refreshed_behind_them() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, v INT);
             CREATE MATERIALIZED VIEW z1 REFRESH ASYNC AS SELECT k, sum(v) s FROM t GROUP BY k;
             CREATE MATERIALIZED VIEW a2 REFRESH ASYNC AS SELECT count(*) c, sum(s) s FROM z1;
             CREATE MATERIALIZED VIEW b3 REFRESH ASYNC AS SELECT a2.c, a2.s, z1.k FROM a2, z1;
             CREATE MATERIALIZED VIEW manual REFRESH MANUAL AS SELECT max(k) k FROM z1;
             INSERT INTO t VALUES (1, 1), (1, 2), (2, 3)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM a2").await, ["2|6"]);
    assert_eq!(bench.rows("SELECT * FROM b3 ORDER BY k").await, ["2|6|1", "2|6|2"]);
    assert_eq!(bench.rows("SELECT * FROM manual").await, ["NULL"]);
    bench.run("REFRESH MATERIALIZED VIEW manual").await;
    assert_eq!(bench.rows("SELECT * FROM manual").await, ["2"]);
    // A refresh by hand is followed, too.
    bench.run("ALTER MATERIALIZED VIEW z1 REFRESH MANUAL; INSERT INTO t VALUES (3, 4)").await;
    assert_eq!(bench.rows("SELECT * FROM a2").await, ["2|6"]);
    bench.run("REFRESH MATERIALIZED VIEW z1").await;
    assert_eq!(bench.rows("SELECT * FROM a2").await, ["3|10"]);
    // An inactive base makes the view inactive.
    bench.run("ALTER MATERIALIZED VIEW z1 INACTIVE").await;
    assert_eq!(activity(&mut bench, "a2").await, "false|base-mv inactive: z1");
    assert_eq!(activity(&mut bench, "b3").await, "false|base-mv inactive: a2");
    assert!(
        bench
            .error("CREATE MATERIALIZED VIEW c REFRESH ASYNC AS SELECT k FROM z1")
            .await
            .message
            .contains("z1")
    );
    bench.run("ALTER MATERIALIZED VIEW z1 ACTIVE").await;
    assert_eq!(activity(&mut bench, "b3").await, "true|");
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_view_and_the_load() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, v INT); CREATE TABLE one (v INT); INSERT INTO one VALUES (1);
             CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT k, (SELECT v FROM one) o FROM t;
             INSERT INTO t VALUES (1, 1)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["1|1"]);
    let before = versions(&bench, "m").await;
    bench.run("INSERT INTO one VALUES (2)").await;
    assert_eq!(bench.value("SELECT count(*) FROM one").await, "2");
    assert_eq!(bench.rows("SELECT * FROM m").await, ["1|1"]);
    assert_eq!(changed(&before, &versions(&bench, "m").await), Vec::<String>::new());
    let state = shown(&mut bench, "m", &["is_active", "last_refresh_state", "last_refresh_error_code"]).await;
    assert_eq!(state, "true|FAILED|1064");
    let message = shown(&mut bench, "m", &["last_refresh_error_message"]).await;
    let error = bench.error("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(error.message, message);
    bench.run("DELETE FROM one WHERE v = 1").await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["1|2"]);
    assert_eq!(
        shown(&mut bench, "m", &["last_refresh_state", "last_refresh_error_message"]).await,
        "SUCCESS|"
    );
}

#[tokio::test]
async fn named_partitions_and_limits_are_kept_to() {
    let mut bench = Bench::new().await;
    bench.run(SALES).await;
    bench
        .run(
            "CREATE MATERIALIZED VIEW m PARTITION BY d REFRESH DEFERRED MANUAL AS SELECT d, v FROM sales;
             CREATE MATERIALIZED VIEW newest PARTITION BY d REFRESH ASYNC PROPERTIES
               ('auto_refresh_partitions_limit' = '1') AS SELECT d, v FROM sales;
             CREATE MATERIALIZED VIEW short PARTITION BY d REFRESH MANUAL PROPERTIES ('partition_ttl_number' = '2')
               AS SELECT d, v FROM sales;
             CREATE MATERIALIZED VIEW deaf REFRESH ASYNC PROPERTIES ('excluded_trigger_tables' = 'sales')
               AS SELECT d, v FROM sales;
             CREATE MATERIALIZED VIEW whole REFRESH ASYNC AS SELECT count(*) c FROM sales",
        )
        .await;
    assert!(versions(&bench, "m").await.is_empty());
    bench.run("REFRESH MATERIALIZED VIEW m PARTITION START ('2024-01-20') END ('2024-01-21')").await;
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY v").await, ["2024-01-20|2", "2024-01-20|3"]);
    assert_eq!(
        shown(&mut bench, "m", &["last_refresh_start_partition", "last_refresh_end_partition"]).await,
        "2024-01-20|2024-01-21"
    );
    bench.run("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(bench.value("SELECT count(*) FROM m").await, "4");
    assert_eq!(versions(&bench, "short").await.keys().collect::<Vec<_>>(), ["p2", "p3"]);
    bench.run("INSERT INTO sales VALUES ('2024-01-02', 'z', 100), ('2024-02-10', 'z', 200)").await;
    assert_eq!(bench.rows("SELECT v FROM newest WHERE v >= 100").await, ["200"]);
    assert_eq!(bench.value("SELECT count(*) FROM deaf").await, "4");
    bench.run("REFRESH MATERIALIZED VIEW newest").await;
    assert_eq!(bench.rows("SELECT v FROM newest WHERE v >= 100 ORDER BY v").await, ["100", "200"]);
    for (sql, text) in [
        (
            "REFRESH MATERIALIZED VIEW whole PARTITION START ('2024-01-01') END ('2024-02-01')",
            "Not support refresh by partition for single partition mv",
        ),
        (
            "REFRESH MATERIALIZED VIEW m PARTITION START ('x') END ('2024-02-01')",
            "Invalid partition value 'x'",
        ),
        ("REFRESH MATERIALIZED VIEW m PARTITION START ('2024-02-01') END ('2024-02-01')", "less than end"),
        ("REFRESH MATERIALIZED VIEW m PARTITION ('2024-02-01')", "by ranges"),
        ("ALTER MATERIALIZED VIEW m SET ('nosuch' = '1')", "unknown properties: {nosuch=1}"),
    ] {
        let error = bench.error(sql).await;
        assert!(error.message.contains(text), "{sql}: {error}");
    }
}

#[tokio::test]
async fn what_cannot_be_kept_up_to_date_is_refused() {
    let mut bench = Bench::new().await;
    bench.run(SALES).await;
    bench
        .run(
            "CREATE TABLE base (k INT, v INT) DISTRIBUTED BY HASH(k) BUCKETS 2;
             CREATE TABLE days (d DATE, w INT) PARTITION BY date_trunc('day', d);
             CREATE MATERIALIZED VIEW there REFRESH ASYNC AS SELECT k FROM base",
        )
        .await;
    let follow = "cannot be followed to a partition column of one base table";
    for (sql, errno, text) in [
        ("REFRESH ASYNC AS SELECT rand() r FROM base", 1064, "not supported nondeterministic function"),
        ("REFRESH INCREMENTAL AS SELECT k FROM base", 1064, "REFRESH INCREMENTAL is not supported"),
        (
            "REFRESH ASYNC PROPERTIES ('nosuch' = '4') AS SELECT k FROM base",
            6013,
            "unknown properties: {nosuch=4}",
        ),
        ("REFRESH ASYNC AS SELECT nosuch FROM base", 1064, "cannot be resolved"),
        ("REFRESH ASYNC AS SELECT k FROM nosuch", 5502, "nosuch"),
        ("REFRESH ASYNC AS SELECT 1 a", 1064, "Can not find base tables"),
        ("REFRESH ASYNC AS SELECT * FROM sales PARTITION (p1)", 1064, "does not support PARTITION"),
        ("REFRESH ASYNC AS SELECT table_name FROM information_schema.tables", 1064, "system's"),
        ("PARTITION BY k REFRESH ASYNC AS SELECT k FROM base", 1064, "must be base table partition column"),
        (
            "PARTITION BY city REFRESH ASYNC AS SELECT city FROM sales",
            1064,
            "must be base table partition column",
        ),
        ("PARTITION BY nosuch REFRESH ASYNC AS SELECT d FROM sales", 1064, "is not found in query statement"),
        ("PARTITION BY d REFRESH ASYNC AS SELECT d + INTERVAL 1 DAY d FROM sales", 1064, follow),
        ("PARTITION BY d REFRESH ASYNC AS SELECT max(d) d FROM sales", 1064, follow),
        ("PARTITION BY d REFRESH ASYNC AS SELECT d, v FROM sales LIMIT 3", 1064, follow),
        ("PARTITION BY d REFRESH ASYNC AS SELECT d FROM sales UNION ALL SELECT d FROM days", 1064, follow),
        (
            "PARTITION BY d REFRESH ASYNC AS SELECT s.d FROM days a LEFT JOIN sales s ON a.w = s.v",
            1064,
            "an outer join can make it NULL",
        ),
        (
            "PARTITION BY d REFRESH ASYNC AS SELECT a.d FROM sales a WHERE a.v IN (SELECT v FROM sales)",
            1064,
            "more than once",
        ),
        (
            "PARTITION BY d REFRESH ASYNC AS SELECT d, sum(v) OVER (ORDER BY v) s FROM sales",
            1064,
            "does not have it in PARTITION BY",
        ),
    ] {
        let error = bench.error(&format!("CREATE MATERIALIZED VIEW m {sql}")).await;
        assert_eq!(error.errno, errno, "{sql}: {error}");
        assert!(error.message.contains(text), "{sql}: {error}");
    }
    assert_eq!(bench.rows("SHOW MATERIALIZED VIEWS").await.len(), 1);
    for sql in ["base", "there"] {
        let create = format!("CREATE MATERIALIZED VIEW {sql} REFRESH ASYNC AS SELECT k FROM base");
        assert_eq!(bench.error(&create).await.errno, 1050);
    }
    bench.run("CREATE MATERIALIZED VIEW IF NOT EXISTS there REFRESH ASYNC AS SELECT v FROM base").await;
    assert_eq!(bench.rows("DESC there").await, ["k|int(11)|YES|true|NULL|"]);
    for (sql, text) in [
        (
            "INSERT INTO there VALUES (1)",
            "The data of 'there' cannot be inserted because 'there' is a materialized view",
        ),
        ("INSERT OVERWRITE there VALUES (1)", "cannot be inserted"),
        ("UPDATE there SET k = 1 WHERE k = 2", "cannot be modified"),
        ("DELETE FROM there WHERE k = 2", "cannot be deleted"),
        ("TRUNCATE TABLE there", "cannot be truncated"),
        ("ALTER TABLE there RENAME x", "is a materialized view and not a table"),
        ("DROP TABLE there", "DROP MATERIALIZED VIEW"),
        ("ALTER MATERIALIZED VIEW base INACTIVE", "not a materialized view"),
        ("REFRESH MATERIALIZED VIEW base", "not a materialized view"),
    ] {
        let error = bench.error(sql).await;
        assert!(error.message.contains(text), "{sql}: {error}");
    }
}

#[tokio::test]
async fn window_functions_and_semi_joins_keep_partitions_apart() {
    let mut bench = Bench::new().await;
    bench.run(SALES).await;
    bench
        .run(
            "CREATE TABLE days (d DATE, w INT) PARTITION BY date_trunc('day', d); INSERT INTO days VALUES
               ('2024-01-01', 1), ('2024-01-20', 2), ('2024-02-02', 4);
             CREATE MATERIALIZED VIEW w PARTITION BY d REFRESH ASYNC AS
               SELECT d, v, row_number() OVER (PARTITION BY d ORDER BY v DESC) n FROM sales;
             CREATE MATERIALIZED VIEW j PARTITION BY day REFRESH ASYNC AS SELECT DISTINCT x.d AS day, w FROM
               (SELECT d, v FROM sales WHERE v IN (SELECT w FROM days)) x LEFT JOIN days ON x.v = days.w",
        )
        .await;
    assert_eq!(
        bench.rows("SELECT * FROM w ORDER BY d, n").await,
        ["2024-01-01|1|1", "2024-01-20|3|1", "2024-01-20|2|2", "2024-02-02|4|1"]
    );
    assert_eq!(
        bench.rows("SELECT * FROM j ORDER BY day").await,
        ["2024-01-01|1", "2024-01-20|2", "2024-02-02|4"]
    );
    let before = (versions(&bench, "w").await, versions(&bench, "j").await);
    bench.run("INSERT INTO sales VALUES ('2024-01-20', 'q', 9)").await;
    assert_eq!(changed(&before.0, &versions(&bench, "w").await), ["p2"]);
    assert_eq!(changed(&before.1, &versions(&bench, "j").await), ["p2"]);
    assert_eq!(
        bench.rows("SELECT * FROM w WHERE d = '2024-01-20' ORDER BY n").await,
        ["2024-01-20|9|1", "2024-01-20|3|2", "2024-01-20|2|3"]
    );
}

#[tokio::test]
async fn logical_views_between_are_read_through_and_noticed() {
    let mut bench = Bench::new().await;
    bench.run(SALES).await;
    bench
        .run(
            "CREATE VIEW big AS SELECT d AS day, v FROM sales WHERE v > 1;
             CREATE VIEW twice AS SELECT day, v * 2 AS v FROM big;
             CREATE MATERIALIZED VIEW m PARTITION BY day REFRESH ASYNC AS SELECT day, sum(v) s FROM twice GROUP BY day",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY day").await, ["2024-01-20|10", "2024-02-02|8"]);
    let before = versions(&bench, "m").await;
    bench.run("INSERT INTO sales VALUES ('2024-02-03', 'c', 5)").await;
    assert_eq!(changed(&before, &versions(&bench, "m").await), ["p3"]);
    // Other words of a view are other rows, although no table has changed.
    bench
        .run("ALTER VIEW big AS SELECT d AS day, v FROM sales WHERE v > 4; REFRESH MATERIALIZED VIEW m")
        .await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["2024-02-03|10"]);
    bench.run("DROP VIEW big").await;
    assert_eq!(activity(&mut bench, "m").await, "false|base-table dropped: big");
    bench
        .run("CREATE VIEW big AS SELECT d AS day, v FROM sales WHERE v = 1; REFRESH MATERIALIZED VIEW m")
        .await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["2024-01-01|2"]);
    let again = versions(&bench, "m").await;
    bench.run("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(changed(&again, &versions(&bench, "m").await), Vec::<String>::new());
}
