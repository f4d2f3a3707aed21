//! Statements that make views, materialized views, functions and catalogs
//! again, under the name in their definition.
//!
//! They parse, and their analysis gives the definition they were made from, as
//! [`create_table_statements`](crate::create_table_statements) does for tables.

use std::fmt::Write;

use indexmap::IndexMap;
use rockhold_model::{
    CatalogDefinition, FunctionDefinition, FunctionKind, MaterializedViewDefinition, Properties,
    RefreshMoment, RefreshScheme, SealedValue, ViewDefinition, ViewSecurity,
};

use crate::ast::{quote_ident, quote_text, sql_type};
use crate::create_sql::{distribution_text, ident_list, index_text, properties_text, push};

/// USE of the database that the query's names mean where it is not `database`,
/// then CREATE VIEW.
pub fn create_view_statements(database: &str, view: &ViewDefinition) -> Vec<String> {
    let columns: Vec<String> = view
        .columns
        .iter()
        .map(|column| format!("{}{}", quote_ident(&column.name), comment_text(&column.comment)))
        .collect();
    let (mut statements, name) = place(database, &view.default_database, &view.name);
    let mut out = format!("CREATE VIEW {name}");
    if !columns.is_empty() {
        push(&mut out, format_args!(" (\n  {}\n)", columns.join(",\n  ")));
    }
    if !view.comment.is_empty() {
        push(&mut out, format_args!("\nCOMMENT {}", quote_text(&view.comment)));
    }
    if view.security == ViewSecurity::Invoker {
        out.push_str("\nSECURITY INVOKER");
    }
    push(&mut out, format_args!("\nAS {}", view.query));
    statements.push(out);
    statements
}

/// As [`create_view_statements`], for an asynchronous materialized view.
pub fn create_materialized_view_statements(database: &str, view: &MaterializedViewDefinition) -> Vec<String> {
    let mut columns: Vec<String> = view
        .columns
        .iter()
        .map(|column| format!("{}{}", quote_ident(&column.name), comment_text(&column.comment)))
        .collect();
    columns.extend(view.indexes.iter().map(index_text));
    let (mut statements, name) = place(database, &view.default_database, &view.name);
    let mut out = format!("CREATE MATERIALIZED VIEW {name} (\n  {}\n)", columns.join(",\n  "));
    if !view.comment.is_empty() {
        push(&mut out, format_args!("\nCOMMENT {}", quote_text(&view.comment)));
    }
    if !view.partition_expressions.is_empty() {
        push(&mut out, format_args!("\nPARTITION BY ({})", view.partition_expressions.join(", ")));
    }
    push(&mut out, format_args!("\n{}", distribution_text(&view.distribution, view.buckets)));
    if !view.sort_key.is_empty() {
        push(&mut out, format_args!("\nORDER BY ({})", ident_list(&view.sort_key)));
    }
    out.push_str("\nREFRESH");
    out.push_str(match view.moment {
        RefreshMoment::Immediate => " IMMEDIATE",
        RefreshMoment::Deferred => " DEFERRED",
    });
    match &view.refresh {
        RefreshScheme::Manual => out.push_str(" MANUAL"),
        RefreshScheme::Incremental => out.push_str(" INCREMENTAL"),
        RefreshScheme::Async { start, every } => {
            out.push_str(" ASYNC");
            if let Some(start) = start {
                push(&mut out, format_args!(" START({})", quote_text(start)));
            }
            if let Some((count, unit)) = every {
                push(&mut out, format_args!(" EVERY(INTERVAL {count} {})", unit.as_str().to_uppercase()));
            }
        }
    }
    if !view.properties.is_empty() {
        push(&mut out, format_args!("\nPROPERTIES {}", properties_text(&view.properties)));
    }
    push(&mut out, format_args!("\nAS {}", view.query));
    statements.push(out);
    statements
}

