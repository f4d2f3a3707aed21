//! The labels of a repository: which snapshots there are, reading and
//! dropping them.

use super::{
    AbortMark, AccessMode, ClaimDocument, DroppedDocument, Exclusive, FORMAT, LabelKeys, Liveness,
    OutcomeDocument, OutcomeResult, RepositoryDocument, Sealed, SealedDocument, SharedPause,
    SnapshotDocument, SnapshotKind, Totals, label_prefix, labels_prefix, read_bounded, read_sealed, seal,
    unseal,
};
use crate::{
    ClusterId, Digest, Error, ErrorKind, JobId, ListRequest, ObjectMeta, RepositoryId, Result,
    SharedRepository, Timestamp, list_all,
};
use futures::{StreamExt, stream};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many headers a listing reads at a time.
const READ_AT_ONCE: usize = 16;

/// The labels of one repository. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LabelStore {
    pub(super) repository: SharedRepository,
    pub(super) id: RepositoryId,
    pub(super) mode: AccessMode,
    pub(super) exclusive: Exclusive,
}

impl LabelStore {
    /// The labels of an opened repository. Whether the store keeps `CreateNew`
    /// is asked ([`keeps_create_new`](super::keeps_create_new)) when the first
    /// label is taken, ended or dropped, so that who only reads needs no
    /// permission to write; where it does not, labels are taken by bids.
    pub fn new(
        repository: SharedRepository,
        document: &RepositoryDocument,
        mode: AccessMode,
        pause: SharedPause,
    ) -> Self {
        let exclusive =
            Exclusive { repository: repository.clone(), atomic: Arc::default(), force: false, pause };
        Self { repository, id: document.id, mode, exclusive }
    }

