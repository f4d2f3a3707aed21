//! What a restore stages: files that are here or come, and their partitions.

use super::require_open;
use crate::catalog::{fold, next_id, to_json};
use crate::core::Core;
use crate::data;
use crate::error::{Outcome, int};
use crate::layout::make_dir;
use rockhold_core::format::PartitionEntry;
use rockhold_core::{Digest, Error, JobId, ReceivedFile, Result, StagedFile, VersionId};
use rockhold_model::Partition;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Prefix of the handle of a file that was received: its name follows.
const RECEIVED: &str = "received:";
/// Prefix of the handle of a file that was here: its number follows.
const FOUND: &str = "found:";

/// Copies of a digest that are tried before it counts as missing.
const TRIES: i64 = 4;

/// Finds a file by digest, verifies it, and holds it.
pub(crate) fn find_file(core: &Core, job: JobId, digest: &Digest, len: u64) -> Result<Option<ReceivedFile>> {
    let wanted = int(len)?;
    let known = "SELECT id, name, owner FROM files WHERE digest = ?1 AND len = ?2 AND (owner IS NULL \
                 OR owner = ?3 OR owner IN (SELECT job FROM restores WHERE phase = 'committed')) LIMIT ?4";
    let query = params![digest.as_bytes(), wanted, job.as_bytes(), TRIES];
    if !core.read(|connection| Ok(connection.prepare_cached(known)?.exists(query)?))? {
        return Ok(None);
    }
    let held = core.stage("hold files", |transaction| {
        require_open(transaction, job)?;
        let mut select = transaction.prepare_cached(known)?;
        let rows = select.query_map(query, |row| {
            let file: (i64, String, Option<[u8; 16]>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(file)
        })?;
        let files = rows.collect::<Result<Vec<_>, _>>()?;
        let mut hold =
            transaction.prepare_cached("INSERT OR IGNORE INTO holds (job, file) VALUES (?1, ?2)")?;
        for (id, ..) in &files {
            hold.execute(params![job.as_bytes(), id])?;
        }
        Ok(files)
    })?;
    for (id, name, owner) in held {
        let path = data::whereabouts(&core.layout, owner.as_ref(), &name);
        if data::verify(&path, digest, len)? {
            return Ok(Some(ReceivedFile { handle: format!("{FOUND}{id}"), digest: *digest, len }));
        }
        tracing::warn!(path = %path.display(), "a data file is not what its digest says");
    }
    Ok(None)
}

/// Whether files are here or staged by this job, as far as the catalog knows.
pub(crate) fn has_files(
    connection: &Connection,
    job: Option<JobId>,
    files: &[(Digest, u64)],
) -> Outcome<Vec<bool>> {
    let job = job.as_ref().map(JobId::as_bytes);
    let mut select = connection.prepare_cached(
        "SELECT 1 FROM files WHERE digest = ?1 AND len = ?2 AND (owner IS NULL OR owner = ?3 \
         OR owner IN (SELECT job FROM restores WHERE phase = 'committed')) LIMIT 1",
    )?;
    files
        .iter()
        .map(|(digest, len)| Ok(select.exists(params![digest.as_bytes(), int(*len)?, job])?))
        .collect()
}

/// The handle of a received file.
pub(crate) fn received(name: &str, digest: Digest, len: u64) -> ReceivedFile {
    ReceivedFile { handle: format!("{RECEIVED}{name}"), digest, len }
}

/// Refuses to receive for a job that is not open; makes its staging directory.
pub(crate) fn check_open(core: &Core, job: JobId) -> Result<()> {
    core.ensure_writer()?;
    core.begin_receiving(job, || {
        core.read(|connection| require_open(connection, job))?;
        make_dir(&core.layout.staging_of(job.as_bytes()))
    })
}

/// Stages partitions and gives their handles: the rows of `partitions`.
pub(crate) fn stage_partitions(
    core: &Core,
    job: JobId,
    target: usize,
    entries: &[PartitionEntry],
) -> Result<Vec<i64>> {
    let definitions = entries.iter().map(definition).collect::<Result<Vec<_>>>()?;
    core.stage("stage partitions", |transaction| {
        require_open(transaction, job)?;
        let object: i64 = transaction
            .prepare_cached("SELECT object FROM restore_targets WHERE job = ?1 AND target = ?2")?
            .query_row(params![job.as_bytes(), int(target as u64)?], |row| row.get(0))
            .optional()?
            .ok_or_else(|| Error::invalid(format!("the plan has no target {target}")).with("job", job))?;
        let rows = entries.iter().zip(&definitions);
        rows.map(|(entry, definition)| partition_row(transaction, job, object, entry, definition)).collect()
    })
}

fn unfit(entry: &PartitionEntry, why: &str) -> Error {
    Error::invalid(format!("partition '{}' cannot be staged: {why}", entry.name))
}

fn definition(entry: &PartitionEntry) -> Result<Partition> {
    let definition: Partition = serde_json::from_value(entry.definition.clone())
        .map_err(|e| unfit(entry, "its definition is not one").because(e))?;
    if definition.name != entry.name || entry.name.is_empty() {
        return Err(unfit(entry, "its definition has another name"));
    }
    if definition.temporary {
        return Err(unfit(entry, "it is temporary"));
    }
    Ok(definition)
}

fn partition_row(
    transaction: &Transaction<'_>,
    job: JobId,
    object: i64,
    entry: &PartitionEntry,
    definition: &Partition,
) -> Outcome<i64> {
    let data = next_id(transaction)?;
    let row: Option<i64> = transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO partitions (object, data, name, name_key, temporary, definition, position, \
             version_id, version, visible_time, files, rows, bytes, next_file, job, origin) \
             VALUES (?1, ?2, ?3, ?4, 0, ?5, ?2, ?6, ?7, 0, 0, 0, 0, 0, ?8, ?9) RETURNING id",
        )?
        .query_row(
            params![
                object,
                data,
                entry.name,
                fold(&entry.name),
                to_json(definition)?,
                VersionId::random()?.as_bytes(),
                int(entry.version)?,
                job.as_bytes(),
                entry.version_id.as_bytes()
            ],
            |row| row.get(0),
        )
        .optional()?;
    row.ok_or_else(|| unfit(entry, "it is staged already, or its name differs only in case").into())
}

