//! Reading objects.

use crate::{
    backend::Shared,
    client::{FIELDS, Facts, Resource, crc32c, seconds},
    error::{Asked, within},
};
use bytes::Bytes;
use chrono::DateTime;
use futures::StreamExt;
use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, LAST_MODIFIED, RANGE},
};
use rockhold_core::{Error, ErrorKind, GetRequest, Key, ObjectMeta, ObjectReader, Result};
use std::{ops::Range, sync::Arc};

/// The facts about one object.
pub(crate) async fn head(shared: &Shared, key: &Key) -> Result<ObjectMeta> {
    let asked = shared.asked("head", key, "storage.objects.get");
    let name = shared.location.name(key).map_err(|e| e.during("head"))?;
    Ok(resource(shared, &asked, &name).await?.0.meta(key.clone()))
}

/// An object as the service describes it.
pub(crate) async fn resource(shared: &Shared, asked: &Asked<'_>, name: &str) -> Result<(Facts, Resource)> {
    let request = shared.client.object(Method::GET, &shared.location, name, "").query(&[("fields", FIELDS)]);
    let found: Resource = match shared.client.json(asked, shared.client.call, request).await? {
        Ok(found) => found,
        Err(answer) => return Err(asked.refused(&answer)),
    };
    match found.facts() {
        Some(facts) => Ok((facts, found)),
        None => Err(asked.unreadable("a number or a time is missing")),
    }
}

/// Opens an object. The bytes are of one generation, since they are of one answer.
pub(crate) async fn open(shared: &Arc<Shared>, request: GetRequest) -> Result<ObjectReader> {
    let key = &request.key;
    let asked = shared.asked("get", key, "storage.objects.get");
    let name = shared.location.name(key).map_err(|e| e.during("get"))?;
    let mut query = vec![("alt", "media")];
    if let Some(wanted) = &request.if_match {
        // A tag that is no generation is of no object here.
        wanted.parse::<i64>().map_err(|_| asked.condition_failed())?;
        query.push(("ifGenerationMatch", wanted));
    }
    let mut sent = shared
        .client
        .object(Method::GET, &shared.location, &name, "")
        .query(&query)
        // The stored bytes, also of an object that is marked as compressed.
        .header(ACCEPT_ENCODING, "gzip");
    if let Some(range) = &request.range {
        if range.start >= range.end {
            request.resolve(u64::MAX)?;
        }
        sent = sent.header(RANGE, header(range));
    }
    let response = match shared.client.ask(&asked, shared.client.call, sent).await? {
        Ok(response) => response,
        Err(answer) => return Err(asked.refused(&answer)),
    };
    let given = Given::read(&response).map_err(|what| asked.unreadable(what))?;
    if request.if_match.as_ref().is_some_and(|wanted| *wanted != given.facts.generation.to_string()) {
        return Err(asked.condition_failed());
    }
    let meta = given.facts.meta(key.clone());
    let range = request.resolve(meta.len)?;
    if given.range.start != range.start || given.range.end > range.end {
        let message = format!(
            "bytes {range:?} were asked for and {:?} given: {} ignores ranges; check gcp.gcs.endpoint",
            given.range, shared.client.service
        );
        return Err(Error::new(ErrorKind::Unsupported, message).during("get").at(key));
    }
    let whole = range == (0..meta.len);
    let pieces = Pieces {
        shared: Arc::clone(shared),
        key: key.clone(),
        response,
        left: range.clone(),
        given_until: given.range.end,
        sum: given.facts.crc32c.filter(|_| whole).map(|wanted| Sum { wanted, found: 0 }),
    };
    Ok(ObjectReader { meta, range, stream: pieces.stream() })
}

/// Writes a range that is not empty: inclusive, and without an end where the
/// end is behind every object, since servers read it into 63 bits.
fn header(range: &Range<u64>) -> String {
    match i64::try_from(range.end) {
        Ok(end) => format!("bytes={}-{}", range.start, end.saturating_sub(1)),
        Err(_) => format!("bytes={}-", range.start),
    }
}

/// What the headers of an answer say.
struct Given {
    facts: Facts,
    /// The bytes that follow.
    range: Range<u64>,
}

