//! The engine: what a session needs to back up and to restore.

use crate::job::{CANCELLED, JobDetail, Progress, ProgressCounts};
use crate::{CancelToken, EngineConfig, JobHandle, error::status_text, workers::Workers};
use rockhold_core::{
    CatalogCodec, Error, ErrorKind, JobId, JobRecord, KindDescriptor, KindId, KindRegistry, Namespace,
    OpenRepository, OpenedRepository, RepositoryFactory, Result, SharedClock, SharedRepository, SharedState,
    SharedWarehouse, SnapshotWriter, StateStore, SystemClock,
};
use rockhold_layers::{Layers, Limiter, Limits};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Semaphore;

/// Wraps every repository that the engine opens, to add the layers; the
/// limiter, where the repository's properties ask for one, must be among them.
pub type LayerFn = dyn Fn(SharedRepository, Option<Limiter>) -> SharedRepository + Send + Sync;

/// Backs up and restores. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) warehouse: SharedWarehouse,
    pub(crate) state: SharedState,
    pub(crate) kinds: KindRegistry,
    codecs: BTreeMap<KindId, Arc<dyn CatalogCodec>>,
    writers: BTreeMap<KindId, Arc<dyn SnapshotWriter>>,
    factories: BTreeMap<&'static str, Arc<dyn RepositoryFactory>>,
    layer: Box<LayerFn>,
    /// One for each repository with limits: its jobs share them.
    limiters: Mutex<HashMap<String, (Limits, Limiter)>>,
    pub(crate) clock: SharedClock,
    pub(crate) config: EngineConfig,
    pub(crate) pools: Pools,
    jobs: Mutex<HashMap<JobId, JobHandle>>,
    /// Jobs that claim their label just now, before they are among `jobs`.
    claiming: Mutex<HashSet<JobId>>,
}

/// A job that claims its label; until it runs or this is dropped.
pub(crate) struct Claiming<'a> {
    engine: &'a Engine,
    job: JobId,
}

impl Drop for Claiming<'_> {
    fn drop(&mut self) {
        self.engine.lock_claiming().remove(&self.job);
    }
}

/// The worker pools, one of each per engine.
pub(crate) struct Pools {
    pub(crate) make_snapshot: Arc<Semaphore>,
    pub(crate) release_snapshot: Arc<Semaphore>,
    pub(crate) upload: Workers,
    pub(crate) download: Workers,
}

/// Puts an engine together: a warehouse, object types, storage vendors.
pub struct EngineBuilder {
    warehouse: SharedWarehouse,
    state: SharedState,
    kinds: KindRegistry,
    codecs: BTreeMap<KindId, Arc<dyn CatalogCodec>>,
    writers: BTreeMap<KindId, Arc<dyn SnapshotWriter>>,
    factories: BTreeMap<&'static str, Arc<dyn RepositoryFactory>>,
    layer: Box<LayerFn>,
    clock: SharedClock,
    config: EngineConfig,
}

impl EngineBuilder {
    /// An engine over a warehouse, with `state` as its memory.
    pub fn new(warehouse: SharedWarehouse, state: SharedState) -> Self {
        Self {
            warehouse,
            state,
            kinds: KindRegistry::default(),
            codecs: BTreeMap::new(),
            writers: BTreeMap::new(),
            factories: BTreeMap::new(),
            layer: Box::new(|repository, limiter| match limiter {
                Some(limiter) => Layers::new().limit(limiter).around(repository),
                None => repository,
            }),
            clock: Arc::new(SystemClock),
            config: EngineConfig::default(),
        }
    }

    /// Adds an object type; `writer` where it has data.
    ///
    /// # Errors
    /// `AlreadyExists` when its kind or its words are taken; `InvalidInput`
    /// when a kind with data comes without a writer.
    pub fn object_type(
        mut self,
        codec: Arc<dyn CatalogCodec>,
        writer: Option<Arc<dyn SnapshotWriter>>,
    ) -> Result<Self> {
        let descriptor = codec.descriptor().clone();
        if descriptor.has_data && writer.is_none() {
            return Err(Error::invalid(format!(
                "the object kind {} has data and no snapshot writer",
                descriptor.id
            )));
        }
        let id = descriptor.id.clone();
        self.kinds.register(descriptor)?;
        if let Some(writer) = writer {
            self.writers.insert(id.clone(), writer);
        }
        self.codecs.insert(id, codec);
        Ok(self)
    }

