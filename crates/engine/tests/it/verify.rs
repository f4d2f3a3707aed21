//! Reads a repository to its last byte, and finds what nobody refers to.

use async_trait::async_trait;
use rockhold_core::format::{
    AccessMode, Children, DocumentRef, Ending, EntryReader, LabelStore, Pause, SnapshotState, open,
    read_document,
};
use rockhold_core::{
    Clock, Digest, Error, Key, ListRequest, Result, SharedRepository, SystemClock, list_all, read_object,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
struct NoPause;

#[async_trait]
impl Pause for NoPause {
    async fn pause(&self, _: Duration) {}
}

/// The labels of the repository `r`.
pub(crate) async fn labels(repository: &SharedRepository) -> Result<LabelStore> {
    let root = open(&**repository, "r").await?;
    Ok(LabelStore::new(repository.clone(), &root.document, AccessMode::ReadWrite, Arc::new(NoPause)))
}

fn pages<T>(children: &Children<T>, found: &mut BTreeSet<Key>) {
    if let Children::Pages(pages) = children {
        found.extend(pages.iter().map(|page| page.key.clone()));
    }
}

/// Reads every committed snapshot: each page, document and data file, against
/// its digest. Gives the keys below `data/` and `meta/` that they refer to.
pub(crate) async fn referenced(repository: &SharedRepository) -> Result<BTreeSet<Key>> {
    let labels = labels(repository).await?;
    let mut found = BTreeSet::new();
    for listing in labels.list_snapshots().await? {
        match listing.state {
            SnapshotState::Committed(_) => {}
            SnapshotState::Damaged(error) => return Err(error),
            _ => continue,
        }
        let snapshot = labels.read_snapshot(&listing.label, None).await?;
        pages(&snapshot.document.objects, &mut found);
        let mut objects = EntryReader::objects(repository.clone(), snapshot.document.objects);
        while let Some(object) = objects.next().await? {
            read_document(&**repository, &object).await?;
            if let DocumentRef::Page(page) = &object.document {
                found.insert(page.key.clone());
            }
            pages(&object.partitions, &mut found);
            let partitions = object.partitions.clone();
            let mut partitions = EntryReader::partitions(repository.clone(), &object.name, partitions, None);
            while let Some(partition) = partitions.next().await? {
                pages(&partition.files, &mut found);
                let mut files =
                    EntryReader::files(repository.clone(), &object.name, &partition.name, partition.files);
                while let Some(file) = files.next().await? {
                    let bytes = read_object(&**repository, &file.key, 1 << 30).await?;
                    if Digest::of(&bytes) != file.digest {
                        return Err(Error::corrupt("the file is not what its entry says").at(&file.key));
                    }
                    found.insert(file.key);
                }
            }
        }
    }
    Ok(found)
}

/// What lies below `data/` and `meta/` without a snapshot that refers to it.
pub(crate) async fn orphans(repository: &SharedRepository) -> Result<Vec<Key>> {
    let referenced = referenced(repository).await?;
    let mut orphans = Vec::new();
    for folder in ["data", "meta"] {
        let page = list_all(&**repository, ListRequest::below(Key::new(folder)?)).await?;
        orphans.extend(page.objects.into_iter().map(|o| o.key).filter(|key| !referenced.contains(key)));
    }
    Ok(orphans)
}

/// Ends what an unfinished or aborted backup of `label` left and removes its
/// files: what the next owner of the repository may do at any time.
pub(crate) async fn clean_up(repository: &SharedRepository, label: &str) -> Result<u64> {
    let labels = labels(repository).await?;
    let mut removed = 0;
    for listing in labels.list_snapshots().await? {
        let job = match &listing.state {
            SnapshotState::Claimed { claim, .. } => claim.job,
            SnapshotState::Aborted(mark) => match mark.job {
                Some(job) => job,
                None => continue,
            },
            _ => continue,
        };
        if listing.label != label {
            continue;
        }
        let ending = labels.abandon(label, job, "left behind", "the test", SystemClock.now(), false).await?;
        if let Some(Ending::Aborted(abandoned)) = ending {
            removed += abandoned.remove_files(&**repository).await?;
        }
    }
    Ok(removed)
}
