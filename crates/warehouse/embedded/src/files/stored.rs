//! Files that FILES writes into a store: in parts of a bounded length, several
//! at a time, or in one step when a file is shorter than a part. The store
//! shows a file when it is complete.

use super::super::storage::key;
use bytes::Bytes;
use rockhold_core::{
    CreateRequest, Effect, Error, ErrorKind, Key, ObjectWriter, PutRequest, SharedRepository,
};
use rockhold_sql::SqlError;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

/// A store, opened at the directory, and how files go into it.
#[derive(Debug, Clone)]
pub(crate) struct StoredDirectory {
    pub(crate) repository: SharedRepository,
    /// The directory, as a person would write it.
    pub(crate) shown: String,
    /// The length of parts, in bytes.
    pub(crate) part_len: usize,
    /// Parts of one file that are sent at a time.
    pub(crate) at_once: usize,
}

impl StoredDirectory {
    /// Begins a file; nothing is sent before it has a part. On a thread that
    /// may block.
    ///
    /// # Errors
    /// The name is no key.
    pub(crate) fn create(&self, path: &str) -> Result<StoredSink, SqlError> {
        Ok(StoredSink {
            handle: Handle::current(),
            shown: format!("{}/{path}", self.shown),
            key: key(path)?,
            directory: self.clone(),
            part: Vec::new(),
            parts: 0,
            under_way: JoinSet::new(),
            writer: None,
            ended: false,
        })
    }
}

/// A file while it is written.
pub(crate) struct StoredSink {
    handle: Handle,
    directory: StoredDirectory,
    shown: String,
    key: Key,
    /// Bytes that are not sent yet, a part at most.
    part: Vec<u8>,
    /// How many parts were sent, and so the number of the next.
    parts: u32,
    under_way: JoinSet<Result<(), Error>>,
    /// What there is in the store, until it is committed.
    writer: Option<Arc<Box<dyn ObjectWriter>>>,
    /// Nothing may be written any more.
    ended: bool,
}

impl StoredSink {
    pub(crate) fn shown(&self) -> String {
        self.shown.clone()
    }

    /// Takes bytes, and sends a part that is full. On a thread that may block.
    ///
    /// # Errors
    /// A part could not be sent, this one or one before it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        if self.ended {
            return Err(Error::invalid("the file has ended"));
        }
        let most = self.directory.part_len;
        if self.part.len() >= most {
            let part = std::mem::replace(&mut self.part, Vec::with_capacity(most));
            // Who was told of an error may write what he has left; it is refused.
            self.ended = true;
            self.send(part)?;
            self.ended = false;
        }
        let len = bytes.len().min(most.saturating_sub(self.part.len()));
        self.part.extend_from_slice(bytes.get(..len).unwrap_or_default());
        Ok(len)
    }

    /// Begins to send a part, when few enough are under way.
    fn send(&mut self, part: Vec<u8>) -> Result<(), Error> {
        let writer = match &self.writer {
            Some(writer) => Arc::clone(writer),
            None => {
                let request = CreateRequest::new(self.key.clone(), self.directory.part_len as u64);
                let writer = self.handle.block_on(self.directory.repository.create(request))?;
                Arc::clone(self.writer.insert(Arc::new(writer)))
            }
        };
        while let Some(sent) = self.under_way.try_join_next() {
            outcome(sent)?;
        }
        while self.under_way.len() >= self.directory.at_once.max(1) {
            self.wait_for_one()?;
        }
        let (number, bytes) = (self.parts, Bytes::from(part));
        self.parts += 1;
        self.under_way.spawn_on(async move { writer.write_part(number, bytes).await }, &self.handle);
        Ok(())
    }

    fn wait_for_one(&mut self) -> Result<(), Error> {
        match self.handle.block_on(self.under_way.join_next()) {
            Some(sent) => outcome(sent),
            None => Ok(()),
        }
    }

    /// Sends what is left and makes the file visible. On a thread that may block.
    ///
    /// # Errors
    /// It is not visible, unless the error says that it may be.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        if self.ended {
            return Err(Error::invalid("the file has ended"));
        }
        self.ended = true;
        let part = std::mem::take(&mut self.part);
        let repository = self.directory.repository.clone();
        if self.writer.is_none() && part.len() as u64 <= repository.capabilities().max_put {
            return self.handle.block_on(put(&repository, &self.key, part));
        }
        if !part.is_empty() {
            self.send(part)?;
        }
        while !self.under_way.is_empty() {
            self.wait_for_one()?;
        }
        if let Some(writer) = &self.writer {
            self.handle.block_on(writer.commit())?;
        }
        self.writer = None;
        Ok(())
    }

    /// Removes what was sent, unless it was committed, and waits for that. On a
    /// thread that may block.
    pub(crate) fn abort(&mut self) {
        if let Some(unfinished) = self.take_unfinished() {
            self.handle.block_on(unfinished.remove());
        }
    }

    /// As [`StoredSink::abort`], for those who cannot wait: a process that ends
    /// soon may leave something behind.
    pub(crate) fn give_up(&mut self) {
        if let Some(unfinished) = self.take_unfinished() {
            self.handle.spawn(unfinished.remove());
        }
    }

    fn take_unfinished(&mut self) -> Option<Unfinished> {
        self.ended = true;
        self.part = Vec::new();
        let writer = self.writer.take()?;
        Some(Unfinished { shown: self.shown.clone(), under_way: std::mem::take(&mut self.under_way), writer })
    }
}

impl Drop for StoredSink {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Writes a file in one step. Its name is nobody else's: when the store says
/// that it is taken, an attempt whose answer was lost has written it.
async fn put(repository: &SharedRepository, key: &Key, bytes: Vec<u8>) -> Result<(), Error> {
    let len = bytes.len() as u64;
    match repository.put(PutRequest::new(key.clone(), bytes)).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && error.effect() == Effect::MaybeApplied => {
            if repository.head(key).await?.len == len {
                Ok(())
            } else {
                Err(error)
            }
        }
        put => put.map(drop),
    }
}

/// How a part that was sent has fared.
fn outcome(sent: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    sent.unwrap_or_else(|lost| Err(Error::internal("sending a part was torn down").because(lost)))
}

/// What a file that is given up has in the store.
struct Unfinished {
    shown: String,
    under_way: JoinSet<Result<(), Error>>,
    writer: Arc<Box<dyn ObjectWriter>>,
}

impl Unfinished {
    async fn remove(mut self) {
        // A part that came after the abort would stay, so they are not cut off.
        while self.under_way.join_next().await.is_some() {}
        let aborted = match Arc::try_unwrap(self.writer) {
            Ok(writer) => writer.abort().await,
            // The tasks that shared it have ended.
            Err(_) => Err(Error::internal("the writer of the file is still in use")),
        };
        if let Err(error) = aborted {
            tracing::warn!(%error, file = %self.shown, "parts of an unfinished file stay in the store");
        }
    }
}
