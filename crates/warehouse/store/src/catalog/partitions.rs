//! Partitions: one row per version.

use super::{from_json, next_id, to_json};
use crate::error::{Outcome, nat};
use rockhold_core::{Error, ErrorKind, Result, Timestamp, VersionId};
use rockhold_model::Partition;
use rusqlite::{Connection, Row, params};

/// A partition at one version.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PartitionInfo {
    /// The number of its data: kept over loads and renames, new after
    /// TRUNCATE, overwrite and restore. For display.
    pub id: u64,
    /// Its definition; its name is there.
    pub definition: Partition,
    /// The identity of its rows.
    pub version_id: VersionId,
    /// The version in a snapshot that has the same rows: set by a restore,
    /// gone with the next change of rows.
    pub origin: Option<VersionId>,
    /// StarRocks's version number, for display only.
    pub version: u64,
    /// When the version became visible.
    pub visible_time: Timestamp,
    /// How many files it has, those of rollups too.
    pub files: u64,
    /// The physical rows of its own files, without rollups.
    pub rows: u64,
    /// The bytes of all its files.
    pub bytes: u64,
    /// The handle inside the store.
    pub(crate) row: i64,
    pub(crate) data: i64,
    pub(crate) position: i64,
    pub(crate) next_file: i64,
}

impl PartitionInfo {
    /// Its name, as written.
    pub fn name(&self) -> &str {
        &self.definition.name
    }
}

/// How partition names are compared.
pub(crate) fn fold(name: &str) -> String {
    name.to_lowercase()
}

/// The columns that [`read_partition`] expects, in its order.
pub(crate) const fn partition_columns() -> &'static str {
    "id, data, definition, position, version_id, version, visible_time, files, rows, bytes, next_file, \
     origin"
}

pub(crate) fn read_partition(row: &Row<'_>) -> Outcome<PartitionInfo> {
    let definition: String = row.get(2)?;
    let data: i64 = row.get(1)?;
    Ok(PartitionInfo {
        id: nat(data),
        definition: from_json(&definition, "partition")?,
        version_id: VersionId::from_bytes(row.get(4)?),
        version: nat(row.get(5)?),
        visible_time: Timestamp(row.get(6)?),
        files: nat(row.get(7)?),
        rows: nat(row.get(8)?),
        bytes: nat(row.get(9)?),
        row: row.get(0)?,
        data,
        position: row.get(3)?,
        next_file: row.get(10)?,
        origin: row.get::<_, Option<[u8; 16]>>(11)?.map(VersionId::from_bytes),
    })
}

/// The current version of every partition, temporary ones last, in the order they were made.
pub(crate) fn current_partitions(connection: &Connection, object: i64) -> Outcome<Vec<PartitionInfo>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM partitions WHERE object = ?1 AND added IS NOT NULL AND removed IS NULL \
         ORDER BY temporary, position, id",
        partition_columns()
    ))?;
    let mut rows = statement.query([object])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read_partition(row)?);
    }
    Ok(all)
}

/// The current version of one partition, found in any case.
pub(crate) fn current_partition(
    connection: &Connection,
    object: i64,
    temporary: bool,
    name: &str,
) -> Outcome<Option<PartitionInfo>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {} FROM partitions WHERE object = ?1 AND temporary = ?2 AND name_key = ?3 \
         AND added IS NOT NULL AND removed IS NULL",
        partition_columns()
    ))?;
    let mut rows = statement.query(params![object, temporary, fold(name)])?;
    rows.next()?.map(read_partition).transpose()
}

/// A partition row to be inserted.
pub(crate) struct NewPartition<'a> {
    pub(crate) object: i64,
    pub(crate) definition: &'a Partition,
    /// `None`: empty data of its own.
    pub(crate) data: Option<i64>,
    /// `None`: behind all others.
    pub(crate) position: Option<i64>,
    pub(crate) version_id: VersionId,
    pub(crate) origin: Option<VersionId>,
    pub(crate) version: i64,
    pub(crate) visible_time: Timestamp,
    pub(crate) files: i64,
    pub(crate) rows: i64,
    pub(crate) bytes: i64,
    pub(crate) next_file: i64,
    pub(crate) added: i64,
}

impl<'a> NewPartition<'a> {
    /// An empty partition at version 1 with data of its own.
    pub(crate) fn empty(object: i64, definition: &'a Partition, added: i64, now: Timestamp) -> Result<Self> {
        Ok(Self {
            object,
            definition,
            data: None,
            position: None,
            version_id: VersionId::random()?,
            origin: None,
            version: 1,
            visible_time: now,
            files: 0,
            rows: 0,
            bytes: 0,
            next_file: 0,
            added,
        })
    }

    /// The rows of `old`, unchanged, under another definition.
    pub(crate) fn same_rows(object: i64, definition: &'a Partition, old: &PartitionInfo, added: i64) -> Self {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            object,
            definition,
            data: Some(old.data),
            position: Some(old.position),
            version_id: old.version_id,
            origin: old.origin,
            version: count(old.version),
            visible_time: old.visible_time,
            files: count(old.files),
            rows: count(old.rows),
            bytes: count(old.bytes),
            next_file: old.next_file,
            added,
        }
    }
}

/// Inserts a current partition and gives its row and data. The name must be free.
pub(crate) fn insert_partition(connection: &Connection, new: &NewPartition<'_>) -> Outcome<(i64, i64)> {
    let name = &new.definition.name;
    if current_partition(connection, new.object, new.definition.temporary, name)?.is_some() {
        return Err(Error::new(ErrorKind::AlreadyExists, format!("Duplicate partition name {name}")).into());
    }
    let data = match new.data {
        Some(data) => data,
        None => next_id(connection)?,
    };
    let row = connection
        .prepare_cached(
            "INSERT INTO partitions (object, data, name, name_key, temporary, definition, position, version_id, \
             version, visible_time, files, rows, bytes, next_file, added, origin) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) RETURNING id",
        )?
        .query_row(
            params![
                new.object,
                data,
                name,
                fold(name),
                new.definition.temporary,
                to_json(new.definition)?,
                new.position.unwrap_or(data),
                new.version_id.as_bytes(),
                new.version,
                new.visible_time.0,
                new.files,
                new.rows,
                new.bytes,
                new.next_file,
                new.added,
                new.origin.as_ref().map(VersionId::as_bytes),
            ],
            |row| row.get(0),
        )?;
    Ok((row, data))
}

/// Ends the version of a partition at `sequence`. False when it was not the current one.
pub(crate) fn close_partition(connection: &Connection, row: i64, sequence: i64) -> Outcome<bool> {
    let changed = connection
        .prepare_cached(
            "UPDATE partitions SET removed = ?2 WHERE id = ?1 AND added IS NOT NULL AND removed IS NULL",
        )?
        .execute(params![row, sequence])?;
    Ok(changed == 1)
}

/// Gives every partition of the object a new version with the same files:
/// what they mean has changed.
pub(crate) fn renew_versions(
    connection: &Connection,
    object: i64,
    sequence: i64,
    now: Timestamp,
) -> Outcome<()> {
    for old in current_partitions(connection, object)? {
        close_partition(connection, old.row, sequence)?;
        let mut new = NewPartition::same_rows(object, &old.definition, &old, sequence);
        new.version_id = VersionId::random()?;
        new.origin = None;
        new.version = new.version.saturating_add(1);
        new.visible_time = now;
        insert_partition(connection, &new)?;
    }
    Ok(())
}
