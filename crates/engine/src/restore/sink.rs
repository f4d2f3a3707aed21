//! Partitions of one object of a snapshot into the warehouse's staging area.

use crate::restore::download::Download;
use crate::restore::plan::{Naming, Planned};
use crate::{CancelToken, job::Progress, workers::Workers};
use async_trait::async_trait;
use rockhold_core::format::{EntryReader, PartitionEntry};
use rockhold_core::{
    Error, JobId, ObjectName, ReceivedFile, RestoreSink, Result, SharedRepository, SharedWarehouse,
    StagedFile,
};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// How many files are staged in one call.
const BATCH: usize = 256;

/// What all downloads of one restore share.
pub(crate) struct DownloadContext {
    pub(crate) job: JobId,
    pub(crate) repository: SharedRepository,
    pub(crate) warehouse: SharedWarehouse,
    pub(crate) workers: Workers,
    pub(crate) cancel: CancelToken,
    pub(crate) progress: Arc<Progress>,
}

/// A download that stops when it is dropped.
struct DownloadTask(JoinHandle<Result<ReceivedFile>>);

impl Drop for DownloadTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Pending {
    handle: i64,
    number: u64,
    entry: rockhold_core::format::FileEntry,
    partition: Arc<str>,
    task: DownloadTask,
}

/// The sink of one target.
pub(crate) struct StageSink {
    context: Arc<DownloadContext>,
    target: usize,
    object: ObjectName,
    naming: Naming,
    queue: VecDeque<Pending>,
    batch: Vec<StagedFile>,
    batch_handle: i64,
}

impl StageSink {
    pub(crate) fn new(context: Arc<DownloadContext>, target: usize, planned: &Planned) -> Self {
        Self {
            context,
            target,
            object: planned.entry.name.clone(),
            naming: planned.naming.clone(),
            queue: VecDeque::new(),
            batch: Vec::new(),
            batch_handle: 0,
        }
    }

    /// Waits for the downloads that are under way and stages them.
    pub(crate) async fn finish(mut self) -> Result<()> {
        while !self.queue.is_empty() {
            if let Err(error) = self.take_first().await {
                self.stop().await;
                return Err(error);
            }
        }
        self.flush().await
    }

    /// Stops all downloads and waits until they have stopped, so that what
    /// they received can be removed.
    pub(crate) async fn stop(mut self) {
        for mut pending in self.queue.drain(..) {
            pending.task.0.abort();
            // An aborted task ends with an error that says nothing new.
            let _ = (&mut pending.task.0).await;
        }
    }

    async fn take_first(&mut self) -> Result<()> {
        let Some(mut first) = self.queue.pop_front() else { return Ok(()) };
        let done =
            (&mut first.task.0).await.map_err(|e| Error::internal("a download task died").because(e))?;
        let file = done.map_err(|e| e.with("object", &self.object).with("partition", &first.partition))?;
        if self.batch_handle != first.handle || self.batch.len() >= BATCH {
            self.flush().await?;
            self.batch_handle = first.handle;
        }
        self.batch.push(StagedFile::new(first.number, file, &first.entry));
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let files = std::mem::take(&mut self.batch);
        let staged = self.context.warehouse.stage_files(self.context.job, self.batch_handle, files);
        self.context.cancel.run(staged).await
    }
}

#[async_trait]
impl RestoreSink for StageSink {
    async fn partition(&mut self, mut partition: PartitionEntry) -> Result<()> {
        let context = self.context.clone();
        let name: Arc<str> = partition.name.as_str().into();
        if let Some((name, definition)) = self.naming.apply(&partition.name, &partition.definition)? {
            (partition.name, partition.definition) = (name, definition);
        }
        context.progress.found(partition.totals.files, partition.totals.bytes);
        let staged = context.warehouse.stage_partition(context.job, self.target, &partition);
        let handle = context.cancel.run(staged).await?;
        let mut files = EntryReader::files(context.repository.clone(), &self.object, &name, partition.files);
        let mut number = 0;
        while let Some(entry) = context.cancel.run(files.next()).await? {
            let (shared, file) = (context.clone(), entry.clone());
            let task = tokio::spawn(async move {
                let _permit =
                    shared.workers.for_file(file.len, shared.repository.capabilities().distant).await?;
                shared.cancel.check()?;
                let download = Download {
                    repository: shared.repository.clone(),
                    warehouse: shared.warehouse.clone(),
                    job: shared.job,
                    entry: file,
                    workers: shared.workers.clone(),
                    cancel: shared.cancel.clone(),
                    progress: shared.progress.clone(),
                };
                download.run().await
            });
            let partition = name.clone();
            self.queue.push_back(Pending { handle, number, entry, partition, task: DownloadTask(task) });
            number += 1;
            while self.queue.len() >= context.workers.max_in_flight {
                self.take_first().await?;
            }
        }
        Ok(())
    }
}
