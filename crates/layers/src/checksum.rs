//! Refuses answers that do not fit the request.
//!
//! Digests of content are known to the manifests alone, so the engine checks
//! those. What can be checked here is that the store did what it says: as many
//! bytes as announced, as many stored as sent, the key asked for, a page that
//! belongs to the prefix and moves on, one result for each key.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use rockhold_core::{
    Capabilities, CreateRequest, Error, ErrorKind, GetRequest, Key, ListPage, ListRequest, ObjectMeta,
    ObjectReader, ObjectWriter, PutRequest, Repository, RepositoryInfo, Result, SharedRepository, WriteMode,
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

#[derive(Debug)]
pub(crate) struct ChecksumLayer(pub(crate) SharedRepository);

fn refused(operation: &'static str, key: &Key, message: String) -> Error {
    Error::corrupt(message).during(operation).at(key)
}

fn check_key(operation: &'static str, key: &Key, meta: ObjectMeta) -> Result<ObjectMeta> {
    if meta.key == *key {
        return Ok(meta);
    }
    Err(refused(operation, key, format!("the store answered for another key, {}", meta.key)))
}

/// Checks the answer to a write. When it is wrong, the object is there all the same.
fn check_written(operation: &'static str, key: &Key, sent: u64, meta: ObjectMeta) -> Result<ObjectMeta> {
    let meta = check_key(operation, key, meta).map_err(Error::maybe_applied)?;
    if meta.len == sent {
        return Ok(meta);
    }
    let message = format!("{sent} bytes were sent and the store holds {}", meta.len);
    Err(refused(operation, key, message).maybe_applied())
}

#[async_trait]
impl Repository for ChecksumLayer {
    fn info(&self) -> RepositoryInfo {
        self.0.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        check_key("head", key, self.0.head(key).await?)
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        let asked = request.clone();
        let reader = self.0.get(request).await?;
        let meta = check_key("get", &asked.key, reader.meta)?;
        let expected = asked.resolve(meta.len).map_err(|e| {
            refused("get", &asked.key, "the store gave bytes of a range that the object does not have".into())
                .because(e)
        })?;
        if reader.range != expected {
            let message = format!("bytes {expected:?} were asked for and {:?} given", reader.range);
            return Err(refused("get", &asked.key, message));
        }
        let stream = exactly(reader.stream, expected.end - expected.start, asked.key);
        Ok(ObjectReader { meta, range: expected, stream })
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        let (key, sent) = (request.key.clone(), request.bytes.len() as u64);
        check_written("put", &key, sent, self.0.put(request).await?)
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        let key = request.key.clone();
        let inner = self.0.create(request).await?;
        Ok(Box::new(ChecksumWriter { inner, key, parts: Mutex::default() }))
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        let asked = request.clone();
        let page = self.0.list(request).await?;
        check_page(&asked, &page).map_err(|e| {
            let e = e.during("list");
            match &asked.prefix {
                Some(prefix) => e.at(prefix),
                None => e,
            }
        })?;
        Ok(page)
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        let asked = keys.len();
        let results = self.0.delete(keys).await?;
        if results.len() != asked {
            let message = format!("{asked} keys were to be deleted and {} results came", results.len());
            return Err(Error::internal(message).during("delete").maybe_applied());
        }
        Ok(results)
    }

    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        check_key("copy", to, self.0.copy(from, to, mode).await?).map_err(Error::maybe_applied)
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        self.0.discard_staged(prefix).await
    }

    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        self.0.count_staged(prefix).await
    }

    async fn barrier(&self) -> Result<()> {
        self.0.barrier().await
    }
}

/// Ends with an error unless exactly `len` bytes come. Too few is what a cut
/// connection looks like, so that one is temporary.
fn exactly(
    stream: futures::stream::BoxStream<'static, Result<Bytes>>,
    len: u64,
    key: Key,
) -> futures::stream::BoxStream<'static, Result<Bytes>> {
    futures::stream::unfold(Some((stream, len)), move |state| {
        let key = key.clone();
        async move {
            let (mut stream, left) = state?;
            match stream.next().await {
                None if left == 0 => None,
                None => {
                    let message = format!("the stream ended {left} bytes early");
                    let error = Error::new(ErrorKind::Unavailable, message).during("read").at(key);
                    Some((Err(error.temporary(None)), None))
                }
                Some(Err(error)) => Some((Err(error), None)),
                Some(Ok(bytes)) => match left.checked_sub(bytes.len() as u64) {
                    Some(left) => Some((Ok(bytes), Some((stream, left)))),
                    None => {
                        let message = "the store sent more bytes than it announced".to_owned();
                        Some((Err(refused("read", &key, message)), None))
                    }
                },
            }
        }
    })
    .boxed()
}

fn check_page(asked: &ListRequest, page: &ListPage) -> Result<()> {
    let keys = || page.objects.iter().map(|object| &object.key).chain(&page.prefixes);
    if let Some(prefix) = &asked.prefix
        && let Some(stranger) = keys().find(|key| *key == prefix || !key.starts_with(prefix))
    {
        return Err(Error::corrupt(format!("the store listed {stranger}, which lies elsewhere")));
    }
    if page.next.is_some() && page.next == asked.token {
        return Err(Error::corrupt("the store gives the same page again and again"));
    }
    if !asked.children_only && !page.prefixes.is_empty() {
        return Err(Error::corrupt("the store listed common prefixes that were not asked for"));
    }
    let mut seen = HashSet::new();
    match keys().find(|key| !seen.insert(*key)) {
        Some(twice) => Err(Error::corrupt(format!("the store listed {twice} twice on one page"))),
        None => Ok(()),
    }
}

struct ChecksumWriter {
    inner: Box<dyn ObjectWriter>,
    key: Key,
    /// The length of each part that was acknowledged.
    parts: Mutex<BTreeMap<u32, u64>>,
}

#[async_trait]
impl ObjectWriter for ChecksumWriter {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let len = bytes.len() as u64;
        self.inner.write_part(number, bytes).await?;
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(number, len);
        Ok(())
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        let sent = self.parts.lock().unwrap_or_else(PoisonError::into_inner).values().sum();
        check_written("commit", &self.key, sent, self.inner.commit().await?)
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        self.inner.abort().await
    }
}
