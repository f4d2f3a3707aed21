//! One file: read once, hashed, compared with what was recorded, stored.

use crate::{CancelToken, job::Progress, workers::Workers};
use bytes::Bytes;
use futures::{StreamExt, stream::FuturesUnordered};
use rockhold_core::format::{CHUNK_LEN, FileEntry};
use rockhold_core::{
    CreateRequest, DataPart, Digest, Error, ErrorKind, Hasher, Key, ObjectWriter, PinnedFile, PutRequest,
    Repository, Result,
};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How much is read and hashed at a time: the hash finds in the processor's
/// cache what the read has brought there.
const PIECE_LEN: usize = 256 << 10;

/// How often a file is sent again whose parts the store has lost.
const SENT_AGAIN: u32 = 2;

/// What the upload of one file needs to know.
pub(crate) struct Upload<'a> {
    pub(crate) repository: &'a dyn Repository,
    pub(crate) key: Key,
    pub(crate) file: &'a PinnedFile,
    /// The length of a part. The longest file sent in one piece has one, where
    /// the store is distant two.
    pub(crate) part_len: usize,
    /// Those that are idle help to send a file in parts.
    pub(crate) workers: &'a Workers,
    pub(crate) cancel: &'a CancelToken,
    pub(crate) progress: &'a Progress,
    /// Set when the file is sent in parts.
    pub(crate) in_parts: &'a AtomicBool,
}

