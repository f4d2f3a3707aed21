//! `rockhold repo`.

use crate::args::{Place, Repo};
use crate::exit;
use rockhold::{RepositoryCheck, Rockhold};
use std::io::Write;

/// Runs the command; gives the exit code.
pub(crate) async fn run(repo: Repo) -> u8 {
    let Repo::Check { place, name, json } = repo;
    match check(place, &name).await {
        Ok(report) => print(&report, json),
        Err(message) => {
            eprintln!("rockhold: {message}");
            exit::FAILED
        }
    }
}

async fn check(place: Place, name: &str) -> Result<RepositoryCheck, String> {
    let mut builder = Rockhold::embedded(&place.data).must_exist().command("rockhold repo check");
    if let Some(path) = &place.key_file {
        builder = builder.key_file(path);
    }
    let rockhold = builder.open().await.map_err(|e| e.to_string())?;
    let report = rockhold.engine().check_repository(name).await.map_err(|e| e.to_string());
    rockhold.close().await;
    report
}

fn print(report: &RepositoryCheck, json: bool) -> u8 {
    let text = if json {
        serde_json::to_string(report).map(|text| text + "\n").map_err(|e| e.to_string())
    } else {
        Ok(report.to_string())
    };
    let written =
        text.and_then(|text| std::io::stdout().write_all(text.as_bytes()).map_err(|e| e.to_string()));
    match written {
        Ok(()) if report.is_good() => exit::OK,
        Ok(()) => exit::FAILED,
        Err(message) => {
            eprintln!("rockhold: cannot write the result: {message}");
            exit::FAILED
        }
    }
}
