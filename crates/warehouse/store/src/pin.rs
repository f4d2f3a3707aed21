//! Pins: what is visible at one sequence stays readable until it is released.

use crate::catalog::{ObjectInfo, fold, from_json, meta, partition_columns, read_partition, require_object};
use crate::core::Core;
use crate::error::{Failure, Outcome, nat};
use crate::keeper::{LEASE, Order};
use crate::layout::Layout;
use crate::owner::{Life, life};
use crate::store::{Inner, Store};
use async_trait::async_trait;
use rockhold_core::{
    Cut, DataPart, Digest, Error, JobId, KindId, LiveObject, Namespace, ObjectName, PinRequest, PinnedFile,
    PinnedPartition, Result,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{collections::BTreeMap, sync::Arc};

/// A pin in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) id: i64,
    pub(crate) sequence: i64,
}

/// Lets go of a pin when dropped, unless it belongs to a job.
pub(crate) struct HeldPin {
    pub(crate) pin: Pin,
    pub(crate) inner: Arc<Inner>,
}

impl Drop for HeldPin {
    fn drop(&mut self) {
        self.inner.keeper.order(Order::Release(self.pin.id));
    }
}

/// Pins the present state of objects, inside the transaction that looked at them.
pub(crate) fn make(
    core: &Core,
    connection: &Connection,
    job: Option<JobId>,
    objects: impl IntoIterator<Item = i64>,
) -> Outcome<Pin> {
    connection.execute(
        "INSERT INTO owners (id, host, pid, start, expires) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (id) DO UPDATE SET expires = excluded.expires",
        params![core.owner.id, core.owner.host, core.owner.pid, core.owner.start, expiry(core)],
    )?;
    let sequence: i64 = meta(connection, "sequence")?;
    let id = connection.query_row(
        "INSERT INTO pins (owner, job, sequence) VALUES (?1, ?2, ?3) RETURNING id",
        params![core.owner.id, job.map(|job| *job.as_bytes()), sequence],
        |row| row.get(0),
    )?;
    let mut insert =
        connection.prepare_cached("INSERT OR IGNORE INTO pin_objects (object, pin) VALUES (?1, ?2)")?;
    for object in objects {
        insert.execute([object, id])?;
    }
    Ok(Pin { id, sequence })
}

fn expiry(core: &Core) -> i64 {
    core.now().0.saturating_add(i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX))
}

/// Renews the lease of everything this store has pinned.
pub(crate) fn renew(core: &Core) -> Result<()> {
    let held: i64 = core.read(|connection| {
        Ok(connection
            .query_row("SELECT COUNT(*) FROM owners WHERE id = ?1", [core.owner.id], |r| r.get(0))?)
    })?;
    if held == 0 {
        return Ok(());
    }
    core.note("renew lease", |transaction| {
        transaction
            .execute("UPDATE owners SET expires = ?2 WHERE id = ?1", params![core.owner.id, expiry(core)])?;
        Ok(())
    })
}

/// Removes this store from the owners, with all its pins.
pub(crate) fn forget_owner(core: &Core) -> Result<()> {
    let held: i64 = core.read(|connection| {
        Ok(connection
            .query_row("SELECT COUNT(*) FROM owners WHERE id = ?1", [core.owner.id], |r| r.get(0))?)
    })?;
    if held == 0 {
        return Ok(());
    }
    core.note("remove pins", |transaction| {
        transaction.execute("DELETE FROM owners WHERE id = ?1", [core.owner.id])?;
        Ok(())
    })
}

/// Releases one pin; one that is gone is fine.
pub(crate) fn release_one(core: &Core, id: i64) -> Result<()> {
    core.note("release pin", |transaction| {
        transaction.execute("DELETE FROM pins WHERE id = ?1", [id])?;
        Ok(())
    })
}

/// Releases the pins of a job; none is fine.
pub(crate) fn release_job(core: &Core, job: JobId) -> Result<()> {
    core.note("release pins", |transaction| {
        transaction.execute("DELETE FROM pins WHERE job = ?1", [job.as_bytes()])?;
        Ok(())
    })
}

