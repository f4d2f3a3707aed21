//! FILES in FROM, and DESC FILES.

use super::super::merge::scan::{Reading, ScanFile, ScanShape, TableScanExec};
use super::super::value::types::{described, from_arrow, to_arrow};
use super::csv::{CsvFiles, CsvTable};
use super::path::expand;
use super::properties::Properties;
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rockhold_sql::SqlError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files as a table.
///
/// # Errors
/// A property is wrong, a file is missing or damaged.
pub(crate) async fn table(pairs: &[(String, String)]) -> Result<Arc<dyn TableProvider>, SqlError> {
    let pairs = pairs.to_vec();
    let open = move || open(&Properties::new(&pairs));
    tokio::task::spawn_blocking(open)
        .await
        .map_err(|error| SqlError::execute(format!("reading files was torn down: {error}")))?
}

fn open(properties: &Properties) -> Result<Arc<dyn TableProvider>, SqlError> {
    let files = expand(properties.require("path")?)?;
    if properties.flag("list_files_only", false)? {
        return listing(&files);
    }
    match properties.require("format")?.to_ascii_lowercase().as_str() {
        "parquet" => Ok(Arc::new(ParquetFiles::open(&files)?)),
        "csv" => Ok(Arc::new(CsvTable::new(CsvFiles::open(files, properties)?))),
        other => Err(SqlError::analyze(format!(
            "\"format\" = \"{other}\": the embedded warehouse reads parquet and csv"
        ))),
    }
}

/// The files themselves: PATH, SIZE, IS_DIR, MODIFICATION_TIME.
fn listing(files: &[PathBuf]) -> Result<Arc<dyn TableProvider>, SqlError> {
    let failed = |error: &dyn std::fmt::Display| SqlError::execute(error.to_string());
    let metadata: Vec<Option<fs::Metadata>> = files.iter().map(|path| fs::metadata(path).ok()).collect();
    let time = |m: &fs::Metadata| {
        let since = m.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_micros()).ok()
    };
    let paths: StringArray = files.iter().map(|path| Some(format!("file://{}", path.display()))).collect();
    let sizes: Int64Array =
        metadata.iter().map(|m| m.as_ref().and_then(|m| i64::try_from(m.len()).ok())).collect();
    let directories: BooleanArray = metadata.iter().map(|m| m.as_ref().map(fs::Metadata::is_dir)).collect();
    let times: TimestampMicrosecondArray = metadata.iter().map(|m| m.as_ref().and_then(time)).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("PATH", Arc::new(paths)),
        ("SIZE", Arc::new(sizes)),
        ("IS_DIR", Arc::new(directories)),
        ("MODIFICATION_TIME", Arc::new(times)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| {
            Field::new(name.to_ascii_lowercase(), array.data_type().clone(), true)
                .with_metadata(described(name, &from_arrow(array.data_type())))
        })
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(|e| failed(&e))?;
    Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]]).map_err(|e| failed(&e))?))
}

/// The type under which a file's column is read.
fn read_type(arrow: &ArrowType) -> ArrowType {
    to_arrow(&from_arrow(arrow)).unwrap_or(ArrowType::Utf8)
}

/// Local Parquet files, their columns united by name.
#[derive(Debug)]
struct ParquetFiles {
    files: Vec<ScanFile>,
    /// Names as in the files.
    stored: SchemaRef,
    /// Names in lower case.
    schema: SchemaRef,
}

impl ParquetFiles {
    fn open(files: &[PathBuf]) -> Result<Self, SqlError> {
        let mut fields: Vec<Field> = Vec::new();
        let mut scans = Vec::new();
        for path in files {
            let (schema, len) = footer(path)?;
            for field in schema.fields() {
                let data_type = read_type(field.data_type());
                match fields.iter_mut().find(|f| f.name().eq_ignore_ascii_case(field.name())) {
                    None => fields.push(Field::new(field.name(), data_type, true)),
                    Some(known) if *known.data_type() == data_type => {}
                    Some(known) => {
                        let wider = wider(known.data_type(), &data_type).ok_or_else(|| {
                            SqlError::analyze(format!(
                                "column '{}' is {} in one file and {} in {}; read them one by one",
                                field.name(),
                                from_arrow(known.data_type()),
                                from_arrow(&data_type),
                                path.display()
                            ))
                        })?;
                        *known = known.clone().with_data_type(wider);
                    }
                }
            }
            let scan = ScanFile::new(path, len).map_err(super::super::error::of_query)?;
            scans.push(scan);
        }
        let seen: Vec<Field> = fields
            .iter()
            .map(|field| {
                Field::new(field.name().to_ascii_lowercase(), field.data_type().clone(), true)
                    .with_metadata(described(field.name(), &from_arrow(field.data_type())))
            })
            .collect();
        Ok(Self { files: scans, stored: Arc::new(Schema::new(fields)), schema: Arc::new(Schema::new(seen)) })
    }
}

fn footer(path: &Path) -> Result<(SchemaRef, u64), SqlError> {
    let failed = |error: &dyn std::fmt::Display| {
        SqlError::execute(format!("Failed to read {}: {error}", path.display()))
    };
    let file = fs::File::open(path).map_err(|e| failed(&e))?;
    let len = file.metadata().map_err(|e| failed(&e))?.len();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|e| failed(&format!("not a Parquet file ({e})")))?;
    Ok((builder.schema().clone(), len))
}

/// A type that holds the values of both.
fn wider(a: &ArrowType, b: &ArrowType) -> Option<ArrowType> {
    let size = |t: &ArrowType| match t {
        ArrowType::Int8 => Some(0),
        ArrowType::Int16 => Some(1),
        ArrowType::Int32 => Some(2),
        ArrowType::Int64 => Some(3),
        _ => None,
    };
    match (size(a), size(b)) {
        (Some(x), Some(y)) => Some(if x > y { a.clone() } else { b.clone() }),
        _ if a.is_floating() && b.is_floating() => Some(ArrowType::Float64),
        _ => None,
    }
}

#[async_trait]
impl TableProvider for ParquetFiles {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let shape = ScanShape {
            stored: self.stored.clone(),
            output: (0..columns.len()).collect(),
            schema: Arc::new(self.schema.project(&columns)?),
            columns,
            pruning: None,
            reading: Reading::Concatenated,
            held: None,
        };
        let pieces = self.files.iter().map(|file| vec![file.clone()]).collect();
        let parallel = state.config().target_partitions();
        Ok(Arc::new(TableScanExec::new("FILES".into(), shape, pieces, parallel)))
    }
}
