//! What the next writer does after one that died.
//!
//! Runs when LOCK is taken, so nobody else is in the middle of anything:
//! whatever is unfinished belongs to a process that has ended. Each step is a
//! transaction or can be repeated.

use crate::catalog::{from_json, schema::GARBAGE, to_json};
use crate::core::Core;
use crate::error::Outcome;
use crate::{data, reclaim, restore};
use rockhold_core::{Error, JobId, JobKind, JobOutcome, JobRecord, Result};
use rusqlite::{Connection, params};
use serde_json::{Map, Value};

/// The status of a job whose owner died, as the engine writes statuses.
const OWNER_ENDED: &str = "[COMMON_ERROR, msg: owner ended]";

/// Completes restores that had committed, rolls back those that had not, ends
/// interrupted jobs, removes stale pins and everything that nobody needs.
pub(crate) fn recover(core: &Core) -> Result<()> {
    let open: Vec<[u8; 16]> = core.read(|connection| {
        let mut select = connection.prepare("SELECT job FROM restores WHERE phase = 'open'")?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    })?;
    for job in open {
        restore::roll_back(core, JobId::from_bytes(job))?;
    }
    if core.read(unfinished_work)? {
        core.transact("end interrupted work", |transaction| {
            end_jobs(core, transaction)?;
            transaction.execute(
                "UPDATE files SET owner = ?1 WHERE owner IS NOT NULL AND owner NOT IN (SELECT job FROM restores)",
                [GARBAGE],
            )?;
            Ok(())
        })?;
    }
    reclaim::tidy(core)?;
    empty_staging(core)
}

/// Jobs without an end, or files of loads without an end.
fn unfinished_work(connection: &Connection) -> Outcome<bool> {
    let jobs = connection.prepare("SELECT 1 FROM jobs WHERE finished = 0")?.exists([])?;
    let files = connection
        .prepare("SELECT 1 FROM files WHERE owner IS NOT NULL AND owner <> ?1 AND owner NOT IN (SELECT job FROM restores)")?
        .exists([GARBAGE])?;
    Ok(jobs || files)
}

/// A restore that this warehouse committed is FINISHED; every other job is
/// CANCELLED. Members that `detail` gets: `finished_time` (milliseconds since
/// 1970), and `status` for a cancelled job. The rest of `detail` stays.
fn end_jobs(core: &Core, connection: &Connection) -> Outcome<()> {
    let records: Vec<String> = {
        let mut select = connection.prepare("SELECT record FROM jobs WHERE finished = 0")?;
        let rows = select.query_map([], |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    for text in records {
        let mut record: JobRecord = from_json(&text, "job")?;
        let committed = record.kind == JobKind::Restore
            && restore::outcome(connection, record.id)? == JobOutcome::Committed;
        let detail = match &mut record.detail {
            Value::Object(detail) => detail,
            other => {
                *other = Value::Object(Map::new());
                other.as_object_mut().ok_or_else(|| Error::internal("a JSON object is none"))?
            }
        };
        detail.insert("finished_time".into(), core.now().0.into());
        if !committed {
            detail.insert("status".into(), OWNER_ENDED.into());
        }
        record.state = if committed { "FINISHED" } else { "CANCELLED" }.into();
        record.finished = true;
        connection.execute(
            "UPDATE jobs SET finished = 1, record = ?2 WHERE id = ?1",
            params![record.id.as_bytes(), to_json(&record)?],
        )?;
    }
    Ok(())
}

/// Staging directories all belong to work that has ended.
fn empty_staging(core: &Core) -> Result<()> {
    let staging = core.layout.staging();
    let io = |e: std::io::Error| Error::io(e, "read directory", staging.display());
    let entries = match std::fs::read_dir(&staging) {
        // A copy made by a tool that leaves empty directories out.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return crate::layout::make_dir(&staging),
        other => other.map_err(io)?,
    };
    for entry in entries {
        data::remove_staging(&core.faults, &entry.map_err(io)?.path())?;
    }
    Ok(())
}
