//! Reclaiming: what no current version, pin or open restore needs.
//!
//! Everything here may stop anywhere and be repeated. References go first, in
//! transactions of bounded size; a file without references becomes garbage
//! (its row says so), is unlinked, and only when that is durable its row goes.
//! So no row ever names a missing file of the warehouse, and no file in
//! `data/` is without a row.

use crate::catalog::schema::GARBAGE;
use crate::core::Core;
use crate::error::Outcome;
use crate::{data, pin};
use rockhold_core::Result;
use rusqlite::{Transaction, params};

/// Rows of one transaction.
const BATCH: i64 = 5_000;

/// One kind of work: whether there is some, and a batch of it.
struct Step {
    name: &'static str,
    /// Selects the keys of the next batch, at most [`BATCH`] of them.
    select: &'static str,
    /// Run in order on the table `batch`, in one transaction.
    statements: &'static [&'static str],
}

/// Versions that ended and that no pin needs: one that names the object and
/// whose sequence lies in between.
const OLD_VERSIONS: Step = Step {
    name: "drop old versions",
    select: "SELECT id, data FROM partitions WHERE removed IS NOT NULL AND NOT EXISTS ( \
             SELECT 1 FROM pin_objects o JOIN pins ON pins.id = o.pin WHERE o.object = partitions.object \
             AND pins.sequence >= added AND pins.sequence < removed)",
    statements: &[
        "DELETE FROM partitions WHERE id IN (SELECT a FROM batch)",
        "INSERT OR IGNORE INTO dead_data (data) SELECT DISTINCT b FROM batch \
         WHERE NOT EXISTS (SELECT 1 FROM partitions WHERE data = b)",
    ],
};

/// The files of data that no version has.
const DEAD_FILES: Step = Step {
    name: "drop dead data",
    select: "SELECT p.data, p.number FROM dead_data d JOIN partition_files p ON p.data = d.data",
    statements: REMOVE_FILES,
};

/// Data that has no files left.
const DEAD_DATA: Step = Step {
    name: "forget dead data",
    select: "SELECT data, 0 FROM dead_data",
    statements: &["DELETE FROM dead_data WHERE data IN (SELECT a FROM batch)"],
};

/// Files taken out of their partition before every version of it that is left.
const REMOVED_FILES: Step = Step {
    name: "drop removed files",
    select: "SELECT data, number FROM partition_files f WHERE removed IS NOT NULL AND NOT EXISTS ( \
             SELECT 1 FROM partitions p WHERE p.data = f.data AND p.added < f.removed)",
    statements: REMOVE_FILES,
};

const REMOVE_FILES: &[&str] = &[
    "INSERT OR IGNORE INTO suspects (file) SELECT file FROM batch JOIN partition_files ON data = a AND number = b",
    "DELETE FROM partition_files WHERE (data, number) IN (SELECT a, b FROM batch)",
];

/// Files that lost a reference. Files of an open restore or load are let be.
const SUSPECTS: Step = Step {
    name: "find garbage",
    select: "SELECT file, 0 FROM suspects",
    statements: &[
        "UPDATE files SET owner = zeroblob(16) WHERE id IN (SELECT a FROM batch) \
         AND (owner IS NULL OR owner IN (SELECT job FROM restores WHERE phase <> 'open')) \
         AND NOT EXISTS (SELECT 1 FROM partition_files WHERE file = files.id) \
         AND NOT EXISTS (SELECT 1 FROM holds WHERE file = files.id)",
        "DELETE FROM suspects WHERE file IN (SELECT a FROM batch)",
    ],
};

/// Settles ended restores and reclaims until nothing is left to do. Only the
/// writer calls it.
pub(crate) fn tidy(core: &Core) -> Result<()> {
    settle(core)?;
    pin::drop_stale(core)?;
    for step in [&OLD_VERSIONS, &DEAD_FILES, &DEAD_DATA, &REMOVED_FILES, &SUSPECTS] {
        while batch(core, step)? {}
    }
    while collect(core)? {}
    Ok(())
}

/// Runs one batch; false when there is nothing to do.
fn batch(core: &Core, step: &Step) -> Result<bool> {
    let select = format!("{} LIMIT {BATCH}", step.select);
    if !core.read(|connection| Ok(connection.prepare_cached(&select)?.exists([])?))? {
        return Ok(false);
    }
    core.transact(step.name, |transaction| {
        transaction.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS batch (a INTEGER, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID; \
             DELETE FROM batch;",
        )?;
        transaction.execute(&format!("INSERT INTO batch (a, b) {select}"), [])?;
        for statement in step.statements {
            transaction.prepare_cached(statement)?.execute([])?;
        }
        Ok(())
    })?;
    Ok(true)
}

/// Unlinks a batch of garbage and forgets it; false when there is none.
fn collect(core: &Core) -> Result<bool> {
    let garbage: Vec<(i64, String)> = core.read(|connection| {
        let mut select = connection.prepare_cached("SELECT id, name FROM files WHERE owner = ?1 LIMIT ?2")?;
        let rows = select.query_map(params![GARBAGE, BATCH], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    })?;
    if garbage.is_empty() {
        return Ok(false);
    }
    let (ids, names): (Vec<i64>, Vec<String>) = garbage.into_iter().unzip();
    data::unlink(&core.faults, &core.layout, &names)?;
    core.transact("forget files", |transaction| {
        let mut delete = transaction.prepare_cached("DELETE FROM files WHERE id = ?1")?;
        for id in ids {
            delete.execute([id])?;
        }
        Ok(())
    })?;
    Ok(true)
}

/// Does what ended restores left for later, so that their commit and rollback
/// change little: files lose their mark, holds and staging directories go.
fn settle(core: &Core) -> Result<()> {
    let ended: Vec<[u8; 16]> = core.read(|connection| {
        let mut select =
            connection.prepare_cached("SELECT job FROM restores WHERE settled = 0 AND phase <> 'open'")?;
        let rows = select.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    })?;
    for job in ended {
        let one_batch = |transaction: &Transaction<'_>| -> Outcome<usize> {
            // Files of a restore that was rolled back lose their references in
            // `dead_data` and then their rows; the mark hides them until then.
            let owned = transaction
                .prepare_cached(
                    "UPDATE files SET owner = NULL WHERE id IN (SELECT id FROM files WHERE owner = ?1 LIMIT ?2) \
                     AND EXISTS (SELECT 1 FROM restores WHERE job = ?1 AND phase = 'committed')",
                )?
                .execute(params![job, BATCH])?;
            transaction
                .prepare_cached(
                    "INSERT OR IGNORE INTO suspects (file) SELECT file FROM holds WHERE job = ?1 LIMIT ?2",
                )?
                .execute(params![job, BATCH])?;
            let held = transaction
                .prepare_cached(
                    "DELETE FROM holds WHERE job = ?1 AND file IN (SELECT file FROM holds WHERE job = ?1 LIMIT ?2)",
                )?
                .execute(params![job, BATCH])?;
            Ok(owned + held)
        };
        while core.transact("settle restore", one_batch)? > 0 {}
        data::remove_staging(&core.faults, &core.layout.staging_of(&job))?;
        core.transact("restore settled", |transaction| {
            transaction.execute("UPDATE restores SET settled = 1 WHERE job = ?1", [job])?;
            Ok(())
        })?;
    }
    Ok(())
}