    /// Adds a storage vendor under its schemes.
    ///
    /// # Errors
    /// `AlreadyExists` when a scheme is taken.
    pub fn storage(mut self, factory: Arc<dyn RepositoryFactory>) -> Result<Self> {
        for scheme in factory.schemes() {
            if self.factories.insert(scheme, factory.clone()).is_some() {
                return Err(Error::new(ErrorKind::AlreadyExists, format!("two adapters serve {scheme}://")));
            }
        }
        Ok(self)
    }

    /// Wraps every repository that is opened; see [`LayerFn`].
    #[must_use]
    pub fn layer(
        mut self,
        layer: impl Fn(SharedRepository, Option<Limiter>) -> SharedRepository + Send + Sync + 'static,
    ) -> Self {
        self.layer = Box::new(layer);
        self
    }

    /// Replaces the clock.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Replaces the limits.
    #[must_use]
    pub fn config(mut self, config: EngineConfig) -> Self {
        self.config = config;
        self
    }

    /// The engine.
    pub fn build(self) -> Engine {
        let pool = |count: usize| Arc::new(Semaphore::new(count.max(1)));
        let pools = Pools {
            make_snapshot: pool(self.config.make_snapshot_worker_count),
            release_snapshot: pool(self.config.release_snapshot_worker_count),
            upload: Workers::new(self.config.upload_workers(), &self.config),
            download: Workers::new(self.config.download_workers(), &self.config),
        };
        Engine(Arc::new(Inner {
            warehouse: self.warehouse,
            state: self.state,
            kinds: self.kinds,
            codecs: self.codecs,
            writers: self.writers,
            factories: self.factories,
            layer: self.layer,
            limiters: Mutex::default(),
            clock: self.clock,
            config: self.config,
            pools,
            jobs: Mutex::new(HashMap::new()),
            claiming: Mutex::new(HashSet::new()),
        }))
    }
}

impl Engine {
    /// The kinds of objects that it knows.
    pub fn kinds(&self) -> &KindRegistry {
        &self.0.kinds
    }

    /// The warehouse.
    pub fn warehouse(&self) -> &SharedWarehouse {
        &self.0.warehouse
    }

    /// Its limits.
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// Jobs that were submitted here and are not finished.
    pub fn running_jobs(&self) -> Vec<JobHandle> {
        self.lock_jobs().values().cloned().collect()
    }

    /// A job that was submitted here and is not finished.
    pub fn running_job(&self, id: JobId) -> Option<JobHandle> {
        self.lock_jobs().get(&id).cloned()
    }

    /// Waits until every job that was submitted here is finished; gives their
    /// final records.
    pub async fn wait_for_jobs(&self) -> Vec<JobRecord> {
        let mut records = Vec::new();
        for handle in self.running_jobs() {
            records.push(handle.wait().await);
        }
        records
    }

    pub(crate) fn codec(&self, kind: &KindId) -> Result<&Arc<dyn CatalogCodec>> {
        self.0.codecs.get(kind).ok_or_else(|| unknown_kind(kind))
    }

    pub(crate) fn writer(&self, kind: &KindId) -> Option<&Arc<dyn SnapshotWriter>> {
        self.0.writers.get(kind)
    }

    pub(crate) fn descriptor(&self, kind: &KindId) -> Result<&KindDescriptor> {
        self.0.kinds.get(kind).ok_or_else(|| unknown_kind(kind))
    }

    /// The namespace of a kind; an unknown kind lives among the relations.
    pub(crate) fn namespace(&self, kind: &KindId) -> Namespace {
        self.0.kinds.get(kind).map_or(Namespace::Relation, |k| k.namespace)
    }

