//! From the columns a load brings to all columns of the table.

use super::super::error::of_query;
use super::super::query::Environment;
use super::super::query::context::QueryEngine;
use super::super::query::rewrite::rewrite;
use super::super::value::convert::{convert, refused, text_array};
use super::super::value::parse::parse_column;
use super::super::value::types::{query_field, to_arrow};
use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray, new_null_array,
};
use arrow::compute::take;
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::physical_expr::PhysicalExpr;
use rockhold_core::JobId;
use rockhold_model::{Column, ColumnDefault, DataType, TableDefinition};
use rockhold_sql::SqlError;
use std::sync::Arc;

/// Where the values of a column come from.
enum Origin {
    /// A column of the source.
    Source(usize),
    /// One value for every row.
    Constant(ArrayRef),
    /// `uuid()` or `uuid_numeric()`, for each row.
    Random,
    /// Numbers that the table hands out where the source has none.
    Counted(Option<usize>),
    /// An expression over the other columns.
    Generated(Arc<dyn PhysicalExpr>),
}

/// Makes batches of a table's columns.
pub(crate) struct Preparer {
    table: Arc<TableDefinition>,
    origins: Vec<Origin>,
    /// All columns, lower case and nullable, for generated columns.
    seen: SchemaRef,
    next_number: i64,
    rows: u64,
}

impl Preparer {
    /// A preparer for a source whose columns go to `targets` (positions in
    /// the table), in order. `next_number` is the first AUTO_INCREMENT value.
    ///
    /// # Errors
    /// A column that must be given is missing.
    pub(crate) fn new(
        table: Arc<TableDefinition>,
        targets: &[usize],
        next_number: i64,
        engine: &QueryEngine,
        environment: &Environment,
    ) -> Result<Self, SqlError> {
        let fields = table
            .columns
            .iter()
            .map(|column| Ok(query_field(column)?.as_ref().clone().with_nullable(true)))
            .collect::<Result<Vec<Field>, SqlError>>()?;
        let seen = Arc::new(Schema::new(fields));
        let origins = table
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let source = targets.iter().position(|target| *target == at);
                if let Some(expression) = &column.generated {
                    if source.is_some() {
                        return Err(SqlError::analyze(format!(
                            "generated column '{}' can not be specified",
                            column.name
                        )));
                    }
                    return generated(column, expression, &seen, engine, environment).map(Origin::Generated);
                }
                match source {
                    _ if column.auto_increment => Ok(Origin::Counted(source)),
                    Some(source) => Ok(Origin::Source(source)),
                    None => default_of(column, environment),
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { table, origins, seen, next_number, rows: 0 })
    }

    /// The AUTO_INCREMENT value after those handed out.
    pub(crate) fn next_number(&self) -> i64 {
        self.next_number
    }

    /// The table's columns for one batch of the source.
    ///
    /// # Errors
    /// A value does not fit its column.
    pub(crate) fn prepare(&mut self, source: &RecordBatch) -> Result<Vec<ArrayRef>, SqlError> {
        let count = source.num_rows();
        let first = self.rows.saturating_add(1);
        let table = self.table.clone();
        let mut columns: Vec<Option<ArrayRef>> = Vec::with_capacity(table.columns.len());
        let mut next_number = self.next_number;
        for (column, origin) in table.columns.iter().zip(&self.origins) {
            let array = match origin {
                Origin::Source(at) => convert(source.column(*at), column, first)?,
                Origin::Constant(value) => {
                    let zeros = arrow::array::UInt32Array::from(vec![0; count]);
                    let repeated = take(value, &zeros, None).map_err(|e| SqlError::execute(e.to_string()))?;
                    convert(&repeated, column, first)?
                }
                Origin::Random => convert(&random(column, count)?, column, first)?,
                Origin::Counted(at) => {
                    let given = match at {
                        Some(at) => Some(convert(source.column(*at), column, first)?),
                        None => None,
                    };
                    convert(&counted(given.as_ref(), count, &mut next_number), column, first)?
                }
                Origin::Generated(_) => {
                    columns.push(None);
                    continue;
                }
            };
            columns.push(Some(array));
        }
        self.next_number = next_number;
        let columns = self.generate(columns, count, first)?;
        self.rows = self.rows.saturating_add(u64::try_from(count).unwrap_or(0));
        Ok(columns)
    }

