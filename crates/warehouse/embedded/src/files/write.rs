//! `INSERT INTO FILES`: rows into files.
//!
//! A reader never sees half of a file (see [`super::sink`]). As in StarRocks
//! the statement as a whole is no transaction: files that were complete before
//! an error stay. Those that were not are removed before the error is told.

use super::super::error::of_query;
use super::super::run::plan_query;
use super::super::session::Session;
use super::super::storage::Place;
use super::super::value::types::from_arrow;
use super::dialect::Dialect;
use super::local::LocalDirectory;
use super::output::{Files, Format, Target};
use super::properties::{Direction, Properties};
use super::sink::{Directory, blocking};
use super::stored::StoredDirectory;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType as ArrowType, Field, Schema};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use rockhold_core::{Capabilities, Outcome};
use rockhold_sql::SqlError;
use rockhold_sql::ast::{Insert, PropertyList};
use std::path::Path;
use std::sync::Arc;

/// The length of the parts in which a file goes into a store: of one of many
/// files, and of the only one, which may be long.
const PART_LEN: u64 = 8 << 20;
const LONG_PART_LEN: u64 = 32 << 20;

/// Writes the rows of a query into files.
pub(crate) async fn unload(
    session: &Session,
    insert: &Insert,
    list: &PropertyList,
) -> Result<Outcome, SqlError> {
    let pairs: Vec<(String, String)> = list.effective().into_iter().collect();
    let properties = Properties::new(&pairs);
    properties.check(Direction::Writing)?;
    let environment = session.environment();
    let planned = plan_query(session, &insert.source.query, &environment).await?;
    let schema = planned.plan.schema().as_arrow();
    let (target, warnings) = target(session, &properties, &planned.names, schema).await?;
    let directory = target.directory.clone();
    let stream = session.engine.stream(&planned.plan).await?;
    let filled = fill(stream, Files::new(target)).await;
    // After an error, too: for the files that were complete.
    let durable = directory.barrier().await;
    let affected = filled?;
    durable?;
    Ok(Outcome::Done { affected, info: warnings.join("\n") })
}

/// Writes all rows; gives how many they were.
async fn fill(mut stream: SendableRecordBatchStream, mut files: Files) -> Result<u64, SqlError> {
    let mut affected = 0u64;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(of_query);
        let rows = batch.as_ref().map_or(0, RecordBatch::num_rows);
        affected = affected.saturating_add(u64::try_from(rows).unwrap_or(0));
        // An error of the query ends the files, too.
        files = step(files, move |files| files.write(&batch?)).await?;
    }
    step(files, Files::finish).await?;
    Ok(affected)
}

/// One step of writing, on a thread that may block. When it fails, what is not
/// complete is removed before the error is told: nobody could tell later whose
/// it is.
async fn step(
    mut files: Files,
    work: impl FnOnce(&mut Files) -> Result<(), SqlError> + Send + 'static,
) -> Result<Files, SqlError> {
    blocking(move || match work(&mut files) {
        Ok(()) => Ok(files),
        Err(error) => {
            files.abort();
            Err(error)
        }
    })
    .await
}

/// Where the files go: the directory that a location names, what names of files
/// in it begin with, and what the user should hear.
struct Destination {
    directory: Directory,
    prefix: String,
    warnings: Vec<String>,
}

async fn destination(
    session: &Session,
    properties: &Properties,
    single: bool,
    divided: bool,
) -> Result<Destination, SqlError> {
    let path = properties.require("path")?;
    let whole = path.ends_with('/');
    match session.storage.place(path)? {
        Place::Local(local) => {
            let name = local.file_name().filter(|_| !whole).map(|name| name.to_string_lossy().into_owned());
            let (path, prefix) = match name {
                Some(name) => (local.parent().map(Path::to_path_buf).unwrap_or_default(), name),
                None => (local, "data_".to_owned()),
            };
            let directory = Directory::Local(LocalDirectory::new(path));
            Ok(Destination { directory, prefix, warnings: properties.idle_here() })
        }
        Place::Stored(place) => {
            let (directory, prefix) = match place.split() {
                Some((directory, name)) if !whole => (directory, name),
                _ => (place.path.as_str(), "data_"),
            };
            let opened = session.storage.open_to_write(&place, directory, &properties.of_storage()).await?;
            let (part_len, at_once) = parts(single, divided, &opened.repository.capabilities());
            let shown = match directory {
                "" => place.root.clone(),
                directory => format!("{}/{directory}", place.root),
            };
            let stored = StoredDirectory { repository: opened.repository, shown, part_len, at_once };
            Ok(Destination {
                directory: Directory::Stored(stored),
                prefix: prefix.to_owned(),
                warnings: opened.warnings,
            })
        }
    }
}

/// The length of parts, and how many of one file are sent at a time. Together
/// they bound the memory: of divided rows many files are open.
fn parts(single: bool, divided: bool, store: &Capabilities) -> (usize, usize) {
    let wanted = if single { LONG_PART_LEN } else { PART_LEN };
    let (shortest, longest) = store.part_len;
    let at_once = if divided || !store.parallel_parts {
        1
    } else if single {
        3
    } else {
        4
    };
    (usize::try_from(wanted.min(longest).max(shortest)).unwrap_or(usize::MAX), at_once)
}

