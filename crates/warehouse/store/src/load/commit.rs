//! The commit of a load, and what removes a load that is given up.

use super::{NewFile, Part, Shared, Work, refuse_under_restore, refuse_used_label};
use crate::catalog::{
    NewPartition, close_partition, insert_partition, next_id, next_sequence, object_by_id, schema::GARBAGE,
};
use crate::core::Core;
use crate::error::{Outcome, int, nat};
use crate::load::LoadSummary;
use crate::{data, ddl};
use rockhold_core::{Error, ErrorKind, Result, Timestamp, VersionId};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::PathBuf;

/// Labels of loads are remembered for three days, as in StarRocks.
const LABEL_KEEP_MS: i64 = 3 * 24 * 60 * 60 * 1000;

/// Files durable, names reserved, files in place, names durable, catalog: in this order.
pub(super) fn commit(core: &Core, shared: &Shared, work: &Work) -> Result<LoadSummary> {
    let files: Vec<&NewFile> = work.parts.iter().flat_map(|p| &p.added).collect();
    if !files.is_empty() {
        let staging = core.layout.staging_of(&shared.id);
        let paths: Vec<PathBuf> = files.iter().map(|f| staging.join(&f.info.name)).collect();
        data::sync_many(&core.faults, &staging, &paths)?;
        core.write("reserve names", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO files (name, digest, len, created, owner) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for NewFile { info, .. } in &files {
                let len = int(info.len)?;
                insert.execute(params![info.name, info.digest.as_bytes(), len, core.now().0, shared.id])?;
            }
            Ok(())
        })?;
        let names: Vec<String> = files.iter().map(|f| f.info.name.clone()).collect();
        let dirs = data::move_into_place(&core.faults, &core.layout, &shared.id, &names)?;
        data::sync_dirs(&core.faults, &core.layout.data(), dirs)?;
    }
    core.write("commit load", |transaction| commit_rows(core, transaction, shared, work))
}

fn commit_rows(core: &Core, connection: &Connection, shared: &Shared, work: &Work) -> Outcome<LoadSummary> {
    let changed = || {
        let error =
            Error::new(ErrorKind::Conflict, "the table was altered or dropped during the load; repeat it");
        error.with("table", &shared.object.object.name)
    };
    let row = match &work.creates {
        None => shared.object.row_id(),
        Some((changes, object)) => {
            ddl::apply(core, connection, changes)?;
            ddl::create_object(core, connection, object)?
        }
    };
    let object = object_by_id(connection, row)?.ok_or_else(changed)?;
    refuse_under_restore(&object)?;
    let same = object.revision == shared.object.revision && object.next_load == shared.object.next_load;
    if work.creates.is_none() && !same {
        return Err(changed().into());
    }
    let now = core.now();
    if let Some(label) = &shared.label {
        record_label(connection, &object.object.name.database, label, now)?;
    }
    let sequence = next_sequence(connection)?;
    let mut summary = LoadSummary::default();
    for part in work.parts.iter().filter(|part| part.is_touched()) {
        commit_part(connection, row, part, sequence, now, &mut summary)
            .map_err(|failure| Error::from(failure).with("table", &object.object.name))?;
    }
    connection.execute("UPDATE files SET owner = NULL WHERE owner = ?1", [shared.id])?;
    connection.execute("UPDATE objects SET next_load = next_load + 1 WHERE id = ?1", [row])?;
    if !work.state.is_null() {
        ddl::set_state(connection, &object, &work.state)?;
    }
    ddl::apply(core, connection, &work.changes)?;
    Ok(summary)
}

fn record_label(connection: &Connection, database: &str, label: &str, now: Timestamp) -> Outcome<()> {
    connection
        .execute("DELETE FROM load_labels WHERE committed < ?1", [now.0.saturating_sub(LABEL_KEEP_MS)])?;
    refuse_used_label(connection, database, label)?;
    connection.execute(
        "INSERT INTO load_labels (database, label, committed) VALUES (?1, ?2, ?3)",
        params![database, label, now.0],
    )?;
    Ok(())
}

