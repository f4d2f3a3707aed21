//! One load, from its beginning to its commit. A failed load leaves nothing.

use super::super::error::{of_query, of_store};
use super::super::merge::table::definition_of;
use super::super::place::router::Router;
use super::super::query::Environment;
use super::super::query::context::QueryEngine;
use super::super::rollup;
use super::super::session::Session;
use super::prepare::Preparer;
use super::sorted::{self, Prepared, Rows};
use chrono_tz::Tz;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, stream};
use rockhold_core::ObjectName;
use rockhold_model::{Partition, TableDefinition};
use rockhold_sql::SqlError;
use rockhold_warehouse_store::{Load, LoadPartition, Store};
use serde_json::json;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The member of a table's state that holds the next AUTO_INCREMENT value.
pub(crate) const NEXT_NUMBER: &str = "auto_increment";

/// A load that has begun; the table does not change until it ends.
#[derive(Debug)]
pub(crate) struct LoadJob {
    pub(crate) load: Load,
    pub(crate) table: Arc<TableDefinition>,
    zone: Tz,
}

impl LoadJob {
    /// Begins a load; waits for an earlier one of the same table.
    ///
    /// # Errors
    /// The table is missing or under restore; the label was used.
    pub(crate) async fn begin(
        store: &Store,
        name: &ObjectName,
        label: Option<&str>,
        zone: Tz,
    ) -> Result<Self, SqlError> {
        let load = store.begin_load(name, label).await.map_err(of_store)?;
        let table = Arc::new(definition_of(&load.object().object).map_err(of_query)?);
        Ok(Self { load, table, zone })
    }

    /// The partitions of these names, or all but temporary ones.
    ///
    /// # Errors
    /// A name is unknown.
    pub(crate) fn partitions(&self, names: Option<&[String]>) -> Result<Vec<LoadPartition>, SqlError> {
        match names {
            None => Ok(self.load.partitions().into_iter().filter(|p| !p.definition.temporary).collect()),
            Some(names) => names
                .iter()
                .map(|name| {
                    self.load.partition(name).ok_or_else(|| {
                        SqlError::execute(format!(
                            "Unknown partition '{name}' in table '{}'",
                            self.table.name
                        ))
                    })
                })
                .collect(),
        }
    }

    /// Places rows and writes them. `names` are the only partitions that rows
    /// may go to.
    ///
    /// # Errors
    /// Those of the rows; a row has no place.
    pub(crate) async fn write(
        &self,
        engine: &QueryEngine,
        names: Option<&[String]>,
        rows: Rows<'static>,
    ) -> Result<u64, SqlError> {
        let definitions: Vec<Partition> =
            self.load.partitions().into_iter().map(|partition| partition.definition).collect();
        let router = Router::new(&self.table, &definitions, self.zone)?;
        let allowed = match names {
            None => None,
            Some(names) => {
                self.partitions(Some(names))?;
                let numbers: HashSet<usize> = definitions
                    .iter()
                    .enumerate()
                    .filter(|(_, p)| names.iter().any(|name| name.eq_ignore_ascii_case(&p.name)))
                    .map(|(number, _)| number)
                    .collect();
                Some(numbers)
            }
        };
        sorted::write(&self.load, engine, &self.table, router, allowed, rows).await
    }

    /// Prepares the source's rows for the table (its columns go to `targets`)
    /// and writes them.
    ///
    /// # Errors
    /// As [`LoadJob::write`]; a value does not fit.
    pub(crate) async fn write_source(
        &self,
        engine: &QueryEngine,
        environment: &Environment,
        targets: &[usize],
        names: Option<&[String]>,
        source: SendableRecordBatchStream,
    ) -> Result<u64, SqlError> {
        let next = self.load.object().object.state.get(NEXT_NUMBER).and_then(|n| n.as_i64()).unwrap_or(1);
        let preparer = Preparer::new(self.table.clone(), targets, next, engine, environment)?;
        let preparer = Arc::new(Mutex::new(preparer));
        let shared = preparer.clone();
        let rows = source
            .map(move |batch| {
                let batch = batch.map_err(of_query)?;
                let mut preparer = shared.lock().unwrap_or_else(PoisonError::into_inner);
                let columns = preparer.prepare(&batch)?;
                Ok(Prepared { columns, rows: batch.num_rows(), deletes: false })
            })
            .boxed();
        let written = self.write(engine, names, rows).await?;
        if self.table.auto_increment_column().is_some() {
            let next = preparer.lock().unwrap_or_else(PoisonError::into_inner).next_number();
            self.load.merge_state(json!({ NEXT_NUMBER: next }));
        }
        Ok(written)
    }

    /// Writes the rows of a materialized view, whose columns are the source's.
    /// `router` knows the partitions that the view will have; rows may go to
    /// those with the numbers in `allowed`.
    ///
    /// # Errors
    /// As [`LoadJob::write_source`].
    pub(crate) async fn refill(
        &self,
        engine: &QueryEngine,
        environment: &Environment,
        router: Router,
        allowed: HashSet<usize>,
        source: SendableRecordBatchStream,
    ) -> Result<u64, SqlError> {
        let targets: Vec<usize> = (0..self.table.columns.len()).collect();
        let mut preparer = Preparer::new(self.table.clone(), &targets, 1, engine, environment)?;
        let rows = source
            .map(move |batch| {
                let batch = batch.map_err(of_query)?;
                let columns = preparer.prepare(&batch)?;
                Ok(Prepared { columns, rows: batch.num_rows(), deletes: false })
            })
            .boxed();
        sorted::write(&self.load, engine, &self.table, router, Some(allowed), rows).await
    }

    /// Ends a load of rows: what the table's synchronous materialized views need
    /// is added, then as [`LoadJob::end`].
    ///
    /// # Errors
    /// As there; a synchronous materialized view cannot take the rows.
    pub(crate) async fn finish<T>(self, session: &Session, work: Result<T, SqlError>) -> Result<T, SqlError> {
        let work = match work {
            Ok(done) => rollup::maintain(session, &self).await.map(|()| done),
            failed => failed,
        };
        self.end(work).await
    }

    /// Ends the load: committed when `work` succeeded, else without a trace.
    ///
    /// # Errors
    /// That of `work`; the commit failed.
    pub(crate) async fn end<T>(self, work: Result<T, SqlError>) -> Result<T, SqlError> {
        match work {
            Ok(done) => {
                self.load.commit().await.map_err(of_store)?;
                Ok(done)
            }
            Err(error) => {
                if let Err(later) = self.load.rollback().await {
                    tracing::warn!(%later, "files of a failed load stay until the next writer");
                }
                Err(error)
            }
        }
    }
}

/// A stream of one batch.
pub(crate) fn one_batch(batch: arrow::array::RecordBatch) -> SendableRecordBatchStream {
    let schema = batch.schema();
    Box::pin(datafusion::physical_plan::stream::RecordBatchStreamAdapter::new(
        schema,
        stream::iter([Ok(batch)]),
    ))
}
