//! One file that FILES writes: seen whole, or not at all.
//!
//! On this machine it is written under a hidden name, made durable and renamed.
//! In a store it is written in parts of a bounded length, or in one step when
//! it is shorter than a part; the store shows it when it is complete.

use super::super::storage::key;
use bytes::Bytes;
use rockhold_core::{CreateRequest, Error, Key, ObjectWriter, PutRequest, SharedRepository};
use rockhold_sql::SqlError;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// Where the files of one statement go.
#[derive(Debug, Clone)]
pub(crate) enum Directory {
    /// A directory of this machine; it is made when there is a file for it.
    Local(PathBuf),
    /// A store, opened at the directory.
    Stored {
        repository: SharedRepository,
        /// The directory, as a person would write it.
        shown: String,
        /// The length of parts, in bytes.
        part_len: usize,
    },
}

impl Directory {
    /// How many files of different partitions may be open at a time: each
    /// file in a store holds a part in memory.
    pub(crate) fn open_files(&self) -> usize {
        match self {
            Directory::Local(_) => 64,
            Directory::Stored { .. } => 8,
        }
    }

    /// Whether names must be made of the letters that keys have.
    pub(crate) fn has_keys(&self) -> bool {
        matches!(self, Directory::Stored { .. })
    }

    /// Begins a file in a directory `place` below (or in this one, when empty).
    /// On a thread that may block.
    ///
    /// # Errors
    /// The directory cannot be made; the name is no key.
    pub(crate) fn create(&self, place: &str, name: &str) -> Result<FileSink, SqlError> {
        match self {
            Directory::Local(directory) => {
                let directory = directory.join(place);
                fs::create_dir_all(&directory).map_err(|e| failed(&directory.display(), &e))?;
                let (hidden, shown) = (directory.join(format!(".{name}.part")), directory.join(name));
                let file = File::create_new(&hidden).map_err(|e| failed(&shown.display(), &e))?;
                Ok(FileSink::Local(LocalSink { out: Some(BufWriter::new(file)), hidden, shown }))
            }
            Directory::Stored { repository, shown, part_len } => {
                let path = if place.is_empty() { name.to_owned() } else { format!("{place}/{name}") };
                Ok(FileSink::Stored(StoredSink {
                    handle: Handle::current(),
                    repository: repository.clone(),
                    shown: format!("{shown}/{path}"),
                    key: key(&path)?,
                    part_len: *part_len,
                    part: Vec::new(),
                    parts: 0,
                    writer: None,
                }))
            }
        }
    }

    /// Makes all files durable that were finished.
    ///
    /// # Errors
    /// They may be lost.
    pub(crate) async fn barrier(&self) -> Result<(), SqlError> {
        match self {
            // Each file was made durable before it was renamed.
            Directory::Local(_) => Ok(()),
            Directory::Stored { repository, shown, .. } => {
                repository.barrier().await.map_err(|error| failed(shown, &error))
            }
        }
    }
}

fn failed(place: &dyn std::fmt::Display, error: &dyn std::fmt::Display) -> SqlError {
    SqlError::execute(format!("Failed to write {place}: {error}"))
}

/// A file while it is written; dropping it removes what was written.
pub(crate) enum FileSink {
    Local(LocalSink),
    Stored(StoredSink),
}

pub(crate) struct LocalSink {
    out: Option<BufWriter<File>>,
    hidden: PathBuf,
    shown: PathBuf,
}

pub(crate) struct StoredSink {
    handle: Handle,
    repository: SharedRepository,
    shown: String,
    key: Key,
    part_len: usize,
    /// Bytes that are not sent yet, less than a part.
    part: Vec<u8>,
    parts: u32,
    writer: Option<Box<dyn ObjectWriter>>,
}

impl FileSink {
    /// The file, as a person would write it.
    pub(crate) fn shown(&self) -> String {
        match self {
            FileSink::Local(sink) => sink.shown.display().to_string(),
            FileSink::Stored(sink) => sink.shown.clone(),
        }
    }

    /// Completes the file. On a thread that may block.
    ///
    /// # Errors
    /// It could not be written; nothing of it is seen then.
    pub(crate) fn finish(mut self) -> Result<(), SqlError> {
        let done = match &mut self {
            FileSink::Local(sink) => sink.finish(),
            FileSink::Stored(sink) => sink.finish().map_err(io::Error::other),
        };
        done.map_err(|error| failed(&self.shown(), &error))
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            FileSink::Local(LocalSink { out: Some(out), .. }) => out.write(bytes),
            FileSink::Local(_) => Err(io::Error::other("the file has ended")),
            FileSink::Stored(sink) => sink.write(bytes).map_err(io::Error::other),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // What is not complete is read by nobody.
        Ok(())
    }
}

impl LocalSink {
    fn finish(&mut self) -> io::Result<()> {
        let out = self.out.take().ok_or_else(|| io::Error::other("the file has ended"))?;
        let done = out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
            file.sync_all()?;
            fs::rename(&self.hidden, &self.shown)
        });
        if done.is_err() {
            discard(&self.hidden);
        }
        done
    }
}

impl Drop for LocalSink {
    fn drop(&mut self) {
        if self.out.take().is_some() {
            discard(&self.hidden);
        }
    }
}

/// Removes what is of no use to anybody.
fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "an unfinished file stays");
    }
}

impl StoredSink {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        if self.part.len() >= self.part_len {
            self.send()?;
        }
        let len = bytes.len().min(self.part_len - self.part.len());
        self.part.extend_from_slice(bytes.get(..len).unwrap_or_default());
        Ok(len)
    }

    /// Sends the part that is full, or the last one.
    fn send(&mut self) -> Result<(), Error> {
        let bytes = Bytes::from(std::mem::take(&mut self.part));
        let handle = self.handle.clone();
        let writer = match self.writer.take() {
            Some(writer) => writer,
            None => {
                let request = CreateRequest::new(self.key.clone(), self.part_len as u64);
                handle.block_on(self.repository.create(request))?
            }
        };
        let sent = handle.block_on(writer.write_part(self.parts, bytes));
        self.writer = Some(writer);
        self.parts += 1;
        sent
    }

    fn finish(&mut self) -> Result<(), Error> {
        if self.writer.is_none() && self.part.len() as u64 <= self.repository.capabilities().max_put {
            let request = PutRequest::new(self.key.clone(), std::mem::take(&mut self.part));
            return self.handle.block_on(self.repository.put(request)).map(|_| ());
        }
        if !self.part.is_empty() {
            self.send()?;
        }
        match &self.writer {
            Some(writer) => self.handle.block_on(writer.commit()).map(|_| ()),
            None => Ok(()),
        }
    }
}
