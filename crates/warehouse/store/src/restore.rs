//! Restores: begun, staged out of sight, committed in one transaction.
//!
//! Staged partitions and files lie in the same tables as all others, without
//! a sequence, so nobody sees them. The commit gives the partition rows a
//! sequence and ends those they replace: its size is the number of
//! partitions, not of files.

use crate::catalog::{
    ObjectInfo, database_exists, fold, from_json, namespace_word, next_id, next_sequence, object_at,
    object_by_id, to_json,
};
use crate::core::Core;
use crate::data;
use crate::ddl::{self, NewObject};
use crate::error::{Outcome, int};
use rockhold_core::format::PartitionEntry;
use rockhold_core::{
    Digest, Error, ErrorKind, JobId, JobOutcome, KindId, Namespace, ObjectName, ReceivedFile, RestoreAction,
    RestorePlan, RestoreTarget, Result, StagedFile, VersionId,
};
use rockhold_model::Partition;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;

/// Prefix of the handle of a file that was received: its name follows.
const RECEIVED: &str = "received:";
/// Prefix of the handle of a file that was here: its number follows.
const FOUND: &str = "found:";

/// Copies of a digest that are tried before it counts as missing.
const TRIES: i64 = 4;

fn not_open(job: JobId) -> Error {
    Error::new(ErrorKind::Conflict, "the restore is not open: it has ended or was never begun")
        .with("job", job)
}

/// How the warehouse recorded that a job ended.
pub(crate) fn outcome(connection: &Connection, job: JobId) -> Outcome<JobOutcome> {
    let phase: Option<String> = connection
        .prepare_cached("SELECT phase FROM restores WHERE job = ?1")?
        .query_row([job.as_bytes()], |row| row.get(0))
        .optional()?;
    match phase.as_deref() {
        None => Ok(JobOutcome::Unknown),
        Some("open") => Ok(JobOutcome::Open),
        Some("committed") => Ok(JobOutcome::Committed),
        Some("rolled_back") => Ok(JobOutcome::RolledBack),
        Some(other) => {
            Err(Error::corrupt(format!("the catalog has a restore in the phase '{other}'")).into())
        }
    }
}

fn require_open(connection: &Connection, job: JobId) -> Outcome<()> {
    match outcome(connection, job)? {
        JobOutcome::Open => Ok(()),
        _ => Err(not_open(job).into()),
    }
}

/// Where the name of a target is unique.
fn namespace_of(core: &Core, kind: &KindId, name: &ObjectName) -> Namespace {
    if let Some(descriptor) = core.options.kinds.get(kind) {
        return descriptor.namespace;
    }
    match kind.as_str() {
        _ if name.database.is_empty() => Namespace::Catalog,
        "function" => Namespace::Function,
        _ => Namespace::Relation,
    }
}

/// Begins a restore: existing targets go into state RESTORE (H5).
pub(crate) fn begin(core: &Core, job: JobId, plan: &RestorePlan) -> Result<()> {
    let text = to_json(plan)?;
    core.write("begin restore", |transaction| {
        match outcome(transaction, job)? {
            JobOutcome::Unknown => {}
            JobOutcome::Open => {
                let known: String = transaction.query_row(
                    "SELECT plan FROM restores WHERE job = ?1",
                    [job.as_bytes()],
                    |row| row.get(0),
                )?;
                // The answer to the first call was lost.
                return if known == text { Ok(()) } else { Err(not_open(job).into()) };
            }
            _ => return Err(not_open(job).into()),
        }
        transaction.execute(
            "INSERT INTO restores (job, phase, settled, plan, database, created) VALUES (?1, 'open', 0, ?2, ?3, ?4)",
            params![job.as_bytes(), text, plan.database, core.now().0],
        )?;
        for (number, target) in plan.targets.iter().enumerate() {
            begin_target(core, transaction, job, number, target)?;
        }
        Ok(())
    })
}

