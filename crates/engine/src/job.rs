//! What is known of a job while it runs and afterwards.

use rockhold_core::{Error, Guarantee, JobId, JobRecord, KindId, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The words of SHOW BACKUP's State column.
pub mod backup_state {
    /// Submitted.
    pub const PENDING: &str = "PENDING";
    /// Versions are being pinned.
    pub const SNAPSHOTING: &str = "SNAPSHOTING";
    /// What must be uploaded is being found out.
    pub const UPLOAD_SNAPSHOT: &str = "UPLOAD_SNAPSHOT";
    /// Files are being uploaded.
    pub const UPLOADING: &str = "UPLOADING";
    /// The manifest is being written.
    pub const SAVE_META: &str = "SAVE_META";
    /// Everything is made durable and the outcome is being written.
    pub const UPLOAD_INFO: &str = "UPLOAD_INFO";
}

/// The words of SHOW RESTORE's State column.
pub mod restore_state {
    /// Submitted; targets are being checked.
    pub const PENDING: &str = "PENDING";
    /// Staging is being prepared.
    pub const SNAPSHOTING: &str = "SNAPSHOTING";
    /// What must be downloaded is being found out.
    pub const DOWNLOAD: &str = "DOWNLOAD";
    /// Files are being downloaded.
    pub const DOWNLOADING: &str = "DOWNLOADING";
    /// Everything is here; the commit comes next. From here on the job cannot be cancelled.
    pub const COMMIT: &str = "COMMIT";
    /// The commit is being made.
    pub const COMMITTING: &str = "COMMITTING";
}

/// Done.
pub const FINISHED: &str = "FINISHED";
/// Given up; nothing changed.
pub const CANCELLED: &str = "CANCELLED";

/// One object as SHOW BACKUP and SHOW RESTORE name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobObject {
    /// Its kind.
    pub kind: KindId,
    /// Its name: in the source for a backup, in the snapshot for a restore.
    pub name: String,
    /// The partitions that were named or that the snapshot holds; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<String>,
    /// Its new name, for a restore with AS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

/// What the engine keeps in [`JobRecord::detail`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobDetail {
    /// What is shown in BackupObjs or RestoreObjs.
    pub objects: Vec<JobObject>,
    /// The literal timestamp of the snapshot.
    pub timestamp: String,
    /// End of PENDING of a restore.
    #[serde(default)]
    pub meta_prepared: Option<Timestamp>,
    /// End of SNAPSHOTING.
    #[serde(default)]
    pub snapshot_finished: Option<Timestamp>,
    /// End of UPLOADING or DOWNLOADING.
    #[serde(default)]
    pub transfer_finished: Option<Timestamp>,
    /// FINISHED or CANCELLED.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// `[OK]` or `[CODE, msg: text]`.
    pub status: String,
    /// The time limit in seconds.
    pub timeout: u64,
    /// The last error that was met and retried, for TaskErrMsg.
    #[serde(default)]
    pub task_error: String,
    /// Files and bytes at the end.
    #[serde(default)]
    pub progress: ProgressCounts,
    /// `allow_load` of a restore.
    #[serde(default)]
    pub allow_load: bool,
    /// `replication_num` of a restore.
    #[serde(default)]
    pub replication_num: u32,
    /// Weaker guarantees and other remarks, one line each.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl JobDetail {
    /// A job that has just been submitted.
    pub fn new(objects: Vec<JobObject>, timestamp: String, timeout: u64) -> Self {
        Self {
            objects,
            timestamp,
            meta_prepared: None,
            snapshot_finished: None,
            transfer_finished: None,
            finished: None,
            status: "[OK]".into(),
            timeout,
            task_error: String::new(),
            progress: ProgressCounts::default(),
            allow_load: false,
            replication_num: 3,
            notes: Vec::new(),
        }
    }

    /// Reads the detail of a record; a record of another making gives an error.
    ///
    /// # Errors
    /// `Corrupt`.
    pub fn of(record: &JobRecord) -> Result<Self> {
        serde_json::from_value(record.detail.clone())
            .map_err(|e| Error::corrupt("the record of a job is damaged").with("job", record.id).because(e))
    }
}

/// What users are told where a job is not of one instant.
pub(crate) fn guarantee_note(guarantee: Guarantee) -> Option<String> {
    (guarantee != Guarantee::Whole)
        .then(|| "each table is consistent by itself; together they are not of one instant".to_owned())
}

/// Files and bytes of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressCounts {
    /// Files that belong to the job, as far as known.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that must move, as far as known.
    pub files_to_move: u64,
    /// Their bytes.
    pub bytes_to_move: u64,
    /// Files that moved.
    pub files_moved: u64,
    /// Their bytes.
    pub bytes_moved: u64,
}

/// Counts up while a job runs; read by progress bars and SHOW.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    files: AtomicU64,
    bytes: AtomicU64,
    files_to_move: AtomicU64,
    bytes_to_move: AtomicU64,
    files_moved: AtomicU64,
    bytes_moved: AtomicU64,
}

impl Progress {
    pub(crate) fn found(&self, files: u64, bytes: u64) {
        self.files.fetch_add(files, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn will_move(&self, bytes: u64) {
        self.files_to_move.fetch_add(1, Ordering::Relaxed);
        self.bytes_to_move.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn moved_bytes(&self, bytes: u64) {
        self.bytes_moved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// What was moved is to be moved again.
    pub(crate) fn lost_bytes(&self, bytes: u64) {
        self.bytes_moved.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn moved_file(&self) {
        self.files_moved.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now.
    pub(crate) fn counts(&self) -> ProgressCounts {
        ProgressCounts {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            files_to_move: self.files_to_move.load(Ordering::Relaxed),
            bytes_to_move: self.bytes_to_move.load(Ordering::Relaxed),
            files_moved: self.files_moved.load(Ordering::Relaxed),
            bytes_moved: self.bytes_moved.load(Ordering::Relaxed),
        }
    }
}

/// A job that was submitted here: watch it, wait for it, cancel it.
#[derive(Clone, Debug)]
pub struct JobHandle {
    pub(crate) id: JobId,
    pub(crate) record: tokio::sync::watch::Receiver<JobRecord>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) cancel: crate::CancelToken,
}

impl JobHandle {
    /// Its identity.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Its record as it is now.
    pub fn record(&self) -> JobRecord {
        self.record.borrow().clone()
    }

    /// Its counts as they are now.
    pub fn progress(&self) -> ProgressCounts {
        self.progress.counts()
    }

    /// Asks it to stop.
    pub fn cancel(&self) {
        self.cancel.cancel("user cancelled");
    }

    /// Waits for its end and gives the final record.
    pub async fn wait(&self) -> JobRecord {
        let mut record = self.record.clone();
        loop {
            {
                let now = record.borrow_and_update();
                if now.finished {
                    return now.clone();
                }
            }
            if record.changed().await.is_err() {
                return record.borrow().clone();
            }
        }
    }
}

/// The Status column of a job: `[OK]` or `[CODE, msg: text]`.
pub fn job_status(record: &JobRecord) -> String {
    JobDetail::of(record).map_or_else(|e| format!("[BAD_FILE, msg: {e}]"), |detail| detail.status)
}
