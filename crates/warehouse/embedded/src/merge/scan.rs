//! The physical scan of a table: one opaque leaf that reads buckets one after
//! another, merging and folding inside.

use super::super::leaf::leaf_plan;
use super::data_files::{DataFilesExec, Home};
use super::fold::Folder;
use super::rule::FoldSpec;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, ParquetFileReaderFactory, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::object_store::{ObjectMeta, path::Path as StorePath};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use rockhold_warehouse_store::ReadSnapshot;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A data file of a scan.
#[derive(Debug, Clone)]
pub(crate) struct ScanFile {
    pub(crate) location: StorePath,
    pub(crate) len: u64,
    /// The partition that it belongs to; `None` for a file that is no table's.
    pub(crate) home: Option<Arc<Home>>,
}

impl ScanFile {
    /// A local file.
    ///
    /// # Errors
    /// The path is not absolute or not UTF-8.
    pub(crate) fn new(path: &Path, len: u64) -> Result<Self> {
        let location =
            StorePath::from_absolute_path(path).map_err(|e| DataFusionError::External(Box::new(e)))?;
        Ok(Self { location, len, home: None })
    }

    /// The file as data of a partition.
    #[must_use]
    pub(crate) fn of(self, home: &Arc<Home>) -> Self {
        Self { home: Some(home.clone()), ..self }
    }
}

/// How the files of a piece become rows.
#[derive(Debug, Clone)]
pub(crate) enum Reading {
    /// Every row of every file, in any order.
    Concatenated,
    /// Merged by the sort columns (positions in `columns`), then folded.
    Folded {
        /// Key columns, load, row.
        sort: Vec<usize>,
        /// What the fold does.
        spec: FoldSpec,
    },
}

/// Everything that the pieces of one scan share.
#[derive(Debug, Clone)]
pub(crate) struct ScanShape {
    /// Schema of the files.
    pub(crate) stored: SchemaRef,
    /// Positions in `stored` of the columns that are read.
    pub(crate) columns: Vec<usize>,
    /// Positions in `columns` of the columns that come out.
    pub(crate) output: Vec<usize>,
    /// Schema of what comes out.
    pub(crate) schema: SchemaRef,
    /// Prunes row groups and pages; for folded scans over key columns only.
    pub(crate) pruning: Option<Arc<dyn PhysicalExpr>>,
    /// How files become rows.
    pub(crate) reading: Reading,
    /// Keeps the files where they are until the last row was read.
    #[expect(dead_code, reason = "held, never read")]
    pub(crate) held: Option<ReadSnapshot>,
    /// Opens the files, where they are not files of this machine.
    pub(crate) sources: Option<Arc<dyn ParquetFileReaderFactory>>,
}

/// The leaf. Its partitions are read in parallel, the pieces of a partition
/// one after another.
#[derive(Debug)]
pub(crate) struct TableScanExec {
    name: String,
    shape: Arc<ScanShape>,
    partitions: Vec<Vec<Vec<ScanFile>>>,
    properties: Arc<PlanProperties>,
}

impl TableScanExec {
    /// A scan of `pieces` (the files of one bucket each, or any files where
    /// nothing is folded) in at most `parallel` partitions.
    pub(crate) fn new(name: String, shape: ScanShape, pieces: Vec<Vec<ScanFile>>, parallel: usize) -> Self {
        let count = parallel.clamp(1, pieces.len().max(1));
        let mut partitions: Vec<Vec<Vec<ScanFile>>> = vec![Vec::new(); count];
        for (number, piece) in pieces.into_iter().enumerate() {
            if let Some(partition) = partitions.get_mut(number % count) {
                partition.push(piece);
            }
        }
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(shape.schema.clone()),
            Partitioning::UnknownPartitioning(count),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self { name, shape: Arc::new(shape), partitions, properties }
    }
}

impl DisplayAs for TableScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: usize = self.partitions.iter().map(Vec::len).sum();
        let files: usize = self.partitions.iter().flatten().map(Vec::len).sum();
        let how = match self.shape.reading {
            Reading::Concatenated => "files",
            Reading::Folded { .. } => "merge on read",
        };
        write!(f, "TableScanExec: {}, {how}, pieces={pieces}, files={files}", self.name)?;
        if let Some(pruning) = &self.shape.pruning {
            write!(f, ", pruning={pruning}")?;
        }
        Ok(())
    }
}

