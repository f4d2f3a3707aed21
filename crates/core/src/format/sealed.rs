//! Sealed documents: small objects that carry their own digest.
//!
//! A sealed document is two lines, each ended by a line feed: the document as
//! JSON, then `{"sha256":"<digest of the first line without its line feed>"}`.
//! Every flipped, missing or added byte is found.

use super::put_once;
use crate::{Digest, Error, ErrorKind, Key, Repository, Result, WriteMode, read_object};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the repository format that this code writes, and the newest it reads.
pub const FORMAT: u32 = 1;

/// Members that a later version adds and that an older reader may ignore.
/// Whatever a reader must understand raises `format` instead.
pub type Extensions = BTreeMap<String, Value>;

/// A document that is stored sealed. It has a member `format`.
pub trait SealedDocument: Serialize + DeserializeOwned {
    /// What it is called in messages.
    const NAME: &'static str;
    /// The most bytes it has, seal included.
    const LIMIT: u64;

    /// Checks what the types do not say.
    ///
    /// # Errors
    /// `Corrupt`; the caller adds the key.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Sealed<T> {
    /// The document.
    pub value: T,
    /// The digest of the whole stored object, seal included.
    pub digest: Digest,
}

/// The stored form of a document.
///
/// # Errors
/// `LimitExceeded` when it is longer than its kind may be.
pub fn seal<T: SealedDocument>(document: &T) -> Result<Bytes> {
    let mut bytes = serde_json::to_vec(document)
        .map_err(|e| Error::internal(format!("the {} cannot be written as JSON", T::NAME)).because(e))?;
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(&seal_line(&digest));
    if bytes.len() as u64 > T::LIMIT {
        return Err(Error::new(
            ErrorKind::LimitExceeded,
            format!("the {} has {} bytes, more than the {} allowed", T::NAME, bytes.len(), T::LIMIT),
        ));
    }
    Ok(bytes.into())
}

fn seal_line(digest: &Digest) -> Vec<u8> {
    format!("\n{{\"sha256\":\"{digest}\"}}\n").into_bytes()
}

/// Reads a stored document back. `key` is for messages.
///
/// # Errors
/// `Corrupt` when any byte is not what was written; `Unsupported` when a newer
/// version wrote it.
pub fn unseal<T: SealedDocument>(key: &Key, bytes: &[u8]) -> Result<Sealed<T>> {
    let corrupt = |why: String| Error::corrupt(format!("the {} is damaged: {why}", T::NAME)).at(key);
    if bytes.len() as u64 > T::LIMIT {
        return Err(corrupt(format!("it has more than {} bytes", T::LIMIT)));
    }
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    if rest != seal_line(&Digest::of(line)) {
        return Err(corrupt("its digest does not match".into()));
    }
    #[derive(Deserialize)]
    struct Peek {
        format: u32,
    }
    let peek: Peek =
        serde_json::from_slice(line).map_err(|e| corrupt("it names no format".into()).because(e))?;
    if peek.format > FORMAT {
        return Err(Error::unsupported(format!(
            "the {} has format {}, newer than {FORMAT}, which this version reads; use a newer version",
            T::NAME,
            peek.format
        ))
        .at(key));
    }
    if peek.format == 0 {
        return Err(corrupt("its format is 0".into()));
    }
    let value: T = serde_json::from_slice(line).map_err(|e| corrupt(e.to_string()).because(e))?;
    value.check().map_err(|e| corrupt(e.message().to_owned()).because(e))?;
    Ok(Sealed { value, digest: Digest::of(bytes) })
}

/// Gets and reads a stored document.
///
/// # Errors
/// `NotFound`; otherwise as [`unseal`] and [`Repository::get`].
pub async fn read_sealed<T: SealedDocument>(repository: &dyn Repository, key: &Key) -> Result<Sealed<T>> {
    let bytes = read_bounded(repository, key, T::LIMIT, T::NAME).await?;
    unseal(key, &bytes)
}

/// Creates a document durably where nothing has its key; gives its digest.
///
/// # Errors
/// `AlreadyExists` when another document is there. A lost reply is resolved by
/// reading back; an error that still says `MaybeApplied` means that nobody knows.
pub async fn create_sealed<T: SealedDocument>(
    repository: &dyn Repository,
    key: &Key,
    document: &T,
) -> Result<Digest> {
    let bytes = seal(document)?;
    let digest = Digest::of(&bytes);
    put_once(repository, key, bytes, WriteMode::CreateNew, true).await?;
    Ok(digest)
}

/// Reads an object that must not be longer than `limit`; a longer one is `Corrupt`.
pub(crate) async fn read_bounded(
    repository: &dyn Repository,
    key: &Key,
    limit: u64,
    what: &str,
) -> Result<Bytes> {
    read_object(repository, key, limit).await.map_err(|e| match e.kind() {
        ErrorKind::LimitExceeded => {
            Error::corrupt(format!("the {what} is damaged: it has more than {limit} bytes"))
                .at(key)
                .because(e)
        }
        _ => e.at(key),
    })
}