/// One partition: the old version ends, a new one begins.
fn commit_part(
    connection: &Connection,
    object: i64,
    part: &Part,
    sequence: i64,
    now: Timestamp,
    summary: &mut LoadSummary,
) -> Outcome<()> {
    let mut new = match &part.current {
        Some(old) => {
            if !close_partition(connection, old.row, sequence)? {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("partition {} was changed during the load; repeat it", old.name()),
                )
                .into());
            }
            let mut new = NewPartition::same_rows(object, &part.definition, old, sequence);
            if part.truncated {
                new = NewPartition {
                    position: Some(old.position),
                    ..NewPartition::empty(object, &part.definition, sequence, now)?
                };
            }
            new
        }
        None => NewPartition::empty(object, &part.definition, sequence, now)?,
    };
    new.version_id = VersionId::random()?;
    new.origin = None;
    new.visible_time = now;
    let data = match new.data {
        Some(data) => data,
        None => next_id(connection)?,
    };
    new.data = Some(data);
    if part.current.is_none() || part.truncated {
        new.position = new.position.or(Some(data));
        new.version = if part.added.is_empty() { 1 } else { 2 };
    } else {
        new.version = new.version.saturating_add(1);
        for number in &part.removed {
            let (rows, bytes) = remove_file(connection, data, *number, sequence)?;
            new.files -= 1;
            new.rows -= rows;
            new.bytes -= bytes;
        }
    }
    for file in &part.added {
        add_file(connection, data, new.next_file, file, sequence)?;
        new.next_file += 1;
        new.files += 1;
        new.bytes = new.bytes.saturating_add(int(file.info.len)?);
        if file.rollup.is_none() {
            new.rows = new.rows.saturating_add(int(file.info.rows)?);
            summary.rows = summary.rows.saturating_add(file.info.rows);
        }
        summary.files += 1;
        summary.bytes = summary.bytes.saturating_add(file.info.len);
    }
    insert_partition(connection, &new)?;
    summary.versions.push((part.definition.name.clone(), new.version_id, nat(new.version)));
    Ok(())
}

fn add_file(connection: &Connection, data: i64, number: i64, file: &NewFile, sequence: i64) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO partition_files (data, number, file, bucket, rows, first_load, last_load, added, rollup) \
             SELECT ?1, ?2, id, ?4, ?5, ?6, ?7, ?8, ?9 FROM files WHERE name = ?3",
        )?
        .execute(params![
            data,
            number,
            file.info.name,
            file.bucket,
            int(file.info.rows)?,
            int(file.loads.0)?,
            int(file.loads.1)?,
            sequence,
            file.rollup
        ])?;
    Ok(())
}

/// Ends a file and gives its rows (none for a rollup's) and bytes.
fn remove_file(connection: &Connection, data: i64, number: u64, sequence: i64) -> Outcome<(i64, i64)> {
    let removed = connection
        .prepare_cached(
            "UPDATE partition_files SET removed = ?3 WHERE data = ?1 AND number = ?2 AND removed IS NULL \
             RETURNING CASE WHEN rollup IS NULL THEN rows ELSE 0 END, (SELECT len FROM files WHERE id = file)",
        )?
        .query_row(params![data, int(number)?, sequence], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    removed.ok_or_else(|| {
        Error::new(
            ErrorKind::Conflict,
            format!("file {number} is not in the partition; repeat the statement"),
        )
        .into()
    })
}

/// Removes what a load wrote, unless it was committed after all.
pub(crate) fn abandon(core: &Core, id: &[u8; 16]) -> Result<()> {
    let reserved: i64 = core.read(|connection| {
        Ok(connection.query_row("SELECT COUNT(*) FROM files WHERE owner = ?1", [id], |row| row.get(0))?)
    })?;
    if reserved > 0 {
        core.write("abandon load", |transaction| {
            transaction.execute("UPDATE files SET owner = ?2 WHERE owner = ?1", params![id, GARBAGE])?;
            Ok(())
        })?;
    }
    data::remove_staging(&core.faults, &core.layout.staging_of(id))
}
