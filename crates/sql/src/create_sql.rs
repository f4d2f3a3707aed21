//! Statements that make a table again.
//!
//! SHOW CREATE TABLE is StarRocks's text, which in corners does not parse or
//! means something else. This text parses, and its analysis gives the
//! definition it was made from: odd names are quoted, NULL is NULL, rollups
//! are listed, hidden partition columns are the expressions they came from.

use std::fmt::Write;

use rockhold_model::{
    Aggregation, Bound, Column, ColumnDefault, Distribution, Index, Partition, PartitionValue, Partitioning,
    Rollup, TableDefinition,
};

use crate::ast::{quote_ident, quote_text, sql_type};
use crate::show_create::time_function_text;

/// CREATE TABLE, for list partitions that loads created one ALTER TABLE each, as
/// CREATE TABLE cannot list them, and CREATE MATERIALIZED VIEW for each
/// synchronous one. Temporary partitions are left out.
///
/// Bucket numbers of single partitions are not said: only ALTER TABLE could
/// give a partition one of its own.
pub fn create_table_statements(table: &TableDefinition, partitions: &[Partition]) -> Vec<String> {
    let shown: Vec<&Partition> = partitions
        .iter()
        .filter(|partition| !partition.temporary && !partition.name.starts_with('$'))
        .collect();
    let mut statements = vec![create_table(table, &shown)];
    if matches!(table.partitioning, Partitioning::List { automatic: true, .. }) {
        statements.extend(shown.iter().map(|partition| {
            format!("ALTER TABLE {} ADD {}", quote_ident(&table.name), partition_text(partition))
        }));
    }
    statements.extend(table.rollups.iter().filter_map(create_synchronous_view));
    statements
}

/// The statement that makes a synchronous materialized view; `None` for a
/// rollup without a query.
pub fn create_synchronous_view(rollup: &Rollup) -> Option<String> {
    let query = rollup.query.as_ref()?;
    let properties = match rollup.properties.is_empty() {
        true => String::new(),
        false => format!(" PROPERTIES {}", properties_text(&rollup.properties)),
    };
    Some(format!("CREATE MATERIALIZED VIEW {}{properties} AS {query}", quote_ident(&rollup.name)))
}

fn create_table(table: &TableDefinition, partitions: &[&Partition]) -> String {
    let mut lines: Vec<String> =
        table.columns.iter().filter(|column| !column.is_hidden()).map(column_text).collect();
    lines.extend(table.indexes.iter().map(index_text));
    let external = if table.engine == "OLAP" { "" } else { "EXTERNAL " };
    let mut out = format!(
        "CREATE {external}TABLE {} (\n  {}\n) ENGINE = {}",
        quote_ident(&table.name),
        lines.join(",\n  "),
        table.engine
    );
    if table.engine == "OLAP" {
        push(&mut out, format_args!("\n{} KEY ({})", table.key_model, ident_list(&table.key_columns)));
    }
    if !table.comment.is_empty() {
        push(&mut out, format_args!("\nCOMMENT {}", quote_text(&table.comment)));
    }
    if table.engine == "OLAP" {
        partitioning_text(&mut out, table, partitions);
        push(&mut out, format_args!("\n{}", distribution_text(&table.distribution, table.buckets)));
        if !table.sort_key.is_empty() {
            push(&mut out, format_args!("\nORDER BY ({})", ident_list(&table.sort_key)));
        }
        rollups_text(&mut out, table);
    }
    if !table.properties.is_empty() {
        push(&mut out, format_args!("\nPROPERTIES {}", properties_text(&table.properties)));
    }
    out
}

pub(crate) fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

pub(crate) fn ident_list(names: &[String]) -> String {
    names.iter().map(|name| quote_ident(name)).collect::<Vec<_>>().join(", ")
}

pub(crate) fn distribution_text(distribution: &Distribution, buckets: Option<u32>) -> String {
    let mut out = match distribution {
        Distribution::Hash { columns } => format!("DISTRIBUTED BY HASH ({})", ident_list(columns)),
        Distribution::Random => "DISTRIBUTED BY RANDOM".to_string(),
    };
    if let Some(buckets) = buckets {
        push(&mut out, format_args!(" BUCKETS {buckets}"));
    }
    out
}

pub(crate) fn properties_text(properties: &rockhold_model::Properties) -> String {
    let list: Vec<String> = properties
        .iter()
        .map(|(key, value)| format!("{} = {}", quote_text(key), quote_text(value)))
        .collect();
    format!("({})", list.join(", "))
}

