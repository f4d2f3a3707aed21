//! The contract of a storage vendor.
//!
//! A [`Repository`] is a flat store of immutable-by-convention objects below
//! one root. Layers, plugins and adapters all implement this one trait, so it
//! is object-safe, takes owned plain data, and grows only by methods with a
//! default of [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported).
//!
//! The numbered sentences on the trait are the contract; `rockhold-testkit`
//! tests each of them by its number.

use crate::{Capabilities, Error, Key, Result, Timestamp};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::BoxStream};
use std::{fmt, ops::Range, sync::Arc};

/// A repository shared between tasks.
pub type SharedRepository = Arc<dyn Repository>;

/// Which store this is, for messages. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepositoryInfo {
    /// The scheme of the location: `file`, `s3`, `hdfs`, `memory`, …
    pub scheme: String,
    /// The location of the root, as a person would write it.
    pub location: String,
}

impl RepositoryInfo {
    /// Names a store by scheme and location.
    pub fn new(scheme: impl Into<String>, location: impl Into<String>) -> Self {
        Self { scheme: scheme.into(), location: location.into() }
    }
}

/// What is known of a stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectMeta {
    /// Its key.
    pub key: Key,
    /// Its length in bytes.
    pub len: u64,
    /// Changes whenever the object's bytes change; `None` where the store has none.
    pub etag: Option<String>,
    /// When it was written, by the clock of the store; `None` where the store does not tell.
    pub modified: Option<Timestamp>,
}

impl ObjectMeta {
    /// The facts every store gives.
    pub fn new(key: Key, len: u64) -> Self {
        Self { key, len, etag: None, modified: None }
    }

    /// Adds the entity tag.
    #[must_use]
    pub fn with_etag(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into());
        self
    }

    /// Adds the time of writing.
    #[must_use]
    pub fn with_modified(mut self, modified: Timestamp) -> Self {
        self.modified = Some(modified);
        self
    }
}

/// On which condition an object is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WriteMode {
    /// Only where no object has the key; else `AlreadyExists`.
    #[default]
    CreateNew,
    /// Replaces whatever is there.
    Overwrite,
    /// Only where the object has this entity tag; else `PreconditionFailed`.
    IfMatch(String),
}

/// Asks for an object or a range of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GetRequest {
    /// The object.
    pub key: Key,
    /// The bytes wanted; `None` for all. An end behind the object is cut to its length.
    pub range: Option<Range<u64>>,
    /// Only the object with this entity tag; else `PreconditionFailed`.
    pub if_match: Option<String>,
}

impl GetRequest {
    /// The whole object.
    pub fn new(key: Key) -> Self {
        Self { key, range: None, if_match: None }
    }

    /// Only the bytes of `range`.
    #[must_use]
    pub fn range(mut self, range: Range<u64>) -> Self {
        self.range = Some(range);
        self
    }

    /// Only the object with this entity tag.
    #[must_use]
    pub fn if_match(mut self, etag: impl Into<String>) -> Self {
        self.if_match = Some(etag.into());
        self
    }

    /// The bytes to give of an object of `len` bytes, by R7. Every adapter
    /// decides this here.
    ///
    /// # Errors
    /// `InvalidInput` for a range that is empty or begins at or behind the end.
    pub fn resolve(&self, len: u64) -> Result<Range<u64>> {
        match &self.range {
            None => Ok(0..len),
            Some(range) if range.start < range.end && range.start < len => {
                Ok(range.start..range.end.min(len))
            }
            Some(range) => Err(Error::invalid(format!(
                "the range {}..{} is empty or lies behind the object's {len} bytes",
                range.start, range.end
            ))
            .during("get")
            .at(&self.key)),
        }
    }
}

/// The answer to a [`GetRequest`]: what the object is, and its bytes.
pub struct ObjectReader {
    /// The object.
    pub meta: ObjectMeta,
    /// The bytes that the stream gives.
    pub range: Range<u64>,
    /// The bytes, in order, in pieces of any size. An error ends the stream.
    /// A stream that ends without an error gave exactly `range`.
    pub stream: BoxStream<'static, Result<Bytes>>,
}

