//! Every crate carries the name of its directory and the lints of the workspace.

use super::Report;
use crate::workspace::Workspace;

pub(super) fn check(workspace: &Workspace, report: &mut Report) {
    for package in &workspace.packages {
        let manifest = &package.manifest;
        if !inherits_lints(&manifest.text) {
            report.error(&manifest.path, 1, "[lints] workspace = true is missing");
        }
        let line = manifest.line_where(|line| line.starts_with("name"));
        match expected_name(&package.dir) {
            Some(name) if name == package.name => {}
            Some(name) => {
                let message =
                    format!("the package is called {}, its directory asks for {name}", package.name);
                report.error(&manifest.path, line, message);
            }
            None => report.error(&manifest.path, line, format!("no rule names a package in {}", package.dir)),
        }
    }
}

/// The package name that belongs to a directory.
fn expected_name(dir: &str) -> Option<String> {
    if dir == "xtask" || dir == "crates/rockhold" {
        return dir.rsplit('/').next().map(str::to_owned);
    }
    let below = dir.strip_prefix("crates/").unwrap_or(dir);
    match below.split('/').collect::<Vec<_>>()[..] {
        [one] => Some(format!("rockhold-{one}")),
        // An object type is one object; the folder holds many.
        ["objects", kind] => Some(format!("rockhold-object-{kind}")),
        ["plugins", name] => Some(format!("rockhold-plugin-{name}")),
        [family, member] => Some(format!("rockhold-{family}-{member}")),
        _ => None,
    }
}

fn inherits_lints(manifest: &str) -> bool {
    let mut in_lints = false;
    manifest.lines().map(str::trim).any(|line| {
        if line.starts_with('[') {
            in_lints = line == "[lints]";
        }
        in_lints && line.replace(' ', "") == "workspace=true"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_directories() {
        let name = |dir| expected_name(dir).unwrap();
        assert_eq!(name("crates/core"), "rockhold-core");
        assert_eq!(name("crates/storage/fs"), "rockhold-storage-fs");
        assert_eq!(name("crates/objects/table"), "rockhold-object-table");
        assert_eq!(name("crates/warehouse/store"), "rockhold-warehouse-store");
        assert_eq!(name("crates/rockhold"), "rockhold");
        assert_eq!(name("tests"), "rockhold-tests");
        assert_eq!(name("xtask"), "xtask");
        assert_eq!(expected_name("crates/a/b/c"), None);
    }

    #[test]
    fn lints_are_inherited_in_their_own_section_only() {
        assert!(inherits_lints("[package]\nname = \"x\"\n\n[lints]\nworkspace = true\n"));
        assert!(!inherits_lints("[package]\nversion.workspace = true\n\n[x]\nworkspace = true\n"));
    }
}
