//! SHOW CREATE: StarRocks's text of an object, byte for byte.
//!
//! The text is what StarRocks prints, its slips included: names of struct fields
//! and indexes are not quoted, an index's comment is not escaped, and NULL in a
//! list partition prints as `'NULL'`. So it is for people and tools; what a
//! snapshot stores is the definition itself.

use std::collections::HashSet;
use std::fmt::Write;

use indexmap::IndexMap;
use rockhold_core::{Secret, is_secret_property};
use rockhold_model::{
    Bound, CatalogDefinition, Column, ColumnDefault, Distribution, Index, MaterializedViewDefinition,
    Partition, PartitionValue, Partitioning, RefreshMoment, RefreshScheme, SliceBoundary, TableDefinition,
    TimeFunction, ViewDefinition, ViewSecurity,
};

use crate::ast::{quote_ident, quote_text};
use crate::java;

/// Properties that a table has and that SHOW CREATE TABLE leaves out.
const HIDDEN_PROPERTIES: &[&str] = &["bloom_filter_fpp", "storage_cooldown_time"];

/// SHOW CREATE TABLE.
pub fn show_create_table(table: &TableDefinition, partitions: &[Partition]) -> String {
    let mut out = String::new();
    let external = if table.engine == "OLAP" { "" } else { "EXTERNAL " };
    push(&mut out, format_args!("CREATE {external}TABLE {} (\n", quote_ident(&table.name)));
    let mut lines: Vec<String> = table.columns.iter().map(column_line).collect();
    lines.extend(table.indexes.iter().map(index_line));
    push(&mut out, format_args!("{}\n) ENGINE={} ", lines.join(",\n"), table.engine));
    if table.engine != "OLAP" {
        comment(&mut out, &table.comment);
        external_properties(&mut out, table);
        return out;
    }
    push(&mut out, format_args!("\n{} KEY({})", table.key_model, ident_list(&table.key_columns, ", ")));
    comment(&mut out, &table.comment);
    partition_lines(&mut out, table, partitions);
    out.push('\n');
    out.push_str(&distribution_text(&table.distribution, table.buckets));
    if !table.sort_key.is_empty() {
        push(&mut out, format_args!("\nORDER BY({})", ident_list(&table.sort_key, ", ")));
    }
    let mut properties: Vec<(&str, &str)> = table
        .properties
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .filter(|(key, _)| !HIDDEN_PROPERTIES.contains(key))
        .collect();
    properties.sort_unstable();
    properties_lines(&mut out, properties);
    out.push(';');
    out
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

fn comment(out: &mut String, comment: &str) {
    if !comment.is_empty() {
        push(out, format_args!("\nCOMMENT {}", quote_text(comment)));
    }
}

fn ident_list(names: &[String], between: &str) -> String {
    names.iter().map(|name| quote_ident(name)).collect::<Vec<_>>().join(between)
}

fn column_line(column: &Column) -> String {
    let mut line = format!("  {} {} ", quote_ident(&column.name), column.data_type);
    if let Some(aggregation) = &column.aggregation {
        push(&mut line, format_args!("{aggregation} "));
    }
    line.push_str(if column.nullable { "NULL" } else { "NOT NULL" });
    match &column.default {
        None | Some(ColumnDefault::Null) => {}
        Some(ColumnDefault::Literal(text)) => push(&mut line, format_args!(" DEFAULT {}", quote_text(text))),
        Some(ColumnDefault::CurrentTimestamp { precision: None }) => {
            line.push_str(" DEFAULT CURRENT_TIMESTAMP")
        }
        Some(ColumnDefault::CurrentTimestamp { precision: Some(digits) }) => {
            push(&mut line, format_args!(" DEFAULT current_timestamp({digits})"));
        }
        Some(ColumnDefault::Function(text)) => push(&mut line, format_args!(" DEFAULT ({text})")),
    }
    if column.auto_increment {
        line.push_str(" AUTO_INCREMENT");
    }
    if let Some(expression) = &column.generated {
        push(&mut line, format_args!(" AS {expression}"));
    }
    push(&mut line, format_args!(" COMMENT {}", quote_text(&column.comment)));
    line
}

fn index_line(index: &Index) -> String {
    let mut line = format!(
        "  INDEX {} ({}) USING {}",
        index.name,
        ident_list(&index.columns, ", "),
        index.kind.as_str()
    );
    if !index.properties.is_empty() {
        let list: Vec<String> = index
            .properties
            .iter()
            .map(|(key, value)| format!("{} = {}", quote_text(key), quote_text(value)))
            .collect();
        push(&mut line, format_args!(" ({})", list.join(", ")));
    }
    push(&mut line, format_args!(" COMMENT '{}'", index.comment));
    line
}

fn partition_lines(out: &mut String, table: &TableDefinition, partitions: &[Partition]) {
    let shown =
        || partitions.iter().filter(|partition| !partition.temporary && !partition.name.starts_with('$'));
    match &table.partitioning {
        Partitioning::Unpartitioned => {}
        Partitioning::Range { columns, expression } => {
            let key = match expression {
                Some(expression) => expression.text.clone(),
                None => ident_list(columns, ", "),
            };
            // Partitions print in the order of their ranges.
            let types = crate::analyze::range_key_types(table);
            let mut sorted: Vec<&Partition> = shown().collect();
            sorted.sort_by_cached_key(|partition| range_start(partition, &types));
            let lines: Vec<String> =
                sorted.into_iter().map(|partition| range_line(table, partition)).collect();
            push(out, format_args!("\nPARTITION BY RANGE({key})\n({})", lines.join(",\n")));
        }
        Partitioning::Expression { column, function } => {
            push(out, format_args!("\nPARTITION BY {}", time_function_text(column, function)));
        }
        Partitioning::List { columns, automatic: true } => {
            push(out, format_args!("\nPARTITION BY ({})", ident_list(columns, ",")));
        }
        Partitioning::List { columns, automatic: false } => {
            let lines: Vec<String> = shown().map(|partition| list_line(table, partition)).collect();
            push(
                out,
                format_args!("\nPARTITION BY LIST({})(\n{}\n)", ident_list(columns, ","), lines.join(",\n")),
            );
        }
    }
}

fn range_start(partition: &Partition, types: &[rockhold_model::DataType]) -> Vec<crate::analyze::RangeBound> {
    match &partition.value {
        PartitionValue::Range { lower, .. } => lower
            .iter()
            .zip(types)
            .filter_map(|(bound, data_type)| crate::analyze::RangeBound::parse(bound, data_type).ok())
            .collect(),
        _ => Vec::new(),
    }
}

/// The expression that makes automatic range partitions, as SHOW CREATE TABLE
/// prints it.
pub fn time_function_text(column: &str, function: &TimeFunction) -> String {
    match function {
        TimeFunction::DateTrunc { unit } => format!("date_trunc('{unit}', {column})"),
        TimeFunction::TimeSlice { count, unit, boundary } => {
            let boundary = match boundary {
                SliceBoundary::Floor => "floor",
                SliceBoundary::Ceil => "ceil",
            };
            format!("time_slice({column}, {count}, '{unit}', '{boundary}')")
        }
    }
}

fn range_line(table: &TableDefinition, partition: &Partition) -> String {
    let PartitionValue::Range { lower, upper } = &partition.value else { return String::new() };
    let key = |bounds: &[Bound]| {
        let values: Vec<String> =
            bounds.iter().map(|bound| bound.as_value().map_or("MAXVALUE".to_string(), quote_text)).collect();
        values.join(", ")
    };
    format!(
        "PARTITION {} VALUES [({}), ({})){}",
        partition.name,
        key(lower),
        key(upper),
        partition_properties(table, partition)
    )
}

fn list_line(table: &TableDefinition, partition: &Partition) -> String {
    let PartitionValue::List { rows } = &partition.value else { return String::new() };
    let value = |value: &Option<String>| format!("'{}'", value.as_deref().unwrap_or("NULL"));
    let rows: Vec<String> = rows
        .iter()
        .map(|row| match row.as_slice() {
            [single] => value(single),
            several => format!("({})", several.iter().map(value).collect::<Vec<_>>().join(", ")),
        })
        .collect();
    format!(
        "  PARTITION {} VALUES IN ({}){}",
        partition.name,
        rows.join(", "),
        partition_properties(table, partition)
    )
}

/// Only a number of replicas that differs from the table's is printed.
fn partition_properties(table: &TableDefinition, partition: &Partition) -> String {
    match partition.properties.get("replication_num") {
        Some(number) if table.properties.get("replication_num") != Some(number) => {
            format!("(\"replication_num\" = \"{number}\")")
        }
        _ => String::new(),
    }
}

fn distribution_text(distribution: &Distribution, buckets: Option<u32>) -> String {
    match (distribution, buckets) {
        (Distribution::Hash { columns }, None) => {
            format!("DISTRIBUTED BY HASH({})", ident_list(columns, ", "))
        }
        // The trailing blank is StarRocks's.
        (Distribution::Hash { columns }, Some(buckets)) => {
            format!("DISTRIBUTED BY HASH({}) BUCKETS {buckets} ", ident_list(columns, ", "))
        }
        (Distribution::Random, None) => "DISTRIBUTED BY RANDOM".to_string(),
        (Distribution::Random, Some(buckets)) => format!("DISTRIBUTED BY RANDOM BUCKETS {buckets}"),
    }
}

fn properties_lines<'a>(out: &mut String, properties: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let lines: Vec<String> =
        properties.into_iter().map(|(key, value)| format!("\"{key}\" = {}", quote_text(value))).collect();
    push(out, format_args!("\nPROPERTIES (\n{}\n)", lines.join(",\n")));
}

