//! SHOW and DESC: columns and order as StarRocks has them.

mod columns;
mod filter;
mod functions;
mod materialized_views;
mod partitions;
mod schema;
mod server;

pub(crate) use schema::information_schema;

use super::super::error::of_store;
use super::super::merge::table::definition_of;
use super::super::rollup;
use super::super::session::{Session, unknown_database};
use super::catalog;
use super::definition as read;
use rockhold_core::{Namespace, Outcome, Row, Rows};
use rockhold_model::{CatalogDefinition, MaterializedViewDefinition, ViewDefinition};
use rockhold_sql::ast::{Describe, Show, ShowWhat};
use rockhold_sql::{
    SqlError, Stage, create_synchronous_view, show_create_catalog_with, show_create_materialized_view,
    show_create_table, show_create_view,
};
use rockhold_warehouse_store::ObjectInfo;

/// A result that is complete.
pub(super) struct Listing {
    columns: Vec<String>,
    rows: Vec<Row>,
    /// Position of the column that LIKE looks at.
    named: usize,
}

impl Listing {
    fn new(columns: &[&str], rows: Vec<Row>) -> Self {
        Self { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows, named: 0 }
    }
}

/// A value that is not NULL.
fn some(text: impl Into<String>) -> Option<String> {
    Some(text.into())
}

/// Runs a SHOW.
pub(super) async fn run(session: &Session, statement: &Show) -> Result<Outcome, SqlError> {
    let listing = listing(session, &statement.what).await?;
    let listing = filter::apply(session, listing, statement)?;
    let names: Vec<&str> = listing.columns.iter().map(String::as_str).collect();
    Ok(Outcome::Rows(Rows::text(&names, listing.rows)))
}

async fn listing(session: &Session, what: &ShowWhat) -> Result<Listing, SqlError> {
    match what {
        ShowWhat::Databases { catalog } => {
            if let Some(catalog) = catalog {
                catalog::require_default(session, catalog.as_str()).await?;
            }
            let mut names: Vec<String> = databases(session).await?;
            names.push(super::INFORMATION_SCHEMA.to_owned());
            names.sort();
            Ok(Listing::new(&["Database"], names.into_iter().map(|name| vec![Some(name)]).collect()))
        }
        ShowWhat::Tables { full, database } => tables(session, *full, database.as_ref()).await,
        ShowWhat::Views { database } => {
            let database = database_of(session, database.as_ref()).await?;
            let views =
                objects(session, &database).await?.into_iter().filter(|o| o.object.kind.as_str() == "view");
            let rows = views.map(|object| vec![Some(object.object.name.name)]).collect();
            Ok(Listing { columns: vec![format!("Views_in_{database}")], rows, named: 0 })
        }
        ShowWhat::MaterializedViews { database } => {
            materialized_views::show(session, &database_of(session, database.as_ref()).await?).await
        }
        ShowWhat::Partitions { temporary, table } => partitions::show(session, *temporary, table).await,
        ShowWhat::Columns { full, table, database } => {
            let mut name = table.clone();
            if let Some(database) = database
                && let Some(last) = database.parts.last()
            {
                name.parts.insert(0, last.clone());
            }
            columns::show(session, *full, &name).await
        }
        ShowWhat::CreateTable { name } => create_relation(session, name).await,
        ShowWhat::CreateView { name } => {
            let object = session.require(&session.full_name(name)?).await?;
            super::view::require_view(&object)?;
            create_relation(session, name).await
        }
        ShowWhat::CreateMaterializedView { name } => create_materialized_view(session, name).await,
        ShowWhat::CreateDatabase { name } => {
            let database = name.object();
            session.require_database(database).await?;
            let text = format!("CREATE DATABASE `{database}`");
            Ok(Listing::new(&["Database", "Create Database"], vec![vec![some(database), some(text)]]))
        }
        ShowWhat::CreateCatalog { name } => create_catalog(session, name.as_str()).await,
        ShowWhat::Catalogs => catalogs(session).await,
        ShowWhat::Variables { .. } => {
            let rows = session
                .variables
                .iter()
                .filter(|(name, _)| !name.starts_with('@'))
                .map(|(name, value)| vec![some(name), some(value)])
                .collect();
            Ok(Listing::new(&["Variable_name", "Value"], rows))
        }
        ShowWhat::Functions { full, scope, database } => {
            functions::show(session, *full, *scope, database.as_ref()).await
        }
        other => server::show(session, other).ok_or_else(|| {
            SqlError::analyze(format!("the embedded warehouse does not run {} statements", other.kind()))
        }),
    }
}

async fn databases(session: &Session) -> Result<Vec<String>, SqlError> {
    let databases = session.store.list_databases().await.map_err(of_store)?;
    Ok(databases.into_iter().map(|database| database.name).collect())
}

/// The database a statement names, else the session's.
async fn database_of(
    session: &Session,
    name: Option<&rockhold_sql::ast::ObjectName>,
) -> Result<String, SqlError> {
    match name {
        Some(name) => {
            if let Some(catalog) = name.database() {
                catalog::require_default(session, catalog).await?;
            }
            Ok(name.object().to_owned())
        }
        None => session.database.clone().ok_or_else(|| {
            SqlError::numbered(
                Stage::Analyze,
                super::super::error::number::NO_DATABASE,
                "No database selected",
            )
        }),
    }
}

