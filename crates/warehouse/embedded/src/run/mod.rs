//! What each statement does.

mod alter;
mod catalog;
mod change;
mod database;
mod explain;
mod function;
mod insert;
pub(crate) mod relations;
mod select;
mod show;
mod table;
pub(crate) mod variables;
mod view;

pub(crate) use catalog::explain as explain_catalog;
pub(crate) use select::plan as plan_query;
pub(crate) use table::cluster;

use super::materialized;
use super::rollup;
use super::session::Session;
use rockhold_core::Outcome;
use rockhold_sql::SqlError;
use rockhold_sql::ast::Statement;
use rockhold_warehouse_store::ObjectInfo;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The database that shows the catalog.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// Whether a database is the one that shows the catalog.
pub(crate) fn is_information_schema(name: &str) -> bool {
    name == INFORMATION_SCHEMA
}

/// The definition of an object of a kind.
fn definition<T: DeserializeOwned>(object: &ObjectInfo) -> Result<T, SqlError> {
    serde_json::from_value(object.object.definition.clone()).map_err(|error| {
        SqlError::execute(format!("the definition of '{}' is damaged: {error}", object.object.name))
    })
}

/// A definition as the catalog keeps it.
pub(crate) fn to_value(definition: &impl Serialize) -> Result<serde_json::Value, SqlError> {
    serde_json::to_value(definition)
        .map_err(|error| SqlError::execute(format!("the definition cannot be stored: {error}")))
}

/// Runs one statement, and behind it the refreshes of materialized views that
/// it brings about or whose time has come.
pub(crate) async fn statement(session: &mut Session, statement: &Statement) -> Result<Outcome, SqlError> {
    let outcome = dispatch(session, statement).await?;
    materialized::after_statement(session, statement).await;
    materialized::run_due(session).await;
    Ok(outcome)
}

async fn dispatch(session: &mut Session, statement: &Statement) -> Result<Outcome, SqlError> {
    match statement {
        Statement::CreateDatabase(create) => database::create(session, create).await,
        Statement::DropDatabase(drop) => database::drop(session, drop).await,
        Statement::Use(target) => {
            if let Some(catalog) = &target.catalog {
                catalog::require_default(session, catalog.as_str()).await?;
            }
            session.use_database(target.database.as_str()).await?;
            Ok(Outcome::done())
        }
        Statement::CreateMaterializedView(create) if create.is_synchronous() => {
            rollup::create(session, create).await
        }
        Statement::CreateTable(create) => table::create(session, create).await,
        Statement::CreateTableLike(create) => table::create_like(session, create).await,
        Statement::CreateTableAs(create) => table::create_as(session, create).await,
        Statement::AlterTable(alter) => alter::run(session, alter).await,
        Statement::CreateView(create) => view::create(session, create).await,
        Statement::AlterView(alter) => view::alter(session, alter).await,
        Statement::CreateFunction(create) => function::create(session, create).await,
        Statement::DropFunction(drop) => function::drop(session, drop).await,
        Statement::CreateCatalog(create) => catalog::create(session, create).await,
        Statement::TruncateTable(truncate) => table::truncate(session, truncate).await,
        Statement::Drop(drop) => table::drop(session, drop).await,
        Statement::CreateMaterializedView(create) if !create.is_synchronous() => {
            materialized::create(session, create).await
        }
        Statement::AlterMaterializedView(alter) => materialized::alter(session, alter).await,
        Statement::RefreshMaterializedView(refresh) => {
            materialized::refresh_statement(session, refresh).await
        }
        Statement::Opaque(opaque) if opaque.kind == "CANCEL REFRESH MATERIALIZED VIEW" => {
            materialized::cancel(session, &opaque.text).await
        }
        Statement::Query(query) => select::run(session, &query.query).await,
        Statement::Insert(insert) => insert::run(session, insert).await,
        Statement::Update(update) => change::update(session, update).await,
        Statement::Delete(delete) => change::delete(session, delete).await,
        Statement::Show(show) => show::run(session, show).await,
        Statement::Describe(describe) => show::describe(session, describe).await,
        Statement::Explain(explain) => explain::run(session, explain).await,
        Statement::Set(set) => variables::set(session, set).await,
        Statement::Transaction(_) => Ok(Outcome::done()),
        other => {
            Err(SqlError::analyze(format!("the embedded warehouse does not run {} statements", other.kind())))
        }
    }
}
