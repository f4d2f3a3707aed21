//! PARTITION BY: what divides the rows.

use rockhold_model::{
    Column, DataType, GENERATED_PARTITION_COLUMN_PREFIX, KeyModel, Partitioning, RangeExpression,
    RangeFunction, SliceBoundary, TimeFunction, TimeUnit,
};
use sqlparser::ast::{Expr, Value};

use super::Result;
use super::expression::{function_arguments, output_type, quoted_expression_text};
use crate::SqlError;
use crate::ast::{ExprText, Ident, PartitionClause, RangeKey};

/// The scheme of a PARTITION BY clause; expressions become hidden columns.
pub(super) fn partitioning(
    clause: Option<&PartitionClause>,
    model: KeyModel,
    columns: &mut Vec<Column>,
) -> Result<Partitioning> {
    let scheme = match clause {
        None => return Ok(Partitioning::Unpartitioned),
        Some(PartitionClause::Range { key: RangeKey::Columns(names), .. }) => {
            Partitioning::Range { columns: resolve(names, columns)?, expression: None }
        }
        Some(PartitionClause::Range { key: RangeKey::Function(function), .. }) => {
            range_function(function, columns)?
        }
        Some(PartitionClause::List { columns: names, .. }) => {
            Partitioning::List { columns: resolve(names, columns)?, automatic: false }
        }
        Some(PartitionClause::Expressions { expressions, .. }) => {
            expressions_scheme(expressions, model, columns)?
        }
    };
    for name in scheme.columns() {
        if let Some(column) = columns.iter().find(|column| column.name == *name) {
            check_column(&scheme, column, model)?;
        }
    }
    Ok(scheme)
}

/// The column of that name, as it is written in the table.
fn find<'c>(name: &str, columns: &'c [Column]) -> Result<&'c Column> {
    columns
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case(name))
        .ok_or_else(|| SqlError::analyze(format!("Partition column[{name}] does not exist in column list.")))
}

fn resolve(names: &[Ident], columns: &[Column]) -> Result<Vec<String>> {
    let mut resolved: Vec<String> = Vec::new();
    for name in names {
        let column = find(name.as_str(), columns)?;
        if resolved.contains(&column.name) {
            return Err(SqlError::analyze(format!("Duplicated partition column {}", column.name)));
        }
        resolved.push(column.name.clone());
    }
    Ok(resolved)
}

fn check_column(scheme: &Partitioning, column: &Column, model: KeyModel) -> Result<()> {
    if model != KeyModel::Duplicate && !column.key && !column.is_hidden() {
        return Err(SqlError::analyze(
            "The partition column could not be aggregated column and unique table's partition column must be key \
             column",
        ));
    }
    let data_type = &column.data_type;
    let fits = match scheme {
        Partitioning::Range { expression: Some(_), .. } => data_type.is_integer() || data_type.is_text(),
        Partitioning::Range { .. } => data_type.is_integer() || data_type.is_time(),
        Partitioning::Expression { .. } => data_type.is_time(),
        _ => data_type.is_key_type(),
    };
    if fits {
        return Ok(());
    }
    let kind = if scheme.is_range() { "range" } else { "list" };
    Err(SqlError::analyze(format!(
        "Column[{}] type[{}] cannot be a {kind} partition key",
        column.name,
        data_type.base_name()
    )))
}

fn range_function(function: &ExprText, columns: &[Column]) -> Result<Partitioning> {
    let unsupported = || {
        SqlError::analyze(format!("Unsupported expr: {} in PARTITION BY RANGE", function.text))
            .at(function.span)
    };
    let Expr::Function(call) = function.expr.as_ref() else { return Err(unsupported()) };
    let arguments = function_arguments(&call.args);
    let column = match arguments.first() {
        Some(Expr::Identifier(name)) => find(&name.value, columns)?,
        _ => return Err(unsupported()),
    };
    let kind = match (call.name.to_string().to_lowercase().as_str(), arguments.get(1)) {
        ("from_unixtime", None) => RangeFunction::FromUnixtime,
        ("from_unixtime_ms", None) => RangeFunction::FromUnixtimeMs,
        ("str2date", Some(format)) => {
            RangeFunction::Str2Date { format: text_of(format).ok_or_else(unsupported)? }
        }
        _ => return Err(unsupported()),
    };
    let fits = match kind {
        RangeFunction::Str2Date { .. } => column.data_type.is_text(),
        _ => column.data_type.is_integer(),
    };
    if !fits {
        return Err(SqlError::analyze(format!(
            "PARTITION BY RANGE({}) does not take column {} of type {}",
            function.text, column.name, column.data_type
        )));
    }
    let text = match &kind {
        RangeFunction::FromUnixtime => format!("from_unixtime({})", column.name),
        RangeFunction::FromUnixtimeMs => format!("from_unixtime_ms({})", column.name),
        RangeFunction::Str2Date { format } => format!("str2date({}, '{format}')", column.name),
    };
    Ok(Partitioning::Range {
        columns: vec![column.name.clone()],
        expression: Some(RangeExpression { function: kind, text }),
    })
}

fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// `PARTITION BY expr, …`: one truncated time is automatic ranges, everything
/// else automatic lists over columns, hidden ones where needed.
fn expressions_scheme(
    expressions: &[ExprText],
    model: KeyModel,
    columns: &mut Vec<Column>,
) -> Result<Partitioning> {
    if let [single] = expressions
        && let Some((column, function)) = time_function(single, columns)?
    {
        return Ok(Partitioning::Expression { column, function });
    }
    let mut names: Vec<String> = Vec::new();
    let mut hidden = 0;
    for expression in expressions {
        let name = match expression.expr.as_ref() {
            Expr::Identifier(name) => find(&name.value, columns)?.name.clone(),
            expr => {
                time_function(expression, columns)?;
                for name in super::expression::columns_of(expr) {
                    let column = find(&name, columns)?;
                    if model != KeyModel::Duplicate && !column.key {
                        return Err(SqlError::analyze(
                            "The partition column could not be aggregated column and unique table's partition \
                             column must be key column",
                        ));
                    }
                }
                let name = format!("{GENERATED_PARTITION_COLUMN_PREFIX}{hidden}");
                hidden += 1;
                let data_type =
                    output_type(expr, columns).unwrap_or(DataType::Varchar(DataType::MAX_VARCHAR));
                let mut column = Column::new(name.clone(), data_type);
                column.generated = Some(quoted_expression_text(expr));
                columns.push(column);
                name
            }
        };
        if names.contains(&name) {
            return Err(SqlError::analyze(format!("Duplicated partition column {name}")));
        }
        names.push(name);
    }
    Ok(Partitioning::List { columns: names, automatic: true })
}

/// Reads `date_trunc('unit', column)` and `time_slice(column, …)`.
fn time_function(expression: &ExprText, columns: &[Column]) -> Result<Option<(String, TimeFunction)>> {
    let Expr::Function(call) = expression.expr.as_ref() else { return Ok(None) };
    let arguments = function_arguments(&call.args);
    let refuse = |why: &str| SqlError::analyze(why.to_string()).at(expression.span);
    let column = |expr: Option<&&Expr>| match expr {
        Some(Expr::Identifier(name)) => find(&name.value, columns).map(Some),
        _ => Ok(None),
    };
    match call.name.to_string().to_lowercase().as_str() {
        "date_trunc" => {
            let Some(column) = column(arguments.get(1))? else { return Ok(None) };
            let unit =
                arguments.first().and_then(|unit| text_of(unit)).and_then(|unit| TimeUnit::parse(&unit));
            let allowed = match column.data_type {
                DataType::Date => unit.is_some_and(|unit| unit >= TimeUnit::Day),
                _ => unit.is_some(),
            };
            match unit {
                Some(unit) if allowed => Ok(Some((column.name.clone(), TimeFunction::DateTrunc { unit }))),
                _ => Err(refuse(match column.data_type {
                    DataType::Date => {
                        "date_trunc function can't support argument other than year|quarter|month|week|day"
                    }
                    _ => {
                        "date_trunc function can't support argument other than \
                         year|quarter|month|week|day|hour|minute|second"
                    }
                })),
            }
        }
        "time_slice" | "date_slice" => {
            let Some(column) = column(arguments.first())? else { return Ok(None) };
            let (length, boundary) = match arguments.get(1) {
                Some(Expr::Interval(interval)) => {
                    let unit = interval.leading_field.as_ref().map(ToString::to_string);
                    let count = number_of(&interval.value);
                    (count.zip(unit.and_then(|unit| TimeUnit::parse(&unit))), arguments.get(2))
                }
                // The form that SHOW CREATE TABLE prints.
                Some(count) => {
                    let unit = arguments.get(2).and_then(|unit| text_of(unit));
                    (number_of(count).zip(unit.and_then(|unit| TimeUnit::parse(&unit))), arguments.get(3))
                }
                None => (None, None),
            };
            let Some((count, unit)) = length.filter(|(count, _)| *count > 0) else {
                return Err(refuse("time_slice requires an interval of at least one unit"));
            };
            let boundary = boundary.map(|expr| match expr {
                Expr::Identifier(word) => word.value.to_lowercase(),
                other => text_of(other).unwrap_or_default().to_lowercase(),
            });
            let boundary = match boundary.as_deref() {
                None | Some("floor") => SliceBoundary::Floor,
                Some("ceil") => SliceBoundary::Ceil,
                Some(_) => return Err(refuse("time_slice takes the boundary floor or ceil")),
            };
            Ok(Some((column.name.clone(), TimeFunction::TimeSlice { count, unit, boundary })))
        }
        _ => Ok(None),
    }
}

fn number_of(expr: &Expr) -> Option<u32> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => number.parse().ok(),
            Value::SingleQuotedString(number) => number.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
