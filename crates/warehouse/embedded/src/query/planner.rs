//! What DataFusion asks for while it plans: tables, functions, types and the
//! meaning of operators.

use super::super::value::time::{DAY, parse_datetime};
use super::super::value::types::{LARGEINT_DIGITS, to_arrow};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, TimeUnit};
use datafusion::catalog::TableProvider;
use datafusion::common::{DFSchema, ScalarValue, TableReference};
use datafusion::config::ConfigOptions;
use datafusion::datasource::provider_as_source;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, PlannerResult, RawBinaryExpr, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, Expr, ExprSchemable, HigherOrderUDF, Operator, ScalarUDF, TableSource, WindowUDF,
    binary_expr, cast, lit, try_cast,
};
use sqlparser::ast::BinaryOperator;
use std::collections::HashMap;
use std::sync::Arc;

/// What one query reads: its tables by database and name, both in their case,
/// and the functions of users that it calls.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tables {
    tables: HashMap<(String, String), Arc<dyn TableProvider>>,
    functions: HashMap<String, Arc<ScalarUDF>>,
}

impl Tables {
    pub(crate) fn insert(&mut self, database: &str, name: &str, table: Arc<dyn TableProvider>) {
        self.tables.insert((database.to_owned(), name.to_owned()), table);
    }

    /// Adds a function under the name by which the query calls it.
    pub(crate) fn insert_function(&mut self, seen_as: &str, function: Arc<ScalarUDF>) {
        self.functions.insert(seen_as.to_owned(), function);
    }
}

/// What [`datafusion::sql::planner::SqlToRel`] sees.
pub(crate) struct Provider<'a> {
    pub(crate) state: &'a SessionState,
    pub(crate) tables: &'a Tables,
    pub(crate) database: &'a str,
    planners: Vec<Arc<dyn ExprPlanner>>,
}

impl<'a> Provider<'a> {
    pub(crate) fn new(state: &'a SessionState, tables: &'a Tables, database: &'a str) -> Self {
        let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators)];
        planners.extend(state.expr_planners().iter().cloned());
        Self { state, tables, database, planners }
    }
}

impl ContextProvider for Provider<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let database = name.schema().unwrap_or(self.database);
        match self.tables.tables.get(&(database.to_owned(), name.table().to_owned())) {
            Some(table) => Ok(provider_as_source(table.clone())),
            None => Err(DataFusionError::Plan(format!("Unknown table '{database}.{}'", name.table()))),
        }
    }

    fn create_cte_work_table(
        &self,
        name: &str,
        schema: arrow::datatypes::SchemaRef,
    ) -> Result<Arc<dyn TableSource>> {
        let table = datafusion::catalog::cte_worktable::CteWorkTable::new(name, schema);
        Ok(provider_as_source(Arc::new(table)))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(Types))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).or_else(|| self.tables.functions.get(name)).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<ArrowType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}

/// Types in CAST, read by our own parser.
#[derive(Debug)]
struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &sqlparser::ast::DataType) -> Result<Option<FieldRef>> {
        let Ok(data_type) = rockhold_sql::parse_type(&sql_type.to_string()) else { return Ok(None) };
        let arrow = to_arrow(&data_type).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(Some(Arc::new(Field::new("", arrow, true))))
    }
}

/// Arithmetic as StarRocks does it: integers grow by one size, `/` is never
/// an integer division, and division by zero is NULL.
#[derive(Debug)]
struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        Ok(match expr.op {
            BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply => {
                arithmetic(expr, &left, &right)
            }
            BinaryOperator::Divide => PlannerResult::Planned(divide(expr, &left, &right)),
            BinaryOperator::Modulo => match numeric(&left) && numeric(&right) {
                true => {
                    let divisor = nullif(expr.right, lit(0i64));
                    PlannerResult::Planned(binary_expr(expr.left, Operator::Modulo, divisor))
                }
                false => PlannerResult::Original(expr),
            },
            BinaryOperator::MyIntegerDivide | BinaryOperator::DuckIntegerDivide => {
                let divisor = nullif(cast(expr.right, ArrowType::Int64), lit(0i64));
                let dividend = cast(expr.left, ArrowType::Int64);
                PlannerResult::Planned(binary_expr(dividend, Operator::Divide, divisor))
            }
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => compare(expr, &left, &right),
            _ => PlannerResult::Original(expr),
        })
    }
}

fn numeric(data_type: &ArrowType) -> bool {
    data_type.is_numeric()
}

/// 0 for TINYINT … 3 for BIGINT, 4 for LARGEINT. A literal has the least size
/// that holds it.
fn size(expr: &Expr, data_type: &ArrowType) -> Option<usize> {
    if let Expr::Literal(ScalarValue::Int64(Some(value)), _) = expr {
        return Some(match value {
            -128..=127 => 0,
            -32_768..=32_767 => 1,
            -2_147_483_648..=2_147_483_647 => 2,
            _ => 3,
        });
    }
    Some(match data_type {
        ArrowType::Int8 | ArrowType::Boolean => 0,
        ArrowType::Int16 | ArrowType::UInt8 => 1,
        ArrowType::Int32 | ArrowType::UInt16 => 2,
        ArrowType::Int64 | ArrowType::UInt32 => 3,
        ArrowType::UInt64 | ArrowType::Decimal256(LARGEINT_DIGITS, 0) => 4,
        _ => return None,
    })
}

