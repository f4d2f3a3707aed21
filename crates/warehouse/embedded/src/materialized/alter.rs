//! ALTER MATERIALIZED VIEW, CANCEL REFRESH, and what changes of bases do.

use super::super::error::of_store;
use super::super::run::cluster;
use super::super::session::Session;
use super::object::{MaterializedView, all, require, to_value};
use super::reads::{BY_USER, misfit, reads};
use rockhold_core::{JobId, Namespace, ObjectName, Outcome};
use rockhold_model::{
    BaseNote, MaterializedViewDefinition, MaterializedViewState, Partition, PartitionValue, Partitioning,
};
use rockhold_sql::SqlError;
use rockhold_sql::analyze::alter_materialized_view;
use rockhold_sql::ast::{AlterMaterializedView, AlterMaterializedViewAction, Statement};
use rockhold_sql::show_create_materialized_view;
use rockhold_warehouse_store::Change;

/// Runs an ALTER MATERIALIZED VIEW.
pub(crate) async fn alter(session: &Session, statement: &AlterMaterializedView) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    let view = require(session, &name).await?;
    let changes = match &statement.action {
        AlterMaterializedViewAction::Active => activate(session, &view).await?,
        AlterMaterializedViewAction::Inactive => vec![stated(&view, BY_USER)],
        AlterMaterializedViewAction::Rename(to) => {
            let to = ObjectName::new(&name.database, to.as_str());
            if to == name {
                return Err(SqlError::execute(format!("Same materialized view name {}", to.name)));
            }
            let renamed = alter_materialized_view(&view.definition, &statement.action, &cluster(session))?;
            let mut changes = rename(&view, &to, renamed)?;
            changes.extend(noted(session, &[name], Event::Renamed).await?);
            changes
        }
        AlterMaterializedViewAction::Swap(with) => {
            let other = require(session, &ObjectName::new(&name.database, with.as_str())).await?;
            let mut changes = swap(&view, &other)?;
            changes.extend(noted(session, &[name, other.name().clone()], Event::Swapped).await?);
            changes
        }
        AlterMaterializedViewAction::Refresh(_) | AlterMaterializedViewAction::Set(_) => {
            let definition = alter_materialized_view(&view.definition, &statement.action, &cluster(session))?;
            vec![Change::SetDefinition {
                namespace: Namespace::Relation,
                name,
                definition: to_value(&definition)?,
                rows_change: false,
            }]
        }
    };
    if !changes.is_empty() {
        session.store.apply(changes).await.map_err(of_store)?;
    }
    Ok(Outcome::done())
}

/// Says that a view is not active; the empty reason takes that back.
fn stated(view: &MaterializedView, reason: &str) -> Change {
    Change::MergeState {
        namespace: Namespace::Relation,
        name: view.name().clone(),
        state: serde_json::json!({ "inactive_reason": reason }),
    }
}

async fn activate(session: &Session, view: &MaterializedView) -> Result<Vec<Change>, SqlError> {
    if let Some(reason) = misfit(session, view, &mut Vec::new()).await? {
        return Err(SqlError::analyze(format!(
            "Can not active materialized view [{}] because analyze materialized view define sql: \n\n{}\n\nCause an \
             error: {reason}",
            view.name().name,
            show_create_materialized_view(&view.definition)
        )));
    }
    Ok(if view.state.inactive_reason.is_empty() { Vec::new() } else { vec![stated(view, "")] })
}

