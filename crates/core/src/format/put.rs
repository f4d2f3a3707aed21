//! Writing one object exactly once over a store whose replies may be lost.

use crate::{Effect, Error, ErrorKind, Key, PutRequest, Repository, Result, WriteMode, read_object};
use bytes::Bytes;

/// Puts an object. When the reply says that it exists already or that the put
/// may have happened, looks: the same bytes are a success, because no two
/// writers ever write the same bytes under one key (a job id or a random
/// number is in all of them).
///
/// # Errors
/// `AlreadyExists` when other bytes are there; whatever `put` gave when
/// looking did not settle it.
pub(crate) async fn put_once(
    repository: &dyn Repository,
    key: &Key,
    bytes: Bytes,
    mode: WriteMode,
    durable: bool,
) -> Result<()> {
    let mut request = PutRequest::new(key.clone(), bytes.clone()).mode(mode);
    request.durable = durable;
    let error = match repository.put(request).await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let taken = error.kind() == ErrorKind::AlreadyExists;
    if !taken && error.effect() == Effect::NotApplied {
        return Err(error.at(key));
    }
    match read_object(repository, key, bytes.len() as u64).await {
        Ok(there) if there == bytes => {
            // Who acknowledged this object is not known, so its durability is not either.
            if durable {
                repository.barrier().await?;
            }
            Ok(())
        }
        Ok(_) => Err(already(key, error)),
        Err(e) if matches!(e.kind(), ErrorKind::LimitExceeded | ErrorKind::Corrupt) => {
            Err(already(key, error))
        }
        Err(_) => Err(error.at(key)),
    }
}

fn already(key: &Key, cause: Error) -> Error {
    Error::new(ErrorKind::AlreadyExists, "another object has this key already")
        .during("put")
        .at(key)
        .because(cause)
}
