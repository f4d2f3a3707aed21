//! CREATE TABLE and its parts, TRUNCATE TABLE.

use std::fmt;

use rockhold_model::{Aggregation, DataType, IndexKind, KeyModel};

use super::name::{separated, sql_type, write_comment, write_properties};
use super::{
    ExprText, Ident, ObjectName, PartitionClause, PartitionList, PropertyList, QueryText, comma_separated,
    quote_text,
};
use crate::Span;

/// `CREATE TABLE name (columns) …`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    /// EXTERNAL was written.
    pub external: bool,
    /// TEMPORARY was written.
    pub temporary: bool,
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name.
    pub name: ObjectName,
    /// Columns.
    pub columns: Vec<ColumnDef>,
    /// Indexes declared among the columns.
    pub indexes: Vec<IndexDef>,
    /// ENGINE.
    pub engine: Option<Ident>,
    /// Character set; without effect.
    pub charset: Option<String>,
    /// Key clause.
    pub key: Option<KeyClause>,
    /// Comment.
    pub comment: Option<String>,
    /// PARTITION BY.
    pub partition: Option<PartitionClause>,
    /// DISTRIBUTED BY.
    pub distribution: Option<DistributionDef>,
    /// ORDER BY.
    pub order_by: Option<Vec<Ident>>,
    /// ROLLUP.
    pub rollups: Vec<RollupDef>,
    /// PROPERTIES.
    pub properties: Option<PropertyList>,
}

/// A column of CREATE or ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDef {
    /// Name.
    pub name: Ident,
    /// Type; for an [`AggregationDef::State`] that of the state.
    pub data_type: DataType,
    /// Character set; without effect.
    pub charset: Option<String>,
    /// KEY was written.
    pub key: bool,
    /// Aggregation.
    pub aggregation: Option<AggregationDef>,
    /// `Some(true)` for NULL, `Some(false)` for NOT NULL.
    pub nullable: Option<bool>,
    /// DEFAULT.
    pub default: Option<DefaultDef>,
    /// AUTO_INCREMENT was written.
    pub auto_increment: bool,
    /// AS expression.
    pub generated: Option<ExprText>,
    /// Comment.
    pub comment: Option<String>,
    /// Where the column was written.
    pub span: Span,
}

/// Aggregation of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregationDef {
    /// A keyword such as SUM.
    Simple(Aggregation),
    /// `function(type [NULL|NOT NULL], …)` instead of a type: the column holds
    /// the function's state.
    State {
        /// Function name as written.
        function: String,
        /// Argument types and their nullability.
        arguments: Vec<(DataType, Option<bool>)>,
    },
}

/// DEFAULT of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum DefaultDef {
    /// NULL.
    Null,
    /// A string.
    Text(String),
    /// CURRENT_TIMESTAMP with its optional precision.
    CurrentTimestamp(Option<String>),
    /// Anything else: a function call, in parentheses or not, or an expression
    /// that the analyzer refuses.
    Expression {
        /// The expression, without parentheses around it.
        expr: ExprText,
        /// Parentheses were written around it.
        parenthesized: bool,
    },
}

impl fmt::Display for DefaultDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DefaultDef::Null => f.write_str("NULL"),
            DefaultDef::Text(text) => f.write_str(&quote_text(text)),
            DefaultDef::CurrentTimestamp(None) => f.write_str("CURRENT_TIMESTAMP"),
            DefaultDef::CurrentTimestamp(Some(precision)) => write!(f, "CURRENT_TIMESTAMP({precision})"),
            DefaultDef::Expression { expr, parenthesized: true } => write!(f, "({expr})"),
            DefaultDef::Expression { expr, parenthesized: false } => expr.fmt(f),
        }
    }
}

impl fmt::Display for AggregationDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AggregationDef::Simple(aggregation) => aggregation.fmt(f),
            AggregationDef::State { function, arguments } => {
                let arguments: Vec<String> = arguments
                    .iter()
                    .map(|(data_type, nullable)| {
                        let nullable = match nullable {
                            None => "",
                            Some(true) => " NULL",
                            Some(false) => " NOT NULL",
                        };
                        format!("{}{nullable}", sql_type(data_type))
                    })
                    .collect();
                write!(f, "{function}({})", arguments.join(", "))
            }
        }
    }
}

