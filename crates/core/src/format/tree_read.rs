//! Reading the tree, one verified page at a time.

use super::{
    Children, DocumentRef, FileEntry, ObjectEntry, PageEntry, PageRef, PartitionEntry, check, read_page,
};
use crate::{Document, Error, ErrorKind, ObjectName, Result, SharedRepository};
use std::collections::{BTreeSet, VecDeque};

/// Gives the entries of one level in order. Everything it gives was verified
/// against its parent; one page is in memory at a time.
#[derive(Debug)]
pub struct EntryReader<T> {
    repository: SharedRepository,
    ready: VecDeque<T>,
    pages: VecDeque<PageRef>,
    position: u64,
    select: Option<BTreeSet<String>>,
    place: Vec<(&'static str, String)>,
}

impl<T: PageEntry> EntryReader<T> {
    fn new(repository: SharedRepository, children: Children<T>) -> Self {
        let (ready, pages) = match children {
            Children::Inline(list) => (list.into(), VecDeque::new()),
            Children::Pages(pages) => (VecDeque::new(), pages.into()),
        };
        Self { repository, ready, pages, position: 0, select: None, place: Vec::new() }
    }

    fn at(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.place.push((name, value.to_string().escape_debug().to_string()));
        self
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// `Corrupt` naming object, partition and page; whatever the store gives.
    pub async fn next(&mut self) -> Result<Option<T>> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                let wanted = match &self.select {
                    Some(names) => names.contains(&entry.sort_key(0)),
                    None => true,
                };
                if wanted {
                    return Ok(Some(entry));
                }
                continue;
            }
            let Some(page) = self.pages.pop_front() else { return Ok(None) };
            let wanted = match &self.select {
                Some(names) => names.range(page.first.clone()..=page.last.clone()).next().is_some(),
                None => true,
            };
            if wanted {
                let entries = read_page::<T>(&*self.repository, &page, self.position).await;
                self.ready = entries.map_err(|e| self.name(e))?.into();
            }
            self.position += page.entries;
        }
    }

    fn name(&self, mut error: Error) -> Error {
        for (name, value) in &self.place {
            if !error.context().iter().any(|(known, _)| known == name) {
                error = error.with(name, value);
            }
        }
        error
    }
}

impl EntryReader<ObjectEntry> {
    /// The objects of a snapshot, from its header.
    pub fn objects(repository: SharedRepository, children: Children<ObjectEntry>) -> Self {
        Self::new(repository, children)
    }
}

impl EntryReader<PartitionEntry> {
    /// The partitions of an object: all, or those named in `select` (exactly,
    /// case included). Pages in which none of them can be are not read.
    pub fn partitions(
        repository: SharedRepository,
        object: &ObjectName,
        children: Children<PartitionEntry>,
        select: Option<BTreeSet<String>>,
    ) -> Self {
        let mut reader = Self::new(repository, children).at("object", object);
        reader.select = select;
        reader
    }
}

impl EntryReader<FileEntry> {
    /// The files of a partition, in the order of their numbers.
    pub fn files(
        repository: SharedRepository,
        object: &ObjectName,
        partition: &str,
        children: Children<FileEntry>,
    ) -> Self {
        Self::new(repository, children).at("object", object).at("partition", partition)
    }
}

/// The document of an object.
///
/// # Errors
/// `Corrupt` naming object and page; whatever the store gives.
pub async fn read_document(repository: &dyn crate::Repository, entry: &ObjectEntry) -> Result<Document> {
    let name = |e: Error| e.with("object", entry.name.to_string().escape_debug());
    let page = match &entry.document {
        DocumentRef::Inline(document) => return Ok((**document).clone()),
        DocumentRef::Page(page) => page,
    };
    let mut documents = read_page::<Document>(repository, page, 0).await.map_err(name)?;
    let document = documents
        .pop()
        .ok_or_else(|| name(Error::new(ErrorKind::Corrupt, "a document page is empty").at(&page.key)))?;
    check::document_of(entry, &document).map_err(|e| name(e.at(&page.key)))?;
    Ok(document)
}
