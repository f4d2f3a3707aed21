//! The snapshot writer of every kind whose data are partitions of files.

use crate::format::ObjectEntry;
use crate::{Cut, Document, KindId, PartitionSource, RestoreSink, Result, SnapshotSink, SnapshotWriter};
use async_trait::async_trait;

/// How many partitions are asked for at once.
const BATCH: usize = 512;

/// Walks the partitions of a pinned object into a snapshot and back, a batch at
/// a time.
#[derive(Debug)]
pub struct PartitionWriter {
    kind: KindId,
}

impl PartitionWriter {
    /// A writer for objects of `kind`.
    pub fn new(kind: KindId) -> Self {
        Self { kind }
    }
}

#[async_trait]
impl SnapshotWriter for PartitionWriter {
    fn kind(&self) -> &KindId {
        &self.kind
    }

    async fn write(
        &self,
        cut: &dyn Cut,
        object: usize,
        _: &Document,
        sink: &mut dyn SnapshotSink,
    ) -> Result<()> {
        let mut after: Option<String> = None;
        loop {
            let batch = cut.partitions(object, after.as_deref(), BATCH).await?;
            let Some(last) = batch.last() else { return Ok(()) };
            after = Some(last.name.clone());
            for partition in batch {
                sink.partition(partition).await?;
            }
        }
    }

    async fn read(
        &self,
        _: &ObjectEntry,
        _: &Document,
        source: &mut dyn PartitionSource,
        sink: &mut dyn RestoreSink,
    ) -> Result<()> {
        while let Some(partition) = source.next().await? {
            sink.partition(partition).await?;
        }
        Ok(())
    }
}
