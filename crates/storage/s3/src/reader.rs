//! Reading objects.

use crate::{backend::Shared, error::Answer, transport};
use aws_sdk_s3::{
    error::SdkError,
    primitives::{ByteStream, DateTime},
};
use bytes::Bytes;
use futures::{StreamExt, stream::BoxStream};
use rockhold_core::{Error, ErrorKind, GetRequest, Key, ObjectMeta, ObjectReader, Result, Timestamp};
use std::{ops::Range, sync::Arc};

/// The facts about one object, with what its writer noted.
pub(crate) struct Head {
    pub(crate) meta: ObjectMeta,
    /// The writer's mark, see `publish`.
    pub(crate) mark: Option<String>,
}

/// The facts about one object.
pub(crate) async fn head(shared: &Arc<Shared>, key: &Key) -> Result<ObjectMeta> {
    Ok(head_for(shared, key, "head").await?.meta)
}

/// As [`head`], on behalf of another operation.
pub(crate) async fn head_for(shared: &Arc<Shared>, key: &Key, operation: &'static str) -> Result<Head> {
    let call = shared.reads(operation, "s3:GetObject and s3:ListBucket");
    let request = shared.client.head_object().bucket(shared.bucket()).key(shared.object(key));
    let answer = match request.send().await {
        Ok(answer) => answer,
        // An answer to HEAD has no body, so it does not say what is wrong.
        Err(error)
            if Answer::of(&error)
                .is_some_and(|answer| matches!(answer.status, 301 | 307 | 400 | 401 | 403)) =>
        {
            return Err(match probe(shared, key, operation).await {
                Some(reason) => reason,
                None => call.failed(error, key),
            });
        }
        Err(error) => return Err(call.failed(error, key)),
    };
    let meta = meta(
        key.clone(),
        len(answer.content_length(), key, operation)?,
        answer.e_tag(),
        answer.last_modified(),
    );
    let mark = answer.metadata().and_then(|facts| facts.get(crate::publish::MARK)).cloned();
    Ok(Head { meta, mark })
}

/// Asks for one byte, to be told why.
async fn probe(shared: &Arc<Shared>, key: &Key, operation: &'static str) -> Option<Error> {
    let request =
        shared.client.get_object().bucket(shared.bucket()).key(shared.object(key)).range("bytes=0-0");
    let error = request.send().await.err()?;
    Some(shared.reads(operation, "s3:GetObject and s3:ListBucket").failed(error, key))
}

/// Opens an object.
pub(crate) async fn get(shared: &Arc<Shared>, request: GetRequest) -> Result<ObjectReader> {
    let key = &request.key;
    if let Some(range) = &request.range
        && range.start >= range.end
    {
        // No length makes it right.
        return Err(request
            .resolve(0)
            .err()
            .unwrap_or_else(|| Error::internal("an empty range was resolved")));
    }
    let mut get = shared.client.get_object().bucket(shared.bucket()).key(shared.object(key));
    if let Some(range) = &request.range {
        // Some servers read numbers with a sign and take what is too large for no range at all.
        get = get.range(match i64::try_from(range.end - 1) {
            Ok(last) => format!("bytes={}-{last}", range.start),
            Err(_) => format!("bytes={}-", range.start),
        });
    }
    if let Some(etag) = &request.if_match {
        get = get.if_match(quoted(etag));
    }
    let answer = match get.send().await {
        Ok(answer) => answer,
        Err(SdkError::ServiceError(error)) if error.raw().status().as_u16() == 304 => {
            let error = Error::new(ErrorKind::PreconditionFailed, "the object was changed since it was read");
            return Err(error.during("get").at(key));
        }
        Err(error) => {
            return Err(shared.reads("get", "s3:GetObject and s3:ListBucket").failed(error, key));
        }
    };
    let sent = len(answer.content_length(), key, "get")?;
    let (given, total) = match answer.content_range() {
        None => (0..sent, sent),
        Some(text) => content_range(text).ok_or_else(|| {
            Error::corrupt("the server's Content-Range makes no sense")
                .during("get")
                .at(key)
                .with("header", text)
        })?,
    };
    let range = request.resolve(total)?;
    // A server may ignore the range and send everything.
    if given.start > range.start || given.end < range.end || given.end - given.start != sent {
        let message =
            format!("the server sends the bytes {}..{} instead of those asked for", given.start, given.end);
        return Err(Error::corrupt(message).during("get").at(key));
    }
    let meta = meta(key.clone(), total, answer.e_tag(), answer.last_modified());
    let skip = range.start - given.start;
    let stream = body(answer.body, skip, range.end - range.start, key.clone());
    Ok(ObjectReader { meta, range, stream })
}

