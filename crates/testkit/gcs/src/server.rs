//! Connections, so that they can be reset.

use crate::{
    access::ServiceAccount,
    api::{Asked, State},
    fault::{Call, Fault, Faults, Rule},
    wire::{Body, Failure, Reply},
};
use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinHandle,
};

/// One request that was answered, or would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// Which.
    pub call: Call,
    /// The object's name; of a listing the prefix.
    pub name: String,
    /// The status of the answer.
    pub status: u16,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    faults: Faults,
    passed: Mutex<Vec<Passed>>,
    base: String,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running stand-in. Dropped, it is gone with all that it held.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Emulator {
    /// Starts on a free port of the loopback address.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared { base, ..Shared::default() });
        let serving = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, serving })
    }

    /// The address, as an endpoint is written: `http://127.0.0.1:…`.
    pub fn endpoint(&self) -> &str {
        &self.shared.base
    }

    /// Makes a bucket; one that is there stays as it is.
    pub fn create_bucket(&self, bucket: &str) {
        // That it exists is what is wanted.
        let _ = lock(&self.shared.state).store.create_bucket(bucket);
    }

    /// Sets what a bucket says of itself, by the field of the JSON API:
    /// `lifecycle`, `retentionPolicy`. The stand-in itself does not act by it.
    pub fn set_bucket(&self, bucket: &str, field: &str, value: serde_json::Value) {
        lock(&self.shared.state).store.set_bucket(bucket, field, value);
    }

    /// The names of all objects of a bucket, sorted.
    pub fn names(&self, bucket: &str) -> Vec<String> {
        let state = lock(&self.shared.state);
        state.store.bucket(bucket).map(|objects| objects.keys().cloned().collect()).unwrap_or_default()
    }

    /// The bytes of an object.
    pub fn object(&self, bucket: &str, name: &str) -> Option<Vec<u8>> {
        let state = lock(&self.shared.state);
        Some(state.store.bucket(bucket).ok()?.get(name)?.data.concat())
    }

    /// Of how many objects an object was composed; 0 for one that was uploaded.
    pub fn components(&self, bucket: &str, name: &str) -> Option<i64> {
        let state = lock(&self.shared.state);
        Some(state.store.bucket(bucket).ok()?.get(name)?.components)
    }

    /// Adds a fault. Of several that are due, the one added first strikes.
    pub fn fault(&self, rule: Rule, fault: Fault) {
        self.shared.faults.add(rule, fault);
    }

    /// Forgets all faults.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// The requests until now, in the order in which they were decided.
    pub fn passed(&self) -> Vec<Passed> {
        lock(&self.shared.passed).clone()
    }

    /// How many requests of a sort there were.
    pub fn count(&self, call: Call) -> usize {
        lock(&self.shared.passed).iter().filter(|passed| passed.call == call).count()
    }

    /// How many resumable uploads were begun and neither finished nor cancelled.
    pub fn unfinished_sessions(&self) -> usize {
        lock(&self.shared.state).sessions.unfinished()
    }

    /// From now on every request needs a token. Until then none does, and one
    /// that is sent must be valid all the same.
    pub fn close(&self) {
        lock(&self.shared.state).access.closed = true;
    }

    /// Accepts the tokens that this account signs.
    pub fn add_account(&self, account: ServiceAccount) {
        lock(&self.shared.state).access.add(account);
    }

    /// Accepts a token as that of an account.
    pub fn allow_token(&self, token: &str, account: &str) {
        lock(&self.shared.state).access.allow_token(token, account);
    }

    /// Gives whoever is admitted a token for this account.
    pub fn lend_account(&self, account: &str) {
        lock(&self.shared.state).access.lend(account);
    }

    /// Makes this the account of the machine, for the metadata server.
    pub fn set_machine_account(&self, account: &str) {
        lock(&self.shared.state).access.set_machine(account);
    }

    /// Refuses every token that was issued or allowed before.
    pub fn expire_tokens(&self) {
        lock(&self.shared.state).access.expire();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, the connections end.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // Too many open files, most likely.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let reset = Arc::new(Notify::new());
    let handle = rustix::io::dup(&stream);
    let service = {
        let reset = Arc::clone(&reset);
        service_fn(move |request| {
            let (shared, reset) = (Arc::clone(&shared), Arc::clone(&reset));
            async move { Ok::<_, Infallible>(shared.answer(request, reset).await) }
        })
    };
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // What the other side did to its connection is its own business.
        _ = connection => {}
        () = reset.notified() => {
            // Without lingering, closing the last handle sends a reset.
            if let Ok(handle) = &handle {
                let _ = rustix::net::sockopt::set_socket_linger(handle, Some(Duration::ZERO));
            }
        }
    }
}

