//! Data files: written, hashed, made durable, moved into place.

mod durable;
mod parquet;
mod staged;

pub(crate) use durable::{move_into_place, remove_staging, sync_dirs, sync_file, sync_many, unlink};
pub(crate) use parquet::TableFile;
pub(crate) use staged::{StagedWriter, WRITE_LEN};

use crate::layout::Layout;
use rockhold_core::{Digest, Error, Hasher, JobId, Result};
use std::{fs::File, io::Read, path::Path};

/// A data file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileInfo {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub len: u64,
    /// Its rows.
    pub rows: u64,
    /// Its name; random, never used again.
    pub(crate) name: String,
}

/// A new random name.
pub(crate) fn new_name(extension: &str) -> Result<String> {
    let fine = (1..=16).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if !fine {
        return Err(Error::invalid("a file extension has 1 to 16 lower-case letters or digits").at(extension));
    }
    Ok(format!("{}.{extension}", JobId::random()?))
}

/// Whether a name has the form that [`new_name`] gives.
pub(crate) fn is_name(name: &str) -> bool {
    let Some((stem, extension)) = name.split_once('.') else { return false };
    stem.len() == 32
        && stem.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && (1..=16).contains(&extension.len())
        && extension.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Whether the file has this digest and length now.
pub(crate) fn verify(path: &Path, digest: &Digest, len: u64) -> Result<bool> {
    let io = |e| Error::io(e, "read", path.display());
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(io(e)),
    };
    if file.metadata().map_err(io)?.len() != len {
        return Ok(false);
    }
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(io)? {
            0 => return Ok(hasher.finish() == *digest),
            n => hasher.update(buffer.get(..n).unwrap_or_default()),
        }
    }
}

/// Where the file of that name is while its owner has not ended, or after.
pub(crate) fn whereabouts(layout: &Layout, owner: Option<&[u8; 16]>, name: &str) -> std::path::PathBuf {
    let placed = layout.file(name);
    match owner {
        Some(owner) if !placed.exists() => layout.staging_of(owner).join(name),
        _ => placed,
    }
}
