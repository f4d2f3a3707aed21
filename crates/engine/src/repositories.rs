//! CREATE, SHOW and DROP REPOSITORY, and opening a repository for a job.

use crate::Engine;
use crate::error::{common, from_core};
use async_trait::async_trait;
use rockhold_core::format::{
    AccessMode, LabelStore, Pause, RepositoryDocument, initialise, keeps_create_new, open, probe_access,
    root_name,
};
use rockhold_core::{
    Error, ErrorKind, ListRequest, OpenRepository, RepositoryRecord, Result, Secret, SharedRepository,
};
use rockhold_layers::Limits;
use rockhold_sql::SqlError;
use rockhold_sql::analyze::{self, names};
use rockhold_sql::ast::CreateRepository;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Lets the format wait.
#[derive(Debug)]
struct TokioPause;

#[async_trait]
impl Pause for TokioPause {
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A repository, opened for one statement or job.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) record: RepositoryRecord,
    pub(crate) repository: SharedRepository,
    pub(crate) document: RepositoryDocument,
    pub(crate) labels: LabelStore,
}

/// How long CREATE REPOSITORY may take: whoever waits for it watches.
const MADE_WITHIN: Duration = Duration::from_secs(120);

/// How long the store may take to tell what lies beside a new repository.
const BESIDE: Duration = Duration::from_secs(30);

impl Engine {
    /// CREATE REPOSITORY. Checks that everything a repository needs is allowed
    /// before anything is remembered; gives remarks for the user, one per line.
    ///
    /// # Errors
    /// 5064 with the reason; nothing is remembered then.
    pub async fn create_repository(&self, create: &CreateRepository) -> Result<String, SqlError> {
        let name = create.name.as_str();
        analyze::check_create_repository(create)?;
        self.0.state.take_ownership().await.map_err(from_core)?;
        let taken = self.0.state.repository(name).await.map_err(from_core)?;
        if taken.is_some() {
            return Err(failed(format!("repository with same name already exist: {name}")));
        }
        let split = analyze::split_secrets(create.properties.as_ref());
        let properties: BTreeMap<String, String> = split.plain.into_iter().collect();
        let secrets: BTreeMap<String, Secret> = split.secrets.into_iter().collect();
        let mode = if create.read_only { AccessMode::ReadOnly } else { AccessMode::ReadWrite };
        let location = create.location.trim();
        let mut request = OpenRepository::new(location).create(!create.read_only);
        request.properties.clone_from(&properties);
        request.secrets.clone_from(&secrets);
        // They are ours: no adapter knows them.
        let limits = Limits::take_from(&mut request.properties).map_err(failed)?;

        let mut remarks = Vec::new();
        let made = async {
            let opened = self.open_store(&request.clone().directory(root_name(name))).await?;
            remarks.extend(self.native_beside(&request, name).await);
            remarks.extend(opened.warnings);
            let repository = self.wrap(name, opened.repository, limits);
            let now = self.0.clock.now();
            let text = self.0.warehouse.display_time(now);
            // Nothing is made where something is forbidden or something else lies.
            match open(&*repository, name).await {
                Err(e) if e.kind() == ErrorKind::NotFound && mode == AccessMode::ReadWrite => {}
                there => drop(there?),
            }
            probe_access(&*repository, mode).await?;
            let root = initialise(&*repository, name, mode, now, &text).await?;
            if mode == AccessMode::ReadWrite && !keeps_create_new(&*repository).await? {
                remarks.push(
                    "the store does not refuse to overwrite an object: labels are taken by bids, and a bid of a \
                     process that died blocks its label until DROP SNAPSHOT … FORCE"
                        .into(),
                );
            }
            Ok::<_, Error>(root)
        };
        let made = tokio::time::timeout(MADE_WITHIN, made).await.unwrap_or_else(|_| {
            let waited = MADE_WITHIN.as_secs();
            let message =
                format!("the store did not answer within {waited} s; check location, endpoint and network");
            Err(Error::new(ErrorKind::TimedOut, message).at(location))
        });
        let root = made.map_err(|e| match e.kind() {
            ErrorKind::NotFound if create.read_only => {
                // A missing bucket or directory is told as such.
                let own = e.context().iter().any(|(key, _)| *key == "repository");
                let more = if own { String::new() } else { format!(": {e}") };
                failed(format!(
                    "there is no repository {name} at {location}; READ ONLY never creates one{more}"
                ))
            }
            _ => failed(e.to_string()),
        })?;
        remarks.extend(root.warnings);

        let mut record = RepositoryRecord::new(name, location, root.document.id, root.document.created);
        record.broker = create.broker.clone().unwrap_or_default();
        record.read_only = create.read_only;
        record.properties = properties;
        record.secrets = secrets;
        self.0.state.add_repository(record).await.map_err(|e| match e.kind() {
            ErrorKind::AlreadyExists => failed(format!("repository with same name already exist: {name}")),
            _ => from_core(e),
        })?;
        Ok(remarks.join("\n"))
    }

