//! Plays a [`FaultPlan`] on a store.

use crate::{
    FaultPlan, Operation,
    around::Pieces,
    plan::{Failure, Fault, Passage, Passed},
};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use rockhold_core::{
    Capabilities, CreateRequest, GetRequest, Key, ListPage, ListRequest, ObjectMeta, ObjectReader,
    ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, SharedRepository, WriteMode,
};

#[derive(Debug)]
pub(crate) struct FaultLayer {
    plan: FaultPlan,
    inner: SharedRepository,
}

impl FaultLayer {
    pub(crate) fn new(plan: FaultPlan, inner: SharedRepository) -> Self {
        Self { plan, inner }
    }

    async fn enter(&self, operation: Operation, key: Option<&Key>) -> Result<Passage> {
        enter(&self.plan, operation, key).await
    }
}

async fn enter(plan: &FaultPlan, operation: Operation, key: Option<&Key>) -> Result<Passage> {
    let passage = plan.enter(operation.name(), key.map(ToString::to_string))?;
    passage.stall().await;
    Ok(passage)
}

impl Passage {
    fn duplicates(&self) -> bool {
        matches!(self.fault, Some(Fault::Duplicate))
    }

    fn spoil(&self, bytes: Bytes) -> Bytes {
        match self.fault {
            Some(Fault::FlipBit(at)) => flip(bytes, at),
            _ => bytes,
        }
    }
}

fn flip(bytes: Bytes, at: u64) -> Bytes {
    let mut bytes = BytesMut::from(bytes);
    if let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1;
    }
    bytes.freeze()
}

#[async_trait]
impl Repository for FaultLayer {
    fn info(&self) -> RepositoryInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        let passage = self.enter(Operation::Head, Some(key)).await?;
        passage.finish(self.inner.head(key).await)
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        let passage = self.enter(Operation::Get, Some(&request.key)).await?;
        let (fault, passed) = (passage.fault.clone(), passage.passed.clone());
        let mut reader = passage.finish(self.inner.get(request).await)?;
        reader.stream = stream(reader.stream, self.plan.clone(), fault, passed);
        Ok(reader)
    }

    async fn put(&self, mut request: PutRequest) -> Result<ObjectMeta> {
        let passage = self.enter(Operation::Put, Some(&request.key)).await?;
        let key = request.key.clone();
        request.bytes = passage.spoil(request.bytes);
        let result = self.inner.put(request.clone()).await;
        if passage.duplicates() {
            let _ = self.inner.put(request).await;
        }
        self.plan.wrote(&key, &result);
        passage.finish(result)
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        let passage = self.enter(Operation::Create, Some(&request.key)).await?;
        let key = request.key.clone();
        if passage.duplicates()
            && let Ok(orphan) = self.inner.create(request.clone()).await
        {
            std::mem::forget(orphan); // nobody knows of it, so nobody removes it
        }
        let result = self.inner.create(request).await;
        if passage.loses_reply() {
            let lost = result.map(std::mem::forget);
            let delivered = rockhold_core::Error::internal("a lost reply was delivered");
            return passage.finish(lost.and(Err(delivered)));
        }
        let inner = Some(passage.finish(result)?);
        Ok(Box::new(FaultWriter { plan: self.plan.clone(), inner, key }))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let passage = self.enter(Operation::List, request.prefix.as_ref()).await?;
        let mut result = self.inner.list(request).await;
        if let (Ok(page), Some(Fault::HideNewest(count))) = (&mut result, &passage.fault) {
            page.objects.retain(|object| !self.plan.hides(*count, &object.key));
        }
        passage.finish(result)
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        let passage = self.enter(Operation::Delete, keys.first()).await?;
        let result = self.inner.delete(keys.clone()).await;
        if passage.duplicates() {
            let _ = self.inner.delete(keys).await;
        }
        passage.finish(result)
    }

    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        let passage = self.enter(Operation::Copy, Some(to)).await?;
        let result = self.inner.copy(from, to, mode.clone()).await;
        if passage.duplicates() {
            let _ = self.inner.copy(from, to, mode).await;
        }
        self.plan.wrote(to, &result);
        passage.finish(result)
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        let passage = self.enter(Operation::DiscardStaged, Some(prefix)).await?;
        passage.finish(self.inner.discard_staged(prefix).await)
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        let passage = self.enter(Operation::CountStaged, Some(prefix)).await?;
        passage.finish(self.inner.count_staged(prefix).await)
    }

    async fn barrier(&self) -> Result<()> {
        let passage = self.enter(Operation::Barrier, None).await?;
        passage.finish(self.inner.barrier().await)
    }
}

