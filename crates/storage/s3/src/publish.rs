//! The requests that make an object visible, and the conditions they carry.

use crate::{
    backend::Shared,
    error::{Answer, Call},
    reader::{bare, head_for, quoted},
    uploads,
};
use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::base64;
use bytes::Bytes;
use rockhold_core::{Error, ErrorKind, Key, ObjectMeta, Result, WriteMode};
use std::sync::Arc;

/// The name under which a writer notes a random mark with its object. When the
/// answer to a commit was lost, the mark tells whose object is there.
pub(crate) const MARK: &str = "rockhold-writer";

/// The action that a policy must allow for all of this.
pub(crate) const ACTION: &str = "s3:PutObject";

/// Writes a whole object by one request.
pub(crate) async fn put(
    shared: &Arc<Shared>,
    key: &Key,
    bytes: Bytes,
    mode: &WriteMode,
    mark: Option<&str>,
    operation: &'static str,
) -> Result<ObjectMeta> {
    match put_once(shared, key, bytes.clone(), mode, mark, operation).await {
        Err(error) if forget_conditions(shared, mode, &error) => {
            put_once(shared, key, bytes, mode, mark, operation).await
        }
        done => done,
    }
}

/// Some servers refuse `If-None-Match` as something they do not have. From
/// then on it is left out: the probe tells that nothing is promised.
fn forget_conditions(shared: &Shared, mode: &WriteMode, error: &Error) -> bool {
    let forgets = *mode == WriteMode::CreateNew
        && error.kind() == ErrorKind::Unsupported
        && shared.config.dialect.create_new_header.is_none()
        && !shared.server.lacks_conditions();
    if forgets {
        shared.server.note_lack_of_conditions();
    }
    forgets
}

async fn put_once(
    shared: &Arc<Shared>,
    key: &Key,
    bytes: Bytes,
    mode: &WriteMode,
    mark: Option<&str>,
    operation: &'static str,
) -> Result<ObjectMeta> {
    let len = bytes.len() as u64;
    let condition = Condition::of(shared, mode);
    let checksum = covering(shared, &bytes);
    let mut put = shared.client.put_object().bucket(shared.bucket()).key(shared.object(key));
    put = put.body(ByteStream::from(bytes)).content_length(len as i64);
    if let Some(mark) = mark {
        put = put.metadata(MARK, mark);
    }
    put = put.set_if_none_match(condition.if_none_match).set_if_match(condition.if_match);
    let header = condition.header;
    let is_covered = checksum.is_some();
    let put =
        put.set_checksum_crc32_c(checksum).customize().mutate_request(move |request| add(request, header));
    let put = if is_covered { put.disable_payload_signing() } else { put };
    let answer = put.send().await;
    let answer = answer.map_err(|e| refused(&shared.writes(operation, ACTION), e, key, mode))?;
    let mut meta = ObjectMeta::new(key.clone(), len);
    meta.etag = answer.e_tag().map(bare);
    Ok(meta)
}

/// From this length on the signature leaves the body out where a checksum
/// covers it. Shorter ones, and so every document that names others by their
/// digest, are signed whole.
const SIGNED_BELOW: usize = 1 << 20;

/// The checksum that covers a long body, for a server that is known to check
/// it: a fraction of the work of a signature, here and there. `None` where the
/// signature covers the body.
fn covering(shared: &Shared, bytes: &Bytes) -> Option<String> {
    let covers = bytes.len() >= SIGNED_BELOW && shared.server.checks_crc32c();
    covers.then(|| checksum(bytes))
}

/// The CRC32C of a body as a header takes it.
pub(crate) fn checksum(bytes: &Bytes) -> String {
    base64::encode(crc32c::crc32c(bytes).to_be_bytes())
}

/// A write mode in the words that the server understands.
struct Condition {
    if_none_match: Option<String>,
    if_match: Option<String>,
    header: Option<(&'static str, &'static str)>,
}

impl Condition {
    fn of(shared: &Shared, mode: &WriteMode) -> Self {
        let mut condition = Self { if_none_match: None, if_match: None, header: None };
        match mode {
            WriteMode::Overwrite => {}
            WriteMode::IfMatch(etag) => condition.if_match = Some(quoted(etag)),
            WriteMode::CreateNew => match shared.config.dialect.create_new_header {
                Some(header) => condition.header = Some(header),
                None if shared.server.lacks_conditions() => {}
                None => condition.if_none_match = Some("*".into()),
            },
        }
        condition
    }
}

