//! Warehouse objects as plain data: live, and as documents in a snapshot.

use crate::{Digest, Error, KindId, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Whether a database is one that StarRocks has for itself, in any case:
/// `information_schema`, `sys`, `_statistics_`. Warehouses do not list them,
/// nobody makes them, and nothing is restored into them.
pub fn is_system_database(name: &str) -> bool {
    ["information_schema", "sys", "_statistics_"].iter().any(|system| system.eq_ignore_ascii_case(name))
}

/// The name of an object: its database (empty for catalogs) and its own name.
/// For kinds with overloads the name carries the signature.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// The database; empty where the namespace is the warehouse.
    pub database: String,
    /// The name inside the database.
    pub name: String,
}

impl ObjectName {
    /// A name inside a database.
    pub fn new(database: impl Into<String>, name: impl Into<String>) -> Self {
        Self { database: database.into(), name: name.into() }
    }

    /// The name before a signature: `f` of `f(INT,VARCHAR)`. Meaningful in the
    /// namespace of functions; names of other objects may hold parentheses.
    pub fn base_name(&self) -> &str {
        self.name.split_once('(').map_or(self.name.as_str(), |(base, _)| base)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.database.is_empty() {
            write!(f, "{}.", self.database)?;
        }
        f.write_str(&self.name)
    }
}

/// An object as the warehouse holds it. `definition` is the serialised form of
/// the kind's type in `rockhold-model` (for a table: without its partitions,
/// which travel as partition entries); `state` is what changes without a
/// change of definition (such as the next AUTO_INCREMENT value).
#[derive(Clone, Debug, PartialEq)]
pub struct LiveObject {
    /// Its kind.
    pub kind: KindId,
    /// Its name.
    pub name: ObjectName,
    /// Its definition; for a kind that the warehouse does not know, the
    /// document's body as it came.
    pub definition: Value,
    /// Its state; `Null` where the kind has none.
    pub state: Value,
}

impl LiveObject {
    /// The definition as the type of `rockhold-model` that the kind has.
    ///
    /// # Errors
    /// `InvalidInput` when it is not one.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.definition).map_err(|e| {
            Error::invalid(format!("this is not the definition of a {}: {e}", words(&self.kind)))
                .at(&self.name)
        })
    }

    /// The object with another definition.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON.
    pub fn with_definition<T: Serialize>(self, definition: &T) -> Result<Self> {
        Ok(Self { definition: to_json(definition)?, ..self })
    }
}

/// The words of a kind for people: `materialized view`.
fn words(kind: &KindId) -> String {
    kind.as_str().replace('_', " ")
}

fn to_json<T: Serialize>(value: &T) -> Result<Value> {
    serde_json::to_value(value)
        .map_err(|e| Error::internal("a definition cannot be written as JSON").because(e))
}

/// An object as a snapshot holds it: canonical JSON and the SQL text that
/// makes it again, readable without this program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The version of the kind's body format, from 1.
    pub format: u32,
    /// The kind.
    pub kind: KindId,
    /// The definition.
    pub body: Value,
    /// The state at the time of the backup; `Null` where the kind has none.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub state: Value,
    /// StarRocks SQL that makes the object again under its own name.
    pub sql: String,
}

impl Document {
    /// A document of that format whose body is `definition`.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON.
    pub fn write<T: Serialize>(
        format: u32,
        kind: KindId,
        definition: &T,
        state: Value,
        sql: String,
    ) -> Result<Self> {
        Ok(Self { format, kind, body: to_json(definition)?, state, sql })
    }

    /// The body as the type of `rockhold-model` that `kind` has. `newest` is the
    /// newest format that the caller reads; older ones must be read by the type.
    ///
    /// # Errors
    /// `Unsupported` for a newer format, `Corrupt` for another kind or a body
    /// that is not of the type.
    pub fn read<T: DeserializeOwned>(&self, name: &ObjectName, kind: &KindId, newest: u32) -> Result<T> {
        let what = words(kind);
        if self.kind != *kind {
            let text = format!("a document of kind {} stands for a {what}", self.kind);
            return Err(Error::corrupt(text).at(name));
        }
        if self.format == 0 {
            return Err(Error::corrupt("the document has format 0, the first is 1").at(name));
        }
        if self.format > newest {
            return Err(Error::unsupported(format!(
                "the document has format {}, this version reads up to {newest}; use a newer version",
                self.format
            ))
            .at(name));
        }
        T::deserialize(&self.body)
            .map_err(|e| Error::corrupt(format!("the definition of the {what} cannot be read: {e}")).at(name))
    }

    /// Canonical bytes of the body: keys in byte order, no blanks. Equal
    /// definitions give equal bytes.
    ///
    /// # Errors
    /// `Internal` when the body cannot be written as JSON.
    pub fn canonical_body(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        write_canonical(&self.body, &mut out)?;
        Ok(out)
    }

    /// The digest of [`Document::canonical_body`].
    ///
    /// # Errors
    /// As there.
    pub fn body_digest(&self) -> Result<Digest> {
        Ok(Digest::of(&self.canonical_body()?))
    }
}

/// Canonical JSON: keys in byte order, no blanks.
pub(crate) fn write_canonical(value: &Value, out: &mut Vec<u8>) -> Result<()> {
    let json = |e: serde_json::Error| Error::internal("a document cannot be written as JSON").because(e);
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
            out.push(b'{');
            for (i, (key, value)) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, key).map_err(json)?;
                out.push(b':');
                write_canonical(value, out)?;
            }
            out.push(b'}');
            Ok(())
        }
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_canonical(item, out)?;
            }
            out.push(b']');
            Ok(())
        }
        leaf => serde_json::to_writer(out, leaf).map_err(json),
    }
}

/// A reference from one object to another, as its definition names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// The kind, where the text tells; a name in FROM may be a table or a view.
    pub kind: Option<KindId>,
    /// The name, with the database filled in.
    pub name: ObjectName,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overloads_share_a_base_name() {
        assert_eq!(ObjectName::new("d", "f(INT,MAP<INT,INT>)").base_name(), "f");
        assert_eq!(ObjectName::new("d", "t").base_name(), "t");
    }
}
