//! The rows of INSERT … VALUES.
//!
//! Literals are read as values of their column directly, so that no number
//! passes through a type that cannot hold it; other expressions are computed.

use super::super::error::of_query;
use super::super::query::Environment;
use super::super::query::build::text_of;
use super::super::query::context::QueryEngine;
use super::super::query::planner::Tables;
use super::super::query::rewrite::rewrite;
use super::super::value::convert::convert;
use super::super::value::parse::parse_column;
use super::super::value::types::query_field;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::concat;
use arrow::datatypes::Schema;
use futures::StreamExt;
use rockhold_model::{Column, ColumnDefault, TableDefinition};
use rockhold_sql::SqlError;
use sqlparser::ast::{Expr, Query, SelectItem, UnaryOperator, Value, ValueWithSpan};
use std::sync::Arc;

/// A value of VALUES.
enum Cell {
    /// The text of a literal; `None` for NULL.
    Literal(Option<String>),
    /// Another expression: its position among the computed ones.
    Computed(usize),
}

/// The rows as one batch whose columns are those of `targets`; `functions` are
/// those of users that the values call.
///
/// # Errors
/// A row has another number of values; a value does not fit its column.
pub(crate) async fn batch(
    rows: &[Vec<Expr>],
    table: &TableDefinition,
    targets: &[usize],
    engine: &QueryEngine,
    environment: &Environment,
    functions: &Tables,
) -> Result<RecordBatch, SqlError> {
    let columns: Vec<&Column> = targets.iter().filter_map(|at| table.columns.get(*at)).collect();
    let mut computed = Vec::new();
    let mut cells: Vec<Vec<Cell>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        if row.len() != columns.len() {
            return Err(SqlError::analyze(format!(
                "Column count doesn't match value count: {} columns, {} values",
                columns.len(),
                row.len()
            )));
        }
        for ((column, cells), expr) in columns.iter().zip(&mut cells).zip(row) {
            cells.push(cell(column, expr, &mut computed)?);
        }
    }
    let values = compute(computed, engine, environment, functions).await?;
    let arrays = columns
        .iter()
        .zip(cells)
        .map(|(column, cells)| column_array(column, &cells, &values))
        .collect::<Result<Vec<_>, _>>()?;
    let fields: Vec<_> = columns
        .iter()
        .map(|column| Ok(query_field(column)?.as_ref().clone().with_nullable(true)))
        .collect::<Result<_, SqlError>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|e| SqlError::execute(e.to_string()))
}

fn cell(column: &Column, expr: &Expr, computed: &mut Vec<Expr>) -> Result<Cell, SqlError> {
    if let Some(text) = literal(expr) {
        let whole = text.as_deref().is_none_or(|text| !text.contains(['.', 'e', 'E']));
        // 1.5 into an integer column is rounded as a number, not refused as text.
        if whole || text_of(expr).is_some() || !column.data_type.is_integer() {
            return Ok(Cell::Literal(text));
        }
    }
    if let Expr::Identifier(word) = expr
        && word.value.eq_ignore_ascii_case("default")
        && word.quote_style.is_none()
    {
        return match &column.default {
            _ if column.auto_increment => Ok(Cell::Literal(None)),
            None | Some(ColumnDefault::Null) => Ok(Cell::Literal(None)),
            Some(ColumnDefault::Literal(text)) => Ok(Cell::Literal(Some(text.clone()))),
            Some(_) => Err(SqlError::analyze(format!(
                "column '{}': leave the column out to get its default",
                column.name
            ))),
        };
    }
    computed.push(expr.clone());
    Ok(Cell::Computed(computed.len() - 1))
}

/// The text of a literal, `Some(None)` for NULL.
fn literal(expr: &Expr) -> Option<Option<String>> {
    match expr {
        Expr::Value(ValueWithSpan { value, .. }) => Some(match value {
            Value::Null => None,
            Value::Number(text, _) => Some(text.clone()),
            Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
            Value::Boolean(value) => Some(if *value { "1" } else { "0" }.to_owned()),
            _ => return None,
        }),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match expr.as_ref() {
            Expr::Value(ValueWithSpan { value: Value::Number(text, _), .. }) => {
                Some(Some(format!("-{text}")))
            }
            _ => None,
        },
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

/// Values of expressions, one row each.
async fn compute(
    expressions: Vec<Expr>,
    engine: &QueryEngine,
    environment: &Environment,
    functions: &Tables,
) -> Result<Vec<ArrayRef>, SqlError> {
    let mut values = Vec::with_capacity(expressions.len());
    // A plan of thousands of columns is slow to optimise; pieces are not.
    for piece in expressions.chunks(256) {
        let original = select(piece)?;
        let mut query = original.clone();
        rewrite(&mut query, environment)?;
        let planned = engine.plan(&original, query, functions, "")?;
        let mut stream = engine.stream(&planned.plan).await?;
        while let Some(batch) = stream.next().await {
            values.extend(batch.map_err(of_query)?.columns().iter().cloned());
        }
    }
    if values.len() != expressions.len() {
        return Err(SqlError::execute("the values of a row could not be computed"));
    }
    Ok(values)
}

fn select(expressions: &[Expr]) -> Result<Query, SqlError> {
    let projection = expressions
        .iter()
        .enumerate()
        .map(|(position, expr)| SelectItem::ExprWithAlias {
            expr: expr.clone(),
            alias: sqlparser::ast::Ident::new(format!("value_{position}")),
        })
        .collect();
    super::super::query::context::select_query(projection)
}

/// The values of one column, in order.
fn column_array(column: &Column, cells: &[Cell], values: &[ArrayRef]) -> Result<ArrayRef, SqlError> {
    let mut pieces: Vec<ArrayRef> = Vec::new();
    let mut texts: Vec<Option<&str>> = Vec::new();
    let mut first = 1u64;
    let lenient = Column { nullable: true, ..column.clone() };
    let flush = |texts: &mut Vec<Option<&str>>, row: usize| -> Result<Option<ArrayRef>, SqlError> {
        if texts.is_empty() {
            return Ok(None);
        }
        let start = row.saturating_sub(texts.len());
        let array =
            parse_column(&StringArray::from(std::mem::take(texts)), &column.data_type).map_err(|error| {
                super::super::value::convert::refused(column, 1, start + error.row, &error.reason)
            })?;
        Ok(Some(array))
    };
    for (row, cell) in cells.iter().enumerate() {
        match cell {
            Cell::Literal(text) => texts.push(text.as_deref()),
            Cell::Computed(at) => {
                pieces.extend(flush(&mut texts, row)?);
                let value = values.get(*at).ok_or_else(|| SqlError::execute("a value is missing"))?;
                pieces.push(convert(value, &lenient, first)?);
            }
        }
        first = first.saturating_add(1);
    }
    pieces.extend(flush(&mut texts, cells.len())?);
    let pieces: Vec<&dyn arrow::array::Array> = pieces.iter().map(AsRef::as_ref).collect();
    if pieces.is_empty() {
        return Ok(arrow::array::new_empty_array(&super::super::value::types::to_arrow(&column.data_type)?));
    }
    concat(&pieces).map_err(|e| SqlError::execute(e.to_string()))
}
