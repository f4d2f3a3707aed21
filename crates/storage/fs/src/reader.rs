//! Reading objects.

use crate::{
    error::{blocking, os, reading},
    root::{Root, etag, meta},
};
use bytes::Bytes;
use futures::StreamExt;
use rockhold_core::{Error, ErrorKind, GetRequest, Key, ObjectMeta, ObjectReader, Result};
use rustix::{buffer::spare_capacity, fd::OwnedFd, io::Errno};
use std::{ops::Range, sync::Arc};

/// The facts about one object.
pub(crate) fn head(root: &Root, key: &Key) -> Result<ObjectMeta> {
    let (_, stat) = root.open_file(key).map_err(|errno| reading(errno, "head", key))?;
    Ok(meta(key.clone(), &stat))
}

/// Opens an object and reads its first piece, so that a small object costs one
/// trip to another thread.
pub(crate) fn open(root: &Root, request: GetRequest, piece_len: usize) -> Result<ObjectReader> {
    let key = &request.key;
    let (file, stat) = root.open_file(key).map_err(|errno| reading(errno, "get", key))?;
    if let Some(wanted) = &request.if_match
        && *wanted != etag(&stat)
    {
        let error = Error::new(ErrorKind::PreconditionFailed, "the object was changed since it was read");
        return Err(error.during("get").at(key));
    }
    let meta = meta(key.clone(), &stat);
    let range = request.resolve(meta.len)?;
    let pieces = Pieces { file: Arc::new(file), key: request.key, left: range.clone(), piece_len };
    let stream = if range.end - range.start <= piece_len as u64 {
        let only = pieces.read()?.map(|(bytes, _)| Ok(bytes));
        futures::stream::iter(only).boxed()
    } else {
        pieces.stream()
    };
    Ok(ObjectReader { meta, range, stream })
}

/// The rest of an open object.
struct Pieces {
    file: Arc<OwnedFd>,
    key: Key,
    left: Range<u64>,
    piece_len: usize,
}

impl Pieces {
    /// Reads the next piece; `None` at the end.
    fn read(mut self) -> Result<Option<(Bytes, Self)>> {
        // A piece fits a usize by its configuration.
        let len = (self.left.end - self.left.start).min(self.piece_len as u64) as usize;
        if len == 0 {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let at = self.left.start + bytes.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), at) {
                Ok(0) => {
                    let error = Error::corrupt("the file became shorter while it was read");
                    return Err(error.during("read").at(&self.key).with("offset", at));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(os(errno, "read", &self.key)),
            }
        }
        // The allocator may have given more room than asked for, and a file may have grown into it.
        bytes.truncate(len);
        self.left.start += len as u64;
        Ok(Some((Bytes::from(bytes), self)))
    }

    fn stream(self) -> futures::stream::BoxStream<'static, Result<Bytes>> {
        futures::stream::unfold(Some(self), |pieces| async {
            let pieces = pieces?;
            match blocking("read", move || pieces.read()).await {
                Ok(None) => None,
                Ok(Some((bytes, rest))) => Some((Ok(bytes), Some(rest))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}
