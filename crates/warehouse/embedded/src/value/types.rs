//! StarRocks's types and Arrow's.
//!
//! | StarRocks | Arrow, and so Parquet |
//! |---|---|
//! | BOOLEAN | Boolean |
//! | TINYINT … BIGINT | Int8 … Int64 |
//! | LARGEINT | Decimal256(39, 0): the only exact type of Parquet that holds 128 bits |
//! | FLOAT, DOUBLE | Float32, Float64 |
//! | DECIMAL(p, s) | Decimal128, above 38 digits Decimal256 |
//! | DATE | Date32 |
//! | DATETIME | Timestamp(µs) without a zone |
//! | CHAR, VARCHAR, JSON | Utf8 |
//! | VARBINARY | Binary |
//! | ARRAY, MAP, STRUCT | List, Map, Struct |
//!
//! HLL, BITMAP, PERCENTILE and VARIANT have no open form and are refused.

use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use rockhold_core::JsonShape;
use rockhold_model::{Column, DataType, StructField};
use rockhold_sql::SqlError;
use std::collections::HashMap;
use std::sync::Arc;

/// Digits of LARGEINT as a decimal.
pub(crate) const LARGEINT_DIGITS: u8 = 39;
/// Field metadata: the column's name as declared.
pub(crate) const NAME_KEY: &str = "rockhold.name";
/// Field metadata: the column's StarRocks type, as JSON.
pub(crate) const TYPE_KEY: &str = "rockhold.type";

/// The Arrow type that stores `data_type`.
///
/// # Errors
/// The type has no open form.
pub(crate) fn to_arrow(data_type: &DataType) -> Result<ArrowType, SqlError> {
    Ok(match data_type {
        DataType::Boolean => ArrowType::Boolean,
        DataType::TinyInt => ArrowType::Int8,
        DataType::SmallInt => ArrowType::Int16,
        DataType::Int => ArrowType::Int32,
        DataType::BigInt => ArrowType::Int64,
        DataType::LargeInt => ArrowType::Decimal256(LARGEINT_DIGITS, 0),
        DataType::Float => ArrowType::Float32,
        DataType::Double => ArrowType::Float64,
        DataType::Decimal { precision, scale } => {
            let scale = i8::try_from(*scale).unwrap_or(i8::MAX);
            if *precision <= 38 {
                ArrowType::Decimal128(*precision, scale)
            } else {
                ArrowType::Decimal256(*precision, scale)
            }
        }
        DataType::Date => ArrowType::Date32,
        DataType::DateTime => ArrowType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Char(_) | DataType::Varchar(_) | DataType::Json => ArrowType::Utf8,
        DataType::Varbinary(_) => ArrowType::Binary,
        DataType::Array(element) => {
            ArrowType::List(Arc::new(Field::new("element", to_arrow(element)?, true)))
        }
        DataType::Map(key, value) => {
            let entry = Fields::from(vec![
                Field::new("key", to_arrow(key)?, false),
                Field::new("value", to_arrow(value)?, true),
            ]);
            ArrowType::Map(Arc::new(Field::new("key_value", ArrowType::Struct(entry), false)), false)
        }
        DataType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|field| Ok(Field::new(&field.name, to_arrow(&field.data_type)?, true)))
                .collect::<Result<Vec<_>, SqlError>>()?;
            ArrowType::Struct(Fields::from(fields))
        }
        DataType::Hll | DataType::Bitmap | DataType::Percentile | DataType::Variant => {
            return Err(SqlError::analyze(format!(
                "the embedded warehouse stores no {}: it has no open file format; use another type",
                data_type.base_name()
            )));
        }
    })
}

/// The StarRocks type of an Arrow field: the declared one where the field is a
/// column, else the nearest.
pub(crate) fn of_field(field: &Field) -> DataType {
    field
        .metadata()
        .get(TYPE_KEY)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_else(|| from_arrow(field.data_type()))
}

