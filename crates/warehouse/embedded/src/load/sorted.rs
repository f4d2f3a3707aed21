//! Placing, sorting and writing rows.

use super::super::error::{into_query, of_query, of_store};
use super::super::merge::stored_schema;
use super::super::place::bucket::{RANDOM_BLOCK, append_value, bucket_of};
use super::super::place::router::{MOST_CREATED, NoPlace, Router};
use super::super::query::context::QueryEngine;
use super::once::OnceExec;
use arrow::array::AsArray;
use arrow::array::{ArrayRef, Int8Array, Int32Array, Int64Array, RecordBatch};
use arrow::compute::partition;
use arrow::datatypes::{DataType as ArrowType, Field, Int32Type, Schema, SchemaRef};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use futures::stream::BoxStream;
use rockhold_model::{Distribution, KeyModel, Partition, TableDefinition};
use rockhold_sql::SqlError;
use rockhold_warehouse_store::{Load, LoadFile, LoadPartition};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of one file at most.
const FILE_ROWS: usize = 8_000_000;

/// Columns of the table, and whether the rows delete their keys.
pub(crate) struct Prepared {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) rows: usize,
    pub(crate) deletes: bool,
}

/// Rows on their way.
pub(crate) type Rows<'a> = BoxStream<'a, Result<Prepared, SqlError>>;

/// Buckets of a partition of a table.
pub(crate) fn bucket_count(table: &TableDefinition, partition: &Partition) -> u32 {
    partition.buckets.or(table.buckets).unwrap_or(1).max(1)
}

/// Places the rows of one load.
struct Placer {
    table: Arc<TableDefinition>,
    router: Arc<Mutex<Router>>,
    /// Numbers of the partitions that rows may go to; `None` for all.
    allowed: Option<HashSet<usize>>,
    routed_by: Vec<usize>,
    hashed_by: Vec<usize>,
    schema: SchemaRef,
    sequence: i64,
    rows: u64,
}

impl Placer {
    /// Partition, bucket, the table's columns, and the hidden columns.
    fn place(&mut self, prepared: Prepared) -> Result<RecordBatch, SqlError> {
        let pick = |positions: &[usize]| -> Vec<ArrayRef> {
            positions.iter().filter_map(|at| prepared.columns.get(*at).cloned()).collect()
        };
        let (routed, hashed) = (pick(&self.routed_by), pick(&self.hashed_by));
        let mut partitions = Vec::with_capacity(prepared.rows);
        let mut buckets = Vec::with_capacity(prepared.rows);
        let mut bytes = Vec::new();
        let mut router = self.router.lock().unwrap_or_else(PoisonError::into_inner);
        for row in 0..prepared.rows {
            let number = self.rows.saturating_add(u64::try_from(row).unwrap_or(0));
            let partition = router.place(&routed, row).map_err(|why| no_place(&self.table, number, &why))?;
            if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&partition)) {
                return Err(SqlError::execute(format!(
                    "Insert has filtered data in strict mode: row {} belongs to partition {}, which the \
                     statement does not name; nothing was loaded",
                    number + 1,
                    router.partitions().get(partition).map_or("", |p| p.name.as_str())
                )));
            }
            let count = router.partitions().get(partition).map_or(1, |p| bucket_count(&self.table, p));
            let bucket = if count == 1 {
                0
            } else if hashed.is_empty() {
                u32::try_from((number / RANDOM_BLOCK) % u64::from(count)).unwrap_or(0)
            } else {
                bytes.clear();
                for column in &hashed {
                    append_value(&mut bytes, column, row)?;
                }
                bucket_of(&bytes, count)
            };
            partitions.push(i32::try_from(partition).unwrap_or(i32::MAX));
            buckets.push(i32::try_from(bucket).unwrap_or(i32::MAX));
        }
        drop(router);
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(Int32Array::from(partitions)), Arc::new(Int32Array::from(buckets))];
        columns.extend(prepared.columns);
        let first = i64::try_from(self.rows).unwrap_or(i64::MAX);
        let count = i64::try_from(prepared.rows).unwrap_or(0);
        let numbers = Int64Array::from_iter_values(first..first.saturating_add(count));
        if self.table.key_model == KeyModel::Duplicate {
            columns.push(Arc::new(numbers));
        } else {
            columns.push(Arc::new(Int64Array::from(vec![self.sequence; prepared.rows])));
            columns.push(Arc::new(numbers));
            columns.push(Arc::new(Int8Array::from(vec![i8::from(prepared.deletes); prepared.rows])));
        }
        self.rows = self.rows.saturating_add(u64::try_from(prepared.rows).unwrap_or(0));
        RecordBatch::try_new(self.schema.clone(), columns).map_err(|e| SqlError::execute(e.to_string()))
    }
}

fn no_place(table: &TableDefinition, row: u64, why: &NoPlace) -> SqlError {
    match why {
        NoPlace::Missing(values) => SqlError::execute(format!(
            "Insert has filtered data in strict mode: row {}: no partition of table {} holds {values}; add one \
             with ALTER TABLE {} ADD PARTITION, nothing was loaded",
            row + 1,
            table.name,
            table.name
        )),
        NoPlace::TooMany => SqlError::execute(format!(
            "The load would create more than {MOST_CREATED} partitions of table {}; load fewer values at once, \
             nothing was loaded",
            table.name
        )),
    }
}

