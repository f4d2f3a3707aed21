//! One file: found here or downloaded, verified, received by the warehouse.

use crate::{CancelToken, job::Progress};
use futures::StreamExt;
use rockhold_core::format::FileEntry;
use rockhold_core::{Error, ErrorKind, GetRequest, JobId, ReceivedFile, Repository, Result, Warehouse};

/// What the download of one file needs to know.
pub(crate) struct Download<'a> {
    pub(crate) repository: &'a dyn Repository,
    pub(crate) warehouse: &'a dyn Warehouse,
    pub(crate) job: JobId,
    pub(crate) entry: &'a FileEntry,
    pub(crate) cancel: &'a CancelToken,
    pub(crate) progress: &'a Progress,
}

impl Download<'_> {
    /// Brings the file into the warehouse, unless it is there already.
    ///
    /// # Errors
    /// `Corrupt` when the stored bytes are not what the manifest says;
    /// whatever store and warehouse give.
    pub(crate) async fn run(self) -> Result<ReceivedFile> {
        let entry = self.entry;
        if let Some(codec) = &entry.codec {
            return Err(Error::unsupported(format!(
                "the file is stored with codec {codec}; use a newer version"
            ))
            .at(&entry.key));
        }
        if let Some(key) = &entry.key_id {
            return Err(Error::unsupported(format!(
                "the file is encrypted with key {key}; use a newer version"
            ))
            .at(&entry.key));
        }
        let here = self.warehouse.find_file(self.job, &entry.digest, entry.len);
        if let Some(file) = self.cancel.run(here).await? {
            return Ok(file);
        }
        self.progress.will_move(entry.len);
        let file = self.cancel.run(self.fetch()).await?;
        self.progress.moved_file();
        Ok(file)
    }

    async fn fetch(&self) -> Result<ReceivedFile> {
        let entry = self.entry;
        let extension = entry.key.as_str().rsplit('.').next().unwrap_or("bin");
        let mut request = GetRequest::new(entry.key.clone());
        if entry.offset > 0 {
            let end = entry.offset.checked_add(entry.len);
            let end = end.ok_or_else(|| {
                Error::corrupt("the place of the file in its object is impossible").at(&entry.key)
            })?;
            request = request.range(entry.offset..end);
        }
        let mut reader = self.repository.get(request).await.map_err(missing_is_damage)?;
        let announced = reader.range.end.saturating_sub(reader.range.start);
        if announced != entry.len {
            return Err(damaged(
                entry,
                &format!("it has {announced} bytes, the manifest says {}", entry.len),
            ));
        }
        let mut receiver = self.warehouse.receive(self.job, extension, entry.len).await?;
        let mut seen = 0u64;
        while let Some(bytes) = reader.stream.next().await {
            let bytes = bytes?;
            seen = seen.saturating_add(bytes.len() as u64);
            if seen > entry.len {
                return Err(damaged(entry, "it is longer than the manifest says"));
            }
            self.progress.moved_bytes(bytes.len() as u64);
            receiver.write(bytes).await?;
        }
        if seen != entry.len {
            return Err(damaged(entry, &format!("only {seen} of {} bytes came", entry.len)));
        }
        receiver.finish(entry.digest).await.map_err(|e| match e.kind() {
            ErrorKind::Corrupt => damaged(entry, "its digest is not the one in the manifest").because(e),
            _ => e,
        })
    }
}

fn damaged(entry: &FileEntry, what: &str) -> Error {
    Error::corrupt(format!("the stored file is damaged: {what}")).during("get").at(&entry.key)
}

/// A file that a manifest names and that is gone was deleted by other hands.
fn missing_is_damage(error: Error) -> Error {
    if error.kind() != ErrorKind::NotFound {
        return error;
    }
    let key = error.key().unwrap_or("").to_owned();
    Error::corrupt("the stored file is missing: it was deleted by hand or by a lifecycle rule")
        .during("get")
        .at(key)
        .because(error)
}