impl ObjectReader {
    /// Reads the stream to its end.
    ///
    /// # Errors
    /// The stream's error; `LimitExceeded` when more than `limit` bytes are
    /// announced or come; `Corrupt` when they are fewer or more than announced.
    pub async fn read_all(mut self, limit: u64) -> Result<Bytes> {
        let expected = self.range.end.saturating_sub(self.range.start);
        let too_long = || {
            Error::new(crate::ErrorKind::LimitExceeded, format!("the object has more than {limit} bytes"))
                .during("get")
        };
        if expected > limit {
            return Err(too_long().at(&self.meta.key));
        }
        let mut first = match self.stream.next().await {
            Some(bytes) => bytes?,
            None => Bytes::new(),
        };
        if (first.len() as u64) < expected {
            let mut all = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
            all.extend_from_slice(&first);
            while let Some(bytes) = self.stream.next().await {
                let bytes = bytes?;
                if (all.len() + bytes.len()) as u64 > expected {
                    return Err(too_long().at(&self.meta.key));
                }
                all.extend_from_slice(&bytes);
            }
            first = all.freeze();
        }
        if first.len() as u64 != expected {
            return Err(Error::corrupt(format!("{expected} bytes were announced and {} came", first.len()))
                .during("get")
                .at(&self.meta.key));
        }
        Ok(first)
    }
}

impl fmt::Debug for ObjectReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectReader")
            .field("meta", &self.meta)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// Writes a small object in one step.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PutRequest {
    /// Its key.
    pub key: Key,
    /// Its bytes.
    pub bytes: Bytes,
    /// On which condition.
    pub mode: WriteMode,
    /// Whether the object is to survive loss of power once acknowledged,
    /// without waiting for a `barrier` (R10). For the few small documents that
    /// decide something: claims, outcomes, marks.
    pub durable: bool,
}

impl PutRequest {
    /// Writes `bytes` under `key` where nothing is there yet.
    pub fn new(key: Key, bytes: impl Into<Bytes>) -> Self {
        Self { key, bytes: bytes.into(), mode: WriteMode::CreateNew, durable: false }
    }

    /// Asks that the object survives loss of power once acknowledged.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Changes the condition.
    #[must_use]
    pub fn mode(mut self, mode: WriteMode) -> Self {
        self.mode = mode;
        self
    }
}

/// Begins an object that is written in numbered parts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreateRequest {
    /// Its key.
    pub key: Key,
    /// On which condition it becomes visible.
    pub mode: WriteMode,
    /// The length of every part but the last, in bytes.
    pub part_len: u64,
    /// The length of the whole, where known.
    pub expected_len: Option<u64>,
}

impl CreateRequest {
    /// Begins `key` in parts of `part_len` bytes, where nothing is there yet.
    pub fn new(key: Key, part_len: u64) -> Self {
        Self { key, mode: WriteMode::CreateNew, part_len, expected_len: None }
    }

    /// Changes the condition.
    #[must_use]
    pub fn mode(mut self, mode: WriteMode) -> Self {
        self.mode = mode;
        self
    }

    /// Announces the length of the whole.
    #[must_use]
    pub fn expected_len(mut self, len: u64) -> Self {
        self.expected_len = Some(len);
        self
    }
}

/// Asks for one page of keys.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListRequest {
    /// Only keys below this one, not the key itself; `None` for all.
    pub prefix: Option<Key>,
    /// Names the direct children instead: objects as objects, deeper keys as
    /// one common prefix each.
    pub children_only: bool,
    /// Where the page before this one ended, from [`ListPage::next`].
    pub token: Option<String>,
    /// At most this many entries (0 counts as 1); the store may give fewer,
    /// even none on a page that has a next one.
    pub limit: Option<usize>,
}

impl ListRequest {
    /// All keys below `prefix`.
    pub fn below(prefix: Key) -> Self {
        Self { prefix: Some(prefix), ..Self::default() }
    }

    /// Only the direct children.
    #[must_use]
    pub fn children_only(mut self) -> Self {
        self.children_only = true;
        self
    }

