use crate::bench::Bench;

#[tokio::test]
async fn errors_carry_starrocks_numbers() {
    let mut bench = Bench::new().await;
    bench.run("CREATE TABLE t (a INT)").await;
    for (sql, errno) in [
        ("CREATE DATABASE d", 1007),
        ("DROP DATABASE nosuch", 5501),
        ("USE nosuch", 5501),
        ("CREATE TABLE nosuch.t (a INT)", 5501),
        ("CREATE TABLE t (a INT)", 1050),
        ("DROP TABLE nosuch", 5502),
        ("SELECT * FROM nosuch", 5502),
        ("INSERT INTO nosuch VALUES (1)", 5502),
        ("DESC nosuch", 5502),
        ("SHOW TABLES FROM nosuch", 5501),
        ("CREATE DATABASE `1x`", 1102),
        ("SET nosuch = 1", 1193),
        ("SELECT @@nosuch", 1193),
    ] {
        let error = bench.error(sql).await;
        assert_eq!(error.errno, errno, "{sql}: {error}");
    }
    bench
        .run("CREATE DATABASE IF NOT EXISTS d; DROP TABLE IF EXISTS nosuch; DROP DATABASE IF EXISTS x")
        .await;
}

#[tokio::test]
async fn without_a_database_names_must_be_qualified() {
    let mut bench = Bench::new().await;
    bench.run("CREATE TABLE t (a INT); CREATE DATABASE e; USE e; DROP DATABASE e").await;
    assert_eq!(bench.error("SELECT * FROM t").await.errno, 1046);
    assert_eq!(bench.rows("SELECT count(*) FROM d.t").await, ["0"]);
    assert_eq!(bench.rows("SELECT database()").await, ["NULL"]);
}

#[tokio::test]
async fn show_has_starrocks_columns() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE p (d DATE, v INT) PARTITION BY RANGE(d)
               (PARTITION p1 VALUES LESS THAN ('2024-01-01'), PARTITION p2 VALUES LESS THAN ('2024-02-01'))
               DISTRIBUTED BY HASH(v) BUCKETS 2 PROPERTIES ('replication_num' = '1');
             CREATE TABLE pk (k BIGINT NOT NULL AUTO_INCREMENT, v INT DEFAULT '7') PRIMARY KEY(k)
               DISTRIBUTED BY HASH(k) BUCKETS 2",
        )
        .await;
    assert_eq!(bench.table("SHOW TABLES").await.0, ["Tables_in_d"]);
    assert_eq!(bench.rows("SHOW TABLES").await, ["p", "pk"]);
    assert_eq!(bench.rows("SHOW FULL TABLES LIKE 'p_'").await, ["pk|BASE TABLE"]);
    assert_eq!(bench.rows("SHOW DATABASES WHERE `Database` = 'd'").await, ["d"]);
    let (names, rows) = bench.table("SHOW PARTITIONS FROM p ORDER BY PartitionName DESC LIMIT 1").await;
    assert_eq!(
        names,
        [
            "PartitionId",
            "PartitionName",
            "VisibleVersion",
            "VisibleVersionTime",
            "VisibleVersionHash",
            "State",
            "PartitionKey",
            "Range",
            "DistributionKey",
            "Buckets",
            "ReplicationNum",
            "StorageMedium",
            "CooldownTime",
            "LastConsistencyCheckTime",
            "DataSize",
            "StorageSize",
            "IsInMemory",
            "RowCount",
            "DataVersion",
            "VersionEpoch",
            "VersionTxnType",
            "TabletBalanced",
        ]
    );
    let text = |at: usize| rows[0][at].clone().unwrap();
    assert_eq!(
        (text(1), text(2), text(6), text(8), text(9), text(10)),
        ("p2".into(), "1".into(), "d".into(), "v".into(), "2".into(), "1".into())
    );
    assert_eq!(text(7), "[types: [DATE]; keys: [2024-01-01]; ..types: [DATE]; keys: [2024-02-01]; )");
    assert_eq!((text(14), text(17)), ("0B".to_string(), "0".to_string()));
    let create = bench.rows("SHOW CREATE TABLE p").await;
    assert_eq!(
        create,
        [
            "p|CREATE TABLE `p` (\n  `d` date NULL COMMENT \"\",\n  `v` int(11) NULL COMMENT \"\"\n) ENGINE=OLAP \nDUPLICATE KEY(`d`, `v`)\nPARTITION BY RANGE(`d`)\n(PARTITION p1 VALUES [(\"0000-01-01\"), (\"2024-01-01\")),\nPARTITION p2 VALUES [(\"2024-01-01\"), (\"2024-02-01\")))\nDISTRIBUTED BY HASH(`v`) BUCKETS 2 \nPROPERTIES (\n\"compression\" = \"LZ4\",\n\"fast_schema_evolution\" = \"true\",\n\"replicated_storage\" = \"true\",\n\"replication_num\" = \"1\"\n);"
        ]
    );
    let (names, rows) = bench.table("DESC pk").await;
    assert_eq!(names, ["Field", "Type", "Null", "Key", "Default", "Extra"]);
    let shown: Vec<Vec<&str>> =
        rows.iter().map(|row| row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect()).collect();
    assert_eq!(
        shown,
        [
            ["k", "bigint(20)", "NO", "true", "NULL", "auto_increment"],
            ["v", "int(11)", "YES", "false", "7", ""],
        ]
    );
    assert_eq!(bench.rows("SHOW VARIABLES LIKE 'time_zone'").await, ["time_zone|Asia/Shanghai"]);
    assert_eq!(
        bench.rows("SELECT DB_NAME, TABLE_NAME, PARTITION_NAME FROM information_schema.partitions_meta WHERE DB_NAME = 'd' ORDER BY TABLE_NAME, PARTITION_NAME").await,
        ["d|p|p1", "d|p|p2", "d|pk|pk"]
    );
    assert_eq!(
        bench
            .rows("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'd'")
            .await,
        ["p|BASE TABLE", "pk|BASE TABLE"]
    );
}

