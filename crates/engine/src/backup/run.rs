//! A backup from PENDING to its end.

use crate::Engine;
use crate::backup::sink::{UploadContext, UploadSink};
use crate::backup::{BackupJob, Bases, KnownFiles, owner};
use crate::engine::RunningJob;
use crate::job::{FINISHED, backup_state};
use crate::select::Selected;
use rockhold_core::format::{
    Children, Claim, Ending, Heartbeat, ObjectEntry, ObjectEntryWriter, PageWriter, PartitionEntry,
    SnapshotDocument, SnapshotKind, data_prefix, meta_prefix, write_object,
};
use rockhold_core::{Cut, Document, Error, ErrorKind, JobId, LiveObject, PinRequest, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The SQL text of a document lists at most this many partitions.
const SQL_PARTITIONS: usize = 10_000;

/// The longest that a finished backup looks for unfinished uploads.
const DISCARD: Duration = Duration::from_secs(60);

/// Runs the job to its end, whatever happens on the way.
pub(crate) async fn run(mut running: RunningJob, job: BackupJob) {
    let watchdog = running.watchdog();
    let heartbeat = keep_alive(&running, job.claim.heartbeat());
    let result = work(&mut running, &job).await;
    heartbeat.abort();
    drop(watchdog);
    let engine = running.engine.clone();
    if let Err(error) = release(&engine, running.id()).await {
        tracing::warn!(?error, "pins were not released; they end with their lease");
    }
    match result {
        Ok(()) => finish(running, &job).await,
        Err(error) => give_up(running, &job, error).await,
    }
}

/// Lets go of what the job has pinned; twice is a success.
async fn release(engine: &Engine, job: JobId) -> Result<()> {
    let permit = engine.0.pools.release_snapshot.acquire();
    let _permit = permit.await.map_err(|e| Error::internal("the release pool is closed").because(e))?;
    engine.0.warehouse.release(job).await
}

/// Ends a job whose snapshot is committed.
async fn finish(running: RunningJob, job: &BackupJob) {
    running.engine.forget_claim(running.id()).await;
    // An upload that was begun and whose reply was lost has no writer that
    // could end it, nor has one of a dead job whose claim this one took over;
    // its parts would be stored, and paid for, for ever.
    let mut places = Vec::new();
    if job.in_parts.load(Ordering::Relaxed) {
        places.push(data_prefix(running.id()));
    }
    places.extend(job.claim.adopts().iter().flat_map(|dead| [data_prefix(*dead), meta_prefix(*dead)]));
    if !places.is_empty() {
        let discard = async {
            let mut discarded = Ok(());
            for place in places {
                let tried = async { job.opened.repository.discard_staged(&place?).await };
                // Nobody else knows the others.
                discarded = discarded.and(tried.await.map(drop));
            }
            discarded
        };
        // The snapshot is there: its user does not wait long for a store that has gone.
        let discarded = tokio::time::timeout(DISCARD, discard).await;
        if !matches!(discarded, Ok(Ok(_))) {
            tracing::warn!(?discarded, "unfinished uploads of a backup may have been left behind");
        }
    }
    running.end(FINISHED, |_| ()).await;
}

/// Ends a job that failed: wins the label's outcome, then removes what it wrote.
async fn give_up(running: RunningJob, job: &BackupJob, mut error: Error) {
    let engine = running.engine.clone();
    let now = engine.0.clock.now();
    match job.claim.abort(&error.to_string(), &owner(), now, false).await {
        Ok(Ending::Committed(_)) => {
            // The commit's reply was lost; the snapshot is there.
            return finish(running, job).await;
        }
        Ok(Ending::Aborted(abandoned)) => {
            engine.forget_claim(running.id()).await;
            let _permit = engine.0.pools.release_snapshot.acquire().await;
            match abandoned.remove_files(&*job.opened.repository).await {
                Ok(_) => {
                    let forgotten =
                        engine.0.state.forget_job_files(job.opened.document.id, running.id()).await;
                    if let Err(error) = forgotten {
                        tracing::warn!(?error, "the local cache still names removed files");
                    }
                }
                Err(error) => tracing::warn!(?error, "files of a cancelled backup were left behind"),
            }
        }
        Err(left) => {
            tracing::warn!(error = ?left, "the claim of a cancelled backup was left behind");
            // Only the outcome knows, and it cannot be read now.
            if running.record.state == backup_state::UPLOAD_INFO {
                error = error.with("the snapshot", "may be there all the same: see SHOW SNAPSHOT");
            }
        }
    }
    running.end_cancelled(&error).await;
}

/// Renews the heartbeat until aborted; stops the job when the claim was lost.
fn keep_alive(running: &RunningJob, mut heartbeat: Heartbeat) -> tokio::task::JoinHandle<()> {
    let (cancel, every) = (running.cancel.clone(), running.engine.0.config.heartbeat());
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(every).await;
            match heartbeat.beat().await {
                Err(error) if error.kind() == ErrorKind::Conflict => return cancel.cancel(error.to_string()),
                Err(error) => tracing::warn!(?error, "the heartbeat of a backup failed"),
                Ok(()) => {}
            }
        }
    })
}

