//! Functions that users made, as DataFusion plans and runs them.
//!
//! All functions of one name are one [`UserFunction`]; the types of a call
//! choose among them. The expression of a SQL function is planned once over
//! its parameters. Where it can, a plan replaces the call by the expression,
//! so that filters and constants are seen through it; elsewhere the expression
//! is evaluated over the arguments.

use super::super::error::into_query;
use super::super::value::types::to_arrow;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType as ArrowType, Field, FieldRef, Schema};
use arrow::util::display::FormatOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility, try_cast,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::PhysicalExpr;
use rockhold_model::DataType;
use rockhold_sql::SqlError;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One function: name and argument types.
#[derive(Debug)]
pub(crate) struct Overload {
    parameters: Vec<ArrowType>,
    /// The last parameter may repeat.
    variadic: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Sql(Box<SqlBody>),
    /// Why it cannot be called, as a sentence that names it.
    Foreign(String),
}

#[derive(Debug)]
struct SqlBody {
    /// The parameters by name.
    schema: Arc<Schema>,
    logical: Expr,
    physical: Arc<dyn PhysicalExpr>,
    returns: ArrowType,
    volatile: bool,
}

impl Overload {
    /// A function that cannot be called.
    pub(crate) fn foreign(parameters: &[DataType], variadic: bool, why: String) -> Self {
        // A type without an open form fits no argument; NULL stands for it.
        let parameters = parameters.iter().map(|p| to_arrow(p).unwrap_or(ArrowType::Null)).collect();
        Self { parameters, variadic, body: Body::Foreign(why) }
    }

    /// A SQL function; `body` was planned over [`parameter_schema`].
    ///
    /// # Errors
    /// The expression is not one value for one row.
    pub(crate) fn sql(
        parameters: &[(String, DataType)],
        body: Expr,
        state: &SessionState,
    ) -> Result<Self, SqlError> {
        let failed = super::super::error::of_query;
        let schema = parameter_schema(parameters)?;
        let mut whole = None;
        body.apply(|part| {
            whole = match part {
                Expr::AggregateFunction(_) => Some("an aggregate"),
                Expr::WindowFunction(_) => Some("a window function"),
                Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) => Some("a subquery"),
                _ => return Ok(TreeNodeRecursion::Continue),
            };
            Ok(TreeNodeRecursion::Stop)
        })
        .map_err(failed)?;
        if let Some(whole) = whole {
            return Err(SqlError::analyze(format!(
                "its expression contains {whole}; it must give one value for one row"
            )));
        }
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(schema.clone()))
            .with_config_options(state.config_options().clone())
            .with_query_execution_start_time(state.execution_props().query_execution_start_time)
            .build();
        let logical = ExprSimplifier::new(context).coerce(body, &schema).map_err(failed)?;
        let physical = state.create_physical_expr(logical.clone(), &schema).map_err(failed)?;
        let returns = physical.data_type(schema.as_arrow()).map_err(failed)?;
        let volatile = logical.is_volatile();
        let types = schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let body = SqlBody { schema: schema.inner().clone(), logical, physical, returns, volatile };
        Ok(Self { parameters: types, variadic: false, body: Body::Sql(Box::new(body)) })
    }

    /// How far arguments are from the parameters; `None` when they do not fit.
    fn distance(&self, arguments: &[ArrowType]) -> Option<u32> {
        let enough = match self.variadic {
            true => arguments.len() >= self.parameters.len(),
            false => arguments.len() == self.parameters.len(),
        };
        if !enough {
            return None;
        }
        let parameters = self.parameters.iter().chain(self.parameters.last().into_iter().cycle());
        let mut sum = u32::from(self.variadic);
        for (argument, parameter) in arguments.iter().zip(parameters) {
            sum += distance(argument, parameter)?;
        }
        Some(sum)
    }
}

/// The parameters as the columns that a body is planned over.
///
/// # Errors
/// A type has no open form.
pub(crate) fn parameter_schema(parameters: &[(String, DataType)]) -> Result<DFSchema, SqlError> {
    let fields = parameters
        .iter()
        .map(|(name, data_type)| Ok(Field::new(name.to_ascii_lowercase(), to_arrow(data_type)?, true)))
        .collect::<Result<Vec<_>, SqlError>>()?;
    DFSchema::try_from(Schema::new(fields)).map_err(super::super::error::of_query)
}

/// How much a type changes on the way into a parameter.
fn distance(argument: &ArrowType, parameter: &ArrowType) -> Option<u32> {
    const LOSSY: u32 = 100;
    if argument == parameter {
        return Some(0);
    }
    let rank = |data_type: &ArrowType| {
        Some(match data_type {
            ArrowType::Boolean => 1,
            ArrowType::Int8 => 2,
            ArrowType::Int16 | ArrowType::UInt8 => 3,
            ArrowType::Int32 | ArrowType::UInt16 => 4,
            ArrowType::Int64 | ArrowType::UInt32 => 5,
            ArrowType::UInt64 => 6,
            ArrowType::Decimal256(super::super::value::types::LARGEINT_DIGITS, 0) => 6,
            ArrowType::Decimal128(..) | ArrowType::Decimal256(..) => 7,
            ArrowType::Float32 => 8,
            ArrowType::Float64 => 9,
            _ => return None,
        })
    };
    let text = |data_type: &ArrowType| matches!(data_type, ArrowType::Utf8 | ArrowType::LargeUtf8);
    let time = |data_type: &ArrowType| matches!(data_type, ArrowType::Date32 | ArrowType::Timestamp(..));
    match (rank(argument), rank(parameter)) {
        _ if argument.is_null() => Some(1),
        (Some(from), Some(to)) if to >= from => Some(1 + to - from),
        (Some(from), Some(to)) => Some(LOSSY + from - to),
        (Some(_), None) if text(parameter) => Some(2 * LOSSY),
        (None, Some(_)) if text(argument) => Some(2 * LOSSY),
        _ if text(argument) && text(parameter) => Some(0),
        _ if time(argument) && time(parameter) => Some(1),
        _ if (time(argument) && text(parameter)) || (text(argument) && time(parameter)) => Some(LOSSY),
        // Elements of nested types are cast one by one.
        _ if argument.is_nested()
            && std::mem::discriminant(argument) == std::mem::discriminant(parameter) =>
        {
            Some(2)
        }
        _ => None,
    }
}

