//! A file of a load that is no Parquet.

use super::{NewFile, Shared, blocking, ended};
use crate::core::guard;
use crate::data::{FileInfo, StagedWriter};
use bytes::Bytes;
use rockhold_core::{Error, Result};
use std::io::Write;
use std::sync::Arc;

/// A file that is stored as it comes: bucket 0, without rows. Dropping it
/// before [`RawFile::finish`] removes it.
pub struct RawFile {
    pub(super) shared: Arc<Shared>,
    pub(super) index: usize,
    pub(super) file: Option<StagedWriter>,
}

impl std::fmt::Debug for RawFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawFile").finish_non_exhaustive()
    }
}

impl RawFile {
    /// Appends bytes.
    ///
    /// # Errors
    /// `StorageFull`, `Unavailable`; the file is given up then.
    pub async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let mut file = self.file.take().ok_or_else(ended)?;
        let file = blocking(move || {
            file.write_all(&bytes).map_err(|e| Error::io(e, "write", file.path().display()))?;
            Ok(file)
        })
        .await?;
        self.file = Some(file);
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `StorageFull`, `Unavailable`.
    pub async fn finish(mut self) -> Result<FileInfo> {
        let file = self.file.take().ok_or_else(ended)?;
        let shared = self.shared.clone();
        let info = blocking(move || shared.core().faults.around("finish file", || file.finish(0))).await?;
        let mut work = guard(&self.shared.work);
        if work.ended {
            return Err(ended());
        }
        let part = work.parts.get_mut(self.index).ok_or_else(ended)?;
        part.added.push(NewFile { info: info.clone(), bucket: 0, loads: (1, 1), rollup: None });
        Ok(info)
    }
}
