//! Columns of tables and files.

use super::super::super::files::read;
use super::super::super::session::Session;
use super::super::super::value::types::{NAME_KEY, of_field};
use super::super::table::table_of;
use super::{Listing, some};
use rockhold_core::Row;
use rockhold_model::{Column, ColumnDefault, KeyModel, TableDefinition};
use rockhold_sql::SqlError;

/// The text of a column's default; `None` without one.
pub(super) fn default_text(column: &Column) -> Option<String> {
    match column.default.as_ref()? {
        ColumnDefault::Null => None,
        ColumnDefault::Literal(text) => Some(text.clone()),
        ColumnDefault::CurrentTimestamp { precision: None } => some("CURRENT_TIMESTAMP"),
        ColumnDefault::CurrentTimestamp { precision: Some(digits) } => {
            Some(format!("CURRENT_TIMESTAMP({digits})"))
        }
        ColumnDefault::Function(text) => Some(text.clone()),
    }
}

/// What is remarkable about a column.
fn extra(table: &TableDefinition, column: &Column) -> String {
    let mut words = Vec::new();
    if let Some(aggregation) = &column.aggregation
        && table.key_model != KeyModel::Duplicate
    {
        words.push(aggregation.to_string());
    }
    if column.auto_increment {
        words.push("auto_increment".to_owned());
    }
    if let Some(expression) = &column.generated {
        words.push(format!("AS {expression}"));
    }
    words.join(",")
}

fn yes_no(flag: bool) -> Option<String> {
    some(if flag { "YES" } else { "NO" })
}

fn fields(table: &TableDefinition, full: bool) -> Vec<Row> {
    table
        .visible_columns()
        .map(|column| {
            let key = some(column.key.to_string());
            let (default, extra) = (default_text(column), Some(extra(table, column)));
            let (name, data_type) = (some(&column.name), Some(column.data_type.to_string()));
            if !full {
                return vec![name, data_type, yes_no(column.nullable), key, default, extra];
            }
            let collation = column.data_type.is_text().then(|| "utf8_general_ci".to_owned());
            let comment = some(&column.comment);
            vec![name, data_type, collation, yes_no(column.nullable), key, default, extra, some(""), comment]
        })
        .collect()
}

/// `DESC table`.
pub(super) fn describe(table: &TableDefinition) -> Listing {
    Listing::new(&["Field", "Type", "Null", "Key", "Default", "Extra"], fields(table, false))
}

/// `SHOW [FULL] COLUMNS`.
pub(super) async fn show(
    session: &Session,
    full: bool,
    name: &rockhold_sql::ast::ObjectName,
) -> Result<Listing, SqlError> {
    let table = table_of(session, &session.full_name(name)?).await?;
    if !full {
        return Ok(describe(&table));
    }
    let columns = ["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"];
    Ok(Listing::new(&columns, fields(&table, true)))
}

/// `DESC FILES (…)`.
pub(super) async fn of_files(pairs: &[(String, String)]) -> Result<Listing, SqlError> {
    let table = read::table(pairs).await?;
    let rows = table
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let name = field.metadata().get(NAME_KEY).unwrap_or(field.name());
            vec![some(name), Some(of_field(field).to_string()), some("YES")]
        })
        .collect();
    Ok(Listing::new(&["Field", "Type", "Null"], rows))
}
