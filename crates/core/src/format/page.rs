//! Pages: objects of JSON Lines in one zstd frame, bounded and verified.

use super::{
    Children, DocumentRef, FileEntry, ObjectEntry, PageRef, PartitionEntry, Totals, VersionsDigest, put_once,
};
use crate::{Digest, Document, Error, ErrorKind, JobId, Result, SharedRepository, WriteMode};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Plain bytes at which a writer begins the next page.
pub const PAGE_TARGET: usize = 1 << 20;
/// The most plain bytes of a page; a single longer entry is refused.
pub const PAGE_MAX_PLAIN: u64 = 16 << 20;
/// The most entries of a page.
pub const PAGE_MAX_ENTRIES: u64 = 100_000;
/// The most stored bytes of a page: what zstd makes of incompressible plain bytes.
pub const PAGE_MAX_STORED: u64 = PAGE_MAX_PLAIN + (PAGE_MAX_PLAIN >> 7) + 1024;

/// The level that pages are compressed with: 9 saves a sixth of the bytes for
/// four times the work, and pages are written far more often than moved.
const LEVEL: i32 = 3;

/// What pages hold: file, partition and object entries, and documents.
pub trait PageEntry: Serialize + DeserializeOwned + Send + Sync {
    /// What an entry is called in messages.
    const NAME: &'static str;
    /// Up to how many plain bytes the entries stay inline in their parent.
    const INLINE: usize;
    /// Whether the pages carry [`PageRef::versions`].
    const VERSIONS: bool = false;

    /// The sort key; `position` is the number of entries before this one.
    fn sort_key(&self, position: u64) -> String;

    /// What the entry adds to the totals of its page.
    fn totals(&self) -> Totals;

    /// Takes the entry into the digest of versions.
    ///
    /// # Errors
    /// `Internal` when it cannot be written as JSON.
    fn add_version(&self, versions: &mut VersionsDigest) -> Result<()> {
        let _ = versions;
        Ok(())
    }

    /// Checks what the types do not say; see `check.rs`.
    ///
    /// # Errors
    /// `Corrupt`.
    fn check(&self) -> Result<()>;
}

impl PageEntry for FileEntry {
    const NAME: &'static str = "file";
    const INLINE: usize = 8 << 10;

    fn sort_key(&self, position: u64) -> String {
        format!("{position:012}")
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        totals.add_file(self);
        totals
    }

    fn check(&self) -> Result<()> {
        super::check::file(self)
    }
}

impl PageEntry for PartitionEntry {
    const NAME: &'static str = "partition";
    const INLINE: usize = 32 << 10;
    const VERSIONS: bool = true;

    fn sort_key(&self, _: u64) -> String {
        self.name.clone()
    }

    fn totals(&self) -> Totals {
        self.totals
    }

    fn add_version(&self, versions: &mut VersionsDigest) -> Result<()> {
        versions.add(&self.name, self.version_id, &self.definition)
    }

    fn check(&self) -> Result<()> {
        super::check::partition(self).map_err(|e| e.with("partition", self.name.escape_debug()))
    }
}

impl PageEntry for ObjectEntry {
    const NAME: &'static str = "object";
    const INLINE: usize = 8 << 10;

    fn sort_key(&self, _: u64) -> String {
        ObjectEntry::sort_key(self)
    }

    fn totals(&self) -> Totals {
        self.totals
    }

    fn check(&self) -> Result<()> {
        super::check::object(self).map_err(|e| e.with("object", self.name.to_string().escape_debug()))
    }
}

impl PageEntry for Document {
    const NAME: &'static str = "document";
    const INLINE: usize = 16 << 10;

    fn sort_key(&self, _: u64) -> String {
        String::new()
    }