/// What came of a request's body.
struct Received {
    bytes: Bytes,
    broken: bool,
}

async fn receive(mut body: Incoming, most: Option<u64>) -> Received {
    let mut bytes = BytesMut::new();
    let is_enough = |bytes: &BytesMut| most.is_some_and(|most| bytes.len() as u64 >= most);
    while !is_enough(&bytes) {
        match body.frame().await {
            None => break,
            Some(Err(_)) => return Received { bytes: bytes.freeze(), broken: true },
            Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
        }
    }
    if let Some(most) = most.and_then(|most| usize::try_from(most).ok()) {
        bytes.truncate(most);
    }
    Received { bytes: bytes.freeze(), broken: false }
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, reset: Arc<Notify>) -> Reply {
        let (parts, body) = request.into_parts();
        let asked = Asked::new(&parts, &lock(&self.state));
        let fault = self.faults.strike(asked.call, &asked.name);
        // As the service does: compared now, and again when it takes effect.
        let admitted = asked.admit(&lock(&self.state));
        let limit = match &fault {
            Some(Fault::ResetRequest(most)) => Some(*most),
            _ => None,
        };
        let mut received = receive(body, limit).await;
        match &fault {
            Some(Fault::Status(status, after)) => {
                self.note(&asked, *status);
                return refusal(*status, *after);
            }
            Some(Fault::Stall) => return pending().await,
            Some(Fault::ResetRequest(_)) if asked.call != Call::SendChunk => {
                reset.notify_one();
                return pending().await;
            }
            Some(Fault::ResetRequest(_)) => received.broken = true,
            _ => {}
        }
        let result = admitted.and_then(|()| {
            let mut state = lock(&self.state);
            asked.answer(&mut state, received.bytes, received.broken, fault.as_ref(), &self.base)
        });
        let reply = result.unwrap_or_else(|failure: Failure| failure.reply());
        self.note(&asked, reply.status().as_u16());
        match fault {
            Some(Fault::LoseReply | Fault::ResetRequest(_)) => {
                reset.notify_one();
                pending().await
            }
            Some(Fault::StallReply) => pending().await,
            Some(Fault::ResetBody(most)) => reply.map(|body| resetting(body, most, reset)),
            _ => reply,
        }
    }

    fn note(&self, asked: &Asked, status: u16) {
        lock(&self.passed).push(Passed { call: asked.call, name: asked.name.clone(), status });
    }
}

fn refusal(status: u16, after: Option<u64>) -> Reply {
    let message = match status {
        403 => "caller does not have storage.objects access to the Google Cloud Storage object.",
        429 => "The rate of requests to the bucket is too high. Reduce it.",
        503 => "We encountered an internal error. Please try again.",
        _ => "Refused on request.",
    };
    let mut refusal = Failure { status, message: message.into() }.reply();
    if let Some(value) = after.and_then(|seconds| seconds.to_string().parse().ok()) {
        refusal.headers_mut().insert("retry-after", value);
    }
    refusal
}

/// Gives so many bytes of a body, then resets the connection.
fn resetting(body: Body, most: u64, reset: Arc<Notify>) -> Body {
    let whole = body.into_data_stream();
    let given = stream::unfold((whole, most), |(mut whole, left)| async move {
        if left == 0 {
            return None;
        }
        let Ok(bytes) = whole.next().await?;
        let piece = bytes.slice(..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        let left = left - piece.len() as u64;
        Some((Ok(hyper::body::Frame::data(piece)), (whole, left)))
    });
    let end = stream::once(async move {
        // What was given is on its way before the reset overtakes it.
        tokio::time::sleep(Duration::from_millis(20)).await;
        reset.notify_one();
        pending().await
    });
    StreamBody::new(given.chain(end)).boxed_unsync()
}
