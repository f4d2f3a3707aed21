//! Views, functions and external catalogs: used, backed up, restored into an
//! empty warehouse under other names, and used again.

use crate::support::{Place, TestWarehouse};

const SHOP: &str = "CREATE DATABASE shop; USE shop;
    CREATE TABLE orders (id INT, customer VARCHAR(20), price DECIMAL(10, 2))
        DUPLICATE KEY(id) DISTRIBUTED BY HASH(id) BUCKETS 2;
    INSERT INTO orders VALUES (1, 'ann', 3.50), (2, 'bob', 20), (3, 'ann', 1.25);
    CREATE FUNCTION with_tax(v DECIMAL(10, 2)) RETURNS v * 2;
    CREATE FUNCTION shout(s VARCHAR) RETURNS concat(upper(s), '!');
    CREATE FUNCTION shout(s VARCHAR, n INT) RETURNS repeat(shout(s), n);
    CREATE VIEW sums (who COMMENT 'customer', total) COMMENT 'per customer' AS
        SELECT /* by name */ customer, sum(with_tax(price)) FROM orders GROUP BY customer;
    CREATE VIEW loud AS WITH orders AS (SELECT who, total FROM shop.sums)
        SELECT shout(orders.who, 2) AS name, total FROM orders";

const LOUD: &str = "SELECT * FROM loud ORDER BY name";

