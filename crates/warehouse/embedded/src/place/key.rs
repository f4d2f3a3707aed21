//! Partition values that can be compared.

use super::super::value::parse::parse_decimal;
use super::super::value::time::{DAY, MIN_DAYS, date_text, datetime_text, parse_date, parse_datetime};
use super::super::value::types::LARGEINT_DIGITS;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, Decimal256Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType, i256,
};
use rockhold_model::{Bound, DataType};

/// A partition value: days, microseconds and unscaled decimals are numbers.
/// The order of the variants is the order of values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Key {
    Null,
    Number(i256),
    Text(String),
    Max,
}

impl Key {
    pub(crate) fn number(value: i128) -> Self {
        Key::Number(i256::from_i128(value))
    }

    /// Reads the text of a value of the type.
    pub(crate) fn parse(text: &str, data_type: &DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Date => Key::number(i128::from(parse_date(text)?)),
            DataType::DateTime => Key::number(i128::from(parse_datetime(text)?)),
            DataType::Boolean => match text.trim().to_ascii_lowercase().as_str() {
                "1" | "true" => Key::number(1),
                "0" | "false" => Key::number(0),
                _ => return None,
            },
            DataType::Decimal { precision, scale } => {
                Key::Number(parse_decimal(text.trim(), *precision, *scale)?)
            }
            DataType::Char(_) | DataType::Varchar(_) => Key::Text(text.to_owned()),
            _ if data_type.is_integer() => Key::number(text.trim().parse().ok()?),
            _ => return None,
        })
    }

    /// Reads a bound.
    pub(crate) fn of_bound(bound: &Bound, data_type: &DataType) -> Option<Self> {
        match bound {
            Bound::MaxValue => Some(Key::Max),
            Bound::Value(text) => Key::parse(text, data_type),
        }
    }

    /// The value of an array at a row.
    pub(crate) fn at(array: &ArrayRef, row: usize) -> Option<Self> {
        if array.is_null(row) {
            return Some(Key::Null);
        }
        macro_rules! number {
            ($type:ty) => {
                Key::number(i128::from(array.as_primitive::<$type>().value(row)))
            };
        }
        Some(match array.data_type() {
            ArrowType::Boolean => Key::number(i128::from(array.as_boolean().value(row))),
            ArrowType::Int8 => number!(Int8Type),
            ArrowType::Int16 => number!(Int16Type),
            ArrowType::Int32 => number!(Int32Type),
            ArrowType::Int64 => number!(Int64Type),
            ArrowType::Date32 => number!(Date32Type),
            ArrowType::Timestamp(..) => number!(TimestampMicrosecondType),
            ArrowType::Decimal128(..) => number!(Decimal128Type),
            ArrowType::Decimal256(LARGEINT_DIGITS, 0) | ArrowType::Decimal256(..) => {
                Key::Number(array.as_primitive::<Decimal256Type>().value(row))
            }
            ArrowType::Utf8 => Key::Text(array.as_string::<i32>().value(row).to_owned()),
            _ => return None,
        })
    }

    /// The value's canonical text; `None` for NULL and MAXVALUE.
    pub(crate) fn text(&self, data_type: &DataType) -> Option<String> {
        match self {
            Key::Null | Key::Max => None,
            Key::Text(text) => Some(text.clone()),
            Key::Number(value) => Some(match data_type {
                DataType::Date => date_text(i32::try_from(value.as_i128()).unwrap_or(MIN_DAYS)),
                DataType::DateTime => datetime_text(i64::try_from(value.as_i128()).unwrap_or(0)),
                DataType::Decimal { scale, .. } => scaled(*value, *scale),
                _ => value.to_string(),
            }),
        }
    }
}

fn scaled(value: i256, scale: u8) -> String {
    let text = value.to_string();
    if scale == 0 {
        return text;
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let digits = format!("{digits:0>width$}", width = usize::from(scale) + 1);
    let (whole, behind) = digits.split_at(digits.len() - usize::from(scale));
    format!("{sign}{whole}.{behind}")
}

/// The least value of a type, to which NULL is equal in ranges. `None` where
/// the type has none that a range could name.
pub(crate) fn least(data_type: &DataType) -> Option<Key> {
    Some(match data_type {
        DataType::Date => Key::number(i128::from(MIN_DAYS)),
        DataType::DateTime => Key::number(i128::from(MIN_DAYS) * i128::from(DAY)),
        DataType::TinyInt => Key::number(i8::MIN.into()),
        DataType::SmallInt => Key::number(i16::MIN.into()),
        DataType::Int => Key::number(i32::MIN.into()),
        DataType::BigInt => Key::number(i64::MIN.into()),
        DataType::LargeInt => Key::number(i128::MIN),
        DataType::Char(_) | DataType::Varchar(_) => Key::Text(String::new()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_made_canonical() {
        for (text, data_type, canonical) in [
            ("2024-1-2", DataType::Date, "2024-01-02"),
            ("2024-01-02", DataType::DateTime, "2024-01-02 00:00:00"),
            ("007", DataType::Int, "7"),
            ("1.5", DataType::Decimal { precision: 9, scale: 3 }, "1.500"),
            ("-0.05", DataType::Decimal { precision: 9, scale: 3 }, "-0.050"),
            ("TRUE", DataType::Boolean, "1"),
        ] {
            let key = Key::parse(text, &data_type).unwrap();
            assert_eq!(key.text(&data_type).as_deref(), Some(canonical));
        }
        assert!(Key::Null < Key::number(-1) && Key::Text("z".into()) < Key::Max);
    }
}
