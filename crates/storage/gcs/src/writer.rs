//! Writing objects, whole or in parts.

use crate::{
    backend::Shared,
    client::Facts,
    deleter, reader,
    staged::{self, MOST_SOURCES, Source, Target, WRITER},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use rockhold_core::{
    CreateRequest, Error, ErrorKind, Key, ObjectMeta, ObjectWriter, PutRequest, Result, WriteMode,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a commit goes on deleting parts. The object is there already, and
/// whoever waits for it must not give up on it meanwhile; dropped, the writer
/// tries once more.
const CLEANING: Duration = Duration::from_secs(30);

/// Writes a small object.
pub(crate) async fn put(shared: &Shared, request: PutRequest) -> Result<ObjectMeta> {
    let PutRequest { key, bytes, mode, .. } = request;
    let (len, limit) = (bytes.len() as u64, shared.capabilities().max_put);
    if len > limit {
        let message = format!("{len} bytes are more than one put takes ({limit}); write it in parts");
        return Err(Error::new(ErrorKind::LimitExceeded, message).during("put").at(&key));
    }
    let asked = shared.writing("put", &key, &mode);
    let name = shared.location.name(&key).map_err(|e| e.during("put"))?;
    let generation = staged::generation(&asked, &mode)?;
    let target = Target { name: &name, generation, writer: None };
    Ok(staged::upload(shared, &asked, target, bytes).await?.meta(key.clone()))
}

/// Begins an object in parts. Nothing is sent yet.
pub(crate) fn create(shared: &Arc<Shared>, request: CreateRequest) -> Result<GcsWriter> {
    let key = &request.key;
    let (shortest, longest) = shared.capabilities().part_len;
    if !(shortest..=longest).contains(&request.part_len) {
        let message = format!("a part has {shortest} to {longest} bytes, not {}", request.part_len);
        return Err(Error::invalid(message).during("create").at(key));
    }
    let random = getrandom::u64().map_err(|source| {
        Error::internal("the system gives no random numbers").during("create").at(key).because(source)
    })?;
    let id = format!("{random:016x}");
    let name = shared.location.name(key).map_err(|e| e.during("create"))?;
    let staging = shared.location.staging(key, &id).map_err(|e| e.during("create"))?;
    Ok(GcsWriter {
        shared: Arc::clone(shared),
        request,
        id,
        name,
        staging,
        state: Mutex::default(),
        committing: tokio::sync::Mutex::default(),
    })
}

/// One object under construction. Each attempt at a part is an object of its
/// own below the staging prefix, so that a late one replaces nothing.
pub(crate) struct GcsWriter {
    shared: Arc<Shared>,
    request: CreateRequest,
    /// What tells this writer from others.
    id: String,
    /// The name of the object that is to be.
    name: String,
    staging: String,
    state: Mutex<State>,
    /// Held by the one commit that is under way.
    committing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    parts: BTreeMap<u32, Part>,
    /// The ends of the names of all that was sent and may be there.
    staged: Vec<String>,
    /// How many compositions into the staging prefix were begun.
    composed: u32,
    /// Whether a commit was begun whose end is not known to have been a failure
    /// before anything was sent.
    tried: bool,
    phase: Phase,
}

#[derive(Default)]
enum Phase {
    #[default]
    Open,
    /// `commit` is under way: nothing may be written.
    Closed,
    Committed(ObjectMeta),
}

#[derive(Default)]
struct Part {
    /// How often the part was asked to be written.
    asked: u32,
    /// What the newest of these calls stored; `None` while that is unknown.
    stored: Option<Stored>,
}

/// A part, or several of them composed.
#[derive(Clone)]
struct Stored {
    source: Source,
    len: u64,
    crc32c: Option<u32>,
}

impl Stored {
    fn new(name: String, facts: Facts) -> Self {
        let source = Source { name, generation: facts.generation };
        Self { source, len: facts.len, crc32c: facts.crc32c }
    }
}

/// Opens a writer again whose commit did not succeed, or was dropped.
struct Closing<'a>(&'a GcsWriter);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if matches!(state.phase, Phase::Closed) {
            state.phase = Phase::Open;
        }
    }
}