    fn generate(
        &self,
        columns: Vec<Option<ArrayRef>>,
        count: usize,
        first: u64,
    ) -> Result<Vec<ArrayRef>, SqlError> {
        let failed = |e: arrow::error::ArrowError| SqlError::execute(e.to_string());
        let known: Vec<ArrayRef> = columns
            .iter()
            .zip(self.seen.fields())
            .map(|(array, field)| match array {
                Some(array) => array.clone(),
                None => new_null_array(field.data_type(), count),
            })
            .collect();
        if columns.iter().all(Option::is_some) {
            return Ok(known);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(self.seen.clone(), known, &options).map_err(failed)?;
        let mut all = Vec::with_capacity(columns.len());
        for ((array, column), origin) in columns.into_iter().zip(&self.table.columns).zip(&self.origins) {
            let array = match (array, origin) {
                (Some(array), _) => array,
                (None, Origin::Generated(expression)) => {
                    let value = expression
                        .evaluate(&batch)
                        .and_then(|value| value.into_array(count))
                        .map_err(of_query)?;
                    convert(&value, column, first)?
                }
                (None, _) => new_null_array(&to_arrow(&column.data_type)?, count),
            };
            all.push(array);
        }
        Ok(all)
    }
}

fn generated(
    column: &Column,
    text: &str,
    seen: &SchemaRef,
    engine: &QueryEngine,
    environment: &Environment,
) -> Result<Arc<dyn PhysicalExpr>, SqlError> {
    let mut expression = rockhold_sql::parse_expression(text).map_err(|error| {
        SqlError::execute(format!(
            "the expression of column '{}' cannot be read: {}",
            column.name, error.message
        ))
    })?;
    rewrite(&mut expression.expr, environment)?;
    let schema = DFSchema::try_from(seen.as_ref().clone()).map_err(of_query)?;
    let planned = engine.expression(*expression.expr, &schema)?;
    engine.state().create_physical_expr(planned, &schema).map_err(of_query)
}

fn default_of(column: &Column, environment: &Environment) -> Result<Origin, SqlError> {
    let null = || Ok(Origin::Constant(new_null_array(&to_arrow(&column.data_type)?, 1)));
    match &column.default {
        None if !column.nullable => Err(SqlError::analyze(format!(
            "'{}' must be explicitly mentioned in column permutation: it is NOT NULL and has no default",
            column.name
        ))),
        None | Some(ColumnDefault::Null) => null(),
        Some(ColumnDefault::Literal(text)) => {
            parse_column(&StringArray::from(vec![text.as_str()]), &column.data_type)
                .map(Origin::Constant)
                .map_err(|error| refused(column, 1, 0, &format!("the default: {}", error.reason)))
        }
        Some(ColumnDefault::CurrentTimestamp { precision }) => {
            let digits = u32::from(precision.unwrap_or(0).min(6));
            let step = 10i64.pow(6 - digits);
            let now = environment.now - environment.now.rem_euclid(step);
            let text = super::super::value::time::datetime_text(now);
            parse_column(&StringArray::from(vec![text]), &column.data_type)
                .map(Origin::Constant)
                .map_err(|error| refused(column, 1, 0, &error.reason))
        }
        Some(ColumnDefault::Function(text)) => {
            let name = text.trim().trim_end_matches("()").to_ascii_lowercase();
            match name.as_str() {
                "uuid" | "uuid_numeric" => Ok(Origin::Random),
                _ => Err(SqlError::analyze(format!(
                    "column '{}': the embedded warehouse has no default function {text}; give the column a value",
                    column.name
                ))),
            }
        }
    }
}

/// Random identities: text for text columns, numbers for others.
fn random(column: &Column, count: usize) -> Result<ArrayRef, SqlError> {
    let failed = |error: rockhold_core::Error| SqlError::execute(error.to_string());
    let texts = (0..count)
        .map(|_| {
            let mut bytes = *JobId::random().map_err(failed)?.as_bytes();
            if matches!(column.data_type, DataType::LargeInt) {
                return Ok(Some((i128::from_le_bytes(bytes) & i128::MAX).to_string()));
            }
            // A version 4 UUID.
            bytes[6] = bytes[6] & 0x0f | 0x40;
            bytes[8] = bytes[8] & 0x3f | 0x80;
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
            Ok(Some([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")))
        })
        .collect::<Result<Vec<_>, SqlError>>()?;
    Ok(text_array(texts))
}

/// Numbers from the counter where none is given.
fn counted(given: Option<&ArrayRef>, count: usize, next: &mut i64) -> ArrayRef {
    let given = given.map(|array| array.as_primitive::<Int64Type>());
    let numbers: Int64Array = (0..count)
        .map(|row| match given {
            Some(values) if values.is_valid(row) => Some(values.value(row)),
            _ => {
                let number = *next;
                *next = next.saturating_add(1);
                Some(number)
            }
        })
        .collect();
    Arc::new(numbers)
}
