//! The repository itself: each operation in the words of the protocol.

use crate::{
    S3Config,
    client::{self, ServerName},
    copier, deleter,
    error::Call,
    lister, publish, reader, uploads, writer,
};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use rockhold_core::{
    Capabilities, CreateNew, CreateRequest, Error, ErrorKind, GetRequest, Key, ListPage, ListRequest,
    ObjectMeta, ObjectReader, ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, WriteMode,
};
use std::{fmt, sync::Arc};

/// A repository in a bucket. Clones share one handle.
#[derive(Clone, Debug)]
pub struct S3Repository(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) config: S3Config,
    pub(crate) client: Client,
    pub(crate) server: ServerName,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn bucket(&self) -> &str {
        self.config.location.bucket()
    }

    pub(crate) fn object(&self, key: &Key) -> String {
        self.config.location.object(key)
    }

    pub(crate) fn reads(&self, operation: &'static str, action: &'static str) -> Call<'_> {
        Call::reads(&self.config, operation, action)
    }

    pub(crate) fn writes(&self, operation: &'static str, action: &'static str) -> Call<'_> {
        Call::writes(&self.config, operation, action)
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::full();
        capabilities.create_new = CreateNew::Probe;
        capabilities.if_match = self.keeps_if_match();
        capabilities.copy = true;
        capabilities.max_put = 64 << 20;
        // Every part but the last has at least 5 MiB, by the protocol.
        capabilities.part_len = (5 << 20, 5 << 30);
        capabilities.max_parts = 10_000;
        capabilities.delete_batch = deleter::BATCH;
        capabilities
    }

    fn keeps_if_match(&self) -> bool {
        self.config.dialect.if_match && self.server.keeps_if_match()
    }

    pub(crate) fn check_mode(&self, mode: &WriteMode, operation: &'static str, key: &Key) -> Result<()> {
        match mode {
            WriteMode::IfMatch(_) if !self.keeps_if_match() => {
                let message = format!("{} writes nothing on condition", self.config.dialect.vendor);
                Err(Error::unsupported(message).during(operation).at(key))
            }
            _ => Ok(()),
        }
    }
}

impl S3Repository {
    /// Makes a client for the configuration. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidInput` and `NotFound` for certificates that cannot be used.
    pub async fn connect(config: S3Config) -> Result<Self> {
        let (client, server) = client::build(&config, config.signing_region()).await?;
        Ok(Self(Arc::new(Shared { config, client, server })))
    }

    /// Makes a client and asks the bucket once, so that what is wrong with
    /// location, endpoint, region and credentials is known now. Without a
    /// region, the one that the server names is taken. That listing is
    /// forbidden is no failure here: not everybody who reads may list.
    ///
    /// # Errors
    /// `NotFound` for a bucket that does not exist, `Unauthenticated`,
    /// `InvalidInput` for a wrong region or certificate, `Unavailable`.
    pub async fn open(mut config: S3Config) -> Result<Self> {
        let repository = Self::connect(config.clone()).await?;
        match lister::ask(&repository.0).await? {
            None => Ok(repository),
            Some(region) => {
                config.region = Some(region);
                let repository = Self::connect(config).await?;
                lister::ask(&repository.0).await?;
                Ok(repository)
            }
        }
    }

    /// What it was opened with; the region is the one that was found.
    pub fn config(&self) -> &S3Config {
        &self.0.config
    }

    /// One line for each lifecycle rule of the bucket that would remove or
    /// archive objects of this repository; none where the rules may not be read.
    pub async fn lifecycle_warnings(&self) -> Vec<String> {
        crate::lifecycle::warnings(&self.0).await
    }
}

#[async_trait]
impl Repository for S3Repository {
    fn info(&self) -> RepositoryInfo {
        let location = &self.0.config.location;
        RepositoryInfo::new(location.scheme(), location.to_string())
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        reader::head(&self.0, key).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        reader::get(&self.0, request).await
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        self.0.check_mode(&request.mode, "put", &request.key)?;
        let (len, limit) = (request.bytes.len(), self.0.capabilities().max_put);
        if len as u64 > limit {
            let message = format!("{len} bytes are more than one put takes ({limit}); write it in parts");
            return Err(Error::new(ErrorKind::LimitExceeded, message).during("put").at(&request.key));
        }
        publish::put(&self.0, &request.key, request.bytes, &request.mode, None, "put").await
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        self.0.check_mode(&request.mode, "create", &request.key)?;
        Ok(Box::new(writer::create(&self.0, request)?))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        lister::list(&self.0, request).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        deleter::delete(&self.0, &keys).await
    }

    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        self.0.check_mode(&mode, "copy", to)?;
        copier::copy(&self.0, from, to, &mode).await
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        uploads::discard(&self.0, prefix).await
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        uploads::count(&self.0, prefix).await
    }

    /// What an object store acknowledged is durable.
    async fn barrier(&self) -> Result<()> {
        Ok(())
    }
}
