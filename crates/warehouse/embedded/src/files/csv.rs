//! CSV files as batches.
//!
//! Columns are `$1`, `$2`, … in StarRocks's manner. `\N` is NULL. With
//! `auto_detect_types` (the default) a column is BIGINT, DATE or DATETIME when
//! all values of the sample are such values in the very form in which they
//! would be printed, so that `007` stays text and nothing is lost on the way
//! into a table; else it is VARCHAR.

use super::super::error::into_query;
use super::super::value::parse::parse_column;
use super::super::value::text::Printer;
use super::super::value::types::{described, to_arrow};
use super::dialect::{Dialect, NULL};
use super::path_columns::{PathColumns, constant};
use super::properties::Properties;
use super::source::SourceFile;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use csv::StringRecord;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use rockhold_model::DataType;
use rockhold_sql::SqlError;
use std::io::{BufReader, Read};
use std::sync::Arc;

const BATCH_ROWS: usize = 8192;

/// How the files are written.
#[derive(Debug, Clone)]
struct Format {
    dialect: Dialect,
    skip: u64,
    trim: bool,
    /// Columns that a row lacks at its end are NULL.
    fills: bool,
}

impl Format {
    fn new(properties: &Properties) -> Result<Self, SqlError> {
        match properties.get("compression").map(str::to_ascii_lowercase).as_deref() {
            None | Some("uncompressed") => {}
            Some(other) => {
                return Err(SqlError::analyze(format!(
                    "\"compression\" = \"{other}\": the embedded warehouse reads uncompressed csv files"
                )));
            }
        }
        Ok(Self {
            dialect: Dialect::new(properties)?,
            skip: properties.number("csv.skip_header", 0)?,
            trim: properties.flag("csv.trim_space", false)?,
            fills: properties.fills_mismatch()?,
        })
    }

    fn open(&self, file: &SourceFile) -> Result<csv::Reader<BufReader<Box<dyn Read + Send>>>, SqlError> {
        let bytes = file.open()?;
        Ok(self.dialect.reader(self.trim).from_reader(BufReader::with_capacity(1 << 16, bytes)))
    }
}

/// A file, and what its path gives.
#[derive(Debug, Clone)]
struct CsvFile {
    file: SourceFile,
    from_path: Vec<Option<String>>,
}

/// CSV files of one shape.
#[derive(Debug, Clone)]
pub(crate) struct CsvFiles {
    files: Vec<CsvFile>,
    format: Format,
    /// Of the columns that the files have; those of the path follow them.
    types: Vec<DataType>,
    schema: SchemaRef,
}

impl CsvFiles {
    /// Looks at the first rows.
    ///
    /// # Errors
    /// A property is wrong; the first file cannot be read; a path lacks a column.
    pub(crate) fn open(files: Vec<SourceFile>, properties: &Properties) -> Result<Self, SqlError> {
        let format = Format::new(properties)?;
        let types = sampled(&files, &format, properties)?;
        let mut fields = types
            .iter()
            .enumerate()
            .map(|(at, data_type)| {
                let name = format!("${}", at + 1);
                Ok(Field::new(&name, to_arrow(data_type)?, true).with_metadata(described(&name, data_type)))
            })
            .collect::<Result<Vec<_>, SqlError>>()?;
        let paths = PathColumns::new(properties)?;
        paths.append_to(&mut fields)?;
        let files = files
            .into_iter()
            .map(|file| Ok(CsvFile { from_path: paths.values(&file)?, file }))
            .collect::<Result<Vec<_>, SqlError>>()?;
        Ok(Self { files, format, types, schema: Arc::new(Schema::new(fields)) })
    }

    /// Reads everything; gives batches to `take` until it says no.
    fn read(&self, projection: &[usize], mut take: impl FnMut(Result<RecordBatch>) -> bool) {
        for file in &self.files {
            match self.read_file(file, projection, &mut take) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    take(Err(into_query(error)));
                    return;
                }
            }
        }
    }

    /// Reads a file; whether more is wanted.
    fn read_file(
        &self,
        source: &CsvFile,
        projection: &[usize],
        take: &mut impl FnMut(Result<RecordBatch>) -> bool,
    ) -> Result<bool, SqlError> {
        let file = &source.file;
        let mut reader = self.format.open(file)?;
        let mut rows: Vec<StringRecord> = Vec::with_capacity(BATCH_ROWS);
        let mut number = 0u64;
        for record in reader.records() {
            let record = record.map_err(|e| file.failed(&e))?;
            number += 1;
            if number <= self.format.skip {
                continue;
            }
            self.check_len(file, number, record.len())?;
            rows.push(record);
            if rows.len() == BATCH_ROWS {
                let first = number - u64::try_from(rows.len() - 1).unwrap_or(0);
                if !take(Ok(self.batch(source, &rows, first, projection)?)) {
                    return Ok(false);
                }
                rows.clear();
            }
        }
        if rows.is_empty() {
            return Ok(true);
        }
        let first = number - u64::try_from(rows.len() - 1).unwrap_or(0);
        Ok(take(Ok(self.batch(source, &rows, first, projection)?)))
    }

    fn check_len(&self, file: &SourceFile, row: u64, len: usize) -> Result<(), SqlError> {
        let wanted = self.types.len();
        if len == wanted || len < wanted && self.format.fills {
            return Ok(());
        }
        let problem = if len < wanted {
            format!(
                "row {row} has no column ${}: it has {len} columns, the first rows have {wanted}; check \
                 csv.column_separator and csv.enclose, or read NULL there with \
                 \"fill_mismatch_column_with\" = \"null\"",
                len + 1
            )
        } else {
            format!(
                "row {row} has {len} columns, the first rows have {wanted}; check csv.column_separator and \
                 csv.enclose"
            )
        };
        Err(file.failed(&problem))
    }

    fn batch(
        &self,
        source: &CsvFile,
        rows: &[StringRecord],
        first: u64,
        projection: &[usize],
    ) -> Result<RecordBatch, SqlError> {
        let file = &source.file;
        let columns = projection
            .iter()
            .map(|at| {
                let Some(data_type) = self.types.get(*at) else {
                    let value = source.from_path.get(*at - self.types.len()).and_then(Option::as_deref);
                    return Ok(constant(value, rows.len()));
                };
                let texts: StringArray =
                    rows.iter().map(|row| row.get(*at).filter(|value| *value != NULL)).collect();
                parse_column(&texts, data_type).map_err(|error| {
                    let row = first + u64::try_from(error.row).unwrap_or(0);
                    let reason = error.reason;
                    file.failed(&format!(
                        "row {row}, column ${}: {reason}; read it as text with \"auto_detect_types\" = \
                             \"false\"",
                        at + 1
                    ))
                })
            })
            .collect::<Result<Vec<ArrayRef>, _>>()?;
        let schema = Arc::new(self.schema.project(projection).map_err(|e| file.failed(&e))?);
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(schema, columns, &options).map_err(|e| file.failed(&e))
    }
}