/// CREATE FUNCTION. Secrets are left out, a comment names them.
pub fn create_function_statement(function: &FunctionDefinition) -> String {
    let mut out = secrets_comment(&function.secrets);
    out.push_str(match function.kind {
        FunctionKind::Scalar => "CREATE FUNCTION ",
        FunctionKind::Aggregate => "CREATE AGGREGATE FUNCTION ",
        FunctionKind::Table => "CREATE TABLE FUNCTION ",
    });
    let mut arguments: Vec<String> = function
        .arguments
        .iter()
        .map(|argument| match &argument.name {
            Some(name) => format!("{} {}", quote_ident(name), sql_type(&argument.data_type)),
            None => sql_type(&argument.data_type),
        })
        .collect();
    if function.variadic {
        arguments.push("...".to_string());
    }
    push(&mut out, format_args!("{}({})\nRETURNS ", quote_ident(&function.name), arguments.join(", ")));
    let Some(returns) = &function.returns else {
        out.push_str(function.body.as_deref().unwrap_or_default());
        return out;
    };
    out.push_str(&sql_type(returns));
    if !function.properties.is_empty() {
        push(&mut out, format_args!("\nPROPERTIES {}", properties_text(&function.properties)));
    }
    if let Some(body) = &function.body {
        push(&mut out, format_args!("\nAS $${body}$$"));
    }
    out
}

/// CREATE EXTERNAL CATALOG. Secrets are left out, a comment names them.
pub fn create_catalog_statement(catalog: &CatalogDefinition) -> String {
    let mut out = secrets_comment(&catalog.secrets);
    push(&mut out, format_args!("CREATE EXTERNAL CATALOG {}", quote_ident(&catalog.name)));
    if !catalog.comment.is_empty() {
        push(&mut out, format_args!("\nCOMMENT {}", quote_text(&catalog.comment)));
    }
    push(&mut out, format_args!("\nPROPERTIES {}", lines_of(&catalog.properties)));
    out
}

/// The statement that must come first, and the name to create under.
fn place(database: &str, default_database: &str, name: &str) -> (Vec<String>, String) {
    if default_database.is_empty() || default_database == database {
        return (Vec::new(), quote_ident(name));
    }
    let name = format!("{}.{}", quote_ident(database), quote_ident(name));
    (vec![format!("USE {}", quote_ident(default_database))], name)
}

fn comment_text(comment: &str) -> String {
    if comment.is_empty() { String::new() } else { format!(" COMMENT {}", quote_text(comment)) }
}

fn lines_of(properties: &Properties) -> String {
    let lines: Vec<String> = properties
        .iter()
        .map(|(name, value)| format!("  {} = {}", quote_text(name), quote_text(value)))
        .collect();
    format!("(\n{}\n)", lines.join(",\n"))
}

