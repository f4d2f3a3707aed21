//! From statements to the engine's methods.

use crate::error::{common, common_analysis, unknown_database};
use crate::properties;
use crate::{
    BackupRequest, BackupScope, Engine, JobHandle, PartitionNames, RestoreRequest, RestoreScope, Selection,
    What,
};
use rockhold_core::{KindId, Outcome};
use rockhold_sql::ast::{
    Backup, CancelTarget, CatalogClause, Ident, JobKind, ObjectItem, ObjectSelection, PropertyList, Restore,
    Statement,
};
use rockhold_sql::{SqlError, Stage};

/// What a statement did.
#[derive(Debug)]
pub enum Executed {
    /// It is over.
    Outcome(Outcome),
    /// It began a job.
    Job(JobHandle),
}

impl Engine {
    /// Executes a statement about repositories, snapshots, BACKUP or RESTORE;
    /// `None` for any other statement. `database` is the session's.
    ///
    /// # Errors
    /// With StarRocks's error numbers and texts.
    pub async fn execute(
        &self,
        statement: &Statement,
        database: Option<&str>,
    ) -> Result<Option<Executed>, SqlError> {
        let outcome = match statement {
            Statement::CreateRepository(create) => {
                let info = self.create_repository(create).await?;
                Outcome::Done { affected: 0, info }
            }
            Statement::DropRepository(drop) => {
                self.drop_repository(drop.name.as_str()).await?;
                Outcome::done()
            }
            Statement::ShowRepositories => Outcome::Rows(self.show_repositories().await?),
            Statement::Backup(backup) => {
                let request = backup_request(backup, database)?;
                return self.submit_backup(request).await.map(|job| Some(Executed::Job(job)));
            }
            Statement::Restore(restore) => {
                let request = restore_request(restore)?;
                return self.submit_restore(request).await.map(|job| Some(Executed::Job(job)));
            }
            Statement::CancelJob(cancel) => {
                let database = match &cancel.target {
                    Some(CancelTarget::Database(name)) => name.as_str().to_owned(),
                    Some(CancelTarget::ExternalCatalog) => String::new(),
                    None => database.map(str::to_owned).ok_or_else(|| {
                        SqlError::numbered(
                            Stage::Analyze,
                            1046,
                            "No database selected for cancel; write FROM database",
                        )
                    })?,
                };
                self.cancel_job(cancel.kind == JobKind::Backup, &database).await?;
                Outcome::done()
            }
            Statement::ShowJobs(show) => {
                let database = show.database.as_ref().map(Ident::as_str);
                Outcome::Rows(match show.kind {
                    JobKind::Backup => self.show_backup(database).await?,
                    JobKind::Restore => {
                        let label = properties::label_filter(show.filter.as_ref());
                        self.show_restore(database, label.as_deref()).await?
                    }
                })
            }
            Statement::ShowSnapshots(show) => Outcome::Rows(
                self.show_snapshots(
                    show.repository.as_str(),
                    properties::snapshot_filter(show.filter.as_ref())?,
                )
                .await?,
            ),
            Statement::DropSnapshot(drop) => {
                self.drop_snapshot(drop.label.as_str(), drop.repository.as_str(), drop.force).await?;
                Outcome::done()
            }
            _ => return Ok(None),
        };
        Ok(Some(Executed::Outcome(outcome)))
    }
}

fn backup_request(backup: &Backup, session_database: Option<&str>) -> Result<BackupRequest, SqlError> {
    let label = label(backup.snapshot.label.as_str())?;
    let timeout = properties::backup(backup.properties.as_ref())?;
    let scope = match &backup.catalogs {
        Some(CatalogClause::All) => BackupScope::Catalogs(None),
        Some(CatalogClause::List(list)) => {
            BackupScope::Catalogs(Some(list.iter().map(|c| c.name.as_str().to_owned()).collect()))
        }
        None => {
            let name = backup.database().map(Ident::as_str).or(session_database);
            BackupScope::Database {
                name: name.map(str::to_owned).ok_or_else(|| unknown_database(""))?,
                items: backup.items.as_ref().map(|items| items.iter().map(selection).collect()),
            }
        }
    };
    Ok(BackupRequest { label, repository: repository(&backup.repository)?, scope, timeout })
}

