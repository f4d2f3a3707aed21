//! Writing the tree, level by level, with one page in memory at a time.

use super::{
    Children, DocumentRef, FileEntry, ObjectEntry, PageDraft, PageEntry, PageRef, PageWriter, PartitionEntry,
    Totals, read_page,
};
use crate::{Document, Error, ErrorKind, LiveObject, Result};
use std::sync::Arc;

/// A page below this part of its target is merged with its neighbour when one
/// of them is written anyway.
const SMALL: usize = 4;

/// Writes the file entries of one partition.
pub type FileWriter = EntryWriter<FileEntry>;
/// Writes the partition entries of one object.
pub type PartitionWriter = EntryWriter<PartitionEntry>;
/// Writes the object entries of one snapshot.
pub type ObjectEntryWriter = EntryWriter<ObjectEntry>;

/// Takes the entries of one level in order and makes them children of a
/// parent: inline when they are small, else pages.
///
/// At most one page and the inline candidates are in memory.
#[derive(Debug)]
pub struct EntryWriter<T> {
    pages: Arc<PageWriter>,
    done: Vec<PageRef>,
    draft: PageDraft,
    /// All entries so far, while they are few enough to stay inline.
    small: Option<Vec<T>>,
    count: u64,
    last: Option<String>,
    totals: Totals,
}

impl<T: PageEntry> EntryWriter<T> {
    /// A writer that has taken nothing.
    pub fn new(pages: Arc<PageWriter>) -> Self {
        Self {
            pages,
            done: Vec::new(),
            draft: PageDraft::default(),
            small: Some(Vec::new()),
            count: 0,
            last: None,
            totals: Totals::default(),
        }
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// `InvalidInput` when it is not behind the one before it;
    /// `LimitExceeded` when it alone is longer than a page; `Internal` when
    /// its totals do not fit; whatever the store gives.
    pub async fn push(&mut self, entry: T) -> Result<()> {
        entry.check().map_err(|e| {
            Error::internal(format!("an entry of kind {} to be written is wrong: {}", T::NAME, e.message()))
                .because(e)
        })?;
        let key = entry.sort_key(self.count);
        self.advance(&key, &key)?;
        let line = PageDraft::line(&entry).map_err(|e| e.with(T::NAME, key.escape_debug()))?;
        if !self.draft.has_room(line.len(), self.pages.page_target()) {
            self.flush().await?;
        }
        let totals = entry.totals();
        self.totals.add(&totals);
        self.count += 1;
        self.draft.push(key, &entry, &line, &totals)?;
        if self.draft.plain_len() > T::INLINE {
            self.small = None;
        }
        if let Some(small) = &mut self.small {
            small.push(entry);
        }
        Ok(())
    }

    /// The sums over everything taken so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Ends the level: the children of the parent, and their sums.
    ///
    /// # Errors
    /// Whatever the store gives.
    pub async fn finish(mut self) -> Result<(Children<T>, Totals)> {
        if let Some(small) = self.small.take() {
            return Ok((Children::Inline(small), self.totals));
        }
        self.flush().await?;
        Ok((Children::Pages(self.done), self.totals))
    }

    fn advance(&mut self, first: &str, last: &str) -> Result<()> {
        if self.last.as_deref().is_some_and(|before| before >= first) {
            return Err(Error::invalid(format!("{} entries are to be written in order", T::NAME))
                .with(T::NAME, first.escape_debug()));
        }
        self.last = Some(last.to_owned());
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.small = None;
        if !self.draft.is_empty() {
            let draft = std::mem::take(&mut self.draft);
            self.done.push(self.pages.write::<T>(draft).await?);
        }
        Ok(())
    }
}

impl EntryWriter<PartitionEntry> {
    /// Takes all partitions of a page of the base without writing it again.
    /// A small unfinished page before it takes its entries in instead, when
    /// both fit into one.
    ///
    /// # Errors
    /// As [`EntryWriter::push`].
    pub async fn reuse(&mut self, page: PageRef) -> Result<()> {
        let target = self.pages.page_target();
        let together = self.draft.plain_len() as u64 + page.plain_len;
        if !self.draft.is_empty() && self.draft.plain_len() < target / SMALL && together <= target as u64 {
            match read_page::<PartitionEntry>(&**self.pages.repository(), &page, 0).await {
                Ok(entries) => {
                    for entry in entries {
                        self.push(entry).await?;
                    }
                    return Ok(());
                }
                // Merging is for tidiness; a page that cannot be read now stays as it is.
                Err(e) if e.kind() == ErrorKind::Cancelled => return Err(e),
                Err(_) => {}
            }
        }
        self.advance(&page.first, &page.last)?;
        self.flush().await?;
        self.count += page.entries;
        self.totals.add(&page.totals);
        self.done.push(page);
        Ok(())
    }

    /// Ends the page here, unless it is small. Called at the boundaries of the
    /// base's pages, so that a change in one of them does not shift the others.
    ///
    /// # Errors
    /// Whatever the store gives.
    pub async fn cut(&mut self) -> Result<()> {
        if self.draft.plain_len() >= self.pages.page_target() / SMALL {
            self.flush().await?;
        }
        Ok(())
    }
}

/// Writes the document of an object: inline when it is small, else a page.
///
/// # Errors
/// `LimitExceeded` when it is longer than a page; whatever the store gives.
pub async fn write_document(pages: &PageWriter, document: Document) -> Result<DocumentRef> {
    let line = PageDraft::line(&document)?;
    if line.len() <= Document::INLINE {
        return Ok(DocumentRef::Inline(Box::new(document)));
    }
    let mut draft = PageDraft::default();
    draft.push(document.sort_key(0), &document, &line, &Totals::default())?;
    Ok(DocumentRef::Page(Box::new(pages.write::<Document>(draft).await?)))
}

/// Writes an object's document and makes its entry. `partitions` are what
/// [`PartitionWriter::finish`] gave; default values for an object without data.
///
/// # Errors
/// As [`write_document`].
pub async fn write_object(
    pages: &PageWriter,
    object: &LiveObject,
    document: Document,
    partitions: (Children<PartitionEntry>, Totals),
) -> Result<ObjectEntry> {
    let schema = document.body_digest()?;
    let document =
        write_document(pages, document).await.map_err(|e| e.with("object", object.name.clone()))?;
    Ok(ObjectEntry {
        kind: object.kind.clone(),
        name: object.name.clone(),
        document,
        schema,
        totals: ObjectEntry::totals_with(&object.kind, &schema, &partitions.1),
        partitions: partitions.0,
    })
}
