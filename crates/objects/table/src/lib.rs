//! Tables in snapshots: the adapter of the object type `table`.
//!
//! [`TableCodec`] is what a table is as data; [`TableWriter`] walks its
//! partitions from a pinned cut into a snapshot and back. Which partitions of
//! a snapshot may replace or join those of an existing table is decided in
//! [`merge`](self::TableCodec) by the rules of StarRocks, where they protect
//! data.

mod codec;
mod merge;
mod writer;

pub use codec::{TableCodec, descriptor};
pub use writer::TableWriter;
