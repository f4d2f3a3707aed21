//! StarRocks's own kinds, by the object types that the program links: SQL that
//! follows renames, SQL that does not parse, overloads, sealed secrets.

use crate::support::{MemoryFactory, World, open};
use rockhold_core::{KindId, Namespace, ObjectName, PartitionWriter, SnapshotWriter};
use rockhold_engine::{EngineBuilder, JobDetail};
use rockhold_layers::FaultPlan;
use rockhold_model::{Column, DataType, Partition, PartitionValue, Partitioning};
use rockhold_object_external_catalog::CatalogDocumentCodec;
use rockhold_object_function::FunctionCodec;
use rockhold_object_materialized_view::MaterializedViewCodec;
use rockhold_object_table::TableCodec;
use rockhold_object_view::ViewCodec;
use rockhold_sql::analyze::{self, Cluster};
use rockhold_sql::ast::Statement;
use rockhold_warehouse_store::{Change, NewObject};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// A world whose engine has the linked object types.
async fn world(dir: &Path, memory: &MemoryFactory) -> World {
    let plain = open(dir, memory, &FaultPlan::new()).await.unwrap();
    let with_data = |kind| -> Option<Arc<dyn SnapshotWriter>> { Some(Arc::new(PartitionWriter::new(kind))) };
    let store = Arc::new(plain.store.clone());
    let engine = EngineBuilder::new(store.clone(), store)
        .object_type(Arc::new(TableCodec::default()), with_data(KindId::TABLE))
        .and_then(|b| {
            b.object_type(Arc::new(MaterializedViewCodec::default()), with_data(KindId::MATERIALIZED_VIEW))
        })
        .and_then(|b| b.object_type(Arc::new(ViewCodec::default()), None))
        .and_then(|b| b.object_type(Arc::new(FunctionCodec::default()), with_data(KindId::FUNCTION)))
        .and_then(|b| b.object_type(Arc::new(CatalogDocumentCodec::default()), None))
        .and_then(|b| b.storage(Arc::new(memory.clone())))
        .unwrap()
        .build();
    World { engine, ..plain }
}

/// Makes what a CREATE statement says, without a query engine: the columns of
/// a query are `k` and `v`.
async fn make(w: &World, sql: &str) {
    let columns = || {
        let mut columns = vec![Column::new("k", DataType::Int), Column::new("v", DataType::Varchar(20))];
        columns.iter_mut().for_each(|column| column.nullable = true);
        columns
    };
    let object = |namespace, kind, name, definition| NewObject {
        namespace,
        kind,
        name,
        definition,
        state: Value::Null,
        partitions: Vec::new(),
    };
    let value = |definition: &dyn erased::Json| definition.json();
    let new = match w.parse(sql).unwrap() {
        Statement::CreateView(create) => {
            let names = ["k".to_owned(), "v".to_owned()];
            let view = analyze::create_view(&create, &names, "d").unwrap();
            object(Namespace::Relation, KindId::VIEW, ObjectName::new("d", &view.name), value(&view))
        }
        Statement::CreateMaterializedView(create) => {
            let view = analyze::create_materialized_view(
                &create,
                columns(),
                Partitioning::Unpartitioned,
                "d",
                &Cluster::default(),
            )
            .unwrap();
            let name = ObjectName::new("d", &view.name);
            let mut new = object(Namespace::Relation, KindId::MATERIALIZED_VIEW, name, value(&view));
            new.partitions.push(Partition::new(view.name, PartitionValue::All));
            new
        }
        Statement::CreateFunction(create) => {
            let function = analyze::create_function(&create).unwrap().definition;
            let name = ObjectName::new("d", function.signature());
            object(Namespace::Function, KindId::FUNCTION, name, value(&function))
        }
        Statement::CreateCatalog(create) => {
            let analyzed = analyze::create_catalog(&create).unwrap();
            let mut catalog = analyzed.definition;
            for (property, secret) in analyzed.secrets {
                let sealed = w.store.seal(&property, &secret).await.unwrap();
                catalog.secrets.insert(property, sealed);
            }
            let name = ObjectName::new("", &catalog.name);
            object(Namespace::Catalog, KindId::EXTERNAL_CATALOG, name, value(&catalog))
        }
        other => panic!("{other}"),
    };
    w.store.change(Change::CreateObject(new)).await.unwrap();
}

/// Serialises whatever definition.
mod erased {
    pub(super) trait Json {
        fn json(&self) -> serde_json::Value;
    }

