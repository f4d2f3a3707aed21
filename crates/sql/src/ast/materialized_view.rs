//! Materialized views.

use std::fmt;

use rockhold_model::{RefreshMoment, RefreshScheme};

use super::name::{write_comment, write_properties};
use super::{
    DistributionDef, ExprText, Ident, IndexDef, ObjectName, PartitionLiteral, PropertyList, QueryText,
    comma_separated, quote_text,
};

/// A column of a materialized view.
pub type MaterializedViewColumn = super::ViewColumnDef;

/// `CREATE MATERIALIZED VIEW …`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateMaterializedView {
    /// IF NOT EXISTS was written.
    pub if_not_exists: bool,
    /// Name.
    pub name: ObjectName,
    /// Columns, when listed.
    pub columns: Option<Vec<MaterializedViewColumn>>,
    /// Indexes declared among the columns.
    pub indexes: Vec<IndexDef>,
    /// Comment.
    pub comment: Option<String>,
    /// PARTITION BY.
    pub partition_by: Option<Vec<ExprText>>,
    /// DISTRIBUTED BY.
    pub distribution: Option<DistributionDef>,
    /// ORDER BY.
    pub order_by: Option<Vec<Ident>>,
    /// REFRESH.
    pub refresh: Option<RefreshClause>,
    /// PROPERTIES.
    pub properties: Option<PropertyList>,
    /// The query.
    pub query: QueryText,
}

impl CreateMaterializedView {
    /// Whether this makes a rollup kept in step with its base table: neither
    /// REFRESH nor DISTRIBUTED BY was written.
    pub fn is_synchronous(&self) -> bool {
        self.refresh.is_none() && self.distribution.is_none()
    }
}

/// REFRESH of a materialized view.
#[derive(Debug, Clone, PartialEq)]
pub struct RefreshClause {
    /// IMMEDIATE or DEFERRED, when written.
    pub moment: Option<RefreshMoment>,
    /// What starts a refresh, when written.
    pub scheme: Option<RefreshScheme>,
}

impl fmt::Display for RefreshClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("REFRESH")?;
        match self.moment {
            None => {}
            Some(RefreshMoment::Immediate) => f.write_str(" IMMEDIATE")?,
            Some(RefreshMoment::Deferred) => f.write_str(" DEFERRED")?,
        }
        match &self.scheme {
            None => Ok(()),
            Some(RefreshScheme::Manual) => f.write_str(" MANUAL"),
            Some(RefreshScheme::Incremental) => f.write_str(" INCREMENTAL"),
            Some(RefreshScheme::Async { start, every }) => {
                f.write_str(" ASYNC")?;
                if let Some(start) = start {
                    write!(f, " START({})", quote_text(start))?;
                }
                match every {
                    Some((count, unit)) => {
                        write!(f, " EVERY(INTERVAL {count} {})", unit.as_str().to_uppercase())
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for CreateMaterializedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let if_not_exists = if self.if_not_exists { "IF NOT EXISTS " } else { "" };
        write!(f, "CREATE MATERIALIZED VIEW {if_not_exists}{}", self.name)?;
        if let Some(columns) = &self.columns {
            write!(f, " ({}", comma_separated(columns))?;
            for index in &self.indexes {
                write!(f, ", {index}")?;
            }
            f.write_str(")")?;
        }
        write_comment(f, &self.comment)?;
        if let Some(expressions) = &self.partition_by {
            write!(f, " PARTITION BY ({})", comma_separated(expressions))?;
        }
        if let Some(distribution) = &self.distribution {
            write!(f, " {distribution}")?;
        }
        if let Some(columns) = &self.order_by {
            write!(f, " ORDER BY ({})", comma_separated(columns))?;
        }
        if let Some(refresh) = &self.refresh {
            write!(f, " {refresh}")?;
        }
        write_properties(f, &self.properties)?;
        write!(f, " AS {}", self.query)
    }
}

/// Which partitions REFRESH MATERIALIZED VIEW refreshes.
#[derive(Debug, Clone, PartialEq)]
pub enum PartitionRefresh {
    /// `PARTITION START ("…") END ("…")`.
    Range {
        /// Lower bound.
        start: String,
        /// Upper bound.
        end: String,
    },
    /// `PARTITION (value, …)` or `PARTITION ((value, …), …)`.
    List(Vec<Vec<PartitionLiteral>>),
}

/// `REFRESH MATERIALIZED VIEW name …`.
#[derive(Debug, Clone, PartialEq)]
pub struct RefreshMaterializedView {
    /// Name.
    pub name: ObjectName,
    /// Only these partitions.
    pub partitions: Option<PartitionRefresh>,
    /// FORCE was written.
    pub force: bool,
    /// `Some(true)` for WITH SYNC MODE, `Some(false)` for WITH ASYNC MODE.
    pub synchronous: Option<bool>,
    /// WITH PRIORITY.
    pub priority: Option<u32>,
}

impl fmt::Display for RefreshMaterializedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "REFRESH MATERIALIZED VIEW {}", self.name)?;
        match &self.partitions {
            None => {}
            Some(PartitionRefresh::Range { start, end }) => {
                write!(f, " PARTITION START ({}) END ({})", quote_text(start), quote_text(end))?;
            }
            Some(PartitionRefresh::List(rows)) => {
                let rows: Vec<String> =
                    rows.iter().map(|row| format!("({})", comma_separated(row))).collect();
                write!(f, " PARTITION ({})", rows.join(", "))?;
            }
        }
        if self.force {
            f.write_str(" FORCE")?;
        }
        match self.synchronous {
            None => {}
            Some(true) => f.write_str(" WITH SYNC MODE")?,
            Some(false) => f.write_str(" WITH ASYNC MODE")?,
        }
        match self.priority {
            Some(priority) => write!(f, " WITH PRIORITY {priority}"),
            None => Ok(()),
        }
    }
}

/// `ALTER MATERIALIZED VIEW name …`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterMaterializedView {
    /// Name.
    pub name: ObjectName,
    /// The change.
    pub action: AlterMaterializedViewAction,
}

/// A change of ALTER MATERIALIZED VIEW.
#[derive(Debug, Clone, PartialEq)]
pub enum AlterMaterializedViewAction {
    /// `RENAME name`.
    Rename(Ident),
    /// `REFRESH …`.
    Refresh(RefreshClause),
    /// `ACTIVE`.
    Active,
    /// `INACTIVE`.
    Inactive,
    /// `SWAP WITH name`.
    Swap(Ident),
    /// `SET (…)`.
    Set(PropertyList),
}

impl fmt::Display for AlterMaterializedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER MATERIALIZED VIEW {} ", self.name)?;
        match &self.action {
            AlterMaterializedViewAction::Rename(name) => write!(f, "RENAME {name}"),
            AlterMaterializedViewAction::Refresh(refresh) => refresh.fmt(f),
            AlterMaterializedViewAction::Active => f.write_str("ACTIVE"),
            AlterMaterializedViewAction::Inactive => f.write_str("INACTIVE"),
            AlterMaterializedViewAction::Swap(name) => write!(f, "SWAP WITH {name}"),
            AlterMaterializedViewAction::Set(properties) => write!(f, "SET {properties}"),
        }
    }
}
