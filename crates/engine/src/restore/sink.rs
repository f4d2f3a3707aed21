//! Partitions of one object of a snapshot into the warehouse's staging area.

use crate::restore::download::{Download, memory_of};
use crate::restore::plan::{Naming, Planned};
use crate::{CancelToken, job::Progress, workers::Workers};
use async_trait::async_trait;
use rockhold_core::format::{EntryReader, FileEntry, PartitionEntry};
use rockhold_core::{
    Error, JobId, ObjectName, ReceivedFile, RestoreSink, Result, SharedRepository, SharedWarehouse,
    StagedFile,
};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// How many files, and how many partitions, are staged in one call.
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

/// A file on its way.
struct Pending {
    place: Place,
    partition: Arc<str>,
    task: DownloadTask,
}

/// Where a file belongs.
struct Place {
    /// Its partition, counted from the first of the object.
    partition: usize,
    /// Its number inside the partition.
    number: u64,
    entry: FileEntry,
}

/// The sink of one target. Partitions and files are staged in batches that
/// reach across partitions: a batch costs the warehouse a transaction.
pub(crate) struct StageSink {
    context: Arc<DownloadContext>,
    target: usize,
    object: ObjectName,
    naming: Naming,
    queue: VecDeque<Pending>,
    /// Partitions that have come and are not staged.
    partitions: Vec<PartitionEntry>,
    /// The handles of those that are staged, in the order of their coming.
    handles: Vec<i64>,
    /// Files that are here and not staged.
    files: Vec<(Place, ReceivedFile)>,
}

impl StageSink {
    pub(crate) fn new(context: Arc<DownloadContext>, target: usize, planned: &Planned) -> Self {
        Self {
            context,
            target,
            object: planned.entry.name.clone(),
            naming: planned.naming.clone(),
            queue: VecDeque::new(),
            partitions: Vec::new(),
            handles: Vec::new(),
            files: Vec::new(),
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
        self.files.push((first.place, file));
        if self.files.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Stages what has gathered: partitions before their files.
    async fn flush(&mut self) -> Result<()> {
        let DownloadContext { warehouse, cancel, job, .. } = &*self.context;
        if !self.partitions.is_empty() {
            let partitions = std::mem::take(&mut self.partitions);
            let count = partitions.len();
            let staged = warehouse.stage_partitions(*job, self.target, partitions);
            let handles = cancel.run(staged).await?;
            answers(count, handles.len())?;
            self.handles.extend(handles);
        }
        if self.files.is_empty() {
            return Ok(());
        }
        let files = std::mem::take(&mut self.files);
        let files = files.into_iter().map(|(place, file)| {
            let handle = self.handles.get(place.partition);
            let handle = handle.ok_or_else(|| Error::internal("a file came before its partition"))?;
            Ok(StagedFile::new(*handle, place.number, file, &place.entry))
        });
        cancel.run(warehouse.stage_files(*job, files.collect::<Result<_>>()?)).await
    }

    /// Begins to bring a file here; `expected` when it seems to be here.
    fn download(&self, entry: FileEntry, expected: bool) -> DownloadTask {
        let shared = self.context.clone();
        DownloadTask(tokio::spawn(async move {
            let distant = shared.repository.capabilities().distant;
            let _permit = shared.workers.for_file(memory_of(&entry), distant).await?;
            shared.cancel.check()?;
            let download = Download {
                repository: shared.repository.clone(),
                warehouse: shared.warehouse.clone(),
                job: shared.job,
                entry,
                expected,
                workers: shared.workers.clone(),
                cancel: shared.cancel.clone(),
                progress: shared.progress.clone(),
            };
            download.run().await
        }))
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
        let files = std::mem::take(&mut partition.files);
        let index = self.handles.len() + self.partitions.len();
        self.partitions.push(partition);
        let mut files = EntryReader::files(context.repository.clone(), &self.object, &name, files);
        let mut number = 0;
        loop {
            let entries = context.cancel.run(next_batch(&mut files)).await?;
            let asked: Vec<_> = entries.iter().map(|entry| (entry.digest, entry.len)).collect();
            if asked.is_empty() {
                break;
            }
            let here = context.warehouse.has_files(Some(context.job), &asked);
            let here = context.cancel.run(here).await?;
            answers(asked.len(), here.len())?;
            for (entry, expected) in entries.into_iter().zip(here) {
                let task = self.download(entry.clone(), expected);
                let place = Place { partition: index, number, entry };
                self.queue.push_back(Pending { place, partition: name.clone(), task });
                number += 1;
                while self.queue.len() >= context.workers.max_in_flight {
                    self.take_first().await?;
                }
            }
        }
        if self.partitions.len() >= BATCH { self.flush().await } else { Ok(()) }
    }
}

/// Refuses a warehouse that does not answer for each of what it was asked:
/// files would be left out, or get into other partitions.
fn answers(asked: usize, came: usize) -> Result<()> {
    if asked == came {
        return Ok(());
    }
    Err(Error::internal(format!("the warehouse gave {came} answers to {asked} questions")))
}

/// The next files of a partition, at most a batch of them.
async fn next_batch(files: &mut EntryReader<FileEntry>) -> Result<Vec<FileEntry>> {
    let mut entries = Vec::new();
    while entries.len() < BATCH
        && let Some(entry) = files.next().await?
    {
        entries.push(entry);
    }
    Ok(entries)
}
