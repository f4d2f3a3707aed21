//! Partitions of one object into the snapshot: what is unchanged is kept,
//! what changed is uploaded, in order and within bounds.

use crate::backup::known::KnownFiles;
use crate::backup::upload::Upload;
use crate::{CancelToken, job::Progress, workers::Workers};
use async_trait::async_trait;
use rockhold_core::format::{
    Children, FileEntry, FileWriter, PageRef, PageWriter, PartitionEntry, PartitionPlanner, PartitionWriter,
    PlanStep, Totals, data_key,
};
use rockhold_core::{
    Cut, DataPart, Error, JobId, ObjectName, PinnedFile, PinnedPartition, RepositoryId, Result,
    SharedRepository, SharedState, SnapshotSink,
};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// How many files of a partition are listed at once.
const BATCH: usize = 256;

/// Uploaded files are noted in the local cache after so many of them, so many
/// bytes or some time: what a job that dies has not noted is uploaded again.
const NOTED_FILES: usize = 1024;
const NOTED_BYTES: u64 = 16 << 20;

/// At most this many entries wait to be written.
const QUEUE_LIMIT: usize = 4096;

/// What all uploads of one backup share.
pub(crate) struct UploadContext {
    pub(crate) job: JobId,
    pub(crate) repository: SharedRepository,
    pub(crate) repository_id: RepositoryId,
    pub(crate) state: SharedState,
    pub(crate) workers: Workers,
    pub(crate) part_len: usize,
    pub(crate) cancel: CancelToken,
    pub(crate) progress: Arc<Progress>,
    /// Set when a file is sent in parts.
    pub(crate) in_parts: Arc<AtomicBool>,
    pub(crate) known: KnownFiles,
    pub(crate) next_number: AtomicU64,
    pub(crate) uploaded_bytes: AtomicU64,
    /// How long an uploaded file may wait to be noted.
    pub(crate) note_every: Duration,
    /// Uploaded, not yet in the local cache.
    pub(crate) fresh: Mutex<Fresh>,
}

/// Files that were uploaded, and their bytes.
#[derive(Default)]
pub(crate) struct Fresh {
    files: Vec<FileEntry>,
    bytes: u64,
    /// When the last ones were noted.
    noted: Option<Instant>,
}

impl Fresh {
    /// Those that are to be noted now, if they are enough.
    fn batch(&mut self, every: Duration) -> Option<Vec<FileEntry>> {
        let since = self.noted.get_or_insert_with(Instant::now).elapsed();
        let few = self.files.len() < NOTED_FILES && self.bytes < NOTED_BYTES && since < every;
        (!few).then(|| self.take())
    }

    fn take(&mut self) -> Vec<FileEntry> {
        (self.bytes, self.noted) = (0, Some(Instant::now()));
        std::mem::take(&mut self.files)
    }
}

impl UploadContext {
    /// Remembers what was uploaded, in batches.
    async fn remember(&self, entry: &FileEntry) -> Result<()> {
        let batch = {
            let mut fresh = self.fresh();
            fresh.bytes = fresh.bytes.saturating_add(entry.len);
            fresh.files.push(entry.clone());
            fresh.batch(self.note_every)
        };
        match batch {
            Some(files) => self.state.remember_files(self.repository_id, self.job, &files).await,
            None => Ok(()),
        }
    }

    /// Remembers the rest.
    pub(crate) async fn remember_rest(&self) -> Result<()> {
        let rest = self.fresh().take();
        if rest.is_empty() {
            return Ok(());
        }
        self.state.remember_files(self.repository_id, self.job, &rest).await
    }

    fn fresh(&self) -> MutexGuard<'_, Fresh> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be written next, in order.
enum Queued {
    Reuse(Box<PageRef>),
    Keep(Box<PartitionEntry>),
    Cut,
    Begin(Box<PinnedPartition>),
    Known(Box<FileEntry>),
    Uploading(UploadTask),
    End,
}

/// An upload that stops when it is dropped.
struct UploadTask(JoinHandle<Result<FileEntry>>);

impl Drop for UploadTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The sink of one object.
pub(crate) struct UploadSink<'a> {
    context: Arc<UploadContext>,
    pages: Arc<PageWriter>,
    cut: &'a dyn Cut,
    object: ObjectName,
    planner: PartitionPlanner,
    writer: PartitionWriter,
    queue: VecDeque<Queued>,
    uploading: usize,
    current: Option<(Box<PinnedPartition>, FileWriter)>,
}

impl<'a> UploadSink<'a> {
    pub(crate) fn new(
        context: Arc<UploadContext>,
        pages: Arc<PageWriter>,
        cut: &'a dyn Cut,
        object: ObjectName,
        base: Option<Children<PartitionEntry>>,
    ) -> Self {
        Self {
            planner: PartitionPlanner::new(context.repository.clone(), base),
            writer: PartitionWriter::new(pages.clone()),
            context,
            pages,
            cut,
            object,
            queue: VecDeque::new(),
            uploading: 0,
            current: None,
        }
    }

    /// Ends the object: its partitions and their sums, and what of the base was damaged.
    pub(crate) async fn finish(mut self) -> Result<(Children<PartitionEntry>, Totals, Vec<String>)> {
        if let Err(error) = self.write_all().await {
            self.stop().await;
            return Err(error);
        }
        let damaged = self.planner.damaged().iter().map(ToString::to_string).collect();
        let (children, totals) = self.writer.finish().await?;
        Ok((children, totals, damaged))
    }

    async fn write_all(&mut self) -> Result<()> {
        for step in self.planner.finish().await? {
            self.take(step).await?;
        }
        while !self.queue.is_empty() {
            self.write_next().await?;
        }
        Ok(())
    }

