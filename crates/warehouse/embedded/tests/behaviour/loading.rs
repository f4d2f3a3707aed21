use crate::bench::Bench;

#[tokio::test]
async fn every_type_comes_back_as_it_was_loaded() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (i INT, a TINYINT, b SMALLINT, c BIGINT, l LARGEINT, f FLOAT, g DOUBLE,
               m DECIMAL(20, 4), n DECIMAL(50, 2), d DATE, e DATETIME, s CHAR(3), v VARCHAR(10), x VARBINARY, j JSON,
               r ARRAY<INT>, p MAP<VARCHAR(5), INT>, q STRUCT<x INT, y DATE>, o BOOLEAN) DUPLICATE KEY(i)",
        )
        .await;
    bench
        .run(
            r#"INSERT INTO t VALUES (1, -128, 32767, -9223372036854775808, 170141183460469231731687303715884105727,
               1.5, 0.1, 12345678901234.5678, 123456789012345678901234567890123456789012345678.91, '0000-01-01',
               '9999-12-31 23:59:59.999999', 'abc', '汉字', 'bytes', '{"a": 1}', [1, NULL, 3],
               '{"k": 7}', '{"x": 1, "y": "2024-01-01"}', false)"#,
        )
        .await;
    let rows = bench.rows("SELECT * FROM t").await;
    assert_eq!(
        rows,
        [concat!(
            "1|-128|32767|-9223372036854775808|170141183460469231731687303715884105727|1.5|0.1|",
            "12345678901234.5678|123456789012345678901234567890123456789012345678.91|0000-01-01|",
            "9999-12-31 23:59:59.999999|abc|汉字|0x6279746573|{\"a\": 1}|[1,null,3]|{\"k\":7}|",
            "{\"x\":1,\"y\":\"2024-01-01\"}|0"
        )]
    );
}

#[tokio::test]
async fn a_failed_load_names_row_and_column_and_changes_nothing() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT NOT NULL, v VARCHAR(3), n TINYINT) PARTITION BY RANGE(k)
             (PARTITION p1 VALUES LESS THAN ('10')) DISTRIBUTED BY HASH(k) BUCKETS 2; INSERT INTO t VALUES (1, 'a', 1)",
        )
        .await;
    for (sql, texts) in [
        ("INSERT INTO t VALUES (2, 'b', 1), (NULL, 'c', 1)", ["row 2", "column 'k'", "NULL"]),
        ("INSERT INTO t VALUES (2, 'b', 1), (3, 'toolong', 1)", ["row 2", "column 'v'", "7 bytes"]),
        ("INSERT INTO t VALUES (2, 'b', 300)", ["row 1", "column 'n'", "'300' is no value of TINYINT"]),
        ("INSERT INTO t VALUES ('x', 'b', 1)", ["row 1", "column 'k'", "'x' is no value of INT"]),
        ("INSERT INTO t VALUES (5, 'b', 1), (11, 'b', 1)", ["row 2", "('11')", "ADD PARTITION"]),
        ("INSERT INTO t SELECT 3, 'b', 1000", ["row 1", "column 'n'", "1000"]),
        ("INSERT INTO t PARTITION (p9) VALUES (1, 'b', 1)", ["p9", "p9", "t"]),
        ("INSERT INTO t (k) VALUES (1, 2)", ["Column count", "1", "2"]),
        ("INSERT INTO t (k, nosuch) VALUES (1, 2)", ["nosuch", "nosuch", "t"]),
        ("INSERT INTO t (v) VALUES ('x')", ["'k' must be explicitly", "k", "k"]),
        ("INSERT INTO t SELECT 1", ["doesn't match", "3", "1"]),
    ] {
        let error = bench.error(sql).await.message;
        for text in texts {
            assert!(error.contains(text), "{sql}: {error}");
        }
    }
    assert_eq!(bench.rows("SELECT * FROM t").await, ["1|a|1"]);
    assert_eq!(bench.rows("SHOW PARTITIONS FROM t WHERE VisibleVersion = '2'").await.len(), 1);
}

