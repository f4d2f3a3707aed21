//! Types and text of the expressions that a table's definition holds.

use std::ops::ControlFlow;

use rockhold_model::{Column, DataType};
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
    visit_expressions, visit_expressions_mut,
};

use crate::parse_type;

/// The type of an expression over columns, `None` when it is not known here.
///
/// Covers what generated and partition columns are made of in practice:
/// columns, literals, arithmetic, CAST and the usual functions of time, text
/// and JSON.
pub fn output_type(expr: &Expr, columns: &[Column]) -> Option<DataType> {
    match expr {
        Expr::Nested(inner) => output_type(inner, columns),
        Expr::Identifier(name) => columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(&name.value))
            .map(|column| column.data_type.clone()),
        Expr::Value(value) => match &value.value {
            Value::Number(number, _) => Some(number_type(number)),
            Value::SingleQuotedString(_) => Some(DataType::Varchar(DataType::MAX_VARCHAR)),
            Value::Boolean(_) => Some(DataType::Boolean),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => output_type(expr, columns),
        Expr::UnaryOp { op: UnaryOperator::Not, .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::InList { .. }
        | Expr::Between { .. }
        | Expr::Like { .. } => Some(DataType::Boolean),
        Expr::Cast { data_type, .. } => parse_type(&data_type.to_string()).ok(),
        Expr::BinaryOp { left, op, right } => {
            binary_type(op, output_type(left, columns), output_type(right, columns))
        }
        Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            let arguments = function_arguments(&function.args);
            let argument = |n: usize| arguments.get(n).and_then(|argument| output_type(argument, columns));
            function_type(&name, argument)
        }
        Expr::Substring { .. } | Expr::Trim { .. } => Some(DataType::Varchar(DataType::MAX_VARCHAR)),
        _ => None,
    }
}

/// The plain arguments of a function call.
pub(super) fn function_arguments(arguments: &FunctionArguments) -> Vec<&Expr> {
    match arguments {
        FunctionArguments::List(list) => list
            .args
            .iter()
            .filter_map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn number_type(number: &str) -> DataType {
    match number.parse::<i128>() {
        Ok(number) if i8::try_from(number).is_ok() => DataType::TinyInt,
        Ok(number) if i16::try_from(number).is_ok() => DataType::SmallInt,
        Ok(number) if i32::try_from(number).is_ok() => DataType::Int,
        Ok(number) if i64::try_from(number).is_ok() => DataType::BigInt,
        Ok(_) => DataType::LargeInt,
        Err(_) => DataType::Double,
    }
}

fn binary_type(op: &BinaryOperator, left: Option<DataType>, right: Option<DataType>) -> Option<DataType> {
    match op {
        BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply | BinaryOperator::Modulo => {
            let (left, right) = (left?, right?);
            if left == DataType::LargeInt || right == DataType::LargeInt {
                return Some(DataType::LargeInt);
            }
            if left.is_integer() && right.is_integer() {
                return Some(DataType::BigInt);
            }
            let number = |data_type: &DataType| data_type.is_integer() || data_type.is_floating();
            (number(&left) && number(&right)).then_some(DataType::Double)
        }
        BinaryOperator::MyIntegerDivide => Some(DataType::BigInt),
        BinaryOperator::Divide => {
            let number = |data_type: &DataType| data_type.is_integer() || data_type.is_floating();
            (number(&left?) && number(&right?)).then_some(DataType::Double)
        }
        BinaryOperator::And
        | BinaryOperator::Or
        | BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::LtEq
        | BinaryOperator::Gt
        | BinaryOperator::GtEq
        | BinaryOperator::Spaceship => Some(DataType::Boolean),
        BinaryOperator::LongArrow => Some(DataType::Json),
        _ => None,
    }
}

fn function_type(name: &str, argument: impl Fn(usize) -> Option<DataType>) -> Option<DataType> {
    let text = || Some(DataType::Varchar(DataType::MAX_VARCHAR));
    match name {
        "date_trunc" => argument(1),
        "time_slice" | "date_slice" | "abs" | "coalesce" | "ifnull" | "nullif" | "greatest" | "least" => {
            argument(0)
        }
        "if" => argument(1),
        "from_unixtime" | "from_unixtime_ms" | "date_format" | "concat" | "concat_ws" | "substr"
        | "substring" | "upper" | "lower" | "left" | "right" | "replace" | "trim" | "ltrim" | "rtrim"
        | "lpad" | "rpad" | "reverse" | "get_json_string" | "md5" | "sha2" | "hex" | "split_part"
        | "json_string" | "dayname" | "monthname" => text(),
        "date" | "to_date" | "str2date" | "last_day" => Some(DataType::Date),
        "str_to_date" | "now" | "date_add" | "date_sub" | "days_add" | "days_sub" | "hours_add"
        | "minutes_add" => Some(DataType::DateTime),
        "year" => Some(DataType::SmallInt),
        "month" | "day" | "hour" | "minute" | "second" | "quarter" => Some(DataType::TinyInt),
        "dayofweek" | "dayofmonth" | "dayofyear" | "week" | "weekofyear" | "length" | "char_length"
        | "datediff" | "murmur_hash3_32" | "to_days" | "get_json_int" => Some(match name {
            "get_json_int" => DataType::BigInt,
            _ => DataType::Int,
        }),
        "unix_timestamp" | "bit_count" => Some(DataType::BigInt),
        "xx_hash3_64" => Some(DataType::BigInt),
        "get_json_double" | "pow" | "sqrt" | "ln" | "exp" => Some(DataType::Double),
        "parse_json" | "json_object" | "json_array" | "json_query" => Some(DataType::Json),
        "json_exists" | "starts_with" | "ends_with" => Some(DataType::Boolean),
        _ => None,
    }
}

/// The expression as SQL, without parentheses around the whole.
pub(super) fn expression_text(expr: &Expr) -> String {
    unwrapped(expr).to_string()
}

/// The expression as SQL with every column name in backquotes.
pub(super) fn quoted_expression_text(expr: &Expr) -> String {
    let mut expr = unwrapped(expr).clone();
    let _: ControlFlow<()> = visit_expressions_mut(&mut expr, |part| {
        if let Expr::Identifier(name) = part {
            name.quote_style = Some('`');
        }
        ControlFlow::Continue(())
    });
    expr.to_string()
}

fn unwrapped(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// Names of the columns that an expression reads.
pub(super) fn columns_of(expr: &Expr) -> Vec<String> {
    let mut names = Vec::new();
    let _: ControlFlow<()> = visit_expressions(expr, |part| {
        match part {
            Expr::Identifier(name) => names.push(name.value.clone()),
            Expr::CompoundIdentifier(parts) => names.extend(parts.first().map(|part| part.value.clone())),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_expression;

    #[test]
    fn types_of_expressions_follow_their_columns() {
        let columns = [Column::new("a", DataType::Int), Column::new("d", DataType::DateTime)];
        let of = |text: &str| output_type(&parse_expression(text).unwrap().expr, &columns);
        assert_eq!(of("(a + 1)"), Some(DataType::BigInt));
        assert_eq!(of("date_trunc('day', D)"), Some(DataType::DateTime));
        assert_eq!(of("a / 2"), Some(DataType::Double));
        assert_eq!(of("CAST(a AS ARRAY<INT>)").unwrap().to_string(), "array<int(11)>");
        assert_eq!(of("from_unixtime(a, '%Y')"), Some(DataType::Varchar(1_048_576)));
        assert_eq!(of("nosuch(a)"), None);
    }
}
