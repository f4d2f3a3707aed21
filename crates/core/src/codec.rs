//! The contract of an object type: what it is as data.

use crate::{Document, Error, KindDescriptor, LiveObject, ObjectName, ObjectRef, Result};
use std::{collections::BTreeMap, fmt};

/// Which names change when a snapshot is restored elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renames {
    /// Whole databases: old name → new name.
    pub databases: BTreeMap<String, String>,
    /// Single objects: old name → new name. Wins over `databases`.
    pub objects: BTreeMap<ObjectName, ObjectName>,
}

impl Renames {
    /// What `name` is called afterwards.
    pub fn apply(&self, name: &ObjectName) -> ObjectName {
        if let Some(new) = self.objects.get(name) {
            return new.clone();
        }
        let database = self.databases.get(&name.database).unwrap_or(&name.database);
        ObjectName::new(database.clone(), name.name.clone())
    }
}

/// The outcome of comparing a stored definition with an existing one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The definitions are the same in everything that restoring needs.
    Same,
    /// They differ; the text names the first difference, in StarRocks's words.
    Different(String),
}

/// What a RESTORE asks for beside names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// The `replication_num` property; `None` when it was not given.
    pub replication_num: Option<u32>,
}

impl RestoreOptions {
    /// Options with this `replication_num`.
    pub fn new(replication_num: Option<u32>) -> Self {
        Self { replication_num }
    }
}

/// A group of objects of one database that must be divided alike, such as a
/// colocate group of tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What all members have in common, in words for people; members of one
    /// group have equal texts.
    pub scheme: String,
}

/// Decides, partition by partition, whether a snapshot's partitions fit into
/// an existing object: replaced where the name exists, added otherwise.
pub trait MergeCheck: Send {
    /// Looks at one partition of the snapshot (a serialised partition of
    /// `rockhold-model`).
    ///
    /// # Errors
    /// `Corrupt` when it is not one.
    fn check(&mut self, partition: &serde_json::Value) -> Result<Comparison>;
}

/// An object type, as pure functions. No method does input or output.
///
/// * C1. `decode(encode(x)) = x` for every live object `x` of the kind.
/// * C2. `encode` gives canonical documents: equal objects, equal bytes.
/// * C3. `decode` reads every older `format`; a newer one is `Unsupported`, a
///   damaged one `Corrupt`; it never panics on hostile input.
/// * C4. `references` names every object that must exist first.
/// * C5. Renaming there and back gives the document again, comments included.
/// * C6. `compare(x, x)` is `Same`; a difference names what differs.
/// * C7. Running `statements` in an empty warehouse makes an equal object.
pub trait CatalogCodec: Send + Sync + fmt::Debug {
    /// The kind.
    fn descriptor(&self) -> &KindDescriptor;

    /// A live object as a document.
    ///
    /// # Errors
    /// `InvalidInput` when the definition is not of this kind.
    fn encode(&self, object: &LiveObject) -> Result<Document>;

    /// A document as an object of that name.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` (C3).
    fn decode(&self, name: &ObjectName, document: &Document) -> Result<LiveObject>;

    /// The objects that the document names.
    ///
    /// # Errors
    /// `Corrupt`.
    fn references(&self, name: &ObjectName, document: &Document) -> Result<Vec<ObjectRef>>;

    /// Why `object` cannot be backed up by name while `missing`, which it
    /// refers to, does not exist; `None` when it can, with a remark.
    fn refuse_without(&self, object: &ObjectName, missing: &ObjectName) -> Option<String> {
        let _ = (object, missing);
        None
    }

    /// The group that the object belongs to.
    ///
    /// # Errors
    /// `Corrupt`.
    fn group(&self, object: &LiveObject) -> Result<Option<Group>> {
        let _ = object;
        Ok(None)
    }

    /// The object outside of its group.
    ///
    /// # Errors
    /// `Corrupt`.
    fn leave_group(&self, object: LiveObject) -> Result<LiveObject> {
        Ok(object)
    }

    /// The document with its own name and its references renamed.
    ///
    /// # Errors
    /// `Unsupported` when the stored SQL does not parse and so cannot be edited.
    fn rename(&self, name: &ObjectName, document: &Document, renames: &Renames) -> Result<Document>;

    /// Whether `incoming` may replace the data of `existing`. Names are not compared.
    ///
    /// # Errors
    /// `Corrupt`.
    fn compare(&self, existing: &Document, incoming: &Document) -> Result<Comparison>;

    /// The SQL statements that make the object under `name`, in order.
    ///
    /// # Errors
    /// `Corrupt`.
    fn statements(&self, name: &ObjectName, document: &Document) -> Result<Vec<String>>;

    /// The SQL text of the document, for people, with these partitions
    /// (serialised partitions of `rockhold-model`) where the kind has any.
    ///
    /// # Errors
    /// `Corrupt`.
    fn sql_with_partitions(
        &self,
        name: &ObjectName,
        document: &Document,
        partitions: &[serde_json::Value],
    ) -> Result<String> {
        let _ = (name, partitions);
        Ok(document.sql.clone())
    }

    /// Names of partitions that users never see and that StarRocks lists in
    /// the details of a snapshot all the same.
    ///
    /// # Errors
    /// `Corrupt`.
    fn hidden_partitions(&self, document: &Document) -> Result<Vec<String>> {
        let _ = document;
        Ok(Vec::new())
    }

    /// What a restored object becomes before it meets the warehouse: the
    /// replication number asked for, nothing that names machines of the source.
    ///
    /// # Errors
    /// `Corrupt`.
    fn prepare(&self, object: LiveObject, options: &RestoreOptions) -> Result<LiveObject> {
        let _ = options;
        Ok(object)
    }

    /// The rule by which partitions of `incoming` meet those of `existing`,
    /// for definitions that compare as `Same`.
    ///
    /// # Errors
    /// `Unsupported` for a kind without partitions; `Corrupt`.
    fn merge_check(
        &self,
        existing: &LiveObject,
        existing_partitions: Vec<serde_json::Value>,
        incoming: &LiveObject,
        options: &RestoreOptions,
    ) -> Result<Box<dyn MergeCheck>> {
        let _ = (existing, existing_partitions, options);
        Err(Error::unsupported("this kind of object has no partitions").at(&incoming.name))
    }
}
