//! Real servers: `cargo xtask services install | up | down | status`, and those
//! that `cargo xtask test` starts for its own time.
//!
//! `up` leaves its servers running. What tests must know of them goes to
//! `servers/services.json` in the target directory, what `down` must know to
//! `servers/running.json` beside it.

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use rockhold_testkit::servers::{
    ALL, Failure, Lifetime, Running, Server, Service, Started, named, read_services, start, stop_group,
    target_dir,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

/// What to do with the servers. Without names, all of them.
#[derive(Subcommand)]
pub(crate) enum Task {
    /// Install what is missing, from the public registries.
    Install {
        /// Such as `minio`.
        names: Vec<String>,
    },
    /// Install what is missing and start the servers; they keep running.
    Up {
        /// Such as `minio`.
        names: Vec<String>,
    },
    /// Stop the servers and remove their state.
    Down,
    /// Say what is installed and what runs.
    Status,
}

/// Runs one task; `false` when a server that was named, or any server in CI,
/// could not be had.
pub(crate) fn run(task: Task) -> Result<bool> {
    match task {
        Task::Install { names } => {
            let failed = install(&choose(&names)?);
            Ok(failed == 0 || (names.is_empty() && !in_ci()))
        }
        Task::Up { names } => up(&names),
        Task::Down => down(),
        Task::Status => status(),
    }
}

pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

fn choose(names: &[String]) -> Result<Vec<&'static dyn Server>> {
    if names.is_empty() {
        return Ok(ALL.to_vec());
    }
    let known = || ALL.iter().map(|server| server.name()).collect::<Vec<_>>().join(", ");
    let find = |name: &String| {
        named(name).with_context(|| format!("there is no server called {name}; there are {}", known()))
    };
    names.iter().map(find).collect()
}

fn dir() -> Result<PathBuf> {
    let dir = target_dir().join("servers");
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    Ok(dir)
}

/// Installs what is missing, all at once, because the time goes into waiting
/// for downloads; gives the number of failures.
fn install(servers: &[&'static dyn Server]) -> usize {
    let missing: Vec<_> = servers.iter().filter(|server| server.missing().is_some()).collect();
    thread::scope(|scope| {
        let threads: Vec<_> =
            missing.into_iter().map(|server| scope.spawn(move || install_one(*server).is_err())).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|failed| *failed).count()
    })
}

fn install_one(server: &dyn Server) -> Result<()> {
    let name = server.name();
    let log = dir()?.join(format!("install-{name}.log"));
    let begun = Instant::now();
    println!("{name}: installing, see {}", log.display());
    let outcome = server.install(&log).map_err(anyhow::Error::from).and_then(|()| match server.missing() {
        Some(missing) => bail!("after the installation: {missing}"),
        None => Ok(()),
    });
    match &outcome {
        Ok(()) => println!("{name}: installed in {} s", begun.elapsed().as_secs()),
        Err(error) => println!("{name}: NOT INSTALLED: {error:#}"),
    }
    outcome
}

/// Starts servers side by side: most of their time is waiting.
fn start_all(servers: Vec<&'static dyn Server>, lifetime: Lifetime) -> Vec<Result<Running, Failure>> {
    thread::scope(|scope| {
        let start_one = |server: &'static dyn Server| {
            let begun = Instant::now();
            let outcome = start(server, lifetime);
            match &outcome {
                Ok(_) => println!("{}: up after {:.1} s", server.name(), begun.elapsed().as_secs_f32()),
                Err(failure) => println!("{}: NOT RUNNING: {failure}", server.name()),
            }
            outcome
        };
        let threads: Vec<_> =
            servers.into_iter().map(|server| scope.spawn(move || start_one(server))).collect();
        let died = |_| Err(Failure::new("the thread that started it died"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(died)).collect()
    })
}

fn up(names: &[String]) -> Result<bool> {
    let servers = choose(names)?;
    let mut running = Record::load()?;
    let wanted: Vec<_> = servers.into_iter().filter(|server| !running.has(server.name())).collect();
    let mut failed = install(&wanted);
    let ready: Vec<_> = wanted.into_iter().filter(|server| server.missing().is_none()).collect();
    for outcome in start_all(ready, Lifetime::Detached) {
        match outcome {
            Ok(server) => running.add(&server),
            Err(_) => failed += 1,
        }
    }
    running.save()?;
    println!("{}", services_file()?.display());
    Ok(failed == 0 || (names.is_empty() && !in_ci()))
}

