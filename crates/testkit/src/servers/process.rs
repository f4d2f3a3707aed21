//! A process that serves: started, waited for, killed, restarted.

use super::{Failure, Program, command::tail};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::{
    fmt, fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// Who ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Its handle, or the death of the program that holds it.
    Owned,
    /// Whoever calls [`stop_group`] with what [`Process::started`] gave.
    Detached,
}

/// A process of some other program: its number, which is also that of its
/// group, and the time of its start in clock ticks since boot. Numbers are
/// used again, the pair is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    /// The process.
    pub pid: u32,
    /// When it started.
    pub ticks: u64,
}

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a server may take to end by itself after SIGTERM.
const FAREWELL: Duration = Duration::from_secs(20);

/// One process of a server. It leads a process group, so that its children
/// die with it.
pub struct Process {
    name: &'static str,
    program: Program,
    log: PathBuf,
    lifetime: Lifetime,
    ready: Arc<dyn Fn() -> bool + Send + Sync>,
    running: Option<Group>,
}

struct Group {
    child: Child,
    /// Waits for the end of its input, which comes when this program dies, by
    /// whatever means, and then kills the group.
    watchdog: Option<Child>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("name", &self.name).field("pid", &self.pid()).finish_non_exhaustive()
    }
}

impl Process {
    /// Starts `program`, with its output in `state/NAME.log`, and returns when
    /// `ready` says so. Fails, with the end of the log, when the program ends
    /// before or needs longer than two minutes. When the program has ended,
    /// `ready` is not believed: somebody else may answer on the same port.
    pub fn start(
        name: &'static str,
        program: Program,
        state: &Path,
        lifetime: Lifetime,
        ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let log = state.join(format!("{name}.log"));
        let mut process = Self { name, program, log, lifetime, ready: Arc::new(ready), running: None };
        process.restart()?;
        Ok(process)
    }

    /// The name given at its start.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|group| group.child.id())
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What [`stop_group`] needs, while it runs.
    pub fn started(&self) -> Option<Started> {
        let pid = self.pid()?;
        Some(Started { pid, ticks: start_ticks(pid)? })
    }

