//! One file that FILES writes: seen whole, or not at all.

use super::local::{LocalDirectory, LocalSink};
use super::stored::{StoredDirectory, StoredSink};
use rockhold_sql::SqlError;
use std::fmt::Display;
use std::io::{self, Write};

/// Where the files of one statement go.
#[derive(Debug, Clone)]
pub(crate) enum Directory {
    Local(LocalDirectory),
    Stored(StoredDirectory),
}

impl Directory {
    /// How many files of different partitions may be open at a time: each
    /// file in a store holds a part in memory, and one that is sent.
    pub(crate) fn open_files(&self) -> usize {
        match self {
            Directory::Local(_) => 64,
            Directory::Stored(_) => 8,
        }
    }

    /// Whether names must be made of the letters that keys have.
    pub(crate) fn has_keys(&self) -> bool {
        matches!(self, Directory::Stored(_))
    }

    /// Begins a file in a directory `place` below (or in this one, when empty).
    /// On a thread that may block.
    ///
    /// # Errors
    /// The directory cannot be made; the name is no key.
    pub(crate) fn create(&self, place: &str, name: &str) -> Result<FileSink, SqlError> {
        match self {
            Directory::Local(directory) => directory.create(place, name).map(FileSink::Local),
            Directory::Stored(directory) if place.is_empty() => directory.create(name).map(FileSink::Stored),
            Directory::Stored(directory) => {
                directory.create(&format!("{place}/{name}")).map(FileSink::Stored)
            }
        }
    }

    /// Makes all files durable that were finished.
    ///
    /// # Errors
    /// They may be lost.
    pub(crate) async fn barrier(&self) -> Result<(), SqlError> {
        match self {
            Directory::Local(directory) => {
                let directory = directory.clone();
                blocking(move || directory.barrier()).await
            }
            Directory::Stored(StoredDirectory { repository, shown, .. }) => {
                repository.barrier().await.map_err(|error| failed(shown, &error))
            }
        }
    }
}

/// Runs what may block.
///
/// # Errors
/// Those of the work; the process ends.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| SqlError::execute(format!("writing files was torn down: {error}")))?
}

pub(crate) fn failed(place: &dyn Display, error: &dyn Display) -> SqlError {
    SqlError::execute(format!("Failed to write {place}: {error}"))
}

/// A file while it is written. Its methods block.
///
/// One that is not finished is to be aborted; one that is dropped instead is
/// removed a little later, if the process lasts.
pub(crate) enum FileSink {
    Local(LocalSink),
    Stored(StoredSink),
}

impl FileSink {
    /// The file, as a person would write it.
    pub(crate) fn shown(&self) -> String {
        match self {
            FileSink::Local(sink) => sink.shown(),
            FileSink::Stored(sink) => sink.shown(),
        }
    }

    /// Completes the file.
    ///
    /// # Errors
    /// It could not be written; nothing of it is seen, and nothing left.
    pub(crate) fn finish(&mut self) -> Result<(), SqlError> {
        let done = match self {
            FileSink::Local(sink) => sink.finish().map_err(|error| failed(&sink.shown(), &error)),
            FileSink::Stored(sink) => sink.finish().map_err(|error| failed(&sink.shown(), &error)),
        };
        if done.is_err() {
            self.abort();
        }
        done
    }

    /// Gives the file up and removes what was written, unless it is finished.
    pub(crate) fn abort(&mut self) {
        match self {
            FileSink::Local(sink) => sink.abort(),
            FileSink::Stored(sink) => sink.abort(),
        }
    }

    /// Gives the file up without waiting, wherever that is.
    pub(crate) fn give_up(&mut self) {
        match self {
            FileSink::Local(sink) => sink.abort(),
            FileSink::Stored(sink) => sink.give_up(),
        }
    }
}

impl Write for FileSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            FileSink::Local(sink) => sink.write(bytes),
            FileSink::Stored(sink) => sink.write(bytes).map_err(io::Error::other),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        // What is not complete is read by nobody.
        Ok(())
    }
}
