//! The numbered sentences of the warehouse's contract.

use crate::support::*;
use bytes::Bytes;
use rockhold_core::{
    Digest, ErrorKind, Guarantee, JobId, JobOutcome, KindId, Namespace, ObjectName, PinRequest,
    RestoreAction, StagedFile, Warehouse,
};
use rockhold_warehouse_store::Change;
use serde_json::json;

#[tokio::test]
async fn h1_partition_names_are_found_in_any_case_and_given_as_stored() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["pB", "pA"]).await;
    let asked = ["PB".to_owned(), "missing".to_owned()];
    let found = Warehouse::partitions(&store, &name("t"), Some(&asked)).await.expect("list");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["name"], "pB");
    let all = Warehouse::partitions(&store, &name("t"), None).await.expect("list");
    assert_eq!((all[0]["name"].clone(), all[1]["name"].clone()), (json!("pA"), json!("pB")));
    let missing = Warehouse::partitions(&store, &name("T"), None).await.expect_err("another name");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(Warehouse::object(&store, Namespace::Relation, &name("T")).await.expect("read"), None);
}

#[tokio::test]
async fn h2_and_h3_a_cut_stays_as_it_was_until_it_is_released() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    assert_eq!(store.guarantees().cut, Guarantee::Whole);
    create_table(&store, "t", &["p1", "p2", "p3"]).await;
    create_table(&store, "u", &["u"]).await;
    for (partition, rows) in [("p1", [1, 2]), ("p1", [3, 4]), ("p2", [5, 6])] {
        load(&store, "t", partition, &rows).await.expect("load");
    }
    load(&store, "u", "u", &[9]).await.expect("load");
    let job = JobId::random().expect("id");
    let requests = vec![
        PinRequest::new(KindId::TABLE, name("t")),
        PinRequest::new(KindId::TABLE, name("u")),
        PinRequest::new(KindId::TABLE, name("t")).partitions(vec!["P2".into()]),
    ];
    let cut = store.pin(job, requests).await.expect("pin");
    let before = save(&*cut, 0).await.expect("read");
    load(&store, "t", "p1", &[100]).await.expect("load");
    store
        .change(Change::TruncatePartitions { table: name("t"), names: Some(vec!["p2".into()]) })
        .await
        .expect("truncate");
    store.change(Change::DropObject { namespace: Namespace::Relation, name: name("u") }).await.expect("drop");
    store.change(Change::DropDatabase { name: "db".into() }).await.expect("drop");
    store.reclaim().await.expect("reclaim");
    let after = save(&*cut, 0).await.expect("read");
    let rows = |saved: &[Saved]| -> Vec<_> {
        saved.iter().map(|s| (s.entry.name.clone(), s.entry.version_id, s.rows())).collect()
    };
    assert_eq!(rows(&before), rows(&after));
    assert_eq!(after[0].rows(), [1, 2, 3, 4]);
    assert_eq!(save(&*cut, 1).await.expect("read")[0].rows(), [9]);
    let chosen = save(&*cut, 2).await.expect("read");
    assert_eq!((chosen.len(), chosen[0].entry.name.as_str()), (1, "p2"));
    assert_eq!(cut.objects()[1].name, name("u"));
    store.release(job).await.expect("release");
    store.release(job).await.expect("twice");
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 0);
    assert_eq!(cut.partitions(0, None, 10).await.expect_err("released").kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn pinning_what_is_not_there_names_it() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let job = JobId::random().expect("id");
    let pin = |request: PinRequest| store.pin(job, vec![request]);
    let error = pin(PinRequest::new(KindId::TABLE, name("x"))).await.err().expect("missing");
    assert_eq!(error.to_string(), "Unknown table 'db.x'");
    let error = pin(PinRequest::new(KindId::TABLE, ObjectName::new("no", "x"))).await.err().expect("missing");
    assert_eq!(error.to_string(), "Unknown database 'no'");
    let error = pin(PinRequest::new(KindId::TABLE, name("t")).partitions(vec!["q".into()]))
        .await
        .err()
        .expect("missing");
    assert_eq!(error.to_string(), "Unknown partition 'q' in table 't'");
    let error = pin(PinRequest::new(KindId::new("view"), name("t"))).await.err().expect("another kind");
    assert_eq!(error.to_string(), "'db.t' is not a view");
}

