//! Claiming a label, and ending the claim.
//!
//! A job creates `claim` before it reads any manifest of a base, and ends by
//! creating `outcome`. Owner and whoever takes the owner for dead compete for
//! that one key, so a wrong guess about life costs a backup, never a snapshot.

use super::{
    Abandoned, AbortMark, BaseRef, Children, Extensions, FORMAT, Heartbeat, LabelKeys, LabelStore, Liveness,
    OutcomeDocument, OutcomeResult, SealedDocument, SnapshotDocument, SnapshotKind, Totals, read_bounded,
    read_sealed, seal, unseal,
};
use crate::{ClusterId, Digest, Error, ErrorKind, Guarantee, JobId, RepositoryId, Result, Timestamp};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most jobs whose leftovers one claim takes over. Older ones stay for
/// garbage collection.
pub const MAX_ADOPTS: usize = 64;

/// How often a claim is tried while others take the same label.
const ROUNDS: usize = 8;

/// What `labels/<label>/<n>/claim` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimDocument {
    /// The version of the format.
    pub format: u32,
    /// The repository.
    pub repository: RepositoryId,
    /// The label.
    pub label: String,
    /// The attempt under the label.
    pub n: u32,
    /// The job that writes.
    pub job: JobId,
    /// The warehouse it reads.
    pub cluster: ClusterId,
    /// Host and process, for people.
    pub owner: String,
    /// The database; empty for external catalogs.
    pub database: String,
    /// What the snapshot will be of.
    pub kind: SnapshotKind,
    /// The snapshots whose files the job may use again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bases: Vec<BaseRef>,
    /// The dead jobs whose files the job may use again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopts: Vec<JobId>,
    /// When the backup was submitted.
    pub created: Timestamp,
    /// The literal that RESTORE will name the snapshot by.
    pub backup_timestamp: String,
    /// See [`Extensions`].
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl SealedDocument for ClaimDocument {
    const NAME: &'static str = "claim";
    const LIMIT: u64 = 256 << 10;

    fn check(&self) -> Result<()> {
        if self.adopts.len() > MAX_ADOPTS {
            return Err(Error::corrupt("it adopts too many jobs"));
        }
        Ok(())
    }
}

/// Asks for a label.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The label.
    pub label: String,
    /// The job; one run, never seen before.
    pub job: JobId,
    /// The warehouse.
    pub cluster: ClusterId,
    /// Host and process, for people.
    pub owner: String,
    /// The database; empty for external catalogs.
    pub database: String,
    /// What the snapshot will be of.
    pub kind: SnapshotKind,
    /// Candidates for bases; those dropped meanwhile are not in [`Claim::bases`].
    pub bases: Vec<BaseRef>,
    /// When the backup was submitted.
    pub created: Timestamp,
    /// The literal that RESTORE will name the snapshot by.
    pub backup_timestamp: String,
    /// Jobs that the caller knows to be dead, whatever their heartbeat says:
    /// earlier runs of the same warehouse, whose lock the caller holds.
    pub known_dead: Vec<JobId>,
}

/// A label that is held. Dropping it changes nothing in the store.
#[derive(Clone, Debug)]
pub struct Claim {
    store: LabelStore,
    keys: LabelKeys,
    document: ClaimDocument,
    digest: Digest,
    bases: Vec<BaseRef>,
}

/// How a claim ended.
#[derive(Debug)]
pub enum Ending {
    /// It was given up, by this call or before it.
    Aborted(Abandoned),
    /// The snapshot had been committed after all.
    Committed(Box<SnapshotDocument>),
}

/// Whether a label can be claimed.
enum Place {
    Free { n: u32, adopts: Vec<JobId> },
    Claimed { n: u32, liveness: Liveness },
}

