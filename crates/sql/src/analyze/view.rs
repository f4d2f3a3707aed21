//! CREATE VIEW and ALTER VIEW.

use std::collections::HashSet;

use rockhold_model::{ViewColumn, ViewDefinition};

use super::{Result, names};
use crate::SqlError;
use crate::ast::{AlterViewAction, CreateView, PropertyList, ViewColumnDef};
use crate::error::Stage;

/// The view of a CREATE VIEW. `query_columns` are the names of its query's
/// columns, `default_database` is the database that its unqualified names mean.
///
/// # Errors
///
/// 1353 when the list of columns does not fit the query, 1060 for a name given
/// twice, 1103 and 1166 for names that are none.
pub fn create_view(
    create: &CreateView,
    query_columns: &[String],
    default_database: &str,
) -> Result<ViewDefinition> {
    names::check_table(create.name.object())?;
    refuse_properties(create.properties.as_ref())?;
    Ok(ViewDefinition {
        name: create.name.object().to_string(),
        columns: view_columns(create.columns.as_deref(), query_columns)?,
        comment: create.comment.clone().unwrap_or_default(),
        security: create.security.unwrap_or_default(),
        query: create.query.text.clone(),
        default_database: default_database.to_string(),
    })
}

/// The view after an ALTER VIEW. The columns and the database are those of the
/// new query and mean nothing for other changes. Comment and SECURITY stay what
/// they were unless they are what changes.
///
/// # Errors
///
/// As [`create_view`].
pub fn alter_view(
    view: &ViewDefinition,
    action: &AlterViewAction,
    query_columns: &[String],
    default_database: &str,
) -> Result<ViewDefinition> {
    let mut view = view.clone();
    match action {
        AlterViewAction::Query { columns, query } => {
            view.columns = view_columns(columns.as_deref(), query_columns)?;
            view.query.clone_from(&query.text);
            view.default_database = default_database.to_string();
        }
        AlterViewAction::Security(security) => view.security = *security,
        AlterViewAction::Properties(list) => refuse_properties(Some(list))?,
        AlterViewAction::Rename(name) => {
            names::check_table(name.as_str())?;
            view.name.clone_from(&name.value);
        }
    }
    Ok(view)
}

/// Names of a query's columns, or those that a list puts in their place.
pub(super) fn listed<'n>(
    list: Option<&'n [ViewColumnDef]>,
    query_columns: &'n [String],
) -> Result<Vec<(&'n str, Option<&'n str>)>> {
    let Some(list) = list else {
        return Ok(query_columns.iter().map(|name| (name.as_str(), None)).collect());
    };
    if list.len() != query_columns.len() {
        return Err(SqlError::numbered(
            Stage::Analyze,
            1353,
            "View's SELECT and view's field list have different column counts",
        ));
    }
    Ok(list.iter().map(|column| (column.name.as_str(), column.comment.as_deref())).collect())
}

/// Refuses names that a reader could not tell apart.
pub(super) fn check_distinct<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name.to_lowercase()) {
            let text = format!("Duplicate column name '{name}'");
            return Err(SqlError::numbered(Stage::Analyze, 1060, text));
        }
    }
    Ok(())
}

fn view_columns(list: Option<&[ViewColumnDef]>, query_columns: &[String]) -> Result<Vec<ViewColumn>> {
    let columns = listed(list, query_columns)?;
    check_distinct(columns.iter().map(|(name, _)| *name))?;
    // Without a list, expressions are names, too: `count(*)`.
    let check: fn(&str) -> Result<()> =
        if list.is_some() { names::check_column } else { names::refuse_own_column };
    columns.iter().try_for_each(|(name, _)| check(name))?;
    Ok(columns
        .into_iter()
        .map(|(name, comment)| ViewColumn {
            name: name.to_string(),
            comment: comment.unwrap_or_default().to_string(),
        })
        .collect())
}

/// Views have no properties.
fn refuse_properties(list: Option<&PropertyList>) -> Result<()> {
    match list.and_then(|list| list.entries.first().map(|entry| (entry, list.span))) {
        None => Ok(()),
        Some((entry, span)) => {
            let text = format!("Unknown properties: {{{}={}}}: a view has none", entry.key, entry.value);
            Err(SqlError::analyze(text).at(span))
        }
    }
}
