//! The JSON API: which request this is, and what it does.

use crate::{
    access::Access,
    fault::{Call, Fault},
    session::{Chunk, Sessions},
    store::{Condition, Object, Source, Store},
    upload,
    wire::{Failure, Reply, crc32c_text, cut, failed, flip, full, json_reply, len, malformed, pieces, reply},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{HeaderMap, Method, http::request::Parts};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Everything that the service remembers.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) sessions: Sessions,
    pub(crate) access: Access,
}

/// A request, taken apart.
pub(crate) struct Asked {
    pub(crate) call: Call,
    pub(crate) bucket: String,
    /// The object's name; of a listing the prefix.
    pub(crate) name: String,
    segments: Vec<String>,
    query: HashMap<String, String>,
    method: Method,
    headers: HeaderMap,
}

fn decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Asked {
    pub(crate) fn new(parts: &Parts, state: &State) -> Self {
        let segments: Vec<String> = parts.uri.path().trim_start_matches('/').split('/').map(decode).collect();
        let query: HashMap<String, String> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decode(name), decode(&value.replace('+', " "))))
            .collect();
        let mut asked = Self {
            call: Call::Other,
            bucket: String::new(),
            name: String::new(),
            segments,
            query,
            method: parts.method.clone(),
            headers: parts.headers.clone(),
        };
        let (call, bucket, name) = asked.classify(state);
        (asked.call, asked.bucket, asked.name) = (call, bucket, name);
        asked
    }

    fn classify(&self, state: &State) -> (Call, String, String) {
        let path: Vec<&str> = self.segments.iter().map(String::as_str).collect();
        let owned = |call, bucket: &str, name: &str| (call, bucket.to_owned(), name.to_owned());
        let kind = self.text("uploadType");
        match (self.method.as_str(), &path[..]) {
            ("POST", ["upload", "storage", "v1", "b", bucket, "o"]) if kind == "multipart" => {
                owned(Call::Upload, bucket, self.text("name"))
            }
            ("POST", ["upload", "storage", "v1", "b", bucket, "o"]) if kind == "resumable" => {
                owned(Call::StartSession, bucket, self.text("name"))
            }
            (method @ ("PUT" | "DELETE"), ["upload", "storage", "v1", "b", bucket, "o"]) => {
                let name = state.sessions.name(self.text("upload_id"));
                let call = if method == "PUT" { Call::SendChunk } else { Call::CancelSession };
                owned(call, bucket, &name)
            }
            ("GET", ["storage", "v1", "b", bucket, "o"]) => owned(Call::List, bucket, self.text("prefix")),
            ("GET", ["storage", "v1", "b", bucket, "o", name])
            | ("GET", ["download", "storage", "v1", "b", bucket, "o", name]) => {
                let call = if self.text("alt") == "media" { Call::Read } else { Call::Head };
                owned(call, bucket, name)
            }
            ("DELETE", ["storage", "v1", "b", bucket, "o", name]) => owned(Call::Delete, bucket, name),
            ("POST", ["storage", "v1", "b", bucket, "o", name, "compose"]) => {
                owned(Call::Compose, bucket, name)
            }
            ("POST", ["storage", "v1", "b", _, "o", _, "rewriteTo" | "copyTo", "b", bucket, "o", name]) => {
                owned(Call::Rewrite, bucket, name)
            }
            ("GET", ["storage", "v1", "b", bucket]) => owned(Call::Bucket, bucket, ""),
            ("POST", ["v1", "projects", _, "serviceAccounts", account]) => owned(Call::Token, "", account),
            ("GET", ["computeMetadata", "v1", ..]) => owned(Call::Token, "", "metadata"),
            _ => owned(Call::Other, "", ""),
        }
    }

    fn text(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        self.query.get(name).map(|text| text.parse().map_err(malformed)).transpose()
    }

    fn condition(&self) -> Result<Condition, Failure> {
        Ok(Condition { is: self.number("ifGenerationMatch")?, is_not: self.number("ifGenerationNotMatch")? })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What is refused before the body is read: a stranger, a condition that
    /// does not hold when the request begins.
    pub(crate) fn admit(&self, state: &State) -> Result<(), Failure> {
        let machine = self.call == Call::Token && self.name == "metadata";
        if !machine {
            state.access.admit(self.header("authorization"))?;
        }
        match self.call {
            Call::Upload | Call::StartSession | Call::Compose | Call::Rewrite => {
                state.store.check(&self.bucket, &self.name, self.condition()?)
            }
            _ => Ok(()),
        }
    }

    /// Does it. `broken` says that the body broke off.
    pub(crate) fn answer(
        &self,
        state: &mut State,
        body: Bytes,
        broken: bool,
        fault: Option<&Fault>,
        base: &str,
    ) -> Result<Reply, Failure> {
        let (bucket, name) = (self.bucket.as_str(), self.name.as_str());
        match self.call {
            Call::SendChunk => {
                let keep = match fault {
                    Some(Fault::KeepOnly(bytes)) => Some(*bytes),
                    _ => None,
                };
                let chunk = Chunk {
                    content_range: self.header("content-range").unwrap_or("bytes 0-*/*").to_owned(),
                    hash: self.header("x-goog-hash").map(str::to_owned),
                    bytes: body,
                    keep,
                    broken,
                };
                state.sessions.send(self.text("upload_id"), chunk, &mut state.store)
            }
            // Of everything else nothing is done when the request is not whole.
            _ if broken => Err(failed(400, "The request broke off.")),
            Call::Upload => {
                let kind = self.header("content-type").unwrap_or_default();
                let (said, mut media) = upload::parts(kind, &body)?;
                if let Some(Fault::FlipUploadBit(at)) = fault {
                    media = flip(media, *at);
                }
                let put = state.store.put(bucket, name, vec![media], said, self.condition()?);
                Ok(json_reply(200, &put?.json(bucket, name)))
            }
            Call::StartSession => {
                let said = if body.is_empty() { Map::new() } else { fields(&body)? };
                let id = state.sessions.start(bucket, name, self.condition()?, said);
                // Never from the Host header, which the official client sends without the port.
                let location =
                    format!("{base}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}");
                Ok(reply(200, &[("location", location)], full("")))
            }
            Call::CancelSession => state.sessions.cancel(self.text("upload_id")),
            Call::Read => {
                let generation = self.number("generation")?.unwrap_or(0);
                let object = state.store.get(bucket, name, generation, self.condition()?)?;
                self.media(&object, fault)
            }
            Call::Head => {
                let generation = self.number("generation")?.unwrap_or(0);
                let object = state.store.get(bucket, name, generation, self.condition()?)?;
                Ok(json_reply(200, &object.json(bucket, name)))
            }
            Call::List => self.list(state),
            Call::Delete => {
                let generation = self.number("generation")?.unwrap_or(0);
                state.store.delete(bucket, name, generation, self.condition()?)?;
                Ok(reply(204, &[], full("")))
            }
            Call::Compose => {
                let asked = fields(&body)?;
                let sources = sources(&asked)?;
                let said = match asked.get("destination") {
                    Some(Value::Object(said)) => said.clone(),
                    _ => Map::new(),
                };
                let object = state.store.compose(bucket, &sources, name, said, self.condition()?)?;
                Ok(json_reply(200, &object.json(bucket, name)))
            }
            Call::Rewrite => self.rewrite(state),
            Call::Bucket => {
                let mut shown = state.store.describe_bucket(bucket)?;
                // What is asked for, or all of it.
                let wanted = self.text("fields");
                shown.retain(|field, _| wanted.is_empty() || wanted.split(',').any(|name| name == field));
                Ok(json_reply(200, &Value::Object(shown)))
            }
            Call::Token => self.token(state),
            Call::Other => Err(failed(404, "Not Found")),
        }
    }

    fn media(&self, object: &Object, fault: Option<&Fault>) -> Result<Reply, Failure> {
        let size = object.size;
        let asked = match (self.header("range"), fault) {
            (Some(range), fault) if fault != Some(&Fault::IgnoreRange) => Some(byte_range(range, size)?),
            _ => None,
        };
        let (start, mut end) = asked.unwrap_or((0, size));
        if let Some(Fault::ShortRange(most)) = fault {
            end = end.min(start + most);
        }
        let mut headers = vec![
            ("x-goog-generation", object.generation.to_string()),
            ("x-goog-metageneration", "1".into()),
            ("x-goog-hash", format!("crc32c={}", crc32c_text(object.crc32c))),
            ("x-goog-stored-content-length", size.to_string()),
            ("x-goog-stored-content-encoding", "identity".into()),
            ("x-goog-storage-class", "STANDARD".into()),
            ("content-type", "application/octet-stream".into()),
            ("etag", format!("C{}", object.generation)),
            ("last-modified", object.created.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            ("content-length", (end - start).to_string()),
        ];
        if asked.is_some() {
            headers.push(("content-range", format!("bytes {start}-{}/{size}", end.saturating_sub(1))));
        }
        let mut data = cut(&object.data, start, end);
        let mut stalls = false;
        match fault {
            Some(Fault::StallBody(most)) => {
                data = cut(&data, 0, *most);
                stalls = true;
            }
            Some(Fault::FlipBodyBit(at)) => data = vec![flip(data.concat().into(), *at)],
            _ => {}
        }
        let status = if asked.is_some() { 206 } else { 200 };
        debug_assert!(stalls || len(&data) == end - start);
        Ok(reply(status, &headers, pieces(data, stalls)))
    }

    fn list(&self, state: &State) -> Result<Reply, Failure> {
        let bucket = &self.bucket;
        let after = match self.text("pageToken") {
            "" => String::new(),
            token => STANDARD
                .decode(token)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| failed(400, "Invalid Value for pageToken"))?,
        };
        let most = match self.number("maxResults")? {
            None => 0,
            Some(most) => usize::try_from(most)
                .ok()
                .filter(|most| *most > 0)
                .ok_or_else(|| failed(400, "Invalid maxResults"))?,
        };
        let page = state.store.list(bucket, &self.name, self.text("delimiter"), most, &after)?;
        let items: Vec<Value> = page.objects.iter().map(|(name, object)| object.json(bucket, name)).collect();
        let mut shown = json!({"kind": "storage#objects"});
        // The service leaves out what is empty.
        if !items.is_empty() {
            shown["items"] = items.into();
        }
        if !page.prefixes.is_empty() {
            shown["prefixes"] = page.prefixes.into_iter().collect::<Vec<_>>().into();
        }
        if let Some(last) = page.last {
            shown["nextPageToken"] = STANDARD.encode(last).into();
        }
        Ok(json_reply(200, &shown))
    }

    /// A copy takes two requests, so that a caller must go on with the token.
    fn rewrite(&self, state: &mut State) -> Result<Reply, Failure> {
        let (Some(from_bucket), Some(from)) = (self.segments.get(3), self.segments.get(5)) else {
            return Err(failed(404, "Not Found"));
        };
        let size = state.store.get(from_bucket, from, 0, Condition::default())?.size;
        if self.text("rewriteToken").is_empty() {
            let shown = json!({
                "kind": "storage#rewriteResponse", "done": false, "totalBytesRewritten": "0",
                "objectSize": size.to_string(), "rewriteToken": "go-on",
            });
            return Ok(json_reply(200, &shown));
        }
        let to = (self.bucket.as_str(), self.name.as_str());
        let object = state.store.copy((from_bucket, from), to, self.condition()?)?;
        let shown = json!({
            "kind": "storage#rewriteResponse", "done": true, "totalBytesRewritten": size.to_string(),
            "objectSize": size.to_string(), "resource": object.json(to.0, to.1),
        });
        Ok(json_reply(200, &shown))
    }

    fn token(&self, state: &mut State) -> Result<Reply, Failure> {
        let given = match self.name.strip_suffix(":generateAccessToken") {
            Some(account) => {
                let caller = state.access.admit(self.header("authorization"))?;
                state.access.impersonate(caller, account)?
            }
            None if self.segments.last().is_some_and(|last| last == "token") => {
                state.access.machine_token(self.header("metadata-flavor"))?
            }
            None => return Err(failed(404, "Not Found")),
        };
        Ok(json_reply(200, &given))
    }
}

