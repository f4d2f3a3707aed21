use crate::bench::Bench;

async fn shop() -> Bench {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE Orders (Id INT, customer VARCHAR(20), amount DECIMAL(9, 2), day DATE) DUPLICATE KEY(Id);
             INSERT INTO Orders VALUES (1, 'ann', 10.5, '2024-01-01'), (2, 'bob', 20, '2024-01-02'),
               (3, 'ann', 1, '2024-01-03'), (4, NULL, NULL, NULL);
             CREATE TABLE u (k INT, v INT) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2;
             INSERT INTO u VALUES (1, 1), (2, 2)",
        )
        .await;
    bench
}

#[tokio::test]
async fn a_view_gives_the_rows_of_its_query_under_its_own_names() {
    let mut bench = shop().await;
    bench
        .run(
            "CREATE VIEW Sums (Who COMMENT 'the customer', total) COMMENT 'per \"customer\"' AS
               SELECT customer, sum(amount) FROM Orders WHERE customer IS NOT NULL GROUP BY customer",
        )
        .await;
    let (names, _) = bench.table("SELECT * FROM Sums ORDER BY who").await;
    assert_eq!(names, ["Who", "total"]);
    assert_eq!(bench.rows("SELECT * FROM Sums ORDER BY who").await, ["ann|11.50", "bob|20.00"]);
    assert_eq!(bench.rows("SELECT s.WHO, s.Total + 1 FROM Sums s WHERE s.who = 'bob'").await, ["bob|21.00"]);
    // The view sees what is loaded later.
    bench.run("INSERT INTO Orders VALUES (5, 'bob', 0.5, NULL)").await;
    assert_eq!(bench.rows("SELECT total FROM Sums WHERE who = 'bob'").await, ["20.50"]);
    assert_eq!(
        bench.rows("SHOW CREATE VIEW Sums").await,
        [
            "Sums|CREATE VIEW `Sums` (`Who` COMMENT \"the customer\", `total`)\nCOMMENT \"per \\\"customer\\\"\" SECURITY NONE AS SELECT customer, sum(amount) FROM Orders WHERE customer IS NOT NULL GROUP BY customer;|utf8|utf8_general_ci"
        ]
    );
    assert_eq!(bench.rows("SHOW CREATE TABLE Sums").await, bench.rows("SHOW CREATE VIEW Sums").await);
}

#[tokio::test]
async fn views_read_views_and_each_has_its_own_names() {
    let mut bench = shop().await;
    bench
        .run(
            "CREATE DATABASE e; CREATE TABLE e.t (a INT); INSERT INTO e.t VALUES (7);
             CREATE TABLE t (a INT); INSERT INTO t VALUES (1), (2);
             CREATE VIEW big AS SELECT * FROM t WHERE a > 1;
             USE e;
             CREATE VIEW above AS WITH t AS (SELECT a + 100 AS a FROM d.big) SELECT t.a, o.a AS own FROM t, e.t o;
             CREATE VIEW top_view AS SELECT a, own FROM above",
        )
        .await;
    // `t` is e.t here, d.t inside `big`, and a WITH of its own inside `over`.
    assert_eq!(bench.rows("SELECT * FROM top_view").await, ["102|7"]);
    assert_eq!(
        bench.rows("WITH t AS (SELECT 5 AS a) SELECT t.a, big.a FROM t, d.big").await,
        ["5|2"],
        "the WITH of the query means nothing inside the view"
    );
    bench.run("USE d").await;
    assert_eq!(
        bench.rows("SELECT x.a, count(*) FROM e.top_view x JOIN e.above y ON x.a = y.a GROUP BY x.a").await,
        ["102|1"]
    );
    assert_eq!(bench.rows("SELECT database() FROM e.top_view").await, ["d"]);
    bench.run("CREATE VIEW where_am_i AS SELECT database() AS db").await;
    bench.run("USE e").await;
    assert_eq!(bench.rows("SELECT * FROM d.where_am_i").await, ["e"]);
}

#[tokio::test]
async fn views_stand_wherever_tables_are_read() {
    let mut bench = shop().await;
    bench
        .run(
            "CREATE VIEW v AS SELECT k, v * 10 AS v FROM u;
             CREATE TABLE copy (k INT, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k);
             INSERT INTO copy SELECT k, v FROM v;
             CREATE TABLE made AS SELECT * FROM v;
             INSERT INTO u VALUES (1, 5);
             UPDATE copy SET v = v.v FROM v WHERE copy.k = v.k AND v.k = 1;
             DELETE FROM copy WHERE k IN (SELECT k FROM v WHERE v = 20)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM copy").await, ["1|50"]);
    assert_eq!(bench.rows("SELECT * FROM made ORDER BY k").await, ["1|10", "2|20"]);
    assert_eq!(
        bench.rows("SELECT k FROM u WHERE EXISTS (SELECT 1 FROM v WHERE v.k = u.k AND v.v > 30)").await,
        ["1"]
    );
    for sql in ["INSERT INTO v VALUES (1, 1)", "TRUNCATE TABLE v", "UPDATE v SET v = 1 WHERE k = 1"] {
        let error = bench.error(sql).await;
        assert!(error.message.contains("'d.v' is a view, not a table"), "{sql}: {error}");
    }
    assert_eq!(bench.rows("SELECT count(*) FROM v").await, ["2"]);
}

#[tokio::test]
async fn what_a_view_reads_is_of_one_instant() {
    let mut bench = shop().await;
    bench.run("CREATE VIEW pairs AS SELECT a.k, b.v FROM u a JOIN u b ON a.k = b.k").await;
    let (_, rows) =
        bench.table("SELECT x.k, x.v, y.v FROM pairs x JOIN pairs y ON x.k = y.k ORDER BY 1").await;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row[1] == row[2]));
}

