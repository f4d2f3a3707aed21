//! Text to values, strictly: what is not a value of the type is refused.

use super::time::{parse_date, parse_datetime};
use super::types::{LARGEINT_DIGITS, to_arrow};
use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType as ArrowType, i256};
use rockhold_model::DataType;
use serde_json::Value;
use std::sync::Arc;

/// Why a text is no value: the row inside the array, and the reason.
#[derive(Debug, PartialEq)]
pub(crate) struct Refused {
    pub(crate) row: usize,
    pub(crate) reason: String,
}

/// Reads every text as a value of the type; NULL stays NULL.
pub(crate) fn parse_column(texts: &StringArray, data_type: &DataType) -> Result<ArrayRef, Refused> {
    macro_rules! each {
        ($array:ty, $parse:expr) => {{
            let values = (0..texts.len())
                .map(|row| value_at(texts, row, data_type, $parse))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(<$array>::from(values)) as ArrayRef)
        }};
    }
    match data_type {
        DataType::Boolean => each!(BooleanArray, parse_bool),
        DataType::TinyInt => each!(Int8Array, |t| t.trim().parse().ok()),
        DataType::SmallInt => each!(Int16Array, |t| t.trim().parse().ok()),
        DataType::Int => each!(Int32Array, |t| t.trim().parse().ok()),
        DataType::BigInt => each!(Int64Array, |t| t.trim().parse().ok()),
        DataType::Float => each!(Float32Array, |t| t.trim().parse().ok().filter(|v: &f32| v.is_finite())),
        DataType::Double => each!(Float64Array, |t| t.trim().parse().ok().filter(|v: &f64| v.is_finite())),
        DataType::LargeInt => {
            let parse = |t: &str| t.trim().parse::<i128>().ok().map(i256::from_i128);
            let values = (0..texts.len())
                .map(|row| value_at(texts, row, data_type, parse))
                .collect::<Result<Vec<_>, _>>()?;
            decimal256(values, LARGEINT_DIGITS, 0)
        }
        DataType::Decimal { precision, scale } => {
            let parse = |t: &str| parse_decimal(t.trim(), *precision, *scale);
            let values = (0..texts.len())
                .map(|row| value_at(texts, row, data_type, parse))
                .collect::<Result<Vec<_>, _>>()?;
            if *precision <= 38 {
                let values: Vec<_> = values.into_iter().map(|v| v.and_then(i256::to_i128)).collect();
                let scale = i8::try_from(*scale).unwrap_or(0);
                Decimal128Array::from(values)
                    .with_precision_and_scale(*precision, scale)
                    .map(|array| Arc::new(array) as ArrayRef)
                    .map_err(|error| Refused { row: 0, reason: error.to_string() })
            } else {
                decimal256(values, *precision, i8::try_from(*scale).unwrap_or(0))
            }
        }
        DataType::Date => each!(Date32Array, parse_date),
        DataType::DateTime => each!(TimestampMicrosecondArray, parse_datetime),
        DataType::Char(_) | DataType::Varchar(_) => Ok(Arc::new(texts.clone())),
        DataType::Json => {
            for row in 0..texts.len() {
                value_at(texts, row, data_type, |t| serde_json::from_str::<Value>(t).ok())?;
            }
            Ok(Arc::new(texts.clone()))
        }
        DataType::Varbinary(_) => {
            Ok(Arc::new(BinaryArray::from_iter(texts.iter().map(|text| text.map(str::as_bytes)))))
        }
        DataType::Array(_) | DataType::Map(..) | DataType::Struct(_) => {
            let values = (0..texts.len())
                .map(|row| value_at(texts, row, data_type, |t| serde_json::from_str::<Value>(t).ok()))
                .collect::<Result<Vec<_>, _>>()?;
            nested(values, data_type)
        }
        DataType::Hll | DataType::Bitmap | DataType::Percentile | DataType::Variant => {
            Err(Refused { row: 0, reason: format!("no values of {} can be stored", data_type.base_name()) })
        }
    }
}

