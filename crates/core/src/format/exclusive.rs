//! Creating one of the objects that several parties compete for.
//!
//! Where the store keeps `CreateNew` this is one call. Where it does not,
//! parties bid: each puts an object of its own below `bids/`, then lists, and
//! goes on only when it sees no other bid. A bid stays for ever once its owner
//! has gone on: of two parties the later one to list sees the other's bid, so
//! two never both go on. A party that sees another's bid withdraws its own and
//! tries again after a random time.

use super::{keeps_create_new, put_once};
use crate::{
    Error, ErrorKind, JobId, Key, ListRequest, PutRequest, Result, SharedRepository, WriteMode, list_all,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::lock::Mutex;
use std::{fmt, sync::Arc, time::Duration};

/// Lets time pass. The format has no runtime; whoever uses it brings one.
#[async_trait]
pub trait Pause: Send + Sync + fmt::Debug {
    /// Returns after `time`.
    async fn pause(&self, time: Duration);
}

/// A [`Pause`] shared between tasks.
pub type SharedPause = Arc<dyn Pause>;

/// How often a party bids before it gives up.
const ROUNDS: u32 = 12;

/// How to create an object that others want to create too.
#[derive(Clone, Debug)]
pub(crate) struct Exclusive {
    pub(crate) repository: SharedRepository,
    /// Whether the store keeps `CreateNew`, once it was asked.
    pub(crate) atomic: Arc<Mutex<Option<bool>>>,
    /// Whether bids of others are taken for dead.
    pub(crate) force: bool,
    pub(crate) pause: SharedPause,
}

impl Exclusive {
    /// Creates `prefix/name` durably; `false` when another party was first.
    /// `bytes` are no other party's.
    pub(crate) async fn create(&self, prefix: &Key, name: &str, bytes: Bytes) -> Result<bool> {
        let key = prefix.join(name)?;
        if !self.is_atomic().await? {
            return self.bid(prefix, name, &key, bytes).await;
        }
        match put_once(&*self.repository, &key, bytes, WriteMode::CreateNew, true).await {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn is_atomic(&self) -> Result<bool> {
        let mut atomic = self.atomic.lock().await;
        match *atomic {
            Some(known) => Ok(known),
            None => Ok(*atomic.insert(keeps_create_new(&*self.repository).await?)),
        }
    }

    async fn bid(&self, prefix: &Key, name: &str, key: &Key, bytes: Bytes) -> Result<bool> {
        let bids = prefix.join("bids")?;
        let mut force = self.force;
        for round in 0..ROUNDS {
            let own = bids.join(&format!("{name}-{}", JobId::random()?))?;
            self.repository.put(PutRequest::new(own.clone(), Bytes::new()).durable()).await?;
            let (decided, others) = match self.look(prefix, name, key, &own).await {
                Ok(seen) => seen,
                Err(e) => {
                    self.withdraw(vec![own]).await;
                    return Err(e);
                }
            };
            if decided {
                self.withdraw(vec![own]).await;
                let there = super::read_bounded(&*self.repository, key, u64::MAX, "mark").await?;
                return Ok(there == bytes);
            }
            if others.is_empty() {
                put_once(&*self.repository, key, bytes, WriteMode::Overwrite, true).await?;
                return Ok(true);
            }
            self.withdraw(vec![own]).await;
            if force {
                self.withdraw(others).await;
                force = false;
                continue;
            }
            self.pause.pause(random_time(round)?).await;
        }
        Err(Error::new(
            ErrorKind::Conflict,
            "another party bids for the same key and does not go on; when it is dead, repeat with FORCE",
        )
        .at(key))
    }

    /// Whether the object is there, and the bids of others for it.
    async fn look(&self, prefix: &Key, name: &str, key: &Key, own: &Key) -> Result<(bool, Vec<Key>)> {
        let page = list_all(&*self.repository, ListRequest::below(prefix.clone())).await?;
        let begin = format!("{prefix}/bids/{name}-");
        let keys: Vec<Key> = page.objects.into_iter().map(|object| object.key).collect();
        if keys.contains(key) {
            return Ok((true, Vec::new()));
        }
        if !keys.contains(own) {
            return Err(Error::new(ErrorKind::Conflict, "the bid was removed by another party").at(own));
        }
        Ok((false, keys.into_iter().filter(|k| k != own && k.as_str().starts_with(&begin)).collect()))
    }

    /// Takes bids back. One that stays makes others wait until FORCE, no more.
    async fn withdraw(&self, keys: Vec<Key>) {
        let _ = self.repository.delete(keys).await;
    }
}

/// Up to a quarter of a second at first, twice as much each round, at most eight seconds.
fn random_time(round: u32) -> Result<Duration> {
    let [low, high, ..] = *JobId::random()?.as_bytes();
    let random = u64::from(u16::from_le_bytes([low, high]));
    let most = 250u64 << round.min(5);
    Ok(Duration::from_millis(random * most / u64::from(u16::MAX)))
}
