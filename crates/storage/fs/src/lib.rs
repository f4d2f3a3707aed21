//! Repositories on a local disk
