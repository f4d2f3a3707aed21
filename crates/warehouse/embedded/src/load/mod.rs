//! Loads: from rows of any shape to data files.
//!
//! ```text
//! source ──▶ prepare ──▶ place ──▶ sort (spills) ──▶ files of one bucket after another
//! ```
//!
//! * [`prepare`]: one batch of the table's columns, in their types: defaults,
//!   AUTO_INCREMENT, generated columns, checks;
//! * [`sorted`]: adds partition and bucket of every row, sorts by them and by
//!   the key, and writes the buckets one after another. The sort spills to
//!   disk, and one file is open at a time, so memory is bounded however many
//!   partitions and buckets a load touches;
//! * [`values`]: the rows of INSERT … VALUES;
//! * [`job`]: one whole load, committed or without a trace.

pub(crate) mod job;
pub(crate) mod once;
pub(crate) mod prepare;
pub(crate) mod sorted;
pub(crate) mod values;
