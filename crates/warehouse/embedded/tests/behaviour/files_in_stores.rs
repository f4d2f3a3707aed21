use crate::bench::Bench;
use crate::memory_store::MemoryStore;
use rockhold_core::{RepositoryFactory, Rows};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(crate) async fn with_store() -> (Bench, Arc<MemoryStore>) {
    let mut bench = Bench::new().await;
    let store = Arc::new(MemoryStore::default());
    bench.session = bench.session.clone().storage([store.clone() as Arc<dyn RepositoryFactory>]);
    bench
        .run(
            "CREATE TABLE t (K INT, s VARCHAR(20), d DATE, m DECIMAL(9, 2), r ARRAY<INT>) DUPLICATE KEY(K);
             INSERT INTO t VALUES (1, 'a', '2024-01-01', 1.5, [1, 2]), (2, NULL, NULL, NULL, NULL)",
        )
        .await;
    (bench, store)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unloaded_into_a_store_can_be_loaded_again() {
    let (mut bench, store) = with_store().await;
    for format in ["parquet", "csv"] {
        let files = format!(
            "\"path\" = \"mem://bucket/out/{format}/\", \"format\" = \"{format}\", \"mem.user\" = \"u\", \"mem.secret\" = \"right\""
        );
        assert_eq!(bench.run(&format!("INSERT INTO FILES({files}) SELECT K, s, d, m FROM t")).await, 2);
        let keys = store.keys().await;
        assert!(
            keys.iter().any(|key| key.starts_with(&format!("out/{format}/data_")) && key.ends_with(format)),
            "{keys:?}"
        );
        let from = files.replace("/\", \"format\"", "/*\", \"format\"");
        let rows = bench.rows(&format!("SELECT * FROM FILES({from}) ORDER BY 1")).await;
        assert_eq!(rows, ["1|a|2024-01-01|1.50", "2|NULL|NULL|NULL"], "{format}");
        bench
            .run(&format!("CREATE TABLE u_{format} (K INT, s VARCHAR(9), d DATE, m DECIMAL(9, 2)); INSERT INTO u_{format} SELECT * FROM FILES({from})"))
            .await;
        assert_eq!(bench.rows(&format!("SELECT m FROM u_{format} WHERE K = 1")).await, ["1.50"]);
    }
    let opened = store.opened.lock().unwrap();
    // Each store is opened at the directory in front of the wildcard, with the
    // vendor's properties and none of those of FILES.
    assert!(
        opened.iter().all(|(at, _)| at == "mem://bucket/out/parquet" || at == "mem://bucket/out/csv"),
        "{opened:?}"
    );
    assert!(opened.iter().all(|(_, names)| *names == ["mem.user", "mem.secret"]), "{opened:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wildcards_lists_and_directories_are_found_by_listing() {
    let (mut bench, store) = with_store().await;
    for (key, text) in [
        ("a/day=1/x.csv", "1\n"),
        ("a/day=1/y.csv", "2\n"),
        ("a/day=2/x.csv", "3\n"),
        ("a/day=2/_hidden.csv", "4\n"),
        ("a/_tmp/x.csv", "5\n"),
        ("top.csv", "6\n"),
    ] {
        store.put(key, text).await;
    }
    let mut read = async |path: &str| {
        bench
            .rows(&format!("SELECT * FROM FILES('path' = '{path}', 'format' = 'csv', 'csv.column_separator' = ',') ORDER BY 1"))
            .await
    };
    assert_eq!(read("mem://bucket/a/*/x.csv").await, ["1", "3"]);
    assert_eq!(read("mem://bucket/a/day=[2-3]/*").await, ["3"]);
    assert_eq!(read("mem://bucket/a/day={1,2}/{x,y}.csv").await, ["1", "2", "3"]);
    assert_eq!(read("mem://bucket/a/day=1").await, ["1", "2"]);
    assert_eq!(read("mem://bucket/a/day=1/").await, ["1", "2"]);
    assert_eq!(read("mem://bucket/a/*").await, ["1", "2", "3"]);
    assert_eq!(read("mem://bucket/*.csv").await, ["6"]);
    assert_eq!(read("mem://bucket/a/day=2/_hidden.csv, mem://bucket/top.csv").await, ["4", "6"]);
    let list = "FILES('path' = 'mem://bucket/a/day=?/*', 'list_files_only' = 'true')";
    assert_eq!(
        bench.rows(&format!("SELECT PATH, SIZE, IS_DIR FROM {list} ORDER BY PATH")).await,
        [
            "mem://bucket/a/day=1/x.csv|2|0",
            "mem://bucket/a/day=1/y.csv|2|0",
            "mem://bucket/a/day=2/x.csv|2|0"
        ]
    );
    let error = bench.error("SELECT * FROM FILES('path' = 'mem://bucket/nosuch/*', 'format' = 'csv')").await;
    assert!(error.message.contains("no files match"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_columns_that_are_asked_for_are_read() {
    let (mut bench, store) = with_store().await;
    bench
        .run(
            "INSERT INTO FILES('path' = 'mem://bucket/p/', 'format' = 'parquet', 'compression' = 'uncompressed')
               WITH ten AS (SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
                 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10)
               SELECT a.a AS small, concat(uuid(), uuid(), uuid(), uuid()) AS large
               FROM ten a, ten b, ten c, ten d",
        )
        .await;
    let key = store.keys().await.remove(0);
    let len = store.len(&key).await;
    assert!(len > 1_000_000, "{len}");
    store.read.store(0, Ordering::Relaxed);
    let files = "FILES('path' = 'mem://bucket/p/*', 'format' = 'parquet')";
    assert_eq!(bench.rows(&format!("SELECT sum(small), count(*) FROM {files}")).await, ["55000|10000"]);
    let read = store.read.load(Ordering::Relaxed);
    assert!(read < len / 4, "{read} of {len} bytes were read");
    assert_eq!(bench.rows(&format!("SELECT count(DISTINCT large) FROM {files}")).await, ["10000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_files_go_in_parts_and_divided_ones_into_directories() {
    let (mut bench, store) = with_store().await;
    let rows = "WITH ten AS (SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
           UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10)
         SELECT repeat(uuid(), 4) AS x, a.a FROM ten a, ten b, ten c, ten d, (SELECT * FROM ten WHERE a < 8) e";
    let changed = bench
        .run(&format!("INSERT INTO FILES('path' = 'mem://bucket/long/', 'format' = 'csv') {rows}"))
        .await;
    assert_eq!(changed, 70_000);
    let key = store.keys().await.remove(0);
    assert!(store.len(&key).await > 9 << 20, "more than one part");
    assert_eq!(
        bench
            .rows("SELECT count(*), sum($2) FROM FILES('path' = 'mem://bucket/long/*', 'format' = 'csv')")
            .await,
        ["70000|385000"]
    );
    bench
        .run("INSERT INTO FILES('path' = 'mem://bucket/by/f', 'format' = 'parquet', 'partition_by' = 'place') SELECT K, concat('a b:', K, '/é') AS place FROM t")
        .await;
    let keys: Vec<String> = store.keys().await.into_iter().filter(|key| key.starts_with("by/")).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys[0].starts_with("by/place=a%20b%3A1%2F%C3%A9/f"), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_store_refuses_is_said_without_secrets() {
    let (mut bench, store) = with_store().await;
    store.put("x.parquet", "this is no Parquet file").await;
    for (sql, text) in [
        (
            "SELECT * FROM FILES('path' = 'mem://bucket/x.parquet', 'format' = 'parquet', 'mem.secret' = 'wrong')",
            "not the right one",
        ),
        (
            "INSERT INTO FILES('path' = 'mem://bucket/o/', 'format' = 'csv', 'mem.secret' = 'wrong') SELECT 1",
            "not the right one",
        ),
        (
            "SELECT * FROM FILES('path' = 'mem://bucket/x.parquet', 'format' = 'parquet')",
            "mem://bucket/x.parquet: not a Parquet file",
        ),
        (
            "SELECT * FROM FILES('path' = 'mem://bucket/a b.csv', 'format' = 'csv')",
            "can be read from a store",
        ),
        ("SELECT * FROM FILES('path' = 'other://bucket/x', 'format' = 'csv')", "there is no other://"),
        ("INSERT INTO FILES('path' = 'other://bucket/x', 'format' = 'csv') SELECT 1", "file://, mem://"),
        ("SELECT * FROM FILES('path' = 'x.csv', 'format' = 'csv')", "absolute path"),
    ] {
        let error = bench.error(sql).await;
        assert!(error.message.contains(text) && !error.to_string().contains("wrong"), "{sql}: {error}");
    }
    assert_eq!(store.keys().await, ["x.parquet"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replaced_while_it_is_read_is_an_error() {
    let (mut bench, store) = with_store().await;
    store.put("a.csv", "1\n2\n").await;
    let from = "FILES('path' = 'mem://bucket/a.csv', 'format' = 'csv')";
    let statement = rockhold_sql::parse_one(&format!("SELECT * FROM {from}")).unwrap();
    let outcome = bench.session.execute(&statement).await.unwrap();
    let rockhold_core::Outcome::Rows(Rows { batches, columns }) = outcome else { panic!("rows") };
    store.put("a.csv", "other\n").await;
    let read = Rows { batches, columns }.collect().await;
    // Either nothing was read yet, and then it is refused, or all of it was.
    match read {
        Ok(rows) => assert_eq!(rows.len(), 2),
        Err(error) => assert!(error.to_string().contains("a.csv"), "{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_function_may_lie_in_a_store() {
    let (mut bench, store) = with_store().await;
    store.put("udf/f.jar", "bytes").await;
    let info = bench
        .info(
            "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'E', 'type' = 'StarrocksJar',
               'file' = 'mem://bucket/udf/f.jar', 'mem.user' = 'u', 'mem.secret' = 'right')",
        )
        .await;
    assert_eq!(info, "");
    let shown = bench.rows("SHOW FULL FUNCTIONS").await;
    assert!(shown[0].contains(&bench.value("SELECT md5('bytes')").await), "{shown:?}");
    assert!(shown[0].contains("\"mem.secret\":\"******\"") && !shown[0].contains("right"), "{shown:?}");
    assert_eq!(
        store.opened.lock().unwrap().as_slice(),
        [("mem://bucket/udf".to_string(), vec!["mem.user".to_string(), "mem.secret".to_string()])]
    );
}
