//! Backup and restore against the tools that people use instead.
//!
//! The files measured are those of a Rockhold warehouse: the same bytes go
//! through `rockhold`, `cp -r && sync`, `sha256sum`, restic and rclone, on the
//! same disk, in the same run. Rounds are interleaved (every tool once, then
//! every tool again), so that a machine that slows down slows all of them. The
//! page cache is warm; every target directory is new.

mod data;
mod entries;
mod measure;
mod report;
mod store;
mod tools;

use crate::workspace::{Workspace, cargo};
use anyhow::{Context, Result, bail};
use data::DataSet;
use measure::Sample;
use std::{
    fs,
    path::{Path, PathBuf},
};
use store::{Store, StoreKind};
use tools::Rockhold;

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Rounds; the median of them is reported.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..))]
    runs: u32,
    /// Size of the data in percent of the full size (2.5 GiB; 50,000 files, 20,000 on a server; one file of 1 GiB).
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    percent: u32,
    /// Data sets to measure.
    #[arg(long, value_enum, default_values_t = [DataSet::Large, DataSet::Small, DataSet::Long])]
    data: Vec<DataSet>,
    /// Leave out the manifest of 1,000,000 files.
    #[arg(long)]
    no_entries: bool,
    /// Where the backups go.
    #[arg(long, value_enum, default_value_t = StoreKind::File)]
    store: StoreKind,
    /// Only print the table, leave docs/benchmarks.md as it is.
    #[arg(long)]
    dry_run: bool,
}

/// What a tool was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Everything, into an empty place.
    Backup,
    /// The same again, nothing having changed.
    BackupAgain,
    /// Again, after the rows of one partition were replaced.
    BackupChanged,
    /// Everything back, into an empty place.
    Restore,
}

impl Operation {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 4] = [Self::Backup, Self::BackupAgain, Self::BackupChanged, Self::Restore];
}

/// One tool doing one thing, once per round.
pub(crate) struct Row {
    operation: Operation,
    tool: &'static str,
    samples: Vec<Sample>,
}

/// The rows of one data set.
pub(crate) struct Table {
    data: DataSet,
    files: u64,
    bytes: u64,
    rows: Vec<Row>,
    /// What the server counted in the last round, where there is one.
    requests: Vec<(Operation, &'static str, u64)>,
}

impl Table {
    fn add(&mut self, operation: Operation, tool: &'static str, sample: Sample) {
        println!("  {operation:?} {tool}: {:.2} s, {} MiB", sample.wall, sample.rss_kib / 1024);
        match self.rows.iter_mut().find(|row| row.operation == operation && row.tool == tool) {
            Some(row) => row.samples.push(sample),
            None => self.rows.push(Row { operation, tool, samples: vec![sample] }),
        }
    }
}

/// Builds, generates, measures, writes the table.
pub(crate) fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::load()?;
    let status = cargo()
        .args(["build", "--release", "--package", "rockhold-cli", "--package", "rockhold-tests-bench"])
        .current_dir(&workspace.root)
        .status()
        .context("cannot run cargo build")?;
    if !status.success() {
        bail!("cargo build --release failed");
    }
    let entries = match args.no_entries {
        true => None,
        false => Some(entries::measure(&workspace, args.percent, args.runs)?),
    };
    let place = workspace.target.join("bench");
    let rockhold = Rockhold { binary: workspace.target.join("release/rockhold") };
    let store = Store::open(args.store, &place)?;
    let peers = tools::installed_peers(args.store);
    let mut tables = Vec::new();
    for data in &args.data {
        let dir = place.join(data.name());
        remove(&dir)?;
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        println!("{}: making the warehouse", data.name());
        data::make(*data, (args.store, args.percent), &workspace.root, &rockhold, &dir)?;
        tables.push(measure_all(*data, args.runs, &rockhold, &store, &peers, &dir)?);
        remove(&dir)?;
    }
    let text = report::render(&tables, entries.as_ref(), args, &peers)?;
    println!("{text}");
    if !args.dry_run {
        report::write(&workspace.root.join("docs/benchmarks.md"), args.store.name(), &text)?;
    }
    Ok(())
}

