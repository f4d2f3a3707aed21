//! What the query of a materialized view names, and whether it is active.
//!
//! Nobody writes down that a materialized view is active: it is when nobody
//! said otherwise, its bases exist and its query still fits them. So it becomes
//! active by itself when a base comes back, by CREATE or by RESTORE.

use super::super::error::number;
use super::super::query::Environment;
use super::super::query::context::Planned;
use super::super::run::plan_query;
use super::super::session::Session;
use super::super::value::types::of_field;
use super::object::MaterializedView;
use rockhold_core::{KindId, ObjectName};
use rockhold_model::{MaterializedViewDefinition, ViewDefinition};
use rockhold_sql::{SqlError, names_in_query, parse_query};
use std::collections::BTreeSet;

/// The reason of ALTER MATERIALIZED VIEW … INACTIVE.
pub(crate) const BY_USER: &str = "user use alter materialized view set status to inactive";

/// What a query reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Reads {
    /// Tables and materialized views.
    pub(crate) bases: BTreeSet<ObjectName>,
    /// Logical views between.
    pub(crate) views: BTreeSet<ObjectName>,
    /// Names of nothing that is there.
    pub(crate) missing: BTreeSet<ObjectName>,
}

impl Reads {
    /// Whether it reads an object of that name, there or not.
    pub(crate) fn names(&self, name: &ObjectName) -> bool {
        self.bases.contains(name) || self.views.contains(name) || self.missing.contains(name)
    }
}

/// What a query reads, through logical views.
///
/// # Errors
/// A query cannot be read.
pub(crate) async fn reads(session: &Session, query: &str, database: &str) -> Result<Reads, SqlError> {
    let mut found = Reads::default();
    let mut queries = vec![(query.to_owned(), database.to_owned())];
    while let Some((query, database)) = queries.pop() {
        for written in names_in_query(&query)? {
            let database = written.database().unwrap_or(&database);
            let name = ObjectName::new(database, written.object());
            if found.names(&name) {
                continue;
            }
            match session.find(&name).await? {
                None => {
                    found.missing.insert(name);
                }
                Some(object) if object.object.kind == KindId::VIEW => {
                    let view: ViewDefinition =
                        serde_json::from_value(object.object.definition).map_err(|error| {
                            SqlError::execute(format!("the definition of '{name}' is damaged: {error}"))
                        })?;
                    queries.push((view.query, view.default_database));
                    found.views.insert(name);
                }
                Some(_) => {
                    found.bases.insert(name);
                }
            }
        }
    }
    Ok(found)
}

/// What a statement inside the view sees.
pub(crate) fn environment(session: &Session, database: &str) -> Environment {
    let mut environment = session.environment();
    if !database.is_empty() {
        environment.database = Some(database.to_owned());
    }
    environment
}

/// Plans the view's query over the present.
///
/// # Errors
/// The query does not fit what is there.
pub(crate) async fn plan(
    session: &Session,
    definition: &MaterializedViewDefinition,
) -> Result<Planned, SqlError> {
    let query = parse_query(&definition.query)?.query;
    let environment = environment(session, &definition.default_database);
    Box::pin(plan_query(session, &query, &environment)).await
}

/// Why the view is not active; `None` when it is.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) async fn inactive_reason(
    session: &Session,
    view: &MaterializedView,
) -> Result<Option<String>, SqlError> {
    if !view.state.inactive_reason.is_empty() {
        return Ok(Some(view.state.inactive_reason.clone()));
    }
    misfit(session, view, &mut Vec::new()).await
}

/// Why the view could not be refreshed, whatever was said about it.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) async fn misfit(
    session: &Session,
    view: &MaterializedView,
    path: &mut Vec<ObjectName>,
) -> Result<Option<String>, SqlError> {
    let definition = &view.definition;
    let reads = match reads(session, &definition.query, &definition.default_database).await {
        Ok(reads) => reads,
        Err(error) => return Ok(Some(error.message)),
    };
    if let Some(missing) = reads.missing.first() {
        let noted =
            view.state.notes.iter().find(|n| n.database == missing.database && n.name == missing.name);
        return Ok(Some(match noted {
            Some(note) => note.reason.clone(),
            None => format!("base-table dropped: {}", missing.name),
        }));
    }
    if path.contains(view.name()) {
        return Ok(Some(format!("the materialized view reads itself: {}", view.name())));
    }
    path.push(view.name().clone());
    for base in &reads.bases {
        let Some(found) = session.find(base).await? else { continue };
        if found.object.kind != KindId::MATERIALIZED_VIEW {
            continue;
        }
        let below = MaterializedView::of(found)?;
        let explicit = !below.state.inactive_reason.is_empty();
        if explicit || Box::pin(misfit(session, &below, path)).await?.is_some() {
            path.pop();
            return Ok(Some(format!("base-mv inactive: {}", base.name)));
        }
    }
    path.pop();
    match plan(session, definition).await {
        Ok(planned) => Ok(changed_columns(definition, &planned)),
        // Under restore: nobody can say now.
        Err(error) if error.errno == number::TABLE_STATE => Ok(None),
        Err(error) => Ok(Some(error.message)),
    }
}

/// The columns of the query that are no longer those of the view.
pub(crate) fn changed_columns(definition: &MaterializedViewDefinition, planned: &Planned) -> Option<String> {
    let fields = planned.plan.schema().fields();
    if fields.len() != definition.columns.len() {
        return Some(format!(
            "base-table schema changed: the query has {} columns, the materialized view {}",
            fields.len(),
            definition.columns.len()
        ));
    }
    let changed: Vec<&str> = definition
        .columns
        .iter()
        .zip(fields)
        .filter(|(column, field)| of_field(field) != column.data_type)
        .map(|(column, _)| column.name.as_str())
        .collect();
    (!changed.is_empty()).then(|| format!("base-table schema changed for columns: {}", changed.join(",")))
}
