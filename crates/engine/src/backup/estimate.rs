//! What a backup would move, found out without moving anything: by version
//! ids and digests, reading no data.

use crate::backup::known::KnownFiles;
use async_trait::async_trait;
use rockhold_core::format::{Children, PartitionEntry, PartitionPlanner, PlanStep};
use rockhold_core::{Cut, DataPart, ObjectName, PinnedPartition, Result, SnapshotSink};

/// How many files of a partition are listed at once.
const BATCH: usize = 256;

/// What one object amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub(crate) partitions: u64,
    pub(crate) files: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) files_to_move: u64,
    pub(crate) bytes_to_move: u64,
}

impl Amounts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.partitions += other.partitions;
        self.files += other.files;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.files_to_move += other.files_to_move;
        self.bytes_to_move += other.bytes_to_move;
    }
}

/// Counts where the sink of a backup would upload.
pub(crate) struct EstimateSink<'a> {
    cut: &'a dyn Cut,
    known: &'a KnownFiles,
    object: ObjectName,
    planner: PartitionPlanner,
    amounts: Amounts,
}

impl<'a> EstimateSink<'a> {
    pub(crate) fn new(
        cut: &'a dyn Cut,
        known: &'a KnownFiles,
        object: ObjectName,
        base: Option<Children<PartitionEntry>>,
    ) -> Self {
        let planner = PartitionPlanner::new(known.repository.clone(), base);
        Self { cut, known, object, planner, amounts: Amounts::default() }
    }

    pub(crate) async fn finish(mut self) -> Result<Amounts> {
        for step in self.planner.finish().await? {
            self.take(step).await?;
        }
        Ok(self.amounts)
    }

    async fn take(&mut self, step: PlanStep) -> Result<()> {
        if let PlanStep::Upload { partition, base } = step {
            let base = self.known.of_base(&self.object, &partition.name, base).await?;
            let mut after = None;
            loop {
                let files = self.cut.files(&partition, after, BATCH).await?;
                let Some(last) = files.last() else { break };
                after = Some(last.number);
                let known = self.known.find(&files, &base).await?;
                for (file, _) in files.iter().zip(known).filter(|(_, known)| known.is_none()) {
                    if let DataPart::LocalFile { len, .. } = &file.part {
                        self.amounts.files_to_move += 1;
                        self.amounts.bytes_to_move += len;
                    }
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl SnapshotSink for EstimateSink<'_> {
    async fn partition(&mut self, partition: PinnedPartition) -> Result<()> {
        self.amounts.partitions += 1;
        self.amounts.files += partition.files;
        self.amounts.rows += partition.rows;
        self.amounts.bytes += partition.bytes;
        for step in self.planner.push(partition).await? {
            self.take(step).await?;
        }
        Ok(())
    }
}
