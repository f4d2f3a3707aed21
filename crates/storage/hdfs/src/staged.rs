//! A file under construction, and how it becomes an object.
//!
//! A file of HDFS is visible with no bytes as soon as it is created, so it is
//! created under a `.tmp-` name beside its destination. `rename` without
//! overwriting is atomic in the NameNode and makes it the object.

use crate::{
    error::discarded,
    link::{Link, Session},
    reader::meta,
    removal,
};
use bytes::Bytes;
use hdfs_native::{client::FileStatus, file::FileWriter};
use rockhold_core::{Effect, Error, ErrorKind, Key, ObjectMeta, Result, STAGED_PREFIX, WriteMode};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long the client is watched while it closes a file, before it is left
/// alone: it asks again by itself after 500 ms.
const WATCHED: Duration = Duration::from_millis(400);

/// A file with a `.tmp-` name beside the place of its object. Dropped before
/// it is published, it is removed.
pub(crate) struct Staged {
    session: Session,
    key: Key,
    path: String,
    target: String,
    writer: Option<FileWriter>,
    len: u64,
    closed: Option<ObjectMeta>,
    /// A rename was sent and its answer got lost.
    unclear: bool,
    gone: bool,
}

/// The path of an object.
pub(crate) fn path(link: &Link, key: &Key) -> String {
    format!("{}/{key}", link.target.root)
}

/// A number that no other writer has, for the names of staged files.
pub(crate) fn stamp() -> Result<String> {
    let number = getrandom::u64().map_err(|error| {
        Error::internal("the operating system gives no random numbers").because(error.to_string())
    })?;
    Ok(format!("{number:016x}"))
}

impl Staged {
    /// Begins a file for `key`, `name` being its staged name without the prefix.
    pub(crate) async fn create(
        link: &Arc<Link>,
        key: &Key,
        name: &str,
        operation: &'static str,
    ) -> Result<Self> {
        let session = link.session().await?;
        let target = path(link, key);
        let parent = target.rsplit_once('/').map_or("", |(parent, _)| parent);
        let path = format!("{parent}/{STAGED_PREFIX}{name}");
        let mut staged = Self {
            session: session.clone(),
            key: key.clone(),
            path,
            target,
            writer: None,
            len: 0,
            closed: None,
            unclear: false,
            gone: false,
        };
        let created = session.client.create(&staged.path, session.link.target.options());
        match session.change(operation, key, created).await {
            Ok(writer) => staged.writer = Some(writer),
            Err(error) => {
                // An answer that got lost leaves a file, which dropping `staged`
                // removes. Where nobody could be asked there is none, and
                // repeated writes must not pile up removals.
                staged.gone = error.is_temporary() && error.effect() == Effect::NotApplied;
                return Err(not_created(error, operation, key));
            }
        }
        Ok(staged)
    }

    /// Whether more can be appended.
    pub(crate) fn is_open(&self) -> bool {
        self.writer.is_some()
    }

