//! PARTITION BY and partitions.

use std::fmt;

use rockhold_model::TimeUnit;

use super::{ExprText, Ident, PropertyList, comma_separated, quote_text};
use crate::Span;

/// PARTITION BY.
#[derive(Debug, Clone, PartialEq)]
pub enum PartitionClause {
    /// `RANGE (…) (…)`.
    Range {
        /// What the ranges are over.
        key: RangeKey,
        /// Partitions.
        items: Vec<RangeItem>,
        /// Where the clause was written.
        span: Span,
    },
    /// `LIST (columns) (…)`.
    List {
        /// Columns.
        columns: Vec<Ident>,
        /// Partitions.
        items: Vec<ListPartitionDef>,
        /// Where the clause was written.
        span: Span,
    },
    /// `expression, …`: automatic partitions.
    Expressions {
        /// Columns and expressions.
        expressions: Vec<ExprText>,
        /// Parentheses were written around them.
        parenthesized: bool,
        /// Partitions to begin with.
        items: Vec<RangeItem>,
        /// Where the clause was written.
        span: Span,
    },
}

/// What `PARTITION BY RANGE` ranges over.
#[derive(Debug, Clone, PartialEq)]
pub enum RangeKey {
    /// Columns.
    Columns(Vec<Ident>),
    /// A function of one column.
    Function(ExprText),
}

impl fmt::Display for PartitionClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PARTITION BY ")?;
        match self {
            PartitionClause::Range { key, items, .. } => {
                match key {
                    RangeKey::Columns(columns) => write!(f, "RANGE ({})", comma_separated(columns))?,
                    RangeKey::Function(function) => write!(f, "RANGE ({function})")?,
                }
                write!(f, " ({})", comma_separated(items))
            }
            PartitionClause::List { columns, items, .. } => {
                write!(f, "LIST ({}) ({})", comma_separated(columns), comma_separated(items))
            }
            PartitionClause::Expressions { expressions, parenthesized, items, .. } => {
                let list = comma_separated(expressions);
                if *parenthesized {
                    write!(f, "({list})")?
                } else {
                    f.write_str(&list)?
                }
                if items.is_empty() { Ok(()) } else { write!(f, " ({})", comma_separated(items)) }
            }
        }
    }
}

/// A partition, or a series of them, of a range-partitioned table.
#[derive(Debug, Clone, PartialEq)]
pub enum RangeItem {
    /// `PARTITION name VALUES …`.
    Single {
        /// IF NOT EXISTS was written.
        if_not_exists: bool,
        /// Name.
        name: Ident,
        /// Its range.
        values: RangeValues,
        /// Properties.
        properties: Option<PropertyList>,
    },
    /// `START (…) END (…) EVERY (…)`.
    Batch {
        /// Lower bound of the first partition.
        start: String,
        /// Upper bound of the last one.
        end: String,
        /// Length of each.
        every: Every,
        /// Where it was written.
        span: Span,
    },
}

/// Length of a batch's partitions.
#[derive(Debug, Clone, PartialEq)]
pub enum Every {
    /// `INTERVAL n unit`.
    Interval(u32, TimeUnit),
    /// A number.
    Number(u64),
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Every::Interval(count, unit) => {
                write!(f, "INTERVAL {count} {}", unit.as_str().to_uppercase())
            }
            Every::Number(number) => number.fmt(f),
        }
    }
}

/// The range of a partition.
#[derive(Debug, Clone, PartialEq)]
pub enum RangeValues {
    /// `VALUES LESS THAN …`.
    LessThan(UpperBound),
    /// `VALUES [(…), (…))`.
    Fixed {
        /// Inclusive lower bound.
        lower: Vec<PartitionLiteral>,
        /// Exclusive upper bound.
        upper: Vec<PartitionLiteral>,
    },
}

/// The bound of VALUES LESS THAN.
#[derive(Debug, Clone, PartialEq)]
pub enum UpperBound {
    /// MAXVALUE without parentheses.
    MaxValue,
    /// Values in parentheses.
    Values(Vec<PartitionLiteral>),
}

/// A value of a partition's definition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PartitionLiteral {
    /// A string.
    Text(String),
    /// A number as written, sign included.
    Number(String),
    /// MAXVALUE.
    MaxValue,
    /// NULL.
    Null,
}

impl PartitionLiteral {
    /// The value's text; `None` for MAXVALUE and NULL.
    pub fn as_value(&self) -> Option<&str> {
        match self {
            PartitionLiteral::Text(text) | PartitionLiteral::Number(text) => Some(text),
            PartitionLiteral::MaxValue | PartitionLiteral::Null => None,
        }
    }
}

impl fmt::Display for PartitionLiteral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PartitionLiteral::Text(text) => f.write_str(&quote_text(text)),
            PartitionLiteral::Number(number) => f.write_str(number),
            PartitionLiteral::MaxValue => f.write_str("MAXVALUE"),
            PartitionLiteral::Null => f.write_str("NULL"),
        }
    }
}

impl fmt::Display for RangeValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RangeValues::LessThan(UpperBound::MaxValue) => f.write_str("LESS THAN MAXVALUE"),
            RangeValues::LessThan(UpperBound::Values(values)) => {
                write!(f, "LESS THAN ({})", comma_separated(values))
            }
            RangeValues::Fixed { lower, upper } => {
                write!(f, "[({}), ({}))", comma_separated(lower), comma_separated(upper))
            }
        }
    }
}

impl fmt::Display for RangeItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RangeItem::Single { if_not_exists, name, values, properties } => {
                let if_not_exists = if *if_not_exists { "IF NOT EXISTS " } else { "" };
                write!(f, "PARTITION {if_not_exists}{name} VALUES {values}")?;
                match properties {
                    Some(properties) => write!(f, " {properties}"),
                    None => Ok(()),
                }
            }
            RangeItem::Batch { start, end, every, .. } => {
                write!(f, "START ({}) END ({}) EVERY ({every})", quote_text(start), quote_text(end))
            }
        }
    }
}

/// `PARTITION name VALUES IN (…)`.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPartitionDef {
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name.
    pub name: Ident,
    /// Combinations of values; of one value each when `nested` is false.
    pub rows: Vec<Vec<PartitionLiteral>>,
    /// Each combination was written in parentheses of its own.
    pub nested: bool,
    /// Properties.
    pub properties: Option<PropertyList>,
}

impl fmt::Display for ListPartitionDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "PARTITION {if_not_exists}{} VALUES IN (", self.name)?;
        let rows: Vec<String> = self
            .rows
            .iter()
            .map(|row| {
                let row = comma_separated(row);
                if self.nested { format!("({row})") } else { row }
            })
            .collect();
        write!(f, "{})", rows.join(", "))?;
        match &self.properties {
            Some(properties) => write!(f, " {properties}"),
            None => Ok(()),
        }
    }
}
