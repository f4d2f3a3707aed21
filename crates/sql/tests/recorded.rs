//! What a real StarRocks frontend answered, against what we answer.
//!
//! Every difference stands in one list with its reason. The tests fail on a
//! difference that is not listed and on a listed one that is gone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;

use rockhold_model::{Column, DataType, KeyModel, MaterializedViewDefinition, ViewDefinition};
use rockhold_sql::analyze::{self, Analyzed, Cluster};
use rockhold_sql::ast::{CreateMaterializedView, CreateView, Statement};
use rockhold_sql::{
    SqlError, parse_one, show_create_catalog_with, show_create_materialized_view, show_create_table,
    show_create_view,
};
use serde_json::Value;

/// Statements whose SHOW CREATE TABLE differs, with the reason.
const SHOW_CREATE_DIFFERENCES: &[(&str, &str)] = &[];

/// Statements that we refuse or accept otherwise, with the reason.
const ERROR_DIFFERENCES: &[(&str, &str)] = &[
    (
        "BACKUP SNAPSHOT test_db.s2 TO repo PROPERTIES (\"ttl\" = \"3\")",
        "the property ttl exists, as in StarRocks 4.2; this value is no duration",
    ),
    (
        "CREATE REPOSITORY `` WITH BROKER ON LOCATION \"s3://bucket/path\"",
        "StarRocks's text is a slip: Repository does not empty",
    ),
    (
        "CREATE TABLE x (a INT) PROPERTIES (\"replication_num\" = \"x\")",
        "ours says what is expected instead of repeating the statement",
    ),
    (
        "CREATE TABLE x (a INT, b DECIMAL(10, 11))",
        "StarRocks leaves out its envelope here; ours has it, with the place",
    ),
    (
        "CREATE TABLE x (a INT, b INT DEFAULT 5)",
        "StarRocks prints the inside of its syntax tree; ours the expression",
    ),
];