#[tokio::test]
async fn a_renamed_table_keeps_its_rows_and_a_swap_exchanges_them() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE a (v INT); CREATE TABLE b (v INT); INSERT INTO a VALUES (1); INSERT INTO b VALUES (2);
             ALTER TABLE a SWAP WITH b",
        )
        .await;
    assert_eq!(bench.rows("SELECT a.v, b.v FROM a, b").await, ["2|1"]);
    bench.run("ALTER TABLE a RENAME c").await;
    assert_eq!(bench.rows("SELECT v FROM c").await, ["2"]);
    assert_eq!(
        bench
            .rows("SELECT PARTITION_NAME FROM information_schema.partitions_meta WHERE TABLE_NAME = 'c'")
            .await,
        ["c"]
    );
    assert_eq!(bench.error("SELECT * FROM a").await.errno, 5502);
    assert_eq!(bench.error("ALTER TABLE c RENAME b").await.errno, 1050);
    bench.run("ALTER TABLE c COMMENT = 'hello'").await;
    assert!(bench.value("SHOW CREATE TABLE c").await.contains("COMMENT \"hello\""));
}

#[tokio::test]
async fn tables_are_made_like_others_and_from_queries() {
    let mut bench = Bench::new().await;
    bench.run("CREATE TABLE a (k INT, s VARCHAR(9)) DISTRIBUTED BY HASH(k) BUCKETS 2; INSERT INTO a VALUES (1, 'x'), (2, NULL)").await;
    bench.run("CREATE TABLE l LIKE a").await;
    assert_eq!(bench.rows("SELECT count(*) FROM l").await, ["0"]);
    assert_eq!(bench.run("CREATE TABLE q AS SELECT k * 2 AS kk, s FROM a").await, 2);
    assert_eq!(bench.rows("SELECT * FROM q ORDER BY kk").await, ["2|x", "4|NULL"]);
    assert_eq!(bench.rows("DESC q").await[0].split('|').take(2).collect::<Vec<_>>(), ["kk", "bigint(20)"]);
    bench.error("CREATE TABLE bad AS SELECT CAST('2' AS INT) AS a, b FROM a").await;
    assert_eq!(bench.rows("SHOW TABLES LIKE 'bad'").await, Vec::<String>::new());
}