/// Writes rows into the files of a load. Returns how many.
///
/// # Errors
/// Those of the rows; a row has no partition; the store cannot write.
pub(crate) async fn write(
    load: &Load,
    engine: &QueryEngine,
    table: &Arc<TableDefinition>,
    router: Router,
    allowed: Option<HashSet<usize>>,
    rows: Rows<'static>,
) -> Result<u64, SqlError> {
    let stored = stored_schema(table)?;
    let schema = placed_schema(table, &stored);
    let positions = |names: &[String]| names.iter().filter_map(|name| table.column_index(name)).collect();
    let hashed_by = match &table.distribution {
        Distribution::Hash { columns } => positions(columns),
        Distribution::Random => Vec::new(),
    };
    let router = Arc::new(Mutex::new(router));
    let mut placer = Placer {
        table: table.clone(),
        router: router.clone(),
        allowed,
        routed_by: positions(table.partitioning.columns()),
        hashed_by,
        schema: schema.clone(),
        sequence: i64::try_from(load.sequence()).unwrap_or(i64::MAX),
        rows: 0,
    };
    let placed = rows.map(move |prepared| prepared.and_then(|p| placer.place(p)).map_err(into_query));
    let input =
        OnceExec::new(Box::pin(RecordBatchStreamAdapter::new(schema.clone(), placed)), schema.clone());
    let order = sort_order(table, &schema)
        .ok_or_else(|| SqlError::execute("the rows of a load have nothing to be sorted by"))?;
    let sort = Arc::new(SortExec::new(order, Arc::new(input)));
    let mut sorted = execute_stream(sort, engine.state().task_ctx()).map_err(of_query)?;
    let mut writer = Writer { load, stored, router, open: None, rows: 0 };
    while let Some(batch) = sorted.next().await {
        writer.write(&batch.map_err(of_query)?).await?;
    }
    writer.close().await?;
    Ok(writer.rows)
}

const PARTITION: &str = "__rh_partition";
const BUCKET: &str = "__rh_bucket";
const NUMBER: &str = "__rh_number";

fn placed_schema(table: &TableDefinition, stored: &SchemaRef) -> SchemaRef {
    let mut fields = vec![
        Arc::new(Field::new(PARTITION, ArrowType::Int32, false)),
        Arc::new(Field::new(BUCKET, ArrowType::Int32, false)),
    ];
    fields.extend(stored.fields().iter().cloned());
    if table.key_model == KeyModel::Duplicate {
        fields.push(Arc::new(Field::new(NUMBER, ArrowType::Int64, false)));
    }
    Arc::new(Schema::new(fields))
}

/// Partition, bucket, then the key (for tables that keep every row: the sort
/// key), then the order of arrival.
fn sort_order(table: &TableDefinition, schema: &SchemaRef) -> Option<LexOrdering> {
    let keys = match table.key_model {
        KeyModel::Duplicate => table.effective_sort_key(),
        _ => &table.key_columns,
    };
    let mut positions = vec![0, 1];
    positions.extend(keys.iter().filter_map(|name| table.column_index(name)).map(|at| at + 2));
    // The row's number: behind the columns, or between load and operation.
    let last = schema.fields().len().checked_sub(1)?;
    positions.push(if table.key_model == KeyModel::Duplicate { last } else { last.checked_sub(1)? });
    LexOrdering::new(positions.into_iter().filter_map(|at| {
        let name = schema.fields().get(at)?.name();
        Some(PhysicalSortExpr::new_default(Arc::new(Column::new(name, at))))
    }))
}

/// Writes sorted batches, one file at a time.
struct Writer<'a> {
    load: &'a Load,
    stored: SchemaRef,
    router: Arc<Mutex<Router>>,
    open: Option<OpenFile>,
    rows: u64,
}

struct OpenFile {
    place: (i32, i32),
    file: LoadFile,
    rows: usize,
}

impl Writer<'_> {
    async fn write(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        let failed = |e: arrow::error::ArrowError| SqlError::execute(e.to_string());
        let places = [batch.column(0).clone(), batch.column(1).clone()];
        let numbers = |at: usize, row: usize| batch.column(at).as_primitive::<Int32Type>().value(row);
        let columns: Vec<usize> = (2..2 + self.stored.fields().len()).collect();
        let rows =
            batch.project(&columns).map_err(failed)?.with_schema(self.stored.clone()).map_err(failed)?;
        for range in partition(&places).map_err(failed)?.ranges() {
            let place = (numbers(0, range.start), numbers(1, range.start));
            let full = self.open.as_ref().is_some_and(|open| open.place != place || open.rows >= FILE_ROWS);
            if full {
                self.close().await?;
            }
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.begin(place).await?,
            };
            let count = range.end - range.start;
            open.file.write(rows.slice(range.start, count)).await.map_err(of_store)?;
            open.rows += count;
            self.rows = self.rows.saturating_add(u64::try_from(count).unwrap_or(0));
            self.open = Some(open);
        }
        Ok(())
    }

    // By `&mut`, as an open file may move between threads and not be shared.
    async fn begin(&mut self, place: (i32, i32)) -> Result<OpenFile, SqlError> {
        let number = usize::try_from(place.0).unwrap_or(usize::MAX);
        let definition = {
            let router = self.router.lock().unwrap_or_else(PoisonError::into_inner);
            router.partitions().get(number).cloned()
        };
        let partition: LoadPartition = match definition {
            Some(definition) => self.load.create_partition(definition),
            None => return Err(SqlError::execute("a row was placed in no partition")),
        };
        let bucket = u32::try_from(place.1).unwrap_or(0);
        let file = self.load.file(&partition, bucket, self.stored.clone()).await.map_err(of_store)?;
        Ok(OpenFile { place, file, rows: 0 })
    }

    async fn close(&mut self) -> Result<(), SqlError> {
        if let Some(open) = self.open.take() {
            open.file.finish().await.map_err(of_store)?;
        }
        Ok(())
    }
}
