//! Tables.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::{Column, Partitioning};

/// Properties in the order in which they were given or are to be printed.
pub type Properties = IndexMap<String, String>;

/// A table without its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// Name; case-sensitive.
    pub name: String,
    /// Storage engine, upper case: `OLAP`, or that of an external table.
    pub engine: String,
    /// Columns in order, hidden partition columns last.
    pub columns: Vec<Column>,
    /// What rows with equal keys mean.
    pub key_model: KeyModel,
    /// Key columns in order: a prefix of `columns`.
    pub key_columns: Vec<String>,
    /// Comment; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// How rows are divided into partitions.
    pub partitioning: Partitioning,
    /// How a partition is divided into buckets.
    pub distribution: Distribution,
    /// Declared number of buckets; `None` leaves the choice to the warehouse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<u32>,
    /// Columns of ORDER BY when declared, else empty: rows are then sorted by key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sort_key: Vec<String>,
    /// Secondary indexes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<Index>,
    /// Rollups declared with the table or added later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollups: Vec<Rollup>,
    /// Effective properties, sorted by key. Includes the defaults, so that the
    /// text of SHOW CREATE does not depend on who prints it.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub properties: Properties,
}

impl TableDefinition {
    /// The column of that name, without regard to case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Position of the column of that name, without regard to case.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The columns by which rows are sorted: ORDER BY, else the key.
    pub fn effective_sort_key(&self) -> &[String] {
        if self.sort_key.is_empty() { &self.key_columns } else { &self.sort_key }
    }

    /// The declared number of replicas, `None` when unset or not a number.
    pub fn replication_num(&self) -> Option<u32> {
        self.properties.get("replication_num")?.parse().ok()
    }

    /// The AUTO_INCREMENT column, if there is one.
    pub fn auto_increment_column(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.auto_increment)
    }

    /// Columns that `SELECT *` returns.
    pub fn visible_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| !column.is_hidden())
    }
}

/// What rows with equal keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyModel {
    /// Every row is kept; the key only sorts.
    Duplicate,
    /// Values of one key are merged by each column's aggregation.
    Aggregate,
    /// The row loaded last wins.
    Unique,
    /// The row loaded last wins; rows can be updated and deleted.
    Primary,
}

impl KeyModel {
    /// The word before KEY in DDL.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyModel::Duplicate => "DUPLICATE",
            KeyModel::Aggregate => "AGGREGATE",
            KeyModel::Unique => "UNIQUE",
            KeyModel::Primary => "PRIMARY",
        }
    }

    /// The word information_schema and error messages use: `DUP_KEYS`.
    pub fn keys_type(self) -> &'static str {
        match self {
            KeyModel::Duplicate => "DUP_KEYS",
            KeyModel::Aggregate => "AGG_KEYS",
            KeyModel::Unique => "UNIQUE_KEYS",
            KeyModel::Primary => "PRIMARY_KEYS",
        }
    }
}

impl std::fmt::Display for KeyModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a partition's rows are divided into buckets.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// By a hash of columns.
    Hash {
        /// The hashed columns in order.
        columns: Vec<String>,
    },
    /// At random; only for tables that keep every row.
    Random,
}

impl Distribution {
    /// The hashed columns; empty for random.
    pub fn columns(&self) -> &[String] {
        match self {
            Distribution::Hash { columns } => columns,
            Distribution::Random => &[],
        }
    }
}

/// A secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Name as written; looked up without regard to case.
    pub name: String,
    /// Indexed columns.
    pub columns: Vec<String>,
    /// Kind of index.
    pub kind: IndexKind,
    /// Parameters in the order given.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub properties: Properties,
    /// Comment; empty when none was given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Kinds of secondary index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexKind {
    /// Bitmap per value.
    Bitmap,
    /// Inverted index over words.
    Gin,
    /// Bloom filter over n-grams.
    Ngrambf,
    /// Approximate nearest neighbours.
    Vector,
}

impl IndexKind {
    /// The word after USING.
    pub fn as_str(self) -> &'static str {
        match self {
            IndexKind::Bitmap => "BITMAP",
            IndexKind::Gin => "GIN",
            IndexKind::Ngrambf => "NGRAMBF",
            IndexKind::Vector => "VECTOR",
        }
    }
}

/// A rollup: another sorted, possibly aggregated projection of the table, kept
/// in step with every load. Synchronous materialized views are rollups with a
/// defining query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollup {
    /// Name; unique within the database for synchronous materialized views.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<String>,
    /// Columns of its own DUPLICATE KEY clause, else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_columns: Vec<String>,
    /// Defining query of a synchronous materialized view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Its own properties.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub properties: Properties,
    /// The columns of its files, with their aggregations; empty for rollups
    /// without a query, which have no files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<Column>,
}

impl Rollup {
    /// The rollup of `table` as a table of its own, for reading and writing its
    /// files: every stored row counts, and rows of one group are merged by
    /// whoever reads them. Its rows of a partition lie in one bucket, sorted by
    /// `key_columns`.
    pub fn as_table(&self, table: &TableDefinition) -> TableDefinition {
        let plain = |column: &Column| Column { key: false, aggregation: None, ..column.clone() };
        TableDefinition {
            name: self.name.clone(),
            engine: table.engine.clone(),
            columns: self.stored.iter().map(plain).collect(),
            key_model: KeyModel::Duplicate,
            key_columns: self.key_columns.clone(),
            comment: String::new(),
            partitioning: Partitioning::Unpartitioned,
            distribution: Distribution::Random,
            buckets: Some(1),
            sort_key: Vec::new(),
            indexes: Vec::new(),
            rollups: Vec::new(),
            properties: Properties::new(),
        }
    }
}
