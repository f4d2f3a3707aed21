//! Tables as documents, and how a snapshot's partitions meet a table's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

use rockhold_core::{
    CatalogCodec, Comparison, ErrorKind, KindId, LiveObject, ObjectName, Renames, RestoreOptions,
};
use rockhold_model::{DataType, Partition, TableDefinition};
use rockhold_object_table::TableCodec;
use rockhold_sql::analyze::{Cluster, create_table, synchronous_rollup, synchronous_view};
use rockhold_sql::ast::Statement;
use rockhold_sql::parse_one;

/// A table as CREATE TABLE defines it, and its partitions.
fn table(sql: &str) -> (LiveObject, Vec<Partition>) {
    let Statement::CreateTable(create) = parse_one(sql).unwrap() else { panic!("{sql}") };
    let analyzed = create_table(&create, &Cluster::default()).unwrap();
    let object = LiveObject {
        kind: KindId::TABLE,
        name: ObjectName::new("d", analyzed.definition.name.clone()),
        definition: serde_json::to_value(&analyzed.definition).unwrap(),
        state: serde_json::json!({"auto_increment": 7}),
    };
    (object, analyzed.partitions)
}

/// Every CREATE TABLE that a real frontend was seen to take.
fn recorded() -> Vec<LiveObject> {
    include_str!("../../../../tests/recorded/show-create.jsonl")
        .lines()
        .filter_map(|line| {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let sql = entry["sql"].as_str().unwrap().to_owned();
            let Ok(Statement::CreateTable(create)) = parse_one(&sql) else { return None };
            create_table(&create, &Cluster::default()).ok().map(|_| table(&sql).0)
        })
        .collect()
}

#[test]
fn the_codec_keeps_its_contract_for_every_recorded_table() {
    let samples = recorded();
    assert!(samples.len() > 50, "{}", samples.len());
    rockhold_testkit::codec::run_all(&TableCodec::default(), &samples);
}

/// A table with synchronous materialized views.
fn with_views(sql: &str, views: &[&str]) -> LiveObject {
    let (object, _) = table(sql);
    let mut definition: TableDefinition = serde_json::from_value(object.definition.clone()).unwrap();
    for view in views {
        let Statement::CreateMaterializedView(create) = parse_one(view).unwrap() else { panic!("{view}") };
        let view = synchronous_view(&create).unwrap();
        let types = vec![DataType::BigInt; view.columns.len()];
        let given = create.properties.map(|list| list.effective()).unwrap_or_default();
        let rollup = synchronous_rollup(&view, &definition, &types, &given).unwrap();
        definition.rollups.push(rollup);
    }
    LiveObject { definition: serde_json::to_value(&definition).unwrap(), ..object }
}

const BASE: &str =
    "CREATE TABLE t (k INT, v INT, w VARCHAR(20)) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2";

fn samples() -> Vec<LiveObject> {
    vec![
        with_views(
            BASE,
            &[
                "CREATE MATERIALIZED VIEW s AS SELECT k, sum(v) /* all */ FROM t GROUP BY k",
                "CREATE MATERIALIZED VIEW `s 2` AS SELECT t.w, t.k FROM d . `t` ORDER BY w",
            ],
        ),
        table(BASE).0,
        table(
            "CREATE TABLE p (k DATE, v BIGINT DEFAULT '5', INDEX i (v) USING BITMAP) PRIMARY KEY(k) PARTITION BY \
             date_trunc('month', k) DISTRIBUTED BY HASH(k) BUCKETS 2 ORDER BY (v) PROPERTIES ('colocate_with' = 'g')",
        )
        .0,
    ]
}

