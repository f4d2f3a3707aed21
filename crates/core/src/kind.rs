//! Kinds of warehouse objects, open to extension.
//!
//! A kind is known to parser, engine and warehouse only by its
//! [`KindDescriptor`]; nothing in this workspace matches over kinds. A plugin
//! registers a descriptor, a [`CatalogCodec`](crate::CatalogCodec) and, where
//! the kind has data, a [`SnapshotWriter`](crate::SnapshotWriter).

use crate::{Error, Result};
use std::{borrow::Cow, collections::BTreeMap, fmt};

/// The identity of a kind: lower-case words joined by `_`, such as `table`
/// or `materialized_view`. Part of the repository format.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct KindId(Cow<'static, str>);

impl KindId {
    /// Tables.
    pub const TABLE: KindId = KindId(Cow::Borrowed("table"));
    /// Asynchronous materialized views; synchronous ones belong to their table.
    pub const MATERIALIZED_VIEW: KindId = KindId(Cow::Borrowed("materialized_view"));
    /// Logical views.
    pub const VIEW: KindId = KindId(Cow::Borrowed("view"));
    /// User-defined functions.
    pub const FUNCTION: KindId = KindId(Cow::Borrowed("function"));
    /// External catalogs.
    pub const EXTERNAL_CATALOG: KindId = KindId(Cow::Borrowed("external_catalog"));

    /// A kind by name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KindId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Inside what a name is unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Namespace {
    /// Tables, views and materialized views of one database share it.
    Relation,
    /// Functions of one database; several may share a name (overloads).
    Function,
    /// Catalogs of the warehouse; they lie in no database.
    Catalog,
}

/// Everything parser and engine know of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindDescriptor {
    /// Its identity.
    pub id: KindId,
    /// The SQL words of one object: `["MATERIALIZED", "VIEW"]`.
    pub singular: Vec<String>,
    /// The SQL words of several: `["MATERIALIZED", "VIEWS"]`.
    pub plural: Vec<String>,
    /// Inside what its names are unique.
    pub namespace: Namespace,
    /// Whether it has rows, and so partitions and data files.
    pub has_data: bool,
    /// Whether BACKUP and RESTORE may name some of its partitions.
    pub partition_list: bool,
    /// Whether a backup of a whole database takes its objects along.
    pub in_database_backup: bool,
    /// Whether SHOW BACKUP and SHOW RESTORE list its objects.
    pub shown_in_job: bool,
    /// Objects of a lower class are restored first where no reference decides.
    pub restore_class: u8,
    /// Whether its objects may name others; where they never do, nobody reads
    /// their documents to find out.
    pub refers: bool,
    /// The privilege that BACKUP needs on each object, such as `EXPORT`.
    pub backup_privilege: Cow<'static, str>,
}

impl KindDescriptor {
    /// A kind with data in the relation namespace; adjust the public fields.
    pub fn new(id: KindId, singular: &str, plural: &str) -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_ascii_uppercase).collect();
        Self {
            id,
            singular: words(singular),
            plural: words(plural),
            namespace: Namespace::Relation,
            has_data: true,
            partition_list: true,
            in_database_backup: true,
            shown_in_job: true,
            restore_class: 0,
            refers: true,
            backup_privilege: Cow::Borrowed("EXPORT"),
        }
    }
}

/// The kinds that are linked or loaded, by identity.
#[derive(Clone, Debug, Default)]
pub struct KindRegistry(BTreeMap<KindId, KindDescriptor>);

impl KindRegistry {
    /// Adds a kind.
    ///
    /// # Errors
    /// `AlreadyExists` when the identity or the SQL words are taken.
    pub fn register(&mut self, kind: KindDescriptor) -> Result<()> {
        let clash = self
            .0
            .values()
            .any(|k| k.id == kind.id || k.singular == kind.singular || k.plural == kind.plural);
        if clash {
            return Err(Error::new(
                crate::ErrorKind::AlreadyExists,
                format!("the object kind {} or its words are registered already", kind.id),
            ));
        }
        self.0.insert(kind.id.clone(), kind);
        Ok(())
    }

    /// The descriptor of a kind.
    pub fn get(&self, id: &KindId) -> Option<&KindDescriptor> {
        self.0.get(id)
    }

    /// All kinds, by identity.
    pub fn iter(&self) -> impl Iterator<Item = &KindDescriptor> {
        self.0.values()
    }
}
