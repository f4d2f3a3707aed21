//! Warehouse objects as plain data: live, and as documents in a snapshot.

use crate::{Digest, Error, KindId, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

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
