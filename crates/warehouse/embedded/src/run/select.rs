//! Queries.

use super::super::error::{of_query, of_store};
use super::super::files::read;
use super::super::merge::table::{StoredTable, definition_of};
use super::super::query::Environment;
use super::super::query::context::{Planned, rows};
use super::super::query::planner::Tables;
use super::super::query::rewrite::{Found, OWN, rewrite};
use super::super::session::{Session, unknown_table};
use rockhold_core::{ObjectName, Outcome};
use rockhold_sql::SqlError;
use rockhold_warehouse_store::{PartitionInfo, SnapshotObject};
use sqlparser::ast::Query;
use std::sync::Arc;

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
    let tables = tables(session, &found).await?;
    session.engine.plan(query, rewritten, &tables, environment.database.as_deref().unwrap_or(""))
}

/// Everything a query reads, pinned at one instant.
pub(super) async fn tables(session: &Session, found: &Found) -> Result<Tables, SqlError> {
    let mut tables = Tables::default();
    for files in &found.files {
        let table = read::table(&files.properties).await?;
        tables.insert(OWN, &files.seen_as, table);
    }
    let mut names: Vec<ObjectName> = Vec::new();
    for table in &found.tables {
        let name = ObjectName::new(&table.database, &table.name);
        if super::is_system_database(&table.database) {
            let view = super::show::information_schema(session, &table.name.to_ascii_lowercase()).await?;
            let view = view.ok_or_else(|| unknown_table(&name))?;
            tables.insert(&table.database, &table.seen_as, view);
            continue;
        }
        if names.contains(&name) {
            continue;
        }
        names.push(name);
    }
    if names.is_empty() {
        return Ok(tables);
    }
    let snapshot = session.store.snapshot(&names).await.map_err(of_store)?;
    for table in &found.tables {
        let name = ObjectName::new(&table.database, &table.name);
        let Some(object) = snapshot.objects().iter().find(|o| o.info.object.name == name) else { continue };
        let definition = Arc::new(definition_of(&object.info.object).map_err(of_query)?);
        let partitions = chosen(object, &table.partitions)?;
        let provider = Arc::new(StoredTable::new(definition, snapshot.clone(), partitions)?);
        let database = if table.partitions.is_empty() { table.database.as_str() } else { OWN };
        tables.insert(database, &table.seen_as, provider);
    }
    Ok(tables)
}

/// The partitions of these names, or all but temporary ones.
pub(super) fn chosen(object: &SnapshotObject, names: &[String]) -> Result<Vec<PartitionInfo>, SqlError> {
    let permanent = || object.partitions.iter().filter(|p| !p.definition.temporary);
    if names.is_empty() {
        return Ok(permanent().cloned().collect());
    }
    names
        .iter()
        .map(|name| {
            permanent().find(|p| p.definition.name.eq_ignore_ascii_case(name)).cloned().ok_or_else(|| {
                SqlError::analyze(format!(
                    "Unknown partition '{name}' in table '{}'",
                    object.info.object.name.name
                ))
            })
        })
        .collect()
}