fn fields(body: &Bytes) -> Result<Map<String, Value>, Failure> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        other => Err(malformed(other)),
    }
}

fn sources(asked: &Map<String, Value>) -> Result<Vec<Source>, Failure> {
    // Numbers of 64 bits are strings in this API; a number in JSON is taken too.
    let number = |value: &Value| match value {
        Value::Null => Ok(None),
        Value::String(text) => text.parse().map(Some).map_err(malformed),
        other => other.as_i64().map(Some).ok_or_else(|| malformed(other)),
    };
    let listed = asked.get("sourceObjects").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let source = |source: &Value| {
        Ok(Source {
            name: source["name"].as_str().unwrap_or_default().to_owned(),
            generation: number(&source["generation"])?.unwrap_or(0),
            condition: Condition {
                is: number(&source["objectPreconditions"]["ifGenerationMatch"])?,
                is_not: None,
            },
        })
    };
    listed.iter().map(source).collect()
}

/// The bytes that a `Range` header asks for, of an object of `size` bytes.
fn byte_range(header: &str, size: u64) -> Result<(u64, u64), Failure> {
    let (first, last) =
        header.strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or_else(|| malformed(()))?;
    let number = |text: &str| text.parse::<u64>().map_err(malformed);
    let (start, end) = match (first, last) {
        ("", suffix) => (size.saturating_sub(number(suffix)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => (number(first)?, number(last)?.saturating_add(1).min(size)),
    };
    if start >= size || start >= end {
        return Err(failed(416, "The requested range cannot be satisfied."));
    }
    Ok((start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        let range = |text| byte_range(text, 10).ok();
        assert_eq!(range("bytes=0-0"), Some((0, 1)));
        assert_eq!(range("bytes=3-"), Some((3, 10)));
        assert_eq!(range("bytes=3-99"), Some((3, 10)));
        assert_eq!(range("bytes=-4"), Some((6, 10)));
        assert_eq!(byte_range("bytes=10-", 10).unwrap_err().status, 416);
        assert_eq!(byte_range("bytes=0-", 0).unwrap_err().status, 416);
        assert_eq!(byte_range("bytes=x-", 10).unwrap_err().status, 400);
    }
}
