//! What an engine must remember, in the same catalog.

use crate::catalog::{from_json, schema, take, to_json};
use crate::core::Core;
use crate::error::{Failure, Outcome};
use crate::secret::{Keyring, damaged};
use crate::store::Store;
use async_trait::async_trait;
use rockhold_core::format::FileEntry;
use rockhold_core::{
    Digest, Error, ErrorKind, JobId, JobRecord, RepositoryId, RepositoryRecord, Result, Secret, StateStore,
    Timestamp,
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use std::time::Duration;

/// A repository with its secrets still sealed: property, key id, bytes.
type Sealed = (RepositoryRecord, Vec<(String, String, Vec<u8>)>);

#[async_trait]
impl StateStore for Store {
    async fn repositories(&self) -> Result<Vec<RepositoryRecord>> {
        self.run(|core| {
            let all = core.read(|connection| {
                let mut select = connection.prepare_cached(SELECT_REPOSITORIES)?;
                read_repositories(connection, select.query([Option::<String>::None])?)
            })?;
            unseal_all(core, all)
        })
        .await
    }

    async fn repository(&self, name: &str) -> Result<Option<RepositoryRecord>> {
        let name = name.to_owned();
        self.run(move |core| {
            let found = core.read(|connection| {
                let mut select = connection.prepare_cached(SELECT_REPOSITORIES)?;
                read_repositories(connection, select.query([Some(&name)])?)
            })?;
            Ok(unseal_all(core, found)?.pop())
        })
        .await
    }

    async fn add_repository(&self, record: RepositoryRecord) -> Result<i64> {
        self.run(move |core| {
            core.ensure_writer()?;
            let sealed = seal(core, &record)?;
            core.write("add repository", |transaction| insert_repository(transaction, &record, &sealed))
        })
        .await
    }

    async fn remove_repository(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write("remove repository", move |_, connection| {
            let id: Option<[u8; 16]> = connection
                .query_row("SELECT id FROM repositories WHERE name = ?1", [&name], |row| row.get(0))
                .optional()?;
            let Some(id) = id else {
                return Err(Error::not_found(format!("Repository {name} does not exist")).into());
            };
            let label: Option<String> = connection
                .query_row(
                    "SELECT label FROM jobs WHERE finished = 0 AND repository = ?1 LIMIT 1",
                    [&name],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(label) = label {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("job {label} uses the repository {name}; wait for it or cancel it"),
                )
                .into());
            }
            connection.execute("DELETE FROM repositories WHERE name = ?1", [&name])?;
            let others = connection.prepare("SELECT 1 FROM repositories WHERE id = ?1")?.exists([id])?;
            if !others {
                // A cache: files of a repository that is attached again are found by its manifests.
                connection.execute("DELETE FROM upload_jobs WHERE repository = ?1", [id])?;
            }
            Ok(())
        })
        .await
    }

    async fn next_number(&self) -> Result<i64> {
        self.write("next number", |_, connection| take(connection, "next_number", 1)).await
    }

    async fn note_progress(&self, job: JobId, progress: serde_json::Value) -> Result<()> {
        self.write("note progress", move |_, connection| {
            connection.execute(
                "UPDATE jobs SET record = json_set(record, '$.detail.progress', json(?2))
                 WHERE id = ?1 AND finished = 0",
                params![job.as_bytes(), to_json(&progress)?],
            )?;
            Ok(())
        })
        .await
    }

    async fn submit(&self, record: &JobRecord) -> Result<()> {
        let record = record.clone();
        self.write("submit job", move |_, connection| {
            let running: Option<String> = connection
                .query_row(
                    "SELECT label FROM jobs WHERE database = ?1 AND finished = 0",
                    [&record.database],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(label) = running {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!(
                        "Can only run one backup or restore job of a database at same time, current running: label = {label}"
                    ),
                )
                .into());
            }
            connection.execute("DELETE FROM jobs WHERE database = ?1", [&record.database])?;
            connection.execute(
                "INSERT INTO jobs (database, id, repository, label, finished, cancel, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
                params![
                    record.database,
                    record.id.as_bytes(),
                    record.repository,
                    record.label,
                    record.finished,
                    to_json(&record)?
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn update(&self, record: &JobRecord) -> Result<()> {
        let record = record.clone();
        self.write("update job", move |_, connection| {
            let before: Option<(bool, String)> = connection
                .query_row("SELECT finished, record FROM jobs WHERE id = ?1", [record.id.as_bytes()], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
                .optional()?;
            let Some((finished, before)) = before else { return Err(no_job(record.id)) };
            if finished {
                let before: JobRecord = from_json(&before, "job")?;
                if before.state != record.state || !record.finished {
                    return Err(Error::new(
                        ErrorKind::Conflict,
                        format!("the job has ended as {}", before.state),
                    )
                    .with("job", record.id)
                    .into());
                }
            }
            connection.execute(
                "UPDATE jobs SET repository = ?2, label = ?3, finished = ?4, record = ?5 WHERE id = ?1",
                params![
                    record.id.as_bytes(),
                    record.repository,
                    record.label,
                    record.finished,
                    to_json(&record)?
                ],
            )?;
            Ok(())
        })
        .await
    }

    async fn jobs(&self, database: Option<&str>) -> Result<Vec<JobRecord>> {
        let database = database.map(str::to_owned);
        self.read(move |connection| {
            let mut select = connection.prepare_cached(
                "SELECT record FROM jobs WHERE ?1 IS NULL OR database = ?1 ORDER BY database",
            )?;
            let mut rows = select.query([database])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                all.push(from_json(&row.get::<_, String>(0)?, "job")?);
            }
            Ok(all)
        })
        .await
    }

    async fn request_cancel(&self, job: JobId) -> Result<()> {
        self.run(move |core| {
            core.transact("request cancel", |transaction| {
                let known =
                    transaction.execute("UPDATE jobs SET cancel = 1 WHERE id = ?1", [job.as_bytes()])?;
                if known == 0 { Err(no_job(job)) } else { Ok(()) }
            })
        })
        .await
    }

    async fn cancel_requested(&self, job: JobId) -> Result<bool> {
        self.read(move |connection| {
            let flag: Option<bool> = connection
                .prepare_cached("SELECT cancel FROM jobs WHERE id = ?1")?
                .query_row([job.as_bytes()], |row| row.get(0))
                .optional()?;
            Ok(flag.unwrap_or(false))
        })
        .await
    }

    async fn take_ownership(&self) -> Result<()> {
        self.become_writer().await
    }

    async fn take_ownership_now(&self) -> Result<()> {
        self.run(|core| core.ensure_writer_within(Duration::ZERO)).await
    }

    async fn note_claim(&self, job: JobId) -> Result<()> {
        self.write("note claim", move |_, connection| {
            connection.execute("INSERT OR IGNORE INTO claims (job) VALUES (?1)", [job.as_bytes()])?;
            Ok(())
        })
        .await
    }

    async fn noted_claims(&self) -> Result<Vec<JobId>> {
        self.read(|connection| {
            let mut select = connection.prepare_cached("SELECT job FROM claims")?;
            let jobs = select.query_map([], |row| row.get(0).map(JobId::from_bytes))?;
            Ok(jobs.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn forget_claim(&self, job: JobId) -> Result<()> {
        self.write("forget claim", move |_, connection| {
            connection.execute("DELETE FROM claims WHERE job = ?1", [job.as_bytes()])?;
            Ok(())
        })
        .await
    }

    async fn known_files(
        &self,
        repository: RepositoryId,
        jobs: &[JobId],
        digests: &[Digest],
    ) -> Result<Vec<Option<FileEntry>>> {
        let (digests, jobs) = (digests.to_vec(), jobs.to_vec());
        self.read(move |connection| {
            // Nobody has written since an earlier version did: see `schema::upgrade`.
            if schema::format(connection)? < schema::FORMAT {
                return Ok(vec![None; digests.len()]);
            }
            let mut upload =
                connection.prepare_cached("SELECT id FROM upload_jobs WHERE repository = ?1 AND job = ?2")?;
            let mut uploads: Vec<i64> = Vec::new();
            for job in &jobs {
                let key = params![repository.as_bytes(), job.as_bytes()];
                uploads.extend(upload.query_row(key, |row| row.get::<_, i64>(0)).optional()?);
            }
            let mut found = Vec::with_capacity(digests.len());
            for digest in &digests {
                let mut entry = None;
                for upload in &uploads {
                    entry = known_file(connection, *upload, digest)?;
                    if entry.is_some() {
                        break;
                    }
                }
                found.push(entry);
            }
            Ok(found)
        })
        .await
    }

    async fn remember_files(&self, repository: RepositoryId, job: JobId, files: &[FileEntry]) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        let files = files.to_vec();
        // A cache: what power loss takes from it is uploaded again.
        self.run(move |core| {
            core.stage("remember files", |connection| {
                let key = params![repository.as_bytes(), job.as_bytes()];
                connection
                    .prepare_cached("INSERT OR IGNORE INTO upload_jobs (repository, job) VALUES (?1, ?2)")?
                    .execute(key)?;
                let upload: i64 = connection
                    .prepare_cached("SELECT id FROM upload_jobs WHERE repository = ?1 AND job = ?2")?
                    .query_row(key, |row| row.get(0))?;
                let mut insert = connection.prepare_cached(
                    "INSERT INTO known_files (upload, digest_start, entry) VALUES (?1, ?2, ?3)",
                )?;
                for file in &files {
                    insert.execute(params![upload, start_of(&file.logical_digest()), to_json(file)?])?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn forget_job_files(&self, repository: RepositoryId, job: JobId) -> Result<()> {
        self.write("forget files of a job", move |_, connection| {
            connection.execute(
                "DELETE FROM upload_jobs WHERE repository = ?1 AND job = ?2",
                params![repository.as_bytes(), job.as_bytes()],
            )?;
            Ok(())
        })
        .await
    }
}

/// The first eight bytes of a digest.
fn start_of(digest: &Digest) -> i64 {
    digest.as_bytes().first_chunk().map_or(0, |start| i64::from_be_bytes(*start))
}

/// The newest file of an upload with that digest.
fn known_file(connection: &Connection, upload: i64, digest: &Digest) -> Outcome<Option<FileEntry>> {
    let mut select = connection.prepare_cached(
        "SELECT entry FROM known_files WHERE upload = ?1 AND digest_start = ?2 ORDER BY id DESC",
    )?;
    let mut rows = select.query(params![upload, start_of(digest)])?;
    while let Some(row) = rows.next()? {
        let entry: FileEntry = from_json(&row.get::<_, String>(0)?, "known file")?;
        if entry.logical_digest() == *digest {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn no_job(job: JobId) -> Failure {
    Error::not_found("no such job; a later one of its database has taken its place").with("job", job).into()
}

/// Newest first; all, or the one of a name.
const SELECT_REPOSITORIES: &str = "SELECT number, name, location, broker, read_only, created, id, properties \
     FROM repositories WHERE ?1 IS NULL OR name = ?1 ORDER BY number DESC";

fn read_repositories(connection: &Connection, mut rows: rusqlite::Rows<'_>) -> Outcome<Vec<Sealed>> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        let location: String = row.get(2)?;
        let id = RepositoryId::from_bytes(row.get(6)?);
        let mut record = RepositoryRecord::new(name, location, id, Timestamp(row.get(5)?));
        record.number = row.get(0)?;
        record.broker = row.get(3)?;
        record.read_only = row.get(4)?;
        record.properties = from_json(&row.get::<_, String>(7)?, "repository")?;
        let mut select = connection
            .prepare_cached("SELECT property, key_id, sealed FROM secrets WHERE repository = ?1")?;
        let secrets = select.query_map([&record.name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let secrets = secrets.collect::<Result<_, _>>()?;
        all.push((record, secrets));
    }
    Ok(all)
}

/// The key file is read only when there is a secret.
fn unseal_all(core: &Core, all: Vec<Sealed>) -> Result<Vec<RepositoryRecord>> {
    let mut ring: Option<Keyring> = None;
    let mut records = Vec::with_capacity(all.len());
    for (mut record, sealed) in all {
        let mut secrets: BTreeMap<String, Secret> = BTreeMap::new();
        for (property, key_id, bytes) in sealed {
            let ring = match &mut ring {
                Some(ring) => ring,
                none => none.insert(Keyring::of(core, false)?),
            };
            let Some(key) = ring.find(&key_id) else {
                return Err(Error::new(
                    ErrorKind::Unauthenticated,
                    format!(
                        "the secrets were sealed under key {key_id}, the key file holds {}; put the old file back",
                        ring.own.id
                    ),
                )
                .with("repository", &record.name));
            };
            let secret = key.unseal(&secret_name(&record.name, &property), &bytes).ok_or_else(|| {
                damaged("drop the repository and create it again")
                    .with("repository", &record.name)
                    .with("property", &property)
            })?;
            secrets.insert(property, secret);
        }
        record.secrets = secrets;
        records.push(record);
    }
    Ok(records)
}

fn seal(core: &Core, record: &RepositoryRecord) -> Result<Vec<(String, String, Vec<u8>)>> {
    if record.secrets.is_empty() {
        return Ok(Vec::new());
    }
    let key = Keyring::of(core, true)?.own;
    record
        .secrets
        .iter()
        .map(|(property, secret)| {
            let sealed = key.seal(&secret_name(&record.name, property), secret)?;
            Ok((property.clone(), key.id.clone(), sealed))
        })
        .collect()
}

/// What a repository's secret is sealed with. Unambiguous: the length of the
/// first part comes first.
fn secret_name(repository: &str, property: &str) -> Vec<u8> {
    format!("{}:{repository}{property}", repository.len()).into_bytes()
}

fn insert_repository(
    connection: &Connection,
    record: &RepositoryRecord,
    sealed: &[(String, String, Vec<u8>)],
) -> Outcome<i64> {
    let number = if record.number == 0 { take(connection, "next_number", 1)? } else { record.number };
    let inserted = connection.execute(
        "INSERT OR IGNORE INTO repositories (name, number, location, broker, read_only, created, id, properties) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            record.name,
            number,
            record.location,
            record.broker,
            record.read_only,
            record.created.0,
            record.id.as_bytes(),
            to_json(&record.properties)?
        ],
    )?;
    if inserted == 0 {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("Repository {} already exists", record.name),
        )
        .into());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO secrets (repository, property, key_id, sealed) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (property, key_id, bytes) in sealed {
        insert.execute(params![record.name, property, key_id, bytes])?;
    }
    Ok(number)
}
