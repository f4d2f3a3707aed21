//! Writing objects in numbered parts.

use crate::{
    backend::Shared,
    config::within,
    publish::{ACTION, MARK, checksum, complete, completed, put},
    reader::head_for,
    uploads,
};
use async_trait::async_trait;
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{ChecksumAlgorithm, CompletedPart},
};
use bytes::Bytes;
use rockhold_core::{CreateRequest, Effect, Error, ErrorKind, JobId, Key, ObjectMeta, ObjectWriter, Result};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;

/// How many bytes are given [`TimeLimits::commit`](crate::TimeLimits::commit).
const SENT_IN_LIMIT: usize = 8 << 20;

/// Begins an object in parts. Nothing is sent: an object that turns out to
/// have one part only is written by one request when it is committed.
pub(crate) fn create(shared: &Arc<Shared>, request: CreateRequest) -> Result<S3Writer> {
    let (shortest, longest) = shared.capabilities().part_len;
    if !(shortest..=longest).contains(&request.part_len) {
        let message = format!("a part has {shortest} to {longest} bytes, not {}", request.part_len);
        return Err(Error::invalid(message).during("create").at(&request.key));
    }
    let mark = JobId::random().map_err(|error| error.during("create").at(&request.key))?.to_string();
    Ok(S3Writer(Arc::new(Parts {
        shared: Arc::clone(shared),
        request,
        mark,
        upload: OnceCell::new(),
        lost_begin: AtomicBool::new(false),
        committing: tokio::sync::Mutex::new(()),
        state: Mutex::default(),
    })))
}

/// One object under construction.
pub(crate) struct S3Writer(Arc<Parts>);

/// Tasks that outlive a dropped call hold this too. When the last of them has
/// ended without a commit, what was sent is removed.
struct Parts {
    shared: Arc<Shared>,
    request: CreateRequest,
    mark: String,
    /// The server's name for the unfinished object, once there is one.
    upload: OnceCell<String>,
    /// Whether another one may have been begun whose name nobody knows.
    lost_begin: AtomicBool,
    /// Held while the object is committed.
    committing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parts: BTreeMap<u32, Part>,
    phase: Phase,
    /// Whether an earlier commit may have been applied.
    maybe_committed: bool,
}

#[derive(Default)]
enum Phase {
    #[default]
    Open,
    /// `commit` has begun: nothing may be written any more.
    Closed,
    Committed(ObjectMeta),
    Aborted,
}

#[derive(Default)]
struct Part {
    /// How often the part was asked to be written.
    asked: u64,
    len: u64,
    place: Place,
}

#[derive(Default)]
enum Place {
    /// It is being sent, or sending it failed.
    #[default]
    Unknown,
    /// It is held here, since it may be the only one. At most one part of an
    /// object is, and only the first.
    Held(Bytes),
    /// The server has it.
    Sent(Sent),
}

