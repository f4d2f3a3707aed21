//! A restore from PENDING to its end.

use crate::CancelToken;
use crate::engine::RunningJob;
use crate::job::{FINISHED, JobDetail, guarantee_note, restore_state};
use crate::restore::RestoreJob;
use crate::restore::plan::Planned;
use crate::restore::sink::{DownloadContext, StageSink};
use async_trait::async_trait;
use rockhold_core::format::{EntryReader, PartitionEntry, SnapshotKind};
use rockhold_core::{Error, JobOutcome, PartitionSource, RestoreOptions, Result, SharedRepository};
use std::sync::Arc;
use std::time::Duration;

/// The pauses before a rollback that failed is tried again.
const ROLLED_BACK_AGAIN: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(500), Duration::from_secs(2)];

/// Runs the job to its end, whatever happens on the way.
pub(crate) async fn run(mut running: RunningJob, job: RestoreJob) {
    let watchdog = running.watchdog();
    let result = work(&mut running, &job).await;
    drop(watchdog);
    match result {
        Ok(()) => running.end(FINISHED, |_| ()).await,
        Err(error) => give_up(running, error).await,
    }
}

/// Ends a restore that failed: the warehouse knows whether it was committed.
async fn give_up(running: RunningJob, mut error: Error) {
    let warehouse = running.engine.0.warehouse.clone();
    let _permit = running.engine.0.pools.release_snapshot.clone().acquire_owned().await;
    match warehouse.outcome(running.id()).await {
        Ok(JobOutcome::Committed) => return running.end(FINISHED, |_| ()).await,
        Ok(JobOutcome::Open) => {
            if let Err(left) = roll_back(&running).await {
                // The next owner of the warehouse rolls it back; until then the
                // targets stay in state RESTORE.
                tracing::error!(error = ?left, "a restore could not be rolled back now");
                error = error.with(
                    "its tables",
                    "stay in state RESTORE until this process has ended and another one writes",
                );
            }
        }
        Ok(JobOutcome::Unknown | JobOutcome::RolledBack) => {}
        Err(unknown) => tracing::error!(error = ?unknown, "the outcome of a restore cannot be read now"),
    }
    let error = say_state(&running, error);
    running.end_cancelled(&error).await;
}

/// Rolls back, and again where the warehouse could not for the moment.
async fn roll_back(running: &RunningJob) -> Result<()> {
    let warehouse = &running.engine.0.warehouse;
    for wait in ROLLED_BACK_AGAIN {
        match warehouse.rollback(running.id()).await {
            Err(error) => tracing::warn!(?error, "a restore could not be rolled back; it is tried again"),
            Ok(()) => return Ok(()),
        }
        tokio::time::sleep(wait).await;
    }
    warehouse.rollback(running.id()).await
}

/// StarRocks adds the state to the text of a user's cancel.
fn say_state(running: &RunningJob, error: Error) -> Error {
    if error.kind() == rockhold_core::ErrorKind::Cancelled && error.message() == "user cancelled" {
        return Error::cancelled(format!("user cancelled, current state: {}", running.record.state));
    }
    error
}

async fn work(running: &mut RunningJob, job: &RestoreJob) -> Result<()> {
    let engine = running.engine.clone();
    let (warehouse, clock) = (&engine.0.warehouse, &engine.0.clock);
    running.cancel.check()?;
    running.record.number = engine.0.state.next_number().await?;

    let options = RestoreOptions::new(job.replication_num);
    let database = running.record.database.clone();
    let planning =
        engine.plan_restore(&job.opened.repository, &database, &job.chosen, &job.entries, &options);
    let (plan, planned, mut notes) = running.cancel.run(planning).await?.accept()?;
    notes.extend(guarantee_note(job.cut.min(warehouse.guarantees().commit)));
    for note in &notes {
        tracing::info!(job = %running.id(), "{note}");
    }
    warehouse.begin(running.id(), &plan).await?;
    let now = clock.now();
    let prepared = |d: &mut JobDetail| {
        d.meta_prepared = Some(now);
        d.notes = notes;
    };
    // External catalogs have no data: StarRocks goes from PENDING to COMMITTING.
    if job.kind == SnapshotKind::ExternalCatalogs {
        running.cancel.check()?;
        running.enter(restore_state::COMMITTING, prepared).await?;
        return warehouse.commit(running.id()).await;
    }
    running.enter(restore_state::SNAPSHOTING, prepared).await?;
    let now = clock.now();
    running.enter(restore_state::DOWNLOAD, |d| d.snapshot_finished = Some(now)).await?;

    running.enter(restore_state::DOWNLOADING, |_| ()).await?;
    let context = Arc::new(DownloadContext {
        job: running.id(),
        repository: job.opened.repository.clone(),
        warehouse: warehouse.clone(),
        workers: engine.0.pools.download.clone(),
        cancel: running.cancel.clone(),
        progress: running.progress.clone(),
    });
    for (target, one) in planned.iter().enumerate() {
        stage_object(running, &context, target, one, job).await?;
    }
    let now = clock.now();
    running.enter(restore_state::COMMIT, |d| d.transfer_finished = Some(now)).await?;

    running.cancel.check()?;
    running.enter(restore_state::COMMITTING, |_| ()).await?;
    warehouse.commit(running.id()).await
}

async fn stage_object(
    running: &RunningJob,
    context: &Arc<DownloadContext>,
    target: usize,
    planned: &Planned,
    job: &RestoreJob,
) -> Result<()> {
    let engine = &running.engine;
    let name = planned.entry.name.clone();
    let Some(writer) = engine.writer(&planned.entry.kind) else { return Ok(()) };
    let mut source = Source::new(planned, &job.opened.repository, running.cancel.clone());
    let mut sink = StageSink::new(context.clone(), target, planned);
    let read = writer.read(&planned.entry, &planned.document, &mut source, &mut sink).await;
    match read {
        Ok(()) => sink.finish().await,
        Err(error) => {
            sink.stop().await;
            Err(error)
        }
    }
    .map_err(|e| if e.context().iter().any(|(k, _)| *k == "object") { e } else { e.with("object", &name) })
}

/// The partitions that were selected, one verified page at a time.
pub(crate) struct Source {
    reader: EntryReader<PartitionEntry>,
    cancel: CancelToken,
}

impl Source {
    pub(crate) fn new(planned: &Planned, repository: &SharedRepository, cancel: CancelToken) -> Self {
        Self { reader: planned.reader(repository), cancel }
    }
}

#[async_trait]
impl PartitionSource for Source {
    async fn next(&mut self) -> Result<Option<PartitionEntry>> {
        self.cancel.run(self.reader.next()).await
    }
}