fn column_text(column: &Column) -> String {
    let mut out = quote_ident(&column.name);
    match &column.aggregation {
        Some(Aggregation::State { function, arguments }) => {
            let arguments: Vec<String> = arguments.iter().map(sql_type).collect();
            push(&mut out, format_args!(" {function}({})", arguments.join(", ")));
        }
        Some(aggregation) => push(&mut out, format_args!(" {} {aggregation}", sql_type(&column.data_type))),
        None => push(&mut out, format_args!(" {}", sql_type(&column.data_type))),
    }
    out.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
    match &column.default {
        None => {}
        Some(ColumnDefault::Null) => out.push_str(" DEFAULT NULL"),
        Some(ColumnDefault::Literal(text)) => push(&mut out, format_args!(" DEFAULT {}", quote_text(text))),
        Some(ColumnDefault::CurrentTimestamp { precision: None }) => {
            out.push_str(" DEFAULT CURRENT_TIMESTAMP")
        }
        Some(ColumnDefault::CurrentTimestamp { precision: Some(digits) }) => {
            push(&mut out, format_args!(" DEFAULT CURRENT_TIMESTAMP({digits})"));
        }
        Some(ColumnDefault::Function(text)) => push(&mut out, format_args!(" DEFAULT ({text})")),
    }
    if column.auto_increment {
        out.push_str(" AUTO_INCREMENT");
    }
    if let Some(expression) = &column.generated {
        push(&mut out, format_args!(" AS ({expression})"));
    }
    if !column.comment.is_empty() {
        push(&mut out, format_args!(" COMMENT {}", quote_text(&column.comment)));
    }
    out
}

pub(crate) fn index_text(index: &Index) -> String {
    let mut out = format!(
        "INDEX {} ({}) USING {}",
        quote_ident(&index.name),
        ident_list(&index.columns),
        index.kind.as_str()
    );
    if !index.properties.is_empty() {
        push(&mut out, format_args!(" {}", properties_text(&index.properties)));
    }
    if !index.comment.is_empty() {
        push(&mut out, format_args!(" COMMENT {}", quote_text(&index.comment)));
    }
    out
}

fn partitioning_text(out: &mut String, table: &TableDefinition, partitions: &[&Partition]) {
    let list =
        || partitions.iter().map(|partition| partition_text(partition)).collect::<Vec<_>>().join(",\n  ");
    match &table.partitioning {
        Partitioning::Unpartitioned => {}
        Partitioning::Range { columns, expression } => {
            let key = match expression {
                Some(expression) => expression.text.clone(),
                None => ident_list(columns),
            };
            push(out, format_args!("\nPARTITION BY RANGE ({key}) (\n  {}\n)", list()));
        }
        Partitioning::List { columns, automatic: false } => {
            push(out, format_args!("\nPARTITION BY LIST ({}) (\n  {}\n)", ident_list(columns), list()));
        }
        Partitioning::List { columns, automatic: true } => {
            let expressions: Vec<String> = columns
                .iter()
                .map(|name| match table.column(name) {
                    Some(column) if column.is_hidden() => column.generated.clone().unwrap_or_default(),
                    _ => quote_ident(name),
                })
                .collect();
            push(out, format_args!("\nPARTITION BY ({})", expressions.join(", ")));
        }
        Partitioning::Expression { column, function } => {
            push(out, format_args!("\nPARTITION BY {}", time_function_text(&quote_ident(column), function)));
            if !partitions.is_empty() {
                push(out, format_args!(" (\n  {}\n)", list()));
            }
        }
    }
}

fn partition_text(partition: &Partition) -> String {
    let mut out = format!("PARTITION {} VALUES ", quote_ident(&partition.name));
    match &partition.value {
        PartitionValue::All => {}
        PartitionValue::Range { lower, upper } => {
            let key = |bounds: &[Bound]| {
                let values: Vec<String> = bounds
                    .iter()
                    .map(|bound| bound.as_value().map_or("MAXVALUE".to_string(), quote_text))
                    .collect();
                values.join(", ")
            };
            push(&mut out, format_args!("[({}), ({}))", key(lower), key(upper)));
        }
        PartitionValue::List { rows } => {
            let rows: Vec<String> = rows
                .iter()
                .map(|row| {
                    let values: Vec<String> = row
                        .iter()
                        .map(|value| value.as_deref().map_or("NULL".to_string(), quote_text))
                        .collect();
                    format!("({})", values.join(", "))
                })
                .collect();
            push(&mut out, format_args!("IN ({})", rows.join(", ")));
        }
    }
    if !partition.properties.is_empty() {
        push(&mut out, format_args!(" {}", properties_text(&partition.properties)));
    }
    out
}

fn rollups_text(out: &mut String, table: &TableDefinition) {
    // Synchronous materialized views are rollups that a query defines; they are
    // made by statements of their own.
    let rollups: Vec<String> = table
        .rollups
        .iter()
        .filter(|rollup| rollup.query.is_none())
        .map(|rollup| {
            let mut text = format!("{} ({})", quote_ident(&rollup.name), ident_list(&rollup.columns));
            if !rollup.key_columns.is_empty() {
                push(&mut text, format_args!(" DUPLICATE KEY ({})", ident_list(&rollup.key_columns)));
            }
            if !rollup.properties.is_empty() {
                push(&mut text, format_args!(" PROPERTIES {}", properties_text(&rollup.properties)));
            }
            text
        })
        .collect();
    if !rollups.is_empty() {
        push(out, format_args!("\nROLLUP ({})", rollups.join(", ")));
    }
}
