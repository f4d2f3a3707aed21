//! The contract of a warehouse, fulfilled.

use crate::catalog::{current_partitions, fold, object_at, object_by_name, require_object};
use crate::core::torn_down;
use crate::data::StagedWriter;
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
use std::{collections::BTreeSet, io::Write, sync::Arc};

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

    async fn has_files(&self, files: &[(Digest, u64)]) -> Result<Vec<bool>> {
        let files = files.to_vec();
        self.read(move |connection| restore::has_files(connection, &files)).await
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
        let extension = extension.to_ascii_lowercase();
        let writer = self
            .run(move |core| {
                restore::check_open(core, job)?;
                StagedWriter::create(&core.layout, job.as_bytes(), &extension)
            })
            .await?;
        Ok(Box::new(Receiver { inner: self.inner.clone(), writer: Some(writer), wanted: len, taken: 0 }))
    }

    async fn stage_partition(&self, job: JobId, target: usize, entry: &PartitionEntry) -> Result<i64> {
        let entry = entry.clone();
        self.run(move |core| restore::stage_partition(core, job, target, &entry)).await
    }

    async fn stage_files(&self, job: JobId, partition: i64, files: Vec<StagedFile>) -> Result<()> {
        self.run(move |core| restore::stage_files(core, job, partition, &files)).await
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

/// Takes in one file of a restore.
struct Receiver {
    inner: Arc<Inner>,
    writer: Option<StagedWriter>,
    wanted: u64,
    taken: u64,
}

fn ended() -> Error {
    Error::internal("the file has ended")
}

#[async_trait]
impl FileReceiver for Receiver {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let mut writer = self.writer.take().ok_or_else(ended)?;
        self.taken = self.taken.saturating_add(bytes.len() as u64);
        if self.taken > self.wanted {
            return Err(Error::corrupt(format!("more bytes came than the {} announced", self.wanted)));
        }
        let write = move || {
            let done = writer.write_all(&bytes);
            done.map_err(|e| Error::io(e, "write", writer.path().display())).map(|()| writer)
        };
        self.writer = Some(tokio::task::spawn_blocking(write).await.map_err(torn_down)??);
        Ok(())
    }

    async fn finish(mut self: Box<Self>, digest: Digest) -> Result<ReceivedFile> {
        let writer = self.writer.take().ok_or_else(ended)?;
        let (inner, wanted) = (self.inner.clone(), self.wanted);
        let finish = move || {
            let path = writer.path().to_path_buf();
            let info = inner.core.faults.around("finish file", || writer.finish(0))?;
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
