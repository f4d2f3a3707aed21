//! Reading objects.

use crate::{
    link::{Link, Session},
    staged::path,
};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, stream::BoxStream};
use hdfs_native::{HdfsError, client::FileStatus};
use rockhold_core::{Error, ErrorKind, GetRequest, Key, ObjectMeta, ObjectReader, Result, Timestamp};
use std::{ops::Range, pin::Pin, sync::Arc};
use tokio::sync::mpsc;

/// How many pieces wait for their reader.
const AHEAD: usize = 2;

/// The facts that HDFS has of a file. The entity tag is made of the time of
/// writing, which the NameNode sets when the file is closed, and the length.
pub(crate) fn meta(key: Key, status: &FileStatus) -> ObjectMeta {
    let len = status.length as u64;
    let meta = ObjectMeta::new(key, len).with_etag(format!("{:x}-{len:x}", status.modification_time));
    let millis = i64::try_from(status.modification_time).unwrap_or(i64::MAX);
    meta.with_modified(Timestamp(millis))
}

fn missing(operation: &'static str, key: &Key) -> Error {
    Error::not_found("no such object").during(operation).at(key)
}

async fn status(session: &Session, key: &Key, operation: &'static str) -> Result<ObjectMeta> {
    let path = path(&session.link, key);
    let status = session.ask(operation, key, session.client.get_file_info(&path)).await;
    match status {
        Ok(status) if status.isdir => Err(missing(operation, key)),
        Ok(status) => Ok(meta(key.clone(), &status)),
        // A part of the path is a file.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Err(missing(operation, key)),
        Err(error) => Err(error),
    }
}

/// The facts about one object.
pub(crate) async fn head(link: Arc<Link>, key: Key) -> Result<ObjectMeta> {
    status(&link.session().await?, &key, "head").await
}

/// How often a file that is replaced all the time is opened anew.
const OPENED_ANEW: usize = 5;

/// Opens an object and reads its first piece.
pub(crate) async fn open(link: Arc<Link>, request: GetRequest, piece_len: usize) -> Result<ObjectReader> {
    let session = link.session().await?;
    let key = request.key.clone();
    for _ in 0..OPENED_ANEW {
        let found = status(&session, &key, "get").await?;
        check(&request, &found)?;
        let range = request.resolve(found.len)?;
        let path = path(&link, &key);
        let reader = session.ask("get", &key, session.client.read(&path)).await?;
        if request.if_match.is_some() {
            // The file may have been replaced between the two questions.
            check(&request, &status(&session, &key, "get").await?)?;
        }
        // Replaced in between; or still being written, by somebody else's
        // means. The client panics on a range beyond what it knows of.
        if reader.file_length() as u64 != found.len {
            continue;
        }
        let len = range.end - range.start;
        if len == 0 {
            return Ok(ObjectReader { meta: found, range, stream: futures::stream::empty().boxed() });
        }
        // Both fit: they lie within a length that was a usize.
        let stream = Box::pin(reader.read_range_stream(range.start as usize, len as usize));
        let meta = found.clone();
        let mut pieces = Pieces { session: session.clone(), meta, stream, left: range.clone(), piece_len };
        let first = match pieces.next().await {
            Ok(first) => futures::stream::iter([Ok(first)]),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed && request.if_match.is_none() => {
                continue;
            }
            Err(error) => return Err(error),
        };
        let stream =
            if pieces.left.is_empty() { first.boxed() } else { first.chain(pieces.behind()).boxed() };
        return Ok(ObjectReader { meta: found, range, stream });
    }
    let message = "the file is being written, or replaced all the time; read it again later";
    Err(Error::new(ErrorKind::Unavailable, message).during("get").at(&key).temporary(None))
}

fn check(request: &GetRequest, found: &ObjectMeta) -> Result<()> {
    match &request.if_match {
        Some(wanted) if found.etag.as_ref() != Some(wanted) => {
            let error = Error::new(ErrorKind::PreconditionFailed, "the object was changed since it was read");
            Err(error.during("get").at(&found.key))
        }
        _ => Ok(()),
    }
}

/// The rest of an open object.
struct Pieces {
    session: Session,
    meta: ObjectMeta,
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, HdfsError>> + Send>>,
    left: Range<u64>,
    piece_len: usize,
}

impl Pieces {
    /// Gathers the packets of DataNodes into the next piece.
    async fn next(&mut self) -> Result<Bytes> {
        let wanted = (self.left.end - self.left.start).min(self.piece_len.max(1) as u64) as usize;
        let mut bytes = BytesMut::new();
        while bytes.len() < wanted {
            let packet = async { self.stream.next().await.transpose() };
            match self.session.transfer("read", &self.meta.key, packet).await {
                Ok(Some(packet)) => bytes.extend_from_slice(&packet),
                Ok(None) => {
                    let error = Error::corrupt("the file ended early").during("read").at(&self.meta.key);
                    return Err(error.with("offset", self.left.start + bytes.len() as u64));
                }
                Err(error) => return Err(self.explain(error).await),
            }
        }
        let came = bytes.len() as u64;
        if came > self.left.end - self.left.start {
            return Err(Error::corrupt("more bytes came than were asked for")
                .during("read")
                .at(&self.meta.key));
        }
        self.left.start += came;
        Ok(bytes.freeze())
    }

    /// The blocks of a file that was replaced or deleted go away.
    async fn explain(&mut self, error: Error) -> Error {
        let message = match status(&self.session, &self.meta.key, "read").await {
            Ok(now) if now != self.meta => "the object was replaced while it was read",
            Err(now) if now.kind() == ErrorKind::NotFound => "the object was deleted while it was read",
            Ok(_) | Err(_) => return error,
        };
        Error::new(ErrorKind::PreconditionFailed, message).during("read").at(&self.meta.key).because(error)
    }

    /// Reads on the link's threads, a little ahead of who reads here.
    fn behind(mut self) -> BoxStream<'static, Result<Bytes>> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let link = Arc::clone(&self.session.link);
        let task = link.start(async move {
            while !self.left.is_empty() {
                let piece = tokio::select! {
                    piece = self.next() => piece,
                    () = sender.closed() => return,
                };
                let failed = piece.is_err();
                if sender.send(piece).await.is_err() || failed {
                    return;
                }
            }
        });
        futures::stream::unfold((receiver, Some(task)), |(mut receiver, task)| async {
            if let Some(piece) = receiver.recv().await {
                return Some((piece, (receiver, task)));
            }
            // The end, unless the task ended by a panic of the client.
            let lost = task?.await.err()?;
            let error =
                Error::internal("the HDFS client failed in an unforeseen way").during("read").because(lost);
            Some((Err(error), (receiver, None)))
        })
        .boxed()
    }
}
