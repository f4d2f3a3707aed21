//! Every command that the README shows exists, in both languages the same.

use super::Report;
use crate::workspace::{TextFile, Workspace};
use std::{fs, os::unix::fs::PermissionsExt};

const README: &str = "README.md";
const TRANSLATION: &str = "README.zh-CN.md";

/// The cargo commands that the README may use besides `xtask`.
const CARGO: &[&str] = &["build", "check", "clippy", "doc", "fmt", "install", "run", "test"];

/// A command line of a fenced `sh` block.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    text: String,
}

pub(super) fn check(workspace: &Workspace, files: &[TextFile], tasks: &[String], report: &mut Report) {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let (Some(readme), Some(translation)) = (find(README), find(TRANSLATION)) else {
        report.error(README, 1, format!("{README} and {TRANSLATION} must both exist"));
        return;
    };
    let commands = command_lines(&readme.text);
    for line in &commands {
        for words in simple_commands(&line.text) {
            if let Err(message) = check_command(workspace, tasks, &words) {
                report.error(README, line.number, message);
            }
        }
    }
    compare(&commands, &command_lines(&translation.text), report);
}

/// The lines of the `sh` blocks of a Markdown text, without comments, with
/// continued lines joined.
fn command_lines(markdown: &str) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut in_sh = false;
    let mut fenced = false;
    let mut continued = false;
    for (index, raw) in markdown.lines().enumerate() {
        if let Some(info) = raw.trim_start().strip_prefix("```") {
            fenced = !fenced;
            in_sh = fenced && info.trim() == "sh";
            continued = false;
            continue;
        }
        let text = raw.split(" #").next().unwrap_or_default().trim();
        if !in_sh || text.is_empty() || text.starts_with('#') {
            continue;
        }
        let part = text.strip_suffix('\\').unwrap_or(text).trim_end();
        match lines.last_mut().filter(|_| continued) {
            Some(last) => last.text = format!("{} {part}", last.text),
            None => lines.push(Line { number: index + 1, text: part.to_owned() }),
        }
        continued = text.ends_with('\\');
    }
    lines
}

/// The commands of a line, as words, without variable assignments in front.
fn simple_commands(line: &str) -> Vec<Vec<&str>> {
    line.split("&&")
        .flat_map(|part| part.split([';', '|']))
        .map(|part| part.split_whitespace().skip_while(|word| *word == "$" || is_assignment(word)).collect())
        .filter(|words: &Vec<&str>| !words.is_empty())
        .collect()
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

fn check_command(workspace: &Workspace, tasks: &[String], words: &[&str]) -> Result<(), String> {
    match words {
        ["cargo", "xtask", task, ..] if tasks.iter().any(|name| name == task) => Ok(()),
        ["cargo", "xtask", task, ..] => Err(format!("cargo xtask has no task {task}")),
        ["cargo", command, rest @ ..] if CARGO.contains(command) => check_arguments(workspace, rest),
        ["cargo", command, ..] => Err(format!("cargo {command} is not known here")),
        [path, ..] if path.starts_with("./target/") => {
            let name = path.rsplit('/').next().unwrap_or_default();
            known_bin(workspace, name)
        }
        [path, ..] if path.starts_with("./") => {
            let file = fs::metadata(workspace.root.join(path)).map_err(|error| format!("{path}: {error}"))?;
            let runs = file.is_file() && file.permissions().mode() & 0o111 != 0;
            if runs { Ok(()) } else { Err(format!("{path} is not an executable file")) }
        }
        _ => Ok(()),
    }
}

/// Packages, binaries and paths that the arguments of a cargo command name.
fn check_arguments(workspace: &Workspace, arguments: &[&str]) -> Result<(), String> {
    let ours = arguments.split(|argument| *argument == "--").next().unwrap_or_default();
    for pair in ours.windows(2) {
        match pair {
            ["-p" | "--package", name] if workspace.package(name).is_none() => {
                return Err(format!("there is no package {name}"));
            }
            ["--bin", name] => known_bin(workspace, name)?,
            ["--path", path] if !workspace.root.join(path).exists() => {
                return Err(format!("{path} does not exist"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn known_bin(workspace: &Workspace, name: &str) -> Result<(), String> {
    let known = workspace.packages.iter().any(|package| package.bins.iter().any(|bin| bin == name));
    if known { Ok(()) } else { Err(format!("no member builds the binary {name}")) }
}

fn compare(readme: &[Line], translation: &[Line], report: &mut Report) {
    for index in 0..readme.len().max(translation.len()) {
        match (readme.get(index), translation.get(index)) {
            (Some(ours), Some(theirs)) if ours.text == theirs.text => {}
            (Some(ours), Some(theirs)) => {
                let message = format!("`{}` is `{}` in {README}", theirs.text, ours.text);
                report.error(TRANSLATION, theirs.number, message);
                return;
            }
            (Some(ours), None) => {
                report.error(README, ours.number, format!("`{}` is not in {TRANSLATION}", ours.text));
                return;
            }
            (None, Some(theirs)) => {
                report.error(TRANSLATION, theirs.number, format!("`{}` is not in {README}", theirs.text));
                return;
            }
            (None, None) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_sh_blocks_only() {
        let text = "```sh\n# note\ncargo xtask test # all\ncargo run \\\n  --release\n```\n```sql\ncargo x\n```\ncargo y\n";
        let lines = command_lines(text);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["cargo xtask test", "cargo run --release"]);
        assert_eq!(lines[1].number, 4);
    }

    #[test]
    fn a_line_is_taken_apart_into_commands() {
        assert_eq!(
            simple_commands("CI=true cargo xtask test && cd x | wc"),
            [vec!["cargo", "xtask", "test"], vec!["cd", "x"], vec!["wc"]]
        );
    }

    #[test]
    fn unknown_tasks_packages_and_files_are_named() {
        let root = std::env::temp_dir();
        let workspace = Workspace { target: root.join("target"), root, packages: Vec::new() };
        let check = |line: &str| {
            let tasks = ["test".to_owned()];
            check_command(&workspace, &tasks, &line.split_whitespace().collect::<Vec<_>>())
        };
        assert_eq!(check("cargo xtask test"), Ok(()));
        assert!(check("cargo xtask fly").is_err());
        assert!(check("cargo frobnicate").is_err());
        assert!(check("cargo run -p nothing -- -p x").is_err());
        assert_eq!(check("cargo run -- -p x"), Ok(()));
        assert!(check("./no-such-file-here.sh").is_err());
        assert_eq!(check("git clone x"), Ok(()));
    }

    #[test]
    fn a_translation_with_another_command_is_refused() {
        let line = |text: &str| Line { number: 1, text: text.into() };
        let mut report = Report::default();
        compare(&[line("a")], &[line("a"), line("b")], &mut report);
        compare(&[line("a")], &[line("b")], &mut report);
        compare(&[line("a")], &[line("a")], &mut report);
        assert_eq!(report.errors.len(), 2);
    }
}