    /// Kills it with SIGKILL, so that it cannot tidy up, and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut group) = self.running.take() {
            signal(group.child.id(), Signal::KILL);
            group.bury();
        }
    }

    /// Asks it to end with SIGTERM and waits; after twenty seconds it is killed.
    pub fn terminate(&mut self) {
        let Some(group) = &mut self.running else { return };
        signal(group.child.id(), Signal::TERM);
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline && matches!(group.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    /// Suspends it with SIGSTOP: connections stay open and nothing answers.
    pub fn pause(&mut self) {
        if let Some(group) = &self.running {
            signal(group.child.id(), Signal::STOP);
        }
    }

    /// Continues what [`Process::pause`] suspended.
    pub fn resume(&mut self) {
        if let Some(group) = &self.running {
            signal(group.child.id(), Signal::CONT);
        }
    }

    /// Starts it again, with the same arguments, when it does not run.
    pub fn restart(&mut self) -> Result<(), Failure> {
        if self.running.is_some() {
            return Ok(());
        }
        let cannot = |e: std::io::Error| Failure::new(format!("cannot run {}: {e}", self.program.name()));
        let child = self.program.command(&self.log)?.process_group(0).spawn().map_err(cannot)?;
        // From here on the group is killed whatever happens.
        let group = self.running.insert(Group { child, watchdog: None });
        if self.lifetime == Lifetime::Owned {
            group.watchdog = Some(watchdog(group.child.id()).map_err(cannot)?);
        }
        let begun = Instant::now();
        loop {
            if let Ok(Some(status)) = group.child.try_wait() {
                let message = format!("{} ended with {status}{}", self.program.name(), tail(&self.log));
                self.kill();
                return Err(Failure::new(message));
            }
            if (self.ready)() && matches!(group.child.try_wait(), Ok(None)) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let message =
                    format!("{} does not answer after {PATIENCE:?}{}", self.program.name(), tail(&self.log));
                self.kill();
                return Err(Failure::new(message));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Owned {
            self.kill();
        }
    }
}

impl Group {
    /// Waits for a child that was killed, then ends its watchdog. In this
    /// order: the number is not free for others before the child is waited for.
    fn bury(&mut self) {
        if let Some(watchdog) = &mut self.watchdog {
            let _ = watchdog.kill();
            let _ = watchdog.wait();
        }
        let _ = self.child.wait();
    }
}

fn watchdog(group: u32) -> std::io::Result<Child> {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -s KILL -- "-$1""#, "sh", &group.to_string()])
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn group_id(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// A group that has gone already needs no signal.
fn signal(pid: u32, signal: Signal) {
    if let Some(group) = group_id(pid) {
        let _ = kill_process_group(group, signal);
    }
}

/// Ends the group of a detached process: SIGTERM, then SIGKILL after twenty
/// seconds. `false` when it had gone already, or when its number belongs to
/// another process by now.
pub fn stop_group(started: Started) -> bool {
    let Some(group) = group_id(started.pid).filter(|_| start_ticks(started.pid) == Some(started.ticks))
    else {
        return false;
    };
    let _ = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + FAREWELL;
    while Instant::now() < deadline && test_kill_process_group(group).is_ok() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = kill_process_group(group, Signal::KILL);
    true
}

/// When the process started, from field 22 of its `stat`. The second field, in
/// parentheses, may hold anything.
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = stat.rsplit_once(") ")?.1;
    let mut fields = after.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

impl Started {
    /// Whether this very process still runs.
    pub fn alive(self) -> bool {
        start_ticks(self.pid) == Some(self.ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::State;

    fn sleeper(state: &State, lifetime: Lifetime) -> Result<Process, Failure> {
        let ready = state.path().join("ready");
        // A child of its own, which must die with it.
        let script = "sleep 600 & echo $! > child; touch ready; wait";
        let program = Program::new("sh").args(["-c", script]).current_dir(state.path());
        Process::start("sleeper", program, state.path(), lifetime, move || ready.exists())
    }

    fn runs(pid: u32) -> bool {
        start_ticks(pid).is_some()
    }

    /// A signal takes effect a moment after it was sent.
    fn is_gone(pid: u32) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while runs(pid) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        !runs(pid)
    }

    fn child(state: &State) -> u32 {
        fs::read_to_string(state.path().join("child")).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn killing_takes_the_children_along_and_a_restart_brings_it_back() {
        let state = State::fresh("sleeper", Lifetime::Owned).unwrap();
        let mut process = sleeper(&state, Lifetime::Owned).unwrap();
        let (first, grandchild) = (process.pid().unwrap(), child(&state));
        assert!(runs(first) && runs(grandchild));
        process.kill();
        assert!(is_gone(first) && is_gone(grandchild));
        assert!(process.pid().is_none());
        process.restart().unwrap();
        let second = process.pid().unwrap();
        assert!(runs(second));
        process.terminate();
        assert!(is_gone(second));
        process.restart().unwrap();
        let third = process.pid().unwrap();
        drop(process);
        assert!(is_gone(third));
    }

    #[test]
    fn the_watchdog_kills_the_group_when_its_owner_is_gone() {
        let state = State::fresh("sleeper", Lifetime::Owned).unwrap();
        let mut process = sleeper(&state, Lifetime::Owned).unwrap();
        let (pid, grandchild) = (process.pid().unwrap(), child(&state));
        // What the death of this program does: the input of the watchdog ends.
        drop(process.running.as_mut().unwrap().watchdog.as_mut().unwrap().stdin.take());
        process.running.as_mut().unwrap().child.wait().unwrap();
        assert!(is_gone(pid) && is_gone(grandchild));
    }

    #[test]
    fn a_detached_process_outlives_its_handle_and_is_stopped_by_number_and_start() {
        let state = State::fresh("sleeper", Lifetime::Owned).unwrap();
        let mut process = sleeper(&state, Lifetime::Detached).unwrap();
        let started = process.started().unwrap();
        let mut child = process.running.take().unwrap().child;
        drop(process);
        assert!(started.alive());
        assert!(!stop_group(Started { ticks: started.ticks + 1, ..started }));
        assert!(started.alive());
        // Somebody must wait for it, which the system does for real orphans.
        let waiter = std::thread::spawn(move || child.wait());
        assert!(stop_group(started));
        waiter.join().unwrap().unwrap();
        assert!(!started.alive());
    }

    #[test]
    fn a_program_that_ends_early_fails_with_its_log() {
        let state = State::fresh("sleeper", Lifetime::Owned).unwrap();
        let program = Program::new("sh").args(["-c", "echo no space left; exit 3"]);
        let failure = Process::start("early", program, state.path(), Lifetime::Owned, || false).unwrap_err();
        let text = failure.to_string();
        assert!(text.contains("exit status: 3") && text.contains("no space left"), "{text}");
    }

    #[test]
    fn a_program_that_ended_is_not_taken_for_the_one_that_answers() {
        let state = State::fresh("sleeper", Lifetime::Owned).unwrap();
        let (asked, pid) = (state.path().join("asked"), state.path().join("pid"));
        let script = "until [ -e asked ]; do sleep 0.05; done; echo $$ > pid";
        let program = Program::new("sh").args(["-c", script]).current_dir(state.path());
        // Asked while the program runs, somebody else answers when it has ended.
        let ready = move || {
            fs::write(&asked, "").unwrap();
            let number = || -> Option<u32> { fs::read_to_string(&pid).ok()?.trim().parse().ok() };
            let deadline = Instant::now() + Duration::from_secs(10);
            while number().is_none() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
            number().is_some_and(is_gone)
        };
        let failure = Process::start("ended", program, state.path(), Lifetime::Owned, ready).unwrap_err();
        assert!(failure.to_string().contains("exit status: 0"), "{failure}");
    }
}
