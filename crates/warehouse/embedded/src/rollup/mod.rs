//! Synchronous materialized views: rollups of a table that are right after
//! every load.
//!
//! The files of a rollup lie in the same version of a partition as the rows
//! that they were computed from, so whoever pins the one pins the other; a
//! backup takes them along, and TRUNCATE, DROP and RESTORE treat them as any
//! file of the partition.
//!
//! * [`source`]: the rows of a rollup, computed from files of the table;
//! * [`maintain`]: what every load adds before it commits;
//! * [`define`]: CREATE and DROP;
//! * [`read`]: the rollup as a table of a query.
//!
//! **Invariant.** The stored rows of a rollup, merged over all files of all
//! partitions by its columns' aggregations, are the rows of its query over the
//! table. One load's rows are added where that keeps it so (the table keeps
//! every row, or merges values in the same way); else the partition's rows are
//! computed anew from all of it.

mod define;
mod maintain;
mod read;
mod source;

pub(crate) use define::{create, drop, find};
pub(crate) use maintain::maintain;
pub(crate) use read::{matching, table};