impl Given {
    fn read(response: &Response) -> std::result::Result<Self, &'static str> {
        let headers = response.headers();
        let number = |name: &str| text(headers, name).and_then(|text| text.parse::<u64>().ok());
        let length = number(CONTENT_LENGTH.as_str());
        let (range, len) = if response.status() == StatusCode::PARTIAL_CONTENT {
            content_range(headers).ok_or("it does not say which bytes it gives")?
        } else {
            // Of an answer that is cut short the stored length tells the whole.
            let len = number("x-goog-stored-content-length").or(length);
            let len = len.ok_or("it does not say how long the object is")?;
            (0..length.unwrap_or(len), len)
        };
        if range.end > len || length.is_some_and(|length| length != range.end - range.start) {
            return Err("its length is not that of its range");
        }
        let generation = text(headers, "x-goog-generation").and_then(|text| text.parse().ok());
        let modified = text(headers, LAST_MODIFIED.as_str())
            .and_then(|text| DateTime::parse_from_rfc2822(text).ok())
            .map(|time| seconds(time.timestamp()));
        let generation = generation.ok_or("it does not say which generation it gives")?;
        Ok(Self { facts: Facts { len, generation, modified, crc32c: crc32c_of(headers) }, range })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Reads `bytes 0-9/100`: the range and the length of the whole.
fn content_range(headers: &HeaderMap) -> Option<(Range<u64>, u64)> {
    let (range, len) = text(headers, CONTENT_RANGE.as_str())?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (start, end) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?.checked_add(1)?);
    let len = len.parse().ok()?;
    (start < end && end <= len).then_some((start..end, len))
}

/// The checksum of the whole object, where the service tells it.
fn crc32c_of(headers: &HeaderMap) -> Option<u32> {
    let sums = headers.get_all("x-goog-hash").iter().filter_map(|value| value.to_str().ok());
    let sum = sums.flat_map(|value| value.split(',')).find_map(|sum| sum.trim().strip_prefix("crc32c="))?;
    crc32c(sum)
}

/// A checksum that grows with what is read.
struct Sum {
    wanted: u32,
    found: u32,
}

/// The rest of an answer.
struct Pieces {
    shared: Arc<Shared>,
    key: Key,
    response: Response,
    /// What was asked for and has not come yet.
    left: Range<u64>,
    /// Where the answer ends, which may be before that.
    given_until: u64,
    sum: Option<Sum>,
}

impl Pieces {
    async fn read(&mut self) -> Result<Option<Bytes>> {
        let shared = Arc::clone(&self.shared);
        let asked = shared.asked("read", &self.key, "storage.objects.get");
        let response = &mut self.response;
        let next = async { response.chunk().await.map_err(|source| asked.broke_off(source)) };
        let Some(piece) = within(shared.client.transfer, &asked, next).await? else {
            return self.end(&asked).map(|()| None);
        };
        let at = self.left.start;
        self.left.start += piece.len() as u64;
        if self.left.start > self.given_until {
            return Err(asked.unreadable("it is longer than it says"));
        }
        if let Some(sum) = &mut self.sum {
            sum.found = crc32c::crc32c_append(sum.found, &piece);
            // With the last piece, so that who counts bytes does not stop before it.
            if self.left.start == self.left.end && sum.found != sum.wanted {
                let message =
                    "the bytes are not those that the service holds: they were changed on their way";
                let error = Error::corrupt(message).during("read").at(&self.key).with("offset", at);
                return Err(error.temporary(None));
            }
        }
        Ok(Some(piece))
    }

    fn end(&self, asked: &Asked<'_>) -> Result<()> {
        if self.left.is_empty() {
            return Ok(());
        }
        let message = "the service gave fewer bytes than were asked for";
        let error = Error::new(ErrorKind::Unavailable, message).during(asked.operation).at(&self.key);
        Err(error.with("missing", self.left.end - self.left.start).temporary(None))
    }

    fn stream(self) -> futures::stream::BoxStream<'static, Result<Bytes>> {
        futures::stream::unfold(Some(self), |pieces| async {
            let mut pieces = pieces?;
            match pieces.read().await {
                Ok(None) => None,
                Ok(Some(bytes)) => Some((Ok(bytes), Some(pieces))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        pairs.collect()
    }

    #[test]
    fn a_content_range_is_read_strictly() {
        let range = |value| content_range(&headers(&[("content-range", value)]));
        assert_eq!(range("bytes 0-9/100"), Some((0..10, 100)));
        assert_eq!(range("bytes 99-99/100"), Some((99..100, 100)));
        for bad in ["bytes 0-9/*", "bytes 9-0/100", "bytes 0-100/100", "bytes */100", "0-9/100", ""] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_range_is_written_with_its_last_byte() {
        assert_eq!(header(&(0..1)), "bytes=0-0");
        assert_eq!(header(&(7..100)), "bytes=7-99");
        assert_eq!(header(&(7..u64::MAX)), "bytes=7-");
    }

    #[test]
    fn a_checksum_is_found_among_others() {
        let sum = |list| crc32c_of(&headers(list));
        assert_eq!(sum(&[("x-goog-hash", "crc32c=4waSgw==,md5=x")]), Some(0xe306_9283));
        assert_eq!(sum(&[("x-goog-hash", "md5=4waSgw==")]), None);
        assert_eq!(sum(&[("x-goog-hash", "crc32c=4waS")]), None);
    }
}
