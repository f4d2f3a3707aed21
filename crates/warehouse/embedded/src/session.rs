//! A client's session.

use super::error::number;
use super::error::of_store;
use super::query::Environment;
use super::query::context::{Limits, QueryEngine};
use super::run;
use super::storage::Storage;
use super::value::time::micros_of;
use chrono::TimeZone;
use chrono_tz::Tz;
use rockhold_core::{Namespace, ObjectName, Outcome, RepositoryFactory};
use rockhold_sql::ast::Statement;
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::{ObjectInfo, Store};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Bounds of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Memory of all queries and loads of the session, in bytes. Sorts spill
    /// to disk at the limit; what cannot spill fails. Default 1 GiB.
    pub memory_limit: usize,
    /// Threads of one query. Default: one for each core.
    pub threads: usize,
    /// Where sorts spill to. Default: the system's temporary directory.
    pub temporary: Option<PathBuf>,
    /// What `CURRENT_VERSION()` says.
    pub version: String,
    /// The largest file of a function that is kept with it, in bytes. Default 256 MiB.
    pub artifact_limit: u64,
    /// How long reading the file of a function may take. Default one minute.
    pub artifact_timeout: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            memory_limit: 1 << 30,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            temporary: None,
            version: format!("3.4.0-rockhold-{}", env!("CARGO_PKG_VERSION")),
            artifact_limit: 256 << 20,
            artifact_timeout: Duration::from_secs(60),
        }
    }
}

/// A client's session: its database, its variables, and the warehouse.
///
/// Every statement commits by itself. A query's result is read from one
/// instant of the warehouse, whatever happens while it is read.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) store: Store,
    pub(crate) engine: QueryEngine,
    pub(crate) zone: Tz,
    pub(crate) database: Option<String>,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) storage: Storage,
    pub(crate) options: SessionOptions,
}

impl Session {
    /// A session with the default bounds.
    ///
    /// # Errors
    /// The system's temporary directory cannot be used.
    pub fn new(store: Store) -> Result<Self, SqlError> {
        Self::with_options(store, SessionOptions::default())
    }

    /// A session with bounds of its own.
    ///
    /// # Errors
    /// The directory for temporary files cannot be used.
    pub fn with_options(store: Store, options: SessionOptions) -> Result<Self, SqlError> {
        let zone: Tz = store.time_zone().parse().map_err(|_| {
            SqlError::execute(format!("the warehouse has an unknown time zone '{}'", store.time_zone()))
        })?;
        let limits = Limits {
            memory: options.memory_limit,
            threads: options.threads,
            temporary: options.temporary.clone(),
        };
        let engine = QueryEngine::new(&limits, zone)?;
        let variables = run::variables::defaults(store.time_zone(), &options.version);
        let storage = Storage::default();
        Ok(Self { store, engine, zone, database: None, variables, storage, options })
    }

    /// The storage vendors that FILES and the files of functions reach; without
    /// them only files of this machine.
    #[must_use]
    pub fn storage(mut self, factories: impl IntoIterator<Item = Arc<dyn RepositoryFactory>>) -> Self {
        self.storage = Storage::new(factories);
        self
    }

    /// The warehouse.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The database whose tables need no qualification.
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    /// Selects a database, as USE does.
    ///
    /// # Errors
    /// 5501: there is none of that name.
    pub async fn use_database(&mut self, name: &str) -> Result<(), SqlError> {
        self.require_database(name).await?;
        self.database = Some(name.to_owned());
        Ok(())
    }

    /// Runs one statement. The rows of a query are read while they are
    /// consumed.
    ///
    /// # Errors
    /// The statement is refused or fails; then it changed nothing.
    pub async fn execute(&mut self, statement: &Statement) -> Result<Outcome, SqlError> {
        match Box::pin(run::statement(self, statement)).await {
            Err(error) if error.errno == number::UNKNOWN_CATALOG => {
                Err(run::explain_catalog(self, error).await)
            }
            done => done,
        }
    }

    /// What a statement that begins now sees.
    pub(crate) fn environment(&self) -> Environment {
        let utc = self.store.now().0.saturating_mul(1000);
        let local =
            self.zone.timestamp_micros(utc).single().map_or(utc, |time| micros_of(time.naive_local()));
        Environment {
            database: self.database.clone(),
            current_database: self.database.clone(),
            now: local,
            utc,
            version: self.options.version.clone(),
            mysql_version: "8.0.33",
            plan_only: false,
            variables: self.variables.clone(),
        }
    }

    /// The full name of an object.
    pub(crate) fn full_name(&self, name: &rockhold_sql::ast::ObjectName) -> Result<ObjectName, SqlError> {
        let parts: Vec<String> = name.parts.iter().map(|part| part.value.clone()).collect();
        let database = self.environment().database_of(&parts)?;
        Ok(ObjectName::new(database, name.object()))
    }

    /// Refuses a database that does not exist.
    pub(crate) async fn require_database(&self, name: &str) -> Result<(), SqlError> {
        let known = self.store.list_databases().await.map_err(of_store)?;
        if known.iter().any(|database| database.name == name) || run::is_information_schema(name) {
            return Ok(());
        }
        Err(unknown_database(name))
    }

    /// A table, view or materialized view.
    pub(crate) async fn find(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, SqlError> {
        self.store.find_object(Namespace::Relation, name).await.map_err(of_store)
    }

    /// A table, view or materialized view, or the error that says what is missing.
    pub(crate) async fn require(&self, name: &ObjectName) -> Result<ObjectInfo, SqlError> {
        match self.find(name).await? {
            Some(found) => Ok(found),
            None => {
                self.require_database(&name.database).await?;
                Err(unknown_table(name))
            }
        }
    }
}

pub(crate) fn unknown_database(name: &str) -> SqlError {
    SqlError::numbered(
        Stage::Analyze,
        super::error::number::UNKNOWN_DATABASE,
        format!("Unknown database '{name}'"),
    )
}

pub(crate) fn unknown_table(name: &ObjectName) -> SqlError {
    SqlError::numbered(Stage::Analyze, super::error::number::UNKNOWN_TABLE, format!("Unknown table '{name}'"))
}
