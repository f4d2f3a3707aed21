//! Runs all tests and says how many passed, failed and were skipped.
//!
//! A test that cannot run where it is (a server is missing, say) appends one
//! line `name<TAB>reason` to the file named by [`SKIP_LOG`] and returns. The
//! test harness counts it as passed; here it is counted as skipped. In CI
//! (`CI=true`) a skip is a failure unless `xtask/allowed-skips.txt` lists it.
//!
//! The real servers are started for the time of the tests, which find them
//! through the file named by [`SERVICES`].

use crate::{
    services::{ForTests, in_ci},
    workspace::{Workspace, cargo},
};
use anyhow::{Context, Result};
use rockhold_testkit::servers::{SERVICES, SKIP_LOG};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

const ALLOWED: &str = "xtask/allowed-skips.txt";

/// What the test binaries said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    /// Tests marked as ignored in the source, by name.
    ignored: Vec<String>,
    failures: Vec<String>,
}

/// Runs everything; `false` when something failed.
pub(crate) fn run() -> Result<bool> {
    let workspace = Workspace::load()?;
    let dir = workspace.target.join("xtask");
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let log = dir.join(format!("skips-{}.log", std::process::id()));
    fs::write(&log, "").with_context(|| log.display().to_string())?;

    let servers = ForTests::start()?;
    let mut tally = Tally::default();
    // One invocation each: another set of packages would unify other features
    // and build nearly everything again.
    cargo_test(&workspace.root, &["--workspace", "--all-targets"], &log, &servers, &mut tally)?;
    cargo_test(&workspace.root, &["--workspace", "--doc"], &log, &servers, &mut tally)?;
    drop(servers);

    let skips = parse_skips(&fs::read_to_string(&log).with_context(|| log.display().to_string())?);
    fs::remove_file(&log).with_context(|| log.display().to_string())?;
    let allowed = fs::read_to_string(workspace.root.join(ALLOWED)).with_context(|| ALLOWED.to_owned())?;
    Ok(report(tally, &skips, &parse_allowed(&allowed), in_ci()))
}

fn cargo_test(
    root: &Path,
    arguments: &[&str],
    log: &Path,
    servers: &ForTests,
    tally: &mut Tally,
) -> Result<()> {
    println!("$ cargo test {} --no-fail-fast", arguments.join(" "));
    let mut child = cargo()
        .arg("test")
        .args(arguments)
        .arg("--no-fail-fast")
        .env(SKIP_LOG, log)
        .env(SERVICES, servers.file())
        // The servers of tests are on loopback, which a proxy does not reach.
        .env("NO_PROXY", "127.0.0.1,localhost,::1")
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run cargo test")?;
    let before = tally.failed;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("cannot read the output of cargo test")?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            tally.read(&line);
        }
    }
    let status = child.wait().context("cannot wait for cargo test")?;
    if !status.success() && tally.failed == before {
        // A build error, or a test binary that died before its last line.
        tally.failed += 1;
        tally.failures.push(format!("cargo test {} ended with {status}: see above", arguments.join(" ")));
    }
    Ok(())
}

impl Tally {
    fn read(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.passed += count(counts, "passed");
            self.failed += count(counts, "failed");
        } else if let Some((name, outcome)) =
            line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        {
            if outcome.starts_with("ignored") {
                self.ignored.push(name.to_owned());
            } else if outcome.starts_with("FAILED") {
                self.failures.push(name.to_owned());
            }
        }
    }
}

/// The number in front of `word` in `ok. 3 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> u64 {
    let before = counts.split(word).next().unwrap_or_default();
    before.trim_end().rsplit([' ', ';']).next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Name → reason. A test that skips itself in several cases counts once.
fn parse_skips(log: &str) -> BTreeMap<String, String> {
    let lines = log.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| line.split_once('\t').unwrap_or((line, "no reason given"))).map(owned).collect()
}

fn owned((name, reason): (&str, &str)) -> (String, String) {
    (name.to_owned(), reason.to_owned())
}

/// The names of a list whose lines are `name  # reason`; a name may end in `*`.
fn parse_allowed(list: &str) -> Vec<String> {
    let names = list.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn is_allowed(allowed: &[String], name: &str) -> bool {
    allowed.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == pattern,
    })
}

/// Prints the outcome; `true` when nothing failed.
fn report(mut tally: Tally, skips: &BTreeMap<String, String>, allowed: &[String], ci: bool) -> bool {
    println!();
    let ignored = tally.ignored.iter().map(|name| (name.as_str(), "ignored in the source"));
    let skipped: Vec<(&str, &str)> =
        skips.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).chain(ignored).collect();
    let mut refused = 0;
    for (name, reason) in &skipped {
        let refuse = ci && !is_allowed(allowed, name);
        refused += u64::from(refuse);
        let note = if refuse { " (not in the list of allowed skips)" } else { "" };
        println!("SKIPPED: {name}: {reason}{note}");
    }
    for name in &tally.failures {
        println!("FAILED: {name}");
    }
    tally.passed = tally.passed.saturating_sub(skips.len() as u64);
    if refused > 0 {
        println!("error: {refused} tests were skipped in CI; list them in {ALLOWED} or make them run");
    }
    println!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, skipped.len());
    tally.failed == 0 && refused == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_summed_over_test_binaries() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test b::c ... ignored, needs a server",
            "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test d ... FAILED",
            "test result: FAILED. 10 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        ] {
            tally.read(line);
        }
        let expected =
            Tally { passed: 12, failed: 1, ignored: vec!["b::c".into()], failures: vec!["d".into()] };
        assert_eq!(tally, expected);
    }

    #[test]
    fn a_skip_counts_once_and_not_as_passed() {
        let skips = parse_skips("needs_minio\tminio is not installed\nneeds_minio\tminio is not installed\n");
        assert_eq!(skips.len(), 1);
        let tally = || Tally { passed: 2, ..Tally::default() };
        assert!(report(tally(), &skips, &[], false));
        assert!(!report(tally(), &skips, &[], true));
        assert!(report(tally(), &skips, &["needs_*".into()], true));
    }

    #[test]
    fn the_list_of_allowed_skips_has_comments() {
        assert_eq!(
            parse_allowed("# head\n\nneeds_minio # not packaged\nslow_*\n"),
            ["needs_minio", "slow_*"]
        );
    }
}