#[tokio::test]
async fn a_view_is_replaced_altered_renamed_and_dropped() {
    let mut bench = shop().await;
    bench.run("CREATE VIEW v AS SELECT Id FROM Orders WHERE Id = 1").await;
    assert_eq!(bench.error("CREATE VIEW v AS SELECT 1").await.errno, 1050);
    assert_eq!(bench.error("CREATE TABLE v (a INT)").await.errno, 1050);
    assert_eq!(bench.error("CREATE VIEW u AS SELECT 1").await.errno, 1050);
    assert_eq!(bench.error("CREATE OR REPLACE VIEW u AS SELECT 1").await.errno, 1347);
    bench.run("CREATE VIEW IF NOT EXISTS v AS SELECT 2; CREATE VIEW IF NOT EXISTS u AS SELECT nosuch").await;
    assert_eq!(bench.rows("SELECT * FROM v").await, ["1"]);
    bench.run("CREATE OR REPLACE VIEW v (x) COMMENT 'c' AS SELECT Id + 10 FROM Orders WHERE Id = 2").await;
    assert_eq!(bench.rows("SELECT x FROM v").await, ["12"]);
    bench.run("ALTER VIEW v (y) AS SELECT k FROM u WHERE k = 2; ALTER VIEW v SET SECURITY INVOKER").await;
    assert_eq!(bench.rows("SELECT y FROM v").await, ["2"]);
    bench.run("ALTER VIEW v RENAME w").await;
    assert_eq!(
        bench.rows("SHOW CREATE VIEW w").await,
        [
            "w|CREATE VIEW `w` (`y`)\nCOMMENT \"c\" SECURITY INVOKER AS SELECT k FROM u WHERE k = 2;|utf8|utf8_general_ci"
        ]
    );
    assert_eq!(bench.error("SELECT * FROM v").await.errno, 5502);
    bench.error("DROP TABLE w").await;
    bench.error("DROP VIEW u").await;
    bench.run("DROP VIEW w; DROP VIEW IF EXISTS w").await;
    assert_eq!(bench.error("DROP VIEW w").await.errno, 5502);
    assert_eq!(bench.error("SHOW CREATE VIEW u").await.errno, 1347);
    assert_eq!(bench.error("ALTER VIEW u AS SELECT 1").await.errno, 1347);
    assert!(bench.rows("SHOW VIEWS").await.is_empty());
}

#[tokio::test]
async fn a_view_that_cannot_work_is_refused_when_it_is_made() {
    let mut bench = shop().await;
    bench.run("CREATE VIEW v AS SELECT k FROM u; CREATE VIEW w AS SELECT * FROM v").await;
    for (sql, errno, text) in [
        ("CREATE VIEW x (a, b) AS SELECT k FROM u", 1353, "different column counts"),
        ("CREATE VIEW x AS SELECT k, v AS K FROM u", 1060, "Duplicate column name 'K'"),
        ("CREATE VIEW x AS SELECT * FROM nosuch", 5502, "Unknown table 'd.nosuch'"),
        ("CREATE VIEW x AS SELECT nosuch FROM u", 1064, "cannot be resolved"),
        ("CREATE VIEW x AS SELECT * FROM x", 5502, "Unknown table 'd.x'"),
        ("CREATE VIEW nosuch.x AS SELECT 1", 5501, "nosuch"),
        ("CREATE VIEW information_schema.x AS SELECT 1", 1064, "system"),
        ("CREATE OR REPLACE VIEW v AS SELECT * FROM w", 1356, "d.v -> d.w -> d.v"),
        ("CREATE OR REPLACE VIEW v AS SELECT * FROM v", 1064, "cannot read itself"),
        ("ALTER VIEW v AS SELECT k FROM u UNION ALL SELECT k FROM w", 1356, "d.v -> d.w -> d.v"),
        (
            "CREATE VIEW x AS SELECT * FROM FILES('path' = 's3://b/x', 'format' = 'parquet', 'aws.s3.secret_key' = 'hidden')",
            1064,
            "cannot read FILES",
        ),
        ("SELECT * FROM v PARTITION (p)", 1064, "has no partitions"),
    ] {
        let error = bench.error(sql).await;
        assert_eq!(error.errno, errno, "{sql}: {error}");
        assert!(error.message.contains(text) && !error.message.contains("hidden"), "{sql}: {error}");
    }
    assert_eq!(bench.rows("SHOW VIEWS").await, ["v", "w"]);
    assert_eq!(bench.rows("SELECT * FROM w ORDER BY k").await, ["1", "2"]);
}

