//! CREATE, DROP and TRUNCATE of tables.

use super::super::error::{number, of_store};
use super::super::load::job::{LoadJob, NEXT_NUMBER};
use super::super::merge::table::definition_of;
use super::super::merge::{Rule, stored_schema};
use super::super::rollup;
use super::super::session::{Session, unknown_table};
use super::super::value::types::of_field;
use super::insert::partition_names;
use super::select;
use rockhold_core::{KindId, Namespace, ObjectName, Outcome};
use rockhold_model::{Column, TableDefinition};
use rockhold_sql::analyze::{Analyzed, Cluster, create_table, create_table_as, create_table_like};
use rockhold_sql::ast::{CreateTable, CreateTableAs, CreateTableLike, DropObject, TruncateTable};
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::{Change, NewObject, ObjectInfo};
use serde_json::{Value, json};

/// What the analyzer must know of the warehouse: it plays a cluster of three
/// backends, so that SHOW CREATE prints StarRocks's defaults.
pub(crate) fn cluster(session: &Session) -> Cluster {
    Cluster { time_zone: session.store.time_zone().to_owned(), ..Cluster::default() }
}

/// `CREATE TABLE`.
pub(super) async fn create(session: &Session, statement: &CreateTable) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    refuse_temporary(statement.temporary)?;
    session.require_database(&name.database).await?;
    let analyzed = create_table(statement, &cluster(session))?;
    make(session, &name, analyzed, statement.if_not_exists).await.map(|_| Outcome::done())
}

/// `CREATE TABLE … LIKE`.
pub(super) async fn create_like(session: &Session, statement: &CreateTableLike) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    refuse_temporary(statement.temporary)?;
    session.require_database(&name.database).await?;
    let source = session.full_name(&statement.source)?;
    let definition = plain_table_of(session, &source, "CREATE TABLE LIKE").await?;
    let partitions = session.store.list_partitions(&source).await.map_err(of_store)?;
    let source = Analyzed {
        definition,
        partitions: partitions.into_iter().map(|partition| partition.definition).collect(),
    };
    let analyzed = create_table_like(statement, &source, &cluster(session))?;
    make(session, &name, analyzed, statement.if_not_exists).await.map(|_| Outcome::done())
}

/// `CREATE TABLE … AS SELECT`: a table, then its rows; without rows no table.
pub(super) async fn create_as(session: &Session, statement: &CreateTableAs) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    refuse_temporary(statement.temporary)?;
    session.require_database(&name.database).await?;
    let environment = session.environment();
    let planned = select::plan(session, &statement.query.query, &environment).await?;
    let columns: Vec<Column> = planned
        .names
        .iter()
        .zip(planned.plan.schema().fields())
        .map(|(name, field)| Column::new(name.clone(), of_field(field)))
        .collect();
    let analyzed = create_table_as(statement, columns, &cluster(session))?;
    if !make(session, &name, analyzed, statement.if_not_exists).await? {
        return Ok(Outcome::done());
    }
    let filled = async {
        let job = LoadJob::begin(&session.store, &name, None, session.zone).await?;
        let work = async {
            let stream = session.engine.stream(&planned.plan).await?;
            let targets: Vec<usize> = (0..planned.names.len()).collect();
            job.write_source(&session.engine, &environment, &targets, None, stream).await
        }
        .await;
        job.finish(session, work).await
    }
    .await;
    match filled {
        Ok(affected) => Ok(Outcome::Done { affected, info: super::insert::done_info(None) }),
        Err(error) => {
            let undo = Change::DropObject { namespace: Namespace::Relation, name: name.clone() };
            if let Err(later) = session.store.change(undo).await {
                tracing::warn!(%later, table = %name, "the empty table of a failed CREATE TABLE AS stays");
            }
            Err(error)
        }
    }
}

fn refuse_temporary(temporary: bool) -> Result<(), SqlError> {
    if temporary {
        return Err(SqlError::analyze("the embedded warehouse has no temporary tables; leave out TEMPORARY"));
    }
    Ok(())
}

