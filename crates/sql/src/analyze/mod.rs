//! From a syntax tree to what it means, as far as no catalog is needed.
//!
//! * [`create_table`], [`create_table_like`], [`create_table_as`]: a definition
//!   and its partitions, with StarRocks's defaults;
//! * [`add_partitions`]: the partitions of ALTER TABLE … ADD;
//! * [`automatic_partition`]: the partition that a load creates for its rows;
//! * [`RangeBound`], [`range_text`]: comparing rows with ranges, and StarRocks's
//!   text of a range;
//! * [`backup_options`], [`restore_options`], [`check_restore_items`],
//!   [`check_create_repository`], [`snapshot_filter`]: properties and shapes of
//!   the backup statements;
//! * [`create_view`], [`alter_view`], [`create_function`], [`create_catalog`]: the
//!   objects without rows; secrets come apart, for the warehouse to encrypt;
//! * [`create_materialized_view`], [`alter_materialized_view`]: asynchronous
//!   materialized views, columns and partitioning given by the planner;
//! * [`split_secrets`]: which properties are secrets;
//! * [`synchronous_view`], [`synchronous_rollup`]: the rollup that a synchronous
//!   materialized view is;
//! * [`names`]: rules for names.
//!
//! Deliberately absent: whether objects exist, privileges, and anything that
//! depends on the state of a warehouse. Refusals carry StarRocks's numbers and
//! words.

mod automatic;
mod backup;
mod catalog;
mod cluster;
mod column;
mod column_default;
mod expression;
mod function;
mod index;
mod key;
mod list;
mod materialized_view;
mod materialized_view_properties;
pub mod names;
mod partition;
mod partition_scheme;
mod properties;
mod range;
mod range_batch;
mod secrets;
mod synchronous_view;
mod table;
mod view;

pub use automatic::{automatic_partition, time_range};
pub use backup::{
    BackupOptions, BackupType, RestoreOptions, SnapshotFilter, backup_options, check_backup_names,
    check_catalogs, check_create_repository, check_drop_repository, check_restore_items, parse_ttl,
    restore_options, snapshot_filter,
};
pub use catalog::{AnalyzedCatalog, create_catalog};
pub use cluster::Cluster;
pub use expression::output_type;
pub use function::{AnalyzedFunction, create_function};
pub use materialized_view::{
    PartitionKey, alter_materialized_view, create_materialized_view, materialized_view_columns,
    materialized_view_partition_keys,
};
pub use partition::{add_partitions, parse_list_value};
pub use range::{RangeBound, range_key_types, range_text};
pub use secrets::{SplitProperties, split_secrets};
pub use synchronous_view::{
    SynchronousColumn, SynchronousView, synchronous_rollup, synchronous_view, synchronous_view_of,
};
pub use table::{Analyzed, create_table, create_table_as, create_table_like};
pub use view::{alter_view, create_view};

use crate::SqlError;

type Result<T> = std::result::Result<T, SqlError>;
