//! Copying objects inside the store.

use crate::{
    backend::Shared,
    publish,
    reader::{head_for, quoted},
    uploads,
};
use aws_sdk_s3::types::CompletedPart;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use rockhold_core::{Error, ErrorKind, Key, ObjectMeta, Result, WriteMode};
use std::{fmt::Write, ops::Range, sync::Arc};

/// How many ranges of one object are copied at once.
const RANGES_AT_ONCE: usize = 8;

/// Ranges of equal length are at least half as long as the limit, and a part
/// has at least 5 MiB.
const SHORTEST_LIMIT: u64 = 10 << 20;

/// What a policy must allow.
const ACTION: &str = "s3:GetObject and s3:PutObject";

/// Copies an object. One call of the server copies up to 5 GiB and knows no
/// condition; ranges that become parts know no limit and end with a request
/// that takes one.
pub(crate) async fn copy(shared: &Arc<Shared>, from: &Key, to: &Key, mode: &WriteMode) -> Result<ObjectMeta> {
    let source = head_for(shared, from, "copy").await?.meta;
    let limit = shared.config.copy_limit.max(SHORTEST_LIMIT);
    let by_parts = shared.config.dialect.part_copy;
    if source.len > limit && !by_parts {
        let message = format!("{} copies at most {limit} bytes", shared.config.dialect.vendor);
        return Err(Error::unsupported(message).during("copy").at(from));
    }
    let etag = match mode {
        _ if source.len == 0 => {
            let meta = publish::put(shared, to, Bytes::new(), mode, None, "copy").await?;
            return Ok(meta);
        }
        WriteMode::Overwrite if source.len <= limit => whole(shared, &source, to).await?,
        WriteMode::CreateNew if !by_parts => {
            // The best there is without a condition: the capability says so.
            publish::look_first(shared, to, mode, "copy").await?;
            whole(shared, &source, to).await?
        }
        _ => ranges(shared, &source, to, mode, limit).await?,
    };
    Ok(publish::completed(shared, to, source.len, etag, "copy").await)
}

async fn whole(shared: &Shared, source: &ObjectMeta, to: &Key) -> Result<Option<String>> {
    let copy = shared.client.copy_object().bucket(shared.bucket()).key(shared.object(to));
    let copy = copy.copy_source(place(shared, &source.key));
    let answer = copy.set_copy_source_if_match(source.etag.as_deref().map(quoted)).send().await;
    let answer = answer.map_err(|e| changed(shared.writes("copy", ACTION).failed(e, to), source))?;
    Ok(answer.copy_object_result().and_then(|result| result.e_tag()).map(str::to_owned))
}

async fn ranges(
    shared: &Arc<Shared>,
    source: &ObjectMeta,
    to: &Key,
    mode: &WriteMode,
    limit: u64,
) -> Result<Option<String>> {
    let call = shared.writes("copy", ACTION);
    let begin = shared.client.create_multipart_upload().bucket(shared.bucket()).key(shared.object(to));
    let begun = begin.send().await.map_err(|e| call.failed(e, to))?;
    let upload = begun.upload_id().unwrap_or_default();
    let copied = finish(shared, source, to, mode, limit, upload).await;
    if copied.is_err() {
        // The reason stays the reason; what cannot be removed is found by `discard_staged`.
        uploads::abort(shared, to, upload, "copy").await.ok();
    }
    copied
}

async fn finish(
    shared: &Arc<Shared>,
    source: &ObjectMeta,
    to: &Key,
    mode: &WriteMode,
    limit: u64,
    upload: &str,
) -> Result<Option<String>> {
    let parts: Vec<CompletedPart> = stream::iter((1..).zip(split(source.len, limit)))
        .map(|(number, range)| part(shared, source, to, upload, number, range))
        .buffered(RANGES_AT_ONCE)
        .try_collect()
        .await?;
    publish::complete(shared, &shared.writes("copy", ACTION), to, upload, parts, mode).await
}

async fn part(
    shared: &Shared,
    source: &ObjectMeta,
    to: &Key,
    upload: &str,
    number: i32,
    range: Range<u64>,
) -> Result<CompletedPart> {
    let copy = shared.client.upload_part_copy().bucket(shared.bucket()).key(shared.object(to));
    let copy = copy.upload_id(upload).part_number(number).copy_source(place(shared, &source.key));
    let copy = copy.copy_source_range(format!("bytes={}-{}", range.start, range.end - 1));
    let answer = copy.set_copy_source_if_match(source.etag.as_deref().map(quoted)).send().await;
    let answer = answer.map_err(|e| changed(shared.writes("copy", ACTION).failed(e, to), source))?;
    let tag = answer.copy_part_result().and_then(|result| result.e_tag());
    let tag = tag.ok_or_else(|| Error::corrupt("the server gives a part no tag").during("copy").at(to))?;
    Ok(CompletedPart::builder().part_number(number).e_tag(tag).build())
}

/// The condition was on the source, so it says nothing of the target.
fn changed(error: Error, source: &ObjectMeta) -> Error {
    if error.kind() != ErrorKind::PreconditionFailed {
        return error;
    }
    let conflict = Error::new(ErrorKind::Conflict, "the object was changed while it was copied");
    conflict.during("copy").at(&source.key).temporary(None)
}

/// Ranges of equal length, none longer than the limit.
fn split(len: u64, limit: u64) -> Vec<Range<u64>> {
    let count = len.div_ceil(limit).max(1);
    let step = len.div_ceil(count).max(1);
    (0..count).map(|n| n * step..len.min((n + 1) * step)).filter(|range| !range.is_empty()).collect()
}

/// Bucket and name as a header takes them.
fn place(shared: &Shared, key: &Key) -> String {
    let mut text = format!("{}/", shared.bucket());
    for byte in shared.object(key).bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                text.push(byte as char)
            }
            other => {
                // Writing to a string does not fail.
                let _ = write!(text, "%{other:02X}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn ranges_cover_an_object_and_none_is_too_long() {
        assert_eq!(split(10, 10), vec![std::ops::Range { start: 0, end: 10 }]);
        assert_eq!(split(11, 10), [0..6, 6..11]);
        assert_eq!(split(25, 10), [0..9, 9..18, 18..25]);
        let limit = 5 << 30;
        let ranges = split(5 << 40, limit);
        assert_eq!(ranges.len(), 1024);
        assert!(ranges.iter().all(|range| range.end - range.start <= limit));
    }
}
