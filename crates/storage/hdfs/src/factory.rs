//! From `hdfs://host:port/path` and properties to a repository.

use crate::{HdfsRepository, config::Location, properties};
use async_trait::async_trait;
use rockhold_core::{Error, OpenRepository, OpenedRepository, RepositoryFactory, Result};
use std::sync::Arc;

/// Makes repositories on HDFS.
#[derive(Clone, Copy, Debug, Default)]
pub struct HdfsFactory;

#[async_trait]
impl RepositoryFactory for HdfsFactory {
    fn schemes(&self) -> &[&'static str] {
        &["hdfs", "viewfs"]
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        let (mut config, warnings) = properties::read(&request)?;
        if let Some(name) = &request.directory {
            if name.is_empty() || name == "." || name == ".." || name.contains(['/', ':', '\0', '\n']) {
                return Err(Error::invalid("not the name of one directory").at(name.escape_debug()));
            }
            let at = Location::parse(&config.location)?;
            config.location = format!("{}://{}{}/{name}", at.scheme, at.authority, at.path);
        }
        let repository = Arc::new(HdfsRepository::open(config).await?);
        Ok(OpenedRepository { repository, warnings })
    }
}
