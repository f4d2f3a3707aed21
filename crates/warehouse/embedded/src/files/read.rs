//! FILES in FROM, and DESC FILES.

use super::super::merge::scan::{Reading, ScanFile, ScanShape, TableScanExec};
use super::super::storage::Storage;
use super::super::value::types::{described, from_arrow, to_arrow};
use super::csv::{CsvFiles, CsvTable};
use super::path::expand;
use super::path_columns::{Output, PathColumns, PathColumnsExec, Piece};
use super::properties::{Direction, Properties};
use super::source::{ParquetSource, ParquetSources, Source, SourceFile};
use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{MemTable, Session, TableProvider};
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::physical_plan::ExecutionPlan;
use futures::{StreamExt, TryStreamExt};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::ParquetError;
use rockhold_sql::SqlError;
use std::sync::Arc;

/// Files whose footers are read at a time.
const FOOTERS_AT_ONCE: usize = 8;

/// Files as a table.
///
/// # Errors
/// A property is wrong, a file is missing or damaged.
pub(crate) async fn table(
    storage: &Storage,
    pairs: &[(String, String)],
) -> Result<Arc<dyn TableProvider>, SqlError> {
    let properties = Properties::new(pairs);
    properties.check(Direction::Reading)?;
    let list_only = properties.flag("list_files_only", false)?;
    if properties.flag("list_recursively", false)? && !list_only {
        return Err(SqlError::analyze(
            "\"list_recursively\" works with \"list_files_only\" = \"true\" only; to read files of \
             directories below, use wildcards in \"path\"",
        ));
    }
    // Parquet does without these, but not with nonsense in them.
    properties.number("auto_detect_sample_files", 0)?;
    properties.number("auto_detect_sample_rows", 0)?;
    properties.flag("auto_detect_types", true)?;
    let files = expand(storage, &properties).await?;
    if list_only {
        return listing(&files);
    }
    match properties.require("format")?.to_ascii_lowercase().as_str() {
        "parquet" => Ok(Arc::new(ParquetFiles::open(files, &properties).await?)),
        "csv" => {
            let open = move || CsvFiles::open(files, &properties);
            let files = tokio::task::spawn_blocking(open)
                .await
                .map_err(|error| SqlError::execute(format!("reading files was torn down: {error}")))??;
            Ok(Arc::new(CsvTable::new(files)))
        }
        other => Err(SqlError::analyze(format!(
            "\"format\" = \"{other}\": the embedded warehouse reads parquet and csv"
        ))),
    }
}