async fn work(running: &mut RunningJob, job: &BackupJob) -> Result<()> {
    let engine = running.engine.clone();
    let (warehouse, clock) = (&engine.0.warehouse, &engine.0.clock);
    // External catalogs have no data: StarRocks goes from PENDING to SAVE_META.
    let moves = job.kind == SnapshotKind::Database;
    running.cancel.check()?;
    running.record.number = engine.0.state.next_number().await?;

    if moves {
        running.enter(backup_state::SNAPSHOTING, |_| ()).await?;
    }
    let cut = {
        let permit = engine.0.pools.make_snapshot.acquire();
        let _permit = permit.await.map_err(|e| Error::internal("the snapshot pool is closed").because(e))?;
        let requests: Vec<PinRequest> = job.selected.iter().map(Selected::pin_request).collect();
        running.cancel.run(warehouse.pin(running.id(), requests)).await?
    };
    if moves {
        let now = clock.now();
        running.enter(backup_state::UPLOAD_SNAPSHOT, |d| d.snapshot_finished = Some(now)).await?;
    }

    let wanted: BTreeSet<_> = job.selected.iter().map(|s| (s.kind.clone(), s.name.clone())).collect();
    let (bases, mut notes) = Bases::read(&job.opened, job.claim.bases(), &wanted, &running.cancel).await?;
    let pages = Arc::new(PageWriter::new(job.opened.repository.clone(), running.id()));
    let config = &engine.0.config;
    let context = Arc::new(UploadContext {
        job: running.id(),
        repository: job.opened.repository.clone(),
        repository_id: job.opened.document.id,
        state: engine.0.state.clone(),
        workers: engine.0.pools.upload.clone(),
        part_len: config.upload_buffer_size.max(1),
        cancel: running.cancel.clone(),
        progress: running.progress.clone(),
        in_parts: job.in_parts.clone(),
        known: KnownFiles {
            repository: job.opened.repository.clone(),
            repository_id: job.opened.document.id,
            state: engine.0.state.clone(),
            cancel: running.cancel.clone(),
            trusted: job.claim.bases().iter().map(|b| b.job).collect(),
            adopted: job.claim.adopts().iter().copied().collect(),
        },
        next_number: AtomicU64::new(0),
        uploaded_bytes: AtomicU64::new(0),
        note_every: config.note_every(),
        fresh: Default::default(),
    });

    if moves {
        running.enter(backup_state::UPLOADING, |_| ()).await?;
    }
    let mut objects = ObjectEntryWriter::new(pages.clone());
    let mut counts = BTreeMap::new();
    let uploaded = async {
        for (index, object) in cut.objects().iter().enumerate() {
            let base = bases.of(&object.kind, &object.name);
            let entry = one_object(running, &context, &pages, &*cut, index, object, base, &mut notes).await?;
            *counts.entry(entry.kind.clone()).or_insert(0) += 1;
            objects.push(entry).await?;
        }
        Ok(())
    };
    let uploaded: Result<()> = uploaded.await;
    // Of a job that failed, too: the next one of this label may adopt what stays.
    let remembered = context.remember_rest().await;
    uploaded.and(remembered)?;
    let now = clock.now();
    running
        .enter(backup_state::SAVE_META, |d| {
            d.transfer_finished = moves.then_some(now);
            d.notes.append(&mut notes);
        })
        .await?;

    let (children, totals) = objects.finish().await?;
    let mut snapshot: SnapshotDocument = job.claim.snapshot(
        concat!("rockhold ", env!("CARGO_PKG_VERSION")),
        warehouse.guarantees().cut,
        clock.now(),
    );
    snapshot.objects = children;
    snapshot.totals = totals;
    snapshot.counts = counts;
    snapshot.uploaded = context.uploaded_bytes.load(Ordering::Relaxed);
    // What is in the repository is complete; the pins have done their work.
    release(&engine, running.id()).await?;

    running.enter(backup_state::UPLOAD_INFO, |_| ()).await?;
    commit(running, &job.claim, snapshot).await
}

/// Writes the outcome. From here a cancel is too late: the commit is one call.
async fn commit(running: &RunningJob, claim: &Claim, snapshot: SnapshotDocument) -> Result<()> {
    running.cancel.check()?;
    claim.commit(snapshot).await.map(|_| ())
}

#[allow(clippy::too_many_arguments)]
async fn one_object(
    running: &RunningJob,
    context: &Arc<UploadContext>,
    pages: &Arc<PageWriter>,
    cut: &dyn Cut,
    index: usize,
    object: &LiveObject,
    base: Option<&ObjectEntry>,
    notes: &mut Vec<String>,
) -> Result<ObjectEntry> {
    let engine = &running.engine;
    let codec = engine.codec(&object.kind)?;
    let mut document: Document = codec.encode(object)?;
    let Some(writer) = engine.writer(&object.kind) else {
        return write_object(pages, object, document, Default::default()).await;
    };
    let partitions = some_partitions(cut, index).await?;
    document.sql = codec.sql_with_partitions(&object.name, &document, &partitions)?;
    if let Some(base) = base {
        pages.know_document(&base.document);
    }
    let children: Option<Children<PartitionEntry>> = base.map(|entry| entry.partitions.clone());
    let mut sink = UploadSink::new(context.clone(), pages.clone(), cut, object.name.clone(), children);
    if let Err(error) = writer.write(cut, index, &document, &mut sink).await {
        sink.stop().await;
        return Err(error.with("object", &object.name));
    }
    let (children, totals, damaged) = sink.finish().await?;
    notes.extend(
        damaged.into_iter().map(|text| format!("a base snapshot is damaged and was not used: {text}")),
    );
    write_object(pages, object, document, (children, totals)).await
}

/// The definitions of the first partitions, for the SQL text of the document.
async fn some_partitions(cut: &dyn Cut, index: usize) -> Result<Vec<serde_json::Value>> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    while found.len() < SQL_PARTITIONS {
        let batch = cut.partitions(index, after.as_deref(), 512).await?;
        let Some(last) = batch.last() else { break };
        after = Some(last.name.clone());
        found.extend(batch.into_iter().map(|p| p.definition));
    }
    found.truncate(SQL_PARTITIONS);
    Ok(found)
}
