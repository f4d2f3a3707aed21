use crate::bench::Bench;
use crate::materialized_views::{activity, changed, versions};

#[tokio::test]
async fn what_happens_to_a_base_makes_a_view_inactive_until_it_fits_again() {
    let mut bench = Bench::new().await;
    let table = "CREATE TABLE t (k INT, v INT); INSERT INTO t VALUES (1, 1)";
    bench.run(table).await;
    bench.run("CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT k, v FROM t").await;
    assert_eq!(activity(&mut bench, "m").await, "true|");
    // Dropped: the rows stay readable.
    bench.run("DROP TABLE t").await;
    assert_eq!(activity(&mut bench, "m").await, "false|base-table dropped: t");
    assert_eq!(bench.rows("SELECT * FROM m").await, ["1|1"]);
    let error = bench.error("REFRESH MATERIALIZED VIEW m").await;
    assert!(error.message.contains("Refresh materialized view failed because [m] is not active"), "{error}");
    assert!(error.message.contains("base-table dropped: t"), "{error}");
    let error = bench.error("ALTER MATERIALIZED VIEW m ACTIVE").await;
    assert!(error.message.contains("Can not active materialized view [m]"), "{error}");
    bench.run(table).await;
    bench.run("INSERT INTO t VALUES (2, 2)").await;
    assert_eq!(activity(&mut bench, "m").await, "true|");
    assert_eq!(bench.rows("SELECT * FROM m ORDER BY k").await, ["1|1", "2|2"]);
    // Renamed, and renamed back.
    let before = versions(&bench, "m").await;
    bench.run("ALTER TABLE t RENAME u").await;
    assert_eq!(activity(&mut bench, "m").await, "false|base-table renamed: t");
    bench.run("ALTER TABLE u RENAME t").await;
    assert_eq!(activity(&mut bench, "m").await, "true|");
    bench.run("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(changed(&before, &versions(&bench, "m").await), Vec::<String>::new());
    // Swapped.
    bench
        .run(
            "CREATE TABLE other (k INT, v INT); INSERT INTO other VALUES (7, 7);
             ALTER TABLE t SWAP WITH other",
        )
        .await;
    assert_eq!(activity(&mut bench, "m").await, "false|base-table swapped: t");
    bench.run("ALTER MATERIALIZED VIEW m ACTIVE").await;
    assert_eq!(activity(&mut bench, "m").await, "true|");
    bench.run("REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["7|7"]);
    // Made again with other columns.
    bench.run("DROP TABLE t; CREATE TABLE t (k INT, v VARCHAR(5))").await;
    assert_eq!(activity(&mut bench, "m").await, "false|base-table schema changed for columns: v");
    bench.run("DROP TABLE t; CREATE TABLE t (k INT)").await;
    assert!(activity(&mut bench, "m").await.starts_with("false|Column 'v' cannot be resolved"));
    bench.run("DROP TABLE t; CREATE TABLE t (k INT, v INT)").await;
    // By hand.
    bench.run("ALTER MATERIALIZED VIEW m INACTIVE; INSERT INTO t VALUES (8, 8)").await;
    let reason = "user use alter materialized view set status to inactive";
    assert_eq!(activity(&mut bench, "m").await, format!("false|{reason}"));
    assert_eq!(bench.rows("SELECT * FROM m").await, ["7|7"]);
    assert!(bench.error("REFRESH MATERIALIZED VIEW m").await.message.contains(reason));
    bench.run("ALTER MATERIALIZED VIEW m ACTIVE; REFRESH MATERIALIZED VIEW m").await;
    assert_eq!(bench.rows("SELECT * FROM m").await, ["8|8"]);
}

#[tokio::test]
async fn views_are_renamed_and_swapped_with_what_they_were_computed_from() {
    let mut bench = Bench::new().await;
    bench
        .run(
            "CREATE TABLE t (k INT, v INT); INSERT INTO t VALUES (1, 2);
             CREATE MATERIALIZED VIEW m REFRESH MANUAL AS SELECT k FROM t;
             CREATE MATERIALIZED VIEW n REFRESH MANUAL AS SELECT v FROM t;
             CREATE MATERIALIZED VIEW above REFRESH MANUAL AS SELECT k FROM m",
        )
        .await;
    let before = versions(&bench, "m").await;
    bench.run("ALTER MATERIALIZED VIEW m RENAME m2; REFRESH MATERIALIZED VIEW m2").await;
    let after = versions(&bench, "m2").await;
    assert_eq!(after.keys().collect::<Vec<_>>(), ["m2"]);
    assert_eq!(before["m"], after["m2"]);
    assert_eq!(activity(&mut bench, "above").await, "false|base-table renamed: m");
    assert_eq!(bench.error("ALTER MATERIALIZED VIEW m2 RENAME t").await.errno, 1050);
    bench.run("ALTER MATERIALIZED VIEW m2 SWAP WITH n; REFRESH MATERIALIZED VIEW m2; REFRESH MATERIALIZED VIEW n").await;
    assert_eq!(bench.rows("SELECT * FROM m2").await, ["2"]);
    assert_eq!(bench.rows("SELECT * FROM n").await, ["1"]);
    assert_eq!(versions(&bench, "n").await["n"], after["m2"]);
    assert!(
        bench
            .error("ALTER MATERIALIZED VIEW m2 SWAP WITH t")
            .await
            .message
            .contains("not a materialized view")
    );
    bench.run("ALTER MATERIALIZED VIEW n REFRESH ASYNC; INSERT INTO t VALUES (5, 5)").await;
    assert_eq!(bench.rows("SELECT * FROM n ORDER BY 1").await, ["1", "5"]);
    assert!(bench.value("SHOW CREATE MATERIALIZED VIEW n").await.contains("\nREFRESH ASYNC\n"));
}
