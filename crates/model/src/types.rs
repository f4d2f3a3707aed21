//! Column types.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A StarRocks column type.
///
/// `Display` gives the text of SHOW CREATE TABLE and DESC: lower case, integer
/// types with their display width (`int(11)`), nested types in angle brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// One byte, true or false; prints 1 and 0 in results.
    Boolean,
    /// 8-bit signed integer.
    TinyInt,
    /// 16-bit signed integer.
    SmallInt,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    BigInt,
    /// 128-bit signed integer.
    LargeInt,
    /// IEEE 754 single precision.
    Float,
    /// IEEE 754 double precision.
    Double,
    /// Exact decimal number.
    Decimal {
        /// Total number of digits, 1 to 76.
        precision: u8,
        /// Digits after the point, 0 to `precision`.
        scale: u8,
    },
    /// Calendar day, 0000-01-01 to 9999-12-31.
    Date,
    /// Microseconds, without a time zone.
    DateTime,
    /// Fixed-length text: length in bytes, 1 to 255.
    Char(u32),
    /// Text: greatest length in bytes. STRING is `Varchar(65533)`.
    Varchar(u32),
    /// Bytes: greatest length, `None` when the type was declared without one.
    Varbinary(Option<u32>),
    /// JSON document.
    Json,
    /// Semi-structured value.
    Variant,
    /// HyperLogLog sketch.
    Hll,
    /// Bitmap of integers.
    Bitmap,
    /// T-digest sketch.
    Percentile,
    /// List of values of one type.
    Array(Box<DataType>),
    /// Map from a scalar key to a value.
    Map(Box<DataType>, Box<DataType>),
    /// Record of named fields.
    Struct(Vec<StructField>),
}

/// A field of a [`DataType::Struct`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StructField {
    /// Name as written; looked up without regard to case.
    pub name: String,
    /// Type of the field.
    pub data_type: DataType,
}

impl DataType {
    /// Longest VARCHAR a table may declare, in bytes.
    pub const MAX_VARCHAR: u32 = 1_048_576;
    /// Length of a column declared STRING or TEXT, in bytes.
    pub const STRING_LENGTH: u32 = 65_533;

    /// STRING: a VARCHAR of [`DataType::STRING_LENGTH`] bytes.
    pub fn string() -> Self {
        DataType::Varchar(Self::STRING_LENGTH)
    }

    /// TINYINT, SMALLINT, INT, BIGINT or LARGEINT.
    pub fn is_integer(&self) -> bool {
        matches!(
            self,
            DataType::TinyInt | DataType::SmallInt | DataType::Int | DataType::BigInt | DataType::LargeInt
        )
    }

    /// CHAR or VARCHAR.
    pub fn is_text(&self) -> bool {
        matches!(self, DataType::Char(_) | DataType::Varchar(_))
    }

    /// DATE or DATETIME.
    pub fn is_time(&self) -> bool {
        matches!(self, DataType::Date | DataType::DateTime)
    }

    /// FLOAT or DOUBLE.
    pub fn is_floating(&self) -> bool {
        matches!(self, DataType::Float | DataType::Double)
    }

    /// ARRAY, MAP or STRUCT.
    pub fn is_nested(&self) -> bool {
        matches!(self, DataType::Array(_) | DataType::Map(..) | DataType::Struct(_))
    }

    /// HLL, BITMAP or PERCENTILE: exist only behind an aggregate function.
    pub fn is_sketch(&self) -> bool {
        matches!(self, DataType::Hll | DataType::Bitmap | DataType::Percentile)
    }

    /// Whether a key, sort, hash or partition column may have the type: every
    /// scalar with a total order and an exact comparison.
    pub fn is_key_type(&self) -> bool {
        !(self.is_floating()
            || self.is_nested()
            || self.is_sketch()
            || matches!(self, DataType::Json | DataType::Variant | DataType::Varbinary(_)))
    }

