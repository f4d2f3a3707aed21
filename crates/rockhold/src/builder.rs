//! Putting everything together.

use crate::layered::Layered;
use crate::{Session, object_types};
use rockhold_core::{JobRecord, RepositoryFactory, Result, Secret};
use rockhold_engine::{Engine, EngineBuilder, EngineConfig, JobHandle};
use rockhold_layers::{Layers, Metrics};
use rockhold_sql::SqlError;
use rockhold_warehouse_store::{ImportedKeys, OpenOptions, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// An opened warehouse with its engine. Clones share everything.
#[derive(Clone, Debug)]
pub struct Rockhold {
    engine: Engine,
    store: Store,
    /// What FILES and the files of functions reach, below all layers.
    storage: Vec<Arc<dyn RepositoryFactory>>,
}

/// Opens the embedded warehouse of a directory.
#[derive(Debug)]
pub struct RockholdBuilder {
    dir: PathBuf,
    options: OpenOptions,
    config: EngineConfig,
    metrics: Option<Metrics>,
    storage: Vec<Arc<dyn RepositoryFactory>>,
}

impl Rockhold {
    /// The embedded warehouse of a directory, which is created when it does not exist.
    pub fn embedded(dir: impl AsRef<Path>) -> RockholdBuilder {
        RockholdBuilder {
            dir: dir.as_ref().to_owned(),
            options: OpenOptions::create(),
            config: EngineConfig::default(),
            metrics: None,
            storage: Vec::new(),
        }
    }

    /// A new session without a current database.
    ///
    /// # Errors
    /// When the query engine cannot be set up with its limits.
    pub fn session(&self) -> Result<Session, SqlError> {
        let sql = rockhold_warehouse_embedded::Session::new(self.store.clone())?;
        let sql = sql.storage(self.storage.iter().cloned());
        Ok(Session { engine: self.engine.clone(), sql })
    }

    /// The keys that encrypt secrets, as a key file has them: whoever has them
    /// can read the secrets in the snapshots of this warehouse.
    ///
    /// # Errors
    /// `Unauthenticated` when the warehouse has no key yet.
    pub async fn export_keys(&self) -> Result<Secret> {
        self.store.export_keys().await
    }

    /// Adds the keys of another warehouse, so that secrets in its snapshots can
    /// be read here.
    ///
    /// # Errors
    /// `InvalidInput` for a text that holds no keys; `Conflict` when another
    /// process writes to the directory.
    pub async fn import_keys(&self, keys: &Secret) -> Result<ImportedKeys> {
        self.store.import_keys(keys).await
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Jobs that were submitted here and are not finished.
    pub fn running_jobs(&self) -> Vec<JobHandle> {
        self.engine.running_jobs()
    }

    /// Waits for every job that was submitted here; gives their final records.
    pub async fn wait_for_jobs(&self) -> Vec<JobRecord> {
        self.engine.wait_for_jobs().await
    }

    /// Closes the warehouse: waits for jobs and lets other processes write.
    pub async fn close(self) {
        self.engine.wait_for_jobs().await;
    }
}

impl RockholdBuilder {
    /// How long to wait while another process writes to the directory; zero by default.
    #[must_use]
    pub fn lock_wait(mut self, wait: Duration) -> Self {
        self.options.lock_wait = wait;
        self
    }

    /// What other processes are told about who writes; the command line by default.
    #[must_use]
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.options.command = command.into();
        self
    }

    /// The time zone of a warehouse that is created; the system's by default.
    #[must_use]
    pub fn time_zone(mut self, zone: impl Into<String>) -> Self {
        self.options.time_zone = Some(zone.into());
        self
    }

    /// The file with the key that encrypts secrets; by default inside the directory.
    #[must_use]
    pub fn key_file(mut self, path: impl AsRef<Path>) -> Self {
        self.options.key_file = Some(path.as_ref().to_owned());
        self
    }

    /// Refuses a directory that does not exist instead of creating it.
    #[must_use]
    pub fn must_exist(mut self) -> Self {
        self.options.create = false;
        self
    }

    /// Replaces the limits of the engine.
    #[must_use]
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// Measures every call to the repositories of BACKUP and RESTORE, as the
    /// jobs see it: with its repeats and waits.
    #[must_use]
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Adds a storage vendor that is not built in.
    #[must_use]
    pub fn storage(mut self, factory: Arc<dyn RepositoryFactory>) -> Self {
        self.storage.push(factory);
        self
    }

    /// Opens the warehouse.
    ///
    /// # Errors
    /// When the directory is not a warehouse, is of a newer version or cannot
    /// be read or created.
    pub async fn open(self) -> Result<Rockhold> {
        let (dir, mut options) = (self.dir, self.options);
        let types = object_types::linked();
        for (codec, _) in &types {
            options.kinds.register(codec.descriptor().clone())?;
        }
        let store = Store::open(&dir, options).await?;
        let layers = self.metrics.into_iter().fold(Layers::standard(), Layers::metrics);
        let mut builder = EngineBuilder::new(Arc::new(store.clone()), Arc::new(store.clone()))
            .config(self.config)
            .layer(move |repository, limiter| {
                limiter.into_iter().fold(layers.clone(), Layers::limit).around(repository)
            });
        for (codec, writer) in types {
            builder = builder.object_type(codec, writer)?;
        }
        let mut vendors: Vec<Arc<dyn RepositoryFactory>> = vec![Arc::new(rockhold_storage_fs::FsFactory)];
        #[cfg(feature = "s3")]
        vendors.push(Arc::new(rockhold_storage_s3::S3Factory::default()));
        #[cfg(feature = "oss")]
        vendors.push(Arc::new(rockhold_storage_oss::OssFactory::default()));
        #[cfg(feature = "cos")]
        vendors.push(Arc::new(rockhold_storage_cos::CosFactory::default()));
        #[cfg(feature = "obs")]
        vendors.push(Arc::new(rockhold_storage_obs::ObsFactory::default()));
        #[cfg(feature = "gcs")]
        vendors.push(Arc::new(rockhold_storage_gcs::GcsFactory));
        #[cfg(feature = "hdfs")]
        vendors.push(Arc::new(rockhold_storage_hdfs::HdfsFactory));
        vendors.extend(self.storage);
        for factory in &vendors {
            builder = builder.storage(factory.clone())?;
        }
        // These can only be read, so they are no place for repositories.
        #[cfg(feature = "http")]
        vendors.push(Arc::new(rockhold_storage_http::HttpFactory));
        let storage = vendors.into_iter().map(|factory| Arc::new(Layered(factory)) as _).collect();
        Ok(Rockhold { engine: builder.build(), store, storage })
    }
}
