//! The contract of an object type's data: from a pinned object to manifest
//! entries, and back into a warehouse.

use crate::format::{ObjectEntry, PartitionEntry};
use crate::{Cut, Document, KindId, PinnedPartition, Result};
use async_trait::async_trait;
use std::fmt;

/// Takes the entries of one object into a snapshot. The engine implements it:
/// it decides what is unchanged, uploads what is not, within its limits of
/// memory, workers and rates, and writes the pages.
#[async_trait]
pub trait SnapshotSink: Send {
    /// Takes in the next partition. Partitions come sorted by name (bytes).
    ///
    /// # Errors
    /// `InvalidInput` when the order is broken; whatever upload gives.
    async fn partition(&mut self, partition: PinnedPartition) -> Result<()>;
}

/// Takes the entries of one object into a warehouse. The engine implements
/// it: it downloads or references the files and stages them.
#[async_trait]
pub trait RestoreSink: Send {
    /// Stages a partition with all its files.
    ///
    /// # Errors
    /// Whatever download and staging give.
    async fn partition(&mut self, partition: PartitionEntry) -> Result<()>;
}

/// Gives the partition entries of one object of a snapshot, sorted by name.
/// The engine implements it; pages are read and verified one at a time.
#[async_trait]
pub trait PartitionSource: Send {
    /// The next partition that was selected; `None` at the end.
    ///
    /// # Errors
    /// `Corrupt` naming the object and the page.
    async fn next(&mut self) -> Result<Option<PartitionEntry>>;
}

/// An object type's data. Never pins, never commits.
///
/// * D1. `write` gives every partition of the object's cut to the sink exactly
///   once, sorted.
/// * D2. `read` gives every partition of the source to the sink exactly once.
/// * D3. Both hold a bounded number of entries in memory.
#[async_trait]
pub trait SnapshotWriter: Send + Sync + fmt::Debug {
    /// The kind.
    fn kind(&self) -> &KindId;

    /// From the pinned object number `object` of `cut` into the snapshot.
    ///
    /// # Errors
    /// Those of cut and sink.
    async fn write(
        &self,
        cut: &dyn Cut,
        object: usize,
        document: &Document,
        sink: &mut dyn SnapshotSink,
    ) -> Result<()>;

    /// From the snapshot into the warehouse.
    ///
    /// # Errors
    /// Those of source and sink.
    async fn read(
        &self,
        entry: &ObjectEntry,
        document: &Document,
        source: &mut dyn PartitionSource,
        sink: &mut dyn RestoreSink,
    ) -> Result<()>;
}
