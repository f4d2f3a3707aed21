//! CREATE and ALTER MATERIALIZED VIEW, asynchronous.

use std::ops::ControlFlow;

use rockhold_model::{
    Column, DataType, KeyModel, MaterializedViewDefinition, Partitioning, RefreshMoment, RefreshScheme,
    TimeUnit,
};
use sqlparser::ast::{Expr, SelectItem, SetExpr, Value, Visit, Visitor, visit_expressions};

use super::expression::{function_arguments, quoted_expression_text};
use super::materialized_view_properties::{changed, properties};
use super::view::{check_distinct, listed};
use super::{Cluster, Result, column, index, key, names};
use crate::ast::{AlterMaterializedViewAction, CreateMaterializedView, ExprText, QueryText, RefreshClause};
use crate::{Span, SqlError, TokenKind, names_in_query, tokenize};

/// Functions whose value differs from call to call.
pub(super) const NONDETERMINISTIC: &[&str] = &["rand", "random", "uuid", "uuid_numeric", "uuid_v7", "sleep"];

/// One item of a materialized view's PARTITION BY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionKey {
    /// The column, as the view names it.
    pub column: String,
    /// The unit of `date_trunc` around it.
    pub unit: Option<TimeUnit>,
}

/// The items of PARTITION BY, empty without the clause. `columns` are those of
/// the view.
///
/// # Errors
///
/// 1064 for an item that is neither a column of the view nor `date_trunc` of
/// one, and for several of which one is not a column.
pub fn materialized_view_partition_keys(
    create: &CreateMaterializedView,
    columns: &[Column],
) -> Result<Vec<PartitionKey>> {
    let expressions = create.partition_by.as_deref().unwrap_or_default();
    let mut keys: Vec<PartitionKey> = Vec::new();
    for expression in expressions {
        let key = partition_key(expression, columns)?;
        if key.unit.is_some() && expressions.len() > 1 {
            return Err(SqlError::analyze(
                "Materialized view partition by several expressions takes columns only",
            )
            .at(expression.span));
        }
        if keys.iter().any(|other| other.column == key.column) {
            let text = format!("Duplicated partition column {}", key.column);
            return Err(SqlError::analyze(text).at(expression.span));
        }
        keys.push(key);
    }
    Ok(keys)
}

fn partition_key(expression: &ExprText, columns: &[Column]) -> Result<PartitionKey> {
    let find = |name: &str| {
        let column = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        column.ok_or_else(|| {
            SqlError::analyze(format!(
                "Materialized view partition exp column:{name} is not found in query statement"
            ))
            .at(expression.span)
        })
    };
    let refuse = |why: String| Err(SqlError::analyze(why).at(expression.span));
    match expression.expr.as_ref() {
        Expr::Identifier(name) => Ok(PartitionKey { column: find(&name.value)?.name.clone(), unit: None }),
        Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case("date_trunc") => {
            let arguments = function_arguments(&call.args);
            let (unit, column) = match arguments.as_slice() {
                [Expr::Value(unit), Expr::Identifier(name)] => {
                    let unit = match &unit.value {
                        Value::SingleQuotedString(unit) => TimeUnit::parse(unit),
                        _ => None,
                    };
                    (unit, find(&name.value)?)
                }
                _ => (None, columns.first().map_or_else(|| find(""), Ok)?),
            };
            let fits = |unit: &TimeUnit| match column.data_type {
                DataType::Date => *unit >= TimeUnit::Day,
                DataType::DateTime => true,
                _ => false,
            };
            match unit.filter(fits) {
                Some(unit) => Ok(PartitionKey { column: column.name.clone(), unit: Some(unit) }),
                None => refuse(format!(
                    "Materialized view partition function date_trunc check failed: {}: it takes a unit and a DATE or \
                     DATETIME column",
                    expression.text
                )),
            }
        }
        _ => refuse(format!(
            "Materialized view partition exp: {} must be a column or date_trunc of one",
            expression.text
        )),
    }
}

