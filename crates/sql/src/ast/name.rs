//! Names, strings, properties and types: the parts shared by all statements.

use std::fmt;

use rockhold_model::DataType;

use crate::Span;
use crate::keywords::is_reserved;
use crate::lexer::{is_name_part, is_name_start};

/// A name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ident {
    /// The name without quotes.
    pub value: String,
    /// Written in backquotes.
    pub quoted: bool,
    /// Where it was written; renaming an object edits this stretch of its SQL.
    pub span: Span,
}

impl Ident {
    /// A name that prints in backquotes.
    pub fn new(value: impl Into<String>) -> Self {
        Ident { value: value.into(), quoted: true, span: Span::default() }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quoted { f.write_str(&quote_ident(&self.value)) } else { f.write_str(&self.value) }
    }
}

/// The name in backquotes.
pub fn quote_ident(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Whether a name can stand in SQL without backquotes.
pub(crate) fn is_plain(name: &str) -> bool {
    name.chars().next().is_some_and(is_name_start) && name.chars().all(is_name_part) && !is_reserved(name)
}

/// The text as a string literal in double quotes.
pub fn quote_text(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '\\' | '"') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// A name of several parts: `catalog.database.table`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// Parts from the outermost; never empty when parsed.
    pub parts: Vec<Ident>,
}

impl ObjectName {
    /// A name of one part.
    pub fn single(name: Ident) -> Self {
        ObjectName { parts: vec![name] }
    }

    /// The last part's text: the object itself.
    pub fn object(&self) -> &str {
        self.parts.last().map_or("", Ident::as_str)
    }

    /// The part before the last: the database, when given.
    pub fn database(&self) -> Option<&str> {
        let position = self.parts.len().checked_sub(2)?;
        self.parts.get(position).map(Ident::as_str)
    }

    /// Where the whole name was written.
    pub fn span(&self) -> Span {
        match (self.parts.first(), self.parts.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => Span::default(),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(f, &self.parts, ".")
    }
}

/// One `"key" = "value"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Property {
    /// Key; case-sensitive.
    pub key: String,
    /// Value.
    pub value: String,
    /// Where it was written.
    pub span: Span,
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", quote_text(&self.key), quote_text(&self.value))
    }
}

/// The list of a PROPERTIES clause, without the word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PropertyList {
    /// Entries as written, repeated keys included: the last one counts.
    pub entries: Vec<Property>,
    /// Where the clause was written.
    pub span: Span,
}

impl PropertyList {
    /// The value that counts for a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
    }

    /// Keys and the values that count, in the order of first appearance.
    pub fn effective(&self) -> indexmap::IndexMap<String, String> {
        self.entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    }
}

impl fmt::Display for PropertyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", comma_separated(&self.entries))
    }
}

/// `PARTITION (…)` behind a table's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PartitionList {
    /// TEMPORARY was written.
    pub temporary: bool,
    /// Names of partitions.
    pub names: Vec<Ident>,
    /// `column = value` pairs of a static partition; only INSERT has them.
    pub values: Vec<(Ident, super::ExprText)>,
    /// Where the clause was written.
    pub span: Span,
}

impl fmt::Display for PartitionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.temporary {
            f.write_str("TEMPORARY ")?;
        }
        if self.values.is_empty() {
            return write!(f, "PARTITION ({})", comma_separated(&self.names));
        }
        let pairs: Vec<String> =
            self.values.iter().map(|(column, value)| format!("{column} = {value}")).collect();
        write!(f, "PARTITION ({})", pairs.join(", "))
    }
}

/// A type as SQL that parses to the same type. Differs from the type's
/// `Display`, which is StarRocks's text and leaves odd field names bare.
pub fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Array(element) => format!("array<{}>", sql_type(element)),
        DataType::Map(key, value) => format!("map<{}, {}>", sql_type(key), sql_type(value)),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| {
                    let name =
                        if is_plain(&field.name) { field.name.clone() } else { quote_ident(&field.name) };
                    format!("{name} {}", sql_type(&field.data_type))
                })
                .collect();
            format!("struct<{}>", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// Items with `, ` between them.
pub fn comma_separated<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(crate) fn separated<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    between: &str,
) -> fmt::Result {
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            f.write_str(between)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

/// Prints ` PROPERTIES (…)` when the clause was written.
pub(crate) fn write_properties(f: &mut fmt::Formatter<'_>, properties: &Option<PropertyList>) -> fmt::Result {
    match properties {
        Some(list) => write!(f, " PROPERTIES {list}"),
        None => Ok(()),
    }
}

/// Prints ` COMMENT "…"` when the clause was written.
pub(crate) fn write_comment(f: &mut fmt::Formatter<'_>, comment: &Option<String>) -> fmt::Result {
    match comment {
        Some(text) => write!(f, " COMMENT {}", quote_text(text)),
        None => Ok(()),
    }
}

impl From<&str> for Ident {
    /// A name that prints bare when it can.
    fn from(value: &str) -> Self {
        Ident { value: value.to_string(), quoted: !is_plain(value), span: Span::default() }
    }
}
