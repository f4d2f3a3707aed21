//! What must not stay behind in a finished change.

use super::{Report, rust_text};
use crate::workspace::TextFile;

// Written in halves, so that this file passes its own check.
const MARKERS: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
const MACROS: &[&str] = &[concat!("to", "do!"), concat!("unimple", "mented!"), concat!("db", "g!")];
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/tmp/", "target")];

pub(super) fn check(files: &[TextFile], report: &mut Report) {
    for file in files {
        each_line(file, &file.text, report, |line| {
            MACHINE_PATHS
                .iter()
                .find(|path| contains(line, path))
                .map(|path| format!("{path} is a path of one machine"))
        });
        let rust = file.path.ends_with(".rs");
        let text =
            [".toml", ".md", ".sh"].iter().any(|end| file.path.ends_with(end)) || file.path == ".ci/run";
        if rust || text {
            each_line(file, &file.text, report, |line| {
                let found = MARKERS.iter().chain(MACROS).find(|word| contains(line, word));
                found.map(|word| format!("{word} is left over"))
            });
        }
        if rust && !file.path.starts_with("crates/plugin/") {
            each_line(file, &rust_text::mask(&file.text), report, |line| {
                contains(line, "unsafe").then(|| "unsafe belongs in crates/plugin only".to_owned())
            });
        }
    }
}

fn each_line(file: &TextFile, text: &str, report: &mut Report, find: impl Fn(&str) -> Option<String>) {
    for (index, line) in text.lines().enumerate() {
        if let Some(message) = find(line) {
            report.error(&file.path, index + 1, message);
        }
    }
}

/// Whether `line` holds `word`, not as a piece of a longer word.
fn contains(line: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let end = start + word.len();
        let open = line[..start].chars().next_back().is_none_or(|c| !is_word(c) && c != '.');
        // A word that ends in punctuation has its end inside it.
        let close = !word.ends_with(is_word) || line[end..].chars().next().is_none_or(|c| !is_word(c));
        open && close
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(path: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        check(&[TextFile { path: path.into(), text: text.into() }], &mut report);
        report.errors
    }

    #[test]
    fn markers_are_whole_words() {
        let marker = MARKERS[0];
        assert_eq!(errors("a.rs", &format!("\n// {marker}: later\n")).len(), 1);
        assert_eq!(errors("a.rs", &format!("let {marker}_LIST = 1;\n")).len(), 0);
        assert_eq!(errors("a.parquet", marker).len(), 0);
        assert_eq!(errors("a.md", &format!("calls {}()", MACROS[2])).len(), 1);
    }

    #[test]
    fn unsafe_counts_in_code_only() {
        let word = "unsafe";
        assert_eq!(
            errors("a.rs", &format!("{word} fn f() {{}}")),
            ["a.rs:1: unsafe belongs in crates/plugin only"]
        );
        assert!(errors("a.rs", &format!("// {word}\nlet a = \"{word}\";")).is_empty());
        assert!(errors("crates/plugin/abi/src/lib.rs", &format!("{word} {{}}")).is_empty());
        assert!(errors("Cargo.toml", &format!("{word}_code = \"forbid\"")).is_empty());
    }

    #[test]
    fn machine_paths_count_in_every_text_file() {
        assert_eq!(errors("notes.txt", &format!("see {}main", MACHINE_PATHS[0])).len(), 1);
        assert!(errors("notes.txt", &format!("net{}x", MACHINE_PATHS[0])).is_empty());
    }
}
