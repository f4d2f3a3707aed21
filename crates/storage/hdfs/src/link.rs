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
    io,
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

/// How long a NameNode may take to say what it offers.
const ASKED: Duration = Duration::from_secs(5);

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
        for (address, offer) in self.offers().await {
            let offer = match offer {
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
        let offers: Vec<_> = self.offers().await.into_iter().filter_map(|(_, offer)| offer.ok()).collect();
        !offers.is_empty() && offers.iter().all(|offer| offer.kerberos() && !offer.simple())
    }

    /// What each NameNode offers, asked at the same time.
    async fn offers(&self) -> Vec<(String, io::Result<handshake::Offer>)> {
        let limit = self.limits.call.min(ASKED);
        let asked = self.target.namenodes().into_iter().map(|address| async move {
            let offer = handshake::ask(&address, limit).await;
            (address, offer)
        });
        futures::future::join_all(asked).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HdfsConfig;

    fn link() -> Arc<Link> {
        let empty = tempfile::tempdir().unwrap();
        let target = Target::new(&HdfsConfig::new("hdfs://127.0.0.1:1/x").conf_dir(empty.path())).unwrap();
        let second = Duration::from_secs(1);
        Link::new(target, Limits { call: second, transfer: second, open: second }).unwrap()
    }

    #[tokio::test]
    async fn a_client_that_panics_is_an_error_and_not_the_end() {
        let link = link();
        let error = link.run("get", async { panic!("not yet implemented") as Result<()> }).await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Internal, Some("get")));
        assert_eq!(link.run("get", async { Ok(1) }).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_stops_unless_it_was_to_be_ended() {
        let (link, (sender, mut receiver)) = (link(), tokio::sync::mpsc::unbounded_channel());
        let work = |name: &'static str| {
            let sender = sender.clone();
            async move {
                sleep_a_little().await;
                sender.send(name).unwrap();
                Ok(())
            }
        };
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, link.run("put", work("stopped"))).await.is_err());
        assert!(timeout(soon, link.run_to_end("commit", work("ended"))).await.is_err());
        drop(sender);
        assert_eq!(receiver.recv().await, Some("ended"));
        assert_eq!(receiver.recv().await, None);
    }

    async fn sleep_a_little() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    #[tokio::test]
    async fn a_call_without_an_answer_gives_the_client_up() {
        let link = link();
        let session = link.session().await.unwrap();
        let silence = std::future::pending::<std::result::Result<(), HdfsError>>();
        let error = session.change("delete", "a", silence).await.unwrap_err();
        assert!(error.kind() == ErrorKind::TimedOut && error.is_temporary(), "{error:?}");
        assert_eq!(error.effect(), rockhold_core::Effect::MaybeApplied);
        assert!(link.current().client.is_none());
        let next = link.session().await.unwrap();
        assert_eq!((next.generation, link.current().turn), (session.generation + 1, 1));
        // Late news of the old one does not concern the new one.
        link.distrust(session.generation, true);
        assert!(link.current().client.is_some());
    }
}
