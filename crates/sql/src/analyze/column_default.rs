//! DEFAULT of a column.

use rockhold_model::{ColumnDefault, DataType};
use sqlparser::ast::Expr;

use super::Result;
use super::expression::function_arguments;
use super::range::{integer_limits, parse_time};
use crate::SqlError;
use crate::ast::{ColumnDef, DefaultDef};

/// Checks a column's DEFAULT and gives it as data.
pub(super) fn column_default(column: &ColumnDef) -> Result<Option<ColumnDefault>> {
    let Some(default) = &column.default else { return Ok(None) };
    let refuse = |why: String| {
        let why = if why.is_empty() { why } else { format!(": {why}") };
        SqlError::analyze(format!("Invalid default value for '{}'{why}", column.name.value))
    };
    let data_type = &column.data_type;
    let now = |precision: Option<u8>| {
        // StarRocks takes it for any type and fails when rows are loaded.
        if matches!(data_type, DataType::DateTime | DataType::Date) || data_type.is_text() {
            Ok(Some(ColumnDefault::CurrentTimestamp { precision }))
        } else {
            Err(refuse(format!(
                "Default function CURRENT_TIMESTAMP for type {} is not supported",
                data_type.base_name()
            )))
        }
    };
    match default {
        DefaultDef::Null if column.nullable == Some(false) => Err(refuse(String::new())),
        DefaultDef::Null => Ok(Some(ColumnDefault::Null)),
        DefaultDef::Text(text) => {
            check_literal(text, data_type).map_err(refuse)?;
            Ok(Some(ColumnDefault::Literal(text.clone())))
        }
        DefaultDef::CurrentTimestamp(digits) => now(precision(digits.as_deref()).map_err(refuse)?),
        DefaultDef::Expression { expr, .. } => match expr.expr.as_ref() {
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                match name.as_str() {
                    "now" | "current_timestamp" => {
                        let digits = function_arguments(&function.args).first().map(ToString::to_string);
                        now(precision(digits.as_deref()).map_err(refuse)?)
                    }
                    "uuid" if data_type.is_text() => Ok(Some(ColumnDefault::Function("uuid()".to_string()))),
                    "uuid_numeric" if *data_type == DataType::LargeInt => {
                        Ok(Some(ColumnDefault::Function("uuid_numeric()".to_string())))
                    }
                    "uuid" | "uuid_numeric" => Err(refuse(format!(
                        "Default function {name}() for type {} is not supported",
                        data_type.base_name()
                    ))),
                    _ => Err(refuse(format!("Default expr for function {name} is not supported"))),
                }
            }
            _ => {
                Err(refuse(format!("Unsupported expr {expr} for default value; write the value as a string")))
            }
        },
    }
}

/// Digits after the second.
fn precision(digits: Option<&str>) -> std::result::Result<Option<u8>, String> {
    match digits.map(str::parse::<u8>) {
        None => Ok(None),
        Some(Ok(digits @ 0..=6)) => Ok(Some(digits)),
        Some(_) => Err("precision must be between 0 and 6".to_string()),
    }
}

/// Whether a string is a value of the type.
fn check_literal(text: &str, data_type: &DataType) -> std::result::Result<(), String> {
    let number_format = || format!("Invalid number format: {text}");
    match data_type {
        DataType::Boolean => match text.to_ascii_lowercase().as_str() {
            "0" | "1" | "true" | "false" => Ok(()),
            _ => Err(format!("Invalid BOOLEAN literal: {text}")),
        },
        data_type if data_type.is_integer() => {
            let number: i128 = text.parse().map_err(|_| number_format())?;
            let (least, greatest) = integer_limits(data_type);
            if (least..=greatest).contains(&number) {
                Ok(())
            } else {
                Err(format!("Number out of range[{text}]. type: {}", data_type.base_name()))
            }
        }
        DataType::Float | DataType::Double => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            _ => Err(number_format()),
        },
        DataType::Decimal { precision, scale } => {
            check_decimal(text, *precision, *scale).ok_or_else(number_format)
        }
        DataType::Date | DataType::DateTime => {
            parse_time(text).map(|_| ()).ok_or_else(|| format!("date literal [{text}] is invalid"))
        }
        DataType::Char(length) | DataType::Varchar(length) => {
            if text.len() > usize::try_from(*length).unwrap_or(usize::MAX) {
                Err(format!("Default value is too long: {text}"))
            } else {
                Ok(())
            }
        }
        DataType::Json => Ok(()),
        DataType::Hll | DataType::Bitmap | DataType::Percentile if text.is_empty() => Ok(()),
        DataType::Varbinary(_) => Ok(()),
        other => Err(format!("Cannot add default value for type '{}'", other.base_name())),
    }
}

fn check_decimal(text: &str, precision: u8, scale: u8) -> Option<()> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let fits = whole.trim_start_matches('0').len() <= usize::from(precision - scale.min(precision));
    (!(whole.is_empty() && fraction.is_empty()) && all_digits(whole) && all_digits(fraction) && fits)
        .then_some(())
}
