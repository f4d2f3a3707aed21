//! Writing objects, whole or in parts.

use crate::{
    backend::Shared,
    error::{blocking, io},
    staged::Staged,
};
use async_trait::async_trait;
use bytes::Bytes;
use rockhold_core::{
    CreateRequest, Error, ErrorKind, ObjectMeta, ObjectWriter, PutRequest, Result, WriteMode,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Writes a small object.
pub(crate) fn put(shared: &Shared, request: &PutRequest) -> Result<ObjectMeta> {
    let key = &request.key;
    let staged = Staged::create(&shared.root, key, "put")?;
    staged.write_at(&request.bytes, 0).map_err(|e| io(e, "put", key))?;
    let meta = staged.publish(&request.mode, request.durable, "put")?;
    if !request.durable {
        shared.durability.wrote(key);
    }
    Ok(meta)
}

/// Begins an object in parts.
pub(crate) fn create(shared: &Arc<Shared>, request: CreateRequest) -> Result<FsWriter> {
    let (shortest, longest) = shared.capabilities().part_len;
    if !(shortest..=longest).contains(&request.part_len) {
        let message = format!("a part has {shortest} to {longest} bytes, not {}", request.part_len);
        return Err(Error::invalid(message).during("create").at(&request.key));
    }
    let staged = Staged::create(&shared.root, &request.key, "create")?;
    if request.mode == WriteMode::CreateNew && staged.is_taken() {
        // Noticed early, before anything is sent; `commit` decides.
        let error = Error::new(ErrorKind::AlreadyExists, "an object with this key exists");
        return Err(error.during("create").at(&request.key));
    }
    Ok(FsWriter(Arc::new(Parts { shared: Arc::clone(shared), staged, request, state: Mutex::default() })))
}

/// One object under construction; part `n` lies at `n` times the part length.
pub(crate) struct FsWriter(Arc<Parts>);

/// Threads that outlive a dropped call hold this too, so it lasts until the
/// last of them has ended.
struct Parts {
    shared: Arc<Shared>,
    staged: Staged,
    request: CreateRequest,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parts: BTreeMap<u32, Part>,
    phase: Phase,
}

#[derive(Default)]
enum Phase {
    #[default]
    Open,
    /// `commit` has begun: nothing may be written any more.
    Closed,
    Committed(ObjectMeta),
}

#[derive(Default)]
struct Part {
    /// How often the part was asked to be written.
    asked: u64,
    /// The length written; `None` while that is unknown.
    len: Option<u64>,
    /// Held while the part is written. A call that was dropped may still be
    /// writing when the same part is written again or the object is committed.
    writing: Arc<Mutex<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Parts {
    fn invalid(&self, operation: &'static str, message: String) -> Error {
        Error::invalid(message).during(operation).at(&self.request.key)
    }

    /// Registers a write of a part: which one it is, and what to hold meanwhile.
    fn ask(&self, number: u32, len: u64) -> Result<(u64, Arc<Mutex<()>>)> {
        let most = self.shared.capabilities().max_parts;
        if len > self.request.part_len || number >= most {
            let agreed = self.request.part_len;
            let message =
                format!("part {number} has {len} bytes; at most {most} parts of {agreed} bytes were agreed");
            return Err(self.invalid("write part", message));
        }
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Open) {
            return Err(self.invalid("write part", "the object is committed already".into()));
        }
        let part = state.parts.entry(number).or_default();
        part.asked += 1;
        part.len = None;
        Ok((part.asked, Arc::clone(&part.writing)))
    }

    fn write(&self, number: u32, asked: u64, writing: &Mutex<()>, bytes: &Bytes) -> Result<()> {
        let _writing = lock(writing);
        let is_current = |state: &State| {
            let newest = state.parts.get(&number).is_some_and(|part| part.asked == asked);
            newest && matches!(state.phase, Phase::Open)
        };
        if !is_current(&lock(&self.state)) {
            return Ok(()); // written again since, so these bytes are replaced already
        }
        let at = u64::from(number) * self.request.part_len;
        self.staged.write_at(bytes, at).map_err(|e| io(e, "write part", &self.request.key))?;
        if let Some(part) = lock(&self.state).parts.get_mut(&number).filter(|part| part.asked == asked) {
            part.len = Some(bytes.len() as u64);
        }
        Ok(())
    }

    fn commit(&self) -> Result<ObjectMeta> {
        let writing: Vec<_> = {
            let mut state = lock(&self.state);
            match &state.phase {
                Phase::Committed(meta) => return Ok(meta.clone()),
                Phase::Open | Phase::Closed => state.phase = Phase::Closed,
            }
            state.parts.values().map(|part| Arc::clone(&part.writing)).collect()
        };
        // Wait for what is being written by calls that were dropped.
        writing.iter().for_each(|part| drop(lock(part)));
        let mut state = lock(&self.state);
        if let Phase::Committed(meta) = &state.phase {
            return Ok(meta.clone()); // by a call that was dropped before it ended
        }
        let published = self.publish(&state);
        state.phase = match &published {
            Ok(meta) => Phase::Committed(meta.clone()),
            Err(_) => Phase::Open,
        };
        published
    }

    fn publish(&self, state: &State) -> Result<ObjectMeta> {
        let key = &self.request.key;
        let total = self.total(&state.parts)?;
        let failed = |e| io(e, "commit", key);
        // A last part that was replaced by a shorter one leaves a tail behind.
        if self.staged.file().metadata().map_err(failed)?.len() != total {
            self.staged.file().set_len(total).map_err(failed)?;
        }
        let meta = self.staged.publish(&self.request.mode, false, "commit")?;
        self.shared.durability.wrote(key);
        Ok(meta)
    }

    fn total(&self, parts: &BTreeMap<u32, Part>) -> Result<u64> {
        let mut total = 0;
        let last = parts.keys().next_back().copied().unwrap_or(0);
        for (expected, (number, part)) in (0..).zip(parts) {
            match part.len {
                Some(len) if *number == expected && (len == self.request.part_len || *number == last) => {
                    total += len;
                }
                _ => {
                    let message = format!("part {expected} is missing or too short");
                    return Err(self.invalid("commit", message));
                }
            }
        }
        Ok(total)
    }
}

#[async_trait]
impl ObjectWriter for FsWriter {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let (asked, writing) = self.0.ask(number, bytes.len() as u64)?;
        let parts = Arc::clone(&self.0);
        blocking("write part", move || parts.write(number, asked, &writing, &bytes)).await
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        let parts = Arc::clone(&self.0);
        blocking("commit", move || parts.commit()).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        blocking("abort", move || {
            drop(self); // removes the file
            Ok(())
        })
        .await
    }
}
