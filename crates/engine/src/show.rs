//! SHOW REPOSITORIES, SHOW BACKUP, SHOW RESTORE: columns and cells as
//! StarRocks gives them.

use crate::job::{JobDetail, JobObject, backup_state, restore_state};
use crate::{Engine, error::from_core};
use futures::future::join_all;
use rockhold_core::{JobKind, JobRecord, Row, Rows, Timestamp};
use rockhold_sql::SqlError;
use std::time::Duration;

/// How long SHOW REPOSITORIES waits for a repository.
const PING: Duration = Duration::from_secs(10);

const REPOSITORIES: [&str; 7] =
    ["RepoId", "RepoName", "CreateTime", "IsReadOnly", "Location", "Broker", "ErrMsg"];

const BACKUP: [&str; 14] = [
    "JobId",
    "SnapshotName",
    "DbName",
    "State",
    "BackupObjs",
    "CreateTime",
    "SnapshotFinishedTime",
    "UploadFinishedTime",
    "FinishedTime",
    "UnfinishedTasks",
    "Progress",
    "TaskErrMsg",
    "Status",
    "Timeout",
];

const RESTORE: [&str; 18] = [
    "JobId",
    "Label",
    "Timestamp",
    "DbName",
    "State",
    "AllowLoad",
    "ReplicationNum",
    "RestoreObjs",
    "CreateTime",
    "MetaPreparedTime",
    "SnapshotFinishedTime",
    "DownloadFinishedTime",
    "FinishedTime",
    "UnfinishedTasks",
    "Progress",
    "TaskErrMsg",
    "Status",
    "Timeout",
];