/// Tables, views and materialized views of a database, by name.
async fn objects(session: &Session, database: &str) -> Result<Vec<ObjectInfo>, SqlError> {
    if super::is_information_schema(database) {
        return Ok(Vec::new());
    }
    let mut objects = session.store.list_objects(database).await.map_err(|error| match error.kind() {
        rockhold_core::ErrorKind::NotFound => unknown_database(database),
        _ => of_store(error),
    })?;
    objects.retain(|object| object.namespace == Namespace::Relation);
    Ok(objects)
}

async fn tables(
    session: &Session,
    full: bool,
    database: Option<&rockhold_sql::ast::ObjectName>,
) -> Result<Listing, SqlError> {
    let database = database_of(session, database).await?;
    let mut found: Vec<(String, &str)> = objects(session, &database)
        .await?
        .into_iter()
        .map(|object| (object.object.name.name, table_type(object.object.kind.as_str())))
        .collect();
    if super::is_information_schema(&database) {
        found = schema::TABLES.iter().map(|name| ((*name).to_owned(), "SYSTEM VIEW")).collect();
    }
    let mut columns = vec![format!("Tables_in_{database}")];
    if full {
        columns.push("Table_type".to_owned());
    }
    let rows = found
        .into_iter()
        .map(|(name, kind)| if full { vec![Some(name), some(kind)] } else { vec![Some(name)] })
        .collect();
    Ok(Listing { columns, rows, named: 0 })
}

/// StarRocks shows materialized views as views.
fn table_type(kind: &str) -> &'static str {
    if kind == "table" { "BASE TABLE" } else { "VIEW" }
}

const MATERIALIZED_VIEW: &[&str] = &["Materialized View", "Create Materialized View"];

/// A synchronous one is found by its table.
async fn create_materialized_view(
    session: &Session,
    name: &rockhold_sql::ast::ObjectName,
) -> Result<Listing, SqlError> {
    let full = session.full_name(name)?;
    if session.find(&full).await?.is_none() {
        session.require_database(&full.database).await?;
        if let Some((_, table)) = rollup::find(session, &full).await?
            && let Some(view) = table.rollups.iter().find(|rollup| rollup.name == full.name)
            && let Some(text) = create_synchronous_view(view)
        {
            return Ok(Listing::new(MATERIALIZED_VIEW, vec![vec![some(&full.name), Some(text)]]));
        }
    }
    create_relation(session, name).await
}

async fn create_relation(
    session: &Session,
    name: &rockhold_sql::ast::ObjectName,
) -> Result<Listing, SqlError> {
    let name = session.full_name(name)?;
    let object = session.require(&name).await?;
    let shown = some(&name.name);
    match object.object.kind.as_str() {
        "view" => {
            let text = show_create_view(&read::<ViewDefinition>(&object)?);
            Ok(Listing::new(
                &["View", "Create View", "character_set_client", "collation_connection"],
                vec![vec![shown, Some(text), some("utf8"), some("utf8_general_ci")]],
            ))
        }
        "materialized_view" => {
            let text = show_create_materialized_view(&read::<MaterializedViewDefinition>(&object)?);
            Ok(Listing::new(MATERIALIZED_VIEW, vec![vec![shown, Some(text)]]))
        }
        _ => {
            let table = definition_of(&object.object).map_err(super::super::error::of_query)?;
            let mut partitions = session.store.list_partitions(&name).await.map_err(of_store)?;
            partitions::in_order(&table, &mut partitions);
            let partitions: Vec<_> = partitions
                .into_iter()
                .map(|partition| partition.definition)
                .filter(|partition| !partition.temporary)
                .collect();
            let text = show_create_table(&table, &partitions);
            Ok(Listing::new(&["Table", "Create Table"], vec![vec![shown, Some(text)]]))
        }
    }
}

async fn create_catalog(session: &Session, name: &str) -> Result<Listing, SqlError> {
    let found = catalog::find(session, name).await?.ok_or_else(|| catalog::unknown(name))?;
    let definition: CatalogDefinition = read(&found)?;
    let secrets = catalog::secrets(session, &definition).await;
    let text = show_create_catalog_with(&definition, &secrets);
    Ok(Listing::new(&["Catalog", "Create Catalog"], vec![vec![some(name), Some(text)]]))
}

async fn catalogs(session: &Session) -> Result<Listing, SqlError> {
    let mut rows = vec![vec![
        some(catalog::DEFAULT),
        some("Internal"),
        some("An internal catalog contains this cluster's self-managed tables."),
    ]];
    for object in catalog::all(session).await? {
        let catalog: CatalogDefinition = read(&object)?;
        let kind = catalog.properties.get("type").cloned().unwrap_or_default();
        rows.push(vec![Some(catalog.name), some(capital(&kind)), Some(catalog.comment)]);
    }
    Ok(Listing::new(&["Catalog", "Type", "Comment"], rows))
}

/// StarRocks's word for a type of catalog: `Hive`.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Runs a DESC.
pub(super) async fn describe(session: &Session, statement: &Describe) -> Result<Outcome, SqlError> {
    let listing = match statement {
        Describe::Table { name, .. } => columns::show(session, false, name).await?,
        Describe::Files(properties) => {
            let pairs: Vec<(String, String)> = properties.effective().into_iter().collect();
            columns::of_files(session, &pairs).await?
        }
    };
    let names: Vec<&str> = listing.columns.iter().map(String::as_str).collect();
    Ok(Outcome::Rows(Rows::text(&names, listing.rows)))
}
