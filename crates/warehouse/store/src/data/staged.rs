//! A file while it is being written: hashed on the way, removed when given up.

use super::{FileInfo, durable::begin_writeback, new_name};
use crate::layout::{Layout, make_dir};
use bytes::Bytes;
use rockhold_core::{Error, Hasher, Result};
use std::{
    fs::File,
    io::{self, IoSlice, Write},
    path::PathBuf,
};

/// How much is written in one call. On Linux 6.18 writes of megabytes were
/// measured at up to five times the processor time of these.
pub(crate) const WRITE_LEN: usize = 256 << 10;

/// From this length on, the way to the disk begins when the file ends.
const WRITEBACK_LEN: u64 = 1 << 20;

fn ended() -> io::Error {
    io::Error::other("the file has ended")
}

/// Writes slices that are not empty, in one call where the system takes them.
fn write_all(file: &mut File, slices: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
    let mut left = slices.as_mut_slice();
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut left, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Writes a file in the staging directory of its owner and computes its digest.
pub(crate) struct StagedWriter {
    file: Option<File>,
    path: PathBuf,
    name: String,
    hasher: Hasher,
    len: u64,
}

impl StagedWriter {
    /// Begins a file of that extension; makes the staging directory.
    pub(crate) fn create(layout: &Layout, owner: &[u8; 16], extension: &str) -> Result<Self> {
        let name = new_name(extension)?;
        make_dir(&layout.staging_of(owner))?;
        Self::create_named(layout, owner, name)
    }

    /// Begins a file of a [`new_name`] in a staging directory that is there.
    pub(crate) fn create_named(layout: &Layout, owner: &[u8; 16], name: String) -> Result<Self> {
        let path = layout.staging_of(owner).join(&name);
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(|e| Error::io(e, "write", path.display()))?;
        Ok(Self { file: Some(file), path, name, hasher: Hasher::new(), len: 0 })
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Appends pieces of any length, [`WRITE_LEN`] at a time.
    pub(crate) fn write_pieces(&mut self, pieces: &[Bytes]) -> io::Result<()> {
        let file = self.file.as_mut().ok_or_else(ended)?;
        let slices: Vec<&[u8]> = pieces.iter().flat_map(|piece| piece.chunks(WRITE_LEN)).collect();
        let mut rest = slices.as_slice();
        while !rest.is_empty() {
            let mut len = 0;
            let fits = |slice: &&&[u8]| {
                len += slice.len();
                len <= WRITE_LEN
            };
            let (now, later) = rest.split_at(rest.iter().take_while(fits).count());
            write_all(file, now)?;
            for slice in now {
                self.hasher.update(slice);
                self.len = self.len.saturating_add(slice.len() as u64);
            }
            rest = later;
        }
        Ok(())
    }

    /// Ends the file; its bytes are not durable yet.
    pub(crate) fn finish(mut self, rows: u64) -> Result<FileInfo> {
        let Some(file) = self.file.take() else {
            return Err(Error::internal("a file was ended twice").at(self.path.display()));
        };
        if self.len >= WRITEBACK_LEN {
            begin_writeback(&file);
        }
        drop(file);
        Ok(FileInfo {
            digest: std::mem::take(&mut self.hasher).finish(),
            len: self.len,
            rows,
            name: std::mem::take(&mut self.name),
        })
    }
}

impl Write for StagedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let file = self.file.as_mut().ok_or_else(ended)?;
        let n = file.write(bytes.get(..WRITE_LEN).unwrap_or(bytes))?;
        self.hasher.update(bytes.get(..n).unwrap_or_default());
        self.len = self.len.saturating_add(n as u64);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for StagedWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What stays is removed with the staging directory.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