/// Removes owners that are dead, or whose lease has run out where nothing else tells.
pub(crate) fn drop_stale(core: &Core) -> Result<()> {
    let owners = core.read(|connection| {
        let mut statement = connection.prepare("SELECT id, host, pid, start, expires FROM owners")?;
        let rows = statement.query_map([], |row| {
            let owner: ([u8; 16], String, i64, i64, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            Ok(owner)
        })?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    })?;
    let now = core.now().0;
    let stale: Vec<[u8; 16]> = owners
        .into_iter()
        .filter(|(id, ..)| *id != core.owner.id)
        .filter(|(_, host, pid, start, expires)| match life(&core.owner, host, *pid, *start) {
            Life::Alive => false,
            Life::Dead => true,
            Life::Unknown => *expires < now,
        })
        .map(|(id, ..)| id)
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    core.transact("drop stale pins", |transaction| {
        for id in &stale {
            transaction.execute("DELETE FROM owners WHERE id = ?1", [id])?;
        }
        Ok(())
    })
}

/// A file of a partition as the catalog has it.
pub(crate) struct FileRow {
    pub(crate) number: i64,
    pub(crate) bucket: u32,
    pub(crate) rows: u64,
    pub(crate) loads: Option<(u64, u64)>,
    pub(crate) rollup: Option<String>,
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) len: u64,
}

