//! A repository in memory: the reference of the contract, and the store on
//! which tests enumerate every failure.

use crate::{
    Capabilities, Clock, CreateNew, CreateRequest, Error, ErrorKind, GetRequest, Key, ListPage, ListRequest,
    ObjectMeta, ObjectReader, ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, SharedClock,
    SystemClock, Timestamp, WriteMode,
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// The longest piece that a read gives, in bytes.
const PIECE_LEN: usize = 256 << 10;

/// A [`Repository`] in memory, deterministic: the same calls give the same
/// etags, pages and staged names. It keeps the whole contract, and can also
/// lose power ([`MemoryRepository::lose_power`]) and be copied
/// ([`MemoryRepository::fork`]).
///
/// Set it up before sharing it: `Arc::new(MemoryRepository::new().page_limit(2))`.
#[derive(Debug)]
pub struct MemoryRepository {
    state: Arc<Mutex<State>>,
    clock: SharedClock,
    capabilities: Capabilities,
    page_limit: usize,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    etag: u64,
    modified: Timestamp,
}

impl Object {
    fn meta(&self, key: &Key, capabilities: &Capabilities) -> ObjectMeta {
        let meta = ObjectMeta::new(key.clone(), self.bytes.len() as u64).with_etag(etag(self.etag));
        if capabilities.modified { meta.with_modified(self.modified) } else { meta }
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    objects: BTreeMap<Key, Object>,
    /// What each key changed since the last barrier held before.
    unsynced: BTreeMap<Key, Option<Object>>,
    staged: BTreeMap<u64, Staged>,
    /// The last number given to an etag or a staged object.
    counter: u64,
}

#[derive(Clone, Debug)]
struct Staged {
    key: Key,
    parts: BTreeMap<u32, Bytes>,
}

impl Default for MemoryRepository {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRepository {
    /// An empty repository with every capability, the system's clock and
    /// pages of 1,000 entries.
    pub fn new() -> Self {
        let mut capabilities = Capabilities::full();
        capabilities.barrier_needed = true;
        Self { state: Arc::default(), clock: Arc::new(SystemClock), capabilities, page_limit: 1000 }
    }

    /// Takes times of writing from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Gives at most `limit` entries a page (0 counts as 1).
    #[must_use]
    pub fn page_limit(mut self, limit: usize) -> Self {
        self.page_limit = limit.max(1);
        self
    }

    /// Imitates a store that can do less. With [`CreateNew::Missing`] it
    /// ignores that condition, as such stores do.
    #[must_use]
    pub fn with_capabilities(mut self, capabilities: Capabilities) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// An independent copy of the present state, staged writes included.
    /// Writers keep writing to the original.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            state: Arc::new(Mutex::new(self.state().clone())),
            clock: Arc::clone(&self.clock),
            capabilities: self.capabilities.clone(),
            page_limit: self.page_limit,
        }
    }

    /// All visible objects and their bytes.
    pub fn objects(&self) -> BTreeMap<Key, Bytes> {
        self.state().objects.iter().map(|(key, object)| (key.clone(), object.bytes.clone())).collect()
    }

    /// The keys that unfinished writers, dead or alive, have staged.
    pub fn staged(&self) -> Vec<Key> {
        self.state().staged.values().map(|staged| staged.key.clone()).collect()
    }

    /// Loses power: staged writes vanish, and of everything changed since the
    /// last barrier only the keys for which `keep` answers true stay changed.
    pub fn lose_power(&self, mut keep: impl FnMut(&Key) -> bool) {
        let mut state = self.state();
        state.staged.clear();
        for (key, before) in std::mem::take(&mut state.unsynced) {
            if keep(&key) {
                continue;
            }
            match before {
                Some(object) => state.objects.insert(key, object),
                None => state.objects.remove(&key),
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn publish(&self, write: Write<'_>) -> Result<ObjectMeta> {
        let object = self.state().publish(write, &self.capabilities, self.clock.as_ref())?;
        Ok(object.meta(write.key, &self.capabilities))
    }
}

/// One object about to become visible.
#[derive(Clone, Copy)]
struct Write<'a> {
    key: &'a Key,
    bytes: &'a Bytes,
    mode: &'a WriteMode,
    durable: bool,
    operation: &'static str,
}

impl State {
    fn publish(
        &mut self,
        write: Write<'_>,
        capabilities: &Capabilities,
        clock: &dyn Clock,
    ) -> Result<Object> {
        let Write { key, bytes, mode, durable, operation } = write;
        self.check(key, mode, capabilities).map_err(|e| e.during(operation).at(key))?;
        self.check_name(key).map_err(|e| e.during(operation).at(key))?;
        self.counter += 1;
        let object = Object { bytes: bytes.clone(), etag: self.counter, modified: clock.now() };
        let before = self.objects.insert(key.clone(), object.clone());
        if durable {
            self.unsynced.remove(key);
        } else {
            self.unsynced.entry(key.clone()).or_insert(before);
        }
        Ok(object)
    }

    fn check(&self, key: &Key, mode: &WriteMode, capabilities: &Capabilities) -> Result<()> {
        let present = self.objects.get(key);
        match mode {
            WriteMode::Overwrite => Ok(()),
            WriteMode::CreateNew if capabilities.create_new == CreateNew::Missing => Ok(()),
            WriteMode::CreateNew if present.is_some() => {
                Err(Error::new(ErrorKind::AlreadyExists, "an object with this key exists"))
            }
            WriteMode::CreateNew => Ok(()),
            WriteMode::IfMatch(_) if !capabilities.if_match => {
                Err(Error::unsupported("this store does not write on condition of an entity tag"))
            }
            WriteMode::IfMatch(wanted) => check_etag(present, wanted),
        }
    }

    /// An object's key is no other object's path.
    fn check_name(&self, key: &Key) -> Result<()> {
        let text = key.as_str();
        let above = text
            .match_indices('/')
            .filter_map(|(at, _)| Key::new(&text[..at]).ok())
            .find(|parent| self.objects.contains_key(parent));
        if let Some(parent) = above {
            return Err(Error::invalid(format!("{parent} is an object, so nothing can lie below it")));
        }
        if !self.objects.contains_key(key) && self.below(Some(key), None).next().is_some() {
            return Err(Error::invalid("other objects lie below this key"));
        }
        Ok(())
    }

    /// The objects strictly below `prefix` and behind `after`, in byte order.
    fn below<'a>(
        &'a self,
        prefix: Option<&'a Key>,
        after: Option<&'a Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Object)> {
        let start = match (prefix, after) {
            (Some(prefix), Some(after)) => Bound::Excluded(prefix.max(after)),
            (Some(key), None) | (None, Some(key)) => Bound::Excluded(key),
            (None, None) => Bound::Unbounded,
        };
        self.objects
            .range((start, Bound::Unbounded))
            // Keys such as `a-b` lie between `a` and `a/b`, so this cannot stop at the first stranger.
            .take_while(move |(key, _)| prefix.is_none_or(|p| key.as_str().starts_with(p.as_str())))
            .filter(move |(key, _)| prefix.is_none_or(|p| key.starts_with(p)))
    }

    fn remove(&mut self, key: &Key) {
        if let Some(object) = self.objects.remove(key) {
            self.unsynced.entry(key.clone()).or_insert(Some(object));
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Every change of the state is complete before anything can panic.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn etag(number: u64) -> String {
    format!("m{number}")
}

fn check_etag(present: Option<&Object>, wanted: &str) -> Result<()> {
    match present {
        Some(object) if etag(object.etag) == wanted => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::PreconditionFailed, "the object was changed since it was read")),
        None => Err(Error::new(ErrorKind::PreconditionFailed, "the object does not exist any more")),
    }
}

fn missing(operation: &'static str, key: &Key) -> Error {
    Error::not_found("no such object").during(operation).at(key)
}

#[async_trait]
impl Repository for MemoryRepository {
    fn info(&self) -> RepositoryInfo {
        RepositoryInfo::new("memory", "memory://")
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        let object = self.state().objects.get(key).cloned().ok_or_else(|| missing("head", key))?;
        Ok(object.meta(key, &self.capabilities))
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        let key = &request.key;
        let object = self.state().objects.get(key).cloned().ok_or_else(|| missing("get", key))?;
        if let Some(wanted) = &request.if_match {
            check_etag(Some(&object), wanted).map_err(|e| e.during("get").at(key))?;
        }
        let range = request.resolve(object.bytes.len() as u64)?;
        let meta = object.meta(key, &self.capabilities);
        // The range lies within bytes that are in memory, so it fits a usize.
        let bytes = object.bytes.slice(range.start as usize..range.end as usize);
        let pieces = (0..bytes.len()).step_by(PIECE_LEN).map(move |at| {
            let end = bytes.len().min(at + PIECE_LEN);
            Ok(bytes.slice(at..end))
        });
        Ok(ObjectReader { meta, range, stream: futures::stream::iter(pieces).boxed() })
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        let PutRequest { key, bytes, mode, durable } = &request;
        if bytes.len() as u64 > self.capabilities.max_put {
            let limit = self.capabilities.max_put;
            let message = format!("{} bytes are more than one put takes ({limit})", bytes.len());
            return Err(Error::new(ErrorKind::LimitExceeded, message).during("put").at(key));
        }
        self.publish(Write { key, bytes, mode, durable: *durable, operation: "put" })
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        let (shortest, longest) = self.capabilities.part_len;
        if !(shortest..=longest).contains(&request.part_len) {
            let message = format!("a part has {shortest} to {longest} bytes, not {}", request.part_len);
            return Err(Error::invalid(message).during("create").at(&request.key));
        }
        let mut state = self.state();
        state.counter += 1;
        let number = state.counter;
        state.staged.insert(number, Staged { key: request.key.clone(), parts: BTreeMap::new() });
        Ok(Box::new(MemoryWriter {
            // Weak, so that a writer leaked to imitate a dead process does not keep the store.
            state: Arc::downgrade(&self.state),
            clock: Arc::clone(&self.clock),
            capabilities: self.capabilities.clone(),
            request,
            number,
            committed: Mutex::default(),
        }))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let limit = request.limit.unwrap_or(usize::MAX).clamp(1, self.page_limit);
        let prefix = request.prefix.as_ref();
        let after = match request.token.as_deref().map(Key::new).transpose() {
            Ok(after) => after,
            Err(e) => return Err(Error::invalid("not a token of this store").during("list").because(e)),
        };
        let state = self.state();
        let mut page = ListPage::default();
        let mut last: Option<Key> = None;
        let mut seen = BTreeSet::new();
        for (key, object) in state.below(prefix, after.as_ref()) {
            let child = if request.children_only { deeper(key, prefix)? } else { None };
            if let Some(child) = &child {
                // A prefix was given on an earlier page when the token lies below it.
                if seen.contains(child) || after.as_ref().is_some_and(|after| after.starts_with(child)) {
                    continue;
                }
            }
            if page.objects.len() + page.prefixes.len() == limit {
                page.next = last.map(|key| key.to_string());
                return Ok(page);
            }
            match child {
                Some(child) => {
                    seen.insert(child.clone());
                    page.prefixes.push(child);
                }
                None => page.objects.push(object.meta(key, &self.capabilities)),
            }
            last = Some(key.clone());
        }
        Ok(page)
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        let mut state = self.state();
        keys.iter().for_each(|key| state.remove(key));
        Ok(keys.iter().map(|_| Ok(())).collect())
    }

    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        if !self.capabilities.copy {
            return Err(Error::unsupported("this store does not copy objects").during("copy").at(from));
        }
        let object = self.state().objects.get(from).cloned().ok_or_else(|| missing("copy", from))?;
        self.publish(Write { key: to, bytes: &object.bytes, mode: &mode, durable: false, operation: "copy" })
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        let mut state = self.state();
        let before = state.staged.len();
        state.staged.retain(|_, staged| staged.key == *prefix || !staged.key.starts_with(prefix));
        Ok((before - state.staged.len()) as u64)
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        let below = |staged: &&Staged| staged.key != *prefix && staged.key.starts_with(prefix);
        Ok(self.state().staged.values().filter(below).count() as u64)
    }

    async fn barrier(&self) -> Result<()> {
        self.state().unsynced.clear();
        Ok(())
    }
}

/// The common prefix that stands for `key` in a listing of direct children;
/// `None` when the key is a direct child itself.
fn deeper(key: &Key, prefix: Option<&Key>) -> Result<Option<Key>> {
    let text = key.as_str();
    let skip = prefix.map_or(0, |p| p.as_str().len() + 1);
    match text[skip..].find('/') {
        Some(at) => Key::new(&text[..skip + at]).map(Some),
        None => Ok(None),
    }
}

struct MemoryWriter {
    state: Weak<Mutex<State>>,
    clock: SharedClock,
    capabilities: Capabilities,
    request: CreateRequest,
    number: u64,
    committed: Mutex<Option<ObjectMeta>>,
}

impl MemoryWriter {
    fn store(&self, operation: &'static str) -> Result<Arc<Mutex<State>>> {
        self.state.upgrade().ok_or_else(|| self.gone(operation))
    }

    fn committed(&self) -> MutexGuard<'_, Option<ObjectMeta>> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gone(&self, operation: &'static str) -> Error {
        Error::new(
            ErrorKind::Conflict,
            "another process discarded what was staged here; write the object again",
        )
        .during(operation)
        .at(&self.request.key)
    }

    fn assemble(&self, staged: &Staged) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        let last = staged.parts.keys().next_back().copied().unwrap_or(0);
        for (expected, (number, part)) in (0..).zip(&staged.parts) {
            let short = *number != last && part.len() as u64 != self.request.part_len;
            if *number != expected || short {
                return Err(Error::invalid(format!("part {expected} is missing or too short")));
            }
            whole.extend_from_slice(part);
        }
        Ok(whole.freeze())
    }
}

