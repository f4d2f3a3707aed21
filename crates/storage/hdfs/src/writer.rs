//! Writing objects, whole or in parts.
//!
//! HDFS writes a file from front to back and by one writer. Parts that come in
//! order (as the engine sends them) are appended to one staged file and synced
//! one by one; a part that comes early, or is written again, goes to a staged
//! file of its own, and `commit` joins them: at the end of the first file where
//! they follow it, else in a new one.

use crate::{
    link::Link,
    parts::{Book, Place, Ticket},
    staged::{Staged, stamp},
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use rockhold_core::{CreateRequest, Error, ErrorKind, Key, ObjectMeta, ObjectWriter, PutRequest, Result};
use std::{
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use tokio::sync::{Mutex as Lock, OwnedRwLockReadGuard, RwLock, watch};

/// How much is held in memory while files are joined.
const JOINED_AT_ONCE: usize = 1 << 20;

/// Writes a small object.
pub(crate) async fn put(link: Arc<Link>, request: PutRequest) -> Result<ObjectMeta> {
    let mut staged = Staged::create(&link, &request.key, &stamp()?, "put").await?;
    staged.write(request.bytes, "put").await?;
    staged.publish(&request.mode, "put").await
}

/// One object under construction.
pub(crate) struct HdfsWriter(Arc<Parts>);

/// Tasks that outlive a dropped call hold this too, so it lasts until the last
/// of them has ended; then what was staged is removed.
struct Parts {
    link: Arc<Link>,
    request: CreateRequest,
    most: u32,
    stamp: String,
    files: AtomicU64,
    book: Mutex<Book>,
    stream: Lock<Stream>,
    /// How many of the parts promised to the stream are through.
    turn: watch::Sender<u32>,
    /// Held shared while a part is written, and alone by `commit`.
    gate: Arc<RwLock<()>>,
    committed: Lock<Option<ObjectMeta>>,
}

/// The file that is written from front to back.
#[derive(Default)]
struct Stream {
    staged: Option<Staged>,
    /// The lengths of the parts in it, each synced.
    written: Vec<u64>,
    /// Whether its writer failed, so that only what was synced counts.
    broken: bool,
}

/// Lets the next part of the stream begin, however this one ends.
struct Turn<'a>(&'a Parts, u32);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.turn.send_replace(self.1 + 1);
    }
}

impl HdfsWriter {
    /// Begins an object in parts. Nothing is sent before the first part.
    pub(crate) fn new(link: Arc<Link>, request: CreateRequest, most: u32) -> Result<Self> {
        Ok(Self(Arc::new(Parts {
            link,
            request,
            most,
            stamp: stamp()?,
            files: AtomicU64::new(0),
            book: Mutex::default(),
            stream: Lock::default(),
            turn: watch::Sender::new(0),
            gate: Arc::default(),
            committed: Lock::default(),
        })))
    }
}

impl Parts {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn stage(&self, operation: &'static str) -> Result<Staged> {
        let name = format!("{}-{}", self.stamp, self.files.fetch_add(1, Relaxed));
        Staged::create(&self.link, &self.request.key, &name, operation).await
    }

    /// Registers a write, and keeps `commit` out until it has ended.
    fn ask(&self, number: u32, len: u64) -> Result<(Ticket, OwnedRwLockReadGuard<()>)> {
        let mut book = self.book();
        // A commit that waits has closed the book before; this cannot fail then.
        let Ok(gate) = Arc::clone(&self.gate).try_read_owned() else {
            let error = Error::invalid("the object is being committed").during("write part");
            return Err(error.at(&self.request.key));
        };
        Ok((book.ask(&self.request, self.most, number, len)?, gate))
    }

