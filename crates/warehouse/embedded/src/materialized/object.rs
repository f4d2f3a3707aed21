//! Materialized views as the catalog has them.

use super::super::error::{number, of_store};
use super::super::session::Session;
use rockhold_core::{KindId, ObjectName};
use rockhold_model::{MaterializedViewDefinition, MaterializedViewState, Partitioning, RefreshScheme};
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::ObjectInfo;
use serde::Serialize;
use serde_json::Value;

/// A materialized view.
#[derive(Debug, Clone)]
pub(crate) struct MaterializedView {
    pub(crate) info: ObjectInfo,
    pub(crate) definition: MaterializedViewDefinition,
    pub(crate) state: MaterializedViewState,
}

impl MaterializedView {
    /// Reads one of the catalog.
    ///
    /// # Errors
    /// Its definition or state is damaged.
    pub(crate) fn of(info: ObjectInfo) -> Result<Self, SqlError> {
        let damaged = |what: &str, error: &dyn std::fmt::Display| {
            SqlError::execute(format!("the {what} of '{}' is damaged: {error}", info.object.name))
        };
        let definition =
            serde_json::from_value(info.object.definition.clone()).map_err(|e| damaged("definition", &e))?;
        let state = match &info.object.state {
            Value::Null => MaterializedViewState::default(),
            state => serde_json::from_value(state.clone()).map_err(|e| damaged("state", &e))?,
        };
        Ok(Self { info, definition, state })
    }

    /// Its full name.
    pub(crate) fn name(&self) -> &ObjectName {
        &self.info.object.name
    }

    /// Whether loads into its bases refresh it.
    pub(crate) fn follows_loads(&self) -> bool {
        matches!(self.definition.refresh, RefreshScheme::Async { every: None, .. })
    }

    /// StarRocks's word for its refresh scheme.
    pub(crate) fn refresh_type(&self) -> &'static str {
        match self.definition.refresh {
            RefreshScheme::Manual => "MANUAL",
            RefreshScheme::Async { .. } => "ASYNC",
            RefreshScheme::Incremental => "INCREMENTAL",
        }
    }

    /// StarRocks's word for its partitioning.
    pub(crate) fn partition_type(&self) -> &'static str {
        match self.definition.partitioning {
            Partitioning::Unpartitioned => "UNPARTITIONED",
            Partitioning::Range { .. } | Partitioning::Expression { .. } => "RANGE",
            Partitioning::List { .. } => "LIST",
        }
    }

    /// A property that is a number above 0.
    pub(crate) fn limit(&self, property: &str) -> Option<usize> {
        self.definition.properties.get(property)?.trim().parse().ok().filter(|limit| *limit > 0)
    }

    /// Whether a property lists a table, by its name or its full name.
    pub(crate) fn lists(&self, property: &str, table: &ObjectName) -> bool {
        let listed = self.definition.properties.get(property).map_or("", String::as_str);
        let full = table.to_string();
        listed.split(',').map(str::trim).any(|name| {
            name == full || (name == table.name && table.database == self.info.object.name.database)
        })
    }
}

/// The materialized view of that name.
///
/// # Errors
/// There is none; another kind of object has the name.
pub(crate) async fn require(session: &Session, name: &ObjectName) -> Result<MaterializedView, SqlError> {
    match session.find(name).await? {
        Some(found) if found.object.kind == KindId::MATERIALIZED_VIEW => MaterializedView::of(found),
        Some(found) => Err(SqlError::analyze(format!(
            "'{name}' is a {} and not a materialized view",
            found.object.kind.as_str().replace('_', " ")
        ))),
        None => {
            session.require_database(&name.database).await?;
            Err(SqlError::numbered(
                Stage::Analyze,
                number::UNKNOWN_TABLE,
                format!("Can not find materialized view:{}", name.name),
            ))
        }
    }
}

/// All materialized views of the warehouse, by database and name.
///
/// # Errors
/// One is damaged.
pub(crate) async fn all(session: &Session) -> Result<Vec<MaterializedView>, SqlError> {
    let found = session.store.list_kind(&KindId::MATERIALIZED_VIEW).await.map_err(of_store)?;
    found.into_iter().map(MaterializedView::of).collect()
}

/// A definition or state as the catalog keeps it.
///
/// # Errors
/// None in practice.
pub(crate) fn to_value(value: &impl Serialize) -> Result<Value, SqlError> {
    serde_json::to_value(value)
        .map_err(|error| SqlError::execute(format!("the materialized view cannot be stored: {error}")))
}
