//! The properties of FILES: those that say how rows are read and written, and
//! those that are refused.

use crate::bench::Bench;
use crate::files_in_stores::with_store;
use std::fs;

async fn with_rows() -> (Bench, String) {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (K INT, S VARCHAR(50)) DUPLICATE KEY(K);
             INSERT INTO t VALUES (1, 'a'), (2, NULL), (3, 'b c:/é')",
        )
        .await;
    let out = format!("file://{}/out", bench.dir.path().display());
    (bench, out)
}

fn files_in(out: &str) -> Vec<String> {
    let dir = out.strip_prefix("file://").unwrap();
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn what_partition_by_takes_out_of_the_files_columns_from_path_brings_back() {
    let (mut bench, out) = with_rows().await;
    for format in ["parquet", "csv"] {
        let out = format!("{out}/{format}");
        bench
            .run(&format!(
                "INSERT INTO FILES('path' = '{out}/', 'format' = '{format}', 'partition_by' = 's')
                 SELECT K, S, K + 10 AS N FROM t"
            ))
            .await;
        let files = format!("FILES('path' = '{out}/*/*', 'format' = '{format}', 'columns_from_path' = 'S')");
        assert_eq!(bench.rows(&format!("DESC {files}")).await.last().unwrap(), "S|varchar(65533)|YES");
        // The columns of the path follow those of the files.
        assert_eq!(
            bench.rows(&format!("SELECT * FROM {files} ORDER BY 1")).await,
            ["1|11|a", "2|12|NULL", "3|13|b c:/é"],
            "{format}"
        );
        assert_eq!(
            bench.rows(&format!("SELECT S FROM {files} WHERE S IS NOT NULL ORDER BY S")).await,
            ["a", "b c:/é"],
            "{format}"
        );
        assert_eq!(bench.rows(&format!("SELECT count(*), count(S) FROM {files}")).await, ["3|2"], "{format}");
        let error = bench.error(&format!("SELECT * FROM {}", files.replace("'S'", "'S, T'"))).await.message;
        assert!(error.contains("no folder 'T=…'") && error.contains(&out), "{error}");
    }
    let own = format!("FILES('path' = '{out}/parquet/*/*', 'format' = 'parquet', 'columns_from_path' = 'k')");
    let error = bench.error(&format!("SELECT * FROM {own}")).await.message;
    assert!(error.contains("have a column 'k' of their own"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_taken_from_paths_of_stores() {
    let (mut bench, store) = with_store().await;
    store.put("d/dt=2024-01-01/x.csv", "1\n2\n").await;
    store.put("d/dt=2024-01-02/x.csv", "3\n").await;
    let files = "FILES('path' = 'mem://bucket/d/*/*', 'format' = 'csv', 'columns_from_path' = 'dt')";
    assert_eq!(
        bench.rows(&format!("SELECT dt, sum($1) FROM {files} GROUP BY dt ORDER BY dt")).await,
        ["2024-01-01|3", "2024-01-02|3"]
    );
}

#[tokio::test]
async fn a_column_that_a_file_lacks_is_an_error_unless_it_is_to_be_null() {
    let (mut bench, out) = with_rows().await;
    let target = format!("INSERT INTO FILES('path' = '{out}/p/', 'format' = 'parquet')");
    bench.run(&format!("{target} SELECT 1 AS a, 2 AS b; {target} SELECT 3 AS a")).await;
    let files = |fill: &str| format!("FILES('path' = '{out}/p/*', 'format' = 'parquet' {fill})");
    let null = ", 'fill_mismatch_column_with' = 'NULL'";
    for fill in ["", ", 'fill_mismatch_column_with' = 'none'"] {
        let error = bench.error(&format!("SELECT * FROM {}", files(fill))).await.message;
        assert!(error.contains("has no column 'b'") && error.contains(&out), "{error}");
        assert!(error.contains("\"fill_mismatch_column_with\" = \"null\""), "{error}");
    }
    // Only who reads it misses it.
    assert_eq!(bench.rows(&format!("SELECT a FROM {} ORDER BY a", files(""))).await, ["1", "3"]);
    assert_eq!(bench.rows(&format!("SELECT count(*) FROM {}", files(""))).await, ["2"]);
    assert_eq!(bench.rows(&format!("DESC {}", files(""))).await.len(), 2);
    let sql = format!("SELECT a, b FROM {} ORDER BY a", files(null));
    assert_eq!(bench.rows(&sql).await, ["1|2", "3|NULL"]);
    let error = bench.error(&format!("SELECT * FROM {}", files(&null.replace("NULL", "0")))).await.message;
    assert!(error.contains("use none or null"), "{error}");

    let dir = out.strip_prefix("file://").unwrap();
    fs::write(format!("{dir}/x.csv"), "1\t2\n3\n").unwrap();
    let files = |fill: &str| format!("FILES('path' = '{out}/x.csv', 'format' = 'csv' {fill})");
    let error = bench.error(&format!("SELECT * FROM {}", files(""))).await.message;
    assert!(error.contains("x.csv: row 2 has no column $2"), "{error}");
    let sql = format!("SELECT * FROM {} ORDER BY 1", files(null));
    assert_eq!(bench.rows(&sql).await, ["1|2", "3|NULL"]);
    // A row that is too long has no column to go to.
    fs::write(format!("{dir}/x.csv"), "1\t2\n").unwrap();
    fs::write(format!("{dir}/y.csv"), "1\t2\n3\t4\t5\n").unwrap();
    let both = files(&format!("{null}, 'auto_detect_sample_files' = '1'")).replace("x.csv", "[xy].csv");
    let error = bench.error(&format!("SELECT * FROM {both}")).await.message;
    assert!(error.contains("y.csv: row 2 has 3 columns"), "{error}");
}

#[tokio::test]
async fn a_column_with_two_spellings_is_not_read_as_null() {
    let (mut bench, out) = with_rows().await;
    let target = format!("INSERT INTO FILES('path' = '{out}/', 'format' = 'parquet')");
    bench.run(&format!("{target} SELECT 1 AS a; {target} SELECT 2 AS A")).await;
    let error = bench.error(&format!("SELECT * FROM FILES('path' = '{out}/*', 'format' = 'parquet')")).await;
    assert!(
        error.message.contains("is called 'A' in") || error.message.contains("is called 'a' in"),
        "{error}"
    );
}

#[tokio::test]
async fn nasty_text_comes_back_from_csv_or_is_refused() {
    let (mut bench, out) = with_rows().await;
    bench
        .run(
            "CREATE TABLE n (k INT, s VARCHAR(50), u VARCHAR(50)) DUPLICATE KEY(k);
             INSERT INTO n VALUES (1, 'a,b', ''), (2, 'say \"x\"', 'y'), (3, 'two\\nlines\\r\\n', NULL), (4, '', ''),
               (5, NULL, NULL), (6, '\\\\', '\"'), (7, ' blanks ', '\\\\\\\\N'), (8, '汉字', '\\t')",
        )
        .await;
    let wanted = bench.rows("SELECT * FROM n ORDER BY k").await;
    for more in ["", ", 'csv.escape' = '\\\\'", ", 'csv.row_delimiter' = ';'"] {
        let more = format!("'csv.column_separator' = ',', 'csv.enclose' = '\"' {more}");
        let to = format!("'path' = '{out}/{}/', 'format' = 'csv', {more}", more.len());
        bench.run(&format!("INSERT INTO FILES({to}) SELECT * FROM n")).await;
        let from = to.replace("/', 'format'", "/*', 'format'");
        assert_eq!(bench.rows(&format!("SELECT * FROM FILES({from}) ORDER BY 1")).await, wanted, "{more}");
    }
    for (sql, texts) in [
        ("SELECT 'a,b' AS s", ["column 's'", "the column separator", "\"csv.enclose\""]),
        ("SELECT 1 AS k, 'a\\nb' AS s", ["column 's'", "the row delimiter", "\"csv.enclose\""]),
        ("SELECT 1 AS k, '\\\\N' AS s", ["column 's'", "know as NULL", "parquet"]),
        ("SELECT '' AS s", ["column 's'", "empty and alone", "\"csv.enclose\""]),
    ] {
        let to = format!("'path' = '{out}/refused/', 'format' = 'csv', 'csv.column_separator' = ','");
        let error = bench.error(&format!("INSERT INTO FILES({to}) {sql}")).await.message;
        for text in texts {
            assert!(error.contains(text), "{sql}: {error}");
        }
        assert!(files_in(&format!("{out}/refused")).is_empty(), "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_directories_below_are_listed_when_asked_for() {
    let (mut bench, store) = with_store().await;
    let dir = bench.dir.path().join("l");
    for key in ["x.csv", "a/y.csv", "a/b/z.csv", "a/_hidden/w.csv"] {
        store.put(&format!("l/{key}"), "1\n").await;
        fs::create_dir_all(dir.join(key).parent().unwrap()).unwrap();
        fs::write(dir.join(key), "1\n").unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(&dir, dir.join("a/loop")).unwrap();
    for root in ["mem://bucket/l".to_string(), format!("file://{}", dir.display())] {
        let mut list = async |more: &str| {
            let files = format!("FILES('path' = '{root}', 'list_files_only' = 'true' {more})");
            let rows = bench.rows(&format!("SELECT PATH FROM {files} ORDER BY PATH")).await;
            rows.iter().map(|path| path.trim_start_matches(root.as_str()).to_string()).collect::<Vec<_>>()
        };
        assert_eq!(list("").await, ["/x.csv"]);
        let all = list(", 'list_recursively' = 'true'").await;
        assert_eq!(all, ["/a/b/z.csv", "/a/y.csv", "/x.csv"], "{root}");
    }
    let read =
        "SELECT * FROM FILES('path' = 'mem://bucket/l', 'format' = 'csv', 'list_recursively' = 'true')";
    assert!(bench.error(read).await.message.contains("\"list_files_only\" = \"true\" only"));
}

#[tokio::test]
async fn what_files_would_pass_by_is_refused() {
    let (mut bench, out) = with_rows().await;
    bench.run(&format!("INSERT INTO FILES('path' = '{out}/', 'format' = 'csv') SELECT K FROM t")).await;
    let before = files_in(&out);
    for (format, more, wanted) in [
        ("csv", "'single' = 'true', 'partition_by' = 'k'", "cannot use partition_by and single"),
        ("csv", "'partition_by' = 'k, s'", "names all columns"),
        ("csv", "'partitoin_by' = 'k'", "did you mean \"partition_by\"?"),
        ("csv", "'csv.header' = 'true'", "it has csv.column_separator, csv.row_delimiter"),
        ("csv", "'parquet.version' = '1.0'", "is for \"format\" = \"parquet\""),
        ("csv", "'csv.escape' = '\\\\'", "needs \"csv.enclose\""),
        ("csv", "'compression' = 'gzip'", "csv files are written uncompressed"),
        ("csv", "'schema' = 'k INT'", "is not supported by the embedded warehouse"),
        ("csv", "'columns_from_path' = 'k'", "is for reading files"),
        ("parquet", "'parquet.version' = '3'", "use 1.0, 2.4 or 2.6"),
        ("parquet", "'parquet.use_legacy_encoding' = 'true'", "is not supported by the embedded warehouse"),
        ("parquet", "'csv.column_separator' = ','", "is for \"format\" = \"csv\""),
    ] {
        let sql =
            format!("INSERT INTO FILES('path' = '{out}/', 'format' = '{format}', {more}) SELECT K, S FROM t");
        let error = bench.error(&sql).await.message;
        assert!(error.contains(wanted), "{sql}: {error}");
    }
    assert_eq!(files_in(&out), before);
    for (more, wanted) in [
        ("'skip_header' = '1'", "did you mean \"csv.skip_header\"?"),
        ("'csv.escape' = '\\\\'", "needs \"csv.enclose\""),
        ("'compression' = 'gzip'", "reads uncompressed csv files"),
        ("'partition_by' = 'k'", "is for INSERT INTO FILES"),
        ("'schema' = 'k INT'", "is not supported by the embedded warehouse"),
        ("'auto_detect_sample_rows' = 'all'", "use a number"),
    ] {
        let sql = format!("SELECT * FROM FILES('path' = '{out}/*', 'format' = 'csv', {more})");
        let error = bench.error(&sql).await.message;
        assert!(error.contains(wanted), "{sql}: {error}");
    }
    // These say nothing about rows.
    bench
        .run(&format!(
            "INSERT INTO FILES('path' = '{out}/p/', 'format' = 'parquet', 'parquet.version' = '2.6',
               'parquet.use_legacy_encoding' = 'false', 'compression' = 'snappy') SELECT K FROM t"
        ))
        .await;
    let files = format!(
        "FILES('path' = '{out}/p/*', 'format' = 'parquet', 'compression' = 'snappy', 'auto_detect_types' = 'true')"
    );
    assert_eq!(bench.rows(&format!("SELECT * FROM {files} ORDER BY 1")).await, ["1", "2", "3"]);
}
