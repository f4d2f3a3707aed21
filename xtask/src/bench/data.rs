//! The warehouses that are measured, made through SQL as a user would.

use super::{store::StoreKind, tools::Rockhold};
use anyhow::{Context, Result, bail};
use std::{fmt::Write as _, fs, path::Path, process::Command};

/// A shape of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DataSet {
    /// 256 files of about 10 MiB as stored, in 128 partitions: random bytes, and
    /// text that Parquet compresses.
    Large,
    /// 50,000 small files: 5,000 partitions of 10 buckets. On a server 20,000.
    Small,
    /// One file of about 1 GiB.
    Long,
}

impl DataSet {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Small => "small",
            Self::Long => "long",
        }
    }

    /// Whether rows have the random columns.
    fn has_random_columns(self) -> bool {
        self != Self::Small
    }

    /// Partitions and buckets of the table at full size.
    fn shape(self, store: StoreKind) -> (u32, u32) {
        match (self, store) {
            (Self::Large, _) => (128, 2),
            (Self::Long, _) => (1, 1),
            (Self::Small, StoreKind::File) => (5_000, 10),
            (Self::Small, StoreKind::S3) => (2_000, 10),
        }
    }
}

/// Partitions that one INSERT fills: bounds the files that are open at once.
const PARTITIONS_AT_ONCE: u32 = 100;

/// The most partitions that one START … END … EVERY clause may name.
const BATCH: u32 = 2_500;

/// Random 64-bit columns of the large and the long data set.
const RANDOM_COLUMNS: u32 = 32;

/// A statement that replaces the rows of the first partition by others, so that
/// each of its files is another one. Every call is another change.
pub(crate) fn change(data: DataSet, number: u32) -> String {
    let mut columns = format!("p, id + {}", 1_000_003 * u64::from(number));
    if data.has_random_columns() {
        for column in 0..RANDOM_COLUMNS {
            let _ = write!(columns, ", r{column}");
        }
    }
    format!("INSERT OVERWRITE bench.t PARTITION (p0) SELECT {columns}, v FROM bench.t WHERE p = 0")
}

/// Makes `dir/warehouse` with the database `bench`.
pub(crate) fn make(
    data: DataSet,
    (store, percent): (StoreKind, u32),
    root: &Path,
    rockhold: &Rockhold,
    dir: &Path,
) -> Result<()> {
    let (partitions, buckets) = data.shape(store);
    // Fewer partitions make fewer files; the others keep their files and shorten them.
    let partitions = if data == DataSet::Small { (partitions * percent).div_ceil(100) } else { partitions };
    let source = dir.join("source");
    fs::create_dir_all(&source).with_context(|| source.display().to_string())?;
    let status = Command::new("python3")
        .arg(root.join("xtask/bench/make_data.py"))
        .arg(data.name())
        .arg(&source)
        .args([partitions.to_string(), percent.to_string()])
        .status()
        .context("cannot run python3")?;
    if !status.success() {
        bail!("xtask/bench/make_data.py failed; it needs the Python package duckdb");
    }
    let warehouse = dir.join("warehouse");
    rockhold.sql(&warehouse, "CREATE DATABASE bench")?;
    rockhold.sql(&warehouse, &create_table(data, partitions, buckets))?;
    for insert in inserts(data, partitions, &source) {
        rockhold.sql(&warehouse, &insert)?;
    }
    fs::remove_dir_all(&source).with_context(|| source.display().to_string())
}

fn create_table(data: DataSet, partitions: u32, buckets: u32) -> String {
    let mut columns = String::from("p INT NOT NULL, id BIGINT NOT NULL");
    if data.has_random_columns() {
        for column in 0..RANDOM_COLUMNS {
            let _ = write!(columns, ", r{column} BIGINT");
        }
    }
    let ranges: Vec<String> = (0..partitions)
        .step_by(BATCH as usize)
        .map(|from| format!(r#"START ("{from}") END ("{}") EVERY (1)"#, (from + BATCH).min(partitions)))
        .collect();
    format!(
        r#"CREATE TABLE bench.t ({columns}, v VARCHAR(512)) DUPLICATE KEY (p, id)
           PARTITION BY RANGE (p) ({}) DISTRIBUTED BY HASH (id) BUCKETS {buckets}
           PROPERTIES ("replication_num" = "1")"#,
        ranges.join(", ")
    )
}

fn inserts(data: DataSet, partitions: u32, source: &Path) -> Vec<String> {
    let step = if data.has_random_columns() { 1 } else { PARTITIONS_AT_ONCE };
    (0..partitions)
        .step_by(step as usize)
        .map(|from| {
            let file = source.join(format!("{from}.parquet"));
            format!(
                r#"INSERT INTO bench.t SELECT * FROM FILES ("path" = "file://{}", "format" = "parquet")"#,
                file.display()
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_partitions_take_several_clauses() {
        let statement = create_table(DataSet::Small, 5_000, 10);
        assert!(
            statement
                .contains(r#"START ("0") END ("2500") EVERY (1), START ("2500") END ("5000") EVERY (1)"#)
        );
        assert_eq!(inserts(DataSet::Small, 5_000, Path::new("/s")).len(), 50);
        assert_eq!(inserts(DataSet::Large, 128, Path::new("/s")).len(), 128);
        assert!(change(DataSet::Small, 2).contains("SELECT p, id + 2000006, v FROM"));
    }
}
