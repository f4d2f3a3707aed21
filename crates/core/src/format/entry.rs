//! The entries of the manifest tree: objects, partitions, files.
//!
//! Header → object entries → partition entries → file entries. Every level is
//! either inline in its parent or in pages ([`PageRef`]) that carry the digest
//! of their stored bytes. Entries are JSON objects; unknown members are
//! refused, so that a reader never drops something it should have kept.

use crate::{Digest, Document, Error, JobId, Key, KindId, ObjectName, Result, Timestamp, VersionId};
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
        Digest::of(
            format!(
                "{}|{}|{}|{}|{}|{}",
                self.logical_digest(),
                self.logical_len(),
                self.rows,
                self.bucket,
                loads.0,
                loads.1
            )
            .as_bytes(),
        )
    }
}

/// A fingerprint that does not depend on order or grouping: the sum, modulo
/// 2^256, of the digests of its members. Equal contents give equal sums
/// however they are split into pages. It finds differences; it is no proof
/// against somebody who forges contents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Adds one member.
    pub fn add(&mut self, member: &Digest) {
        self.add_bytes(member.as_bytes());
    }

    /// Adds all members of another fingerprint.
    pub fn merge(&mut self, other: &Fingerprint) {
        self.add_bytes(&other.0);
    }

    /// Takes one member away again.
    pub fn subtract(&mut self, other: &Fingerprint) {
        let mut borrow = false;
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            let (first, under_first) = mine.overflowing_sub(*theirs);
            let (second, under_second) = first.overflowing_sub(u8::from(borrow));
            *mine = second;
            borrow = under_first || under_second;
        }
    }

    /// The sum as a digest-shaped value.
    pub fn as_digest(&self) -> Digest {
        Digest::from_bytes(self.0)
    }

    fn add_bytes(&mut self, bytes: &[u8; 32]) {
        let mut carry = 0u16;
        for (mine, theirs) in self.0.iter_mut().zip(bytes) {
            let sum = u16::from(*mine) + u16::from(*theirs) + carry;
            *mine = sum as u8;
            carry = sum >> 8;
        }
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_digest().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Digest::deserialize(deserializer).map(|d| Self(*d.as_bytes()))
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
    /// (name, version id, definition) it holds. Equal means that nothing below
    /// changed, so the page is used again without being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versions: Option<Digest>,
}

/// Sums over a part of the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Totals {
    /// Partitions.
    pub partitions: u64,
    /// Files.
    pub files: u64,
    /// Physical rows.
    pub rows: u64,
    /// Logical bytes of the files.
    pub bytes: u64,
    /// Over the identities of partitions and files.
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
        self.rows = self.rows.saturating_add(file.rows);
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
    /// Sums over its partitions.
    pub totals: Totals,
    /// Its partitions, sorted by name.
    #[serde(default, skip_serializing_if = "no_partitions")]
    pub partitions: Children<PartitionEntry>,
}

fn no_partitions(children: &Children<PartitionEntry>) -> bool {
    matches!(children, Children::Inline(list) if list.is_empty())
}

impl ObjectEntry {
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

/// The keys of data files of one job: `data/<job>/<n>.<ext>`.
///
/// # Errors
/// `InvalidInput` for an extension that is not 1 to 16 letters or digits.
pub fn data_key(job: JobId, number: u64, extension: &str) -> Result<Key> {
    let fine = (1..=16).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if !fine {
        return Err(Error::invalid("a file extension has 1 to 16 letters or digits").at(extension));
    }
    Key::new(format!("data/{job}/{number}.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_does_not_depend_on_order_or_grouping() {
        let members: Vec<Digest> = (0..50u8).map(|n| Digest::of(&[n])).collect();
        let sum = |list: &[Digest]| {
            let mut f = Fingerprint::default();
            list.iter().for_each(|d| f.add(d));
            f
        };
        let whole = sum(&members);
        let mut reversed = members.clone();
        reversed.reverse();
        assert_eq!(sum(&reversed), whole);
        let mut parts = sum(&members[..20]);
        parts.merge(&sum(&members[20..]));
        assert_eq!(parts, whole);
        parts.subtract(&sum(&members[20..]));
        assert_eq!(parts, sum(&members[..20]));
        assert_ne!(sum(&members[1..]), whole);
    }
}