async fn restored(place: &Place, directory: &str, restore: &str) -> TestWarehouse {
    let mut target = place.warehouse(directory).await;
    target.sql(&place.create_repository("r", "repo")).await;
    let label = if restore.contains("SNAPSHOT c") { "c1" } else { "s1" };
    let ts = target.timestamp("r", label).await;
    target.job(&format!("{restore} PROPERTIES (\"backup_timestamp\" = \"{ts}\")")).await;
    target
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_views_and_functions_works_under_another_name() {
    let place = Place::new();
    let mut source = place.warehouse("source").await;
    source.sql(SHOP).await;
    let before = source.lines(LOUD).await;
    assert_eq!(before, ["ANN!ANN!|9.50", "BOB!BOB!|40.00"]);
    source.sql(&place.create_repository("r", "repo")).await;
    source.job("BACKUP DATABASE shop SNAPSHOT s1 TO r").await;
    let mut target = restored(&place, "target", "RESTORE SNAPSHOT s1 FROM r DATABASE shop AS copy").await;
    target.sql("USE copy").await;
    assert_eq!(target.lines(LOUD).await, before);
    // The restored view reads the restored tables, and follows them.
    target.sql("INSERT INTO orders VALUES (4, 'cid', 1)").await;
    assert_eq!(target.lines("SELECT name, total FROM loud WHERE name LIKE 'CID%'").await, ["CID!CID!|2.00"]);
    let shown = target.lines("SHOW CREATE VIEW sums").await.remove(0);
    assert!(shown.contains("/* by name */") && shown.contains("COMMENT \"customer\""), "{shown}");
    assert_eq!(
        target
            .lines("SHOW FULL FUNCTIONS")
            .await
            .iter()
            .map(|line| line.split('|').next().unwrap())
            .collect::<Vec<_>>(),
        ["shout(VARCHAR)", "shout(VARCHAR,INT)", "with_tax(DECIMAL(10,2))"]
    );
    assert_eq!(target.lines("SELECT copy.shout('x', 3)").await, ["X!X!X!"]);
    // Nothing points back: the database of the source does not exist here.
    assert!(target.fails("SELECT * FROM shop.orders").await.starts_with("5501"));
}

#[tokio::test(flavor = "multi_thread")]
async fn renamed_views_and_functions_are_found_under_their_new_names() {
    let place = Place::new();
    let mut source = place.warehouse("source").await;
    source.sql(SHOP).await;
    let before = source.lines(LOUD).await;
    source.sql(&place.create_repository("r", "repo")).await;
    source.job("BACKUP DATABASE shop SNAPSHOT s1 TO r").await;
    let mut target = restored(
        &place,
        "target",
        "RESTORE SNAPSHOT s1 FROM r DATABASE shop AS copy ON (TABLE orders AS sales, FUNCTION with_tax AS taxed, \
         FUNCTION shout AS cry, VIEW sums AS totals, VIEW loud AS noise)",
    )
    .await;
    target.sql("USE copy").await;
    assert_eq!(target.lines("SELECT * FROM noise ORDER BY name").await, before);
    assert_eq!(target.lines("SHOW TABLES").await, ["noise", "sales", "totals"]);
    assert_eq!(target.lines("SHOW FUNCTIONS").await, ["cry", "taxed"]);
    assert_eq!(target.lines("SELECT cry('a', 2), taxed(1.5)").await, ["A!A!|3.00"]);
    let shown = target.lines("SHOW CREATE VIEW totals").await.remove(0);
    assert!(shown.contains("/* by name */") && shown.contains("sales") && shown.contains("taxed"), "{shown}");
    // A second restore finds the same definitions there and replaces them.
    let ts = target.timestamp("r", "s1").await;
    target.sql("DROP VIEW noise").await;
    target
        .job(&format!(
            "RESTORE SNAPSHOT s1 FROM r DATABASE shop AS copy ON (TABLE orders AS sales, FUNCTION with_tax AS taxed, \
             FUNCTION shout AS cry, VIEW sums AS totals, VIEW loud AS noise) PROPERTIES (\"backup_timestamp\" = \"{ts}\")"
        ))
        .await;
    assert_eq!(target.lines("SELECT * FROM noise ORDER BY name").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_view_or_function_that_differs_refuses_the_restore() {
    let place = Place::new();
    let mut w = place.warehouse("w").await;
    w.sql(SHOP).await;
    w.sql(&place.create_repository("r", "repo")).await;
    w.job("BACKUP DATABASE shop SNAPSHOT s1 TO r").await;
    let ts = w.timestamp("r", "s1").await;
    let restore = |what: &str| {
        format!("RESTORE SNAPSHOT shop.s1 FROM r ON ({what}) PROPERTIES (\"backup_timestamp\" = \"{ts}\")")
    };
    w.sql("CREATE OR REPLACE VIEW sums AS SELECT customer, count(*) AS n FROM orders GROUP BY customer")
        .await;
    w.sql("CREATE OR REPLACE FUNCTION with_tax(v DECIMAL(10, 2)) RETURNS v * 3").await;
    for (what, name) in [("VIEW sums", "sums"), ("FUNCTION with_tax", "with_tax")] {
        let refused = match w.try_sql(&restore(what)).await {
            Ok(rows) => format!("{rows:?}"),
            Err(error) => error.to_string(),
        };
        assert!(!refused.contains("FINISHED") && refused.contains(name), "{what}: {refused}");
    }
    assert_eq!(w.lines("SELECT n FROM sums ORDER BY n").await, ["1", "2"]);
    assert_eq!(w.lines("SELECT with_tax(1)").await, ["3.00"]);
    w.sql("DROP VIEW sums; DROP FUNCTION with_tax(DECIMAL(10, 2))").await;
    w.job(&restore("VIEW sums, FUNCTION with_tax")).await;
    assert_eq!(w.lines("SELECT * FROM sums ORDER BY who").await, ["ann|9.50", "bob|40.00"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_function_comes_back_when_its_address_is_gone() {
    let place = Place::new();
    let mut source = place.warehouse("source").await;
    let jar = place.path("udf.jar");
    std::fs::write(&jar, b"bytes of a jar").unwrap();
    source.sql("CREATE DATABASE shop; USE shop").await;
    source
        .sql(&format!(
            "CREATE FUNCTION echo(INT) RETURNS INT PROPERTIES
               (\"symbol\" = \"Echo\", \"type\" = \"StarrocksJar\", \"file\" = \"file://{}\")",
            jar.display()
        ))
        .await;
    let shown = source.lines("SHOW FULL FUNCTIONS").await;
    source.sql(&place.create_repository("r", "repo")).await;
    source.job("BACKUP SNAPSHOT shop.s1 TO r ON (FUNCTION echo)").await;
    std::fs::remove_file(&jar).unwrap();
    let mut target = restored(&place, "target", "RESTORE SNAPSHOT shop.s1 FROM r").await;
    target.sql("USE shop").await;
    assert_eq!(target.lines("SHOW FULL FUNCTIONS").await, shown);
    // A backup of the restored function holds the file again, without the address.
    target.sql(&place.create_repository("r2", "repo2")).await;
    target.job("BACKUP SNAPSHOT shop.s1 TO r2 ON (FUNCTION echo)").await;
    let mut files = Vec::new();
    let mut open = vec![place.path("repo2")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "jar") {
                files.push(std::fs::read(path).unwrap());
            }
        }
    }
    assert_eq!(files, [b"bytes of a jar".to_vec()]);
    assert!(target.fails("SELECT echo(1)").await.contains("not run here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogs_come_back_under_other_names_and_their_secrets_with_the_keys() {
    let place = Place::new();
    let mut source = TestWarehouse::open(&place.path("source")).await;
    source
        .sql(
            "CREATE EXTERNAL CATALOG lake COMMENT 'iceberg' PROPERTIES ('type' = 'iceberg', 'iceberg.catalog.type' = 'hive',
               'hive.metastore.uris' = 'thrift://h:9083', 'aws.s3.secret_key' = 'abcdefghijklmnop')",
        )
        .await;
    source.sql(&place.create_repository("r", "repo")).await;
    source.job("BACKUP EXTERNAL CATALOG (lake) SNAPSHOT c1 TO r").await;
    let mut target =
        restored(&place, "target", "RESTORE SNAPSHOT c1 FROM r EXTERNAL CATALOG (lake AS sea)").await;
    assert_eq!(target.lines("SHOW CATALOGS").await[1..], ["sea|Iceberg|iceberg"]);
    let sealed = target.lines("SHOW CREATE CATALOG sea").await.remove(0);
    assert!(sealed.contains("\"aws.s3.secret_key\"  =  \"******\""), "{sealed}");
    assert!(sealed.contains("thrift://h:9083"), "{sealed}");
    let keys = source.rockhold.export_keys().await.unwrap();
    target.rockhold.import_keys(&keys).await.unwrap();
    let open = target.lines("SHOW CREATE CATALOG sea").await.remove(0);
    assert!(open.contains("\"aws.s3.secret_key\"  =  \"ab******op\""), "{open}");
}

#[tokio::test(flavor = "multi_thread")]
async fn global_functions_stay_out_of_backups_of_a_database() {
    let place = Place::new();
    let mut source = place.warehouse("source").await;
    source.sql("CREATE GLOBAL FUNCTION everywhere(v INT) RETURNS v + 1").await;
    source.sql(SHOP).await;
    source.sql(&place.create_repository("r", "repo")).await;
    source.job("BACKUP DATABASE shop SNAPSHOT s1 TO r").await;
    let mut target = restored(&place, "target", "RESTORE SNAPSHOT s1 FROM r DATABASE shop").await;
    assert!(target.lines("SHOW GLOBAL FUNCTIONS").await.is_empty());
    assert_eq!(target.lines("SHOW FUNCTIONS FROM shop").await, ["shout", "with_tax"]);
}