fn lines(recorded: &str) -> Vec<Value> {
    recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Tables that recorded statements copy or query.
fn known_table(name: &str) -> Analyzed {
    let sql = match name {
        "rng1" => {
            "CREATE TABLE rng1 (k DATE, v INT) PARTITION BY RANGE(k) (PARTITION p1 VALUES LESS THAN \
             (\"2024-01-01\"), PARTITION p2 VALUES LESS THAN (\"2024-02-01\"), PARTITION pm VALUES LESS THAN \
             MAXVALUE) DISTRIBUTED BY HASH(v) BUCKETS 2"
        }
        other => panic!("no table {other}"),
    };
    analyzed(sql).unwrap().unwrap()
}

/// Columns of the recorded queries of CREATE TABLE AS SELECT.
fn query_columns(query: &str) -> Vec<Column> {
    match query {
        "SELECT k, v FROM uniq1" => vec![Column::new("k", DataType::Int), Column::new("v", DataType::Int)],
        "SELECT k, concat(cast(v AS STRING), 'a') FROM uniq1" => {
            vec![Column::new("k", DataType::Int), Column::new("c", DataType::Varchar(DataType::MAX_VARCHAR))]
        }
        other => panic!("no columns for {other}"),
    }
}

/// The table of a CREATE TABLE statement; `None` for other statements.
fn analyzed(sql: &str) -> Result<Option<Analyzed>, SqlError> {
    let cluster = Cluster::default();
    Ok(Some(match parse_one(sql)? {
        Statement::CreateTable(create) => analyze::create_table(&create, &cluster)?,
        Statement::CreateTableLike(create) => {
            analyze::create_table_like(&create, &known_table(create.source.object()), &cluster)?
        }
        Statement::CreateTableAs(create) => {
            analyze::create_table_as(&create, query_columns(&create.query.text), &cluster)?
        }
        _ => return Ok(None),
    }))
}

#[test]
fn show_create_table_is_starrocks_word_for_word() {
    let mut differences = BTreeMap::new();
    let mut tables = 0;
    for entry in lines(include_str!("../../../tests/recorded/show-create.jsonl")) {
        let sql = entry["sql"].as_str().unwrap();
        let Some(expected) = entry["show_create"].as_str() else { continue };
        if !expected.starts_with("CREATE TABLE") && !expected.starts_with("CREATE EXTERNAL TABLE") {
            continue;
        }
        tables += 1;
        let ours = match analyzed(sql) {
            Ok(Some(table)) => show_create_table(&table.definition, &table.partitions),
            Ok(None) => panic!("{sql} is no CREATE TABLE"),
            Err(error) => error.to_string(),
        };
        if ours != expected {
            differences.insert(sql.to_string(), format!("expected\n{expected}\nours\n{ours}"));
        }
    }
    assert!(tables >= 70, "{tables}");
    compare("SHOW_CREATE_DIFFERENCES", differences, SHOW_CREATE_DIFFERENCES);
}

/// The names of a query's columns need a planner; they are taken from the
/// recorded text, everything else from the statement.
#[test]
fn show_create_of_views_is_starrocks_word_for_word() {
    let mut views = 0;
    for entry in lines(include_str!("../../../tests/recorded/show-create.jsonl")) {
        let Some(expected) = entry["show_create"].as_str() else { continue };
        let (Ok(made), Ok(shown)) = (parse_one(entry["sql"].as_str().unwrap()), parse_one(expected)) else {
            // Tables with odd names print as text that does not parse.
            assert!(expected.starts_with("CREATE TABLE"), "{expected}");
            continue;
        };
        let ours = match (made, shown) {
            (Statement::CreateView(made), Statement::CreateView(shown)) => {
                show_create_view(&view_definition(&made, &shown))
            }
            (Statement::CreateMaterializedView(made), Statement::CreateMaterializedView(shown)) => {
                show_create_materialized_view(&materialized_view_definition(&made, &shown))
            }
            (Statement::CreateCatalog(made), _) => {
                let made = analyze::create_catalog(&made).unwrap();
                show_create_catalog_with(&made.definition, &made.secrets)
            }
            _ => continue,
        };
        assert_eq!(ours, expected);
        views += 1;
    }
    assert_eq!(views, 17);
}

fn view_definition(made: &CreateView, shown: &CreateView) -> ViewDefinition {
    let names: Vec<String> = shown.columns.iter().flatten().map(|column| column.name.value.clone()).collect();
    analyze::create_view(made, &names, "test_db").unwrap()
}

fn materialized_view_definition(
    made: &CreateMaterializedView,
    shown: &CreateMaterializedView,
) -> MaterializedViewDefinition {
    let names = shown.columns.iter().flatten().map(|column| column.name.value.clone());
    let columns = names.map(|name| Column::new(name, DataType::Int)).collect();
    let unpartitioned = rockhold_model::Partitioning::Unpartitioned;
    analyze::create_materialized_view(made, columns, unpartitioned, "test_db", &Cluster::default()).unwrap()
}

#[test]
fn what_show_create_prints_makes_the_same_table() {
    for entry in lines(include_str!("../../../tests/recorded/show-create.jsonl")) {
        let Some(text) = entry["show_create"].as_str() else { continue };
        if !text.starts_with("CREATE TABLE") {
            continue;
        }
        // Names that StarRocks prints without quotes do not parse again, hidden
        // columns are not written by hand, and 'NULL' is a text.
        if ["a b int", "odd name", "__generated_partition", "'NULL'", "avg("]
            .iter()
            .any(|odd| text.contains(odd))
        {
            continue;
        }
        let table = analyzed(text).unwrap_or_else(|error| panic!("{text}\n{error}")).unwrap();
        assert_eq!(show_create_table(&table.definition, &table.partitions), text);
    }
}

#[test]
fn create_statements_make_the_same_table() {
    for entry in lines(include_str!("../../../tests/recorded/show-create.jsonl")) {
        let Ok(Some(table)) = analyzed(entry["sql"].as_str().unwrap()) else { continue };
        let statements = rockhold_sql::create_table_statements(&table.definition, &table.partitions);
        let again =
            analyzed(&statements[0]).unwrap_or_else(|error| panic!("{}\n{error}", statements[0])).unwrap();
        assert_eq!(again, table, "{}", statements[0]);
    }
}

/// Runs a recorded statement as far as no catalog is needed.
fn refusal(sql: &str) -> Option<SqlError> {
    let statement = match parse_one(sql) {
        Ok(statement) => statement,
        Err(error) => return Some(error),
    };
    let cluster = Cluster::default();
    let result = match &statement {
        Statement::CreateTable(create) => analyze::create_table(create, &cluster).map(|_| ()),
        Statement::Backup(backup) => analyze::check_backup_names(backup)
            .and_then(|()| backup.catalogs.iter().try_for_each(analyze::check_catalogs))
            .and_then(|()| analyze::backup_options(backup).map(|_| ())),
        Statement::Restore(restore) => {
            analyze::check_restore_items(restore).and_then(|()| analyze::restore_options(restore).map(|_| ()))
        }
        Statement::CreateRepository(create) => analyze::check_create_repository(create),
        Statement::DropRepository(drop) => analyze::check_drop_repository(drop),
        Statement::CreateView(create) => {
            analyze::create_view(create, &columns_of_base(&create.query.text), "test_db").map(|_| ())
        }
        Statement::CreateMaterializedView(create) => {
            let names = columns_of_base(&create.query.text);
            let columns = names.into_iter().map(|name| Column::new(name, DataType::Int)).collect();
            let unpartitioned = rockhold_model::Partitioning::Unpartitioned;
            analyze::create_materialized_view(create, columns, unpartitioned, "test_db", &cluster).map(|_| ())
        }
        Statement::CreateCatalog(create) => analyze::create_catalog(create).map(|_| ()),
        Statement::CreateFunction(create) => analyze::create_function(create).map(|_| ()),
        Statement::ShowSnapshots(show) => analyze::snapshot_filter(show).map(|_| ()),
        _ => Ok(()),
    };
    result.err()
}

/// Errors that only a catalog, a repository or the planner can find.
fn needs_more_than_the_statement(error: &str) -> bool {
    let catalog = [
        "Unknown database",
        "Incorrect table name",
        "does not exist  in tablet",
        "temp partitions",
        "temporary partitions",
        "incremental backup",
        "Repository nowhere does not exist",
        "Failed to get info of snapshot",
        "does not exist in snapshot",
        "No restore is currently running",
        "repository with same name",
        "already exists",
        "getNameToFunction",
        "cannot be resolved",
    ];
    catalog.iter().any(|part| error.contains(part))
}

/// Columns of the recorded queries over the table `base`.
fn columns_of_base(query: &str) -> Vec<String> {
    let names: &[&str] = match query {
        "SELECT k FROM base" => &["k"],
        "SELECT rand() r FROM base" => &["r"],
        "SELECT nosuch FROM base" => &["nosuch"],
        "SELECT k FROM nosuch" => &["k"],
        other => panic!("no columns for {other}"),
    };
    names.iter().map(ToString::to_string).collect()
}

/// The error without StarRocks's envelope and final stops.
fn detail(error: &str) -> &str {
    let detail = error.split_once("Detail message: ").map_or(error, |(_, detail)| detail);
    detail.trim_end_matches(['.', ' '])
}

#[test]
fn errors_have_starrocks_number_and_words() {
    let mut differences = BTreeMap::new();
    let mut compared = 0;
    for entry in lines(include_str!("../../../tests/recorded/errors.jsonl")) {
        let sql = entry["sql"].as_str().unwrap();
        let ours = refusal(sql);
        let difference = match (entry["error"].as_str(), &ours) {
            (None, None) => None,
            (None, Some(ours)) => Some(format!("StarRocks accepts it, we answer {ours}")),
            (Some(expected), _) if needs_more_than_the_statement(expected) => {
                ours.map(|ours| format!("refused too early: {ours}"))
            }
            (Some(expected), None) => Some(format!("we accept it, StarRocks answers {expected}")),
            (Some(expected), Some(ours)) => {
                let number = entry["errno"].as_u64().unwrap();
                let same = u64::from(ours.errno) == number
                    && ours.message.contains(detail(expected))
                    && expected.contains("syntax error") == ours.to_string().contains("syntax error");
                (!same).then(|| format!("{number} {expected}\nours\n{} {ours}", ours.errno))
            }
        };
        compared += 1;
        if let Some(difference) = difference {
            differences.insert(sql.to_string(), difference);
        }
    }
    assert!(compared >= 120, "{compared}");
    compare("ERROR_DIFFERENCES", differences, ERROR_DIFFERENCES);
}

#[test]
fn places_of_syntax_errors_are_starrocks_own() {
    let mut wrong = Vec::new();
    for entry in lines(include_str!("../../../tests/recorded/errors.jsonl")) {
        let (sql, Some(expected)) = (entry["sql"].as_str().unwrap(), entry["error"].as_str()) else {
            continue;
        };
        if !expected.starts_with("Getting syntax error at")
            && !expected.starts_with("Getting syntax error from")
        {
            continue;
        }
        let place = |text: &str| text.split(". Detail").next().unwrap().to_string();
        let ours = parse_one(sql).unwrap_err().to_string();
        if place(&ours) != place(expected) {
            wrong.push(format!("{sql}\n{expected}\n{ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn compare(list: &str, found: BTreeMap<String, String>, listed: &[(&str, &str)]) {
    let mut report = Vec::new();
    for (sql, difference) in &found {
        if !listed.iter().any(|(listed, _)| listed == sql) {
            report.push(format!("not in {list}:\n{sql}\n{difference}"));
        }
    }
    for (sql, reason) in listed {
        assert!(!reason.is_empty(), "{sql} has no reason");
        if !found.contains_key(*sql) {
            report.push(format!("in {list}, but no longer different:\n{sql}"));
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n\n"));
}

#[test]
fn definitions_survive_json() {
    for entry in lines(include_str!("../../../tests/recorded/show-create.jsonl")) {
        let Ok(Some(table)) = analyzed(entry["sql"].as_str().unwrap()) else { continue };
        let text = serde_json::to_string(&table.definition).unwrap();
        assert_eq!(serde_json::from_str::<rockhold_model::TableDefinition>(&text).unwrap(), table.definition);
        let text = serde_json::to_string(&table.partitions).unwrap();
        assert_eq!(serde_json::from_str::<Vec<rockhold_model::Partition>>(&text).unwrap(), table.partitions);
        assert_eq!(rockhold_model::first_difference(&table.definition, &table.definition), None);
        assert!(
            table.definition.key_model != KeyModel::Duplicate
                || table.definition.engine != "OLAP"
                || !table.definition.key_columns.is_empty()
        );
    }
}
