use crate::bench::Bench;

#[tokio::test]
async fn rows_of_a_primary_key_table_are_replaced_updated_and_deleted() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, s VARCHAR(9), v INT NOT NULL) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 3;
             INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (1, 'z', 9); INSERT INTO t VALUES (2, 'bb', 22)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM t ORDER BY k").await, ["1|z|9", "2|bb|22", "3|c|3"]);
    assert_eq!(bench.run("UPDATE t SET v = v + 100, s = upper(s) WHERE k >= 2").await, 2);
    assert_eq!(bench.rows("SELECT * FROM t ORDER BY k").await, ["1|z|9", "2|BB|122", "3|C|103"]);
    assert_eq!(bench.run("DELETE FROM t WHERE v > 100 AND k < 3").await, 1);
    assert_eq!(bench.rows("SELECT k FROM t ORDER BY k").await, ["1", "3"]);
    bench.run("INSERT INTO t VALUES (2, 'new', 5)").await;
    assert_eq!(bench.rows("SELECT count(*), sum(v) FROM t").await, ["3|117"]);
    bench.run("CREATE TABLE o (k INT, x INT); INSERT INTO o VALUES (1, 50), (3, 60)").await;
    assert_eq!(bench.run("UPDATE t SET v = o.x FROM o WHERE t.k = o.k").await, 2);
    assert_eq!(bench.rows("SELECT k, v FROM t ORDER BY k").await, ["1|50", "2|5", "3|60"]);
    assert_eq!(bench.run("DELETE FROM t USING o WHERE t.k = o.k AND o.x = 60").await, 1);
    assert!(bench.error("UPDATE t SET k = 1 WHERE k = 2").await.message.contains("primary key column"));
    assert!(bench.error("UPDATE t SET v = NULL WHERE k = 2").await.message.contains("NOT NULL"));
    assert!(bench.error("DELETE FROM t").await.message.contains("WHERE"));
    assert!(bench.error("UPDATE o SET x = 1 WHERE k = 1").await.message.contains("primary key table"));
}

#[tokio::test]
async fn deleting_from_a_duplicate_table_rewrites_only_what_matches() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2;
             INSERT INTO t VALUES (1, 1), (1, 1), (2, NULL), (3, 3); INSERT INTO t VALUES (9, 9)",
        )
        .await;
    assert_eq!(bench.run("DELETE FROM t WHERE t.v = 1").await, 2);
    assert_eq!(bench.rows("SELECT * FROM t ORDER BY k").await, ["2|NULL", "3|3", "9|9"]);
    assert_eq!(bench.run("DELETE FROM t WHERE v > 100").await, 0);
    assert_eq!(bench.run("DELETE FROM t WHERE K IN (2, 3) OR v = 9").await, 3);
    assert_eq!(bench.rows("SELECT count(*) FROM t").await, ["0"]);
}

#[tokio::test]
async fn deleting_from_an_aggregate_table_takes_whole_keys() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, s INT SUM) AGGREGATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2;
             INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO t VALUES (1, 10), (3, 3); DELETE FROM t WHERE k = 1;
             INSERT INTO t VALUES (1, 5)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM t ORDER BY k").await, ["1|5", "2|2", "3|3"]);
    assert!(bench.error("DELETE FROM t WHERE s = 5").await.message.contains("key columns only"));
}
