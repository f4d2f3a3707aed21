//! Synchronous materialized views: which queries they take, and the rollup
//! that one becomes.

use rockhold_model::{Aggregation, Column, DataType, KeyModel, Rollup, TableDefinition};
use sqlparser::ast::{
    Distinct, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    GroupByExpr, ObjectNamePart, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor, Value,
    ValueWithSpan, Visit, Visitor, visit_expressions,
};
use std::ops::ControlFlow;

use super::materialized_view::NONDETERMINISTIC;
use super::{Result, names};
use crate::SqlError;
use crate::ast::{CreateMaterializedView, Ident, ObjectName};

/// Functions that give one value for many rows.
const AGGREGATES: &[&str] = &[
    "any_value",
    "approx_count_distinct",
    "array_agg",
    "avg",
    "bitmap_agg",
    "bitmap_union",
    "bitmap_union_count",
    "count",
    "group_concat",
    "hll_raw_agg",
    "hll_union",
    "hll_union_agg",
    "max",
    "max_by",
    "min",
    "min_by",
    "ndv",
    "percentile_approx",
    "percentile_union",
    "stddev",
    "sum",
    "variance",
];

/// Functions of the time of the statement.
const CLOCKS: &[&str] = &[
    "curdate",
    "current_date",
    "current_time",
    "current_timestamp",
    "curtime",
    "localtime",
    "localtimestamp",
    "now",
    "sysdate",
    "unix_timestamp",
    "utc_date",
    "utc_time",
    "utc_timestamp",
];

/// A column of a synchronous materialized view.
#[derive(Debug, Clone, PartialEq)]
pub struct SynchronousColumn {
    /// Its name: the alias, the column, or `mv_sum_v` for `sum(v)`.
    pub name: String,
    /// How values of one group are merged; `None` for what the view groups by.
    /// Partial counts are merged by SUM.
    pub aggregation: Option<Aggregation>,
    /// The expression.
    pub expr: Expr,
}

/// A synchronous materialized view as its statement says it.
#[derive(Debug, Clone, PartialEq)]
pub struct SynchronousView {
    /// Its name.
    pub name: String,
    /// Its one table, as written.
    pub base: ObjectName,
    /// Its columns in order.
    pub columns: Vec<SynchronousColumn>,
    /// Columns of ORDER BY.
    pub order_by: Vec<String>,
    /// Whether it has WHERE.
    pub filters: bool,
    /// The query's text.
    pub query: String,
}

impl SynchronousView {
    /// Whether its rows of a load can be computed from the rows of that load
    /// alone. Where not, a partition's rows are computed anew from all of it.
    pub fn appends(&self, base: KeyModel) -> bool {
        match base {
            KeyModel::Duplicate => true,
            KeyModel::Aggregate => !self.filters && self.columns.iter().any(|c| c.aggregation.is_some()),
            KeyModel::Unique | KeyModel::Primary => false,
        }
    }
}

/// Reads a CREATE MATERIALIZED VIEW without REFRESH and DISTRIBUTED BY.
///
/// # Errors
///
/// The query is none that a rollup can hold.
pub fn synchronous_view(create: &CreateMaterializedView) -> Result<SynchronousView> {
    names::check_table(create.name.object())?;
    let unsupported = create.columns.is_some() || create.partition_by.is_some() || create.order_by.is_some();
    if unsupported || !create.indexes.is_empty() {
        return Err(SqlError::analyze(
            "a synchronous materialized view has no column list, PARTITION BY or ORDER BY of its own; with \
             REFRESH or DISTRIBUTED BY it is asynchronous",
        ));
    }
    let view = view_of_query(create.name.object(), &create.query.query, &create.query.text)?;
    view.columns.iter().try_for_each(|column| names::refuse_own_column(&column.name))?;
    Ok(view)
}

/// Reads the stored query of a rollup.
///
/// # Errors
///
/// As [`synchronous_view`]; the query does not parse.
pub fn synchronous_view_of(rollup: &Rollup) -> Result<SynchronousView> {
    let text = rollup.query.as_deref().unwrap_or_default();
    view_of_query(&rollup.name, &crate::parse_query(text)?.query, text)
}

fn view_of_query(name: &str, query: &Query, text: &str) -> Result<SynchronousView> {
    let refuse = |what: &str| {
        Err(SqlError::analyze(format!("Materialized view query statement: synchronous views have no {what}")))
    };
    if query.with.is_some() {
        return refuse("WITH");
    }
    if query.limit_clause.is_some() || query.fetch.is_some() {
        return refuse("LIMIT");
    }
    let SetExpr::Select(select) = query.body.as_ref() else { return refuse("UNION") };
    if select.having.is_some() || select.qualify.is_some() {
        return refuse("HAVING");
    }
    if matches!(select.distinct, Some(Distinct::Distinct | Distinct::On(_))) {
        return refuse("DISTINCT; use GROUP BY");
    }
    refuse_nondeterministic(query)?;
    let columns = columns_of(select)?;
    check_groups(select, &columns)?;
    Ok(SynchronousView {
        name: name.to_owned(),
        base: base_of(select)?,
        order_by: order_of(query, &columns)?,
        columns,
        filters: select.selection.is_some(),
        query: text.to_owned(),
    })
}