/// Stages files. May be repeated when its answer was lost.
pub(crate) fn stage_files(core: &Core, job: JobId, files: &[StagedFile]) -> Result<()> {
    let rows = |transaction: &Transaction<'_>| -> Outcome<Vec<String>> {
        require_open(transaction, job)?;
        let mut names = Vec::new();
        for files in files.chunk_by(|a, b| a.partition == b.partition) {
            names.extend(stage_in_partition(core, transaction, job, files)?);
        }
        Ok(names)
    };
    // A file gets into `data/` only after its row is durable.
    let any_moves = files.iter().any(|file| file.file.handle.starts_with(RECEIVED));
    let names = if any_moves { core.write("stage files", rows)? } else { core.stage("stage files", rows)? };
    data::move_into_place(&core.faults, &core.layout, job.as_bytes(), &names)?;
    Ok(())
}

/// Stages files of one partition; gives the names of those that are to be moved into place.
fn stage_in_partition(
    core: &Core,
    transaction: &Transaction<'_>,
    job: JobId,
    files: &[StagedFile],
) -> Outcome<Vec<String>> {
    let Some(partition) = files.first().map(|file| file.partition) else { return Ok(Vec::new()) };
    let (data, object): (i64, i64) = transaction
        .prepare_cached("SELECT data, object FROM partitions WHERE id = ?1 AND job = ?2")?
        .query_row(params![partition, job.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?
        .ok_or_else(|| Error::invalid("no such partition is staged by this job").with("job", job))?;
    let mut names = Vec::new();
    let mut sums = Sums::default();
    for file in files {
        let (id, name) = file_row(core, transaction, job, file)?;
        names.extend(name);
        place(transaction, data, id, file, &mut sums)?;
    }
    transaction
        .prepare_cached(
            "UPDATE partitions SET files = files + ?2, rows = rows + ?3, bytes = bytes + ?4, \
             next_file = MAX(next_file, ?5) WHERE id = ?1",
        )?
        .execute(params![partition, sums.files, sums.rows, sums.bytes, sums.next])?;
    transaction
        .prepare_cached(
            "UPDATE restore_targets SET last_load = MAX(last_load, ?3) WHERE job = ?1 AND object = ?2",
        )?
        .execute(params![job.as_bytes(), object, sums.last_load])?;
    Ok(names)
}

#[derive(Default)]
struct Sums {
    files: i64,
    rows: i64,
    bytes: i64,
    next: i64,
    last_load: i64,
}

/// The row of a staged file; the name too, where it still has to be moved into place.
fn file_row(
    core: &Core,
    connection: &Connection,
    job: JobId,
    file: &StagedFile,
) -> Outcome<(i64, Option<String>)> {
    let handle = &file.file.handle;
    let unknown = || Error::invalid("no such file was received or found by this job").at(handle);
    if let Some(id) = handle.strip_prefix(FOUND) {
        let id: i64 = id.parse().map_err(|_| unknown())?;
        let held = connection
            .prepare_cached("SELECT 1 FROM holds WHERE job = ?1 AND file = ?2")?
            .exists(params![job.as_bytes(), id])?;
        return if held { Ok((id, None)) } else { Err(unknown().into()) };
    }
    let name = handle.strip_prefix(RECEIVED).filter(|name| data::is_name(name)).ok_or_else(unknown)?;
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO files (name, digest, len, created, owner) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            name,
            file.file.digest.as_bytes(),
            int(file.file.len)?,
            core.now().0,
            job.as_bytes()
        ])?;
    let id = connection
        .prepare_cached("SELECT id FROM files WHERE name = ?1 AND owner = ?2")?
        .query_row(params![name, job.as_bytes()], |row| row.get(0))
        .optional()?
        .ok_or_else(unknown)?;
    Ok((id, Some(name.to_owned())))
}

