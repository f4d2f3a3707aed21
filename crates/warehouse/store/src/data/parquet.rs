//! Parquet files of tables.

use super::{FileInfo, StagedWriter};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use rockhold_core::{Error, Result};
use std::io::BufWriter;

/// Rows of one row group at most: small enough to be skipped by statistics
/// and to be merged with little memory, large enough to compress.
const ROW_GROUP_ROWS: usize = 512 * 1024;

/// Encoded bytes of one row group at most; also bounds the memory of a writer.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// Rows of one page at most: the grain of pruning by the page index.
const PAGE_ROWS: usize = 16 * 1024;

/// Writes one Parquet file: zstd, statistics per page, row groups of bounded size.
pub(crate) struct TableFile {
    writer: ArrowWriter<BufWriter<StagedWriter>>,
    path: String,
    rows: u64,
}

impl TableFile {
    pub(crate) fn new(file: StagedWriter, schema: SchemaRef) -> Result<Self> {
        let path = file.path().display().to_string();
        let level = ZstdLevel::try_new(1).map_err(|e| failed(e, &path))?;
        let properties = WriterProperties::builder()
            .set_created_by("rockhold".into())
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_data_page_row_count_limit(PAGE_ROWS)
            .build();
        let buffered = BufWriter::with_capacity(1 << 20, file);
        let writer =
            ArrowWriter::try_new(buffered, schema, Some(properties)).map_err(|e| failed(e, &path))?;
        Ok(Self { writer, path, rows: 0 })
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|e| failed(e, &self.path))?;
        self.rows = self.rows.saturating_add(batch.num_rows() as u64);
        Ok(())
    }

    /// Ends the file; its bytes are not durable yet.
    pub(crate) fn finish(self) -> Result<FileInfo> {
        let buffered = self.writer.into_inner().map_err(|e| failed(e, &self.path))?;
        let file = buffered.into_inner().map_err(|e| Error::io(e.into_error(), "write", &self.path))?;
        file.finish(self.rows)
    }
}

/// Tells a full disk from a batch that does not fit the schema.
fn failed(error: ParquetError, path: &str) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(io) => Error::io(*io, "write", path),
            Err(other) => Error::internal(format!("a data file cannot be written: {other}")).at(path),
        },
        other => Error::internal(format!("a data file cannot be written: {other}")).at(path),
    }
}
