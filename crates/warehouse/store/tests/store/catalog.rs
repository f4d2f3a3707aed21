//! Databases, objects, partitions.

use crate::support::*;
use rockhold_core::{ErrorKind, KindId, Namespace, ObjectName, Warehouse};
use rockhold_warehouse_store::{Change, NewObject, Store};
use serde_json::json;

fn object(namespace: Namespace, kind: &'static str, name: ObjectName) -> Change {
    Change::CreateObject(NewObject {
        namespace,
        kind: KindId::new(kind),
        name,
        definition: json!({ "anything": ["goes", 1] }),
        state: json!(null),
        partitions: vec![],
    })
}

#[tokio::test]
async fn objects_of_unknown_kinds_are_kept_as_they_came() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    store.change(object(Namespace::Relation, "dream", name("d"))).await.expect("made");
    let found =
        Warehouse::object(&store, Namespace::Relation, &name("d")).await.expect("read").expect("there");
    assert_eq!((found.kind.as_str(), found.definition), ("dream", json!({ "anything": ["goes", 1] })));
}

#[tokio::test]
async fn names_are_unique_in_their_namespace_and_case_sensitive() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["t"]).await;
    create_table(&store, "T", &["T"]).await;
    let again = store.change(object(Namespace::Relation, "view", name("t"))).await.expect_err("taken");
    assert_eq!(
        (again.kind(), again.to_string().as_str()),
        (ErrorKind::AlreadyExists, "Table 't' already exists")
    );
    store.change(object(Namespace::Function, "function", name("t"))).await.expect("another namespace");
    let catalog = ObjectName::new("", "hive");
    store.change(object(Namespace::Catalog, "external_catalog", catalog.clone())).await.expect("a catalog");
    let names = |list: Vec<rockhold_core::ObjectSummary>| -> Vec<String> {
        list.iter().map(|o| format!("{} {}", o.kind, o.name)).collect()
    };
    let listed = Warehouse::objects(&store, "db").await.expect("list");
    assert_eq!(names(listed), ["table db.T", "table db.t", "function db.t"]);
    assert_eq!(names(Warehouse::objects(&store, "").await.expect("list")), ["external_catalog hive"]);
    let tables = store.list_kind(&KindId::TABLE).await.expect("list");
    let tables: Vec<String> = tables.iter().map(|found| found.object.name.to_string()).collect();
    assert_eq!(tables, ["db.T", "db.t"]);
    let missing = Warehouse::objects(&store, "nowhere").await.expect_err("missing");
    assert_eq!((missing.kind(), missing.message()), (ErrorKind::NotFound, "Unknown database 'nowhere'"));
}

#[tokio::test]
async fn changes_are_made_together_or_not_at_all() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let changes = vec![
        Change::CreateDatabase { name: "other".into() },
        Change::AddPartitions { table: name("t"), partitions: vec![partition("p2"), partition("P1")] },
    ];
    let error = store.apply(changes).await.expect_err("a duplicate");
    assert_eq!(error.to_string(), "Duplicate partition name P1");
    assert_eq!(Warehouse::databases(&store).await.expect("list"), ["db"]);
    assert_eq!(store.list_partitions(&name("t")).await.expect("list").len(), 1);
}

#[tokio::test]
async fn a_rename_keeps_rows_number_and_versions() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1, 2]).await.expect("load");
    let before = store.find_object(Namespace::Relation, &name("t")).await.expect("read").expect("there");
    let contents = read_table(&store, "t").await.expect("read");
    store
        .change(Change::RenameObject {
            namespace: Namespace::Relation,
            name: name("t"),
            to: name("u"),
            definition: definition("u"),
        })
        .await
        .expect("rename");
    let after = store.find_object(Namespace::Relation, &name("u")).await.expect("read").expect("there");
    assert_eq!((after.id, after.uid, after.revision), (before.id, before.uid, before.revision + 1));
    assert_eq!(read_table(&store, "u").await.expect("read"), contents);
    let renamed = Change::SetPartition {
        table: name("u"),
        name: "P1".into(),
        temporary: false,
        definition: partition("q"),
    };
    store.change(renamed).await.expect("rename");
    let (version, rows) = read_table(&store, "u").await.expect("read").remove("q").expect("renamed");
    assert_eq!((version, rows), (contents["p1"].0, vec![1, 2]));
    store.change(Change::RenameDatabase { name: "db".into(), to: "db2".into() }).await.expect("rename");
    assert_eq!(Warehouse::objects(&store, "db2").await.expect("list").len(), 1);
}

#[tokio::test]
async fn a_definition_that_changes_the_rows_gives_new_versions() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1", "p2"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let before = read_table(&store, "t").await.expect("read");
    let change = |rows_change| Change::SetDefinition {
        namespace: Namespace::Relation,
        name: name("t"),
        definition: json!({ "name": "t", "columns": ["v", "w"] }),
        rows_change,
    };
    store.change(change(false)).await.expect("comment");
    assert_eq!(read_table(&store, "t").await.expect("read"), before);
    store.change(change(true)).await.expect("column");
    let after = read_table(&store, "t").await.expect("read");
    for (partition, (version, rows)) in &before {
        assert_eq!(&after[partition].1, rows);
        assert_ne!(&after[partition].0, version);
    }
}

#[tokio::test]
async fn dropping_and_making_again_gives_another_identity() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let first = store.find_object(Namespace::Relation, &name("t")).await.expect("read").expect("there");
    let version = read_table(&store, "t").await.expect("read")["p1"].0;
    store.change(Change::DropObject { namespace: Namespace::Relation, name: name("t") }).await.expect("drop");
    create_table(&store, "t", &["p1"]).await;
    let second = store.find_object(Namespace::Relation, &name("t")).await.expect("read").expect("there");
    assert_ne!((first.id, first.uid), (second.id, second.uid));
    assert_ne!(read_table(&store, "t").await.expect("read")["p1"].0, version);
    store.change(Change::DropDatabase { name: "db".into() }).await.expect("drop");
    assert!(Warehouse::databases(&store).await.expect("list").is_empty());
}

#[tokio::test]
async fn temporary_partitions_are_apart_until_they_replace_others() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1", "p2"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let mut temporary = partition("p1");
    temporary.temporary = true;
    store
        .change(Change::AddPartitions { table: name("t"), partitions: vec![temporary.clone()] })
        .await
        .expect("a temporary partition of the same name");
    let load = store.begin_load(&name("t"), None).await.expect("load");
    let target = load.partitions().into_iter().find(|p| p.definition.temporary).expect("temporary");
    load.write_file(&target, 0, schema(), futures::stream::iter([Ok(batch(&[7]))])).await.expect("write");
    load.commit().await.expect("commit");
    let names = Warehouse::partitions(&store, &name("t"), None).await.expect("list");
    assert_eq!(names.len(), 2, "a backup does not see it: {names:?}");
    let change = Change::ReplacePartitions {
        table: name("t"),
        old: vec!["p1".into()],
        new: vec![("P1".into(), partition("p1"))],
    };
    store.change(change).await.expect("replace");
    assert_eq!(rows_by_partition(&store, "t").await["p1"], [7]);
}

#[tokio::test]
async fn a_missing_partition_is_named() {
    let dir = tempfile::tempdir().expect("dir");
    let store: Store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let names = vec!["P1".into(), "nope".into()];
    let drop = Change::DropPartitions { table: name("t"), names, temporary: false };
    let error = store.change(drop).await.expect_err("missing");
    assert_eq!(error.to_string(), "Unknown partition 'nope' in table 't'");
    assert_eq!(store.list_partitions(&name("t")).await.expect("list").len(), 1);
}
