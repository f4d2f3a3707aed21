//! Watching a job: a bar on a terminal, plain lines elsewhere.

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use rockhold::{JobHandle, JobRecord, ProgressCounts};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// How often a bar is drawn.
const DRAW: Duration = Duration::from_millis(100);
/// How often a plain line is written.
const LINE: Duration = Duration::from_secs(10);

/// Waits for a job and shows how far it is.
pub(crate) async fn watch(job: &JobHandle, quiet: bool) -> JobRecord {
    if quiet {
        return job.wait().await;
    }
    if std::io::stderr().is_terminal() { with_bar(job).await } else { with_lines(job).await }
}

async fn with_bar(job: &JobHandle) -> JobRecord {
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{msg} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
    {
        bar.set_style(style);
    }
    let end = job.wait();
    tokio::pin!(end);
    loop {
        tokio::select! {
            record = &mut end => {
                bar.finish_and_clear();
                eprintln!("{}", last_line(&record));
                return record;
            }
            () = tokio::time::sleep(DRAW) => {
                let (record, counts) = (job.record(), job.progress());
                bar.set_message(format!(
                    "{} {} {}/{} files",
                    record.label, record.state, counts.files_moved, counts.files_to_move
                ));
                bar.set_length(counts.bytes_to_move);
                bar.set_position(counts.bytes_moved);
            }
        }
    }
}

async fn with_lines(job: &JobHandle) -> JobRecord {
    let start = Instant::now();
    let end = job.wait();
    tokio::pin!(end);
    loop {
        tokio::select! {
            record = &mut end => {
                eprintln!("{}", last_line(&record));
                return record;
            }
            () = tokio::time::sleep(LINE) => {
                let (record, counts) = (job.record(), job.progress());
                eprintln!("{}", line(&record, &counts, start.elapsed()));
            }
        }
    }
}

fn line(record: &JobRecord, counts: &ProgressCounts, elapsed: Duration) -> String {
    let rate = (counts.bytes_moved as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
    let left = counts.bytes_to_move.saturating_sub(counts.bytes_moved);
    let time_left = match rate {
        0 => "unknown".to_owned(),
        rate => HumanDuration(Duration::from_secs(left / rate)).to_string(),
    };
    format!(
        "{} {}: {}/{} files, {} of {}, {}/s, {time_left} left",
        record.label,
        record.state,
        counts.files_moved,
        counts.files_to_move,
        HumanBytes(counts.bytes_moved),
        HumanBytes(counts.bytes_to_move),
        HumanBytes(rate),
    )
}

fn last_line(record: &JobRecord) -> String {
    match rockhold::JobDetail::of(record) {
        Ok(detail) => {
            let counts = detail.progress;
            let took = detail.finished.map_or(0, |t| t.since(record.created));
            let mut text = format!(
                "{} {} in {:.1} s: {} files, {}; moved {} files, {}",
                record.label,
                record.state,
                took as f64 / 1000.0,
                counts.files,
                HumanBytes(counts.bytes),
                counts.files_moved,
                HumanBytes(counts.bytes_moved),
            );
            if record.state != "FINISHED" {
                text.push_str(&format!("\n{}", detail.status));
            }
            for note in &detail.notes {
                text.push_str(&format!("\nnote: {note}"));
            }
            text
        }
        Err(_) => format!("{} {}", record.label, record.state),
    }
}
