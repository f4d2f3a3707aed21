//! INSERT, UPDATE, DELETE.

use std::fmt;

use super::name::write_properties;
use super::{ExprText, FromText, Ident, ObjectName, PartitionList, PropertyList, QueryText, comma_separated};

/// `INSERT INTO|OVERWRITE …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// Hint behind INSERT, without its marks.
    pub hint: Option<String>,
    /// OVERWRITE instead of INTO.
    pub overwrite: bool,
    /// Where to.
    pub target: InsertTarget,
    /// WITH LABEL.
    pub label: Option<Ident>,
    /// Columns, when listed.
    pub columns: Option<Vec<Ident>>,
    /// BY NAME: the query's column names decide, not their order.
    pub by_name: bool,
    /// Properties.
    pub properties: Option<PropertyList>,
    /// Rows: a query, whose body is a list of values for INSERT … VALUES.
    pub source: QueryText,
}

/// Where INSERT writes.
#[derive(Debug, Clone, PartialEq)]
pub enum InsertTarget {
    /// A table.
    Table {
        /// Its name.
        name: ObjectName,
        /// Only these partitions.
        partitions: Option<PartitionList>,
    },
    /// Files: `FILES("path" = "…", …)`.
    Files(PropertyList),
}

impl fmt::Display for Insert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("INSERT ")?;
        if let Some(hint) = &self.hint {
            write!(f, "/*+{hint}*/ ")?;
        }
        f.write_str(if self.overwrite { "OVERWRITE" } else { "INTO" })?;
        match &self.target {
            InsertTarget::Table { name, partitions } => {
                write!(f, " {name}")?;
                if let Some(partitions) = partitions {
                    write!(f, " {partitions}")?;
                }
            }
            InsertTarget::Files(properties) => write!(f, " FILES {properties}")?,
        }
        if let Some(label) = &self.label {
            write!(f, " WITH LABEL {label}")?;
        }
        if let Some(columns) = &self.columns {
            write!(f, " ({})", comma_separated(columns))?;
        }
        if self.by_name {
            f.write_str(" BY NAME")?;
        }
        write_properties(f, &self.properties)?;
        write!(f, " {}", self.source)
    }
}

/// `column = expression`.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The column.
    pub column: Ident,
    /// Its new value.
    pub value: ExprText,
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.column, self.value)
    }
}

/// `UPDATE table SET … [FROM …] [WHERE …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The table.
    pub table: ObjectName,
    /// New values.
    pub assignments: Vec<Assignment>,
    /// Other tables.
    pub from: Option<FromText>,
    /// Which rows.
    pub filter: Option<ExprText>,
}

impl fmt::Display for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UPDATE {} SET {}", self.table, comma_separated(&self.assignments))?;
        if let Some(from) = &self.from {
            write!(f, " FROM {from}")?;
        }
        write_filter(f, &self.filter)
    }
}

/// `DELETE FROM table [PARTITION (…)] [USING …] [WHERE …]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    /// The table.
    pub table: ObjectName,
    /// Only these partitions.
    pub partitions: Option<PartitionList>,
    /// Other tables.
    pub using: Option<FromText>,
    /// Which rows.
    pub filter: Option<ExprText>,
}

impl fmt::Display for Delete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DELETE FROM {}", self.table)?;
        if let Some(partitions) = &self.partitions {
            write!(f, " {partitions}")?;
        }
        if let Some(using) = &self.using {
            write!(f, " USING {using}")?;
        }
        write_filter(f, &self.filter)
    }
}

fn write_filter(f: &mut fmt::Formatter<'_>, filter: &Option<ExprText>) -> fmt::Result {
    match filter {
        Some(filter) => write!(f, " WHERE {filter}"),
        None => Ok(()),
    }
}