/// The files of `data` visible at `sequence`, those behind `after` first.
pub(crate) fn files_at(
    connection: &Connection,
    data: i64,
    sequence: i64,
    after: i64,
    limit: i64,
) -> Outcome<Vec<FileRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT p.number, p.bucket, p.rows, p.first_load, p.last_load, f.name, f.digest, f.len, p.rollup \
         FROM partition_files p JOIN files f ON f.id = p.file \
         WHERE p.data = ?1 AND p.number > ?2 AND p.added <= ?3 AND (p.removed IS NULL OR p.removed > ?3) \
         ORDER BY p.number LIMIT ?4",
    )?;
    let rows = statement.query_map(params![data, after, sequence, limit], |row| {
        let loads: (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
        Ok(FileRow {
            number: row.get(0)?,
            bucket: row.get(1)?,
            rows: nat(row.get(2)?),
            loads: loads.0.zip(loads.1).map(|(first, last)| (nat(first), nat(last))),
            name: row.get(5)?,
            digest: Digest::from_bytes(row.get(6)?),
            len: nat(row.get(7)?),
            rollup: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Pins for a backup.
pub(crate) fn pin(store: &Store, core: &Core, job: JobId, requests: &[PinRequest]) -> Result<StoreCut> {
    core.note("pin", |transaction| {
        let mut objects = Vec::new();
        let mut pinned = Vec::new();
        for request in requests {
            let object = find_pinned(transaction, &request.kind, &request.name)?;
            let names = match &request.partitions {
                None => None,
                Some(wanted) => Some(find_partitions(transaction, &object, wanted)?),
            };
            pinned.push(PinnedObject { row: object.row_id(), names });
            objects.push(object.object);
        }
        let pin = make(core, transaction, Some(job), pinned.iter().map(|p| p.row))?;
        Ok(StoreCut { store: store.clone(), pin, objects, pinned: Arc::new(pinned) })
    })
}

fn find_pinned(connection: &Connection, kind: &KindId, name: &ObjectName) -> Outcome<ObjectInfo> {
    for namespace in [Namespace::Relation, Namespace::Function, Namespace::Catalog] {
        match crate::catalog::object_at(connection, namespace, name)? {
            Some(found) if found.object.kind == *kind => return Ok(found),
            _ => {}
        }
    }
    // Says whether the database or the object is missing.
    require_object(connection, Namespace::Relation, name)?;
    Err(Error::not_found(format!("'{name}' is not a {}", kind.as_str().replace('_', " "))).into())
}

/// The stored names of the wanted partitions, with their rows, sorted by bytes.
fn find_partitions(
    connection: &Connection,
    object: &ObjectInfo,
    wanted: &[String],
) -> Outcome<BTreeMap<String, i64>> {
    let mut found = BTreeMap::new();
    let mut select = connection.prepare_cached(
        "SELECT name, id FROM partitions WHERE object = ?1 AND temporary = 0 AND name_key = ?2 \
         AND added IS NOT NULL AND removed IS NULL",
    )?;
    for name in wanted {
        let hit: Option<(String, i64)> = select
            .query_row(params![object.row_id(), fold(name)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((stored, row)) = hit else {
            return Err(Error::not_found(format!(
                "Unknown partition '{name}' in table '{}'",
                object.object.name.name
            ))
            .into());
        };
        found.insert(stored, row);
    }
    Ok(found)
}

struct PinnedObject {
    row: i64,
    /// The wanted partitions and their rows; `None` for all.
    names: Option<BTreeMap<String, i64>>,
}

/// The cut of a backup. Dropping it releases nothing; the job's owner does.
pub(crate) struct StoreCut {
    store: Store,
    pin: Pin,
    objects: Vec<LiveObject>,
    pinned: Arc<Vec<PinnedObject>>,
}

#[async_trait]
impl Cut for StoreCut {
    fn objects(&self) -> &[LiveObject] {
        &self.objects
    }

    async fn partitions(
        &self,
        object: usize,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<PinnedPartition>> {
        let (pin, pinned) = (self.pin, self.pinned.clone());
        let after = after.map(str::to_owned);
        self.store
            .read(move |connection| {
                check_pin(connection, pin)?;
                let Some(object) = pinned.get(object) else {
                    return Err(Error::invalid("the cut has no object of that number").into());
                };
                page(connection, pin, object, after.as_deref(), limit)
            })
            .await
    }

    async fn files(
        &self,
        partition: &PinnedPartition,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<PinnedFile>> {
        let (pin, row) = (self.pin, partition.handle);
        let after = match after {
            Some(number) => crate::error::int(number)?,
            None => -1,
        };
        let layout = self.store.core().layout.clone();
        self.store
            .read(move |connection| {
                check_pin(connection, pin)?;
                let data: i64 = connection
                    .prepare_cached("SELECT data FROM partitions WHERE id = ?1")?
                    .query_row([row], |r| r.get(0))
                    .optional()?
                    .ok_or_else(|| Error::not_found("the partition is not pinned"))?;
                let files = files_at(connection, data, pin.sequence, after, page_size(limit))?;
                Ok(files.into_iter().map(|file| pinned_file(&layout, file)).collect())
            })
            .await
    }
}

fn pinned_file(layout: &Layout, file: FileRow) -> PinnedFile {
    let part = DataPart::LocalFile { path: layout.file(&file.name), digest: file.digest, len: file.len };
    let mut pinned = PinnedFile::new(nat(file.number), part, file.rows);
    if let Some((_, extension)) = file.name.split_once('.') {
        pinned.extension = extension.to_owned();
    }
    pinned.bucket = file.bucket;
    pinned.loads = file.loads;
    pinned.rollup = file.rollup;
    pinned
}

fn page_size(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn check_pin(connection: &Connection, pin: Pin) -> Outcome<()> {
    let there = connection
        .prepare_cached("SELECT 1 FROM pins WHERE id = ?1")?
        .query_row([pin.id], |_| Ok(()))
        .optional()?;
    there.ok_or_else(|| Failure::from(Error::not_found("the pin was released; pin again")))
}

/// What a page of partitions selects, in the order of [`partition_columns`] and with the name last.
fn page(
    connection: &Connection,
    pin: Pin,
    object: &PinnedObject,
    after: Option<&str>,
    limit: usize,
) -> Outcome<Vec<PinnedPartition>> {
    let columns = partition_columns();
    let mut all = Vec::new();
    if let Some(names) = &object.names {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, Excluded);
        let mut select =
            connection.prepare_cached(&format!("SELECT {columns} FROM partitions WHERE id = ?1"))?;
        for (_, row) in names.range::<str, _>((from, Unbounded)).take(limit) {
            let mut rows = select.query([row])?;
            if let Some(row) = rows.next()? {
                all.push(pinned_partition(row)?);
            }
        }
        return Ok(all);
    }
    let mut select = connection.prepare_cached(&format!(
        "SELECT {columns} FROM partitions WHERE object = ?1 AND name > ?2 AND temporary = 0 \
         AND added <= ?3 AND (removed IS NULL OR removed > ?3) ORDER BY name LIMIT ?4"
    ))?;
    // No name is empty, so the empty text lies before all.
    let mut rows =
        select.query(params![object.row, after.unwrap_or_default(), pin.sequence, page_size(limit)])?;
    while let Some(row) = rows.next()? {
        all.push(pinned_partition(row)?);
    }
    Ok(all)
}

fn pinned_partition(row: &Row<'_>) -> Outcome<PinnedPartition> {
    let definition: String = row.get(2)?;
    let info = read_partition(row)?;
    let definition = from_json(&definition, "partition")?;
    let mut pinned = PinnedPartition::new(info.row, info.definition.name, definition, info.version_id);
    pinned.version = info.version;
    pinned.visible_time = info.visible_time;
    pinned.files = info.files;
    pinned.rows = info.rows;
    pinned.bytes = info.bytes;
    Ok(pinned)
}
