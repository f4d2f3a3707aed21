//! Storage vendors below the layers that repositories have.

use async_trait::async_trait;
use rockhold_core::{OpenRepository, OpenedRepository, RepositoryFactory, Result};
use rockhold_layers::{Layers, Limiter, Limits, open};
use std::sync::Arc;

/// A vendor whose stores repeat what failed, keep times and limits, as the
/// repositories of BACKUP do. For FILES and the files of functions.
#[derive(Debug)]
pub(crate) struct Layered(pub(crate) Arc<dyn RepositoryFactory>);

#[async_trait]
impl RepositoryFactory for Layered {
    fn schemes(&self) -> &[&'static str] {
        self.0.schemes()
    }

    async fn open(&self, mut request: OpenRepository) -> Result<OpenedRepository> {
        let limits = Limits::take_from(&mut request.properties)?;
        let mut layers = Layers::standard();
        if limits != Limits::default() {
            layers = layers.limit(Limiter::new(limits));
        }
        let opened = open(&*self.0, &request).await?;
        Ok(OpenedRepository { repository: layers.around(opened.repository), warnings: opened.warnings })
    }
}
