//! What a restore of one object would move: which of its files are here, by
//! digest, reading manifests only.

use crate::backup::Amounts;
use crate::restore::plan::Planned;
use crate::restore::run::Source;
use crate::{CancelToken, Engine};
use async_trait::async_trait;
use rockhold_core::format::{EntryReader, PartitionEntry};
use rockhold_core::{Digest, ObjectName, RestoreSink, Result, SharedRepository, SharedWarehouse};

/// How many files are asked for at once.
const BATCH: usize = 256;

/// Counts what the restore of an object would stage and download.
pub(crate) async fn estimate(
    engine: &Engine,
    repository: &SharedRepository,
    planned: &Planned,
) -> Result<Amounts> {
    let Some(writer) = engine.writer(&planned.entry.kind) else { return Ok(Amounts::default()) };
    let mut source = Source::new(planned, repository, CancelToken::default());
    let mut sink = CountSink {
        repository: repository.clone(),
        warehouse: engine.0.warehouse.clone(),
        object: planned.entry.name.clone(),
        batch: Vec::new(),
        amounts: Amounts::default(),
    };
    writer.read(&planned.entry, &planned.document, &mut source, &mut sink).await?;
    sink.flush().await?;
    Ok(sink.amounts)
}

struct CountSink {
    repository: SharedRepository,
    warehouse: SharedWarehouse,
    object: ObjectName,
    batch: Vec<(Digest, u64)>,
    amounts: Amounts,
}

impl CountSink {
    async fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let here = self.warehouse.has_files(None, &batch).await?;
        for ((_, len), _) in batch.iter().zip(here).filter(|(_, here)| !here) {
            self.amounts.files_to_move += 1;
            self.amounts.bytes_to_move += len;
        }
        Ok(())
    }
}

#[async_trait]
impl RestoreSink for CountSink {
    async fn partition(&mut self, partition: PartitionEntry) -> Result<()> {
        self.amounts.partitions += 1;
        self.amounts.files += partition.totals.files;
        self.amounts.rows += partition.totals.rows;
        self.amounts.bytes += partition.totals.bytes;
        let mut files =
            EntryReader::files(self.repository.clone(), &self.object, &partition.name, partition.files);
        while let Some(file) = files.next().await? {
            self.batch.push((file.digest, file.len));
            if self.batch.len() >= BATCH {
                self.flush().await?;
            }
        }
        Ok(())
    }
}
