//! Partition schemes and partitions.

use std::fmt;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::Distribution;

/// How a table divides its rows into partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Partitioning {
    /// Exactly one partition, named as the table.
    Unpartitioned,
    /// Declared half-open ranges over one or more columns.
    Range {
        /// Columns compared lexicographically.
        columns: Vec<String>,
        /// Function over the single column, when the ranges are over its result.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expression: Option<RangeExpression>,
    },
    /// Ranges of equal length over one time column, created by loads.
    Expression {
        /// The time column.
        column: String,
        /// What maps a value to the start of its range.
        function: TimeFunction,
    },
    /// Lists of values.
    List {
        /// The columns whose values are listed.
        columns: Vec<String>,
        /// Loads create the partitions they need (`PARTITION BY (a, b)`), one for
        /// each combination of values. A partition expression that is not a
        /// plain column is a hidden generated column of the table.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        automatic: bool,
    },
}

impl Partitioning {
    /// The columns whose values decide a row's partition.
    pub fn columns(&self) -> &[String] {
        match self {
            Partitioning::Unpartitioned => &[],
            Partitioning::Range { columns, .. } | Partitioning::List { columns, .. } => columns,
            Partitioning::Expression { column, .. } => std::slice::from_ref(column),
        }
    }

    /// Whether loads create missing partitions.
    pub fn is_automatic(&self) -> bool {
        matches!(self, Partitioning::Expression { .. } | Partitioning::List { automatic: true, .. })
    }

    /// Whether partitions hold ranges ([`PartitionValue::Range`]).
    pub fn is_range(&self) -> bool {
        matches!(self, Partitioning::Range { .. } | Partitioning::Expression { .. })
    }

    /// Whether partitions hold lists ([`PartitionValue::List`]).
    pub fn is_list(&self) -> bool {
        matches!(self, Partitioning::List { .. })
    }
}

/// A function around the column of `PARTITION BY RANGE(…)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeExpression {
    /// Which function.
    pub function: RangeFunction,
    /// The expression as SQL text, as SHOW CREATE prints it.
    pub text: String,
}

/// Functions StarRocks allows around the column of `PARTITION BY RANGE(…)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeFunction {
    /// `from_unixtime(col)`: the column holds seconds since the epoch.
    FromUnixtime,
    /// `from_unixtime_ms(col)`: milliseconds since the epoch.
    FromUnixtimeMs,
    /// `str2date(col, format)`: the column holds text.
    Str2Date {
        /// The format string.
        format: String,
    },
}

/// What maps a time to the start of its automatic range partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFunction {
    /// `date_trunc('unit', column)`.
    DateTrunc {
        /// Unit of the ranges.
        unit: TimeUnit,
    },
    /// `time_slice(column, INTERVAL n unit, boundary)`; slices are counted from
    /// 0001-01-01 00:00:00.
    TimeSlice {
        /// Length in units, at least 1.
        count: u32,
        /// Unit of the length.
        unit: TimeUnit,
        /// Which end of the slice names it.
        boundary: SliceBoundary,
    },
}

/// Which end of its slice `time_slice` returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceBoundary {
    /// The start.
    Floor,
    /// The end.
    Ceil,
}

/// Units of time in partitioning and intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds.
    Second,
    /// Minutes.
    Minute,
    /// Hours.
    Hour,
    /// Days.
    Day,
    /// Weeks, beginning on Monday.
    Week,
    /// Months.
    Month,
    /// Quarters.
    Quarter,
    /// Years.
    Year,
}

impl TimeUnit {
    /// Lower-case name: `day`.
    pub fn as_str(self) -> &'static str {
        match self {
            TimeUnit::Second => "second",
            TimeUnit::Minute => "minute",
            TimeUnit::Hour => "hour",
            TimeUnit::Day => "day",
            TimeUnit::Week => "week",
            TimeUnit::Month => "month",
            TimeUnit::Quarter => "quarter",
            TimeUnit::Year => "year",
        }
    }

    /// The unit of that name, in any case.
    pub fn parse(name: &str) -> Option<Self> {
        let units = [
            TimeUnit::Second,
            TimeUnit::Minute,
            TimeUnit::Hour,
            TimeUnit::Day,
            TimeUnit::Week,
            TimeUnit::Month,
            TimeUnit::Quarter,
            TimeUnit::Year,
        ];
        units.into_iter().find(|unit| unit.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A partition of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Name as written; looked up without regard to case.
    pub name: String,
    /// Which rows it holds.
    pub value: PartitionValue,
    /// How its rows are divided into buckets, when it differs from the table's
    /// declared distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// Number of buckets; `None` until the warehouse chose one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u32>,
    /// Properties that differ from the table's: `replication_num`,
    /// `storage_medium`, `storage_cooldown_time`, `in_memory`.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub properties: IndexMap<String, String>,
    /// Temporary partitions are invisible to queries and never backed up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub temporary: bool,
}

impl Partition {
    /// A partition with the table's distribution and properties.
    pub fn new(name: impl Into<String>, value: PartitionValue) -> Self {
        Partition {
            name: name.into(),
            value,
            distribution: None,
            buckets: None,
            properties: IndexMap::new(),
            temporary: false,
        }
    }
}

/// Which rows a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionValue {
    /// Every row: the only partition of an unpartitioned table.
    All,
    /// Rows whose partition columns `c` satisfy `lower <= c < upper`. NULL is
    /// less than every value, so it belongs to the lowest range.
    Range {
        /// Inclusive lower bound, one per partition column.
        lower: Vec<Bound>,
        /// Exclusive upper bound, one per partition column.
        upper: Vec<Bound>,
    },
    /// Rows whose partition columns equal one of the listed combinations.
    List {
        /// Combinations of values; `None` is NULL.
        rows: Vec<Vec<Option<String>>>,
    },
}

/// One component of a range's bound.
///
/// A range that has no declared lower bound (`VALUES LESS THAN`) starts at the
/// column type's least value, stored as that value's text; there is no separate
/// "minimum".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// A value in its canonical text: `2024-01-01`, `2024-01-01 00:00:00`, `42`.
    Value(String),
    /// Greater than every value.
    MaxValue,
}

impl Bound {
    /// The value's text, `None` for MAXVALUE.
    pub fn as_value(&self) -> Option<&str> {
        match self {
            Bound::Value(text) => Some(text),
            Bound::MaxValue => None,
        }
    }
}
