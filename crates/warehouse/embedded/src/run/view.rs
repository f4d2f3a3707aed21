//! Views.

use super::super::error::{number, of_store};
use super::super::query::Environment;
use super::super::query::build::select_all;
use super::super::query::context::Planned;
use super::super::query::rewrite::rewrite;
use super::super::session::Session;
use super::super::value::types::of_field;
use super::{definition, select};
use rockhold_core::{KindId, Namespace, ObjectName, Outcome};
use rockhold_model::{Column, ViewDefinition};
use rockhold_sql::analyze;
use rockhold_sql::ast::{AlterView, AlterViewAction, CreateView, QueryText};
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::{Change, NewObject, ObjectInfo};

/// `CREATE VIEW`.
pub(super) async fn create(session: &Session, statement: &CreateView) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    session.require_database(&name.database).await?;
    if super::is_information_schema(&name.database) {
        return Err(SqlError::execute(format!(
            "database {} is the system's; no view can be made in it",
            name.database
        )));
    }
    let existing = session.find(&name).await?;
    if existing.is_some() && statement.if_not_exists {
        return Ok(Outcome::done());
    }
    let planned = plan(session, &name, &statement.query).await?;
    let database = session.database.clone().unwrap_or_default();
    let view = analyze::create_view(statement, &planned.names, &database)?;
    let change = match existing {
        None => Change::CreateObject(NewObject {
            namespace: Namespace::Relation,
            kind: KindId::VIEW,
            name: name.clone(),
            definition: super::to_value(&view)?,
            state: serde_json::Value::Null,
            partitions: Vec::new(),
        }),
        Some(object) if statement.or_replace => {
            require_view(&object)?;
            set(&name, &view)?
        }
        Some(_) => return Err(taken(&name)),
    };
    match session.store.change(change).await.map_err(of_store) {
        Err(error) if error.errno == number::TABLE_EXISTS => match statement.if_not_exists {
            true => Ok(Outcome::done()),
            false => Err(taken(&name)),
        },
        Err(error) => Err(error),
        Ok(()) => Ok(Outcome::done()),
    }
}

fn taken(name: &ObjectName) -> SqlError {
    SqlError::numbered(Stage::Execute, number::TABLE_EXISTS, format!("Table '{}' already exists", name.name))
}

fn set(name: &ObjectName, view: &ViewDefinition) -> Result<Change, SqlError> {
    Ok(Change::SetDefinition {
        namespace: Namespace::Relation,
        name: name.clone(),
        definition: super::to_value(view)?,
        rows_change: false,
    })
}

/// Plans the query of a view that is about to be made: it must run, must not
/// read the view itself, and must not hold credentials.
async fn plan(session: &Session, name: &ObjectName, query: &QueryText) -> Result<Planned, SqlError> {
    let environment = session.environment();
    let found = rewrite(&mut query.query.clone(), &environment)?;
    if !found.files.is_empty() {
        return Err(SqlError::analyze(
            "a view cannot read FILES, as its text would keep credentials; load the files into a table",
        ));
    }
    if super::relations::reads(session, &found, &environment, name).await? {
        return Err(SqlError::analyze(format!("view {name} cannot read itself")));
    }
    select::plan(session, &query.query, &environment).await
}

/// Refuses what is no view.
pub(super) fn require_view(object: &ObjectInfo) -> Result<(), SqlError> {
    if object.object.kind == KindId::VIEW {
        return Ok(());
    }
    let name = &object.object.name;
    Err(SqlError::numbered(
        Stage::Analyze,
        number::NOT_OF_KIND,
        format!("'{}.{}' is not 'VIEW'", name.database, name.name),
    ))
}

/// `ALTER VIEW`.
pub(super) async fn alter(session: &Session, statement: &AlterView) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    let object = session.require(&name).await?;
    require_view(&object)?;
    let old: ViewDefinition = definition(&object)?;
    let names = match &statement.action {
        AlterViewAction::Query { query, .. } => plan(session, &name, query).await?.names,
        _ => Vec::new(),
    };
    let database = session.database.clone().unwrap_or_default();
    let view = analyze::alter_view(&old, &statement.action, &names, &database)?;
    let change = match view.name == old.name {
        true => set(&name, &view)?,
        false => Change::RenameObject {
            namespace: Namespace::Relation,
            to: ObjectName::new(&name.database, &view.name),
            name,
            definition: super::to_value(&view)?,
        },
    };
    session.store.change(change).await.map_err(of_store)?;
    Ok(Outcome::done())
}

/// The columns of a view with the types that its query gives now.
///
/// # Errors
/// The view no longer fits what it reads.
pub(super) async fn columns(session: &Session, object: &ObjectInfo) -> Result<Vec<Column>, SqlError> {
    let view: ViewDefinition = definition(object)?;
    let query = select_all(&object.object.name)?;
    // Their own columns would be asked for by information_schema.columns again.
    let environment = Environment { plan_only: true, ..session.environment() };
    let planned = select::plan(session, &query, &environment).await?;
    let fields = planned.plan.schema().fields();
    Ok(view
        .columns
        .iter()
        .zip(fields)
        .map(|(column, field)| Column {
            nullable: field.is_nullable(),
            comment: column.comment.clone(),
            ..Column::new(column.name.clone(), of_field(field))
        })
        .collect())
}
