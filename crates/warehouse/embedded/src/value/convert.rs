//! Values that a load brings, made values of their column: strictly. What does
//! not fit is an error that names column, row and value; nothing is cut,
//! nothing becomes NULL by itself.

use super::parse::{not_a, parse_column};
use super::text::Printer;
use super::types::to_arrow;
use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, StringArray, new_null_array};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::DataType as ArrowType;
use rockhold_model::{Column, DataType};
use rockhold_sql::SqlError;
use std::sync::Arc;

/// The array as values of the column. `first_row` is the position of its first
/// row in the load, from 1, for errors.
///
/// # Errors
/// A value is none of the column's.
pub(crate) fn convert(array: &ArrayRef, column: &Column, first_row: u64) -> Result<ArrayRef, SqlError> {
    let wrong = |row: usize, reason: String| refused(column, first_row, row, &reason);
    let converted = to_type(array, &column.data_type).map_err(|(row, reason)| wrong(row, reason))?;
    check(&converted, column).map_err(|(row, reason)| wrong(row, reason))?;
    Ok(converted)
}

/// The error of one refused value.
pub(crate) fn refused(column: &Column, first_row: u64, row: usize, reason: &str) -> SqlError {
    let row = first_row.saturating_add(u64::try_from(row).unwrap_or(u64::MAX));
    SqlError::execute(format!(
        "Insert has filtered data in strict mode: row {row}, column '{}': {reason}; correct the value, nothing \
         was loaded",
        column.name
    ))
}

fn to_type(array: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, (usize, String)> {
    let target = to_arrow(data_type).map_err(|error| (0, error.message))?;
    let source = array.data_type();
    let failed = |error: arrow::error::ArrowError| (0, error.to_string());
    if *source == target && *data_type != DataType::Json {
        return Ok(array.clone());
    }
    match source {
        ArrowType::Null => return Ok(new_null_array(&target, array.len())),
        ArrowType::Dictionary(_, value) => return to_type(&cast(array, value).map_err(failed)?, data_type),
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => {
            let texts = cast(array, &ArrowType::Utf8).map_err(failed)?;
            return match texts.as_any().downcast_ref::<StringArray>() {
                Some(texts) => {
                    parse_column(texts, data_type).map_err(|refused| (refused.row, refused.reason))
                }
                None => Err((0, "not text".into())),
            };
        }
        _ => {}
    }
    let as_text = || -> Result<ArrayRef, (usize, String)> {
        let texts = texts_of(array).map_err(failed)?;
        parse_column(&texts, data_type).map_err(|refused| (refused.row, refused.reason))
    };
    match data_type {
        DataType::Char(_) | DataType::Varchar(_) | DataType::Json => as_text(),
        DataType::Date | DataType::DateTime if source.is_numeric() => as_text(),
        DataType::Boolean if source.is_decimal() => as_text(),
        DataType::LargeInt if *source == ArrowType::Boolean => {
            to_type(&cast(array, &ArrowType::Int32).map_err(failed)?, data_type)
        }
        _ if data_type.is_nested() => cast_strictly(array, &target, data_type),
        DataType::Decimal { .. } if *source == ArrowType::Boolean => {
            to_type(&cast(array, &ArrowType::Int32).map_err(failed)?, data_type)
        }
        _ => cast_strictly(array, &target, data_type),
    }
}

/// Arrow's cast; a value that becomes NULL is refused.
fn cast_strictly(
    array: &ArrayRef,
    target: &ArrowType,
    data_type: &DataType,
) -> Result<ArrayRef, (usize, String)> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let converted = cast_with_options(array, target, &options).map_err(|_| {
        let from = super::types::from_arrow(array.data_type());
        let text = |t: &DataType| t.to_string().to_uppercase();
        (0, format!("a value of {} cannot become {}", text(&from), text(data_type)))
    })?;
    if converted.null_count() > array.logical_null_count() {
        let lost = (0..array.len()).find(|row| converted.is_null(*row) && !array.is_null(*row)).unwrap_or(0);
        let text = Printer::new(array).ok().and_then(|printer| printer.text(lost)).unwrap_or_default();
        return Err((lost, not_a(&text, data_type)));
    }
    Ok(converted)
}

fn texts_of(array: &ArrayRef) -> Result<StringArray, arrow::error::ArrowError> {
    let printer = Printer::new(array)?;
    Ok((0..array.len()).map(|row| printer.text(row)).collect())
}

/// NULL-ness, length, and the range of times.
fn check(array: &ArrayRef, column: &Column) -> Result<(), (usize, String)> {
    if !column.nullable && !column.auto_increment && array.null_count() > 0 {
        let row = (0..array.len()).find(|row| array.is_null(*row)).unwrap_or(0);
        return Err((row, "NULL value in a column that is NOT NULL".into()));
    }
    let limit = match column.data_type {
        DataType::Char(limit) | DataType::Varchar(limit) => limit,
        DataType::Varbinary(Some(limit)) => limit,
        _ => return Ok(()),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let length = |row: usize| match array.data_type() {
        ArrowType::Utf8 => array.as_string::<i32>().value_length(row),
        ArrowType::Binary => array.as_any().downcast_ref::<BinaryArray>().map_or(0, |a| a.value_length(row)),
        _ => 0,
    };
    for row in 0..array.len() {
        let length = usize::try_from(length(row)).unwrap_or(0);
        if length > limit && array.is_valid(row) {
            return Err((row, format!("the value has {length} bytes, the column takes {limit}")));
        }
    }
    Ok(())
}

/// An array of texts.
pub(crate) fn text_array(texts: Vec<Option<String>>) -> ArrayRef {
    Arc::new(StringArray::from(texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, Float64Array, Int64Array};

    fn message(array: ArrayRef, column: &Column) -> String {
        convert(&array, column, 1).unwrap_err().message
    }

    #[test]
    fn a_refused_value_is_named_with_column_and_row() {
        let column = Column::new("n", DataType::TinyInt);
        let text = message(Arc::new(Int64Array::from(vec![1, 2, 300])), &column);
        assert!(text.contains("row 3, column 'n': '300' is no value of TINYINT"), "{text}");
        let column = Column { nullable: false, ..Column::new("s", DataType::Varchar(2)) };
        let text = message(text_array(vec![Some("ab".into()), Some("äb".into())]), &column);
        assert!(text.contains("row 2, column 's': the value has 3 bytes, the column takes 2"), "{text}");
        let text = message(text_array(vec![None]), &column);
        assert!(text.contains("NOT NULL"), "{text}");
    }

    #[test]
    fn values_of_other_types_are_converted() {
        let print = |array: ArrayRef, data_type: DataType| {
            let array = convert(&array, &Column::new("c", data_type), 1).unwrap();
            Printer::new(&array).unwrap().text(0).unwrap()
        };
        assert_eq!(print(Arc::new(BooleanArray::from(vec![true])), DataType::string()), "1");
        assert_eq!(print(Arc::new(BooleanArray::from(vec![true])), DataType::LargeInt), "1");
        assert_eq!(print(Arc::new(Int64Array::from(vec![20240131])), DataType::Date), "2024-01-31");
        assert_eq!(print(Arc::new(Float64Array::from(vec![1.9])), DataType::Int), "1");
        let decimal = DataType::Decimal { precision: 6, scale: 1 };
        assert_eq!(print(Arc::new(Float64Array::from(vec![1.25])), decimal), "1.3");
        assert_eq!(print(text_array(vec![Some("{\"a\": 1}".into())]), DataType::Json), "{\"a\": 1}");
    }
}
