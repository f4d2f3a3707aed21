//! Queries and expressions: a [`sqlparser`] tree beside the text.
//!
//! The tree is what an engine plans; the text is what is stored and printed.
//! `FILES("path" = "…", …)` in FROM is a table function whose arguments are
//! unnamed expressions `'path' = '…'`: comparisons of two string literals.

use std::fmt;

use sqlparser::ast::{Expr, Query, TableWithJoins};

use crate::Span;

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryText {
    /// The text as written, from its first to its last token.
    pub text: String,
    /// The tree.
    pub query: Box<Query>,
    /// Bracketed hints dropped from the tree, lower case and in order:
    /// `_sync_mv_`, `broadcast`, …
    pub hints: Vec<String>,
    /// Where it was written.
    pub span: Span,
}

impl fmt::Display for QueryText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub struct ExprText {
    /// The text as written, from its first to its last token.
    pub text: String,
    /// The tree.
    pub expr: Box<Expr>,
    /// Where it was written.
    pub span: Span,
}

impl fmt::Display for ExprText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

// Expressions hash by their text only where a partition list does.
impl Eq for ExprText {}

impl std::hash::Hash for ExprText {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// The tables of a FROM or USING clause of UPDATE and DELETE.
#[derive(Debug, Clone, PartialEq)]
pub struct FromText {
    /// The text as written, without the word before it.
    pub text: String,
    /// The tables.
    pub tables: Vec<TableWithJoins>,
    /// Where it was written.
    pub span: Span,
}

impl fmt::Display for FromText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
