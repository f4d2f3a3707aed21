use crate::bench::Bench;
use rockhold_core::{ErrorKind, Outcome};
use std::error::Error;
use std::fs;
use std::path::PathBuf;

async fn with_rows() -> Bench {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE T (Id INT, Name VARCHAR(20), amount DECIMAL(10, 2), day DATE, at DATETIME, ok BOOLEAN)
             DUPLICATE KEY(Id) DISTRIBUTED BY HASH(Id) BUCKETS 3;
             INSERT INTO T VALUES
               (1, 'one', 1.5, '2024-01-31', '2024-01-31 10:00:00', true),
               (2, 'two', NULL, '2024-02-29', '2024-02-29 23:59:59.5', false),
               (NULL, NULL, 3, NULL, NULL, NULL),
               (10, 'ten', -2.25, '2023-12-31', '2023-12-31 00:00:00', 1)",
        )
        .await;
    bench
}

#[tokio::test]
async fn columns_are_found_in_any_case_and_tables_only_in_theirs() {
    let mut bench = with_rows().await;
    let (names, rows) = bench.table("SELECT ID, name, t1.AMOUNT FROM T t1 WHERE iD = 1").await;
    assert_eq!(names, ["ID", "name", "AMOUNT"]);
    assert_eq!(rows, [[Some("1".into()), Some("one".into()), Some("1.50".into())]]);
    let (names, _) = bench.table("SELECT * FROM T").await;
    assert_eq!(names, ["Id", "Name", "amount", "day", "at", "ok"]);
    assert_eq!(bench.error("SELECT * FROM t").await.errno, 5502);
    assert_eq!(bench.error("SELECT * FROM nodb.T").await.errno, 5501);
    assert!(bench.error("SELECT T1.Id FROM T t1").await.message.contains("cannot be resolved"));
    assert!(bench.error("SELECT nothing FROM T").await.message.contains("nothing"));
    assert_eq!(bench.value("SELECT d.T.Id FROM d.T WHERE T.ID = 2").await, "2");
}

#[tokio::test]
async fn null_comes_first_ascending_and_last_descending() {
    let mut bench = with_rows().await;
    assert_eq!(bench.rows("SELECT Id FROM T ORDER BY Id").await, ["NULL", "1", "2", "10"]);
    assert_eq!(bench.rows("SELECT Id FROM T ORDER BY Id DESC").await, ["10", "2", "1", "NULL"]);
    assert_eq!(bench.rows("SELECT Id FROM T ORDER BY Id NULLS LAST LIMIT 1, 2").await, ["2", "10"]);
}

#[tokio::test]
async fn division_is_never_whole_and_by_zero_is_null() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.value("SELECT 7 / 2, 7 div 2, 7 % 2, 7 MOD 4").await, "3.5|3|1|3");
    assert_eq!(bench.value("SELECT 1 / 0, 1 div 0, 1 % 0, 1.5 / 0").await, "NULL|NULL|NULL|NULL");
    assert_eq!(bench.value("SELECT CAST(1 AS DECIMAL(10, 2)) / 3").await, "0.33333333");
    assert_eq!(bench.value("SELECT 1 = 1, 1 > 2, NULL = 1, NULL <=> NULL, true = 1").await, "1|0|NULL|1|1");
}

#[tokio::test]
async fn a_cast_that_fails_is_null() {
    let mut bench = Bench::new().await;
    assert_eq!(
        bench.value("SELECT CAST('x' AS INT), CAST('12' AS BIGINT), CAST('2024-1-5' AS DATE)").await,
        "NULL|12|2024-01-05"
    );
}

#[tokio::test]
async fn result_names_are_the_text_as_it_was_written() {
    let mut bench = with_rows().await;
    let (names, rows) = bench
        .table("SELECT COUNT(*), max(Id) AS Biggest, Id + 1, Id, Id FROM T GROUP BY Id ORDER BY Biggest")
        .await;
    assert_eq!(names, ["count(*)", "Biggest", "Id + 1", "Id", "Id"]);
    assert_eq!(rows.len(), 4);
    let (names, _) = bench.table("SELECT x.* FROM (SELECT Id AS Foo, amount FROM T) x").await;
    assert_eq!(names, ["Foo", "amount"]);
    let (names, _) =
        bench.table("WITH c AS (SELECT Id AS Foo FROM T) SELECT FOO FROM c UNION ALL SELECT 1").await;
    assert_eq!(names, ["FOO"]);
}

