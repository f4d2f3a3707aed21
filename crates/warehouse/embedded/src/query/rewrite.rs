//! Rewriting a query's tree by StarRocks's rules.
//!
//! * Columns and their aliases become lower case; names of tables stay. A
//!   name in front of a point is a table's when the query has a table or alias
//!   of exactly that name.
//! * `CAST` gives NULL where a value does not convert.
//! * Functions, intervals and a few operators become what DataFusion knows.
//! * Tables get their full name; `FILES(…)` and `t PARTITION (…)` get a name
//!   of their own and are reported in [`Found`], and so are calls that may be
//!   of functions the user made.

use super::Environment;
use super::build::{as_text, call, cast, number, text};
use super::calls::{interval_parts, rewrite_call};
use super::names::{is_column, shown};
use super::times::{part, shifted};
use rockhold_sql::SqlError;
use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DataType as SqlType, ExactNumberInfo, Expr, Function,
    FunctionArg, FunctionArgExpr, Ident, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart,
    OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, UnaryOperator,
    Value, ValueWithSpan, VisitMut, VisitorMut,
};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// A table of the catalog that a query reads.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundTable {
    /// Its database, as written or the session's.
    pub(crate) database: String,
    /// Its name.
    pub(crate) name: String,
    /// Only these partitions.
    pub(crate) partitions: Vec<String>,
    /// The name under which the query sees it.
    pub(crate) seen_as: String,
}

impl FoundTable {
    /// Its database and name.
    pub(crate) fn full_name(&self) -> rockhold_core::ObjectName {
        rockhold_core::ObjectName::new(&self.database, &self.name)
    }
}

/// A call of FILES.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundFiles {
    /// Its arguments.
    pub(crate) properties: Vec<(String, String)>,
    /// The name under which the query sees it.
    pub(crate) seen_as: String,
}

/// A call of a function that a user may have made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FoundFunction {
    /// The database in front of it; `None` when the session's is meant, or none.
    pub(crate) database: Option<String>,
    /// Its name in lower case.
    pub(crate) name: String,
    /// The name under which the query calls it.
    pub(crate) seen_as: String,
}

/// What a query reads.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) tables: Vec<FoundTable>,
    pub(crate) files: Vec<FoundFiles>,
    /// Calls that the rewriting left as calls: of functions that exist or not.
    pub(crate) functions: Vec<FoundFunction>,
}

/// The database of names that stand for no table of the catalog.
pub(crate) const OWN: &str = "__rh_query";

