//! SQL over the embedded warehouse.
//!
//! * [`Session`]: runs statements of `rockhold-sql` one after another; results
//!   of queries stream;
//! * [`SessionOptions`]: memory, threads and place of temporary files;
//! * [`BUCKET_HASH`]: the recorded id of the function that distributes rows.
//!
//! Inside, by what happens to a row:
//!
//! | module | what |
//! |---|---|
//! | `value` | types, text in and out, conversion |
//! | `place` | partition and bucket |
//! | `load` | rows become sorted files |
//! | `merge` | files become rows: merge on read |
//! | `materialized` | materialized views: what is out of date, and computing it |
//! | `query` | StarRocks's queries as DataFusion's plans |
//! | `files` | FILES: Parquet and CSV, in and out |
//! | `storage` | files outside of the warehouse, here and in stores |
//! | `run` | what each statement does |
//!
//! The storage below is `rockhold-warehouse-store`'s: it alone knows where
//! files lie and when they become visible. Nothing here runs BACKUP or RESTORE.

mod error;
mod files;
mod leaf;
mod load;
mod materialized;
mod merge;
mod place;
mod query;
mod rollup;
mod run;
mod session;
mod storage;
mod value;

pub use place::bucket::BUCKET_HASH;
pub use session::{Session, SessionOptions};
