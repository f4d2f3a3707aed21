//! FILES: local files, in and out.
//!
//! * [`path`]: `file://` locations, lists and wildcards;
//! * [`read`]: `FILES(…)` in FROM: Parquet by column name, CSV by position;
//! * [`csv`]: CSV as batches;
//! * [`write`]: `INSERT INTO FILES(…)`.

pub(crate) mod csv;
pub(crate) mod path;
pub(crate) mod properties;
pub(crate) mod read;
pub(crate) mod write;
