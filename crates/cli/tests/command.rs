//! The command as a user runs it: output, exit codes, two processes, Ctrl-C.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says where")]

#[path = "command/examples.rs"]
mod examples;
#[cfg(unix)]
#[path = "command/interrupt.rs"]
mod interrupt;
#[path = "command/vendors.rs"]
mod vendors;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rockhold"));
        command.args(["sql", "--time-zone", "UTC", "--data"]).arg(self.path("w"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().unwrap()
    }

    fn repository(&self) -> String {
        format!("CREATE REPOSITORY r WITH BROKER ON LOCATION \"file://{}\"", self.path("repo").display())
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

const TABLE: &str = "CREATE DATABASE d; USE d; CREATE TABLE t (k INT, s VARCHAR(20), b BOOLEAN);
    INSERT INTO t VALUES (1, 'a,\"b\"', true), (2, NULL, false), (3, '', NULL)";

#[test]
fn results_are_printed_in_every_format() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["-e", TABLE])), Some(0));
    let query = "SELECT k, s, b FROM d.t ORDER BY k";
    let format = |format: &str| out(&place.run(&["--format", format, "-e", query]));
    assert_eq!(
        format("table"),
        "+---+-------+------+\n| k | s     | b    |\n+---+-------+------+\n| 1 | a,\"b\" | 1    |\n| 2 | NULL  | 0    |\n\
         | 3 |       | NULL |\n+---+-------+------+\n3 rows in set\n"
    );
    assert_eq!(format("csv"), "k,s,b\n1,\"a,\"\"b\"\"\",1\n2,,0\n3,\"\",\n");
    assert_eq!(
        format("jsonl"),
        "{\"k\":1,\"s\":\"a,\\\"b\\\"\",\"b\":true}\n{\"k\":2,\"s\":null,\"b\":false}\n{\"k\":3,\"s\":\"\",\"b\":null}\n"
    );
    let parsed: serde_json::Value = serde_json::from_str(&format("json")).unwrap();
    assert_eq!(parsed.as_array().unwrap().len(), 3);
    assert!(format("vertical").contains("1. row"));
}

#[test]
fn statements_come_from_a_file_or_from_standard_input() {
    let place = Place::new();
    std::fs::write(place.path("s.sql"), TABLE).unwrap();
    let file = place.path("s.sql").display().to_string();
    assert_eq!(code(&place.run(&["-f", &file])), Some(0));
    let mut child = place
        .command()
        .args(["--format", "csv", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT count(*) AS n FROM d.t;").unwrap();
    assert_eq!(out(&child.wait_with_output().unwrap()), "n\n3\n");
}

#[test]
fn exit_codes_tell_what_happened() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["-e", "SELECT 1"])), Some(0));
    let failed = place.run(&["-e", "SELECT * FROM nodb.t"]);
    assert_eq!(code(&failed), Some(1));
    assert!(err(&failed).starts_with("ERROR 5501 (3F000): "), "{}", err(&failed));
    let syntax = place.run(&["-e", "SELECT 1;\nBACKUP SNAPSHOT TO repo"]);
    assert_eq!(code(&syntax), Some(1));
    assert!(
        err(&syntax).contains("line 2, column 16") && err(&syntax).contains("\n                ^^"),
        "{}",
        err(&syntax)
    );
    assert_eq!(code(&place.run(&["--nonsense"])), Some(2));
    assert_eq!(code(&place.run(&[])), Some(2));
    // A job that ends CANCELLED: the table has another schema than the snapshot.
    let repository = place.repository();
    assert_eq!(
        code(&place.run(&[
            "--quiet",
            "-e",
            &format!("{TABLE}; {repository}; BACKUP DATABASE d SNAPSHOT s TO r")
        ])),
        Some(0)
    );
    let list = out(&place.run(&["--format", "csv", "-e", "SHOW SNAPSHOT ON r"]));
    let timestamp = list.lines().nth(1).unwrap().split(',').nth(1).unwrap().to_owned();
    let restore = format!(
        "DROP TABLE d.t FORCE; CREATE TABLE d.t (k BIGINT); RESTORE SNAPSHOT s FROM r DATABASE d PROPERTIES (\"backup_timestamp\" = \"{timestamp}\")"
    );
    let cancelled = place.run(&["--quiet", "-e", &restore]);
    assert_eq!(code(&cancelled), Some(3));
    assert!(err(&cancelled).contains("already exist but with different schema"), "{}", err(&cancelled));
}