#[tokio::test]
async fn h5_to_h9_a_restore_shows_nothing_before_commit_and_everything_after() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1", "p2"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    load(&store, "t", "p2", &[2]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    load(&store, "t", "p1", &[11]).await.expect("load");
    store
        .change(Change::DropPartitions { table: name("t"), names: vec!["p2".into()], temporary: false })
        .await
        .expect("drop");
    store
        .change(Change::AddPartitions { table: name("t"), partitions: vec![partition("p3")] })
        .await
        .expect("add");
    load(&store, "t", "p3", &[3]).await.expect("load");
    let listed = store.list_partitions(&name("t")).await.expect("list");

    let job = JobId::random().expect("id");
    assert_eq!(store.outcome(job).await.expect("outcome"), JobOutcome::Unknown);
    store.begin(job, &plan("t", RestoreAction::Merge, json!({ "auto_increment": 5 }))).await.expect("begin");
    store
        .begin(job, &plan("t", RestoreAction::Merge, json!({ "auto_increment": 5 })))
        .await
        .expect("a lost answer");
    assert_eq!(store.outcome(job).await.expect("outcome"), JobOutcome::Open);
    assert_eq!(store.busy(&name("t")).await.expect("busy").as_deref(), Some("RESTORE"));
    let other = JobId::random().expect("id");
    let second = store.begin(other, &plan("t", RestoreAction::Merge, json!({}))).await.expect_err("busy");
    assert_eq!(second.message(), "table t's state is not NORMAL: RESTORE");
    assert_eq!(store.outcome(other).await.expect("outcome"), JobOutcome::Unknown);

    stage(&store, job, 0, &saved).await.expect("stage");
    assert_eq!(store.list_partitions(&name("t")).await.expect("list"), listed, "nothing staged is visible");
    store.commit(job).await.expect("commit");
    store.commit(job).await.expect("twice");
    assert_eq!(store.outcome(job).await.expect("outcome"), JobOutcome::Committed);
    assert_eq!(store.rollback(job).await.expect_err("too late").kind(), ErrorKind::Conflict);
    assert_eq!(store.busy(&name("t")).await.expect("busy"), None);
    let rows = rows_by_partition(&store, "t").await;
    assert_eq!((&rows["p1"][..], &rows["p2"][..], &rows["p3"][..]), (&[1][..], &[2][..], &[3][..]));
    store.reclaim().await.expect("reclaim");
    assert_eq!(files_on_disk(dir.path()).len(), 3, "p1 of now, p2, p3");
    assert_eq!(staged_on_disk(dir.path()), 0);
    let names: Vec<_> = store.list_partitions(&name("t")).await.expect("list");
    let order: Vec<_> = names.iter().map(|p| p.name().to_owned()).collect();
    assert_eq!(order, ["p1", "p3", "p2"], "a replaced partition keeps its place");
}

#[tokio::test]
async fn h4_a_restored_partition_has_a_new_version_id_and_the_old_number() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    load(&store, "t", "p1", &[2]).await.expect("load");
    restore(&store, "t", RestoreAction::Merge, &saved).await.expect("restore");
    let now = store.list_partitions(&name("t")).await.expect("list");
    assert_eq!(now[0].version, saved[0].entry.version);
    assert_ne!(now[0].version_id, saved[0].entry.version_id);
}

