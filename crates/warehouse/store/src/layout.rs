//! Where things lie in the directory, and whether a directory is ours.

use rockhold_core::{Error, ErrorKind, Result};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The paths of one warehouse.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// What a directory is before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing is there, or what a creation that was interrupted left.
    Nothing,
    /// A catalog is there.
    Warehouse,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|e| Error::io(e, "open", root.display()))?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn catalog(&self) -> PathBuf {
        self.root.join("catalog.sqlite")
    }

    /// The catalog while it is being made.
    pub(crate) fn new_catalog(&self) -> PathBuf {
        self.root.join("catalog.sqlite.new")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join("LOCK")
    }

    pub(crate) fn secret_key(&self) -> PathBuf {
        self.root.join("secret.key")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// The staging directory of one load or restore.
    pub(crate) fn staging_of(&self, owner: &[u8; 16]) -> PathBuf {
        self.staging().join(hex::encode(owner))
    }

    /// The directory of a data file of that name. Names are ours: 32 hex digits and an extension.
    pub(crate) fn shard(&self, name: &str) -> PathBuf {
        self.data().join(name.get(..2).unwrap_or("00"))
    }

    /// A data file.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.shard(name).join(name)
    }

    /// Looks at the directory without changing it.
    ///
    /// # Errors
    /// `InvalidInput` for a directory that holds other things.
    pub(crate) fn look(&self) -> Result<Found> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(e) => return Err(Error::io(e, "open", self.root.display())),
        };
        if self.catalog().exists() {
            return Ok(Found::Warehouse);
        }
        for entry in entries {
            let entry = entry.map_err(|e| Error::io(e, "open", self.root.display()))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let ours = match name.as_ref() {
                "LOCK" => true,
                "data" | "staging" => is_empty_dir(&entry.path()),
                other => other.starts_with("catalog.sqlite.new"),
            };
            if !ours {
                return Err(Error::invalid(format!(
                    "the directory is not empty and holds no warehouse ('{name}' is there); name another one"
                ))
                .during("open")
                .at(self.root.display()));
            }
        }
        Ok(Found::Nothing)
    }

    /// Refuses file systems on which SQLite's shared memory does not work.
    pub(crate) fn check_file_system(&self) -> Result<()> {
        #[cfg(target_os = "linux")]
        {
            // NFS, SMB, CIFS, SMB2: from statfs(2).
            const REMOTE: [u32; 4] = [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42];
            let stat = rustix::fs::statfs(&self.root)
                .map_err(|e| Error::io(e.into(), "open", self.root.display()))?;
            if REMOTE.contains(&(stat.f_type as u32)) {
                return Err(Error::unsupported(
                    "a warehouse needs a local file system, this one is on the network; name another directory",
                )
                .during("open")
                .at(self.root.display()));
            }
        }
        Ok(())
    }
}

fn is_empty_dir(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Makes a directory; one that is there already is fine.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    match fs::create_dir(path) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(e) => Err(Error::io(e, "make directory", path.display())),
    }
}

/// The error for a directory without a warehouse.
pub(crate) fn missing(root: &Path) -> Error {
    Error::new(ErrorKind::NotFound, "there is no warehouse; name its directory, or create it first")
        .during("open")
        .at(root.display())
}