/// Puts a file into the data of a staged partition. The same file at the same
/// number is a repeated call.
fn place(connection: &Connection, data: i64, id: i64, file: &StagedFile, sums: &mut Sums) -> Outcome<()> {
    let (number, rows, len) = (int(file.number)?, int(file.rows)?, int(file.file.len)?);
    let loads = match file.loads {
        None => None,
        // One above the last must still be a number.
        Some((first, last)) => {
            int(last.saturating_add(1))?;
            Some((int(first)?, int(last)?))
        }
    };
    let new = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO partition_files (data, number, file, bucket, rows, first_load, last_load, added, \
             rollup) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8)",
        )?
        .execute(params![
            data,
            number,
            id,
            file.bucket,
            rows,
            loads.map(|l| l.0),
            loads.map(|l| l.1),
            file.rollup
        ])?;
    if new == 0 {
        let there: i64 = connection
            .prepare_cached("SELECT file FROM partition_files WHERE data = ?1 AND number = ?2")?
            .query_row([data, number], |row| row.get(0))?;
        if there != id {
            return Err(Error::invalid(format!("file number {number} is staged twice")).into());
        }
        return Ok(());
    }
    sums.files += 1;
    if file.rollup.is_none() {
        sums.rows = sums.rows.saturating_add(rows);
    }
    sums.bytes = sums.bytes.saturating_add(len);
    sums.next = sums.next.max(number.saturating_add(1));
    sums.last_load = sums.last_load.max(loads.map_or(0, |l| l.1));
    Ok(())
}