    /// Takes bids of others for dead (FORCE). Without effect where the store keeps `CreateNew`.
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.exclusive.force = force;
        self
    }

    /// The store.
    pub fn repository(&self) -> &SharedRepository {
        &self.repository
    }

    /// All labels with the state of their last attempt, sorted. One walk over
    /// the listing of `labels/` and one read for each label.
    ///
    /// # Errors
    /// As `list`. What is wrong with one label is its state
    /// ([`SnapshotState::Damaged`]), except that the store cannot be reached.
    pub async fn list_snapshots(&self) -> Result<Vec<SnapshotListing>> {
        let mut attempts = Attempts::default();
        let mut request = ListRequest::below(labels_prefix()?);
        loop {
            let page = self.repository.list(request.clone()).await?;
            page.objects.into_iter().for_each(|object| attempts.add(object));
            match page.next {
                Some(token) => request.token = Some(token),
                None => break,
            }
        }
        let open = attempts.0.values().any(|a| a.outcome.is_none() && !a.dropped && a.claim.is_some());
        let now = if open { self.store_now().await.unwrap_or_default() } else { None };
        let mut found = Vec::with_capacity(attempts.0.len());
        let mut reads = stream::iter(attempts.0)
            .map(|(label, attempt)| async move {
                let state = self.state(&label, &attempt, now).await;
                (label, attempt.n, state)
            })
            .buffered(READ_AT_ONCE);
        while let Some((label, n, state)) = reads.next().await {
            if let Some(state) = state? {
                found.push(SnapshotListing { label, n, state });
            }
        }
        Ok(found)
    }

    async fn state(
        &self,
        label: &str,
        attempt: &Attempt,
        now: Option<Timestamp>,
    ) -> Result<Option<SnapshotState>> {
        if attempt.dropped {
            return Ok(Some(SnapshotState::Dropped));
        }
        let keys = LabelKeys::new(label, attempt.n)?;
        let damaged = |e: Error| match e.kind() {
            ErrorKind::Corrupt | ErrorKind::Unsupported => Ok(Some(SnapshotState::Damaged(e))),
            ErrorKind::NotFound => Ok(None),
            _ => Err(e),
        };
        if attempt.outcome.is_some() {
            return match self.read_outcome(label, attempt.n).await {
                Ok(outcome) => Ok(Some(match outcome.value.result {
                    OutcomeResult::Committed(document) => {
                        SnapshotState::Committed(Box::new(SnapshotSummary::from(*document)))
                    }
                    OutcomeResult::Aborted(mark) => SnapshotState::Aborted(mark),
                })),
                Err(e) => damaged(e),
            };
        }
        if attempt.claim.is_none() {
            return Ok(None);
        }
        match read_sealed::<ClaimDocument>(&*self.repository, &keys.claim).await {
            Ok(claim) => Ok(Some(SnapshotState::Claimed {
                claim: Box::new(claim.value),
                liveness: attempt.liveness(now),
            })),
            Err(e) => damaged(e),
        }
    }

    /// The committed snapshot that has the label now, verified together with
    /// its claim. `timestamp` is the literal that it must have, where given.
    ///
    /// # Errors
    /// `NotFound` when there is none, it was dropped, or it has another
    /// timestamp; `Conflict` while it is being written; `Corrupt`,
    /// `Unsupported` when it cannot be read.
    pub async fn read_snapshot(&self, label: &str, timestamp: Option<&str>) -> Result<Snapshot> {
        let missing = |what: String| Error::not_found(what).with("snapshot", label.escape_debug());
        let attempt = self.last_attempt(label).await?;
        let Some(attempt) = attempt.filter(|a| !a.dropped) else {
            return Err(missing("there is no such snapshot in the repository".into()));
        };
        if attempt.outcome.is_none() {
            return Err(Error::new(ErrorKind::Conflict, "the snapshot was not finished or is being written")
                .with("snapshot", label.escape_debug()));
        }
        let outcome = self.read_outcome(label, attempt.n).await?;
        let OutcomeResult::Committed(document) = outcome.value.result else {
            return Err(missing(
                "there is no such snapshot in the repository; its backup was aborted".into(),
            ));
        };
        if let Some(timestamp) = timestamp
            && timestamp != document.backup_timestamp
        {
            return Err(missing(format!(
                "the snapshot has the backup timestamp {}, not {}",
                document.backup_timestamp.escape_debug(),
                timestamp.escape_debug()
            )));
        }
        let keys = LabelKeys::new(label, attempt.n)?;
        self.verify_claim(&keys, outcome.value.claim, document.job).await?;
        Ok(Snapshot { document: *document, outcome: outcome.digest, keys })
    }

    /// Whether the claim's bytes are those that the outcome was written for.
    async fn verify_claim(&self, keys: &LabelKeys, digest: Digest, job: JobId) -> Result<()> {
        let damaged = |why: &str| Error::corrupt(format!("the claim is damaged: {why}")).at(&keys.claim);
        let bytes = read_bounded(&*self.repository, &keys.claim, ClaimDocument::LIMIT, ClaimDocument::NAME)
            .await
            .map_err(|e| match e.kind() {
                ErrorKind::NotFound => damaged("it is missing").because(e),
                _ => e,
            })?;
        if Digest::of(&bytes) != digest {
            return Err(damaged("it is not the one that the snapshot names"));
        }
        match unseal::<ClaimDocument>(&keys.claim, &bytes)?.value.job == job {
            true => Ok(()),
            false => Err(damaged("it is of another job")),
        }
    }

    /// Drops the snapshot that has the label: its label is free at once. A
    /// damaged one can be dropped too. `by` and `at` are for people.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Conflict` while it is being written.
    pub async fn drop_snapshot(&self, label: &str, by: &str, at: Timestamp) -> Result<DroppedDocument> {
        self.mode.refuse_read_only("DROP SNAPSHOT")?;
        let missing = || {
            Error::not_found("there is no such snapshot in the repository")
                .with("snapshot", label.escape_debug())
        };
        let attempt = self.last_attempt(label).await?.filter(|a| !a.dropped).ok_or_else(missing)?;
        if attempt.outcome.is_none() {
            return Err(Error::new(ErrorKind::Conflict, "the snapshot is being written; cancel its backup")
                .with("snapshot", label.escape_debug()));
        }
        let keys = LabelKeys::new(label, attempt.n)?;
        let limit = OutcomeDocument::LIMIT;
        let outcome = match self.read_outcome(label, attempt.n).await {
            Ok(outcome) => match outcome.value.result {
                OutcomeResult::Aborted(_) => return Err(missing()),
                OutcomeResult::Committed(_) => outcome.digest,
            },
            // It cannot be read and is dropped as it is; the digest is of what is there.
            Err(e) if matches!(e.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                match read_bounded(&*self.repository, &keys.outcome, limit, OutcomeDocument::NAME).await {
                    Ok(bytes) => Digest::of(&bytes),
                    Err(e) if e.kind() == ErrorKind::Corrupt => Digest::of(&[]),
                    Err(e) => return Err(e),
                }
            }
            Err(e) => return Err(e),
        };
        let document = DroppedDocument {
            format: FORMAT,
            label: label.to_owned(),
            n: attempt.n,
            outcome,
            id: JobId::random()?,
            by: by.to_owned(),
            at,
            extensions: BTreeMap::new(),
        };
        match self.exclusive.create(&keys.prefix, "dropped", seal(&document)?).await? {
            true => Ok(document),
            false => Err(missing()),
        }
    }

    /// The outcome of an attempt, in its place.
    pub(super) async fn read_outcome(&self, label: &str, n: u32) -> Result<Sealed<OutcomeDocument>> {
        let keys = LabelKeys::new(label, n)?;
        let outcome = read_sealed::<OutcomeDocument>(&*self.repository, &keys.outcome).await?;
        if let OutcomeResult::Committed(document) = &outcome.value.result {
            let here = document.label == label && document.n == n && document.repository == self.id;
            if !here {
                return Err(Error::corrupt(
                    "the snapshot header is damaged: it belongs to another place or repository",
                )
                .at(&keys.outcome));
            }
        }
        Ok(outcome)
    }

    /// The last attempt under a label.
    pub(super) async fn last_attempt(&self, label: &str) -> Result<Option<Attempt>> {
        let page = list_all(&*self.repository, ListRequest::below(label_prefix(label)?)).await?;
        let mut attempts = Attempts::default();
        page.objects.into_iter().for_each(|object| attempts.add(object));
        Ok(attempts.0.remove(label))
    }
}

