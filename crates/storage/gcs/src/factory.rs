//! From `gs://bucket/path` and properties to a repository.

use crate::{GcsRepository, location::Location, properties};
use async_trait::async_trait;
use rockhold_core::{Error, Key, OpenRepository, OpenedRepository, RepositoryFactory, Result};
use std::sync::Arc;

/// Makes repositories in Google Cloud Storage. Buckets are never created.
#[derive(Clone, Copy, Debug, Default)]
pub struct GcsFactory;

#[async_trait]
impl RepositoryFactory for GcsFactory {
    fn schemes(&self) -> &[&'static str] {
        &["gs"]
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        Location::parse(&request.location)?;
        let (mut config, mut warnings) = properties::read(&request)?;
        if let Some(name) = &request.directory {
            // One segment of a key: in a store of objects a directory is nothing else.
            if name.contains('/') || Key::new(name.as_str()).is_err() {
                return Err(Error::invalid("not the name of one directory").at(name.escape_debug()));
            }
            config.location = format!("{}/{name}", config.location.trim_end_matches('/'));
        }
        let repository = GcsRepository::open(config).await?;
        if request.create {
            warnings.extend(repository.bucket_warnings().await);
        }
        Ok(OpenedRepository { repository: Arc::new(repository), warnings })
    }
}
