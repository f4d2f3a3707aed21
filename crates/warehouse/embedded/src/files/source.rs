//! Files that FILES reads, wherever they lie.
//!
//! Files of this machine are read as files. Those of a store are read in
//! ranges: of a Parquet file the footer and the chunks of the columns that are
//! asked for, one row group after another; a CSV file as one stream. Nothing
//! is copied to disk.

use super::super::error::of_store;
use bytes::{Buf, Bytes};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::error::{DataFusionError, Result};
use datafusion::object_store::path::Path as StorePath;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use rockhold_core::{Error, GetRequest, Key, SharedRepository};
use rockhold_sql::SqlError;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Ranges with at most this many bytes between them are read as one.
const GAP: u64 = 256 << 10;

/// The longest range that is read as one, unless one alone is longer.
const MOST: u64 = 8 << 20;

/// Ranges of one file that are read at a time.
const AT_ONCE: usize = 4;

/// The end of a Parquet file, which most often holds its whole footer.
const FOOTER: usize = 64 << 10;

/// A file that FILES reads.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Its location, as a person would write it.
    pub(crate) shown: String,
    /// Its length in bytes.
    pub(crate) len: u64,
    /// When it was written, in microseconds since 1970, where that is known.
    pub(crate) modified: Option<i64>,
    pub(crate) place: Source,
}

/// Where a file lies.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Local(PathBuf),
    Stored {
        repository: SharedRepository,
        key: Key,
        /// What it was when it was found: a file that is replaced meanwhile is
        /// an error, not half of each.
        etag: Option<String>,
    },
}

impl SourceFile {
    /// An error about the file.
    pub(crate) fn failed(&self, error: &dyn std::fmt::Display) -> SqlError {
        SqlError::execute(format!("Failed to read {}: {error}", self.shown))
    }

    /// Opens the file to be read from its beginning, on a thread that may block.
    ///
    /// # Errors
    /// It is gone or cannot be reached.
    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, SqlError> {
        match &self.place {
            Source::Local(path) => {
                let file = File::open(path).map_err(|error| self.failed(&error))?;
                Ok(Box::new(file))
            }
            Source::Stored { repository, .. } if self.len == 0 => {
                // A range of nothing cannot be asked for.
                let _ = repository;
                Ok(Box::new(io::empty()))
            }
            Source::Stored { repository, key, etag } => {
                let handle = Handle::current();
                let request = request(key, etag.as_deref());
                let reader = handle
                    .block_on(repository.get(request))
                    .map_err(|error| self.failed(&of_store(error)))?;
                Ok(Box::new(Streamed { handle, stream: reader.stream, piece: Bytes::new() }))
            }
        }
    }

    /// Reads a range.
    async fn range(&self, range: Range<u64>) -> Result<Bytes, Error> {
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match &self.place {
            Source::Stored { repository, key, etag } => {
                let wanted = range.end - range.start;
                let request = request(key, etag.as_deref()).range(range);
                let reader = repository.get(request).await?;
                reader.read_all(wanted).await
            }
            Source::Local(path) => {
                let (path, shown) = (path.clone(), self.shown.clone());
                tokio::task::spawn_blocking(move || {
                    use std::io::{Seek, SeekFrom};
                    let failed = |error: io::Error| Error::io(error, "read", &shown);
                    let mut file = File::open(path).map_err(failed)?;
                    file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
                    let mut bytes = Vec::new();
                    file.take(range.end - range.start).read_to_end(&mut bytes).map_err(failed)?;
                    Ok(Bytes::from(bytes))
                })
                .await
                .map_err(|error| Error::internal("reading a file was torn down").because(error))?
            }
        }
    }
}

fn request(key: &Key, etag: Option<&str>) -> GetRequest {
    let request = GetRequest::new(key.clone());
    match etag {
        Some(etag) => request.if_match(etag),
        None => request,
    }
}

/// A stream of bytes, read on a thread that may block.
struct Streamed {
    handle: Handle,
    stream: BoxStream<'static, Result<Bytes, Error>>,
    piece: Bytes,
}

