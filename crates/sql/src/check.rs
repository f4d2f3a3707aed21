//! Reading a script without running it.

use crate::{Parser, Span, SqlError};

/// What became of one statement of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// Name of the statement's kind; `None` when it is none.
    pub kind: Option<&'static str>,
    /// Where it stands in the text.
    pub span: Span,
    /// Why it is refused.
    pub error: Option<SqlError>,
}

/// Reads every statement of a script and says for each whether it parses.
///
/// ```
/// let results = rockhold_sql::check("SHOW BACKUP; BACKUP SNAPSHOT; USE shop");
/// assert_eq!(results.iter().filter(|result| result.error.is_some()).count(), 1);
/// ```
pub fn check(source: &str) -> Vec<Checked> {
    Parser::new()
        .parse(source)
        .map(|parsed| match parsed.statement {
            Ok(statement) => Checked { kind: Some(statement.kind()), span: parsed.span, error: None },
            Err(error) => Checked { kind: None, span: parsed.span, error: Some(error) },
        })
        .collect()
}
