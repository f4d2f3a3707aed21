//! What the entries of the tree must satisfy beyond their types. Everything
//! here is applied to bytes from a repository before anybody acts on them.

use super::{
    Children, DocumentRef, FileEntry, ObjectEntry, PAGE_MAX_ENTRIES, PAGE_MAX_PLAIN, PAGE_MAX_STORED,
    PageEntry, PageRef, PartitionEntry, Totals,
};
use crate::{Document, Error, Key, Result};

/// The bytes that one member of [`FileEntry::chunks`] covers.
pub const CHUNK_LEN: u64 = 16 << 20;

fn wrong(what: &'static str) -> Error {
    Error::corrupt(what)
}

fn lies_in(key: &Key, folder: &str) -> bool {
    let mut segments = key.segments();
    segments.next() == Some(folder) && segments.count() == 2
}

/// A reference to a page.
pub(super) fn page<T: PageEntry>(page: &PageRef) -> Result<()> {
    if !lies_in(&page.key, "meta") {
        return Err(wrong("a page reference names a key that is not a page"));
    }
    if page.len == 0 || page.len > PAGE_MAX_STORED || page.plain_len > PAGE_MAX_PLAIN {
        return Err(wrong("a page reference has a length out of bounds"));
    }
    if page.entries == 0 || page.entries > PAGE_MAX_ENTRIES || page.entries > page.plain_len {
        return Err(wrong("a page reference has a number of entries out of bounds"));
    }
    if page.first > page.last || (page.entries > 1 && page.first == page.last) {
        return Err(wrong("a page reference has its first entry behind its last"));
    }
    if page.versions.is_some() != T::VERSIONS {
        return Err(wrong("a page reference has versions where it should not, or none where it should"));
    }
    Ok(())
}

/// Children of one parent: each of them, and their order.
pub(super) fn children<T: PageEntry>(children: &Children<T>) -> Result<()> {
    let mut last: Option<String> = None;
    let mut ordered = |first: String, end: String| {
        let fine = last.as_ref().is_none_or(|last| *last < first);
        last = Some(end);
        if fine { Ok(()) } else { Err(Error::corrupt(format!("{} entries are out of order", T::NAME))) }
    };
    match children {
        Children::Inline(list) => {
            for (position, entry) in (0u64..).zip(list) {
                entry.check()?;
                let key = entry.sort_key(position);
                ordered(key.clone(), key)?;
            }
        }
        Children::Pages(pages) => {
            for page in pages {
                self::page::<T>(page).map_err(|e| e.at(&page.key))?;
                ordered(page.first.clone(), page.last.clone())?;
            }
        }
    }
    Ok(())
}

/// A file.
pub(super) fn file(file: &FileEntry) -> Result<()> {
    if !lies_in(&file.key, "data") {
        return Err(wrong("a file entry names a key that is not a data file"));
    }
    if file.offset.checked_add(file.len).is_none() {
        return Err(wrong("a file entry has a length out of bounds"));
    }
    let chunks = file.len.div_ceil(CHUNK_LEN);
    if !file.chunks.is_empty() && (chunks < 2 || file.chunks.len() as u64 != chunks) {
        return Err(wrong("a file entry has a wrong number of chunk digests"));
    }
    let transformed = file.codec.is_some() || file.key_id.is_some();
    if transformed != file.logical_len.is_some() || transformed != file.logical_digest.is_some() {
        return Err(wrong(
            "a file entry names a codec without the length and digest behind it, or the reverse",
        ));
    }
    if file.loads.is_some_and(|(first, last)| first > last) {
        return Err(wrong("a file entry has its first load behind its last"));
    }
    Ok(())
}

/// A partition and everything inline in it.
pub(super) fn partition(entry: &PartitionEntry) -> Result<()> {
    if entry.name.is_empty() {
        return Err(wrong("a partition entry has no name"));
    }
    children(&entry.files)?;
    if let Children::Pages(pages) = &entry.files {
        positions(pages)?;
    }
    let expected = PartitionEntry::totals_with(&entry.name, &entry.definition, &entry.file_totals())?;
    totals(&entry.totals, &expected)
}

/// An object and everything inline in it.
pub(super) fn object(entry: &ObjectEntry) -> Result<()> {
    if entry.name.name.is_empty() {
        return Err(wrong("an object entry has no name"));
    }
    match &entry.document {
        DocumentRef::Inline(document) => document_of(entry, document)?,
        DocumentRef::Page(page) => self::page::<Document>(page).map_err(|e| e.at(&page.key))?,
    }
    children(&entry.partitions)?;
    totals(&entry.totals, &ObjectEntry::totals_with(&entry.kind, &entry.schema, &entry.partition_totals()))
}

/// Whether a document is the one that its object's entry names.
pub(super) fn document_of(entry: &ObjectEntry, document: &Document) -> Result<()> {
    if document.kind != entry.kind || document.body_digest()? != entry.schema {
        return Err(wrong("the document is not the one that the object entry names"));
    }
    Ok(())
}

fn totals(recorded: &Totals, expected: &Totals) -> Result<()> {
    if recorded != expected {
        return Err(wrong("the totals of an entry are not the sums of what is below it"));
    }
    Ok(())
}

/// File pages count on from page to page.
fn positions(pages: &[PageRef]) -> Result<()> {
    let mut position = 0u64;
    for page in pages {
        let next = position.saturating_add(page.entries);
        if page.first != format!("{position:012}") || page.last != format!("{:012}", next - 1) {
            return Err(wrong("file pages do not count on from each other").at(&page.key));
        }
        position = next;
    }
    Ok(())
}
