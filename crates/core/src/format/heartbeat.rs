//! Whether the owner of a claim lives.
//!
//! Age is the difference of two times that the store itself gave: that of the
//! last heartbeat and that of an object put just now. Clocks of hosts are
//! never compared. Where the store tells no times, the counter in the
//! heartbeat is watched.

use super::label::Attempt;
use super::{
    AccessMode, Extensions, FORMAT, LabelKeys, LabelStore, SealedDocument, probe_key, read_sealed, seal,
};
use crate::{Error, ErrorKind, JobId, PutRequest, Result, SharedRepository, Timestamp, WriteMode};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

/// How often an owner renews its heartbeat.
pub const RENEW: Duration = Duration::from_secs(20);
/// After this time without a heartbeat an owner counts as dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(300);

/// What is known about the owner of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// It renewed its heartbeat within [`DEAD_AFTER`].
    Live,
    /// It did not.
    Dead,
    /// The store tells no times, or may not be written to.
    Unknown,
}

/// What `labels/<label>/<n>/heartbeat` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeartbeatDocument {
    /// The version of the format.
    pub format: u32,
    /// The job that lives.
    pub job: JobId,
    /// One more each time.
    pub counter: u64,
    /// See [`Extensions`].
    #[serde(default, skip_serializing_if = "Extensions::is_empty")]
    pub extensions: Extensions,
}

impl SealedDocument for HeartbeatDocument {
    const NAME: &'static str = "heartbeat";
    const LIMIT: u64 = 64 << 10;
}

/// Renews the heartbeat of one claim.
#[derive(Debug)]
pub struct Heartbeat {
    repository: SharedRepository,
    keys: LabelKeys,
    job: JobId,
    counter: u64,
}

impl Heartbeat {
    pub(super) fn new(repository: SharedRepository, keys: LabelKeys, job: JobId) -> Self {
        Self { repository, keys, job, counter: 0 }
    }

    /// Shows that the job lives, and looks whether the claim is still open.
    ///
    /// # Errors
    /// `Conflict` when the claim has ended: the job must stop. Whatever the
    /// store gives; such an error is no reason to stop, calling again is.
    pub async fn beat(&mut self) -> Result<()> {
        self.counter += 1;
        let document = HeartbeatDocument {
            format: FORMAT,
            job: self.job,
            counter: self.counter,
            extensions: BTreeMap::new(),
        };
        let put = PutRequest::new(self.keys.heartbeat.clone(), seal(&document)?).mode(WriteMode::Overwrite);
        self.repository.put(put).await?;
        match self.repository.head(&self.keys.outcome).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            Err(e) => Err(e),
            Ok(_) => {
                Err(Error::new(ErrorKind::Conflict, "the claim on the label has ended")
                    .at(&self.keys.outcome))
            }
        }
    }
}

impl Attempt {
    /// Judges by the store's time `now`.
    pub(super) fn liveness(&self, now: Option<Timestamp>) -> Liveness {
        let seen = [&self.claim, &self.heartbeat].into_iter().flatten().filter_map(|o| o.modified).max();
        match (now, seen) {
            (Some(now), Some(seen)) if now.since(seen) > DEAD_AFTER.as_millis() as i64 => Liveness::Dead,
            (Some(_), Some(_)) => Liveness::Live,
            _ => Liveness::Unknown,
        }
    }
}

impl LabelStore {
    /// The time by the store's clock; `None` where it tells none or may not be written to.
    pub(super) async fn store_now(&self) -> Result<Option<Timestamp>> {
        if self.mode == AccessMode::ReadOnly {
            return Ok(None);
        }
        let key = probe_key(&JobId::random()?.to_string())?;
        let put = self.repository.put(PutRequest::new(key.clone(), &b"clock\n"[..])).await;
        let modified = match put {
            Ok(meta) if meta.modified.is_some() => Ok(meta.modified),
            Ok(_) => self.repository.head(&key).await.map(|meta| meta.modified),
            Err(e) => Err(e),
        };
        let deleted = self.repository.delete(vec![key]).await;
        let modified = modified?;
        deleted?;
        Ok(modified)
    }

    /// Watches a heartbeat whose age the store does not tell: it is dead when
    /// nothing changes for [`DEAD_AFTER`].
    pub(super) async fn watch(&self, keys: &LabelKeys) -> Result<Liveness> {
        let first = self.counter(keys).await?;
        let mut waited = Duration::ZERO;
        while waited < DEAD_AFTER {
            self.exclusive.pause.pause(RENEW).await;
            waited += RENEW;
            if self.counter(keys).await? != first {
                return Ok(Liveness::Live);
            }
        }
        Ok(Liveness::Dead)
    }

    async fn counter(&self, keys: &LabelKeys) -> Result<Option<(JobId, u64)>> {
        match read_sealed::<HeartbeatDocument>(&*self.repository, &keys.heartbeat).await {
            Ok(beat) => Ok(Some((beat.value.job, beat.value.counter))),
            // A damaged heartbeat says as little as none.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => Ok(None),
            Err(e) => Err(e),
        }
    }
}
