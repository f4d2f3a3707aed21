//! The statements of the StarRocks 3.4 guide, executed: each by its name in
//! `tests/recorded/guide.sql`, as it stands there but for timestamps. The eight
//! that create a repository name hosts that are not there; `crates/sql` parses
//! them, and their schemes and properties are tested with the adapters.

use crate::support::{Place, TestWarehouse};
use std::collections::BTreeMap;

/// What the guide's examples are about.
const SR_HUB: &str = r#"
    CREATE DATABASE sr_hub; USE sr_hub;
    CREATE TABLE sr_member (sr_id INT, name STRING, city_code INT, reg_date DATE, verified BOOLEAN)
      PARTITION BY RANGE (reg_date) (
        PARTITION p1 VALUES [("2022-03-13"), ("2022-03-14")), PARTITION p2 VALUES [("2022-03-14"), ("2022-03-15")))
      DISTRIBUTED BY HASH (city_code) BUCKETS 2;
    INSERT INTO sr_member VALUES (1, "tom", 100000, "2022-03-13", true), (2, "johndoe", 210000, "2022-03-14", false),
      (3, "maruko", 200000, "2022-03-14", true);
    CREATE MATERIALIZED VIEW sr_cities AS SELECT city_code, count(sr_id) FROM sr_member GROUP BY city_code;
    CREATE TABLE sr_pmc (id INT, note STRING) PRIMARY KEY (id) DISTRIBUTED BY HASH (id) BUCKETS 1;
    INSERT INTO sr_pmc VALUES (1, "a"), (1, "b");
    CREATE FUNCTION sr_udf1(v INT) RETURNS v + 1;
    CREATE FUNCTION sr_udf2(v INT) RETURNS v * 2;
    CREATE VIEW sr_view1 AS SELECT name FROM sr_member WHERE verified;
    CREATE VIEW sr_view2 AS SELECT count(*) AS n FROM sr_pmc;
    CREATE MATERIALIZED VIEW sr_mv1 DISTRIBUTED BY HASH (name) REFRESH MANUAL AS SELECT name FROM sr_member;
    CREATE MATERIALIZED VIEW sr_mv2 DISTRIBUTED BY HASH (id) REFRESH MANUAL AS SELECT id FROM sr_pmc;
    REFRESH MATERIALIZED VIEW sr_mv1 WITH SYNC MODE; REFRESH MATERIALIZED VIEW sr_mv2 WITH SYNC MODE;
    CREATE EXTERNAL CATALOG iceberg PROPERTIES ("type" = "iceberg", "iceberg.catalog.type" = "hive",
      "hive.metastore.uris" = "thrift://h:9083");
    CREATE EXTERNAL CATALOG hive PROPERTIES ("type" = "hive", "hive.metastore.uris" = "thrift://h:9083")
"#;

const MEMBER: &str = "sr_hub.sr_member 3 rows";
const PMC: &str = "sr_hub.sr_pmc 1 rows";
const HUB: &[&str] = &[
    MEMBER,
    "sr_hub.sr_mv1 3 rows",
    "sr_hub.sr_mv2 1 rows",
    PMC,
    "sr_hub.sr_udf1()",
    "sr_hub.sr_udf2()",
    "sr_hub.sr_view1 2 rows",
    "sr_hub.sr_view2 1 rows",
];
const HUB_NEW: &[&str] = &[
    "sr_hub_new.sr_member 3 rows",
    "sr_hub_new.sr_mv1 3 rows",
    "sr_hub_new.sr_mv2 1 rows",
    "sr_hub_new.sr_pmc 1 rows",
    "sr_hub_new.sr_udf1()",
    "sr_hub_new.sr_udf2()",
    "sr_hub_new.sr_view1 2 rows",
    "sr_hub_new.sr_view2 1 rows",
];

/// What each RESTORE of the guide makes in a warehouse that has nothing.
const RESTORED: &[(&str, &[&str])] = &[
    ("restore sr_hub_backup", HUB),
    ("restore sr_hub.sr_hub_backup", HUB),
    ("restore sr_hub_backup 2", HUB_NEW),
    ("restore sr_member_backup", &[MEMBER]),
    ("restore sr_hub.sr_member_backup", &[MEMBER]),
    ("restore sr_member_backup 2", &["sr_hub_new.sr_member_new 3 rows"]),
    ("restore sr_core_backup", &[MEMBER, PMC]),
    ("restore sr_all_backup 2", &[MEMBER]),
    ("restore sr_par_backup", &["sr_hub.sr_member 1 rows"]),
    ("restore sr_hub.sr_par_backup", &["sr_hub.sr_member 1 rows"]),
    ("restore sr_mv1_backup", &["sr_hub.sr_mv1 3 rows"]),
    ("restore sr_mv2_backup", &["sr_hub.sr_mv1 3 rows", "sr_hub.sr_mv2 1 rows"]),
    ("restore sr_mv3_backup", &["sr_hub.sr_mv1 3 rows", "sr_hub.sr_mv2 1 rows"]),
    ("restore sr_mv3_backup 2", &["sr_hub.sr_mv1 3 rows"]),
    ("restore sr_view1_backup", &["sr_hub.sr_view1 without its table"]),
    ("restore sr_view2_backup", &["sr_hub.sr_view1 without its table", "sr_hub.sr_view2 without its table"]),
    ("restore sr_view3_backup", &["sr_hub.sr_view1 without its table", "sr_hub.sr_view2 without its table"]),
    ("restore sr_view3_backup 2", &["sr_hub.sr_view1 without its table"]),
    ("restore sr_udf1_backup", &["sr_hub.sr_udf1()"]),
    ("restore sr_udf2_backup", &["sr_hub.sr_udf1()", "sr_hub.sr_udf2()"]),
    ("restore sr_udf3_backup", &["sr_hub.sr_udf1()", "sr_hub.sr_udf2()"]),
    ("restore sr_udf3_backup 2", &["sr_hub.sr_udf1()"]),
    ("restore iceberg_backup", &["catalog iceberg_new"]),
    ("restore iceberg_hive_backup", &["catalog hive", "catalog iceberg"]),
    ("restore all_catalog_backup", &["catalog hive", "catalog iceberg"]),
];

