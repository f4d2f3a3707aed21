//! SET, transactions, and statements that are only recognised.

use std::fmt;

use super::{ExprText, Ident, quote_text};

/// `SET item, …`.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    /// The items in order.
    pub items: Vec<SetItem>,
}

/// Whose variable is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetScope {
    /// This session's.
    Session,
    /// Everyone's.
    Global,
    /// `@name`: a user variable.
    User,
}

/// One item of SET.
#[derive(Debug, Clone, PartialEq)]
pub enum SetItem {
    /// `[GLOBAL|SESSION|LOCAL] name = value`, `@@scope.name = value`, `@name = value`.
    Variable {
        /// Whose.
        scope: SetScope,
        /// Name, as written.
        name: Ident,
        /// New value.
        value: SetValue,
    },
    /// `NAMES charset [COLLATE collation]`, `CHARACTER SET charset`.
    Names {
        /// Character set; `None` for DEFAULT.
        charset: Option<String>,
        /// Collation.
        collate: Option<String>,
    },
    /// `CATALOG name`.
    Catalog(Ident),
    /// TRANSACTION, PASSWORD, ROLE, PROPERTY …: kept as text.
    Other(String),
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq)]
pub enum SetValue {
    /// DEFAULT.
    Default,
    /// An expression; a bare word such as ON or utf8 is an identifier in it.
    Expression(Box<ExprText>),
}

impl fmt::Display for SetItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetItem::Variable { scope, name, value } => {
                match scope {
                    SetScope::Session => name.fmt(f)?,
                    SetScope::Global => write!(f, "GLOBAL {name}")?,
                    SetScope::User => write!(f, "@{name}")?,
                }
                match value {
                    SetValue::Default => f.write_str(" = DEFAULT"),
                    SetValue::Expression(expression) => write!(f, " = {expression}"),
                }
            }
            SetItem::Names { charset, collate } => {
                match charset {
                    Some(charset) => write!(f, "NAMES {}", quote_text(charset))?,
                    None => f.write_str("NAMES DEFAULT")?,
                }
                match collate {
                    Some(collate) => write!(f, " COLLATE {}", quote_text(collate)),
                    None => Ok(()),
                }
            }
            SetItem::Catalog(name) => write!(f, "CATALOG {name}"),
            SetItem::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SET {}", super::comma_separated(&self.items))
    }
}

/// BEGIN, COMMIT, ROLLBACK: accepted for clients that send them; every
/// statement commits by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "named as the words")]
pub enum Transaction {
    Begin,
    Commit,
    Rollback,
}

impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transaction::Begin => "BEGIN",
            Transaction::Commit => "COMMIT",
            Transaction::Rollback => "ROLLBACK",
        })
    }
}

/// A statement of StarRocks that Rockhold recognises and does not read.
#[derive(Debug, Clone, PartialEq)]
pub struct Opaque {
    /// Name of its kind, one of [`crate::STATEMENT_KINDS`].
    pub kind: &'static str,
    /// The statement as written, without the `;`.
    pub text: String,
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
