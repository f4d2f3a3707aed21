//! Every relative link in a Markdown file leads to a file.

use super::Report;
use crate::workspace::{TextFile, Workspace};
use std::path::Path;

pub(super) fn check(workspace: &Workspace, files: &[TextFile], report: &mut Report) {
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let dir = workspace.root.join(&file.path);
        let dir = dir.parent().unwrap_or(&workspace.root);
        for (line, target) in broken(&file.text, dir) {
            report.error(&file.path, line, format!("the link leads nowhere: {target}"));
        }
    }
}

/// Line and target of each relative link that does not exist below `dir`.
fn broken<'a>(text: &'a str, dir: &Path) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        // Odd pieces lie between backquotes: code, where brackets are no links.
        let prose = line.split('`').step_by(2).filter(|_| !fenced);
        for target in
            prose.flat_map(|piece| piece.split("](").skip(1)).filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap_or_default();
            let relative = !path.is_empty() && !path.contains("://") && !path.starts_with("mailto:");
            if relative && !dir.join(path).exists() {
                found.push((index + 1, target));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_links_outside_of_code_are_followed() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = "[a](Cargo.toml) [b](src/main.rs#top) [c](https://x) [d](#here)\n[e](gone.md)\n\
                    ```\n[f](gone.md)\n```\n`a[0](gone.md)` [g](gone/)\n";
        assert_eq!(broken(text, dir), [(2, "gone.md"), (6, "gone/")]);
    }
}