#[tokio::test]
async fn h8_rollback_gives_the_state_before() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    load(&store, "t", "p1", &[2]).await.expect("load");
    store.reclaim().await.expect("reclaim");
    let (objects, partitions, files) = (
        store.list_objects("db").await.expect("list"),
        store.list_partitions(&name("t")).await.expect("list"),
        files_on_disk(dir.path()),
    );
    for action in [RestoreAction::Merge, RestoreAction::Create] {
        let target = if action == RestoreAction::Merge { "t" } else { "new" };
        let job = JobId::random().expect("id");
        store.begin(job, &plan(target, action, json!({ "auto_increment": 77 }))).await.expect("begin");
        let mut changed = saved.clone();
        changed[0].files[0].1 = changed[0].files[0].1.clone();
        stage(&store, job, 0, &changed).await.expect("stage");
        let unfinished = store.receive(job, "parquet", 10).await.expect("receive");
        store.rollback(job).await.expect("rollback");
        store.rollback(job).await.expect("twice");
        drop(unfinished);
        assert_eq!(store.outcome(job).await.expect("outcome"), JobOutcome::RolledBack);
        assert_eq!(store.commit(job).await.expect_err("too late").kind(), ErrorKind::Conflict);
        store.reclaim().await.expect("reclaim");
        assert_eq!(store.list_objects("db").await.expect("list"), objects);
        assert_eq!(store.list_partitions(&name("t")).await.expect("list"), partitions);
        assert_eq!(files_on_disk(dir.path()), files);
        assert_eq!(staged_on_disk(dir.path()), 0);
    }
}

#[tokio::test]
async fn h10_counters_and_load_numbers_never_go_back() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    let mut saved = Vec::new();
    for n in 0..5 {
        load(&store, "t", "p1", &[n]).await.expect("load");
        saved = backup(&store, "t").await.expect("backup");
    }
    store
        .change(Change::MergeState {
            namespace: Namespace::Relation,
            name: name("t"),
            state: json!({ "auto_increment": 500 }),
        })
        .await
        .expect("state");
    restore(&store, "t", RestoreAction::Merge, &saved).await.expect("restore");
    let found = store.find_object(Namespace::Relation, &name("t")).await.expect("read").expect("there");
    assert_eq!(found.object.state, json!({ "auto_increment": 500 }));
    restore(&store, "copy", RestoreAction::Create, &saved).await.expect("restore");
    let copy = store.find_object(Namespace::Relation, &name("copy")).await.expect("read").expect("there");
    assert_eq!(copy.next_load, 6, "behind the last load of the rows");
    assert_eq!(rows_by_partition(&store, "copy").await["p1"], [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_restore_makes_database_and_objects_of_any_kind() {
    let (dir, other) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    let new = rockhold_warehouse_store::Store::open(other.path(), quiet()).await.expect("new");
    let job = JobId::random().expect("id");
    let mut plan = plan("t", RestoreAction::Create, json!({ "auto_increment": 3 }));
    let mut view = plan.targets[0].clone();
    (view.kind, view.name) = (KindId::new("view"), name("v"));
    plan.targets.push(view);
    let mut function = plan.targets[0].clone();
    (function.kind, function.name) = (KindId::new("function"), name("f(int)"));
    plan.targets.push(function);
    new.begin(job, &plan).await.expect("begin");
    stage(&new, job, 0, &saved).await.expect("stage");
    assert!(Warehouse::databases(&new).await.expect("list").is_empty());
    let taken = new.change(Change::CreateDatabase { name: "db".into() }).await;
    taken.expect("a user may make the database meanwhile");
    let taken = new
        .change(Change::CreateObject(rockhold_warehouse_store::NewObject {
            namespace: Namespace::Relation,
            kind: KindId::TABLE,
            name: name("t"),
            definition: json!({}),
            state: json!(null),
            partitions: vec![],
        }))
        .await
        .expect_err("reserved");
    assert_eq!(taken.to_string(), "a restore is making 't'; wait for it, or cancel it with CANCEL RESTORE");
    new.commit(job).await.expect("commit");
    assert_eq!(rows_by_partition(&new, "t").await["p1"], [1]);
    let names: Vec<String> = Warehouse::objects(&new, "db")
        .await
        .expect("list")
        .iter()
        .map(|o| format!("{} {}", o.kind, o.name.name))
        .collect();
    assert_eq!(names, ["function f(int)", "table t", "view v"]);
}

#[tokio::test]
async fn a_replaced_view_has_the_new_definition() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let view = KindId::new("view");
    store
        .change(Change::CreateObject(rockhold_warehouse_store::NewObject {
            namespace: Namespace::Relation,
            kind: view.clone(),
            name: name("v"),
            definition: json!({ "query": "old" }),
            state: json!(null),
            partitions: vec![],
        }))
        .await
        .expect("view");
    let job = JobId::random().expect("id");
    let mut plan = plan("v", RestoreAction::Replace, json!(null));
    plan.targets[0].kind = view;
    plan.targets[0].definition = json!({ "query": "new" });
    store.begin(job, &plan).await.expect("begin");
    store.commit(job).await.expect("commit");
    let found =
        Warehouse::object(&store, Namespace::Relation, &name("v")).await.expect("read").expect("there");
    assert_eq!(found.definition, json!({ "query": "new" }));
}

#[tokio::test]
async fn a_file_that_is_here_is_referenced_and_a_damaged_one_is_not() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1, 2, 3]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    let (file, _) = &saved[0].files[0];
    let asked = [(file.digest, file.len), (rockhold_core::Digest::of(b"elsewhere"), 9), (file.digest, 1)];
    assert_eq!(store.has_files(None, &asked).await.expect("files"), [true, false, false]);
    restore(&store, "copy", RestoreAction::Create, &saved).await.expect("restore");
    let files = files_on_disk(dir.path());
    assert_eq!(files.len(), 1, "two tables, one file");
    store.change(Change::DropObject { namespace: Namespace::Relation, name: name("t") }).await.expect("drop");
    store.reclaim().await.expect("reclaim");
    assert_eq!(rows_by_partition(&store, "copy").await["p1"], [1, 2, 3]);
    let mut bytes = std::fs::read(&files[0]).expect("read");
    bytes[10] ^= 1;
    std::fs::write(&files[0], bytes).expect("damage");
    restore(&store, "third", RestoreAction::Create, &saved).await.expect("restore");
    assert_eq!(rows_by_partition(&store, "third").await["p1"], [1, 2, 3]);
    assert_eq!(files_on_disk(dir.path()).len(), 2, "received again");
}