#[async_trait]
impl ObjectWriter for MemoryWriter {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        if self.committed().is_some() {
            let error = Error::invalid("the object is committed already");
            return Err(error.during("write part").at(&self.request.key));
        }
        let store = self.store("write part")?;
        if bytes.len() as u64 > self.request.part_len || number >= self.capabilities.max_parts {
            let message = format!("part {number} of {} bytes is too long or too many", bytes.len());
            return Err(Error::invalid(message).during("write part").at(&self.request.key));
        }
        match lock(&store).staged.get_mut(&self.number) {
            Some(staged) => staged.parts.insert(number, bytes),
            None => return Err(self.gone("write part")),
        };
        Ok(())
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        let mut committed = self.committed();
        if let Some(meta) = committed.as_ref() {
            return Ok(meta.clone());
        }
        let store = self.store("commit")?;
        let mut state = lock(&store);
        let key = &self.request.key;
        let staged = state.staged.get(&self.number).ok_or_else(|| self.gone("commit"))?;
        let bytes = self.assemble(staged).map_err(|e| e.during("commit").at(key))?;
        let write =
            Write { key, bytes: &bytes, mode: &self.request.mode, durable: false, operation: "commit" };
        let object = state.publish(write, &self.capabilities, self.clock.as_ref())?;
        state.staged.remove(&self.number);
        let meta = object.meta(key, &self.capabilities);
        *committed = Some(meta.clone());
        Ok(meta)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        Ok(()) // dropping removes what was staged
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        if let Some(store) = self.state.upgrade() {
            lock(&store).staged.remove(&self.number);
        }
    }
}