    /// Continues behind an earlier page.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Bounds the page.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// One page of keys.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ListPage {
    /// The objects.
    pub objects: Vec<ObjectMeta>,
    /// The common prefixes, with `children_only`.
    pub prefixes: Vec<Key>,
    /// The token of the next page; `None` on the last.
    pub next: Option<String>,
}

impl ListPage {
    /// A page of these entries.
    pub fn new(objects: Vec<ObjectMeta>, prefixes: Vec<Key>, next: Option<String>) -> Self {
        Self { objects, prefixes, next }
    }
}

/// A storage vendor. See the module.
///
/// **Names**: a key that is an object is never the beginning of another
/// object's path. A store may refuse such a write with `InvalidInput`; callers
/// never try.
///
/// **Visibility and atomicity**
/// * R1. An object is visible whole or not at all: no reader ever sees a
///   prefix of it, whatever happens to the writer.
/// * R2. After a successful `put`, `commit` or `copy`, every `head`, `get` and
///   `list` that begins later sees the object (read after write).
/// * R3. `CreateNew` succeeds for exactly one of any number of concurrent
///   writers of a key; the others get `AlreadyExists` and change nothing. A
///   vendor that cannot promise this says so in
///   [`Capabilities::create_new`](crate::Capabilities).
/// * R4. `IfMatch` succeeds only while the object has that entity tag.
/// * R5. A writer that was dropped, aborted or killed leaves nothing visible;
///   what it leaves staged is found by `discard_staged`.
///
/// **Reading**
/// * R6. `get` and `head` of a missing key give `NotFound`.
/// * R7. A range that is empty, or begins at or behind the end of the object,
///   gives `InvalidInput`; one that ends behind it is cut.
/// * R8. `list` gives exactly one page. Walking the pages gives every key that
///   existed during the whole walk exactly once. Staged files are not listed.
///   A prefix under which nothing lies gives an empty page.
///
/// **Deleting**
/// * R9. `delete` answers per key, in order. A missing key is a success.
///
/// **Durability**
/// * R10. After `barrier` returns, everything that this handle acknowledged
///   before the call survives loss of power. Before that, it may not; what
///   is half there then is found by its digest. A `durable` put needs no
///   barrier: it survives as soon as it is acknowledged, and loss of power
///   before that leaves it whole or absent.
///
/// **Errors and cancellation**
/// * R11. An error names operation and key, says whether to retry, and whether
///   the effect may have happened.
/// * R12. A future may be dropped at any point; the store stays usable and R1
///   holds.
#[async_trait]
pub trait Repository: Send + Sync + fmt::Debug {
    /// Which store this is.
    fn info(&self) -> RepositoryInfo;

    /// What the store can do.
    fn capabilities(&self) -> Capabilities;

    /// The facts about one object.
    ///
    /// # Errors
    /// `NotFound`.
    async fn head(&self, key: &Key) -> Result<ObjectMeta>;

    /// Reads an object or a range of it.
    ///
    /// # Errors
    /// `NotFound`, `PreconditionFailed`, `InvalidInput` (R7).
    async fn get(&self, request: GetRequest) -> Result<ObjectReader>;

    /// Writes a small object (at most [`Capabilities::max_put`] bytes).
    ///
    /// # Errors
    /// `AlreadyExists`, `PreconditionFailed`, `LimitExceeded`, `StorageFull`.
    /// An `AlreadyExists` or `PreconditionFailed` that says `MaybeApplied`
    /// comes from a repeated call (here, at `commit` and at `copy`): the
    /// object may be the caller's own, and only its content tells.
    async fn put(&self, request: PutRequest) -> Result<ObjectMeta>;

    /// Begins an object that is written in parts.
    ///
    /// # Errors
    /// `InvalidInput` for a part length outside [`Capabilities::part_len`];
    /// `AlreadyExists` may be given here or at `commit`.
    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>>;

    /// One page of keys.
    ///
    /// # Errors
    /// `InvalidInput` for a token that this store did not give.
    async fn list(&self, request: ListRequest) -> Result<ListPage>;

    /// Deletes objects; a result per key, in order (R9).
    ///
    /// # Errors
    /// Only when nothing at all could be tried.
    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>>;

