//! One file of a load, while it is written.

use super::{NewFile, Shared, blocking, ended};
use crate::core::guard;
use crate::data::{FileInfo, TableFile};
use arrow::array::RecordBatch;
use rockhold_core::{Error, Result};
use std::{fs, sync::Arc};

/// One file of a load. Files of one load may be written at the same time.
/// Dropping it before [`LoadFile::finish`] removes it.
pub struct LoadFile {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    pub(super) bucket: u32,
    pub(super) loads: (u64, u64),
    pub(super) rollup: Option<String>,
    pub(super) file: Option<TableFile>,
}

impl std::fmt::Debug for LoadFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadFile").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl LoadFile {
    /// Says that the rows come from these loads (first, last) and not from
    /// this one: for files that merge others.
    pub fn set_loads(&mut self, first: u64, last: u64) {
        self.loads = (first, last);
    }

    /// Says that the file holds rows of this rollup of the table.
    pub fn set_rollup(&mut self, name: impl Into<String>) {
        self.rollup = Some(name.into());
    }

    /// Appends a sorted batch.
    ///
    /// # Errors
    /// `StorageFull`, `Unavailable`; the file is given up then.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let mut file = self.file.take().ok_or_else(ended)?;
        let file = blocking(move || {
            file.write(&batch)?;
            Ok(file)
        })
        .await?;
        self.file = Some(file);
        Ok(())
    }

    /// Ends the file. An empty one is removed, giving `None`.
    ///
    /// # Errors
    /// `StorageFull`, `Unavailable`.
    pub async fn finish(mut self) -> Result<Option<FileInfo>> {
        let file = self.file.take().ok_or_else(ended)?;
        let shared = self.shared.clone();
        let info = blocking(move || shared.core().faults.around("finish file", || file.finish())).await?;
        if info.rows == 0 {
            let path = self.shared.core().layout.staging_of(&self.shared.id).join(&info.name);
            fs::remove_file(&path).map_err(|e| Error::io(e, "unlink", path.display()))?;
            return Ok(None);
        }
        let mut work = guard(&self.shared.work);
        if work.ended {
            return Err(ended());
        }
        let part = work.parts.get_mut(self.index).ok_or_else(ended)?;
        part.added.push(NewFile {
            info: info.clone(),
            bucket: self.bucket,
            loads: self.loads,
            rollup: self.rollup.clone(),
        });
        Ok(Some(info))
    }
}