fn begin_target(
    core: &Core,
    connection: &Connection,
    job: JobId,
    number: usize,
    target: &RestoreTarget,
) -> Outcome<()> {
    let namespace = namespace_of(core, &target.kind, &target.name);
    let existing = object_at(connection, namespace, &target.name)?;
    let conflict = |text: String| Error::new(ErrorKind::Conflict, text);
    let object = match (target.action, existing) {
        (RestoreAction::Create, None) => next_id(connection)?,
        (RestoreAction::Create, Some(_)) => {
            return Err(conflict(format!(
                "'{}' has appeared; restore over it or under another name",
                target.name
            ))
            .into());
        }
        (_, None) => {
            return Err(conflict(format!("'{}' has vanished; repeat the restore", target.name)).into());
        }
        (_, Some(existing)) => {
            if existing.object.kind != target.kind {
                return Err(conflict(format!("'{}' is now a {}", target.name, existing.object.kind)).into());
            }
            if existing.under_restore {
                let status = existing.status();
                return Err(
                    conflict(format!("table {}'s state is not NORMAL: {status}", target.name.name)).into()
                );
            }
            connection.execute(
                "UPDATE objects SET restore_job = ?2 WHERE id = ?1",
                params![existing.row_id(), job.as_bytes()],
            )?;
            existing.row_id()
        }
    };
    let inserted = connection.execute(
        "INSERT OR IGNORE INTO restore_targets (job, target, object, action, namespace, database, name, last_load) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        params![
            job.as_bytes(),
            int(number as u64)?,
            object,
            to_json(&target.action)?,
            namespace_word(namespace),
            target.name.database,
            target.name.name
        ],
    )?;
    if inserted == 0 {
        return Err(conflict(format!("another restore is making '{}'; wait for it", target.name)).into());
    }
    Ok(())
}

