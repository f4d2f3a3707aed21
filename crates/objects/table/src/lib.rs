//! Tables in snapshots: the adapter of the object type `table`.
//!
//! [`TableCodec`] is what a table is as data. Which partitions of a snapshot may
//! replace or join those of an existing table is decided in [`merge_check`] by
//! the rules of StarRocks, where they protect data. Its partitions are walked by
//! `PartitionWriter` of `rockhold-core`.
//!
//! What materialized views share with tables is public: their rows are a
//! table's.

mod codec;
mod merge;
mod rollup;

pub use codec::{
    TableCodec, colocate_group, descriptor, leave_colocate_group, merge_check, prepare_properties,
    refuse_own_columns,
};
