//! Where things lie and how long they get.

use super::Report;
use crate::workspace::{TextFile, Workspace};

/// The files that every storage adapter has, so that who knows one knows all.
const ADAPTER_FILES: &[&str] = &["backend", "config", "error", "reader", "writer", "lister", "deleter"];

/// `lib.rs` is a table of contents: lines of it that are neither blank nor comment.
const MAX_LIB_LINES: usize = 120;

/// From here on a file is looked at.
const WARN_LINES: usize = 600;

/// From here on it is refused.
const MAX_LINES: usize = 800;

pub(super) fn check(workspace: &Workspace, files: &[TextFile], report: &mut Report) {
    for package in workspace.packages.iter().filter(|package| package.dir.starts_with("crates/storage/")) {
        // A vendor over another adapter has only what is its own.
        let is_thin = package.dependencies.iter().any(|d| !d.dev && d.name.starts_with("rockhold-storage-"));
        if is_thin {
            continue;
        }
        for missing in missing_adapter_files(&package.dir, files) {
            report.error(
                &package.manifest.path,
                1,
                format!("{missing} is missing: adapters have the same files"),
            );
        }
    }
    for file in files.iter().filter(|file| file.path.ends_with(".rs")) {
        check_length(file, report);
    }
}

fn missing_adapter_files(dir: &str, files: &[TextFile]) -> Vec<String> {
    let exists = |path: &str| files.iter().any(|file| file.path == path);
    ADAPTER_FILES
        .iter()
        .map(|name| format!("{dir}/src/{name}"))
        .filter(|path| !exists(&format!("{path}.rs")) && !exists(&format!("{path}/mod.rs")))
        .map(|path| format!("{path}.rs"))
        .collect()
}

fn check_length(file: &TextFile, report: &mut Report) {
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        report.error(&file.path, lines, format!("{lines} lines, {MAX_LINES} at most: split it by subject"));
    } else if lines > WARN_LINES {
        report.warn(&file.path, lines, format!("{lines} lines: is it still one subject?"));
    }
    if file.path.ends_with("src/lib.rs") {
        let code =
            file.text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
        let count = code.count();
        if count > MAX_LIB_LINES {
            let message =
                format!("{count} lines of code, {MAX_LIB_LINES} at most: lib.rs is docs, mod and pub use");
            report.error(&file.path, lines, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, lines: usize) -> TextFile {
        TextFile { path: path.into(), text: "x\n".repeat(lines) }
    }

    fn lengths(file: &TextFile) -> (usize, usize) {
        let mut report = Report::default();
        check_length(file, &mut report);
        (report.errors.len(), report.warnings.len())
    }

    #[test]
    fn long_files_are_warned_about_and_then_refused() {
        assert_eq!(lengths(&file("a/src/b.rs", 600)), (0, 0));
        assert_eq!(lengths(&file("a/src/b.rs", 601)), (0, 1));
        assert_eq!(lengths(&file("a/src/b.rs", 801)), (1, 0));
        assert_eq!(lengths(&file("a/src/lib.rs", 121)), (1, 0));
        let docs = TextFile { path: "a/src/lib.rs".into(), text: "//! x\n".repeat(300) };
        assert_eq!(lengths(&docs), (0, 0));
    }

    #[test]
    fn an_adapter_names_its_missing_files() {
        let files: Vec<TextFile> = ADAPTER_FILES[1..]
            .iter()
            .map(|name| file(&format!("crates/storage/a/src/{name}.rs"), 1))
            .collect();
        assert_eq!(missing_adapter_files("crates/storage/a", &files), ["crates/storage/a/src/backend.rs"]);
    }
}