    async fn take(&mut self, step: PlanStep) -> Result<()> {
        match step {
            PlanStep::Reuse(page) => self.queue.push_back(Queued::Reuse(page)),
            PlanStep::Keep(entry) => self.queue.push_back(Queued::Keep(entry)),
            PlanStep::Cut => self.queue.push_back(Queued::Cut),
            PlanStep::Upload { partition, base } => self.upload(partition, base).await?,
        }
        // Nothing waits longer than it must: what is ready in front is written now.
        while self.uploading < self.context.workers.max_in_flight
            && self.queue.front().is_some_and(|q| !matches!(q, Queued::Uploading(_)))
        {
            self.write_next().await?;
        }
        Ok(())
    }

    async fn upload(
        &mut self,
        partition: Box<PinnedPartition>,
        base: Option<Box<PartitionEntry>>,
    ) -> Result<()> {
        self.context.progress.found(partition.files, partition.bytes);
        let base = self.context.known.of_base(&self.object, &partition.name, base).await?;
        self.queue.push_back(Queued::Begin(partition.clone()));
        let mut after = None;
        loop {
            let files = self.context.cancel.run(self.cut.files(&partition, after, BATCH)).await?;
            let Some(last) = files.last() else { break };
            after = Some(last.number);
            let known = self.context.known.find(&files, &base).await?;
            for (file, known) in files.into_iter().zip(known) {
                match known {
                    Some(entry) => self.queue.push_back(Queued::Known(Box::new(placed(entry, &file)))),
                    None => self.spawn(file)?,
                }
                while self.uploading >= self.context.workers.max_in_flight || self.queue.len() >= QUEUE_LIMIT
                {
                    self.write_next().await?;
                }
            }
        }
        self.queue.push_back(Queued::End);
        Ok(())
    }

    fn spawn(&mut self, file: PinnedFile) -> Result<()> {
        let context = self.context.clone();
        let number = context.next_number.fetch_add(1, Ordering::Relaxed);
        let key = data_key(context.job, number, &file.extension)?;
        let mut len = 0;
        if let DataPart::LocalFile { len: local, .. } = &file.part {
            len = *local;
            context.progress.will_move(len);
        }
        self.uploading += 1;
        let task = tokio::spawn(async move {
            let _permit = context.workers.for_file(len, context.repository.capabilities().distant).await?;
            context.cancel.check()?;
            let upload = Upload {
                repository: &*context.repository,
                key,
                file: &file,
                part_len: context.part_len,
                workers: &context.workers,
                cancel: &context.cancel,
                progress: &context.progress,
                in_parts: &context.in_parts,
            };
            let entry = upload.run().await?;
            context.uploaded_bytes.fetch_add(entry.len, Ordering::Relaxed);
            context.remember(&entry).await?;
            Ok(entry)
        });
        self.queue.push_back(Queued::Uploading(UploadTask(task)));
        Ok(())
    }

    /// Writes what is first in the queue, waiting for it where necessary.
    async fn write_next(&mut self) -> Result<()> {
        let Some(next) = self.queue.pop_front() else { return Ok(()) };
        match next {
            Queued::Reuse(page) => {
                self.context.progress.found(page.totals.files, page.totals.bytes);
                self.writer.reuse(*page).await
            }
            Queued::Keep(entry) => {
                self.context.progress.found(entry.totals.files, entry.totals.bytes);
                self.writer.push(*entry).await
            }
            Queued::Cut => self.writer.cut().await,
            Queued::Begin(partition) => {
                self.current = Some((partition, FileWriter::new(self.pages.clone())));
                Ok(())
            }
            Queued::Known(entry) => self.push_file(*entry).await,
            Queued::Uploading(mut task) => {
                let done = (&mut task.0).await.map_err(|e| Error::internal("an upload task died").because(e));
                self.uploading -= 1;
                let entry = done?.map_err(|e| self.name(e))?;
                self.push_file(entry).await
            }
            Queued::End => {
                let Some((partition, files)) = self.current.take() else {
                    return Err(Error::internal("a partition ends that did not begin"));
                };
                let (children, totals) = files.finish().await?;
                self.writer.push(PartitionEntry::new(&partition, children, totals)?).await
            }
        }
    }

    async fn push_file(&mut self, entry: FileEntry) -> Result<()> {
        match &mut self.current {
            Some((_, files)) => files.push(entry).await,
            None => Err(Error::internal("a file comes outside a partition")),
        }
    }

    fn name(&self, error: Error) -> Error {
        let error = error.with("object", &self.object);
        match &self.current {
            Some((partition, _)) => error.with("partition", &partition.name),
            None => error,
        }
    }

    /// Stops all uploads and waits until they have stopped, so that what they
    /// wrote can be removed.
    pub(crate) async fn stop(mut self) {
        for queued in self.queue.drain(..) {
            if let Queued::Uploading(mut task) = queued {
                task.0.abort();
                // An aborted task ends with an error that says nothing new.
                let _ = (&mut task.0).await;
            }
        }
    }
}

#[async_trait]
impl SnapshotSink for UploadSink<'_> {
    async fn partition(&mut self, partition: PinnedPartition) -> Result<()> {
        self.context.cancel.check()?;
        for step in self.planner.push(partition).await? {
            self.take(step).await?;
        }
        Ok(())
    }
}

/// A known file in the place that the pinned one has.
fn placed(entry: FileEntry, file: &PinnedFile) -> FileEntry {
    FileEntry {
        rows: file.rows,
        bucket: file.bucket,
        loads: file.loads,
        rollup: file.rollup.clone(),
        ..entry
    }
}
