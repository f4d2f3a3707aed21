//! The recorded run of a real StarRocks frontend, replayed: statements,
//! errors, columns and rows of `tests/recorded/jobs.jsonl`.
//!
//! Every difference stands in [`DIFFERENCES`] with its reason. The test fails
//! on a difference that is not in the list and on an entry that no longer
//! differs. Numbers of objects, times and storage locations differ from run to
//! run and are compared by shape.

use crate::support::{Place, TestWarehouse};
use rockhold::{Executed, JobHandle, Outcome, Row};
use serde_json::Value;
use std::collections::BTreeMap;

const MVS: &str =
    "better on purpose: a backup of a database takes its materialized views along, as the guide promises";
const KEEPS: &str = "better on purpose: a RESTORE that ends CANCELLED removes nothing that was there before";
const FOLLOWS: &str = "follows from an earlier difference: the label or the function is there already";
const BASE: &str =
    "better on purpose: a base table that was dropped and created again is the base of its views again";
const REFUSED: &str =
    "better on purpose: a restore over an object of another kind is refused at once; StarRocks's job hangs";
const CANCELS: &str = "follows from a step that depends on timing: the backup s2 was not cancelled here";
const MEDIUM: &str = "there is one storage medium; it is shown as HDD";
const READ_ONLY: &str = "better on purpose: READ ONLY never creates a repository";
const COLOCATE: &str = "better on purpose: a restored table keeps its colocate group";
const AS_EXISTING: &str = "better on purpose: AS onto an existing table compares the schema and not the name, and says what differs";
const SAID_MORE: &str = "better on purpose: the text goes on with what exactly differs";

/// Number of the step, from 1, and why it differs.
const DIFFERENCES: &[(usize, &str)] = &[
    (18, MVS),
    (19, MVS),
    (22, MVS),
    (28, MVS),
    (29, MVS),
    (30, MVS),
    (34, COLOCATE),
    (38, MVS),
    (39, KEEPS),
    (44, MEDIUM),
    (48, MEDIUM),
    (52, SAID_MORE),
    (56, SAID_MORE),
    (57, KEEPS),
    (63, KEEPS),
    (67, AS_EXISTING),
    (80, BASE),
    (81, FOLLOWS),
    (83, FOLLOWS),
    (84, FOLLOWS),
    (86, FOLLOWS),
    (92, CANCELS),
    (93, READ_ONLY),
    (94, READ_ONLY),
    (95, READ_ONLY),
    (99, REFUSED),
    (101, REFUSED),
    (103, READ_ONLY),
];

/// Steps whose answer depends on how far a job has come, and the tests that
/// hold a job still to check the same. In their place the running jobs are
/// waited for.
const TIMING: &[(usize, &str)] = &[
    (16, "a_second_job_of_a_database_is_refused_while_one_runs"),
    (17, "a_second_job_of_a_database_is_refused_while_one_runs"),
    (27, "a_cancelled_restore_leaves_nothing_and_the_target_as_it_was"),
    (72, "a_cancelled_restore_leaves_nothing_and_the_target_as_it_was"),
    (73, "a_cancelled_restore_leaves_nothing_and_the_target_as_it_was"),
    (76, "a_cancelled_backup_leaves_no_file_and_frees_its_label"),
    (77, "a_cancelled_backup_leaves_no_file_and_frees_its_label"),
    (100, "a_cancelled_restore_leaves_nothing_and_the_target_as_it_was"),
];

struct Step {
    sql: String,
    error: Option<String>,
    columns: Option<Vec<String>>,
    rows: Option<Vec<Row>>,
}

fn steps() -> Vec<Step> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/recorded/jobs.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let strings = |value: &Value| serde_json::from_value(value.clone()).unwrap();
    text.lines()
        .map(|line| {
            let step: Value = serde_json::from_str(line).unwrap();
            Step {
                sql: step["sql"].as_str().unwrap().to_owned(),
                error: step["error"].as_str().map(str::to_owned),
                columns: step.get("columns").map(strings),
                rows: step.get("rows").map(|rows| serde_json::from_value(rows.clone()).unwrap()),
            }
        })
        .collect()
}

/// What a statement answered.
struct Answer {
    error: Option<String>,
    columns: Option<Vec<String>>,
    rows: Option<Vec<Row>>,
}

struct Replay {
    w: TestWarehouse,
    location: String,
    /// `$TS`: the timestamp of snapshot s1.
    timestamp: Option<String>,
    jobs: BTreeMap<String, JobHandle>,
}

