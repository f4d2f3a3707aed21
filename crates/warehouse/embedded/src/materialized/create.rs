//! CREATE MATERIALIZED VIEW … REFRESH.

use super::super::error::{number, of_store};
use super::super::merge::stored_schema;
use super::super::run::{INFORMATION_SCHEMA, cluster, plan_query};
use super::super::session::Session;
use super::super::value::types::{TYPE_KEY, of_field};
use super::automatic;
use super::object::{MaterializedView, to_value};
use super::reads::inactive_reason;
use super::refresh::{Request, refresh};
use super::shape::Shape;
use super::source::{Source, sources};
use rockhold_core::{KindId, Namespace, ObjectName, Outcome};
use rockhold_model::{
    Column, MaterializedViewDefinition, MaterializedViewState, Partition, PartitionValue, Partitioning,
    RefreshMoment,
};
use rockhold_sql::analyze::{create_materialized_view, materialized_view_partition_keys};
use rockhold_sql::ast::CreateMaterializedView;
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::{Change, NewObject};

/// Makes the view and, unless DEFERRED, fills it.
pub(crate) async fn create(
    session: &Session,
    statement: &CreateMaterializedView,
) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    session.require_database(&name.database).await?;
    if name.database == INFORMATION_SCHEMA {
        return Err(SqlError::execute(format!(
            "database {INFORMATION_SCHEMA} is the system's; no materialized view can be made in it"
        )));
    }
    let definition = analyzed(session, statement).await?;
    let partitions = match definition.partitioning {
        Partitioning::Unpartitioned => vec![Partition::new(name.name.clone(), PartitionValue::All)],
        _ => Vec::new(),
    };
    let new = NewObject {
        namespace: Namespace::Relation,
        kind: KindId::MATERIALIZED_VIEW,
        name: name.clone(),
        definition: to_value(&definition)?,
        state: to_value(&MaterializedViewState::default())?,
        partitions,
    };
    match session.store.change(Change::CreateObject(new)).await.map_err(of_store) {
        Ok(()) => {}
        Err(error) if error.errno == number::TABLE_EXISTS && statement.if_not_exists => {
            return Ok(Outcome::done());
        }
        Err(error) if error.errno == number::TABLE_EXISTS => {
            let text = format!("Table '{}' already exists", name.name);
            return Err(SqlError::numbered(Stage::Execute, number::TABLE_EXISTS, text));
        }
        Err(error) => return Err(error),
    }
    if definition.moment == RefreshMoment::Immediate {
        // The view is there; that it is empty and why says its state.
        match refresh(session, &name, &Request::default()).await {
            Ok(_) => automatic::after_change(session, &[name]).await,
            Err(error) => tracing::warn!(%error, view = %name, "the new materialized view is not filled"),
        }
    }
    Ok(Outcome::done())
}

async fn analyzed(
    session: &Session,
    statement: &CreateMaterializedView,
) -> Result<MaterializedViewDefinition, SqlError> {
    let environment = session.environment();
    let planned = Box::pin(plan_query(session, &statement.query.query, &environment)).await;
    let planned = planned?;
    let columns: Vec<Column> = planned
        .names
        .iter()
        .zip(planned.plan.schema().fields())
        .map(|(name, field)| {
            let mut column = Column::new(name.clone(), of_field(field));
            // Only of a declared column is it known that it is never NULL.
            column.nullable = field.is_nullable() || !field.metadata().contains_key(TYPE_KEY);
            column
        })
        .collect();
    let sources = sources(&planned.plan)?;
    refuse_inactive_bases(session, &sources.bases).await?;
    let database = environment.database.as_deref().unwrap_or_default();
    let unpartitioned = Partitioning::Unpartitioned;
    let mut definition =
        create_materialized_view(statement, columns, unpartitioned, database, &cluster(session))?;
    let keys = materialized_view_partition_keys(statement, &definition.columns)?;
    definition.partitioning =
        Shape::new(&definition.columns, &keys, &planned.plan, &sources)?.partitioning(&keys);
    // Refuses what could be declared and never be filled.
    stored_schema(&definition.as_table())?;
    Ok(definition)
}

async fn refuse_inactive_bases(session: &Session, sources: &[Source]) -> Result<(), SqlError> {
    for source in sources {
        let Some(found) = session.find(&source.name).await? else { continue };
        if found.object.kind == KindId::MATERIALIZED_VIEW
            && let Some(reason) = inactive_reason(session, &MaterializedView::of(found)?).await?
        {
            return Err(inactive_base(&source.name, &reason));
        }
    }
    Ok(())
}

fn inactive_base(base: &ObjectName, reason: &str) -> SqlError {
    SqlError::analyze(format!(
        "Create materialized view from inactive materialized view: {}; make it active with ALTER MATERIALIZED VIEW \
         {} ACTIVE, the reason is: {reason}",
        base.name, base.name
    ))
}
