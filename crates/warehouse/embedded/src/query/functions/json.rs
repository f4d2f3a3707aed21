//! Reading JSON values.

use super::exact;
use arrow::array::{Array, AsArray, StringArray};
use arrow::datatypes::DataType as ArrowType;
use datafusion::logical_expr::ScalarUDF;
use serde_json::Value;
use std::sync::Arc;

pub(super) fn all() -> Vec<ScalarUDF> {
    let text = ArrowType::Utf8;
    vec![exact("__rh_json_get", vec![text.clone(), text.clone()], text, |a| {
        let (documents, paths) = (a[0].as_string::<i32>(), a[1].as_string::<i32>());
        let values: StringArray = (0..documents.len())
            .map(|row| {
                if documents.is_null(row) || paths.is_null(row) {
                    return None;
                }
                get(documents.value(row), paths.value(row))
            })
            .collect();
        Ok(Arc::new(values))
    })]
}

/// The value at `$.a.b[0]`, as text: strings without their quotes. `None` when
/// there is none or it is null.
fn get(document: &str, path: &str) -> Option<String> {
    let document: Value = serde_json::from_str(document).ok()?;
    let mut value = &document;
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() {
        if let Some(index) = rest.strip_prefix('[') {
            let (index, behind) = index.split_once(']')?;
            value = value.get(index.trim().parse::<usize>().ok()?)?;
            rest = behind;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let (name, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        value = value.get(name)?;
        rest = behind;
    }
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::get;

    #[test]
    fn paths_lead_into_objects_and_arrays() {
        let document = r#"{"a": {"b c": [1, {"d": "x"}]}, "n": null}"#;
        assert_eq!(get(document, r#"$.a."b c"[1].d"#).as_deref(), Some("x"));
        assert_eq!(get(document, "$.a.\"b c\"[0]").as_deref(), Some("1"));
        assert_eq!(get(document, "$.n"), None);
        assert_eq!(get(document, "$.nothing.here"), None);
        assert_eq!(get("no json", "$"), None);
    }
}
