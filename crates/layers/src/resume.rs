//! Continues a stream that broke off.

use crate::{retry::Attempts, waiting::measured};
use bytes::Bytes;
use futures::StreamExt;
use rockhold_core::{Error, GetRequest, Key, ObjectMeta, ObjectReader, Result, SharedRepository};

/// Makes a reader continue at its offset after temporary errors, on condition
/// that the object is still the same one.
pub(crate) fn resuming(
    reader: ObjectReader,
    key: Key,
    repository: SharedRepository,
    attempts: Attempts,
) -> ObjectReader {
    let ObjectReader { meta, range, stream } = reader;
    let state = State {
        repository,
        attempts,
        key,
        meta: meta.clone(),
        at: range.start,
        end: range.end,
        stream: Some(stream),
    };
    let stream = futures::stream::unfold(state, |mut state| async {
        match state.next().await {
            Ok(None) => None,
            Ok(Some(bytes)) => Some((Ok(bytes), state)),
            Err(error) => {
                state.stream = None;
                Some((Err(error), state))
            }
        }
    });
    ObjectReader { meta, range, stream: stream.boxed() }
}

struct State {
    repository: SharedRepository,
    attempts: Attempts,
    key: Key,
    meta: ObjectMeta,
    /// The next byte wanted.
    at: u64,
    end: u64,
    /// `None` once the stream has ended or failed for good.
    stream: Option<futures::stream::BoxStream<'static, Result<Bytes>>>,
}

impl State {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        // Not when the last piece came: the reader may have taken its time since.
        self.attempts.reset();
        let (piece, waited) = measured(stream.next()).await;
        self.attempts.forgive(waited);
        let mut error = match piece {
            Some(Ok(bytes)) => {
                self.at += bytes.len() as u64;
                return Ok(Some(bytes));
            }
            None => return Ok(None),
            Some(Err(error)) => error,
        };
        loop {
            if self.at >= self.end {
                self.stream = None; // everything came before the error did
                return Ok(None);
            }
            if !self.can_resume() {
                return Err(error);
            }
            self.attempts.after(error).await?;
            let (reopened, waited) = measured(async {
                let mut reader = self.reopen().await?;
                let piece = reader.stream.next().await;
                Ok((reader, piece))
            })
            .await;
            self.attempts.forgive(waited);
            match reopened {
                Ok((reader, piece)) => match piece {
                    Some(Ok(bytes)) => {
                        self.at += bytes.len() as u64;
                        self.stream = Some(reader.stream);
                        return Ok(Some(bytes));
                    }
                    Some(Err(again)) => error = again,
                    None => return Err(self.changed("gives no bytes any more")),
                },
                Err(again) => error = again,
            }
        }
    }

    /// Without an entity tag or a time of writing nothing proves that the rest
    /// would belong to the same object.
    fn can_resume(&self) -> bool {
        self.meta.etag.is_some() || self.meta.modified.is_some()
    }

    async fn reopen(&mut self) -> Result<ObjectReader> {
        let mut request = GetRequest::new(self.key.clone()).range(self.at..self.end);
        if let Some(etag) = &self.meta.etag {
            request = request.if_match(etag.clone());
        }
        let reader = self.repository.get(request).await?;
        let same = reader.meta.len == self.meta.len
            && reader.meta.etag == self.meta.etag
            // A tag tells versions apart; the same bytes may have been written again.
            && (self.meta.etag.is_some() || reader.meta.modified == self.meta.modified);
        if !same || reader.range != (self.at..self.end) {
            return Err(self.changed("changed"));
        }
        Ok(reader)
    }

    fn changed(&self, how: &str) -> Error {
        Error::corrupt(format!("the object {how} while it was read; read it again from its beginning"))
            .during("read")
            .at(&self.key)
            .with("offset", self.at)
    }
}
