//! Columns of tables and files.

use super::super::super::error::of_query;
use super::super::super::files::read;
use super::super::super::merge::table::definition_of;
use super::super::super::session::Session;
use super::super::super::value::types::{NAME_KEY, of_field};
use super::super::view;
use super::{Listing, some};
use rockhold_core::{KindId, Row};
use rockhold_model::{Column, ColumnDefault, KeyModel, TableDefinition};
use rockhold_sql::SqlError;
use rockhold_warehouse_store::ObjectInfo;

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

/// The columns of a relation as they are described.
async fn fields(session: &Session, object: &ObjectInfo, full: bool) -> Result<Vec<Row>, SqlError> {
    if object.object.kind == KindId::VIEW {
        let columns = view::columns(session, object).await?;
        return Ok(rows(columns.iter().map(|column| (column, String::new())), full));
    }
    let table = definition_of(&object.object).map_err(of_query)?;
    Ok(rows(table.visible_columns().map(|column| (column, extra(&table, column))), full))
}

/// Columns with what is remarkable about them.
fn rows<'a>(columns: impl Iterator<Item = (&'a Column, String)>, full: bool) -> Vec<Row> {
    columns
        .map(|(column, extra)| {
            let key = some(column.key.to_string());
            let (default, extra) = (default_text(column), Some(extra));
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

/// `DESC table`, `SHOW [FULL] COLUMNS`.
pub(super) async fn show(
    session: &Session,
    full: bool,
    name: &rockhold_sql::ast::ObjectName,
) -> Result<Listing, SqlError> {
    let object = session.require(&session.full_name(name)?).await?;
    let rows = fields(session, &object, full).await?;
    if !full {
        return Ok(Listing::new(&["Field", "Type", "Null", "Key", "Default", "Extra"], rows));
    }
    let columns = ["Field", "Type", "Collation", "Null", "Key", "Default", "Extra", "Privileges", "Comment"];
    Ok(Listing::new(&columns, rows))
}

/// `DESC FILES (…)`.
pub(super) async fn of_files(session: &Session, pairs: &[(String, String)]) -> Result<Listing, SqlError> {
    let table = read::table(&session.storage, pairs).await?;
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
