//! UPDATE and DELETE.
//!
//! * PRIMARY KEY: UPDATE and DELETE write rows that win over the old ones by
//!   their load number; UNIQUE KEY: DELETE likewise.
//! * DUPLICATE and AGGREGATE: DELETE writes the affected files again without
//!   the rows. In an AGGREGATE table the condition may name key columns only,
//!   so all stored rows of a key go or stay together.

use super::super::error::{of_query, of_store};
use super::super::load::job::LoadJob;
use super::super::load::sorted::Prepared;
use super::super::merge::data_files::Home;
use super::super::merge::scan::{Reading, ScanFile, ScanShape, TableScanExec};
use super::super::merge::stored_schema;
use super::super::merge::table::StoredTable;
use super::super::query::build::empty_select;
use super::super::query::rewrite::rewrite;
use super::super::session::Session;
use super::super::value::types::query_field;
use super::insert::{done_info, partition_names};
use super::relations;
use super::table::refuse_materialized_view;
use arrow::array::{Array, BooleanArray, RecordBatch, new_null_array};
use arrow::compute::{filter_record_batch, not, prep_null_mask_filter};
use arrow::datatypes::Schema;
use datafusion::common::{DFSchema, TableReference};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use rockhold_core::{ObjectName, Outcome};
use rockhold_model::{KeyModel, TableDefinition};
use rockhold_sql::SqlError;
use rockhold_sql::ast::{Delete, ExprText, FromText, Update};
use rockhold_warehouse_store::{ReadSnapshot, SnapshotFile};
use sqlparser::ast::{Expr, Ident};
use std::sync::Arc;

/// Runs an UPDATE.
pub(super) async fn update(session: &Session, statement: &Update) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.table)?;
    refuse_materialized_view(&session.require(&name).await?, "modified")?;
    let job = LoadJob::begin(&session.store, &name, None, session.zone).await?;
    let work = update_rows(session, statement, &name, &job).await;
    let affected = job.finish(session, work).await?;
    Ok(Outcome::Done { affected, info: done_info(None) })
}

async fn update_rows(
    session: &Session,
    statement: &Update,
    name: &ObjectName,
    job: &LoadJob,
) -> Result<u64, SqlError> {
    let table = &job.table;
    if table.key_model != KeyModel::Primary {
        return Err(SqlError::analyze(format!(
            "table {} should be primary key table to support UPDATE",
            table.name
        )));
    }
    let filter = required(statement.filter.as_ref(), "UPDATE")?;
    let mut items = Vec::new();
    let mut targets = Vec::new();
    for assignment in &statement.assignments {
        let column = table.column(assignment.column.as_str()).ok_or_else(|| {
            SqlError::analyze(format!("table {} do not existing column({})", table.name, assignment.column))
        })?;
        if table.key_columns.iter().any(|key| key.eq_ignore_ascii_case(&column.name)) {
            return Err(SqlError::analyze(format!("primary key column cannot be updated: {}", column.name)));
        }
        if column.generated.is_some() {
            return Err(SqlError::analyze(format!("generated column '{}' cannot be updated", column.name)));
        }
    }
    for (at, column) in table.columns.iter().enumerate() {
        if column.generated.is_some() {
            continue;
        }
        let assigned = statement
            .assignments
            .iter()
            .rev()
            .find(|assignment| assignment.column.as_str().eq_ignore_ascii_case(&column.name));
        items.push(match assigned {
            Some(assignment) => (*assignment.value.expr).clone(),
            None => own_column(table, &column.name),
        });
        targets.push(at);
    }
    let stream = matching(session, name, table, items, statement.from.as_ref(), filter, None).await?;
    job.write_source(&session.engine, &session.environment(), &targets, None, stream).await
}

fn own_column(table: &TableDefinition, column: &str) -> Expr {
    Expr::CompoundIdentifier(vec![Ident::new(table.name.clone()), Ident::new(column)])
}

fn required<'a>(filter: Option<&'a ExprText>, word: &str) -> Result<&'a ExprText, SqlError> {
    filter.ok_or_else(|| {
        SqlError::analyze(format!("{word} needs a WHERE clause; TRUNCATE TABLE removes all rows"))
    })
}

