//! FILES: files in and out, of this machine and of the linked stores.
//!
//! * [`properties`]: which properties there are, and what they are for;
//! * [`path`]: lists, directories and wildcards;
//! * [`source`]: a file that is found, and its bytes;
//! * [`read`]: `FILES(…)` in FROM: Parquet by column name, CSV by position;
//! * [`path_columns`]: columns whose values stand in the path;
//! * [`dialect`]: what separates and encloses the values of CSV;
//! * [`csv`]: CSV as batches;
//! * [`write`]: `INSERT INTO FILES(…)`;
//! * [`output`]: the files that a statement has open;
//! * [`sink`]: a file that is written: [`local`], or [`stored`] in parts.

pub(crate) mod csv;
pub(crate) mod dialect;
pub(crate) mod local;
pub(crate) mod output;
pub(crate) mod path;
pub(crate) mod path_columns;
pub(crate) mod properties;
pub(crate) mod read;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod stored;
pub(crate) mod write;
