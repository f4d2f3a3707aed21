//! Consistent views for queries.

use crate::catalog::{ObjectInfo, PartitionInfo, current_partitions, require_object};
use crate::pin::{self, HeldPin};
use crate::store::Store;
use rockhold_core::{Digest, Error, ErrorKind, Namespace, ObjectName, Result};
use std::{path::PathBuf, sync::Arc};

/// One relation of a snapshot.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SnapshotObject {
    /// Its name, definition, state.
    pub info: ObjectInfo,
    /// Its partitions in the order in which they were made; temporary ones
    /// (see their definition) last.
    pub partitions: Vec<PartitionInfo>,
}

/// One file of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotFile {
    /// Its number inside the partition, for [`Load::remove_file`](crate::Load::remove_file).
    pub number: u64,
    /// Where it is; it stays there while the snapshot lives.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
    /// The digest recorded when it was written.
    pub digest: Digest,
    /// Its physical rows.
    pub rows: u64,
    /// Its bucket, from 0.
    pub bucket: u32,
    /// The load sequences of its rows, first and last, where the key model orders by them.
    pub loads: Option<(u64, u64)>,
    /// The rollup whose rows it holds; `None` for the table's own.
    pub rollup: Option<String>,
}

/// A pinned view of some relations at one instant. Its files stay until the
/// last clone is dropped, whatever is changed meanwhile, here or in another
/// process.
#[derive(Clone)]
pub struct ReadSnapshot {
    objects: Arc<Vec<SnapshotObject>>,
    held: Arc<HeldPin>,
}

impl std::fmt::Debug for ReadSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadSnapshot").field("pin", &self.held.pin).finish_non_exhaustive()
    }
}

impl Store {
    /// Pins relations for a query. Works without the writer's lock.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` "table state is not NORMAL: 'RESTORE'" (5014).
    pub async fn snapshot(&self, names: &[ObjectName]) -> Result<ReadSnapshot> {
        let (names, inner) = (names.to_vec(), self.inner.clone());
        self.run(move |core| {
            let (objects, pin) = core.note("pin", |transaction| {
                let mut objects = Vec::new();
                for name in &names {
                    let info = require_object(transaction, Namespace::Relation, name)?;
                    if info.under_restore {
                        return Err(Error::new(
                            ErrorKind::Conflict,
                            format!("table state is not NORMAL: '{}'", info.status()),
                        )
                        .with("table", name)
                        .into());
                    }
                    let partitions = current_partitions(transaction, info.row_id())?;
                    objects.push(SnapshotObject { info, partitions });
                }
                let pin = pin::make(core, transaction, None, objects.iter().map(|o| o.info.row_id()))?;
                Ok((objects, pin))
            })?;
            Ok(ReadSnapshot { objects: Arc::new(objects), held: Arc::new(HeldPin { pin, inner }) })
        })
        .await
    }
}

impl ReadSnapshot {
    /// The relations, in the order of the names asked for.
    pub fn objects(&self) -> &[SnapshotObject] {
        &self.objects
    }

    /// The files of one partition of this snapshot, by number, those of rollups among them.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn files(&self, partition: &PartitionInfo) -> Result<Vec<SnapshotFile>> {
        let store = Store { inner: self.held.inner.clone() };
        let (data, sequence) = (partition.data, self.held.pin.sequence);
        let layout = store.core().layout.clone();
        let files = store.read(move |c| pin::files_at(c, data, sequence, -1, i64::MAX)).await?;
        Ok(files
            .into_iter()
            .map(|file| SnapshotFile {
                number: crate::error::nat(file.number),
                path: layout.file(&file.name),
                len: file.len,
                digest: file.digest,
                rows: file.rows,
                bucket: file.bucket,
                loads: file.loads,
                rollup: file.rollup,
            })
            .collect())
    }
}