#[tokio::test]
async fn functions_have_starrocks_names_and_meanings() {
    let mut bench = Bench::new().await;
    for (expression, value) in [
        ("concat('a', 1, 'b')", "a1b"),
        ("concat('a', NULL)", "NULL"),
        ("substr('abcdef', -3, 2)", "de"),
        ("substring('abc', 2)", "bc"),
        ("ifnull(NULL, 3)", "3"),
        ("if(1 > 2, 'y', 'n')", "n"),
        ("nullif(1, 1)", "NULL"),
        ("year('2024-05-06')", "2024"),
        ("month('2024-05-06'), day('2024-05-06')", "5|6"),
        ("date_trunc('month', '2024-05-06 07:08:09')", "2024-05-01 00:00:00"),
        ("date_trunc('month', CAST('2024-05-06' AS DATE))", "2024-05-01"),
        ("date_format('2024-05-06 07:08:09', '%Y/%m/%d %H:%i')", "2024/05/06 07:08"),
        ("datediff('2024-03-01', '2024-02-01')", "29"),
        ("date_add('2024-01-31', INTERVAL 1 MONTH)", "2024-02-29 00:00:00"),
        ("CAST('2024-01-31' AS DATE) - INTERVAL 1 DAY", "2024-01-30 00:00:00"),
        ("days_sub('2024-01-31', 30)", "2024-01-01 00:00:00"),
        ("timestampdiff(HOUR, '2024-01-01', '2024-01-02')", "24"),
        ("str_to_date('31/12/2023', '%d/%m/%Y')", "2023-12-31 00:00:00"),
        ("length('汉字'), char_length('汉字')", "6|2"),
        ("upper('a'), lcase('B'), reverse('abc')", "A|b|cba"),
        ("locate('b', 'abc'), instr('abc', 'c')", "2|3"),
        ("round(1.5), ceil(1.2), floor(-1.2)", "2|2|-2"),
        ("mod(7, 3), abs(-2), pow(2, 3)", "1|2|8"),
        ("database(), version()", "d|8.0.33"),
        ("get_json_string('{\"a\": [1, 2]}', '$.a[1]')", "2"),
        ("@@lower_case_table_names, @@autocommit", "0|1"),
        ("'abc' LIKE 'a%', 'abc' RLIKE '^b'", "1|0"),
        ("coalesce(NULL, NULL, 'x')", "x"),
    ] {
        assert_eq!(bench.value(&format!("SELECT {expression}")).await, value, "{expression}");
    }
    assert_eq!(bench.value("SELECT length(uuid()), now() > '2020-01-01'").await, "36|1");
    assert_eq!(
        bench.value("SELECT from_unixtime(0), unix_timestamp('1970-01-01 08:00:00')").await,
        "1970-01-01 08:00:00|0"
    );
}

#[tokio::test]
async fn aggregates_joins_and_windows_run() {
    let mut bench = with_rows().await;
    assert_eq!(
        bench.value("SELECT count(DISTINCT Name), sum(amount), avg(Id), min(day), group_concat(Name ORDER BY Id) FROM T").await,
        "3|2.25|4.333333333333333|2023-12-31|one, two, ten"
    );
    assert_eq!(
        bench.rows("SELECT a.Id, b.Name FROM T a JOIN T b USING (id) WHERE a.Id > 1 ORDER BY 1").await,
        ["2|two", "10|ten"]
    );
    assert_eq!(
        bench
            .rows("SELECT Id, row_number() OVER (ORDER BY Id DESC) FROM T WHERE Id IS NOT NULL ORDER BY Id")
            .await,
        ["1|3", "2|2", "10|1"]
    );
    assert_eq!(bench.rows("SELECT Id FROM T WHERE Id IN (SELECT max(Id) FROM T)").await, ["10"]);
    assert_eq!(bench.value("SELECT at FROM T WHERE Id = 2").await, "2024-02-29 23:59:59.500000");
}

#[tokio::test]
async fn values_of_different_types_compare_as_starrocks_compares_them() {
    let mut bench = with_rows().await;
    for (condition, ids) in [
        ("Name = 1", vec![]),
        ("Id = '1'", vec!["1"]),
        ("Id > '1.5'", vec!["2", "10"]),
        ("Id < 'x'", vec![]),
        ("Id IN ('2', 10, 'x')", vec!["2", "10"]),
        ("Id NOT IN (2, 10)", vec!["1"]),
        ("day > '2024-1-31'", vec!["2"]),
        ("day = '2024-01-31 00:00:00'", vec!["1"]),
        ("day > 'no day'", vec![]),
        ("at BETWEEN '2024-01-01' AND '2024-02-01'", vec!["1"]),
        ("ok = 1", vec!["1", "10"]),
        ("ok", vec!["1", "10"]),
    ] {
        let sql = format!("SELECT Id FROM T WHERE {condition} ORDER BY Id");
        assert_eq!(bench.rows(&sql).await, ids, "{condition}");
    }
    assert_eq!(bench.rows("SELECT count(*) FROM T WHERE 1").await, ["4"]);
}

