//! Restores: begun, staged out of sight, committed in one transaction.
//!
//! Staged partitions and files lie in the same tables as all others, without
//! a sequence, so nobody sees them. The commit gives the partition rows a
//! sequence and ends those they replace: its size is the number of
//! partitions, not of files.

mod stage;

pub(crate) use stage::{check_open, find_file, has_files, received, stage_files, stage_partitions};

use crate::catalog::{
    ObjectInfo, database_exists, from_json, namespace_word, next_id, next_sequence, object_at, object_by_id,
    to_json,
};
use crate::core::Core;
use crate::data;
use crate::ddl::{self, NewObject};
use crate::error::{Outcome, int};
use rockhold_core::{
    Error, ErrorKind, JobId, JobOutcome, KindId, Namespace, ObjectName, RestoreAction, RestorePlan,
    RestoreTarget, Result,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;

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
            begin_target(core, transaction, job, &plan.database, number, target)?;
        }
        Ok(())
    })
}

fn begin_target(
    core: &Core,
    connection: &Connection,
    job: JobId,
    database: &str,
    number: usize,
    target: &RestoreTarget,
) -> Outcome<()> {
    let namespace = namespace_of(core, &target.kind, &target.name);
    let database = if namespace == Namespace::Catalog { "" } else { database };
    if target.name.database != database {
        return Err(Error::invalid(format!("'{}' does not lie in the plan's database", target.name)).into());
    }
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

/// Makes everything staged durable and visible (H7).
pub(crate) fn commit(core: &Core, job: JobId) -> Result<()> {
    core.ensure_writer()?;
    let done = commit_open(core, job);
    core.end_receiving(job);
    done
}

fn commit_open(core: &Core, job: JobId) -> Result<()> {
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
    let mut done = roll_back_open(core, job);
    if done.as_ref().is_err_and(|error| error.kind() != ErrorKind::Conflict) {
        // What it staged is of no use any more and may take the room that the
        // catalog needs; a restore that is open is never completed.
        let _ = crate::data::remove_staging(&core.faults, &core.layout.staging_of(job.as_bytes()));
        done = roll_back_open(core, job);
    }
    core.end_receiving(job);
    done
}

fn roll_back_open(core: &Core, job: JobId) -> Result<()> {
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
