//! Finding what changed in one object since its base snapshot, without
//! reading what did not.
//!
//! The pages of the base divide the order of names into ranges: a page's range
//! begins behind the page before it and ends with its last name; the last
//! page's range has no end. While the partitions of a range come in, they are
//! hashed as [`PageRef::versions`] is; equal digests mean that the page is used
//! again unread. Only the page of a range that differs is read and merged.

use super::{Children, PageRef, PartitionEntry, VersionsDigest, read_page};
use crate::{Error, ErrorKind, PinnedPartition, Result, SharedRepository};
use std::collections::VecDeque;

/// What becomes of the next partitions, in order of their names.
#[derive(Debug)]
pub enum PlanStep {
    /// Nothing changed in a whole page of the base: [`PartitionWriter::reuse`](super::PartitionWriter) it.
    Reuse(Box<PageRef>),
    /// One partition did not change; all its bytes are stored.
    Keep(Box<PartitionEntry>),
    /// One partition is new or changed. The caller uploads what is missing and
    /// makes the entry; the files of `base`, its entry in the base, need no upload.
    Upload {
        /// The partition.
        partition: Box<PinnedPartition>,
        /// What the base has under its name.
        base: Option<Box<PartitionEntry>>,
    },
    /// A page of the base ends here: [`PartitionWriter::cut`](super::PartitionWriter).
    Cut,
}

/// Compares the partitions of one object with those of its base. Holds the
/// partitions of at most one page of the base, and that page.
#[derive(Debug)]
pub struct PartitionPlanner {
    repository: SharedRepository,
    pages: VecDeque<PageRef>,
    /// Partitions of the first page's range, while they may still equal it.
    window: Vec<PinnedPartition>,
    /// The entries of the first page's range, once it is known to differ.
    opened: Option<VecDeque<PartitionEntry>>,
    last: Option<String>,
    damaged: Vec<Error>,
}

impl PartitionPlanner {
    /// Compares with the partitions of `base`; `None` when there is no base.
    pub fn new(repository: SharedRepository, base: Option<Children<PartitionEntry>>) -> Self {
        let (pages, opened) = match base {
            None => (VecDeque::new(), Some(VecDeque::new())),
            Some(Children::Inline(list)) => (VecDeque::new(), Some(list.into())),
            Some(Children::Pages(pages)) => (VecDeque::from(pages), None),
        };
        // Without pages there is one range, the whole order, and it is open already.
        let opened = if pages.is_empty() { Some(opened.unwrap_or_default()) } else { None };
        Self { repository, pages, window: Vec::new(), opened, last: None, damaged: Vec::new() }
    }

    /// Takes the next partition of the warehouse and gives what is now decided.
    ///
    /// # Errors
    /// `InvalidInput` when it is not behind the one before it; whatever the
    /// store gives, except that a page of the base that is missing or damaged
    /// counts as empty (see [`PartitionPlanner::damaged`]).
    pub async fn push(&mut self, partition: PinnedPartition) -> Result<Vec<PlanStep>> {
        if self.last.as_ref().is_some_and(|last| *last >= partition.name) {
            return Err(Error::invalid("partitions are to be given in order of their names")
                .with("partition", partition.name.escape_debug()));
        }
        self.last = Some(partition.name.clone());
        let mut steps = Vec::new();
        while self.pages.len() > 1 && self.pages.front().is_some_and(|page| page.last < partition.name) {
            self.close(&mut steps).await?;
        }
        if self.opened.is_some() {
            steps.push(self.merge(partition)?);
            return Ok(steps);
        }
        self.window.push(partition);
        let longest = self.pages.front().map_or(0, |page| page.entries);
        if self.window.len() as u64 > longest {
            self.open(&mut steps).await?;
        }
        Ok(steps)
    }

    /// Says that no partition is left; gives the rest of the plan.
    ///
    /// # Errors
    /// As [`PartitionPlanner::push`].
    pub async fn finish(&mut self) -> Result<Vec<PlanStep>> {
        let mut steps = Vec::new();
        while !self.pages.is_empty() {
            self.close(&mut steps).await?;
        }
        Ok(steps)
    }

    /// The pages of the base that could not be read and so were not used: the
    /// snapshot gets new copies of what they held.
    pub fn damaged(&self) -> &[Error] {
        &self.damaged
    }

    /// Ends the range of the first page.
    async fn close(&mut self, steps: &mut Vec<PlanStep>) -> Result<()> {
        if self.opened.is_none() && !self.window.is_empty() {
            if self.unchanged()? {
                self.window.clear();
                if let Some(page) = self.pages.pop_front() {
                    steps.push(PlanStep::Reuse(Box::new(page)));
                }
                self.reopen();
                return Ok(());
            }
            self.open(steps).await?;
        }
        self.pages.pop_front();
        steps.push(PlanStep::Cut);
        self.opened = None;
        self.reopen();
        Ok(())
    }

    /// Behind the last page everything is new.
    fn reopen(&mut self) {
        if self.pages.is_empty() {
            self.opened = Some(VecDeque::new());
        }
    }

    fn unchanged(&self) -> Result<bool> {
        let Some(page) = self.pages.front() else { return Ok(false) };
        if page.entries != self.window.len() as u64 {
            return Ok(false);
        }
        let mut versions = VersionsDigest::default();
        for partition in &self.window {
            versions.add(&partition.name, partition.version_id, &partition.definition)?;
        }
        Ok(page.versions == Some(versions.finish()))
    }

    /// Reads the first page and decides what waited for it.
    async fn open(&mut self, steps: &mut Vec<PlanStep>) -> Result<()> {
        let mut entries = VecDeque::new();
        if let Some(page) = self.pages.front() {
            match read_page::<PartitionEntry>(&*self.repository, page, 0).await {
                Ok(read) => entries = read.into(),
                Err(e) if e.kind() == ErrorKind::Corrupt => self.damaged.push(e),
                Err(e) => return Err(e),
            }
        }
        self.opened = Some(entries);
        for partition in std::mem::take(&mut self.window) {
            steps.push(self.merge(partition)?);
        }
        Ok(())
    }

    fn merge(&mut self, partition: PinnedPartition) -> Result<PlanStep> {
        let entries = self.opened.get_or_insert_default();
        while entries.front().is_some_and(|entry| entry.name < partition.name) {
            entries.pop_front();
        }
        let base = match entries.front() {
            Some(entry) if entry.name == partition.name => entries.pop_front(),
            _ => None,
        };
        match base {
            Some(base) if base.version_id == partition.version_id => {
                let files = base.file_totals();
                Ok(PlanStep::Keep(Box::new(PartitionEntry::new(&partition, base.files, files)?)))
            }
            base => Ok(PlanStep::Upload { partition: Box::new(partition), base: base.map(Box::new) }),
        }
    }
}
