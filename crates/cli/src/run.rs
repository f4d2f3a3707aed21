//! Running what the arguments ask for.

use crate::args::{Args, Command, Sql};
use crate::output::{self, PrintError};
use crate::signals::Signals;
use crate::{exit, progress};
use rockhold::{Executed, JobHandle, JobRecord, Outcome, Rockhold, Session, SqlError, StatementText};
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::time::Duration;

/// Runs the command; gives the exit code.
pub(crate) async fn run(args: Args) -> u8 {
    let sql = match args.command {
        Command::Sql(sql) => sql,
        Command::Key(key) => return crate::key::run(key).await,
        Command::Repo(repo) => return crate::repo::run(repo).await,
    };
    let text = match read_input(&sql) {
        Ok(text) => text,
        Err(message) => {
            eprintln!("rockhold: {message}");
            return exit::USAGE;
        }
    };
    if sql.check { check(&text) } else { run_sql(&sql, &text).await }
}

/// What other processes are told that this one does. Never the statements:
/// they may hold secrets.
fn command_text(sql: &Sql) -> String {
    match &sql.file {
        Some(path) => format!("rockhold sql --file {}", path.display()),
        None if sql.execute.is_some() => "rockhold sql --execute".into(),
        None => "rockhold sql -".into(),
    }
}

fn read_input(sql: &Sql) -> Result<String, String> {
    if let Some(text) = &sql.execute {
        return Ok(text.clone());
    }
    if let Some(path) = &sql.file {
        return std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()));
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|e| format!("cannot read standard input: {e}"))?;
    Ok(text)
}

fn check(text: &str) -> u8 {
    let mut code = exit::OK;
    let mut out = BufWriter::new(io::stdout().lock());
    for line in rockhold::check(text) {
        if line.is_error {
            code = exit::FAILED;
        }
        if writeln!(out, "{}", line.json).is_err() {
            return exit::FAILED;
        }
    }
    if out.flush().is_err() { exit::FAILED } else { code }
}

async fn run_sql(sql: &Sql, text: &str) -> u8 {
    let mut builder = Rockhold::embedded(&sql.data)
        .lock_wait(Duration::from_secs(sql.lock_wait))
        .command(command_text(sql));
    if let Some(zone) = &sql.time_zone {
        builder = builder.time_zone(zone);
    }
    if let Some(path) = &sql.key_file {
        builder = builder.key_file(path);
    }
    let rockhold = match builder.open().await {
        Ok(rockhold) => rockhold,
        Err(error) => {
            eprintln!("rockhold: {error}");
            return exit::FAILED;
        }
    };
    let mut session = match rockhold.session() {
        Ok(session) => session,
        Err(error) => {
            eprintln!("rockhold: {error}");
            return exit::FAILED;
        }
    };
    if let Some(database) = &sql.database
        && let Err(error) = session.use_database(database).await
    {
        report(&error, text, None);
        return exit::FAILED;
    }
    let mut signals = Signals::listen();
    let mut code = tokio::select! {
        code = statements(sql, &mut session, text) => code,
        () = signals.next() => interrupted(),
    };
    let ended: Vec<JobRecord> = loop {
        if code != exit::OK {
            for job in rockhold.running_jobs() {
                job.cancel();
            }
        }
        tokio::select! {
            ended = rockhold.wait_for_jobs() => break ended,
            () = signals.next() => {
                if code == exit::INTERRUPTED {
                    interrupted_again();
                }
                code = interrupted();
            }
        }
    };
    tokio::select! {
        () = rockhold.close() => {}
        () = signals.next() => interrupted_again(),
    }
    if code == exit::OK && ended.iter().any(|job| job.state != "FINISHED") {
        exit::JOB_CANCELLED
    } else {
        code
    }
}

async fn statements(sql: &Sql, session: &mut Session, text: &str) -> u8 {
    let mut waiting: Vec<JobHandle> = Vec::new();
    let mut code = exit::OK;
    for statement in rockhold::statements(text) {
        let StatementText { parsed, place } = statement;
        let executed = match parsed {
            Ok(statement) => session.execute(&statement).await,
            Err(error) => Err(error),
        };
        match executed {
            Ok(Executed::Outcome(outcome)) => match print_outcome(sql, outcome).await {
                Ok(()) => {}
                Err(PrintError::Rows(error)) => {
                    report(&error, text, place);
                    code = exit::FAILED;
                    break;
                }
                Err(PrintError::Write(error)) => {
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        eprintln!("rockhold: cannot write the result: {error}");
                        code = exit::FAILED;
                    }
                    break;
                }
            },
            Ok(Executed::Job(job)) if sql.run_async => waiting.push(job),
            Ok(Executed::Job(job)) => {
                let record = progress::watch(&job, sql.quiet).await;
                if record.state != "FINISHED" {
                    if sql.quiet {
                        eprintln!("{}", rockhold::job_status(&record));
                    }
                    code = exit::JOB_CANCELLED;
                    break;
                }
            }
            Ok(_) => {}
            Err(error) => {
                report(&error, text, place);
                code = if rockhold::is_locked(&error) { exit::LOCKED } else { exit::FAILED };
                break;
            }
        }
    }
    for job in waiting {
        let record = progress::watch(&job, sql.quiet).await;
        if record.state != "FINISHED" && code == exit::OK {
            if sql.quiet {
                eprintln!("{}", rockhold::job_status(&record));
            }
            code = exit::JOB_CANCELLED;
        }
    }
    code
}

async fn print_outcome(sql: &Sql, outcome: Outcome) -> Result<(), PrintError> {
    match outcome {
        Outcome::Rows(rows) => {
            let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
            output::print(rows, sql.format, &mut out).await?;
            out.flush()?;
        }
        Outcome::Done { affected, info } if !sql.quiet && io::stderr().is_terminal() => {
            eprintln!("Query OK, {affected} row{} affected", if affected == 1 { "" } else { "s" });
            if !info.is_empty() {
                eprintln!("{info}");
            }
        }
        Outcome::Done { info, .. } if !sql.quiet && !info.is_empty() => eprintln!("{info}"),
        _ => {}
    }
    Ok(())
}

/// One line, and where the error has a place, the line it is in.
fn report(error: &SqlError, text: &str, place: Option<usize>) {
    eprintln!("ERROR {} ({}): {error}", error.errno, error.sqlstate);
    if let Some(shown) = error.place(text) {
        eprintln!("{shown}");
    } else if let Some(line) = place {
        eprintln!("in the statement at line {line}");
    }
}

/// The first signal: the jobs are cancelled, and put right what they did.
fn interrupted() -> u8 {
    eprintln!("rockhold: interrupted; cancelling running jobs, a second time ends at once");
    exit::INTERRUPTED
}

/// The second one: ends as if the process were killed, which loses nothing.
/// What the jobs work with is not dropped, since that would begin to clean up.
fn interrupted_again() -> ! {
    eprintln!(
        "rockhold: interrupted again, ended at once; the next statement that writes to the warehouse ends its \
         jobs, a RESTORE whole or not at all; what a BACKUP has uploaded may stay in its repository until a \
         BACKUP with the same label takes it over"
    );
    std::process::exit(exit::INTERRUPTED.into())
}
