//! Objects that come to be: by one upload, or out of others.

use crate::{
    backend::Shared,
    client::{FIELDS, Facts, Resource},
    error::{Answer, Asked, within},
};
use bytes::Bytes;
use reqwest::Method;
use rockhold_core::{Result, WriteMode};
use serde_json::{Value, json};

/// The most sources of one composition.
pub(crate) const MOST_SOURCES: usize = 32;

/// The word by which a writer knows its own object again.
pub(crate) const WRITER: &str = "rockhold-writer";

/// An object to be composed into another.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) generation: i64,
}

/// The object that is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) name: &'a str,
    /// The generation that must be there; 0 for none.
    pub(crate) generation: Option<i64>,
    /// The writer to be noted with it.
    pub(crate) writer: Option<&'a str>,
}

/// The generation that a write mode asks for.
pub(crate) fn generation(asked: &Asked<'_>, mode: &WriteMode) -> Result<Option<i64>> {
    match mode {
        WriteMode::CreateNew => Ok(Some(0)),
        WriteMode::Overwrite => Ok(None),
        // 0 would ask that nothing is there.
        WriteMode::IfMatch(etag) => match etag.parse() {
            Ok(generation) if generation != 0 => Ok(Some(generation)),
            _ => Err(asked.condition_failed()),
        },
    }
}

/// Writes an object in one request. The request carries the checksum of the
/// bytes, which the service compares with what arrives.
pub(crate) async fn upload(
    shared: &Shared,
    asked: &Asked<'_>,
    target: Target<'_>,
    bytes: Bytes,
) -> Result<Facts> {
    let len = bytes.len() as u64;
    let mut write = shared
        .uploads
        .write_object(&shared.bucket_resource, target.name, bytes)
        .set_content_type("application/octet-stream")
        // Never in pieces: see the documentation of this crate.
        .with_resumable_upload_threshold(usize::MAX);
    if let Some(generation) = target.generation {
        write = write.set_if_generation_match(generation);
    }
    if let Some(writer) = target.writer {
        write = write.set_metadata([(WRITER, writer)]);
    }
    let sent = async { write.send_buffered().await.map_err(|source| asked.client(source)) };
    let object = within(shared.client.transfer, asked, sent).await?;
    shared.client.had_token();
    let facts = Facts {
        len: u64::try_from(object.size).unwrap_or_default(),
        generation: object.generation,
        modified: object.create_time.map(|time| crate::client::seconds(time.seconds())),
        crc32c: object.checksums.and_then(|sums| sums.crc32c),
    };
    if facts.len == len { Ok(facts) } else { Err(asked.holds(facts.len, len)) }
}

/// Makes one object out of 1 to 32, inside the service. A refusal is given as
/// it is: 404 says that a source is missing, 412 that the target's condition
/// does not hold.
pub(crate) async fn compose(
    shared: &Shared,
    asked: &Asked<'_>,
    sources: &[Source],
    target: Target<'_>,
) -> Result<std::result::Result<Facts, Answer>> {
    let sources: Vec<Value> = sources
        .iter()
        // By generation, so that a source that was replaced is missed. 0 takes whichever is there.
        .map(|source| match source.generation {
            0 => json!({"name": source.name}),
            generation => json!({"name": source.name, "generation": generation.to_string()}),
        })
        .collect();
    let mut destination = json!({"contentType": "application/octet-stream"});
    if let Some(writer) = target.writer {
        destination["metadata"] = json!({WRITER: writer});
    }
    let mut request = shared
        .client
        .object(Method::POST, &shared.location, target.name, "/compose")
        .query(&[("fields", FIELDS)])
        .json(&json!({"sourceObjects": sources, "destination": destination}));
    if let Some(generation) = target.generation {
        request = request.query(&[("ifGenerationMatch", generation)]);
    }
    let made: Resource = match shared.client.json(asked, shared.client.transfer, request).await? {
        Ok(made) => made,
        Err(answer) => return Ok(Err(answer)),
    };
    match made.facts() {
        Some(facts) => Ok(Ok(facts)),
        None => Err(asked.unreadable("a number or a time is missing")),
    }
}
