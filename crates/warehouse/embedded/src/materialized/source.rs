//! The tables in the plan of a query.

use super::super::error::{into_query, of_query};
use super::super::merge::table::StoredTable;
use super::super::query::rewrite::OWN;
use datafusion::common::TableReference;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{LogicalPlan, TableScan};
use rockhold_core::{Digest, KindId, ObjectName};
use rockhold_model::TableDefinition;
use rockhold_sql::SqlError;
use rockhold_warehouse_store::PartitionInfo;
use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

/// A base as a plan reads it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) name: ObjectName,
    pub(crate) definition: Arc<TableDefinition>,
    /// Its partitions at the instant of the plan, without temporary ones.
    pub(crate) partitions: Vec<PartitionInfo>,
}

/// Everything that a plan reads, at one instant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Tables and materialized views, each once.
    pub(crate) bases: Vec<Source>,
    /// Logical views, each with a digest of what it says.
    pub(crate) views: Vec<(ObjectName, String)>,
}

/// What a plan reads.
///
/// # Errors
/// It reads something whose changes nobody could see.
pub(crate) fn sources(plan: &LogicalPlan) -> Result<Sources, SqlError> {
    let mut found = Sources::default();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found.add(scan).map_err(into_query)?;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(of_query)?;
    Ok(found)
}

impl Sources {
    fn add(&mut self, scan: &TableScan) -> Result<(), SqlError> {
        let database = scan.table_name.schema().unwrap_or_default();
        if database == OWN {
            return Err(SqlError::analyze(
                "Materialized view query statement does not support PARTITION (…) and FILES(…); name whole tables",
            ));
        }
        let provider = source_as_provider(&scan.source).map_err(of_query)?;
        let Some(table) = (provider.as_ref() as &dyn Any).downcast_ref::<StoredTable>() else {
            return Err(SqlError::analyze(format!(
                "Materialized view does not support the base table {database}.{}: it is the system's",
                scan.table_name.table()
            )));
        };
        // The instant holds the logical views that led to the table as well.
        for object in table.snapshot().objects() {
            let object = &object.info.object;
            if object.kind == KindId::VIEW && self.views.iter().all(|(name, _)| *name != object.name) {
                let said = Digest::of(object.definition.to_string().as_bytes());
                self.views.push((object.name.clone(), said.to_string()));
            }
        }
        let name = ObjectName::new(database, scan.table_name.table());
        if self.bases.iter().all(|other| other.name != name) {
            let (definition, partitions) = (table.definition().clone(), table.partitions().to_vec());
            self.bases.push(Source { name, definition, partitions });
        }
        Ok(())
    }
}

/// The plan over these partitions of one table and all of the others.
///
/// # Errors
/// The plan does not read the table.
pub(crate) fn restricted(
    plan: LogicalPlan,
    table: &TableReference,
    keep: &HashSet<&str>,
) -> Result<LogicalPlan, SqlError> {
    let mut found = false;
    let plan = plan
        .transform_down(|node| {
            let LogicalPlan::TableScan(scan) = &node else { return Ok(Transformed::no(node)) };
            if scan.table_name != *table {
                return Ok(Transformed::no(node));
            }
            let provider = source_as_provider(&scan.source)?;
            let Some(stored) = (provider.as_ref() as &dyn Any).downcast_ref::<StoredTable>() else {
                return Ok(Transformed::no(node));
            };
            found = true;
            let mut scan = scan.clone();
            scan.source = provider_as_source(Arc::new(stored.only(keep)));
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        })
        .map_err(of_query)?
        .data;
    if !found {
        return Err(SqlError::execute(format!("the query of the materialized view does not read {table}")));
    }
    Ok(plan)
}
