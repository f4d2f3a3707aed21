//! A table's partitions, from a cut into a snapshot and back.

use async_trait::async_trait;
use rockhold_core::format::ObjectEntry;
use rockhold_core::{
    Cut, Document, KindId, PartitionSource, RestoreSink, Result, SnapshotSink, SnapshotWriter,
};

/// How many partitions are asked for at once.
const BATCH: usize = 512;

/// The snapshot writer of every kind whose data are partitions of files.
#[derive(Debug)]
pub struct TableWriter {
    kind: KindId,
}

impl TableWriter {
    /// A writer for objects of `kind`.
    pub fn new(kind: KindId) -> Self {
        Self { kind }
    }
}

impl Default for TableWriter {
    fn default() -> Self {
        Self::new(KindId::TABLE)
    }
}

#[async_trait]
impl SnapshotWriter for TableWriter {
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
