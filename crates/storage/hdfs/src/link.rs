//! The connection: a client, its threads, time limits, and its renewal.
//!
//! The client does not bound its calls to a NameNode, blocks while it talks to
//! Kerberos, and panics on some answers. So it lives on threads of its own: a
//! caller waits for a task, and can stop waiting at any time.

use crate::{
    downgrade::{Answers, Known},
    error::{hdfs, is_standby, none_active, silent},
    handshake::{self, Offer},
    removal::Removals,
    target::Target,
};
use futures::{
    StreamExt,
    future::{AbortHandle, abortable},
    stream::FuturesUnordered,
};
use hdfs_native::{Client, HdfsError};
use rockhold_core::{Error, Result};
use std::{
    fmt,
    future::Future,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
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
    pub(crate) removals: Removals,
    threads: Option<Runtime>,
    current: Mutex<Current>,
    /// Held while a client is made.
    making: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Current {
    /// `None` while a NameNode is refused, too.
    client: Option<Client>,
    known: Known,
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
            removals: Removals::default(),
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
            self.current().known.check_recent()?;
            self.insist().await?;
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
        // The NameNodes may have been asked again meanwhile.
        current.known.check()?;
        current.generation += 1;
        current.client = Some(client.clone());
        Ok(Session { client, link: Arc::clone(self), generation: current.generation })
    }

    /// Asks the NameNodes, and gives the client up when one of them would let us
    /// in without Kerberos.
    async fn insist(&self) -> Result<()> {
        self.current().known.ask();
        let answers = self.answers().await;
        let mut current = self.current();
        current.known.note(answers);
        let checked = current.known.check();
        if checked.is_err() {
            current.client = None;
        }
        checked
    }

    /// Asks the NameNodes again when what they said is no longer recent. Nobody
    /// waits for that.
    fn insist_again(self: &Arc<Self>) {
        struct Asking(Arc<Link>);
        impl Drop for Asking {
            fn drop(&mut self) {
                self.0.current().known.end();
            }
        }
        if !self.target.kerberos() || !self.current().known.begin() {
            return;
        }
        let asking = Asking(Arc::clone(self));
        drop(self.handle().spawn(async move {
            if let Err(error) = asking.0.insist().await {
                tracing::warn!(%error, "HDFS is not used until its NameNodes insist on Kerberos");
            }
        }));
    }

    /// Whether the NameNodes insist on Kerberos. One that cannot be reached is
    /// no danger now, and is asked again.
    async fn answers(&self) -> Answers {
        let mut answers = Answers::Silent;
        let mut offers = self.offers();
        while let Some((address, offer)) = offers.next().await {
            match offer {
                Ok(offer) if offer.insists_on_kerberos() => answers = Answers::Insisted,
                // The others, which may hang, are not waited for.
                Ok(_) => return Answers::Lax(address),
                Err(error) => tracing::debug!(%address, %error, "a NameNode was not asked what it offers"),
            }
        }
        answers
    }

    /// Whether all NameNodes that answer insist on Kerberos.
    pub(crate) async fn wants_kerberos(&self) -> bool {
        matches!(self.answers().await, Answers::Insisted)
    }

    /// What each NameNode offers, asked at the same time.
    fn offers(&self) -> FuturesUnordered<impl Future<Output = (String, io::Result<Offer>)>> {
        let limit = self.limits.call.min(ASKED);
        let asked = self.target.namenodes().into_iter().map(move |address| async move {
            let offer = handshake::ask(&address, limit).await;
            (address, offer)
        });
        asked.collect()
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

    /// The link's threads.
    pub(crate) fn handle(&self) -> Handle {
        match &self.threads {
            Some(threads) => threads.handle().clone(),
            // Only `drop` takes the threads away.
            None => Handle::current(),
        }
    }

    /// Begins something that nobody waits for.
    pub(crate) fn start<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = self.handle();
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
        self.link.insist_again();
        // Work that began before a NameNode was refused goes no further.
        self.link.current().known.check()?;
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
        if is_standby(&error)
            && let Some((name, namenodes)) = self.link.target.nameservice()
        {
            return Err(none_active(operation, what, name).with("NameNodes", namenodes.join(", ")));
        }
        Err(hdfs(error, operation, what, changes))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{HdfsConfig, Kerberos, Login, handshake::fake::NameNode};
    use rockhold_core::ErrorKind;

    /// To where nobody listens.
    pub(crate) fn link() -> Arc<Link> {
        to(HdfsConfig::new("hdfs://127.0.0.1:1/x"), Duration::from_secs(1))
    }

    fn to(config: HdfsConfig, limit: Duration) -> Arc<Link> {
        let empty = tempfile::tempdir().unwrap();
        let target = Target::new(&config.conf_dir(empty.path())).unwrap();
        Link::new(target, Limits { call: limit, transfer: limit, open: limit }).unwrap()
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
        let gate = tokio::sync::watch::Sender::new(false);
        let work = |name: &'static str| {
            let (sender, mut gate) = (sender.clone(), gate.subscribe());
            async move {
                gate.wait_for(|open| *open).await.unwrap();
                sender.send(name).unwrap();
                Ok(())
            }
        };
        let soon = Duration::from_millis(20);
        assert!(timeout(soon, link.run("put", work("stopped"))).await.is_err());
        assert!(timeout(soon, link.run_to_end("commit", work("ended"))).await.is_err());
        gate.send_replace(true);
        drop(sender);
        assert_eq!(receiver.recv().await, Some("ended"));
        assert_eq!(receiver.recv().await, None);
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

    #[tokio::test]
    async fn one_in_standby_means_that_none_of_its_nameservice_is_active() {
        let standby = || HdfsError::RPCError("org.apache.hadoop.ipc.StandbyException".into(), "no".into());
        let pair = HdfsConfig::new("hdfs://ns1/x")
            .set("dfs.nameservices", "ns1")
            .set("dfs.ha.namenodes.ns1", "nn1,nn2")
            .set("dfs.namenode.rpc-address.ns1.nn1", "127.0.0.1:1")
            .set("dfs.namenode.rpc-address.ns1.nn2", "127.0.0.1:2");
        for (config, words) in [
            (pair, ["none of the NameNodes of ns1 is active", "(NameNodes 127.0.0.1:1, 127.0.0.1:2)"]),
            (HdfsConfig::new("hdfs://127.0.0.1:1/x"), ["is in standby state", "name the active one"]),
        ] {
            let session = to(config, Duration::from_secs(1)).session().await.unwrap();
            let call = async { Err::<(), HdfsError>(standby()) };
            let error = session.change("delete", "a", call).await.unwrap_err();
            assert!(error.kind() == ErrorKind::Unavailable && error.is_temporary(), "{error:?}");
            assert_eq!(error.effect(), rockhold_core::Effect::NotApplied);
            let text = error.to_string();
            assert!(words.iter().all(|word| text.contains(word)), "{text}");
        }
    }

    /// A call that needs no NameNode.
    async fn call(session: &Session) -> Result<()> {
        session.ask("get", "a", async { Ok::<(), HdfsError>(()) }).await
    }

    #[tokio::test]
    async fn a_namenode_that_gives_kerberos_up_is_noticed_beside_the_work_and_refused_until_it_is_in_order() {
        let namenode = NameNode::start(&["TOKEN", "KERBEROS"]).await;
        let alice = Kerberos { principal: Some("alice@EXAMPLE.COM".into()), ..Kerberos::new() };
        let config = HdfsConfig::new(format!("hdfs://{}/x", namenode.address));
        let link = to(config.login(Login::Kerberos(alice)), Duration::from_secs(30));
        let session = link.session().await.unwrap();
        namenode.offer(&["SIMPLE"]);
        // What it said is recent.
        call(&session).await.unwrap();
        assert_eq!(namenode.asked(), 1);
        link.current().known.age();
        // Nobody waits for the answer: the NameNode of this test is on this
        // thread, and comes to its turn when all these calls are through.
        for _ in 0..20 {
            call(&session).await.unwrap();
        }
        let refused = async {
            while link.session().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(30), refused).await.unwrap();
        let error = link.session().await.err().unwrap();
        assert!(error.kind() == ErrorKind::Unauthenticated && !error.is_temporary(), "{error:?}");
        assert!(link.current().client.is_none());
        assert_eq!(call(&session).await.unwrap_err().kind(), ErrorKind::Unauthenticated);
        assert_eq!(namenode.asked(), 2);

        namenode.offer(&["KERBEROS"]);
        assert!(link.session().await.is_err(), "asked too early");
        link.current().known.age();
        call(&link.session().await.unwrap()).await.unwrap();
        assert_eq!(namenode.asked(), 3);
    }
}
