//! Time, processor time and memory of a command, through GNU time.

use anyhow::{Context, Result, bail};
use std::{fs, path::Path, process::Command};

/// What one run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Processor seconds, user and system, of the command and its children.
    pub(crate) cpu: f64,
    /// The largest resident set of any one process, in KiB.
    pub(crate) rss_kib: u64,
}

/// Runs a shell script with `$SRC`, `$STORE` and `$BACK` set, and `variables`.
pub(crate) fn shell(
    script: &str,
    source: &Path,
    store: &str,
    back: &Path,
    variables: &[(String, String)],
) -> Result<Sample> {
    let mut command = Command::new("sh");
    command.args(["-ec", script]).env("SRC", source).env("STORE", store).env("BACK", back);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    timed(&command).with_context(|| script.to_owned())
}

/// Runs `command` under GNU time. Its output is shown only when it fails.
pub(crate) fn timed(command: &Command) -> Result<Sample> {
    timed_output(command).map(|(sample, _)| sample)
}

/// Like [`timed`]; gives what the command wrote to standard output as well.
pub(crate) fn timed_output(command: &Command) -> Result<(Sample, String)> {
    let facts = std::env::temp_dir().join(format!("rockhold-bench-{}.txt", std::process::id()));
    let mut time = Command::new("time");
    time.arg("--output").arg(&facts).args(["--format", "%e %U %S %M"]).arg(command.get_program());
    time.args(command.get_args());
    time.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = time.output().context("cannot run GNU time (Debian package `time`)")?;
    let text = fs::read_to_string(&facts).with_context(|| facts.display().to_string())?;
    fs::remove_file(&facts).with_context(|| facts.display().to_string())?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{:?} failed: {}", command.get_program(), String::from_utf8_lossy(&said).trim());
    }
    let sample = parse(&text).with_context(|| format!("GNU time said {text:?}"))?;
    Ok((sample, String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn parse(text: &str) -> Option<Sample> {
    let fields: Vec<f64> = text.lines().last()?.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [wall, user, system, rss_kib] = fields[..] else { return None };
    Some(Sample { wall, cpu: user + system, rss_kib: rss_kib as u64 })
}

/// Writes back what earlier steps left dirty, so that nobody pays for another.
pub(crate) fn settle() -> Result<()> {
    let status = Command::new("sync").status().context("cannot run sync")?;
    if status.success() { Ok(()) } else { bail!("sync failed") }
}

/// The number of files below `dir` and their bytes.
pub(crate) fn size(dir: &Path) -> Result<(u64, u64)> {
    let mut total = (0, 0);
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let (files, bytes) =
            if entry.file_type()?.is_dir() { size(&entry.path())? } else { (1, entry.metadata()?.len()) };
        total = (total.0 + files, total.1 + bytes);
    }
    Ok(total)
}

/// The middle value; the lower of the two middle ones for an even count.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_of_gnu_time_is_read() {
        let text = "Command exited with non-zero status 1\n1.50 0.25 0.50 2048\n";
        assert_eq!(parse(text), Some(Sample { wall: 1.5, cpu: 0.75, rss_kib: 2048 }));
        assert_eq!(parse("nothing"), None);
    }

    #[test]
    fn the_median_is_a_value_that_was_measured() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.0);
        assert!(median(std::iter::empty()).is_nan());
    }
}