#[tokio::test]
async fn a_found_file_stays_though_its_table_is_dropped_before_it_is_staged() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1, 2, 3]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    let (file, _) = &saved[0].files[0];
    let job = JobId::random().expect("id");
    store.begin(job, &plan("copy", RestoreAction::Create, json!({}))).await.expect("begin");
    let found = store.find_file(job, &file.digest, file.len).await.expect("find").expect("here");
    store.change(Change::DropObject { namespace: Namespace::Relation, name: name("t") }).await.expect("drop");
    store.reclaim().await.expect("reclaim");
    let handles = store.stage_partitions(job, 0, vec![saved[0].entry.clone()]).await.expect("stage");
    store.stage_files(job, vec![StagedFile::new(handles[0], 0, found, file)]).await.expect("stage");
    store.commit(job).await.expect("commit");
    store.reclaim().await.expect("reclaim");
    assert_eq!(rows_by_partition(&store, "copy").await["p1"], [1, 2, 3]);
}

#[tokio::test]
async fn staging_refuses_what_does_not_fit() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    let job = JobId::random().expect("id");
    let stage = async |target, entries| store.stage_partitions(job, target, entries).await;
    let good = saved[0].entry.clone();
    let closed = stage(0, vec![good.clone()]).await.expect_err("not open");
    assert_eq!(closed.kind(), ErrorKind::Conflict);
    store.begin(job, &plan("t", RestoreAction::Merge, json!({}))).await.expect("begin");
    let mut bad = good.clone();
    bad.definition = json!({ "name": 3 });
    assert_eq!(stage(0, vec![good.clone(), bad]).await.expect_err("bad").kind(), ErrorKind::InvalidInput);
    assert_eq!(stage(7, vec![good.clone()]).await.expect_err("bad").kind(), ErrorKind::InvalidInput);
    let mut upper = good.clone();
    (upper.name, upper.definition["name"]) = ("P1".into(), json!("P1"));
    let twice = stage(0, vec![good.clone(), upper]).await.expect_err("twice");
    assert!(twice.message().contains("differs only in case"), "{twice}");
    // None of a refused batch was staged.
    let handle = stage(0, vec![good]).await.expect("staged")[0];

    let (entry, bytes) = &saved[0].files[0];
    let mut receiver = store.receive(job, "parquet", 4).await.expect("receive");
    receiver.write(Bytes::from_static(b"four")).await.expect("write");
    assert_eq!(receiver.write(Bytes::from_static(b"!")).await.expect_err("long").kind(), ErrorKind::Corrupt);
    let mut receiver = store.receive(job, "parquet", 4).await.expect("receive");
    receiver.write(Bytes::from_static(b"four")).await.expect("write");
    assert_eq!(receiver.finish(Digest::of(b"five")).await.expect_err("digest").kind(), ErrorKind::Corrupt);
    assert_eq!(store.receive(job, "../x", 4).await.err().expect("extension").kind(), ErrorKind::InvalidInput);

    let mut receiver = store.receive(job, "parquet", entry.len).await.expect("receive");
    receiver.write(Bytes::copy_from_slice(bytes)).await.expect("write");
    let received = receiver.finish(entry.digest).await.expect("finish");
    let staged = StagedFile::new(handle, 0, received.clone(), entry);
    store.stage_files(job, vec![staged.clone()]).await.expect("stage");
    store.stage_files(job, vec![staged.clone()]).await.expect("a lost answer");
    for handle_text in ["received:../../etc/passwd", "received:00", "found:1", "x"] {
        let mut forged = staged.clone();
        (forged.number, forged.file.handle) = (1, handle_text.into());
        let error = store.stage_files(job, vec![forged]).await.expect_err("forged");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{handle_text}");
    }
    let mut huge = staged.clone();
    (huge.number, huge.loads) = (2, Some((1, u64::MAX)));
    assert_eq!(store.stage_files(job, vec![huge]).await.expect_err("huge").kind(), ErrorKind::InvalidInput);
    store.commit(job).await.expect("commit");
    assert_eq!(rows_by_partition(&store, "t").await["p1"], [1]);
}

