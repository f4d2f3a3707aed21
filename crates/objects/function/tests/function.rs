//! Functions as documents.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

use proptest::prelude::*;
use rockhold_core::{
    CatalogCodec, Comparison, ErrorKind, KindId, LiveObject, ObjectName, Renames, RestoreOptions,
};
use rockhold_model::{FunctionDefinition, Partition, PartitionValue, SealedValue};
use rockhold_object_function::{ARTIFACT_PARTITION, FunctionCodec};
use rockhold_sql::analyze::create_function;
use rockhold_sql::ast::Statement;
use rockhold_sql::parse_one;
use rockhold_testkit::codec;
use serde_json::{Value, json};

fn definition(sql: &str) -> FunctionDefinition {
    match parse_one(sql).unwrap_or_else(|error| panic!("{sql}\n{error}")) {
        Statement::CreateFunction(create) => create_function(&create).unwrap().definition,
        other => panic!("{}", other.kind()),
    }
}

fn object(definition: &FunctionDefinition) -> LiveObject {
    LiveObject {
        kind: KindId::FUNCTION,
        name: ObjectName::new("d", definition.signature()),
        definition: serde_json::to_value(definition).unwrap(),
        state: Value::Null,
    }
}

fn function(sql: &str) -> LiveObject {
    object(&definition(sql))
}

fn samples() -> Vec<LiveObject> {
    let mut samples: Vec<LiveObject> = [
        "CREATE FUNCTION f1(INT) RETURNS INT PROPERTIES ('symbol' = 'Echo', 'type' = 'StarrocksJar', 'file' = \
         'https://host/a.jar', 'md5' = 'd41d8cd98f00b204e9800998ecf8427e', 'isolation' = 'shared')",
        "CREATE AGGREGATE FUNCTION agg(VARCHAR(20), DECIMAL(10, 2), ...) RETURNS ARRAY<DOUBLE> PROPERTIES ('symbol' = \
         'com.x.Agg', 'type' = 'StarrocksJar', 'file' = 's3://b/a.jar', 'analytic' = 'true')",
        "CREATE TABLE FUNCTION split(STRING) RETURNS STRING PROPERTIES ('symbol' = 'S', 'type' = 'StarrocksJar', 'file' = \
         'http://h/s.jar')",
        "CREATE FUNCTION py(INT, MAP<INT, STRUCT<a INT, b STRING>>) RETURNS STRING type = 'Python' symbol = 'm.echo' file = \
         'inline' input = 'arrow' AS $$\ndef echo(x):\n    # \"quoted\", 'quoted'\n    return f\"{x}\"\n$$",
        "CREATE FUNCTION py() RETURNS INT type = 'Python' symbol = 'm.f' file = 'https://h/p.py.zip'",
        "CREATE FUNCTION sq(x INT, `order` INT) RETURNS x * `order` /* times */ + d.other(x) + abs(x)",
    ]
    .map(function)
    .into();
    let mut credentials = definition(
        "CREATE FUNCTION c(INT) RETURNS INT PROPERTIES ('symbol' = 'C', 'type' = 'StarrocksJar', 'file' = 's3://b/c.jar')",
    );
    let sealed = SealedValue { key_id: "k1".into(), sealed: "bm9uY2VzZWFsZWQ=".into() };
    credentials.secrets.insert("aws.s3.secret_key".into(), sealed);
    samples.push(object(&credentials));
    samples
}

#[test]
fn the_codec_keeps_its_contract_for_every_form_of_function() {
    let codec = FunctionCodec::default();
    let samples = samples();
    codec::run_all(&codec, &samples);
    // Secrets are left out of statements.
    for sample in samples.iter().filter(|sample| sample.definition.get("secrets").is_none()) {
        codec::c7_statements_make_an_equal_object(&codec, sample, |statements| function(&statements[0]));
    }
}

#[test]
fn references_are_functions_called_with_their_database() {
    let codec = FunctionCodec::default();
    codec::c4_references_are(&codec, &samples()[5], &[ObjectName::new("d", "other")]);
    codec::c4_references_are(
        &codec,
        &function("CREATE FUNCTION r(x INT) RETURNS d.r(x) + e.r(x)"),
        &[ObjectName::new("e", "r")],
    );
}

