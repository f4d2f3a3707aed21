use crate::bench::Bench;
use std::fs;

async fn with_table() -> (Bench, String) {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (K INT, s VARCHAR(20), d DATE, at DATETIME, m DECIMAL(9, 2), b BOOLEAN, r ARRAY<INT>) DUPLICATE KEY(K);
             INSERT INTO t VALUES (1, 'a', '2024-01-01', '2024-01-01 01:02:03', 1.5, true, [1, 2]), (2, NULL, NULL, NULL, NULL, NULL, NULL)",
        )
        .await;
    let out = format!("file://{}/out", bench.dir.path().display());
    (bench, out)
}

#[tokio::test]
async fn what_is_unloaded_to_parquet_can_be_loaded_again() {
    let (mut bench, out) = with_table().await;
    let files = format!("\"path\" = \"{out}/\", \"format\" = \"parquet\", \"compression\" = \"zstd\"");
    assert_eq!(bench.run(&format!("INSERT INTO FILES({files}) SELECT * FROM t")).await, 2);
    let glob = format!("FILES(\"path\" = \"{out}/*.parquet\", \"format\" = \"parquet\")");
    assert_eq!(
        bench.rows(&format!("SELECT * FROM {glob} ORDER BY k")).await,
        bench.rows("SELECT * FROM t ORDER BY k").await
    );
    assert_eq!(bench.table(&format!("SELECT * FROM {glob}")).await.0[0], "K");
    assert_eq!(
        bench.rows(&format!("DESC {glob}")).await[..4],
        ["K|int(11)|YES", "s|varchar(65533)|YES", "d|date|YES", "at|datetime|YES"]
    );
    bench.run(&format!("CREATE TABLE u LIKE t; INSERT INTO u SELECT * FROM {glob}")).await;
    assert_eq!(
        bench.rows("SELECT * FROM u ORDER BY k").await,
        bench.rows("SELECT * FROM t ORDER BY k").await
    );
    bench.run(&format!("INSERT INTO u BY NAME SELECT d, k + 10 AS K FROM {glob} WHERE k = 1")).await;
    assert_eq!(bench.rows("SELECT K, s, d FROM u WHERE k = 11").await, ["11|NULL|2024-01-01"]);
}

#[tokio::test]
async fn csv_is_read_by_position_and_nothing_is_lost() {
    let (mut bench, out) = with_table().await;
    let dir = out.strip_prefix("file://").unwrap();
    fs::create_dir_all(dir).unwrap();
    fs::write(format!("{dir}/a.csv"), "id,zip,when\n1,007,2024-01-01\n2,\"x,y\",\\N\n").unwrap();
    let files = format!(
        "FILES(\"path\" = \"{out}/[a-c].csv\", \"format\" = \"csv\", \"csv.column_separator\" = \",\",
         \"csv.enclose\" = '\"', \"csv.skip_header\" = \"1\")"
    );
    assert_eq!(
        bench.rows(&format!("DESC {files}")).await,
        ["$1|bigint(20)|YES", "$2|varchar(65533)|YES", "$3|date|YES"]
    );
    bench
        .run(&format!("CREATE TABLE c (i INT, z VARCHAR(9), w DATE); INSERT INTO c SELECT * FROM {files}"))
        .await;
    assert_eq!(bench.rows("SELECT * FROM c ORDER BY i").await, ["1|007|2024-01-01", "2|x,y|NULL"]);
    assert_eq!(bench.rows(&format!("SELECT $1 + 1 FROM {files} WHERE $3 IS NULL")).await, ["3"]);
    let target = format!("\"path\" = \"{out}/x\", \"format\" = \"csv\", \"csv.column_separator\" = \"|\"");
    bench.run(&format!("INSERT INTO FILES({target}) SELECT K, s FROM t")).await;
    let written: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.file_name().unwrap().to_string_lossy().starts_with('x'))
        .collect();
    assert_eq!(written.len(), 1);
    assert_eq!(fs::read_to_string(&written[0]).unwrap(), "1|a\n2|\\N\n");
}

#[tokio::test]
async fn files_can_be_divided_by_columns_and_listed() {
    let (mut bench, out) = with_table().await;
    let files = format!("\"path\" = \"{out}/\", \"format\" = \"parquet\", \"partition_by\" = \"s\"");
    bench.run(&format!("INSERT INTO FILES({files}) SELECT K, s FROM t")).await;
    let list = format!("FILES(\"path\" = \"{out}/*/*\", \"list_files_only\" = \"true\")");
    let paths = bench.rows(&format!("SELECT PATH FROM {list} ORDER BY PATH")).await;
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert!(paths[0].contains("/s=__HIVE_DEFAULT_PARTITION__/data_"), "{paths:?}");
    assert!(paths[1].contains("/s=a/data_"), "{paths:?}");
}

#[tokio::test]
async fn what_cannot_be_read_or_written_says_why() {
    let (mut bench, out) = with_table().await;
    for (sql, text) in [
        (
            format!("SELECT * FROM FILES(\"path\" = \"{out}/nothing*\", \"format\" = \"parquet\")"),
            "no files match",
        ),
        ("SELECT * FROM FILES(\"path\" = \"s3://b/x\", \"format\" = \"parquet\")".to_string(), "s3://"),
        ("SELECT * FROM FILES(\"path\" = \"/x\")".to_string(), "no files match"),
        (format!("INSERT INTO FILES(\"path\" = \"{out}/\", \"format\" = \"orc\") SELECT 1"), "orc"),
        (
            format!(
                "INSERT INTO FILES(\"path\" = \"{out}/\", \"format\" = \"parquet\") SELECT CAST(1 AS LARGEINT) AS l"
            ),
            "LARGEINT",
        ),
    ] {
        let error = bench.error(&sql).await.message;
        assert!(error.contains(text), "{sql}: {error}");
    }
}