impl Upload<'_> {
    /// Stores the file under its key; gives its entry. The caller makes the
    /// store durable with a barrier before it names the entry anywhere.
    ///
    /// # Errors
    /// `Corrupt` when the file is not what was recorded when it was written;
    /// whatever the store gives.
    pub(crate) async fn run(self) -> Result<FileEntry> {
        let (path, digest, len) = match &self.file.part {
            DataPart::LocalFile { path, digest, len } => (path.clone(), *digest, *len),
            DataPart::Delegated(entry) => return Ok((**entry).clone()),
            _ => return Err(Error::unsupported("this engine cannot read such a part of a pinned object")),
        };
        let capabilities = self.repository.capabilities();
        // A worker may hold two parts. Where each request is waited for, one that
        // carries both is better than four.
        let parts = if capabilities.distant { 2 } else { 1 };
        let one_piece = (self.part_len as u64).saturating_mul(parts).min(capabilities.max_put);
        let (found, chunks) = if len <= one_piece {
            self.in_one_piece(&path, len).await?
        } else {
            self.in_parts(&path, len).await?
        };
        if found != digest {
            return Err(damaged(&path, "its digest is not the recorded one"));
        }
        self.progress.moved_file();
        Ok(FileEntry {
            key: self.key,
            offset: 0,
            len,
            digest,
            chunks,
            logical_len: None,
            logical_digest: None,
            codec: None,
            key_id: None,
            rows: self.file.rows,
            bucket: self.file.bucket,
            loads: self.file.loads,
            rollup: self.file.rollup.clone(),
        })
    }

    async fn in_one_piece(&self, path: &Path, len: u64) -> Result<(Digest, Vec<Digest>)> {
        let reader = FileReader::open(path, len)?;
        let size = usize::try_from(len).map_err(|_| Error::internal("a small file is long"))?;
        let (reader, bytes) = self.cancel.run(reader.next(size)).await?;
        let (digest, chunks) = self.cancel.run(reader.finish()).await?;
        // The bytes are compared before they are sent, so that a damaged file costs no upload.
        if let DataPart::LocalFile { digest: recorded, .. } = &self.file.part
            && *recorded != digest
        {
            return Err(damaged(path, "its digest is not the recorded one"));
        }
        let put = self.repository.put(PutRequest::new(self.key.clone(), bytes));
        self.accept_own(self.cancel.run(put).await.map(|_| ()), len).await?;
        self.progress.moved_bytes(len);
        Ok((digest, chunks))
    }

    async fn in_parts(&self, path: &Path, len: u64) -> Result<(Digest, Vec<Digest>)> {
        let limits = self.repository.capabilities();
        let needed = len.div_ceil(u64::from(limits.max_parts.max(1)));
        let part_len = (self.part_len as u64).max(needed).clamp(limits.part_len.0, limits.part_len.1);
        self.in_parts.store(true, Ordering::Relaxed);
        let mut again = 0;
        loop {
            match self.in_parts_once(path, len, part_len).await {
                // A server that dies while it puts the parts together may come back
                // with an upload that can neither be finished nor gone on with.
                Err(error) if error.kind() == ErrorKind::Conflict && again < SENT_AGAIN => {
                    again += 1;
                    tracing::warn!(%error, key = %self.key, again, "the parts were lost; the file is sent again");
                }
                done => return done,
            }
        }
    }

    async fn in_parts_once(&self, path: &Path, len: u64, part_len: u64) -> Result<(Digest, Vec<Digest>)> {
        let request = CreateRequest::new(self.key.clone(), part_len).expected_len(len);
        let writer = self.cancel.run(self.repository.create(request)).await?;
        let sent = AtomicU64::new(0);
        let digests = self.send_parts(writer.as_ref(), path, len, part_len, &sent).await;
        let stored = match digests {
            Ok(digests) => self.accept_own(writer.commit().await.map(|_| ()), len).await.map(|()| digests),
            Err(error) => Err(error),
        };
        if stored.is_err() {
            self.progress.lost_bytes(sent.into_inner());
            if let Err(left) = writer.abort().await {
                tracing::warn!(error = ?left, key = %self.key, "an unfinished upload was left behind");
            }
        }
        stored
    }

    /// Sends the parts, reading and hashing the next one while others are sent.
    /// Besides the worker of this file, every idle one sends a part, so that
    /// one long file is not bound to what one connection carries. `sent` counts
    /// the bytes that have arrived.
    async fn send_parts(
        &self,
        writer: &dyn ObjectWriter,
        path: &Path,
        len: u64,
        part_len: u64,
        sent: &AtomicU64,
    ) -> Result<(Digest, Vec<Digest>)> {
        let moved = |bytes| {
            sent.fetch_add(bytes, Ordering::Relaxed);
            self.progress.moved_bytes(bytes);
        };
        let size = usize::try_from(part_len).map_err(|_| Error::internal("a part is too long for memory"))?;
        // Parts of a file that is too long for the usual ones do not fit a worker's buffer.
        let fits = part_len <= (self.part_len as u64).saturating_mul(2);
        let at_once = fits && self.repository.capabilities().parallel_parts;
        let reader = FileReader::open(path, len)?;
        let (mut reader, mut bytes) = self.cancel.run(reader.next(size)).await?;
        let mut sending = FuturesUnordered::new();
        let mut number = 0;
        while !bytes.is_empty() {
            let helper = if at_once && !sending.is_empty() { self.workers.idle() } else { None };
            if helper.is_none() && !sending.is_empty() {
                moved(self.one_is_sent(&mut sending).await?);
                continue;
            }
            let part = bytes;
            sending.push(async move {
                let (_helper, len) = (helper, part.len() as u64);
                writer.write_part(number, part).await.map(|()| len)
            });
            number += 1;
            let mut reading = pin!(self.cancel.run(reader.next(size)));
            (reader, bytes) = loop {
                tokio::select! {
                    read = &mut reading => break read?,
                    Some(part) = sending.next() => moved(part?),
                }
            };
        }
        while !sending.is_empty() {
            moved(self.one_is_sent(&mut sending).await?);
        }
        let (digest, chunks) = self.cancel.run(reader.finish()).await?;
        if let DataPart::LocalFile { digest: recorded, .. } = &self.file.part
            && *recorded != digest
        {
            return Err(damaged(path, "its digest is not the recorded one"));
        }
        Ok((digest, chunks))
    }

    /// Waits until one more part is sent; gives its length.
    async fn one_is_sent<F>(&self, sending: &mut FuturesUnordered<F>) -> Result<u64>
    where
        F: Future<Output = Result<u64>>,
    {
        let next = async { sending.next().await.unwrap_or(Ok(0)) };
        self.cancel.run(next).await
    }

    /// A data key belongs to this job alone. When the store says that it is
    /// taken, an earlier attempt of ours was applied and its reply was lost.
    async fn accept_own(&self, result: Result<()>, len: u64) -> Result<()> {
        match result {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let there = self.repository.head(&self.key).await?;
                if there.len == len { Ok(()) } else { Err(error) }
            }
            other => other,
        }
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::corrupt(format!("the data file is damaged: {what}; restore the partition from an older snapshot"))
        .during("read")
        .at(path.display())
}