impl LabelStore {
    /// Claims a label.
    ///
    /// A dead claim is aborted and its files are taken over. A job that has
    /// the claim already gets it again.
    ///
    /// # Errors
    /// `AlreadyExists` when a snapshot has the label, in StarRocks's words;
    /// `Conflict` when another job is writing it, or may be;
    /// `Corrupt` when a damaged snapshot has the label (it can be dropped);
    /// whatever the store gives. After an error that says `MaybeApplied`,
    /// [`LabelStore::abandon`] settles it.
    pub async fn claim(&self, request: ClaimRequest) -> Result<Claim> {
        self.mode.refuse_read_only("BACKUP")?;
        for _ in 0..ROUNDS {
            match self.place(&request.label).await? {
                Place::Free { n, adopts } => {
                    let keys = LabelKeys::new(&request.label, n)?;
                    let document = request.document(self.id, n, adopts);
                    let bytes = seal(&document)?;
                    let digest = Digest::of(&bytes);
                    if self.exclusive.create(&keys.prefix, "claim", bytes).await? {
                        return self.held(keys, document, digest).await;
                    }
                }
                Place::Claimed { n, liveness } => {
                    if let Some(claim) = self.take_over(&request, n, liveness).await? {
                        return Ok(claim);
                    }
                }
            }
        }
        Err(Error::new(ErrorKind::Conflict, "other jobs keep taking the label; repeat later")
            .with("snapshot", request.label.escape_debug()))
    }

    /// Deals with a claim that is there: `None` when it is out of the way.
    async fn take_over(&self, request: &ClaimRequest, n: u32, liveness: Liveness) -> Result<Option<Claim>> {
        let keys = LabelKeys::new(&request.label, n)?;
        let (claim, digest) = self.read_claim(&keys).await?;
        if let Some(document) = &claim
            && document.job == request.job
        {
            return self.held(keys, document.clone(), digest).await.map(Some);
        }
        let known_dead = claim.as_ref().is_some_and(|c| request.known_dead.contains(&c.job));
        let dead = known_dead
            || match liveness {
                Liveness::Dead => true,
                Liveness::Live => false,
                Liveness::Unknown => self.watch(&keys).await? == Liveness::Dead,
            };
        if !dead {
            let mut error = Error::new(
                ErrorKind::Conflict,
                "another job is writing this snapshot; wait until it has ended",
            )
            .with("snapshot", request.label.escape_debug());
            if let Some(document) = &claim {
                error = error.with("job", document.job).with("owner", document.owner.escape_debug());
            }
            return Err(error);
        }
        let mark = AbortMark::dead(claim.as_ref(), &request.owner, request.created);
        self.set_mark(&keys, digest, mark).await?;
        Ok(None)
    }

    /// Competes for the outcome; `false` when another party was first.
    async fn set_mark(&self, keys: &LabelKeys, claim: Digest, mark: AbortMark) -> Result<bool> {
        let outcome = OutcomeDocument::new(claim, OutcomeResult::Aborted(mark));
        self.exclusive.create(&keys.prefix, "outcome", seal(&outcome)?).await
    }

    async fn held(&self, keys: LabelKeys, document: ClaimDocument, digest: Digest) -> Result<Claim> {
        // A base that was dropped before the claim could be seen may be
        // collected already; one dropped later waits for this claim.
        let bases = stream::iter(document.bases.clone())
            .map(|base| async move {
                let dropped = LabelKeys::new(&base.label, base.n)?.dropped;
                match self.repository.head(&dropped).await {
                    Ok(_) => Ok(None),
                    Err(e) if e.kind() == ErrorKind::NotFound => Ok(Some(base)),
                    Err(e) => Err(e),
                }
            })
            .buffered(8)
            .collect::<Vec<Result<Option<BaseRef>>>>()
            .await
            .into_iter()
            .filter_map(Result::transpose)
            .collect::<Result<Vec<_>>>()?;
        Ok(Claim { store: self.clone(), keys, document, digest, bases })
    }

    async fn place(&self, label: &str) -> Result<Place> {
        let Some(attempt) = self.last_attempt(label).await? else {
            return Ok(Place::Free { n: 1, adopts: Vec::new() });
        };
        let next = || {
            attempt.n.checked_add(1).ok_or_else(|| {
                Error::new(ErrorKind::LimitExceeded, "the label was used too often; choose another")
                    .with("snapshot", label.escape_debug())
            })
        };
        if attempt.dropped {
            return Ok(Place::Free { n: next()?, adopts: Vec::new() });
        }
        if attempt.outcome.is_some() {
            return match self.read_outcome(label, attempt.n).await {
                Ok(outcome) => match outcome.value.result {
                    OutcomeResult::Committed(_) => Err(already_exists(label)),
                    OutcomeResult::Aborted(mark) => {
                        let mut adopts = mark.leaves;
                        adopts.truncate(MAX_ADOPTS);
                        Ok(Place::Free { n: next()?, adopts })
                    }
                },
                Err(e) => Err(e.with("snapshot", label.escape_debug())),
            };
        }
        match attempt.claim {
            None => Ok(Place::Free { n: attempt.n, adopts: Vec::new() }),
            Some(_) => {
                let now = self.store_now().await?;
                Ok(Place::Claimed { n: attempt.n, liveness: attempt.liveness(now) })
            }
        }
    }