/// Renames a view; the only partition of an unpartitioned one goes with it.
fn rename(
    view: &MaterializedView,
    to: &ObjectName,
    definition: MaterializedViewDefinition,
) -> Result<Vec<Change>, SqlError> {
    let from = view.name();
    let mut changes = vec![Change::RenameObject {
        namespace: Namespace::Relation,
        name: from.clone(),
        to: to.clone(),
        definition: to_value(&definition)?,
    }];
    if definition.partitioning == Partitioning::Unpartitioned {
        changes.push(Change::SetPartition {
            table: to.clone(),
            name: from.name.clone(),
            temporary: false,
            definition: Partition::new(to.name.clone(), PartitionValue::All),
        });
        let mut state: MaterializedViewState = view.state.clone();
        state.rename_partition(&from.name, &to.name);
        changes.push(Change::MergeState {
            namespace: Namespace::Relation,
            name: to.clone(),
            state: serde_json::json!({ "refreshed": to_value(&state.refreshed)? }),
        });
    }
    Ok(changes)
}

fn swap(view: &MaterializedView, other: &MaterializedView) -> Result<Vec<Change>, SqlError> {
    if view.name() == other.name() {
        return Err(SqlError::execute(format!(
            "Cannot swap materialized view {} with itself",
            view.name().name
        )));
    }
    let id = JobId::random().map_err(of_store)?;
    let between = ObjectName::new(&view.name().database, format!("__rh_swap_{id}"));
    let named = |view: &MaterializedView, to: &ObjectName| MaterializedViewDefinition {
        name: to.name.clone(),
        ..view.definition.clone()
    };
    let mut aside = view.clone();
    aside.state.rename_partition(&view.name().name, &between.name);
    aside.info.object.name = between.clone();
    let mut changes = rename(view, &between, named(view, &between))?;
    changes.extend(rename(other, view.name(), named(other, view.name()))?);
    changes.extend(rename(&aside, other.name(), named(view, other.name()))?);
    Ok(changes)
}

/// What happened to a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// It has another name now.
    Renamed,
    /// It has another's rows now.
    Swapped,
}

/// The changes that tell the views that read these objects what happened to
/// them, for the transaction in which it happens. A view under restore is left
/// alone: what a restore brings is looked at when it is there.
///
/// # Errors
/// The catalog cannot be read.
pub(crate) async fn noted(
    session: &Session,
    bases: &[ObjectName],
    event: Event,
) -> Result<Vec<Change>, SqlError> {
    let mut changes = Vec::new();
    for view in all(session).await?.into_iter().filter(|view| !view.info.under_restore) {
        if bases.contains(view.name()) {
            continue;
        }
        let definition = &view.definition;
        let Ok(found) = reads(session, &definition.query, &definition.default_database).await else {
            continue;
        };
        let Some(base) = bases.iter().find(|base| found.names(base)) else { continue };
        let state = match event {
            Event::Renamed => {
                let mut notes = view.state.notes.clone();
                notes.retain(|note| note.database != base.database || note.name != base.name);
                notes.push(BaseNote {
                    database: base.database.clone(),
                    name: base.name.clone(),
                    reason: format!("base-table renamed: {}", base.name),
                });
                serde_json::json!({ "notes": to_value(&notes)? })
            }
            _ if !view.state.inactive_reason.is_empty() => continue,
            Event::Swapped => {
                serde_json::json!({ "inactive_reason": format!("base-table swapped: {}", base.name) })
            }
        };
        let (namespace, name) = (Namespace::Relation, view.name().clone());
        changes.push(Change::MergeState { namespace, name, state });
    }
    Ok(changes)
}

/// `CANCEL REFRESH MATERIALIZED VIEW`: a refresh ends with the statement that
/// began it, so none runs that another statement could cancel.
pub(crate) async fn cancel(session: &Session, text: &str) -> Result<Outcome, SqlError> {
    // Behind CANCEL stands what REFRESH takes.
    let rest = text.trim_start().get("CANCEL".len()..).unwrap_or_default();
    match rockhold_sql::parse_one(rest)? {
        Statement::RefreshMaterializedView(refresh) if refresh.partitions.is_none() => {
            require(session, &session.full_name(&refresh.name)?).await?;
            Ok(Outcome::done())
        }
        _ => Err(SqlError::analyze("write CANCEL REFRESH MATERIALIZED VIEW name [FORCE]")),
    }
}
