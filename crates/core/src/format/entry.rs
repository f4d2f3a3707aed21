//! The entries of the manifest tree: objects, partitions, files.
//!
//! Header → object entries → partition entries → file entries. Every level is
//! either inline in its parent or in pages ([`PageRef`]) that carry the digest
//! of their stored bytes. Entries are JSON objects; unknown members are
//! refused, so that a reader never drops something it should have kept.

use super::Fingerprint;
use crate::object::write_canonical;
use crate::{
    Digest, Document, Hasher, Key, KindId, ObjectName, PinnedPartition, Result, Timestamp, VersionId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where the bytes of one logical file lie, and what they must be.
///
/// Today `offset` is 0, stored and logical are the same, and `codec` and
/// `key_id` are absent; the members leave room for packs, compression and
/// encryption without a second version of the format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// The stored object.
    pub key: Key,
    /// Where the file begins in the stored object, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// The stored length in bytes.
    pub len: u64,
    /// The digest of the stored bytes.
    pub digest: Digest,
    /// The digest of each 16 MiB of the stored bytes, when there are more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<Digest>,
    /// The length after decoding, where a codec is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical_len: Option<u64>,
    /// The digest after decoding, where a codec is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logical_digest: Option<Digest>,
    /// How the stored bytes encode the file; absent: as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// The key that encrypts the stored bytes; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The physical rows of the file.
    pub rows: u64,
    /// The bucket whose rows the file holds, from 0.
    pub bucket: u32,
    /// The load sequences of its rows, first and last, where the key model orders by them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loads: Option<(u64, u64)>,
    /// The rollup (synchronous materialized view) of the table whose rows the
    /// file holds; absent: the table's own rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollup: Option<String>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl FileEntry {
    /// The digest of the file as the warehouse knows it.
    pub fn logical_digest(&self) -> Digest {
        self.logical_digest.unwrap_or(self.digest)
    }

    /// The length of the file as the warehouse knows it, in bytes.
    pub fn logical_len(&self) -> u64 {
        self.logical_len.unwrap_or(self.len)
    }

    /// What the file adds to the fingerprint of its partition: everything that
    /// decides its rows, nothing that depends on where it is stored.
    pub fn identity(&self) -> Digest {
        let loads = self.loads.unwrap_or_default();
        let mut text = format!(
            "{}|{}|{}|{}|{}|{}",
            self.logical_digest(),
            self.logical_len(),
            self.rows,
            self.bucket,
            loads.0,
            loads.1
        );
        if let Some(rollup) = &self.rollup {
            text.push('|');
            text.push_str(rollup);
        }
        Digest::of(text.as_bytes())
    }
}

/// A page of entries in the store: one object, one zstd frame of JSON Lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageRef {
    /// The stored object.
    pub key: Key,
    /// Its length in bytes.
    pub len: u64,
    /// The digest of its stored bytes, checked before anything is decoded.
    pub digest: Digest,
    /// The length after decompression, in bytes.
    pub plain_len: u64,
    /// How many entries it holds.
    pub entries: u64,
    /// The sort key of its first entry.
    pub first: String,
    /// The sort key of its last entry.
    pub last: String,
    /// Totals over everything below.
    pub totals: Totals,
    /// Only for pages of partitions: the digest of the sequence of
    /// (name, version id, definition) it holds, see [`VersionsDigest`]. Equal
    /// means that nothing below changed, so the page is used again without
    /// being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Digest>,
}

/// Sums over a part of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Partitions.
    pub partitions: u64,
    /// Files, those of rollups too.
    pub files: u64,
    /// Physical rows, without those of rollups.
    pub rows: u64,
    /// Logical bytes of the files.
    pub bytes: u64,
    /// Over the identities of objects, partitions and files.
    pub fingerprint: Fingerprint,
}

impl Totals {
    /// Adds the sums of another part.
    pub fn add(&mut self, other: &Totals) {
        self.partitions = self.partitions.saturating_add(other.partitions);
        self.files = self.files.saturating_add(other.files);
        self.rows = self.rows.saturating_add(other.rows);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.fingerprint.merge(&other.fingerprint);
    }

    /// Adds one file.
    pub fn add_file(&mut self, file: &FileEntry) {
        self.files = self.files.saturating_add(1);
        if file.rollup.is_none() {
            self.rows = self.rows.saturating_add(file.rows);
        }
        self.bytes = self.bytes.saturating_add(file.logical_len());
        self.fingerprint.add(&file.identity());
    }
}

/// Entries of the next level: in the parent, or in pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Children<T> {
    /// Here.
    Inline(Vec<T>),
    /// In pages, in order of their sort keys.
    Pages(Vec<PageRef>),
}

impl<T> Default for Children<T> {
    fn default() -> Self {
        Self::Inline(Vec::new())
    }
}

