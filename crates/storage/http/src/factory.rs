//! From an address to a repository.

use crate::{HttpConfig, HttpRepository};
use async_trait::async_trait;
use rockhold_core::{OpenRepository, OpenedRepository, RepositoryFactory, Result};
use std::sync::Arc;

/// Opens directories of web servers. No property has an effect here, so each
/// one given is answered with a warning.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpFactory;

#[async_trait]
impl RepositoryFactory for HttpFactory {
    fn schemes(&self) -> &[&'static str] {
        &["http", "https"]
    }

    async fn open(&self, request: OpenRepository) -> Result<OpenedRepository> {
        let mut location = request.location;
        if let Some(name) = &request.directory {
            let (address, query) = match location.find('?') {
                Some(at) => location.split_at(at),
                None => (location.as_str(), ""),
            };
            location = format!("{}/{name}{query}", address.trim_end_matches('/'));
        }
        let names = request.properties.keys().chain(request.secrets.keys());
        let warnings =
            names.map(|name| format!("the property {name} has no effect on a web server")).collect();
        let repository = Arc::new(HttpRepository::new(&HttpConfig::new(location))?);
        Ok(OpenedRepository { repository, warnings })
    }
}