    /// A claim and the digest of its bytes; `None` for its document when it is damaged.
    async fn read_claim(&self, keys: &LabelKeys) -> Result<(Option<ClaimDocument>, Digest)> {
        let bytes =
            read_bounded(&*self.repository, &keys.claim, ClaimDocument::LIMIT, ClaimDocument::NAME).await?;
        let digest = Digest::of(&bytes);
        match unseal::<ClaimDocument>(&keys.claim, &bytes) {
            Ok(claim) => Ok((Some(claim.value), digest)),
            Err(e) if e.kind() == ErrorKind::Corrupt => Ok((None, digest)),
            Err(e) => Err(e),
        }
    }

    /// Ends what `job` left under `label`, without its [`Claim`]: after a
    /// restart, or when nobody knows whether the claim was made. `leave` says
    /// whether the files stay for the next claim. `None` when the job holds
    /// nothing there.
    ///
    /// # Errors
    /// As [`Claim::abort`].
    pub async fn abandon(
        &self,
        label: &str,
        job: JobId,
        reason: &str,
        by: &str,
        at: Timestamp,
        leave: bool,
    ) -> Result<Option<Ending>> {
        self.mode.refuse_read_only("aborting a backup")?;
        let Some(attempt) = self.last_attempt(label).await? else { return Ok(None) };
        if attempt.claim.is_none() {
            return Ok(None);
        }
        let keys = LabelKeys::new(label, attempt.n)?;
        let claim = read_sealed::<ClaimDocument>(&*self.repository, &keys.claim).await?;
        if claim.value.job != job {
            return Ok(None);
        }
        let held = Claim {
            store: self.clone(),
            keys,
            document: claim.value,
            digest: claim.digest,
            bases: Vec::new(),
        };
        held.abort(reason, by, at, leave).await.map(Some)
    }

    /// Whether no snapshot has the label, without claiming it. A claim of
    /// another job does not count: only [`LabelStore::claim`] settles that.
    ///
    /// # Errors
    /// As [`LabelStore::claim`], `Conflict` excepted.
    pub async fn check_free(&self, label: &str) -> Result<()> {
        self.place(label).await.map(|_| ())
    }
}

/// StarRocks's words; clients match on them.
fn already_exists(label: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, format!("Snapshot with name '{label}' already exist in repository"))
}

impl ClaimRequest {
    fn document(&self, repository: RepositoryId, n: u32, adopts: Vec<JobId>) -> ClaimDocument {
        ClaimDocument {
            format: FORMAT,
            repository,
            label: self.label.clone(),
            n,
            job: self.job,
            cluster: self.cluster,
            owner: self.owner.clone(),
            database: self.database.clone(),
            kind: self.kind,
            bases: self.bases.clone(),
            adopts,
            created: self.created,
            backup_timestamp: self.backup_timestamp.clone(),
            extensions: BTreeMap::new(),
        }
    }
}

impl AbortMark {
    /// The mark of a claim whose owner is dead; `None` for one that cannot be read.
    fn dead(claim: Option<&ClaimDocument>, by: &str, at: Timestamp) -> Self {
        Self {
            job: claim.map(|c| c.job),
            reason: "its owner is dead".into(),
            by: by.to_owned(),
            at,
            leaves: claim.map(ClaimDocument::leftovers).unwrap_or_default(),
        }
    }
}

impl ClaimDocument {
    /// The jobs whose files nobody owns once this claim is aborted.
    fn leftovers(&self) -> Vec<JobId> {
        let mut jobs = vec![self.job];
        jobs.extend(&self.adopts);
        jobs.truncate(MAX_ADOPTS);
        jobs
    }
}