/// The nearest StarRocks type of an Arrow type.
pub(crate) fn from_arrow(arrow: &ArrowType) -> DataType {
    match arrow {
        ArrowType::Boolean | ArrowType::Null => DataType::Boolean,
        ArrowType::Int8 => DataType::TinyInt,
        ArrowType::Int16 | ArrowType::UInt8 => DataType::SmallInt,
        ArrowType::Int32 | ArrowType::UInt16 => DataType::Int,
        ArrowType::Int64 | ArrowType::UInt32 => DataType::BigInt,
        ArrowType::UInt64 | ArrowType::Decimal256(LARGEINT_DIGITS, 0) => DataType::LargeInt,
        ArrowType::Float16 | ArrowType::Float32 => DataType::Float,
        ArrowType::Float64 => DataType::Double,
        ArrowType::Decimal32(precision, scale)
        | ArrowType::Decimal64(precision, scale)
        | ArrowType::Decimal128(precision, scale)
        | ArrowType::Decimal256(precision, scale) => {
            DataType::Decimal { precision: *precision, scale: u8::try_from(*scale).unwrap_or(0) }
        }
        ArrowType::Date32 | ArrowType::Date64 => DataType::Date,
        ArrowType::Timestamp(..) => DataType::DateTime,
        ArrowType::Binary
        | ArrowType::LargeBinary
        | ArrowType::BinaryView
        | ArrowType::FixedSizeBinary(_) => DataType::Varbinary(None),
        ArrowType::List(element)
        | ArrowType::LargeList(element)
        | ArrowType::ListView(element)
        | ArrowType::LargeListView(element)
        | ArrowType::FixedSizeList(element, _) => DataType::Array(Box::new(from_arrow(element.data_type()))),
        ArrowType::Map(entries, _) => match entries.data_type() {
            ArrowType::Struct(fields) if fields.len() == 2 => DataType::Map(
                Box::new(from_arrow(fields[0].data_type())),
                Box::new(from_arrow(fields[1].data_type())),
            ),
            _ => DataType::string(),
        },
        ArrowType::Struct(fields) => DataType::Struct(
            fields
                .iter()
                .map(|f| StructField { name: f.name().clone(), data_type: from_arrow(f.data_type()) })
                .collect(),
        ),
        ArrowType::Dictionary(_, value) => from_arrow(value),
        _ => DataType::string(),
    }
}

/// The field that queries see for a column: its name in lower case, the
/// declared name and type beside it.
///
/// # Errors
/// The type has no open form.
pub(crate) fn query_field(column: &Column) -> Result<FieldRef, SqlError> {
    Ok(Arc::new(
        Field::new(column.name.to_ascii_lowercase(), to_arrow(&column.data_type)?, column.nullable)
            .with_metadata(described(&column.name, &column.data_type)),
    ))
}

/// Field metadata that keeps a column's declared name and type.
pub(crate) fn described(name: &str, data_type: &DataType) -> HashMap<String, String> {
    let mut metadata = HashMap::from([(NAME_KEY.to_owned(), name.to_owned())]);
    if let Ok(text) = serde_json::to_string(data_type) {
        metadata.insert(TYPE_KEY.to_owned(), text);
    }
    metadata
}

/// The schema of a table's files without the hidden columns: declared names,
/// everything nullable, so that a later change of NULL-ness needs no rewriting.
///
/// # Errors
/// A type has no open form.
pub(crate) fn file_schema(columns: &[Column]) -> Result<SchemaRef, SqlError> {
    let fields = columns
        .iter()
        .map(|column| Ok(Field::new(&column.name, to_arrow(&column.data_type)?, true)))
        .collect::<Result<Vec<_>, SqlError>>()?;
    Ok(Arc::new(Schema::new(fields)))
}

/// How values of a type are written in JSON.
pub(crate) fn json_shape(data_type: &DataType) -> JsonShape {
    match data_type {
        DataType::Boolean => JsonShape::Boolean,
        DataType::Json => JsonShape::Nested,
        _ if data_type.is_integer() || data_type.is_floating() => JsonShape::Number,
        DataType::Decimal { .. } => JsonShape::Number,
        _ if data_type.is_nested() && prints_json(data_type) => JsonShape::Nested,
        _ => JsonShape::Text,
    }
}

/// Whether the printed text of a nested type is JSON: maps are when their keys are text.
fn prints_json(data_type: &DataType) -> bool {
    match data_type {
        DataType::Array(element) => prints_json(element),
        DataType::Map(key, value) => (key.is_text() || key.is_time()) && prints_json(value),
        DataType::Struct(fields) => fields.iter().all(|field| prints_json(&field.data_type)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_types_come_back_as_the_types_declared() {
        let scalar = [
            DataType::Boolean,
            DataType::TinyInt,
            DataType::SmallInt,
            DataType::Int,
            DataType::BigInt,
            DataType::LargeInt,
            DataType::Float,
            DataType::Double,
            DataType::Decimal { precision: 38, scale: 10 },
            DataType::Decimal { precision: 76, scale: 2 },
            DataType::Date,
            DataType::DateTime,
            DataType::string(),
            DataType::Varbinary(None),
        ];
        for data_type in scalar {
            assert_eq!(from_arrow(&to_arrow(&data_type).unwrap()), data_type);
            let map = DataType::Map(Box::new(DataType::Int), Box::new(data_type.clone()));
            assert_eq!(from_arrow(&to_arrow(&map).unwrap()), map);
        }
        let column = Column::new("Name", DataType::Char(3));
        let field = query_field(&column).unwrap();
        assert_eq!((field.name().as_str(), of_field(&field)), ("name", DataType::Char(3)));
    }

    #[test]
    fn types_without_an_open_form_are_refused_by_name() {
        let error = to_arrow(&DataType::Bitmap).unwrap_err();
        assert!(error.message.contains("no BITMAP"), "{error}");
    }
}
