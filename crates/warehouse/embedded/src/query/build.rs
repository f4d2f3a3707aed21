//! Building and taking apart syntax trees of expressions.

use rockhold_sql::SqlError;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{CaseWhen, CastKind};
use sqlparser::ast::{
    DataType as SqlType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
    FunctionArguments, Ident, ObjectName, ObjectNamePart, Query, SelectItem, SetExpr, TableFactor,
    TableWithJoins, Value, ValueWithSpan,
};
use sqlparser::tokenizer::Span;

/// A call of a function by its lower-case name.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(Function {
        name: ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// A string literal.
pub(crate) fn text(value: impl Into<String>) -> Expr {
    literal(Value::SingleQuotedString(value.into()))
}

/// A number.
pub(crate) fn number(value: i64) -> Expr {
    literal(Value::Number(value.to_string(), false))
}

fn literal(value: Value) -> Expr {
    Expr::Value(ValueWithSpan { value, span: Span::empty() })
}

/// NULL where the value does not convert, as StarRocks casts.
pub(crate) fn cast(expr: Expr, data_type: SqlType) -> Expr {
    Expr::Cast { kind: CastKind::TryCast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// A cast to DATETIME; texts in all of StarRocks's forms of a time.
pub(crate) fn as_time(expr: Expr) -> Expr {
    if let Some(text) = text_of(&expr) {
        return call("__rh_to_time", vec![self::text(text)]);
    }
    cast(expr, SqlType::Datetime(None))
}

pub(crate) fn as_text(expr: Expr) -> Expr {
    if text_of(&expr).is_some() { expr } else { cast(expr, SqlType::String(None)) }
}

pub(crate) fn as_bigint(expr: Expr) -> Expr {
    cast(expr, SqlType::BigInt(None))
}

/// `CASE WHEN condition THEN yes ELSE no END`.
pub(crate) fn case(condition: Expr, yes: Expr, no: Expr) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result: yes }],
        else_result: Some(Box::new(no)),
    }
}

/// The text of a string literal.
pub(crate) fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
}

/// The plain arguments of a call; `None` when there are others.
pub(crate) fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    match &function.args {
        FunctionArguments::None => Some(Vec::new()),
        FunctionArguments::List(list) if list.clauses.is_empty() => list
            .args
            .iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// `SELECT * FROM name`.
///
/// # Errors
/// None in practice.
pub(crate) fn select_all(name: &rockhold_core::ObjectName) -> Result<Query, SqlError> {
    let mut query = *rockhold_sql::parse_query("SELECT * FROM a.b")?.query;
    if let SetExpr::Select(select) = query.body.as_mut() {
        for table in &mut select.from {
            rename(table, name);
        }
    }
    Ok(query)
}

fn rename(table: &mut TableWithJoins, name: &rockhold_core::ObjectName) {
    if let TableFactor::Table { name: written, .. } = &mut table.relation {
        written.0 = [&name.database, &name.name]
            .map(|part| ObjectNamePart::Identifier(Ident::new(part.as_str())))
            .to_vec();
    }
}

/// `SELECT items FROM name, others WHERE filter`.
///
/// # Errors
/// None in practice.
pub(crate) fn empty_select(
    name: &rockhold_core::ObjectName,
    items: Vec<Expr>,
    others: Option<Vec<TableWithJoins>>,
    filter: &Expr,
) -> Result<Query, SqlError> {
    let mut query = *rockhold_sql::parse_query("SELECT 1 FROM a.b")?.query;
    if let SetExpr::Select(select) = query.body.as_mut() {
        for table in &mut select.from {
            rename(table, name);
        }
        select.from.extend(others.unwrap_or_default());
        if !items.is_empty() {
            select.projection = items
                .into_iter()
                .enumerate()
                .map(|(at, expr)| SelectItem::ExprWithAlias { expr, alias: Ident::new(format!("__rh_{at}")) })
                .collect();
        }
        select.selection = Some(filter.clone());
    }
    Ok(query)
}
