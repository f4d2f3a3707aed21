//! The file that a Java or Python function names.
//!
//! It is read once, when the function is made, and kept beside the definition,
//! so that snapshots hold it and a restore does not depend on an address that
//! may be gone. What cannot be read is no reason to refuse the function.

use super::super::super::error::of_store;
use super::super::super::session::Session;
use super::super::super::storage::{Place, key};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use md5::{Digest, Md5};
use rockhold_core::GetRequest;
use rockhold_sql::SqlError;
use rockhold_warehouse_store::{Load, LoadPartition};
use std::path::Path;

/// The partition that holds the artifact.
pub(super) const PARTITION: &str = "artifact";

/// Bytes that are read from a local file at a time.
const PIECE: usize = 1 << 20;

/// Reads the file at `address` into a load; gives its MD5.
///
/// # Errors
/// It cannot be read, is too large or takes too long; the load is not usable then.
pub(super) async fn read(
    session: &Session,
    address: &str,
    properties: &[(String, String)],
    load: &Load,
    partition: &LoadPartition,
) -> Result<String, SqlError> {
    let limit = session.options.artifact_limit;
    let time = session.options.artifact_timeout;
    let work = async {
        let mut bytes = open(session, address, properties).await?;
        let mut file = load.raw_file(partition, &extension(address)).await.map_err(of_store)?;
        let (mut digest, mut len) = (Md5::new(), 0u64);
        while let Some(piece) = bytes.try_next().await? {
            len = len.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
            if len > limit {
                return Err(SqlError::execute(format!("it has more than {limit} bytes")));
            }
            digest.update(&piece);
            file.write(piece).await.map_err(of_store)?;
        }
        file.finish().await.map_err(of_store)?;
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    };
    match tokio::time::timeout(time, work).await {
        Ok(done) => done,
        Err(_) => Err(SqlError::execute(format!("it did not come within {} seconds", time.as_secs()))),
    }
}

async fn open(
    session: &Session,
    address: &str,
    properties: &[(String, String)],
) -> Result<BoxStream<'static, Result<Bytes, SqlError>>, SqlError> {
    match session.storage.place(address)? {
        Place::Local(path) => local(&path).await,
        Place::Stored(place) => {
            let (directory, name) =
                place.split().ok_or_else(|| SqlError::execute("the address names no file"))?;
            let repository = session.storage.open(&place, directory, properties).await?;
            let reader = repository.get(GetRequest::new(key(name)?)).await.map_err(of_store)?;
            Ok(reader.stream.map_err(of_store).boxed())
        }
    }
}

async fn local(path: &Path) -> Result<BoxStream<'static, Result<Bytes, SqlError>>, SqlError> {
    use tokio::io::AsyncReadExt;
    let failed = |error: std::io::Error| SqlError::execute(error.to_string());
    let meta = tokio::fs::metadata(path).await.map_err(failed)?;
    if !meta.is_file() {
        return Err(SqlError::execute("it is no file"));
    }
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    Ok(futures::stream::try_unfold(file, move |mut file| async move {
        let mut piece = Vec::with_capacity(PIECE);
        let read = (&mut file).take(PIECE as u64).read_to_end(&mut piece).await.map_err(failed)?;
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    })
    .boxed())
}

/// The extension under which the file is kept: its own, where it has a plain one.
fn extension(address: &str) -> String {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, end)) if (1..=16).contains(&end.len()) && end.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            end.to_ascii_lowercase()
        }
        _ => "bin".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::extension;

    #[test]
    fn a_file_is_kept_under_its_own_extension() {
        for (address, wanted) in [
            ("http://h/a/f.JAR?x=1.2", "jar"),
            ("s3://b/f.py.zip", "zip"),
            ("file:///d.x/f", "bin"),
            ("/d/f.", "bin"),
            ("/d/f.a-b", "bin"),
        ] {
            assert_eq!(extension(address), wanted, "{address}");
        }
    }
}