fn add(request: &mut HttpRequest, header: Option<(&'static str, &'static str)>) {
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value);
    }
}

/// Makes an object of the parts of an upload; gives its tag.
pub(crate) async fn complete(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    key: &Key,
    upload: &str,
    parts: Vec<CompletedPart>,
    mode: &WriteMode,
) -> Result<Option<String>> {
    match complete_once(shared, call, key, upload, parts.clone(), mode).await {
        Err(error) if forget_conditions(shared, mode, &error) => {
            complete_once(shared, call, key, upload, parts, mode).await
        }
        done => done,
    }
}

async fn complete_once(
    shared: &Arc<Shared>,
    call: &Call<'_>,
    key: &Key,
    upload: &str,
    parts: Vec<CompletedPart>,
    mode: &WriteMode,
) -> Result<Option<String>> {
    look_first(shared, key, mode, call.operation).await?;
    let condition = Condition::of(shared, mode);
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let complete = shared.client.complete_multipart_upload().bucket(shared.bucket()).key(shared.object(key));
    let complete = complete.upload_id(upload).multipart_upload(parts);
    let complete = complete.set_if_none_match(condition.if_none_match).set_if_match(condition.if_match);
    let header = condition.header;
    let answer = complete.customize().mutate_request(move |request| add(request, header)).send().await;
    let error = match answer {
        Ok(answer) => return Ok(answer.e_tag().map(str::to_owned)),
        Err(error) => error,
    };
    let failed = Answer::of(&error).is_some_and(|answer| answer.status >= 500 && answer.status != 501);
    // Ceph's gateway fails like this, for ever, when the parts are gone. They
    // may be gone because they became the object.
    if failed && uploads::is_gone(shared, key, upload).await {
        let gone = call.answered(&Answer::inside("NoSuchUpload", ""));
        return Err(gone.during(call.operation).at(key).maybe_applied());
    }
    Err(refused(call, error, key, mode))
}

/// Looks whether a condition on an object in parts holds, where the server may
/// not. Somebody may still come in between: only a condition that the server
/// keeps is proof, and for `put` that is probed.
pub(crate) async fn look_first(
    shared: &Arc<Shared>,
    key: &Key,
    mode: &WriteMode,
    operation: &'static str,
) -> Result<()> {
    if *mode == WriteMode::Overwrite || shared.server.keeps_conditions_on_parts() {
        return Ok(());
    }
    let there = match head_for(shared, key, operation).await {
        Ok(head) => Some(head.meta),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let (kind, message) = match (mode, there) {
        (WriteMode::CreateNew, Some(_)) => (ErrorKind::AlreadyExists, "an object with this key exists"),
        (WriteMode::IfMatch(_), None) => {
            (ErrorKind::PreconditionFailed, "the object was removed by somebody else")
        }
        (WriteMode::IfMatch(etag), Some(meta)) if meta.etag.as_ref() != Some(etag) => {
            (ErrorKind::PreconditionFailed, "the object was changed by somebody else")
        }
        _ => return Ok(()),
    };
    Err(Error::new(kind, message).during(operation).at(key))
}

/// The facts about an object that was made of parts. Ceph's gateway leaves the
/// tag out of its answer, so it is asked for.
pub(crate) async fn completed(
    shared: &Arc<Shared>,
    key: &Key,
    len: u64,
    etag: Option<String>,
    operation: &'static str,
) -> ObjectMeta {
    let mut meta = ObjectMeta::new(key.clone(), len);
    meta.etag = etag.as_deref().map(bare).filter(|etag| !etag.is_empty());
    if meta.etag.is_none()
        && let Ok(head) = head_for(shared, key, operation).await
    {
        return head.meta;
    }
    meta
}

/// The error of a write. What a refused condition means depends on the condition.
fn refused<E>(call: &Call<'_>, error: SdkError<E, HttpResponse>, key: &Key, mode: &WriteMode) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let bucket_is_missing = error.code() == Some("NoSuchBucket");
    let error = call.failed(error, key);
    let (kind, message) = match (mode, error.kind()) {
        (WriteMode::CreateNew, ErrorKind::PreconditionFailed) => {
            (ErrorKind::AlreadyExists, "an object with this key exists")
        }
        // Nothing is there that could have the tag.
        (WriteMode::IfMatch(_), ErrorKind::NotFound) if !bucket_is_missing => {
            (ErrorKind::PreconditionFailed, "the object was removed by somebody else")
        }
        _ => return error,
    };
    Error::new(kind, message).during(call.operation).at(key).because(error)
}
