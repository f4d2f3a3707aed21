//! Repositories on a local disk: `file:///absolute/path`.
//!
//! An object is a file; its key is the path below the root. What the contract
//! of [`Repository`](rockhold_core::Repository) asks for is done like this:
//!
//! | promise | means |
//! |---|---|
//! | whole or not at all (R1) | written to `.tmp-*` beside its destination, then renamed |
//! | create-new (R3) | `renameat2` with `RENAME_NOREPLACE`; a hard link where that is missing |
//! | if-match (R4) | compare and rename under a lock on the root directory, held against every other replacement and deletion |
//! | leftovers (R5) | the `.tmp-*` files below a prefix; never listed, never a key |
//! | barrier (R10) | `fsync` of the few files written since the last one and of their directories, or one `syncfs` when they are many |
//! | durable put | `fsync` before the rename, then of the directories |
//!
//! A path is resolved below the root by the kernel (`openat2` with
//! `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS`, `RESOLVE_NO_XDEV`) or, where that
//! is missing, one directory at a time. Deliberately absent: following a
//! symbolic link inside the root, and crossing into a file system mounted
//! there, which a barrier would not reach.
//!
//! The entity tag is made of length, time of writing in nanoseconds and inode.

mod backend;
mod config;
mod deleter;
mod durability;
mod error;
mod factory;
mod lister;
mod platform;
mod reader;
mod root;
mod staged;
mod writer;

pub use backend::FsRepository;
pub use config::FsConfig;
pub use factory::FsFactory;