/// `SELECT items FROM table, others WHERE filter`, over all columns of the table.
async fn matching(
    session: &Session,
    name: &ObjectName,
    table: &Arc<TableDefinition>,
    items: Vec<Expr>,
    others: Option<&FromText>,
    filter: &ExprText,
    partitions: Option<&[String]>,
) -> Result<SendableRecordBatchStream, SqlError> {
    let environment = session.environment();
    let original = empty_select(name, items, others.map(|o| o.tables.clone()), &filter.expr)?;
    let mut query = original.clone();
    let found = rewrite(&mut query, &environment)?;
    let mut tables = relations::tables(session, &found, &environment).await?;
    let snapshot = session.store.snapshot(std::slice::from_ref(name)).await.map_err(of_store)?;
    if let Some(object) = snapshot.objects().first() {
        let chosen = relations::chosen(object, partitions.unwrap_or_default())?;
        let whole = StoredTable::whole(table.clone(), snapshot.clone(), chosen)?;
        tables.insert(&name.database, &name.name, Arc::new(whole));
    }
    let planned = session.engine.plan(&original, query, &tables, &name.database)?;
    session.engine.stream(&planned.plan).await
}

/// Runs a DELETE.
pub(super) async fn delete(session: &Session, statement: &Delete) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.table)?;
    refuse_materialized_view(&session.require(&name).await?, "deleted")?;
    let job = LoadJob::begin(&session.store, &name, None, session.zone).await?;
    let work = match job.table.key_model {
        KeyModel::Primary | KeyModel::Unique => mark(session, statement, &name, &job).await,
        KeyModel::Duplicate | KeyModel::Aggregate => cut(session, statement, &name, &job).await,
    };
    let affected = job.finish(session, work).await?;
    Ok(Outcome::Done { affected, info: done_info(None) })
}

/// Writes a deletion for each row that is there and matches.
async fn mark(
    session: &Session,
    statement: &Delete,
    name: &ObjectName,
    job: &LoadJob,
) -> Result<u64, SqlError> {
    let table = job.table.clone();
    let filter = required(statement.filter.as_ref(), "DELETE")?;
    let names = partition_names(statement.partitions.as_ref())?;
    let items = table.columns.iter().map(|column| own_column(&table, &column.name)).collect();
    let stream =
        matching(session, name, &table, items, statement.using.as_ref(), filter, names.as_deref()).await?;
    let needed: Vec<bool> = table
        .columns
        .iter()
        .map(|column| {
            let named = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
            named(&table.key_columns)
                || named(table.partitioning.columns())
                || named(table.distribution.columns())
        })
        .collect();
    let rows = stream
        .map(move |batch| {
            let batch = batch.map_err(of_query)?;
            let columns = batch
                .columns()
                .iter()
                .zip(&needed)
                .map(|(array, needed)| match needed {
                    true => array.clone(),
                    false => new_null_array(array.data_type(), array.len()),
                })
                .collect();
            Ok(Prepared { columns, rows: batch.num_rows(), deletes: true })
        })
        .boxed();
    job.write(&session.engine, None, rows).await
}

/// Writes the files with matching rows again, without them.
async fn cut(
    session: &Session,
    statement: &Delete,
    name: &ObjectName,
    job: &LoadJob,
) -> Result<u64, SqlError> {
    let filter = required(statement.filter.as_ref(), "DELETE")?;
    if statement.using.is_some() {
        return Err(SqlError::analyze("DELETE … USING needs a primary key table"));
    }
    let names = partition_names(statement.partitions.as_ref())?;
    let cutter = Cutter::new(session, job, filter).await?;
    let snapshot = session.store.snapshot(std::slice::from_ref(name)).await.map_err(of_store)?;
    let Some(object) = snapshot.objects().first() else { return Ok(0) };
    let mut removed = 0;
    for info in relations::chosen(object, names.as_deref().unwrap_or_default())? {
        // Rollups are made again from what is left.
        for file in snapshot.files(&info).await.map_err(of_store)?.iter().filter(|f| f.rollup.is_none()) {
            removed += cutter.file(&snapshot, info.name(), file).await?;
        }
    }
    Ok(removed)
}

struct Cutter<'a> {
    session: &'a Session,
    job: &'a LoadJob,
    /// Over the table's columns, in their order.
    condition: Arc<dyn PhysicalExpr>,
}

