//! REFRESH MATERIALIZED VIEW.
//!
//! One refresh reads all bases at one instant, computes the partitions that are
//! out of date in one query, and commits them together with what they were
//! computed from. It fails as a whole and then leaves the view as it was.

use super::super::error::of_store;
use super::super::load::job::LoadJob;
use super::super::place::key::Key;
use super::super::place::router::Router;
use super::super::session::Session;
use super::automatic;
use super::object::{MaterializedView, require, to_value};
use super::reads::{BY_USER, changed_columns, environment, misfit, plan};
use super::shape::{Goal, Shape, bounds, expired, same_value};
use super::source::{restricted, sources};
use rockhold_core::{JobId, Namespace, ObjectName, Outcome, Rows};
use rockhold_model::{
    DataType, LastRefresh, MaterializedViewState, Partition, PartitionValue, Partitioning,
    RefreshedPartition, TimeUnit,
};
use rockhold_sql::SqlError;
use rockhold_sql::analyze::PartitionKey;
use rockhold_sql::ast::{PartitionRefresh, RefreshMaterializedView};
use rockhold_warehouse_store::{Change, LoadPartition};
use std::collections::HashSet;

/// What a refresh is asked for.
#[derive(Debug, Default)]
pub(crate) struct Request<'a> {
    /// Also what is fresh.
    pub(crate) force: bool,
    /// Only these partitions.
    pub(crate) only: Option<&'a PartitionRefresh>,
    /// A load or the clock asks, nobody by hand.
    pub(crate) automatic: bool,
}

/// What a refresh did.
#[derive(Debug)]
pub(crate) struct Done {
    /// The id of the run.
    pub(crate) id: String,
    /// Whether the view has other rows than before.
    pub(crate) changed: bool,
}

/// Runs the statement; what follows the view is refreshed, too.
pub(crate) async fn statement(
    session: &Session,
    statement: &RefreshMaterializedView,
) -> Result<Outcome, SqlError> {
    let name = session.full_name(&statement.name)?;
    let request = Request { force: statement.force, only: statement.partitions.as_ref(), automatic: false };
    let done = refresh(session, &name, &request).await?;
    if done.changed {
        automatic::after_change(session, &[name]).await;
    }
    Ok(Outcome::Rows(Rows::text(&["QUERY_ID"], vec![vec![Some(done.id)]])))
}

/// Refreshes a view.
///
/// # Errors
/// The view is not active; its query fails. The failure is noted in its state.
pub(crate) async fn refresh(
    session: &Session,
    name: &ObjectName,
    request: &Request<'_>,
) -> Result<Done, SqlError> {
    let view = require(session, name).await?;
    refuse_inactive(session, &view).await?;
    let mut last = LastRefresh {
        id: run_id()?,
        started: session.store.now().0,
        force: request.force,
        ..LastRefresh::default()
    };
    if let Some(PartitionRefresh::Range { start, end }) = request.only {
        last.start_partition.clone_from(start);
        last.end_partition.clone_from(end);
    }
    let job = LoadJob::begin(&session.store, name, None, session.zone).await?;
    let work = async {
        let view = MaterializedView::of(job.load.object().clone())?;
        let refreshed = compute(session, &view, &job, request, &mut last).await?;
        last.finished = session.store.now().0;
        "SUCCESS".clone_into(&mut last.state);
        let state = MaterializedViewState {
            inactive_reason: String::new(),
            notes: Vec::new(),
            refreshed: refreshed.record,
            last_refresh: vec![last.clone()],
        };
        job.load.merge_state(to_value(&state)?);
        Ok(refreshed.changed)
    }
    .await;
    match job.end(work).await {
        Ok(changed) => Ok(Done { id: last.id, changed }),
        Err(error) => {
            last.finished = session.store.now().0;
            "FAILED".clone_into(&mut last.state);
            last.error_code = error.errno;
            last.error_message.clone_from(&error.message);
            let change = Change::MergeState {
                namespace: Namespace::Relation,
                name: name.clone(),
                state: serde_json::json!({ "last_refresh": [to_value(&last)?] }),
            };
            if let Err(later) = session.store.change(change).await {
                tracing::warn!(%later, view = %name, "a failed refresh is not noted");
            }
            Err(error)
        }
    }
}

