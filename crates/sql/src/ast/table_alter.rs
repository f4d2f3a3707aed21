//! ALTER TABLE.

use std::fmt;

use super::name::write_properties;
use super::{
    ColumnDef, DistributionDef, Ident, IndexDef, ListPartitionDef, ObjectName, PartitionList, PropertyList,
    RangeItem, RollupDef, comma_separated, quote_text,
};

/// `ALTER TABLE name clause, …`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// Name.
    pub name: ObjectName,
    /// Clauses in order.
    pub clauses: Vec<AlterClause>,
}

/// Where ADD and MODIFY COLUMN put a column.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnPosition {
    /// Before all others.
    First,
    /// Behind a column.
    After(Ident),
}

/// One change of ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "fields are named as the clauses they hold")]
pub enum AlterClause {
    /// `ADD [TEMPORARY] PARTITION … VALUES LESS THAN | [ … )` and
    /// `ADD [TEMPORARY] PARTITIONS START …`.
    AddRangePartition {
        temporary: bool,
        item: RangeItem,
        distribution: Option<DistributionDef>,
        properties: Option<PropertyList>,
    },
    /// `ADD [TEMPORARY] PARTITION … VALUES IN (…)`.
    AddListPartition {
        temporary: bool,
        item: ListPartitionDef,
        distribution: Option<DistributionDef>,
        properties: Option<PropertyList>,
    },
    /// `DROP [TEMPORARY] PARTITION [IF EXISTS] name [FORCE]`.
    DropPartition { temporary: bool, if_exists: bool, names: Vec<Ident>, force: bool },
    /// `RENAME name`.
    Rename { name: Ident },
    /// `RENAME PARTITION from to`.
    RenamePartition { from: Ident, to: Ident },
    /// `RENAME COLUMN from TO to`.
    RenameColumn { from: Ident, to: Ident },
    /// `RENAME ROLLUP from to`.
    RenameRollup { from: Ident, to: Ident },
    /// `SWAP WITH name`.
    Swap { with: Ident },
    /// `REPLACE PARTITION (…) WITH TEMPORARY PARTITION (…) [PROPERTIES (…)]`.
    ReplacePartition { partitions: PartitionList, with: PartitionList, properties: Option<PropertyList> },
    /// `MODIFY PARTITION (…) | (*) SET (…)`; `None` is `(*)`.
    ModifyPartition { partitions: Option<Vec<Ident>>, properties: PropertyList },
    /// `SET (…)`.
    Set { properties: PropertyList },
    /// `COMMENT = "…"`.
    Comment { comment: String },
    /// `ADD COLUMN column [FIRST | AFTER name] [TO rollup] [PROPERTIES (…)]`.
    AddColumn {
        column: ColumnDef,
        position: Option<ColumnPosition>,
        rollup: Option<Ident>,
        properties: Option<PropertyList>,
    },
    /// `ADD COLUMN (column, …) [TO rollup] [PROPERTIES (…)]`.
    AddColumns { columns: Vec<ColumnDef>, rollup: Option<Ident>, properties: Option<PropertyList> },
    /// `DROP COLUMN name [FROM rollup]`.
    DropColumn { name: Ident, rollup: Option<Ident>, properties: Option<PropertyList> },
    /// `MODIFY COLUMN column [FIRST | AFTER name] [FROM rollup]`.
    ModifyColumn {
        column: ColumnDef,
        position: Option<ColumnPosition>,
        rollup: Option<Ident>,
        properties: Option<PropertyList>,
    },
    /// `MODIFY COLUMN name COMMENT "…"`.
    ModifyColumnComment { name: Ident, comment: String },
    /// `ADD INDEX …`.
    AddIndex { index: IndexDef },
    /// `DROP INDEX name`.
    DropIndex { name: Ident },
    /// `ADD ROLLUP …`.
    AddRollup { rollups: Vec<RollupDef> },
    /// `DROP ROLLUP name, …`.
    DropRollup { names: Vec<Ident>, properties: Option<PropertyList> },
    /// `ORDER BY (…)`.
    OrderBy { columns: Vec<Ident>, rollup: Option<Ident> },
    /// `DISTRIBUTED BY …`.
    Distribution { distribution: DistributionDef },
}

impl fmt::Display for AlterTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ALTER TABLE {} {}", self.name, comma_separated(&self.clauses))
    }
}

fn temporary_word(temporary: bool) -> &'static str {
    if temporary { "TEMPORARY " } else { "" }
}

