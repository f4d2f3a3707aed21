//! One file: found here or downloaded, verified, received by the warehouse.
//!
//! A file with chunk digests is fetched in ranges of one chunk, several at a
//! time: the file's own worker fetches one, workers that are idle fetch more.
//! A range is verified by its own digest and given to the receiver in order, so
//! there is never more than one chunk in memory for each worker.

use crate::{CancelToken, job::Progress, workers::Workers};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use rockhold_core::format::{CHUNK_LEN, FileEntry};
use rockhold_core::{
    Digest, Error, ErrorKind, FileReceiver, GetRequest, Hasher, JobId, ReceivedFile, Result,
    SharedRepository, SharedWarehouse,
};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

/// What a file that comes in one stream holds in memory: the piece that is
/// written next, and the buffers of its connection. Adapters give pieces of
/// 1 MiB at most, unless they are configured otherwise.
const STREAM_LEN: u64 = 2 << 20;

/// How many bytes of a file are in memory while it is brought here.
pub(crate) fn memory_of(entry: &FileEntry) -> u64 {
    // One that comes in ranges takes the worker, as each further range does.
    if entry.chunks.len() > 1 { entry.len } else { entry.len.min(STREAM_LEN) }
}

/// What the download of one file needs to know.
pub(crate) struct Download {
    pub(crate) repository: SharedRepository,
    pub(crate) warehouse: SharedWarehouse,
    pub(crate) job: JobId,
    pub(crate) entry: FileEntry,
    /// Whether the file seems to be here already.
    pub(crate) expected: bool,
    /// Who may help; the caller holds a permit for this file.
    pub(crate) workers: Workers,
    pub(crate) cancel: CancelToken,
    pub(crate) progress: Arc<Progress>,
}

/// One range on its way. Dropping it stops it.
struct Fetch {
    task: JoinHandle<Result<Bytes>>,
    /// `None`: paid for by the file's own permit.
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Download {
    /// Brings the file into the warehouse, unless it is there already.
    ///
    /// # Errors
    /// `Corrupt` when the stored bytes are not what the manifest says;
    /// whatever store and warehouse give.
    pub(crate) async fn run(self) -> Result<ReceivedFile> {
        let entry = &self.entry;
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
        if self.expected {
            let here = self.warehouse.find_file(self.job, &entry.digest, entry.len);
            if let Some(file) = self.cancel.run(here).await? {
                return Ok(file);
            }
        }
        self.progress.will_move(entry.len);
        let file = self.cancel.run(self.fetch()).await?;
        self.progress.moved_file();
        Ok(file)
    }

    async fn fetch(&self) -> Result<ReceivedFile> {
        let entry = &self.entry;
        let place = self.place()?;
        let extension = entry.key.as_str().rsplit('.').next().unwrap_or("bin");
        let mut receiver = self.warehouse.receive(self.job, extension, entry.len).await?;
        if entry.chunks.len() > 1 {
            self.fetch_in_ranges(place, &mut *receiver).await?;
        } else {
            self.fetch_in_one(place, &mut *receiver).await?;
        }
        receiver.finish(entry.digest).await.map_err(|e| match e.kind() {
            ErrorKind::Corrupt => damaged(entry, "its digest is not the one in the manifest").because(e),
            _ => e,
        })
    }

    /// Where the file lies in its object.
    fn place(&self) -> Result<Range<u64>> {
        let entry = &self.entry;
        let end = entry.offset.checked_add(entry.len).ok_or_else(|| {
            Error::corrupt("the place of the file in its object is impossible").at(&entry.key)
        })?;
        Ok(entry.offset..end)
    }

    async fn fetch_in_one(&self, place: Range<u64>, receiver: &mut dyn FileReceiver) -> Result<()> {
        let entry = &self.entry;
        let mut request = GetRequest::new(entry.key.clone());
        // Without a range an object that has grown is noticed.
        if place.start > 0 {
            request = request.range(place);
        }
        let mut reader = self.repository.get(request).await.map_err(missing_is_damage)?;
        let announced = reader.range.end.saturating_sub(reader.range.start);
        if announced != entry.len {
            return Err(damaged(
                entry,
                &format!("it has {announced} bytes, the manifest says {}", entry.len),
            ));
        }
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
        Ok(())
    }

    async fn fetch_in_ranges(&self, place: Range<u64>, receiver: &mut dyn FileReceiver) -> Result<()> {
        let mut chunks = (0u64..).zip(&self.entry.chunks).peekable();
        let mut waiting: VecDeque<Fetch> = VecDeque::new();
        let mut own_is_free = true;
        loop {
            while chunks.peek().is_some() {
                let permit = match std::mem::take(&mut own_is_free) {
                    true => None,
                    false => match self.workers.idle() {
                        Some(permit) => Some(permit),
                        None => break,
                    },
                };
                let Some((number, digest)) = chunks.next() else { break };
                let start = place.start.saturating_add(number.saturating_mul(CHUNK_LEN));
                let range = start..start.saturating_add(CHUNK_LEN).min(place.end);
                waiting.push_back(Fetch { task: tokio::spawn(self.chunk(range, *digest)), permit });
            }
            let Some(mut first) = waiting.pop_front() else { return Ok(()) };
            let fetched =
                (&mut first.task).await.map_err(|e| Error::internal("a download task died").because(e))?;
            receiver.write(fetched?).await?;
            own_is_free |= first.permit.is_none();
        }
    }

    /// One chunk, verified.
    fn chunk(&self, range: Range<u64>, digest: Digest) -> impl Future<Output = Result<Bytes>> + use<> {
        let (repository, entry, progress) =
            (self.repository.clone(), self.entry.clone(), self.progress.clone());
        async move {
            let len = range.end.saturating_sub(range.start);
            let wrong =
                |what: &str| damaged(&entry, &format!("its bytes {} to {} {what}", range.start, range.end));
            let request = GetRequest::new(entry.key.clone()).range(range.clone());
            let mut reader = repository.get(request).await.map_err(|e| match e.kind() {
                // R7: a range that begins behind the end.
                ErrorKind::InvalidInput => wrong("are not there"),
                _ => missing_is_damage(e),
            })?;
            let size = usize::try_from(len).map_err(|_| Error::internal("a chunk is too long for memory"))?;
            let (mut bytes, mut hasher) = (BytesMut::with_capacity(size), Hasher::new());
            while let Some(piece) = reader.stream.next().await {
                let piece = piece?;
                if bytes.len().saturating_add(piece.len()) > size {
                    return Err(wrong("are more than were asked for"));
                }
                hasher.update(&piece);
                progress.moved_bytes(piece.len() as u64);
                bytes.extend_from_slice(&piece);
            }
            if bytes.len() != size {
                return Err(wrong("came only in part"));
            }
            if hasher.finish() != digest {
                return Err(wrong("are not those that were stored"));
            }
            Ok(bytes.freeze())
        }
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
    Error::corrupt(
        "the stored file is missing: it was deleted by hand or by a lifecycle rule; \
         BACKUP … PROPERTIES (\"reuse\" = \"false\") stores every file anew",
    )
    .during("get")
    .at(key)
    .because(error)
}