/// A stored row must not depend on when it was computed.
fn refuse_nondeterministic(query: &Query) -> Result<()> {
    let found = visit_expressions(query, |expr| match expr {
        Expr::Function(call)
            if function_name(call)
                .is_some_and(|name| NONDETERMINISTIC.contains(&name.as_str()) || tells_time(&name, call)) =>
        {
            ControlFlow::Break(expr.to_string())
        }
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(call) => Err(SqlError::analyze(format!(
            "Materialized view query statement select item {call} not supported nondeterministic function"
        ))),
    }
}

/// `unix_timestamp(x)` does not; without an argument it does.
fn tells_time(name: &str, call: &Function) -> bool {
    CLOCKS.contains(&name) && (name != "unix_timestamp" || argument(call).is_none())
}

fn base_of(select: &Select) -> Result<ObjectName> {
    let one = match select.from.as_slice() {
        [from] if from.joins.is_empty() => match &from.relation {
            TableFactor::Table { name, args: None, .. } => Some(name),
            _ => None,
        },
        _ => None,
    };
    let name = one.ok_or_else(|| {
        SqlError::analyze("The materialized view only support one table in from clause.".to_owned())
    })?;
    let parts = name.0.iter().map(|part| match part {
        ObjectNamePart::Identifier(ident) => Ok(Ident::new(&ident.value)),
        other => Err(SqlError::analyze(format!("'{other}' is no table"))),
    });
    Ok(ObjectName { parts: parts.collect::<Result<_>>()? })
}

fn columns_of(select: &Select) -> Result<Vec<SynchronousColumn>> {
    let mut columns: Vec<SynchronousColumn> = Vec::new();
    for item in &select.projection {
        let (expr, alias) = match item {
            SelectItem::UnnamedExpr(expr) => (expr, None),
            SelectItem::ExprWithAlias { expr, alias } => (expr, Some(alias.value.clone())),
            _ => {
                return Err(SqlError::analyze(
                    "The materialized view currently does not support * in select statement",
                ));
            }
        };
        let aggregation = aggregation_of(expr)?;
        let name = alias.unwrap_or_else(|| default_name(expr));
        if columns.iter().any(|column| column.name.eq_ignore_ascii_case(&name)) {
            return Err(SqlError::analyze(format!("Duplicate column name '{name}'")));
        }
        columns.push(SynchronousColumn { name, aggregation, expr: expr.clone() });
    }
    Ok(columns)
}

/// The name of a column without alias.
fn default_name(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()).unwrap_or_default(),
        Expr::Function(function)
            if function_name(function).is_some_and(|n| AGGREGATES.contains(&n.as_str())) =>
        {
            let argument = match argument(function) {
                Some(Expr::Identifier(ident)) => ident.value.clone(),
                Some(other) => other.to_string(),
                None => "*".to_owned(),
            };
            format!("mv_{}_{argument}", function_name(function).unwrap_or_default())
        }
        other => format!("mv_{other}"),
    }
}

fn function_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident.value.to_ascii_lowercase()),
        _ => None,
    }
}

/// The one argument of a call.
fn argument(function: &Function) -> Option<&Expr> {
    match &function.args {
        FunctionArguments::List(list) => match list.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
            _ => None,
        },
        _ => None,
    }
}

fn aggregation_of(expr: &Expr) -> Result<Option<Aggregation>> {
    if let Expr::Function(function) = expr
        && function.over.is_none()
        && let Some(name) = function_name(function)
        && AGGREGATES.contains(&name.as_str())
    {
        let distinct = matches!(&function.args, FunctionArguments::List(list)
            if list.duplicate_treatment == Some(DuplicateTreatment::Distinct));
        let found = match name.as_str() {
            _ if distinct || function.filter.is_some() => None,
            "sum" | "count" => Some(Aggregation::Sum),
            "min" => Some(Aggregation::Min),
            "max" => Some(Aggregation::Max),
            _ => None,
        };
        let Some(found) = found else {
            return Err(SqlError::analyze(format!(
                "The materialized view currently does not support the aggregate {expr}; use sum, min, max or count"
            )));
        };
        let inner = argument(function);
        if let Some(inner) = inner {
            refuse_aggregates(inner)?;
        }
        return Ok(Some(found));
    }
    refuse_aggregates(expr)?;
    Ok(None)
}

