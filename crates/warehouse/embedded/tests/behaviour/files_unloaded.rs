//! INSERT INTO FILES into a store: parts, failures, what is left behind.

use crate::bench::Bench;
use crate::files_in_stores::with_store;
use crate::memory_store::MemoryStore;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// 1000 rows of 365 bytes: 23 parts of 16 KiB, the last of them short.
const ROWS: &str =
    "WITH ten AS (SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
      UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10)
    SELECT repeat(uuid(), 10) AS x, 'one' AS p FROM ten a, ten b, ten c";

/// So that Parquet has many parts, too.
const PLAIN: &str = ", 'compression' = 'uncompressed'";

/// A store that takes parts of 16 KiB.
async fn with_short_parts() -> (Bench, Arc<MemoryStore>) {
    let (bench, store) = with_store().await;
    store.writers.longest_part.store(16 << 10, SeqCst);
    (bench, store)
}

fn unload(to: &str, more: &str) -> String {
    format!("INSERT INTO FILES('path' = 'mem://bucket/{to}/', 'format' = 'csv' {more}) {ROWS}")
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_one_file_are_sent_at_once_as_memory_and_store_allow() {
    let (mut bench, store) = with_short_parts().await;
    for (to, more, parallel, wanted) in [
        ("plain", "", true, 2..=4),
        ("single", ", 'single' = 'true'", true, 2..=3),
        ("divided", ", 'partition_by' = 'p'", true, 1..=1),
        ("one", "", false, 1..=1),
    ] {
        store.writers.parallel_parts.store(parallel, SeqCst);
        store.writers.most.store(0, SeqCst);
        assert_eq!(bench.run(&unload(to, more)).await, 1000);
        let most = store.writers.most.load(SeqCst);
        assert!(wanted.contains(&most), "{to}: {most} parts at once");
        let below = if to == "divided" { "p=one/*" } else { "*" };
        let files = format!("FILES('path' = 'mem://bucket/{to}/{below}', 'format' = 'csv')");
        let query = format!("SELECT count(*), count(DISTINCT $1), min(length($1)) FROM {files}");
        assert_eq!(bench.rows(&query).await, ["1000|1000|360"], "{to}");
    }
    assert!(store.unfinished().is_empty());
    assert_eq!(store.writers.aborted.load(SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_fails_is_told_when_nothing_is_left_of_the_file() {
    for format in ["csv", "parquet"] {
        let (mut bench, store) = with_short_parts().await;
        store.writers.failing_part.store(2, SeqCst);
        let error = bench.error(&unload("x", PLAIN).replace("csv", format)).await.message;
        // The abort takes its time; it was waited for.
        assert_eq!(store.writers.aborted.load(SeqCst), 1, "{format}");
        assert!(store.unfinished().is_empty() && store.keys().await.is_empty(), "{format}");
        assert!(error.contains("Failed to write mem://bucket/x/data_"), "{format}: {error}");
        assert!(error.contains("the part was lost"), "{format}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_part_that_fails_is_not_overlooked() {
    let (mut bench, store) = with_short_parts().await;
    store.writers.failing_part.store(22, SeqCst);
    let error = bench.error(&unload("x", "")).await.message;
    assert!(error.contains("the part was lost"), "{error}");
    assert!(store.unfinished().is_empty() && store.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_file_whose_answer_was_lost_is_there_and_no_error() {
    let (mut bench, store) = with_store().await;
    store.writers.repeated_puts.store(true, SeqCst);
    let target = "INSERT INTO FILES('path' = 'mem://bucket/x/', 'format' = 'csv')";
    assert_eq!(bench.run(&format!("{target} SELECT 1 UNION ALL SELECT 2")).await, 2);
    let rows =
        bench.rows("SELECT * FROM FILES('path' = 'mem://bucket/x/*', 'format' = 'csv') ORDER BY 1").await;
    assert_eq!(rows, ["1", "2"]);
    assert_eq!(store.keys().await.len(), 1);
}

/// A query without rows leaves a file without rows, which says nothing of the others.
#[tokio::test(flavor = "multi_thread")]
async fn files_without_rows_are_no_sample() {
    let (mut bench, store) = with_store().await;
    for name in ["x/a.csv", "x/b.csv"] {
        store.put(name, "").await;
    }
    store.put("x/c.csv", "1\tone\n").await;
    let rows = bench.rows("SELECT * FROM FILES('path' = 'mem://bucket/x/*', 'format' = 'csv')").await;
    assert_eq!(rows, ["1|one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_that_fails_does_not_hide_the_error() {
    let (mut bench, store) = with_short_parts().await;
    store.writers.failing_part.store(0, SeqCst);
    store.writers.failing_abort.store(true, SeqCst);
    let error = bench.error(&unload("x", "")).await.message;
    assert!(error.contains("the part was lost") && !error.contains("the abort was lost"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_fails_leaves_no_unfinished_file() {
    let (mut bench, store) = with_short_parts().await;
    let good = |n: u32| format!("{n}\ta text that is long enough to fill a part of the file soon\n");
    let text: String = (0..20_000).map(good).chain(["broken\n".to_string()]).collect();
    store.put("in.csv", &text).await;
    let error = bench
        .error(
            "INSERT INTO FILES('path' = 'mem://bucket/out/', 'format' = 'csv')
               SELECT * FROM FILES('path' = 'mem://bucket/in.csv', 'format' = 'csv')",
        )
        .await
        .message;
    assert_eq!(store.writers.aborted.load(SeqCst), 1, "{error}");
    assert!(error.contains("row 20001 has no column $2"), "{error}");
    assert!(store.unfinished().is_empty());
    assert_eq!(store.keys().await, ["in.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_is_dropped_leaves_no_unfinished_file() {
    let (mut bench, store) = with_short_parts().await;
    let statement = rockhold_sql::parse_one(&unload("x", "")).unwrap();
    let sending = async {
        while store.writers.most.load(SeqCst) == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        done = bench.session.execute(&statement) => panic!("{done:?}"),
        () = sending => {}
    }
    // It is cleaned up behind its back.
    for _ in 0..1000 {
        if store.writers.aborted.load(SeqCst) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(store.writers.aborted.load(SeqCst), 1);
    assert!(store.unfinished().is_empty() && store.keys().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_vendor_remarks_is_told_to_who_writes() {
    let (mut bench, _store) = with_store().await;
    let files =
        "'path' = 'mem://bucket/x/', 'format' = 'csv', 'mem.user' = 'u', 'mem.b' = '1', 'mem.a' = '2'";
    let info = bench.info(&format!("INSERT INTO FILES({files}) SELECT 1 AS k")).await;
    assert_eq!(info, "the property mem.a has no effect\nthe property mem.b has no effect");
    assert_eq!(bench.rows(&format!("SELECT * FROM FILES({files})")).await, ["1"]);
    let quiet = bench
        .info(
            "INSERT INTO FILES('path' = 'mem://bucket/x/', 'format' = 'csv', 'mem.user' = 'u') SELECT 1 AS k",
        )
        .await;
    assert_eq!(quiet, "");
    let here = format!("file://{}/out/", bench.dir.path().display());
    let info = bench
        .info(&format!("INSERT INTO FILES('path' = '{here}', 'format' = 'csv', 'mem.a' = '1') SELECT 1 AS k"))
        .await;
    assert_eq!(info, "the property \"mem.a\" has no effect on file://");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_missing_is_made_by_who_writes_only() {
    let (mut bench, store) = with_store().await;
    let read = "SELECT * FROM FILES('path' = 'mem://bucket/missing/*', 'format' = 'csv')";
    let error = bench.error(read).await.message;
    assert!(error.contains("no such directory"), "{error}");
    bench.run("INSERT INTO FILES('path' = 'mem://bucket/missing/', 'format' = 'csv') SELECT 1 AS k").await;
    assert_eq!(*store.creating.lock().unwrap(), [false, false, true]);
    // What is there is not made.
    bench.run("INSERT INTO FILES('path' = 'mem://bucket/there/', 'format' = 'csv') SELECT 1 AS k").await;
    assert_eq!(store.creating.lock().unwrap().last(), Some(&false));
    let keys = store.keys().await;
    assert!(keys[0].starts_with("missing/data_") && keys[1].starts_with("there/data_"), "{keys:?}");
}
