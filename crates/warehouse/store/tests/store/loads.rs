//! Loads.

use crate::support::*;
use bytes::Bytes;
use rockhold_core::{
    DataPart, Digest, ErrorKind, JobId, KindId, LiveObject, Namespace, ObjectName, PinRequest, RestoreAction,
    Warehouse,
};
use rockhold_warehouse_store::{Change, NewObject};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_load_is_visible_whole_after_commit_and_not_before() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1", "p2"]).await;
    let load = store.begin_load(&name("t"), Some("label_1")).await.expect("begin");
    add_rows(&load, "p1", &[1, 2]).await.expect("write");
    add_rows(&load, "P2", &[3]).await.expect("write");
    assert!(rows_by_partition(&store, "t").await.values().all(Vec::is_empty));
    let summary = load.commit().await.expect("commit");
    assert_eq!((summary.rows, summary.files, summary.versions.len()), (3, 2, 2));
    let rows = rows_by_partition(&store, "t").await;
    assert_eq!((&rows["p1"][..], &rows["p2"][..]), (&[1, 2][..], &[3][..]));
    let again = store.begin_load(&name("t"), Some("label_1")).await.expect_err("used");
    assert_eq!(again.message(), "Label [label_1] has already been used; give another one");
}

#[tokio::test]
async fn untouched_partitions_keep_their_version() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1", "p2"]).await;
    let before = read_table(&store, "t").await.expect("read");
    load(&store, "t", "p1", &[1]).await.expect("load");
    let after = read_table(&store, "t").await.expect("read");
    assert_eq!(before["p2"], after["p2"]);
    assert_ne!(before["p1"].0, after["p1"].0);
}

#[tokio::test]
async fn a_dropped_load_leaves_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let load = store.begin_load(&name("t"), None).await.expect("begin");
    add_rows(&load, "p1", &[1]).await.expect("write");
    load.rollback().await.expect("rollback");
    let load = store.begin_load(&name("t"), None).await.expect("begin");
    add_rows(&load, "p1", &[1]).await.expect("write");
    drop(load);
    drop(store);
    assert_eq!((files_on_disk(dir.path()).len(), staged_on_disk(dir.path())), (0, 0));
}

#[tokio::test]
async fn overwrite_removal_and_new_partitions_commit_together() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1", "p2"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    load(&store, "t", "p2", &[2]).await.expect("load");
    load(&store, "t", "p2", &[3]).await.expect("load");
    let pinned = store.snapshot(&[name("t")]).await.expect("pin");
    let load = store.begin_load(&name("t"), None).await.expect("begin");
    let (p1, p2) = (load.partition("p1").expect("p1"), load.partition("p2").expect("p2"));
    load.truncate(&p1);
    add_rows(&load, "p1", &[10]).await.expect("write");
    let info = &pinned.objects()[0].partitions[1];
    let first = &pinned.files(info).await.expect("files")[0];
    load.remove_file(&p2, first.number);
    let p3 = load.create_partition(partition("p3"));
    let same = load.create_partition(partition("P3"));
    assert_eq!(p3.definition, same.definition);
    add_rows(&load, "p3", &[30]).await.expect("write");
    load.merge_state(json!({ "auto_increment": 9 }));
    load.also(Change::CreateDatabase { name: "also".into() });
    load.commit().await.expect("commit");
    let rows = rows_by_partition(&store, "t").await;
    assert_eq!((&rows["p1"][..], &rows["p2"][..], &rows["p3"][..]), (&[10][..], &[3][..], &[30][..]));
    assert_eq!(Warehouse::databases(&store).await.expect("list"), ["also", "db"]);
    let found = store.find_object(Namespace::Relation, &name("t")).await.expect("read").expect("there");
    assert_eq!(found.object.state, json!({ "auto_increment": 9 }));
    store.reclaim().await.expect("reclaim");
    let files = pinned.files(info).await.expect("files");
    let old: Vec<i64> = files.iter().flat_map(|f| rows_of(&f.path)).collect();
    assert_eq!(old, [2, 3], "the older snapshot still reads what it saw");
}

#[tokio::test]
async fn loads_of_one_table_take_turns_and_count_up() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let first = store.begin_load(&name("t"), None).await.expect("begin");
    let (table, second) = (name("t"), store.clone());
    let waiting = tokio::spawn(async move { second.begin_load(&table, None).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    let sequence = first.sequence();
    add_rows(&first, "p1", &[1]).await.expect("write");
    first.commit().await.expect("commit");
    let second = waiting.await.expect("task").expect("begin");
    assert_eq!(second.sequence(), sequence + 1);
    let loads: Vec<_> = {
        let snapshot = store.snapshot(&[name("t")]).await.expect("pin");
        let files = snapshot.files(&snapshot.objects()[0].partitions[0]).await.expect("files");
        files.iter().map(|f| f.loads).collect()
    };
    assert_eq!(loads, [Some((sequence, sequence))]);
}

#[tokio::test]
async fn a_load_into_a_table_that_changed_is_refused_and_removed() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let changes = [
        Change::TruncatePartitions { table: name("t"), names: None },
        Change::SetDefinition {
            namespace: Namespace::Relation,
            name: name("t"),
            definition: json!({ "name": "t" }),
            rows_change: false,
        },
        Change::DropObject { namespace: Namespace::Relation, name: name("t") },
    ];
    for change in changes {
        let load = store.begin_load(&name("t"), None).await.expect("begin");
        add_rows(&load, "p1", &[1]).await.expect("write");
        store.change(change).await.expect("change");
        let error = load.commit().await.expect_err("changed meanwhile");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        assert!(error.message().ends_with("during the load; repeat it"), "{error}");
    }
    store.reclaim().await.expect("reclaim");
    assert_eq!((files_on_disk(dir.path()).len(), staged_on_disk(dir.path())), (0, 0));
}

