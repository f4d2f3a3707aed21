//! The `rockhold` command: parse arguments, compose, print. No logic.

mod args;
mod exit;
mod key;
mod output;
mod progress;
mod repo;
mod run;
mod signals;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let level = match args.verbose {
        0 => None,
        1 => Some(tracing::Level::INFO),
        _ => Some(tracing::Level::DEBUG),
    };
    if let Some(level) = level {
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).init();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("rockhold: cannot start: {error}");
            return exit::FAILED.into();
        }
    };
    let code = runtime.block_on(run::run(args));
    // Readers of pipes that were closed may still be blocked; nothing waits for them.
    runtime.shutdown_background();
    code.into()
}
