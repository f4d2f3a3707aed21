//! Materialized views as documents.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

use rockhold_core::{
    CatalogCodec, Comparison, ErrorKind, KindId, LiveObject, ObjectName, Renames, RestoreOptions,
};
use rockhold_model::{
    Column, DataType, MaterializedViewDefinition, Partition, PartitionValue, Partitioning, TimeFunction,
    TimeUnit,
};
use rockhold_object_materialized_view::MaterializedViewCodec;
use rockhold_sql::analyze::{Cluster, create_materialized_view};
use rockhold_sql::ast::Statement;
use rockhold_sql::parse_one;
use rockhold_testkit::codec;
use serde_json::{Value, json};

/// The view of a CREATE MATERIALIZED VIEW over a DATE and an INT.
fn definition(sql: &str, default_database: &str) -> MaterializedViewDefinition {
    let Statement::CreateMaterializedView(create) =
        parse_one(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
    else {
        panic!("{sql}")
    };
    let columns = vec![Column::new("k", DataType::Date), Column::new("v", DataType::Int)];
    let partitioning = match create.partition_by.as_deref() {
        None => Partitioning::Unpartitioned,
        Some([key]) if key.text.contains("trunc") => Partitioning::Expression {
            column: "k".into(),
            function: TimeFunction::DateTrunc { unit: TimeUnit::Month },
        },
        Some(_) => Partitioning::Range { columns: vec!["k".into()], expression: None },
    };
    create_materialized_view(&create, columns, partitioning, default_database, &Cluster::default()).unwrap()
}

fn view(sql: &str) -> LiveObject {
    let definition = definition(sql, "d");
    let refreshed =
        if definition.partitioning == Partitioning::Unpartitioned { &definition.name } else { "p1" };
    let bases =
        json!([{"database": "d", "name": "t", "partitions": [["p1", "0123456789abcdef0123456789abcdef"]]}]);
    LiveObject {
        kind: KindId::MATERIALIZED_VIEW,
        name: ObjectName::new("d", definition.name.clone()),
        state: json!({
            "inactive_reason": "",
            "notes": [{"database": "d", "name": "u", "reason": "base-table dropped: u"}],
            "refreshed": [{"name": refreshed, "bases": bases}],
            "last_refresh": [],
        }),
        definition: serde_json::to_value(&definition).unwrap(),
    }
}

fn samples() -> Vec<LiveObject> {
    let mut samples: Vec<LiveObject> = [
        "CREATE MATERIALIZED VIEW m (k COMMENT 'day', v, INDEX i (v) USING BITMAP COMMENT 'ix') COMMENT 'all' PARTITION BY \
         (k) DISTRIBUTED BY HASH(v) BUCKETS 3 ORDER BY (v, k) REFRESH DEFERRED ASYNC START('2030-01-01 00:00:00') \
         EVERY(INTERVAL 1 DAY) PROPERTIES (\"replication_num\" = \"1\", \"session.query_timeout\" = \"5\") AS SELECT \
         t.k, /* sum */ sum(u.v) FROM t JOIN `u` ON t.k = u.k GROUP BY t.k",
        "CREATE MATERIALIZED VIEW m PARTITION BY date_trunc('month', k) REFRESH ASYNC AS SELECT k, v FROM `t` -- all",
        "CREATE MATERIALIZED VIEW `m 2` REFRESH MANUAL AS SELECT k, v FROM e.t WHERE k IN (SELECT k FROM m)",
        "CREATE MATERIALIZED VIEW m REFRESH IMMEDIATE MANUAL AS SELECT k, v FROM ice.db.t",
    ]
    .map(view)
    .into();
    let mut elsewhere = samples[1].clone();
    elsewhere.definition = serde_json::to_value(definition(
        "CREATE MATERIALIZED VIEW m REFRESH ASYNC AS SELECT k, v FROM t",
        "e",
    ))
    .unwrap();
    elsewhere.state = Value::Null;
    samples.push(elsewhere);
    samples
}

/// Every CREATE MATERIALIZED VIEW that a real frontend was seen to take, the
/// columns but for two left out.
fn recorded() -> Vec<LiveObject> {
    include_str!("../../../../tests/recorded/show-create.jsonl")
        .lines()
        .filter_map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let sql = entry["sql"].as_str().unwrap().to_owned();
            match parse_one(&sql) {
                Ok(Statement::CreateMaterializedView(create)) if !create.is_synchronous() => {
                    // The columns here are k and v.
                    Some(view(&sql.replace("HASH(k1)", "HASH(k)")))
                }
                _ => None,
            }
        })
        .collect()
}

#[test]
fn the_codec_keeps_its_contract_for_every_form_of_materialized_view() {
    let mut samples = samples();
    let recorded = recorded();
    assert!(recorded.len() >= 6, "{}", recorded.len());
    samples.extend(recorded);
    let codec = MaterializedViewCodec::default();
    codec::run_all(&codec, &samples);
    for sample in &samples {
        codec::c7_statements_make_an_equal_object(&codec, sample, |statements| {
            let mut database = "d".to_string();
            for statement in statements {
                if let Statement::Use(used) = parse_one(statement).unwrap() {
                    database = used.database.value;
                }
            }
            let made = definition(statements.last().unwrap(), &database);
            LiveObject {
                name: ObjectName::new("d", made.name.clone()),
                definition: serde_json::to_value(&made).unwrap(),
                ..sample.clone()
            }
        });
    }
}

