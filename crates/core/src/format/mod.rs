//! The repository format: what lies in a bucket, and how it is read back.
//!
//! `docs/repository-format.md` is the specification; this module implements
//! it. Everything read from a repository is hostile input: lengths, counts
//! and depths are bounded before anything is allocated, digests are checked
//! before anything is decoded.

mod entry;

pub use entry::{
    Children, DocumentRef, FileEntry, Fingerprint, ObjectEntry, PageRef, PartitionEntry, Totals, data_key,
};