    /// DROP REPOSITORY: forgets it; what it holds stays.
    ///
    /// # Errors
    /// 5064 when there is none or a job uses it.
    pub async fn drop_repository(&self, name: &str) -> Result<(), SqlError> {
        names::check_repository(name)?;
        self.0.state.take_ownership().await.map_err(from_core)?;
        self.0.state.remove_repository(name).await.map_err(|e| match e.kind() {
            ErrorKind::NotFound => common(format!("Repository {name} does not exist")),
            ErrorKind::Conflict => {
                common("Backup or restore job is running on this repository. Can not drop it")
            }
            _ => from_core(e),
        })
    }

    /// A repository of StarRocks's own beside ours is worth a remark.
    async fn native_beside(&self, request: &OpenRepository, name: &str) -> Option<String> {
        let listed = async {
            let beside = self.open_store(&request.clone().create(false)).await?;
            beside.repository.list(ListRequest::default().children_only()).await
        };
        let page = tokio::time::timeout(BESIDE, listed).await.ok()?.ok()?;
        let native = [format!("__starrocks_repository_{name}"), format!("__palo_repository_{name}")];
        let found = page.prefixes.iter().find(|key| native.iter().any(|n| key.as_str() == n))?;
        Some(format!(
            "{found} lies beside it: StarRocks's own repository of this name. Its snapshots are not touched and not read"
        ))
    }

    /// Opens a remembered repository.
    ///
    /// # Errors
    /// `NotFound` when the name is not known; whatever the store gives.
    pub(crate) async fn open_repository(&self, name: &str) -> Result<Opened> {
        let record = self.0.state.repository(name).await?;
        let record = record.ok_or_else(|| Error::not_found(format!("Repository {name} does not exist")))?;
        let mut request = OpenRepository::new(record.location.clone()).directory(root_name(&record.name));
        request.properties.clone_from(&record.properties);
        request.secrets.clone_from(&record.secrets);
        let limits = Limits::take_from(&mut request.properties)?;
        let opened = self.open_store(&request).await?;
        let repository = self.wrap(&record.name, opened.repository, limits);
        let root = open(&*repository, &record.name).await?;
        if root.document.id != record.id {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "another repository lies there than the one that {} was made for; \
                     DROP REPOSITORY and CREATE REPOSITORY take it",
                    record.name
                ),
            )
            .at(&record.location)
            .with("identity", root.document.id)
            .with("expected", record.id));
        }
        for warning in &root.warnings {
            tracing::warn!(repository = %record.name, "{warning}");
        }
        let mode = if record.read_only { AccessMode::ReadOnly } else { AccessMode::ReadWrite };
        let labels = LabelStore::new(repository.clone(), &root.document, mode, Arc::new(TokioPause));
        Ok(Opened { record, repository, document: root.document, labels })
    }

    /// As [`Engine::open_repository`], with the errors that BACKUP, RESTORE
    /// and SHOW SNAPSHOT give.
    pub(crate) async fn require_repository(&self, name: &str) -> Result<Opened, SqlError> {
        self.open_repository(name).await.map_err(|e| match (e.kind(), e.key()) {
            (ErrorKind::NotFound, None) if e.message().starts_with("Repository ") => common(e.message()),
            _ => common(format!("Repository {name} cannot be opened: {e}")),
        })
    }
}

fn failed(reason: impl std::fmt::Display) -> SqlError {
    common(format!("Failed to create repository: {reason}"))
}
