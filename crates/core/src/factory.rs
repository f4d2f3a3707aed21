//! From a location and properties to a repository.

use crate::{Result, Secret, SharedRepository};
use async_trait::async_trait;
use std::{collections::BTreeMap, fmt};

/// What CREATE REPOSITORY and FILES() give to an adapter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenRepository {
    /// The location as written: `file:///backup`, `s3a://bucket/path`.
    pub location: String,
    /// One more directory below the location, or none.
    pub directory: Option<String>,
    /// Whether what is missing (a directory) may be created.
    pub create: bool,
    /// The properties that are no secrets.
    pub properties: BTreeMap<String, String>,
    /// The properties that are.
    pub secrets: BTreeMap<String, Secret>,
}

impl OpenRepository {
    /// An existing location without properties.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            directory: None,
            create: false,
            properties: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }

    /// One directory below.
    #[must_use]
    pub fn directory(mut self, name: impl Into<String>) -> Self {
        self.directory = Some(name.into());
        self
    }

    /// Lets the adapter create what is missing.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// The scheme of the location, in lower case; empty when there is none.
    pub fn scheme(&self) -> String {
        self.location.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default()
    }
}

/// A repository and what the user should hear about its properties.
#[derive(Debug)]
pub struct OpenedRepository {
    /// The adapter, without layers.
    pub repository: SharedRepository,
    /// One line each: properties without effect, legacy spellings.
    pub warnings: Vec<String>,
}

/// Makes the repositories of one vendor.
///
/// * F1. `open` checks location and properties before it talks to the store;
///   what it refuses is `InvalidInput` naming the property.
/// * F2. No secret appears in an error, in `Debug` or in a warning.
#[async_trait]
pub trait RepositoryFactory: Send + Sync + fmt::Debug {
    /// The schemes it serves, in lower case: `["file"]`.
    fn schemes(&self) -> &[&'static str];

    /// Opens the store at a location.
    ///
    /// # Errors
    /// `InvalidInput` (F1), `NotFound` where the location must exist and does
    /// not, `Unauthenticated`, `PermissionDenied`, `Unavailable`.
    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository>;
}