/// Refuses aggregates, windows and subqueries inside an expression.
fn refuse_aggregates(expr: &Expr) -> Result<()> {
    struct Inside;
    impl Visitor for Inside {
        type Break = String;

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            match expr {
                Expr::Function(function)
                    if function.over.is_some()
                        || function_name(function).is_some_and(|n| AGGREGATES.contains(&n.as_str())) =>
                {
                    ControlFlow::Break(function.to_string())
                }
                Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
                    ControlFlow::Break("a subquery".into())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    match expr.visit(&mut Inside) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(what) => Err(SqlError::analyze(format!(
            "The materialized view currently does not support {what} inside of an expression"
        ))),
    }
}

/// Everything that is not aggregated is what the view groups by, and nothing else is.
fn check_groups(select: &Select, columns: &[SynchronousColumn]) -> Result<()> {
    let GroupByExpr::Expressions(groups, modifiers) = &select.group_by else {
        return Err(SqlError::analyze("GROUP BY ALL is not supported in materialized views"));
    };
    if !modifiers.is_empty() {
        return Err(SqlError::analyze(
            "ROLLUP, CUBE and GROUPING SETS are not supported in materialized views",
        ));
    }
    let aggregates = columns.iter().any(|column| column.aggregation.is_some());
    if !aggregates && groups.is_empty() {
        return Ok(());
    }
    let mut grouped = vec![false; columns.len()];
    for group in groups {
        let position = match group {
            Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => {
                number.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < columns.len())
            }
            Expr::Identifier(ident) => columns
                .iter()
                .position(|column| column.name.eq_ignore_ascii_case(&ident.value))
                .or_else(|| columns.iter().position(|column| same(&column.expr, group))),
            _ => columns.iter().position(|column| same(&column.expr, group)),
        };
        match position.and_then(|at| grouped.get_mut(at)) {
            Some(seen) => *seen = true,
            None => {
                return Err(SqlError::analyze(format!(
                    "The materialized view groups by {group}, which it does not select"
                )));
            }
        }
    }
    for (column, grouped) in columns.iter().zip(grouped) {
        if column.aggregation.is_none() != grouped {
            return Err(SqlError::analyze(format!(
                "'{}' must be an aggregate expression or appear in GROUP BY clause",
                column.expr
            )));
        }
    }
    Ok(())
}

/// Equal but for the case of names and their qualification by the table.
fn same(a: &Expr, b: &Expr) -> bool {
    let bare = |expr: &Expr| match expr {
        Expr::CompoundIdentifier(parts) => parts.last().map(|part| part.value.clone()).unwrap_or_default(),
        Expr::Identifier(ident) => ident.value.clone(),
        other => other.to_string(),
    };
    bare(a).eq_ignore_ascii_case(&bare(b))
}

fn order_of(query: &Query, columns: &[SynchronousColumn]) -> Result<Vec<String>> {
    let Some(order) = &query.order_by else { return Ok(Vec::new()) };
    let OrderByKind::Expressions(items) = &order.kind else { return Ok(Vec::new()) };
    items
        .iter()
        .map(|item| {
            columns
                .iter()
                .find(|column| match &item.expr {
                    Expr::Identifier(ident) if column.name.eq_ignore_ascii_case(&ident.value) => true,
                    other => same(&column.expr, other),
                })
                .map(|column| column.name.clone())
                .ok_or_else(|| {
                    SqlError::analyze(format!(
                        "ORDER BY {}: the materialized view does not select it",
                        item.expr
                    ))
                })
        })
        .collect()
}

/// Checks a view against its table and gives the rollup. `types` are those of
/// the query's columns.
///
/// # Errors
///
/// The table cannot have the view.
pub fn synchronous_rollup(
    view: &SynchronousView,
    table: &TableDefinition,
    types: &[DataType],
    properties: &rockhold_model::Properties,
) -> Result<Rollup> {
    if table.key_model == KeyModel::Primary {
        return Err(SqlError::analyze(
            "Do not support create synchronous materialized view(rollup) on primary key table",
        ));
    }
    if table.rollups.iter().any(|rollup| rollup.name == view.name) {
        return Err(SqlError::analyze(format!(
            "Materialized view[{}] already exists in the table {}",
            view.name, table.name
        )));
    }
    if table.key_model == KeyModel::Aggregate {
        for column in &view.columns {
            check_over_aggregates(column, table)?;
        }
    }
    let aggregates = view.columns.iter().any(|column| column.aggregation.is_some());
    let stored: Vec<Column> = view
        .columns
        .iter()
        .zip(types)
        .map(|(column, data_type)| Column {
            key: aggregates && column.aggregation.is_none(),
            aggregation: column.aggregation.clone(),
            ..Column::new(column.name.clone(), data_type.clone())
        })
        .collect();
    let sorted = match (&view.order_by, aggregates) {
        (order, false) if !order.is_empty() => order.clone(),
        (_, true) => stored.iter().filter(|c| c.key).map(|c| c.name.clone()).collect(),
        _ => stored.iter().take(1).map(|c| c.name.clone()).collect(),
    };
    Ok(Rollup {
        name: view.name.clone(),
        columns: stored.iter().map(|column| column.name.clone()).collect(),
        key_columns: sorted,
        query: Some(view.query.clone()),
        properties: properties.clone(),
        stored,
    })
}

