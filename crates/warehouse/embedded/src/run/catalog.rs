//! External catalogs: kept and shown, never read.

use super::super::error::{number, of_store};
use super::super::session::Session;
use rockhold_core::{ErrorKind, KindId, Namespace, ObjectName, Outcome, Secret};
use rockhold_model::CatalogDefinition;
use rockhold_sql::analyze;
use rockhold_sql::ast::{CreateCatalog, DropObject};
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::{Change, NewObject, ObjectInfo};

/// The catalog that is the warehouse itself.
pub(super) const DEFAULT: &str = "default_catalog";

/// `CREATE EXTERNAL CATALOG`.
pub(super) async fn create(session: &Session, statement: &CreateCatalog) -> Result<Outcome, SqlError> {
    let analyzed = analyze::create_catalog(statement)?;
    let mut definition = analyzed.definition;
    let name = ObjectName::new("", &definition.name);
    if find(session, &definition.name).await?.is_some() {
        return exists(statement);
    }
    for (property, secret) in &analyzed.secrets {
        let sealed = session.store.seal(property, secret).await.map_err(of_store)?;
        definition.secrets.insert(property.clone(), sealed);
    }
    let object = NewObject {
        namespace: Namespace::Catalog,
        kind: KindId::EXTERNAL_CATALOG,
        name,
        definition: super::to_value(&definition)?,
        state: serde_json::Value::Null,
        partitions: Vec::new(),
    };
    match session.store.change(Change::CreateObject(object)).await {
        Ok(()) => Ok(Outcome::done()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => exists(statement),
        Err(error) => Err(of_store(error)),
    }
}

fn exists(statement: &CreateCatalog) -> Result<Outcome, SqlError> {
    if statement.if_not_exists {
        return Ok(Outcome::done());
    }
    let text = format!("External catalog '{}' already exists", statement.name.as_str());
    Err(SqlError::numbered(Stage::Execute, SqlError::GENERAL, text))
}

/// The catalog of that name.
pub(super) async fn find(session: &Session, name: &str) -> Result<Option<ObjectInfo>, SqlError> {
    session.store.find_object(Namespace::Catalog, &ObjectName::new("", name)).await.map_err(of_store)
}

/// All external catalogs, by name.
pub(super) async fn all(session: &Session) -> Result<Vec<ObjectInfo>, SqlError> {
    let mut objects = session.store.list_objects("").await.map_err(of_store)?;
    objects.retain(|object| object.namespace == Namespace::Catalog);
    Ok(objects)
}

/// Refuses every catalog but the warehouse's own: an external one is kept, and
/// what lies in it cannot be reached from here.
pub(super) async fn require_default(session: &Session, name: &str) -> Result<(), SqlError> {
    if name.eq_ignore_ascii_case(DEFAULT) {
        return Ok(());
    }
    Err(explain(session, unknown(name)).await)
}

/// An unknown catalog that is there, but external, is called that.
pub(crate) async fn explain(session: &Session, error: SqlError) -> SqlError {
    let name = error.message.strip_prefix("Unknown catalog '").and_then(|rest| rest.strip_suffix('\''));
    match name {
        Some(name) if matches!(find(session, name).await, Ok(Some(_))) => SqlError::analyze(format!(
            "catalog {name} is external: the embedded warehouse keeps its definition and does not read from it"
        )),
        _ => error,
    }
}

pub(super) fn unknown(name: &str) -> SqlError {
    SqlError::numbered(Stage::Analyze, number::UNKNOWN_CATALOG, format!("Unknown catalog '{name}'"))
}

/// The secrets of a catalog that the keys here open.
pub(super) async fn secrets(
    session: &Session,
    definition: &CatalogDefinition,
) -> indexmap::IndexMap<String, Secret> {
    let mut open = indexmap::IndexMap::new();
    for (property, value) in &definition.secrets {
        match session.store.open_sealed(property, value).await {
            Ok(secret) => {
                open.insert(property.clone(), secret);
            }
            // It is shown masked whole; what uses it will say why.
            Err(error) => tracing::info!(%error, catalog = %definition.name, "a secret stays sealed"),
        }
    }
    open
}

/// `DROP CATALOG`.
pub(super) async fn drop(session: &Session, statement: &DropObject) -> Result<Outcome, SqlError> {
    let name = statement.name.object();
    if name.eq_ignore_ascii_case(DEFAULT) {
        return Err(SqlError::analyze("Can't drop the default internal catalog"));
    }
    match find(session, name).await? {
        Some(_) => {
            let name = ObjectName::new("", name);
            let change = Change::DropObject { namespace: Namespace::Catalog, name };
            session.store.change(change).await.map_err(of_store)?;
            Ok(Outcome::done())
        }
        None if statement.if_exists => Ok(Outcome::done()),
        None => Err(unknown(name)),
    }
}
