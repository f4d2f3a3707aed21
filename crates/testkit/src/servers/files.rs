//! Where software is installed and where servers keep their state.

use super::{Failure, Lifetime};
use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The variable that names another folder for installed software.
const SERVERS_DIR: &str = "ROCKHOLD_SERVERS_DIR";

/// The target directory of the build this program comes from.
pub fn target_dir() -> PathBuf {
    // Cargo marks it with this file; it may lie anywhere.
    let built_in = env::current_exe()
        .ok()
        .and_then(|exe| exe.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file()).map(Path::to_owned));
    built_in.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}

/// The folder of installed software: `$ROCKHOLD_SERVERS_DIR`, or `servers` in
/// the target directory.
pub fn install_dir() -> PathBuf {
    env::var_os(SERVERS_DIR).map_or_else(|| target_dir().join("servers"), PathBuf::from)
}

/// The folder of one server that runs: its data, its configuration, its logs.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    kept: bool,
}

static COUNTER: AtomicU64 = AtomicU64::new(0);

impl State {
    /// A new folder for a server called `name`. It goes away with its owner;
    /// that of a detached server is removed by whoever stops the server.
    pub fn fresh(name: &str, lifetime: Lifetime) -> Result<Self, Failure> {
        let parent = target_dir().join("servers").join("state");
        remove_abandoned(&parent);
        let kept = lifetime == Lifetime::Detached;
        let owner = if kept { "shared".to_owned() } else { std::process::id().to_string() };
        loop {
            let path = parent.join(format!("{owner}.{name}.{}", COUNTER.fetch_add(1, Relaxed)));
            fs::create_dir_all(&parent).map_err(|e| Failure::new(format!("{}: {e}", parent.display())))?;
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path, kept }),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Failure::new(format!("{}: {e}", path.display()))),
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside, made when it is not there.
    pub fn dir(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        Ok(path)
    }

    /// A file inside with the given text.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        fs::write(&path, text).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        Ok(path)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if !self.kept {
            // A folder that cannot be removed now is removed as an abandoned one.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// Removes the folders whose owner was killed before it could.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_string_lossy().split('.').next().and_then(|pid| pid.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_its_owner_and_one_of_a_dead_owner_is_found() {
        let state = State::fresh("test", Lifetime::Owned).unwrap();
        let file = state.file("a.conf", "x").unwrap();
        assert!(file.starts_with(state.path()));
        // No process has this number: it is above the highest that Linux gives.
        let abandoned = state.path().with_file_name("4194305.test.0");
        fs::create_dir_all(&abandoned).unwrap();
        let path = state.path().to_owned();
        drop(state);
        assert!(!path.exists());
        drop(State::fresh("test", Lifetime::Owned).unwrap());
        assert!(!abandoned.exists());
    }
}