#[test]
fn references_are_complete() {
    let expected: [&[(&str, &str)]; 5] =
        [&[("d", "t"), ("d", "u")], &[("d", "t")], &[("e", "t"), ("d", "m")], &[("", "ice")], &[("e", "t")]];
    for (sample, expected) in samples().iter().zip(expected) {
        let expected: Vec<ObjectName> = expected.iter().map(|(d, n)| ObjectName::new(*d, *n)).collect();
        codec::c4_references_are(&MaterializedViewCodec::default(), sample, &expected);
    }
}

#[test]
fn the_versions_that_it_was_computed_from_follow_its_bases() {
    let codec = MaterializedViewCodec::default();
    let object = view("CREATE MATERIALIZED VIEW m REFRESH MANUAL AS SELECT k, v FROM t");
    let objects =
        [("m", "m2"), ("t", "t2")].map(|(old, new)| (ObjectName::new("d", old), ObjectName::new("e", new)));
    let renames = Renames { objects: objects.into(), ..Renames::default() };
    let renamed = codec.rename(&object.name, &codec.encode(&object).unwrap(), &renames).unwrap();
    assert_eq!(renamed.body["query"], "SELECT k, v FROM t2");
    let refreshed = &renamed.state["refreshed"][0];
    assert_eq!((&refreshed["name"], &refreshed["bases"][0]["database"]), (&json!("m2"), &json!("e")));
    assert_eq!(refreshed["bases"][0]["name"], "t2");
    // What is not part of the restore is meant as before.
    assert_eq!(renamed.state["notes"][0]["database"], "d");
}

#[test]
fn differences_are_named() {
    let codec = MaterializedViewCodec::default();
    let one = view(
        "CREATE MATERIALIZED VIEW m DISTRIBUTED BY HASH(v) BUCKETS 2 REFRESH MANUAL AS SELECT k, v FROM t",
    );
    codec::c6_writing_does_not_count(
        &codec,
        &one,
        &view(
            "CREATE MATERIALIZED VIEW m COMMENT 'other' DISTRIBUTED BY HASH(v) BUCKETS 2 REFRESH DEFERRED MANUAL \
             PROPERTIES ('replication_num' = '1') AS SELECT k , v /* both */ FROM d.t",
        ),
    );
    for (other, words) in [
        (
            "(k, w) DISTRIBUTED BY HASH(k) BUCKETS 2 REFRESH MANUAL AS SELECT k, v FROM t",
            "partition distribution col hash",
        ),
        (
            "DISTRIBUTED BY HASH(v) BUCKETS 3 REFRESH MANUAL AS SELECT k, v FROM t",
            "bucket num is inconsistent",
        ),
        (
            "DISTRIBUTED BY HASH(v) BUCKETS 2 REFRESH ASYNC AS SELECT k, v FROM t",
            "refresh scheme is inconsistent: MANUAL here, ASYNC in the snapshot",
        ),
        (
            "DISTRIBUTED BY HASH(v) BUCKETS 2 REFRESH MANUAL AS SELECT k, v FROM t WHERE v > 1",
            "query is inconsistent",
        ),
        (
            "PARTITION BY (k) DISTRIBUTED BY HASH(v) BUCKETS 2 REFRESH MANUAL AS SELECT k, v FROM t",
            "table's partition type is different",
        ),
    ] {
        let other = view(&format!("CREATE MATERIALIZED VIEW m {other}"));
        codec::c6_a_difference_is_named(&codec, &one, &other, words);
    }
}

#[test]
fn partitions_are_merged_like_those_of_a_table() {
    let codec = MaterializedViewCodec::default();
    let view = view("CREATE MATERIALIZED VIEW m PARTITION BY (k) REFRESH MANUAL AS SELECT k, v FROM t");
    let partition = |name: &str, low: &str, high: &str| {
        let bound = |text: &str| vec![rockhold_model::Bound::Value(text.into())];
        let value = PartitionValue::Range { lower: bound(low), upper: bound(high) };
        serde_json::to_value(Partition::new(name, value)).unwrap()
    };
    let here = vec![partition("p1", "2024-01-01", "2024-02-01")];
    let mut check = codec.merge_check(&view, here, &view, &RestoreOptions::default()).unwrap();
    for (incoming, fits) in [
        (partition("p1", "2024-01-01", "2024-02-01"), true),
        (partition("p2", "2024-02-01", "2024-03-01"), true),
        (partition("p3", "2024-01-15", "2024-01-20"), false),
    ] {
        assert_eq!(check.check(&incoming).unwrap() == Comparison::Same, fits, "{incoming}");
    }
    let restored = codec.prepare(view, &RestoreOptions::new(Some(1))).unwrap();
    assert_eq!(restored.definition["properties"]["replication_num"], "1");
}

#[test]
fn documents_of_earlier_versions_are_read() {
    let named =
        ["all", "truncated", "manual", "catalog", "elsewhere"].into_iter().zip(samples()).collect::<Vec<_>>();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    codec::golden::check(&MaterializedViewCodec::default(), dir, &named);
}

#[test]
fn columns_named_as_the_warehouses_own_are_refused() {
    let codec = MaterializedViewCodec::default();
    let sample = &samples()[0];
    let mut document = codec.encode(sample).unwrap();
    document.body["columns"][1]["name"] = "__Rh_row".into();
    let error = codec.decode(&sample.name, &document).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.message().contains("column '__Rh_row'"), "{error}");
}

#[test]
fn the_words_are_those_of_the_parser() {
    let words = rockhold_sql::KindWords::of([MaterializedViewCodec::default().descriptor()]);
    assert!(rockhold_sql::default_kinds().contains(&words[0]));
}