    async fn write(&self, ticket: Ticket, bytes: Bytes) -> Result<()> {
        if ticket.stream {
            let mut turns = self.turn.subscribe();
            // The sender lives as long as this.
            let _ = turns.wait_for(|through| *through >= ticket.number).await;
            let _turn = Turn(self, ticket.number);
            let mut stream = self.stream.lock().await;
            if !stream.broken {
                let len = bytes.len() as u64;
                let result = self.append(&mut stream, bytes, "write part").await;
                match &result {
                    Ok(()) => self.book().note(ticket, Place::Stream, len),
                    Err(_) => self.book().stream_ended = true,
                }
                return result;
            }
        }
        if !self.book().is_newest(ticket) {
            return Ok(()); // written again since, so these bytes are replaced already
        }
        let len = bytes.len() as u64;
        let mut staged = self.stage("write part").await?;
        staged.write(bytes, "write part").await?;
        staged.close("write part").await?;
        self.book().note(ticket, Place::Alone(Arc::new(staged)), len);
        Ok(())
    }

    /// Appends one part and syncs it, so that it outlives the writer.
    async fn append(&self, stream: &mut Stream, bytes: Bytes, operation: &'static str) -> Result<()> {
        let len = bytes.len() as u64;
        let appended = async {
            let staged = match &mut stream.staged {
                Some(staged) => staged,
                none => none.insert(self.stage(operation).await?),
            };
            staged.write(bytes, operation).await?;
            staged.sync(operation).await
        };
        match appended.await {
            Ok(()) => {
                stream.written.push(len);
                Ok(())
            }
            Err(error) => {
                stream.broken = true;
                Err(error)
            }
        }
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        let mut committed = self.committed.lock().await;
        if let Some(meta) = &*committed {
            return Ok(meta.clone());
        }
        self.book().closed = true;
        // Waits for what is being written by calls that were dropped.
        let alone = self.gate.write().await;
        let published = self.publish().await;
        drop(alone);
        match &published {
            Ok(meta) => *committed = Some(meta.clone()),
            Err(_) => self.book().closed = false,
        }
        published
    }

    async fn publish(&self) -> Result<ObjectMeta> {
        let whole = self.book().whole(&self.request)?;
        let mut stream = self.stream.lock().await;
        Box::pin(self.join(&mut stream, &whole)).await?;
        let staged = match &mut stream.staged {
            Some(staged) => staged,
            none => none.insert(self.stage("commit").await?), // no parts
        };
        let published = Box::pin(staged.publish(&self.request.mode, "commit")).await;
        let closed = staged.is_closed();
        if published.is_err() && !closed {
            // What was synced is still there, for the next commit.
            stream.broken = true;
        }
        published
    }

    /// Brings all parts into one file.
    async fn join(&self, stream: &mut Stream, whole: &[(Place, u64)]) -> Result<()> {
        let streamed = stream.written.len();
        let in_place = whole.len() >= streamed
            && whole[..streamed].iter().all(|(place, _)| matches!(place, Place::Stream));
        if in_place && whole.len() == streamed {
            let synced: u64 = stream.written.iter().sum();
            let whole = match &mut stream.staged {
                // Its writer failed when all was written: then all may be there.
                Some(staged) if stream.broken => staged.recover(synced, "commit").await? == synced,
                _ => !stream.broken,
            };
            if whole {
                stream.broken = false;
                return Ok(());
            }
        }
        let open = stream.staged.as_ref().is_none_or(Staged::is_open);
        if in_place && !stream.broken && open {
            for (place, len) in &whole[streamed..] {
                let Place::Alone(part) = place else {
                    return Err(Error::internal("a part is in no file")
                        .during("commit")
                        .at(&self.request.key));
                };
                if let Err(error) = Box::pin(self.append_file(stream, part.path(), *len)).await {
                    stream.broken = true;
                    return Err(error);
                }
            }
        } else {
            Box::pin(self.rebuild(stream, whole)).await?;
        }
        self.book().joined();
        Ok(())
    }

