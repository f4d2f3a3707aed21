//! How restored objects meet each other and what is there: order, circles,
//! missing references, one rule for existing objects of every kind.

use crate::kinds::note_kind;
use crate::support::{MemoryFactory, World, open};
use rockhold_core::{KindId, Namespace, ObjectName};
use rockhold_engine::JobDetail;
use rockhold_layers::FaultPlan;
use rockhold_warehouse_store::Change;
use tempfile::TempDir;

async fn world() -> (TempDir, World) {
    let dir = tempfile::tempdir().unwrap();
    let w = open(dir.path(), &MemoryFactory::default(), &FaultPlan::new()).await.unwrap();
    w.set_up(2).await;
    (dir, w)
}

/// The rows of EXPLAIN whose first cell is no number: `step: detail`.
fn remarks(rows: &[Vec<Option<String>>]) -> Vec<String> {
    rows.iter()
        .filter(|row| row[1].is_none() && row[0].as_deref() != Some("total"))
        .map(|row| format!("{}: {}", row[0].clone().unwrap(), row[9].clone().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_made_in_the_order_of_their_references_and_kinds_decide_the_rest() {
    let (_dir, w) = world().await;
    // Against the order of kinds and of names at once.
    w.create(KindId::FUNCTION, "d.z()", "reads a view", &["d.y"]).await;
    w.create(KindId::VIEW, "d.y", "of a note", &["d.x"]).await;
    w.create(note_kind(), "d.x", "about t", &["d.t"]).await;
    w.create(KindId::VIEW, "d.a", "calls z", &["d.z()"]).await;
    w.create(KindId::MATERIALIZED_VIEW, "d.b", "free", &[]).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let explain = format!("EXPLAIN {}", w.restore("s", "DATABASE d AS e").await);
    let rows = w.rows(&explain).await.unwrap();
    let order: Vec<&str> = rows.iter().filter(|r| r[1].is_some()).map(|r| r[3].as_deref().unwrap()).collect();
    assert_eq!(order, ["e.t", "e.b", "e.x", "e.y", "e.z()", "e.a"]);
    w.done(&w.restore("s", "DATABASE d AS e").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_refer_to_each_other_in_a_circle_are_refused_with_their_names() {
    let (_dir, w) = world().await;
    w.create(KindId::VIEW, "d.a", "of b", &["d.b"]).await;
    w.create(KindId::VIEW, "d.b", "of c", &["d.c"]).await;
    w.create(note_kind(), "d.c", "of a", &["d.a", "d.t"]).await;
    w.create(KindId::VIEW, "d.outside", "of a", &["d.a"]).await;
    let error = w.job("BACKUP DATABASE d SNAPSHOT s TO r").await.unwrap_err();
    let text = "objects refer to each other in a circle: d.a → d.b → d.c → d.a; drop or change one of them";
    assert_eq!(error.to_string(), text);
    // A part without the circle can be backed up, with a remark for each reference.
    w.done("BACKUP DATABASE d SNAPSHOT part TO r ON (VIEW a, VIEW b)").await;

    w.done("BACKUP DATABASE d SNAPSHOT tail TO r ON (VIEW outside, VIEW a)").await;

    // New names can close a circle: `outside` becomes the b that a refers to.
    for name in ["a", "b", "c", "outside"] {
        w.drop(Namespace::Relation, &format!("d.{name}")).await;
    }
    let restore = w.restore("tail", "DATABASE d ON (VIEW a, VIEW outside AS b)").await;
    let text = "objects refer to each other in a circle: d.a → d.b → d.a; drop or change one of them";
    let explained = remarks(&w.rows(&format!("EXPLAIN {restore}")).await.unwrap());
    assert!(explained.contains(&format!("conflict: {text}")), "{explained:?}");
    assert_eq!(w.refused(&restore).await, format!("[COMMON_ERROR, msg: {text}]"));
    assert_eq!(w.described("d").await, ["table t (a table)"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_names_what_is_missing_and_goes_on() {
    let (_dir, w) = world().await;
    w.create(
        KindId::VIEW,
        "d.v",
        "of t and f",
        &["d.t", "d.f(INT)", "far.away", "information_schema.tables"],
    )
    .await;
    w.create(KindId::FUNCTION, "d.f(INT)", "one", &[]).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    w.store.change(Change::DropDatabase { name: "d".into() }).await.unwrap();
    let restore = w.restore("s", "DATABASE d ON (VIEW v)").await;
    let wanted = ["d.t", "d.f(INT)", "far.away"].map(|name| {
        format!("view d.v refers to {name}, which does not exist: it works once {name} is restored or made")
    });
    let explained = remarks(&w.rows(&format!("EXPLAIN {restore}")).await.unwrap());
    let notes = wanted.iter().map(|note| format!("note: {note}"));
    let told: Vec<String> = [
        "guarantee: whole (cut of the snapshot: whole, commit: whole)".to_owned(),
        "note: database d will be created".to_owned(),
    ]
    .into_iter()
    .chain(notes)
    .collect();
    assert_eq!(explained, told);
    let record = w.job(&restore).await.unwrap();
    assert_eq!(record.state, "FINISHED");
    assert_eq!(JobDetail::of(&record).unwrap().notes, wanted);
    // The next restore brings them; nothing is missing but what never was there.
    let record = w.job(&w.restore("s", "DATABASE d").await).await.unwrap();
    assert_eq!(record.state, "FINISHED", "{}", rockhold_engine::job_status(&record));
    let notes = JobDetail::of(&record).unwrap().notes;
    assert!(notes.len() == 1 && notes[0].contains("far.away"), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_existing_object_of_every_kind_is_replaced_when_it_is_the_same_and_refused_when_not() {
    let (_dir, w) = world().await;
    let kinds = [
        (KindId::VIEW, "d.v", "View v already exist but with different definition, errMsg: text is"),
        (note_kind(), "d.n", "Note n already exist but with different definition, errMsg: text is"),
        (
            KindId::MATERIALIZED_VIEW,
            "d.m",
            "Materialized View m already exist but with different schema, errMsg: text is",
        ),
        (
            KindId::FUNCTION,
            "d.f(INT)",
            "Function f(INT) already exist but with different schema, errMsg: text is",
        ),
    ];
    for (kind, name, _) in &kinds {
        w.create(kind.clone(), name, "first", &["d.t"]).await;
    }
    w.create(KindId::EXTERNAL_CATALOG, "hive", "first", &[]).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    w.done("BACKUP ALL EXTERNAL CATALOGS SNAPSHOT c TO r").await;
    let (restore, catalogs) = (w.restore("s", "DATABASE d").await, w.restore("c", "").await);
    let same = (w.described("d").await, w.described("").await);
    let actions = |rows: Vec<Vec<Option<String>>>| -> Vec<String> {
        rows.iter()
            .filter(|r| r[1].is_some())
            .map(|r| format!("{} {}", r[4].clone().unwrap(), r[2].clone().unwrap()))
            .collect()
    };
    assert_eq!(
        actions(w.rows(&format!("EXPLAIN {restore}")).await.unwrap()),
        ["merge d.t", "merge d.f(INT)", "merge d.m", "replace d.v", "replace d.n"],
    );
    w.done(&restore).await;
    w.done(&catalogs).await;
    assert_eq!((w.described("d").await, w.described("").await), same);

    for (kind, name, _) in &kinds {
        let namespace = w.engine.kinds().get(kind).unwrap().namespace;
        w.drop(namespace, name).await;
        w.create(kind.clone(), name, "second", &["d.t"]).await;
    }
    w.drop(Namespace::Catalog, "hive").await;
    w.create(KindId::EXTERNAL_CATALOG, "hive", "second", &[]).await;
    let changed = (w.described("d").await, w.described("").await);
    for (_, name, text) in &kinds {
        let word = if name.contains('(') { "FUNCTION f" } else { &name[2..] };
        let one = w.restore("s", &format!("DATABASE d ON ({word})")).await;
        let status = w.refused(&one).await;
        assert!(status.starts_with("[COMMON_ERROR, msg: ") && status.contains(text), "{status}");
    }
    let status = w.refused(&catalogs).await;
    assert!(status.contains("External Catalog hive already exist but with different definition"), "{status}");
    // EXPLAIN names every conflict, the job the first.
    let rows = w.rows(&format!("EXPLAIN {restore}")).await.unwrap();
    assert_eq!(remarks(&rows).iter().filter(|line| line.starts_with("conflict: ")).count(), kinds.len());
    w.refused(&restore).await;
    assert_eq!((w.described("d").await, w.described("").await), changed, "nothing was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_another_kind_has_is_refused_in_starrocks_words() {
    let (_dir, w) = world().await;
    w.create(KindId::VIEW, "d.v", "of t", &["d.t"]).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    w.store.change(Change::CreateDatabase { name: "e".into() }).await.unwrap();
    w.create_table(&ObjectName::new("e", "v"), 1).await;
    w.create(KindId::VIEW, "e.t", "of nothing", &[]).await;
    let before = w.described("e").await;
    let status = w.refused(&w.restore("s", "DATABASE d AS e ON (VIEW v)").await).await;
    assert!(status.starts_with("[BAD_REPLACE, msg: Table: v has existed and it is not a View"), "{status}");
    let status = w.refused(&w.restore("s", "DATABASE d AS e ON (TABLE t)").await).await;
    assert!(status.starts_with("[BAD_REPLACE, msg: Table: t has existed and it is not a Table"), "{status}");
    // Two objects cannot get one name, nor one the name of another that comes along by ALL.
    let status = w.refused(&w.restore("s", "DATABASE d AS g ON (TABLE t AS v, ALL VIEWS)").await).await;
    assert!(status.contains("two objects of the restore would be named v"), "{status}");
    assert_eq!(w.described("e").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colocate_group_is_joined_when_the_buckets_fit_and_left_with_a_remark_when_not() {
    let (_dir, w) = world().await;
    let colocated = |name: &str, buckets| {
        let (mut definition, partitions) = crate::support::definition(name, 1);
        definition.properties.insert("colocate_with".into(), "g1".into());
        definition.buckets = Some(buckets);
        (definition, partitions)
    };
    let create = async |database: &str, name: &str, buckets| {
        let (definition, partitions) = colocated(name, buckets);
        let object = rockhold_warehouse_store::NewObject {
            namespace: Namespace::Relation,
            kind: KindId::TABLE,
            name: ObjectName::new(database, name),
            definition: serde_json::to_value(definition).unwrap(),
            state: serde_json::Value::Null,
            partitions,
        };
        w.store.change(Change::CreateObject(object)).await.unwrap();
    };
    let group = async |database: &str, name: &str| {
        let name = ObjectName::new(database, name);
        let found = w.store.find_object(Namespace::Relation, &name).await.unwrap().unwrap();
        found.object.definition["properties"]["colocate_with"].as_str().map(str::to_owned)
    };
    create("d", "c4", 4).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r ON (TABLE c4)").await;

    w.done(&w.restore("s", "DATABASE d AS fresh").await).await;
    assert_eq!(group("fresh", "c4").await.as_deref(), Some("g1"), "the first member makes the group");
    w.store.change(Change::CreateDatabase { name: "fits".into() }).await.unwrap();
    create("fits", "other", 4).await;
    w.done(&w.restore("s", "DATABASE d AS fits").await).await;
    assert_eq!(group("fits", "c4").await.as_deref(), Some("g1"));

    w.store.change(Change::CreateDatabase { name: "differs".into() }).await.unwrap();
    create("differs", "other", 8).await;
    let record = w.job(&w.restore("s", "DATABASE d AS differs").await).await.unwrap();
    assert_eq!(record.state, "FINISHED");
    assert_eq!(group("differs", "c4").await, None);
    assert_eq!(group("differs", "other").await.as_deref(), Some("g1"));
    assert_eq!(
        JobDetail::of(&record).unwrap().notes,
        [
            "differs.c4 is restored outside of its colocate group g1: it is divided by hash of (int(11)), 4 buckets, the \
          group by hash of (int(11)), 8 buckets"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_database_of_another_name_refers_to_itself_only_where_its_objects_came_along() {
    let (_dir, w) = world().await;
    w.create(KindId::VIEW, "d.v", "of t and of later", &["d.t", "d.later", "e.t"]).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    w.done(&w.restore("s", "DATABASE d AS copy").await).await;
    let wanted = "view v of t and of later [\"copy.t\",\"d.later\",\"e.t\"]";
    assert_eq!(w.described("copy").await, ["table t (a table)", wanted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partition_of_an_unpartitioned_object_is_called_as_the_object_under_every_name() {
    let (_dir, w) = world().await;
    w.create(KindId::MATERIALIZED_VIEW, "d.m", "free", &[]).await;
    w.create_with_file("d.f(INT)", "with a file", b"a jar").await;
    w.load(&ObjectName::new("d", "m"), 1).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let rows = w.visible(&ObjectName::new("d", "m")).await.unwrap();
    let restore = w.restore("s", "DATABASE d ON (m AS m2, t AS t2, FUNCTION f AS g)").await;
    let names = async |name: &str| -> Vec<String> {
        let name = ObjectName::new("d", name);
        let all = rockhold_core::Warehouse::partitions(&w.store, &name, None).await.unwrap();
        all.iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect()
    };
    // The second time over what the first has made.
    for round in 0..2 {
        w.done(&restore).await;
        assert_eq!(names("m2").await, ["m2"], "round {round}");
        assert_eq!(names("t2").await, ["p001", "p002"]);
        assert_eq!(names("g(INT)").await, ["artifact"]);
        let everything = w.everything("d").await;
        assert!(everything.contains(&"d.g(INT) artifact jar a jar".to_owned()), "{everything:?}");
        let copy = w.visible(&ObjectName::new("d", "m2")).await.unwrap();
        let under_new_name: Vec<String> = rows[1..].iter().map(|row| row.replacen("m ", "m2 ", 1)).collect();
        assert_eq!(copy[1..], under_new_name);
        let rows = w.rows("SHOW RESTORE FROM d").await.unwrap();
        assert_eq!(rows[0][7].as_deref(), Some("m, t PARTITIONS [p001, p002]"), "shown under the old name");
    }
}
