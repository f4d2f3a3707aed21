//! External catalogs as documents.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

use proptest::prelude::*;
use rockhold_core::{CatalogCodec, KindId, LiveObject, Namespace, ObjectName, Renames};
use rockhold_model::SealedValue;
use rockhold_object_external_catalog::CatalogDocumentCodec;
use rockhold_sql::analyze::create_catalog;
use rockhold_sql::ast::Statement;
use rockhold_sql::parse_one;
use rockhold_testkit::codec;
use serde_json::Value;

/// The catalog of a statement, its secrets as if a warehouse had encrypted them.
fn catalog(sql: &str) -> LiveObject {
    let Statement::CreateCatalog(create) = parse_one(sql).unwrap_or_else(|error| panic!("{sql}\n{error}"))
    else {
        panic!("{sql}")
    };
    let analyzed = create_catalog(&create).unwrap_or_else(|error| panic!("{sql}\n{error}"));
    let mut definition = analyzed.definition;
    for name in analyzed.secrets.keys() {
        let sealed = SealedValue { key_id: "key-1".into(), sealed: format!("c2VhbGVk{}", name.len()) };
        definition.secrets.insert(name.clone(), sealed);
    }
    LiveObject {
        kind: KindId::EXTERNAL_CATALOG,
        name: ObjectName::new("", definition.name.clone()),
        definition: serde_json::to_value(&definition).unwrap(),
        state: Value::Null,
    }
}

fn samples() -> Vec<LiveObject> {
    [
        "CREATE EXTERNAL CATALOG hive1 COMMENT \"the \\\"lake\\\"\" PROPERTIES ('type' = 'hive', 'hive.metastore.uris' = \
         'thrift://a:9083,thrift://b:9083', 'aws.s3.access_key' = 'AKIAABCDEFGHIJKL', 'aws.s3.secret_key' = 'secretsecret')",
        "CREATE EXTERNAL CATALOG ice PROPERTIES ('type' = 'iceberg', 'iceberg.catalog.type' = 'rest', 'iceberg.catalog.uri' = \
         'http://h:8181', 'iceberg.catalog.oauth2.credential' = 'id:secret')",
        "CREATE EXTERNAL CATALOG hudi PROPERTIES ('type' = 'hudi', 'hive.metastore.type' = 'glue', 'aws.glue.region' = 'r')",
        "CREATE EXTERNAL CATALOG delta PROPERTIES ('type' = 'deltalake', 'hive.metastore.uris' = 'thrift://a:9083')",
        "CREATE EXTERNAL CATALOG pg PROPERTIES ('type' = 'jdbc', 'user' = 'u', 'password' = 'p', 'jdbc_uri' = \
         'jdbc:postgresql://h:5432', 'driver_url' = 'https://h/d.jar', 'driver_class' = 'org.postgresql.Driver')",
        "CREATE EXTERNAL CATALOG es PROPERTIES ('type' = 'es', 'hosts' = 'https://h:9200', 'user' = 'u', 'password' = 'p')",
        "CREATE EXTERNAL CATALOG paimon PROPERTIES ('type' = 'paimon', 'paimon.catalog.type' = 'filesystem', \
         'paimon.catalog.warehouse' = 's3://b/w')",
        "CREATE EXTERNAL CATALOG uni PROPERTIES ('type' = 'unified', 'unified.metastore.type' = 'hive', \
         'hive.metastore.uris' = 'thrift://a:9083')",
    ]
    .map(catalog)
    .into()
}

#[test]
fn the_codec_keeps_its_contract_for_every_type_of_catalog() {
    let codec = CatalogDocumentCodec::default();
    let samples = samples();
    codec::run_all(&codec, &samples);
    for sample in &samples {
        codec::c4_references_are(&codec, sample, &[]);
        if sample.definition.get("secrets").is_none() {
            codec::c7_statements_make_an_equal_object(&codec, sample, |statements| catalog(&statements[0]));
        }
    }
}

