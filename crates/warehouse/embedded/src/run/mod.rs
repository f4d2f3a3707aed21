//! What each statement does.

mod database;
mod insert;
mod select;
pub(crate) mod variables;

pub(crate) use select::plan as plan_query;

use super::session::Session;
use rockhold_core::Outcome;
use rockhold_sql::SqlError;
use rockhold_sql::ast::Statement;

/// Databases that StarRocks has and nobody makes.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// Whether a database is the system's.
pub(crate) fn is_system_database(name: &str) -> bool {
    name == INFORMATION_SCHEMA
}

/// Runs one statement.
pub(crate) async fn statement(session: &mut Session, statement: &Statement) -> Result<Outcome, SqlError> {
    match statement {
        Statement::CreateDatabase(create) => database::create(session, create).await,
        Statement::DropDatabase(drop) => database::drop(session, drop).await,
        Statement::Use(target) => {
            if let Some(catalog) = &target.catalog {
                database::require_default_catalog(catalog.as_str())?;
            }
            session.use_database(target.database.as_str()).await?;
            Ok(Outcome::done())
        }
        Statement::Query(query) => select::run(session, &query.query).await,
        Statement::Insert(insert) => insert::run(session, insert).await,
        Statement::Set(set) => variables::set(session, set),
        Statement::Transaction(_) => Ok(Outcome::done()),
        other => Err(SqlError::analyze(format!(
            "the embedded warehouse does not run {} statements",
            other.kind()
        ))),
    }
}