fn external_properties(out: &mut String, table: &TableDefinition) {
    let properties = table.properties.iter().map(|(key, value)| {
        let secret = key == "password";
        (key.as_str(), if secret { "" } else { value.as_str() })
    });
    properties_lines(out, properties);
    out.push(';');
}

/// A column of a view, which has no type.
fn named_column(name: &str, comment: &str) -> String {
    match comment {
        "" => quote_ident(name),
        comment => format!("{} COMMENT {}", quote_ident(name), quote_text(comment)),
    }
}

/// SHOW CREATE VIEW.
pub fn show_create_view(view: &ViewDefinition) -> String {
    let columns: Vec<String> =
        view.columns.iter().map(|column| named_column(&column.name, &column.comment)).collect();
    let mut out = format!("CREATE VIEW {} ({})", quote_ident(&view.name), columns.join(", "));
    comment(&mut out, &view.comment);
    let security = match view.security {
        ViewSecurity::None => "NONE",
        ViewSecurity::Invoker => "INVOKER",
    };
    push(&mut out, format_args!(" SECURITY {security} AS {};", view.query));
    out
}

/// SHOW CREATE MATERIALIZED VIEW. Properties print in the order of StarRocks's
/// map, a medium that is the default behind them.
pub fn show_create_materialized_view(view: &MaterializedViewDefinition) -> String {
    let columns: Vec<String> =
        view.columns.iter().map(|column| named_column(&column.name, &column.comment)).collect();
    let mut out = format!("CREATE MATERIALIZED VIEW {} ({})", quote_ident(&view.name), columns.join(", "));
    comment(&mut out, &view.comment);
    if !view.partition_expressions.is_empty() {
        push(&mut out, format_args!("\nPARTITION BY ({})", view.partition_expressions.join(",")));
    }
    push(&mut out, format_args!("\n{}", distribution_text(&view.distribution, view.buckets)));
    if !view.sort_key.is_empty() {
        push(&mut out, format_args!("\nORDER BY ({})", ident_list(&view.sort_key, ",")));
    }
    out.push_str("\nREFRESH ");
    if view.moment == RefreshMoment::Deferred {
        out.push_str("DEFERRED ");
    }
    match &view.refresh {
        RefreshScheme::Manual => out.push_str("MANUAL"),
        RefreshScheme::Incremental => out.push_str("INCREMENTAL"),
        RefreshScheme::Async { start, every } => {
            out.push_str("ASYNC");
            if let Some(start) = start {
                push(&mut out, format_args!(" START({})", quote_text(start)));
            }
            if let Some((count, unit)) = every {
                push(&mut out, format_args!(" EVERY(INTERVAL {count} {})", unit.as_str().to_uppercase()));
            }
        }
    }
    let default_medium = ("storage_medium", "HDD");
    let mut names: Vec<&str> = view.properties.keys().map(String::as_str).collect();
    // Set with the medium, before the properties that every view has.
    names.sort_by_key(|name| *name != "storage_cooldown_time");
    java::map_order(&mut names);
    let pairs = names.iter().filter_map(|name| Some((*name, view.properties.get(*name)?.as_str())));
    let (medium, others): (Vec<_>, Vec<_>) = pairs.partition(|pair| *pair == default_medium);
    properties_lines(&mut out, others.into_iter().chain(medium));
    push(&mut out, format_args!("\nAS {};", view.query));
    out
}

