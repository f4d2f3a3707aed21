//! From the partition column of a materialized view to that of one base table.
//!
//! A refresh computes some partitions of the view from some partitions of the
//! base. That is right only when every row of the result depends on rows of
//! the base with the same partition value alone. The plan of the query shows
//! it: on the way from the result's column down to the scan of the base,
//!
//! * projections hand the column on, as it is or through `date_trunc`;
//! * aggregations group by it, window functions divide by it;
//! * no join may fill it with NULL, no LIMIT and no set operation lies between;
//! * the base occurs once in the whole query, subqueries included.

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, JoinType, ScalarValue, TableReference};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};
use rockhold_model::TimeUnit;

/// Where a column of the result comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traced {
    /// The base as the plan names it: database and name.
    pub(crate) table: TableReference,
    /// Its column, as the plan names it.
    pub(crate) column: String,
    /// Units of `date_trunc` around it, the innermost first.
    pub(crate) units: Vec<TimeUnit>,
}

/// Follows a column of the result by its position.
///
/// # Errors
/// Why it cannot be followed, as the end of a sentence.
pub(crate) fn trace(plan: &LogicalPlan, output: usize) -> Result<Traced, String> {
    let mut traced = follow(plan, output)?;
    traced.units.reverse();
    let mut scans = 0_usize;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && scan.table_name == traced.table
        {
            scans += 1;
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .map_err(|error| error.to_string())?;
    match scans {
        1 => Ok(traced),
        _ => Err(format!("the query reads {} more than once", traced.table)),
    }
}

fn follow(plan: &LogicalPlan, output: usize) -> Result<Traced, String> {
    match plan {
        LogicalPlan::Projection(node) => through(node.expr.get(output), &node.input),
        LogicalPlan::Filter(node) => follow(&node.input, output),
        LogicalPlan::SubqueryAlias(node) => follow(&node.input, output),
        LogicalPlan::Sort(node) if node.fetch.is_none() => follow(&node.input, output),
        LogicalPlan::Distinct(Distinct::All(input)) => follow(input, output),
        LogicalPlan::Aggregate(node) => {
            let plain = !node.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)));
            match node.group_expr.get(output) {
                Some(expr) if plain => through(Some(expr), &node.input),
                _ => Err("it is no column of GROUP BY".into()),
            }
        }
        LogicalPlan::Window(node) => {
            let inner = node.input.schema();
            if output >= inner.fields().len() {
                return Err("it is the result of a window function".into());
            }
            let divided = |expr: &Expr| match stripped(expr) {
                Expr::WindowFunction(function) => {
                    function.params.partition_by.iter().any(|by| column_at(by, inner) == Some(output))
                }
                _ => false,
            };
            if !node.window_expr.iter().all(divided) {
                return Err("a window function does not have it in PARTITION BY".into());
            }
            follow(&node.input, output)
        }
        LogicalPlan::Join(node) => {
            let left = node.left.schema().fields().len();
            let right_only =
                matches!(node.join_type, JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark);
            let (from_left, at) = match output.checked_sub(left) {
                _ if right_only => (false, output),
                None => (true, output),
                Some(at) => (false, at),
            };
            let kept = match node.join_type {
                JoinType::Inner => true,
                JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti => from_left,
                JoinType::Right | JoinType::RightSemi | JoinType::RightAnti => !from_left,
                JoinType::Full | JoinType::LeftMark | JoinType::RightMark => false,
            };
            if !kept {
                return Err("an outer join can make it NULL".into());
            }
            follow(if from_left { &node.left } else { &node.right }, at)
        }
        LogicalPlan::TableScan(scan) => {
            let field = scan.projected_schema.fields().get(output);
            let column = field.ok_or("the query has no such column")?.name().clone();
            Ok(Traced { table: scan.table_name.clone(), column, units: Vec::new() })
        }
        LogicalPlan::Limit(_) | LogicalPlan::Sort(_) => Err("a LIMIT cuts the result".into()),
        LogicalPlan::Union(_) => Err("a set operation mixes several queries".into()),
        _ => Err("it is not a column of a table".into()),
    }
}

/// On through one expression over `input`.
fn through(expr: Option<&Expr>, input: &LogicalPlan) -> Result<Traced, String> {
    let expr = stripped(expr.ok_or("the query has no such column")?);
    if let Some(at) = column_at(expr, input.schema()) {
        return follow(input, at);
    }
    if let Expr::ScalarFunction(call) = expr
        && call.name() == "date_trunc"
        && let [Expr::Literal(ScalarValue::Utf8(Some(unit)), _), value] = call.args.as_slice()
        && let Some(unit) = TimeUnit::parse(unit)
    {
        let mut traced = through(Some(value), input)?;
        // From the outside inwards; turned round at the end.
        traced.units.insert(0, unit);
        return Ok(traced);
    }
    Err("it is computed by an expression other than date_trunc of a column".into())
}

fn stripped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => stripped(&alias.expr),
        other => other,
    }
}

fn column_at(expr: &Expr, schema: &DFSchema) -> Option<usize> {
    match stripped(expr) {
        Expr::Column(column) => schema.maybe_index_of_column(column),
        _ => None,
    }
}
