//! From statements to the engine's methods.

use crate::error::{common_analysis, unknown_database};
use crate::properties;
use crate::{
    BackupRequest, BackupScope, Engine, JobHandle, PartitionNames, RestoreRequest, RestoreScope, Selection,
    What,
};
use rockhold_core::{KindId, Outcome};
use rockhold_sql::analyze::{self, BackupType, names};
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
                self.show_snapshots(show.repository.as_str(), analyze::snapshot_filter(show)?).await?,
            ),
            Statement::DropSnapshot(drop) => {
                self.drop_snapshot(drop.label.as_str(), drop.repository.as_str(), drop.force).await?;
                Outcome::done()
            }
            Statement::Explain(explain) => match explain.statement.as_ref() {
                Statement::Backup(backup) => {
                    Outcome::Rows(self.explain_backup(&backup_request(backup, database)?).await?)
                }
                Statement::Restore(restore) => {
                    Outcome::Rows(self.explain_restore(&restore_request(restore)?).await?)
                }
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        Ok(Some(Executed::Outcome(outcome)))
    }
}

fn backup_request(backup: &Backup, session_database: Option<&str>) -> Result<BackupRequest, SqlError> {
    analyze::check_backup_names(backup)?;
    let options = analyze::backup_options(backup)?;
    if options.ttl.is_some() {
        return Err(common_analysis(
            "Unknown backup job properties: [ttl]: snapshots do not expire in this build",
        ));
    }
    let timeout = given(&backup.properties, "timeout").then_some(options.timeout);
    let incremental = options.kind == BackupType::Incremental;
    backup.catalogs.iter().try_for_each(analyze::check_catalogs)?;
    let label = backup.snapshot.label.as_str().to_owned();
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
    Ok(BackupRequest {
        label,
        repository: backup.repository.as_str().to_owned(),
        scope,
        timeout,
        incremental,
        reuse: options.reuse,
    })
}

fn restore_request(restore: &Restore) -> Result<RestoreRequest, SqlError> {
    names::check_label(restore.snapshot.label.as_str())?;
    analyze::check_restore_items(restore)?;
    let options = analyze::restore_options(restore)?;
    restore.catalogs.iter().try_for_each(analyze::check_catalogs)?;
    if restore.repository.as_str().is_empty() {
        return Err(common_analysis("Repository is empty"));
    }
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
            RestoreScope::Database {
                source: restore.database.as_ref().map(|d| d.as_str().to_owned()),
                target: restore.target_database().map(|d| d.as_str().to_owned()),
                items,
            }
        }
    };
    Ok(RestoreRequest {
        label: restore.snapshot.label.as_str().to_owned(),
        repository: restore.repository.as_str().to_owned(),
        scope,
        timestamp: options.backup_timestamp,
        replication_num: options.replication_num,
        allow_load: options.allow_load,
        timeout: given(&restore.properties, "timeout").then_some(options.timeout),
    })
}

fn given(properties: &Option<PropertyList>, key: &str) -> bool {
    properties.as_ref().is_some_and(|list| list.get(key).is_some())
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