impl GcsWriter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self) -> &Key {
        &self.request.key
    }

    fn invalid(&self, operation: &'static str, message: String) -> Error {
        Error::invalid(message).during(operation).at(self.key())
    }

    /// Registers a write of a part: which one it is, and its name.
    fn ask(&self, number: u32, len: u64) -> Result<(u32, String)> {
        let most = self.shared.capabilities().max_parts;
        if len > self.request.part_len || number >= most {
            let agreed = self.request.part_len;
            let message =
                format!("part {number} has {len} bytes; at most {most} parts of {agreed} bytes were agreed");
            return Err(self.invalid("write part", message));
        }
        let mut state = self.state();
        if !matches!(state.phase, Phase::Open) {
            return Err(self.invalid("write part", "the object is committed already".into()));
        }
        let part = state.parts.entry(number).or_default();
        part.asked = part.asked.saturating_add(1);
        part.stored = None;
        let asked = part.asked;
        let end = format!("p{number:05}-{asked}");
        let name = format!("{}{end}", self.staging);
        state.staged.push(end);
        Ok((asked, name))
    }

    /// The parts in order.
    fn sources(&self) -> Result<Vec<Stored>> {
        let state = self.state();
        let last = state.parts.keys().next_back().copied().unwrap_or(0);
        let mut sources = Vec::with_capacity(state.parts.len());
        for (expected, (number, part)) in (0..).zip(&state.parts) {
            match &part.stored {
                Some(stored)
                    if *number == expected && (stored.len == self.request.part_len || *number == last) =>
                {
                    sources.push(stored.clone());
                }
                _ => {
                    let message = format!("part {expected} is missing or too short");
                    return Err(self.invalid("commit", message));
                }
            }
        }
        Ok(sources)
    }

    /// Composes until so few are left that one composition takes them.
    async fn reduce(&self, mut sources: Vec<Stored>) -> Result<Vec<Stored>> {
        while sources.len() > MOST_SOURCES {
            let groups: Vec<Vec<Stored>> = sources.chunks(MOST_SOURCES).map(<[_]>::to_vec).collect();
            let composed = stream::iter(groups).map(|group| self.compose_staged(group));
            sources = composed.buffered(self.shared.config.parallel.max(1)).try_collect().await?;
        }
        Ok(sources)
    }

    async fn compose_staged(&self, group: Vec<Stored>) -> Result<Stored> {
        if let [only] = &group[..] {
            return Ok(only.clone());
        }
        let name = {
            let mut state = self.state();
            state.composed = state.composed.saturating_add(1);
            let end = format!("c{}", state.composed);
            let name = format!("{}{end}", self.staging);
            state.staged.push(end);
            name
        };
        let facts = self.compose(&group, Target { name: &name, generation: None, writer: None }).await?;
        Ok(Stored::new(name, facts))
    }

    async fn compose(&self, group: &[Stored], target: Target<'_>) -> Result<Facts> {
        let asked = self.shared.writing("commit", self.key(), &self.request.mode);
        let sources: Vec<Source> = group.iter().map(|stored| stored.source.clone()).collect();
        let facts = match staged::compose(&self.shared, &asked, &sources, target).await? {
            Ok(facts) => facts,
            Err(answer) if answer.status == 404 && !answer.lacks_bucket() => {
                let message = "another process discarded what was staged here; write the object again";
                return Err(Error::new(ErrorKind::Conflict, message).during("commit").at(self.key()));
            }
            Err(answer) => return Err(asked.refused(&answer)),
        };
        let total = group.iter().map(|stored| stored.len).sum();
        if facts.len != total {
            return Err(asked.holds(facts.len, total));
        }
        if combined(group).zip(facts.crc32c).is_some_and(|(sent, held)| sent != held) {
            let error = Error::corrupt("the service holds other bytes than were sent").during("commit");
            return Err(error.at(self.key()).maybe_applied());
        }
        Ok(facts)
    }

    async fn publish(&self) -> Result<Facts> {
        let sources = self.sources()?;
        let asked = self.shared.writing("commit", self.key(), &self.request.mode);
        let generation = staged::generation(&asked, &self.request.mode)?;
        let target = Target { name: &self.name, generation, writer: Some(&self.id) };
        if sources.is_empty() {
            self.state().tried = true;
            return staged::upload(&self.shared, &asked, target, Bytes::new()).await;
        }
        let sources = self.reduce(sources).await?;
        self.state().tried = true;
        self.compose(&sources, target).await
    }

    /// The object, when it is there by an earlier commit of this writer whose
    /// answer was lost.
    async fn own(&self) -> Result<Option<Facts>> {
        let asked = self.shared.asked("commit", self.key(), "storage.objects.get");
        match reader::resource(&self.shared, &asked, &self.name).await {
            Ok((facts, resource)) => Ok((resource.note(WRITER) == Some(&self.id)).then_some(facts)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // Nobody knows now what the earlier one did.
            Err(error) => Err(error.maybe_applied()),
        }
    }

    async fn commit_once(&self) -> Result<ObjectMeta> {
        let tried_before = {
            let mut state = self.state();
            if let Phase::Committed(meta) = &state.phase {
                return Ok(meta.clone());
            }
            state.phase = Phase::Closed;
            state.tried
        };
        let _closing = Closing(self);
        let facts = match self.publish().await {
            Ok(facts) => facts,
            // These say that the object was there before, or its parts no more.
            Err(error)
                if tried_before
                    && matches!(
                        error.kind(),
                        ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed | ErrorKind::Conflict
                    ) =>
            {
                self.own().await?.ok_or(error)?
            }
            Err(error) => return Err(error),
        };
        let meta = facts.meta(self.key().clone());
        self.state().phase = Phase::Committed(meta.clone());
        Ok(meta)
    }

    /// Deletes what was staged, within `limit`. What fails stays noted.
    async fn clean(&self, operation: &'static str, limit: Duration) -> Result<()> {
        let ends = self.state().staged.clone();
        let names: Vec<String> = ends.iter().map(|end| format!("{}{end}", self.staging)).collect();
        deleter::remove_staged(&self.shared, operation, self.key(), names, limit).await?;
        self.state().staged.clear();
        Ok(())
    }
}

