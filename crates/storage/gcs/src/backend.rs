//! The repository itself.

use crate::{
    GcsConfig, bucket,
    client::Client,
    deleter,
    environment::Environment,
    error::{Asked, Shown},
    lister,
    location::Location,
    reader,
    staged::{self, Source, Target},
    tokens::Tokens,
    writer,
};
use async_trait::async_trait;
use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::retry_policy::NeverRetry;
use google_cloud_storage::{client::Storage, read_resume_policy::NeverResume};
use rockhold_core::{
    Capabilities, CreateNew, CreateRequest, Error, ErrorKind, GetRequest, Key, ListPage, ListRequest,
    ObjectMeta, ObjectReader, ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, WriteMode,
};
use std::{fmt, sync::Arc};

/// A repository below a prefix of a bucket. Clones share one handle.
#[derive(Clone, Debug)]
pub struct GcsRepository(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) config: GcsConfig,
    pub(crate) location: Location,
    pub(crate) client: Client,
    pub(crate) uploads: Storage,
    /// The bucket as the official client names it.
    pub(crate) bucket_resource: String,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcsRepository")
            .field("location", &self.location.display())
            .field("service", &self.client.service)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::full();
        capabilities.create_new = CreateNew::Atomic;
        capabilities.max_put = LONGEST;
        capabilities.part_len = (1, LONGEST);
        // 32 × 32 × 32: three levels of compositions.
        capabilities.max_parts = 32_768;
        capabilities.delete_batch = 100;
        capabilities
    }

    /// What is asked for, for the messages.
    pub(crate) fn asked<'a>(
        &'a self,
        operation: &'static str,
        at: &'a dyn Shown,
        permission: &'static str,
    ) -> Asked<'a> {
        Asked {
            operation,
            at,
            bucket: &self.location.bucket,
            service: &self.client.service,
            changes: false,
            mode: None,
            permission,
            account: self.client.account(),
        }
    }

    /// A write, for the messages.
    pub(crate) fn writing<'a>(
        &'a self,
        operation: &'static str,
        key: &'a Key,
        mode: &'a WriteMode,
    ) -> Asked<'a> {
        // Replacing an object takes the permission to delete it, too.
        let permission = match mode {
            WriteMode::CreateNew => "storage.objects.create",
            _ => "storage.objects.create and storage.objects.delete",
        };
        Asked { changes: true, mode: Some(mode), ..self.asked(operation, key, permission) }
    }

    async fn copy(&self, from: &Key, to: &Key, mode: &WriteMode) -> Result<ObjectMeta> {
        let asked = self.writing("copy", to, mode);
        let named = |key| self.location.name(key).map_err(|e| e.during("copy"));
        let source = Source { name: named(from)?, generation: 0 };
        let (name, generation) = (named(to)?, staged::generation(&asked, mode)?);
        let target = Target { name: &name, generation, writer: None };
        match staged::compose(self, &asked, &[source], target).await? {
            Ok(facts) => Ok(facts.meta(to.clone())),
            Err(answer) if answer.status == 404 => {
                Err(self.asked("copy", from, "storage.objects.get").refused(&answer))
            }
            Err(answer) => Err(asked.refused(&answer)),
        }
    }
}

/// The most bytes of one request. It is in memory as a whole.
const LONGEST: u64 = 64 << 20;

impl GcsRepository {
    /// Opens the place that the configuration names. Whether it is there and
    /// lets us in shows with the first call.
    ///
    /// # Errors
    /// `InvalidInput` for a location, an endpoint or credentials that cannot
    /// be; `Unauthenticated` where there are no default credentials.
    pub async fn open(config: GcsConfig) -> Result<Self> {
        // The clients take it from there. That somebody was earlier is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let location = config.place().map_err(|e| e.during("open"))?;
        let credentials = Credentials::from(Tokens::new(&config).map_err(|e| e.during("open"))?);
        let client = Client::new(&config, credentials.clone(), &Environment::here());
        let client = client.map_err(|e| e.during("open"))?;
        let uploads = Storage::builder()
            .with_endpoint(client.service.clone())
            .with_credentials(credentials)
            .with_retry_policy(NeverRetry)
            .with_read_resume_policy(NeverResume)
            .build();
        let uploads = tokio::time::timeout(client.call, uploads).await;
        let uploads = uploads.map_err(|_| {
            let message = "no answer about these credentials; check them and the network";
            Error::new(ErrorKind::TimedOut, message).temporary(None).during("open").at(location.display())
        })?;
        let uploads = uploads.map_err(|source| {
            let message = "these credentials and this endpoint do not go together";
            Error::invalid(message).during("open").at(location.display()).because(source)
        })?;
        let bucket_resource = format!("projects/_/buckets/{}", location.bucket);
        Ok(Self(Arc::new(Shared { config, location, client, uploads, bucket_resource })))
    }

    /// One line for each setting of the bucket that would remove objects of
    /// this repository, or keep it from removing them; none where the account
    /// may not read the settings (`storage.buckets.get`), or within 10 s.
    pub async fn bucket_warnings(&self) -> Vec<String> {
        bucket::warnings(&self.0).await
    }
}

#[async_trait]
impl Repository for GcsRepository {
    fn info(&self) -> RepositoryInfo {
        RepositoryInfo::new("gs", self.0.location.display())
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        reader::head(&self.0, key).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        reader::open(&self.0, request).await
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        writer::put(&self.0, request).await
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        Ok(Box::new(writer::create(&self.0, request)?))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        lister::list(&self.0, request).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        Ok(deleter::delete(&self.0, keys).await)
    }

    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        self.0.copy(from, to, &mode).await
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        deleter::discard_staged(&self.0, prefix).await
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        deleter::count_staged(&self.0, prefix).await
    }

    /// What the service acknowledges is durable already.
    async fn barrier(&self) -> Result<()> {
        Ok(())
    }
}
