//! What BACKUP and RESTORE mean by their words, over all kinds.

use crate::kinds::note_kind;
use crate::support::{MemoryFactory, World, open};
use rockhold_core::{KindId, Namespace};
use rockhold_layers::FaultPlan;
use rockhold_warehouse_store::Change;
use tempfile::TempDir;

/// Database `d` with an object of every kind, two external catalogs, database
/// `e` with a view, the repository `r`.
async fn world() -> (TempDir, MemoryFactory, World) {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(2).await;
    w.create(KindId::VIEW, "d.v", "rows of t", &["d.t"]).await;
    w.create(KindId::MATERIALIZED_VIEW, "d.m", "sums of t", &["d.t"]).await;
    w.create(KindId::FUNCTION, "d.f(INT)", "one", &[]).await;
    w.create(KindId::FUNCTION, "d.f(INT,VARCHAR)", "two", &[]).await;
    w.create(KindId::FUNCTION, "d.g()", "none", &[]).await;
    w.create(note_kind(), "d.n", "about m", &["d.m", "d.f(INT)"]).await;
    w.create(KindId::EXTERNAL_CATALOG, "hive", "metastore", &[]).await;
    w.create(KindId::EXTERNAL_CATALOG, "ice", "rest", &[]).await;
    w.store.change(Change::CreateDatabase { name: "e".into() }).await.unwrap();
    w.create(KindId::VIEW, "e.other", "of nothing", &[]).await;
    (dir, memory, w)
}

