//! The repository.

use crate::config::{Base, HttpConfig};
use crate::error::transport;
use crate::{deleter, lister, reader, writer};
use async_trait::async_trait;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, redirect};
use rockhold_core::{
    Capabilities, CreateNew, CreateRequest, GetRequest, Key, ListPage, ListRequest, ObjectMeta, ObjectReader,
    ObjectWriter, PutRequest, Repository, RepositoryInfo, Result,
};
use std::{fmt, sync::Arc};

/// Redirections of one request at most.
const REDIRECTIONS: usize = 10;

/// A directory of a web server, to be read.
#[derive(Clone)]
pub struct HttpRepository(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) base: Base,
}

impl fmt::Debug for HttpRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRepository").field("location", &self.0.base.shown).finish_non_exhaustive()
    }
}

impl HttpRepository {
    /// Prepares to read; nothing is sent yet.
    ///
    /// # Errors
    /// `InvalidInput` for a location that is no address of a web server.
    pub fn new(config: &HttpConfig) -> Result<Self> {
        let base = config.base()?;
        // Whoever came first has installed it, if not we.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let policy = redirect::Policy::custom(|attempt| {
            let secure = attempt.previous().iter().any(|url| url.scheme() == "https");
            if attempt.previous().len() > REDIRECTIONS {
                attempt.error("too many redirections")
            } else if secure && attempt.url().scheme() != "https" {
                attempt.error("from https to http")
            } else {
                attempt.follow()
            }
        });
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let client = Client::builder()
            .user_agent(concat!("rockhold/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(policy)
            .connect_timeout(config.connect())
            .read_timeout(config.silence())
            .build()
            .map_err(|error| transport(error, base.scheme()).permanent())?;
        Ok(Self(Arc::new(Shared { client, base })))
    }
}

#[async_trait]
impl Repository for HttpRepository {
    fn info(&self) -> RepositoryInfo {
        RepositoryInfo::new(self.0.base.scheme(), self.0.base.shown.clone())
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::full();
        can.create_new = CreateNew::Missing;
        can.if_match = false;
        can.copy = false;
        can.max_put = 0;
        can
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        reader::head(&self.0, key).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        reader::get(&self.0, request).await
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        Err(writer::refused("put", &request.key))
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        Err(writer::refused("create", &request.key))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        Err(lister::refused(request.prefix.as_ref(), &self.0.base.shown))
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        Ok(keys.iter().map(|key| Err(deleter::refused("delete", key))).collect())
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        Err(deleter::refused("discard staged", prefix))
    }

    async fn barrier(&self) -> Result<()> {
        // Nothing was ever acknowledged.
        Ok(())
    }
}
