//! Views as documents.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

use proptest::prelude::*;
use rockhold_core::{CatalogCodec, ErrorKind, KindId, LiveObject, ObjectName, Renames};
use rockhold_model::ViewDefinition;
use rockhold_object_view::ViewCodec;
use rockhold_sql::analyze::create_view;
use rockhold_sql::ast::Statement;
use rockhold_sql::parse_one;
use rockhold_testkit::codec;
use serde_json::Value;

/// The view of a CREATE VIEW in database `d`, its columns named `c0`, `c1`, …
/// where the statement names none.
fn view(sql: &str) -> LiveObject {
    view_over(sql, "d")
}

fn view_over(sql: &str, default_database: &str) -> LiveObject {
    let Statement::CreateView(create) = parse_one(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
    else {
        panic!("{sql}")
    };
    let count = create.columns.as_ref().map_or(2, Vec::len);
    let columns: Vec<String> = (0..count).map(|n| format!("c{n}")).collect();
    let definition = create_view(&create, &columns, default_database).unwrap();
    LiveObject {
        kind: KindId::VIEW,
        name: ObjectName::new("d", definition.name.clone()),
        definition: serde_json::to_value(&definition).unwrap(),
        state: Value::Null,
    }
}

/// Every CREATE VIEW that a real frontend was seen to take.
fn recorded() -> Vec<LiveObject> {
    include_str!("../../../../tests/recorded/show-create.jsonl")
        .lines()
        .filter_map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let sql = entry["sql"].as_str().unwrap().to_owned();
            matches!(parse_one(&sql), Ok(Statement::CreateView(_))).then(|| view(&sql))
        })
        .collect()
}

/// Each feature of a view, names in all their forms.
fn samples() -> Vec<LiveObject> {
    let mut samples: Vec<LiveObject> = [
        "CREATE VIEW v (a COMMENT 'first', `b c`) COMMENT \"a \\\"view\\\"\" SECURITY INVOKER AS SELECT a, b FROM t",
        "CREATE VIEW v AS SELECT /*+ SET_VAR(query_timeout = 5) */ t.a, `u`.`b` -- the second\nFROM `t` /* left */ JOIN e.`u` \
         ON t.id = u.id",
        "CREATE VIEW v AS WITH t AS (SELECT * FROM t), x AS (SELECT * FROM t) SELECT x.a, 1 FROM x, d . w",
        "CREATE VIEW v AS SELECT e.f(a), g(b) FROM ice.db.t x JOIN mv [_SYNC_MV_]",
        "CREATE VIEW v AS SELECT a.x, b.x FROM t a, t b WHERE a.x IN (SELECT max(x) FROM t WHERE t.y = 't')",
        "CREATE VIEW v AS SELECT * FROM d.t UNION ALL SELECT * FROM (SELECT t.*, 2 FROM e.t) z ORDER BY 1 LIMIT 5",
        "CREATE VIEW `odd ``name``` AS SELECT 1, 'FROM t'",
    ]
    .map(view)
    .into();
    samples.push(view_over("CREATE VIEW v AS SELECT t.a, 2 FROM t, d.u", "e"));
    samples.push(view_over("CREATE VIEW v AS SELECT t.a, 2 FROM d.t", ""));
    samples
}

#[test]
fn the_codec_keeps_its_contract_for_every_form_of_view() {
    let mut samples = samples();
    let recorded = recorded();
    assert!(recorded.len() >= 8, "{}", recorded.len());
    samples.extend(recorded);
    let codec = ViewCodec::default();
    codec::run_all(&codec, &samples);
    // A session has a database, so it cannot make a view that has none.
    for sample in samples.iter().filter(|sample| sample.definition.get("default_database").is_some()) {
        codec::c7_statements_make_an_equal_object(&codec, sample, |statements| {
            let columns =
                serde_json::from_value::<ViewDefinition>(sample.definition.clone()).unwrap().columns;
            made(statements, columns.len())
        });
    }
}

/// Runs the statements as a session in database `d` would.
fn made(statements: &[String], columns: usize) -> LiveObject {
    let mut database = "d".to_string();
    for statement in statements {
        match parse_one(statement).unwrap_or_else(|error| panic!("{statement}\n{error}")) {
            Statement::Use(used) => database = used.database.value,
            Statement::CreateView(create) => {
                assert_eq!(create.name.database().unwrap_or(&database), "d");
                let names: Vec<String> = (0..columns).map(|n| format!("c{n}")).collect();
                let view = create_view(&create, &names, &database).unwrap();
                return LiveObject {
                    kind: KindId::VIEW,
                    name: ObjectName::new("d", view.name.clone()),
                    definition: serde_json::to_value(&view).unwrap(),
                    state: Value::Null,
                };
            }
            other => panic!("{}", other.kind()),
        }
    }
    panic!("no view: {statements:?}")
}

fn names(list: &[&str]) -> Vec<ObjectName> {
    list.iter()
        .map(|name| match name.split_once('.') {
            Some((database, name)) => ObjectName::new(database, name),
            None => ObjectName::new("", *name),
        })
        .collect()
}

#[test]
fn references_are_complete() {
    let codec = ViewCodec::default();
    let expected: [&[&str]; 9] = [
        &["d.t"],
        &["d.t", "e.u"],
        &["d.t", "d.w"],
        &["e.f", "ice", "d.mv"],
        &["d.t"],
        &["d.t", "e.t"],
        &[],
        &["e.t", "d.u"],
        &["d.t"],
    ];
    for (sample, expected) in samples().iter().zip(expected) {
        codec::c4_references_are(&codec, sample, &names(expected));
    }
}