/// The objects that a BACKUP takes, as EXPLAIN tells them, sorted.
async fn taken(w: &World, backup: &str) -> Vec<String> {
    let rows = w.rows(&format!("EXPLAIN {backup}")).await.unwrap_or_else(|e| panic!("{backup}: {e}"));
    let mut names: Vec<String> = rows
        .iter()
        .filter(|row| row[1].is_some())
        .map(|row| format!("{} {}", row[1].clone().unwrap(), row[2].clone().unwrap()))
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_name_objects_in_a_backup_takes_what_starrocks_takes() {
    let (_dir, _memory, w) = world().await;
    let all = [
        "function d.f(INT)",
        "function d.f(INT,VARCHAR)",
        "function d.g()",
        "materialized view d.m",
        "note d.n",
        "table d.t",
        "view d.v",
    ];
    let (f, g) = (&all[0..2], &all[2..3]);
    let (m, n, t, v) = (&all[3..4], &all[4..5], &all[5..6], &all[6..7]);
    for (backup, wanted) in [
        ("BACKUP DATABASE d SNAPSHOT s TO r", all.to_vec()),
        ("BACKUP SNAPSHOT d.s TO r", all.to_vec()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (TABLE t)", t.to_vec()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (TABLES t, VIEWS v)", [t, v].concat()),
        ("BACKUP SNAPSHOT d.s TO r ON (t, v, m)", [m, t, v].concat()),
        // The type word is not compared with the kind: one namespace.
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (TABLE v, VIEW t, TABLE m)", [m, t, v].concat()),
        // A database in front of a name is ignored.
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (TABLE e.t)", t.to_vec()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (FUNCTION f)", f.to_vec()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (FUNCTION F, FUNCTION g)", [f, g].concat()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (ALL FUNCTION)", [f, g].concat()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (ALL TABLES)", t.to_vec()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (ALL VIEW)", v.to_vec()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (ALL MATERIALIZED VIEWS)", m.to_vec()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (ALL NOTES)", n.to_vec()),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (NOTE n, MATERIALIZED VIEW m)", [m, n].concat()),
        (
            "BACKUP DATABASE d SNAPSHOT s TO r ON (ALL TABLES, TABLE t PARTITION (p001), ALL VIEWS, VIEW v, FUNCTION g, \
             ALL MATERIALIZED VIEWS)",
            [g, m, t, v].concat(),
        ),
        (
            "BACKUP ALL EXTERNAL CATALOGS SNAPSHOT s TO r",
            vec!["external catalog hive", "external catalog ice"],
        ),
        ("BACKUP EXTERNAL CATALOG (ice) SNAPSHOT s TO r", vec!["external catalog ice"]),
        (
            "BACKUP EXTERNAL CATALOGS (ice, hive) SNAPSHOT s TO r",
            vec!["external catalog hive", "external catalog ice"],
        ),
    ] {
        assert_eq!(taken(&w, backup).await, wanted, "{backup}");
    }
    let rows =
        w.rows("EXPLAIN BACKUP DATABASE d SNAPSHOT s TO r ON (ALL TABLES, TABLE t PARTITION (p001))").await;
    assert_eq!(rows.unwrap()[0][5].as_deref(), Some("1"), "the named item keeps its partitions beside ALL");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_names_what_is_not_there_is_refused_in_starrocks_words() {
    let (_dir, _memory, w) = world().await;
    w.create(KindId::MATERIALIZED_VIEW, "d.broken", "of a table that is gone", &["d.gone"]).await;
    w.store.change(Change::CreateDatabase { name: "void".into() }).await.unwrap();
    for (backup, errno, text) in [
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (TABLE x)", 1064, "Incorrect table name 'x'"),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (VIEW x)", 1064, "Incorrect table name 'x'"),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (VIEW f)", 1064, "Incorrect table name 'f'"),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (TABLE v PARTITION (p))", 1064, "Incorrect table name 'v'"),
        (
            "BACKUP DATABASE d SNAPSHOT s TO r ON (FUNCTION t)",
            5064,
            "Invalid backup function(s), function name: t",
        ),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (TABLE t, VIEW t)", 1064, "Duplicated table: t"),
        ("BACKUP DATABASE d SNAPSHOT s TO r ON (FUNCTION f, FUNCTION F)", 1064, "Duplicated table: F"),
        (
            "BACKUP DATABASE d SNAPSHOT s TO r ON (MATERIALIZED VIEW broken)",
            1064,
            "Base table gone does not exist in materialized view broken when backup/restore",
        ),
        ("BACKUP DATABASE void SNAPSHOT s TO r", 5064, "Database void is empty"),
        ("BACKUP DATABASE void SNAPSHOT s TO r ON (ALL FUNCTIONS)", 5064, "Database void is empty"),
        ("BACKUP DATABASE nodb SNAPSHOT s TO r", 5501, "Unknown database 'nodb'"),
        ("BACKUP EXTERNAL CATALOG (x) SNAPSHOT s TO r", 5064, "External catalog x does not exist"),
        ("BACKUP EXTERNAL CATALOG (HIVE) SNAPSHOT s TO r", 5064, "External catalog HIVE does not exist"),
        ("BACKUP EXTERNAL CATALOG (hive, hive) SNAPSHOT s TO r", 1064, "Duplicated external catalog: hive"),
        (
            "BACKUP EXTERNAL CATALOG (default_catalog) SNAPSHOT s TO r",
            5064,
            "Do not support Backup/Restore the entire default catalog",
        ),
        ("BACKUP ALL EXTERNAL CATALOGS SNAPSHOT s TO nowhere", 5064, "Repository nowhere does not exist"),
    ] {
        let error = w.job(backup).await.expect_err(backup);
        assert!(error.to_string().contains(text), "{backup}: {error}");
        assert_eq!(error.errno, errno, "{backup}: {error}");
    }
    for name in ["hive", "ice"] {
        w.drop(Namespace::Catalog, name).await;
    }
    let error = w.job("BACKUP ALL EXTERNAL CATALOGS SNAPSHOT s TO r").await.unwrap_err();
    assert!(error.to_string().contains("No external catalog can be backed up"), "{error}");

    // An expansion takes the broken one along and says what is missing.
    let record = w.job("BACKUP DATABASE d SNAPSHOT s TO r").await.unwrap();
    assert_eq!(record.state, "FINISHED");
    let notes = rockhold_engine::JobDetail::of(&record).unwrap().notes;
    assert_eq!(notes, ["materialized view d.broken refers to d.gone, which does not exist"]);
    let error = w.job("BACKUP DATABASE d SNAPSHOT s TO r PROPERTIES (\"type\" = \"incremental\")").await;
    assert_eq!(error.unwrap_err().to_string(), "Currently does not support incremental backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_of_all_kinds_have_starrocks_texts() {
    let (_dir, _memory, w) = world().await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let cell = |rows: &[Vec<Option<String>>], n: usize| rows[0][n].clone().unwrap_or_else(|| "NULL".into());
    // Names in order, each behind what it refers to; functions are not listed.
    let rows = w.rows("SHOW BACKUP FROM d").await.unwrap();
    assert_eq!(cell(&rows, 4), "[d.t AS t], [d.m AS m], [d.n AS n], [d.v AS v]");

    let details =
        format!("SHOW SNAPSHOT ON r WHERE SNAPSHOT = 's' AND TIMESTAMP = '{}'", w.timestamp("s").await);
    let rows = w.rows(&details).await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&cell(&rows, 3)).unwrap();
    let wanted = serde_json::json!({
        "m": {"partitions": {"m": {}}},
        "n": {"partitions": {}},
        "t": {"partitions": {"p001": {}, "p002": {}}},
        "v": {"partitions": {}},
    });
    assert_eq!(json["backup_objects"], wanted);

    w.done(&w.restore_statement("s", " AS copy").await).await;
    let rows = w.rows("SHOW RESTORE FROM copy").await.unwrap();
    assert_eq!(cell(&rows, 7), "m, n, t PARTITIONS [p001, p002], v");
    assert_eq!(cell(&rows, 12).len(), 19, "{rows:?}");
    // References to what came along follow, overloads by their signature.
    let wanted: Vec<String> =
        w.described("d").await.iter().map(|line| line.replace("\"d.", "\"copy.")).collect();
    assert_eq!(w.described("copy").await, wanted);

    w.done("BACKUP DATABASE d SNAPSHOT s5 TO r ON (FUNCTION f)").await;
    assert_eq!(cell(&w.rows("SHOW BACKUP FROM d").await.unwrap(), 4), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_name_objects_in_a_restore_makes_what_starrocks_makes() {
    let (_dir, _memory, w) = world().await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    for (number, (on, wanted)) in [
        ("ON (ALL TABLES)", vec!["table t"]),
        ("ON (ALL VIEWS)", vec!["view v"]),
        ("ON (ALL MATERIALIZED VIEWS, ALL NOTES)", vec!["materialized_view m", "note n"]),
        ("ON (ALL FUNCTIONS)", vec!["function f(INT)", "function f(INT,VARCHAR)", "function g()"]),
        ("ON (FUNCTION F AS H)", vec!["function h(INT)", "function h(INT,VARCHAR)"]),
        ("ON (TABLE t AS t2, VIEW v AS v2)", vec!["table t2", "view v2"]),
        // Explicit items win over ALL: they keep partitions and alias.
        ("ON (ALL TABLES, TABLE t PARTITION (p002) AS t3, ALL VIEWS)", vec!["table t3", "view v"]),
        ("ON (TABLE v, m, NOTE n AS n2)", vec!["materialized_view m", "note n2", "view v"]),
    ]
    .into_iter()
    .enumerate()
    {
        let database = format!("x{number}");
        w.done(&w.restore("s", &format!("DATABASE d AS {database} {on}")).await).await;
        let mut objects: Vec<String> = w
            .store
            .list_objects(&database)
            .await
            .unwrap()
            .iter()
            .map(|o| format!("{} {}", o.object.kind, o.object.name.name))
            .collect();
        objects.sort();
        assert_eq!(objects, wanted, "{on}");
    }
    let table = rockhold_core::ObjectName::new("x6", "t3");
    let partitions = w.store.list_partitions(&table).await.unwrap();
    assert_eq!(partitions.iter().map(|p| p.name()).collect::<Vec<_>>(), ["p002"]);
    // References to what did not come along keep their full names; what came along is followed.
    assert_eq!(w.described("x1").await, ["view v rows of t [\"d.t\"]"]);
    assert_eq!(w.described("x5").await, ["table t2 (a table)", "view v2 rows of t [\"x5.t2\"]"]);
    // The older syntax: the prefix is the target alone.
    w.done(&w.restore("y.s", "ON (t AS a, v)").await).await;
    assert_eq!(w.described("y").await, ["table a (a table)", "view v rows of t [\"y.a\"]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_names_what_is_not_there_is_refused_and_leaves_nothing() {
    let (_dir, _memory, w) = world().await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    w.done("BACKUP ALL EXTERNAL CATALOGS SNAPSHOT c TO r").await;
    for (label, tail, text) in [
        ("s", "DATABASE d AS x ON (TABLE y)", "Table y does not exist in snapshot s"),
        ("s", "DATABASE d AS x ON (VIEW y)", "Table y does not exist in snapshot s"),
        ("s", "DATABASE d AS x ON (FUNCTION y)", "Cannot find restore function: y"),
        (
            "s",
            "DATABASE d AS x ON (t PARTITION (p9))",
            "Partition p9 of table t does not exist in snapshot s",
        ),
        (
            "s",
            "DATABASE d AS x ON (t TEMPORARY PARTITION (p001))",
            "Do not support restoring temporary partitions",
        ),
        ("s", "DATABASE e AS x", "Target database: e is not existed in snapshot"),
        ("s", "DATABASE D AS x", "Target database: D is not existed in snapshot"),
        ("s", "DATABASE d AS x ON (TABLE t, VIEW t)", "Duplicated table: t"),
        ("s", "DATABASE d AS x ON (TABLE t AS v, VIEW v)", "Duplicated alias name: v"),
        ("s", "DATABASE d AS x ON (TABLE t AS y, VIEW v AS y)", "Duplicated alias name: y"),
        ("s", "ALL EXTERNAL CATALOGS", "This is not a snapshot for external catalog restore"),
        ("s", "EXTERNAL CATALOG (hive)", "This is not a snapshot for external catalog restore"),
        ("c", "DATABASE d", "Cannot specify database for external catalog snapshot"),
        ("x.c", "", "Cannot specify database for external catalog snapshot"),
        ("c", "EXTERNAL CATALOG (x)", "Cannot find restore catalog: x"),
        ("c", "EXTERNAL CATALOG (hive AS default_catalog)", "the entire default catalog"),
        ("c", "EXTERNAL CATALOG (hive AS ice, ice)", "Duplicated alias name: ice"),
        ("c", "EXTERNAL CATALOG (hive, HIVE)", "Duplicated external catalog: HIVE"),
        ("c", "EXTERNAL CATALOG (hive AS `no name`)", "Incorrect catalog name 'no name'"),
    ] {
        let statement = w.restore(label, tail).await;
        let error = w.job(&statement).await.expect_err(&statement);
        assert!(error.to_string().contains(text), "{statement}: {error}");
    }
    let databases: Vec<String> =
        w.store.list_databases().await.unwrap().into_iter().map(|d| d.name).collect();
    assert_eq!(databases, ["d", "e"], "no database is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn external_catalogs_are_backed_up_shown_and_restored_under_their_own_slot() {
    let (_dir, memory, w) = world().await;
    w.done("BACKUP EXTERNAL CATALOGS (ice, hive) SNAPSHOT c TO r").await;
    let rows = w.rows("SHOW BACKUP").await.unwrap();
    let shown: Vec<_> = [1, 2, 3, 4, 6, 7, 12].iter().map(|n| rows[0][*n].as_deref()).collect();
    let wanted = [Some("c"), Some(""), Some("FINISHED"), Some(""), None, None, Some("[OK]")];
    assert_eq!(shown, wanted, "catalogs go from PENDING to SAVE_META and are not listed");
    assert!(w.rows("SHOW BACKUP FROM d").await.unwrap().is_empty(), "d has no job");
    let stored = memory.repository("mem://r/__rockhold_repository_r");
    assert!(stored.objects().keys().all(|key| !key.as_str().starts_with("data/")));
    let details =
        format!("SHOW SNAPSHOT ON r WHERE SNAPSHOT = 'c' AND TIMESTAMP = '{}'", w.timestamp("c").await);
    let rows = w.rows(&details).await.unwrap();
    assert_eq!(rows[0][2].as_deref(), Some(""));
    let json: serde_json::Value = serde_json::from_str(rows[0][3].as_deref().unwrap()).unwrap();
    assert_eq!((&json["database"], &json["backup_objects"]), (&"".into(), &serde_json::json!({})));

    let before = w.described("").await;
    w.drop(Namespace::Catalog, "hive").await;
    // In any case, renamed, and without a clause all of them.
    w.done(&w.restore("c", "EXTERNAL CATALOG (HIVE AS hive2)").await).await;
    let rows = w.rows("SHOW RESTORE").await.unwrap();
    let shown: Vec<_> = [1, 3, 4, 7, 10, 11].iter().map(|n| rows[0][*n].as_deref()).collect();
    assert_eq!(shown, [Some("c"), Some(""), Some("FINISHED"), Some(""), None, None]);
    assert!(w.rows("SHOW BACKUP").await.unwrap().is_empty(), "one slot, which has the last job");
    w.done(&w.restore("c", "").await).await;
    let mut wanted = before.clone();
    wanted.push("external_catalog hive2 metastore []".into());
    wanted.sort();
    assert_eq!(w.described("").await, wanted);
    w.done(&w.restore("c", "ALL EXTERNAL CATALOGS").await).await;
    assert_eq!(w.described("").await, wanted);
}