impl Read for Streamed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.handle.block_on(self.stream.next()) {
                Some(piece) => self.piece = piece.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let len = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(buffer.get_mut(..len).unwrap_or_default());
        Ok(len)
    }
}

/// Opens Parquet files by the names under which a scan knows them.
#[derive(Debug, Default)]
pub(crate) struct ParquetSources(HashMap<StorePath, SourceFile>);

impl ParquetSources {
    /// Adds a file; gives the name under which a scan is to know it.
    pub(crate) fn add(&mut self, file: SourceFile) -> StorePath {
        let name = StorePath::from(format!("files/{}", self.0.len()));
        self.0.insert(name.clone(), file);
        name
    }
}

impl ParquetFileReaderFactory for ParquetSources {
    fn create_reader(
        &self,
        _partition: usize,
        file: PartitionedFile,
        _metadata_size_hint: Option<usize>,
        _metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        match self.0.get(file.path()) {
            Some(source) => Ok(Box::new(ParquetSource::new(source.clone()))),
            None => Err(DataFusionError::Internal(format!("FILES does not know {}", file.path()))),
        }
    }
}

/// One Parquet file while it is read.
pub(crate) struct ParquetSource {
    file: SourceFile,
}

impl ParquetSource {
    pub(crate) fn new(file: SourceFile) -> Self {
        Self { file }
    }
}

fn external(error: Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for ParquetSource {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        async move { self.file.range(range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        async move {
            let joined = join(&ranges);
            let file = &self.file;
            let read: Vec<(Range<u64>, Bytes)> = futures::stream::iter(joined)
                .map(|range| async move { Ok((range.clone(), file.range(range).await?)) })
                .buffered(AT_ONCE)
                .try_collect()
                .await
                .map_err(external)?;
            ranges.iter().map(|range| cut(&read, range)).collect()
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let len = self.file.len;
            let mut reader = ParquetMetaDataReader::new()
                .with_prefetch_hint(Some(FOOTER))
                .with_metadata_options(options.map(|options| options.metadata_options().clone()));
            if let Some(options) = options {
                reader = reader
                    .with_column_index_policy(options.column_index_policy())
                    .with_offset_index_policy(options.offset_index_policy());
            } else {
                reader = reader.with_page_index_policy(PageIndexPolicy::Skip);
            }
            reader.load_and_finish(self, len).await.map(Arc::new)
        }
        .boxed()
    }
}

/// Ranges that lie close together as one, in order.
fn join(ranges: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut sorted: Vec<Range<u64>> = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(last)
                if range.start <= last.end
                    || (range.start - last.end <= GAP && range.end - last.start <= MOST) =>
            {
                last.end = last.end.max(range.end);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// The bytes of a range out of those that were read.
fn cut(read: &[(Range<u64>, Bytes)], range: &Range<u64>) -> ParquetResult<Bytes> {
    let at = read.partition_point(|(known, _)| known.start <= range.start);
    let found = at.checked_sub(1).and_then(|at| read.get(at)).and_then(|(known, bytes)| {
        let start = usize::try_from(range.start.checked_sub(known.start)?).ok()?;
        let end = start.checked_add(usize::try_from(range.end.checked_sub(range.start)?).ok()?)?;
        (end <= bytes.len()).then(|| bytes.slice(start..end))
    });
    found.ok_or_else(|| ParquetError::EOF(format!("the file ends before byte {}", range.end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_close_together_are_read_as_one() {
        let far = GAP + 1;
        let ranges = [10..20, 0..5, 20 + far..30 + far, 15..18];
        assert_eq!(join(&ranges), [0..20, 20 + far..30 + far]);
        let long = [0..MOST, MOST..MOST + 1, MOST + 2..MOST + 3];
        assert_eq!(join(&long), [0..MOST + 1, MOST + 2..MOST + 3]);
        let bytes = Bytes::from_static(b"0123456789abcdefghij");
        let read = [(0..20, bytes), (100..102, Bytes::from_static(b"xy"))];
        assert_eq!(cut(&read, &(10..12)).unwrap(), "ab");
        assert_eq!(cut(&read, &(101..102)).unwrap(), "y");
        assert!(cut(&read, &(19..21)).is_err() && cut(&read, &(50..51)).is_err());
    }
}
