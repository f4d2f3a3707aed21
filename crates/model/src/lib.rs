//! The warehouse objects as data.
//!
//! Everything a warehouse defines (tables, their partitions, views,
//! materialized views, functions, external catalogs) is described here by plain
//! `serde` structs, so that the catalog of a warehouse, the documents inside a
//! snapshot and the SQL printer all speak of the same thing.
//!
//! * [`DataType`], [`Column`]: what a row is made of;
//! * [`Partitioning`], [`Partition`], [`PartitionValue`]: how rows are divided;
//! * [`Distribution`]: how a partition is divided into buckets;
//! * [`TableDefinition`]: a table **without** its partitions. The list of
//!   partitions is a separate `Vec<Partition>`, because a table may have so many
//!   that a snapshot stores them in pages;
//! * [`ViewDefinition`], [`MaterializedViewDefinition`], [`FunctionDefinition`],
//!   [`CatalogDefinition`]: the other objects;
//! * [`MaterializedViewState`]: from which rows a materialized view was computed;
//! * [`first_difference`], [`first_partition_difference`]: what keeps a stored
//!   definition from being restored over an existing one.
//!
//! Deliberately absent: SQL text (parsing and printing live in `rockhold-sql`),
//! validation (the analyzer's work) and anything physical such as files,
//! versions or identifiers (the warehouse's work).

mod column;
mod compare;
mod materialized_view_state;
mod objects;
mod partition;
mod table;
mod types;

pub use column::{Aggregation, Column, ColumnDefault, GENERATED_PARTITION_COLUMN_PREFIX};
pub use compare::{first_difference, first_partition_difference};
pub use materialized_view_state::{
    BaseNote, LastRefresh, MaterializedViewState, RefreshedBase, RefreshedPartition,
};
pub use objects::{
    CatalogDefinition, FunctionArgument, FunctionDefinition, FunctionKind, MaterializedViewDefinition,
    RefreshMoment, RefreshScheme, SealedValue, ViewColumn, ViewDefinition, ViewSecurity,
};
pub use partition::{
    Bound, Partition, PartitionValue, Partitioning, RangeExpression, RangeFunction, SliceBoundary,
    TimeFunction, TimeUnit,
};
pub use table::{Distribution, Index, IndexKind, KeyModel, Properties, Rollup, TableDefinition};
pub use types::{DataType, StructField};