#[test]
fn a_catalog_lies_in_no_database() {
    let descriptor = rockhold_object_external_catalog::descriptor();
    assert_eq!(descriptor.namespace, Namespace::Catalog);
    assert!(!descriptor.in_database_backup && !descriptor.has_data);
}

#[test]
fn secrets_travel_encrypted_and_in_no_text() {
    let codec = CatalogDocumentCodec::default();
    let document = codec.encode(&samples()[0]).unwrap();
    let text = serde_json::to_string(&document).unwrap();
    assert!(!text.contains("AKIA") && !text.contains("secretsecret"), "{text}");
    assert_eq!(document.body["secrets"]["aws.s3.secret_key"]["key_id"], "key-1");
    assert!(!document.sql.contains("c2VhbGVk"), "{}", document.sql);
    assert!(
        document.sql.starts_with(
            "-- secret, add it to the properties: \"aws.s3.access_key\"\n\
             -- secret, add it to the properties: \"aws.s3.secret_key\"\nCREATE EXTERNAL CATALOG `hive1`\n"
        ),
        "{}",
        document.sql
    );
}

#[test]
fn differences_are_named_and_credentials_do_not_count() {
    let codec = CatalogDocumentCodec::default();
    let hive = |rest: &str| catalog(&format!("CREATE EXTERNAL CATALOG c {rest}"));
    let one = hive(
        "PROPERTIES ('type' = 'hive', 'hive.metastore.uris' = 'thrift://a:1', 'aws.s3.secret_key' = 'x')",
    );
    codec::c6_writing_does_not_count(
        &codec,
        &one,
        &hive("COMMENT 'c' PROPERTIES ('hive.metastore.uris' = 'thrift://a:1', 'type' = 'hive')"),
    );
    for (other, words) in [
        (
            "PROPERTIES ('type' = 'hive', 'hive.metastore.uris' = 'thrift://b:1')",
            "property hive.metastore.uris is inconsistent: \"thrift://a:1\" here, \"thrift://b:1\" in the snapshot",
        ),
        (
            "PROPERTIES ('type' = 'hudi', 'hive.metastore.uris' = 'thrift://b:1')",
            "property type is inconsistent: \"hive\" here, \"hudi\" in the snapshot",
        ),
    ] {
        codec::c6_a_difference_is_named(&codec, &one, &hive(other), words);
    }
}

#[test]
fn an_alias_names_the_catalog() {
    let codec = CatalogDocumentCodec::default();
    let object = &samples()[1];
    let objects = [(object.name.clone(), ObjectName::new("", "snow"))];
    let renames = Renames { objects: objects.into(), ..Renames::default() };
    let renamed = codec.rename(&object.name, &codec.encode(object).unwrap(), &renames).unwrap();
    assert_eq!(renamed.body["name"], "snow");
    assert!(renamed.sql.contains("CREATE EXTERNAL CATALOG `snow`"), "{}", renamed.sql);
}

#[test]
fn documents_of_earlier_versions_are_read() {
    let named = ["hive", "iceberg", "hudi", "delta", "jdbc", "es"].into_iter().zip(samples());
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    codec::golden::check(&CatalogDocumentCodec::default(), dir, &named.collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_comment_and_property_survive(comment in ".{0,20}", key in "[a-z\"\\\\.]{1,8}", value in ".{0,12}") {
        let mut sample = catalog(
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'hive', 'hive.metastore.uris' = 'thrift://a:1')",
        );
        if !comment.is_empty() {
            sample.definition["comment"] = comment.into();
        }
        sample.definition["properties"][format!("x.{key}")] = value.into();
        let codec = CatalogDocumentCodec::default();
        codec::run_all(&codec, std::slice::from_ref(&sample));
        codec::c7_statements_make_an_equal_object(&codec, &sample, |statements| catalog(&statements[0]));
    }
}