/// Reads a file from front to back, hashing what it reads. A file in chunks is
/// hashed twice, chunk by chunk and whole: the whole takes in each part while
/// the next one is read.
struct FileReader {
    file: File,
    path: std::path::PathBuf,
    left: u64,
    whole: Hasher,
    /// Given out and not taken in by `whole`.
    behind: Bytes,
    in_chunks: bool,
    chunk: Hasher,
    chunk_fill: u64,
    chunks: Vec<Digest>,
}

impl FileReader {
    fn open(path: &Path, len: u64) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(e, "read", path.display()))?;
        let found = file.metadata().map_err(|e| Error::io(e, "read", path.display()))?.len();
        if found != len {
            return Err(damaged(path, &format!("it has {found} bytes, {len} were recorded")));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            left: len,
            whole: Hasher::new(),
            behind: Bytes::new(),
            in_chunks: len > CHUNK_LEN,
            chunk: Hasher::new(),
            chunk_fill: 0,
            chunks: Vec::new(),
        })
    }

    /// Reads and hashes off the async threads.
    async fn next(mut self, size: usize) -> Result<(Self, Bytes)> {
        let caught_up = self.catch_up();
        let read = off_the_async_threads(move || self.read(size).map(|bytes| (self, bytes)));
        let (caught_up, read) = tokio::join!(caught_up, read);
        let (mut reader, bytes) = read??;
        if let Some(whole) = caught_up? {
            reader.whole = whole;
        }
        if reader.in_chunks {
            reader.behind = bytes.clone();
        }
        Ok((reader, bytes))
    }

    /// Takes the part given out last into the digest of the whole, if it is not in it.
    fn catch_up(&mut self) -> impl Future<Output = Result<Option<Hasher>>> + use<> {
        let behind = std::mem::take(&mut self.behind);
        let whole = (!behind.is_empty()).then(|| std::mem::take(&mut self.whole));
        async move {
            let Some(mut whole) = whole else { return Ok(None) };
            off_the_async_threads(move || {
                whole.update(&behind);
                Some(whole)
            })
            .await
        }
    }

    fn read(&mut self, size: usize) -> Result<Bytes> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(size);
        let mut buffer = vec![0; want];
        for piece in buffer.chunks_mut(PIECE_LEN) {
            self.file.read_exact(piece).map_err(|e| Error::io(e, "read", self.path.display()))?;
            if self.in_chunks {
                self.hash_chunks(piece);
            } else {
                self.whole.update(piece);
            }
        }
        self.left -= want as u64;
        Ok(Bytes::from(buffer))
    }

    fn hash_chunks(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = usize::try_from(CHUNK_LEN - self.chunk_fill).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.chunk.update(now);
            self.chunk_fill += now.len() as u64;
            bytes = later;
            if self.chunk_fill == CHUNK_LEN {
                self.chunks.push(std::mem::take(&mut self.chunk).finish());
                self.chunk_fill = 0;
            }
        }
    }

    async fn finish(mut self) -> Result<(Digest, Vec<Digest>)> {
        if self.left != 0 {
            return Err(damaged(&self.path, "it ended early"));
        }
        let whole = self.catch_up().await?.unwrap_or(self.whole);
        if self.chunk_fill > 0 {
            self.chunks.push(self.chunk.finish());
        }
        Ok((whole.finish(), self.chunks))
    }
}

async fn off_the_async_threads<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(run).await.map_err(|e| Error::internal("a reading task died").because(e))
}