impl<'a> Cutter<'a> {
    async fn new(session: &'a Session, job: &'a LoadJob, filter: &ExprText) -> Result<Self, SqlError> {
        let table = &job.table;
        let mut expr = (*filter.expr).clone();
        let mut wrapped = empty_select(
            &ObjectName::new(&job.load.object().object.name.database, &table.name),
            Vec::new(),
            None,
            &expr,
        )?;
        let environment = session.environment();
        let found = rewrite(&mut wrapped, &environment)?;
        let functions = relations::functions(session, &found, &environment).await?;
        if let sqlparser::ast::SetExpr::Select(select) = *wrapped.body
            && let Some(selection) = select.selection
        {
            expr = selection;
        }
        let fields = table
            .columns
            .iter()
            .map(|column| Ok(query_field(column)?.as_ref().clone().with_nullable(true)))
            .collect::<Result<Vec<_>, SqlError>>()?;
        let schema = DFSchema::try_from_qualified_schema(
            TableReference::bare(table.name.clone()),
            &Schema::new(fields),
        )
        .map_err(of_query)?;
        let planned = session.engine.expression_with(expr, &schema, &functions)?;
        if table.key_model == KeyModel::Aggregate {
            let value = planned
                .column_refs()
                .into_iter()
                .find(|column| !table.key_columns.iter().any(|key| key.eq_ignore_ascii_case(&column.name)));
            if let Some(column) = value {
                return Err(SqlError::analyze(format!(
                    "DELETE from the aggregate table {}: the condition may name key columns only, not '{}'",
                    table.name, column.name
                )));
            }
        }
        let condition = session.engine.state().create_physical_expr(planned, &schema).map_err(of_query)?;
        Ok(Self { session, job, condition })
    }

    /// Rows of a batch that match.
    fn matches(&self, batch: &RecordBatch) -> Result<BooleanArray, SqlError> {
        let value = self
            .condition
            .evaluate(batch)
            .and_then(|value| value.into_array(batch.num_rows()))
            .map_err(of_query)?;
        let mask = value
            .as_any()
            .downcast_ref::<BooleanArray>()
            .ok_or_else(|| SqlError::analyze("the condition of DELETE is neither true nor false"))?;
        Ok(if mask.null_count() > 0 { prep_null_mask_filter(mask) } else { mask.clone() })
    }

    fn scan(
        &self,
        snapshot: &ReadSnapshot,
        home: &Arc<Home>,
        file: &SnapshotFile,
    ) -> Result<SendableRecordBatchStream, SqlError> {
        let stored = stored_schema(&self.job.table)?;
        let columns: Vec<usize> = (0..stored.fields().len()).collect();
        let shape = ScanShape {
            stored: stored.clone(),
            columns: columns.clone(),
            output: columns,
            schema: stored,
            pruning: None,
            reading: Reading::Concatenated,
            held: Some(snapshot.clone()),
            sources: None,
        };
        let piece = vec![ScanFile::new(&file.path, file.len).map_err(of_query)?.of(home)];
        let scan = TableScanExec::new(self.job.table.name.clone(), shape, vec![piece], 1);
        execute_stream(Arc::new(scan), self.session.engine.state().task_ctx()).map_err(of_query)
    }

    /// Cuts one file; returns how many rows went.
    async fn file(
        &self,
        snapshot: &ReadSnapshot,
        partition: &str,
        file: &SnapshotFile,
    ) -> Result<u64, SqlError> {
        let home = Home::new(&self.job.table.name, partition);
        let mut found = false;
        let mut batches = self.scan(snapshot, &home, file)?;
        while let Some(batch) = batches.next().await {
            if self.matches(&batch.map_err(of_query)?)?.true_count() > 0 {
                found = true;
                break;
            }
        }
        drop(batches);
        if !found {
            return Ok(0);
        }
        let failed = |e: arrow::error::ArrowError| SqlError::execute(e.to_string());
        let load = &self.job.load;
        let partition = load.partition(partition).ok_or_else(|| {
            SqlError::execute(format!("Unknown partition '{partition}' in table '{}'", self.job.table.name))
        })?;
        let mut writer =
            load.file(&partition, file.bucket, stored_schema(&self.job.table)?).await.map_err(of_store)?;
        if let Some((first, last)) = file.loads {
            writer.set_loads(first, last);
        }
        let mut removed = 0u64;
        let mut batches = self.scan(snapshot, &home, file)?;
        while let Some(batch) = batches.next().await {
            let batch = batch.map_err(of_query)?;
            let matching = self.matches(&batch)?;
            removed = removed.saturating_add(u64::try_from(matching.true_count()).unwrap_or(0));
            let kept = filter_record_batch(&batch, &not(&matching).map_err(failed)?).map_err(failed)?;
            if kept.num_rows() > 0 {
                writer.write(kept).await.map_err(of_store)?;
            }
        }
        writer.finish().await.map_err(of_store)?;
        load.remove_file(&partition, file.number);
        Ok(removed)
    }
}
