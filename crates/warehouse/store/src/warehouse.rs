//! The contract of a warehouse, fulfilled.

use crate::catalog::{current_partitions, fold, object_at, object_by_name, require_object};
use crate::core::{Core, torn_down};
use crate::data::{StagedWriter, WRITE_LEN, new_name};
use crate::keeper::Order;
use crate::store::{Inner, Store};
use crate::{pin, restore, zone};
use async_trait::async_trait;
use bytes::Bytes;
use rockhold_core::format::PartitionEntry;
use rockhold_core::{
    Admitted, ClusterId, Cut, Digest, Error, FileReceiver, Guarantee, Guarantees, JobId, JobOutcome,
    LiveObject, Namespace, ObjectName, ObjectSummary, PinRequest, ReceivedFile, RestorePlan, Result,
    StagedFile, Timestamp, Warehouse,
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

#[async_trait]
impl Warehouse for Store {
    fn cluster(&self) -> ClusterId {
        self.cluster_id()
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees::new(Guarantee::Whole, Guarantee::Whole)
    }

    fn snapshot_timestamp(&self, at: Timestamp) -> String {
        zone::render(self.core().zone, at, "%Y-%m-%d-%H-%M-%S-%3f")
    }

    fn display_time(&self, at: Timestamp) -> String {
        zone::render(self.core().zone, at, "%Y-%m-%d %H:%M:%S")
    }

    async fn databases(&self) -> Result<Vec<String>> {
        Ok(self.list_databases().await?.into_iter().map(|database| database.name).collect())
    }

    async fn objects(&self, database: &str) -> Result<Vec<ObjectSummary>> {
        let objects = self.list_objects(database).await?;
        Ok(objects.into_iter().map(|o| ObjectSummary::new(o.object.kind, o.object.name)).collect())
    }

    async fn object(&self, namespace: Namespace, name: &ObjectName) -> Result<Option<LiveObject>> {
        Ok(self.find_object(namespace, name).await?.map(|found| found.object))
    }

    async fn partitions(&self, name: &ObjectName, names: Option<&[String]>) -> Result<Vec<Value>> {
        let object = name.clone();
        let mut all = self
            .read(move |connection| match object_by_name(connection, &object)? {
                Some(found) => current_partitions(connection, found.row_id()),
                // Says whether the database or the object is missing.
                None => require_object(connection, Namespace::Relation, &object).map(|_| Vec::new()),
            })
            .await?;
        // Temporary partitions are never backed up and never restored over.
        all.retain(|partition| !partition.definition.temporary);
        if let Some(names) = names {
            let wanted: BTreeSet<String> = names.iter().map(|name| fold(name)).collect();
            all.retain(|partition| wanted.contains(&fold(partition.name())));
        }
        all.sort_by(|a, b| a.name().as_bytes().cmp(b.name().as_bytes()));
        all.iter()
            .map(|partition| {
                serde_json::to_value(&partition.definition)
                    .map_err(|e| Error::internal("a partition cannot be written as JSON").because(e))
            })
            .collect()
    }

    async fn admit(&self, incoming: LiveObject, existing: Option<&LiveObject>) -> Result<Admitted> {
        let (object, notes) = self.admit_secrets(incoming, existing).await?;
        Ok(Admitted { object, notes })
    }

    async fn busy(&self, name: &ObjectName) -> Result<Option<String>> {
        let name = name.clone();
        self.read(move |connection| match object_by_name(connection, &name)? {
            Some(found) => Ok(found.under_restore.then(|| found.status().to_owned())),
            None => Err(Error::not_found(format!("Unknown table '{name}'")).into()),
        })
        .await
    }

    async fn has_temporary_partitions(&self, name: &ObjectName) -> Result<bool> {
        let name = name.clone();
        self.read(move |connection| {
            let Some(found) = object_at(connection, Namespace::Relation, &name)? else { return Ok(false) };
            let all = current_partitions(connection, found.row_id())?;
            Ok(all.iter().any(|partition| partition.definition.temporary))
        })
        .await
    }

    async fn has_files(&self, job: Option<JobId>, files: &[(Digest, u64)]) -> Result<Vec<bool>> {
        let files = files.to_vec();
        self.read(move |connection| restore::has_files(connection, job, &files)).await
    }

    async fn pin(&self, job: JobId, requests: Vec<PinRequest>) -> Result<Arc<dyn Cut>> {
        let store = self.clone();
        let cut = self.run(move |core| pin::pin(&store, core, job, &requests)).await?;
        Ok(Arc::new(cut))
    }

    async fn release(&self, job: JobId) -> Result<()> {
        self.run(move |core| pin::release_job(core, job)).await?;
        self.inner.keeper.order(Order::Tidy);
        Ok(())
    }

    async fn begin(&self, job: JobId, plan: &RestorePlan) -> Result<()> {
        let plan = plan.clone();
        self.run(move |core| restore::begin(core, job, &plan)).await
    }

    async fn find_file(&self, job: JobId, digest: &Digest, len: u64) -> Result<Option<ReceivedFile>> {
        let digest = *digest;
        self.run(move |core| restore::find_file(core, job, &digest, len)).await
    }

    async fn receive(&self, job: JobId, extension: &str, len: u64) -> Result<Box<dyn FileReceiver>> {
        let name = new_name(&extension.to_ascii_lowercase())?;
        if !self.core().receives(job) {
            self.run(move |core| restore::check_open(core, job)).await?;
        }
        Ok(Box::new(Receiver {
            inner: self.inner.clone(),
            job,
            file: Incoming::Named(name),
            pieces: Vec::new(),
            waiting: 0,
            wanted: len,
            taken: 0,
        }))
    }

    async fn stage_partitions(
        &self,
        job: JobId,
        target: usize,
        entries: Vec<PartitionEntry>,
    ) -> Result<Vec<i64>> {
        self.run(move |core| restore::stage_partitions(core, job, target, &entries)).await
    }

    async fn stage_files(&self, job: JobId, files: Vec<StagedFile>) -> Result<()> {
        self.run(move |core| restore::stage_files(core, job, &files)).await
    }

    async fn commit(&self, job: JobId) -> Result<()> {
        self.run(move |core| restore::commit(core, job)).await?;
        self.inner.keeper.order(Order::Tidy);
        Ok(())
    }

    async fn rollback(&self, job: JobId) -> Result<()> {
        self.run(move |core| restore::rollback(core, job)).await?;
        self.inner.keeper.order(Order::Tidy);
        Ok(())
    }

    async fn outcome(&self, job: JobId) -> Result<JobOutcome> {
        self.read(move |connection| restore::outcome(connection, job)).await
    }
}

/// Takes in one file of a restore. Bytes are collected to pieces worth a trip
/// to a thread that may block, so a small file takes one trip from its creation
/// to its end.
struct Receiver {
    inner: Arc<Inner>,
    job: JobId,
    file: Incoming,
    /// What has come and is not written.
    pieces: Vec<Bytes>,
    /// The length of `pieces`.
    waiting: usize,
    wanted: u64,
    taken: u64,
}

/// The file that a receiver writes.
enum Incoming {
    /// It gets this name.
    Named(String),
    /// It is there.
    Open(StagedWriter),
    /// A write is under way, or failed.
    Gone,
}

impl Receiver {
    /// What writes the bytes that wait, for a thread that may block.
    fn write_out(&mut self) -> impl FnOnce(&Core) -> Result<StagedWriter> + Send + use<> {
        let (job, pieces) = (self.job, std::mem::take(&mut self.pieces));
        let file = std::mem::replace(&mut self.file, Incoming::Gone);
        self.waiting = 0;
        move |core| {
            let mut writer = match file {
                Incoming::Named(name) => StagedWriter::create_named(&core.layout, job.as_bytes(), name)?,
                Incoming::Open(writer) => writer,
                Incoming::Gone => return Err(Error::internal("the file has ended")),
            };
            let done = writer.write_pieces(&pieces);
            done.map_err(|e| Error::io(e, "write", writer.path().display()))?;
            Ok(writer)
        }
    }
}

#[async_trait]
impl FileReceiver for Receiver {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > self.wanted {
            self.file = Incoming::Gone;
            return Err(Error::corrupt(format!("more bytes came than the {} announced", self.wanted)));
        }
        self.waiting = self.waiting.saturating_add(bytes.len());
        self.pieces.push(bytes);
        if self.waiting >= WRITE_LEN {
            let (core, write) = (self.inner.core.clone(), self.write_out());
            let written = tokio::task::spawn_blocking(move || write(&core)).await.map_err(torn_down)?;
            self.file = Incoming::Open(written?);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>, digest: Digest) -> Result<ReceivedFile> {
        let (core, wanted, write) = (self.inner.core.clone(), self.wanted, self.write_out());
        let finish = move || {
            let writer = write(&core)?;
            let path = writer.path().to_path_buf();
            let info = core.faults.around("finish file", || writer.finish(0))?;
            if info.digest != digest || info.len != wanted {
                let _ = std::fs::remove_file(&path);
                return Err(Error::corrupt(format!(
                    "the file has {} bytes with digest {}, wanted {wanted} with {digest}",
                    info.len, info.digest
                )));
            }
            Ok(restore::received(&info.name, digest, info.len))
        };
        tokio::task::spawn_blocking(finish).await.map_err(torn_down)?
    }
}
