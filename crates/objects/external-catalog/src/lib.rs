//! External catalogs in snapshots: the adapter of the object type
//! `external_catalog`.
//!
//! [`CatalogDocumentCodec`] is what a catalog is as data: comment and
//! properties, secrets encrypted. A catalog has no rows here.

mod codec;

pub use codec::{CatalogDocumentCodec, descriptor};
