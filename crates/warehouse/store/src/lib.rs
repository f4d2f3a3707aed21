//! The embedded warehouse's directory: catalog, data files, versions, pins,
//! staged restores, jobs and secrets. No SQL text and no query engine: BACKUP
//! and RESTORE work on this crate alone.
//!
//! ```text
//! <dir>/catalog.sqlite        everything that has a name, and every job (WAL, synchronous=FULL)
//! <dir>/LOCK                  the one writing process: its pid and command
//! <dir>/data/<2 hex>/<32 hex>.parquet     immutable data files
//! <dir>/staging/<32 hex>/…    files of loads and restores that have not ended
//! <dir>/secret.key            the keys of the secret store, mode 0600
//! ```
//!
//! * [`Store`]: opening, reading the catalog; [`Change`]: changing it;
//! * [`Load`], [`LoadFile`], [`RawFile`]: adding, replacing and removing rows,
//!   and files of any other kind;
//! * [`ReadSnapshot`]: a pinned, consistent view for queries;
//! * `impl Warehouse for Store`: pins and restores, for the engine;
//! * `impl StateStore for Store`: repositories, jobs, known files;
//! * [`Step`], [`Fault`]: every effect on disk is numbered and can be made to
//!   fail, before and after it happened.
//!
//! # How versions work
//!
//! The catalog counts its changes of data: the *sequence*. A row of
//! `partitions` is one version of one partition and is visible to a pin at
//! sequence `s` when `added <= s < removed`; the same holds for the files of
//! its *data* (what TRUNCATE, INSERT OVERWRITE and RESTORE replace as a whole).
//! So a pin is one row, whatever it pins; a load writes rows only for what it
//! adds; a restore commits by flipping one row per partition. What no pin and
//! no current version needs is reclaimed afterwards, in small transactions.
//!
//! Invariants, relied upon everywhere:
//!
//! * A data file never changes. Its name is random and never used again.
//! * A file in `data/` has a row in `files` before it gets there, so nothing
//!   is ever found by listing `data/`.
//! * Every version of a partition's rows has a new random id.
//! * Only the process that holds LOCK writes, except for pins and cancel flags.

mod catalog;
mod core;
mod data;
mod ddl;
mod error;
mod fault;
mod keeper;
mod layout;
mod load;
mod lock;
mod options;
mod owner;
mod pin;
mod read;
mod reclaim;
mod recover;
mod restore;
mod secret;
mod state;
mod store;
mod warehouse;
mod zone;

pub use catalog::{ObjectInfo, PartitionInfo};
pub use data::FileInfo;
pub use ddl::{Change, NewObject};
pub use fault::{Fault, FaultHook, Step};
pub use load::{Load, LoadFile, LoadPartition, LoadSummary, PendingFile, PendingPartition, RawFile};
pub use options::OpenOptions;
pub use read::{ReadSnapshot, SnapshotFile, SnapshotObject};
pub use secret::ImportedKeys;
pub use store::{DatabaseInfo, Store};