impl Engine {
    /// SHOW REPOSITORIES. Opens each of them to say what is wrong with it.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn show_repositories(&self) -> Result<Rows, SqlError> {
        let records = self.0.state.repositories().await.map_err(from_core)?;
        let found = join_all(records.iter().map(|r| self.ping(&r.name))).await;
        let rows = records
            .into_iter()
            .zip(found)
            .map(|(r, wrong)| {
                vec![
                    Some(r.number.to_string()),
                    Some(r.name),
                    Some(self.0.warehouse.display_time(r.created)),
                    Some(r.read_only.to_string()),
                    Some(r.location),
                    Some(r.broker),
                    wrong,
                ]
            })
            .collect();
        Ok(Rows::text(&REPOSITORIES, rows))
    }

    /// What is wrong with a repository now, with the time.
    async fn ping(&self, name: &str) -> Option<String> {
        let wrong = match tokio::time::timeout(PING, self.open_repository(name)).await {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {} s", PING.as_secs()),
        };
        Some(format!("{}: {wrong}", self.0.warehouse.display_time(self.0.clock.now())))
    }

    /// SHOW BACKUP \[FROM database\].
    ///
    /// # Errors
    /// 5501 for an unknown database.
    pub async fn show_backup(&self, database: Option<&str>) -> Result<Rows, SqlError> {
        let rows = self.jobs_shown(JobKind::Backup, database).await?;
        Ok(Rows::text(&BACKUP, rows.iter().map(|(record, detail)| self.backup_row(record, detail)).collect()))
    }

    /// SHOW RESTORE \[FROM database\] \[WHERE Label = …\].
    ///
    /// # Errors
    /// 5501 for an unknown database.
    pub async fn show_restore(&self, database: Option<&str>, label: Option<&str>) -> Result<Rows, SqlError> {
        let rows = self.jobs_shown(JobKind::Restore, database).await?;
        let rows = rows
            .iter()
            .filter(|(record, _)| label.is_none_or(|label| record.label == label))
            .map(|(record, detail)| self.restore_row(record, detail));
        Ok(Rows::text(&RESTORE, rows.collect()))
    }

    /// The last job of each database when it is of this kind; a job that runs
    /// here is shown as it is now.
    async fn jobs_shown(
        &self,
        kind: JobKind,
        database: Option<&str>,
    ) -> Result<Vec<(JobRecord, JobDetail)>, SqlError> {
        let mut jobs = self.0.state.jobs(database).await.map_err(from_core)?;
        if let (Some(name), true) = (database, jobs.is_empty()) {
            // A job may be known for a database that is gone; anything else needs the database.
            self.require_database(name).await?;
        }
        jobs.retain(|record| record.kind == kind);
        jobs.sort_by(|a, b| a.database.cmp(&b.database));
        let mut shown = Vec::with_capacity(jobs.len());
        for record in jobs {
            let mut detail = JobDetail::of(&record).map_err(from_core)?;
            if let Some(running) = self.running_job(record.id) {
                detail.progress = running.progress();
            }
            shown.push((record, detail));
        }
        Ok(shown)
    }

    pub(crate) async fn require_database(&self, name: &str) -> Result<(), SqlError> {
        let databases = self.0.warehouse.databases().await.map_err(from_core)?;
        if databases.iter().any(|d| d == name) { Ok(()) } else { Err(crate::error::unknown_database(name)) }
    }

    fn time(&self, time: Option<Timestamp>) -> Option<String> {
        time.map(|t| self.0.warehouse.display_time(t))
    }

    fn shown_objects<'a>(&'a self, detail: &'a JobDetail) -> impl Iterator<Item = &'a JobObject> {
        detail.objects.iter().filter(|o| self.0.kinds.get(&o.kind).is_none_or(|k| k.shown_in_job))
    }

    fn backup_row(&self, record: &JobRecord, detail: &JobDetail) -> Row {
        let objects: Vec<String> = self
            .shown_objects(detail)
            .map(|o| {
                let partitions = match o.partitions.is_empty() {
                    true => String::new(),
                    // StarRocks prints no blank before the word; clients may match it.
                    false => format!("PARTITIONS ({})", o.partitions.join(", ")),
                };
                format!("[{}.{}{partitions} AS {}]", record.database, o.name, o.name)
            })
            .collect();
        let (unfinished, progress) = tasks(record, detail, backup_state::UPLOADING);
        vec![
            Some(record.number.to_string()),
            Some(record.label.clone()),
            Some(record.database.clone()),
            Some(record.state.clone()),
            Some(objects.join(", ")),
            self.time(Some(record.created)),
            self.time(detail.snapshot_finished),
            self.time(detail.transfer_finished),
            self.time(detail.finished),
            Some(unfinished),
            Some(progress),
            Some(detail.task_error.clone()),
            Some(detail.status.clone()),
            Some(detail.timeout.to_string()),
        ]
    }

    fn restore_row(&self, record: &JobRecord, detail: &JobDetail) -> Row {
        let objects: Vec<String> = self
            .shown_objects(detail)
            .map(|o| match o.partitions.as_slice() {
                [] => o.name.clone(),
                [only] if *only == o.name => o.name.clone(),
                partitions => format!("{} PARTITIONS [{}]", o.name, partitions.join(", ")),
            })
            .collect();
        let (unfinished, progress) = tasks(record, detail, restore_state::DOWNLOADING);
        vec![
            Some(record.number.to_string()),
            Some(record.label.clone()),
            Some(detail.timestamp.clone()),
            Some(record.database.clone()),
            Some(record.state.clone()),
            Some(detail.allow_load.to_string()),
            Some(detail.replication_num.to_string()),
            Some(objects.join(", ")),
            self.time(Some(record.created)),
            self.time(detail.meta_prepared),
            self.time(detail.snapshot_finished),
            self.time(detail.transfer_finished),
            self.time(detail.finished),
            Some(unfinished),
            Some(progress),
            Some(detail.task_error.clone()),
            Some(detail.status.clone()),
            Some(detail.timeout.to_string()),
        ]
    }
}

/// UnfinishedTasks and Progress. One task stands for the transfer: its number
/// is the job's, its backend is 0 (there are no backends).
fn tasks(record: &JobRecord, detail: &JobDetail, transferring: &str) -> (String, String) {
    if record.finished || record.state != transferring {
        return (String::new(), String::new());
    }
    let counts = detail.progress;
    (
        format!("{}=0", record.number),
        format!("[{}: {}/{}]", record.number, counts.files_moved, counts.files_to_move),
    )
}