/// Values of an aggregate table are merged in one way only.
fn check_over_aggregates(column: &SynchronousColumn, table: &TableDefinition) -> Result<()> {
    let Some(aggregation) = &column.aggregation else {
        let value = named_columns(&column.expr)
            .into_iter()
            .find(|name| table.column(name).is_some_and(|c| c.aggregation.is_some()));
        return match value {
            None => Ok(()),
            Some(name) => Err(SqlError::analyze(format!(
                "Column '{name}' of the aggregate table {} needs its aggregate function in the materialized view",
                table.name
            ))),
        };
    };
    let own = match &column.expr {
        Expr::Function(function) if function_name(function).as_deref() != Some("count") => argument(function),
        _ => None,
    };
    let fits = own
        .and_then(|expr| match expr {
            Expr::Identifier(ident) => table.column(&ident.value),
            Expr::CompoundIdentifier(parts) => parts.last().and_then(|part| table.column(&part.value)),
            _ => None,
        })
        .is_some_and(|c| c.aggregation.as_ref() == Some(aggregation));
    if fits {
        return Ok(());
    }
    Err(SqlError::analyze(format!(
        "Aggregate function require same with slot aggregate type: {} over the aggregate table {}",
        column.expr, table.name
    )))
}

/// The columns that an expression names, without their qualification.
fn named_columns(expr: &Expr) -> Vec<String> {
    struct Columns(Vec<String>);
    impl Visitor for Columns {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) => self.0.push(ident.value.clone()),
                Expr::CompoundIdentifier(parts) => {
                    self.0.extend(parts.last().map(|part| part.value.clone()));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut columns = Columns(Vec::new());
    let _ = expr.visit(&mut columns);
    columns.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ast::Statement;

    fn read(sql: &str) -> std::result::Result<SynchronousView, String> {
        match crate::parse_one(&format!("CREATE MATERIALIZED VIEW m AS {sql}")) {
            Ok(Statement::CreateMaterializedView(create)) => {
                synchronous_view(&create).map_err(|e| e.to_string())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn columns_are_groups_and_aggregates() {
        let view = read(
            "SELECT k1 a, year(d), sum(k2), count(*) n, min(v) FROM db.t WHERE k1 > 1 GROUP BY a, year(d)",
        );
        let view = view.unwrap();
        let columns: Vec<(&str, bool)> =
            view.columns.iter().map(|c| (c.name.as_str(), c.aggregation.is_some())).collect();
        assert_eq!(
            columns,
            [("a", false), ("mv_year(d)", false), ("mv_sum_k2", true), ("n", true), ("mv_min_v", true)]
        );
        assert_eq!((view.base.to_string(), view.filters), ("`db`.`t`".to_owned(), true));
        assert!(view.appends(KeyModel::Duplicate) && !view.appends(KeyModel::Aggregate));
    }

    #[test]
    fn what_a_rollup_cannot_hold_is_refused() {
        for (sql, why) in [
            ("SELECT * FROM t", "*"),
            ("SELECT a FROM t JOIN u", "one table"),
            ("SELECT a FROM (SELECT a FROM t) x", "one table"),
            ("SELECT a, avg(b) FROM t GROUP BY a", "avg"),
            ("SELECT a, count(DISTINCT b) FROM t GROUP BY a", "count(DISTINCT b)"),
            ("SELECT a, sum(b) + 1 FROM t GROUP BY a", "sum(b)"),
            ("SELECT a, sum(b) FROM t", "GROUP BY"),
            ("SELECT sum(b) FROM t GROUP BY a", "does not select"),
            ("SELECT a, a FROM t", "Duplicate column name 'a'"),
            ("SELECT a, sum(b) FROM t GROUP BY a HAVING sum(b) > 1", "HAVING"),
            ("SELECT a FROM t LIMIT 1", "LIMIT"),
            ("SELECT DISTINCT a FROM t", "DISTINCT"),
            ("SELECT a FROM t UNION ALL SELECT a FROM t", "UNION"),
            ("SELECT a FROM t ORDER BY b", "does not select"),
            ("SELECT a FROM t WHERE d < now()", "nondeterministic"),
        ] {
            let error = read(sql).expect_err(sql);
            assert!(error.contains(why), "{sql}: {error}");
        }
    }
}
