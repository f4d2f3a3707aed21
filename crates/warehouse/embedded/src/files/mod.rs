//! FILES: files in and out, of this machine and of the linked stores.
//!
//! * [`path`]: lists, directories and wildcards;
//! * [`source`]: a file that is found, and its bytes;
//! * [`read`]: `FILES(…)` in FROM: Parquet by column name, CSV by position;
//! * [`csv`]: CSV as batches;
//! * [`sink`]: a file that is written;
//! * [`write`]: `INSERT INTO FILES(…)`.

pub(crate) mod csv;
pub(crate) mod path;
pub(crate) mod properties;
pub(crate) mod read;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod write;
