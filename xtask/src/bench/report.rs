//! The table in docs/benchmarks.md.

use super::{Args, Operation, Row, Table, entries::Entries, measure::median, tools::Peer};
use anyhow::{Context, Result};
use std::{fmt::Write as _, fs, path::Path};

/// The tables and how they came to be, as Markdown.
pub(crate) fn render(
    tables: &[Table],
    entries: Option<&Entries>,
    args: &Args,
    peers: &[Peer],
) -> Result<String> {
    let mut out = String::new();
    let names: Vec<String> = tables.iter().map(|table| format!("--data {}", table.data.name())).collect();
    writeln!(
        out,
        "`cargo xtask bench --store {} --runs {} --percent {} {}{}`; {}; {} rounds, medians.\n",
        args.store.name(),
        args.runs,
        args.percent,
        names.join(" "),
        if args.no_entries { " --no-entries" } else { "" },
        machine()?,
        args.runs
    )?;
    for peer in peers {
        writeln!(out, "* {}: {}", peer.name, peer.version)?;
    }
    for table in tables {
        let (files, mib) = (table.files, table.bytes as f64 / f64::from(1 << 20));
        writeln!(out, "\n### {}: {files} files, {mib:.0} MiB\n", table.data.name())?;
        writeln!(out, "| operation | tool | s | MiB/s | processor s | MiB resident | s, rockhold = 1 |")?;
        writeln!(out, "|---|---|---:|---:|---:|---:|---:|")?;
        for operation in Operation::ALL {
            let rows = table.rows.iter().filter(|row| row.operation == operation);
            let ours = table.rows.iter().find(|row| row.operation == operation && row.tool == "rockhold");
            for row in rows {
                writeln!(out, "{}", render_row(row, mib, ours))?;
            }
        }
    }
    for table in tables.iter().filter(|table| !table.requests.is_empty()) {
        writeln!(out, "\n### {}: requests that the server counted\n", table.data.name())?;
        writeln!(out, "| operation | tool | requests | for each file |\n|---|---|---:|---:|")?;
        for (operation, tool, requests) in &table.requests {
            let each = *requests as f64 / table.files.max(1) as f64;
            writeln!(out, "| {} | {tool} | {requests} | {each:.3} |", operation_name(*operation))?;
        }
    }
    if let Some(Entries { files, sample, said }) = entries {
        writeln!(out, "\n### entries: {files} files, of which none is moved\n")?;
        writeln!(out, "{:.1} s, {} MiB resident at most, for all of:\n", sample.wall, sample.rss_kib / 1024)?;
        writeln!(out, "```text\n{}\n```", said.trim_end())?;
    }
    Ok(out)
}

fn render_row(row: &Row, mib: f64, ours: Option<&Row>) -> String {
    let wall = |row: &Row| median(row.samples.iter().map(|sample| sample.wall));
    let cpu = median(row.samples.iter().map(|sample| sample.cpu));
    let rss = median(row.samples.iter().map(|sample| sample.rss_kib as f64)) / 1024.0;
    let operation = operation_name(row.operation);
    let seconds = wall(row);
    let ratio = ours.map_or(f64::NAN, |ours| seconds / wall(ours));
    format!(
        "| {operation} | {} | {seconds:.2} | {:.0} | {cpu:.1} | {rss:.0} | {ratio:.2} |",
        row.tool,
        mib / seconds
    )
}

fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Backup => "backup",
        Operation::BackupAgain => "backup, nothing changed",
        Operation::BackupChanged => "backup, one partition changed",
        Operation::Restore => "restore",
    }
}

/// Cores and memory; nothing that names the machine.
fn machine() -> Result<String> {
    let cores = std::thread::available_parallelism().context("cannot count processors")?;
    let memory = fs::read_to_string("/proc/meminfo").context("/proc/meminfo")?;
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.trim().parse().ok())
        .context("/proc/meminfo has no MemTotal")?;
    Ok(format!("{cores} cores, {} GiB memory", kib.div_ceil(1 << 20)))
}

/// Puts the tables between the two marks of a store and leaves the rest alone.
pub(crate) fn write(path: &Path, store: &str, tables: &str) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let replaced =
        replace(&text, store, tables).with_context(|| format!("{} has lost its marks", path.display()))?;
    fs::write(path, replaced).with_context(|| path.display().to_string())
}

fn replace(text: &str, store: &str, tables: &str) -> Option<String> {
    let mark = |what: &str| format!("<!-- written by cargo xtask bench --store {store}: {what} -->");
    let (begin, end) = (mark("begin"), mark("end"));
    let (head, rest) = text.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}\n{tables}{end}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::{super::measure::Sample, *};

    #[test]
    fn only_the_marked_part_of_the_file_changes() {
        let file = |tables: &str| {
            let mark = "<!-- written by cargo xtask bench --store s3:";
            format!("head\n{mark} begin -->\n{tables}{mark} end -->\ntail\n")
        };
        assert_eq!(replace(&file("old\n"), "s3", "new\n").unwrap(), file("new\n"));
        assert_eq!(replace(&file("old\n"), "file", "new\n"), None);
    }

    #[test]
    fn a_row_has_medians_and_the_ratio_to_ours() {
        let row = |tool, walls: [f64; 3]| Row {
            operation: Operation::Backup,
            tool,
            samples: walls.iter().map(|wall| Sample { wall: *wall, cpu: 1.0, rss_kib: 2048 }).collect(),
        };
        let ours = row("rockhold", [1.0, 2.0, 9.0]);
        let text = render_row(&row("restic", [8.0, 4.0, 3.0]), 100.0, Some(&ours));
        assert_eq!(text, "| backup | restic | 4.00 | 25 | 1.0 | 2 | 2.00 |");
    }
}
