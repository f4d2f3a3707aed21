//! Column types.

use rockhold_model::{DataType, StructField};

use super::{Reader, Result};
use crate::SqlError;
use crate::ast::sql_type;
use crate::lexer::TokenKind;

const TYPE_NAMES: &[&str] = &[
    "BOOLEAN",
    "BOOL",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "LARGEINT",
    "FLOAT",
    "DOUBLE",
    "DATE",
    "DATETIME",
    "STRING",
    "TEXT",
    "JSON",
    "VARIANT",
    "HLL",
    "BITMAP",
    "PERCENTILE",
    "CHAR",
    "CHARACTER",
    "VARCHAR",
    "BINARY",
    "VARBINARY",
    "DECIMAL",
    "DECIMALV2",
    "DECIMAL32",
    "DECIMAL64",
    "DECIMAL128",
    "DECIMAL256",
    "NUMERIC",
    "NUMBER",
    "ARRAY",
    "MAP",
    "STRUCT",
];

impl Reader<'_> {
    /// Whether a type's name stands here.
    pub(super) fn is_type(&self) -> bool {
        match &self.peek().kind {
            TokenKind::Word(word) => TYPE_NAMES.iter().any(|name| word.eq_ignore_ascii_case(name)),
            _ => true,
        }
    }

    /// A type: `INT`, `DECIMAL(10, 2)`, `ARRAY<STRUCT<a INT>>` …
    pub(super) fn data_type(&mut self) -> Result<DataType> {
        self.nested(|reader| reader.any_type())
    }

    fn any_type(&mut self) -> Result<DataType> {
        let word = match &self.peek().kind {
            TokenKind::Word(word) => word.to_ascii_uppercase(),
            _ => return Err(self.unexpected(&["a type"])),
        };
        let start = self.at;
        let simple = match word.as_str() {
            "BOOLEAN" | "BOOL" => DataType::Boolean,
            "TINYINT" => DataType::TinyInt,
            "SMALLINT" => DataType::SmallInt,
            "INT" | "INTEGER" => DataType::Int,
            "BIGINT" => DataType::BigInt,
            "LARGEINT" => DataType::LargeInt,
            "FLOAT" => DataType::Float,
            "DOUBLE" => DataType::Double,
            "DATE" => DataType::Date,
            "DATETIME" => DataType::DateTime,
            "STRING" | "TEXT" => DataType::string(),
            "JSON" => DataType::Json,
            "VARIANT" => DataType::Variant,
            "HLL" => DataType::Hll,
            "BITMAP" => DataType::Bitmap,
            "PERCENTILE" => DataType::Percentile,
            "CHAR" | "CHARACTER" => return self.sized(|length| DataType::Char(length.unwrap_or(1))),
            "VARCHAR" => return self.varchar(),
            "BINARY" | "VARBINARY" => return self.sized(DataType::Varbinary),
            "DECIMAL" | "DECIMALV2" | "DECIMAL32" | "DECIMAL64" | "DECIMAL128" | "DECIMAL256" | "NUMERIC"
            | "NUMBER" => return self.decimal(&word),
            "ARRAY" => return self.array(),
            "MAP" => return self.map(),
            "STRUCT" => return self.record(),
            _ => return Err(self.no_viable(start)),
        };
        self.bump();
        // Integer types take a display width, which means nothing.
        if simple.is_integer() && self.is_symbol("(") {
            self.width()?;
        }
        Ok(simple)
    }

    /// `(n)`.
    fn width(&mut self) -> Result<u32> {
        self.expect_symbol("(")?;
        let width = self.integer()?;
        self.expect_symbol(")")?;
        Ok(width)
    }

    fn sized(&mut self, build: impl FnOnce(Option<u32>) -> DataType) -> Result<DataType> {
        self.bump();
        let length = if self.is_symbol("(") { Some(self.width()?) } else { None };
        Ok(build(length))
    }

    fn varchar(&mut self) -> Result<DataType> {
        self.bump();
        if !self.is_symbol("(") {
            return Ok(DataType::Varchar(1));
        }
        if self.is_symbol_nth(1, "*") {
            (0..2).for_each(|_| self.bump());
            self.expect_symbol(")")?;
            return Ok(DataType::Varchar(DataType::MAX_VARCHAR));
        }
        Ok(DataType::Varchar(self.width()?))
    }

    fn decimal(&mut self, word: &str) -> Result<DataType> {
        let span = self.peek().span;
        self.bump();
        let limit = match word {
            "DECIMALV2" => 27,
            "DECIMAL32" => 9,
            "DECIMAL64" => 18,
            "DECIMAL128" => 38,
            _ => 76,
        };
        let (mut precision, mut scale) = (10_u32, 0_u32);
        if self.eat_symbol("(") {
            precision = self.integer()?;
            if self.eat_symbol(",") {
                scale = self.integer()?;
            }
            self.close_list()?;
        } else if word != "DECIMAL" && word != "NUMERIC" && word != "NUMBER" {
            precision = limit;
        }
        let number = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        if precision < 1 || precision > limit {
            return Err(SqlError::syntax(
                format!(
                    "{word}(P[,S]) type P must be greater than or equal to 1 and less than or equal to {limit}"
                ),
                span,
            ));
        }
        if scale > precision {
            return Err(SqlError::syntax(
                format!("{word}(P[,S]) type P must be greater than or equal to the value of S"),
                span,
            ));
        }
        Ok(DataType::Decimal { precision: number(precision), scale: number(scale) })
    }

    fn array(&mut self) -> Result<DataType> {
        self.bump();
        self.expect_symbol("<")?;
        let element = self.data_type()?;
        self.expect_symbol(">")?;
        Ok(DataType::Array(Box::new(element)))
    }

    fn map(&mut self) -> Result<DataType> {
        self.bump();
        self.expect_symbol("<")?;
        let start = self.at;
        let key = self.data_type()?;
        let key_span = self.span_from(start);
        self.expect_symbol(",")?;
        let value = self.data_type()?;
        self.expect_symbol(">")?;
        if key.is_nested() {
            let text = key_span.text(self.source).replace(' ', "");
            let text = if text.is_empty() { sql_type(&key) } else { text };
            let mut error = SqlError::syntax_rule(format!(
                "Unsupported type specification: '{text}' for map's key, which should be base types"
            ));
            error = error.at(key_span);
            return Err(error);
        }
        Ok(DataType::Map(Box::new(key), Box::new(value)))
    }

    fn record(&mut self) -> Result<DataType> {
        self.bump();
        self.expect_symbol("<")?;
        let fields = self.comma_list(|reader| {
            let name = reader.ident()?;
            // `name: type` is accepted, as in other dialects.
            reader.eat_symbol(":");
            Ok(StructField { name: name.value, data_type: reader.data_type()? })
        })?;
        self.expect_symbol(">")?;
        Ok(DataType::Struct(fields))
    }
}