/// SHOW CREATE CATALOG of a catalog whose secrets are not at hand: they are
/// masked whole.
pub fn show_create_catalog(catalog: &CatalogDefinition) -> String {
    show_create_catalog_with(catalog, &IndexMap::new())
}

/// SHOW CREATE CATALOG, with secrets masked; of those in `secrets` the first
/// and last characters show, as far as that gives little away.
pub fn show_create_catalog_with(catalog: &CatalogDefinition, secrets: &IndexMap<String, Secret>) -> String {
    let mut out = format!("CREATE EXTERNAL CATALOG {}", quote_ident(&catalog.name));
    if !catalog.comment.is_empty() {
        push(&mut out, format_args!("\ncomment {}", quote_text(&catalog.comment)));
    }
    let mut names: Vec<&str> = catalog
        .properties
        .keys()
        .chain(catalog.secrets.keys())
        .chain(secrets.keys())
        .map(String::as_str)
        .collect();
    let mut seen = HashSet::new();
    names.retain(|name| seen.insert(*name));
    java::copied_map_order(&mut names);
    let lines: Vec<String> = names
        .into_iter()
        .map(|name| {
            let value = match (secrets.get(name), catalog.properties.get(name)) {
                (Some(secret), _) => masked(secret.expose()),
                (None, Some(value)) if !is_secret_property(name) => value.clone(),
                (None, Some(value)) => masked(value),
                (None, None) => MASK.to_string(),
            };
            format!("\"{name}\"  =  {}", quote_text(&value))
        })
        .collect();
    push(&mut out, format_args!("\nPROPERTIES ({}\n)", lines.join(",\n")));
    out
}

const MASK: &str = "******";

/// Of a long secret the first and last two characters; StarRocks shows them of
/// short ones, too.
fn masked(value: &str) -> String {
    let characters: Vec<char> = value.chars().collect();
    if characters.len() < 12 {
        return MASK.to_string();
    }
    let head: String = characters.iter().take(2).collect();
    let tail: String = characters.iter().skip(characters.len() - 2).collect();
    format!("{head}{MASK}{tail}")
}
