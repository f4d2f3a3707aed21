//! Asynchronous materialized views in snapshots: the adapter of the object type
//! `materialized_view`. Synchronous ones are rollups and travel with their table.
//!
//! [`MaterializedViewCodec`] is what such a view is as data. Its rows are those
//! of a table without a key that merges, so definitions and partitions are
//! compared by the rules of `rockhold-object-table`.

mod codec;

pub use codec::{MaterializedViewCodec, descriptor};
