//! Values as StarRocks prints them.
//!
//! BOOLEAN is 1 or 0; a DATETIME has microseconds only when they are not zero;
//! a DOUBLE has the fewest digits that read back as the same number. Inside
//! ARRAY, MAP and STRUCT text and times stand in double quotes. VARBINARY is
//! printed as `0x` and hexadecimal digits.

use super::time::{date_text, datetime_text};
use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, LargeBinaryArray,
    ListArray, MapArray, StringArray, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimeUnit, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use std::fmt::Write;

/// Prints values of one array by position.
pub(crate) struct Printer {
    array: ArrayRef,
    nested: Vec<Printer>,
}

impl Printer {
    /// A printer for the array.
    ///
    /// # Errors
    /// The array's type has no text.
    pub(crate) fn new(array: &ArrayRef) -> Result<Self, ArrowError> {
        let plain = match array.data_type() {
            ArrowType::Utf8View | ArrowType::LargeUtf8 => Some(ArrowType::Utf8),
            ArrowType::BinaryView | ArrowType::FixedSizeBinary(_) => Some(ArrowType::LargeBinary),
            ArrowType::Date64 => Some(ArrowType::Date32),
            ArrowType::Timestamp(unit, zone) if *unit != TimeUnit::Microsecond || zone.is_some() => {
                Some(ArrowType::Timestamp(TimeUnit::Microsecond, None))
            }
            ArrowType::Float16 => Some(ArrowType::Float32),
            ArrowType::Decimal32(p, s) | ArrowType::Decimal64(p, s) => Some(ArrowType::Decimal128(*p, *s)),
            ArrowType::Dictionary(_, value) => Some(value.as_ref().clone()),
            ArrowType::LargeList(field)
            | ArrowType::FixedSizeList(field, _)
            | ArrowType::ListView(field)
            | ArrowType::LargeListView(field) => Some(ArrowType::List(field.clone())),
            ArrowType::Interval(_) | ArrowType::Duration(_) | ArrowType::Time32(_) | ArrowType::Time64(_) => {
                Some(ArrowType::Utf8)
            }
            _ => None,
        };
        let array = match plain {
            Some(plain) => cast(array, &plain)?,
            None => array.clone(),
        };
        if matches!(array.data_type(), ArrowType::Dictionary(..)) {
            return Printer::new(&array);
        }
        let nested = match array.data_type() {
            ArrowType::List(_) => vec![Printer::new(array.as_list::<i32>().values())?],
            ArrowType::Map(..) => {
                let map = array.as_map();
                vec![Printer::new(map.keys())?, Printer::new(map.values())?]
            }
            ArrowType::Struct(_) => {
                array.as_struct().columns().iter().map(Printer::new).collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        Ok(Self { array, nested })
    }

    /// The text of one value, `None` for NULL.
    pub(crate) fn text(&self, row: usize) -> Option<String> {
        if self.is_null(row) {
            return None;
        }
        let mut text = String::new();
        self.write(row, &mut text, false);
        Some(text)
    }

    /// An array of type Null has no bitmap that says so.
    fn is_null(&self, row: usize) -> bool {
        *self.array.data_type() == ArrowType::Null || self.array.is_null(row)
    }

    fn write(&self, row: usize, out: &mut String, inside: bool) {
        let array = &self.array;
        if self.is_null(row) {
            out.push_str("null");
            return;
        }
        macro_rules! number {
            ($type:ty) => {{
                let _ = write!(out, "{}", array.as_primitive::<$type>().value(row));
            }};
        }
        match array.data_type() {
            ArrowType::Null => out.push_str("null"),
            ArrowType::Boolean => out.push(if bool_at(array, row) { '1' } else { '0' }),
            ArrowType::Int8 => number!(Int8Type),
            ArrowType::Int16 => number!(Int16Type),
            ArrowType::Int32 => number!(Int32Type),
            ArrowType::Int64 => number!(Int64Type),
            ArrowType::UInt8 => number!(UInt8Type),
            ArrowType::UInt16 => number!(UInt16Type),
            ArrowType::UInt32 => number!(UInt32Type),
            ArrowType::UInt64 => number!(UInt64Type),
            ArrowType::Float32 => {
                let value = array.as_primitive::<Float32Type>().value(row);
                write_float(out, f64::from(value), &format!("{value:e}"));
            }
            ArrowType::Float64 => {
                let value = array.as_primitive::<Float64Type>().value(row);
                write_float(out, value, &format!("{value:e}"));
            }
            ArrowType::Decimal128(..) => {
                if let Some(values) = array.as_any().downcast_ref::<Decimal128Array>() {
                    out.push_str(&values.value_as_string(row));
                }
            }
            ArrowType::Decimal256(..) => {
                if let Some(values) = array.as_any().downcast_ref::<Decimal256Array>() {
                    out.push_str(&values.value_as_string(row));
                }
            }
            ArrowType::Date32 => {
                quoted(out, inside, &date_text(array.as_primitive::<Date32Type>().value(row)));
            }
            ArrowType::Timestamp(..) => {
                let value = array.as_primitive::<TimestampMicrosecondType>().value(row);
                quoted(out, inside, &datetime_text(value));
            }
            ArrowType::Utf8 => {
                if let Some(values) = array.as_any().downcast_ref::<StringArray>() {
                    if inside {
                        write_json_text(out, values.value(row));
                    } else {
                        out.push_str(values.value(row));
                    }
                }
            }
            ArrowType::Binary => {
                if let Some(values) = array.as_any().downcast_ref::<BinaryArray>() {
                    quoted(out, inside, &hex(values.value(row)));
                }
            }
            ArrowType::LargeBinary => {
                if let Some(values) = array.as_any().downcast_ref::<LargeBinaryArray>() {
                    quoted(out, inside, &hex(values.value(row)));
                }
            }
            ArrowType::List(_) => self.write_list(row, out),
            ArrowType::Map(..) => self.write_map(row, out),
            ArrowType::Struct(_) => self.write_struct(row, out),
            _ => out.push('?'),
        }
    }

    fn write_list(&self, row: usize, out: &mut String) {
        let (Some(list), Some(items)) =
            (self.array.as_any().downcast_ref::<ListArray>(), self.nested.first())
        else {
            return;
        };
        let offsets = list.value_offsets();
        out.push('[');
        for (position, item) in bounds(offsets, row).enumerate() {
            if position > 0 {
                out.push(',');
            }
            items.write(item, out, true);
        }
        out.push(']');
    }

    fn write_map(&self, row: usize, out: &mut String) {
        let (Some(map), [keys, values]) =
            (self.array.as_any().downcast_ref::<MapArray>(), self.nested.as_slice())
        else {
            return;
        };
        out.push('{');
        for (position, entry) in bounds(map.value_offsets(), row).enumerate() {
            if position > 0 {
                out.push(',');
            }
            keys.write(entry, out, true);
            out.push(':');
            values.write(entry, out, true);
        }
        out.push('}');
    }

    fn write_struct(&self, row: usize, out: &mut String) {
        let Some(record) = self.array.as_any().downcast_ref::<StructArray>() else { return };
        out.push('{');
        for (position, (field, printer)) in record.fields().iter().zip(&self.nested).enumerate() {
            if position > 0 {
                out.push(',');
            }
            write_json_text(out, field.name());
            out.push(':');
            printer.write(row, out, true);
        }
        out.push('}');
    }
}

fn bool_at(array: &ArrayRef, row: usize) -> bool {
    array.as_any().downcast_ref::<BooleanArray>().is_some_and(|values| values.value(row))
}

/// The positions of the elements of one list.
fn bounds(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let at =
        |position: usize| offsets.get(position).and_then(|offset| usize::try_from(*offset).ok()).unwrap_or(0);
    at(row)..at(row + 1)
}

fn quoted(out: &mut String, inside: bool, text: &str) {
    if inside {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(text);
    }
}

fn write_json_text(out: &mut String, text: &str) {
    match serde_json::to_string(text) {
        Ok(quoted) => out.push_str(&quoted),
        Err(_) => quoted(out, true, text),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("0x");
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// Writes the shortest digits of a number (`scientific` is `1.25e-7`): plain
/// between 1e-4 and 1e16, else as `1.25e-07`.
fn write_float(out: &mut String, value: f64, scientific: &str) {
    if !value.is_finite() {
        out.push_str(if value.is_nan() {
            "nan"
        } else if value > 0.0 {
            "inf"
        } else {
            "-inf"
        });
        return;
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    out.push_str(sign);
    if value != 0.0 && !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.unsigned_abs());
        return;
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    match usize::try_from(exponent) {
        Ok(whole) if digits.len() <= whole + 1 => {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n('0', whole + 1 - digits.len()));
        }
        Ok(whole) => {
            let (before, behind) = digits.split_at(whole + 1);
            let _ = write!(out, "{before}.{behind}");
        }
        Err(_) => {
            out.push_str("0.");
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            out.extend(std::iter::repeat_n('0', zeros));
            out.push_str(&digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float32Array, Float64Array, Int32Array, TimestampMicrosecondArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::{Field, Fields};
    use std::sync::Arc;

    fn print(array: ArrayRef) -> Vec<Option<String>> {
        let printer = Printer::new(&array).unwrap();
        (0..array.len()).map(|row| printer.text(row)).collect()
    }

    #[test]
    fn doubles_have_the_fewest_digits() {
        let values = [0.0, -0.5, 1.0, 0.1, 1e15, 1e16, 1.5e-5, 123456.789, 1e300, 0.0001];
        let texts: Vec<_> =
            print(Arc::new(Float64Array::from(values.to_vec()))).into_iter().flatten().collect();
        assert_eq!(
            texts,
            [
                "0",
                "-0.5",
                "1",
                "0.1",
                "1000000000000000",
                "1e+16",
                "1.5e-05",
                "123456.789",
                "1e+300",
                "0.0001"
            ]
        );
        assert_eq!(print(Arc::new(Float32Array::from(vec![0.1]))), [Some("0.1".to_string())]);
    }

    #[test]
    fn nested_values_print_like_json() {
        let names: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b"), None]));
        let list = ListArray::new(
            Arc::new(Field::new("element", ArrowType::Utf8, true)),
            OffsetBuffer::new(vec![0, 2, 2].into()),
            names,
            None,
        );
        assert_eq!(print(Arc::new(list)), [Some("[\"a\\\"b\",null]".to_string()), Some("[]".to_string())]);
        let record = StructArray::new(
            Fields::from(vec![
                Field::new("x", ArrowType::Int32, true),
                Field::new("at", ArrowType::Timestamp(TimeUnit::Microsecond, None), true),
            ]),
            vec![
                Arc::new(Int32Array::from(vec![1])) as ArrayRef,
                Arc::new(TimestampMicrosecondArray::from(vec![1_500_000])) as ArrayRef,
            ],
            None,
        );
        assert_eq!(
            print(Arc::new(record)),
            [Some("{\"x\":1,\"at\":\"1970-01-01 00:00:01.500000\"}".to_string())]
        );
    }

    #[test]
    fn booleans_are_one_and_zero() {
        let values = BooleanArray::from(vec![Some(true), Some(false), None]);
        assert_eq!(print(Arc::new(values)), [Some("1".to_string()), Some("0".to_string()), None]);
    }
}
