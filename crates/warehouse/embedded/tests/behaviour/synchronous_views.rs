//! Synchronous materialized views: right after every statement that changes
//! rows of their table.

use crate::bench::Bench;
use rockhold_core::ObjectName;

/// A name and the query of a view.
type View = (&'static str, &'static str);

/// A table of each key model that may have one, with one view that groups and
/// one that does not, and the queries that they are.
const TABLES: &[(&str, &str, &[View])] = &[
    (
        "dup",
        "CREATE TABLE dup (k INT, g INT, v INT, s VARCHAR(10)) DUPLICATE KEY(k) PARTITION BY RANGE(k) \
         (PARTITION p1 VALUES LESS THAN (\"10\"), PARTITION p2 VALUES LESS THAN (\"1000\")) \
         DISTRIBUTED BY HASH(k) BUCKETS 3",
        &[
            (
                "dup_sums",
                "SELECT g, sum(v) AS total, count(*) AS n, count(v) AS nv, min(s) AS low, max(v) AS high FROM dup GROUP BY g",
            ),
            ("dup_some", "SELECT g, k + 1 AS next, s FROM dup WHERE v > 3"),
        ],
    ),
    (
        "uni",
        "CREATE TABLE uni (k INT, g INT, v INT, s VARCHAR(10)) UNIQUE KEY(k) PARTITION BY RANGE(k) \
         (PARTITION p1 VALUES LESS THAN (\"10\"), PARTITION p2 VALUES LESS THAN (\"1000\")) \
         DISTRIBUTED BY HASH(k) BUCKETS 3",
        &[
            ("uni_sums", "SELECT g, sum(v) AS total, count(*) AS n FROM uni GROUP BY g"),
            ("uni_some", "SELECT s, v FROM uni WHERE g = 1"),
        ],
    ),
    (
        "agg",
        "CREATE TABLE agg (k INT, g INT, v BIGINT SUM, s VARCHAR(10) MAX) AGGREGATE KEY(k, g) \
         PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN (\"10\"), PARTITION p2 VALUES LESS THAN (\"1000\")) \
         DISTRIBUTED BY HASH(k) BUCKETS 3",
        &[
            ("agg_sums", "SELECT g, sum(v) AS total, max(s) AS high FROM agg GROUP BY g"),
            ("agg_keys", "SELECT g, k FROM agg"),
        ],
    ),
];

/// The view gives the rows of its query, computed from the table by a query
/// that is not exactly the view's, so that it is not answered by the view.
async fn assert_right(bench: &mut Bench, view: &str, query: &str, after: &str) {
    let columns = bench.table(&format!("SELECT * FROM {view} [_SYNC_MV_] LIMIT 0")).await.0;
    let order: Vec<String> = (1..=columns.len()).map(|n| n.to_string()).collect();
    let order = order.join(", ");
    let stored = bench.rows(&format!("SELECT * FROM {view} [_SYNC_MV_] ORDER BY {order}")).await;
    let computed = bench.rows(&format!("SELECT * FROM ({query}) x ORDER BY {order}")).await;
    assert_eq!(stored, computed, "{view} after {after}");
}

#[tokio::test]
async fn a_synchronous_view_is_right_after_every_statement() {
    for (table, create, views) in TABLES {
        let mut bench = Bench::new().await;
        bench.run(create).await;
        bench
            .run(&format!(
                "INSERT INTO {table} VALUES (1, 1, 5, 'b'), (2, 1, 7, 'a'), (50, 2, 1, NULL), (51, 1, NULL, 'z')"
            ))
            .await;
        for (view, query) in *views {
            bench.run(&format!("CREATE MATERIALIZED VIEW {view} AS {query}")).await;
            assert_right(&mut bench, view, query, "CREATE").await;
        }
        let statements = [
            format!("INSERT INTO {table} VALUES (3, 3, 9, 'c'), (1, 1, 6, 'x'), (60, 2, 4, 'y')"),
            format!("INSERT INTO {table} SELECT k + 100, g, v, s FROM {table}"),
            format!("DELETE FROM {table} WHERE k = 2"),
            format!("DELETE FROM {table} PARTITION (p2) WHERE g = 1"),
            format!("INSERT OVERWRITE {table} PARTITION (p1) VALUES (4, 1, 4, 'o')"),
            format!("TRUNCATE TABLE {table} PARTITION (p2)"),
            format!("INSERT INTO {table} VALUES (70, 1, 10, 'q'), (4, 1, 1, 'p')"),
            format!("ALTER TABLE {table} DROP PARTITION p1"),
            format!("ALTER TABLE {table} RENAME renamed"),
        ];
        for statement in statements {
            bench.run(&statement).await;
            let renamed = statement.contains("RENAME");
            for (view, query) in *views {
                let query = if renamed {
                    query.replace(&format!("FROM {table}"), "FROM renamed")
                } else {
                    (*query).to_owned()
                };
                assert_right(&mut bench, view, &query, &statement).await;
            }
        }
    }
}