/// Files could not tell them apart, and rows were lost.
#[tokio::test]
async fn columns_named_as_the_warehouses_own_are_refused() {
    let mut bench = Bench::new().await;
    bench.run("CREATE TABLE t (k INT, v INT); INSERT INTO t VALUES (1, 2)").await;
    for sql in [
        "CREATE TABLE u (k INT, __rh_op INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k)",
        "CREATE TABLE u (k INT, `__RH_Load` INT)",
        "CREATE TABLE u (k INT, g INT AS k + 1, __rh_x INT AS k + 2)",
        "CREATE TABLE u AS SELECT k, v AS __rh_row FROM t",
        "CREATE TABLE u (k, __rh_row) AS SELECT k, v FROM t",
        "CREATE VIEW u AS SELECT k AS __rh_Op FROM t",
        "CREATE VIEW u (__rh_op) AS SELECT k FROM t",
        "CREATE MATERIALIZED VIEW u REFRESH DEFERRED MANUAL AS SELECT k, v AS __rh_load FROM t",
        "CREATE MATERIALIZED VIEW u (k, __rh_load) REFRESH DEFERRED MANUAL AS SELECT k, v FROM t",
        "CREATE MATERIALIZED VIEW u AS SELECT k, sum(v) AS __rh_load FROM t GROUP BY k",
    ] {
        let error = bench.error(sql).await;
        assert_eq!(error.errno, 1166, "{sql}: {error}");
        assert!(error.message.contains("Incorrect column name '__"), "{sql}: {error}");
    }
    assert_eq!(bench.rows("SHOW TABLES").await, ["t"]);
    // Nothing is wrong with such names inside of a query.
    assert_eq!(bench.rows("SELECT v + 1 AS __rh_op FROM t").await, ["3"]);
}

#[tokio::test]
async fn types_without_an_open_form_are_refused() {
    let mut bench = Bench::new().await;
    let error =
        bench.error("CREATE TABLE x (a INT, b HLL HLL_UNION) AGGREGATE KEY(a) DISTRIBUTED BY HASH(a)").await;
    assert!(error.message.contains("HLL"), "{error}");
}

#[tokio::test]
async fn a_table_under_restore_refuses_everything_but_looking_at_it() {
    use rockhold_core::{
        JobId, KindId, Namespace, ObjectName, RestoreAction, RestorePlan, RestoreTarget, Warehouse,
    };
    let mut bench = Bench::new().await;
    bench.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)").await;
    let store = bench.session.store().clone();
    let name = ObjectName::new("d", "t");
    let found = store.find_object(Namespace::Relation, &name).await.unwrap().unwrap();
    let target = RestoreTarget {
        kind: KindId::TABLE,
        name,
        definition: found.object.definition,
        state: found.object.state,
        action: RestoreAction::Merge,
    };
    let job = JobId::random().unwrap();
    store.begin(job, &RestorePlan { database: "d".into(), targets: vec![target] }).await.unwrap();
    let error = bench.error("SELECT * FROM t").await;
    assert_eq!(error.errno, 5014);
    assert!(error.message.contains("table state is not NORMAL: 'RESTORE'"), "{error}");
    let error = bench.error("INSERT INTO t VALUES (2)").await.message;
    assert!(error.contains("cannot write RESTORE state table"), "{error}");
    for sql in ["TRUNCATE TABLE t", "ALTER TABLE t RENAME u", "ALTER TABLE t COMMENT = 'x'"] {
        let error = bench.error(sql).await.message;
        assert!(error.contains("a snapshot restore operation is in progress on table t"), "{sql}: {error}");
    }
    assert_eq!(bench.rows("SHOW TABLES").await, ["t"]);
    assert!(bench.value("SHOW CREATE TABLE t").await.contains("`a` int(11)"));
    store.rollback(job).await.unwrap();
    assert_eq!(bench.rows("SELECT * FROM t").await, ["1"]);
}

#[tokio::test]
async fn queries_are_explained() {
    let mut bench = Bench::new().await;
    bench.run("CREATE TABLE t (k INT, v INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2").await;
    let plan = bench.rows("EXPLAIN SELECT v FROM t WHERE k = 1 AND v = 2").await.join("\n");
    assert!(plan.contains("TableScanExec: t, merge on read"), "{plan}");
    assert!(plan.contains("pruning=k"), "{plan}");
}

/// A server runs statements on any thread.
#[tokio::test]
async fn statements_run_on_any_thread() {
    let bench = Bench::new().await;
    let mut session = bench.session.clone();
    let statement = rockhold_sql::parse_one("SHOW DATABASES").unwrap();
    let ran = tokio::spawn(async move { session.execute(&statement).await.is_ok() });
    assert!(ran.await.unwrap());
}

#[tokio::test]
async fn names_of_the_system_are_no_databases_of_users() {
    let mut bench = Bench::new().await;
    for name in ["sys", "SYS", "_statistics_", "Information_Schema"] {
        let error = bench.error(&format!("CREATE DATABASE IF NOT EXISTS {name}")).await.to_string();
        assert!(error.contains(&format!("{name} is a name of the system; choose another")), "{error}");
    }
    bench.run("CREATE DATABASE IF NOT EXISTS information_schema").await;
}