/// Rewrites a query or any other part of a tree.
///
/// # Errors
/// No database is selected for an unqualified table, or a call of FILES is
/// malformed.
pub(crate) fn rewrite<T: VisitMut>(tree: &mut T, environment: &Environment) -> Result<Found, SqlError> {
    let mut names = Names::default();
    let _ = tree.visit(&mut names);
    let mut rewriter = Rewriter { environment, names, found: Found::default() };
    match tree.visit(&mut rewriter) {
        ControlFlow::Continue(()) => Ok(rewriter.found),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Every name that stands for a table somewhere in the tree.
#[derive(Default)]
struct Names {
    relations: HashSet<String>,
    ctes: HashSet<String>,
}

impl Names {
    fn alias(&mut self, alias: &Option<TableAlias>) {
        if let Some(alias) = alias {
            self.relations.insert(alias.name.value.clone());
        }
    }
}

impl VisitorMut for Names {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.relations.insert(cte.alias.name.value.clone());
            self.ctes.insert(cte.alias.name.value.clone());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                if let Some(last) = name.0.last() {
                    self.relations.insert(part_name(last));
                }
                self.alias(alias);
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => self.alias(alias),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn part_name(part: &ObjectNamePart) -> String {
    match part {
        ObjectNamePart::Identifier(ident) => ident.value.clone(),
        other => other.to_string(),
    }
}

fn lower(ident: &mut Ident) {
    ident.value = ident.value.to_ascii_lowercase();
}

struct Rewriter<'a> {
    environment: &'a Environment,
    names: Names,
    found: Found,
}

impl Rewriter<'_> {
    fn alias(alias: &mut Option<TableAlias>) {
        if let Some(alias) = alias {
            alias.columns.iter_mut().for_each(|column| lower(&mut column.name));
        }
    }

    fn table(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        match factor {
            TableFactor::Table { name, alias, args, partitions, .. } => {
                Self::alias(alias);
                let parts: Vec<String> = name.0.iter().map(part_name).collect();
                let last = parts.last().cloned().unwrap_or_default();
                if let Some(arguments) = args.take() {
                    return self.table_function(name, alias, &last, &arguments.args);
                }
                if parts.len() == 1 && self.names.ctes.contains(&last) {
                    return Ok(());
                }
                let database = self.environment.database_of(&parts)?;
                let mut seen_as = last.clone();
                let mut seen_in = database.clone();
                let partitions: Vec<String> =
                    std::mem::take(partitions).into_iter().map(|p| p.value).collect();
                if !partitions.is_empty() {
                    seen_as = format!("part_{}", self.found.tables.len());
                    seen_in = OWN.to_owned();
                    alias.get_or_insert_with(|| named(&last));
                }
                name.0 = [&seen_in, &seen_as]
                    .map(|part| ObjectNamePart::Identifier(Ident::new(part.as_str())))
                    .to_vec();
                let table = FoundTable { database, name: last, partitions, seen_as };
                if !self.found.tables.contains(&table) {
                    self.found.tables.push(table);
                }
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => Self::alias(alias),
            _ => {}
        }
        Ok(())
    }

    fn table_function(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        function: &str,
        arguments: &[FunctionArg],
    ) -> Result<(), SqlError> {
        if !function.eq_ignore_ascii_case("files") {
            return Err(SqlError::analyze(format!("Unknown table function '{function}(…)'")));
        }
        let properties = arguments
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp {
                    left,
                    op: BinaryOperator::Eq,
                    right,
                })) => super::build::text_of(left).zip(super::build::text_of(right)),
                _ => None,
            })
            .map(|pair| pair.map(|(key, value)| (key.to_owned(), value.to_owned())))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| SqlError::analyze("FILES takes \"key\" = \"value\" pairs of strings"))?;
        let seen_as = format!("files_{}", self.found.files.len());
        name.0 = [OWN, &seen_as].map(|part| ObjectNamePart::Identifier(Ident::new(part))).to_vec();
        alias.get_or_insert_with(|| named("FILES"));
        self.found.files.push(FoundFiles { properties, seen_as });
        Ok(())
    }

    /// `a.b.c`: names of tables and databases in front, then a column, then
    /// fields of a STRUCT.
    fn compound(&self, parts: &mut [Ident]) {
        let known = |at: usize| parts.get(at).is_some_and(|p| self.names.relations.contains(&p.value));
        let column = if known(0) {
            1
        } else if parts.len() > 2 && known(1) {
            2
        } else {
            0
        };
        if let Some(column) = parts.get_mut(column) {
            lower(column);
        }
    }

    fn expression(&mut self, expr: &mut Expr) -> Result<(), SqlError> {
        let taken = std::mem::replace(expr, Expr::value(Value::Null));
        *expr = match taken {
            Expr::Identifier(mut ident) => match ident.value.strip_prefix('@') {
                Some(variable) => self.environment.variable(variable)?,
                None => {
                    lower(&mut ident);
                    Expr::Identifier(ident)
                }
            },
            Expr::CompoundIdentifier(mut parts) => {
                let variable = parts.first().and_then(|part| part.value.strip_prefix('@')).map(str::to_owned);
                match variable {
                    Some(scope) => {
                        let rest = parts.iter().skip(1).map(|part| format!(".{}", part.value));
                        self.environment.variable(&(scope + &rest.collect::<String>()))?
                    }
                    None => {
                        self.compound(&mut parts);
                        Expr::CompoundIdentifier(parts)
                    }
                }
            }
            // 1e3 is a DOUBLE, 1000.0 a DECIMAL.
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. })
                if digits.contains(['e', 'E']) =>
            {
                cast(text(digits), SqlType::Double(ExactNumberInfo::None))
            }
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, .. } => {
                let to_time =
                    matches!(data_type, SqlType::Datetime(_) | SqlType::Timestamp(..) | SqlType::Date);
                match super::build::text_of(&expr) {
                    Some(literal) if to_time => cast(call("__rh_to_time", vec![text(literal)]), data_type),
                    _ => cast(*expr, data_type),
                }
            }
            Expr::Function(function) => self.call(function)?,
            Expr::Extract { field, expr, .. } => part(&field.to_string().to_ascii_lowercase(), *expr),
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let start = substring_from.map_or_else(|| number(1), |e| *e);
                let length = substring_for.map_or_else(|| number(i64::MAX), |e| *e);
                let bigint = super::build::as_bigint;
                call("__rh_substr", vec![as_text(*expr), bigint(start), bigint(length)])
            }
            Expr::Position { expr, r#in } => call("strpos", vec![*r#in, *expr]),
            Expr::Ceil { expr, field: CeilFloorKind::DateTimeField(_) } => {
                super::build::as_bigint(call("ceil", vec![*expr]))
            }
            Expr::Floor { expr, field: CeilFloorKind::DateTimeField(_) } => {
                super::build::as_bigint(call("floor", vec![*expr]))
            }
            Expr::RLike { negated, expr, pattern, .. } => {
                let matches = call("regexp_like", vec![*expr, *pattern]);
                if negated {
                    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(matches) }
                } else {
                    matches
                }
            }
            Expr::UnaryOp { op: UnaryOperator::BitwiseNot, expr } => {
                let ones = Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(number(1)) };
                binary(Expr::Nested(expr), BinaryOperator::BitwiseXor, Expr::Nested(Box::new(ones)))
            }
            Expr::InList { expr, list, negated } => {
                in_list(&expr, &list, negated).unwrap_or(Expr::InList { expr, list, negated })
            }
            Expr::Between { expr, negated, low, high } if is_column(&expr) => {
                let (from, to, both) = match negated {
                    false => (BinaryOperator::GtEq, BinaryOperator::LtEq, BinaryOperator::And),
                    true => (BinaryOperator::Lt, BinaryOperator::Gt, BinaryOperator::Or),
                };
                let nested = |bound: Box<Expr>| Expr::Nested(bound);
                let (low, high) =
                    (binary((*expr).clone(), from, nested(low)), binary(*expr, to, nested(high)));
                Expr::Nested(Box::new(binary(low, both, high)))
            }
            Expr::UnaryOp { op: UnaryOperator::BangNot, expr } => {
                Expr::UnaryOp { op: UnaryOperator::Not, expr }
            }
            Expr::BinaryOp { left, op, right } => self.operator(left, op, right),
            other => other,
        };
        Ok(())
    }

    /// A call. A name with its database is always a user's function; without
    /// one a function that exists wins.
    fn call(&mut self, mut function: Function) -> Result<Expr, SqlError> {
        let parts: Vec<String> = function.name.0.iter().map(part_name).collect();
        let (database, rewritten) = match parts.as_slice() {
            [_] => (None, rewrite_call(function, self.environment)),
            _ => {
                let database = self.environment.database_of(&parts)?;
                let name = parts.last().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
                let seen_as = format!("{database}.{name}");
                function.name.0 = vec![ObjectNamePart::Identifier(Ident::new(seen_as))];
                (Some(database), Expr::Function(function))
            }
        };
        if let Expr::Function(call) = &rewritten
            && let Some(seen_as) = call.name.0.last().map(part_name)
        {
            let name = match &database {
                Some(_) => parts.last().map(|name| name.to_ascii_lowercase()).unwrap_or_default(),
                None => seen_as.clone(),
            };
            let found = FoundFunction { database, name, seen_as };
            if !self.found.functions.contains(&found) {
                self.found.functions.push(found);
            }
        }
        Ok(rewritten)
    }

    fn operator(&self, left: Box<Expr>, op: BinaryOperator, right: Box<Expr>) -> Expr {
        let sign = match op {
            BinaryOperator::Plus => 1,
            BinaryOperator::Minus => -1,
            _ => 0,
        };
        if sign != 0
            && let Expr::Interval(interval) = right.as_ref()
            && let Some((by, unit)) = interval_parts(interval)
        {
            return shifted(*left, by, &unit, sign);
        }
        if sign == 1
            && let Expr::Interval(interval) = left.as_ref()
            && let Some((by, unit)) = interval_parts(interval)
        {
            return shifted(*right, by, &unit, sign);
        }
        match op {
            BinaryOperator::LongArrow | BinaryOperator::Arrow => {
                call("__rh_json_get", vec![as_text(*left), as_text(*right)])
            }
            op => Expr::BinaryOp { left, op, right },
        }
    }

    fn select(&self, select: &mut Select) {
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => lower(alias),
                // An expression is called by its text, as in StarRocks, not by
                // what the rewriting makes of it.
                SelectItem::UnnamedExpr(expr) if !is_column(expr) => {
                    let alias = Ident::new(shown(expr).to_ascii_lowercase());
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
                }
                _ => {}
            }
        }
        if let Some(condition) = &mut select.selection
            && matches!(condition, Expr::Value(value) if matches!(value.value, Value::Number(..)))
        {
            *condition = Expr::BinaryOp {
                left: Box::new(condition.clone()),
                op: BinaryOperator::NotEq,
                right: Box::new(number(0)),
            };
        }
        for TableWithJoins { joins, .. } in &mut select.from {
            for join in joins {
                if let Some(JoinConstraint::Using(columns)) = constraint_of(&mut join.join_operator) {
                    for column in columns.iter_mut().flat_map(|name| &mut name.0) {
                        if let ObjectNamePart::Identifier(ident) = column {
                            lower(ident);
                        }
                    }
                }
            }
        }
    }
}

