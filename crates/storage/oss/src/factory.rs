//! From `oss://bucket/path` and properties to a repository.

use crate::config;
use async_trait::async_trait;
use rockhold_core::{OpenRepository, OpenedRepository, RepositoryFactory, Result};
use rockhold_storage_s3::{Network, S3Config, open};

/// Makes repositories on Alibaba Cloud OSS.
#[derive(Clone, Debug, Default)]
pub struct OssFactory {
    network: Network,
}

impl OssFactory {
    /// Takes names and time from elsewhere than the system.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// What location and properties say, without talking to anybody, and the
    /// lines for the user.
    ///
    /// # Errors
    /// `InvalidInput` naming the property.
    pub fn config(&self, request: &OpenRepository) -> Result<(S3Config, Vec<String>)> {
        let (mut config, warnings) = config::read(request)?;
        config.network = self.network.clone();
        Ok((config, warnings))
    }
}

#[async_trait]
impl RepositoryFactory for OssFactory {
    fn schemes(&self) -> &[&'static str] {
        &["oss"]
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        let (config, warnings) = self.config(&request)?;
        open(config, request.create, warnings).await
    }
}
