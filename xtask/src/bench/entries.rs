//! A manifest of a million files, on the in-memory repository.
//!
//! The files themselves are not there: what is measured is what the format and
//! its writers cost, by the example `manifest_size` of `rockhold-core`.

use super::measure::{self, Sample};
use crate::workspace::{Workspace, cargo};
use anyhow::{Context, Result, bail};
use std::process::Command;

const FILES: u32 = 1_000_000;
const PACKAGE: &str = "rockhold-core";
const EXAMPLE: &str = "manifest_size";

/// What the example said in the run of median time, and what that run cost.
pub(crate) struct Entries {
    pub(crate) files: u32,
    pub(crate) sample: Sample,
    pub(crate) said: String,
}

/// Builds the example and runs it `runs` times.
pub(crate) fn measure(workspace: &Workspace, percent: u32, runs: u32) -> Result<Entries> {
    let status = cargo()
        .args(["build", "--release", "--package", PACKAGE, "--example", EXAMPLE])
        .current_dir(&workspace.root)
        .status()
        .context("cannot run cargo build")?;
    if !status.success() {
        bail!("cargo build --release --example {EXAMPLE} failed");
    }
    let files = FILES / 100 * percent;
    let mut command = Command::new(workspace.target.join("release/examples").join(EXAMPLE));
    command.arg(files.to_string());
    let mut outcomes = (0..runs).map(|_| measure::timed_output(&command)).collect::<Result<Vec<_>>>()?;
    let middle = measure::median(outcomes.iter().map(|(sample, _)| sample.wall));
    let index = outcomes.iter().position(|(sample, _)| sample.wall == middle).context("no run")?;
    let (sample, said) = outcomes.swap_remove(index);
    Ok(Entries { files, sample, said })
}