/// What lies below `labels/<label>/<n>`, for the highest `n`.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) n: u32,
    pub(super) claim: Option<ObjectMeta>,
    pub(super) heartbeat: Option<ObjectMeta>,
    pub(super) outcome: Option<ObjectMeta>,
    pub(super) dropped: bool,
}

/// The last attempt of each label. Only the last one counts: an attempt begins
/// only when the one before it has ended.
#[derive(Debug, Default)]
struct Attempts(BTreeMap<String, Attempt>);

impl Attempts {
    /// Takes in one key; keys of other forms are not ours and do not count. Nor
    /// do bids: an attempt that nobody has claimed has not begun, and what the
    /// one before it left is still to be adopted.
    fn add(&mut self, object: ObjectMeta) {
        let Some((label, n, name)) = LabelKeys::parse(&object.key) else { return };
        let note: fn(&mut Attempt, ObjectMeta) = match name {
            "claim" => |attempt, object| attempt.claim = Some(object),
            "heartbeat" => |attempt, object| attempt.heartbeat = Some(object),
            "outcome" => |attempt, object| attempt.outcome = Some(object),
            "dropped" => |attempt, _| attempt.dropped = true,
            _ => return,
        };
        let fresh = Attempt { n, claim: None, heartbeat: None, outcome: None, dropped: false };
        let attempt = self.0.entry(label).or_insert_with(|| fresh.clone());
        if n < attempt.n {
            return;
        }
        if n > attempt.n {
            *attempt = fresh;
        }
        note(attempt, object);
    }
}

/// One label of a listing.
#[derive(Debug)]
#[non_exhaustive]
pub struct SnapshotListing {
    /// The label.
    pub label: String,
    /// Its last attempt.
    pub n: u32,
    /// What became of that.
    pub state: SnapshotState,
}

/// What became of the last attempt under a label.
#[derive(Debug)]
#[non_exhaustive]
pub enum SnapshotState {
    /// The snapshot exists.
    Committed(Box<SnapshotSummary>),
    /// It is being written, or its writer died.
    Claimed {
        /// By whom.
        claim: Box<ClaimDocument>,
        /// Whether the writer lives.
        liveness: Liveness,
    },
    /// It was given up; the label is free.
    Aborted(AbortMark),
    /// It was dropped; the label is free.
    Dropped,
    /// It is there and cannot be read; the error says why.
    Damaged(Error),
}

/// A snapshot's header without its objects.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the members are those of SnapshotDocument")]
pub struct SnapshotSummary {
    pub job: JobId,
    pub cluster: ClusterId,
    pub label: String,
    pub n: u32,
    pub database: String,
    pub kind: SnapshotKind,
    pub backup_timestamp: String,
    pub created: Timestamp,
    pub finished: Timestamp,
    pub engine: String,
    pub totals: Totals,
    pub uploaded: u64,
}

impl From<SnapshotDocument> for SnapshotSummary {
    fn from(d: SnapshotDocument) -> Self {
        Self {
            job: d.job,
            cluster: d.cluster,
            label: d.label,
            n: d.n,
            database: d.database,
            kind: d.kind,
            backup_timestamp: d.backup_timestamp,
            created: d.created,
            finished: d.finished,
            engine: d.engine,
            totals: d.totals,
            uploaded: d.uploaded,
        }
    }
}

/// A committed snapshot, verified.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Its header.
    pub document: SnapshotDocument,
    /// The digest of the stored bytes of its outcome.
    pub outcome: Digest,
    /// Where it is.
    pub keys: LabelKeys,
}