fn run_id() -> Result<String, SqlError> {
    let hex = JobId::random().map_err(of_store)?.to_string();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

async fn refuse_inactive(session: &Session, view: &MaterializedView) -> Result<(), SqlError> {
    let reason = match view.state.inactive_reason.as_str() {
        BY_USER => Some(BY_USER.to_owned()),
        // What became of a base is looked at again.
        _ => misfit(session, view, &mut Vec::new()).await?,
    };
    let Some(reason) = reason else { return Ok(()) };
    let name = &view.name().name;
    Err(SqlError::analyze(format!(
        "Refresh materialized view failed because [{name}] is not active. You can try to active it with ALTER \
         MATERIALIZED VIEW {name} ACTIVE; the reason is: {reason}"
    )))
}

struct Refreshed {
    record: Vec<RefreshedPartition>,
    changed: bool,
}

/// A goal with the view's partition that has its value.
struct Wanted {
    goal: Goal,
    definition: Partition,
    existing: Option<LoadPartition>,
    /// What was noted about the existing partition.
    noted: Option<RefreshedPartition>,
    compute: bool,
}

async fn compute(
    session: &Session,
    view: &MaterializedView,
    job: &LoadJob,
    request: &Request<'_>,
    last: &mut LastRefresh,
) -> Result<Refreshed, SqlError> {
    let planned = plan(session, &view.definition).await?;
    if let Some(reason) = changed_columns(&view.definition, &planned) {
        return Err(SqlError::execute(reason));
    }
    let sources = sources(&planned.plan)?;
    let keys = partition_keys(view)?;
    let shape = Shape::new(&view.definition.columns, &keys, &planned.plan, &sources)?;
    if shape.partitioning(&keys) != view.definition.partitioning {
        return Err(SqlError::execute(
            "the base table is partitioned in another way now; make the view again",
        ));
    }
    let mut goals = shape.goals(&view.definition, &sources)?;
    cut_old(session, view, &mut goals)?;
    let mut wanted = meet(view, job, goals);
    choose(view, request, &mut wanted)?;

    let kept: HashSet<String> =
        wanted.iter().filter_map(|w| w.existing.as_ref()).map(|p| p.definition.name.clone()).collect();
    let obsolete: Vec<String> = job
        .partitions(None)?
        .into_iter()
        .map(|partition| partition.definition.name)
        .filter(|name| !kept.contains(name))
        .collect();
    let changed = !obsolete.is_empty() || wanted.iter().any(|w| w.compute);
    if !obsolete.is_empty() {
        let change = Change::DropPartitions { table: view.name().clone(), names: obsolete, temporary: false };
        job.load.also(change);
    }
    if wanted.iter().any(|w| w.compute) {
        let mut plan = planned.plan;
        if let Some((table, base, _)) = &shape.follows {
            let keep: HashSet<&str> = wanted
                .iter()
                .filter(|w| w.compute)
                .flat_map(|w| &w.goal.bases)
                .filter(|read| read.name == *base)
                .flat_map(|read| &read.partitions)
                .map(|partition| partition.name())
                .collect();
            plan = restricted(plan, table, &keep)?;
        }
        for w in wanted.iter().filter(|w| w.compute) {
            match &w.existing {
                Some(existing) => job.load.truncate(existing),
                None => {
                    job.load.create_partition(w.definition.clone());
                }
            }
        }
        let definitions: Vec<Partition> = wanted.iter().map(|w| w.definition.clone()).collect();
        let router = Router::new(&job.table, &definitions, session.zone)?;
        let allowed =
            wanted.iter().enumerate().filter(|(_, w)| w.compute).map(|(number, _)| number).collect();
        let stream = session.engine.stream(&plan).await?;
        let environment = environment(session, &view.definition.default_database);
        job.refill(&session.engine, &environment, router, allowed, stream).await?;
    }
    describe(last, &wanted);
    let record = wanted
        .into_iter()
        .filter_map(|w| {
            let name = w.definition.name.clone();
            // What is fresh is noted by the ids of today, so that it stays so
            // over a backup of today.
            let again =
                w.compute || w.noted.as_ref().is_some_and(|noted| w.goal.is_fresh(&noted.bases, |_| false));
            match again {
                true => Some(RefreshedPartition { name, bases: w.goal.record() }),
                false => w.noted,
            }
        })
        .collect();
    Ok(Refreshed { record, changed })
}

/// The items of PARTITION BY, from the definition.
pub(crate) fn partition_keys(view: &MaterializedView) -> Result<Vec<PartitionKey>, SqlError> {
    let columns = view.definition.partitioning.columns();
    let expressions = &view.definition.partition_expressions;
    columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let unit = match expressions.get(at).map(|text| rockhold_sql::parse_expression(text)) {
                Some(expression) => unit_of(&expression?.expr),
                None => None,
            };
            Ok(PartitionKey { column: column.clone(), unit })
        })
        .collect()
}

