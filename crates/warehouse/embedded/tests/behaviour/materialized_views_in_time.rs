//! REFRESH ASYNC START … EVERY …

use crate::bench::Bench;
use rockhold_core::{Clock, Timestamp};
use rockhold_warehouse_embedded::SessionOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that stands still until it is moved.
#[derive(Debug, Default)]
struct Held(AtomicI64);

impl Clock for Held {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

impl Held {
    /// Moves to a second of 2024-01-01 in Asia/Shanghai, where the day began
    /// eight hours before it did in UTC.
    fn set(&self, second: i64) {
        self.0.store((1_704_038_400 + second) * 1000, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_period_that_began_refreshes_behind_the_next_statement() {
    let clock = Arc::new(Held::default());
    clock.set(100);
    let mut bench = Bench::with_clock(SessionOptions::default(), clock.clone()).await;
    bench
        .run(
            "CREATE TABLE t (k INT); INSERT INTO t VALUES (1);
             CREATE MATERIALIZED VIEW m REFRESH ASYNC EVERY(INTERVAL 1 MINUTE) AS SELECT k FROM t;
             CREATE MATERIALIZED VIEW above REFRESH ASYNC AS SELECT max(k) k FROM m;
             CREATE MATERIALIZED VIEW later REFRESH DEFERRED ASYNC START('2024-01-01 00:10:00') EVERY(INTERVAL 2 HOUR)
               AS SELECT k FROM t;
             INSERT INTO t VALUES (2)",
        )
        .await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["1"]);
    clock.set(159);
    bench.run("INSERT INTO t VALUES (3)").await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["1"]);
    clock.set(160);
    // A query sees what was there when it began.
    assert_eq!(bench.rows("SELECT * FROM m").await, ["1"]);
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY k").await, ["1", "2", "3"]);
    assert_eq!(bench.rows("SELECT * FROM above").await, ["3"]);
    assert_eq!(bench.rows("SELECT * FROM later").await, Vec::<String>::new());
    clock.set(599);
    bench.run("INSERT INTO t VALUES (4)").await;
    assert_eq!(bench.value("SELECT count(*) FROM later").await, "0");
    clock.set(600);
    bench.run("SET @a = 1").await;
    assert_eq!(bench.value("SELECT count(*) FROM later").await, "4");
    bench.run("INSERT INTO t VALUES (5)").await;
    clock.set(600 + 7199);
    bench.run("SET @a = 1").await;
    assert_eq!(bench.value("SELECT count(*) FROM later").await, "4");
    clock.set(600 + 7200);
    bench.run("SET @a = 1").await;
    assert_eq!(bench.value("SELECT count(*) FROM later").await, "5");
    let times = "SELECT last_refresh_start_time FROM information_schema.materialized_views WHERE table_name = 'later'";
    assert_eq!(bench.rows(times).await, ["2024-01-01 02:10:00"]);
}