    /// Opens a store, without layers.
    ///
    /// # Errors
    /// No adapter serves its scheme; whatever the adapter refuses.
    pub(crate) async fn open_store(&self, request: &OpenRepository) -> Result<OpenedRepository> {
        rockhold_layers::open(&**self.factory(&request.scheme())?, request).await
    }

    fn factory(&self, scheme: &str) -> Result<&Arc<dyn RepositoryFactory>> {
        self.0.factories.get(scheme).ok_or_else(|| {
            let known: Vec<String> = self.0.factories.keys().map(|s| format!("{s}://")).collect();
            if scheme.is_empty() {
                Error::invalid(format!("the location has no scheme; write one of {}", known.join(", ")))
            } else {
                Error::unsupported(format!(
                    "no storage adapter serves {scheme}://; this build has {}",
                    known.join(", ")
                ))
            }
        })
    }

    /// The layers around what an adapter opened for the repository `name`.
    pub(crate) fn wrap(&self, name: &str, repository: SharedRepository, limits: Limits) -> SharedRepository {
        (self.0.layer)(repository, self.limiter(name, limits))
    }

    fn limiter(&self, name: &str, limits: Limits) -> Option<Limiter> {
        let mut limiters = self.0.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        if limits == Limits::default() {
            limiters.remove(name);
            return None;
        }
        // A repository that was dropped and made again may have other limits.
        let known = limiters.get(name).filter(|(of, _)| *of == limits).map(|(_, limiter)| limiter.clone());
        let limiter = known.unwrap_or_else(|| Limiter::new(limits));
        limiters.insert(name.to_owned(), (limits, limiter.clone()));
        Some(limiter)
    }

    fn lock_jobs(&self) -> std::sync::MutexGuard<'_, HashMap<JobId, JobHandle>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_claiming(&self) -> std::sync::MutexGuard<'_, HashSet<JobId>> {
        self.0.claiming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a job claims its label now. To be held until it is among the
    /// jobs: others take a noted claim that nobody holds for that of a dead job.
    pub(crate) fn claiming(&self, job: JobId) -> Claiming<'_> {
        self.lock_claiming().insert(job);
        Claiming { engine: self, job }
    }

    /// Whether a job of this process holds a claim, or is about to.
    pub(crate) fn holds_claim(&self, job: JobId) -> bool {
        // In this order: a job is among the running ones before it stops claiming.
        self.lock_claiming().contains(&job) || self.running_job(job).is_some()
    }

    pub(crate) fn forget_job(&self, id: JobId) {
        self.lock_jobs().remove(&id);
    }

    /// Makes the handle of a job that was just submitted.
    pub(crate) fn adopt_job(&self, record: JobRecord) -> (JobHandle, RunningJob) {
        let (sender, receiver) = tokio::sync::watch::channel(record.clone());
        let handle = JobHandle {
            id: record.id,
            record: receiver,
            progress: Arc::new(Progress::default()),
            cancel: CancelToken::default(),
        };
        self.lock_jobs().insert(record.id, handle.clone());
        let running = RunningJob {
            engine: self.clone(),
            record,
            sender,
            progress: handle.progress.clone(),
            cancel: handle.cancel.clone(),
        };
        (handle, running)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("warehouse", &self.0.warehouse).finish_non_exhaustive()
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder").field("warehouse", &self.warehouse).finish_non_exhaustive()
    }
}

fn unknown_kind(kind: &KindId) -> Error {
    Error::unsupported(format!("objects of kind {kind} are not supported by this build"))
}

/// A job from the inside: the one place that changes its record.
pub(crate) struct RunningJob {
    pub(crate) engine: Engine,
    pub(crate) record: JobRecord,
    sender: tokio::sync::watch::Sender<JobRecord>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) cancel: CancelToken,
}

impl RunningJob {
    pub(crate) fn id(&self) -> JobId {
        self.record.id
    }

