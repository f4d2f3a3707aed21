//! Real servers on loopback, for tests that want what a user would have.
//!
//! A server listens on a random free port, keeps its state in a folder that is
//! thrown away, and logs there. Each has a file of its own here and implements
//! [`Server`]; [`ALL`] lists them.
//!
//! * `cargo xtask test` and `cargo xtask services up` start shared ones and
//!   write what a client must know to a JSON file. A test asks for one by
//!   [`service`]; without it, the test says so and is counted as skipped.
//! * A test that kills its server starts its own by [`own`].
//!
//! Software is installed once, below [`install_dir`].
//!
//! This module knows nothing of the rest of the crate and blocks while it
//! waits: it is also what `cargo xtask` is built from.

mod ceph;
mod command;
mod files;
mod gcs;
mod hadoop;
pub mod hdfs;
mod kdc;
mod minio;
mod moto;
mod port;
mod process;
mod service;
mod skip;

pub use ceph::Rgw;
pub use command::{Program, find_program};
pub use files::{State, install_dir, target_dir};
pub use gcs::Gcs;
pub use hdfs::{Hdfs, HdfsHa, HdfsHaKerberos, HdfsKerberos};
pub use minio::{Minio, own_minio};
pub use moto::Moto;
pub use port::{answers_http, free_port, http_status, listens};
pub use process::{Lifetime, Process, Started, stop_group};
pub use service::{SERVICES, Service, read_services, service};
pub use skip::{SKIP_LOG, skip};

use std::{collections::BTreeMap, fmt, path::Path};

/// Every server there is.
pub const ALL: &[&dyn Server] = &[&Minio, &Rgw, &Moto, &Gcs, &Hdfs, &HdfsKerberos, &HdfsHa, &HdfsHaKerberos];

/// A kind of server: how it comes here and how it starts.
pub trait Server: Sync {
    /// One lower-case word, as in `cargo xtask services up minio`.
    fn name(&self) -> &'static str;

    /// What is not installed, in words that say how to get it; `None` when
    /// [`Server::start`] can be called.
    fn missing(&self) -> Option<String>;

    /// Installs what [`Server::missing`] misses, into [`install_dir`] wherever
    /// that is possible. Output goes to `log`. Does nothing when nothing is
    /// missing.
    fn install(&self, log: &Path) -> Result<(), Failure>;

    /// Starts the server and returns when it answers. What it leaves on disk
    /// lies in `state`.
    fn start(&self, state: State, lifetime: Lifetime) -> Result<Running, Failure>;
}

/// A server that could not be installed, started or stopped. One paragraph for people.
#[derive(Clone, Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure that reads `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// Says what was being done.
    #[must_use]
    pub fn context(self, doing: impl fmt::Display) -> Self {
        Self(format!("{doing}: {}", self.0))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// A server that was started, made of one process or more.
///
/// Dropping it kills the processes and removes the state, unless it was
/// started as [`Lifetime::Detached`].
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    fields: BTreeMap<String, String>,
    // Dropped in this order: no process writes into a folder that is going away.
    processes: Vec<Process>,
    state: State,
}

impl Running {
    /// A server whose processes are `processes`, in the order of their start.
    pub fn new(name: &'static str, state: State, processes: Vec<Process>) -> Self {
        Self { name, fields: BTreeMap::new(), processes, state }
    }

    /// Adds something that a client must know, such as `endpoint`.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// What a client must know.
    pub fn service(&self) -> Service {
        Service::new(self.name, self.fields.clone())
    }

    /// The folder with state and logs.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// The processes, in the order of their start.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The process called `name`.
    ///
    /// # Panics
    ///
    /// When there is none: the test names what the server does not have.
    pub fn process(&mut self, name: &str) -> &mut Process {
        match self.processes.iter_mut().find(|process| process.name() == name) {
            Some(process) => process,
            None => panic!("the server {} has no process {name}", self.name),
        }
    }

    /// Kills every process with SIGKILL: power loss.
    pub fn kill(&mut self) {
        self.processes.iter_mut().rev().for_each(Process::kill);
    }

    /// Starts every process that does not run again, on its old port, with
    /// what it had on disk.
    pub fn restart(&mut self) -> Result<(), Failure> {
        self.processes.iter_mut().try_for_each(Process::restart)
    }
}

/// The server called `name`.
pub fn named(name: &str) -> Option<&'static dyn Server> {
    ALL.iter().find(|server| server.name() == name).copied()
}

/// Starts a server in a fresh folder, trying other ports when one was taken
/// in between.
pub fn start(server: &dyn Server, lifetime: Lifetime) -> Result<Running, Failure> {
    start_by(server.name(), lifetime, |state| server.start(state, lifetime))
}

/// As [`start`], by a function that starts the server called `name`.
fn start_by(
    name: &str,
    lifetime: Lifetime,
    start: impl Fn(State) -> Result<Running, Failure>,
) -> Result<Running, Failure> {
    let mut attempt = 1;
    loop {
        let state = State::fresh(name, lifetime)?;
        match start(state) {
            Err(_) if attempt < 3 => attempt += 1,
            outcome => return outcome.map_err(|e| e.context(format!("starting {name}"))),
        }
    }
}

/// A server of the test's own, to be killed and restarted at will. `None`,
/// counted as a skip of `test`, when it is not installed.
///
/// # Panics
///
/// When the server is installed and does not start, or when nothing is called
/// `name`.
pub fn own(name: &str, test: &str) -> Option<Running> {
    let Some(server) = named(name) else { panic!("there is no server called {name}") };
    if let Some(missing) = server.missing() {
        skip(test, &missing);
        return None;
    }
    match start(server, Lifetime::Owned) {
        Ok(running) => Some(running),
        Err(failure) => panic!("{failure}"),
    }
}
