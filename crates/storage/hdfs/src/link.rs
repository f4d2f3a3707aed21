//! The connection: a client, its threads, time limits, and its renewal.
//!
//! The client does not bound its calls to a NameNode, blocks while it talks to
//! Kerberos, and panics on some answers. So it lives on threads of its own: a
//! caller waits for a task, and can stop waiting at any time.

use crate::{
    error::{hdfs, silent},
    handshake,
    target::Target,
};
use futures::future::{AbortHandle, abortable};
use hdfs_native::{Client, HdfsError};
use rockhold_core::{Error, ErrorKind, Result};
use std::{
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
    time::timeout,
};

/// The stack of a thread, in bytes: the client polls deeply without optimisation.
const STACK: usize = 8 << 20;

/// The time limits of one link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// One call to a NameNode.
    pub(crate) call: Duration,
    /// Sending a piece, or closing a file.
    pub(crate) transfer: Duration,
    /// Making a client.
    pub(crate) open: Duration,
}

/// The connection to one cluster as one user.
pub(crate) struct Link {
    pub(crate) target: Target,
    pub(crate) limits: Limits,
    threads: Option<Runtime>,
    current: Mutex<Current>,
    /// Held while a client is made.
    making: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    client: Option<Client>,
    /// Counts the clients.
    generation: usize,
    /// Counts the clients that did not answer.
    turn: usize,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // Waiting for them is not allowed where this may run.
            threads.shutdown_background();
        }
    }
}

/// A client of a certain generation.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) link: Arc<Link>,
    generation: usize,
}

impl Link {
    pub(crate) fn new(target: Target, limits: Limits) -> Result<Arc<Self>> {
        let threads = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_stack_size(STACK)
            .thread_name("rockhold-hdfs")
            .enable_all()
            .build()
            .map_err(|error| Error::io(error, "open", "threads for HDFS"))?;
        Ok(Arc::new(Self {
            target,
            limits,
            threads: Some(threads),
            current: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        }))
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session_now(self: &Arc<Self>) -> Option<Session> {
        let current = self.current();
        let client = current.client.clone()?;
        Some(Session { client, link: Arc::clone(self), generation: current.generation })
    }

    /// The client, made anew where there is none that is trusted.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<Session> {
        if let Some(session) = self.session_now() {
            return Ok(session);
        }
        let _making = self.making.lock().await;
        if let Some(session) = self.session_now() {
            return Ok(session);
        }
        if self.target.kerberos() {
            self.refuse_downgrade().await?;
        }
        let (link, turn) = (Arc::clone(self), self.current().turn);
        // It reads credentials and may ask for them over the network.
        let made = tokio::task::spawn_blocking(move || link.target.build(turn));
        let url = self.target.url();
        let client = match timeout(self.limits.open, made).await {
            Ok(Ok(client)) => client.map_err(|error| hdfs(error, "open", url, false))?,
            Ok(Err(lost)) => return Err(panicked("open", lost)),
            Err(_) => return Err(silent("open", url, false, self.limits.open.as_secs_f64())),
        };
        let mut current = self.current();
        current.generation += 1;
        current.client = Some(client.clone());
        Ok(Session { client, link: Arc::clone(self), generation: current.generation })
    }

    /// Refuses a NameNode that would let us in without Kerberos: the client
    /// would take that silently. One that cannot be reached is no danger now,
    /// and is asked when a connection is made anew.
    async fn refuse_downgrade(&self) -> Result<()> {
        for address in self.target.namenodes() {
            let offer = match handshake::ask(&address, self.limits.call).await {
                Ok(offer) => offer,
                Err(error) => {
                    tracing::debug!(%address, %error, "a NameNode was not asked what it offers");
                    continue;
                }
            };
            if offer.simple() || !offer.kerberos() {
                let message = "Kerberos is asked for and the NameNode does not require it; either the cluster is \
                               not secured (set \"hadoop.security.authentication\" = \"simple\"), or this is not \
                               the NameNode that is meant";
                return Err(Error::new(ErrorKind::Unauthenticated, message).during("open").at(address));
            }
        }
        Ok(())
    }