#[test]
fn check_describes_every_statement_in_one_json_line() {
    let place = Place::new();
    let output = place.run(&["--check", "-e", "SHOW BACKUP; BACKUP SNAPSHOT; CREATE VIEW v AS SELECT 1"]);
    assert_eq!(code(&output), Some(1));
    let lines: Vec<serde_json::Value> =
        out(&output).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["kind"], "SHOW BACKUP");
    assert_eq!(lines[1]["errno"], 1064);
    assert_eq!(lines[2]["kind"], "CREATE VIEW");
    assert!(!place.path("w").exists(), "checking opens no warehouse");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_told_who_writes_and_readers_go_on() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["-e", TABLE])), Some(0));
    // This process writes and stays.
    let holder = rockhold::Rockhold::embedded(place.path("w")).command("nightly load").open().await.unwrap();
    let mut session = holder.session().unwrap();
    for statement in rockhold::statements("INSERT INTO d.t VALUES (4, 'held', true)") {
        session.execute(&statement.parsed.unwrap()).await.unwrap();
    }
    let insert = "INSERT INTO d.t VALUES (5, 'x', true)";
    let refused = place.run(&["-e", insert]);
    assert_eq!(code(&refused), Some(4), "{}", err(&refused));
    let who = format!("process {} (nightly load) is writing to the warehouse", std::process::id());
    assert!(err(&refused).contains(&who), "{}", err(&refused));
    assert_eq!(out(&place.run(&["--format", "csv", "-e", "SELECT count(*) AS n FROM d.t"])), "n\n4\n");
    drop(session);
    holder.close().await;
    assert_eq!(code(&place.run(&["--lock-wait", "10", "-e", insert])), Some(0));
}

#[test]
fn async_jobs_of_two_databases_are_waited_for_at_the_end() {
    let place = Place::new();
    let repository = place.repository();
    let sql = format!(
        "{TABLE}; CREATE DATABASE e; CREATE TABLE e.t (k INT); INSERT INTO e.t VALUES (1); {repository};
         BACKUP DATABASE d SNAPSHOT s1 TO r; BACKUP DATABASE e SNAPSHOT s2 TO r"
    );
    assert_eq!(code(&place.run(&["--async", "--quiet", "-e", &sql])), Some(0));
    let list = out(&place.run(&["--format", "csv", "-e", "SHOW SNAPSHOT ON r"]));
    assert_eq!(list.lines().count(), 3, "{list}");
}

#[test]
fn no_secret_reaches_output_or_the_directory_in_clear() {
    let place = Place::new();
    let location = place.path("repo").display().to_string();
    let sql = format!(
        "CREATE REPOSITORY r WITH BROKER ON LOCATION \"file://{location}\" PROPERTIES (\"aws.s3.secret_key\" = \"hunter2hunter2\")"
    );
    let output = place.run(&["-vv", "-e", &sql]);
    assert_eq!(code(&output), Some(0), "{}", err(&output));
    let shown = place.run(&["-e", "SHOW REPOSITORIES"]);
    for text in [out(&output), err(&output), out(&shown), err(&shown)] {
        assert!(!text.contains("hunter2hunter2"), "{text}");
    }
    let mut open = vec![place.path("w"), Path::new(&location).to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                assert!(!bytes.windows(14).any(|w| w == b"hunter2hunter2"), "{}", entry.path().display());
            }
        }
    }
}

