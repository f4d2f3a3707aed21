//! A rollup as a table of a query.

use super::super::error::of_query;
use super::super::merge::table::StoredTable;
use super::super::query::build::select_all;
use super::super::query::rewrite::rewrite;
use super::super::session::Session;
use super::super::value::types::described;
use super::source::environment;
use arrow::datatypes::DataType as ArrowType;
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::common::metadata::FieldMetadata;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use rockhold_core::ObjectName;
use rockhold_model::{Aggregation, Rollup, TableDefinition};
use rockhold_sql::{SqlError, parse_query};
use rockhold_warehouse_store::{PartitionInfo, ReadSnapshot};
use sqlparser::ast::Query;
use std::sync::Arc;

/// The rollup called `name`: the stored rows of these partitions, merged.
///
/// # Errors
/// The table has no such rollup; its definition is damaged.
pub(crate) fn table(
    definition: &TableDefinition,
    name: &str,
    snapshot: ReadSnapshot,
    partitions: Vec<PartitionInfo>,
) -> Result<Arc<dyn TableProvider>, SqlError> {
    let rollup = definition.rollups.iter().find(|rollup| rollup.name == name && rollup.query.is_some());
    let rollup = rollup.ok_or_else(|| {
        SqlError::execute(format!("table {} has no synchronous materialized view {name}", definition.name))
    })?;
    let table = Arc::new(rollup.as_table(definition));
    let stored = StoredTable::new(table, snapshot, partitions)?.of_rollup(name, &definition.name);
    let plan = merged(rollup, Arc::new(stored)).map_err(of_query)?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

fn merged(rollup: &Rollup, stored: Arc<StoredTable>) -> datafusion::error::Result<LogicalPlan> {
    let types: Vec<ArrowType> =
        stored.schema().fields().iter().map(|field| field.data_type().clone()).collect();
    let scan = LogicalPlanBuilder::scan(&rollup.name, provider_as_source(stored), None)?;
    let column = |name: &str| Expr::Column(Column::from_name(name.to_ascii_lowercase()));
    let mut groups = Vec::new();
    let mut values = Vec::new();
    for stored in &rollup.stored {
        match &stored.aggregation {
            None => groups.push(column(&stored.name)),
            Some(Aggregation::Min) => values.push(min(column(&stored.name)).alias(alias(&stored.name))),
            Some(Aggregation::Max) => values.push(max(column(&stored.name)).alias(alias(&stored.name))),
            Some(_) => values.push(sum(column(&stored.name)).alias(alias(&stored.name))),
        }
    }
    let merges = !values.is_empty() || rollup.stored.iter().any(|column| column.key);
    let rows = if merges { scan.aggregate(groups, values)? } else { scan };
    let columns: Vec<Expr> = rollup
        .stored
        .iter()
        .zip(types)
        .map(|(stored, data_type)| {
            let value = match &stored.aggregation {
                // SUM has widened the type.
                Some(_) => cast(Expr::Column(Column::from_name(alias(&stored.name))), data_type),
                None => column(&stored.name),
            };
            let metadata = FieldMetadata::from(described(&stored.name, &stored.data_type));
            value.alias_with_metadata(stored.name.to_ascii_lowercase(), Some(metadata))
        })
        .collect();
    rows.project(columns)?.build()
}

/// The name of a merged value on its way.
fn alias(name: &str) -> String {
    format!("__rh_merged_{}", name.to_ascii_lowercase())
}

/// The synchronous materialized view whose query is exactly `rewritten`, as a
/// query over it. `rewritten` reads only this table, which lies in `database`.
pub(crate) fn matching(
    session: &Session,
    definition: &TableDefinition,
    database: &str,
    rewritten: &Query,
) -> Option<Query> {
    definition.rollups.iter().find_map(|rollup| {
        let mut own = *parse_query(rollup.query.as_deref()?).ok()?.query;
        // The order of its rows is no part of a materialized view.
        own.order_by = None;
        rewrite(&mut own, &environment(session, database)).ok()?;
        if own != *rewritten {
            return None;
        }
        select_all(&ObjectName::new(database, &rollup.name)).ok()
    })
}