#[tokio::test]
async fn random_loads_and_deletes_keep_synchronous_views_right() {
    let mut seed = 7u64;
    let mut next = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for (table, create, views) in TABLES {
        let mut bench = Bench::new().await;
        bench.run(create).await;
        for (view, query) in *views {
            bench.run(&format!("CREATE MATERIALIZED VIEW {view} AS {query}")).await;
        }
        for _ in 0..12 {
            let statement = match next(4) {
                0 => format!("DELETE FROM {table} WHERE k > {}", next(200)),
                _ => {
                    let rows: Vec<String> = (0..=next(6))
                        .map(|_| format!("({}, {}, {}, '{}')", next(200), next(4), next(20), next(9)))
                        .collect();
                    format!("INSERT INTO {table} VALUES {}", rows.join(", "))
                }
            };
            bench.run(&statement).await;
            for (view, query) in *views {
                assert_right(&mut bench, view, query, &statement).await;
            }
        }
    }
}

#[tokio::test]
async fn the_query_of_a_view_is_answered_by_the_view_and_others_are_not() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (g INT, v INT) DISTRIBUTED BY HASH(g); INSERT INTO t VALUES (1, 2), (1, 3), (2, 5);
             CREATE MATERIALIZED VIEW sums AS SELECT g, sum(v) FROM t GROUP BY g",
        )
        .await;
    let (names, _) = bench.table("SELECT g, sum(v) FROM t GROUP BY g").await;
    assert_eq!(names, ["g", "sum(v)"]);
    let plan = bench.rows("EXPLAIN SELECT G, SUM(V) FROM d.t GROUP BY g").await.join("\n");
    assert!(plan.contains("TableScanExec: sums"), "{plan}");
    assert_eq!(bench.rows("SELECT * FROM sums [_SYNC_MV_] ORDER BY g").await, ["1|5", "2|5"]);
    assert_eq!(bench.table("SELECT * FROM sums [_SYNC_MV_]").await.0, ["g", "mv_sum_v"]);
    for other in ["SELECT g, sum(v) FROM t WHERE g = 1 GROUP BY g", "SELECT g, sum(v) + 1 FROM t GROUP BY g"]
    {
        let plan = bench.rows(&format!("EXPLAIN {other}")).await.join("\n");
        assert!(plan.contains("TableScanExec: t,"), "{plan}");
    }
}

#[tokio::test]
async fn the_query_of_a_view_follows_its_table() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (g INT, v INT) DISTRIBUTED BY HASH(g); INSERT INTO t VALUES (1, 2), (1, 3), (2, 5);
             CREATE MATERIALIZED VIEW sums AS SELECT g, sum(v) FROM t WHERE t.v > 2 GROUP BY g;
             CREATE TABLE u (g INT, v INT) DISTRIBUTED BY HASH(g); INSERT INTO u VALUES (7, 7);
             CREATE MATERIALIZED VIEW tops AS SELECT g, max(v) FROM d.u GROUP BY g;
             ALTER TABLE t RENAME base",
        )
        .await;
    let query = |table: &str| format!("SELECT g, sum(v) FROM {table} WHERE {table}.v > 2 GROUP BY g");
    let tops = |table: &str| format!("SELECT g, max(v) FROM {table} GROUP BY g");
    let scanned =
        async |bench: &mut Bench, query: &str| bench.rows(&format!("EXPLAIN {query}")).await.join("\n");
    let plan = scanned(&mut bench, &query("base")).await;
    assert!(plan.contains("TableScanExec: sums"), "{plan}");
    assert_eq!(bench.rows(&format!("{} ORDER BY g", query("base"))).await, ["1|3", "2|5"]);
    let shown = bench.rows("SHOW MATERIALIZED VIEWS LIKE 'sums'").await.join("\n");
    assert!(shown.contains("FROM base WHERE base.v > 2"), "{shown}");

    bench.run("ALTER TABLE base SWAP WITH u").await;
    assert_eq!(bench.rows("SELECT g FROM base").await, ["7"]);
    for (view, query) in [("sums", query("u")), ("tops", tops("base"))] {
        let plan = scanned(&mut bench, &query).await;
        assert!(plan.contains(&format!("TableScanExec: {view}")), "{plan}");
    }
    bench.run("INSERT INTO u VALUES (2, 6); INSERT INTO base VALUES (7, 9)").await;
    assert_eq!(bench.rows(&format!("{} ORDER BY g", query("u"))).await, ["1|3", "2|11"]);
    assert_eq!(bench.rows(&tops("base")).await, ["7|9"]);
    let error = bench.error("ALTER TABLE u SWAP WITH base, RENAME z").await.to_string();
    assert!(error.contains("SWAP WITH a statement of its own"), "{error}");
    assert_eq!(bench.rows("SELECT g FROM base ORDER BY v").await, ["7", "7"]);
}

