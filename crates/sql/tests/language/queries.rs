//! The shapes in which an engine finds what is StarRocks's own in a query.

use rockhold_sql::ast::QueryText;
use rockhold_sql::{parse_expression, parse_query};
use sqlparser::ast::{BinaryOperator, Expr, FunctionArg, FunctionArgExpr, SetExpr, TableFactor, Value};

fn query(sql: &str) -> QueryText {
    parse_query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn expression(sql: &str) -> Expr {
    *parse_expression(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).expr
}

fn first_table(query: &QueryText) -> &TableFactor {
    match query.query.body.as_ref() {
        SetExpr::Select(select) => &select.from[0].relation,
        other => panic!("{other}"),
    }
}

fn literal(expr: &Expr) -> &str {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => text,
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

#[test]
fn files_is_a_table_function_over_comparisons_of_literals() {
    let query = query("SELECT * FROM FILES(\"path\" = 's3://b/*', 'format' = \"parquet\") f");
    let TableFactor::Table { name, args: Some(args), alias: Some(_), .. } = first_table(&query) else {
        panic!()
    };
    assert_eq!(name.to_string(), "FILES");
    let pairs: Vec<(&str, &str)> = args
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            })) => (literal(left), literal(right)),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(pairs, [("path", "s3://b/*"), ("format", "parquet")]);
}

#[test]
fn hints_are_kept_beside_the_tree_and_in_the_text() {
    let query = query("SELECT /*+ SET_VAR(a = 1) */ * FROM m [_SYNC_MV_] JOIN [Broadcast] n ON TRUE -- end");
    assert_eq!(query.hints, ["_sync_mv_", "broadcast"]);
    assert!(query.text.ends_with("ON TRUE") && query.text.contains("/*+ SET_VAR(a = 1) */"));
    let TableFactor::Table { name, .. } = first_table(&query) else { panic!() };
    assert_eq!(name.to_string(), "m");
}

#[test]
fn pipes_are_or_and_chains_are_balanced() {
    let or = |expr: &Expr| matches!(expr, Expr::BinaryOp { op: BinaryOperator::Or, .. });
    assert!(or(&expression("a || b")));
    assert_eq!(expression("a OR b && c OR NOT d").to_string(), "a OR b AND c OR NOT d");
    let Expr::BinaryOp { left, op: BinaryOperator::Or, right } = expression("a OR b OR c OR d") else {
        panic!()
    };
    assert!(or(&left) && or(&right));
    let between = expression("a BETWEEN 1 AND 2 AND b");
    assert!(matches!(between, Expr::BinaryOp { op: BinaryOperator::And, .. }), "{between}");
}

#[test]
fn operators_of_words_and_arrows_have_their_own_nodes() {
    for (sql, operator) in [
        ("a DIV b", BinaryOperator::MyIntegerDivide),
        ("a MOD b", BinaryOperator::Modulo),
        ("j -> '$.a'", BinaryOperator::LongArrow),
        ("a >> 1", BinaryOperator::PGBitwiseShiftRight),
        ("a <=> NULL", BinaryOperator::Spaceship),
    ] {
        match expression(sql) {
            Expr::BinaryOp { op, .. } => assert_eq!(op, operator, "{sql}"),
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert!(matches!(expression("mod(a, b)"), Expr::Function(_)));
    // Division binds to the left.
    let Expr::BinaryOp { right, .. } = expression("a DIV b DIV c") else { panic!() };
    assert_eq!(right.to_string(), "c");
}

#[test]
fn variables_are_one_quoted_identifier() {
    let Expr::Identifier(name) = expression("@@version_comment") else { panic!() };
    assert_eq!((name.value.as_str(), name.quote_style), ("@@version_comment", Some('`')));
    let Expr::CompoundIdentifier(parts) = expression("@@session.autocommit") else { panic!() };
    assert_eq!(parts[0].value, "@@session");
}

#[test]
fn with_before_a_change_is_no_query() {
    for sql in ["WITH c AS (SELECT 1) DELETE FROM t", "WITH c AS (SELECT 1) INSERT INTO t SELECT 1"] {
        assert!(parse_query(sql).is_err(), "{sql}");
    }
}
