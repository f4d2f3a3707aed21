//! Data files that cannot be read: the errors of a scan say which table and
//! partition lack what, and what helps.

use super::super::leaf::leaf_plan;
use super::scan::ScanFile;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::object_store::local::LocalFileSystem;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::TryStreamExt;
use rockhold_core::{Error, ErrorKind};
use std::error::Error as StdError;
use std::sync::Arc;
use std::{fmt, fs, io};

/// The partition whose rows a file holds.
#[derive(Debug)]
pub(crate) struct Home {
    table: String,
    partition: String,
}

impl Home {
    /// A partition of a table.
    pub(crate) fn new(table: &str, partition: &str) -> Arc<Self> {
        Arc::new(Self { table: table.to_owned(), partition: partition.to_owned() })
    }
}

/// A scan of files, each in a partition of its own.
#[derive(Debug)]
pub(super) struct DataFilesExec {
    scan: Arc<dyn ExecutionPlan>,
    files: Vec<ScanFile>,
    properties: Arc<PlanProperties>,
}

impl DataFilesExec {
    /// `scan` reads the file in `files` that has the number of its partition.
    pub(super) fn new(scan: Arc<dyn ExecutionPlan>, files: Vec<ScanFile>) -> Self {
        let properties = scan.properties().clone();
        Self { scan, files, properties }
    }
}

impl DisplayAs for DataFilesExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataFilesExec: files={}", self.files.len())
    }
}

impl ExecutionPlan for DataFilesExec {
    leaf_plan!("DataFilesExec");

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = self.scan.execute(partition, context)?;
        let Some(file) = self.files.get(partition).cloned() else { return Ok(rows) };
        let Some(home) = file.home.clone() else { return Ok(rows) };
        let rows = rows.map_err(move |error| explained(&file, &home, error));
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.scan.schema(), rows)))
    }
}

/// The error of a scan, told as one of the table where the file is the cause.
fn explained(file: &ScanFile, home: &Home, error: DataFusionError) -> DataFusionError {
    let Some((kind, fault)) = fault(file, &error) else { return error };
    let name = file.location.filename().unwrap_or_default();
    let text = format!("the data file {name} of partition {} {fault}", home.partition);
    let told = Error::new(kind, text).at(format_args!("table {}", home.table)).because(error);
    tracing::debug!(error = ?told, "a data file cannot be read");
    DataFusionError::External(Box::new(told))
}

/// What is wrong with the file, and what helps; `None` where the error is about
/// something else.
fn fault(file: &ScanFile, error: &DataFusionError) -> Option<(ErrorKind, String)> {
    use DataFusionError as E;
    let cause = error.find_root();
    if !matches!(cause, E::ParquetError(_) | E::ArrowError(..) | E::ObjectStore(_) | E::IoError(_)) {
        return None;
    }
    let unreadable = |error: &io::Error| Some((ErrorKind::Unavailable, format!("cannot be read: {error}")));
    if let Some(error) = of_system(error) {
        return unreadable(error);
    }
    let path = LocalFileSystem::new().path_to_filesystem(&file.location).ok()?;
    let damage = match fs::File::open(path).and_then(|found| found.metadata()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing".to_owned(),
        Err(error) => return unreadable(&error),
        Ok(found) if found.len() != file.len => {
            format!("is damaged: it has {} bytes, {} were recorded", found.len(), file.len)
        }
        Ok(_) => "is damaged".to_owned(),
    };
    Some((ErrorKind::Corrupt, format!("{damage}; restoring the partition from a snapshot repairs it")))
}

/// What the operating system refused, unless that was that there is no such file.
fn of_system(error: &DataFusionError) -> Option<&io::Error> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(found) = cause {
        if let Some(error) = found.downcast_ref::<io::Error>()
            && error.raw_os_error().is_some()
        {
            return (error.kind() != io::ErrorKind::NotFound).then_some(error);
        }
        cause = found.source();
    }
    None
}