/// Exactly `len` bytes of a body behind the first `skip`, or an error.
fn body(body: ByteStream, skip: u64, len: u64, key: Key) -> BoxStream<'static, Result<Bytes>> {
    struct Rest {
        body: ByteStream,
        skip: u64,
        left: u64,
        key: Key,
    }
    let rest = Rest { body, skip, left: len, key };
    futures::stream::unfold(Some(rest), |rest| async {
        let mut rest = rest?;
        while rest.left > 0 {
            let bytes = match rest.body.next().await {
                Some(Ok(bytes)) => bytes,
                Some(Err(error)) => {
                    return Some((Err(transport::broken_body(&error).during("read").at(&rest.key)), None));
                }
                None => {
                    let message = format!("the server ended {} bytes too early", rest.left);
                    let error = Error::new(ErrorKind::Unavailable, message).temporary(None);
                    return Some((Err(error.during("read").at(&rest.key)), None));
                }
            };
            let skipped = rest.skip.min(bytes.len() as u64);
            rest.skip -= skipped;
            let mut bytes = bytes.slice(skipped as usize..);
            bytes.truncate(usize::try_from(rest.left).unwrap_or(usize::MAX));
            if !bytes.is_empty() {
                rest.left -= bytes.len() as u64;
                return Some((Ok(bytes), Some(rest)));
            }
        }
        None
    })
    .boxed()
}

/// `bytes 0-4/10` as range and total length.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (first.parse().ok()?, last.parse::<u64>().ok()?, total.parse().ok()?);
    let end = last.checked_add(1)?;
    (first < end && end <= total).then_some((first..end, total))
}

/// The facts of an object, from the words of the protocol. Times are cut to
/// whole seconds, since headers have no fractions and listings do.
pub(crate) fn meta(key: Key, len: u64, etag: Option<&str>, modified: Option<&DateTime>) -> ObjectMeta {
    let mut meta = ObjectMeta::new(key, len);
    meta.etag = etag.map(bare);
    meta.modified = modified.map(|time| Timestamp(time.secs().saturating_mul(1000)));
    meta
}

/// An entity tag without its quotes; [`quoted`] puts them back.
pub(crate) fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// An entity tag as it stands in a header.
pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

fn len(given: Option<i64>, key: &Key, operation: &'static str) -> Result<u64> {
    let len = given.and_then(|len| u64::try_from(len).ok());
    len.ok_or_else(|| {
        Error::corrupt("the server does not tell the object's length").during(operation).at(key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read_strictly() {
        assert_eq!(content_range("bytes 0-4/10"), Some((0..5, 10)));
        assert_eq!(content_range("bytes 9-9/10"), Some((9..10, 10)));
        for bad in ["bytes 5-4/10", "bytes 0-10/10", "bytes 0-4/*", "0-4/10", "bytes */10", "bytes -1-4/10"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_body_gives_exactly_the_bytes_of_the_range() {
        let read = async |skip, len| {
            let key = Key::new("k").unwrap();
            let pieces: Vec<_> = body(ByteStream::from_static(b"0123456789"), skip, len, key).collect().await;
            pieces.into_iter().collect::<Result<Vec<_>>>().map(|pieces| pieces.concat())
        };
        assert_eq!(read(0, 10).await.unwrap(), b"0123456789");
        assert_eq!(read(3, 4).await.unwrap(), b"3456");
        assert_eq!(read(0, 0).await.unwrap(), b"");
        let error = read(3, 8).await.unwrap_err();
        assert!(error.is_temporary(), "{error:?}");
    }
}
