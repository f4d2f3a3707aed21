//! Text functions.

use super::super::super::value::text::Printer;
use super::exact;
use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

pub(super) fn all() -> Vec<ScalarUDF> {
    let (text, number) = (ArrowType::Utf8, ArrowType::Int64);
    vec![
        ScalarUDF::from(Concat::new()),
        exact("__rh_substr", vec![text.clone(), number.clone(), number], text, |arguments| {
            let (texts, starts, lengths) = (
                arguments[0].as_string::<i32>(),
                arguments[1].as_primitive::<Int64Type>(),
                arguments[2].as_primitive::<Int64Type>(),
            );
            let values: StringArray = (0..texts.len())
                .map(|row| {
                    if texts.is_null(row) || starts.is_null(row) || lengths.is_null(row) {
                        return None;
                    }
                    Some(substring(texts.value(row), starts.value(row), lengths.value(row)))
                })
                .collect();
            Ok(Arc::new(values))
        }),
    ]
}

/// Characters from `start` (1 is the first, −1 the last; 0 gives nothing).
fn substring(text: &str, start: i64, length: i64) -> String {
    let Ok(length) = usize::try_from(length) else { return String::new() };
    let skip = match start {
        0 => return String::new(),
        1.. => usize::try_from(start - 1).unwrap_or(usize::MAX),
        _ => {
            let count = text.chars().count();
            match usize::try_from(start.unsigned_abs()).ok().and_then(|back| count.checked_sub(back)) {
                Some(skip) => skip,
                None => return String::new(),
            }
        }
    };
    text.chars().skip(skip).take(length).collect()
}

/// `concat(…)`: any values as text; NULL when one of them is.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concat {
    signature: Signature,
}

impl Concat {
    fn new() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[ArrowType]) -> Result<ArrowType> {
        Ok(ArrowType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays: Vec<ArrayRef> =
            args.args.into_iter().map(|value| value.into_array(args.number_rows)).collect::<Result<_>>()?;
        let printers = arrays.iter().map(Printer::new).collect::<Result<Vec<_>, _>>()?;
        let texts: StringArray = (0..args.number_rows)
            .map(|row| printers.iter().map(|printer| printer.text(row)).collect::<Option<String>>())
            .collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    }
}

#[cfg(test)]
mod tests {
    use super::substring;

    #[test]
    fn negative_starts_count_from_the_end() {
        assert_eq!(substring("汉字abc", 1, 2), "汉字");
        assert_eq!(substring("abcdef", -3, 2), "de");
        assert_eq!(substring("abc", 0, 2), "");
        assert_eq!(substring("abc", -9, 2), "");
        assert_eq!(substring("abc", 2, i64::MAX), "bc");
    }
}
