//! Columns whose values stand in the path of a file:
//! `…/country=US/city=LA/x.parquet` with `"columns_from_path" = "country, city"`.
//!
//! They are VARCHAR and follow the file's own. `%XX` stands for a byte and
//! `__HIVE_DEFAULT_PARTITION__` for NULL, as `partition_by` writes them.

use super::super::leaf::leaf_plan;
use super::super::value::types::described;
use super::output::NULL_PARTITION;
use super::properties::Properties;
use super::source::SourceFile;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::datatypes::{DataType as ArrowType, Field, SchemaRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties};
use futures::{StreamExt, TryStreamExt, stream};
use rockhold_model::DataType;
use rockhold_sql::SqlError;
use std::fmt;
use std::sync::Arc;

/// The columns that are taken from paths.
#[derive(Debug, Clone)]
pub(crate) struct PathColumns(Vec<String>);

impl PathColumns {
    /// The columns of `columns_from_path`.
    ///
    /// # Errors
    /// One is named twice.
    pub(crate) fn new(properties: &Properties) -> Result<Self, SqlError> {
        let mut columns: Vec<String> = Vec::new();
        for name in properties.names("columns_from_path") {
            if columns.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(SqlError::analyze(format!("\"columns_from_path\" names '{name}' twice")));
            }
            columns.push(name.to_owned());
        }
        Ok(Self(columns))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the columns to those that the files have.
    ///
    /// # Errors
    /// The files have one of the same name.
    pub(crate) fn append_to(&self, fields: &mut Vec<Field>) -> Result<(), SqlError> {
        for name in &self.0 {
            if fields.iter().any(|field| field.name().eq_ignore_ascii_case(name)) {
                return Err(SqlError::analyze(format!(
                    "\"columns_from_path\": the files have a column '{name}' of their own; leave it out"
                )));
            }
            let field = Field::new(name.to_ascii_lowercase(), ArrowType::Utf8, true);
            fields.push(field.with_metadata(described(name, &DataType::string())));
        }
        Ok(())
    }

    /// The values of one file.
    ///
    /// # Errors
    /// Its path lacks one.
    pub(crate) fn values(&self, file: &SourceFile) -> Result<Vec<Option<String>>, SqlError> {
        // Nearest first, without the file itself.
        let folders = file.shown.rsplit('/').skip(1).filter_map(|folder| folder.split_once('='));
        let folders: Vec<(String, &str)> = folders.map(|(name, value)| (unescaped(name), value)).collect();
        let value = |name: &String| match folders.iter().find(|(folder, _)| folder == name) {
            Some((_, value)) if *value == NULL_PARTITION => Ok(None),
            Some((_, value)) => Ok(Some(unescaped(value))),
            None => {
                let problem = format!("its path has no folder '{name}=…'; check \"columns_from_path\"");
                Err(SqlError::analyze(file.failed(&problem).message))
            }
        };
        self.0.iter().map(value).collect()
    }
}

/// `a%20b` as `a b`; as it is where that is no text.
fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((plain, behind)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let digits = behind.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(b'%');
                rest = behind;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

/// The same value in every row.
pub(crate) fn constant(value: Option<&str>, rows: usize) -> ArrayRef {
    Arc::new(match value {
        Some(value) => StringArray::from_iter_values(std::iter::repeat_n(value, rows)),
        None => StringArray::new_null(rows),
    })
}

/// One column of what comes out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Output {
    /// A column that was read, by its position.
    Read(usize),
    /// A value of the path, by its position.
    Path(usize),
}

/// The scan of one file, of one partition, and the values of its path.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(crate) scan: Arc<dyn ExecutionPlan>,
    pub(crate) values: Vec<Option<String>>,
}

/// Scans of files with the columns of their paths: a leaf. Its partitions are
/// read in parallel, the files of one of them one after another.
#[derive(Debug)]
pub(crate) struct PathColumnsExec {
    partitions: Vec<Vec<Piece>>,
    output: Arc<[Output]>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl PathColumnsExec {
    pub(crate) fn new(pieces: Vec<Piece>, output: Vec<Output>, schema: SchemaRef, parallel: usize) -> Self {
        let count = parallel.clamp(1, pieces.len().max(1));
        let mut partitions: Vec<Vec<Piece>> = vec![Vec::new(); count];
        for (number, piece) in pieces.into_iter().enumerate() {
            if let Some(partition) = partitions.get_mut(number % count) {
                partition.push(piece);
            }
        }
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(schema.clone()),
            Partitioning::UnknownPartitioning(count),
            EmissionType::Incremental,
            Boundedness::Bounded,
        ));
        Self { partitions, output: output.into(), schema, properties }
    }
}

impl DisplayAs for PathColumnsExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: usize = self.partitions.iter().map(Vec::len).sum();
        write!(f, "PathColumnsExec: FILES, files={files}")
    }
}

impl ExecutionPlan for PathColumnsExec {
    leaf_plan!("PathColumnsExec");

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let pieces = self.partitions.get(partition).cloned().unwrap_or_default();
        let (output, schema) = (self.output.clone(), self.schema.clone());
        let files = stream::iter(pieces).map(move |piece| {
            let (output, schema) = (output.clone(), schema.clone());
            let rows = piece.scan.execute(0, context.clone())?;
            let with_values =
                move |batch: Result<RecordBatch>| widened(&batch?, &output, &piece.values, &schema);
            Ok::<_, DataFusionError>(rows.map(with_values))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), files.try_flatten())))
    }
}

fn widened(
    batch: &RecordBatch,
    output: &[Output],
    values: &[Option<String>],
    schema: &SchemaRef,
) -> Result<RecordBatch> {
    let column = |output: &Output| match output {
        Output::Read(at) => batch.columns().get(*at).cloned(),
        Output::Path(at) => values.get(*at).map(|value| constant(value.as_deref(), batch.num_rows())),
    };
    let columns = output.iter().filter_map(column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    fn values(columns: &str, shown: &str) -> Result<Vec<Option<String>>, SqlError> {
        let properties = Properties::new(&[("columns_from_path".into(), columns.into())]);
        let place = Source::Local(shown.into());
        let file = SourceFile { shown: shown.into(), len: 1, modified: None, place };
        PathColumns::new(&properties)?.values(&file)
    }

    #[test]
    fn values_stand_in_the_folders_of_the_path() {
        let some = |text: &str| Some(text.to_owned());
        let path = "s3://b/country=US/x/city=L%20A%2F%C3%A9/f=1.csv";
        assert_eq!(values("city, country", path).unwrap(), [some("L A/é"), some("US")]);
        assert_eq!(values("a", "/a=1/a=2/x").unwrap(), [some("2")]);
        assert_eq!(values("a", "/a=__HIVE_DEFAULT_PARTITION__/x").unwrap(), [None::<String>]);
        assert_eq!(values("a", "/a=5%/x").unwrap(), [some("5%")]);
        assert_eq!(values("a", "/a=%FF%zz/x").unwrap(), [some("%FF%zz")]);
        assert!(values("", "/x").unwrap().is_empty());
    }

    #[test]
    fn a_path_without_the_folder_is_an_error() {
        // The name of the file itself is no folder.
        let error = values("f", "s3://b/country=US/f=1.csv").unwrap_err().message;
        assert!(error.contains("s3://b/country=US/f=1.csv") && error.contains("'f=…'"), "{error}");
        let error = values("a, A", "/a=1/x").unwrap_err().message;
        assert!(error.contains("'A' twice"), "{error}");
    }
}
