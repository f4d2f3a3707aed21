//! Files that FILES writes on this machine: under a hidden name, made durable
//! and renamed.

use super::sink::failed;
use rockhold_sql::SqlError;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A directory of this machine; it is made when there is a file for it.
#[derive(Debug, Clone)]
pub(crate) struct LocalDirectory {
    path: PathBuf,
    /// Directories that got an entry since the last barrier.
    changed: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl LocalDirectory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, changed: Arc::default() }
    }

    /// Begins a file in a directory `place` below (or in this one, when empty).
    ///
    /// # Errors
    /// The directory cannot be made or written to.
    pub(crate) fn create(&self, place: &str, name: &str) -> Result<LocalSink, SqlError> {
        let directory = self.path.join(place);
        self.make(&directory).map_err(|e| failed(&directory.display(), &e))?;
        let (hidden, shown) = (directory.join(format!(".{name}.part")), directory.join(name));
        let file = File::create_new(&hidden).map_err(|e| failed(&shown.display(), &e))?;
        Ok(LocalSink { out: Some(BufWriter::new(file)), hidden, shown })
    }

    fn make(&self, directory: &Path) -> io::Result<()> {
        // What is missing becomes an entry of the one above.
        let missing = directory.ancestors().take_while(|path| !path.exists());
        let above: Vec<PathBuf> = missing.filter_map(Path::parent).map(Path::to_path_buf).collect();
        fs::create_dir_all(directory)?;
        let mut changed = self.changed();
        changed.extend(above);
        changed.insert(directory.to_path_buf());
        Ok(())
    }

    fn changed(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the names of all finished files durable; what is in them is, since
    /// before they were renamed. Blocks.
    ///
    /// # Errors
    /// A directory cannot be synced: its files may be lost with the power.
    pub(crate) fn barrier(&self) -> Result<(), SqlError> {
        let changed = std::mem::take(&mut *self.changed());
        for directory in changed {
            match File::open(&directory).and_then(|opened| opened.sync_all()) {
                Ok(()) => {}
                // Somebody removed it, and with it what would be lost.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(&directory.display(), &error)),
            }
        }
        Ok(())
    }
}

/// A file while it is written; dropping it removes what was written.
pub(crate) struct LocalSink {
    out: Option<BufWriter<File>>,
    hidden: PathBuf,
    shown: PathBuf,
}

impl LocalSink {
    pub(crate) fn shown(&self) -> String {
        self.shown.display().to_string()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.out {
            Some(out) => out.write(bytes),
            None => Err(io::Error::other("the file has ended")),
        }
    }

    /// Makes the file durable and gives it its name.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let out = self.out.take().ok_or_else(|| io::Error::other("the file has ended"))?;
        let done = out.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| {
            file.sync_all()?;
            fs::rename(&self.hidden, &self.shown)
        });
        if done.is_err() {
            discard(&self.hidden);
        }
        done
    }

    /// Removes what was written, unless it was finished.
    pub(crate) fn abort(&mut self) {
        if self.out.take().is_some() {
            discard(&self.hidden);
        }
    }
}

impl Drop for LocalSink {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Removes what is of no use to anybody.
fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(%error, path = %path.display(), "an unfinished file stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &LocalDirectory, root: &Path) -> Vec<String> {
        let changed = directory.changed();
        let name = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        changed.iter().map(name).collect()
    }

    #[test]
    fn every_directory_that_got_an_entry_is_synced_once() {
        let root = tempfile::TempDir::new().unwrap();
        let directory = LocalDirectory::new(root.path().join("a/b"));
        for name in ["x", "y"] {
            let mut sink = directory.create("p=1", name).unwrap();
            sink.write(b"1").unwrap();
            sink.finish().unwrap();
        }
        // The directories made for it are entries of those above.
        assert_eq!(names(&directory, root.path()), ["", "a", "a/b", "a/b/p=1"]);
        directory.barrier().unwrap();
        assert!(names(&directory, root.path()).is_empty());
        directory.create("p=1", "z").unwrap().finish().unwrap();
        assert_eq!(names(&directory, root.path()), ["a/b/p=1"]);
        assert!(root.path().join("a/b/p=1/z").exists());
    }

    #[test]
    fn a_directory_that_cannot_be_synced_is_an_error() {
        let root = tempfile::TempDir::new().unwrap();
        let directory = LocalDirectory::new(root.path().join("a"));
        directory.create("", "x").unwrap().finish().unwrap();
        // It is gone: nothing is left to be lost.
        fs::rename(root.path().join("a"), root.path().join("b")).unwrap();
        directory.barrier().unwrap();
        // What stands in its way now cannot be looked into.
        directory.create("p", "x").unwrap().finish().unwrap();
        fs::remove_dir_all(root.path().join("a")).unwrap();
        fs::write(root.path().join("a"), "a file").unwrap();
        let error = directory.barrier().unwrap_err().message;
        assert!(error.contains("/a/p: "), "{error}");
    }

    #[test]
    fn an_unfinished_file_is_removed() {
        let root = tempfile::TempDir::new().unwrap();
        let directory = LocalDirectory::new(root.path().to_path_buf());
        let mut sink = directory.create("", "x").unwrap();
        sink.write(b"1").unwrap();
        sink.abort();
        assert!(sink.write(b"2").is_err() && sink.finish().is_err());
        drop(directory.create("", "y").unwrap());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
