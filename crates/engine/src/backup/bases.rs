//! What earlier snapshots hold of the objects that are backed up.

use crate::repositories::Opened;
use crate::{CancelToken, Engine};
use rockhold_core::format::{BaseRef, EntryReader, ObjectEntry, SnapshotState};
use rockhold_core::{Error, ErrorKind, KindId, ObjectName, Result};
use std::collections::{BTreeMap, BTreeSet};

/// One of so many bases is there for its size.
const LARGE_OF: usize = 4;

/// The entries of the base snapshots, for the objects that are backed up: of
/// each object the newest.
#[derive(Default)]
pub(crate) struct Bases(BTreeMap<(KindId, ObjectName), ObjectEntry>);

impl Engine {
    /// The newest snapshots of the same database, newest first, and behind them
    /// the largest of the others: backups of single tables or partitions must
    /// not push out the one of everything.
    pub(crate) async fn bases(&self, opened: &Opened, database: &str) -> Result<Vec<BaseRef>> {
        let mut found: Vec<_> = opened
            .labels
            .list_snapshots()
            .await?
            .into_iter()
            .filter_map(|listing| match listing.state {
                SnapshotState::Committed(summary) if summary.database == database => Some(summary),
                _ => None,
            })
            .collect();
        found.sort_by_key(|summary| std::cmp::Reverse((summary.finished, summary.created)));
        let most = self.0.config.max_bases;
        let mut older = found.split_off(found.len().min(most.saturating_sub(most / LARGE_OF)));
        older.sort_by_key(|summary| std::cmp::Reverse(summary.totals.files));
        found.extend(older);
        found.truncate(most);
        Ok(found.into_iter().map(|s| BaseRef { label: s.label, n: s.n, job: s.job }).collect())
    }
}

impl Bases {
    /// Reads the headers and object entries of `bases` until everything
    /// `wanted` is found. Gives a remark for each base that cannot be used.
    pub(crate) async fn read(
        opened: &Opened,
        bases: &[BaseRef],
        wanted: &BTreeSet<(KindId, ObjectName)>,
        cancel: &CancelToken,
    ) -> Result<(Self, Vec<String>)> {
        let mut found = BTreeMap::new();
        let mut notes = Vec::new();
        for base in bases {
            if found.len() == wanted.len() {
                break;
            }
            match read_one(opened, base, wanted, cancel, &mut found).await {
                Ok(()) => {}
                // A base is a help, not a need: a damaged or vanished one is left out.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported
                    ) =>
                {
                    tracing::warn!(?error, label = %base.label, "a base snapshot cannot be used");
                    notes.push(format!(
                        "snapshot {} is damaged and was not used as a base: {error}",
                        base.label
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Self(found), notes))
    }

    /// What the bases hold of an object.
    pub(crate) fn of(&self, kind: &KindId, name: &ObjectName) -> Option<&ObjectEntry> {
        self.0.get(&(kind.clone(), name.clone()))
    }
}

async fn read_one(
    opened: &Opened,
    base: &BaseRef,
    wanted: &BTreeSet<(KindId, ObjectName)>,
    cancel: &CancelToken,
    found: &mut BTreeMap<(KindId, ObjectName), ObjectEntry>,
) -> Result<()> {
    let snapshot = cancel.run(opened.labels.read_snapshot(&base.label, None)).await?;
    if snapshot.document.job != base.job {
        return Err(Error::not_found("the base snapshot was replaced"));
    }
    let mut reader = EntryReader::objects(opened.repository.clone(), snapshot.document.objects);
    while let Some(entry) = cancel.run(reader.next()).await? {
        let key = (entry.kind.clone(), entry.name.clone());
        if wanted.contains(&key) {
            found.entry(key).or_insert(entry);
        }
    }
    Ok(())
}
