use crate::bench::Bench;
use std::fs;
use std::path::Path;

const SECRET: &str = "secretsecretsecret";

async fn with_catalogs() -> Bench {
    let mut bench = Bench::new().await;
    bench
        .run(&format!(
            "CREATE EXTERNAL CATALOG hive1 PROPERTIES (\"type\" = \"hive\", \"hive.metastore.uris\" = \"thrift://127.0.0.1:9083\");
             CREATE EXTERNAL CATALOG ice COMMENT \"ice \\\"berg\\\"\" PROPERTIES (\"type\" = \"iceberg\",
               \"iceberg.catalog.type\" = \"hive\", \"hive.metastore.uris\" = \"thrift://127.0.0.1:9083\",
               \"aws.s3.access_key\" = \"AKIAABCDEFGHIJKL\", \"aws.s3.secret_key\" = \"{SECRET}\")"
        ))
        .await;
    bench
}

fn bytes_below(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(bytes_below(&path)) } else { all.extend(fs::read(path).unwrap()) }
    }
    all
}

#[tokio::test]
async fn catalogs_are_kept_and_shown_with_their_secrets_masked() {
    let mut bench = with_catalogs().await;
    assert_eq!(
        bench.rows("SHOW CATALOGS").await,
        [
            "default_catalog|Internal|An internal catalog contains this cluster's self-managed tables.",
            "hive1|Hive|",
            "ice|Iceberg|ice \"berg\"",
        ]
    );
    assert_eq!(
        bench.rows("SHOW CREATE CATALOG ice").await,
        [
            "ice|CREATE EXTERNAL CATALOG `ice`\ncomment \"ice \\\"berg\\\"\"\nPROPERTIES (\"aws.s3.access_key\"  =  \"AK******KL\",\n\"aws.s3.secret_key\"  =  \"se******et\",\n\"hive.metastore.uris\"  =  \"thrift://127.0.0.1:9083\",\n\"type\"  =  \"iceberg\",\n\"iceberg.catalog.type\"  =  \"hive\"\n)"
        ]
    );
    let stored = bytes_below(bench.dir.path());
    for secret in [SECRET, "AKIAABCDEFGHIJKL"] {
        assert!(
            !stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()),
            "a secret lies open on disk"
        );
    }
    bench.run("DROP CATALOG hive1; DROP CATALOG IF EXISTS hive1").await;
    assert_eq!(bench.error("DROP CATALOG hive1").await.errno, 5078);
    assert_eq!(bench.error("SHOW CREATE CATALOG hive1").await.errno, 5078);
    assert_eq!(bench.rows("SHOW CATALOGS").await.len(), 2);
}

#[tokio::test]
async fn external_catalogs_are_not_read_and_the_refusal_says_so() {
    let mut bench = with_catalogs().await;
    for sql in [
        "SELECT * FROM ice.db.t",
        "SET CATALOG ice",
        "USE ice.db",
        "SHOW DATABASES FROM ice",
        "CREATE DATABASE ice.db",
        "INSERT INTO ice.db.t VALUES (1)",
    ] {
        let error = bench.error(sql).await;
        assert!(error.message.contains("catalog ice is external"), "{sql}: {error}");
    }
    for sql in ["SELECT * FROM nosuch.db.t", "SET CATALOG nosuch", "SHOW DATABASES FROM nosuch"] {
        assert_eq!(bench.error(sql).await.errno, 5078, "{sql}");
    }
    bench.run("SET CATALOG default_catalog; USE default_catalog.d").await;
}

#[tokio::test]
async fn a_catalog_that_makes_no_sense_is_refused() {
    let mut bench = with_catalogs().await;
    for (sql, text) in [
        ("CREATE EXTERNAL CATALOG ice PROPERTIES ('type' = 'es', 'hosts' = 'http://h:1')", "already exists"),
        (
            "CREATE EXTERNAL CATALOG default_catalog PROPERTIES ('type' = 'es', 'hosts' = 'http://h:1')",
            "internal catalog",
        ),
        ("CREATE EXTERNAL CATALOG x PROPERTIES ('type' = 'nosuch')", "nosuch"),
        ("CREATE EXTERNAL CATALOG x PROPERTIES ('hosts' = 'h')", "type"),
        (
            "CREATE EXTERNAL CATALOG x PROPERTIES ('type' = 'jdbc', 'user' = 'u', 'password' = 'hunter2hunter2')",
            "jdbc_uri",
        ),
        ("DROP CATALOG default_catalog", "default"),
    ] {
        let error = bench.error(sql).await;
        assert!(error.message.contains(text) && !error.message.contains("hunter2"), "{sql}: {error}");
    }
    bench
        .run("CREATE EXTERNAL CATALOG IF NOT EXISTS ice PROPERTIES ('type' = 'es', 'hosts' = 'http://h:1')")
        .await;
    assert_eq!(bench.rows("SHOW CATALOGS").await.len(), 3);
}

#[tokio::test]
async fn secrets_of_another_warehouse_open_once_its_keys_are_here() {
    let mut here = with_catalogs().await;
    let mut there = Bench::new().await;
    there.run("CREATE EXTERNAL CATALOG own PROPERTIES ('type' = 'es', 'hosts' = 'http://h:1', 'user' = 'u', 'password' = 'abcdefghijklmnop')").await;
    here.move_object_to(&there, "ice").await;
    let masked = there.rows("SHOW CREATE CATALOG ice").await;
    assert!(masked[0].contains("\"aws.s3.secret_key\"  =  \"******\""), "{masked:?}");
    let keys = here.session.store().export_keys().await.unwrap();
    let done = there.session.store().import_keys(&keys).await.unwrap();
    assert_eq!((done.added, done.known), (1, 0));
    let open = there.rows("SHOW CREATE CATALOG ice").await;
    assert_eq!(open, here.rows("SHOW CREATE CATALOG ice").await);
    // The own key still seals and opens what is its own.
    assert!(there.rows("SHOW CREATE CATALOG own").await[0].contains("\"password\"  =  \"ab******op\""));
    let again = there.session.store().import_keys(&keys).await.unwrap();
    assert_eq!((again.added, again.known), (0, 1));
}