#[tokio::test]
async fn a_table_under_restore_refuses_reads_writes_and_changes_in_the_guides_words() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let early = store.begin_load(&name("t"), None).await.expect("begin");
    add_rows(&early, "p1", &[1]).await.expect("write");
    let job = JobId::random().expect("id");
    store.begin(job, &plan("t", RestoreAction::Merge, json!({}))).await.expect("begin");
    let text = |error: rockhold_core::Error| error.message().to_owned();
    assert_eq!(text(early.commit().await.expect_err("refused")), "cannot write RESTORE state table");
    let late = store.begin_load(&name("t"), None).await.expect_err("refused");
    assert_eq!(text(late), "cannot write RESTORE state table");
    let read = store.snapshot(&[name("t")]).await.expect_err("refused");
    assert_eq!(text(read), "table state is not NORMAL: 'RESTORE'");
    let changes = [
        Change::TruncatePartitions { table: name("t"), names: None },
        Change::DropPartitions { table: name("t"), names: vec!["p1".into()], temporary: false },
        Change::DropObject { namespace: Namespace::Relation, name: name("t") },
    ];
    for change in changes {
        let error = store.change(change).await.expect_err("refused");
        assert_eq!(text(error), "a snapshot restore operation is in progress on table t");
    }
    let error = store.change(Change::DropDatabase { name: "db".into() }).await.expect_err("refused");
    assert_eq!(text(error), "a snapshot restore operation is in progress on database db");
    store.rollback(job).await.expect("rollback");
    load(&store, "t", "p1", &[1]).await.expect("again");
}

#[tokio::test]
async fn an_object_appears_together_with_its_file_or_not_at_all() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let (namespace, at) = (Namespace::Function, name("f(INT)"));
    let live = LiveObject {
        kind: KindId::FUNCTION,
        name: at.clone(),
        definition: json!({ "name": "f" }),
        state: Value::Null,
    };
    let new = NewObject {
        namespace,
        kind: KindId::FUNCTION,
        name: at.clone(),
        definition: live.definition.clone(),
        state: Value::Null,
        partitions: Vec::new(),
    };
    let write = async |bytes: &'static [u8]| {
        let load = store.begin_object(namespace, live.clone()).await.expect("begin");
        let artifact = load.create_partition(partition("artifact"));
        assert!(load.raw_file(&artifact, "J/R").await.is_err(), "not an extension");
        let mut file = load.raw_file(&artifact, "jar").await.expect("file");
        for piece in bytes.chunks(3) {
            file.write(Bytes::from_static(piece)).await.expect("write");
        }
        let info = file.finish().await.expect("finish");
        assert_eq!((info.digest, info.len, info.rows), (Digest::of(bytes), bytes.len() as u64, 0));
        load
    };
    write(b"given up").await.rollback().await.expect("rollback");
    assert_eq!(store.find_object(namespace, &at).await.expect("read"), None);
    write(b"bytes of a jar").await.commit_creating(Vec::new(), new.clone()).await.expect("commit");
    let found = store.find_object(namespace, &at).await.expect("read").expect("there");
    assert_eq!((&found.object, found.next_load), (&live, 2));

    let taken = write(b"second").await.commit_creating(Vec::new(), new.clone()).await.expect_err("taken");
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let first = store.find_functions("db", "f").await.expect("read");
    assert_eq!((first.len(), &first[0].uid), (1, &found.uid));

    let drop = Change::DropObject { namespace, name: at.clone() };
    write(b"third").await.commit_creating(vec![drop], new).await.expect("replace");
    let job = JobId::random().expect("id");
    let cut = store.pin(job, vec![PinRequest::new(KindId::FUNCTION, at)]).await.expect("pin");
    let artifact = cut.partitions(0, None, 10).await.expect("partitions").remove(0);
    let file = cut.files(&artifact, None, 10).await.expect("files").remove(0);
    let DataPart::LocalFile { path, .. } = file.part else { panic!("a local file") };
    assert_eq!(std::fs::read(path).expect("read"), b"third");
    assert_eq!((file.extension.as_str(), file.bucket, file.rows), ("jar", 0, 0));
    store.release(job).await.expect("release");
    store.reclaim().await.expect("reclaim");
    assert!(std::fs::read_dir(dir.path().join("staging")).expect("list").next().is_none());
}

#[tokio::test]
async fn functions_are_found_by_the_name_before_their_types() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    for (database, signature) in [
        ("db", "f(INT)"),
        ("db", "f()"),
        ("db", "f2(INT)"),
        ("db", "ff()"),
        ("db", "F()"),
        ("", "f(VARCHAR)"),
    ] {
        let object = NewObject {
            namespace: Namespace::Function,
            kind: KindId::FUNCTION,
            name: ObjectName::new(database, signature),
            definition: json!({}),
            state: Value::Null,
            partitions: Vec::new(),
        };
        store.change(Change::CreateObject(object)).await.expect("create");
    }
    let names = async |database: &str, name: &str| -> Vec<String> {
        let found = store.find_functions(database, name).await.expect("read");
        found.into_iter().map(|object| object.object.name.name).collect()
    };
    assert_eq!(names("db", "f").await, ["f()", "f(INT)"]);
    assert_eq!(names("", "f").await, ["f(VARCHAR)"]);
    assert!(names("db", "").await.is_empty());
    store.change(Change::DropDatabase { name: "db".into() }).await.expect("drop");
    assert_eq!(names("", "f").await, ["f(VARCHAR)"], "functions outside of databases stay");
}