#[tokio::test]
async fn a_file_comes_in_pieces_of_any_length() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let job = JobId::random().expect("id");
    store.begin(job, &plan("t", RestoreAction::Create, json!({}))).await.expect("begin");
    let bytes: Vec<u8> = (0..1_000_003u32).map(|n| (n % 251) as u8).collect();
    let staging = dir.path().join("staging").join(job.to_string());
    let staged = || std::fs::read_dir(&staging).expect("staging").count();
    let mut files = 0;
    for len in [0, 1, (256 << 10) - 1, 256 << 10, (256 << 10) + 1, bytes.len()] {
        for piece in [7_919, 100_000, 400_000, bytes.len()] {
            let content = &bytes[..len];
            let receive = async || store.receive(job, "parquet", len as u64).await.expect("receive");
            let (mut receiver, mut given_up) = (receive().await, receive().await);
            for piece in content.chunks(piece) {
                receiver.write(Bytes::copy_from_slice(piece)).await.expect("write");
                given_up.write(Bytes::copy_from_slice(piece)).await.expect("write");
            }
            let received = receiver.finish(Digest::of(content)).await.expect("finish");
            assert_eq!((received.digest, received.len), (Digest::of(content), len as u64));
            drop(given_up);
            files += 1;
            assert_eq!(staged(), files, "{len} bytes in pieces of {piece}");
        }
        if len > 0 {
            let short = store.receive(job, "parquet", len as u64 + 1).await.expect("receive");
            let error = short.finish(Digest::of(b"")).await.expect_err("nothing came");
            assert_eq!(error.kind(), ErrorKind::Corrupt);
        }
    }
    assert_eq!(staged(), files);
}

