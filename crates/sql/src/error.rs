//! Errors in StarRocks's shape.

use std::fmt;

use crate::Span;
use crate::hidden::without_secrets;
use crate::lexer::BYTE_ORDER_MARK;

/// So many characters of a line are shown on each side of a place.
const SHOWN: usize = 60;

/// Where a statement was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The text is not a statement.
    Parse,
    /// The statement contradicts itself or the catalog; nothing was done.
    Analyze,
    /// The statement failed while it ran.
    Execute,
}

/// A refused statement: what a MySQL client sees.
///
/// `Display` is StarRocks's text: clients and search engines match parts of it.
/// [`SqlError::place`] shows the line with a caret under the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// Error number of the MySQL protocol.
    pub errno: u16,
    /// SQLSTATE of the MySQL protocol.
    pub sqlstate: &'static str,
    /// Where the statement was refused.
    pub stage: Stage,
    /// What is wrong, without StarRocks's envelope and without a final stop.
    pub message: String,
    /// Place in the text, when it has one.
    pub position: Option<Position>,
}

/// Place of an error in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 0.
    pub column: u32,
    /// Line and column at which the last token concerned begins; `None` when
    /// the place is one token.
    pub end: Option<(u32, u32)>,
    /// Bytes concerned, from the beginning of the text.
    pub bytes: (usize, usize),
}

impl Position {
    /// The place of one token: where it begins.
    pub fn at(span: Span) -> Self {
        Position { line: span.line, column: span.column, end: None, bytes: (span.start, span.end) }
    }

    /// The place of a clause: where its first and its last token begin.
    pub fn range(span: Span) -> Self {
        let end = (span.last_line, span.last_column);
        Position {
            line: span.line,
            column: span.column,
            end: (end != (span.line, span.column)).then_some(end),
            bytes: (span.start, span.end),
        }
    }
}

impl SqlError {
    /// Number of most errors: syntax and analysis.
    pub const GENERAL: u16 = 1064;
    /// Number of nearly every error about backups, restores and repositories.
    pub const COMMON: u16 = 5064;

    /// A syntax error at a token.
    pub fn syntax(message: impl Into<String>, span: Span) -> Self {
        SqlError {
            errno: Self::GENERAL,
            sqlstate: "HY000",
            stage: Stage::Parse,
            message: message.into(),
            position: Some(Position::at(span)),
        }
    }

    /// A rule of the grammar that has no one place.
    pub fn syntax_rule(message: impl Into<String>) -> Self {
        SqlError {
            errno: Self::GENERAL,
            sqlstate: "HY000",
            stage: Stage::Parse,
            message: message.into(),
            position: None,
        }
    }

    /// An analysis error, number 1064.
    pub fn analyze(message: impl Into<String>) -> Self {
        Self::numbered(Stage::Analyze, Self::GENERAL, message)
    }

    /// An error while running, number 1064.
    pub fn execute(message: impl Into<String>) -> Self {
        Self::numbered(Stage::Execute, Self::GENERAL, message)
    }

    /// An error of the given stage and number; the SQLSTATE follows from the number.
    pub fn numbered(stage: Stage, errno: u16, message: impl Into<String>) -> Self {
        SqlError { errno, sqlstate: sqlstate_of(errno), stage, message: message.into(), position: None }
    }

    /// The same error at a place.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.position = Some(Position::range(span));
        self
    }

    /// The source line of the place with a caret under it, or `None` without a
    /// place: two lines, ready to be printed below the message. Of a long line
    /// only what lies around the place is shown, and nothing that may be a secret.
    pub fn place(&self, source: &str) -> Option<String> {
        let position = self.position?;
        let shown = without_secrets(source);
        let line = shown.lines().nth(usize::try_from(position.line).ok()?.checked_sub(1)?)?;
        // A byte order mark at the beginning has neither width nor column.
        let line = if position.line == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        let column = usize::try_from(position.column).ok()?;
        let marked = source.get(position.bytes.0..position.bytes.1).and_then(|text| text.lines().next());
        let marked = marked.unwrap_or_default();
        let from = column.saturating_sub(SHOWN);
        let to = column.saturating_add(marked.chars().take(SHOWN).count()).saturating_add(SHOWN);
        let shown: String = line.chars().take(to).skip(from).collect();
        let before = if from > 0 { "…" } else { "" };
        let behind = if line.chars().nth(to).is_some() { "…" } else { "" };
        // Tabs stay tabs, so that the caret stands under its character in any
        // terminal; wide characters are given two columns.
        let pad: String = before
            .chars()
            .chain(shown.chars().take(column - from))
            .map(|c| match c {
                '\t' => "\t",
                c if is_wide(c) => "  ",
                _ => " ",
            })
            .collect();
        let widths = marked.chars().take(to - column).map(|c| 1 + usize::from(is_wide(c)));
        let carets = "^".repeat(widths.sum::<usize>().max(1));
        Some(format!("{before}{shown}{behind}\n{pad}{carets}"))
    }
}