impl Replay {
    async fn run(&mut self, sql: &str) -> Answer {
        let wait = sql.strip_prefix("WAIT ").map(|rest| format!("SHOW {rest}"));
        if let Some(job) = wait.as_ref().and_then(|show| self.jobs.get(show.rsplit(' ').next().unwrap())) {
            job.wait().await;
        }
        let sql = wait
            .unwrap_or_else(|| sql.to_owned())
            .replace("s3://bucket/path", &self.location)
            .replace("$UDF", "http://127.0.0.1:1/udf.jar")
            .replace("$TS", self.timestamp.as_deref().unwrap_or("$TS"));
        let mut answer = Answer { error: None, columns: None, rows: None };
        for statement in rockhold::statements(&sql) {
            let done = match statement.parsed {
                Ok(parsed) => self.w.session.execute(&parsed).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(Executed::Job(job)) => {
                    self.jobs.insert(job.record().database.clone(), job);
                }
                Ok(Executed::Outcome(Outcome::Rows(rows))) => {
                    answer.columns = Some(rows.columns.iter().map(|c| c.name.clone()).collect());
                    answer.rows = Some(rows.collect().await.unwrap());
                }
                Ok(_) => {}
                Err(error) => answer.error = Some(error.to_string()),
            }
        }
        if let (None, Some(rows)) = (&self.timestamp, &answer.rows)
            && sql.starts_with("SHOW SNAPSHOT")
            && let Some(row) = rows.first()
        {
            self.timestamp.clone_from(&row[1]);
        }
        answer
    }

    /// A cell without what differs from run to run.
    fn shape(&self, cell: &Option<String>) -> String {
        let Some(text) = cell else { return "NULL".into() };
        let text = text.replace(&self.location, "s3://bucket/path");
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        let dashes = text.bytes().filter(|b| b"- :".contains(b)).count();
        match digits {
            17 if dashes == 6 && text.len() == 23 => "<timestamp>".into(),
            14 if dashes == 5 && text.len() == 19 => "<time>".into(),
            3.. if digits == text.len() && text != "86400" => "<number>".into(),
            _ => text,
        }
    }
}

/// A list of objects in one order: StarRocks prints them in the order of a hash map.
fn sorted_list(text: &str) -> String {
    let (mut items, mut depth) = (vec![String::new()], 0);
    for c in text.chars() {
        depth += i32::from("[(".contains(c)) - i32::from("])".contains(c));
        match c {
            ',' if depth == 0 => items.push(String::new()),
            c => items.last_mut().unwrap().push(c),
        }
    }
    let mut items: Vec<&str> = items.iter().map(|item| item.trim()).collect();
    items.sort_unstable();
    items.join(", ")
}

/// Whether most words of the recorded error stand in ours, so that a search
/// for them finds the same pages.
pub(crate) fn same_gist(theirs: &str, ours: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| w.len() > 2)
            .map(str::to_owned)
            .collect()
    };
    let (theirs, ours) = (words(theirs), words(ours));
    let common = theirs.iter().filter(|word| ours.contains(word)).count();
    common * 3 >= theirs.len() * 2
}

fn difference(replay: &Replay, step: &Step, answer: &Answer) -> Option<String> {
    match (&step.error, &answer.error) {
        (None, None) => {}
        (Some(theirs), Some(ours)) if same_gist(theirs, ours) => {}
        (theirs, ours) => return Some(format!("error: recorded {theirs:?}, ours {ours:?}")),
    }
    if step.columns != answer.columns {
        return Some(format!("columns: recorded {:?}, ours {:?}", step.columns, answer.columns));
    }
    let columns = step.columns.clone().unwrap_or_default();
    let shapes = |rows: &Option<Vec<Row>>| -> Vec<Vec<String>> {
        let shape = |(column, cell): (&String, &Option<String>)| match column.as_str() {
            "BackupObjs" | "RestoreObjs" => sorted_list(cell.as_deref().unwrap_or_default()),
            _ => replay.shape(cell),
        };
        rows.iter().flatten().map(|row| columns.iter().zip(row).map(shape).collect()).collect()
    };
    let (theirs, ours) = (shapes(&step.rows), shapes(&answer.rows));
    (theirs != ours).then(|| format!("rows:\n  recorded {theirs:?}\n  ours     {ours:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_recorded_run_is_replayed_with_listed_differences_only() {
    let place = Place::new();
    let mut replay = Replay {
        w: place.warehouse("w").await,
        location: place.location("repository"),
        timestamp: None,
        jobs: BTreeMap::new(),
    };
    let mut wrong = Vec::new();
    let (mut same, mut listed, mut timing) = (0, 0, 0);
    for (number, step) in (1..).zip(steps()) {
        if TIMING.iter().any(|(n, _)| *n == number) {
            for job in replay.jobs.values() {
                job.wait().await;
            }
            timing += 1;
            continue;
        }
        let answer = replay.run(&step.sql).await;
        let reason = DIFFERENCES.iter().find(|(n, _)| *n == number).map(|(_, reason)| *reason);
        match (difference(&replay, &step, &answer), reason) {
            (None, None) => same += 1,
            (Some(what), Some(reason)) => {
                println!("step {number}: {} ({reason})\n  {what}", step.sql);
                listed += 1;
            }
            (Some(what), None) => wrong.push(format!("step {number}: {}\n  {what}", step.sql)),
            (None, Some(reason)) => {
                wrong.push(format!(
                    "step {number} no longer differs, take it off the list: {} ({reason})",
                    step.sql
                ));
            }
        }
    }
    println!("{same} steps the same, {listed} listed differences, {timing} depend on timing");
    assert!(wrong.is_empty(), "{} steps:\n{}", wrong.len(), wrong.join("\n"));
}
