//! Databases.

use super::super::error::{number, of_store};
use super::super::session::{Session, unknown_database};
use super::catalog;
use rockhold_core::Outcome;
use rockhold_sql::analyze::names;
use rockhold_sql::ast::{CreateDatabase, DropDatabase, ObjectName};
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::Change;

async fn database_name(session: &Session, name: &ObjectName) -> Result<String, SqlError> {
    if let Some(catalog) = name.database() {
        catalog::require_default(session, catalog).await?;
    }
    Ok(name.object().to_owned())
}

/// `CREATE DATABASE`.
pub(super) async fn create(session: &Session, statement: &CreateDatabase) -> Result<Outcome, SqlError> {
    let name = database_name(session, &statement.name).await?;
    names::check_database(&name)?;
    if super::is_information_schema(&name) {
        return exists(statement.if_not_exists, &name);
    }
    if rockhold_core::is_system_database(&name) {
        return Err(SqlError::execute(format!(
            "Access denied: {name} is a name of the system; choose another"
        )));
    }
    match session.store.change(Change::CreateDatabase { name: name.clone() }).await.map_err(of_store) {
        Ok(()) => Ok(Outcome::done()),
        Err(error) if error.errno == number::DATABASE_EXISTS => exists(statement.if_not_exists, &name),
        Err(error) => Err(error),
    }
}

fn exists(lenient: bool, name: &str) -> Result<Outcome, SqlError> {
    if lenient {
        return Ok(Outcome::done());
    }
    Err(SqlError::numbered(
        Stage::Execute,
        number::DATABASE_EXISTS,
        format!("Can't create database '{name}'; database exists"),
    ))
}

/// `DROP DATABASE`.
pub(super) async fn drop(session: &mut Session, statement: &DropDatabase) -> Result<Outcome, SqlError> {
    let name = database_name(session, &statement.name).await?;
    if super::is_information_schema(&name) {
        return Err(SqlError::execute(format!("Access denied: database {name} is the system's")));
    }
    match session.store.change(Change::DropDatabase { name: name.clone() }).await.map_err(of_store) {
        Ok(()) => {
            if session.database.as_deref() == Some(name.as_str()) {
                session.database = None;
            }
            Ok(Outcome::done())
        }
        Err(error) if error.errno == number::UNKNOWN_DATABASE => {
            if statement.if_exists {
                return Ok(Outcome::done());
            }
            Err(unknown_database(&name))
        }
        Err(error) => Err(error),
    }
}
