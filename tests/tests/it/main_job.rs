//! The main job: create, load, back up, lose, restore.

use crate::support::Place;

const SHOP: &str = "CREATE DATABASE shop; USE shop;
    CREATE TABLE orders (id INT, what VARCHAR(20), price DECIMAL(10, 2), at DATETIME)
        DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 3;
    INSERT INTO orders VALUES (1, 'tea', 3.50, '2026-01-01 10:00:00'), (2, NULL, NULL, NULL);
    INSERT INTO orders VALUES (3, '汉', -1.25, '2026-01-02 10:00:00.123456')";

const ROWS: &str = "SELECT * FROM shop.orders ORDER BY id";

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_table_comes_back_with_the_same_rows() {
    let place = Place::new();
    let mut w = place.warehouse("a").await;
    w.sql(SHOP).await;
    let before = w.lines(ROWS).await;
    assert_eq!(before.len(), 3);
    w.sql(&place.create_repository("r", "repo")).await;
    w.job("BACKUP DATABASE shop SNAPSHOT s1 TO r").await;
    let ts = w.timestamp("r", "s1").await;
    w.sql("DROP TABLE orders FORCE").await;
    assert!(w.fails(ROWS).await.starts_with("5502"));
    w.job(&format!("RESTORE SNAPSHOT s1 FROM r DATABASE shop PROPERTIES (\"backup_timestamp\" = \"{ts}\")"))
        .await;
    assert_eq!(w.lines(ROWS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_warehouse_restores_from_the_same_repository() {
    let place = Place::new();
    let mut source = place.warehouse("source").await;
    source.sql(SHOP).await;
    source.sql(&place.create_repository("r", "repo")).await;
    source.job("BACKUP SNAPSHOT shop.s1 TO r").await;
    let before = source.lines(ROWS).await;

    let mut target = place.warehouse("target").await;
    target.sql(&place.create_repository("r", "repo")).await;
    let ts = target.timestamp("r", "s1").await;
    target
        .job(&format!(
            "RESTORE SNAPSHOT s1 FROM r DATABASE shop AS copy PROPERTIES (\"backup_timestamp\" = \"{ts}\")"
        ))
        .await;
    assert_eq!(target.lines("SELECT * FROM copy.orders ORDER BY id").await, before);
    assert!(target.fails(ROWS).await.starts_with("5501"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_over_an_existing_table_puts_back_what_was_backed_up() {
    let place = Place::new();
    let mut w = place.warehouse("a").await;
    w.sql(SHOP).await;
    let before = w.lines(ROWS).await;
    w.sql(&place.create_repository("r", "repo")).await;
    w.job("BACKUP DATABASE shop SNAPSHOT s1 TO r ON (TABLE orders)").await;
    let ts = w.timestamp("r", "s1").await;
    w.sql("INSERT INTO orders VALUES (9, 'late', 1, NULL)").await;
    w.job(&format!("RESTORE SNAPSHOT s1 FROM r DATABASE shop ON (TABLE orders) PROPERTIES (\"backup_timestamp\" = \"{ts}\")")).await;
    assert_eq!(w.lines(ROWS).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_is_taken_for_the_whole_repository_until_it_is_dropped() {
    let place = Place::new();
    let mut w = place.warehouse("a").await;
    w.sql(SHOP).await;
    w.sql(&place.create_repository("r", "repo")).await;
    w.job("BACKUP DATABASE shop SNAPSHOT s1 TO r").await;
    w.sql("CREATE DATABASE other; CREATE TABLE other.t (a INT); INSERT INTO other.t VALUES (1)").await;
    let error = w.fails("BACKUP DATABASE other SNAPSHOT s1 TO r").await;
    assert_eq!(error, "5064 Snapshot with name 's1' already exist in repository");
    w.sql("DROP SNAPSHOT s1 ON r").await;
    assert!(w.sql("SHOW SNAPSHOT ON r").await.is_empty());
    w.job("BACKUP DATABASE other SNAPSHOT s1 TO r").await;
    assert_eq!(w.sql("SHOW SNAPSHOT ON r").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_repository_is_never_written() {
    let place = Place::new();
    let mut w = place.warehouse("a").await;
    w.sql(SHOP).await;
    let missing = w.fails(&place.create_repository("r", "repo").replace("CREATE", "CREATE READ ONLY")).await;
    assert!(missing.contains("there is no repository") && missing.contains("no such object"), "{missing}");
    assert!(!place.path("repo").exists());
    w.sql(&place.create_repository("r", "repo")).await;
    w.job("BACKUP DATABASE shop SNAPSHOT s1 TO r").await;
    w.sql("DROP REPOSITORY r").await;
    w.sql(&place.create_repository("r", "repo").replace("CREATE", "CREATE READ ONLY")).await;
    let ts = w.timestamp("r", "s1").await;
    for refused in ["BACKUP DATABASE shop SNAPSHOT s2 TO r", "DROP SNAPSHOT s1 ON r"] {
        let error = w.fails(refused).await;
        assert!(error.contains("read only"), "{error}");
    }
    w.job(&format!(
        "RESTORE SNAPSHOT s1 FROM r DATABASE shop AS again PROPERTIES (\"backup_timestamp\" = \"{ts}\")"
    ))
    .await;
}
