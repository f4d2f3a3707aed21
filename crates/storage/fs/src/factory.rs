//! From `file:///path` to a repository.

use crate::{FsConfig, FsRepository};
use async_trait::async_trait;
use rockhold_core::{Error, OpenRepository, OpenedRepository, RepositoryFactory, Result};
use std::sync::Arc;

/// Makes repositories on the local disk. No property has an effect here, so
/// each one given is answered with a warning.
#[derive(Clone, Copy, Debug, Default)]
pub struct FsFactory;

#[async_trait]
impl RepositoryFactory for FsFactory {
    fn schemes(&self) -> &[&'static str] {
        &["file"]
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        let mut config = FsConfig::new(request.location).create(request.create);
        config.root()?;
        if let Some(name) = &request.directory {
            if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
                return Err(Error::invalid("not the name of one directory").at(name.escape_debug()));
            }
            config.location = format!("{}/{name}", config.location.trim_end_matches('/'));
        }
        let names = request.properties.keys().chain(request.secrets.keys());
        let warnings =
            names.map(|name| format!("the property {name} has no effect on a local disk")).collect();
        let repository = Arc::new(FsRepository::open(config).await?);
        Ok(OpenedRepository { repository, warnings })
    }
}