#[test]
fn differences_are_named_and_writing_does_not_count() {
    let codec = ViewCodec::default();
    let one = view("CREATE VIEW v (a, b) COMMENT 'x' AS SELECT t.x, 1 FROM t");
    codec::c6_writing_does_not_count(
        &codec,
        &one,
        &view("CREATE VIEW v (A, b) AS SELECT `t`.x , 1 -- one\nFROM d.t"),
    );
    codec::c6_writing_does_not_count(
        &codec,
        &one,
        &view_over("CREATE VIEW v (a, b) AS SELECT t.x, 1 FROM d.t", "e"),
    );
    for (other, words) in [
        (
            "CREATE VIEW v (a, c) AS SELECT t.x, 1 FROM t",
            "column names is inconsistent: a, b here, a, c in the snapshot",
        ),
        (
            "CREATE VIEW v (a, b) SECURITY INVOKER AS SELECT t.x, 1 FROM t",
            "security is inconsistent: NONE here, INVOKER",
        ),
        (
            "CREATE VIEW v (a, b) AS SELECT t.x, 2 FROM t",
            "query is inconsistent: . x , 1 FROM d . t here, . x , 2 FROM d . t",
        ),
        ("CREATE VIEW v (a, b) AS SELECT t.x, 1 FROM e.t", "query is inconsistent"),
    ] {
        let other = view(other);
        codec::c6_a_difference_is_named(&codec, &one, &other, words);
    }
}

fn renamed(object: &LiveObject, renames: &[(&str, &str)]) -> Result<ViewDefinition, ErrorKind> {
    let codec = ViewCodec::default();
    let objects = renames.iter().map(|(old, new)| {
        let mut pair = names(&[old, new]).into_iter();
        (pair.next().unwrap(), pair.next().unwrap())
    });
    let renames = Renames { objects: objects.collect(), ..Renames::default() };
    let document = codec.encode(object).unwrap();
    let renamed = codec.rename(&object.name, &document, &renames).map_err(|error| error.kind())?;
    Ok(serde_json::from_value(renamed.body).unwrap())
}

#[test]
fn a_view_restored_without_its_tables_still_means_them() {
    let object = view("CREATE VIEW v AS SELECT t.a, 1 FROM t");
    let moved = renamed(&object, &[("d.v", "e.w")]).unwrap();
    assert_eq!((moved.name.as_str(), moved.default_database.as_str()), ("w", "d"));
    assert_eq!(moved.query, "SELECT t.a, 1 FROM t");
    // With them it moves along, and the text stays as it was written.
    let moved = renamed(&object, &[("d.v", "e.v"), ("d.t", "e.t")]).unwrap();
    assert_eq!((moved.query.as_str(), moved.default_database.as_str()), ("SELECT t.a, 1 FROM t", "e"));
    let moved =
        renamed(&view("CREATE VIEW v AS SELECT a, g FROM t, u"), &[("d.v", "e.v"), ("d.t", "e.x")]).unwrap();
    assert_eq!(moved.query, "SELECT a, g FROM x, `d`.u");
}

#[test]
fn a_query_that_does_not_parse_keeps_its_name() {
    let mut object = view("CREATE VIEW v AS SELECT a, 1 FROM t");
    object.definition["query"] = "SELECT a FROM t QUALIFY OVER ((".into();
    let kept = renamed(&object, &[("d.v", "e.v"), ("d.t", "e.t")]).unwrap();
    assert_eq!(
        (kept.query.as_str(), kept.default_database.as_str()),
        ("SELECT a FROM t QUALIFY OVER ((", "d")
    );
    assert_eq!(renamed(&object, &[("d.v", "d.w")]), Err(ErrorKind::Unsupported));
    codec::c4_references_are(&ViewCodec::default(), &object, &[]);
    codec::c6_an_object_is_the_same_as_itself(&ViewCodec::default(), &object);
    codec::c1_decoding_gives_what_was_encoded(&ViewCodec::default(), &object);
}

#[test]
fn documents_of_earlier_versions_are_read() {
    let samples = samples();
    let named = ["all", "hints", "with", "functions"].into_iter().zip(samples).collect::<Vec<_>>();
    codec::golden::check(&ViewCodec::default(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"), &named);
}

#[test]
fn the_words_are_those_of_the_parser() {
    let words = rockhold_sql::KindWords::of([ViewCodec::default().descriptor()]);
    assert!(rockhold_sql::default_kinds().contains(&words[0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Names of any kind, bare or with their database, between comments.
    #[test]
    fn any_names_are_followed(
        parts in prop::collection::vec(("[a-z`. 表]{1,4}", any::<bool>(), any::<bool>(), "[ \n]{1,3}"), 1..5)
    ) {
        let tables: Vec<String> = parts.iter().enumerate().map(|(n, (name, qualified, aliased, blank))| {
            let name = format!("`{}{n}`", name.replace('`', "``"));
            let database = if *qualified { format!("d{blank}.{blank}") } else { String::new() };
            let alias = if *aliased { format!(" AS a{n}") } else { String::new() };
            format!("{database}{name}{blank}{alias}/* {n} */")
        }).collect();
        let sql = format!("CREATE VIEW v AS SELECT 1, 2 FROM {}", tables.join(", "));
        codec::run_all(&ViewCodec::default(), &[view(&sql)]);
    }
}