/// The checksum of several parts, one after the other.
fn combined(group: &[Stored]) -> Option<u32> {
    group.iter().try_fold(0, |sum, stored| {
        let len = usize::try_from(stored.len).ok()?;
        Some(crc32c::crc32c_combine(sum, stored.crc32c?, len))
    })
}

#[async_trait]
impl ObjectWriter for GcsWriter {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let (asked, name) = self.ask(number, bytes.len() as u64)?;
        let words = self.shared.writing("write part", self.key(), &WriteMode::Overwrite);
        // The name is new, so that a request that arrives twice is noticed.
        let target = Target { name: &name, generation: Some(0), writer: None };
        let facts = staged::upload(&self.shared, &words, target, bytes).await?;
        if let Some(part) = self.state().parts.get_mut(&number).filter(|part| part.asked == asked) {
            part.stored = Some(Stored::new(name, facts));
        }
        Ok(())
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        let _one = self.committing.lock().await;
        let meta = self.commit_once().await?;
        if let Err(left) = self.clean("commit", CLEANING).await {
            // The object is there, which is what was asked for.
            tracing::warn!(error = ?left, key = %self.key(), "parts of an object were left behind");
        }
        Ok(meta)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.clean("abort", self.shared.client.transfer).await
    }
}

impl Drop for GcsWriter {
    fn drop(&mut self) {
        let staged = std::mem::take(&mut self.state().staged);
        if staged.is_empty() {
            return;
        }
        // Without a runtime nothing can be sent; `discard_staged` finds it then.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (shared, key) = (Arc::clone(&self.shared), self.key().clone());
        let names: Vec<String> = staged.iter().map(|end| format!("{}{end}", self.staging)).collect();
        runtime.spawn(async move {
            let removed = deleter::remove_staged(&shared, "drop", &key, names, shared.client.transfer);
            if let Err(left) = removed.await {
                tracing::debug!(error = ?left, %key, "parts of an unfinished object were left behind");
            }
        });
    }
}
