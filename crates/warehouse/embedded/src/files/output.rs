//! The files that one INSERT INTO FILES has open.

use super::super::value::text::Printer;
use super::dialect::Dialect;
use super::sink::{Directory, FileSink, failed};
use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rockhold_core::JobId;
use rockhold_sql::SqlError;
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

/// The folder of NULL, as Hive calls it.
pub(crate) const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// How files are written.
pub(crate) enum Format {
    Parquet(Compression),
    Csv(Dialect),
}

/// Where the rows go, and how.
pub(crate) struct Target {
    pub(crate) directory: Directory,
    /// What the names of files begin with.
    pub(crate) prefix: String,
    pub(crate) format: Format,
    /// A file that has as many bytes is closed, and the next one begun.
    pub(crate) most_bytes: u64,
    /// The columns that become folders, by position and name.
    pub(crate) partition_by: Vec<(usize, String)>,
    /// Names and types in the files.
    pub(crate) written: SchemaRef,
    /// Positions of the columns that are written.
    pub(crate) kept: Vec<usize>,
}

/// The open files. All methods block.
pub(crate) struct Files {
    target: Arc<Target>,
    /// By the folders below the directory.
    open: BTreeMap<String, OpenFile>,
    number: u64,
}

struct OpenFile {
    /// The file, as a person would write it.
    shown: String,
    sink: Sink,
}

enum Sink {
    Parquet(Box<ArrowWriter<FileSink>>),
    Csv { out: FileSink, bytes: u64 },
}

impl Files {
    pub(crate) fn new(target: Target) -> Self {
        Self { target: Arc::new(target), open: BTreeMap::new(), number: 0 }
    }

    /// Writes rows. After an error there is only [`Files::abort`].
    ///
    /// # Errors
    /// A file cannot be written, or a value not in this format.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        let arrow = |e: arrow::error::ArrowError| SqlError::execute(e.to_string());
        if self.target.partition_by.is_empty() {
            return self.write_to(String::new(), batch);
        }
        let strict = self.target.directory.has_keys();
        let mut groups: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
        let printers = self
            .target
            .partition_by
            .iter()
            .filter_map(|(at, name)| batch.columns().get(*at).map(|array| (escaped(name, strict), array)))
            .map(|(name, array)| Ok((name, Printer::new(array)?)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(arrow)?;
        for row in 0..batch.num_rows() {
            let place: Vec<String> = printers
                .iter()
                .map(|(name, printer)| {
                    let value = printer.text(row).unwrap_or_else(|| NULL_PARTITION.into());
                    format!("{name}={}", escaped(&value, strict))
                })
                .collect();
            groups.entry(place.join("/")).or_default().push(batch.slice(row, 1));
        }
        for (place, rows) in groups {
            let rows = concat_batches(&batch.schema(), rows.iter()).map_err(arrow)?;
            self.write_to(place, &rows)?;
        }
        Ok(())
    }

    fn write_to(&mut self, place: String, batch: &RecordBatch) -> Result<(), SqlError> {
        if !self.open.contains_key(&place) {
            if self.open.len() >= self.target.directory.open_files() {
                self.finish_all()?;
            }
            let file = self.begin(&place)?;
            self.open.insert(place.clone(), file);
        }
        let target = self.target.clone();
        let Some(open) = self.open.get_mut(&place) else { return Ok(()) };
        if open.write(&target, batch)? >= target.most_bytes
            && let Some(mut full) = self.open.remove(&place)
        {
            full.finish()?;
        }
        Ok(())
    }

    fn begin(&mut self, place: &str) -> Result<OpenFile, SqlError> {
        let id = JobId::random().map_err(|e| SqlError::execute(e.to_string()))?;
        let extension = match self.target.format {
            Format::Parquet(_) => "parquet",
            Format::Csv(_) => "csv",
        };
        let name = format!("{}{id}_{}.{extension}", self.target.prefix, self.number);
        self.number += 1;
        let file = self.target.directory.create(place, &name)?;
        let shown = file.shown();
        let sink = match &self.target.format {
            Format::Parquet(compression) => {
                let properties = WriterProperties::builder()
                    .set_created_by("rockhold".into())
                    .set_compression(*compression)
                    .set_max_row_group_bytes(Some(64 << 20))
                    .build();
                let writer = ArrowWriter::try_new(file, self.target.written.clone(), Some(properties))
                    .map_err(|e| failed(&shown, &e))?;
                Sink::Parquet(Box::new(writer))
            }
            Format::Csv(_) => Sink::Csv { out: file, bytes: 0 },
        };
        Ok(OpenFile { shown, sink })
    }

    fn finish_all(&mut self) -> Result<(), SqlError> {
        while let Some((_, mut file)) = self.open.pop_first() {
            file.finish()?;
        }
        Ok(())
    }

    /// Completes all files.
    ///
    /// # Errors
    /// One cannot be completed; those before it are.
    pub(crate) fn finish(&mut self) -> Result<(), SqlError> {
        if self.number == 0 && self.target.partition_by.is_empty() {
            // A query without rows leaves one empty file, so that its columns can be read.
            let file = self.begin("")?;
            self.open.insert(String::new(), file);
        }
        self.finish_all()
    }

    /// Removes the files that are not complete, and waits for that.
    pub(crate) fn abort(&mut self) {
        while let Some((_, mut file)) = self.open.pop_first() {
            file.file().abort();
        }
    }
}

impl OpenFile {
    fn file(&mut self) -> &mut FileSink {
        match &mut self.sink {
            Sink::Parquet(writer) => writer.inner_mut(),
            Sink::Csv { out, .. } => out,
        }
    }

