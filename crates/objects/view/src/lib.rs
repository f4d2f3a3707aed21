//! Logical views in snapshots: the adapter of the object type `view`.
//!
//! [`ViewCodec`] is what a view is as data. A view has no rows of its own, so
//! there is no snapshot writer.

mod codec;

pub use codec::{ViewCodec, descriptor};
