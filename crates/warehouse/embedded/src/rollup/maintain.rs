//! What every load adds to the rollups of its table.

use super::super::error::{of_query, of_store};
use super::super::load::job::LoadJob;
use super::super::merge::data_files::Home;
use super::super::merge::scan::ScanFile;
use super::super::session::Session;
use super::source::Source;
use rockhold_model::Rollup;
use rockhold_sql::SqlError;
use rockhold_warehouse_store::{PendingPartition, ReadSnapshot};

/// Brings the rollups of the table into step with what the load will commit.
/// Costs nothing for a table without synchronous materialized views.
///
/// # Errors
/// A rollup's query fails over the new rows; the load is to be given up then.
pub(crate) async fn maintain(session: &Session, job: &LoadJob) -> Result<(), SqlError> {
    let rollups: Vec<&Rollup> = job.table.rollups.iter().filter(|rollup| rollup.query.is_some()).collect();
    if rollups.is_empty() {
        return Ok(());
    }
    let pending = job.load.pending();
    if pending.is_empty() {
        return Ok(());
    }
    let name = job.load.object().object.name.clone();
    let snapshot = session.store.snapshot(std::slice::from_ref(&name)).await.map_err(of_store)?;
    for rollup in rollups {
        let source = Source::new(rollup, &job.table, &name.database)?;
        for partition in &pending {
            one(session, job, &snapshot, rollup, &source, partition).await.map_err(|error| {
                SqlError::execute(format!(
                    "the synchronous materialized view {} cannot take these rows: {}",
                    rollup.name, error.message
                ))
            })?;
        }
    }
    Ok(())
}

async fn one(
    session: &Session,
    job: &LoadJob,
    snapshot: &ReadSnapshot,
    rollup: &Rollup,
    source: &Source,
    pending: &PendingPartition,
) -> Result<(), SqlError> {
    let own = |file: &&rockhold_warehouse_store::PendingFile| file.rollup.is_none();
    let mut files = Vec::new();
    for file in pending.added.iter().filter(own) {
        files.push((file.bucket, ScanFile::new(&file.path, file.len).map_err(of_query)?));
    }
    let appends = pending.removed.is_empty() && source.view.appends(job.table.key_model);
    if let (false, false, Some(current)) = (pending.truncated, appends, &pending.partition.current) {
        let home = Home::new(&job.table.name, current.name());
        for file in snapshot.files(current).await.map_err(of_store)? {
            match &file.rollup {
                None if !pending.removed.contains(&file.number) => {
                    let scan = ScanFile::new(&file.path, file.len).map_err(of_query)?.of(&home);
                    files.push((file.bucket, scan));
                }
                Some(name) if *name == rollup.name => job.load.remove_file(&pending.partition, file.number),
                _ => {}
            }
        }
    }
    if files.is_empty() {
        return Ok(());
    }
    let planned = source.plan(session, snapshot, files).await?;
    source.write(session, &job.load, rollup, &pending.partition, planned).await?;
    Ok(())
}