fn restore_request(restore: &Restore) -> Result<RestoreRequest, SqlError> {
    let label = label(restore.snapshot.label.as_str())?;
    let properties = properties::restore(restore.properties.as_ref())?;
    let scope = match &restore.catalogs {
        Some(CatalogClause::All) => RestoreScope::Catalogs(None),
        Some(CatalogClause::List(list)) => RestoreScope::Catalogs(Some(
            list.iter()
                .map(|c| (c.name.as_str().to_owned(), c.alias.as_ref().map(|a| a.as_str().to_owned())))
                .collect(),
        )),
        None => {
            let items: Option<Vec<Selection>> =
                restore.items.as_ref().map(|items| items.iter().map(selection).collect());
            check_duplicates(items.as_deref().unwrap_or_default())?;
            RestoreScope::Database {
                source: restore.database.as_ref().map(|d| d.as_str().to_owned()),
                target: restore.target_database().map(|d| d.as_str().to_owned()),
                items,
            }
        }
    };
    Ok(RestoreRequest {
        label,
        repository: repository(&restore.repository)?,
        scope,
        timestamp: properties.timestamp,
        replication_num: properties.replication_num,
        allow_load: properties.allow_load,
        timeout: properties.timeout,
    })
}

/// The label goes into keys and is matched by tools, so it obeys StarRocks's
/// rule for load labels.
fn label(text: &str) -> Result<String, SqlError> {
    let fine = (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if fine {
        Ok(text.to_owned())
    } else {
        Err(SqlError::numbered(
            Stage::Analyze,
            5082,
            format!("Incorrect label name '{text}': a label has 1 to 128 letters, digits, _ or -"),
        ))
    }
}

fn repository(name: &Ident) -> Result<String, SqlError> {
    match name.as_str() {
        "" => Err(common_analysis("Repository is empty")),
        text => Ok(text.to_owned()),
    }
}

fn selection(item: &ObjectItem) -> Selection {
    Selection {
        kind: item.kind.as_ref().map(|kind| KindId::new(kind.id.clone())),
        what: match &item.selection {
            ObjectSelection::All => What::All,
            ObjectSelection::Named { name, partitions, alias, .. } => What::One {
                name: name.object().to_owned(),
                partitions: partitions.as_ref().map(|list| PartitionNames {
                    temporary: list.temporary,
                    names: list.names.iter().map(|n| n.as_str().to_owned()).collect(),
                }),
                alias: alias.as_ref().map(|a| a.as_str().to_owned()),
            },
        },
    }
}

/// No object twice, no alias that another item bears.
fn check_duplicates(items: &[Selection]) -> Result<(), SqlError> {
    let mut names = Vec::new();
    for item in items {
        if let What::One { name, .. } = &item.what {
            if names.contains(&(name, item.kind.as_ref())) {
                return Err(SqlError::analyze(format!("Duplicated table: {name}")));
            }
            names.push((name, item.kind.as_ref()));
        }
    }
    let mut aliases = Vec::new();
    for item in items {
        if let What::One { alias: Some(alias), .. } = &item.what {
            if aliases.contains(&alias) || names.iter().any(|(name, _)| *name == alias) {
                return Err(SqlError::analyze(format!("Duplicated alias name: {alias}")));
            }
            aliases.push(alias);
        }
    }
    Ok(())
}

/// The properties of a repository, with those that hold secrets apart.
pub(crate) fn split_secrets(
    properties: Option<&PropertyList>,
) -> (std::collections::BTreeMap<String, String>, std::collections::BTreeMap<String, rockhold_core::Secret>) {
    let mut plain = std::collections::BTreeMap::new();
    let mut secret = std::collections::BTreeMap::new();
    for (key, value) in properties.map(PropertyList::effective).unwrap_or_default() {
        if rockhold_core::is_secret_property(&key) {
            secret.insert(key, value.into());
        } else {
            plain.insert(key, value);
        }
    }
    (plain, secret)
}

/// The fixed error for external catalogs in a build without that object type.
pub(crate) fn no_catalogs() -> SqlError {
    common("BACKUP and RESTORE of external catalogs are not supported by this build")
}
