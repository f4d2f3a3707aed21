//! Positions in the text of a statement.

use crate::hidden::without_secrets;
use std::fmt;

/// A stretch of source text: bytes, and where its first and last tokens begin.
///
/// Lines count from 1 and columns from 0 in characters, as StarRocks counts
/// them. Two spans are always equal: a position is not part of what a statement
/// means, and equality of syntax trees is equality of meaning.
#[derive(Clone, Copy, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
    /// Line of the first token.
    pub line: u32,
    /// Column of the first token.
    pub column: u32,
    /// Line on which the last token begins.
    pub last_line: u32,
    /// Column at which the last token begins.
    pub last_column: u32,
}

impl Span {
    /// The span from the beginning of `self` to the end of `other`.
    pub fn to(self, other: Span) -> Span {
        if other.end < self.end {
            return self;
        }
        Span {
            start: self.start,
            end: other.end,
            line: self.line,
            column: self.column,
            last_line: other.last_line,
            last_column: other.last_column,
        }
    }

    /// The stretch of `source`, empty when the span is of another text.
    pub fn text<'s>(&self, source: &'s str) -> &'s str {
        source.get(self.start..self.end).unwrap_or_default()
    }

    /// The stretch of `source` as an error may show it, at most `most` characters.
    pub(crate) fn shown(&self, source: &str, most: usize) -> String {
        let before = source.get(..self.start).unwrap_or_default().chars().count();
        let len = self.text(source).chars().count().min(most);
        without_secrets(source).chars().skip(before).take(len).collect()
    }

    /// Whether the span covers nothing.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
}

impl PartialEq for Span {
    fn eq(&self, _: &Span) -> bool {
        true
    }
}

impl Eq for Span {}

impl std::hash::Hash for Span {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
