//! User-defined functions in snapshots: the adapter of the object type
//! `function`.
//!
//! [`FunctionCodec`] is what a function is as data. The file that a Java or
//! Python function names travels beside it, when the warehouse holds a copy: one
//! partition named [`ARTIFACT_PARTITION`] with one file.

mod codec;

pub use codec::{ARTIFACT_PARTITION, FunctionCodec, descriptor};
