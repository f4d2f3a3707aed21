//! Developer tasks, run as `cargo xtask <task>`.
//!
//! This crate depends on nothing of ours but the servers of the testkit, which
//! stand alone: it must build, and give its verdict, when the rest of the
//! workspace does not compile.

mod bench;
mod services;
mod test;
mod tidy;
mod workspace;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Developer tasks of Rockhold")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check the rules that the compiler does not: edges, versions, layout, leftovers, README commands.
    Tidy,
    /// Run every test and doc test, and count passed, failed and skipped ones.
    Test,
    /// Install, start and stop the real servers that tests run against.
    #[command(subcommand)]
    Services(services::Task),
    /// Measure backup and restore against cp, sha256sum, restic and rclone on the same files.
    Bench(bench::Args),
}

/// The names of the tasks, for checking what the README promises.
fn task_names() -> Vec<String> {
    Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect()
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Tidy => tidy::run(),
        Task::Test => test::run(),
        Task::Services(task) => services::run(task),
        Task::Bench(args) => bench::run(&args).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