/// Whether a terminal shows the character in two columns (East Asian scripts
/// and pictures; near enough for a caret).
fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD)
}

/// The SQLSTATE that goes with an error number.
pub fn sqlstate_of(errno: u16) -> &'static str {
    match errno {
        5501 => "3F000",
        5502 => "42602",
        1046 => "3D000",
        1045 => "28000",
        1050 => "42S01",
        5064 | 5063 | 5082 | 1102 | 1104 | 5203 => "42000",
        _ => "HY000",
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.stage {
            Stage::Parse => "syntax",
            Stage::Analyze => "analyzing",
            Stage::Execute => return f.write_str(&self.message),
        };
        write!(f, "Getting {what} error")?;
        if let Some(Position { line, column, end, .. }) = self.position {
            match end {
                None => write!(f, " at line {line}, column {column}")?,
                Some((to_line, to_column)) => {
                    write!(f, " from line {line}, column {column} to line {to_line}, column {to_column}")?;
                }
            }
        }
        write!(f, ". Detail message: {}.", self.message)
    }
}

impl std::error::Error for SqlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_envelope_is_starrocks_own() {
        let span = Span { start: 16, end: 18, line: 1, column: 16, last_line: 1, last_column: 16 };
        let error =
            SqlError::syntax("Unexpected input 'TO', the most similar input is {a legal identifier}", span);
        assert_eq!(
            error.to_string(),
            "Getting syntax error at line 1, column 16. Detail message: Unexpected input 'TO', the most \
             similar input is {a legal identifier}."
        );
        assert_eq!(
            error.place("BACKUP SNAPSHOT TO repo").unwrap(),
            "BACKUP SNAPSHOT TO repo\n                ^^"
        );
    }

    #[test]
    fn carets_stand_under_wide_characters_and_behind_tabs() {
        let span = Span { start: 9, end: 12, line: 2, column: 2, last_line: 2, last_column: 2 };
        let error = SqlError::syntax("x", span);
        assert_eq!(error.place("USE a\n\t库表 b").unwrap(), "\t库表 b\n\t  ^");
    }

    /// What is shown of the first `found` in a text of one line.
    fn place_of(found: &str, source: &str) -> String {
        let start = source.find(found).unwrap();
        let column = u32::try_from(source[..start].chars().count()).unwrap();
        let end = start + found.len();
        let span = Span { start, end, line: 1, column, last_line: 1, last_column: column };
        SqlError::syntax("x", span).place(source).unwrap()
    }

    #[test]
    fn of_a_long_line_only_the_surroundings_are_shown() {
        let long = "1, ".repeat(100_000);
        assert_eq!(
            place_of("WRONG", &format!("{long}WRONG {long}")),
            format!("…{}WRONG {}1, 1,…\n{}^^^^^", "1, ".repeat(20), "1, ".repeat(18), " ".repeat(61))
        );
        // Nothing is cut that is not longer.
        let short = "2".repeat(60);
        let line = format!("{short}WRONG{short}");
        assert_eq!(place_of("WRONG", &line), format!("{line}\n{}^^^^^", " ".repeat(60)));
        assert_eq!(
            place_of("WRONG", &format!("3{short}WRONG{short}4")),
            format!("…{line}…\n{}^^^^^", " ".repeat(61))
        );
        // A long token is cut itself.
        let token = "x".repeat(1000);
        let shown = "x".repeat(120);
        assert_eq!(
            place_of(&token, &format!("USE {token}")),
            format!("USE {shown}…\n    {}", "^".repeat(120))
        );
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let long = "库é".repeat(1000);
        let half = "库é".repeat(30);
        let pad = format!(" {}", "   ".repeat(30));
        assert_eq!(place_of("表!", &format!("{long}表!{long}")), format!("…{half}表!{half}…\n{pad}^^^"));
    }
}
