//! Queries.

use super::super::error::of_query;
use super::super::merge::table::definition_of;
use super::super::query::Environment;
use super::super::query::context::{Planned, rows};
use super::super::query::rewrite::{Found, rewrite};
use super::super::rollup;
use super::super::session::Session;
use super::relations;
use rockhold_core::{KindId, Outcome};
use rockhold_sql::SqlError;
use sqlparser::ast::Query;

/// Runs a query; its rows stream.
pub(super) async fn run(session: &Session, query: &Query) -> Result<Outcome, SqlError> {
    let planned = plan(session, query, &session.environment()).await?;
    let stream = session.engine.stream(&planned.plan).await?;
    Ok(Outcome::Rows(rows(stream, &planned.names)))
}

/// Plans a query over one instant of the warehouse.
pub(crate) async fn plan(
    session: &Session,
    query: &Query,
    environment: &Environment,
) -> Result<Planned, SqlError> {
    let mut rewritten = query.clone();
    let mut found = rewrite(&mut rewritten, environment)?;
    if let Some(over) = over_rollup(session, &rewritten, &found).await? {
        rewritten = over;
        found = rewrite(&mut rewritten, environment)?;
    }
    let tables = relations::tables(session, &found, environment).await?;
    session.engine.plan(query, rewritten, &tables, environment.database.as_deref().unwrap_or(""))
}

/// The same query over the synchronous materialized view that it is the query
/// of, where there is one.
async fn over_rollup(session: &Session, rewritten: &Query, found: &Found) -> Result<Option<Query>, SqlError> {
    let ([table], true) = (found.tables.as_slice(), found.files.is_empty()) else { return Ok(None) };
    if super::is_information_schema(&table.database) || !table.partitions.is_empty() {
        return Ok(None);
    }
    match session.find(&table.full_name()).await? {
        Some(object) if object.object.kind == KindId::TABLE => {
            let definition = definition_of(&object.object).map_err(of_query)?;
            Ok(rollup::matching(session, &definition, &table.database, rewritten))
        }
        _ => Ok(None),
    }
}