fn value_at<T>(
    texts: &StringArray,
    row: usize,
    data_type: &DataType,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Refused> {
    if texts.is_null(row) {
        return Ok(None);
    }
    let text = texts.value(row);
    match parse(text) {
        Some(value) => Ok(Some(value)),
        None => Err(Refused { row, reason: not_a(text, data_type) }),
    }
}

/// `'x' is no value of DATE`, with a long text cut.
pub(crate) fn not_a(text: &str, data_type: &DataType) -> String {
    let shown: String = text.chars().take(64).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("'{shown}{more}' is no value of {}", data_type.to_string().to_uppercase())
}

fn decimal256(values: Vec<Option<i256>>, precision: u8, scale: i8) -> Result<ArrayRef, Refused> {
    Decimal256Array::from(values)
        .with_precision_and_scale(precision, scale)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| Refused { row: 0, reason: error.to_string() })
}

/// `1`, `0`, `true`, `false`, in any case; numbers count as not zero.
fn parse_bool(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        number => number.parse::<i64>().ok().map(|value| value != 0),
    }
}

/// A decimal number, its digits behind `scale` rounded half up. `None` when it
/// is no number or has more digits before the point than fit.
pub(crate) fn parse_decimal(text: &str, precision: u8, scale: u8) -> Option<i256> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(behind.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // How many of the digits stand before the point of the scaled number.
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let kept = usize::try_from(point.max(0)).ok()?;
    let limit = usize::from(precision);
    let significant = digits.iter().position(|d| *d != b'0').unwrap_or(digits.len());
    if kept.saturating_sub(significant) > limit && significant < digits.len() {
        return None;
    }
    let ten = i256::from_i128(10);
    let mut value = i256::ZERO;
    for position in significant..kept.max(significant) {
        let digit = digits.get(position).map_or(0, |d| d - b'0');
        value = value.checked_mul(ten)?.checked_add(i256::from_i128(i128::from(digit)))?;
        if significant == digits.len() {
            break;
        }
    }
    if point >= 0 && digits.get(kept).is_some_and(|d| *d >= b'5') {
        value = value.checked_add(i256::ONE)?;
    }
    let bound = ten.checked_pow(u32::from(precision))?;
    if value >= bound {
        return None;
    }
    Some(if negative { value.wrapping_neg() } else { value })
}

/// Builds nested values from JSON.
fn nested(values: Vec<Option<Value>>, data_type: &DataType) -> Result<ArrayRef, Refused> {
    let arrow = to_arrow(data_type).map_err(|error| Refused { row: 0, reason: error.message })?;
    let wrong = |row: usize, value: &Value| Refused { row, reason: not_a(&value.to_string(), data_type) };
    let valid = NullBuffer::from_iter(values.iter().map(|value| !matches!(value, None | Some(Value::Null))));
    match (data_type, &arrow) {
        (DataType::Array(element), ArrowType::List(field)) => {
            let (mut lengths, mut items) = (Vec::new(), Vec::new());
            for (row, value) in values.into_iter().enumerate() {
                match value {
                    None | Some(Value::Null) => lengths.push(0),
                    Some(Value::Array(list)) => {
                        lengths.push(list.len());
                        items.extend(list.into_iter().map(Some));
                    }
                    Some(other) => return Err(wrong(row, &other)),
                }
            }
            let items = inner(items, element)?;
            Ok(Arc::new(ListArray::new(
                field.clone(),
                OffsetBuffer::from_lengths(lengths),
                items,
                Some(valid),
            )))
        }
        (DataType::Map(key, value_type), ArrowType::Map(field, _)) => {
            let (mut lengths, mut keys, mut items) = (Vec::new(), Vec::new(), Vec::new());
            for (row, value) in values.into_iter().enumerate() {
                match value {
                    None | Some(Value::Null) => lengths.push(0),
                    Some(Value::Object(map)) => {
                        lengths.push(map.len());
                        for (key, value) in map {
                            keys.push(Some(Value::String(key)));
                            items.push(Some(value));
                        }
                    }
                    Some(other) => return Err(wrong(row, &other)),
                }
            }
            let ArrowType::Struct(fields) = field.data_type() else {
                return Err(Refused { row: 0, reason: "a map without entries".into() });
            };
            let entries =
                StructArray::new(fields.clone(), vec![inner(keys, key)?, inner(items, value_type)?], None);
            let offsets = OffsetBuffer::from_lengths(lengths);
            Ok(Arc::new(MapArray::new(field.clone(), offsets, entries, Some(valid), false)))
        }
        (DataType::Struct(members), ArrowType::Struct(fields)) => {
            let mut columns: Vec<Vec<Option<Value>>> = vec![Vec::with_capacity(values.len()); members.len()];
            for (row, value) in values.into_iter().enumerate() {
                match value {
                    None | Some(Value::Null) => columns.iter_mut().for_each(|column| column.push(None)),
                    Some(Value::Object(mut map)) => {
                        for (member, column) in members.iter().zip(&mut columns) {
                            column.push(map.shift_remove(&member.name));
                        }
                    }
                    Some(other) => return Err(wrong(row, &other)),
                }
            }
            let arrays = members
                .iter()
                .zip(columns)
                .map(|(member, column)| inner(column, &member.data_type))
                .collect::<Result<Vec<_>, _>>()?;
            Ok(Arc::new(StructArray::new(fields.clone(), arrays, Some(valid))))
        }
        _ => inner(values, data_type),
    }
}

