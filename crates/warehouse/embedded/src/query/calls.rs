//! StarRocks's functions in terms of those that exist.

use super::super::value::time::{DAY, date_text, datetime_text};
use super::Environment;
use super::build::{as_bigint, as_text, call, case, cast, number, plain_arguments, text, text_of};
use sqlparser::ast::{
    BinaryOperator, DataType as SqlType, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArguments, Ident, Interval, ObjectNamePart, Value,
};

/// The call as DataFusion plans it. Arguments are rewritten already.
pub(super) fn rewrite_call(mut function: Function, environment: &Environment) -> Expr {
    let name = function.name.0.last().map(ToString::to_string).unwrap_or_default();
    let name = name.trim_matches('`').to_ascii_lowercase();
    if matches!(name.as_str(), "group_concat" | "string_agg") {
        return group_concat(function);
    }
    if name == "multi_distinct_count" {
        if let FunctionArguments::List(list) = &mut function.args {
            list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
        }
        return renamed(function, "count");
    }
    if function.over.is_none()
        && let Some(arguments) = plain_arguments(&function)
        && let Some(expr) = rewrite_plain(&name, arguments, environment)
    {
        return expr;
    }
    let name = alias(&name).unwrap_or(&name).to_owned();
    let call = renamed(function, &name);
    match name.as_str() {
        // DataFusion counts these without a sign, which StarRocks has no type for.
        "row_number" | "rank" | "dense_rank" | "ntile" | "array_length" | "array_position"
        | "cardinality" | "approx_distinct" => as_bigint(call),
        _ => call,
    }
}

fn renamed(mut function: Function, name: &str) -> Expr {
    function.name.0 = vec![ObjectNamePart::Identifier(Ident::new(name))];
    Expr::Function(function)
}

/// Functions that only have another name.
fn alias(name: &str) -> Option<&'static str> {
    Some(match name {
        "ifnull" | "nvl" => "coalesce",
        "length" => "octet_length",
        "char_length" => "character_length",
        "ucase" => "upper",
        "lcase" => "lower",
        "ceiling" | "dceil" => "ceil",
        "dfloor" => "floor",
        "pow" | "fpow" | "dpow" => "power",
        "rand" => "random",
        "sign" => "signum",
        "truncate" => "trunc",
        "dexp" => "exp",
        "dlog10" => "log10",
        "strright" => "right",
        "strleft" => "left",
        "any_value" => "first_value",
        "ndv" | "approx_count_distinct" => "approx_distinct",
        "std" | "stddev" => "stddev_pop",
        "variance" | "variance_pop" => "var_pop",
        "variance_samp" => "var_samp",
        "percentile_approx" => "approx_percentile_cont",
        "array_length" => "array_length",
        "array_contains" => "array_has",
        "row" | "struct" => "struct",
        _ => return None,
    })
}