#[test]
fn a_synchronous_view_names_its_table_by_the_new_name() {
    let codec = TableCodec::default();
    rockhold_testkit::codec::run_all(&codec, &samples());
    let object = &samples()[0];
    let objects = [(object.name.clone(), ObjectName::new("e", "u"))];
    let renames = Renames { objects: objects.into(), ..Renames::default() };
    let renamed = codec.rename(&object.name, &codec.encode(object).unwrap(), &renames).unwrap();
    assert_eq!(renamed.body["rollups"][0]["query"], "SELECT k, sum(v) /* all */ FROM u GROUP BY k");
    assert_eq!(renamed.body["rollups"][1]["query"], "SELECT u.w, u.k FROM e . `u` ORDER BY w");
    rockhold_testkit::codec::c4_references_are(&codec, object, &[]);
    let mut broken = object.clone();
    broken.definition["rollups"][0]["query"] = "SELECT FROM".into();
    let error = codec.rename(&object.name, &codec.encode(&broken).unwrap(), &renames).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn statements_make_the_table_and_its_views() {
    for sample in samples() {
        rockhold_testkit::codec::c7_statements_make_an_equal_object(
            &TableCodec::default(),
            &sample,
            |statements| {
                let views: Vec<&str> = statements.iter().skip(1).map(String::as_str).collect();
                with_views(&statements[0], &views)
            },
        );
    }
}

#[test]
fn views_of_another_query_are_another_table() {
    let codec = TableCodec::default();
    let with = |view: &str| with_views(BASE, &[view]);
    let one = with("CREATE MATERIALIZED VIEW s AS SELECT k, sum(v) FROM t GROUP BY k");
    rockhold_testkit::codec::c6_writing_does_not_count(
        &codec,
        &one,
        &with("CREATE MATERIALIZED VIEW s AS SELECT k , sum(v) FROM d.t GROUP BY k"),
    );
    let other = with("CREATE MATERIALIZED VIEW s AS SELECT k, sum(v) FROM t WHERE k > 1 GROUP BY k");
    let words = "rollup s query is inconsistent: ) FROM base GROUP BY k here";
    rockhold_testkit::codec::c6_a_difference_is_named(&codec, &one, &other, words);
    rockhold_testkit::codec::c6_a_difference_is_named(
        &codec,
        &one,
        &table(BASE).0,
        "rollup is inconsistent: s here,",
    );
}

#[test]
fn documents_of_earlier_versions_are_read() {
    let named = ["views", "plain", "primary"].into_iter().zip(samples()).collect::<Vec<_>>();
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    rockhold_testkit::codec::golden::check(&TableCodec::default(), dir, &named);
}

#[test]
fn columns_named_as_the_warehouses_own_are_refused() {
    let codec = TableCodec::default();
    let sample = &samples()[0];
    for (place, name) in [
        ("/columns/0/name", "__rh_load"),
        ("/columns/2/name", "__RH_op"),
        ("/rollups/1/stored/0/name", "__rh_x"),
    ] {
        let mut document = codec.encode(sample).unwrap();
        *document.body.pointer_mut(place).unwrap() = name.into();
        let error = codec.decode(&sample.name, &document).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        let text = error.to_string();
        assert!(text.starts_with("d.t: ") && text.contains(&format!("column '{name}'")), "{text}");
        // It can be looked at.
        assert!(codec.statements(&sample.name, &document).is_ok());
    }
}

#[test]
fn the_words_are_those_of_the_parser() {
    let words = rockhold_sql::KindWords::of([TableCodec::default().descriptor()]);
    assert!(rockhold_sql::default_kinds().contains(&words[0]));
}

#[test]
fn differences_are_named_in_starrocks_words() {
    let codec = TableCodec::default();
    let one = |sql: &str| table(sql).0;
    let base = one("CREATE TABLE t (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2");
    for (other, words) in [
        (
            "CREATE TABLE t (k INT, v INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 3",
            "bucket num is inconsistent",
        ),
        (
            "CREATE TABLE t (k INT, v BIGINT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2",
            "column v and column v",
        ),
        (
            "CREATE TABLE t (k INT, v INT) UNIQUE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 2",
            "different key type",
        ),
    ] {
        rockhold_testkit::codec::c6_a_difference_is_named(&codec, &base, &one(other), words);
    }
}

/// What a merge says of each partition of `theirs` against the table of `ours`.
fn merge(ours: &str, theirs: &str) -> Vec<Comparison> {
    let codec = TableCodec::default();
    let ((existing, here), (incoming, there)) = (table(ours), table(theirs));
    let json = |p: &Partition| serde_json::to_value(p).unwrap();
    let mut check = codec
        .merge_check(&existing, here.iter().map(json).collect(), &incoming, &RestoreOptions::default())
        .unwrap();
    there.iter().map(|p| check.check(&json(p)).unwrap()).collect()
}

fn refused(comparison: &Comparison, words: &str) {
    match comparison {
        Comparison::Different(text) => assert!(text.contains(words), "{text}"),
        Comparison::Same => panic!("not refused: {words}"),
    }
}

#[test]
fn ranges_are_replaced_added_or_refused() {
    let range = |partitions: &str| {
        format!(
            "CREATE TABLE t (k INT, v INT) PARTITION BY RANGE(k) ({partitions}) DISTRIBUTED BY HASH(v) BUCKETS 2"
        )
    };
    // Numbers compare as numbers: 9 lies before 10.
    let found = merge(
        &range("PARTITION a VALUES [('0'), ('9')), PARTITION b VALUES [('10'), ('20'))"),
        &range(
            "PARTITION A VALUES [('0'), ('9')), PARTITION c VALUES [('9'), ('10')), PARTITION d VALUES [('20'), ('100'))",
        ),
    );
    assert_eq!(found, [Comparison::Same, Comparison::Same, Comparison::Same]);
    let found = merge(
        &range("PARTITION a VALUES [('0'), ('9')), PARTITION b VALUES [('10'), ('20'))"),
        &range(
            "PARTITION a VALUES [('0'), ('8')), PARTITION x VALUES [('8'), ('11')), PARTITION y VALUES [('15'), ('16'))",
        ),
    );
    refused(&found[0], "has different range with partition in repository");
    refused(&found[1], "has conflict range with existing ranges: it overlaps partition");
    refused(&found[2], "it overlaps partition b");
}

#[test]
fn ranges_over_a_function_of_the_column_compare_as_its_result() {
    let range = |low: &str, high: &str| {
        format!(
            "CREATE TABLE t (k BIGINT, v INT) PARTITION BY RANGE(from_unixtime(k))
             (START ('{low}') END ('{high}') EVERY (INTERVAL 1 DAY)) DISTRIBUTED BY HASH(v) BUCKETS 2"
        )
    };
    let found = merge(&range("2024-01-01", "2024-01-03"), &range("2024-01-02", "2024-01-04"));
    assert_eq!(found, [Comparison::Same, Comparison::Same]);
}

#[test]
fn list_partitions_are_added_when_no_value_collides() {
    let list = |partitions: &str| {
        format!(
            "CREATE TABLE t (k VARCHAR(9), v INT) PARTITION BY LIST(k) ({partitions}) DISTRIBUTED BY HASH(v) BUCKETS 2"
        )
    };
    let found = merge(
        &list("PARTITION a VALUES IN ('x', 'y')"),
        &list("PARTITION a VALUES IN ('y', 'x'), PARTITION b VALUES IN ('z')"),
    );
    assert_eq!(found, [Comparison::Same, Comparison::Same]);
    let found = merge(
        &list("PARTITION a VALUES IN ('x', 'y')"),
        &list("PARTITION a VALUES IN ('x'), PARTITION b VALUES IN ('z', 'y')"),
    );
    refused(&found[0], "has different values with partition in repository");
    refused(&found[1], "has a value that partition a holds already");
}

#[test]
fn a_colocate_group_is_told_with_how_its_members_are_divided_and_can_be_left() {
    let codec = TableCodec::default();
    let one = |divided: &str, properties: &str| {
        let sql = format!(
            "CREATE TABLE t (k INT, v VARCHAR(5)) DUPLICATE KEY(k) DISTRIBUTED BY {divided} {properties}"
        );
        table(&sql).0
    };
    let in_group = "PROPERTIES (\"colocate_with\" = \"g\")";
    let scheme = |divided: &str| codec.group(&one(divided, in_group)).unwrap().unwrap().scheme;
    assert_eq!(codec.group(&one("HASH(k) BUCKETS 2", "")).unwrap(), None);
    assert_eq!(codec.group(&one("HASH(k) BUCKETS 2", in_group)).unwrap().unwrap().name, "g");
    assert_eq!(scheme("HASH(k) BUCKETS 2"), scheme("HASH(K) BUCKETS 2"));
    assert_ne!(scheme("HASH(k) BUCKETS 2"), scheme("HASH(k) BUCKETS 3"));
    assert_ne!(scheme("HASH(k) BUCKETS 2"), scheme("HASH(v) BUCKETS 2"));
    assert_ne!(scheme("HASH(k) BUCKETS 2"), scheme("HASH(k, v) BUCKETS 2"));
    let left = codec.leave_group(one("HASH(k) BUCKETS 2", in_group)).unwrap();
    assert_eq!(left.definition, one("HASH(k) BUCKETS 2", "").definition);
}