    /// Whether its bytes are all there and nothing can be appended.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Where it lies now.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Appends. After an error, only [`Staged::recover`] makes sense.
    pub(crate) async fn write(&mut self, bytes: Bytes, operation: &'static str) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            return Err(Error::internal("the staged file is closed").during(operation).at(&self.key));
        };
        let len = bytes.len() as u64;
        let written = self.session.transfer(operation, &self.key, writer.write_bytes(bytes)).await;
        written.map_err(|error| taken_away(error, operation, &self.key))?;
        self.len += len;
        Ok(())
    }

    /// Returns when the bytes written so far are on the disks of all DataNodes
    /// concerned and survive a writer that dies.
    pub(crate) async fn sync(&mut self, operation: &'static str) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let synced = self.session.transfer(operation, &self.key, writer.hsync()).await;
        synced.map_err(|error| taken_away(error, operation, &self.key))
    }

    /// Ends the file and checks the length that the NameNode recorded.
    pub(crate) async fn close(&mut self, operation: &'static str) -> Result<ObjectMeta> {
        if let Some(meta) = &self.closed {
            return Ok(meta.clone());
        }
        let (session, len) = (self.session.clone(), self.len);
        // A writer that failed to close has lost its block: it is not asked again.
        if let Some(mut writer) = self.writer.take() {
            let closed = close(&session, &mut writer, &self.path, len);
            let closed = session.transfer(operation, &self.key, closed).await;
            closed.map_err(|error| taken_away(error, operation, &self.key))?;
        }
        self.look(operation).await
    }

    /// Ends a file whose writer failed: the NameNode closes it at what the
    /// DataNodes have, of which at least `least` bytes must be there. Gives the length.
    pub(crate) async fn recover(&mut self, least: u64, operation: &'static str) -> Result<u64> {
        self.writer = None;
        // The NameNode may have to be another one by now.
        self.session = self.session.link.session().await?;
        let (begun, limit) = (Instant::now(), self.session.link.limits.transfer);
        let mut pause = Duration::from_millis(50);
        loop {
            let recovered = self.session.client.recover_lease(&self.path);
            let recovered = self.session.ask(operation, &self.key, recovered).await;
            if recovered.map_err(|error| taken_away(error, operation, &self.key))? {
                break;
            }
            // Block recovery goes by the heartbeats of the DataNodes.
            if begun.elapsed() > limit {
                let message = "HDFS does not recover what was written; check that the DataNodes run";
                let error = Error::new(ErrorKind::Unavailable, message).temporary(None);
                return Err(error.during(operation).at(&self.key));
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        let len = self.status(operation).await?.length as u64;
        if len < least {
            let message = "the DataNodes lost a part of what was written; write the object again";
            return Err(Error::new(ErrorKind::Unavailable, message).during(operation).at(&self.key));
        }
        self.len = len;
        Ok(len)
    }

    async fn status(&self, operation: &'static str) -> Result<FileStatus> {
        let status = self.session.client.get_file_info(&self.path);
        let status = self.session.ask(operation, &self.key, status).await;
        status.map_err(|error| taken_away(error, operation, &self.key))
    }

    async fn look(&mut self, operation: &'static str) -> Result<ObjectMeta> {
        let status = self.status(operation).await?;
        if status.length as u64 != self.len {
            let message = format!("{} bytes were sent and HDFS recorded {}", self.len, status.length);
            return Err(Error::corrupt(message).during(operation).at(&self.key).temporary(None));
        }
        let meta = meta(self.key.clone(), &status);
        self.closed = Some(meta.clone());
        Ok(meta)
    }

    /// Makes the file visible under its key. May be called again after an error.
    pub(crate) async fn publish(&mut self, mode: &WriteMode, operation: &'static str) -> Result<ObjectMeta> {
        let meta = self.close(operation).await?;
        if self.unclear
            && let Some(meta) = self.settle(&meta, operation).await?
        {
            return Ok(meta);
        }
        let overwrite = *mode == WriteMode::Overwrite;
        for _ in 0..3 {
            self.session = self.session.link.session().await?;
            let renamed = self.session.client.rename(&self.path, &self.target, overwrite);
            let error = match self.session.change(operation, &self.key, renamed).await {
                Ok(()) => {
                    self.gone = true;
                    return Ok(meta);
                }
                Err(error) => error,
            };
            match error.kind() {
                ErrorKind::AlreadyExists => {
                    if !self.is_free_again(operation).await? {
                        return Err(error);
                    }
                }
                ErrorKind::NotFound => return Err(discarded(operation, &self.key)),
                _ if error.effect() == Effect::MaybeApplied => {
                    self.unclear = true;
                    // Looking says what happened, unless that fails too.
                    return match self.settle(&meta, operation).await {
                        Ok(Some(meta)) => Ok(meta),
                        Ok(None) | Err(_) => Err(error),
                    };
                }
                _ => return Err(error),
            }
        }
        let message = "the key is taken and freed again all the time";
        Err(Error::new(ErrorKind::Conflict, message).during(operation).at(&self.key).temporary(None))
    }

    /// After a rename without an answer: whether it happened. The staged name
    /// is ours alone, so a file that left it and lies at the destination with
    /// its length and time of writing is ours.
    async fn settle(&mut self, meta: &ObjectMeta, operation: &'static str) -> Result<Option<ObjectMeta>> {
        self.session = self.session.link.session().await?;
        match self.session.ask(operation, &self.key, self.session.client.get_file_info(&self.path)).await {
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.maybe_applied()),
        }
        match self.session.ask(operation, &self.key, self.session.client.get_file_info(&self.target)).await {
            Ok(status) if !status.isdir && crate::reader::meta(self.key.clone(), &status) == *meta => {
                self.gone = true;
                Ok(Some(meta.clone()))
            }
            Ok(_) => {
                let message = "an object with this key exists; it may be the one that was to be written";
                Err(Error::new(ErrorKind::AlreadyExists, message)
                    .during(operation)
                    .at(&self.key)
                    .maybe_applied())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // Replaced or deleted since, or discarded before the rename came.
                Err(discarded(operation, &self.key).maybe_applied())
            }
            Err(error) => Err(error.maybe_applied()),
        }
    }

    /// What has the key: an object refuses, a directory with objects refuses
    /// otherwise, and an empty one, left by somebody who died before filling
    /// it, is taken away.
    async fn is_free_again(&self, operation: &'static str) -> Result<bool> {
        let status = self.session.client.get_file_info(&self.target);
        match self.session.ask(operation, &self.key, status).await {
            Ok(status) if !status.isdir => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
            Ok(_) => {
                // Not recursive, so it fails where something lies below.
                let removed = self.session.client.delete(&self.target, false);
                match self.session.change(operation, &self.key, removed).await {
                    Ok(_) => Ok(true),
                    Err(_) => Err(Error::invalid("other objects lie below this key")
                        .during(operation)
                        .at(&self.key)),
                }
            }
        }
    }

    /// Removes the file.
    pub(crate) async fn remove(mut self, operation: &'static str) -> Result<()> {
        self.writer = None;
        let session = self.session.link.session().await?;
        session.change(operation, &self.key, session.client.delete(&self.path, false)).await?;
        self.gone = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.gone {
            removal::begin(&self.session.link, std::mem::take(&mut self.path), self.writer.take());
        }
    }
}

