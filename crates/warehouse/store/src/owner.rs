//! Who holds a pin: a process, recognisable after its death.

use rockhold_core::{JobId, Result};

/// This process as other processes can recognise it, and one [`Store`](crate::Store) in it.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// Random; one per opened store.
    pub(crate) id: [u8; 16],
    /// Boot and pid namespace: process ids mean something only inside one.
    pub(crate) host: String,
    pub(crate) pid: i64,
    /// When the process began, in clock ticks since boot; tells it from a later one with its pid.
    pub(crate) start: i64,
}

/// What can be known of another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Alive,
    Dead,
    /// It belongs to another machine, boot or container: only its lease tells.
    Unknown,
}

impl Owner {
    pub(crate) fn this() -> Result<Self> {
        let pid = std::process::id();
        Ok(Self {
            id: *JobId::random()?.as_bytes(),
            host: host(),
            pid: i64::from(pid),
            start: start_of(i64::from(pid)).unwrap_or(0),
        })
    }
}

/// Whether the process that was (`host`, `pid`, `start`) still runs, seen from `here`.
pub(crate) fn life(here: &Owner, host: &str, pid: i64, start: i64) -> Life {
    if host.is_empty() || host != here.host {
        return Life::Unknown;
    }
    match start_of(pid) {
        Some(now) if now == start => Life::Alive,
        _ => Life::Dead,
    }
}

/// Empty where the system does not tell; then only leases count.
fn host() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let boot = boot.trim();
    if boot.is_empty() { String::new() } else { format!("{boot} {}", space.display()) }
}

/// Field 22 of `/proc/<pid>/stat`; the second field may hold blanks and parentheses.
fn start_of(pid: i64) -> Option<i64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_alive_and_a_later_one_with_its_pid_is_not_it() {
        let me = Owner::this().expect("an owner");
        assert_eq!(life(&me, &me.host, me.pid, me.start), Life::Alive);
        assert_eq!(life(&me, &me.host, me.pid, me.start + 1), Life::Dead);
        assert_eq!(life(&me, "another boot", me.pid, me.start), Life::Unknown);
    }
}
