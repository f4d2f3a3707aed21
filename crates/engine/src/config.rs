//! What can be tuned.

use std::time::Duration;

/// Limits of an engine. The four worker counts carry StarRocks's names and
/// defaults; each bounds one pool over all jobs of the engine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// How many objects are pinned at once (BACKUP, SNAPSHOTING).
    pub make_snapshot_worker_count: usize,
    /// How many finished or abandoned jobs let go of their pins and clean up at once.
    pub release_snapshot_worker_count: usize,
    /// How many workers read and upload files; 0 means the number of processors.
    /// A worker has one file at a time, or several small ones.
    pub upload_worker_count: usize,
    /// How many workers download files; 0 means the number of processors.
    pub download_worker_count: usize,
    /// How many small files one upload or download worker moves at once where
    /// the store is distant, as long as together they hold no more in memory
    /// than `upload_buffer_size`: what is uploaded all of it, what is downloaded
    /// at most 2 MiB, unless it comes in ranges. On a local disk at most 4. With 1,
    /// each worker moves one file.
    pub small_files_per_worker: usize,
    /// Bytes of one part of a multipart upload, and of the largest file that is
    /// sent in one piece; where the store is distant, that one may have two. A
    /// backup holds two of them for each upload worker at most: one that is sent
    /// while the next is read.
    pub upload_buffer_size: usize,
    /// The time limit of a job that names none, in seconds.
    pub backup_job_default_timeout: u64,
    /// How many files of one object may be under way or wait for an earlier
    /// one, as a multiple of the workers; at least `small_files_per_worker`.
    pub window: usize,
    /// How many committed snapshots a backup looks at to find files that are
    /// stored already.
    pub max_bases: usize,
    /// How often the owner of a job looks for a request to cancel, in milliseconds.
    pub cancel_poll_ms: u64,
    /// How often a job notes what it has uploaded and how far it is, in
    /// milliseconds: what one that dies has not noted is uploaded again.
    pub note_ms: u64,
    /// How often the owner of a claim renews its heartbeat, in seconds.
    pub heartbeat_seconds: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            make_snapshot_worker_count: 5,
            release_snapshot_worker_count: 5,
            upload_worker_count: 0,
            download_worker_count: 0,
            small_files_per_worker: 16,
            upload_buffer_size: 8 << 20,
            backup_job_default_timeout: 86_400,
            window: 32,
            max_bases: 8,
            cancel_poll_ms: 500,
            note_ms: 1000,
            heartbeat_seconds: 20,
        }
    }
}

impl EngineConfig {
    /// The upload workers in force.
    pub fn upload_workers(&self) -> usize {
        or_processors(self.upload_worker_count)
    }

    /// The download workers in force.
    pub fn download_workers(&self) -> usize {
        or_processors(self.download_worker_count)
    }

    /// How often to look for a request to cancel.
    pub fn cancel_poll(&self) -> Duration {
        Duration::from_millis(self.cancel_poll_ms.max(1))
    }

    /// How often to note what a job has done.
    pub fn note_every(&self) -> Duration {
        Duration::from_millis(self.note_ms)
    }

    /// How often to renew a heartbeat.
    pub fn heartbeat(&self) -> Duration {
        Duration::from_secs(self.heartbeat_seconds.max(1))
    }
}

fn or_processors(count: usize) -> usize {
    match count {
        0 => std::thread::available_parallelism().map_or(2, usize::from),
        n => n,
    }
}
