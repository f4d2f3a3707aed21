//! Where a row belongs: its partition and its bucket.

pub(crate) mod bucket;
pub(crate) mod key;
pub(crate) mod router;