#[tokio::test]
async fn order_by_may_repeat_an_item() {
    let mut bench = with_rows().await;
    assert_eq!(
        bench.rows("SELECT DISTINCT upper(Name) FROM T ORDER BY UPPER(Name) DESC").await,
        ["TWO", "TEN", "ONE", "NULL"]
    );
    assert_eq!(
        bench.rows("SELECT Id, count(*) FROM T GROUP BY Id ORDER BY count(*), Id DESC LIMIT 1").await,
        ["10|1"]
    );
    assert_eq!(
        bench.table("SELECT CAST(Id AS STRING), Id, 1, 1 FROM T WHERE Id = 1").await.1,
        [["1", "1", "1", "1"].map(|v| Some(v.to_string())).to_vec()]
    );
}

#[tokio::test]
async fn a_query_over_its_memory_fails_with_an_error() {
    let mut options = rockhold_warehouse_embedded::SessionOptions::default();
    options.memory_limit = 2 << 20;
    let mut bench = Bench::with_options(options).await;
    let error = bench
        .error("SELECT count(*) FROM (SELECT DISTINCT concat(a.value, '-', b.value) FROM (SELECT unnest(range(0, 2000)) AS value) a, (SELECT unnest(range(0, 2000)) AS value) b) x")
        .await;
    assert!(error.message.contains("Memory of the query exceeds its limit"), "{error}");
}

#[tokio::test]
async fn a_result_is_read_from_one_instant() {
    let mut bench = with_rows().await;
    let statement = rockhold_sql::parse_one("SELECT count(*) FROM T").unwrap();
    let outcome = bench.session.execute(&statement).await.unwrap();
    bench.run("INSERT INTO T (Id) VALUES (77); TRUNCATE TABLE T; DROP TABLE T").await;
    let rockhold_core::Outcome::Rows(rows) = outcome else { panic!("no rows") };
    assert_eq!(rows.collect().await.unwrap(), [[Some("4".to_string())]]);
}

/// Where the rows of the warehouse lie.
fn data_files(bench: &Bench) -> Vec<PathBuf> {
    let files = |shard: PathBuf| fs::read_dir(shard).unwrap().map(|file| file.unwrap().path());
    let shards = fs::read_dir(bench.dir.path().join("warehouse/data")).unwrap();
    shards.flat_map(|shard| files(shard.unwrap().path())).collect()
}

#[tokio::test]
async fn a_data_file_that_is_gone_or_damaged_is_named_with_its_table_and_what_helps() {
    for model in ["DUPLICATE", "PRIMARY"] {
        let mut bench = Bench::new().await;
        bench
            .run(&format!(
                "CREATE TABLE t (k INT NOT NULL, v INT) {model} KEY(k)
                   PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN ('10')) DISTRIBUTED BY HASH(k) BUCKETS 1;
                 INSERT INTO t VALUES (1, 1); INSERT INTO t VALUES (2, 2)"
            ))
            .await;
        let files = data_files(&bench);
        assert_eq!(files.len(), 2, "{files:?}");
        let name = files[0].file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&files[0]).unwrap();
        let len = bytes.len();
        fs::remove_file(&files[0]).unwrap();
        let shorter = format!("is damaged: it has {} bytes, {len} were recorded", len - 1);
        for (damaged, what) in [
            (None, "is missing"),
            (Some(&bytes[..len - 1]), shorter.as_str()),
            (Some(vec![0; len].as_slice()), "is damaged"),
        ] {
            if let Some(damaged) = damaged {
                fs::write(&files[0], damaged).unwrap();
            }
            for sql in [
                "SELECT * FROM t",
                "SELECT v, count(*) FROM t GROUP BY v ORDER BY v",
                "SELECT a.v FROM t a JOIN t b ON a.k = b.v",
                "DELETE FROM t WHERE v = 1",
                "CREATE TABLE u AS SELECT v FROM t",
            ] {
                let expected = format!(
                    "table t: the data file {name} of partition p1 {what}; restoring the partition from a snapshot \
                     repairs it"
                );
                assert_eq!(bench.error(sql).await.message, expected, "{model}: {sql}");
            }
        }
        let statement = rockhold_sql::parse_one("SELECT * FROM t").unwrap();
        let Ok(Outcome::Rows(rows)) = bench.session.execute(&statement).await else { panic!("no rows") };
        let error = rows.collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");
        assert!(error.source().unwrap().to_string().contains("Parquet"), "{error:?}");
    }
}