#[tokio::test]
async fn a_view_whose_tables_are_gone_says_so_and_works_again_with_them() {
    let mut bench = shop().await;
    bench.run("CREATE VIEW v AS SELECT * FROM u; CREATE VIEW w AS SELECT k FROM v; DROP TABLE u").await;
    for view in ["v", "w"] {
        let error = bench.error(&format!("SELECT * FROM {view}")).await;
        assert_eq!(error.errno, 1356, "{error}");
        assert!(
            error.message.contains("View 'd.v'") && error.message.contains("Unknown table 'd.u'"),
            "{error}"
        );
        assert_eq!(bench.error(&format!("DESC {view}")).await.errno, 1356);
    }
    assert_eq!(
        bench.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'v'").await.len(),
        0
    );
    bench.run("CREATE TABLE u (k INT, v INT); INSERT INTO u VALUES (9, 9)").await;
    assert_eq!(bench.rows("SELECT * FROM w").await, ["9"]);
    bench.run("DROP TABLE u; CREATE TABLE u (k INT, v INT, more INT)").await;
    let error = bench.error("SELECT * FROM w").await;
    assert!(error.message.contains("it has 2 columns and its query gives 3 now"), "{error}");
}

#[tokio::test]
async fn views_are_shown_as_starrocks_shows_them() {
    let mut bench = shop().await;
    bench
        .run(
            "CREATE VIEW V (Id COMMENT 'number', amount) COMMENT 'seen' AS SELECT Id, amount FROM Orders;
             CREATE VIEW meta AS SELECT table_name, column_name FROM information_schema.columns",
        )
        .await;
    assert_eq!(bench.rows("SHOW VIEWS").await, ["V", "meta"]);
    assert_eq!(
        bench.rows("SHOW FULL TABLES").await,
        ["Orders|BASE TABLE", "V|VIEW", "meta|VIEW", "u|BASE TABLE"]
    );
    assert_eq!(
        bench.rows("DESC V").await,
        ["Id|int(11)|YES|false|NULL|", "amount|decimal(9, 2)|YES|false|NULL|"]
    );
    assert_eq!(bench.rows("SHOW FULL COLUMNS FROM V").await[0], "Id|int(11)|NULL|YES|false|NULL|||number");
    assert_eq!(
        bench
            .rows("SELECT table_name, table_type, table_comment, table_rows FROM information_schema.tables WHERE table_name = 'V'")
            .await,
        ["V|VIEW|seen|NULL"]
    );
    assert_eq!(
        bench
            .rows("SELECT table_name, view_definition, security_type FROM information_schema.views WHERE table_name = 'V'")
            .await,
        ["V|SELECT Id, amount FROM Orders|"]
    );
    assert_eq!(
        bench
            .rows("SELECT column_name, ordinal_position, column_type, column_comment FROM information_schema.columns WHERE table_name = 'V' ORDER BY 2")
            .await,
        ["Id|1|int(11)|number", "amount|2|decimal(9, 2)|"]
    );
    assert_eq!(
        bench.rows("SELECT column_name FROM meta WHERE table_name = 'u' ORDER BY 1").await,
        ["k", "v"]
    );
}

#[tokio::test]
async fn nesting_and_growth_of_views_are_bounded() {
    let mut bench = Bench::new().await;
    bench.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (1); CREATE VIEW n0 AS SELECT a FROM t").await;
    let mut made = 1;
    while made < 40 {
        let sql = format!("CREATE VIEW n{made} AS SELECT a + 1 AS a FROM n{}", made - 1);
        if made < 32 {
            bench.run(&sql).await;
        } else {
            let error = bench.error(&sql).await;
            assert!(error.message.contains("nested deeper than 32"), "{error}");
            break;
        }
        made += 1;
    }
    assert_eq!(bench.rows(&format!("SELECT * FROM n{}", made - 1)).await, [format!("{made}")]);
    bench.run("CREATE VIEW g0 AS SELECT a FROM t").await;
    let mut last = None;
    for level in 1..24 {
        let below = level - 1;
        let sql = format!("CREATE VIEW g{level} AS SELECT x.a FROM g{below} x JOIN g{below} y ON x.a = y.a");
        let made = bench.try_run(&sql).await;
        if let Err(error) = made {
            last = Some(error);
            break;
        }
    }
    let error = last.expect("a view that doubles at each level is refused in the end");
    assert!(error.message.contains("more than 20000 steps"), "{error}");
}
