//! Columns of CREATE and ALTER TABLE.

use rockhold_model::{Aggregation, Column, DataType};

use super::column_default::column_default;
use super::expression::{expression_text, output_type};
use super::{Result, names};
use crate::SqlError;
use crate::ast::{AggregationDef, ColumnDef};
use crate::error::Stage;

/// Checks a column by itself and gives it as data; keys are decided later.
pub(super) fn column(def: &ColumnDef) -> Result<Column> {
    names::check_column(def.name.as_str())?;
    check_type(&def.data_type)?;
    let mut column = Column::new(def.name.as_str(), def.data_type.clone());
    column.key = def.key;
    column.nullable = def.nullable.unwrap_or(true);
    column.default = column_default(def)?;
    column.comment = def.comment.clone().unwrap_or_default();
    column.aggregation = def.aggregation.as_ref().map(|aggregation| match aggregation {
        AggregationDef::Simple(aggregation) => aggregation.clone(),
        AggregationDef::State { function, arguments } => Aggregation::State {
            function: function.to_lowercase(),
            arguments: arguments.iter().map(|(data_type, _)| data_type.clone()).collect(),
        },
    });
    // Sums outgrow the precision of what they sum.
    if let (Some(Aggregation::Sum), DataType::Decimal { precision, scale }) =
        (&column.aggregation, &column.data_type)
    {
        let precision = if *precision > 38 { 76 } else { 38 };
        column.data_type = DataType::Decimal { precision, scale: *scale };
    }
    if def.auto_increment {
        if column.data_type != DataType::BigInt {
            return Err(SqlError::analyze(format!(
                "The AUTO_INCREMENT column must be BIGINT type, column: {}",
                column.name
            )));
        }
        if def.nullable == Some(true) {
            return Err(SqlError::analyze(format!("AUTO_INCREMENT column {} must be NOT NULL", column.name)));
        }
        column.auto_increment = true;
        column.nullable = false;
    }
    column.generated = def.generated.as_ref().map(|expression| expression_text(&expression.expr));
    if let Some(aggregation) = &column.aggregation {
        check_aggregation(aggregation, &column)?;
    }
    Ok(column)
}

/// The columns of a table, checked against each other.
pub(super) fn columns(defs: &[ColumnDef]) -> Result<Vec<Column>> {
    let columns = defs.iter().map(column).collect::<Result<Vec<_>>>()?;
    let mut seen = std::collections::HashSet::new();
    for column in &columns {
        if !seen.insert(column.name.to_lowercase()) {
            return Err(SqlError::numbered(
                Stage::Analyze,
                1060,
                format!("Duplicate column name '{}'", column.name),
            ));
        }
    }
    if columns.iter().filter(|column| column.auto_increment).count() > 1 {
        return Err(SqlError::analyze(
            "More than one AUTO_INCREMENT column defined in CREATE TABLE Statement",
        ));
    }
    check_generated(defs, &columns)?;
    Ok(columns)
}

fn check_generated(defs: &[ColumnDef], columns: &[Column]) -> Result<()> {
    let mut generated = false;
    for (def, column) in defs.iter().zip(columns) {
        let Some(expression) = &def.generated else {
            if generated {
                return Err(SqlError::analyze(format!(
                    "Generated columns must be behind all ordinary columns; column {} is not",
                    column.name
                )));
            }
            continue;
        };
        generated = true;
        for name in super::expression::columns_of(&expression.expr) {
            match columns.iter().find(|other| other.name.eq_ignore_ascii_case(&name)) {
                None => {
                    return Err(
                        SqlError::analyze(format!("Column '{name}' cannot be resolved")).at(expression.span)
                    );
                }
                Some(other) if other.generated.is_some() => {
                    return Err(SqlError::analyze(format!(
                        "Expression can not refers to other generated columns: {name}"
                    )));
                }
                Some(other) if other.auto_increment => {
                    return Err(SqlError::analyze(format!(
                        "Expression can not refers to AUTO_INCREMENT columns: {name}"
                    )));
                }
                Some(_) => {}
            }
        }
        let expected = column.data_type.base_name();
        if let Some(found) = output_type(&expression.expr, columns)
            && found.base_name() != expected
            && !(found.is_text() && column.data_type.is_text())
        {
            return Err(SqlError::analyze(format!(
                "Illegal expression type for Generated Column Column Type: {expected}, Expression Type: {}",
                found.base_name()
            )));
        }
    }
    Ok(())
}

/// Lengths, and what may be nested in what.
pub(super) fn check_type(data_type: &DataType) -> Result<()> {
    match data_type {
        DataType::Char(length) if *length > 255 => {
            Err(SqlError::analyze(format!("Char size must be <= 255: {length}")))
        }
        DataType::Varchar(length) if *length > DataType::MAX_VARCHAR => {
            Err(SqlError::analyze(format!("Varchar size must be <= {}: {length}", DataType::MAX_VARCHAR)))
        }
        // StarRocks takes VARCHAR(0); no row but the empty text fits.
        DataType::Char(0) => Err(SqlError::analyze("Char size must be > 0: 0")),
        DataType::Varchar(0) => Err(SqlError::analyze("Varchar size must be > 0: 0")),
        DataType::Varbinary(Some(length)) if *length > DataType::MAX_VARCHAR => {
            Err(SqlError::analyze(format!("Varbinary size must be <= {}: {length}", DataType::MAX_VARCHAR)))
        }
        DataType::Array(element) => nested(data_type, [element.as_ref()]),
        DataType::Map(key, value) => nested(data_type, [key.as_ref(), value.as_ref()]),
        DataType::Struct(fields) => {
            let mut seen = std::collections::HashSet::new();
            for field in fields {
                if !seen.insert(field.name.to_lowercase()) {
                    return Err(SqlError::analyze(format!(
                        "struct contains duplicate subfield name: {}",
                        field.name
                    )));
                }
            }
            nested(data_type, fields.iter().map(|field| &field.data_type))
        }
        _ => Ok(()),
    }
}

fn nested<'t>(outer: &DataType, parts: impl IntoIterator<Item = &'t DataType>) -> Result<()> {
    for part in parts {
        if part.is_sketch() {
            return Err(SqlError::analyze(format!("Invalid data type: {outer}")));
        }
        check_type(part)?;
    }
    Ok(())
}

fn check_aggregation(aggregation: &Aggregation, column: &Column) -> Result<()> {
    let data_type = &column.data_type;
    let number =
        data_type.is_integer() || data_type.is_floating() || matches!(data_type, DataType::Decimal { .. });
    let fits = match aggregation {
        Aggregation::Sum => number,
        Aggregation::Min | Aggregation::Max => !(data_type.is_nested() || data_type.is_sketch()),
        Aggregation::HllUnion => *data_type == DataType::Hll,
        Aggregation::BitmapUnion => *data_type == DataType::Bitmap,
        Aggregation::PercentileUnion => *data_type == DataType::Percentile,
        Aggregation::Replace | Aggregation::ReplaceIfNotNull | Aggregation::State { .. } => true,
    };
    if fits {
        return Ok(());
    }
    Err(SqlError::analyze(format!(
        "Invalid aggregate function '{aggregation}' for '{}': it does not take the type {data_type}",
        column.name
    )))
}
