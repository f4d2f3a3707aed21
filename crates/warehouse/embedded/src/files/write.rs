//! `INSERT INTO FILES`: rows into files.
//!
//! A reader never sees half of a file (see [`super::sink`]). As in StarRocks
//! the statement as a whole is no transaction: files that were complete before
//! an error stay.

use super::super::error::of_query;
use super::super::run::plan_query;
use super::super::session::Session;
use super::super::storage::Place;
use super::super::value::text::Printer;
use super::super::value::types::from_arrow;
use super::properties::Properties;
use super::sink::{Directory, FileSink};
use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef};
use futures::StreamExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rockhold_core::{JobId, Outcome};
use rockhold_sql::SqlError;
use rockhold_sql::ast::{Insert, PropertyList};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// The length of the parts in which a file goes into a store: of one of many
/// files, and of the only one, which may be long.
const PART_LEN: u64 = 8 << 20;
const LONG_PART_LEN: u64 = 32 << 20;

enum Format {
    Parquet(Compression),
    Csv { separator: u8, delimiter: u8 },
}

struct Target {
    directory: Directory,
    prefix: String,
    format: Format,
    most_bytes: u64,
    partition_by: Vec<usize>,
    written: SchemaRef,
    kept: Vec<usize>,
}

/// Writes the rows of a query into files.
pub(crate) async fn unload(
    session: &Session,
    insert: &Insert,
    list: &PropertyList,
) -> Result<Outcome, SqlError> {
    let pairs: Vec<(String, String)> = list.effective().into_iter().collect();
    let properties = Properties::new(&pairs);
    let environment = session.environment();
    let planned = plan_query(session, &insert.source.query, &environment).await?;
    let target = target(session, &properties, &planned.names, planned.plan.schema().as_arrow()).await?;
    let directory = target.directory.clone();
    let mut stream = session.engine.stream(&planned.plan).await?;
    let mut files = Files { target: Arc::new(target), open: BTreeMap::new(), number: 0 };
    let mut affected = 0u64;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(of_query)?;
        affected = affected.saturating_add(u64::try_from(batch.num_rows()).unwrap_or(0));
        files = blocking(move || {
            files.write(&batch)?;
            Ok(files)
        })
        .await?;
    }
    blocking(move || files.finish()).await?;
    directory.barrier().await?;
    Ok(Outcome::Done { affected, info: String::new() })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SqlError> + Send + 'static,
) -> Result<T, SqlError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| SqlError::execute(format!("writing files was torn down: {error}")))?
}

/// The directory that a location names, and what names of files in it begin with.
async fn directory(session: &Session, properties: &Properties) -> Result<(Directory, String), SqlError> {
    let path = properties.require("path")?;
    let whole = path.ends_with('/');
    match session.storage.place(path)? {
        Place::Local(local) if whole => Ok((Directory::Local(local), "data_".to_owned())),
        Place::Local(local) => {
            let name = local.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            Ok((Directory::Local(local.parent().map(Path::to_path_buf).unwrap_or_default()), name))
        }
        Place::Stored(place) => {
            let (directory, prefix) = match place.split() {
                Some((directory, name)) if !whole => (directory, name),
                _ => (place.path.as_str(), "data_"),
            };
            let repository = session.storage.open(&place, directory, &properties.of_storage()).await?;
            let wanted = if properties.flag("single", false)? { LONG_PART_LEN } else { PART_LEN };
            let (shortest, longest) = repository.capabilities().part_len;
            let part_len = usize::try_from(wanted.clamp(shortest, longest)).unwrap_or(usize::MAX);
            let shown = match directory {
                "" => place.root.clone(),
                directory => format!("{}/{directory}", place.root),
            };
            Ok((Directory::Stored { repository, shown, part_len }, prefix.to_owned()))
        }
    }
}

async fn target(
    session: &Session,
    properties: &Properties,
    names: &[String],
    schema: &Schema,
) -> Result<Target, SqlError> {
    let format = match properties.require("format")?.to_ascii_lowercase().as_str() {
        "parquet" => Format::Parquet(compression(properties.get("compression").unwrap_or("lz4"))?),
        "csv" => match properties.get("compression").unwrap_or("uncompressed") {
            "uncompressed" => Format::Csv {
                separator: properties.byte("csv.column_separator", b'\t')?,
                delimiter: properties.byte("csv.row_delimiter", b'\n')?,
            },
            other => {
                return Err(SqlError::analyze(format!(
                    "\"compression\" = \"{other}\": csv files are written uncompressed"
                )));
            }
        },
        other => {
            return Err(SqlError::analyze(format!(
                "\"format\" = \"{other}\": the embedded warehouse writes parquet and csv"
            )));
        }
    };
    let single = properties.flag("single", false)?;
    let most_bytes = if single { u64::MAX } else { properties.number("target_max_file_size", 1 << 30)? };
    let mut partition_by = Vec::new();
    for column in properties.get("partition_by").unwrap_or("").split(',').map(str::trim) {
        if column.is_empty() {
            continue;
        }
        let at = names.iter().position(|name| name.eq_ignore_ascii_case(column)).ok_or_else(|| {
            SqlError::analyze(format!("\"partition_by\": the query has no column '{column}'"))
        })?;
        partition_by.push(at);
    }
    let kept: Vec<usize> = (0..names.len()).filter(|at| !partition_by.contains(at)).collect();
    let mut fields: Vec<Field> = Vec::new();
    for at in &kept {
        let (Some(name), Some(field)) = (names.get(*at), schema.fields().get(*at)) else { continue };
        if *field.data_type() == ArrowType::Null {
            fields.push(Field::new(name, ArrowType::Boolean, true));
            continue;
        }
        if fields.iter().any(|f| f.name() == name) {
            return Err(SqlError::analyze(format!(
                "Duplicated column name '{name}' in the file; give it an alias"
            )));
        }
        if from_arrow(field.data_type()) == rockhold_model::DataType::LargeInt {
            return Err(SqlError::analyze(format!(
                "column '{name}': LARGEINT cannot be written to files; cast it to STRING or DECIMAL(38, 0)"
            )));
        }
        fields.push(Field::new(name, field.data_type().clone(), true));
    }
    // Last, as it may talk to a store.
    let (directory, prefix) = directory(session, properties).await?;
    Ok(Target {
        directory,
        prefix,
        format,
        most_bytes: most_bytes.max(1),
        partition_by,
        written: Arc::new(Schema::new(fields)),
        kept,
    })
}

