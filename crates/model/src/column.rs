//! Columns.

use serde::{Deserialize, Serialize};

use crate::DataType;

/// Names of columns that CREATE TABLE adds for a partition expression begin
/// with this; a number from 0 follows. SELECT * and DESC do not show them,
/// SHOW CREATE TABLE does.
pub const GENERATED_PARTITION_COLUMN_PREFIX: &str = "__generated_partition_column_";

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Name as written; looked up without regard to case.
    pub name: String,
    /// Type of the values.
    pub data_type: DataType,
    /// Part of the table's key. Key columns are the leading columns.
    #[serde(default, skip_serializing_if = "is_false")]
    pub key: bool,
    /// How values of one key are merged; only in aggregate tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Aggregation>,
    /// NULL is allowed.
    pub nullable: bool,
    /// What an INSERT that leaves the column out stores. `None`: NULL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ColumnDefault>,
    /// The warehouse hands out ascending numbers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auto_increment: bool,
    /// SQL text of the expression that computes the column from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    /// Comment; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

impl Column {
    /// A nullable value column without default or comment.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Column {
            name: name.into(),
            data_type,
            key: false,
            aggregation: None,
            nullable: true,
            default: None,
            auto_increment: false,
            generated: None,
            comment: String::new(),
        }
    }

    /// Whether the column was added by CREATE TABLE for a partition expression
    /// and is hidden from `SELECT *` and DESC.
    pub fn is_hidden(&self) -> bool {
        self.generated.is_some() && self.name.starts_with(GENERATED_PARTITION_COLUMN_PREFIX)
    }
}

/// How an aggregate table merges the values of rows with one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// The sum.
    Sum,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The value loaded last.
    Replace,
    /// The value loaded last that is not NULL.
    ReplaceIfNotNull,
    /// Union of HLL sketches.
    HllUnion,
    /// Union of bitmaps.
    BitmapUnion,
    /// Union of percentile sketches.
    PercentileUnion,
    /// An aggregate function whose intermediate state is stored, such as
    /// `avg(INT)`. The column's own type is then the state's type.
    State {
        /// Function name, lower case.
        function: String,
        /// Types of the function's arguments.
        arguments: Vec<DataType>,
    },
}

impl std::fmt::Display for Aggregation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self {
            Aggregation::Sum => "SUM",
            Aggregation::Min => "MIN",
            Aggregation::Max => "MAX",
            Aggregation::Replace => "REPLACE",
            Aggregation::ReplaceIfNotNull => "REPLACE_IF_NOT_NULL",
            Aggregation::HllUnion => "HLL_UNION",
            Aggregation::BitmapUnion => "BITMAP_UNION",
            Aggregation::PercentileUnion => "PERCENTILE_UNION",
            Aggregation::State { function, arguments } => {
                write!(f, "{function}(")?;
                for (position, argument) in arguments.iter().enumerate() {
                    write!(f, "{}{argument}", if position == 0 { "" } else { ", " })?;
                }
                ")"
            }
        };
        f.write_str(word)
    }
}

/// The default of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnDefault {
    /// `DEFAULT NULL`, written out.
    Null,
    /// A value as text, exactly as written; converted to the column's type on use.
    Literal(String),
    /// The time of the load.
    CurrentTimestamp {
        /// Digits after the second, 0 to 6; `None` when not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        precision: Option<u8>,
    },
    /// A function evaluated per row, as SQL text without the outer parentheses:
    /// `uuid()`.
    Function(String),
}

fn is_false(value: &bool) -> bool {
    !*value
}