impl ExecutionPlan for TableScanExec {
    leaf_plan!("TableScanExec");

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let pieces = self.partitions.get(partition).cloned().unwrap_or_default();
        let shape = self.shape.clone();
        let schema = shape.schema.clone();
        let batches =
            stream::iter(pieces).map(move |files| read_piece(&shape, files, context.clone())).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// The rows of one piece.
fn read_piece(
    shape: &Arc<ScanShape>,
    files: Vec<ScanFile>,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let plan = files_plan(shape, files)?;
    let shape = shape.clone();
    let schema = shape.schema.clone();
    let input = plan.execute(0, context)?;
    let batches = match &shape.reading {
        Reading::Concatenated => input.map(move |batch| project(&shape, &batch?)).boxed(),
        Reading::Folded { spec, .. } => {
            let folder = Folder::new(spec.clone());
            stream::try_unfold((input, Some(folder)), move |state| {
                let shape = shape.clone();
                async move { fold_step(&shape, state).await }
            })
            .boxed()
        }
    };
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

type FoldState = (SendableRecordBatchStream, Option<Folder>);

async fn fold_step(shape: &ScanShape, state: FoldState) -> Result<Option<(RecordBatch, FoldState)>> {
    let (mut input, folder) = state;
    let Some(mut folder) = folder else { return Ok(None) };
    while let Some(batch) = input.next().await {
        if let Some(rows) = folder.push(batch?)? {
            return Ok(Some((project(shape, &rows)?, (input, Some(folder)))));
        }
    }
    match folder.finish()? {
        Some(rows) => Ok(Some((project(shape, &rows)?, (input, None)))),
        None => Ok(None),
    }
}

/// The columns that come out, under their names for queries.
fn project(shape: &ScanShape, batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = shape.output.iter().filter_map(|at| batch.columns().get(*at).cloned()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(shape.schema.clone(), columns, &options)?)
}

/// Reads files; merges them by the sort columns where rows are to be folded.
fn files_plan(shape: &ScanShape, files: Vec<ScanFile>) -> Result<Arc<dyn ExecutionPlan>> {
    let part = |file: ScanFile| {
        PartitionedFile::new_from_meta(ObjectMeta {
            location: file.location,
            last_modified: Default::default(),
            size: file.len,
            e_tag: None,
            version: None,
        })
    };
    let named = match shape.reading {
        // Of files that follow each other in one stream none is known to be the cause.
        Reading::Concatenated if files.len() > 1 => Vec::new(),
        _ => files.clone(),
    };
    let groups = match shape.reading {
        Reading::Concatenated => vec![FileGroup::new(files.into_iter().map(part).collect())],
        Reading::Folded { .. } => files.into_iter().map(|file| FileGroup::new(vec![part(file)])).collect(),
    };
    let mut source = ParquetSource::new(shape.stored.clone());
    if let Some(pruning) = &shape.pruning {
        source = source.with_predicate(pruning.clone());
    }
    if let Some(sources) = &shape.sources {
        source = source.with_parquet_file_reader_factory(sources.clone());
    }
    let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
        .with_file_groups(groups)
        // Else the stream of one file may go on with the file of another, and
        // what is merged below would no longer be sorted.
        .with_preserve_order(matches!(shape.reading, Reading::Folded { .. }))
        .with_projection_indices(Some(shape.columns.clone()))?
        .build();
    let files: Arc<dyn ExecutionPlan> =
        Arc::new(DataFilesExec::new(DataSourceExec::from_data_source(config), named));
    let Reading::Folded { sort, .. } = &shape.reading else { return Ok(files) };
    let order = sort.iter().filter_map(|at| {
        let name = shape.stored.fields().get(*shape.columns.get(*at)?)?.name();
        Some(PhysicalSortExpr::new_default(Arc::new(Column::new(name, *at))))
    });
    match LexOrdering::new(order) {
        Some(order) => Ok(Arc::new(SortPreservingMergeExec::new(order, files))),
        None => Err(DataFusionError::Internal("a merge without sort columns".into())),
    }
}