/// The unit of a `date_trunc('unit', …)`.
fn unit_of(expr: &sqlparser::ast::Expr) -> Option<TimeUnit> {
    use super::super::query::build::{plain_arguments, text_of};
    match expr {
        sqlparser::ast::Expr::Function(function) => {
            TimeUnit::parse(text_of(plain_arguments(function)?.first()?)?)
        }
        _ => None,
    }
}

/// Drops goals that the view does not keep: `partition_ttl_number`, `partition_ttl`.
fn cut_old(session: &Session, view: &MaterializedView, goals: &mut Vec<Goal>) -> Result<(), SqlError> {
    if view.definition.partitioning == Partitioning::Unpartitioned {
        return Ok(());
    }
    if let Some(newest) = view.limit("partition_ttl_number") {
        goals.drain(..goals.len().saturating_sub(newest));
    }
    if let Some(ttl) = view.definition.properties.get("partition_ttl")
        && let Some(data_type) = range_type(view)
    {
        let now = session.environment().now;
        goals.retain(|goal| expired(&goal.target.value, &data_type, ttl, now) != Some(true));
    }
    Ok(())
}

/// The type of the column of the view's ranges.
fn range_type(view: &MaterializedView) -> Option<DataType> {
    match &view.definition.partitioning {
        Partitioning::Range { columns, .. } => {
            let column = view.definition.columns.iter().find(|column| Some(&column.name) == columns.first());
            column.map(|column| column.data_type.clone())
        }
        _ => None,
    }
}

/// Finds the view's partition of each goal, by value; those that have to be
/// made get names that are free.
fn meet(view: &MaterializedView, job: &LoadJob, goals: Vec<Goal>) -> Vec<Wanted> {
    let existing: Vec<LoadPartition> =
        job.load.partitions().into_iter().filter(|partition| !partition.definition.temporary).collect();
    let mut taken: HashSet<String> =
        existing.iter().map(|partition| partition.definition.name.to_lowercase()).collect();
    goals
        .into_iter()
        .map(|goal| {
            let found = existing
                .iter()
                .find(|partition| same_value(&partition.definition.value, &goal.target.value))
                .cloned();
            let definition = match &found {
                Some(partition) => partition.definition.clone(),
                None => {
                    let mut name = goal.target.name.clone();
                    let mut number = 0_u32;
                    while !taken.insert(name.to_lowercase()) {
                        number += 1;
                        name = format!("{}_{number}", goal.target.name);
                    }
                    Partition::new(name, goal.target.value.clone())
                }
            };
            let noted = found.as_ref().and_then(|partition| {
                view.state.refreshed.iter().find(|noted| noted.name == partition.definition.name).cloned()
            });
            Wanted { goal, definition, existing: found, noted, compute: false }
        })
        .collect()
}

/// Decides what is computed. What is neither there nor computed is no goal.
fn choose(view: &MaterializedView, request: &Request<'_>, wanted: &mut Vec<Wanted>) -> Result<(), SqlError> {
    let chosen = Chosen::new(view, request.only)?;
    let limit = match request.automatic {
        true => view.limit("auto_refresh_partitions_limit"),
        false => None,
    };
    let first = limit.map_or(0, |limit| wanted.len().saturating_sub(limit));
    let excluded = |name: &ObjectName| view.lists("excluded_refresh_tables", name);
    for (at, w) in wanted.iter_mut().enumerate() {
        let stale = w.noted.as_ref().is_none_or(|noted| !w.goal.is_fresh(&noted.bases, excluded));
        w.compute = at >= first && chosen.holds(&w.definition.value) && (stale || request.force);
    }
    wanted.retain(|w| w.compute || w.existing.is_some());
    Ok(())
}

