//! The identity of a repository: making it, opening it.

use super::{Extensions, FORMAT, SealedDocument, create_sealed, put_once, read_bounded, read_sealed};
use super::{readme_key, repository_key};
use crate::{
    Digest, Error, ErrorKind, Key, ListRequest, Repository, RepositoryId, Result, Timestamp, WriteMode,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a repository may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// It may.
    ReadWrite,
    /// It may not; nothing is ever put or deleted.
    ReadOnly,
}

impl AccessMode {
    pub(super) fn refuse_read_only(self, what: &str) -> Result<()> {
        match self {
            Self::ReadWrite => Ok(()),
            Self::ReadOnly => Err(Error::new(
                ErrorKind::PermissionDenied,
                format!("the repository is read-only; {what} needs one created without READ ONLY"),
            )),
        }
    }
}

/// What `repository.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositoryDocument {
    /// The version of the format.
    pub format: u32,
    /// The identity, random.
    pub id: RepositoryId,
    /// The name; also in the name of the root.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// The same as a person in the creator's time zone writes it. Never rendered again.
    pub created_text: String,
    /// The digest of `README.txt`.
    pub readme: Digest,
    /// See [`Extensions`].
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl SealedDocument for RepositoryDocument {
    const NAME: &'static str = "repository document";
    const LIMIT: u64 = 64 << 10;
}

/// A repository that was opened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RepositoryRoot {
    /// Its identity.
    pub document: RepositoryDocument,
    /// One line each: what is wrong without standing in the way.
    pub warnings: Vec<String>,
    /// Whether this call made it.
    pub created: bool,
}

/// The longest README that is read, in bytes.
const README_LIMIT: u64 = 64 << 10;

/// The text of `README.txt`.
fn readme(name: &str) -> String {
    format!(
        "This is the Rockhold backup repository \"{name}\".\n\
         \n\
         It is managed by Rockhold, backup and restore for warehouses that speak the\n\
         StarRocks dialect. Everything in it belongs together:\n\
         \n\
         * Files are shared between snapshots. A file that one backup wrote long ago may be\n\
           the only copy of rows that the newest snapshot needs.\n\
         * Deleting, moving or changing files by hand destroys snapshots. So do lifecycle\n\
           rules that expire objects or move them to storage that cannot be read at once.\n\
           Remove snapshots with DROP SNAPSHOT.\n\
         * Nothing here needs Rockhold to be read: rows are Parquet files below data/,\n\
           snapshots are JSON below labels/, the lists of files are compressed JSON lines\n\
           (zstd) below meta/. The format is described in docs/repository-format.md of\n\
           Rockhold's source code.\n"
    )
}

/// Opens an existing repository. Writes nothing. `name` is the one in its root.
///
/// # Errors
/// `NotFound` when nothing is there; `InvalidInput` when something else is
/// there, or a repository of another name; `Unsupported` when a newer version
/// made it; `Corrupt` when its document is damaged.
pub async fn open(repository: &dyn Repository, name: &str) -> Result<RepositoryRoot> {
    let place =
        |e: Error| e.with("repository", name.escape_debug()).with("location", repository.info().location);
    match read_root(repository, name).await? {
        Some(root) => Ok(root),
        None => match foreign_key(repository).await? {
            None => Err(place(Error::not_found(
                "there is no repository at this location; check location and name, or create it",
            ))),
            Some(key) => Err(place(foreign(&key))),
        },
    }
}

/// Opens a repository, and with [`AccessMode::ReadWrite`] makes it where
/// nothing is. Of several parties that make it at once, one does and the
/// others open it. `created_text` is `created` as people write it.
///
/// # Errors
/// As [`open`], `NotFound` only with [`AccessMode::ReadOnly`]; whatever `put` gives.
pub async fn initialise(
    repository: &dyn Repository,
    name: &str,
    mode: AccessMode,
    created: Timestamp,
    created_text: &str,
) -> Result<RepositoryRoot> {
    if mode == AccessMode::ReadOnly {
        return open(repository, name).await;
    }
    if let Some(root) = read_root(repository, name).await? {
        return Ok(root);
    }
    if let Some(key) = foreign_key(repository).await? {
        // Another party may have made it since.
        return match read_root(repository, name).await? {
            Some(root) => Ok(root),
            None => Err(foreign(&key)
                .with("repository", name.escape_debug())
                .with("location", repository.info().location)),
        };
    }
    let text = readme(name);
    let document = RepositoryDocument {
        format: FORMAT,
        id: RepositoryId::random()?,
        name: name.to_owned(),
        created,
        created_text: created_text.to_owned(),
        readme: Digest::of(text.as_bytes()),
        extensions: BTreeMap::new(),
    };
    put_once(repository, &readme_key()?, text.into_bytes().into(), WriteMode::Overwrite, true).await?;
    match create_sealed(repository, &repository_key()?, &document).await {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e),
    }
    // What is there now decides, also where the store ignores `CreateNew`.
    let mut root = read_root(repository, name).await?.ok_or_else(|| {
        Error::corrupt("the repository document vanished after it was written").at("repository.json")
    })?;
    root.created = root.document.id == document.id;
    Ok(root)
}

async fn read_root(repository: &dyn Repository, name: &str) -> Result<Option<RepositoryRoot>> {
    let key = repository_key()?;
    let document = match read_sealed::<RepositoryDocument>(repository, &key).await {
        Ok(document) => document.value,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.with("location", repository.info().location)),
    };
    if document.name != name {
        return Err(Error::invalid(format!(
            "the repository here is named {}, not {}; use its own name",
            document.name.escape_debug(),
            name.escape_debug()
        ))
        .with("location", repository.info().location));
    }
    let mut warnings = Vec::new();
    let readme = readme_key()?;
    match read_bounded(repository, &readme, README_LIMIT, "README").await {
        Ok(bytes) if Digest::of(&bytes) == document.readme => {}
        Ok(_) => warnings.push(format!("{readme} was changed; look who writes to this repository")),
        Err(e) => match e.kind() {
            ErrorKind::NotFound => {
                warnings.push(format!("{readme} is missing; look who deletes from this repository"));
            }
            ErrorKind::Corrupt => {
                warnings.push(format!("{readme} was changed; look who writes to this repository"));
            }
            _ => return Err(e),
        },
    }
    Ok(Some(RepositoryRoot { document, warnings, created: false }))
}

/// A key that shows that the place is used for something else. README.txt
/// alone is what an interrupted creation leaves.
async fn foreign_key(repository: &dyn Repository) -> Result<Option<Key>> {
    let readme = readme_key()?;
    let mut request = ListRequest::default().children_only().limit(10);
    loop {
        let page = repository.list(request.clone()).await?;
        let keys = page.objects.into_iter().map(|object| object.key).chain(page.prefixes);
        if let Some(key) = keys.into_iter().find(|key| *key != readme && key.as_str() != "probe") {
            return Ok(Some(key));
        }
        match page.next {
            Some(token) => request.token = Some(token),
            None => return Ok(None),
        }
    }
}

fn foreign(key: &Key) -> Error {
    Error::invalid(
        "something else than a repository is here (repository.json is missing); choose another place",
    )
    .with("found", key)
}