    fn totals(&self) -> Totals {
        Totals::default()
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// Decodes and verifies a whole page. `position` is the number of entries in
/// the pages before it.
///
/// The digest is compared before anything is decompressed, and nothing longer
/// than the reference says is ever allocated.
///
/// # Errors
/// `Corrupt` at the page's key when bytes, lengths, counts, order, totals or
/// an entry are not as the reference says.
pub fn decode_page<T: PageEntry>(page: &PageRef, position: u64, stored: &[u8]) -> Result<Vec<T>> {
    let corrupt = |why: String| {
        Error::corrupt(format!("a page of {} entries is damaged: {why}", T::NAME)).at(&page.key)
    };
    super::check::page::<T>(page).map_err(|e| e.at(&page.key))?;
    if stored.len() as u64 != page.len {
        return Err(corrupt(format!("it has {} bytes, not {}", stored.len(), page.len)));
    }
    if Digest::of(stored) != page.digest {
        return Err(corrupt("its digest does not match".into()));
    }
    match zstd::zstd_safe::find_frame_compressed_size(stored) {
        Ok(len) if len == stored.len() => {}
        _ => return Err(corrupt("it is not one zstd frame".into())),
    }
    let capacity = usize::try_from(page.plain_len).map_err(|_| corrupt("it is too long".into()))?;
    let plain = zstd::bulk::decompress(stored, capacity)
        .map_err(|e| corrupt("it does not decompress to the length recorded".into()).because(e))?;
    if plain.len() != capacity {
        return Err(corrupt(format!("it decompresses to {} bytes, not {capacity}", plain.len())));
    }
    let entries = decode_lines::<T>(page, position, &plain, &corrupt)?;
    let mut totals = Totals::default();
    let mut versions = VersionsDigest::default();
    for entry in &entries {
        totals.add(&entry.totals());
        if T::VERSIONS {
            entry.add_version(&mut versions)?;
        }
    }
    if totals != page.totals {
        return Err(corrupt("its entries do not add up to the totals recorded".into()));
    }
    if T::VERSIONS && page.versions != Some(versions.finish()) {
        return Err(corrupt("its partitions are not those recorded".into()));
    }
    Ok(entries)
}

fn decode_lines<T: PageEntry>(
    page: &PageRef,
    position: u64,
    plain: &[u8],
    corrupt: &dyn Fn(String) -> Error,
) -> Result<Vec<T>> {
    let Some(lines) = plain.strip_suffix(b"\n") else {
        return Err(corrupt("its last line is not ended".into()));
    };
    let mut entries: Vec<T> = Vec::new();
    let mut last: Option<String> = None;
    for (number, line) in (0u64..).zip(lines.split(|b| *b == b'\n')) {
        if number == page.entries {
            return Err(corrupt(format!("it has more than the {} entries recorded", page.entries)));
        }
        let entry: T =
            serde_json::from_slice(line).map_err(|e| corrupt(format!("entry {number}: {e}")).because(e))?;
        entry.check().map_err(|e| {
            let mut named = corrupt(format!("entry {number}: {}", e.message()));
            for (name, value) in e.context() {
                named = named.with(name, value);
            }
            named.because(e)
        })?;
        let key = entry.sort_key(position + number);
        match &last {
            None if key != page.first => {
                return Err(corrupt("its first entry is not the one recorded".into()));
            }
            Some(last) if *last >= key => return Err(corrupt(format!("entry {number} is out of order"))),
            _ => {}
        }
        last = Some(key);
        entries.push(entry);
    }
    if entries.len() as u64 != page.entries {
        return Err(corrupt(format!("it has {} entries, not {}", entries.len(), page.entries)));
    }
    if last.as_ref() != Some(&page.last) {
        return Err(corrupt("its last entry is not the one recorded".into()));
    }
    Ok(entries)
}

/// Gets, decodes and verifies a page.
///
/// # Errors
/// As [`decode_page`]; a page that is missing is `Corrupt` too, because
/// something that is still there names it.
pub async fn read_page<T: PageEntry>(
    repository: &dyn crate::Repository,
    page: &PageRef,
    position: u64,
) -> Result<Vec<T>> {
    super::check::page::<T>(page).map_err(|e| e.at(&page.key))?;
    let stored = match super::read_bounded(repository, &page.key, page.len, "page").await {
        Ok(stored) => stored,
        Err(e) if e.kind() == ErrorKind::NotFound => {
            return Err(Error::corrupt(format!("a page of {} entries is missing", T::NAME))
                .at(&page.key)
                .because(e));
        }
        Err(e) => return Err(e),
    };
    decode_page(page, position, &stored)
}

/// The entries of one page while they are collected.
#[derive(Debug, Default)]
pub(crate) struct PageDraft {
    plain: Vec<u8>,
    entries: u64,
    first: String,
    last: String,
    totals: Totals,
    versions: VersionsDigest,
}

impl PageDraft {
    pub(crate) fn plain_len(&self) -> usize {
        self.plain.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether a line of `len` bytes still belongs to this page.
    pub(crate) fn has_room(&self, len: usize, target: usize) -> bool {
        self.entries == 0 || (self.plain.len() + len <= target && self.entries < PAGE_MAX_ENTRIES)
    }

    /// The line of an entry.
    pub(crate) fn line<T: PageEntry>(entry: &T) -> Result<Vec<u8>> {
        let mut line = serde_json::to_vec(entry).map_err(|e| {
            Error::internal(format!("an entry of kind {} cannot be written as JSON", T::NAME)).because(e)
        })?;
        line.push(b'\n');
        if line.len() as u64 > PAGE_MAX_PLAIN {
            return Err(Error::new(
                ErrorKind::LimitExceeded,
                format!(
                    "the manifest entry of one {} has {} bytes, more than the {PAGE_MAX_PLAIN} allowed",
                    T::NAME,
                    line.len()
                ),
            ));
        }
        Ok(line)
    }

    /// Takes an entry, its line and its totals.
    pub(crate) fn push<T: PageEntry>(
        &mut self,
        key: String,
        entry: &T,
        line: &[u8],
        totals: &Totals,
    ) -> Result<()> {
        self.plain.extend_from_slice(line);
        if self.entries == 0 {
            self.first.clone_from(&key);
        }
        self.last = key;
        self.entries += 1;
        self.totals.add(totals);
        if T::VERSIONS {
            entry.add_version(&mut self.versions)?;
        }
        Ok(())
    }
}

/// Writes the pages of one job. Shared between the writers of its objects.
#[derive(Debug)]
pub struct PageWriter {
    repository: SharedRepository,
    job: JobId,
    target: usize,
    next: AtomicU64,
    stored: AtomicU64,
    known: Mutex<BTreeMap<Digest, PageRef>>,
}

impl PageWriter {
    /// A writer of `meta/<job>/0.jsonl.zst` and on.
    pub fn new(repository: SharedRepository, job: JobId) -> Self {
        Self {
            repository,
            job,
            target: PAGE_TARGET,
            next: AtomicU64::new(0),
            stored: AtomicU64::new(0),
            known: Mutex::default(),
        }
    }

    /// Begins the next page at another number of plain bytes than [`PAGE_TARGET`].
    #[must_use]
    pub fn target(mut self, bytes: usize) -> Self {
        self.target = bytes.clamp(1, PAGE_TARGET);
        self
    }

    pub(crate) fn page_target(&self) -> usize {
        self.target
    }

    /// The store.
    pub fn repository(&self) -> &SharedRepository {
        &self.repository
    }

    /// How many pages were written.
    pub fn pages(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// The stored bytes of the pages written.
    pub fn stored(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// Lets a page of a base snapshot be used again when the same bytes are to
    /// be written. For documents and object pages; pages of partitions are
    /// recognised without their bytes. Only pages of a base that the claim
    /// names may be given.
    pub fn know(&self, page: &PageRef) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(page.digest, page.clone());
    }

    /// As [`PageWriter::know`], for everything of a base object's entry that may come again.
    pub fn know_document(&self, document: &DocumentRef) {
        if let DocumentRef::Page(page) = document {
            self.know(page);
        }
    }

    /// As [`PageWriter::know`], for all pages of a level.
    pub fn know_all<T>(&self, children: &Children<T>) {
        if let Children::Pages(pages) = children {
            pages.iter().for_each(|page| self.know(page));
        }
    }

    pub(crate) async fn write<T: PageEntry>(&self, draft: PageDraft) -> Result<PageRef> {
        let stored: Bytes = zstd::bulk::compress(&draft.plain, LEVEL)
            .map_err(|e| Error::internal("a page cannot be compressed").because(e))?
            .into();
        let digest = Digest::of(&stored);
        let versions = T::VERSIONS.then(|| draft.versions.finish());
        let mut page = PageRef {
            key: super::page_key(self.job, 0)?,
            len: stored.len() as u64,
            digest,
            plain_len: draft.plain.len() as u64,
            entries: draft.entries,
            first: draft.first,
            last: draft.last,
            totals: draft.totals,
            versions,
        };
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned();
        if let Some(known) = known {
            page.key = known.key.clone();
            if page == known {
                return Ok(known);
            }
        }
        page.key = super::page_key(self.job, self.next.fetch_add(1, Ordering::Relaxed))?;
        put_once(&*self.repository, &page.key, stored, WriteMode::CreateNew, false).await?;
        self.stored.fetch_add(page.len, Ordering::Relaxed);
        Ok(page)
    }
}