    async fn append_file(&self, stream: &mut Stream, path: &str, len: u64) -> Result<()> {
        let staged = match &mut stream.staged {
            Some(staged) => staged,
            none => none.insert(self.stage("commit").await?),
        };
        copy(&self.link, path, 0, len, &self.request.key, staged).await?;
        staged.sync("commit").await?;
        stream.written.push(len);
        Ok(())
    }

    async fn rebuild(&self, stream: &mut Stream, whole: &[(Place, u64)]) -> Result<()> {
        let synced: u64 = stream.written.iter().sum();
        if let Some(old) = &mut stream.staged
            && synced > 0
        {
            if stream.broken {
                old.recover(synced, "commit").await?;
            } else if let Err(error) = old.close("commit").await {
                // What was synced is still there, for the next commit.
                stream.broken = true;
                return Err(error);
            }
        }
        let mut new = self.stage("commit").await?;
        let mut offset = 0;
        for (number, (place, len)) in whole.iter().enumerate() {
            match (place, &stream.staged) {
                (Place::Alone(part), _) => {
                    copy(&self.link, part.path(), 0, *len, &self.request.key, &mut new).await?;
                }
                (Place::Stream, Some(old)) => {
                    copy(&self.link, old.path(), offset, *len, &self.request.key, &mut new).await?;
                }
                (Place::Stream, None) => {
                    return Err(Error::internal("a part is in no file")
                        .during("commit")
                        .at(&self.request.key));
                }
            }
            offset += stream.written.get(number).copied().unwrap_or(0);
        }
        // The old file is removed with its value.
        *stream =
            Stream { staged: Some(new), written: whole.iter().map(|(_, len)| *len).collect(), broken: false };
        Ok(())
    }

    async fn abort(&self) -> Result<()> {
        self.book().closed = true;
        let _alone = self.gate.write().await;
        let streamed = std::mem::take(&mut *self.stream.lock().await).staged;
        let alone = self.book().take_alone();
        let mut failed = None;
        for staged in streamed.into_iter().chain(alone) {
            if let Err(error) = staged.remove("abort").await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Copies a range of a staged file to the end of another.
async fn copy(link: &Arc<Link>, path: &str, offset: u64, len: u64, key: &Key, to: &mut Staged) -> Result<()> {
    if len == 0 {
        return Ok(());
    }
    let session = link.session().await?;
    let reader = session.ask("commit", key, session.client.read(path)).await?;
    // The client panics on a range beyond what it knows of.
    if (reader.file_length() as u64) < offset + len {
        let message = "a DataNode lost a part of what was written; write the object again";
        return Err(Error::new(ErrorKind::Unavailable, message).during("commit").at(key));
    }
    let mut packets = pin!(reader.read_range_stream(offset as usize, len as usize));
    let (mut left, mut gathered) = (len, BytesMut::new());
    while left > 0 {
        let packet = async { packets.next().await.transpose() };
        let Some(packet) = session.transfer("commit", key, packet).await? else {
            return Err(Error::corrupt("a staged file ended early").during("commit").at(key).temporary(None));
        };
        left = left.saturating_sub(packet.len() as u64);
        gathered.extend_from_slice(&packet);
        if gathered.len() >= JOINED_AT_ONCE || left == 0 {
            to.write(gathered.split().freeze(), "commit").await?;
        }
    }
    Ok(())
}

#[async_trait]
impl ObjectWriter for HdfsWriter {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let (ticket, gate) = self.0.ask(number, bytes.len() as u64)?;
        let parts = Arc::clone(&self.0);
        let work = async move {
            let _gate = gate;
            parts.write(ticket, bytes).await
        };
        self.0.link.run_to_end("write part", work).await
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        let parts = Arc::clone(&self.0);
        self.0.link.run_to_end("commit", async move { parts.commit().await }).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let parts = Arc::clone(&self.0);
        self.0.link.run_to_end("abort", async move { parts.abort().await }).await
    }
}