fn compression(name: &str) -> Result<Compression, SqlError> {
    let level = |error: parquet::errors::ParquetError| SqlError::execute(error.to_string());
    Ok(match name.to_ascii_lowercase().as_str() {
        "uncompressed" => Compression::UNCOMPRESSED,
        "snappy" => Compression::SNAPPY,
        "zstd" => Compression::ZSTD(ZstdLevel::try_new(3).map_err(level)?),
        "lz4" => Compression::LZ4_RAW,
        other => {
            return Err(SqlError::analyze(format!(
                "\"compression\" = \"{other}\": use uncompressed, snappy, zstd or lz4"
            )));
        }
    })
}

/// The files of one statement.
struct Files {
    target: Arc<Target>,
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

fn failed(file: &str, error: &dyn std::fmt::Display) -> SqlError {
    SqlError::execute(format!("Failed to write {file}: {error}"))
}

impl Files {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), SqlError> {
        let arrow = |e: arrow::error::ArrowError| SqlError::execute(e.to_string());
        if self.target.partition_by.is_empty() {
            return self.write_to(String::new(), batch);
        }
        let mut groups: BTreeMap<String, Vec<RecordBatch>> = BTreeMap::new();
        let printers = self
            .target
            .partition_by
            .iter()
            .filter_map(|at| batch.columns().get(*at).map(|array| (*at, array)))
            .map(|(at, array)| Ok((batch.schema().field(at).name().clone(), Printer::new(array)?)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(arrow)?;
        let strict = self.target.directory.has_keys();
        for row in 0..batch.num_rows() {
            let place: Vec<String> = printers
                .iter()
                .map(|(name, printer)| {
                    let value = printer.text(row).unwrap_or_else(|| "__HIVE_DEFAULT_PARTITION__".into());
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
        let columns: Vec<_> = target.kept.iter().filter_map(|at| batch.columns().get(*at)).collect();
        let size = match &mut open.sink {
            Sink::Parquet(writer) => {
                let arrays = columns
                    .iter()
                    .zip(target.written.fields())
                    .map(|(array, field)| arrow::compute::cast(array, field.data_type()))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|e| failed(&open.shown, &e))?;
                let rows = RecordBatch::try_new(target.written.clone(), arrays)
                    .map_err(|e| failed(&open.shown, &e))?;
                writer.write(&rows).map_err(|e| failed(&open.shown, &e))?;
                u64::try_from(writer.bytes_written() + writer.in_progress_size()).unwrap_or(u64::MAX)
            }
            Sink::Csv { out, bytes } => {
                let Format::Csv { separator, delimiter } = target.format else { return Ok(()) };
                let printers = columns
                    .iter()
                    .map(|array| Printer::new(array))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|e| failed(&open.shown, &e))?;
                for row in 0..batch.num_rows() {
                    for (at, printer) in printers.iter().enumerate() {
                        let text = printer.text(row).unwrap_or_else(|| "\\N".into());
                        if at > 0 {
                            out.write_all(&[separator]).map_err(|e| failed(&open.shown, &e))?;
                        }
                        out.write_all(text.as_bytes()).map_err(|e| failed(&open.shown, &e))?;
                        *bytes = bytes.saturating_add(u64::try_from(text.len()).unwrap_or(0) + 1);
                    }
                    out.write_all(&[delimiter]).map_err(|e| failed(&open.shown, &e))?;
                }
                *bytes
            }
        };
        if size >= target.most_bytes
            && let Some(full) = self.open.remove(&place)
        {
            full.finish()?;
        }
        Ok(())
    }

    fn begin(&mut self, place: &str) -> Result<OpenFile, SqlError> {
        let id = JobId::random().map_err(|e| SqlError::execute(e.to_string()))?;
        let extension = match self.target.format {
            Format::Parquet(_) => "parquet",
            Format::Csv { .. } => "csv",
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
            Format::Csv { .. } => Sink::Csv { out: file, bytes: 0 },
        };
        Ok(OpenFile { shown, sink })
    }

    fn finish_all(&mut self) -> Result<(), SqlError> {
        std::mem::take(&mut self.open).into_values().try_for_each(OpenFile::finish)
    }

    fn finish(mut self) -> Result<(), SqlError> {
        if self.number == 0 && self.target.partition_by.is_empty() {
            // A query without rows leaves one empty file, so that its columns can be read.
            let file = self.begin("")?;
            self.open.insert(String::new(), file);
        }
        self.finish_all()
    }
}

impl OpenFile {
    fn finish(self) -> Result<(), SqlError> {
        let file = match self.sink {
            Sink::Parquet(writer) => writer.into_inner().map_err(|e| failed(&self.shown, &e))?,
            Sink::Csv { out, .. } => out,
        };
        file.finish()
    }
}

/// A value as one component of a path; `strict` when it must be one of a key.
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