#[tokio::test]
async fn defaults_counters_and_computed_columns_fill_what_is_left_out() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (id BIGINT NOT NULL AUTO_INCREMENT, a INT DEFAULT '5', s VARCHAR(40) DEFAULT (uuid()),
               at DATETIME DEFAULT CURRENT_TIMESTAMP, twice BIGINT AS a * 2) PRIMARY KEY(id)
             DISTRIBUTED BY HASH(id) BUCKETS 2",
        )
        .await;
    bench
        .run("INSERT INTO t (a) VALUES (1), (DEFAULT); INSERT INTO t (id, a) VALUES (100, 9), (NULL, 10)")
        .await;
    assert_eq!(
        bench.rows("SELECT id, a, twice, length(s) FROM t ORDER BY id").await,
        ["1|1|2|36", "2|5|10|36", "3|10|20|36", "100|9|18|36"]
    );
    assert_eq!(bench.value("SELECT count(DISTINCT s), count(at) FROM t").await, "4|4");
    assert!(bench.error("INSERT INTO t (a, twice) VALUES (1, 2)").await.message.contains("twice"));
}

#[tokio::test]
async fn overwriting_replaces_all_rows_at_once() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, v INT) PARTITION BY RANGE(k) (PARTITION a VALUES LESS THAN ('10'), PARTITION b VALUES LESS THAN ('20'))
             DISTRIBUTED BY RANDOM BUCKETS 2; INSERT INTO t VALUES (1, 1), (11, 1); INSERT INTO t VALUES (2, 1)",
        )
        .await;
    bench.run("INSERT OVERWRITE t PARTITION (a) SELECT k + 3, v + 1 FROM t WHERE k < 10").await;
    assert_eq!(bench.rows("SELECT k, v FROM t ORDER BY k").await, ["4|2", "5|2", "11|1"]);
    assert!(
        bench.error("INSERT OVERWRITE t PARTITION (a) VALUES (12, 1)").await.message.contains("partition b")
    );
    assert_eq!(bench.rows("SELECT count(*) FROM t").await, ["3"]);
    bench.run("INSERT OVERWRITE t VALUES (15, 5)").await;
    assert_eq!(bench.rows("SELECT k, v FROM t").await, ["15|5"]);
    bench.run("TRUNCATE TABLE t PARTITION (b)").await;
    assert_eq!(bench.rows("SELECT count(*) FROM t").await, ["0"]);
}

#[tokio::test]
async fn a_label_loads_once() {
    let mut bench = Bench::new().await;
    bench.run("CREATE TABLE t (k INT); INSERT INTO t WITH LABEL l1 VALUES (1)").await;
    assert!(bench.error("INSERT INTO t WITH LABEL l1 VALUES (1)").await.message.contains("l1"));
    assert_eq!(bench.rows("SELECT count(*) FROM t").await, ["1"]);
}

#[tokio::test]
async fn a_load_into_many_partitions_spills_instead_of_growing() {
    let mut options = rockhold_warehouse_embedded::SessionOptions::default();
    options.memory_limit = 32 << 20;
    let mut bench = Bench::with_options(options).await;
    bench
        .run("CREATE TABLE t (d DATE, k BIGINT, s STRING) PARTITION BY date_trunc('day', d) DISTRIBUTED BY HASH(k) BUCKETS 4")
        .await;
    let rows = bench
        .run(
            "INSERT INTO t SELECT date_add('2024-01-01', INTERVAL n % 60 DAY), n, repeat('x', 200)
             FROM (SELECT unnest(range(0, 300000)) AS n) x",
        )
        .await;
    assert_eq!(rows, 300_000);
    assert_eq!(
        bench.value("SELECT count(*), count(DISTINCT k), sum(length(s)) FROM t").await,
        "300000|300000|60000000"
    );
    assert_eq!(bench.rows("SHOW PARTITIONS FROM t").await.len(), 60);
    assert_eq!(bench.value("SELECT count(*) FROM t WHERE d = '2024-01-02'").await, "5000");
}