/// The files themselves: PATH, SIZE, IS_DIR, MODIFICATION_TIME.
fn listing(files: &[SourceFile]) -> Result<Arc<dyn TableProvider>, SqlError> {
    let failed = |error: &dyn std::fmt::Display| SqlError::execute(error.to_string());
    let paths: StringArray = files.iter().map(|file| Some(file.shown.as_str())).collect();
    let sizes: Int64Array = files.iter().map(|file| i64::try_from(file.len).ok()).collect();
    let directories: BooleanArray = files.iter().map(|_| Some(false)).collect();
    let times: TimestampMicrosecondArray = files.iter().map(|file| file.modified).collect();
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

/// Parquet files, their columns united by name.
#[derive(Debug)]
struct ParquetFiles {
    files: Vec<ScanFile>,
    /// Columns that a file does not have, and the file; empty where these are NULL.
    lacking: Vec<(usize, String)>,
    /// For each file, the values of the columns that are taken from its path;
    /// empty when none are.
    from_paths: Vec<Vec<Option<String>>>,
    /// Opens them, where some lie in a store.
    sources: Option<Arc<dyn ParquetFileReaderFactory>>,
    /// Names as in the files.
    stored: SchemaRef,
    /// Names in lower case; the columns of the path behind those of the files.
    schema: SchemaRef,
}

impl ParquetFiles {
    async fn open(files: Vec<SourceFile>, properties: &Properties) -> Result<Self, SqlError> {
        let (fills, paths) = (properties.fills_mismatch()?, PathColumns::new(properties)?);
        let footers = futures::stream::iter(&files).map(footer).buffered(FOOTERS_AT_ONCE);
        let footers: Vec<SchemaRef> = footers.try_collect().await?;
        let mut fields: Vec<Field> = Vec::new();
        for (file, schema) in files.iter().zip(&footers) {
            unite(&mut fields, file, schema)?;
        }
        let lacking = match fills {
            true => Vec::new(),
            false => {
                files.iter().zip(&footers).flat_map(|(file, schema)| lacking(&fields, file, schema)).collect()
            }
        };
        let mut seen: Vec<Field> = fields
            .iter()
            .map(|field| {
                Field::new(field.name().to_ascii_lowercase(), field.data_type().clone(), true)
                    .with_metadata(described(field.name(), &from_arrow(field.data_type())))
            })
            .collect();
        paths.append_to(&mut seen)?;
        let from_paths = match paths.is_empty() {
            true => Vec::new(),
            false => files.iter().map(|file| paths.values(file)).collect::<Result<_, SqlError>>()?,
        };
        let (files, sources) = scans(files)?;
        Ok(Self {
            files,
            lacking,
            from_paths,
            sources,
            stored: Arc::new(Schema::new(fields)),
            schema: Arc::new(Schema::new(seen)),
        })
    }

    /// Refuses to read a column that a file does not have.
    fn require(&self, columns: &[usize]) -> Result<()> {
        let Some((at, file)) = self.lacking.iter().find(|(at, _)| columns.contains(at)) else {
            return Ok(());
        };
        Err(DataFusionError::External(Box::new(SqlError::analyze(format!(
            "{file} has no column '{}', which other files have; to read NULL there, set \
             \"fill_mismatch_column_with\" = \"null\"",
            self.stored.field(*at).name()
        )))))
    }

    /// What the scans of these columns have in common.
    fn shape(&self, columns: Vec<usize>) -> Result<ScanShape> {
        Ok(ScanShape {
            stored: self.stored.clone(),
            output: (0..columns.len()).collect(),
            schema: Arc::new(self.schema.project(&columns)?),
            columns,
            pruning: None,
            reading: Reading::Concatenated,
            held: None,
            sources: self.sources.clone(),
        })
    }
}

/// Adds the columns of one file to those of the files before it.
fn unite(fields: &mut Vec<Field>, file: &SourceFile, schema: &Schema) -> Result<(), SqlError> {
    for field in schema.fields() {
        let (name, data_type) = (field.name(), read_type(field.data_type()));
        let Some(known) = fields.iter_mut().find(|f| f.name().eq_ignore_ascii_case(name)) else {
            fields.push(Field::new(name, data_type, true));
            continue;
        };
        if known.name() != name {
            // A scan knows columns by their exact name, and would read NULL.
            return Err(SqlError::analyze(format!(
                "column '{}' is called '{name}' in {}; read the files one by one",
                known.name(),
                file.shown
            )));
        }
        if *known.data_type() == data_type {
            continue;
        }
        let wider = wider(known.data_type(), &data_type).ok_or_else(|| {
            SqlError::analyze(format!(
                "column '{name}' is {} in one file and {} in {}; read them one by one",
                from_arrow(known.data_type()),
                from_arrow(&data_type),
                file.shown
            ))
        })?;
        *known = known.clone().with_data_type(wider);
    }
    Ok(())
}

/// The columns of others that a file does not have.
fn lacking(fields: &[Field], file: &SourceFile, schema: &Schema) -> Vec<(usize, String)> {
    let lacks = |(_, field): &(usize, &Field)| !schema.fields().iter().any(|f| f.name() == field.name());
    fields.iter().enumerate().filter(lacks).map(|(at, _)| (at, file.shown.clone())).collect()
}

/// The schema that a file says it has.
async fn footer(file: &SourceFile) -> Result<SchemaRef, SqlError> {
    let not_parquet = |e: &dyn std::fmt::Display| file.failed(&format!("not a Parquet file ({e})"));
    let metadata = match ParquetSource::new(file.clone()).get_metadata(None).await {
        Ok(metadata) => metadata,
        // What the store says is not about the format.
        Err(ParquetError::External(error)) => return Err(file.failed(&error)),
        Err(error) => return Err(not_parquet(&error)),
    };
    let meta = metadata.file_metadata();
    let schema = parquet_to_arrow_schema(meta.schema_descr(), meta.key_value_metadata());
    schema.map(Arc::new).map_err(|error| not_parquet(&error))
}

type Sources = Option<Arc<dyn ParquetFileReaderFactory>>;

/// The files as a scan takes them: those of this machine by their path, unless
/// there are others among them.
fn scans(files: Vec<SourceFile>) -> Result<(Vec<ScanFile>, Sources), SqlError> {
    let mut scans = Vec::with_capacity(files.len());
    if files.iter().all(|file| matches!(file.place, Source::Local(_))) {
        for file in &files {
            if let Source::Local(path) = &file.place {
                scans.push(ScanFile::new(path, file.len).map_err(super::super::error::of_query)?);
            }
        }
        return Ok((scans, None));
    }
    let mut sources = ParquetSources::default();
    for file in files {
        let len = file.len;
        scans.push(ScanFile { location: sources.add(file), len, home: None });
    }
    Ok((scans, Some(Arc::new(sources))))
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
        self.require(&columns)?;
        let parallel = state.config().target_partitions();
        if self.from_paths.is_empty() {
            let pieces = self.files.iter().map(|file| vec![file.clone()]).collect();
            return Ok(Arc::new(TableScanExec::new("FILES".into(), self.shape(columns)?, pieces, parallel)));
        }
        let schema = Arc::new(self.schema.project(&columns)?);
        let own = self.stored.fields().len();
        let (mut read, mut output) = (Vec::new(), Vec::with_capacity(columns.len()));
        for at in columns {
            output.push(match at.checked_sub(own) {
                Some(at) => Output::Path(at),
                None => Output::Read(read.len()),
            });
            read.extend((at < own).then_some(at));
        }
        let shape = self.shape(read)?;
        let piece = |(file, values): (&ScanFile, &Vec<Option<String>>)| Piece {
            scan: Arc::new(TableScanExec::new("FILES".into(), shape.clone(), vec![vec![file.clone()]], 1)),
            values: values.clone(),
        };
        let pieces = self.files.iter().zip(&self.from_paths).map(piece).collect();
        Ok(Arc::new(PathColumnsExec::new(pieces, output, schema, parallel)))
    }
}
