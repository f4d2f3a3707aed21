//! A backup of a million files that are there already: planning, committing,
//! showing, and memory, by the program of `tests/bench`, in which the catalog is
//! simulated.

use super::measure::{self, Sample};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::process::Command;

const FILES: u32 = 1_000_000;
const PROGRAM: &str = "million-files";

/// What the program said in the run of median time, and what that run cost.
pub(crate) struct Entries {
    pub(crate) files: u32,
    pub(crate) sample: Sample,
    pub(crate) said: String,
}

/// Runs the program `runs` times.
pub(crate) fn measure(workspace: &Workspace, percent: u32, runs: u32) -> Result<Entries> {
    let files = FILES / 100 * percent;
    let mut command = Command::new(workspace.target.join("release").join(PROGRAM));
    command.arg(files.to_string());
    let mut outcomes = (0..runs).map(|_| measure::timed_output(&command)).collect::<Result<Vec<_>>>()?;
    let middle = measure::median(outcomes.iter().map(|(sample, _)| sample.wall));
    let index = outcomes.iter().position(|(sample, _)| sample.wall == middle).context("no run")?;
    let (sample, said) = outcomes.swap_remove(index);
    Ok(Entries { files, sample, said })
}