/// Calls that become another expression.
fn rewrite_plain(name: &str, arguments: Vec<Expr>, environment: &Environment) -> Option<Expr> {
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next();
    Some(match (name, count) {
        ("if", 3) => case(next()?, next()?, next()?),
        ("nullif", 2) => call("nullif", vec![next()?, next()?]),
        ("isnull", 1) => Expr::IsNull(Box::new(next()?)),
        ("isnotnull", 1) => Expr::IsNotNull(Box::new(next()?)),
        ("database" | "schema", 0) => match environment.current_database.as_deref() {
            Some(database) => text(database),
            None => Expr::value(Value::Null),
        },
        ("version", 0) => text(environment.mysql_version),
        ("current_version", 0) => text(environment.version.clone()),
        ("user" | "session_user" | "current_user", 0) => text("'root'@'%'"),
        ("current_role", 0) => text("root"),
        ("connection_id", 0) => number(0),
        ("catalog", 0) => text("default_catalog"),
        ("now" | "current_timestamp" | "localtime" | "localtimestamp" | "sysdate", 0 | 1) => {
            let whole = environment.now - environment.now.rem_euclid(1_000_000);
            call("__rh_to_time", vec![text(datetime_text(if count == 0 { whole } else { environment.now }))])
        }
        ("utc_timestamp", 0) => {
            let whole = environment.utc - environment.utc.rem_euclid(1_000_000);
            call("__rh_to_time", vec![text(datetime_text(whole))])
        }
        ("curdate" | "current_date", 0) => {
            let days = i32::try_from(environment.now.div_euclid(DAY)).unwrap_or(0);
            cast(text(date_text(days)), SqlType::Date)
        }
        ("concat", _) => call("concat", arguments.collect()),
        ("substr" | "substring" | "mid", 2 | 3) => {
            let (value, start) = (as_text(next()?), as_bigint(next()?));
            let length = next().map_or_else(|| number(i64::MAX), as_bigint);
            call("__rh_substr", vec![value, start, length])
        }
        ("locate", 2) => {
            let (part, whole) = (next()?, next()?);
            call("strpos", vec![whole, part])
        }
        ("instr", 2) => call("strpos", vec![next()?, next()?]),
        ("space", 1) => call("repeat", vec![text(" "), next()?]),
        ("null_or_empty", 1) => {
            let value = next()?;
            let empty = Expr::BinaryOp {
                left: Box::new(value.clone()),
                op: BinaryOperator::Eq,
                right: Box::new(text("")),
            };
            case(Expr::IsNull(Box::new(value)), Expr::value(Value::Boolean(true)), empty)
        }
        ("regexp" | "rlike", 2) => call("regexp_like", vec![next()?, next()?]),
        ("ceil" | "ceiling" | "dceil", 1) => as_bigint(call("ceil", vec![next()?])),
        ("floor" | "dfloor", 1) => as_bigint(call("floor", vec![next()?])),
        ("round" | "dround", 1) => as_bigint(call("round", vec![next()?])),
        ("truncate", 2) => call("trunc", vec![next()?, next()?]),
        ("bitand", 2) => operator(next()?, BinaryOperator::BitwiseAnd, next()?),
        ("bitor", 2) => operator(next()?, BinaryOperator::BitwiseOr, next()?),
        ("bitxor", 2) => operator(next()?, BinaryOperator::BitwiseXor, next()?),
        ("mod", 2) => operator(next()?, BinaryOperator::Modulo, next()?),
        ("get_json_string" | "get_json_object" | "json_query" | "json_string", 2) => {
            call("__rh_json_get", vec![as_text(next()?), as_text(next()?)])
        }
        ("get_json_int", 2) => as_bigint(call("__rh_json_get", vec![as_text(next()?), as_text(next()?)])),
        ("get_json_double", 2) => {
            let value = call("__rh_json_get", vec![as_text(next()?), as_text(next()?)]);
            cast(value, SqlType::Double(sqlparser::ast::ExactNumberInfo::None))
        }
        ("parse_json", 1) => as_text(next()?),
        _ => return super::times::rewrite_time(name, arguments.collect(), environment),
    })
}

fn operator(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr: Expr| Box::new(Expr::Nested(Box::new(expr)));
    Expr::BinaryOp { left: nested(left), op, right: nested(right) }
}

/// `group_concat(x [, separator] [ORDER BY …] [SEPARATOR s])`.
fn group_concat(mut function: Function) -> Expr {
    if let FunctionArguments::List(list) = &mut function.args {
        let mut separator = None;
        list.clauses.retain(|clause| match clause {
            FunctionArgumentClause::Separator(value) => {
                separator = Some(Expr::Value(value.clone()));
                false
            }
            _ => true,
        });
        let value = match list.args.first() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) => Some(value.clone()),
            _ => None,
        };
        // With DISTINCT the order must be over the very argument.
        for clause in &mut list.clauses {
            if let FunctionArgumentClause::OrderBy(order) = clause {
                for item in order.iter_mut().filter(|item| Some(&item.expr) == value.as_ref()) {
                    item.expr = as_text(item.expr.clone());
                }
            }
        }
        let plain = |expr: Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr));
        if separator.is_some() || list.args.len() == 1 {
            list.args.truncate(1);
            list.args.push(plain(separator.unwrap_or_else(|| text(", "))));
        }
        if let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(value))) = list.args.first_mut() {
            *value = as_text(std::mem::replace(value, Expr::value(Value::Null)));
        }
    }
    renamed(function, "string_agg")
}

/// Count and unit of `INTERVAL n unit`.
pub(super) fn interval_parts(interval: &Interval) -> Option<(Expr, String)> {
    let unit = interval.leading_field.as_ref()?.to_string().to_ascii_lowercase();
    let unit = unit.strip_suffix('s').unwrap_or(&unit).to_owned();
    let count = match text_of(&interval.value) {
        Some(digits) => number(digits.trim().parse().ok()?),
        None => as_bigint((*interval.value).clone()),
    };
    Some((count, unit))
}
