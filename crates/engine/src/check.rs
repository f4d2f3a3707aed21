//! What works and what does not in a repository, tried out.

use crate::Engine;
use crate::error::{common, from_core};
use bytes::Bytes;
use rockhold_core::format::{AccessMode, keeps_create_new, open, probe_key, root_name};
use rockhold_core::{
    Error, ErrorKind, JobId, Key, ListRequest, OpenRepository, PutRequest, Repository, RepositoryRecord,
    Result, SharedRepository, WriteMode, list_all, read_object,
};
use rockhold_layers::Limits;
use rockhold_sql::SqlError;
use serde::Serialize;
use std::fmt;

/// What was found out about a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RepositoryCheck {
    /// Its name.
    pub name: String,
    /// Where it is, as it was written.
    pub location: String,
    /// Whether it was created as READ ONLY; then nothing is written.
    pub read_only: bool,
    /// In the order in which they were tried.
    pub steps: Vec<CheckStep>,
    /// What endangers the repository without failing: lifecycle rules,
    /// properties without effect, a README that is damaged.
    pub warnings: Vec<String>,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckStep {
    /// What: `open`, `read`, `list`, `write`, `overwrite`, `delete`,
    /// `create-new`, `unfinished`.
    pub what: &'static str,
    /// What Rockhold needs it for.
    pub needed_for: &'static str,
    /// How it went.
    #[serde(flatten)]
    pub result: CheckResult,
}

/// How a step went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "result", content = "note")]
pub enum CheckResult {
    /// As it must; a note where there is something to know.
    Passed(Option<String>),
    /// It did not: what failed, where, what to do.
    Failed(String),
    /// Not tried, and why.
    Skipped(String),
}

impl RepositoryCheck {
    /// Whether nothing failed.
    pub fn is_good(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step.result, CheckResult::Failed(_)))
    }

    fn step(&mut self, what: &'static str, needed_for: &'static str, result: CheckResult) -> bool {
        let passed = !matches!(result, CheckResult::Failed(_));
        self.steps.push(CheckStep { what, needed_for, result });
        passed
    }

    /// What cannot be tried because something before it failed.
    fn skip(&mut self, steps: &[(&'static str, &'static str)], why: &str) {
        for (what, needed_for) in steps {
            self.step(what, needed_for, CheckResult::Skipped(why.to_owned()));
        }
    }
}

/// One line for each step and each warning.
impl fmt::Display for RepositoryCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read_only = if self.read_only { " (read only)" } else { "" };
        writeln!(f, "repository {} at {}{read_only}", self.name, self.location)?;
        for step in &self.steps {
            let (word, note) = match &step.result {
                CheckResult::Passed(note) => ("ok", note.as_deref().unwrap_or_default()),
                CheckResult::Failed(why) => ("FAILED", why.as_str()),
                CheckResult::Skipped(why) => ("skipped", why.as_str()),
            };
            let colon = if note.is_empty() { "" } else { ": " };
            writeln!(f, "{:<8} {:<10} {}{colon}{note}", word, step.what, step.needed_for)?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning  {warning}"))
    }
}

const OPEN: (&str, &str) = ("open", "everything: location, properties, credentials, bucket");
const READ: (&str, &str) = ("read", "RESTORE, SHOW SNAPSHOT");
const LIST: (&str, &str) = ("list", "SHOW SNAPSHOT, BACKUP");
const WRITE: (&str, &str) = ("write", "BACKUP");
const OVERWRITE: (&str, &str) = ("overwrite", "the heartbeat of BACKUP");
const DELETE: (&str, &str) = ("delete", "removing files of cancelled backups");
const CREATE_NEW: (&str, &str) = ("create-new", "two backups never share a label");
const UNFINISHED: (&str, &str) = ("unfinished", "uploads that nobody ended cost space");

fn result_of<T>(result: &Result<T>) -> CheckResult {
    match result {
        Ok(_) => CheckResult::Passed(None),
        Err(error) => CheckResult::Failed(error.to_string()),
    }
}

impl Engine {
    /// Tries out what a repository needs, each thing for itself, and says what
    /// works and what does not. Nothing stays behind; a repository that was
    /// created as READ ONLY is not written to.
    ///
    /// # Errors
    /// 5064 when no repository has that name. What fails in the store is in
    /// the report.
    pub async fn check_repository(&self, name: &str) -> Result<RepositoryCheck, SqlError> {
        let record = self.0.state.repository(name).await.map_err(from_core)?;
        let record = record.ok_or_else(|| common(format!("Repository {name} does not exist")))?;
        let mut report = RepositoryCheck {
            name: record.name.clone(),
            location: record.location.clone(),
            read_only: record.read_only,
            steps: Vec::new(),
            warnings: Vec::new(),
        };
        let opened = self.open_to_check(&record, &mut report).await;
        if !report.step(OPEN.0, OPEN.1, result_of(&opened)) {
            report
                .skip(&[READ, LIST, WRITE, OVERWRITE, DELETE, CREATE_NEW, UNFINISHED], "it cannot be opened");
        }
        if let Ok(repository) = opened {
            self.try_out(&record, &*repository, &mut report).await;
        }
        Ok(report)
    }

