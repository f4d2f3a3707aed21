//! The workspace as cargo and git see it.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The members of the workspace and where it lies.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One member.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Directory relative to the root, such as `crates/core`.
    pub(crate) dir: String,
    pub(crate) manifest: TextFile,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) bins: Vec<String>,
}

/// A dependency as declared.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) dev: bool,
}

/// A text file of the repository.
pub(crate) struct TextFile {
    /// Path relative to the root.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    /// The first line (from 1) for which `wanted` holds, else 1.
    pub(crate) fn line_where(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.text.lines().position(wanted).map_or(1, |index| index + 1)
    }
}

/// The cargo that runs this program, without what it has told this program of
/// its package: build scripts that look at that would run again, and all that
/// depends on them be compiled again, whenever the one that calls changes.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_package)) {
        command.env_remove(name);
    }
    command
}

impl Workspace {
    /// Asks cargo about the workspace around the current directory.
    pub(crate) fn load() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .output()
            .context("cannot run cargo metadata")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
        let root = PathBuf::from(text(&metadata, "workspace_root")?);
        let target = PathBuf::from(text(&metadata, "target_directory")?);
        let packages = array(&metadata, "packages")
            .iter()
            .map(|package| Package::load(&root, package))
            .collect::<Result<_>>()?;
        Ok(Self { root, target, packages })
    }

    /// The member called `name`.
    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// Every text file that is tracked, or would be tracked by `git add`.
    pub(crate) fn files(&self) -> Result<Vec<TextFile>> {
        let output = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("cannot run git ls-files")?;
        if !output.status.success() {
            bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let names = String::from_utf8(output.stdout).context("a file name is not UTF-8")?;
        let mut files = Vec::new();
        for path in names.split('\0').filter(|name| !name.is_empty()) {
            // A deleted file is still listed; a file that is not text has no lines to check.
            if let Ok(bytes) = fs::read(self.root.join(path))
                && let Ok(text) = String::from_utf8(bytes)
            {
                files.push(TextFile { path: path.to_owned(), text });
            }
        }
        Ok(files)
    }
}

impl Package {
    fn load(root: &Path, package: &Value) -> Result<Self> {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let relative = manifest.strip_prefix(root).context("a member outside of the workspace")?;
        let dir = relative.parent().unwrap_or(Path::new("")).to_string_lossy().into_owned();
        let mut dependencies = Vec::new();
        for dependency in array(package, "dependencies") {
            dependencies.push(Dependency {
                name: text(dependency, "name")?.to_owned(),
                dev: dependency["kind"].as_str() == Some("dev"),
            });
        }
        let bins = array(package, "targets")
            .iter()
            .filter(|target| array(target, "kind").iter().any(|kind| kind == "bin"))
            .filter_map(|target| target["name"].as_str().map(str::to_owned))
            .collect();
        Ok(Self {
            name: text(package, "name")?.to_owned(),
            dir,
            manifest: TextFile {
                path: relative.to_string_lossy().into_owned(),
                text: fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?,
            },
            dependencies,
            bins,
        })
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("cargo metadata has no {field}"))
}

fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}
