//! Planning and running one query.

use super::super::error::{into_core, of_query};
use super::super::value::text::Printer;
use super::super::value::types::{json_shape, of_field};
use super::functions;
use super::names::{ResultNames, separate};
use super::planner::{Provider, Tables};
use arrow::array::RecordBatch;
use chrono_tz::Tz;
use datafusion::common::DFSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr as PlanExpr, LogicalPlan};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use datafusion::sql::planner::{ParserOptions, PlannerContext, SqlToRel};
use futures::StreamExt;
use rockhold_core::{ResultColumn, Row, Rows};
use rockhold_sql::SqlError;
use sqlparser::ast::{Expr, Query, SelectItem, SetExpr, Statement};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

/// Bounds of what queries and loads may use.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) memory: usize,
    pub(crate) threads: usize,
    pub(crate) temporary: Option<PathBuf>,
}

/// Plans and runs queries of one session.
#[derive(Clone)]
pub(crate) struct QueryEngine {
    state: SessionState,
}

impl std::fmt::Debug for QueryEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryEngine").finish_non_exhaustive()
    }
}

/// A planned query.
pub(crate) struct Planned {
    pub(crate) plan: LogicalPlan,
    /// The names of its columns, as clients see them.
    pub(crate) names: Vec<String>,
}

impl QueryEngine {
    /// An engine for a warehouse in `zone`.
    ///
    /// # Errors
    /// The place for temporary files cannot be used.
    pub(crate) fn new(limits: &Limits, zone: Tz) -> Result<Self, SqlError> {
        let runtime = runtime(limits).map_err(of_query)?;
        let mut config = SessionConfig::new()
            .with_target_partitions(limits.threads.max(1))
            .with_information_schema(false)
            .with_create_default_catalog_and_schema(false);
        let options = config.options_mut();
        options.sql_parser.enable_ident_normalization = false;
        options.sql_parser.parse_float_as_decimal = true;
        options.sql_parser.map_string_types_to_utf8view = false;
        options.sql_parser.default_null_ordering = "nulls_min".into();
        options.execution.parquet.schema_force_view_types = false;
        options.execution.parquet.binary_as_string = false;
        let mut state = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(Arc::new(runtime))
            .with_default_features()
            .build();
        for function in functions::all(zone) {
            use datafusion::logical_expr::registry::FunctionRegistry;
            state.register_udf(Arc::new(function)).map_err(of_query)?;
        }
        Ok(Self { state })
    }

    pub(crate) fn state(&self) -> &SessionState {
        &self.state
    }

    /// Whether the engine itself has a function of this name, in lower case.
    pub(crate) fn has_function(&self, name: &str) -> bool {
        // These two are plans of the planner, not functions of the registry.
        matches!(name, "map" | "make_map")
            || self.state.scalar_functions().contains_key(name)
            || self.state.aggregate_functions().contains_key(name)
            || self.state.window_functions().contains_key(name)
            || self.state.higher_order_functions().contains_key(name)
    }

    /// The names of all functions of the engine that are not internal, sorted.
    pub(crate) fn function_names(&self) -> Vec<String> {
        let mut names: Vec<String> = (self.state.scalar_functions().keys())
            .chain(self.state.aggregate_functions().keys())
            .chain(self.state.window_functions().keys())
            .filter(|name| !name.starts_with("__rh_"))
            .cloned()
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// Plans a rewritten query.
    ///
    /// # Errors
    /// It does not fit the tables, or is not supported.
    pub(crate) fn plan(
        &self,
        original: &Query,
        mut rewritten: Query,
        tables: &Tables,
        database: &str,
    ) -> Result<Planned, SqlError> {
        let names = ResultNames::of(original);
        separate(&mut rewritten);
        let provider = Provider::new(&self.state, tables, database);
        let plan = SqlToRel::new_with_options(&provider, self.parser_options())
            .sql_statement_to_plan(Statement::Query(Box::new(rewritten)))
            .map_err(of_query)?;
        let names = names.apply(plan.schema());
        Ok(Planned { plan, names })
    }

    /// Plans a rewritten expression over a schema; it calls functions that exist.
    ///
    /// # Errors
    /// It does not fit the schema.
    pub(crate) fn expression(&self, rewritten: Expr, schema: &DFSchema) -> Result<PlanExpr, SqlError> {
        self.expression_with(rewritten, schema, &Tables::default())
    }

    /// Plans a rewritten expression over a schema, with functions of users.
    ///
    /// # Errors
    /// It does not fit the schema.
    pub(crate) fn expression_with(
        &self,
        rewritten: Expr,
        schema: &DFSchema,
        tables: &Tables,
    ) -> Result<PlanExpr, SqlError> {
        let provider = Provider::new(&self.state, tables, "");
        SqlToRel::new_with_options(&provider, self.parser_options())
            .sql_to_expr(rewritten, schema, &mut PlannerContext::new())
            .map_err(of_query)
    }

    fn parser_options(&self) -> ParserOptions {
        ParserOptions::from(&self.state.config_options().sql_parser)
    }

    /// The physical plan.
    ///
    /// # Errors
    /// The plan cannot be run.
    pub(crate) async fn physical(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>, SqlError> {
        self.state.create_physical_plan(plan).await.map_err(of_query)
    }

    /// Runs a plan.
    ///
    /// # Errors
    /// The plan cannot be run.
    pub(crate) async fn stream(&self, plan: &LogicalPlan) -> Result<SendableRecordBatchStream, SqlError> {
        let physical = self.physical(plan).await?;
        execute_stream(physical, self.state.task_ctx()).map_err(of_query)
    }
}

fn runtime(limits: &Limits) -> Result<RuntimeEnv, DataFusionError> {
    let consumers = NonZeroUsize::MIN.saturating_add(2);
    let pool: Arc<dyn MemoryPool> =
        Arc::new(TrackConsumersPool::new(GreedyMemoryPool::new(limits.memory), consumers));
    let mut disk = DiskManagerBuilder::default();
    if let Some(directory) = &limits.temporary {
        disk = disk.with_mode(DiskManagerMode::Directories(vec![directory.clone()]));
    }
    RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build()
}

/// A stream of batches as rows of text.
pub(crate) fn rows(stream: SendableRecordBatchStream, names: &[String]) -> Rows {
    let columns = stream
        .schema()
        .fields()
        .iter()
        .zip(names)
        .map(|(field, name)| {
            let data_type = of_field(field);
            ResultColumn {
                name: name.clone(),
                data_type: data_type.to_string(),
                json: json_shape(&data_type),
            }
        })
        .collect();
    let batches = stream.map(|batch| batch.and_then(|batch| texts(&batch)).map_err(into_core)).boxed();
    Rows { columns, batches }
}

/// The rows of a batch as text.
pub(crate) fn texts(batch: &RecordBatch) -> Result<Vec<Row>, DataFusionError> {
    let printers = batch.columns().iter().map(Printer::new).collect::<Result<Vec<_>, _>>()?;
    Ok((0..batch.num_rows()).map(|row| printers.iter().map(|printer| printer.text(row)).collect()).collect())
}

/// A query that selects these items from nothing.
///
/// # Errors
/// None in practice.
pub(crate) fn select_query(projection: Vec<SelectItem>) -> Result<Query, SqlError> {
    let mut query = *rockhold_sql::parse_query("SELECT 1")?.query;
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.projection = projection;
    }
    Ok(query)
}
