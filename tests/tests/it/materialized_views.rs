//! Asynchronous materialized views, from one warehouse to another: active and
//! fresh where their bases came along, inactive with a reason where not.

use crate::support::{Place, TestWarehouse};

/// Columns of a view's row in SHOW MATERIALIZED VIEWS.
async fn shown(w: &mut TestWarehouse, view: &str, columns: &str) -> String {
    let sql =
        format!("SELECT {columns} FROM information_schema.materialized_views WHERE table_name = '{view}'");
    w.lines(&sql).await.join("\n")
}

/// Names of the partitions of a view, each with what tells its content apart.
async fn contents(w: &mut TestWarehouse, view: &str) -> Vec<String> {
    let rows = w.sql(&format!("SHOW PARTITIONS FROM {view}")).await;
    rows.iter().map(|row| format!("{} {}", row[1].clone().unwrap(), row[19].clone().unwrap())).collect()
}

fn restore(timestamp: &str, rest: &str) -> String {
    format!("RESTORE SNAPSHOT s FROM r {rest} PROPERTIES (\"backup_timestamp\" = \"{timestamp}\")")
}

const SHOP: &str = "CREATE DATABASE shop; USE shop;
    CREATE TABLE sales (d DATE, city VARCHAR(20), v INT) PARTITION BY date_trunc('day', d)
      DISTRIBUTED BY HASH(city) BUCKETS 2;
    CREATE TABLE cities (city VARCHAR(20), land VARCHAR(20)) PRIMARY KEY(city) DISTRIBUTED BY HASH(city);
    INSERT INTO cities VALUES ('a', 'A'), ('b', 'B');
    INSERT INTO sales VALUES ('2024-01-30', 'a', 1), ('2024-01-31', 'b', 2), ('2024-02-01', 'a', 3);
    CREATE MATERIALIZED VIEW months PARTITION BY (m) REFRESH ASYNC AS
      SELECT date_trunc('month', d) AS m, land, sum(v) AS s FROM sales JOIN cities ON sales.city = cities.city
      GROUP BY date_trunc('month', d), land;
    CREATE MATERIALIZED VIEW days PARTITION BY d DISTRIBUTED BY HASH(d) BUCKETS 2 REFRESH MANUAL AS
      SELECT /* per day */ d, count(*) AS c, sum(v) AS s FROM shop.sales GROUP BY d;
    CREATE MATERIALIZED VIEW total REFRESH ASYNC AS SELECT sum(s) AS s FROM months";

const MONTHS: &str = "SELECT * FROM months ORDER BY m, land";