/// The columns of the view: those of its query under the names of its list,
/// keys marked. The query's columns carry name, type and whether they can be
/// NULL.
///
/// # Errors
///
/// 1353 when the list does not fit the query, 1060 for a name given twice, 1064
/// when a type cannot be stored or the first column can be no key.
pub fn materialized_view_columns(
    create: &CreateMaterializedView,
    query_columns: Vec<Column>,
) -> Result<Vec<Column>> {
    let names: Vec<String> = query_columns.iter().map(|column| column.name.clone()).collect();
    let named = listed(create.columns.as_deref(), &names)?;
    check_distinct(named.iter().map(|(name, _)| *name))?;
    let mut columns = Vec::with_capacity(query_columns.len());
    for (source, (name, comment)) in query_columns.iter().zip(named) {
        names::check_column(name)?;
        column::check_type(&source.data_type)?;
        let mut column = Column::new(name, source.data_type.clone());
        column.nullable = source.nullable;
        column.comment = comment.unwrap_or_default().to_string();
        columns.push(column);
    }
    mark_keys(&mut columns)?;
    Ok(columns)
}

/// The first columns that can be a key are one, as in a table without a key.
fn mark_keys(columns: &mut [Column]) -> Result<()> {
    // Sketches are values here without being aggregated.
    let values = columns.iter().position(|column| column.data_type.is_sketch()).unwrap_or(columns.len());
    let (first, _) = columns.split_at_mut(values);
    if first.is_empty() {
        let data_type = columns.first().map_or("nothing", |column| column.data_type.base_name());
        return Err(SqlError::analyze(format!("Data type of first column cannot be {data_type}")));
    }
    key::keys(None, first).map(|_| ())
}

/// The view of a CREATE MATERIALIZED VIEW with REFRESH or DISTRIBUTED BY.
///
/// `query_columns` come from the planner, `partitioning` from the base's
/// partitions and [`materialized_view_partition_keys`], `default_database` is
/// what unqualified names of the query mean.
///
/// # Errors
///
/// With StarRocks's numbers and words: 6013 for unknown properties, 1064 for a
/// query without tables or with functions that give another value each time,
/// and whatever columns, keys and distribution are refused for.
pub fn create_materialized_view(
    create: &CreateMaterializedView,
    query_columns: Vec<Column>,
    partitioning: Partitioning,
    default_database: &str,
    cluster: &Cluster,
) -> Result<MaterializedViewDefinition> {
    let name = create.name.object();
    names::check_table(name)?;
    check_query(&create.query)?;
    let columns = materialized_view_columns(create, query_columns)?;
    let partition_expressions = create
        .partition_by
        .iter()
        .flatten()
        .map(|expression| quoted_expression_text(&expression.expr))
        .collect();
    materialized_view_partition_keys(create, &columns)?;
    let (distribution, buckets) =
        key::distribution(create.distribution.as_ref(), KeyModel::Duplicate, &[], &columns)?;
    let sort_key = key::sort_key(create.order_by.as_deref(), KeyModel::Duplicate, &[], &columns)?;
    let indexes = index::indexes(&create.indexes, &columns, KeyModel::Duplicate, cluster)?;
    let (moment, refresh) = refresh(create.refresh.as_ref())?;
    let properties = properties(create.properties.as_ref(), &refresh, cluster)?;
    Ok(MaterializedViewDefinition {
        name: name.to_string(),
        columns,
        comment: create.comment.clone().unwrap_or_default(),
        partitioning,
        partition_expressions,
        distribution,
        buckets,
        sort_key,
        indexes,
        moment,
        refresh,
        properties,
        query: create.query.text.clone(),
        default_database: default_database.to_string(),
    })
}

/// The view after ALTER MATERIALIZED VIEW … REFRESH, SET or RENAME; other
/// changes concern its state and leave it as it is.
///
/// # Errors
///
/// As [`create_materialized_view`].
pub fn alter_materialized_view(
    view: &MaterializedViewDefinition,
    action: &AlterMaterializedViewAction,
    cluster: &Cluster,
) -> Result<MaterializedViewDefinition> {
    let mut view = view.clone();
    match action {
        AlterMaterializedViewAction::Rename(name) => {
            names::check_table(name.as_str())?;
            view.name.clone_from(&name.value);
        }
        AlterMaterializedViewAction::Refresh(clause) => {
            let (moment, scheme) = refresh(Some(clause))?;
            if clause.moment.is_some() {
                view.moment = moment;
            }
            if clause.scheme.is_some() {
                view.refresh = scheme;
            }
        }
        AlterMaterializedViewAction::Set(list) => {
            view.properties = changed(&view.properties, list, &view.refresh, cluster)?;
        }
        AlterMaterializedViewAction::Active
        | AlterMaterializedViewAction::Inactive
        | AlterMaterializedViewAction::Swap(_) => {}
    }
    Ok(view)
}