#[tokio::test]
async fn files_of_views_lie_in_the_version_of_the_rows_and_go_with_the_view() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (g INT, v INT) DISTRIBUTED BY HASH(g); INSERT INTO t VALUES (1, 2), (2, 5);
             CREATE MATERIALIZED VIEW sums AS SELECT g, sum(v) s FROM t GROUP BY g;
             INSERT INTO t VALUES (3, 1)",
        )
        .await;
    let name = ObjectName::new("d", "t");
    let partitions = bench.session.store().list_partitions(&name).await.unwrap();
    assert_eq!(
        (partitions[0].files, partitions[0].rows),
        (4, 3),
        "two of the table, two of the view; its own rows"
    );
    let before = partitions[0].version_id;
    let shown = bench.table("SHOW MATERIALIZED VIEWS").await.1;
    let cells: Vec<&str> = [2, 3, 4, 20].iter().map(|at| shown[0][*at].as_deref().unwrap()).collect();
    assert_eq!(cells, ["sums", "ROLLUP", "true", "3"]);
    let (names, created) = bench.table("SHOW CREATE MATERIALIZED VIEW sums").await;
    assert_eq!(names, ["Materialized View", "Create Materialized View"]);
    assert_eq!(created[0][1], shown[0][21], "the text of SHOW MATERIALIZED VIEWS");
    assert!(created[0][1].as_ref().unwrap().starts_with("CREATE MATERIALIZED VIEW `sums` AS SELECT g"));
    bench.run("DROP MATERIALIZED VIEW sums").await;
    let partitions = bench.session.store().list_partitions(&name).await.unwrap();
    assert_eq!((partitions[0].files, partitions[0].rows), (2, 3));
    assert_ne!(partitions[0].version_id, before);
    assert_eq!(bench.rows("SELECT * FROM t ORDER BY g").await, ["1|2", "2|5", "3|1"]);
    assert_eq!(bench.error("SELECT * FROM sums [_SYNC_MV_]").await.errno, 5502);
    assert_eq!(bench.error("DROP MATERIALIZED VIEW sums").await.errno, 5502);
    assert_eq!(bench.error("SHOW CREATE MATERIALIZED VIEW sums").await.errno, 5502);
    bench.run("DROP MATERIALIZED VIEW IF EXISTS sums").await;
}

#[tokio::test]
async fn what_cannot_be_a_synchronous_view_is_refused_and_leaves_nothing() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (g INT, v INT) DISTRIBUTED BY HASH(g); INSERT INTO t VALUES (1, 2);
             CREATE TABLE p (k INT, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k);
             CREATE TABLE a (k INT, v INT SUM) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k);
             CREATE MATERIALIZED VIEW taken AS SELECT g FROM t",
        )
        .await;
    for (sql, why) in [
        ("CREATE MATERIALIZED VIEW m AS SELECT k, sum(v) FROM p GROUP BY k", "primary key table"),
        ("CREATE MATERIALIZED VIEW m AS SELECT k, min(v) FROM a GROUP BY k", "same with slot aggregate type"),
        ("CREATE MATERIALIZED VIEW m AS SELECT k, v FROM a", "needs its aggregate function"),
        ("CREATE MATERIALIZED VIEW m AS SELECT nosuch FROM t", "nosuch"),
        ("CREATE MATERIALIZED VIEW m AS SELECT g FROM nosuch", "Unknown table"),
        ("CREATE MATERIALIZED VIEW taken AS SELECT v FROM t", "already exists"),
        ("CREATE MATERIALIZED VIEW t AS SELECT v FROM t", "already exists"),
        ("CREATE MATERIALIZED VIEW m AS SELECT g, rand() r FROM t", "nondeterministic"),
    ] {
        let error = bench.error(sql).await;
        assert!(error.to_string().contains(why), "{sql}: {error}");
    }
    bench.run("CREATE MATERIALIZED VIEW IF NOT EXISTS taken AS SELECT v FROM t").await;
    assert_eq!(bench.rows("SELECT * FROM taken [_SYNC_MV_]").await, ["1"]);
}
