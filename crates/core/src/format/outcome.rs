//! How a claim ends: the snapshot's header, or an abort mark.

use super::{Children, Extensions, FORMAT, ObjectEntry, SealedDocument, Totals, check};
use crate::{ClusterId, Digest, Error, Guarantee, JobId, KindId, RepositoryId, Result, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a snapshot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    /// Objects of one database.
    Database,
    /// External catalogs; the database is empty.
    ExternalCatalogs,
}

/// A committed snapshot that another one was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseRef {
    /// Its label.
    pub label: String,
    /// The attempt under that label.
    pub n: u32,
    /// The job that wrote it.
    pub job: JobId,
}

/// The header of a snapshot: everything about it but its objects' entries,
/// which are inline when they are small.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotDocument {
    /// The job that wrote it.
    pub job: JobId,
    /// The warehouse it was made from.
    pub cluster: ClusterId,
    /// The repository it was written to.
    pub repository: RepositoryId,
    /// Its label.
    pub label: String,
    /// The attempt under the label.
    pub n: u32,
    /// The database; empty for external catalogs.
    pub database: String,
    /// What it is of.
    pub kind: SnapshotKind,
    /// The literal that RESTORE names it by. Never rendered again.
    pub backup_timestamp: String,
    /// The instant that the literal stands for.
    pub created: Timestamp,
    /// When it was committed.
    pub finished: Timestamp,
    /// What wrote it, as `rockhold <version>`.
    pub engine: String,
    /// How much of it is of one instant.
    pub cut: Guarantee,
    /// The snapshots it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<BaseRef>,
    /// Sums over all objects.
    pub totals: Totals,
    /// The bytes of data files that this job uploaded.
    pub uploaded: u64,
    /// How many objects there are of each kind.
    pub counts: BTreeMap<KindId, u64>,
    /// The objects, in order of [`ObjectEntry::sort_key`].
    pub objects: Children<ObjectEntry>,
    /// See [`Extensions`].
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl SnapshotDocument {
    fn check(&self) -> Result<()> {
        check::children(&self.objects)?;
        let mut totals = Totals::default();
        match &self.objects {
            Children::Inline(list) => list.iter().for_each(|o| totals.add(&o.totals)),
            Children::Pages(pages) => pages.iter().for_each(|p| totals.add(&p.totals)),
        }
        if totals != self.totals {
            return Err(Error::corrupt("the totals of the snapshot are not the sums of its objects"));
        }
        Ok(())
    }
}

/// That a claim came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbortMark {
    /// The job that was given up; unknown when its claim was damaged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// Why, in one line.
    pub reason: String,
    /// Who set the mark.
    pub by: String,
    /// When, by the clock of who set it.
    pub at: Timestamp,
    /// The jobs whose files were left for whoever claims the next attempt.
    /// Empty: nobody will name them again and anybody may remove them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<JobId>,
}

/// The two ways a claim ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OutcomeResult {
    /// The snapshot exists.
    Committed(Box<SnapshotDocument>),
    /// It does not.
    Aborted(AbortMark),
}

/// What `labels/<label>/<n>/outcome` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeDocument {
    /// The version of the format.
    pub format: u32,
    /// The digest of the stored bytes of the claim.
    pub claim: Digest,
    /// How it ended.
    pub result: OutcomeResult,
}

impl OutcomeDocument {
    /// An outcome of the claim with this digest.
    pub fn new(claim: Digest, result: OutcomeResult) -> Self {
        Self { format: FORMAT, claim, result }
    }
}

impl SealedDocument for OutcomeDocument {
    const NAME: &'static str = "snapshot header";
    const LIMIT: u64 = 16 << 20;

    fn check(&self) -> Result<()> {
        match &self.result {
            OutcomeResult::Committed(snapshot) => snapshot.check(),
            OutcomeResult::Aborted(_) => Ok(()),
        }
    }
}

/// What `labels/<label>/<n>/dropped` holds. That it is there counts, whatever it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DroppedDocument {
    /// The version of the format.
    pub format: u32,
    /// The label.
    pub label: String,
    /// The attempt under the label.
    pub n: u32,
    /// The digest of the stored bytes of the outcome that was dropped.
    pub outcome: Digest,
    /// A random number that tells two drops apart.
    pub id: JobId,
    /// Who dropped it.
    pub by: String,
    /// When, by the clock of who dropped it.
    pub at: Timestamp,
    /// See [`Extensions`].
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl SealedDocument for DroppedDocument {
    const NAME: &'static str = "drop mark";
    const LIMIT: u64 = 64 << 10;
}