#[test]
fn all_overloads_get_the_name_and_calls_follow() {
    let codec = FunctionCodec::default();
    let object = &samples()[5];
    let name = |database: &str, name: &str| ObjectName::new(database, name);
    let objects = [
        (object.name.clone(), name("e", "sq2(INT,INT)")),
        (name("d", "other(INT)"), name("e", "other2(INT)")),
        (name("d", "abs(INT)"), name("e", "abs(INT)")),
    ];
    let renames = Renames { objects: objects.into(), ..Renames::default() };
    let renamed = codec.rename(&object.name, &codec.encode(object).unwrap(), &renames).unwrap();
    assert_eq!(renamed.body["name"], "sq2");
    assert_eq!(renamed.body["body"], "x * `order` /* times */ + e.other2(x) + abs(x)");
    let decoded = codec.decode(&name("e", "sq2(INT,INT)"), &renamed).unwrap();
    assert_eq!(decoded.definition["name"], "sq2");
    // A document cannot stand for another overload.
    let error = codec.decode(&name("e", "sq2(INT)"), &renamed).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn differences_are_named() {
    let codec = FunctionCodec::default();
    let java = |rest: &str| {
        function(&format!(
            "CREATE FUNCTION f(INT) RETURNS INT PROPERTIES ('symbol' = 'A', 'type' = 'StarrocksJar', 'file' = 'https://h/a.jar'{rest})"
        ))
    };
    codec::c6_a_difference_is_named(
        &codec,
        &java(""),
        &java(", 'isolation' = 'shared'"),
        "property isolation is inconsistent: not set here, \"shared\"",
    );
    // A file that could not be read has no checksum; two files have two.
    let (one, other) = (java(", 'md5' = 'x'"), java(", 'md5' = 'y'"));
    codec::c6_writing_does_not_count(&codec, &java(""), &one);
    codec::c6_a_difference_is_named(&codec, &one, &other, "property md5 is inconsistent");
    let sql = |body: &str| function(&format!("CREATE FUNCTION f(x INT) RETURNS {body}"));
    codec::c6_a_difference_is_named(
        &codec,
        &sql("x + 1"),
        &sql("x + 2"),
        "expression is inconsistent: x + 1 here",
    );
    codec::c6_writing_does_not_count(&codec, &sql("x + 1"), &sql("`x` /* one */ + 1"));
    codec::c6_a_difference_is_named(&codec, &java(""), &sql("x + 1"), "return type is inconsistent");
    let python = |body: &str| {
        function(&format!(
            "CREATE FUNCTION f(INT) RETURNS INT type = 'Python' symbol = 'f' file = 'inline' AS $${body}$$"
        ))
    };
    codec::c6_a_difference_is_named(&codec, &python("a"), &python("b"), "source is inconsistent");
    let mut other = samples()[6].clone();
    other.definition["secrets"]["aws.s3.secret_key"]["sealed"] = "b3RoZXI=".into();
    codec::c6_writing_does_not_count(&codec, &samples()[6], &other);
}

#[test]
fn secrets_are_in_no_text() {
    let codec = FunctionCodec::default();
    let document = codec.encode(&samples()[6]).unwrap();
    assert!(
        document.sql.starts_with("-- secret, add it to the properties: \"aws.s3.secret_key\"\n"),
        "{}",
        document.sql
    );
    assert!(!document.sql.contains("bm9uY2VzZWFsZWQ="), "{}", document.sql);
}

#[test]
fn a_function_has_one_file() {
    let codec = FunctionCodec::default();
    let object = &samples()[0];
    let mut check = codec.merge_check(object, Vec::new(), object, &RestoreOptions::default()).unwrap();
    let partition = |name: &str| serde_json::to_value(Partition::new(name, PartitionValue::All)).unwrap();
    assert_eq!(check.check(&partition(ARTIFACT_PARTITION)).unwrap(), Comparison::Same);
    assert_eq!(check.check(&partition("other")).unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(check.check(&json!(1)).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn documents_of_earlier_versions_are_read() {
    let named = ["java", "aggregate", "table", "python", "zip", "sql", "secrets"].into_iter().zip(samples());
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    codec::golden::check(&FunctionCodec::default(), dir, &named.collect::<Vec<_>>());
}

#[test]
fn the_words_are_those_of_the_parser() {
    let words = rockhold_sql::KindWords::of([FunctionCodec::default().descriptor()]);
    assert!(rockhold_sql::default_kinds().contains(&words[0]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_source_and_property_survive(source in "[^$]{0,40}", key in "[a-z\"\\\\]{1,8}", value in ".{0,12}") {
        let mut definition = definition(
            "CREATE FUNCTION f(INT) RETURNS INT type = 'Python' symbol = 'f' file = 'inline' AS $$x$$",
        );
        definition.body = Some(source);
        definition.properties.insert(format!("x.{key}"), value);
        let sample = object(&definition);
        let codec = FunctionCodec::default();
        codec::run_all(&codec, std::slice::from_ref(&sample));
        codec::c7_statements_make_an_equal_object(&codec, &sample, |statements| function(&statements[0]));
    }
}