/// The shop, changed and refreshed, and its snapshot `s`.
async fn backed_up(place: &Place) -> (TestWarehouse, String) {
    let mut w = place.warehouse("w").await;
    w.sql(SHOP).await;
    w.sql(
        "DELETE FROM sales WHERE v = 2; INSERT INTO sales VALUES ('2024-02-02', 'b', 5);
         UPDATE cities SET land = 'AA' WHERE city = 'a'; REFRESH MATERIALIZED VIEW days",
    )
    .await;
    assert_eq!(w.lines(MONTHS).await, ["2024-01-01|AA|1", "2024-02-01|AA|3", "2024-02-01|B|5"]);
    assert_eq!(w.lines("SELECT * FROM total").await, ["9"]);
    w.sql(&place.create_repository("r", "repository")).await;
    w.job("BACKUP DATABASE shop SNAPSHOT s TO r").await;
    let timestamp = w.timestamp("r", "s").await;
    (w, timestamp)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_their_bases_views_come_back_active_and_fresh() {
    let place = Place::new();
    let (_w, ts) = backed_up(&place).await;
    let mut other = place.warehouse("other").await;
    other.sql(&place.create_repository("r", "repository")).await;
    other.job(&restore(&ts, "DATABASE shop")).await;
    other.sql("USE shop").await;
    assert_eq!(other.lines(MONTHS).await, ["2024-01-01|AA|1", "2024-02-01|AA|3", "2024-02-01|B|5"]);
    let days = ["2024-01-30|1|1", "2024-02-01|1|3", "2024-02-02|1|5"];
    assert_eq!(other.lines("SELECT * FROM days ORDER BY d").await, days);
    for view in ["months", "days", "total"] {
        assert_eq!(shown(&mut other, view, "is_active, inactive_reason").await, "true|");
        let before = contents(&mut other, view).await;
        other.sql(&format!("REFRESH MATERIALIZED VIEW {view}")).await;
        assert_eq!(contents(&mut other, view).await, before, "{view}");
        let computed =
            shown(&mut other, view, "last_refresh_state, last_refresh_mv_refresh_partitions").await;
        assert_eq!(computed, "SUCCESS|", "{view}");
    }
    // Loads go on: only what they change is computed.
    let before = contents(&mut other, "days").await;
    other.sql("INSERT INTO sales VALUES ('2024-02-02', 'a', 10); REFRESH MATERIALIZED VIEW days").await;
    assert_eq!(shown(&mut other, "months", "last_refresh_mv_refresh_partitions").await, "p202402_202403");
    assert_eq!(shown(&mut other, "days", "last_refresh_mv_refresh_partitions").await, "p20240202");
    assert_eq!(contents(&mut other, "days").await[..2], before[..2]);
    assert_eq!(other.lines(MONTHS).await, ["2024-01-01|AA|1", "2024-02-01|AA|13", "2024-02-01|B|5"]);
    assert_eq!(other.lines("SELECT * FROM total").await, ["19"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_another_name_views_read_the_tables_that_came_with_them() {
    let place = Place::new();
    let (mut w, ts) = backed_up(&place).await;
    w.job(&restore(&ts, "DATABASE shop AS mirror")).await;
    w.sql("USE mirror; REFRESH MATERIALIZED VIEW days").await;
    let views = w
        .lines(
            "SELECT table_name, is_active, last_refresh_mv_refresh_partitions FROM
             information_schema.materialized_views WHERE table_schema = 'mirror' AND table_name = 'days'",
        )
        .await;
    assert_eq!(views, ["days|true|"]);
    let create = w.lines("SHOW CREATE MATERIALIZED VIEW days").await.join("\n");
    assert!(create.contains("SELECT /* per day */ d,") && create.contains("mirror"), "{create}");
    w.sql("TRUNCATE TABLE sales; INSERT INTO sales VALUES ('2024-03-01', 'a', 7)").await;
    assert_eq!(w.lines(MONTHS).await, ["2024-03-01|AA|7"]);
    assert_eq!(w.lines("SELECT * FROM total").await, ["7"]);
    // The first shop knows nothing of it.
    assert_eq!(w.lines("SELECT * FROM shop.total").await, ["9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_restored_alone_waits_for_its_base() {
    let place = Place::new();
    let (_w, ts) = backed_up(&place).await;
    let mut other = place.warehouse("other").await;
    other.sql(&place.create_repository("r", "repository")).await;
    other.job(&restore(&ts, "DATABASE shop ON (MATERIALIZED VIEW days)")).await;
    other.sql("USE shop").await;
    let days = ["2024-01-30|1|1", "2024-02-01|1|3", "2024-02-02|1|5"];
    assert_eq!(other.lines("SELECT * FROM days ORDER BY d").await, days);
    assert_eq!(
        shown(&mut other, "days", "is_active, inactive_reason").await,
        "false|base-table dropped: sales"
    );
    let refused = other.fails("REFRESH MATERIALIZED VIEW days").await;
    assert!(refused.contains("[days] is not active") && refused.contains("dropped: sales"), "{refused}");
    let refused = other.fails("ALTER MATERIALIZED VIEW days ACTIVE").await;
    assert!(refused.contains("Can not active materialized view [days]"), "{refused}");
    // A later restore brings the base, and with it the view is active and fresh.
    other.job(&restore(&ts, "DATABASE shop ON (TABLE sales)")).await;
    assert_eq!(shown(&mut other, "days", "is_active, inactive_reason").await, "true|");
    let before = contents(&mut other, "days").await;
    other.sql("REFRESH MATERIALIZED VIEW days").await;
    assert_eq!(contents(&mut other, "days").await, before);
    other.sql("INSERT INTO sales VALUES ('2024-01-30', 'z', 100); REFRESH MATERIALIZED VIEW days").await;
    assert_eq!(other.lines("SELECT * FROM days WHERE d = '2024-01-30'").await, ["2024-01-30|2|101"]);
    assert_eq!(shown(&mut other, "days", "last_refresh_mv_refresh_partitions").await, "p20240130");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_restored_over_itself_has_the_rows_of_the_snapshot_until_it_is_refreshed() {
    let place = Place::new();
    let (mut w, ts) = backed_up(&place).await;
    w.sql("INSERT INTO sales VALUES ('2024-02-01', 'b', 1000); REFRESH MATERIALIZED VIEW days").await;
    assert_eq!(w.lines("SELECT sum(s) FROM days").await, ["1009"]);
    w.job(&restore(&ts, "DATABASE shop ON (MATERIALIZED VIEW days)")).await;
    assert_eq!(w.lines("SELECT sum(s) FROM days").await, ["9"]);
    // The base went on: what it changed since is computed, and nothing else.
    w.sql("REFRESH MATERIALIZED VIEW days").await;
    assert_eq!(w.lines("SELECT sum(s) FROM days").await, ["1009"]);
    assert_eq!(shown(&mut w, "days", "last_refresh_mv_refresh_partitions").await, "p20240201");
    // The base goes back, and the view with the next refresh.
    w.job(&restore(&ts, "DATABASE shop ON (TABLE sales)")).await;
    w.sql("REFRESH MATERIALIZED VIEW days").await;
    assert_eq!(w.lines("SELECT sum(s) FROM days").await, ["9"]);
    assert_eq!(shown(&mut w, "days", "last_refresh_mv_refresh_partitions").await, "p20240201");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inactive_view_travels_as_what_it_is() {
    let place = Place::new();
    let mut w = place.warehouse("w").await;
    w.sql(SHOP).await;
    w.sql("ALTER MATERIALIZED VIEW days INACTIVE").await;
    w.sql(&place.create_repository("r", "repository")).await;
    w.job("BACKUP DATABASE shop SNAPSHOT s TO r").await;
    let ts = w.timestamp("r", "s").await;
    w.sql("DROP DATABASE shop FORCE").await;
    w.job(&restore(&ts, "DATABASE shop")).await;
    w.sql("USE shop").await;
    let reason = "user use alter materialized view set status to inactive";
    assert_eq!(shown(&mut w, "days", "is_active, inactive_reason").await, format!("false|{reason}"));
    w.sql("ALTER MATERIALIZED VIEW days ACTIVE; REFRESH MATERIALIZED VIEW days").await;
    assert_eq!(w.lines("SELECT sum(s) FROM days").await, ["6"]);
    assert_eq!(shown(&mut w, "days", "last_refresh_mv_refresh_partitions").await, "");
}
