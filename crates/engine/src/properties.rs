//! The WHERE clause of SHOW RESTORE.

use rockhold_sql::ast::ExprText;
use sqlparser::ast::{BinaryOperator, Expr, Value};

/// The label of `WHERE Label = '…'`; any other clause is accepted and ignored,
/// as StarRocks does.
pub(crate) fn label_filter(filter: Option<&ExprText>) -> Option<String> {
    let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = filter?.expr.as_ref() else { return None };
    match (left.as_ref(), right.as_ref()) {
        (Expr::Identifier(name), Expr::Value(value)) if name.value.eq_ignore_ascii_case("label") => {
            match &value.value {
                Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => Some(text.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}