    /// The type's name without length, precision or element types, upper case,
    /// as error messages write it.
    pub fn base_name(&self) -> &'static str {
        match self {
            DataType::Boolean => "BOOLEAN",
            DataType::TinyInt => "TINYINT",
            DataType::SmallInt => "SMALLINT",
            DataType::Int => "INT",
            DataType::BigInt => "BIGINT",
            DataType::LargeInt => "LARGEINT",
            DataType::Float => "FLOAT",
            DataType::Double => "DOUBLE",
            DataType::Decimal { .. } => "DECIMAL",
            DataType::Date => "DATE",
            DataType::DateTime => "DATETIME",
            DataType::Char(_) => "CHAR",
            DataType::Varchar(_) => "VARCHAR",
            DataType::Varbinary(_) => "VARBINARY",
            DataType::Json => "JSON",
            DataType::Variant => "VARIANT",
            DataType::Hll => "HLL",
            DataType::Bitmap => "BITMAP",
            DataType::Percentile => "PERCENTILE",
            DataType::Array(_) => "ARRAY",
            DataType::Map(..) => "MAP",
            DataType::Struct(_) => "STRUCT",
        }
    }

    /// The type inside a function's signature, upper case, without the lengths
    /// of texts: `ARRAY<VARCHAR>`, `DECIMAL(10,2)`.
    pub fn signature(&self) -> String {
        match self {
            DataType::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
            DataType::Array(element) => format!("ARRAY<{}>", element.signature()),
            DataType::Map(key, value) => format!("MAP<{},{}>", key.signature(), value.signature()),
            DataType::Struct(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|field| format!("{} {}", field.name.to_lowercase(), field.data_type.signature()))
                    .collect();
                format!("STRUCT<{}>", fields.join(","))
            }
            other => other.base_name().to_string(),
        }
    }

    /// How deep the type is nested: 1 for a scalar, 2 for `array<int(11)>`.
    pub fn depth(&self) -> usize {
        match self {
            DataType::Array(element) => 1 + element.depth(),
            DataType::Map(key, value) => 1 + key.depth().max(value.depth()),
            DataType::Struct(fields) => {
                1 + fields.iter().map(|field| field.data_type.depth()).max().unwrap_or(0)
            }
            _ => 1,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Boolean => f.write_str("boolean"),
            DataType::TinyInt => f.write_str("tinyint(4)"),
            DataType::SmallInt => f.write_str("smallint(6)"),
            DataType::Int => f.write_str("int(11)"),
            DataType::BigInt => f.write_str("bigint(20)"),
            DataType::LargeInt => f.write_str("largeint(40)"),
            DataType::Float => f.write_str("float"),
            DataType::Double => f.write_str("double"),
            DataType::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            DataType::Date => f.write_str("date"),
            DataType::DateTime => f.write_str("datetime"),
            DataType::Char(length) => write!(f, "char({length})"),
            DataType::Varchar(length) => write!(f, "varchar({length})"),
            DataType::Varbinary(None) => f.write_str("varbinary"),
            DataType::Varbinary(Some(length)) => write!(f, "varbinary({length})"),
            DataType::Json => f.write_str("json"),
            DataType::Variant => f.write_str("variant"),
            DataType::Hll => f.write_str("hll"),
            DataType::Bitmap => f.write_str("bitmap"),
            DataType::Percentile => f.write_str("percentile"),
            DataType::Array(element) => write!(f, "array<{element}>"),
            // No blank after the comma here, one in struct: StarRocks prints them so.
            DataType::Map(key, value) => write!(f, "map<{key},{value}>"),
            DataType::Struct(fields) => {
                f.write_str("struct<")?;
                for (position, field) in fields.iter().enumerate() {
                    let separator = if position == 0 { "" } else { ", " };
                    write!(f, "{separator}{} {}", field.name, field.data_type)?;
                }
                f.write_str(">")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_print_as_show_create_prints_them() {
        let nested = DataType::Struct(vec![
            StructField { name: "x".into(), data_type: DataType::Int },
            StructField {
                name: "o".into(),
                data_type: DataType::Map(Box::new(DataType::Int), Box::new(DataType::DateTime)),
            },
        ]);
        assert_eq!(nested.to_string(), "struct<x int(11), o map<int(11),datetime>>");
        assert_eq!(DataType::string().to_string(), "varchar(65533)");
        assert_eq!(DataType::Decimal { precision: 20, scale: 4 }.to_string(), "decimal(20, 4)");
        assert_eq!(nested.depth(), 3);
        assert_eq!(nested.signature(), "STRUCT<x INT,o MAP<INT,DATETIME>>");
    }

    #[test]
    fn types_survive_json() {
        let array = DataType::Array(Box::new(DataType::Varchar(3)));
        let text = serde_json::to_string(&array).unwrap();
        assert_eq!(text, r#"{"array":{"varchar":3}}"#);
        assert_eq!(serde_json::from_str::<DataType>(&text).unwrap(), array);
    }
}
