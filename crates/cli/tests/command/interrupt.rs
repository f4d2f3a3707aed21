//! Ctrl-C and SIGTERM while a job runs.

use crate::{Place, TABLE, code, err, out};
use rockhold_testkit_gcs::{Call, Emulator, Fault, Rule};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Two of these fill two files of some hundred kilobytes that do not compress.
const ROWS: &str = "INSERT INTO d.u WITH ten AS (SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3 \
    UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 \
    UNION ALL SELECT 9 UNION ALL SELECT 10) SELECT uuid() AS x FROM ten a, ten b, ten c, ten d";

/// Begins a BACKUP.
fn backup(place: &Place) -> Child {
    place
        .command()
        .args(["--quiet", "-e", "BACKUP DATABASE d SNAPSHOT s TO r"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, name: &str) {
    let kill = format!("kill -{name} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// Waits until something is there.
fn until(what: &str, is_there: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_there() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for the end of the process, which must come soon.
fn ended(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("the process goes on after the signal");
}

fn holds_a_data_file(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        path.extension().is_some_and(|extension| extension == "parquet") || holds_a_data_file(&path)
    })
}

#[test]
fn an_interrupted_backup_does_not_wait_for_the_rate_that_it_had_to_keep() {
    let place = Place::new();
    let repository = place.repository();
    let sql = format!(
        "CREATE DATABASE d; CREATE TABLE d.u (x VARCHAR(40)); {ROWS}; {ROWS};
         {repository} PROPERTIES (\"max_upload_rate\" = \"1 kB/s\")"
    );
    let made = place.run(&["-e", &sql]);
    assert_eq!(code(&made), Some(0), "{}", err(&made));
    let mut child = backup(&place);
    // The first file goes at once; whatever is next waits for minutes.
    until("the first data file", || holds_a_data_file(&place.path("repo")));
    signal(&child, "TERM");
    assert_eq!(ended(&mut child).code(), Some(130));
    let jobs = out(&place.run(&["--format", "csv", "-e", "SHOW BACKUP FROM d"]));
    assert!(jobs.contains("CANCELLED"), "{jobs}");
    assert!(!holds_a_data_file(&place.path("repo")), "a cancelled backup removes what it has stored");
}

#[test]
fn a_second_interrupt_ends_the_process_at_once_and_loses_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let gcs = runtime.block_on(Emulator::start()).unwrap();
    gcs.create_bucket("interrupts");
    let place = Place::new();
    let sql = format!(
        "{TABLE}; CREATE REPOSITORY r WITH BROKER ON LOCATION \"gs://interrupts/backups\"
         PROPERTIES (\"gcp.gcs.endpoint\" = \"{}\", \"gcp.gcs.anonymous\" = \"true\")",
        gcs.endpoint()
    );
    let made = place.run(&["-e", &sql]);
    assert_eq!(code(&made), Some(0), "{}", err(&made));

    // The service takes a data file and is silent from then on.
    gcs.fault(Rule::every(Call::Upload).named("/data/"), Fault::StallReply);
    let mut child = backup(&place);
    until("the data file", || gcs.names("interrupts").iter().any(|name| name.contains("/data/")));
    gcs.fault(Rule::every(Call::Upload), Fault::Stall);
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    signal(&child, "INT");
    assert!(said.next().unwrap().starts_with("rockhold: interrupted; cancelling running jobs"));
    // The job cannot say to the service that it has ended.
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none());
    signal(&child, "INT");
    assert_eq!(ended(&mut child).code(), Some(130));
    let rest: Vec<String> = said.collect();
    assert!(rest.len() == 1 && rest[0].starts_with("rockhold: interrupted again, ended at once"), "{rest:?}");

    gcs.clear_faults();
    let next = place.run(&["-e", "INSERT INTO d.t VALUES (9, 'x', true)"]);
    assert_eq!(code(&next), Some(0), "{}", err(&next));
    let jobs = out(&place.run(&["--format", "csv", "-e", "SHOW BACKUP FROM d"]));
    assert!(jobs.contains("CANCELLED") && jobs.contains("owner ended"), "{jobs}");
    let again = place.run(&["--quiet", "-e", "BACKUP DATABASE d SNAPSHOT s TO r"]);
    assert_eq!(code(&again), Some(0), "{}", err(&again));
}
