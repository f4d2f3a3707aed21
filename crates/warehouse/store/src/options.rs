//! How a directory is opened.

use crate::fault::FaultHook;
use rockhold_core::{KindRegistry, SharedClock, SystemClock};
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

/// How [`Store::open`](crate::Store::open) opens a directory. Start from
/// `OpenOptions::default()` and set fields.
#[derive(Clone)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Make a warehouse where the directory is missing or empty.
    pub create: bool,
    /// The IANA name of the time zone, fixed when the warehouse is made;
    /// `None`: the system's, else UTC. For an existing warehouse it must be
    /// `None` or the zone it has.
    pub time_zone: Option<String>,
    /// How long a writing call waits for another writing process. Default 0.
    pub lock_wait: Duration,
    /// What other processes are told this one is doing.
    pub command: String,
    /// The file with the key of the secret store; `None`: `secret.key` in the directory.
    pub key_file: Option<PathBuf>,
    /// The kinds that are linked; tells the namespace of objects that a
    /// restore makes. Without a descriptor, `function` lies in the namespace of
    /// functions, objects without a database in that of catalogs, all others
    /// among the relations.
    pub kinds: KindRegistry,
    /// Tells the time.
    pub clock: SharedClock,
    /// Reclaim files and settle restores in the background; otherwise only in
    /// [`Store::reclaim`](crate::Store::reclaim). Default true.
    pub background: bool,
    /// Asked before and after every numbered effect; for tests.
    pub fault: Option<FaultHook>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            create: false,
            time_zone: None,
            lock_wait: Duration::ZERO,
            command: "rockhold".into(),
            key_file: None,
            kinds: KindRegistry::default(),
            clock: Arc::new(SystemClock),
            background: true,
            fault: None,
        }
    }
}

impl OpenOptions {
    /// Defaults that make a warehouse where there is none.
    pub fn create() -> Self {
        Self { create: true, ..Self::default() }
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("create", &self.create)
            .field("time_zone", &self.time_zone)
            .field("lock_wait", &self.lock_wait)
            .field("command", &self.command)
            .field("key_file", &self.key_file)
            .field("background", &self.background)
            .finish_non_exhaustive()
    }
}