    /// Writes rows; gives the length of the file so far.
    fn write(&mut self, target: &Target, batch: &RecordBatch) -> Result<u64, SqlError> {
        let columns: Vec<&ArrayRef> = target.kept.iter().filter_map(|at| batch.columns().get(*at)).collect();
        let fields = target.written.fields();
        let shown = &self.shown;
        match (&mut self.sink, &target.format) {
            (Sink::Parquet(writer), _) => {
                let arrays = columns
                    .iter()
                    .zip(fields)
                    .map(|(array, field)| arrow::compute::cast(array, field.data_type()))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|e| failed(shown, &e))?;
                let rows =
                    RecordBatch::try_new(target.written.clone(), arrays).map_err(|e| failed(shown, &e))?;
                writer.write(&rows).map_err(|e| failed(shown, &e))?;
                Ok(u64::try_from(writer.bytes_written() + writer.in_progress_size()).unwrap_or(u64::MAX))
            }
            (Sink::Csv { out, bytes }, Format::Csv(dialect)) => {
                let printers = columns
                    .iter()
                    .zip(fields)
                    .map(|(array, field)| Ok((field.name().as_str(), Printer::new(array)?)))
                    .collect::<Result<Vec<_>, arrow::error::ArrowError>>()
                    .map_err(|e| failed(shown, &e))?;
                let mut line = Vec::new();
                for row in 0..batch.num_rows() {
                    line.clear();
                    let values = printers.iter().map(|(name, printer)| (*name, printer.text(row)));
                    dialect.write(values, &mut line).map_err(|e| failed(shown, &e))?;
                    out.write_all(&line).map_err(|e| failed(shown, &e))?;
                    *bytes = bytes.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
                }
                Ok(*bytes)
            }
            (Sink::Csv { bytes, .. }, Format::Parquet(_)) => Ok(*bytes),
        }
    }

    fn finish(&mut self) -> Result<(), SqlError> {
        let flushed = match &mut self.sink {
            Sink::Parquet(writer) => writer.finish().map(|_| ()),
            Sink::Csv { .. } => Ok(()),
        };
        match flushed {
            Ok(()) => self.file().finish(),
            Err(error) => {
                self.file().abort();
                Err(failed(&self.shown, &error))
            }
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        // The Parquet writer flushes when it is dropped: what it writes then
        // must not begin to be sent.
        self.file().give_up();
    }
}

/// A text as a part of one component of a path; `strict` when it must be one of
/// a key.
fn escaped(value: &str, strict: bool) -> String {
    let mut text = String::new();
    for c in value.chars() {
        let plain = c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_')
            || !strict && (matches!(c, ' ' | ':') || !c.is_ascii());
        // A point in front would hide the folder, or climb out of it.
        if plain || c == '.' && !text.is_empty() {
            text.push(c);
        } else {
            let mut bytes = [0; 4];
            text.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    text
}
