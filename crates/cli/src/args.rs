//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Backup and restore for warehouses that speak the StarRocks dialect.
#[derive(Debug, Parser)]
#[command(name = "rockhold", version, about, propagate_version = true)]
pub(crate) struct Args {
    /// Log to standard error; twice for more.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run SQL statements.
    Sql(Sql),
    /// Take along the keys that encrypt secrets.
    #[command(subcommand)]
    Key(Key),
    /// Look after repositories.
    #[command(subcommand)]
    Repo(Repo),
}

/// Secrets of external catalogs and functions travel encrypted inside
/// snapshots; another warehouse reads them once it has the keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Write the keys to a file or to standard output. Keep them as safe as the secrets.
    Export {
        #[command(flatten)]
        place: Place,
        /// The file to write, readable for its owner only; it must not exist yet.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Add keys that were exported from another warehouse.
    Import {
        #[command(flatten)]
        place: Place,
        /// The file with the keys; `-` for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Which warehouse.
#[derive(Debug, ClapArgs)]
pub(crate) struct Place {
    /// The warehouse's directory.
    #[arg(long, value_name = "DIR", env = "ROCKHOLD_DATA", default_value = "rockhold-data")]
    pub(crate) data: PathBuf,
    /// The file with the keys that encrypt secrets; by default inside the directory.
    #[arg(long, value_name = "FILE", env = "ROCKHOLD_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
}

/// Look after repositories.
#[derive(Debug, Subcommand)]
pub(crate) enum Repo {
    /// Try out what a repository needs, each permission for itself, and what
    /// endangers it. Leaves nothing behind. Exit code 1 when something failed.
    Check {
        #[command(flatten)]
        place: Place,
        /// The repository, as CREATE REPOSITORY named it.
        name: String,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Run SQL statements in order. BACKUP and RESTORE wait for their job.
///
/// Exit codes: 0 done, 1 a statement failed, 2 wrong arguments, 3 a job ended
/// CANCELLED, 4 another process writes to the directory, 130 interrupted.
#[derive(Debug, ClapArgs)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["execute", "file", "stdin"]))]
pub(crate) struct Sql {
    /// The warehouse's directory; created when it does not exist.
    #[arg(long, value_name = "DIR", env = "ROCKHOLD_DATA", default_value = "rockhold-data")]
    pub(crate) data: PathBuf,
    /// Statements to run.
    #[arg(short, long, value_name = "SQL")]
    pub(crate) execute: Option<String>,
    /// A file with statements to run.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// `-`: read statements from standard input.
    #[arg(value_parser = ["-"], value_name = "-")]
    pub(crate) stdin: Option<String>,
    /// The database that unqualified names lie in.
    #[arg(short = 'D', long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// How results are printed; `table` on a terminal, `csv` with a header otherwise is not guessed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Do not wait for each BACKUP and RESTORE; wait for all at the end.
    #[arg(long = "async")]
    pub(crate) run_async: bool,
    /// How many seconds to wait while another process writes to the directory.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub(crate) lock_wait: u64,
    /// The time zone of a warehouse that is created, such as Asia/Shanghai.
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
    /// The file with the key that encrypts secrets; by default inside the directory.
    #[arg(long, value_name = "FILE", env = "ROCKHOLD_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Print results and errors only: no progress, no remarks.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Only parse the statements and print one JSON line for each.
    #[arg(long)]
    pub(crate) check: bool,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table with lines.
    Table,
    /// One line per column.
    Vertical,
    /// RFC 4180, with a header.
    Csv,
    /// One JSON array of objects per result.
    Json,
    /// One JSON object per row.
    Jsonl,
}
