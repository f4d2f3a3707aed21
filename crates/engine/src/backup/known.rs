//! Which files of a pinned partition the repository holds already.

use crate::CancelToken;
use rockhold_core::format::{EntryReader, FileEntry, PartitionEntry};
use rockhold_core::{
    DataPart, Digest, ErrorKind, GetRequest, Hasher, JobId, ObjectName, PinnedFile, RepositoryId, Result,
    SharedRepository, SharedState,
};
use std::collections::{BTreeSet, HashMap};

/// At most this many files of one partition's base are looked at. Beyond it
/// files are found by the local cache or stored again.
const BASE_LIMIT: usize = 100_000;

/// Finds files by digest: in the base's partition, then in the local cache.
pub(crate) struct KnownFiles {
    pub(crate) repository: SharedRepository,
    pub(crate) repository_id: RepositoryId,
    pub(crate) state: SharedState,
    pub(crate) cancel: CancelToken,
    /// The jobs whose files a cached entry may name: those of the base
    /// snapshots that the claim names, the newest first.
    pub(crate) trusted: Vec<JobId>,
    /// The jobs whose files may be adopted once they are verified.
    pub(crate) adopted: BTreeSet<JobId>,
}

impl KnownFiles {
    /// The files of the base's partition, by digest.
    pub(crate) async fn of_base(
        &self,
        object: &ObjectName,
        partition: &str,
        base: Option<Box<PartitionEntry>>,
    ) -> Result<HashMap<Digest, FileEntry>> {
        let mut found = HashMap::new();
        let Some(base) = base else { return Ok(found) };
        let mut reader = EntryReader::files(self.repository.clone(), object, partition, base.files);
        while found.len() < BASE_LIMIT {
            match self.cancel.run(reader.next()).await {
                Ok(Some(entry)) => {
                    found.insert(entry.logical_digest(), entry);
                }
                Ok(None) => break,
                // A base that cannot be read helps less; the new snapshot does not depend on it.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::warn!(?error, "a base snapshot is damaged");
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// For each file the entry that holds its bytes, where one is known.
    pub(crate) async fn find(
        &self,
        files: &[PinnedFile],
        base: &HashMap<Digest, FileEntry>,
    ) -> Result<Vec<Option<FileEntry>>> {
        let cached = self.cached(files, base).await?;
        let mut found = Vec::with_capacity(files.len());
        for (file, cached) in files.iter().zip(cached) {
            let in_base = digest_of(file).and_then(|d| base.get(&d).cloned());
            found.push(match (in_base, cached) {
                (Some(entry), _) => Some(entry),
                (None, Some(entry)) if self.usable(&entry, file).await? => Some(entry),
                _ => None,
            });
        }
        Ok(found)
    }

    /// What the local cache knows of files that the base's partition has not.
    async fn cached(
        &self,
        files: &[PinnedFile],
        base: &HashMap<Digest, FileEntry>,
    ) -> Result<Vec<Option<FileEntry>>> {
        if self.trusted.is_empty() && self.adopted.is_empty() {
            return Ok(vec![None; files.len()]);
        }
        let unknown = |file: &PinnedFile| digest_of(file).filter(|d| !base.contains_key(d));
        let asked: Vec<Digest> = files.iter().filter_map(unknown).collect();
        if asked.is_empty() {
            return Ok(vec![None; files.len()]);
        }
        let jobs: Vec<JobId> = self.trusted.iter().chain(&self.adopted).copied().collect();
        let mut answers = self.state.known_files(self.repository_id, &jobs, &asked).await?.into_iter();
        Ok(files.iter().map(|file| unknown(file).and_then(|_| answers.next().flatten())).collect())
    }

    /// Whether an entry from the cache may be named. What a base snapshot
    /// names is kept alive by the claim; the cache may know files that are gone,
    /// so it is believed for the jobs of the bases only, and for a dead job
    /// after reading the file.
    async fn usable(&self, entry: &FileEntry, file: &PinnedFile) -> Result<bool> {
        match job_of(entry) {
            Some(job) if self.trusted.contains(&job) => Ok(true),
            Some(job) if self.adopted.contains(&job) => self.verified(entry, file).await,
            _ => Ok(false),
        }
    }

    async fn verified(&self, entry: &FileEntry, file: &PinnedFile) -> Result<bool> {
        use futures::StreamExt;
        let request = GetRequest::new(entry.key.clone());
        let mut reader = match self.cancel.run(self.repository.get(request)).await {
            Ok(reader) => reader,
            Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
            Err(_) => return Ok(false),
        };
        let mut hasher = Hasher::new();
        while let Some(bytes) = self.cancel.run(async { Ok(reader.stream.next().await) }).await? {
            match bytes {
                Ok(bytes) => hasher.update(&bytes),
                Err(_) => return Ok(false),
            }
        }
        Ok(Some(hasher.finish()) == digest_of(file))
    }
}

fn digest_of(file: &PinnedFile) -> Option<Digest> {
    match &file.part {
        DataPart::LocalFile { digest, .. } => Some(*digest),
        _ => None,
    }
}

/// The job that wrote a data file, from its key.
fn job_of(entry: &FileEntry) -> Option<JobId> {
    let mut segments = entry.key.segments();
    (segments.next() == Some("data")).then(|| segments.next()?.parse().ok()).flatten()
}
