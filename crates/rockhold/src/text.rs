//! From text to statements.

use crate::object_types;
use rockhold_sql::SqlError;
use rockhold_sql::ast::Statement;
use serde_json::json;

/// One statement of a text.
#[derive(Debug)]
pub struct StatementText {
    /// The statement, or why it is none.
    pub parsed: Result<Statement, SqlError>,
    /// The line it begins at, from 1.
    pub place: Option<usize>,
}

/// The statements of a text, in order. Behind a statement that does not parse
/// comes the one after its `;`.
pub fn statements(text: &str) -> impl Iterator<Item = StatementText> {
    let parsed: Vec<_> = object_types::parser().parse(text).collect();
    parsed.into_iter().map(|parsed| StatementText {
        place: usize::try_from(parsed.span.line).ok(),
        parsed: parsed.statement,
    })
}

/// One line of `rockhold sql --check`.
#[derive(Debug)]
pub struct CheckLine {
    /// A JSON object without line breaks.
    pub json: String,
    /// Whether the statement was refused.
    pub is_error: bool,
}

/// Parses every statement of a text and describes it in one JSON line:
/// `{"statement": n, "line": l, "column": c, "kind": k}`, or with `"error"`,
/// `"errno"` and the place of the error.
pub fn check(text: &str) -> impl Iterator<Item = CheckLine> {
    rockhold_sql::check(text).into_iter().enumerate().map(|(index, checked)| {
        let mut line = json!({
            "statement": index + 1,
            "line": checked.span.line,
            "column": checked.span.column,
            "kind": checked.kind,
        });
        let mut is_error = false;
        if let Some(error) = &checked.error
            && let Some(map) = line.as_object_mut()
        {
            is_error = true;
            map.insert("errno".into(), json!(error.errno));
            map.insert("error".into(), json!(error.to_string()));
            if let Some(place) = error.position {
                map.insert("error_line".into(), json!(place.line));
                map.insert("error_column".into(), json!(place.column));
            }
        }
        CheckLine { json: line.to_string(), is_error }
    })
}
