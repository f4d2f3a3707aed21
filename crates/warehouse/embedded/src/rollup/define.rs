//! CREATE and DROP of synchronous materialized views.

use super::super::error::{number, of_query, of_store};
use super::super::load::job::LoadJob;
use super::super::merge::data_files::Home;
use super::super::merge::scan::ScanFile;
use super::super::merge::stored_schema;
use super::super::merge::table::definition_of;
use super::super::run::to_value;
use super::super::session::{Session, unknown_table};
use super::super::value::types::of_field;
use super::source::Source;
use rockhold_core::{KindId, Namespace, ObjectName, Outcome};
use rockhold_model::{Rollup, TableDefinition};
use rockhold_sql::analyze::{synchronous_rollup, synchronous_view};
use rockhold_sql::ast::CreateMaterializedView;
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::Change;
use std::sync::Arc;

/// `CREATE MATERIALIZED VIEW` without REFRESH and DISTRIBUTED BY: filled from
/// the rows that are there, in one transaction with its definition.
///
/// # Errors
/// The name is taken; the query is none that a rollup can hold.
pub(crate) async fn create(
    session: &Session,
    statement: &CreateMaterializedView,
) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    session.require_database(&name.database).await?;
    let view = synchronous_view(statement)?;
    let base = session.full_name(&view.base)?;
    if base.database != name.database {
        return Err(SqlError::analyze(format!(
            "The materialized view {name} must lie in the database of its table {base}"
        )));
    }
    let object = session.require(&base).await?;
    if object.object.kind != KindId::TABLE {
        return Err(SqlError::analyze(format!(
            "Do not support create synchronous materialized view(rollup) on {}: it is a {}",
            base.name,
            object.object.kind.as_str().replace('_', " ")
        )));
    }
    let taken = session.find(&name).await?.is_some() || find(session, &name).await?.is_some();
    if taken {
        if statement.if_not_exists {
            return Ok(Outcome::done());
        }
        let text = format!("Table '{}' already exists", name.name);
        return Err(SqlError::numbered(Stage::Execute, number::TABLE_EXISTS, text));
    }
    let job = LoadJob::begin(&session.store, &base, None, session.zone).await?;
    let work = fill(session, statement, &job, &view.name, &base).await;
    job.end(work).await?;
    Ok(Outcome::done())
}

async fn fill(
    session: &Session,
    statement: &CreateMaterializedView,
    job: &LoadJob,
    name: &str,
    base: &ObjectName,
) -> Result<(), SqlError> {
    let view = synchronous_view(statement)?;
    let properties = statement.properties.as_ref().map(|list| list.effective()).unwrap_or_default();
    let snapshot = session.store.snapshot(std::slice::from_ref(base)).await.map_err(of_store)?;
    // The types of the columns are those of the query.
    let bare = Rollup {
        name: name.to_owned(),
        columns: Vec::new(),
        key_columns: Vec::new(),
        query: Some(view.query.clone()),
        properties: properties.clone(),
        stored: Vec::new(),
    };
    let source = Source::new(&bare, &job.table, &base.database)?;
    let planned = source.plan(session, &snapshot, Vec::new()).await?;
    let types: Vec<_> = planned.plan.schema().fields().iter().map(|field| of_field(field)).collect();
    let rollup = synchronous_rollup(&view, &job.table, &types, &properties)?;
    stored_schema(&rollup.as_table(&job.table))?;
    for partition in job.load.partitions() {
        let Some(current) = &partition.current else { continue };
        let mut files = Vec::new();
        let home = Home::new(&base.name, current.name());
        for file in snapshot.files(current).await.map_err(of_store)?.iter().filter(|f| f.rollup.is_none()) {
            files.push((file.bucket, ScanFile::new(&file.path, file.len).map_err(of_query)?.of(&home)));
        }
        if !files.is_empty() {
            let planned = source.plan(session, &snapshot, files).await?;
            source.write(session, &job.load, &rollup, &partition, planned).await?;
        }
    }
    let mut definition = (*job.table).clone();
    definition.rollups.push(rollup);
    job.load.also(set(base, &definition)?);
    Ok(())
}

fn set(base: &ObjectName, definition: &TableDefinition) -> Result<Change, SqlError> {
    Ok(Change::SetDefinition {
        namespace: Namespace::Relation,
        name: base.clone(),
        definition: to_value(definition)?,
        rows_change: false,
    })
}

/// The table of the database that has a synchronous materialized view of this name.
///
/// # Errors
/// The catalog cannot be read; the database does not exist.
pub(crate) async fn find(
    session: &Session,
    name: &ObjectName,
) -> Result<Option<(ObjectName, Arc<TableDefinition>)>, SqlError> {
    let objects = session.store.list_objects(&name.database).await.map_err(of_store)?;
    for object in objects.iter().filter(|object| object.object.kind == KindId::TABLE) {
        let definition = definition_of(&object.object).map_err(of_query)?;
        if definition.rollups.iter().any(|rollup| rollup.query.is_some() && rollup.name == name.name) {
            return Ok(Some((object.object.name.clone(), Arc::new(definition))));
        }
    }
    Ok(None)
}

/// `DROP MATERIALIZED VIEW` of a synchronous one. `false` when there is none.
///
/// # Errors
/// The table is under restore; another process writes.
pub(crate) async fn drop(session: &Session, name: &ObjectName) -> Result<bool, SqlError> {
    let Some((base, _)) = find(session, name).await? else { return Ok(false) };
    let job = LoadJob::begin(&session.store, &base, None, session.zone).await?;
    let work = empty(session, &job, &base, &name.name).await;
    job.end(work).await?;
    Ok(true)
}

async fn empty(session: &Session, job: &LoadJob, base: &ObjectName, name: &str) -> Result<(), SqlError> {
    let snapshot = session.store.snapshot(std::slice::from_ref(base)).await.map_err(of_store)?;
    for partition in job.load.partitions() {
        let Some(current) = &partition.current else { continue };
        for file in snapshot.files(current).await.map_err(of_store)? {
            if file.rollup.as_deref() == Some(name) {
                job.load.remove_file(&partition, file.number);
            }
        }
    }
    let mut definition = (*job.table).clone();
    definition.rollups.retain(|rollup| rollup.name != name);
    if definition.rollups.len() == job.table.rollups.len() {
        return Err(unknown_table(&ObjectName::new(&base.database, name)));
    }
    job.load.also(set(base, &definition)?);
    Ok(())
}