    async fn open_to_check(
        &self,
        record: &RepositoryRecord,
        report: &mut RepositoryCheck,
    ) -> Result<SharedRepository> {
        let mut request = OpenRepository::new(record.location.clone()).directory(root_name(&record.name));
        request.properties.clone_from(&record.properties);
        request.secrets.clone_from(&record.secrets);
        let limits = Limits::take_from(&mut request.properties)?;
        let opened = self.open_store(&request).await?;
        report.warnings.extend(opened.warnings);
        if !record.read_only {
            // As when it was created: adapters then look at the settings of the
            // bucket. It is there, so that nothing is created.
            let as_new = self.open_store(&request.create(true)).await?;
            let known = report.warnings.clone();
            report.warnings.extend(as_new.warnings.into_iter().filter(|warning| !known.contains(warning)));
        }
        Ok(self.wrap(&record.name, opened.repository, limits))
    }

    async fn try_out(
        &self,
        record: &RepositoryRecord,
        repository: &dyn Repository,
        report: &mut RepositoryCheck,
    ) {
        let read = match open(repository, &record.name).await {
            Ok(root) if root.document.id != record.id => Err(Error::new(
                ErrorKind::Conflict,
                "another repository lies here now; drop it and create it again",
            )
            .with("expected", record.id)
            .with("found", root.document.id)),
            Ok(root) => {
                report.warnings.extend(root.warnings);
                Ok(())
            }
            Err(error) => Err(error),
        };
        let is_ours = report.step(READ.0, READ.1, result_of(&read));
        let list = repository.list(ListRequest::default().children_only().limit(1)).await;
        report.step(LIST.0, LIST.1, result_of(&list));
        let mode = if record.read_only { AccessMode::ReadOnly } else { AccessMode::ReadWrite };
        if mode == AccessMode::ReadOnly {
            return report.skip(&[WRITE, OVERWRITE, DELETE, CREATE_NEW, UNFINISHED], "it is read only");
        }
        if !is_ours {
            let why = "nothing is written where the repository cannot be read";
            return report.skip(&[WRITE, OVERWRITE, DELETE, CREATE_NEW, UNFINISHED], why);
        }
        self.try_to_write(repository, report).await;
        report.step(UNFINISHED.0, UNFINISHED.1, unfinished(repository).await);
    }

    async fn try_to_write(&self, repository: &dyn Repository, report: &mut RepositoryCheck) {
        let key = JobId::random().and_then(|id| probe_key(&id.to_string()));
        let key = match key {
            Ok(key) => key,
            Err(error) => {
                report.step(WRITE.0, WRITE.1, CheckResult::Failed(error.to_string()));
                return;
            }
        };
        let put = |text: &'static str, mode| {
            let bytes = Bytes::from_static(text.as_bytes());
            repository.put(PutRequest::new(key.clone(), bytes).mode(mode).durable())
        };
        let written = put("1\n", WriteMode::CreateNew).await;
        if !report.step(WRITE.0, WRITE.1, result_of(&written)) {
            return report.skip(&[OVERWRITE, DELETE, CREATE_NEW], "nothing could be written");
        }
        let overwritten = async {
            put("2\n", WriteMode::Overwrite).await?;
            given_back(repository, &key, "2\n").await
        };
        report.step(OVERWRITE.0, OVERWRITE.1, result_of(&overwritten.await));
        let deleted = async {
            repository.delete(vec![key.clone()]).await?.into_iter().collect::<Result<Vec<()>>>()?;
            match repository.head(&key).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
                Ok(_) => Err(Error::corrupt("the object is still there after it was deleted").at(&key)),
            }
        };
        if !report.step(DELETE.0, DELETE.1, result_of(&deleted.await)) {
            let why = "what it would write could not be removed";
            return report.skip(&[CREATE_NEW], why);
        }
        let create_new = match keeps_create_new(repository).await {
            Ok(true) => CheckResult::Passed(Some("the store keeps it".into())),
            Ok(false) => CheckResult::Passed(Some(
                "the store overwrites; labels are taken by bids, and a bid of a process that died blocks its \
                 label until DROP SNAPSHOT … FORCE"
                    .into(),
            )),
            Err(error) => CheckResult::Failed(error.to_string()),
        };
        report.step(CREATE_NEW.0, CREATE_NEW.1, create_new);
    }
}

/// Whether the store reads and lists what was written.
async fn given_back(repository: &dyn Repository, key: &Key, text: &str) -> Result<()> {
    if read_object(repository, key, 64).await? != text {
        return Err(Error::corrupt("the store does not give back what was written").at(key));
    }
    let folder = Key::new(key.segments().next().unwrap_or("probe"))?;
    let page = list_all(repository, ListRequest::below(folder)).await?;
    match page.objects.iter().any(|object| object.key == *key) {
        true => Ok(()),
        false => Err(Error::corrupt("the store does not list what was written").at(key)),
    }
}

/// Uploads that were begun and neither ended nor given up.
async fn unfinished(repository: &dyn Repository) -> CheckResult {
    // Only data files are sent in parts.
    let counted = match Key::new("data") {
        Ok(data) => repository.count_staged(&data).await,
        Err(error) => Err(error),
    };
    match counted {
        Ok(0) => CheckResult::Passed(None),
        Ok(count) => CheckResult::Passed(Some(format!(
            "{count} below data/, those of backups that run among them; the others go when their label is \
             backed up again or by a rule of the bucket that aborts incomplete uploads after a week"
        ))),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            CheckResult::Skipped("this store does not tell what is unfinished".into())
        }
        Err(error) => CheckResult::Failed(error.to_string()),
    }
}
