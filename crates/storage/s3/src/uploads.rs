//! Objects in parts that were never finished: beginning, ending, finding them.

use crate::{backend::Shared, deleter::AT_ONCE, lister};
use aws_sdk_s3::{error::ProvideErrorMetadata, types::EncodingType};
use futures::{StreamExt, TryStreamExt, stream};
use rockhold_core::{Error, ErrorKind, Key, Result};
use std::{collections::HashSet, sync::Arc};

/// Removes the parts of one unfinished object. That it is gone is a success.
pub(crate) async fn abort(shared: &Shared, key: &Key, upload: &str, operation: &'static str) -> Result<bool> {
    let request = shared.client.abort_multipart_upload();
    let request = request.bucket(shared.bucket()).key(shared.object(key)).upload_id(upload);
    match request.send().await {
        Ok(_) => Ok(true),
        Err(error) => {
            let error = shared.writes(operation, "s3:AbortMultipartUpload").failed(error, key);
            if says_gone(&error) { Ok(false) } else { Err(error) }
        }
    }
}

/// Whether the parts of an unfinished object are gone, as far as the server tells.
pub(crate) async fn is_gone(shared: &Shared, key: &Key, upload: &str) -> bool {
    let list = shared.client.list_parts().bucket(shared.bucket()).key(shared.object(key));
    let asked = list.upload_id(upload).max_parts(1).send().await;
    asked.err().is_some_and(|error| matches!(error.code(), Some("NoSuchUpload" | "NoSuchKey")))
}

/// Whether an error says that the parts are gone.
fn says_gone(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict && !error.is_temporary()
}

/// Removes all unfinished objects below a prefix; gives how many.
pub(crate) async fn discard(shared: &Arc<Shared>, prefix: &Key) -> Result<u64> {
    let removed = discard_listed(shared, prefix, &shared.object(prefix)).await?;
    // MinIO takes the prefix for the whole name of an object, and tells of all
    // uploads when it gets none, as far as they began since it was started.
    // Older ones it removes by itself after a day (`stale_uploads_expiry`).
    // Source: `ListMultipartUploads` in cmd/erasure-server-pool.go of MinIO.
    if shared.server.is_minio() {
        Ok(removed + discard_listed(shared, prefix, "").await?)
    } else {
        Ok(removed)
    }
}

async fn discard_listed(shared: &Arc<Shared>, prefix: &Key, names: &str) -> Result<u64> {
    let mut removed = 0;
    let mut marker: Option<(String, String)> = None;
    loop {
        let page = page(shared, prefix, names, marker.take(), "discard staged").await?;
        let aborted: Vec<bool> = stream::iter(page.found)
            .map(|(key, upload)| async move { abort(shared, &key, &upload, "discard staged").await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        removed += aborted.iter().filter(|aborted| **aborted).count() as u64;
        match page.next {
            Some(next) => marker = Some(next),
            None => return Ok(removed),
        }
    }
}

/// Counts all unfinished objects below a prefix; as many as [`discard`] would
/// remove.
pub(crate) async fn count(shared: &Arc<Shared>, prefix: &Key) -> Result<u64> {
    let below = shared.object(prefix);
    // MinIO: as in `discard`; both answers may hold the same upload.
    let names: &[&str] = if shared.server.is_minio() { &[&below, ""] } else { &[&below] };
    let mut found = HashSet::new();
    for names in names {
        let mut marker: Option<(String, String)> = None;
        loop {
            let page = page(shared, prefix, names, marker.take(), "count staged").await?;
            found.extend(page.found.into_iter().map(|(_, upload)| upload));
            match page.next {
                Some(next) => marker = Some(next),
                None => break,
            }
        }
    }
    Ok(found.len() as u64)
}

struct Page {
    found: Vec<(Key, String)>,
    next: Option<(String, String)>,
}

async fn page(
    shared: &Arc<Shared>,
    prefix: &Key,
    names: &str,
    marker: Option<(String, String)>,
    operation: &'static str,
) -> Result<Page> {
    let location = &shared.config.location;
    let mut list = shared.client.list_multipart_uploads().bucket(shared.bucket());
    if !names.is_empty() {
        list = list.prefix(names);
    }
    if shared.config.dialect.url_encoded_listing {
        list = list.encoding_type(EncodingType::Url);
    }
    if let Some((key, upload)) = marker {
        list = list.key_marker(key).upload_id_marker(upload);
    }
    let call = shared.reads(operation, "s3:ListBucketMultipartUploads");
    let answer = list.send().await.map_err(|error| call.failed(error, prefix))?;
    let encoded = answer.encoding_type() == Some(&EncodingType::Url);
    let name = |text: &str| if encoded { lister::decoded(text) } else { Some(text.to_owned()) };
    let found = answer.uploads().iter().filter_map(|upload| {
        let key = location.key(&name(upload.key()?)?)?;
        // The server's prefix is a beginning of a text, ours is a place.
        key.starts_with(prefix).then(|| Some((key, upload.upload_id()?.to_owned())))?
    });
    let next = if answer.is_truncated() == Some(true) {
        let markers = answer.next_key_marker().and_then(name).zip(answer.next_upload_id_marker());
        let (key, upload) = markers.ok_or_else(|| {
            let message = "the listing has more pages and does not tell where they begin";
            Error::corrupt(message).during(operation).at(prefix)
        })?;
        Some((key, upload.to_owned()))
    } else {
        None
    };
    Ok(Page { found: found.collect(), next })
}
