//! The rows of a rollup, computed from files of its table.

use super::super::error::{into_query, of_query, of_store};
use super::super::load::once::OnceExec;
use super::super::merge::scan::ScanFile;
use super::super::merge::stored_schema;
use super::super::merge::table::StoredTable;
use super::super::query::Environment;
use super::super::query::context::Planned;
use super::super::query::rewrite::rewrite;
use super::super::run::relations;
use super::super::session::Session;
use super::super::value::convert::convert;
use arrow::array::RecordBatch;
use datafusion::physical_expr::expressions::Column as PhysicalColumn;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use rockhold_model::{Rollup, TableDefinition};
use rockhold_sql::analyze::{SynchronousView, synchronous_view_of};
use rockhold_sql::{SqlError, parse_query};
use rockhold_warehouse_store::{Load, LoadPartition, ReadSnapshot};
use sqlparser::ast::Query;
use std::sync::Arc;

/// Rows of one file at most.
const FILE_ROWS: usize = 8_000_000;

/// The query of one rollup, ready to be run over files of its table.
pub(crate) struct Source {
    /// The view that the query is.
    pub(crate) view: SynchronousView,
    query: Query,
    table: Arc<TableDefinition>,
    database: String,
}

impl Source {
    /// Reads the query of a rollup of `table`, which lies in `database`.
    ///
    /// # Errors
    /// The stored query is damaged.
    pub(crate) fn new(
        rollup: &Rollup,
        table: &Arc<TableDefinition>,
        database: &str,
    ) -> Result<Self, SqlError> {
        let text = rollup.query.as_deref().unwrap_or_default();
        let query = *parse_query(text)?.query;
        let view = synchronous_view_of(rollup)?;
        Ok(Self { view, query, table: table.clone(), database: database.to_owned() })
    }

    /// Plans the query over these files of the table, given with their buckets.
    ///
    /// # Errors
    /// The query no longer fits the table.
    pub(crate) async fn plan(
        &self,
        session: &Session,
        snapshot: &ReadSnapshot,
        files: Vec<(u32, ScanFile)>,
    ) -> Result<Planned, SqlError> {
        let environment = environment(session, &self.database);
        let mut rewritten = self.query.clone();
        let found = rewrite(&mut rewritten, &environment)?;
        let mut tables = relations::functions(session, &found, &environment).await?;
        let stored = StoredTable::new(self.table.clone(), snapshot.clone(), Vec::new())?.of_files(files);
        // Whatever the query calls its one table, it is this one.
        if let Some(table) = found.tables.first() {
            tables.insert(&table.database, &table.seen_as, Arc::new(stored));
        }
        session.engine.plan(&self.query, rewritten, &tables, &self.database)
    }

    /// Computes the rows and writes them as files of the rollup; says how many.
    ///
    /// # Errors
    /// Those of the query; the store cannot write.
    pub(crate) async fn write(
        &self,
        session: &Session,
        load: &Load,
        rollup: &Rollup,
        partition: &LoadPartition,
        planned: Planned,
    ) -> Result<u64, SqlError> {
        let table = rollup.as_table(&self.table);
        let schema = stored_schema(&table)?;
        let columns = table.columns.clone();
        let rows = session.engine.stream(&planned.plan).await?;
        let target = schema.clone();
        let mut first = 1u64;
        let converted = rows.map(move |batch| {
            let batch = batch?;
            let arrays = columns
                .iter()
                .zip(batch.columns())
                .map(|(column, array)| convert(array, column, first))
                .collect::<Result<Vec<_>, _>>()
                .map_err(into_query)?;
            first = first.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(0));
            Ok(RecordBatch::try_new(target.clone(), arrays)?)
        });
        let input = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), converted));
        let order = LexOrdering::new(rollup.key_columns.iter().filter_map(|name| {
            let at = table.column_index(name)?;
            Some(PhysicalSortExpr::new_default(Arc::new(PhysicalColumn::new(name, at))))
        }));
        let once = Arc::new(OnceExec::new(input, schema.clone()));
        let mut sorted = match order {
            Some(order) => {
                let sort = Arc::new(SortExec::new(order, once));
                execute_stream(sort, session.engine.state().task_ctx()).map_err(of_query)?
            }
            None => execute_stream(once, session.engine.state().task_ctx()).map_err(of_query)?,
        };
        let mut written = 0u64;
        let mut open = None;
        while let Some(batch) = sorted.next().await {
            let batch = batch.map_err(of_query)?;
            if batch.num_rows() == 0 {
                continue;
            }
            let (mut file, count) = match open.take() {
                Some(open) => open,
                None => {
                    let mut file = load.file(partition, 0, schema.clone()).await.map_err(of_store)?;
                    file.set_rollup(&rollup.name);
                    (file, 0usize)
                }
            };
            let count = count.saturating_add(batch.num_rows());
            written = written.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(0));
            file.write(batch).await.map_err(of_store)?;
            if count >= FILE_ROWS {
                file.finish().await.map_err(of_store)?;
            } else {
                open = Some((file, count));
            }
        }
        if let Some((file, _)) = open {
            file.finish().await.map_err(of_store)?;
        }
        Ok(written)
    }
}

/// What the query of a rollup sees: the names of its table's database.
pub(super) fn environment(session: &Session, database: &str) -> Environment {
    session.environment().inside(database)
}