    /// Copies an object inside the store, without reading it here.
    ///
    /// # Errors
    /// `NotFound`, `AlreadyExists`; `Unsupported` where the store cannot.
    async fn copy(&self, from: &Key, to: &Key, mode: WriteMode) -> Result<ObjectMeta> {
        let _ = mode;
        Err(Error::unsupported(format!("this store does not copy objects to {to}")).during("copy").at(from))
    }

    /// Removes what unfinished writers left below `prefix`; gives how many.
    /// Only to be called when those writers are known to be dead; one that is
    /// not fails at `commit` with `Conflict` and leaves nothing visible.
    ///
    /// # Errors
    /// As `list` and `delete`.
    async fn discard_staged(&self, prefix: &Key) -> Result<u64>;

    /// How many unfinished writes, of writers dead or alive, are staged below
    /// `prefix`: what [`Repository::discard_staged`] would remove. Changes nothing.
    ///
    /// # Errors
    /// As `list`; `Unsupported` where the store cannot tell.
    async fn count_staged(&self, prefix: &Key) -> Result<u64> {
        Err(Error::unsupported("this store does not tell what is staged").during("count staged").at(prefix))
    }

    /// Returns when everything acknowledged before the call is durable (R10).
    ///
    /// # Errors
    /// `Unavailable` or `StorageFull` when data may have been lost; then all
    /// that was written since the last barrier is to be written again. The
    /// handle then refuses every later barrier, since it cannot tell whose data
    /// was lost: open the store again.
    async fn barrier(&self) -> Result<()>;
}

/// Writes one object in numbered parts.
///
/// * W1. Parts are numbered from 0 without gaps; every part but the last has
///   the length agreed at `create`, and the last is not longer. A part that is
///   too long or numbered too high is refused when written, a gap or a short
///   part in the middle at `commit`, with `InvalidInput` in each case.
/// * W2. Parts may be written in any order and concurrently.
/// * W3. Writing a part again replaces it. Where a call was dropped or no answer
///   came, its bytes may arrive last: repeat such a part with the same bytes.
/// * W4. Nothing is visible before `commit` succeeds; `commit` makes the parts
///   0 to the highest written visible at once. A `commit` that failed may be
///   called again; after one that succeeded, `commit` gives the same answer
///   again and `write_part` gives `InvalidInput`.
/// * W5. `commit` of no parts makes an empty object.
/// * W6. `abort` and drop remove what was written; what a crash leaves behind
///   is found by [`Repository::discard_staged`].
#[async_trait]
pub trait ObjectWriter: Send + Sync {
    /// Writes one part.
    ///
    /// # Errors
    /// `InvalidInput` for a part of the wrong length.
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()>;

    /// Makes the object visible.
    ///
    /// # Errors
    /// `AlreadyExists` or `PreconditionFailed` by the write mode;
    /// `InvalidInput` when a part is missing; `Conflict` when the parts are
    /// gone, because [`Repository::discard_staged`] took them away or the store
    /// lost them: write the object again. In every case nothing is visible
    /// unless the error says `MaybeApplied`.
    async fn commit(&self) -> Result<ObjectMeta>;

    /// Gives the object up and removes what was written.
    ///
    /// # Errors
    /// When something is left behind for `discard_staged`.
    async fn abort(self: Box<Self>) -> Result<()>;
}

impl fmt::Debug for dyn ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ObjectWriter")
    }
}

/// Reads a whole small object into memory.
///
/// # Errors
/// As [`Repository::get`]; `LimitExceeded` above `limit` bytes.
pub async fn read_object(repository: &dyn Repository, key: &Key, limit: u64) -> Result<Bytes> {
    repository.get(GetRequest::new(key.clone())).await?.read_all(limit).await
}

/// Walks all pages of a listing. For places where the number of keys is
/// bounded by what one job or one label wrote.
///
/// # Errors
/// As [`Repository::list`].
pub async fn list_all(repository: &dyn Repository, mut request: ListRequest) -> Result<ListPage> {
    let mut all = ListPage::default();
    loop {
        let page = repository.list(request.clone()).await?;
        all.objects.extend(page.objects);
        all.prefixes.extend(page.prefixes);
        match page.next {
            Some(token) => request.token = Some(token),
            None => return Ok(all),
        }
    }
}
