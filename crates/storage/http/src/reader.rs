//! Reading objects.

use crate::backend::Shared;
use crate::error::{status, transport};
use bytes::Bytes;
use chrono::DateTime;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_MATCH, LAST_MODIFIED, RANGE};
use reqwest::{Method, Response, StatusCode};
use rockhold_core::{Error, ErrorKind, GetRequest, Key, ObjectMeta, ObjectReader, Result, Timestamp};
use std::ops::Range;
use std::sync::Arc;

/// The most that is kept in memory of a file whose length the server does not tell.
const UNTOLD: usize = 64 << 20;

/// The facts about one object.
pub(crate) async fn head(shared: &Arc<Shared>, key: &Key) -> Result<ObjectMeta> {
    let answer = send(shared, Method::HEAD, key, None, None, "head").await?;
    let refused = matches!(
        answer.status(),
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED | StatusCode::FORBIDDEN
    );
    let len = answer.headers().get(reqwest::header::CONTENT_LENGTH).and_then(number);
    match (answer.status().is_success(), len) {
        (true, Some(len)) => Ok(meta(key, len, answer.headers())),
        // Signed addresses are often for GET alone; others do not tell the length here.
        _ if refused || answer.status().is_success() => {
            let reader = open(shared, GetRequest::new(key.clone()), "head").await?;
            Ok(reader.meta)
        }
        _ => Err(status(answer.status(), answer.headers()).during("head").at(key)),
    }
}

/// Opens an object.
pub(crate) async fn get(shared: &Arc<Shared>, request: GetRequest) -> Result<ObjectReader> {
    open(shared, request, "get").await
}

async fn open(shared: &Arc<Shared>, request: GetRequest, operation: &'static str) -> Result<ObjectReader> {
    let key = request.key.clone();
    let named = |error: Error| error.during(operation).at(&key);
    // An empty range is refused without asking.
    if let Some(range) = &request.range
        && range.start >= range.end
    {
        request.resolve(u64::MAX)?;
    }
    let etag = request.if_match.as_deref();
    let answer = send(shared, Method::GET, &key, request.range.as_ref(), etag, operation).await?;
    if !answer.status().is_success() {
        return Err(named(status(answer.status(), answer.headers())));
    }
    let headers = answer.headers().clone();
    if let (Some(wanted), Some(has)) = (etag, strong_etag(&headers))
        && wanted != has
    {
        let error = Error::new(ErrorKind::PreconditionFailed, "the file was changed since it was read");
        return Err(named(error));
    }
    let partial = answer.status() == StatusCode::PARTIAL_CONTENT;
    let told = match partial {
        true => content_range(&headers),
        false => answer.content_length().map(|len| (0..len, len)),
    };
    let (sent, len, stream) = match told {
        Some((sent, len)) => (sent, len, pieces(shared, answer, &key)),
        None if partial => {
            let error = Error::new(ErrorKind::Unavailable, "the server does not say which bytes it sends");
            return Err(named(error));
        }
        None => {
            let bytes = whole(pieces(shared, answer, &key)).await.map_err(named)?;
            let len = bytes.len() as u64;
            (0..len, len, futures::stream::iter([Ok(bytes)]).boxed())
        }
    };
    let range = request.resolve(len)?;
    if sent.start > range.start || sent.end < range.end {
        let error = Error::new(ErrorKind::Unavailable, "the server sends other bytes than it was asked for");
        return Err(named(error));
    }
    let skip = range.start - sent.start;
    let stream = window(stream, skip, range.end - range.start, key.clone());
    Ok(ObjectReader { meta: meta(&key, len, &headers), range, stream })
}

async fn send(
    shared: &Arc<Shared>,
    method: Method,
    key: &Key,
    range: Option<&Range<u64>>,
    etag: Option<&str>,
    operation: &'static str,
) -> Result<Response> {
    let mut request = shared.client.request(method, shared.base.of(key));
    if let Some(range) = range {
        request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
    }
    if let Some(etag) = etag {
        request = request.header(IF_MATCH, etag);
    }
    let sent = request.send().await;
    sent.map_err(|error| transport(error, shared.base.scheme()).during(operation).at(key))
}

fn pieces(shared: &Arc<Shared>, answer: Response, key: &Key) -> BoxStream<'static, Result<Bytes>> {
    let (shared, key) = (shared.clone(), key.clone());
    answer
        .bytes_stream()
        .map_err(move |error| transport(error, shared.base.scheme()).during("get").at(&key))
        .boxed()
}

/// Everything that comes, within bounds.
async fn whole(mut stream: BoxStream<'static, Result<Bytes>>) -> Result<Bytes> {
    let mut all = Vec::new();
    while let Some(piece) = stream.next().await {
        all.extend_from_slice(&piece?);
        if all.len() > UNTOLD {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "the server does not tell the length of the file, which has more than {UNTOLD} bytes"
                ),
            ));
        }
    }
    Ok(all.into())
}

/// `take` bytes behind the first `skip`; fewer are an error, more are left.
fn window(
    stream: BoxStream<'static, Result<Bytes>>,
    skip: u64,
    take: u64,
    key: Key,
) -> BoxStream<'static, Result<Bytes>> {
    let state = (stream, skip, take, key);
    futures::stream::try_unfold(state, |(mut stream, mut skip, mut take, key)| async move {
        while take > 0 {
            let Some(piece) = stream.next().await else {
                let error = Error::new(ErrorKind::Unavailable, "the answer ended before the file did");
                return Err(error.temporary(None).during("get").at(&key));
            };
            let mut piece = piece?;
            let passed = skip.min(piece.len() as u64);
            // Both fit the length of the piece.
            piece = piece.slice(passed as usize..);
            skip -= passed;
            piece.truncate(take.min(piece.len() as u64) as usize);
            take -= piece.len() as u64;
            if !piece.is_empty() {
                return Ok(Some((piece, (stream, skip, take, key))));
            }
        }
        Ok(None)
    })
    .boxed()
}

fn meta(key: &Key, len: u64, headers: &HeaderMap) -> ObjectMeta {
    let mut meta = ObjectMeta::new(key.clone(), len);
    if let Some(etag) = strong_etag(headers) {
        meta = meta.with_etag(etag);
    }
    let modified = headers.get(LAST_MODIFIED).and_then(|value| value.to_str().ok());
    match modified.and_then(|text| DateTime::parse_from_rfc2822(text).ok()) {
        Some(time) => meta.with_modified(Timestamp(time.timestamp_millis())),
        None => meta,
    }
}

/// An entity tag that changes with every byte. Weak ones may not.
fn strong_etag(headers: &HeaderMap) -> Option<String> {
    let etag = headers.get(ETAG)?.to_str().ok()?;
    etag.starts_with('"').then(|| etag.to_owned())
}

fn number(value: &reqwest::header::HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

/// Which bytes come, and how many the file has: `bytes 5-9/20`.
fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (bytes, len) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = bytes.split_once('-')?;
    let (first, last, len): (u64, u64, u64) =
        (first.trim().parse().ok()?, last.trim().parse().ok()?, len.trim().parse().ok()?);
    (first <= last && last < len).then_some((first..last + 1, len))
}