    impl<T: serde::Serialize> Json for T {
        fn json(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap()
        }
    }
}

async fn definition(w: &World, namespace: Namespace, database: &str, name: &str) -> Value {
    let found = w.store.find_object(namespace, &ObjectName::new(database, name)).await.unwrap();
    found.unwrap_or_else(|| panic!("{database}.{name}")).object.definition
}

async fn query(w: &World, database: &str, name: &str) -> String {
    definition(w, Namespace::Relation, database, name).await["query"].as_str().unwrap().to_owned()
}

const VIEW: &str = "SELECT /* all of t */ k, v -- of t\nFROM t";

async fn set_up(w: &World) {
    w.set_up(1).await;
    make(w, &format!("CREATE VIEW v AS {VIEW}")).await;
    make(w, "CREATE VIEW far AS SELECT t.k, o.v FROM d.t JOIN other.o o ON t.k = o.k").await;
    make(w, "CREATE MATERIALIZED VIEW m REFRESH DEFERRED MANUAL AS SELECT k, v FROM v").await;
    make(w, "CREATE FUNCTION f(x INT) RETURNS x + 1").await;
    make(w, "CREATE FUNCTION f(x VARCHAR) RETURNS upper(x)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_sql_follows_what_came_along_and_keeps_comments_and_all_else() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = world(dir.path(), &memory).await;
    set_up(&w).await;
    let rows = w.rows("EXPLAIN BACKUP DATABASE d SNAPSHOT s TO r").await.unwrap();
    let note = rows.iter().find(|row| row[0].as_deref() == Some("note")).unwrap()[9].clone().unwrap();
    assert_eq!(note, "view d.far refers to other.o, which does not exist");
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let rows = w.rows("SHOW BACKUP FROM d").await.unwrap();
    assert_eq!(rows[0][4].as_deref(), Some("[d.t AS t], [d.far AS far], [d.v AS v], [d.m AS m]"));

    // The whole database under another name.
    w.done(&w.restore("s", "DATABASE d AS e").await).await;
    assert_eq!(query(&w, "e", "v").await, VIEW);
    assert_eq!(definition(&w, Namespace::Relation, "e", "v").await["default_database"], "e");
    assert!(query(&w, "e", "far").await.contains("JOIN other.o o"), "what stayed keeps its name");
    assert!(!query(&w, "e", "far").await.contains("d.t"));
    // New names, in and outside of comments.
    let restore = w.restore("s", "DATABASE d AS g ON (t AS t2, v AS v2, m AS m2, FUNCTION f AS h)").await;
    w.done(&restore).await;
    assert_eq!(query(&w, "g", "v2").await, VIEW.replace("FROM t", "FROM t2"));
    assert!(query(&w, "g", "m2").await.contains("v2"));
    let function = definition(&w, Namespace::Function, "g", "h(INT)").await;
    assert_eq!((&function["name"], &function["body"]), (&"h".into(), &"x + 1".into()));
    // The base stayed behind.
    w.done(&w.restore("s", "DATABASE d AS h ON (v)").await).await;
    let alone = definition(&w, Namespace::Relation, "h", "v").await;
    assert_eq!((alone["query"].as_str(), &alone["default_database"]), (Some(VIEW), &"d".into()));

    // All of it once more, over itself: the same definitions are replaced.
    w.done(&restore).await;
    w.done(&w.restore("s", "DATABASE d").await).await;
    // And another one is refused with the first difference.
    let name = ObjectName::new("d", "v");
    w.store.change(Change::DropObject { namespace: Namespace::Relation, name }).await.unwrap();
    make(&w, "CREATE VIEW v AS SELECT k, k AS v FROM t").await;
    let status = w.refused(&w.restore("s", "DATABASE d ON (v)").await).await;
    assert!(status.contains("View v already exist but with different definition, errMsg: query"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_that_does_not_parse_is_restored_under_its_own_name_and_no_other() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = world(dir.path(), &memory).await;
    set_up(&w).await;
    let mut broken = definition(&w, Namespace::Relation, "d", "v").await;
    broken["query"] = "SELECT FROM WHERE".into();
    let name = ObjectName::new("d", "v");
    let namespace = Namespace::Relation;
    let change = Change::SetDefinition { namespace, name, definition: broken, rows_change: false };
    w.store.change(change).await.unwrap();
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    w.done(&w.restore("s", "DATABASE d AS e").await).await;
    assert_eq!(query(&w, "e", "v").await, "SELECT FROM WHERE");
    let restore = w.restore("s", "DATABASE d AS g ON (v AS w)").await;
    let status = w.refused(&restore).await;
    assert!(status.starts_with("[UNSUPPORTED, msg: ") && status.contains("does not parse"), "{status}");
    let rows = w.rows(&format!("EXPLAIN {restore}")).await.unwrap();
    assert_eq!(rows[0][4].as_deref(), Some("refused"));
    assert!(rows[0][9].as_ref().unwrap().contains("d.v"), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_materialized_view_without_its_base_is_refused_by_name_in_starrocks_words() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = world(dir.path(), &memory).await;
    set_up(&w).await;
    let name = ObjectName::new("d", "v");
    w.store.change(Change::DropObject { namespace: Namespace::Relation, name }).await.unwrap();
    let error = w.job("BACKUP SNAPSHOT d.s4 TO r ON (MATERIALIZED VIEW m)").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Getting analyzing error. Detail message: Base table v does not exist in materialized view m when \
         backup/restore."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogs_are_restored_without_the_key_and_the_secrets_that_need_it_are_named() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let memory = MemoryFactory::default();
    let w = world(from.path(), &memory).await;
    w.sql("CREATE REPOSITORY r WITH BROKER ON LOCATION \"mem://r\"").await.unwrap();
    let create = "CREATE EXTERNAL CATALOG ice PROPERTIES (\"type\" = \"iceberg\", \"iceberg.catalog.type\" = \"rest\", \
                  \"iceberg.catalog.uri\" = \"http://127.0.0.1:9\", \"aws.s3.access_key\" = \"AK-never-shown\", \
                  \"aws.s3.secret_key\" = \"SK-never-shown\")";
    make(&w, create).await;
    w.done("BACKUP ALL EXTERNAL CATALOGS SNAPSHOT c TO r").await;
    let stored = memory.repository("mem://r/__rockhold_repository_r").objects();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("never-shown");
    assert!(stored.values().all(|bytes| !shown(bytes)), "no secret is stored in clear");

    // A warehouse with a key of its own.
    let other = world(to.path(), &memory).await;
    other.sql("CREATE REPOSITORY r WITH BROKER ON LOCATION \"mem://r\"").await.unwrap();
    let restore = other.restore("c", "").await;
    let record = other.job(&restore).await.unwrap();
    assert_eq!(record.state, "FINISHED", "{}", rockhold_engine::job_status(&record));
    let notes = JobDetail::of(&record).unwrap().notes;
    assert!(notes.len() == 2 && notes.iter().all(|note| note.contains("key")), "{notes:?}");
    assert!(notes[1].contains("aws.s3.secret_key") && notes[1].contains("ice"), "{notes:?}");
    let secret = async |w: &World| {
        let catalog = definition(w, Namespace::Catalog, "", "ice").await;
        assert_eq!(catalog["properties"]["type"], "iceberg");
        let sealed = serde_json::from_value(catalog["secrets"]["aws.s3.secret_key"].clone()).unwrap();
        w.store.open_sealed("aws.s3.secret_key", &sealed).await.map(|secret| secret.expose().to_owned())
    };
    assert_eq!(secret(&other).await.unwrap_err().kind(), rockhold_core::ErrorKind::Unauthenticated);

    // With the key they can be used, and a restore has nothing to remark.
    let keys = w.store.export_keys().await.unwrap();
    other.store.import_keys(&keys).await.unwrap();
    assert_eq!(secret(&other).await.unwrap(), "SK-never-shown");
    let record = other.job(&restore).await.unwrap();
    assert_eq!(record.state, "FINISHED", "{}", rockhold_engine::job_status(&record));
    assert_eq!(JobDetail::of(&record).unwrap().notes, Vec::<String>::new());
    assert_eq!(secret(&other).await.unwrap(), "SK-never-shown");

    // A catalog that has working secrets keeps them when a restore cannot bring any.
    let third = tempfile::tempdir().unwrap();
    let third = world(third.path(), &memory).await;
    third.sql("CREATE REPOSITORY r WITH BROKER ON LOCATION \"mem://r\"").await.unwrap();
    make(&third, &create.replace("SK-never-shown", "own")).await;
    let record = third.job(&restore).await.unwrap();
    assert_eq!(record.state, "FINISHED", "{}", rockhold_engine::job_status(&record));
    assert_eq!(JobDetail::of(&record).unwrap().notes.len(), 2);
    assert_eq!(secret(&third).await.unwrap(), "own");
}