/// Makes a table; says whether it did, or whether one was there already.
async fn make(
    session: &Session,
    name: &ObjectName,
    analyzed: Analyzed,
    if_not_exists: bool,
) -> Result<bool, SqlError> {
    if super::is_information_schema(&name.database) {
        return Err(SqlError::execute(format!(
            "database {} is the system's; no table can be made in it",
            name.database
        )));
    }
    let Analyzed { definition, partitions } = analyzed;
    if definition.engine != "OLAP" {
        return Err(SqlError::analyze(format!(
            "the embedded warehouse has no tables of ENGINE={}; leave the clause out",
            definition.engine
        )));
    }
    // Refuses what could be declared and never be filled.
    stored_schema(&definition)?;
    for column in &definition.columns {
        Rule::of(definition.key_model, column)?;
    }
    let state = match definition.auto_increment_column() {
        Some(_) => json!({ NEXT_NUMBER: 1 }),
        None => Value::Null,
    };
    let new = NewObject {
        namespace: Namespace::Relation,
        kind: KindId::TABLE,
        name: name.clone(),
        definition: super::to_value(&definition)?,
        state,
        partitions,
    };
    match session.store.change(Change::CreateObject(new)).await.map_err(of_store) {
        Ok(()) => Ok(true),
        Err(error) if error.errno == number::TABLE_EXISTS => {
            if if_not_exists {
                return Ok(false);
            }
            let text = format!("Table '{}' already exists", name.name);
            Err(SqlError::numbered(Stage::Execute, number::TABLE_EXISTS, text))
        }
        Err(error) => Err(error),
    }
}

/// The definition of a table, or of the table that holds a materialized view.
pub(super) async fn table_of(session: &Session, name: &ObjectName) -> Result<TableDefinition, SqlError> {
    let object = session.require(name).await?;
    definition_of(&object.object).map_err(super::super::error::of_query)
}

/// Refuses to change the rows of a materialized view by hand: `done` to them.
pub(super) fn refuse_materialized_view(object: &ObjectInfo, done: &str) -> Result<(), SqlError> {
    if object.object.kind != KindId::MATERIALIZED_VIEW {
        return Ok(());
    }
    let name = &object.object.name.name;
    Err(SqlError::analyze(format!(
        "The data of '{name}' cannot be {done} because '{name}' is a materialized view, and the data of materialized \
         view must be consistent with the base table; REFRESH MATERIALIZED VIEW {name} computes them"
    )))
}

/// A table to be altered; materialized views have statements of their own.
pub(super) async fn plain_table_of(
    session: &Session,
    name: &ObjectName,
    statement: &str,
) -> Result<TableDefinition, SqlError> {
    let object = session.require(name).await?;
    if object.object.kind == KindId::MATERIALIZED_VIEW {
        return Err(SqlError::analyze(format!(
            "'{name}' is a materialized view and not a table; {statement} is for tables"
        )));
    }
    definition_of(&object.object).map_err(super::super::error::of_query)
}

/// `DROP TABLE` and its like.
pub(super) async fn drop(session: &Session, statement: &DropObject) -> Result<Outcome, SqlError> {
    let kind = match statement.statement {
        "DROP TABLE" => "table",
        "DROP VIEW" => "view",
        "DROP MATERIALIZED VIEW" => "materialized_view",
        _ => return super::catalog::drop(session, statement).await,
    };
    let name = session.full_name(&statement.name)?;
    let found = match session.find(&name).await? {
        Some(found) if found.object.kind.as_str() == kind => found,
        Some(found) => {
            return Err(SqlError::analyze(format!(
                "'{name}' is a {}; use DROP {}",
                found.object.kind,
                found.object.kind.as_str().replace('_', " ").to_uppercase()
            )));
        }
        None if kind == "materialized_view"
            && session.require_database(&name.database).await.is_ok()
            && rollup::drop(session, &name).await? =>
        {
            return Ok(Outcome::done());
        }
        None if statement.if_exists => {
            session.require_database(&name.database).await?;
            return Ok(Outcome::done());
        }
        None => {
            session.require_database(&name.database).await?;
            return Err(unknown_table(&name));
        }
    };
    let change = Change::DropObject { namespace: found.namespace, name };
    session.store.change(change).await.map_err(of_store)?;
    Ok(Outcome::done())
}

/// `TRUNCATE TABLE`.
pub(super) async fn truncate(session: &Session, statement: &TruncateTable) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    let object = session.require(&name).await?;
    refuse_materialized_view(&object, "truncated")?;
    definition_of(&object.object).map_err(super::super::error::of_query)?;
    let names = partition_names(statement.partitions.as_ref())?;
    let change = Change::TruncatePartitions { table: name, names };
    session.store.change(change).await.map_err(of_store)?;
    Ok(Outcome::done())
}