#[test]
fn keys_are_taken_from_one_warehouse_to_another() {
    let place = Place::new();
    let key = |data: &str, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rockhold"));
        command.arg("key").arg(args[0]).arg("--data").arg(place.path(data)).args(&args[1..]);
        command.output().unwrap()
    };
    let sql = |data: &str, text: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rockhold"));
        command.args(["sql", "--data"]).arg(place.path(data)).args(["-e", text]).output().unwrap()
    };
    let catalog = |name: &str| {
        format!(
            "CREATE EXTERNAL CATALOG {name} PROPERTIES ('type' = 'es', 'hosts' = 'http://h:1', 'user' = 'u', 'password' = 'abcdefghijklmnop')"
        )
    };
    let missing = key("a", &["export"]);
    assert_eq!(code(&missing), Some(1), "there is no warehouse");
    assert!(!place.path("a").exists());
    for data in ["a", "b"] {
        let made = sql(data, &catalog(data));
        assert_eq!(code(&made), Some(0), "{}", err(&made));
    }
    let file = place.path("a.keys");
    let file = file.to_str().unwrap();
    let exported = key("a", &["export", "--output", file]);
    assert_eq!((code(&exported), out(&exported)), (Some(0), String::new()), "{}", err(&exported));
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.starts_with("rockhold-key-1 ") && text.lines().count() == 1);
    assert_eq!(out(&key("a", &["export"])), text);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let again = key("a", &["export", "-o", file]);
    assert_eq!(code(&again), Some(1), "no file is overwritten");

    let imported = key("b", &["import", file]);
    assert_eq!((code(&imported), err(&imported)), (Some(0), "1 keys added, 0 were known\n".to_string()));
    assert_eq!(err(&key("b", &["import", file])), "0 keys added, 1 were known\n");
    let both = out(&key("b", &["export"]));
    assert!(both.ends_with(&text) && both.lines().count() == 2);
    let garbage = place.path("garbage");
    std::fs::write(&garbage, "nothing of use\n").unwrap();
    let refused = key("b", &["import", garbage.to_str().unwrap()]);
    assert_eq!(code(&refused), Some(1));
    let said = err(&refused);
    assert!(said.lines().count() == 1 && said.contains("line 1 is no key"), "{said}");
    assert_eq!(out(&key("b", &["export"])), both);
    let shown = sql("b", "SHOW CREATE CATALOG b");
    assert!(out(&shown).contains("ab******op"), "{}", out(&shown));
}

#[test]
fn repo_check_says_what_works_and_fails_where_something_does_not() {
    let place = Place::new();
    assert_eq!(code(&place.run(&["-e", &place.repository()])), Some(0));
    let check = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rockhold"));
        command.args(["repo", "check", "--data"]).arg(place.path("w")).args(args).output().unwrap()
    };
    let good = check(&["r"]);
    assert_eq!(code(&good), Some(0), "{}{}", out(&good), err(&good));
    assert!(out(&good).starts_with("repository r at file://"), "{}", out(&good));
    assert_eq!(out(&good).lines().filter(|line| line.starts_with("ok ")).count(), 8, "{}", out(&good));
    let report: serde_json::Value = serde_json::from_str(&out(&check(&["r", "--json"]))).unwrap();
    assert_eq!(
        (&report["steps"][3]["what"], &report["steps"][3]["result"]),
        (&"write".into(), &"passed".into())
    );

    let unknown = check(&["nobody"]);
    assert_eq!(code(&unknown), Some(1));
    assert!(err(&unknown).contains("Repository nobody does not exist"), "{}", err(&unknown));

    std::fs::remove_dir_all(place.path("repo")).unwrap();
    let gone = check(&["r"]);
    assert_eq!(code(&gone), Some(1));
    assert!(out(&gone).contains("FAILED") && !place.path("repo").exists(), "{}", out(&gone));
}