impl fmt::Display for ColumnDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        if !matches!(self.aggregation, Some(AggregationDef::State { .. })) {
            write!(f, " {}", sql_type(&self.data_type))?;
        }
        if let Some(charset) = &self.charset {
            write!(f, " CHARSET {}", quote_text(charset))?;
        }
        if self.key {
            f.write_str(" KEY")?;
        }
        if let Some(aggregation) = &self.aggregation {
            write!(f, " {aggregation}")?;
        }
        match self.nullable {
            None => {}
            Some(true) => f.write_str(" NULL")?,
            Some(false) => f.write_str(" NOT NULL")?,
        }
        if let Some(default) = &self.default {
            write!(f, " DEFAULT {default}")?;
        }
        if self.auto_increment {
            f.write_str(" AUTO_INCREMENT")?;
        }
        if let Some(generated) = &self.generated {
            write!(f, " AS {generated}")?;
        }
        write_comment(f, &self.comment)
    }
}

/// `INDEX name (columns) [USING kind [(…)]] [COMMENT "…"]`.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexDef {
    /// Name.
    pub name: Ident,
    /// Columns.
    pub columns: Vec<Ident>,
    /// Kind; BITMAP when left out.
    pub kind: Option<IndexKind>,
    /// Parameters.
    pub properties: Option<PropertyList>,
    /// Comment.
    pub comment: Option<String>,
    /// Where the index was written.
    pub span: Span,
}

impl fmt::Display for IndexDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INDEX {} ({})", self.name, comma_separated(&self.columns))?;
        if let Some(kind) = self.kind {
            write!(f, " USING {}", kind.as_str())?;
        }
        if let Some(properties) = &self.properties {
            write!(f, " {properties}")?;
        }
        write_comment(f, &self.comment)
    }
}

/// `DUPLICATE|AGGREGATE|UNIQUE|PRIMARY KEY (columns)`.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyClause {
    /// The model.
    pub model: KeyModel,
    /// Key columns.
    pub columns: Vec<Ident>,
    /// Where the clause was written.
    pub span: Span,
}

impl fmt::Display for KeyClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KEY ({})", self.model, comma_separated(&self.columns))
    }
}

/// `DISTRIBUTED BY HASH (columns) | RANDOM [BUCKETS n]`.
#[derive(Debug, Clone, PartialEq)]
pub struct DistributionDef {
    /// Hashed columns; `None` for RANDOM.
    pub hash: Option<Vec<Ident>>,
    /// BUCKETS.
    pub buckets: Option<u32>,
    /// Where the clause was written.
    pub span: Span,
}

impl fmt::Display for DistributionDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hash {
            Some(columns) => write!(f, "DISTRIBUTED BY HASH ({})", comma_separated(columns))?,
            None => f.write_str("DISTRIBUTED BY RANDOM")?,
        }
        match self.buckets {
            Some(buckets) => write!(f, " BUCKETS {buckets}"),
            None => Ok(()),
        }
    }
}

/// `name (columns) [DUPLICATE KEY (columns)] [FROM rollup] [PROPERTIES (…)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RollupDef {
    /// Name.
    pub name: Ident,
    /// Columns.
    pub columns: Vec<Ident>,
    /// Columns of DUPLICATE KEY.
    pub key_columns: Option<Vec<Ident>>,
    /// Rollup to build it from.
    pub from: Option<Ident>,
    /// Properties.
    pub properties: Option<PropertyList>,
}

impl fmt::Display for RollupDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, comma_separated(&self.columns))?;
        if let Some(columns) = &self.key_columns {
            write!(f, " DUPLICATE KEY ({})", comma_separated(columns))?;
        }
        if let Some(from) = &self.from {
            write!(f, " FROM {from}")?;
        }
        write_properties(f, &self.properties)
    }
}

impl fmt::Display for CreateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_head(f, self.external, self.temporary, self.if_not_exists, &self.name)?;
        f.write_str(" (")?;
        separated(f, &self.columns, ", ")?;
        for index in &self.indexes {
            write!(f, ", {index}")?;
        }
        f.write_str(")")?;
        if let Some(engine) = &self.engine {
            write!(f, " ENGINE = {engine}")?;
        }
        if let Some(charset) = &self.charset {
            write!(f, " CHARSET {}", quote_text(charset))?;
        }
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        write_comment(f, &self.comment)?;
        write_layout(f, &self.partition, &self.distribution, &self.order_by)?;
        if !self.rollups.is_empty() {
            write!(f, " ROLLUP ({})", comma_separated(&self.rollups))?;
        }
        write_properties(f, &self.properties)
    }
}

