//! The rules of the house that the compiler does not know.
//!
//! Each module is one rule or one family of rules; CONTRIBUTING.md says what
//! they ask for.

mod edges;
mod layout;
mod leftovers;
mod links;
mod lockfile;
mod manifests;
mod readme;
mod rust_text;

use crate::workspace::Workspace;
use anyhow::Result;

/// What the rules found, as `path:line: message`.
#[derive(Default)]
struct Report {
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Report {
    fn error(&mut self, path: &str, line: usize, message: impl AsRef<str>) {
        self.errors.push(format!("{path}:{line}: {}", message.as_ref()));
    }

    fn warn(&mut self, path: &str, line: usize, message: impl AsRef<str>) {
        self.warnings.push(format!("{path}:{line}: warning: {}", message.as_ref()));
    }
}

/// Runs every rule; `false` when one is broken.
pub(crate) fn run() -> Result<bool> {
    let workspace = Workspace::load()?;
    let files = workspace.files()?;
    let mut report = Report::default();
    edges::check(&workspace, &mut report);
    lockfile::check(&files, &mut report);
    manifests::check(&workspace, &mut report);
    leftovers::check(&files, &mut report);
    layout::check(&workspace, &files, &mut report);
    links::check(&workspace, &files, &mut report);
    readme::check(&workspace, &files, &crate::task_names(), &mut report);
    for line in report.warnings.iter().chain(&report.errors) {
        println!("{line}");
    }
    println!(
        "tidy: {} files, {} errors, {} warnings",
        files.len(),
        report.errors.len(),
        report.warnings.len()
    );
    Ok(report.errors.is_empty())
}