/// The partitions that REFRESH names.
enum Chosen {
    All,
    Range { start: Key, end: Key, data_type: DataType },
    Rows(Vec<Vec<Option<String>>>),
}

impl Chosen {
    fn new(view: &MaterializedView, only: Option<&PartitionRefresh>) -> Result<Self, SqlError> {
        let Some(only) = only else { return Ok(Chosen::All) };
        let columns: Vec<DataType> = view
            .definition
            .partitioning
            .columns()
            .iter()
            .filter_map(|name| view.definition.columns.iter().find(|column| column.name == *name))
            .map(|column| column.data_type.clone())
            .collect();
        let bad = |text: &str| {
            SqlError::analyze(format!(
                "Invalid partition value '{text}' of materialized view {}",
                view.name().name
            ))
        };
        match (&view.definition.partitioning, only) {
            (Partitioning::Unpartitioned, _) => {
                Err(SqlError::analyze("Not support refresh by partition for single partition mv"))
            }
            (Partitioning::Range { .. }, PartitionRefresh::Range { start, end }) => {
                let data_type = columns.into_iter().next().unwrap_or(DataType::DateTime);
                let key = |text: &str| Key::parse(text, &data_type).ok_or_else(|| bad(text));
                let (start, end) = (key(start)?, key(end)?);
                if start >= end {
                    return Err(SqlError::analyze(
                        "Batch build partition start date should less than end date",
                    ));
                }
                Ok(Chosen::Range { start, end, data_type })
            }
            (Partitioning::List { .. }, PartitionRefresh::List(rows)) => {
                let rows = rows
                    .iter()
                    .map(|row| {
                        if row.len() != columns.len() {
                            return Err(SqlError::analyze(format!(
                                "Partition column size {} is not match with input partition value's size {}",
                                columns.len(),
                                row.len()
                            )));
                        }
                        row.iter()
                            .zip(&columns)
                            .map(|(literal, data_type)| match literal.as_value() {
                                None => Ok(None),
                                Some(text) => Key::parse(text, data_type)
                                    .map(|key| key.text(data_type))
                                    .ok_or_else(|| bad(text)),
                            })
                            .collect()
                    })
                    .collect::<Result<_, _>>()?;
                Ok(Chosen::Rows(rows))
            }
            (Partitioning::List { .. }, _) => Err(SqlError::analyze(
                "The materialized view is partitioned by lists: write REFRESH … PARTITION (value, …)",
            )),
            _ => Err(SqlError::analyze(
                "The materialized view is partitioned by ranges: write REFRESH … PARTITION START (…) END (…)",
            )),
        }
    }

    fn holds(&self, value: &PartitionValue) -> bool {
        match (self, value) {
            (Chosen::All, _) => true,
            (Chosen::Range { start, end, data_type }, value) => {
                bounds(value, data_type).is_some_and(|(lower, upper)| lower < *end && *start < upper)
            }
            (Chosen::Rows(rows), PartitionValue::List { rows: own }) => {
                rows.iter().any(|row| own.contains(row))
            }
            _ => false,
        }
    }
}

/// What was computed from what, for SHOW MATERIALIZED VIEWS.
fn describe(last: &mut LastRefresh, wanted: &[Wanted]) {
    for w in wanted.iter().filter(|w| w.compute) {
        last.partitions.push(w.definition.name.clone());
        for base in &w.goal.bases {
            let names = base.partitions.iter().map(|partition| partition.name().to_owned());
            match last.base_partitions.iter_mut().find(|(name, _)| *name == base.name.name) {
                Some((_, listed)) => {
                    let new: Vec<String> = names.filter(|name| !listed.contains(name)).collect();
                    listed.extend(new);
                }
                None => last.base_partitions.push((base.name.name.clone(), names.collect())),
            }
        }
    }
}