#[tokio::test]
async fn files_of_several_partitions_are_staged_in_one_call_or_not_at_all() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1", "p2"]).await;
    load(&store, "t", "p1", &[1]).await.expect("load");
    load(&store, "t", "p1", &[2]).await.expect("load");
    load(&store, "t", "p2", &[3]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    let job = JobId::random().expect("id");
    store.begin(job, &plan("copy", RestoreAction::Create, json!({}))).await.expect("begin");
    let entries = saved.iter().map(|saved| saved.entry.clone()).collect();
    let handles = store.stage_partitions(job, 0, entries).await.expect("stage");
    let mut files = Vec::new();
    for (partition, number) in [(0, 0), (1, 0), (0, 1)] {
        let (entry, _) = &saved[partition].files[number];
        let found = store.find_file(job, &entry.digest, entry.len).await.expect("find").expect("here");
        files.push(StagedFile::new(handles[partition], number as u64, found, entry));
    }
    let mut bad = files.clone();
    bad[2].partition = i64::MAX;
    let refused = store.stage_files(job, bad).await.expect_err("no such partition");
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    // Other rows at the same numbers fit, so nothing of the refused call is there.
    let mut swapped = files.clone();
    (swapped[0].number, swapped[2].number) = (1, 0);
    store.stage_files(job, swapped).await.expect("stage");
    store.commit(job).await.expect("commit");
    let rows = rows_by_partition(&store, "copy").await;
    assert_eq!((rows["p1"].len(), &rows["p2"][..]), (2, &[3][..]));
}

#[tokio::test]
async fn no_file_comes_for_a_restore_that_is_not_open() {
    let dir = tempfile::tempdir().expect("dir");
    let store = new_store(dir.path()).await;
    let job = JobId::random().expect("id");
    let refused = async |job, why| {
        let error = store.receive(job, "parquet", 1).await.err().expect(why);
        assert_eq!(error.kind(), ErrorKind::Conflict, "{why}");
    };
    refused(job, "not begun").await;
    for committed in [true, false] {
        let job = JobId::random().expect("id");
        let table = if committed { "t" } else { "u" };
        store.begin(job, &plan(table, RestoreAction::Create, json!({}))).await.expect("begin");
        drop(store.receive(job, "parquet", 1).await.expect("open"));
        if committed {
            store.commit(job).await.expect("commit");
            refused(job, "committed").await;
        } else {
            store.rollback(job).await.expect("rollback");
            refused(job, "rolled back").await;
        }
    }
}

#[tokio::test]
async fn a_restore_sees_what_it_has_staged_itself() {
    let (dir, other) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
    let store = new_store(dir.path()).await;
    create_table(&store, "t", &["p1"]).await;
    load(&store, "t", "p1", &[1, 2, 3]).await.expect("load");
    let saved = backup(&store, "t").await.expect("backup");
    let asked = [(saved[0].files[0].0.digest, saved[0].files[0].0.len)];
    let new = rockhold_warehouse_store::Store::open(other.path(), quiet()).await.expect("new");
    let job = JobId::random().expect("id");
    new.begin(job, &plan("t", RestoreAction::Create, json!({}))).await.expect("begin");
    assert_eq!(new.has_files(Some(job), &asked).await.expect("asked"), [false]);
    stage(&new, job, 0, &saved).await.expect("stage");
    assert_eq!(new.has_files(Some(job), &asked).await.expect("asked"), [true]);
    assert_eq!(new.has_files(None, &asked).await.expect("asked"), [false], "it is nobody else's yet");
    assert_eq!(new.has_files(Some(JobId::random().expect("id")), &asked).await.expect("asked"), [false]);
    new.commit(job).await.expect("commit");
    assert_eq!(new.has_files(None, &asked).await.expect("asked"), [true]);
}

#[tokio::test]
async fn times_are_shown_in_the_zone_of_the_warehouse() {
    let dir = tempfile::tempdir().expect("dir");
    let mut options = quiet();
    options.time_zone = Some("Asia/Shanghai".into());
    let store = rockhold_warehouse_store::Store::open(dir.path(), options).await.expect("new");
    assert_eq!(store.snapshot_timestamp(at(1_700_000_000_007)), "2023-11-15-06-13-20-007");
    assert_eq!(store.display_time(at(1_700_000_000_007)), "2023-11-15 06:13:20");
}