/// All functions of one name.
#[derive(Debug)]
pub(crate) struct UserFunction {
    /// The name under which the query calls it.
    name: String,
    /// As an error shows it.
    shown: String,
    overloads: Vec<Overload>,
    signature: Signature,
}

impl UserFunction {
    /// The functions that share a name, those that are preferred first.
    pub(crate) fn new(name: String, shown: String, overloads: Vec<Overload>) -> Self {
        let volatile = overloads.iter().any(|overload| match &overload.body {
            Body::Sql(body) => body.volatile,
            Body::Foreign(_) => false,
        });
        let volatility = if volatile { Volatility::Volatile } else { Volatility::Immutable };
        Self { name, shown, overloads, signature: Signature::user_defined(volatility) }
    }

    fn choose<'a>(&self, arguments: impl Iterator<Item = &'a ArrowType>) -> Result<(&Overload, &SqlBody)> {
        let arguments: Vec<ArrowType> = arguments.cloned().collect();
        let fitting =
            self.overloads.iter().filter_map(|overload| Some((overload.distance(&arguments)?, overload)));
        let Some((_, overload)) = fitting.min_by_key(|(distance, _)| *distance) else {
            let types: Vec<String> = arguments
                .iter()
                .map(|argument| super::super::value::types::from_arrow(argument).to_string())
                .collect();
            return Err(into_query(SqlError::analyze(format!(
                "No matching function with signature: {}({})",
                self.shown,
                types.join(", ")
            ))));
        };
        match &overload.body {
            Body::Sql(body) => Ok((overload, body)),
            Body::Foreign(why) => Err(into_query(SqlError::analyze(why.clone()))),
        }
    }
}

// Two functions of one plan are the same when they have the same name: a plan
// is made over one instant of the catalog.
impl PartialEq for UserFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.overloads.len() == other.overloads.len()
    }
}

impl Eq for UserFunction {}

impl Hash for UserFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for UserFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Arguments stay what they are; the function casts them itself, giving
    /// NULL where a value does not convert. That none fits is said when the
    /// type of the result is asked for.
    fn coerce_types(&self, arguments: &[ArrowType]) -> Result<Vec<ArrowType>> {
        Ok(arguments.to_vec())
    }

    fn return_type(&self, arguments: &[ArrowType]) -> Result<ArrowType> {
        Ok(self.choose(arguments.iter())?.1.returns.clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let (_, body) = self.choose(arguments.arg_fields.iter().map(|field| field.data_type()))?;
        Ok(Arc::new(Field::new(self.name(), body.returns.clone(), true)))
    }

    fn simplify(&self, arguments: Vec<Expr>, context: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // What is evaluated twice must give the same twice.
        if arguments.iter().any(Expr::is_volatile) {
            return Ok(ExprSimplifyResult::Original(arguments));
        }
        let types =
            arguments.iter().map(|argument| context.get_data_type(argument)).collect::<Result<Vec<_>>>()?;
        let (overload, body) = self.choose(types.iter())?;
        let values: Vec<Expr> = arguments
            .into_iter()
            .zip(types)
            .zip(&overload.parameters)
            .map(|((argument, from), to)| if from == *to { argument } else { try_cast(argument, to.clone()) })
            .collect();
        // From the leaves up, so that what replaces a parameter is not looked into.
        let replaced = body.logical.clone().transform_up(|part| {
            let Expr::Column(column) = &part else { return Ok(Transformed::no(part)) };
            let value = body.schema.index_of(&column.name).ok().and_then(|at| values.get(at)).cloned();
            Ok(value.map_or_else(|| Transformed::no(part), Transformed::yes))
        })?;
        Ok(ExprSimplifyResult::Simplified(replaced.data))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (overload, body) = self.choose(arguments.arg_fields.iter().map(|field| field.data_type()))?;
        let scalar =
            !body.volatile && arguments.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { arguments.number_rows };
        let options = CastOptions { safe: true, format_options: FormatOptions::default() };
        let columns = arguments
            .args
            .into_iter()
            .zip(&overload.parameters)
            .map(|(value, to)| Ok(cast_with_options(&value.into_array(rows)?, to, &options)?))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(body.schema.clone(), columns, &options)?;
        let value = body.physical.evaluate(&batch)?;
        Ok(match value {
            ColumnarValue::Array(array) if scalar => {
                ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
            }
            other => other,
        })
    }
}