fn named() -> Vec<(&'static str, &'static str)> {
    let entries = include_str!("../../recorded/guide.sql").split("-- name: ").skip(1);
    entries
        .map(|entry| entry.split_once('\n').unwrap())
        .map(|(name, sql)| (name.trim(), sql.trim()))
        .collect()
}

fn statement_of(name: &str) -> &'static str {
    named().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// The word after `SNAPSHOT`, without its database.
fn label(statement: &str) -> &str {
    let after = statement.split_once("SNAPSHOT ").unwrap().1;
    let label = after.split_whitespace().next().unwrap().trim_end_matches(';');
    label.rsplit('.').next().unwrap()
}

/// Databases, what is in them with its rows, and catalogs.
async fn contents(w: &mut TestWarehouse) -> Vec<String> {
    let mut found = Vec::new();
    for database in w.lines("SHOW DATABASES").await {
        if !database.starts_with("sr_") {
            continue;
        }
        for name in w.lines(&format!("SHOW TABLES FROM {database}")).await {
            let rows = match w.try_sql(&format!("SELECT * FROM {database}.{name}")).await {
                Ok(rows) => format!("{} rows", rows.len()),
                Err(error) if error.to_string().contains("Unknown table") => "without its table".to_owned(),
                Err(error) => error.to_string(),
            };
            found.push(format!("{database}.{name} {rows}"));
        }
        for name in w.lines(&format!("SHOW FUNCTIONS FROM {database}")).await {
            found.push(format!("{database}.{name}()"));
        }
    }
    for catalog in w.lines("SHOW CATALOGS").await {
        let name = catalog.split('|').next().unwrap();
        if name != "default_catalog" {
            found.push(format!("catalog {name}"));
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_of_the_guide_does_what_the_guide_says() {
    let place = Place::new();
    let mut source = place.warehouse("source").await;
    source.sql(SR_HUB).await;
    source.sql(&place.create_repository("test_repo", "repository")).await;
    let mut timestamps = BTreeMap::new();
    let mut executed = Vec::new();
    for (name, statement) in named() {
        if name.starts_with("backup ") {
            // Both syntaxes of the guide give one label.
            if timestamps.contains_key(label(statement)) {
                let refused = source.fails(statement).await;
                assert!(refused.contains("already exist"), "{name}: {refused}");
                source.sql(&format!("DROP SNAPSHOT {} ON test_repo", label(statement))).await;
            }
            source.job(statement).await;
            let timestamp = source.timestamp("test_repo", label(statement)).await;
            timestamps.insert(label(statement), timestamp);
            executed.push(name);
        }
    }
    let shown = source.lines(statement_of("show snapshot on test_repo")).await;
    assert_eq!(shown.len(), timestamps.len(), "{shown:?}");
    for (label, timestamp) in &timestamps {
        assert!(
            shown.iter().any(|line| line.starts_with(&format!("{label}|{timestamp}|OK"))),
            "{label} {shown:?}"
        );
    }
    executed.push("show snapshot on test_repo");

    let mut wrong = Vec::new();
    for (number, (name, expected)) in RESTORED.iter().enumerate() {
        let statement = statement_of(name);
        let timestamp = &timestamps[label(statement)];
        let statement = ["2024-12-09-10-25-58-842", "2024-12-09-10-52-10-940"]
            .iter()
            .fold(statement.to_owned(), |text, example| text.replace(example, timestamp));
        let mut target = place.warehouse(&format!("target{number}")).await;
        let create = place.create_repository("test_repo", "repository");
        target.sql(&create.replacen("CREATE REPOSITORY", "CREATE READ ONLY REPOSITORY", 1)).await;
        let said = match target.try_sql(&statement).await {
            Ok(rows) => format!("{:?}", rows[0]),
            Err(error) => error.to_string(),
        };
        let found = contents(&mut target).await;
        if !said.contains("FINISHED") || found != *expected {
            wrong.push(format!("{name}: {said}\n  {found:?}"));
        }
        executed.push(name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The guide forgot the timestamp there.
    let slip = "restore sr_all_backup";
    let refused = source.fails(statement_of(slip)).await;
    assert!(refused.contains("backup_timestamp"), "{refused}");
    executed.push(slip);

    // Nothing runs any more: the last job has ended, and there was no RESTORE here.
    for (name, said) in [
        ("cancel backup for external", "all_catalog_backup can not be cancelled. state: FINISHED"),
        ("cancel restore for external", "No restore is currently running"),
    ] {
        let refused = source.fails(statement_of(name)).await;
        assert!(refused.contains(said), "{name}: {refused}");
        executed.push(name);
    }
    let left: Vec<&str> =
        named().iter().map(|(name, _)| *name).filter(|name| !executed.contains(name)).collect();
    assert!(left.iter().all(|name| name.starts_with("create repository at ")), "{left:?}");
    assert_eq!((executed.len(), left.len()), (49, 8));
}
