//! INSERT.

use super::super::load::job::{LoadJob, one_batch};
use super::super::load::values;
use super::super::query::planner::Tables;
use super::super::query::rewrite::rewrite;
use super::super::session::{Session, unknown_table};
use super::table::refuse_materialized_view;
use super::{relations, select};
use rockhold_core::Outcome;
use rockhold_model::TableDefinition;
use rockhold_sql::SqlError;
use rockhold_sql::ast::{Ident, Insert, InsertTarget, PartitionList};
use sqlparser::ast::{Expr, SetExpr, visit_expressions};
use std::ops::ControlFlow;

/// Runs an INSERT into a table or into files.
pub(super) async fn run(session: &Session, insert: &Insert) -> Result<Outcome, SqlError> {
    match &insert.target {
        InsertTarget::Table { name, partitions } => {
            into_table(session, insert, name, partitions.as_ref()).await
        }
        InsertTarget::Files(properties) => {
            super::super::files::write::unload(session, insert, properties).await
        }
    }
}

async fn into_table(
    session: &Session,
    insert: &Insert,
    name: &rockhold_sql::ast::ObjectName,
    partitions: Option<&PartitionList>,
) -> Result<Outcome, SqlError> {
    let name = session.full_name(name)?;
    if super::is_information_schema(&name.database) {
        return Err(unknown_table(&name));
    }
    refuse_materialized_view(&session.require(&name).await?, "inserted")?;
    let label = insert.label.as_ref().map(Ident::as_str);
    let job = LoadJob::begin(&session.store, &name, label, session.zone).await?;
    let work = fill(session, insert, partitions, &job).await;
    let affected = job.finish(session, work).await?;
    Ok(Outcome::Done { affected, info: done_info(label) })
}

/// StarRocks's remark about a load.
pub(super) fn done_info(label: Option<&str>) -> String {
    let label = match label {
        Some(label) => label.to_owned(),
        None => match rockhold_core::JobId::random() {
            Ok(id) => format!("insert_{id}"),
            Err(_) => "insert".to_owned(),
        },
    };
    format!("{{'label':'{label}', 'status':'VISIBLE'}}")
}

async fn fill(
    session: &Session,
    insert: &Insert,
    partitions: Option<&PartitionList>,
    job: &LoadJob,
) -> Result<u64, SqlError> {
    let environment = session.environment();
    let names = partition_names(partitions)?;
    let names = names.as_deref();
    if insert.overwrite {
        for partition in job.partitions(names)? {
            job.load.truncate(&partition);
        }
    }
    let query = &insert.source.query;
    let values = match (query.body.as_ref(), &query.order_by, &query.limit_clause, &query.with) {
        (SetExpr::Values(values), None, None, None) => Some(&values.rows),
        _ => None,
    };
    if let Some(rows) = values {
        let targets = targets(&job.table, insert.columns.as_deref())?;
        let rows: Vec<Vec<Expr>> = rows.iter().map(|row| row.content.clone()).collect();
        let mut functions = Tables::default();
        if calls(&rows) {
            let found = rewrite(&mut query.clone(), &environment)?;
            functions = relations::functions(session, &found, &environment).await?;
        }
        let engine = &session.engine;
        let batch = values::batch(&rows, &job.table, &targets, engine, &environment, &functions).await?;
        return job.write_source(&session.engine, &environment, &targets, names, one_batch(batch)).await;
    }
    let planned = select::plan(session, query, &environment).await?;
    let stream = session.engine.stream(&planned.plan).await?;
    let targets = if insert.by_name {
        planned.names.iter().map(|name| position(&job.table, name)).collect::<Result<Vec<_>, _>>()?
    } else {
        targets(&job.table, insert.columns.as_deref())?
    };
    if targets.len() != planned.names.len() {
        return Err(SqlError::analyze(format!(
            "Inserted target column count: {} doesn't match select/value column count: {}",
            targets.len(),
            planned.names.len()
        )));
    }
    job.write_source(&session.engine, &environment, &targets, names, stream).await
}

/// Whether there is a call among the values.
fn calls(rows: &Vec<Vec<Expr>>) -> bool {
    visit_expressions(rows, |expr| match expr {
        Expr::Function(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })
    .is_break()
}

/// The names of a PARTITION clause.
pub(super) fn partition_names(list: Option<&PartitionList>) -> Result<Option<Vec<String>>, SqlError> {
    let Some(list) = list else { return Ok(None) };
    if list.temporary || !list.values.is_empty() {
        return Err(SqlError::analyze(
            "the embedded warehouse loads into named partitions only: PARTITION (p1, …)",
        ));
    }
    Ok(Some(list.names.iter().map(|name| name.value.clone()).collect()))
}

/// Positions of the columns that are filled: those listed, else all that a
/// user sees and that are not computed.
fn targets(table: &TableDefinition, columns: Option<&[Ident]>) -> Result<Vec<usize>, SqlError> {
    let Some(columns) = columns else {
        let plain = table.columns.iter().enumerate().filter(|(_, column)| column.generated.is_none());
        return Ok(plain.map(|(at, _)| at).collect());
    };
    let mut targets = Vec::with_capacity(columns.len());
    for column in columns {
        let at = position(table, column.as_str())?;
        if targets.contains(&at) {
            return Err(SqlError::analyze(format!("Column '{column}' specified twice")));
        }
        targets.push(at);
    }
    Ok(targets)
}

fn position(table: &TableDefinition, name: &str) -> Result<usize, SqlError> {
    table
        .column_index(name)
        .filter(|at| table.columns.get(*at).is_some_and(|column| !column.is_hidden()))
        .ok_or_else(|| SqlError::analyze(format!("Unknown column '{name}' in '{}'", table.name)))
}
