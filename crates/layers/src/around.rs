//! Layers that do something around each call and leave the call alone.

use crate::operation::{Call, Operation};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use rockhold_core::{
    Capabilities, CreateRequest, GetRequest, Key, ListPage, ListRequest, ObjectMeta, ObjectReader,
    ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, SharedRepository, WriteMode,
};
use std::{fmt, sync::Arc};

/// The pieces of an object, as a reader gives them.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes>>;

/// What a layer does around one call.
pub(crate) trait Around: Send + Sync + fmt::Debug + 'static {
    /// Runs `inner`, the rest of the stack, at most once.
    fn call<T, F>(&self, call: Call<'_>, inner: F) -> impl Future<Output = Result<T>> + Send
    where
        T: Send,
        F: Future<Output = Result<T>> + Send;

    /// Wraps the bytes of a reader that announced `len` of them.
    fn stream(self: Arc<Self>, key: Key, len: u64, pieces: Pieces) -> Pieces;
}

/// A repository with `A` around each of its calls.
#[derive(Debug)]
pub(crate) struct Layered<A> {
    around: Arc<A>,
    inner: SharedRepository,
}

impl<A: Around> Layered<A> {
    pub(crate) fn shared(around: A, inner: SharedRepository) -> SharedRepository {
        Arc::new(Self { around: Arc::new(around), inner })
    }
}

#[async_trait]
impl<A: Around> Repository for Layered<A> {
    fn info(&self) -> RepositoryInfo {
        self.inner.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        self.around.call(Call::new(Operation::Head, Some(key)), self.inner.head(key)).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        let key = request.key.clone();
        let mut reader =
            self.around.call(Call::new(Operation::Get, Some(&key)), self.inner.get(request)).await?;
        let len = reader.range.end.saturating_sub(reader.range.start);
        reader.stream = Arc::clone(&self.around).stream(key, len, reader.stream);
        Ok(reader)
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        let key = request.key.clone();
        let call = Call::new(Operation::Put, Some(&key)).sends(request.bytes.len());
        self.around.call(call, self.inner.put(request)).await
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        let key = request.key.clone();
        let call = Call::new(Operation::Create, Some(&key));
        let inner = self.around.call(call, self.inner.create(request)).await?;
        Ok(Box::new(LayeredWriter { around: Arc::clone(&self.around), inner, key }))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let prefix = request.prefix.clone();
        self.around.call(Call::new(Operation::List, prefix.as_ref()), self.inner.list(request)).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        self.around.call(Call::new(Operation::Delete, None), self.inner.delete(keys)).await
    }

    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        self.around.call(Call::new(Operation::Copy, Some(to)), self.inner.copy(from, to, mode)).await
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        let call = Call::new(Operation::DiscardStaged, Some(prefix));
        self.around.call(call, self.inner.discard_staged(prefix)).await
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        let call = Call::new(Operation::CountStaged, Some(prefix));
        self.around.call(call, self.inner.count_staged(prefix)).await
    }

    async fn barrier(&self) -> Result<()> {
        self.around.call(Call::new(Operation::Barrier, None), self.inner.barrier()).await
    }
}

struct LayeredWriter<A> {
    around: Arc<A>,
    inner: Box<dyn ObjectWriter>,
    key: Key,
}

#[async_trait]
impl<A: Around> ObjectWriter for LayeredWriter<A> {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let call = Call::new(Operation::WritePart, Some(&self.key)).sends(bytes.len());
        self.around.call(call, self.inner.write_part(number, bytes)).await
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        self.around.call(Call::new(Operation::Commit, Some(&self.key)), self.inner.commit()).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let Self { around, inner, key } = *self;
        around.call(Call::new(Operation::Abort, Some(&key)), inner.abort()).await
    }
}