/// What the server must be told of a part to make it one of the object.
#[derive(Clone)]
struct Sent {
    tag: String,
    crc32c: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Parts {
    fn key(&self) -> &Key {
        &self.request.key
    }

    fn invalid(&self, operation: &'static str, message: String) -> Error {
        Error::invalid(message).during(operation).at(self.key())
    }

    /// Whether a first part of this length is likely the only one.
    fn may_be_only(&self, len: u64) -> bool {
        len < self.request.part_len
            || self.request.expected_len.is_some_and(|all| all <= self.request.part_len)
    }

    /// Registers a write of a part: which one it is. `None` when it is held.
    fn ask(&self, number: u32, bytes: &Bytes) -> Result<Option<u64>> {
        let (len, most) = (bytes.len() as u64, self.shared.capabilities().max_parts);
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
        let hold = number == 0 && !self.upload.initialized() && self.may_be_only(len);
        let part = state.parts.entry(number).or_default();
        part.asked += 1;
        part.len = len;
        part.place = if hold { Place::Held(bytes.clone()) } else { Place::Unknown };
        Ok((!hold).then_some(part.asked))
    }

    /// The server's name for the unfinished object, which is begun by the
    /// first who asks. On a task of its own: a dropped call must not lose it.
    async fn upload(self: &Arc<Self>) -> Result<String> {
        if let Some(upload) = self.upload.get() {
            return Ok(upload.clone());
        }
        let parts = Arc::clone(self);
        on_a_task("write part", async move {
            parts.upload.get_or_try_init(|| parts.begin_in_time()).await.cloned()
        })
        .await
    }

    /// Who comes next waits for this one.
    async fn begin_in_time(&self) -> Result<String> {
        if !matches!(lock(&self.state).phase, Phase::Open) {
            return Err(self.invalid("write part", "the object is committed or given up".into()));
        }
        let begun = within(self.shared.config.limits.answer, "write part", true, self.begin()).await;
        begun.map_err(|error| {
            self.lost_begin.fetch_or(error.effect() == Effect::MaybeApplied, Ordering::Relaxed);
            error.at(self.key())
        })
    }

    async fn begin(&self) -> Result<String> {
        let shared = &self.shared;
        let begin =
            shared.client.create_multipart_upload().bucket(shared.bucket()).key(shared.object(self.key()));
        // Parts with a checksum are taken by an upload that was begun with one.
        let checksum = shared.server.checks_crc32c().then_some(ChecksumAlgorithm::Crc32C);
        let answer = begin.metadata(MARK, &self.mark).set_checksum_algorithm(checksum).send().await;
        let answer = answer.map_err(|e| shared.writes("write part", ACTION).failed(e, self.key()))?;
        let upload = answer.upload_id().filter(|id| !id.is_empty()).map(str::to_owned);
        upload.ok_or_else(|| {
            Error::corrupt("the server does not name the upload it began").during("write part").at(self.key())
        })
    }

    async fn send(&self, upload: &str, number: u32, bytes: Bytes, operation: &'static str) -> Result<Sent> {
        let shared = &self.shared;
        let len = bytes.len() as i64;
        // All parts of an upload with checksums have one.
        let crc32c = shared.server.checks_crc32c().then(|| checksum(&bytes));
        let part = shared.client.upload_part().bucket(shared.bucket()).key(shared.object(self.key()));
        let part = part.upload_id(upload).part_number(protocol_number(number)).content_length(len);
        let part = part.set_checksum_crc32_c(crc32c.clone()).body(ByteStream::from(bytes)).customize();
        let part = if crc32c.is_some() { part.disable_payload_signing() } else { part };
        let answer = part
            .send()
            .await
            .map_err(|e| shared.writes(operation, ACTION).failed(e, self.key()).with("part", number))?;
        let tag = answer.e_tag().map(str::to_owned);
        let tag = tag.ok_or_else(|| {
            Error::corrupt("the server gives a part no tag").during(operation).at(self.key())
        })?;
        Ok(Sent { tag, crc32c })
    }

    async fn commit(self: &Arc<Self>) -> Result<ObjectMeta> {
        let _committing = self.committing.lock().await;
        {
            let mut state = lock(&self.state);
            if let Phase::Committed(meta) = &state.phase {
                return Ok(meta.clone());
            }
            state.phase = Phase::Closed;
        }
        let limit = self.commit_limit();
        let published = within(limit, "commit", true, self.publish());
        let published = match published.await.map_err(|error| error.at(self.key())) {
            Err(error) => self.settle(error).await,
            published => published,
        };
        if published.is_ok()
            && let Err(error) = self.discard_lost().await
        {
            tracing::warn!(%error, key = %self.key(), "an unfinished upload of this object may be left");
        }
        let mut state = lock(&self.state);
        state.phase = match &published {
            Ok(meta) => Phase::Committed(meta.clone()),
            Err(error) => {
                state.maybe_committed |= error.effect() == Effect::MaybeApplied;
                Phase::Open
            }
        };
        published
    }

    /// The time to commit; more where bytes are still to be sent.
    fn commit_limit(&self) -> Duration {
        let held = match lock(&self.state).parts.get(&0) {
            Some(Part { place: Place::Held(bytes), .. }) => bytes.len(),
            _ => 0,
        };
        let times = u32::try_from(held.div_ceil(SENT_IN_LIMIT)).unwrap_or(u32::MAX).max(1);
        self.shared.config.limits.commit.saturating_mul(times)
    }

    /// A refusal that follows a lost answer may be caused by our own object.
    async fn settle(&self, error: Error) -> Result<ObjectMeta> {
        use ErrorKind::{AlreadyExists, Conflict, PreconditionFailed};
        let may_be_ours = matches!(error.kind(), AlreadyExists | PreconditionFailed | Conflict);
        let maybe_committed = lock(&self.state).maybe_committed || error.effect() == Effect::MaybeApplied;
        if !may_be_ours || !maybe_committed {
            return Err(error);
        }
        let head = head_for(&self.shared, self.key(), "commit");
        match within(self.shared.config.limits.answer, "commit", false, head).await {
            Ok(head) if head.mark.as_ref() == Some(&self.mark) => Ok(head.meta),
            // Looking has shown that the object is not ours.
            Ok(_) => Err(error.not_applied()),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(error.not_applied()),
            // Nobody can look now. The next commit is refused again, and then looks.
            Err(e) if e.is_temporary() => Err(e.at(self.key()).maybe_applied()),
            Err(_) => Err(error.maybe_applied()),
        }
    }

    async fn publish(self: &Arc<Self>) -> Result<ObjectMeta> {
        let (total, held) = self.total()?;
        let Some(upload) = self.upload.get() else {
            let bytes = held.unwrap_or_default();
            let mode = &self.request.mode;
            return put(&self.shared, self.key(), bytes, mode, Some(&self.mark), "commit").await;
        };
        if let Some(bytes) = held {
            let sent = self.send(upload, 0, bytes, "commit").await?;
            if let Some(part) = lock(&self.state).parts.get_mut(&0) {
                part.place = Place::Sent(sent);
            }
        }
        let etag = self.complete(upload).await?;
        Ok(completed(&self.shared, self.key(), total, etag, "commit").await)
    }

    async fn complete(&self, upload: &str) -> Result<Option<String>> {
        let sent = |(number, part): (&u32, &Part)| match &part.place {
            Place::Sent(sent) => {
                let part = CompletedPart::builder().part_number(protocol_number(*number)).e_tag(&sent.tag);
                Some(part.set_checksum_crc32_c(sent.crc32c.clone()).build())
            }
            Place::Unknown | Place::Held(_) => None,
        };
        let parts = lock(&self.state).parts.iter().filter_map(sent).collect();
        let call = self.shared.writes("commit", ACTION);
        complete(&self.shared, &call, self.key(), upload, parts, &self.request.mode).await
    }

    /// The length of the whole, and the part that is held here.
    fn total(&self) -> Result<(u64, Option<Bytes>)> {
        let state = lock(&self.state);
        let last = state.parts.keys().next_back().copied().unwrap_or(0);
        let (mut total, mut held) = (0, None);
        for (expected, (number, part)) in (0..).zip(&state.parts) {
            let fits = *number == expected && (part.len == self.request.part_len || *number == last);
            match &part.place {
                Place::Sent(_) if fits => {}
                Place::Held(bytes) if fits => held = Some(bytes.clone()),
                _ => return Err(self.invalid("commit", format!("part {expected} is missing or too short"))),
            }
            total += part.len;
        }
        Ok((total, held))
    }

    /// Removes the parts of an upload.
    async fn discard(shared: &Shared, key: &Key, upload: &str) -> Result<()> {
        let abort = uploads::abort(shared, key, upload, "abort");
        within(shared.config.limits.answer, "abort", true, abort).await.map(|_| ())
    }

    /// Removes what a lost answer to the beginning has left, when nothing that
    /// is still wanted is unfinished under this key.
    async fn discard_lost(&self) -> Result<()> {
        if self.lost_begin.load(Ordering::Relaxed) {
            Self::discard_all(&self.shared, self.key()).await?;
            self.lost_begin.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn discard_all(shared: &Arc<Shared>, key: &Key) -> Result<()> {
        let discard = uploads::discard(shared, key);
        within(shared.config.limits.answer, "abort", true, discard).await.map(|_| ())
    }

    /// Removes what was sent, unless it became an object.
    async fn abort(&self) -> Result<()> {
        let _committing = self.committing.lock().await;
        {
            let mut state = lock(&self.state);
            if matches!(state.phase, Phase::Committed(_)) {
                return Ok(());
            }
            // Nobody begins any more.
            state.phase = Phase::Closed;
        }
        // Who begins just now is waited for.
        if let Ok(upload) = self.upload.get_or_try_init(async || Err(())).await {
            Self::discard(&self.shared, self.key(), upload).await?;
        }
        self.discard_lost().await?;
        lock(&self.state).phase = Phase::Aborted;
        Ok(())
    }

    /// Whether nothing is left that would have to be removed.
    fn is_settled(&self) -> bool {
        matches!(lock(&self.state).phase, Phase::Committed(_) | Phase::Aborted)
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let (upload, lost) = (self.upload.take(), *self.lost_begin.get_mut());
        if self.is_settled() || upload.is_none() && !lost {
            return;
        }
        // Without a runtime nothing can be sent; `discard_staged` finds it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (shared, key) = (Arc::clone(&self.shared), self.request.key.clone());
        runtime.spawn(async move {
            if let Some(upload) = upload {
                Self::discard(&shared, &key, &upload).await.ok();
            }
            if lost {
                Self::discard_all(&shared, &key).await.ok();
            }
        });
    }
}

/// Parts count from 1 in the protocol.
fn protocol_number(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX).saturating_add(1)
}

/// Runs what must come to its end although its caller may go away.
async fn on_a_task<T: Send + 'static>(
    operation: &'static str,
    run: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    match tokio::spawn(run).await {
        Ok(result) => result,
        Err(lost) => {
            let error = Error::internal("a task of the adapter ended early").during(operation);
            Err(error.maybe_applied().because(lost))
        }
    }
}

#[async_trait]
impl ObjectWriter for S3Writer {
    async fn write_part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let parts = &self.0;
        let Some(asked) = parts.ask(number, &bytes)? else { return Ok(()) };
        let upload = parts.upload().await?;
        let sent = parts.send(&upload, number, bytes, "write part").await?;
        if let Some(part) = lock(&parts.state).parts.get_mut(&number).filter(|part| part.asked == asked) {
            part.place = Place::Sent(sent);
        }
        Ok(())
    }

    async fn commit(&self) -> Result<ObjectMeta> {
        let parts = Arc::clone(&self.0);
        // A dropped commit may be applied; the next one must know how it ended.
        on_a_task("commit", async move { parts.commit().await }).await
    }

    async fn abort(self: Box<Self>) -> Result<()> {
        let parts = Arc::clone(&self.0);
        on_a_task("abort", async move { parts.abort().await }).await
    }
}
