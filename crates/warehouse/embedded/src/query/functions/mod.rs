//! Functions that DataFusion lacks or has with another meaning.
//!
//! Names that begin with `__rh_` are what [`super::rewrite`] turns StarRocks's
//! spellings into; their arguments are cast by the rewriting, so each has one
//! exact signature.

mod json;
mod text;
mod time;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType as ArrowType;
use chrono_tz::Tz;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use std::sync::Arc;

/// All of them, for a warehouse in `zone`.
pub(crate) fn all(zone: Tz) -> Vec<ScalarUDF> {
    let mut functions = text::all();
    functions.extend(time::all(zone));
    functions.extend(json::all());
    functions
}

/// A function of exactly these argument types; `body` gets arrays of one length.
fn exact(
    name: &str,
    arguments: Vec<ArrowType>,
    returns: ArrowType,
    body: impl Fn(&[ArrayRef]) -> Result<ArrayRef> + Send + Sync + 'static,
) -> ScalarUDF {
    let wrapped = move |values: &[ColumnarValue]| {
        let scalar = values.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let arrays = ColumnarValue::values_to_arrays(values)?;
        let result = body(&arrays)?;
        if scalar && result.len() == 1 {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    };
    create_udf(name, arguments, returns, Volatility::Immutable, Arc::new(wrapped))
}
