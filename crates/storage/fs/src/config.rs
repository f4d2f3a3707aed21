//! Where a repository lies, and how it is driven.

use rockhold_core::{Error, Result};
use serde::Deserialize;
use std::path::{Component, Path, PathBuf};

/// The configuration of a repository on a local disk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct FsConfig {
    /// `file://` and an absolute path. The path is taken as it stands: no
    /// escapes, no `..`.
    pub location: String,
    /// Whether a missing root directory is created. Yes by default.
    #[serde(default = "yes")]
    pub create: bool,
    /// The most entries on one page of a listing.
    #[serde(default = "default_page_limit")]
    pub page_limit: usize,
    /// The length of the pieces in which objects are read, in bytes.
    #[serde(default = "default_piece_len")]
    pub piece_len: usize,
    /// Up to how many files a barrier syncs one by one; more are synced
    /// together with everything else on their file system.
    #[serde(default = "default_fsync_limit")]
    pub fsync_limit: usize,
}

fn yes() -> bool {
    true
}

fn default_page_limit() -> usize {
    1000
}

fn default_piece_len() -> usize {
    1 << 20
}

fn default_fsync_limit() -> usize {
    32
}

impl FsConfig {
    /// The defaults for a location.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            create: yes(),
            page_limit: default_page_limit(),
            piece_len: default_piece_len(),
            fsync_limit: default_fsync_limit(),
        }
    }

    /// The defaults for a directory given by its path.
    ///
    /// # Errors
    /// `InvalidInput` when the path is not UTF-8 or not fit for a location.
    pub fn for_directory(path: &Path) -> Result<Self> {
        let text = path.to_str().ok_or_else(|| Error::invalid("the path is not UTF-8").at(path.display()))?;
        let config = Self::new(format!("file://{text}"));
        config.root().map(|_| config)
    }

    /// Sets [`FsConfig::create`].
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets [`FsConfig::page_limit`].
    #[must_use]
    pub fn page_limit(mut self, entries: usize) -> Self {
        self.page_limit = entries;
        self
    }

    /// Sets [`FsConfig::piece_len`].
    #[must_use]
    pub fn piece_len(mut self, bytes: usize) -> Self {
        self.piece_len = bytes;
        self
    }

    /// Sets [`FsConfig::fsync_limit`].
    #[must_use]
    pub fn fsync_limit(mut self, files: usize) -> Self {
        self.fsync_limit = files;
        self
    }

    /// The root directory that the location names.
    ///
    /// # Errors
    /// `InvalidInput` saying what to write instead.
    pub fn root(&self) -> Result<PathBuf> {
        let refuse = |message: String| Err(Error::invalid(message).at(&self.location));
        let Some((scheme, path)) = self.location.split_once("://") else {
            return refuse("a location on disk is written `file:///absolute/path`".into());
        };
        if !scheme.eq_ignore_ascii_case("file") {
            return refuse(format!("`{scheme}` is not a location on disk; write `file:///absolute/path`"));
        }
        if !path.starts_with('/') {
            return refuse(
                "after `file://` comes an absolute path, so three slashes; hosts and relative paths are not \
                 supported"
                    .into(),
            );
        }
        if path.contains('\0') {
            return refuse("a path does not contain a zero byte".into());
        }
        let path = Path::new(path);
        if path.components().any(|part| part == Component::ParentDir) {
            return refuse("the path contains `..`; write the directory that is meant".into());
        }
        // Drops doubled and trailing slashes.
        let path: PathBuf = path.components().collect();
        if path.parent().is_none() {
            return refuse(
                "the root of the file system is no place for a repository; name a directory".into(),
            );
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_names_an_absolute_path() {
        let root = |location: &str| FsConfig::new(location).root();
        assert_eq!(root("file:///backup/a b").unwrap(), Path::new("/backup/a b"));
        assert_eq!(root("FILE:///backup//x/").unwrap(), Path::new("/backup/x"));
        for bad in ["/backup", "file:/backup", "file://backup/x", "file://./x", "s3://b/x", "file:///a/../b"]
        {
            let message = root(bad).unwrap_err().to_string();
            assert!(message.starts_with(bad), "{message}");
        }
        assert!(root("file:///").is_err());
        assert!(root("file:///a\0b").is_err());
    }

    #[test]
    fn unknown_settings_are_refused() {
        let read = serde_json::from_str::<FsConfig>;
        assert_eq!(read(r#"{"location": "file:///b"}"#).unwrap(), FsConfig::new("file:///b"));
        assert!(read(r#"{"location": "file:///b", "creat": true}"#).is_err());
    }
}
