//! What is refused, with which words, and that nothing exhausts the parser.

use std::time::{Duration, Instant};

use rockhold_sql::analyze::{Cluster, create_table};
use rockhold_sql::ast::Statement;
use rockhold_sql::{
    KindWords, Parser, Stage, check, create_table_statements, default_kinds, names_in_query, parse_one,
};

fn refusal(sql: &str) -> String {
    match parse_one(sql) {
        Ok(statement) => panic!("accepted: {statement}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn backup_and_restore_name_their_broken_rules() {
    for (sql, words) in [
        ("BACKUP DATABASE a SNAPSHOT b.c TO r", "Specifying dbName before snapshot name is forbidden"),
        ("BACKUP SNAPSHOT a.b.c TO r", "Invalid table name format 'a.b.c'"),
        ("BACKUP SNAPSHOT a.b TO r ON (TABLE t AS u)", "alias for backup object is forbidden"),
        (
            "BACKUP EXTERNAL CATALOG (c) DATABASE d SNAPSHOT s TO r",
            "Cannot specify database for external catalog",
        ),
        (
            "BACKUP ALL EXTERNAL CATALOGS SNAPSHOT s TO r ON (t)",
            "Cannot specify ON clause for external catalog",
        ),
        ("RESTORE SNAPSHOT s FROM r ON (t) PROPERTIES (\"a\" = \"b\")", "ON clause is forbidden"),
        (
            "RESTORE SNAPSHOT s FROM r EXTERNAL CATALOG c",
            "Unexpected input 'c', the most similar input is {'('}",
        ),
        ("BACKUP ALL EXTERNAL CATALOG SNAPSHOT s TO r", "the most similar input is {'CATALOGS'}"),
        ("BACKUP SNAPSHOT s TO r ON (TABLE)", "the most similar input is {a legal identifier}"),
        ("BACKUP SNAPSHOT s TO r ON (ALL t)", "Unexpected input 't'"),
        ("BACKUP SNAPSHOT s TO r ON (VIEW v PARTITION (p))", "Unexpected input 'PARTITION'"),
        ("BACKUP SNAPSHOT s TO r PROPERTIES ()", "Unexpected input ')'"),
        ("BACKUP SNAPSHOT s TO r PROPERTIES (\"timeout\" = 3600)", "Unexpected input '3600'"),
        ("BACKUP SNAPSHOT s TO r PROPERTIES (\"a\" = \"b\",)", "Unexpected input ')'"),
        ("BACKUP SNAPSHOT table TO r", "Unexpected input 'table'"),
    ] {
        let text = refusal(sql);
        assert!(text.contains(words), "{sql}\n{text}\nshould contain {words}");
        assert!(text.starts_with("Getting syntax error"), "{text}");
    }
}

#[test]
fn words_of_kinds_are_names_where_only_a_name_can_stand() {
    for (sql, kind) in [
        ("BACKUP SNAPSHOT d.s TO r ON (view)", None),
        ("BACKUP SNAPSHOT d.s TO r ON (views PARTITION (p))", None),
        ("BACKUP SNAPSHOT d.s TO r ON (view TEMPORARY PARTITION (p))", None),
        ("BACKUP SNAPSHOT d.s TO r ON (view view)", Some("view")),
        ("BACKUP SNAPSHOT d.s TO r ON (MATERIALIZED VIEW view)", Some("materialized_view")),
        ("BACKUP SNAPSHOT d.s TO r ON (TABLES a.b)", Some("table")),
    ] {
        let rockhold_sql::ast::Statement::Backup(backup) = parse_one(sql).unwrap() else { panic!("{sql}") };
        let item = &backup.items.as_ref().unwrap()[0];
        assert_eq!(item.kind.as_ref().map(|kind| kind.id.as_str()), kind, "{sql}");
    }
}

#[test]
fn kinds_are_open() {
    let sql = "BACKUP DATABASE d SNAPSHOT s TO r ON (ROW POLICY p, ALL ROW POLICIES, TABLE t)";
    assert!(parse_one(sql).is_err());
    let mut kinds = default_kinds();
    kinds.push(KindWords::new("row-policy", "row policy", "row policies", false));
    let statement = Parser::with_kinds(kinds).parse_one(sql).unwrap();
    assert_eq!(statement.to_string(), sql);
}

#[test]
fn a_refused_statement_does_not_hide_the_next() {
    let results = check("USE a;; ;\nSHOW; SELECT 1 -- end; of it\n; 'open");
    let kinds: Vec<_> = results.iter().map(|result| result.kind).collect();
    assert_eq!(kinds, [Some("USE"), None, Some("SELECT"), None]);
    assert!(results[3].error.as_ref().unwrap().message.contains("the string is not closed"));
    assert_eq!(results[2].span.line, 2);
}

#[test]
fn errors_point_at_the_token() {
    let sql = "SELECT a,\n  b FROM\n";
    let error = parse_one(sql).unwrap_err();
    assert_eq!(error.stage, Stage::Parse);
    assert!(error.message.contains("<EOF>"), "{error}");
    let sql = "SELECT a FROM t WHERE x = = 1";
    let error = parse_one(sql).unwrap_err();
    assert_eq!(error.position.unwrap().column, 26, "{error}");
}

#[test]
fn a_byte_order_mark_moves_no_place() {
    let sql = "\u{feff}SHOW DATABASES;\nUSE a; \u{feff}";
    let kinds: Vec<_> = check(sql).iter().map(|result| result.kind).collect();
    assert_eq!(kinds, [Some("SHOW DATABASES"), Some("USE"), None]);
    assert_eq!(parse_one("\u{feff}SELECT 1").unwrap(), parse_one("SELECT 1").unwrap());
    let sql = "SELECT a FROM t WHERE x = = 1";
    let marked = format!("\u{feff}{sql}");
    let (plain, error) = (parse_one(sql).unwrap_err(), parse_one(&marked).unwrap_err());
    assert_eq!(error.to_string(), plain.to_string());
    assert_eq!(error.place(&marked), plain.place(sql));
    let bytes = error.position.unwrap().bytes;
    assert_eq!(&marked[bytes.0..bytes.1], "=");
}

#[test]
fn errors_inside_subqueries_point_inside_them() {
    for (sql, found) in [
        ("SELECT * FROM (SELECT a b c FROM t) x", "c"),
        ("SELECT * FROM (SELECT a FROM (SELECT b FROM t WHERE) x) y", ")"),
        ("SELECT * FROM (SELECT a, b FROM t GROUP a) x JOIN u", "GROUP"),
        ("CREATE VIEW v AS SELECT * FROM (WITH c AS (SELECT 1) SELECT 1 +) x", ")"),
    ] {
        let error = parse_one(sql).unwrap_err();
        assert!(error.message.starts_with(&format!("Unexpected input '{found}'")), "{sql}\n{error}");
    }
}

#[test]
fn nesting_and_chains_end_in_an_error_quickly() {
    let started = Instant::now();
    let n = 20_000;
    let deep = [
        format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n)),
        format!("SELECT * FROM {}t{}", "(".repeat(n), ")".repeat(n)),
        format!("SELECT * FROM {}SELECT 1{}", "(SELECT * FROM ".repeat(n), ") x".repeat(n)),
        format!("SELECT 1{}", " + 1".repeat(n)),
        format!("SELECT {}1", "- ".repeat(n)),
        format!("SELECT {}1", "NOT ".repeat(n)),
        format!("SELECT 1{}", " IS NULL".repeat(n)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(n)),
        format!("SELECT a{}", "[1]".repeat(n)),
        format!("SELECT {}1", "CASE WHEN ".repeat(n)),
        format!("SELECT {}1{}", "f(".repeat(n), ")".repeat(n)),
        format!("SELECT {}1{}", "[".repeat(n), "]".repeat(n)),
        format!("CREATE TABLE t (a {}INT{})", "ARRAY<".repeat(n), ">".repeat(n)),
        format!("CREATE TABLE t (a {}INT{})", "STRUCT<a ".repeat(n), ">".repeat(n)),
        format!("{}SELECT 1", "EXPLAIN ".repeat(n)),
        format!("SELECT CAST(1 AS {}INT{})", "ARRAY<".repeat(n), ">".repeat(n)),
        format!("SELECT {}1 END", "CASE 1 WHEN 1 THEN ".repeat(n)),
        format!("SELECT * FROM {}t a{}", "((SELECT 1 FROM ".repeat(60), ") x JOIN y)".repeat(60)),
        format!("SELECT {}x", "x -> ".repeat(n)),
        format!("SELECT a{}", " BETWEEN 1 AND 2".repeat(n)),
        format!("SELECT {}1", "INTERVAL ".repeat(n)),
        format!("SELECT {}1", "DATE ".repeat(n)),
        format!("SELECT 1 IN {}1", "(SELECT ".repeat(n)),
        format!("SELECT {}", "EXISTS (".repeat(n)),
        format!("WITH {}", "a AS (WITH ".repeat(n)),
        format!("SELECT * FROM {}", "a JOIN (".repeat(n)),
    ];
    for sql in &deep {
        let each = Instant::now();
        if let Ok(statement) = parse_one(sql) {
            // What is accepted can be compared, printed and dropped.
            assert_eq!(statement.clone(), statement);
            assert!(!statement.to_string().is_empty());
        }
        assert!(each.elapsed() < Duration::from_secs(10), "{} took {:?}", &sql[..60], each.elapsed());
    }
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn what_is_accepted_at_the_limits_can_be_compared_printed_and_dropped() {
    for sql in [
        format!("SELECT 1{}", " + 1".repeat(398)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(99)),
        format!("SELECT a FROM t WHERE {}a = 1", "a = 1 OR b LIKE 'x' AND c IS NULL OR ".repeat(20_000)),
        format!("SELECT {}1{}", "(".repeat(45), ")".repeat(45)),
        format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(30), ") x".repeat(30)),
        format!("CREATE TABLE t (a {}INT{})", "ARRAY<".repeat(90), ">".repeat(90)),
    ] {
        let statement = parse_one(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(parse_one(&statement.to_string()).unwrap(), statement.clone());
    }
}

#[test]
fn what_is_accepted_at_the_limits_can_be_analysed() {
    let plus = " + 1".repeat(398);
    for sql in [
        format!("CREATE TABLE t (a BIGINT, b BIGINT AS a{plus})"),
        format!("CREATE TABLE t (a BIGINT) PARTITION BY a, (a{})", " + 1".repeat(390)),
        format!("CREATE TABLE t (a INT, b {}INT{})", "ARRAY<".repeat(90), ">".repeat(90)),
    ] {
        let Statement::CreateTable(create) = parse_one(&sql).unwrap() else { panic!("{sql}") };
        let table = create_table(&create, &Cluster::default()).unwrap();
        let statements = create_table_statements(&table.definition, &table.partitions);
        let Statement::CreateTable(again) = parse_one(&statements[0]).unwrap() else { panic!() };
        assert_eq!(create_table(&again, &Cluster::default()).unwrap(), table);
    }
    for query in [
        format!("SELECT a{plus} FROM t"),
        format!("SELECT a FROM t{}", " UNION ALL SELECT a FROM t".repeat(99)),
        format!("SELECT * FROM {}t{}", "(SELECT * FROM ".repeat(30), ") x".repeat(30)),
    ] {
        assert!(names_in_query(&query).unwrap().iter().all(|name| name.object() == "t"));
    }
}

#[test]
fn long_lists_take_linear_time() {
    let rows = |n: usize| format!("INSERT INTO t VALUES {}", vec!["(1, 'a', NULL, NOW())"; n].join(", "));
    let columns = |n: usize| {
        let list: Vec<String> = (0..n).map(|i| format!("c{i} INT DEFAULT \"1\" COMMENT \"x\"")).collect();
        format!("CREATE TABLE t ({})", list.join(", "))
    };
    for build in [&rows as &dyn Fn(usize) -> String, &columns] {
        let time = |n: usize| {
            let sql = build(n);
            let started = Instant::now();
            parse_one(&sql).unwrap();
            started.elapsed()
        };
        let (small, large) = (time(2_000), time(20_000));
        assert!(large < small * 40 + Duration::from_millis(500), "{small:?} then {large:?}");
    }
}