fn arithmetic(expr: RawBinaryExpr, left: &ArrowType, right: &ArrowType) -> PlannerResult<RawBinaryExpr> {
    let operator = match expr.op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        _ => Operator::Multiply,
    };
    let sizes = size(&expr.left, left).zip(size(&expr.right, right));
    if let Some((a, b)) = sizes {
        let target = match a.max(b) {
            0 => ArrowType::Int16,
            1 => ArrowType::Int32,
            2 | 3 => ArrowType::Int64,
            _ => ArrowType::Decimal256(LARGEINT_DIGITS, 0),
        };
        let value = binary_expr(cast(expr.left, target.clone()), operator, cast(expr.right, target.clone()));
        return PlannerResult::Planned(match target {
            ArrowType::Decimal256(..) => cast(value, target),
            _ => value,
        });
    }
    let text = |data_type: &ArrowType| matches!(data_type, ArrowType::Utf8 | ArrowType::LargeUtf8);
    if (text(left) && (numeric(right) || text(right))) || (text(right) && numeric(left)) {
        let (a, b) = (cast(expr.left, ArrowType::Float64), cast(expr.right, ArrowType::Float64));
        return PlannerResult::Planned(binary_expr(a, operator, b));
    }
    PlannerResult::Original(expr)
}

fn divide(expr: RawBinaryExpr, left: &ArrowType, right: &ArrowType) -> Expr {
    let digits = |expr: &Expr, data_type: &ArrowType| match data_type {
        ArrowType::Decimal256(LARGEINT_DIGITS, 0) => None,
        ArrowType::Decimal128(_, scale) | ArrowType::Decimal256(_, scale) => Some((*scale).max(0)),
        _ if size(expr, data_type).is_some() => Some(0),
        _ => None,
    };
    let integers = size(&expr.left, left).is_some() && size(&expr.right, right).is_some();
    if !integers && let (Some(scale), Some(_)) = (digits(&expr.left, left), digits(&expr.right, right)) {
        // Arrow gives four digits more than the dividend has.
        let wanted = match scale {
            0..=6 => scale + 6,
            7..=12 => 12,
            _ => scale,
        };
        let dividend = cast(expr.left, ArrowType::Decimal128(38, scale.max(wanted - 4)));
        let divisor = match right {
            ArrowType::Decimal128(..) | ArrowType::Decimal256(..) => expr.right,
            _ => cast(expr.right, ArrowType::Decimal128(20, 0)),
        };
        let quotient = binary_expr(dividend, Operator::Divide, nullif(divisor, lit(0i64)));
        return cast(quotient, ArrowType::Decimal128(38, wanted));
    }
    let divisor = nullif(cast(expr.right, ArrowType::Float64), lit(0.0f64));
    binary_expr(cast(expr.left, ArrowType::Float64), Operator::Divide, divisor)
}

/// BOOLEAN compares with numbers as 1 and 0; text with numbers as text where
/// equality is asked, else as DOUBLE; text with times as a time. What does not
/// convert compares as NULL.
fn compare(expr: RawBinaryExpr, left: &ArrowType, right: &ArrowType) -> PlannerResult<RawBinaryExpr> {
    let mut expr = expr;
    let equality = matches!(expr.op, BinaryOperator::Eq | BinaryOperator::NotEq);
    match (left, right) {
        (ArrowType::Boolean, other) if numeric(other) => expr.left = cast(expr.left, ArrowType::Int64),
        (other, ArrowType::Boolean) if numeric(other) => expr.right = cast(expr.right, ArrowType::Int64),
        (ArrowType::Utf8, other) => {
            (expr.left, expr.right) = text_against(expr.left, expr.right, other, equality);
        }
        (other, ArrowType::Utf8) => {
            (expr.right, expr.left) = text_against(expr.right, expr.left, other, equality);
        }
        _ => {}
    }
    PlannerResult::Original(expr)
}

/// A text and what it is compared with, made comparable.
fn text_against(text: Expr, value: Expr, value_type: &ArrowType, equality: bool) -> (Expr, Expr) {
    let literal = match &text {
        Expr::Literal(ScalarValue::Utf8(Some(literal)), _) => Some(literal.trim().to_owned()),
        _ => None,
    };
    if numeric(value_type) {
        return match literal {
            Some(literal) => {
                let number = literal.parse::<i64>().map(lit).or_else(|_| literal.parse::<f64>().map(lit));
                (number.unwrap_or_else(|_| lit(ScalarValue::Float64(None))), value)
            }
            None if equality && !value_type.is_floating() => (text, cast(value, ArrowType::Utf8)),
            None => (try_cast(text, ArrowType::Float64), cast(value, ArrowType::Float64)),
        };
    }
    let micros = ArrowType::Timestamp(TimeUnit::Microsecond, None);
    match (value_type, literal) {
        (ArrowType::Date32, Some(literal)) => match parse_datetime(&literal) {
            Some(time) if time.rem_euclid(DAY) == 0 => {
                let days = i32::try_from(time.div_euclid(DAY)).ok();
                (lit(ScalarValue::Date32(days)), value)
            }
            Some(time) => (lit(ScalarValue::TimestampMicrosecond(Some(time), None)), cast(value, micros)),
            None => (lit(ScalarValue::Date32(None)), value),
        },
        (ArrowType::Timestamp(..), Some(literal)) => {
            (lit(ScalarValue::TimestampMicrosecond(parse_datetime(&literal), None)), value)
        }
        (ArrowType::Date32 | ArrowType::Timestamp(..), None) => {
            (try_cast(text, micros.clone()), cast(value, micros))
        }
        _ => (text, value),
    }
}