fn write_head(
    f: &mut fmt::Formatter<'_>,
    external: bool,
    temporary: bool,
    if_not_exists: bool,
    name: &ObjectName,
) -> fmt::Result {
    f.write_str("CREATE ")?;
    if external {
        f.write_str("EXTERNAL ")?;
    }
    if temporary {
        f.write_str("TEMPORARY ")?;
    }
    f.write_str("TABLE ")?;
    if if_not_exists {
        f.write_str("IF NOT EXISTS ")?;
    }
    write!(f, "{name}")
}

fn write_layout(
    f: &mut fmt::Formatter<'_>,
    partition: &Option<PartitionClause>,
    distribution: &Option<DistributionDef>,
    order_by: &Option<Vec<Ident>>,
) -> fmt::Result {
    if let Some(partition) = partition {
        write!(f, " {partition}")?;
    }
    if let Some(distribution) = distribution {
        write!(f, " {distribution}")?;
    }
    if let Some(columns) = order_by {
        write!(f, " ORDER BY ({})", comma_separated(columns))?;
    }
    Ok(())
}

/// `CREATE TABLE name [partition] [distribution] [PROPERTIES (…)] LIKE source`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTableLike {
    /// EXTERNAL was written.
    pub external: bool,
    /// TEMPORARY was written.
    pub temporary: bool,
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name of the new table.
    pub name: ObjectName,
    /// PARTITION BY instead of the source's.
    pub partition: Option<PartitionClause>,
    /// DISTRIBUTED BY instead of the source's.
    pub distribution: Option<DistributionDef>,
    /// Properties over the source's.
    pub properties: Option<PropertyList>,
    /// The table to copy the definition of.
    pub source: ObjectName,
}

impl fmt::Display for CreateTableLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_head(f, self.external, self.temporary, self.if_not_exists, &self.name)?;
        write_layout(f, &self.partition, &self.distribution, &None)?;
        write_properties(f, &self.properties)?;
        write!(f, " LIKE {}", self.source)
    }
}

/// `CREATE TABLE name [(columns)] … AS query`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTableAs {
    /// TEMPORARY was written.
    pub temporary: bool,
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name.
    pub name: ObjectName,
    /// Names for the query's columns.
    pub columns: Option<Vec<Ident>>,
    /// Indexes declared among the columns.
    pub indexes: Vec<IndexDef>,
    /// Key clause.
    pub key: Option<KeyClause>,
    /// Comment.
    pub comment: Option<String>,
    /// PARTITION BY.
    pub partition: Option<PartitionClause>,
    /// DISTRIBUTED BY.
    pub distribution: Option<DistributionDef>,
    /// ORDER BY.
    pub order_by: Option<Vec<Ident>>,
    /// PROPERTIES.
    pub properties: Option<PropertyList>,
    /// The query.
    pub query: QueryText,
}

impl fmt::Display for CreateTableAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_head(f, false, self.temporary, self.if_not_exists, &self.name)?;
        if let Some(columns) = &self.columns {
            write!(f, " ({}", comma_separated(columns))?;
            for index in &self.indexes {
                write!(f, ", {index}")?;
            }
            f.write_str(")")?;
        }
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        write_comment(f, &self.comment)?;
        write_layout(f, &self.partition, &self.distribution, &self.order_by)?;
        write_properties(f, &self.properties)?;
        write!(f, " AS {}", self.query)
    }
}

/// `TRUNCATE TABLE name [PARTITION (…)]`.
#[derive(Debug, Clone, PartialEq)]
pub struct TruncateTable {
    /// Name.
    pub name: ObjectName,
    /// Only these partitions.
    pub partitions: Option<PartitionList>,
}

impl fmt::Display for TruncateTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TRUNCATE TABLE {}", self.name)?;
        match &self.partitions {
            Some(partitions) => write!(f, " {partitions}"),
            None => Ok(()),
        }
    }
}
