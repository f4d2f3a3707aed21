//! The bucket stays readable without us: DuckDB gives the rows of every key
//! model from the files of a snapshot alone.

use crate::support::Place;
use std::path::Path;
use std::process::Command;

const TABLES: [(&str, &str); 5] = [
    (
        "CREATE TABLE dup (k INT, v VARCHAR(20)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2",
        "INSERT INTO dup VALUES (1, 'a'), (1, 'a'), (2, NULL); INSERT INTO dup VALUES (3, 'c'); DELETE FROM dup WHERE k = 2",
    ),
    (
        "CREATE TABLE agg (k INT, s BIGINT SUM, lo INT MIN, hi INT MAX, r VARCHAR(9) REPLACE, n VARCHAR(9) REPLACE_IF_NOT_NULL)
         AGGREGATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2",
        "INSERT INTO agg VALUES (1, 10, 5, 5, 'x', 'x'), (2, 1, 1, 1, 'y', NULL);
         INSERT INTO agg VALUES (1, 5, 3, 9, NULL, NULL); INSERT INTO agg VALUES (1, 1, 4, 4, 'z', NULL), (3, NULL, NULL, NULL, 'q', 'q')",
    ),
    (
        "CREATE TABLE uniq (k INT, v VARCHAR(20)) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2",
        "INSERT INTO uniq VALUES (1, 'old'), (2, 'b'); INSERT INTO uniq VALUES (1, 'new'), (3, NULL)",
    ),
    (
        "CREATE TABLE pk (k INT, v VARCHAR(20), w INT) PRIMARY KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2",
        "INSERT INTO pk VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3); UPDATE pk SET v = 'bb' WHERE k = 2;
         DELETE FROM pk WHERE k = 3; INSERT INTO pk VALUES (4, 'd', NULL)",
    ),
    (
        "CREATE MATERIALIZED VIEW amv DISTRIBUTED BY HASH(k) BUCKETS 2 REFRESH DEFERRED MANUAL AS SELECT k, v FROM pk",
        "REFRESH MATERIALIZED VIEW amv WITH SYNC MODE",
    ),
];

/// The Python that has DuckDB: the one of the path, or what CI installed.
fn python() -> Option<String> {
    let candidates = ["python3".to_owned(), "python".to_owned()];
    candidates.into_iter().find(|python| {
        Command::new(python)
            .args(["-c", "import duckdb"])
            .output()
            .is_ok_and(|output| output.status.success())
    })
}

/// Says loudly that a test could not run; `cargo xtask test` counts it.
fn skipped(test: &str, reason: &str) {
    eprintln!("SKIPPED: {test}: {reason}");
    if let Some(path) = std::env::var_os("ROCKHOLD_SKIP_LOG") {
        use std::io::Write;
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(log, "{test}\t{reason}").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_gives_the_rows_of_every_key_model_from_the_bucket_alone() {
    let Some(python) = python() else {
        return skipped(
            "duckdb_gives_the_rows_of_every_key_model_from_the_bucket_alone",
            "python3 with the package duckdb is not here",
        );
    };
    let place = Place::new();
    let mut w = place.warehouse("w").await;
    w.sql("CREATE DATABASE d; USE d").await;
    for (create, load) in TABLES {
        w.sql(create).await;
        w.sql(load).await;
    }
    w.sql(&place.create_repository("r", "repository")).await;
    w.job("BACKUP DATABASE d SNAPSHOT s TO r").await;
    for table in ["dup", "agg", "uniq", "pk", "amv"] {
        let mut ours = w.lines(&format!("SELECT * FROM d.{table}")).await;
        ours.sort();
        assert!(ours.len() >= 3, "{table}: {ours:?}");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/read-without-rockhold/rows.py");
        let output = Command::new(&python)
            .arg(script)
            .arg(place.path("repository").join("__rockhold_repository_r"))
            .args(["s", &format!("d.{table}")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut theirs: Vec<String> =
            String::from_utf8(output.stdout).unwrap().lines().map(|line| line.replace(',', "|")).collect();
        theirs.sort();
        assert_eq!(theirs, ours, "{table}");
    }
}