    /// Enters a state, changing the detail on the way, durably.
    pub(crate) async fn enter(&mut self, state: &str, change: impl FnOnce(&mut JobDetail)) -> Result<()> {
        let mut detail = JobDetail::of(&self.record)?;
        change(&mut detail);
        detail.progress = self.progress.counts();
        self.record.state = state.to_owned();
        self.record.detail = detail_value(&detail)?;
        self.engine.0.state.update(&self.record).await?;
        self.sender.send_replace(self.record.clone());
        tracing::info!(job = %self.record.id, label = %self.record.label, state, "job enters state");
        Ok(())
    }

    /// Ends the job, whatever the state store says: a record that cannot be
    /// written is logged, and the next owner of the warehouse puts it right.
    pub(crate) async fn end(mut self, state: &str, change: impl FnOnce(&mut JobDetail)) {
        let now = self.engine.0.clock.now();
        if let Ok(mut detail) = JobDetail::of(&self.record) {
            change(&mut detail);
            detail.finished = Some(now);
            detail.progress = self.progress.counts();
            if let Ok(value) = detail_value(&detail) {
                self.record.detail = value;
            }
        }
        self.record.state = state.to_owned();
        self.record.finished = true;
        if let Err(error) = self.engine.0.state.update(&self.record).await {
            tracing::error!(?error, job = %self.record.id, "the end of a job could not be recorded");
        }
        self.engine.forget_job(self.record.id);
        self.sender.send_replace(self.record.clone());
    }

    /// Ends the job as CANCELLED with the reason.
    pub(crate) async fn end_cancelled(self, error: &Error) {
        tracing::warn!(?error, job = %self.record.id, label = %self.record.label, "job is cancelled");
        let text = status_text(error);
        self.end(CANCELLED, |detail| detail.status = text).await;
    }

    /// Watches for requests to cancel from other processes and for the time
    /// limit, until dropped.
    pub(crate) fn watchdog(&self) -> Watchdog {
        let (state, cancel, id) = (self.engine.0.state.clone(), self.cancel.clone(), self.record.id);
        let poll = self.engine.0.config.cancel_poll();
        let timeout = JobDetail::of(&self.record).map_or(u64::MAX, |d| d.timeout);
        let (clock, created, label) =
            (self.engine.0.clock.clone(), self.record.created, self.record.label.clone());
        let (progress, note_every) = (self.progress.clone(), self.engine.0.config.note_every());
        let kind = match self.record.kind {
            rockhold_core::JobKind::Backup => "backup",
            rockhold_core::JobKind::Restore => "restore",
        };
        let task = tokio::spawn(async move {
            let (mut noted, mut since) = (progress.counts(), Instant::now());
            loop {
                tokio::time::sleep(poll).await;
                match state.cancel_requested(id).await {
                    Ok(true) => cancel.cancel("user cancelled"),
                    Ok(false) => {}
                    Err(error) => tracing::warn!(?error, "cannot look for a request to cancel"),
                }
                let seconds = u64::try_from(clock.now().since(created) / 1000).unwrap_or(0);
                if seconds > timeout {
                    cancel.cancel(format!("{kind} job with label {label} timed out after {timeout} s"));
                }
                if cancel.is_cancelled() {
                    return;
                }
                let counts = progress.counts();
                if since.elapsed() >= note_every && counts != noted {
                    (noted, since) = (counts, Instant::now());
                    note_progress(&*state, id, &counts).await;
                }
            }
        });
        Watchdog(task)
    }
}

/// Stops watching when dropped.
pub(crate) struct Watchdog(tokio::task::JoinHandle<()>);

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells other processes how far a job is.
async fn note_progress(state: &dyn StateStore, job: JobId, counts: &ProgressCounts) {
    let Ok(counts) = serde_json::to_value(counts) else { return };
    if let Err(error) = state.note_progress(job, counts).await {
        tracing::warn!(?error, "the progress of a job cannot be noted");
    }
}

pub(crate) fn detail_value(detail: &JobDetail) -> Result<serde_json::Value> {
    serde_json::to_value(detail).map_err(|e| Error::internal("a job's record cannot be written").because(e))
}