/// The types of the columns, by the first rows of the first files.
fn sampled(
    files: &[SourceFile],
    format: &Format,
    properties: &Properties,
) -> Result<Vec<DataType>, SqlError> {
    // Without a row nobody would know how many columns there are.
    let number = |key: &str, default: u64| {
        properties.number(key, default).map(|number| usize::try_from(number).unwrap_or(usize::MAX).max(1))
    };
    let (most_files, most_rows) =
        (number("auto_detect_sample_files", 2)?, number("auto_detect_sample_rows", 500)?);
    let mut columns: Vec<Vec<Option<String>>> = Vec::new();
    let mut sampled_files = 0;
    for file in files {
        if sampled_files >= most_files {
            break;
        }
        let mut has_rows = false;
        let mut reader = format.open(file)?;
        let skip = usize::try_from(format.skip).unwrap_or(usize::MAX);
        for record in reader.records().skip(skip).take(most_rows) {
            let record = record.map_err(|e| file.failed(&e))?;
            has_rows = true;
            if columns.len() < record.len() {
                columns.resize_with(record.len(), Vec::new);
            }
            for (column, value) in columns.iter_mut().zip(&record) {
                column.push((value != NULL).then(|| value.to_owned()));
            }
        }
        // A file without rows tells nothing.
        sampled_files += usize::from(has_rows);
    }
    let detect = properties.flag("auto_detect_types", true)?;
    let of = |column| if detect { detected(column) } else { DataType::string() };
    Ok(columns.into_iter().map(of).collect())
}

/// The type that prints every value of the sample as it is written.
fn detected(column: Vec<Option<String>>) -> DataType {
    let texts = StringArray::from(column);
    if texts.iter().all(|value| value.is_none()) {
        return DataType::string();
    }
    for data_type in [DataType::BigInt, DataType::Date, DataType::DateTime] {
        let Ok(array) = parse_column(&texts, &data_type) else { continue };
        let Ok(printer) = Printer::new(&array) else { continue };
        let same = texts.iter().enumerate().all(|(row, text)| printer.text(row).as_deref() == text);
        if same {
            return data_type;
        }
    }
    DataType::string()
}

/// CSV files in a query.
#[derive(Debug)]
pub(crate) struct CsvTable {
    files: CsvFiles,
}

impl CsvTable {
    pub(crate) fn new(files: CsvFiles) -> Self {
        Self { files }
    }
}

#[async_trait]
impl TableProvider for CsvTable {
    fn schema(&self) -> SchemaRef {
        self.files.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns = projection.cloned().unwrap_or_else(|| (0..self.files.schema.fields().len()).collect());
        let schema = Arc::new(self.files.schema.project(&columns)?);
        let mut builder = RecordBatchReceiverStreamBuilder::new(schema.clone(), 4);
        let (sender, files) = (builder.tx(), self.files.clone());
        builder.spawn_blocking(move || {
            files.read(&columns, |batch| sender.blocking_send(batch).is_ok());
            Ok(())
        });
        Ok(Arc::new(super::super::load::once::OnceExec::new(builder.build(), schema)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_detected_only_when_nothing_is_lost() {
        let of = |values: &[&str]| {
            detected(values.iter().map(|v| (*v != "\\N").then(|| (*v).to_owned())).collect())
        };
        assert_eq!(of(&["1", "-20", "\\N"]), DataType::BigInt);
        assert_eq!(of(&["007"]), DataType::string());
        assert_eq!(of(&["2024-01-31"]), DataType::Date);
        assert_eq!(of(&["2024-01-31 10:00:00"]), DataType::DateTime);
        assert_eq!(of(&["2024-1-31"]), DataType::string());
        assert_eq!(of(&["1.50"]), DataType::string());
        assert_eq!(of(&["\\N"]), DataType::string());
    }
}
