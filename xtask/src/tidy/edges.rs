//! Which crate may depend on which, and who may link DataFusion.

use super::Report;
use crate::workspace::Workspace;

/// For a member (first matching row), the members that it may depend on.
/// A trailing `*` stands for the rest of the path.
const EDGES: &[(&str, &[&str])] = &[
    ("crates/core", &[]),
    ("crates/layers", &["crates/core"]),
    ("crates/model", &["crates/core"]),
    ("crates/sql", &["crates/core", "crates/model"]),
    ("crates/storage/oss", &["crates/core", "crates/storage/s3"]),
    ("crates/storage/cos", &["crates/core", "crates/storage/s3"]),
    ("crates/storage/obs", &["crates/core", "crates/storage/s3"]),
    ("crates/storage/*", &["crates/core"]),
    // The rows of a materialized view are a table's: one rule for both.
    (
        "crates/objects/materialized-view",
        &["crates/core", "crates/model", "crates/sql", "crates/objects/table"],
    ),
    ("crates/objects/*", &["crates/core", "crates/model", "crates/sql"]),
    ("crates/engine", &["crates/core", "crates/model", "crates/sql", "crates/layers"]),
    ("crates/warehouse/store", &["crates/core", "crates/model"]),
    ("crates/warehouse/embedded", &["crates/core", "crates/model", "crates/sql", "crates/warehouse/store"]),
    // A stand-in knows no contract of ours; it is there for the adapter's tests alone.
    ("crates/testkit/gcs", &[]),
    ("crates/testkit", &["crates/core", "crates/layers", "crates/model"]),
    ("crates/rockhold", &["crates/*"]),
    ("crates/cli", &["crates/rockhold"]),
    ("tests", &["crates/*"]),
    ("tests/bench", &["crates/*"]),
    // For its module `servers`, which depends on nothing of ours.
    ("xtask", &["crates/testkit"]),
];

/// What any member may use in its tests on top of [`EDGES`].
const DEV_EDGES: &[&str] = &[
    "crates/testkit",
    "crates/testkit/gcs",
    "crates/layers",
    "crates/storage/*",
    "crates/objects/*",
    "crates/warehouse/*",
];

/// The one member that links DataFusion.
const DATAFUSION: &str = "crates/warehouse/embedded";

pub(super) fn check(workspace: &Workspace, report: &mut Report) {
    for package in &workspace.packages {
        let manifest = &package.manifest;
        let row = EDGES.iter().find(|(from, _)| matches(from, &package.dir));
        if row.is_none() {
            let message = format!("{} is not in the table of edges (xtask/src/tidy/edges.rs)", package.dir);
            report.error(&manifest.path, 1, message);
        }
        for dependency in &package.dependencies {
            let line = manifest.line_where(|line| declares(line, &dependency.name));
            if dependency.name.starts_with("datafusion") && package.dir != DATAFUSION {
                let message = format!("only {DATAFUSION} links DataFusion, not {}", package.dir);
                report.error(&manifest.path, line, message);
            }
            let Some(target) = workspace.package(&dependency.name) else { continue };
            let Some((_, allowed)) = row else { continue };
            if !may_depend(allowed, dependency.dev, &target.dir) {
                let message = format!("{} must not depend on {}", package.dir, target.dir);
                report.error(&manifest.path, line, message);
            }
        }
    }
}

fn may_depend(allowed: &[&str], dev: bool, target: &str) -> bool {
    let listed = |patterns: &[&str]| patterns.iter().any(|pattern| matches(pattern, target));
    listed(allowed) || (dev && listed(DEV_EDGES))
}

fn matches(pattern: &str, dir: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => dir.starts_with(prefix),
        None => dir == pattern,
    }
}

/// Whether a manifest line declares the dependency `name`.
fn declares(line: &str, name: &str) -> bool {
    line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(from: &str, dev: bool, to: &str) -> bool {
        let row = EDGES.iter().find(|(pattern, _)| matches(pattern, from));
        row.is_some_and(|(_, allowed)| may_depend(allowed, dev, to))
    }

    #[test]
    fn an_adapter_sees_core_and_nothing_else() {
        assert!(allowed("crates/storage/fs", false, "crates/core"));
        assert!(!allowed("crates/storage/fs", false, "crates/layers"));
        assert!(!allowed("crates/storage/hdfs", false, "crates/storage/s3"));
        assert!(allowed("crates/storage/oss", false, "crates/storage/s3"));
    }

    #[test]
    fn tests_may_use_the_testkit_and_a_warehouse() {
        assert!(!allowed("crates/engine", false, "crates/testkit"));
        assert!(allowed("crates/engine", true, "crates/testkit"));
        assert!(allowed("crates/engine", true, "crates/warehouse/embedded"));
        assert!(!allowed("crates/engine", true, "crates/cli"));
    }

    #[test]
    fn the_command_line_sees_the_facade_only() {
        assert!(allowed("crates/cli", false, "crates/rockhold"));
        assert!(!allowed("crates/cli", false, "crates/engine"));
    }

    #[test]
    fn a_manifest_line_is_found_by_the_whole_name() {
        assert!(declares("rockhold-core.workspace = true", "rockhold-core"));
        assert!(declares("rockhold = { workspace = true }", "rockhold"));
        assert!(!declares("rockhold-core.workspace = true", "rockhold"));
    }
}