fn secrets_comment(secrets: &IndexMap<String, SealedValue>) -> String {
    let mut out = String::new();
    for name in secrets.keys() {
        // A name with a line break would end the comment.
        let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(out, "-- secret, add it to the properties: {}", quote_text(&name));
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::analyze::{self, Cluster};
    use crate::ast::Statement;
    use crate::parse_one;

    #[test]
    fn what_is_printed_makes_the_same_object_again() {
        let sql = [
            "CREATE VIEW `v w` (x COMMENT 'it''s', y) COMMENT \"a \\\"b\\\"\" SECURITY INVOKER AS SELECT a, `b`\n-- end\nFROM t",
            "CREATE MATERIALIZED VIEW m (x COMMENT 'c', y, INDEX i (x) USING BITMAP COMMENT 'ix') COMMENT 'm' \
             PARTITION BY (date_trunc('month', x)) DISTRIBUTED BY HASH(y) BUCKETS 3 ORDER BY (y) REFRESH DEFERRED ASYNC \
             START('2030-01-01 00:00:00') EVERY(INTERVAL 2 HOUR) PROPERTIES ('replication_num' = '1', \
             'session.query_timeout' = '5') AS SELECT d, k FROM t",
            "CREATE MATERIALIZED VIEW m (x, y) REFRESH MANUAL AS SELECT d, k FROM t",
            "CREATE FUNCTION F(INT, VARCHAR(20), ARRAY<INT>, ...) RETURNS MAP<INT, DATE> PROPERTIES ('symbol' = 'a.B', \
             'type' = 'StarrocksJar', 'file' = 'https://h/\"x\".jar', 'isolation' = 'shared')",
            "CREATE TABLE FUNCTION f(STRING) RETURNS STRING PROPERTIES ('symbol' = 'a.B', 'type' = 'StarrocksJar', \
             'file' = 'https://h/x.jar')",
            "CREATE FUNCTION p(INT) RETURNS INT type = 'Python' symbol = 'echo' file = 'inline' input = 'scalar' AS \
             $$\ndef echo(x):\n    return x\n$$",
            "CREATE FUNCTION s(x INT, `order by` DECIMAL(10, 2)) RETURNS x + `order by` /* sum */ * 2",
            "CREATE EXTERNAL CATALOG c COMMENT 'x' PROPERTIES ('type' = 'hive', 'hive.metastore.uris' = 'thrift://h:1')",
        ];
        for sql in sql {
            let again = again(&parse_one(sql).unwrap());
            let (first, second) = (definition(sql), definition(again.last().unwrap()));
            assert_eq!(first, second, "{again:?}");
        }
    }

    fn again(statement: &Statement) -> Vec<String> {
        let value = definition(&statement.to_string());
        match statement {
            Statement::CreateView(_) => {
                super::create_view_statements("d", &serde_json::from_value(value).unwrap())
            }
            Statement::CreateMaterializedView(_) => {
                super::create_materialized_view_statements("e", &serde_json::from_value(value).unwrap())
            }
            Statement::CreateFunction(_) => {
                vec![super::create_function_statement(&serde_json::from_value(value).unwrap())]
            }
            _ => vec![super::create_catalog_statement(&serde_json::from_value(value).unwrap())],
        }
    }

    fn definition(sql: &str) -> serde_json::Value {
        let names = ["d", "k"].map(str::to_string);
        match parse_one(sql).unwrap_or_else(|error| panic!("{sql}\n{error}")) {
            Statement::CreateView(create) => {
                serde_json::to_value(analyze::create_view(&create, &names, "d").unwrap()).unwrap()
            }
            Statement::CreateMaterializedView(create) => {
                let columns = vec![
                    rockhold_model::Column::new("d", rockhold_model::DataType::Date),
                    rockhold_model::Column::new("k", rockhold_model::DataType::Int),
                ];
                let scheme = rockhold_model::Partitioning::Unpartitioned;
                let view =
                    analyze::create_materialized_view(&create, columns, scheme, "d", &Cluster::default());
                serde_json::to_value(view.unwrap()).unwrap()
            }
            Statement::CreateFunction(create) => {
                serde_json::to_value(analyze::create_function(&create).unwrap().definition).unwrap()
            }
            Statement::CreateCatalog(create) => {
                serde_json::to_value(analyze::create_catalog(&create).unwrap().definition).unwrap()
            }
            other => panic!("{}", other.kind()),
        }
    }

    #[test]
    fn a_query_over_another_database_is_made_from_there() {
        let Statement::CreateView(create) = parse_one("CREATE VIEW v AS SELECT a FROM t").unwrap() else {
            panic!("no view")
        };
        let view = analyze::create_view(&create, &["a".to_string()], "other db").unwrap();
        assert_eq!(
            super::create_view_statements("d", &view),
            ["USE `other db`", "CREATE VIEW `d`.`v` (\n  `a`\n)\nAS SELECT a FROM t"]
        );
    }

    #[test]
    fn secrets_are_named_and_left_out() {
        let sql =
            "CREATE EXTERNAL CATALOG c PROPERTIES ('type' = 'es', 'hosts' = 'h', 'password' = 'hunter2')";
        let Statement::CreateCatalog(create) = parse_one(sql).unwrap() else { panic!("no catalog") };
        let mut catalog = analyze::create_catalog(&create).unwrap().definition;
        let sealed = rockhold_model::SealedValue { key_id: "k".into(), sealed: "c2VhbGVk".into() };
        catalog.secrets.insert("pass\nword".into(), sealed);
        let text = super::create_catalog_statement(&catalog);
        assert!(text.starts_with("-- secret, add it to the properties: \"pass word\"\nCREATE"), "{text}");
        assert!(!text.contains("hunter2") && parse_one(&text).is_ok(), "{text}");
    }
}
