//! Deleting objects.

use crate::{backend::Shared, error::Call};
use aws_sdk_s3::{
    error::ProvideErrorMetadata,
    primitives::SdkBody,
    types::{Delete, ObjectIdentifier},
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::base64;
use futures::{StreamExt, stream};
use md5::{Digest, Md5};
use rockhold_core::{Error, ErrorKind, Key, Result, Retry};
use std::{collections::HashMap, sync::Arc};

/// The most keys of one request.
pub(crate) const BATCH: usize = 1000;

/// How many objects are deleted at once where each needs a request.
pub(crate) const AT_ONCE: usize = 16;

/// Deletes objects; a result per key.
pub(crate) async fn delete(shared: &Arc<Shared>, keys: &[Key]) -> Result<Vec<Result<()>>> {
    if !shared.config.dialect.batch_delete {
        let each = keys.iter().cloned().map(|key| async move { delete_one(shared, &key).await });
        return Ok(stream::iter(each).buffered(AT_ONCE).collect().await);
    }
    let mut results = Vec::with_capacity(keys.len());
    for batch in keys.chunks(BATCH) {
        match delete_batch(shared, batch).await {
            Ok(done) => results.extend(done),
            Err(error) if results.is_empty() => return Err(error),
            // Something was tried before: each key of the rest has the reason.
            Err(error) => results.extend(batch.iter().map(|key| Err(again(&error, key)))),
        }
    }
    Ok(results)
}

async fn delete_one(shared: &Shared, key: &Key) -> Result<()> {
    let request = shared.client.delete_object().bucket(shared.bucket()).key(shared.object(key));
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let bucket_is_missing = error.code() == Some("NoSuchBucket");
            let error = shared.writes("delete", "s3:DeleteObject").failed(error, key);
            if error.kind() == ErrorKind::NotFound && !bucket_is_missing { Ok(()) } else { Err(error) }
        }
    }
}

async fn delete_batch(shared: &Shared, keys: &[Key]) -> Result<Vec<Result<()>>> {
    let call = shared.writes("delete", "s3:DeleteObject");
    let at = || match keys {
        [only] => only.to_string(),
        [first, ..] => format!("{first} and {} more", keys.len() - 1),
        [] => String::new(),
    };
    let mut names: Vec<String> = keys.iter().map(|key| shared.object(key)).collect();
    let in_order = names.clone();
    names.sort_unstable();
    names.dedup();
    let mut delete = Delete::builder().quiet(true);
    for name in names {
        let object = ObjectIdentifier::builder().key(name).build();
        delete = delete.objects(object.map_err(|e| Error::internal("a key was lost").because(e))?);
    }
    let delete = delete.build().map_err(|e| Error::internal("no keys to delete").because(e))?;
    let request = shared.client.delete_objects().bucket(shared.bucket()).delete(delete);
    let answer = request.customize().mutate_request(add_content_md5).send().await;
    let answer = answer.map_err(|e| call.failed(e, at()))?;
    let failed: HashMap<&str, (&str, &str)> = answer
        .errors()
        .iter()
        .filter(|error| !matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")))
        .filter_map(|error| {
            Some((error.key()?, (error.code().unwrap_or_default(), error.message().unwrap_or_default())))
        })
        .collect();
    let result = |(key, name): (&Key, &String)| match failed.get(name.as_str()) {
        None => Ok(()),
        Some((code, message)) => Err(refused(&call, code, message).during("delete").at(key)),
    };
    Ok(keys.iter().zip(&in_order).map(result).collect())
}

/// The protocol asks for a digest of this request. Which ones a server knows
/// differs; all know this one.
fn add_content_md5(request: &mut HttpRequest) {
    if let Some(digest) = SdkBody::bytes(request.body()).map(|body| base64::encode(Md5::digest(body))) {
        request.headers_mut().insert("content-md5", digest);
    }
}

fn refused(call: &Call<'_>, code: &str, message: &str) -> Error {
    call.answered(&crate::error::Answer::inside(code, message))
}

/// The same verdict for another key.
fn again(error: &Error, key: &Key) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned()).during("delete").at(key);
    let copy = match error.retry() {
        Retry::Temporary { after } => copy.temporary(after),
        Retry::Permanent => copy,
    };
    if error.effect() == rockhold_core::Effect::MaybeApplied { copy.maybe_applied() } else { copy }
}