fn measure_all(
    data: DataSet,
    runs: u32,
    rockhold: &Rockhold,
    store: &Store,
    peers: &[tools::Peer],
    dir: &Path,
) -> Result<Table> {
    let warehouse = dir.join("warehouse");
    let (files, bytes) = measure::size(&warehouse)?;
    let mut table = Table { data, files, bytes, rows: Vec::new(), requests: Vec::new() };
    let mut changes = 0;
    let mut kept = Vec::new();
    for round in 1..=runs {
        println!("{}: round {round} of {runs}", data.name());
        for peer in peers {
            let place = Place::new(dir, peer.name, round)?;
            let at = store.place(&place.store, peer.name, round);
            measure::settle()?;
            for (operation, script) in &peer.steps {
                if *operation == Some(Operation::BackupChanged) {
                    changes += 1;
                    rockhold.sql(&warehouse, &data::change(data, changes))?;
                }
                let counted = store.requests(round == runs)?;
                let sample = measure::shell(script, &warehouse, &at, &place.back, store.variables())?;
                if let Some(operation) = operation {
                    table.add(*operation, peer.name, sample);
                    if let (Some(before), Some(after)) = (counted, store.requests(round == runs)?) {
                        table.requests.push((*operation, peer.name, after.saturating_sub(before)));
                    }
                }
            }
            kept.push((at, place));
            remove_unless_kept(data, store, &mut kept)?;
        }
        let place = Place::new(dir, "rockhold", round)?;
        let at = store.place(&place.store, "rockhold", round);
        measure::settle()?;
        let mut job = tools::Round::new(rockhold, store, &warehouse, &at, &place.back, round)?;
        for operation in Operation::ALL {
            if operation == Operation::BackupChanged {
                changes += 1;
                rockhold.sql(&warehouse, &data::change(data, changes))?;
            }
            let counted = store.requests(round == runs)?;
            table.add(operation, "rockhold", job.run(operation)?);
            if let (Some(before), Some(after)) = (counted, store.requests(round == runs)?) {
                table.requests.push((operation, "rockhold", after.saturating_sub(before)));
            }
        }
        job.end()?;
        kept.push((at, place));
        remove_unless_kept(data, store, &mut kept)?;
    }
    remove_all(store, &mut kept)?;
    Ok(table)
}

/// Many small files are kept until all is measured: ext4 without a journal
/// gives the number of a file that was deleted in the last minutes to no other,
/// and looks at each such number again for every file that is made.
/// After 20,000 deletions `cp` of 20,000 files took 2 to 4 seconds instead of 0.5.
fn remove_unless_kept(data: DataSet, store: &Store, written: &mut Vec<(String, Place)>) -> Result<()> {
    if data == DataSet::Small { Ok(()) } else { remove_all(store, written) }
}

fn remove_all(store: &Store, written: &mut Vec<(String, Place)>) -> Result<()> {
    for (at, place) in written.drain(..) {
        store.empty(&at)?;
        remove(&place.root)?;
    }
    Ok(())
}

/// The empty directories of one tool in one round.
struct Place {
    root: PathBuf,
    store: PathBuf,
    back: PathBuf,
}

impl Place {
    fn new(dir: &Path, tool: &str, round: u32) -> Result<Self> {
        let root = dir.join(format!("{}-{round}", tool.replace(' ', "-")));
        remove(&root)?;
        let place = Self { store: root.join("store"), back: root.join("back"), root };
        for path in [&place.store, &place.back] {
            fs::create_dir_all(path).with_context(|| path.display().to_string())?;
        }
        Ok(place)
    }
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| dir.display().to_string())
        }
        _ => Ok(()),
    }
}
