//! A session: one connection's current database, over engine and warehouse.

use rockhold_core::{Error, Outcome};
use rockhold_engine::{Engine, Executed as EngineExecuted, JobHandle};
use rockhold_sql::SqlError;
use rockhold_sql::ast::Statement;
use rockhold_warehouse_embedded::Session as Sql;

/// What a statement did.
#[derive(Debug)]
#[non_exhaustive]
pub enum Executed {
    /// It is over; this is its result.
    Outcome(Outcome),
    /// It began a job that runs in the background.
    Job(JobHandle),
}

/// Executes statements one after the other. Sessions of one [`Rockhold`]
/// share jobs and data, not their current database.
///
/// [`Rockhold`]: crate::Rockhold
#[derive(Debug)]
pub struct Session {
    pub(crate) engine: Engine,
    pub(crate) sql: Sql,
}

impl Session {
    /// Executes one statement. BACKUP and RESTORE return as soon as their job
    /// is registered.
    ///
    /// # Errors
    /// With StarRocks's error numbers; the statement changed nothing unless
    /// its documentation says otherwise.
    pub async fn execute(&mut self, statement: &Statement) -> Result<Executed, SqlError> {
        match self.engine.execute(statement, self.sql.database()).await? {
            Some(EngineExecuted::Outcome(outcome)) => Ok(Executed::Outcome(outcome)),
            Some(EngineExecuted::Job(job)) => Ok(Executed::Job(job)),
            None => self.sql.execute(statement).await.map(Executed::Outcome),
        }
    }

    /// Changes the current database.
    ///
    /// # Errors
    /// 5501 when there is none of that name.
    pub async fn use_database(&mut self, name: &str) -> Result<(), SqlError> {
        self.sql.use_database(name).await
    }
}

/// An error of the contracts as the error of a statement.
pub fn sql_error(error: Error) -> SqlError {
    rockhold_engine::sql_error(error)
}

/// Whether the error says that another process writes to the directory.
pub fn is_locked(error: &SqlError) -> bool {
    error.message.contains("is writing to the warehouse")
}