    /// Whether all NameNodes that answer insist on Kerberos.
    pub(crate) async fn wants_kerberos(&self) -> bool {
        let mut wanted = false;
        for address in self.target.namenodes() {
            match handshake::ask(&address, self.limits.call).await {
                Ok(offer) if offer.simple() => return false,
                Ok(offer) => wanted |= offer.kerberos(),
                Err(_) => {}
            }
        }
        wanted
    }

    /// Gives a client up, if it is still the one in use.
    fn distrust(&self, generation: usize, next: bool) {
        let mut current = self.current();
        if current.generation == generation && current.client.take().is_some() {
            current.turn += usize::from(next);
        }
    }

    /// Runs on the link's threads; stops when the caller stops waiting.
    pub(crate) async fn run<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        struct Stop(AbortHandle);
        impl Drop for Stop {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let (work, handle) = abortable(work);
        let _stop = Stop(handle);
        match self.start(work).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::cancelled("stopped").during(operation)),
            Err(lost) => Err(panicked(operation, lost)),
        }
    }

    /// Runs on the link's threads to its end, whoever waits for it.
    pub(crate) async fn run_to_end<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        match self.start(work).await {
            Ok(result) => result,
            Err(lost) => Err(panicked(operation, lost)),
        }
    }

    /// Begins something that nobody waits for.
    pub(crate) fn start<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        // Only `drop` takes the threads away.
        let handle = match &self.threads {
            Some(threads) => threads.handle().clone(),
            None => tokio::runtime::Handle::current(),
        };
        let work = Box::pin(work);
        if self.target.kerberos() {
            // Any call may have to log in again, and that blocks its thread.
            let inner = handle.clone();
            handle.spawn_blocking(move || inner.block_on(work))
        } else {
            handle.spawn(work)
        }
    }
}

fn panicked(operation: &'static str, lost: tokio::task::JoinError) -> Error {
    Error::internal("the HDFS client failed in an unforeseen way")
        .during(operation)
        .maybe_applied()
        .because(lost)
}

impl Session {
    /// A call that changes nothing.
    pub(crate) async fn ask<T, F>(
        &self,
        operation: &'static str,
        what: impl fmt::Display,
        call: F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, HdfsError>>,
    {
        self.bound(operation, what, false, self.link.limits.call, call).await
    }

    /// A call that changes something.
    pub(crate) async fn change<T, F>(
        &self,
        operation: &'static str,
        what: impl fmt::Display,
        call: F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, HdfsError>>,
    {
        self.bound(operation, what, true, self.link.limits.call, call).await
    }

    /// Bytes on their way to or from DataNodes; nothing visible changes.
    pub(crate) async fn transfer<T, F>(
        &self,
        operation: &'static str,
        what: impl fmt::Display,
        call: F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, HdfsError>>,
    {
        self.bound(operation, what, false, self.link.limits.transfer, call).await
    }

    async fn bound<T, F>(
        &self,
        operation: &'static str,
        what: impl fmt::Display,
        changes: bool,
        limit: Duration,
        call: F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T, HdfsError>>,
    {
        // The client's futures are large; on the stack, one in the other, they overflow it.
        let error = match timeout(limit, Box::pin(call)).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => error,
            Err(_) => {
                // The next client begins with another NameNode, where there is one.
                self.link.distrust(self.generation, true);
                return Err(silent(operation, what, changes, limit.as_secs_f64()));
            }
        };
        if self.link.target.kerberos() && matches!(error, HdfsError::IOError(_)) {
            // The client would connect again by itself, without our check.
            self.link.distrust(self.generation, false);
        }
        Err(hdfs(error, operation, what, changes))
    }
}