/// A staged file is of no interest to anybody, so nothing was applied.
fn not_created(error: Error, operation: &'static str, key: &Key) -> Error {
    match error.kind() {
        // The name is ours alone: only a directory above can be an object.
        ErrorKind::AlreadyExists => {
            Error::invalid("a part of the path is an object, so nothing can lie below it")
                .during(operation)
                .at(key)
        }
        _ => error.not_applied(),
    }
}

/// A staged file that is not there any more, or not ours, was discarded.
fn taken_away(error: Error, operation: &'static str, key: &Key) -> Error {
    match error.kind() {
        ErrorKind::NotFound => discarded(operation, key),
        ErrorKind::Conflict if !error.is_temporary() => discarded(operation, key),
        _ => error,
    }
}

/// Closes a file without the client's wait.
///
/// The NameNode takes a file as complete only when a DataNode has reported its
/// last block, which is a little after the client asks for the first time; the
/// client then sleeps for 500 ms, so that one file after the other gives two a
/// second. Meanwhile the length that readers are told grows to the whole when
/// the block is complete. From then on asking again succeeds at once.
async fn close(
    session: &Session,
    writer: &mut FileWriter,
    path: &str,
    len: u64,
) -> std::result::Result<(), hdfs_native::HdfsError> {
    if len == 0 {
        return writer.close().await;
    }
    let complete = async {
        let mut pause = Duration::from_millis(2);
        let begun = Instant::now();
        while begun.elapsed() < WATCHED {
            sleep(pause).await;
            if session.client.read(path).await.is_ok_and(|reader| reader.file_length() as u64 == len) {
                return;
            }
            pause = (pause * 2).min(Duration::from_millis(32));
        }
        std::future::pending::<()>().await;
    };
    {
        let closing = writer.close();
        tokio::pin!(closing, complete);
        tokio::select! {
            biased;
            closed = &mut closing => return closed,
            () = &mut complete => {}
        }
        // Its own question may have been answered with yes just now.
        if let Ok(closed) = tokio::time::timeout(Duration::from_millis(5), &mut closing).await {
            return closed;
        }
    }
    // The block was committed, so the client is asleep: asking anew is safe.
    match writer.close().await {
        Ok(()) => Ok(()),
        // The file was closed already, by a question whose answer nobody waited
        // for: then this says yes. Otherwise it closes the file, whose blocks
        // are all complete. Without an answer it is not known which: the first
        // error, that the file is not ours any more, would prove nothing.
        Err(error) => match session.client.recover_lease(path).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(error),
            Err(asked) => Err(asked),
        },
    }
}
