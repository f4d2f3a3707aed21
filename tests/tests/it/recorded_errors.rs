//! The errors of a real StarRocks frontend, statement by statement against a
//! warehouse and a repository: accepted or refused, number, and the gist.
//!
//! Every difference stands in [`DIFFERENCES`] with its reason. The test fails
//! on a difference that is not in the list and on an entry that no longer
//! differs. `crates/sql/tests/recorded.rs` compares texts and places of those
//! errors that need no catalog, word for word.

use crate::support::{Place, TestWarehouse};
use crate::transcript::same_gist;
use serde_json::Value;
use std::collections::BTreeMap;

const WORKS: &str = "better on purpose: StarRocks fails inside, and the guide promises it";
const TIMESTAMP: &str = "ours says which timestamp the snapshot has";

/// Statements that we answer otherwise, with the reason.
const DIFFERENCES: &[(&str, &str)] = &[
    ("BACKUP EXTERNAL CATALOG (c1) SNAPSHOT sc TO repo", WORKS),
    // The label is taken by the one before.
    ("BACKUP ALL EXTERNAL CATALOGS SNAPSHOT sc TO repo", WORKS),
    (
        "BACKUP SNAPSHOT test_db.s2 TO repo ON (t PARTITION (p1))",
        "ours names the table; StarRocks says tablet, and where in the statement",
    ),
    (
        "BACKUP SNAPSHOT test_db.s2 TO repo PROPERTIES (\"type\" = \"incremental\")",
        "stricter on purpose: every snapshot is complete, and the word would promise another thing",
    ),
    (
        "BACKUP SNAPSHOT test_db.s2 TO repo PROPERTIES (\"ttl\" = \"3\")",
        "the property ttl exists, as in StarRocks 4.2; this value is no duration",
    ),
    (
        "RESTORE SNAPSHOT test_db.s1 FROM repo PROPERTIES (\"backup_timestamp\" = \"2020-01-01-00-00-00-000\")",
        TIMESTAMP,
    ),
    ("RESTORE SNAPSHOT test_db.s1 FROM repo PROPERTIES (\"backup_timestamp\" = \"\")", TIMESTAMP),
    ("RESTORE SNAPSHOT sc FROM repo PROPERTIES (\"backup_timestamp\" = \"$TS\")", TIMESTAMP),
    (
        "RESTORE SNAPSHOT s1 FROM repo DATABASE test_db AS `a.b` PROPERTIES (\"backup_timestamp\" = \"$TS\")",
        "stricter on purpose: no database can be called so",
    ),
];

/// A warehouse in the state that the statements of `setup` were recorded in.
async fn set_up(place: &Place, setup: &str) -> (TestWarehouse, String) {
    let setups: Value = serde_json::from_str(include_str!("../../recorded/setups.json")).unwrap();
    let mut w = place.warehouse(setup).await;
    w.sql("CREATE DATABASE test_db; USE test_db").await;
    let mut timestamp = String::new();
    for statement in setups[setup].as_array().unwrap() {
        let statement = statement.as_str().unwrap().replace("$UDF", "http://127.0.0.1:1/udf.jar");
        if statement.starts_with("WAIT ") {
            timestamp = w.timestamp("repo", "s1").await;
        } else if statement.contains("REPOSITORY repo ") {
            w.sql(&place.create_repository("repo", "repository")).await;
        } else if statement.contains("READ ONLY REPOSITORY ro ") {
            // READ ONLY never creates a repository: another warehouse made it.
            let mut other = place.warehouse("other").await;
            other.sql(&place.create_repository("ro", "read-only")).await;
            let create = place.create_repository("ro", "read-only");
            w.sql(&create.replacen("CREATE REPOSITORY", "CREATE READ ONLY REPOSITORY", 1)).await;
        } else {
            w.sql(&statement).await;
        }
    }
    (w, timestamp)
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_errors_are_answered_with_their_number_and_gist() {
    let place = Place::new();
    let mut warehouses = BTreeMap::new();
    for setup in ["backup", "ddl"] {
        warehouses.insert(setup, set_up(&place, setup).await);
    }
    let mut wrong = Vec::new();
    let mut same = 0;
    for line in include_str!("../../recorded/errors.jsonl").lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        let (sql, recorded) = (entry["sql"].as_str().unwrap(), entry["error"].as_str());
        let (w, timestamp) = warehouses.get_mut(entry["setup"].as_str().unwrap()).unwrap();
        let text = sql.replace("$TS", timestamp).replace("$UDF", "http://127.0.0.1:1/udf.jar");
        let text = text.replace("s3://bucket/path", &place.location("elsewhere"));
        let ours = w.try_sql(&text).await.err();
        if ours.is_none() && text.starts_with("CREATE TABLE x ") {
            w.sql("DROP TABLE x FORCE").await;
        }
        let difference = match (recorded, &ours) {
            (None, None) => None,
            (Some(theirs), Some(ours)) => {
                let number = entry["errno"].as_u64() == Some(u64::from(ours.errno));
                let gist = same_gist(theirs, &ours.to_string());
                (!number || !gist)
                    .then(|| format!("{} {theirs}\n  ours {} {ours}", entry["errno"], ours.errno))
            }
            (theirs, ours) => {
                Some(format!("{theirs:?}\n  ours {:?}", ours.as_ref().map(ToString::to_string)))
            }
        };
        let reason = DIFFERENCES.iter().find(|(listed, _)| *listed == sql);
        match (difference, reason) {
            (None, None) => same += 1,
            (Some(_), Some(_)) => {}
            (Some(what), None) => wrong.push(format!("{sql}\n  {what}")),
            (None, Some(_)) => wrong.push(format!("{sql}\n  no longer differs, take it off the list")),
        }
    }
    println!("{same} answers the same, {} listed differences", DIFFERENCES.len());
    assert!(wrong.is_empty(), "{} statements:\n{}", wrong.len(), wrong.join("\n"));
}