/// One partition of one object at one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionEntry {
    /// Its name; the sort key, by bytes.
    pub name: String,
    /// Its definition: the serialised partition of `rockhold-model`.
    pub definition: Value,
    /// The identity of its contents.
    pub version_id: VersionId,
    /// StarRocks's version number, for display only.
    pub version: u64,
    /// When that version became visible.
    pub visible_time: Timestamp,
    /// Sums over its files and itself.
    pub totals: Totals,
    /// Its files, in the order of their numbers.
    pub files: Children<FileEntry>,
}

impl PartitionEntry {
    /// The entry of a pinned partition with these files. `files` are the sums
    /// over the files alone.
    ///
    /// # Errors
    /// `Internal` when the definition cannot be written as JSON.
    pub fn new(partition: &PinnedPartition, children: Children<FileEntry>, files: Totals) -> Result<Self> {
        Ok(Self {
            name: partition.name.clone(),
            definition: partition.definition.clone(),
            version_id: partition.version_id,
            version: partition.version,
            visible_time: partition.visible_time,
            totals: Self::totals_with(&partition.name, &partition.definition, &files)?,
            files: children,
        })
    }

    /// The sums over the files alone.
    pub fn file_totals(&self) -> Totals {
        let mut totals = Totals::default();
        match &self.files {
            Children::Inline(files) => files.iter().for_each(|f| totals.add_file(f)),
            Children::Pages(pages) => pages.iter().for_each(|p| totals.add(&p.totals)),
        }
        totals
    }

    /// The totals of a partition: those of its files, one partition, and its
    /// identity, which binds the files to name and definition.
    ///
    /// # Errors
    /// `Internal` when the definition cannot be written as JSON.
    pub fn totals_with(name: &str, definition: &Value, files: &Totals) -> Result<Totals> {
        let mut text = b"partition\n".to_vec();
        write_canonical(&Value::from(name), &mut text)?;
        text.push(b'\n');
        write_canonical(definition, &mut text)?;
        text.push(b'\n');
        text.extend_from_slice(files.fingerprint.as_digest().to_string().as_bytes());
        let mut totals = *files;
        totals.partitions = 1;
        totals.fingerprint.add(&Digest::of(&text));
        Ok(totals)
    }
}

/// The digest of [`PageRef::versions`]: SHA-256 over one line per partition,
/// the canonical JSON array `["<name>","<version id>",<definition>]` and a
/// line feed.
#[derive(Clone, Default, Debug)]
pub struct VersionsDigest(Hasher);

impl VersionsDigest {
    /// Takes in the next partition.
    ///
    /// # Errors
    /// `Internal` when the definition cannot be written as JSON.
    pub fn add(&mut self, name: &str, version: VersionId, definition: &Value) -> Result<()> {
        let mut line = Vec::with_capacity(256);
        line.push(b'[');
        write_canonical(&Value::from(name), &mut line)?;
        line.extend_from_slice(format!(",\"{version}\",").as_bytes());
        write_canonical(definition, &mut line)?;
        line.extend_from_slice(b"]\n");
        self.0.update(&line);
        Ok(())
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        self.0.finish()
    }
}

/// One object of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectEntry {
    /// Its kind. A reader that does not know it keeps the entry as it is.
    pub kind: KindId,
    /// Its name.
    pub name: ObjectName,
    /// Its definition.
    pub document: DocumentRef,
    /// The digest of the document's canonical body, wherever the document lies.
    pub schema: Digest,
    /// Sums over its partitions, and its own identity.
    pub totals: Totals,
    /// Its partitions, sorted by name.
    #[serde(default, skip_serializing_if = "no_partitions")]
    pub partitions: Children<PartitionEntry>,
}

fn no_partitions(children: &Children<PartitionEntry>) -> bool {
    matches!(children, Children::Inline(list) if list.is_empty())
}

impl ObjectEntry {
    /// The totals of an object: those of its partitions and its identity,
    /// which is made of kind and schema and not of its name, so that a copy
    /// under another name has the same fingerprint.
    pub fn totals_with(kind: &KindId, schema: &Digest, partitions: &Totals) -> Totals {
        let mut totals = *partitions;
        totals.fingerprint.add(&Digest::of(format!("object\n{kind}\n{schema}").as_bytes()));
        totals
    }

    /// The sums over the partitions alone.
    pub fn partition_totals(&self) -> Totals {
        let mut totals = Totals::default();
        match &self.partitions {
            Children::Inline(partitions) => partitions.iter().for_each(|p| totals.add(&p.totals)),
            Children::Pages(pages) => pages.iter().for_each(|p| totals.add(&p.totals)),
        }
        totals
    }

    /// The order of object entries in a snapshot.
    pub fn sort_key(&self) -> String {
        format!("{}\u{1}{}\u{1}{}", self.name.database, self.kind, self.name.name)
    }
}

/// A document: here, or in an object of its own when it is long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DocumentRef {
    /// Here.
    Inline(Box<Document>),
    /// A page with one line.
    Page(Box<PageRef>),
}