/// Elements of a nested value. Their row is not that of the outer value, so
/// only the reason is of use.
fn inner(values: Vec<Option<Value>>, data_type: &DataType) -> Result<ArrayRef, Refused> {
    if data_type.is_nested() {
        return nested(values, data_type).map_err(|refused| Refused { row: 0, ..refused });
    }
    let texts: StringArray = values
        .into_iter()
        .map(|value| match value {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if *data_type != DataType::Json => Some(text),
            Some(other) => Some(other.to_string()),
        })
        .collect();
    parse_column(&texts, data_type).map_err(|refused| Refused { row: 0, ..refused })
}

#[cfg(test)]
mod tests {
    use super::super::text::Printer;
    use super::*;
    use rockhold_model::StructField;

    fn round_trip(text: &str, data_type: &DataType) -> Result<String, String> {
        let array = parse_column(&StringArray::from(vec![text]), data_type).map_err(|r| r.reason)?;
        Ok(Printer::new(&array).unwrap().text(0).unwrap())
    }

    #[test]
    fn decimals_round_half_up_and_refuse_what_does_not_fit() {
        let decimal = DataType::Decimal { precision: 5, scale: 2 };
        for (text, printed) in [
            ("1", "1.00"),
            ("-1.005", "-1.01"),
            ("0.004", "0.00"),
            ("999.99", "999.99"),
            ("1e2", "100.00"),
            ("12.5e-1", "1.25"),
            ("00012.3", "12.30"),
            (".5", "0.50"),
            ("0e99", "0.00"),
            ("1e-9", "0.00"),
        ] {
            assert_eq!(round_trip(text, &decimal).as_deref(), Ok(printed), "{text}");
        }
        for text in ["1000", "999.995", "x", "", "1.2.3", "1e99", "-"] {
            assert!(round_trip(text, &decimal).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_the_type() {
        assert_eq!(round_trip("300", &DataType::TinyInt), Err("'300' is no value of TINYINT(4)".into()));
        let largest = i128::MAX.to_string();
        assert_eq!(round_trip(&largest, &DataType::LargeInt), Ok(largest.clone()));
        assert!(round_trip(&format!("{largest}0"), &DataType::LargeInt).is_err());
    }

    #[test]
    fn nested_values_are_read_from_json() {
        let array = DataType::Array(Box::new(DataType::Int));
        assert_eq!(round_trip("[1, null, 3]", &array).as_deref(), Ok("[1,null,3]"));
        let map = DataType::Map(Box::new(DataType::Int), Box::new(DataType::string()));
        assert_eq!(round_trip(r#"{"1": "a"}"#, &map).as_deref(), Ok(r#"{1:"a"}"#));
        let record = DataType::Struct(vec![
            StructField { name: "a".into(), data_type: DataType::Date },
            StructField { name: "b".into(), data_type: array.clone() },
        ]);
        let printed = round_trip(r#"{"a":"2024-01-01","b":[7]}"#, &record);
        assert_eq!(printed.as_deref(), Ok(r#"{"a":"2024-01-01","b":[7]}"#));
        assert!(round_trip("{}", &array).is_err());
    }
}