impl Claim {
    /// What was claimed.
    pub fn document(&self) -> &ClaimDocument {
        &self.document
    }

    /// Where.
    pub fn keys(&self) -> &LabelKeys {
        &self.keys
    }

    /// The bases whose files may be used again.
    pub fn bases(&self) -> &[BaseRef] {
        &self.bases
    }

    /// The dead jobs whose files may be used again, once verified.
    pub fn adopts(&self) -> &[JobId] {
        &self.document.adopts
    }

    /// What shows that the job lives; to be renewed every [`RENEW`](super::RENEW).
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat::new(self.store.repository.clone(), self.keys.clone(), self.document.job)
    }

    /// A header with everything that the claim knows; the caller adds totals,
    /// counts, uploaded bytes and objects.
    pub fn snapshot(&self, engine: &str, cut: Guarantee, finished: Timestamp) -> SnapshotDocument {
        let claim = &self.document;
        SnapshotDocument {
            job: claim.job,
            cluster: claim.cluster,
            repository: claim.repository,
            label: claim.label.clone(),
            n: claim.n,
            database: claim.database.clone(),
            kind: claim.kind,
            backup_timestamp: claim.backup_timestamp.clone(),
            created: claim.created,
            finished,
            engine: engine.to_owned(),
            cut,
            bases: self.bases.clone(),
            totals: Totals::default(),
            uploaded: 0,
            counts: BTreeMap::new(),
            objects: Children::default(),
            extensions: BTreeMap::new(),
        }
    }

    /// Makes everything written durable, then commits the snapshot. Gives the
    /// digest of the outcome. A second call for the same claim is a success.
    ///
    /// # Errors
    /// `Conflict` when the claim was aborted by another party: the job must
    /// stop and must not remove its files. After an error that says
    /// `MaybeApplied` only [`Claim::abort`] tells what happened.
    pub async fn commit(&self, snapshot: SnapshotDocument) -> Result<Digest> {
        let claim = &self.document;
        if snapshot.job != claim.job || snapshot.label != claim.label || snapshot.n != claim.n {
            return Err(Error::internal("a snapshot is committed under its own claim"));
        }
        let outcome = OutcomeDocument::new(self.digest, OutcomeResult::Committed(Box::new(snapshot)));
        outcome.check().map_err(|e| Error::internal(e.message().to_owned()).because(e))?;
        let bytes = seal(&outcome)?;
        let digest = Digest::of(&bytes);
        self.store.repository.barrier().await?;
        if self.store.exclusive.create(&self.keys.prefix, "outcome", bytes).await? {
            return Ok(digest);
        }
        let there = self.store.read_outcome(&claim.label, claim.n).await?;
        match there.value.result {
            OutcomeResult::Committed(document) if document.job == claim.job => Ok(there.digest),
            OutcomeResult::Committed(document) => Err(lost(format!("job {} committed it", document.job))),
            OutcomeResult::Aborted(mark) => {
                Err(lost(format!("{} aborted it: {}", mark.by.escape_debug(), mark.reason.escape_debug())))
            }
        }
    }

    /// Gives the claim up. `leave` says whether the files stay for the next
    /// claim of the label (a repeated backup adopts them) or are the caller's
    /// to remove.
    ///
    /// # Errors
    /// Whatever the store gives; calling again is safe.
    pub async fn abort(&self, reason: &str, by: &str, at: Timestamp, leave: bool) -> Result<Ending> {
        let leftovers = self.document.leftovers();
        let mark = AbortMark {
            job: Some(self.document.job),
            reason: reason.to_owned(),
            by: by.to_owned(),
            at,
            leaves: if leave { leftovers.clone() } else { Vec::new() },
        };
        if self.store.set_mark(&self.keys, self.digest, mark.clone()).await? {
            return Ok(Ending::Aborted(Abandoned::new(mark, leftovers)));
        }
        let there = self.store.read_outcome(&self.document.label, self.document.n).await?;
        Ok(match there.value.result {
            OutcomeResult::Committed(document) => Ending::Committed(document),
            OutcomeResult::Aborted(mark) => Ending::Aborted(Abandoned::new(mark, leftovers)),
        })
    }
}

fn lost(why: String) -> Error {
    Error::new(ErrorKind::Conflict, format!("the claim on the label was lost, {why}; repeat the backup"))
}