fn write_position(
    f: &mut fmt::Formatter<'_>,
    position: &Option<ColumnPosition>,
    word: &str,
    rollup: &Option<Ident>,
    properties: &Option<PropertyList>,
) -> fmt::Result {
    match position {
        None => {}
        Some(ColumnPosition::First) => f.write_str(" FIRST")?,
        Some(ColumnPosition::After(name)) => write!(f, " AFTER {name}")?,
    }
    if let Some(rollup) = rollup {
        write!(f, " {word} {rollup}")?;
    }
    write_properties(f, properties)
}

fn write_added(
    f: &mut fmt::Formatter<'_>,
    distribution: &Option<DistributionDef>,
    properties: &Option<PropertyList>,
) -> fmt::Result {
    if let Some(distribution) = distribution {
        write!(f, " {distribution}")?;
    }
    write_properties(f, properties)
}

impl fmt::Display for AlterClause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AlterClause::AddRangePartition { temporary, item, distribution, properties } => {
                let plural = if matches!(item, RangeItem::Batch { .. }) { "PARTITIONS " } else { "" };
                write!(f, "ADD {}{plural}{item}", temporary_word(*temporary))?;
                write_added(f, distribution, properties)
            }
            AlterClause::AddListPartition { temporary, item, distribution, properties } => {
                write!(f, "ADD {}{item}", temporary_word(*temporary))?;
                write_added(f, distribution, properties)
            }
            AlterClause::DropPartition { temporary, if_exists, names, force } => {
                let if_exists = if *if_exists { "IF EXISTS " } else { "" };
                let force = if *force { " FORCE" } else { "" };
                let word = temporary_word(*temporary);
                match names.as_slice() {
                    [name] => write!(f, "DROP {word}PARTITION {if_exists}{name}{force}"),
                    names => {
                        write!(f, "DROP {word}PARTITIONS {if_exists}({}){force}", comma_separated(names))
                    }
                }
            }
            AlterClause::Rename { name } => write!(f, "RENAME {name}"),
            AlterClause::RenamePartition { from, to } => write!(f, "RENAME PARTITION {from} {to}"),
            AlterClause::RenameColumn { from, to } => write!(f, "RENAME COLUMN {from} TO {to}"),
            AlterClause::RenameRollup { from, to } => write!(f, "RENAME ROLLUP {from} {to}"),
            AlterClause::Swap { with } => write!(f, "SWAP WITH {with}"),
            AlterClause::ReplacePartition { partitions, with, properties } => {
                write!(f, "REPLACE {partitions} WITH {with}")?;
                write_properties(f, properties)
            }
            AlterClause::ModifyPartition { partitions, properties } => match partitions {
                Some(names) => write!(f, "MODIFY PARTITION ({}) SET {properties}", comma_separated(names)),
                None => write!(f, "MODIFY PARTITION (*) SET {properties}"),
            },
            AlterClause::Set { properties } => write!(f, "SET {properties}"),
            AlterClause::Comment { comment } => write!(f, "COMMENT = {}", quote_text(comment)),
            AlterClause::AddColumn { column, position, rollup, properties } => {
                write!(f, "ADD COLUMN {column}")?;
                write_position(f, position, "TO", rollup, properties)
            }
            AlterClause::AddColumns { columns, rollup, properties } => {
                write!(f, "ADD COLUMN ({})", comma_separated(columns))?;
                write_position(f, &None, "TO", rollup, properties)
            }
            AlterClause::DropColumn { name, rollup, properties } => {
                write!(f, "DROP COLUMN {name}")?;
                write_position(f, &None, "FROM", rollup, properties)
            }
            AlterClause::ModifyColumn { column, position, rollup, properties } => {
                write!(f, "MODIFY COLUMN {column}")?;
                write_position(f, position, "FROM", rollup, properties)
            }
            AlterClause::ModifyColumnComment { name, comment } => {
                write!(f, "MODIFY COLUMN {name} COMMENT {}", quote_text(comment))
            }
            AlterClause::AddIndex { index } => write!(f, "ADD {index}"),
            AlterClause::DropIndex { name } => write!(f, "DROP INDEX {name}"),
            AlterClause::AddRollup { rollups } => write!(f, "ADD ROLLUP {}", comma_separated(rollups)),
            AlterClause::DropRollup { names, properties } => {
                write!(f, "DROP ROLLUP {}", comma_separated(names))?;
                write_properties(f, properties)
            }
            AlterClause::OrderBy { columns, rollup } => {
                write!(f, "ORDER BY ({})", comma_separated(columns))?;
                write_position(f, &None, "FROM", rollup, &None)
            }
            AlterClause::Distribution { distribution } => distribution.fmt(f),
        }
    }
}