/// An item of SELECT that ORDER BY repeats is meant by its name.
fn order_by_items(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_ref() else { return };
    let items: HashSet<String> = select
        .projection
        .iter()
        .filter_map(|item| match item {
            SelectItem::UnnamedExpr(expr) if !is_column(expr) => Some(shown(expr).to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    let Some(order) = &mut query.order_by else { return };
    let OrderByKind::Expressions(expressions) = &mut order.kind else { return };
    for item in expressions {
        // A number is a position.
        if !is_column(&item.expr) && !matches!(item.expr, Expr::Value(_)) {
            let name = shown(&item.expr).to_ascii_lowercase();
            if items.contains(&name) {
                item.expr = Expr::Identifier(Ident::new(name));
            }
        }
    }
}

/// `x IN (1, 'a')` as comparisons, each by the rules of its operands. `None`
/// for long lists, whose values DataFusion compares in one type.
fn in_list(expr: &Expr, list: &[Expr], negated: bool) -> Option<Expr> {
    const SHORT: usize = 32;
    let literal = |item: &Expr| matches!(item, Expr::Value(_) | Expr::UnaryOp { .. });
    if !is_column(expr) || list.is_empty() || list.len() > SHORT || !list.iter().all(literal) {
        return None;
    }
    let (equal, both) = match negated {
        false => (BinaryOperator::Eq, BinaryOperator::Or),
        true => (BinaryOperator::NotEq, BinaryOperator::And),
    };
    let one = |item: &Expr| binary(expr.clone(), equal.clone(), item.clone());
    let all = list.iter().map(one).reduce(|left, right| binary(left, both.clone(), right))?;
    Some(Expr::Nested(Box::new(all)))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn named(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None }
}

fn constraint_of(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(c)
        | JoinOperator::Inner(c)
        | JoinOperator::Left(c)
        | JoinOperator::LeftOuter(c)
        | JoinOperator::Right(c)
        | JoinOperator::RightOuter(c)
        | JoinOperator::FullOuter(c)
        | JoinOperator::Semi(c)
        | JoinOperator::LeftSemi(c)
        | JoinOperator::RightSemi(c)
        | JoinOperator::Anti(c)
        | JoinOperator::LeftAnti(c)
        | JoinOperator::RightAnti(c) => Some(c),
        _ => None,
    }
}

impl VisitorMut for Rewriter<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        for cte in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            cte.alias.columns.iter_mut().for_each(|column| lower(&mut column.name));
        }
        order_by_items(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        self.select(select);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        match self.table(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match self.expression(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}
