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
use super::properties::Properties;
use super::source::SourceFile;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use csv::{ReaderBuilder, StringRecord, Terminator, Trim};
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
    separator: u8,
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    skip: u64,
    trim: bool,
}

impl Format {
    fn new(properties: &Properties) -> Result<Self, SqlError> {
        let optional = |key: &str| match properties.get(key) {
            None | Some("") => Ok(None),
            Some(_) => properties.byte(key, b'"').map(Some),
        };
        Ok(Self {
            separator: properties.byte("csv.column_separator", b'\t')?,
            delimiter: properties.byte("csv.row_delimiter", b'\n')?,
            quote: optional("csv.enclose")?,
            escape: optional("csv.escape")?,
            skip: properties.number("csv.skip_header", 0)?,
            trim: properties.flag("csv.trim_space", false)?,
        })
    }

    fn open(&self, file: &SourceFile) -> Result<csv::Reader<BufReader<Box<dyn Read + Send>>>, SqlError> {
        let bytes = file.open()?;
        let mut builder = ReaderBuilder::new();
        builder
            .has_headers(false)
            .flexible(true)
            .delimiter(self.separator)
            .quoting(self.quote.is_some())
            .escape(self.escape)
            .double_quote(self.escape.is_none())
            .trim(if self.trim { Trim::All } else { Trim::None });
        if let Some(quote) = self.quote {
            builder.quote(quote);
        }
        if self.delimiter != b'\n' {
            builder.terminator(Terminator::Any(self.delimiter));
        }
        Ok(builder.from_reader(BufReader::with_capacity(1 << 16, bytes)))
    }
}

/// CSV files of one shape.
#[derive(Debug, Clone)]
pub(crate) struct CsvFiles {
    files: Vec<SourceFile>,
    format: Format,
    types: Vec<DataType>,
    schema: SchemaRef,
}

impl CsvFiles {
    /// Looks at the first rows.
    ///
    /// # Errors
    /// A property is wrong; the first file cannot be read.
    pub(crate) fn open(files: Vec<SourceFile>, properties: &Properties) -> Result<Self, SqlError> {
        let format = Format::new(properties)?;
        let sampled = usize::try_from(properties.number("auto_detect_sample_files", 2)?).unwrap_or(2).max(1);
        let rows = usize::try_from(properties.number("auto_detect_sample_rows", 500)?).unwrap_or(500);
        let mut columns: Vec<Vec<Option<String>>> = Vec::new();
        for file in files.iter().take(sampled) {
            let mut reader = format.open(file)?;
            let skip = usize::try_from(format.skip).unwrap_or(usize::MAX);
            for record in reader.records().skip(skip).take(rows) {
                let record = record.map_err(|e| file.failed(&e))?;
                if columns.len() < record.len() {
                    columns.resize_with(record.len(), Vec::new);
                }
                for (column, value) in columns.iter_mut().zip(&record) {
                    column.push((value != "\\N").then(|| value.to_owned()));
                }
            }
        }
        let detect = properties.flag("auto_detect_types", true)?;
        let types: Vec<DataType> = columns
            .into_iter()
            .map(|column| if detect { detected(column) } else { DataType::string() })
            .collect();
        let fields = types
            .iter()
            .enumerate()
            .map(|(at, data_type)| {
                let name = format!("${}", at + 1);
                Ok(Field::new(&name, to_arrow(data_type)?, true).with_metadata(described(&name, data_type)))
            })
            .collect::<Result<Vec<_>, SqlError>>()?;
        Ok(Self { files, format, types, schema: Arc::new(Schema::new(fields)) })
    }

    /// Reads everything; gives batches to `take` until it says no.
    fn read(&self, projection: &[usize], mut take: impl FnMut(Result<RecordBatch>) -> bool) {
        for file in &self.files {
            if let Err(error) = self.read_file(file, projection, &mut take) {
                take(Err(into_query(error)));
                return;
            }
        }
    }

    fn read_file(
        &self,
        file: &SourceFile,
        projection: &[usize],
        take: &mut impl FnMut(Result<RecordBatch>) -> bool,
    ) -> Result<(), SqlError> {
        let mut reader = self.format.open(file)?;
        let mut rows: Vec<StringRecord> = Vec::with_capacity(BATCH_ROWS);
        let mut number = 0u64;
        for record in reader.records() {
            let record = record.map_err(|e| file.failed(&e))?;
            number += 1;
            if number <= self.format.skip {
                continue;
            }
            if record.len() != self.types.len() {
                return Err(file.failed(&format!(
                    "row {number} has {} columns, the first row has {}; check csv.column_separator and \
                         csv.enclose",
                    record.len(),
                    self.types.len()
                )));
            }
            rows.push(record);
            if rows.len() == BATCH_ROWS {
                let first = number - u64::try_from(rows.len() - 1).unwrap_or(0);
                if !take(Ok(self.batch(file, &rows, first, projection)?)) {
                    return Ok(());
                }
                rows.clear();
            }
        }
        if !rows.is_empty() {
            let first = number - u64::try_from(rows.len() - 1).unwrap_or(0);
            take(Ok(self.batch(file, &rows, first, projection)?));
        }
        Ok(())
    }

    fn batch(
        &self,
        file: &SourceFile,
        rows: &[StringRecord],
        first: u64,
        projection: &[usize],
    ) -> Result<RecordBatch, SqlError> {
        let columns = projection
            .iter()
            .map(|at| {
                let texts: StringArray =
                    rows.iter().map(|row| row.get(*at).filter(|value| *value != "\\N")).collect();
                let data_type = self.types.get(*at).cloned().unwrap_or_else(DataType::string);
                parse_column(&texts, &data_type).map_err(|error| {
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
        let columns = projection.cloned().unwrap_or_else(|| (0..self.files.types.len()).collect());
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