/// When the view is refreshed.
fn refresh(clause: Option<&RefreshClause>) -> Result<(RefreshMoment, RefreshScheme)> {
    let Some(clause) = clause else { return Ok(Default::default()) };
    let scheme = clause.scheme.clone().unwrap_or_default();
    if let RefreshScheme::Async { start, every } = &scheme {
        if every.is_some_and(|(count, _)| count == 0) {
            return Err(SqlError::analyze("The interval of EVERY must be greater than 0"));
        }
        if every.is_some_and(|(_, unit)| unit > TimeUnit::Day) {
            return Err(SqlError::analyze("The unit of EVERY must be one of SECOND, MINUTE, HOUR, DAY"));
        }
        if let Some(start) = start
            && super::range::parse_time(start).is_none()
        {
            return Err(SqlError::analyze(format!(
                "Invalid date literal '{start}' in START: yyyy-MM-dd HH:mm:ss is expected"
            )));
        }
    }
    if scheme == RefreshScheme::Incremental {
        return Err(SqlError::analyze(
            "REFRESH INCREMENTAL is not supported; write REFRESH ASYNC or REFRESH MANUAL",
        ));
    }
    Ok((clause.moment.unwrap_or_default(), scheme))
}

fn check_query(query: &QueryText) -> Result<()> {
    if names_in_query(&query.text)?.is_empty() {
        return Err(SqlError::analyze("Can not find base tables in query statement").at(query.span));
    }
    let mut finder = Nondeterministic(None);
    let _: ControlFlow<()> = query.query.visit(&mut finder);
    match finder.0 {
        None => Ok(()),
        Some(call) => {
            let text = format!(
                "Materialized view query statement select item {call} not supported nondeterministic function"
            );
            let error = SqlError::analyze(text);
            Err(match place_of_call(&call, query) {
                Some(span) => error.at(span),
                None => error,
            })
        }
    }
}

/// The first call in a select list whose value differs from call to call.
struct Nondeterministic(Option<Expr>);

impl Visitor for Nondeterministic {
    type Break = ();

    fn pre_visit_query(&mut self, query: &sqlparser::ast::Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_ref() {
            for item in &select.projection {
                let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                    continue;
                };
                let found = visit_expressions(expr, |part| match part {
                    Expr::Function(call) => {
                        let name = call.name.to_string();
                        match NONDETERMINISTIC.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                            true => ControlFlow::Break(part.clone()),
                            false => ControlFlow::Continue(()),
                        }
                    }
                    _ => ControlFlow::Continue(()),
                });
                if let ControlFlow::Break(call) = found {
                    self.0 = Some(call);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Where a call stands in the statement, from its name to its parenthesis.
fn place_of_call(call: &Expr, query: &QueryText) -> Option<Span> {
    let Expr::Function(function) = call else { return None };
    let name = function.name.0.first()?.as_ident()?.span.start;
    let shift = |span: Span| {
        let column = |line: u32, column: u32| if line == 1 { column + query.span.column } else { column };
        Span {
            start: span.start + query.span.start,
            end: span.end + query.span.start,
            line: span.line + query.span.line - 1,
            column: column(span.line, span.column),
            last_line: span.last_line + query.span.line - 1,
            last_column: column(span.last_line, span.last_column),
        }
    };
    let tokens = tokenize(&query.text);
    let is_name = |span: Span| (u64::from(span.line), u64::from(span.column) + 1) == (name.line, name.column);
    let first = tokens.iter().position(|token| is_name(shift(token.span)))?;
    let mut depth = 0_usize;
    for token in tokens.get(first..)? {
        match token.kind {
            TokenKind::Symbol("(") => depth += 1,
            TokenKind::Symbol(")") if depth <= 1 => {
                return Some(shift(tokens.get(first)?.span).to(shift(token.span)));
            }
            TokenKind::Symbol(")") => depth -= 1,
            _ => {}
        }
    }
    None
}
