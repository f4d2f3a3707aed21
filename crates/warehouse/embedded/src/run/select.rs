//! Queries.

use super::super::query::Environment;
use super::super::query::context::{Planned, rows};
use super::super::query::rewrite::rewrite;
use super::super::session::Session;
use super::relations;
use rockhold_core::Outcome;
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
    let found = rewrite(&mut rewritten, environment)?;
    let tables = relations::tables(session, &found, environment).await?;
    session.engine.plan(query, rewritten, &tables, environment.database.as_deref().unwrap_or(""))
}