fn down() -> Result<bool> {
    let running = Record::load()?;
    thread::scope(|scope| {
        for entry in &running.entries {
            scope.spawn(|| {
                // The last one started depends on the others.
                entry.processes.iter().rev().for_each(|process| {
                    stop_group(*process);
                });
                let _ = fs::remove_dir_all(&entry.state);
                println!("{}: stopped", entry.service.name());
            });
        }
    });
    Record::default().save()?;
    Ok(true)
}

fn status() -> Result<bool> {
    let running = Record::load()?;
    for server in ALL {
        let name = server.name();
        match running.entries.iter().find(|entry| entry.service.name() == name) {
            Some(entry) => {
                let fields = entry.service.fields().iter().map(|(name, value)| format!("{name}={value}"));
                println!("{name}: running, {}", fields.collect::<Vec<_>>().join(" "));
            }
            None => println!("{name}: {}", server.missing().unwrap_or_else(|| "installed".to_owned())),
        }
    }
    Ok(true)
}

fn services_file() -> Result<PathBuf> {
    Ok(dir()?.join("services.json"))
}

/// The servers that `up` left running and `down` stops.
#[derive(Default)]
struct Record {
    entries: Vec<Entry>,
}

struct Entry {
    service: Service,
    processes: Vec<Started>,
    state: PathBuf,
}

impl Record {
    fn file() -> Result<PathBuf> {
        Ok(dir()?.join("running.json"))
    }

    /// What is recorded and still runs, whole.
    fn load() -> Result<Self> {
        let file = Self::file()?;
        if !file.is_file() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let value: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        let services = read_services(&services_file()?)?;
        let entries = services.into_iter().filter_map(|service| Entry::load(&value, service));
        Ok(Self { entries: entries.collect() })
    }

    fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.service.name() == name)
    }

    fn add(&mut self, running: &Running) {
        self.entries.push(Entry {
            service: running.service(),
            processes: running.processes().iter().filter_map(|process| process.started()).collect(),
            state: running.state().to_owned(),
        });
    }

    fn save(&self) -> Result<()> {
        let services: Vec<Service> = self.entries.iter().map(|entry| entry.service.clone()).collect();
        write_services(&services_file()?, &services)?;
        let entries = self.entries.iter().map(|entry| {
            let processes: Vec<Value> =
                entry.processes.iter().map(|p| json!({"pid": p.pid, "ticks": p.ticks})).collect();
            (entry.service.name().to_owned(), json!({"state": entry.state, "processes": processes}))
        });
        let file = Self::file()?;
        let text = Value::Object(entries.collect()).to_string();
        fs::write(&file, text).with_context(|| file.display().to_string())
    }
}

impl Entry {
    fn load(recorded: &Value, service: Service) -> Option<Self> {
        let recorded = recorded.get(service.name())?;
        let processes: Option<Vec<Started>> = recorded["processes"]
            .as_array()?
            .iter()
            .map(|process| {
                let pid = u32::try_from(process["pid"].as_u64()?).ok()?;
                Some(Started { pid, ticks: process["ticks"].as_u64()? })
            })
            .collect();
        let processes = processes?;
        let whole = !processes.is_empty() && processes.iter().all(|process| process.alive());
        whole.then_some(Self { service, processes, state: PathBuf::from(recorded["state"].as_str()?) })
    }
}

fn write_services(path: &Path, services: &[Service]) -> Result<()> {
    let entries = services.iter().map(|service| (service.name().to_owned(), json!(service.fields())));
    let text = serde_json::to_string_pretty(&Value::Object(entries.collect()))?;
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// The servers that a run of the tests may use: those that run already, and
/// those started here, which stop when this value goes.
pub(crate) struct ForTests {
    file: PathBuf,
    _running: Vec<Running>,
}

impl ForTests {
    /// Installs and starts whatever can be. What cannot is said here, and again
    /// by each test that wanted it.
    pub(crate) fn start() -> Result<Self> {
        let shared = Record::load()?;
        let wanted: Vec<_> = ALL.iter().copied().filter(|server| !shared.has(server.name())).collect();
        install(&wanted);
        let ready = wanted.into_iter().filter(|server| server.missing().is_none()).collect();
        let running: Vec<Running> = start_all(ready, Lifetime::Owned).into_iter().flatten().collect();
        let shared = shared.entries.into_iter().map(|entry| entry.service);
        let services: Vec<Service> = shared.chain(running.iter().map(Running::service)).collect();
        let file = dir()?.join(format!("services-{}.json", std::process::id()));
        write_services(&file, &services)?;
        Ok(Self { file, _running: running })
    }

    /// The file that the tests read.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for ForTests {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}