async fn target(
    session: &Session,
    properties: &Properties,
    names: &[String],
    schema: &Schema,
) -> Result<(Target, Vec<String>), SqlError> {
    let format = format(properties)?;
    let single = properties.flag("single", false)?;
    let most_bytes = properties.number("target_max_file_size", 1 << 30)?;
    let partition_by = partition_by(properties, names)?;
    let divided = !partition_by.is_empty();
    if single && divided {
        return Err(SqlError::analyze("cannot use partition_by and single simultaneously"));
    }
    let divides = |at: &usize| partition_by.iter().any(|(divided, _)| divided == at);
    let kept: Vec<usize> = (0..names.len()).filter(|at| !divides(at)).collect();
    if kept.is_empty() {
        return Err(SqlError::analyze("\"partition_by\" names all columns; leave one for the files"));
    }
    let written = written(names, schema, &kept)?;
    // Last, as it may talk to a store.
    let Destination { directory, prefix, warnings } =
        destination(session, properties, single, divided).await?;
    let target = Target {
        directory,
        prefix,
        format,
        most_bytes: if single { u64::MAX } else { most_bytes.max(1) },
        partition_by,
        written: Arc::new(written),
        kept,
    };
    Ok((target, warnings))
}

fn format(properties: &Properties) -> Result<Format, SqlError> {
    match properties.require("format")?.to_ascii_lowercase().as_str() {
        "parquet" => {
            check_parquet(properties)?;
            Ok(Format::Parquet(compression(properties.get("compression").unwrap_or("lz4"))?))
        }
        "csv" => match properties.get("compression").unwrap_or("uncompressed") {
            plain if plain.eq_ignore_ascii_case("uncompressed") => Ok(Format::Csv(Dialect::new(properties)?)),
            other => Err(SqlError::analyze(format!(
                "\"compression\" = \"{other}\": csv files are written uncompressed"
            ))),
        },
        other => Err(SqlError::analyze(format!(
            "\"format\" = \"{other}\": the embedded warehouse writes parquet and csv"
        ))),
    }
}

/// What is written is within each of the versions, and not in the old encoding.
fn check_parquet(properties: &Properties) -> Result<(), SqlError> {
    if let Some(version) = properties.get("parquet.version")
        && !matches!(version, "1.0" | "2.4" | "2.6")
    {
        return Err(SqlError::analyze(format!("\"parquet.version\" = \"{version}\": use 1.0, 2.4 or 2.6")));
    }
    if properties.flag("parquet.use_legacy_encoding", false)? {
        return Err(SqlError::analyze(
            "\"parquet.use_legacy_encoding\" = \"true\" is not supported by the embedded warehouse; leave it out",
        ));
    }
    Ok(())
}

/// The columns that become folders, by position and name.
fn partition_by(properties: &Properties, names: &[String]) -> Result<Vec<(usize, String)>, SqlError> {
    let mut columns: Vec<(usize, String)> = Vec::new();
    for column in properties.names("partition_by") {
        let found = names.iter().enumerate().find(|(_, name)| name.eq_ignore_ascii_case(column));
        let (at, name) = found.ok_or_else(|| {
            SqlError::analyze(format!("\"partition_by\": the query has no column '{column}'"))
        })?;
        if columns.iter().all(|(known, _)| *known != at) {
            columns.push((at, name.clone()));
        }
    }
    Ok(columns)
}

/// Names and types of the columns in the files.
fn written(names: &[String], schema: &Schema, kept: &[usize]) -> Result<Schema, SqlError> {
    let mut fields: Vec<Field> = Vec::new();
    for at in kept {
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
    Ok(Schema::new(fields))
}

fn compression(name: &str) -> Result<Compression, SqlError> {
    let level = |error: parquet::errors::ParquetError| SqlError::execute(error.to_string());
    Ok(match name.to_ascii_lowercase().as_str() {
        "uncompressed" => Compression::UNCOMPRESSED,
        "snappy" => Compression::SNAPPY,
        "zstd" => Compression::ZSTD(ZstdLevel::try_new(3).map_err(level)?),
        "lz4" => Compression::LZ4_RAW,
        "gzip" => Compression::GZIP(GzipLevel::default()),
        other => {
            return Err(SqlError::analyze(format!(
                "\"compression\" = \"{other}\": use uncompressed, gzip, snappy, zstd or lz4"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_long_and_as_many_as_memory_and_store_allow() {
        let mut store = Capabilities::full();
        assert_eq!(parts(false, false, &store), (8 << 20, 4));
        assert_eq!(parts(true, false, &store), (32 << 20, 3));
        assert_eq!(parts(false, true, &store), (8 << 20, 1));
        store.part_len = (1, 1 << 20);
        assert_eq!(parts(true, false, &store), (1 << 20, 3));
        store.part_len = (16 << 20, 64 << 20);
        assert_eq!(parts(false, false, &store), (16 << 20, 4));
        store.parallel_parts = false;
        assert_eq!(parts(true, false, &store), (32 << 20, 1));
    }
}