/// The pieces of a reader, with what the plan does to them.
fn stream(pieces: Pieces, plan: FaultPlan, fault: Option<Fault>, passed: Passed) -> Pieces {
    struct State {
        pieces: Option<Pieces>,
        /// The offset of the next piece in the stream.
        at: u64,
        fault: Option<Fault>,
    }
    let state = State { pieces: Some(pieces), at: 0, fault };
    futures::stream::unfold(state, move |mut state| {
        let (plan, passed) = (plan.clone(), passed.clone());
        async move {
            let pieces = state.pieces.as_mut()?;
            if let Err(error) = plan.dead(Operation::Read.name()) {
                state.pieces = None;
                return Some((Err(error), state));
            }
            let piece = pieces.next().await?;
            let Ok(mut bytes) = piece else {
                return Some((piece, state));
            };
            let begin = state.at;
            state.at += bytes.len() as u64;
            // How many bytes of this piece come before the fault, if it strikes here.
            let before = |at: u64| {
                let inside = (begin..state.at).contains(&at);
                usize::try_from(at.saturating_sub(begin)).ok().filter(|_| inside)
            };
            match state.fault {
                Some(Fault::FlipBit(at)) => {
                    if let Some(before) = before(at) {
                        bytes = flip(bytes, before as u64);
                    }
                }
                Some(Fault::StallStream(at, time)) if before(at).is_some() => {
                    state.fault = None;
                    tokio::time::sleep(time).await;
                }
                Some(Fault::CutStream(at)) => {
                    if let Some(before) = before(at) {
                        bytes.truncate(before);
                        state.pieces = None;
                    }
                }
                Some(Fault::BreakStream(at, failure)) => {
                    if let Some(before) = before(at) {
                        bytes.truncate(before);
                        state.pieces = Some(broken(failure, &passed));
                        state.fault = None;
                    }
                }
                _ => {}
            }
            Some((Ok(bytes), state))
        }
    })
    .boxed()
}

fn broken(failure: Failure, passed: &Passed) -> Pieces {
    let error = failure.error(passed);
    futures::stream::once(async move { Err(error) }).boxed()
}

struct FaultWriter {
    plan: FaultPlan,
    /// `None` once aborted.
    inner: Option<Box<dyn ObjectWriter>>,
    key: Key,
}

impl FaultWriter {
    fn inner(&self) -> Result<&dyn ObjectWriter> {
        self.inner.as_deref().ok_or_else(|| rockhold_core::Error::internal("the writer was aborted"))
    }
}

#[async_trait]
impl ObjectWriter for FaultWriter {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let passage = enter(&self.plan, Operation::WritePart, Some(&self.key)).await?;
        let bytes = passage.spoil(bytes);
        let result = self.inner()?.write_part(number, bytes.clone()).await;
        if passage.duplicates() {
            let _ = self.inner()?.write_part(number, bytes).await;
        }
        passage.finish(result)
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        let passage = enter(&self.plan, Operation::Commit, Some(&self.key)).await?;
        let result = self.inner()?.commit().await;
        if passage.duplicates() {
            let _ = self.inner()?.commit().await;
        }
        self.plan.wrote(&self.key, &result);
        passage.finish(result)
    }

    async fn abort(mut self: Box<Self>) -> Result<()> {
        let passage = enter(&self.plan, Operation::Abort, Some(&self.key)).await?;
        let result = match self.inner.take() {
            Some(inner) => inner.abort().await,
            None => Ok(()),
        };
        passage.finish(result)
    }
}

impl Drop for FaultWriter {
    fn drop(&mut self) {
        if self.plan.is_dead() {
            // The dead clean nothing up: what they staged is left to `discard_staged`.
            std::mem::forget(self.inner.take());
        }
    }
}