/// Finds a file by digest, verifies it, and holds it.
pub(crate) fn find_file(core: &Core, job: JobId, digest: &Digest, len: u64) -> Result<Option<ReceivedFile>> {
    let wanted = int(len)?;
    let known = "SELECT id, name, owner FROM files WHERE digest = ?1 AND len = ?2 AND (owner IS NULL \
                 OR owner = ?3 OR owner IN (SELECT job FROM restores WHERE phase = 'committed')) LIMIT ?4";
    let query = params![digest.as_bytes(), wanted, job.as_bytes(), TRIES];
    if !core.read(|connection| Ok(connection.prepare_cached(known)?.exists(query)?))? {
        return Ok(None);
    }
    let held = core.write("hold files", |transaction| {
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

/// The handle of a received file.
pub(crate) fn received(name: &str, digest: Digest, len: u64) -> ReceivedFile {
    ReceivedFile { handle: format!("{RECEIVED}{name}"), digest, len }
}

/// Refuses to receive for a job that is not open.
pub(crate) fn check_open(core: &Core, job: JobId) -> Result<()> {
    core.ensure_writer()?;
    core.read(|connection| require_open(connection, job))
}

/// Stages one partition and gives its handle: the row of `partitions`.
pub(crate) fn stage_partition(core: &Core, job: JobId, target: usize, entry: &PartitionEntry) -> Result<i64> {
    let bad = |why: &str| Error::invalid(format!("partition '{}' cannot be staged: {why}", entry.name));
    let definition: Partition = serde_json::from_value(entry.definition.clone())
        .map_err(|e| bad("its definition is not one").because(e))?;
    if definition.name != entry.name || entry.name.is_empty() {
        return Err(bad("its definition has another name"));
    }
    if definition.temporary {
        return Err(bad("it is temporary"));
    }
    core.write("stage partition", |transaction| {
        require_open(transaction, job)?;
        let target = int(target as u64)?;
        let object: i64 = transaction
            .prepare_cached("SELECT object FROM restore_targets WHERE job = ?1 AND target = ?2")?
            .query_row(params![job.as_bytes(), target], |row| row.get(0))
            .optional()?
            .ok_or_else(|| bad("the plan has no such target"))?;
        let data = next_id(transaction)?;
        let row: Option<i64> = transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO partitions (object, data, name, name_key, temporary, definition, position, \
                 version_id, version, visible_time, files, rows, bytes, next_file, job) \
                 VALUES (?1, ?2, ?3, ?4, 0, ?5, ?2, ?6, ?7, 0, 0, 0, 0, 0, ?8) RETURNING id",
            )?
            .query_row(
                params![
                    object,
                    data,
                    entry.name,
                    fold(&entry.name),
                    to_json(&definition)?,
                    VersionId::random()?.as_bytes(),
                    int(entry.version)?,
                    job.as_bytes()
                ],
                |row| row.get(0),
            )
            .optional()?;
        row.ok_or_else(|| bad("it is staged already, or its name differs only in case").into())
    })
}

/// Stages files. May be repeated when its answer was lost.
pub(crate) fn stage_files(core: &Core, job: JobId, partition: i64, files: &[StagedFile]) -> Result<()> {
    let names = core.write("stage files", |transaction| {
        require_open(transaction, job)?;
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
    })?;
    data::move_into_place(&core.faults, &core.layout, job.as_bytes(), &names)?;
    Ok(())
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
            "INSERT OR IGNORE INTO partition_files (data, number, file, bucket, rows, first_load, last_load, added) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        )?
        .execute(params![data, number, id, file.bucket, rows, loads.map(|l| l.0), loads.map(|l| l.1)])?;
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
    sums.rows = sums.rows.saturating_add(rows);
    sums.bytes = sums.bytes.saturating_add(len);
    sums.next = sums.next.max(number.saturating_add(1));
    sums.last_load = sums.last_load.max(loads.map_or(0, |l| l.1));
    Ok(())
}

/// Makes everything staged durable and visible (H7).
pub(crate) fn commit(core: &Core, job: JobId) -> Result<()> {
    core.ensure_writer()?;
    match core.read(|connection| outcome(connection, job))? {
        JobOutcome::Committed => return Ok(()),
        JobOutcome::Open => {}
        _ => return Err(not_open(job)),
    }
    make_durable(core, job)?;
    core.write("commit restore", |transaction| {
        if outcome(transaction, job)? == JobOutcome::Committed {
            return Ok(());
        }
        require_open(transaction, job)?;
        let plan: String =
            transaction
                .query_row("SELECT plan FROM restores WHERE job = ?1", [job.as_bytes()], |row| row.get(0))?;
        let plan: RestorePlan = from_json(&plan, "restore plan")?;
        if !plan.database.is_empty() && !database_exists(transaction, &plan.database)? {
            ddl::create_database(core, transaction, &plan.database)?;
        }
        for (number, target) in plan.targets.iter().enumerate() {
            commit_target(core, transaction, job, number, target)?;
        }
        show_partitions(core, transaction, job)?;
        end(transaction, job, "committed")
    })
}

/// The files of the job and their names, durable in one go.
fn make_durable(core: &Core, job: JobId) -> Result<()> {
    const ENOUGH: i64 = 64;
    let names: Vec<String> = core.read(|connection| {
        let mut select = connection.prepare("SELECT name FROM files WHERE owner = ?1 LIMIT ?2")?;
        let rows = select.query_map(params![job.as_bytes(), ENOUGH], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    })?;
    if names.is_empty() {
        return Ok(());
    }
    let data = core.layout.data();
    let files: Vec<PathBuf> = names.iter().map(|name| core.layout.file(name)).collect();
    data::sync_many(&core.faults, &data, &files)?;
    // With many files `syncfs` has covered the names too; it costs little to say it again.
    let shards = names.iter().map(|name| core.layout.shard(name));
    data::sync_dirs(&core.faults, &data, shards.chain([data.clone()]))
}

fn commit_target(
    core: &Core,
    connection: &Connection,
    job: JobId,
    number: usize,
    target: &RestoreTarget,
) -> Outcome<()> {
    let (object, last_load): (i64, i64) = connection.query_row(
        "SELECT object, last_load FROM restore_targets WHERE job = ?1 AND target = ?2",
        params![job.as_bytes(), int(number as u64)?],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    match target.action {
        RestoreAction::Create => {
            let namespace = namespace_of(core, &target.kind, &target.name);
            if object_at(connection, namespace, &target.name)?.is_some() {
                let text = format!("'{}' has appeared; drop it and repeat the restore", target.name);
                return Err(Error::new(ErrorKind::Conflict, text).into());
            }
            let new = NewObject {
                namespace,
                kind: target.kind.clone(),
                name: target.name.clone(),
                definition: target.definition.clone(),
                state: target.state.clone(),
                partitions: Vec::new(),
            };
            ddl::insert_object(core, connection, object, &new)?;
        }
        RestoreAction::Merge | RestoreAction::Replace => {
            let existing = still_ours(connection, object, job, target)?;
            if target.action == RestoreAction::Replace {
                ddl::set_definition(connection, &existing, &target.definition)?;
            }
            ddl::set_state(connection, &existing, &target.state)?;
        }
    }
    connection.execute(
        "UPDATE objects SET restore_job = NULL, next_load = MAX(next_load, ?2) WHERE id = ?1",
        params![object, last_load.saturating_add(1)],
    )?;
    Ok(())
}

fn still_ours(
    connection: &Connection,
    object: i64,
    job: JobId,
    target: &RestoreTarget,
) -> Outcome<ObjectInfo> {
    let ours = connection
        .prepare_cached("SELECT 1 FROM objects WHERE id = ?1 AND restore_job = ?2")?
        .exists(params![object, job.as_bytes()])?;
    match object_by_id(connection, object)? {
        Some(existing) if ours => Ok(existing),
        _ => Err(Error::new(
            ErrorKind::Conflict,
            format!("'{}' has vanished; repeat the restore", target.name),
        )
        .into()),
    }
}

/// Flips the partitions: those of the same name end, the staged ones begin, at one sequence.
fn show_partitions(core: &Core, connection: &Connection, job: JobId) -> Outcome<()> {
    let sequence = next_sequence(connection)?;
    let same = "old.object = new.object AND old.name_key = new.name_key AND old.temporary = 0 \
                AND old.added IS NOT NULL AND old.removed IS NULL";
    connection.execute(
        &format!(
            "UPDATE partitions AS new SET position = (SELECT old.position FROM partitions old WHERE {same}) \
             WHERE job = ?1 AND EXISTS (SELECT 1 FROM partitions old WHERE {same})"
        ),
        [job.as_bytes()],
    )?;
    connection.execute(
        "UPDATE partitions AS old SET removed = ?2 WHERE id IN ( \
         SELECT o.id FROM partitions new JOIN partitions o ON o.object = new.object AND o.name_key = new.name_key \
         AND o.temporary = 0 AND o.added IS NOT NULL AND o.removed IS NULL WHERE new.job = ?1)",
        params![job.as_bytes(), sequence],
    )?;
    connection.execute(
        "UPDATE partitions SET added = ?2, visible_time = ?3, job = NULL WHERE job = ?1",
        params![job.as_bytes(), sequence, core.now().0],
    )?;
    Ok(())
}

/// Gives a restore up (H8). What it wrote goes afterwards.
pub(crate) fn rollback(core: &Core, job: JobId) -> Result<()> {
    core.ensure_writer()?;
    roll_back(core, job)
}

/// As [`rollback`], for recovery, which is about to become the writer.
pub(crate) fn roll_back(core: &Core, job: JobId) -> Result<()> {
    let refused = || Error::new(ErrorKind::Conflict, "the restore was committed").with("job", job);
    match core.read(|connection| outcome(connection, job))? {
        JobOutcome::RolledBack | JobOutcome::Unknown => return Ok(()),
        JobOutcome::Committed => return Err(refused()),
        JobOutcome::Open => {}
    }
    core.transact("roll back restore", |transaction| {
        if outcome(transaction, job)? != JobOutcome::Open {
            return Ok(());
        }
        transaction
            .execute("UPDATE objects SET restore_job = NULL WHERE restore_job = ?1", [job.as_bytes()])?;
        transaction.execute(
            "INSERT OR IGNORE INTO dead_data (data) SELECT data FROM partitions WHERE job = ?1",
            [job.as_bytes()],
        )?;
        transaction.execute("DELETE FROM partitions WHERE job = ?1", [job.as_bytes()])?;
        end(transaction, job, "rolled_back")
    })
}

/// Records the outcome, in the transaction of its effect (H9).
fn end(connection: &Connection, job: JobId, phase: &str) -> Outcome<()> {
    connection.execute("DELETE FROM restore_targets WHERE job = ?1", [job.as_bytes()])?;
    connection.execute(
        "UPDATE restores SET phase = ?2, plan = '' WHERE job = ?1",
        params![job.as_bytes(), phase],
    )?;
    Ok(())
}
