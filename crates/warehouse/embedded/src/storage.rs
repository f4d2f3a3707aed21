//! Files outside the warehouse: on this machine, or in the stores of the
//! linked vendors.

use rockhold_core::{
    Error, ErrorKind, Key, OpenRepository, OpenedRepository, RepositoryFactory, SharedRepository,
    is_secret_property,
};
use rockhold_sql::SqlError;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The storage vendors by the schemes they serve.
#[derive(Debug, Clone, Default)]
pub(crate) struct Storage(BTreeMap<String, Arc<dyn RepositoryFactory>>);

/// A location taken apart: the store and the path inside it.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// An absolute path on this machine.
    Local(PathBuf),
    /// A path below the root of a store; empty for the root itself.
    Stored(Stored),
}

/// A path in a store.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// `scheme://authority`, without a slash at its end.
    pub(crate) root: String,
    /// What follows, with `/` between its parts and none at its ends.
    pub(crate) path: String,
    /// `?…` of a web address, else empty.
    pub(crate) query: String,
}

impl Storage {
    pub(crate) fn new(factories: impl IntoIterator<Item = Arc<dyn RepositoryFactory>>) -> Self {
        let mut all = BTreeMap::new();
        for factory in factories {
            for scheme in factory.schemes() {
                all.insert((*scheme).to_owned(), factory.clone());
            }
        }
        Self(all)
    }

    /// Takes a location apart.
    ///
    /// # Errors
    /// A scheme that no linked vendor serves; a local path that is not absolute.
    pub(crate) fn place(&self, location: &str) -> Result<Place, SqlError> {
        let (scheme, rest) = match location.split_once("://") {
            None => ("file".to_owned(), location),
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        };
        if scheme == "file" {
            if !rest.starts_with('/') {
                return Err(SqlError::analyze(format!(
                    "\"path\" = \"{location}\": use an absolute path, as in file:///data/x.parquet"
                )));
            }
            return Ok(Place::Local(PathBuf::from(rest)));
        }
        if !self.0.contains_key(&scheme) {
            let known: Vec<String> = self.0.keys().map(|scheme| format!("{scheme}://")).collect();
            return Err(SqlError::analyze(format!(
                "\"path\" = \"{location}\": there is no {scheme}:// in this build; it has {}",
                ["file://".to_owned()].into_iter().chain(known).collect::<Vec<_>>().join(", ")
            )));
        }
        let web = matches!(scheme.as_str(), "http" | "https");
        let (rest, query) = match rest.find('?') {
            Some(at) if web => rest.split_at(at),
            _ => (rest, ""),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        Ok(Place::Stored(Stored {
            root: format!("{scheme}://{authority}"),
            path: path.join("/"),
            query: query.to_owned(),
        }))
    }

    /// Opens the store at the root of a place, or in a directory below it, to
    /// read from it. What the vendor remarks goes to the log.
    ///
    /// # Errors
    /// What the vendor's adapter refuses; there is no such directory.
    pub(crate) async fn open(
        &self,
        place: &Stored,
        directory: &str,
        properties: &[(String, String)],
    ) -> Result<SharedRepository, SqlError> {
        let (factory, request) = self.request(place, directory, properties)?;
        let opened = factory.open(request).await.map_err(refused)?;
        for warning in opened.warnings {
            tracing::warn!(location = %place.root, "{warning}");
        }
        Ok(opened.repository)
    }

    /// Opens a store to write into it: a directory that is missing is made, as
    /// it is on this machine. What the vendor remarks is for the user.
    ///
    /// # Errors
    /// What the vendor's adapter refuses.
    pub(crate) async fn open_to_write(
        &self,
        place: &Stored,
        directory: &str,
        properties: &[(String, String)],
    ) -> Result<OpenedRepository, SqlError> {
        let (factory, request) = self.request(place, directory, properties)?;
        // Only what is missing is asked to be made: vendors take that for the
        // beginning of a repository, and warn of what would destroy snapshots.
        match factory.open(request.clone()).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                factory.open(request.create(true)).await.map_err(refused)
            }
            opened => opened.map_err(refused),
        }
    }

    fn request(
        &self,
        place: &Stored,
        directory: &str,
        properties: &[(String, String)],
    ) -> Result<(&Arc<dyn RepositoryFactory>, OpenRepository), SqlError> {
        let mut location = place.root.clone();
        if !directory.is_empty() {
            location = format!("{location}/{directory}");
        }
        let mut request = OpenRepository::new(location + &place.query);
        for (name, value) in properties {
            if is_secret_property(name) {
                request.secrets.insert(name.clone(), value.as_str().into());
            } else {
                request.properties.insert(name.clone(), value.clone());
            }
        }
        let scheme = request.scheme();
        let factory = self
            .0
            .get(&scheme)
            .ok_or_else(|| SqlError::analyze(format!("there is no {scheme}:// in this build")))?;
        Ok((factory, request))
    }
}

fn refused(error: Error) -> SqlError {
    SqlError::analyze(error.to_string())
}

impl Stored {
    /// The directory of the path and the name in it; `None` for a root.
    pub(crate) fn split(&self) -> Option<(&str, &str)> {
        match self.path.rsplit_once('/') {
            Some(parts) => Some(parts),
            None if self.path.is_empty() => None,
            None => Some(("", &self.path)),
        }
    }
}

/// A name as a key of a store.
///
/// # Errors
/// It has letters that keys have not.
pub(crate) fn key(name: &str) -> Result<Key, SqlError> {
    Key::new(name).map_err(|error| {
        SqlError::analyze(format!("{error}: only A-Z a-z 0-9 . _ - + = % ~ @ , can be read from a store"))
    })
}
