//! How each tool is asked to do the same thing.

use super::{
    Operation,
    measure::{self, Sample},
};
use anyhow::{Context, Result, bail};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// A tool to compare with: shell steps over `$SRC`, `$STORE`, `$BACK`. A step
/// without an operation is preparation and is not reported.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Its version, as it says itself.
    pub(crate) version: String,
    pub(crate) steps: Vec<(Option<Operation>, &'static str)>,
}

/// The peers that this machine has, in the order of the table. `restic` and
/// `rclone` do not sync; `sync` stands in their scripts because a backup that
/// a power cut takes away is not one.
pub(crate) fn installed_peers() -> Vec<Peer> {
    use Operation::{Backup, BackupAgain, Restore};
    let all = [
        (
            "sha256sum",
            "sha256sum --version",
            vec![(Some(Backup), r#"find "$SRC" -type f -print0 | xargs -0 sha256sum >"$STORE/sums""#)],
        ),
        (
            "cp && sync",
            "cp --version",
            vec![
                (Some(Backup), r#"cp -r "$SRC" "$STORE/copy" && sync"#),
                (Some(Restore), r#"cp -r "$STORE/copy" "$BACK/copy" && sync"#),
            ],
        ),
        (
            "restic",
            "restic version",
            vec![
                (None, r#"RESTIC_PASSWORD=bench restic --no-cache -r "$STORE" init"#),
                (
                    Some(Backup),
                    r#"RESTIC_PASSWORD=bench restic --no-cache -r "$STORE" backup "$SRC" && sync"#,
                ),
                (
                    Some(BackupAgain),
                    r#"RESTIC_PASSWORD=bench restic --no-cache -r "$STORE" backup "$SRC" && sync"#,
                ),
                (
                    Some(Restore),
                    r#"RESTIC_PASSWORD=bench restic --no-cache -r "$STORE" restore latest --target "$BACK" && sync"#,
                ),
            ],
        ),
        (
            "rclone",
            "rclone version",
            vec![
                (Some(Backup), r#"rclone copy "$SRC" "$STORE/copy" --transfers 8 && sync"#),
                (Some(BackupAgain), r#"rclone copy "$SRC" "$STORE/copy" --transfers 8 && sync"#),
                (Some(Restore), r#"rclone copy "$STORE/copy" "$BACK/copy" --transfers 8 && sync"#),
            ],
        ),
    ];
    let mut peers = Vec::new();
    for (name, version, steps) in all {
        match version_line(version) {
            Some(version) => peers.push(Peer { name, version, steps }),
            None => println!("{name} is not installed: it is left out"),
        }
    }
    peers
}

/// The first line that a version command prints.
fn version_line(command: &str) -> Option<String> {
    let output = Command::new("sh").args(["-c", command]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}

/// The command line program.
pub(crate) struct Rockhold {
    pub(crate) binary: PathBuf,
}

impl Rockhold {
    fn command(&self, warehouse: &Path, statements: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(["sql", "--quiet", "--format", "jsonl", "--data"])
            .arg(warehouse)
            .args(["-e", statements]);
        command
    }

    /// Runs statements and gives what they print.
    pub(crate) fn sql(&self, warehouse: &Path, statements: &str) -> Result<String> {
        let output = self
            .command(warehouse, statements)
            .output()
            .with_context(|| format!("cannot run {}", self.binary.display()))?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("rockhold failed on `{}`: {}", shorten(statements), error.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn timed(&self, warehouse: &Path, statement: &str) -> Result<Sample> {
        measure::timed(&self.command(warehouse, statement))
    }

    /// A backup, the same again, and a restore into a new warehouse.
    pub(crate) fn round(
        &self,
        warehouse: &Path,
        store: &Path,
        back: &Path,
        round: u32,
    ) -> Result<Vec<(Operation, Sample)>> {
        // Names are new in every round: the warehouse remembers its repositories.
        let repository = format!("bench_{}_{round}", std::process::id());
        let create =
            format!(r#"CREATE REPOSITORY {repository} WITH BROKER ON LOCATION "file://{}""#, store.display());
        let backup = |label: &str| format!("BACKUP DATABASE bench SNAPSHOT {label} TO {repository}");
        self.sql(warehouse, &create)?;
        let full = self.timed(warehouse, &backup("first"))?;
        let again = self.timed(warehouse, &backup("second"))?;
        self.sql(back, &create)?;
        let timestamp = timestamp_of(&self.sql(back, &format!("SHOW SNAPSHOT ON {repository}"))?, "second")?;
        let restore = format!(
            r#"RESTORE SNAPSHOT second FROM {repository} DATABASE bench PROPERTIES ("backup_timestamp" = "{timestamp}")"#
        );
        let restored = self.timed(back, &restore)?;
        self.sql(warehouse, &format!("DROP REPOSITORY {repository}"))?;
        Ok(vec![(Operation::Backup, full), (Operation::BackupAgain, again), (Operation::Restore, restored)])
    }
}

/// The timestamp of a snapshot in the JSON lines of SHOW SNAPSHOT.
fn timestamp_of(lines: &str, label: &str) -> Result<String> {
    for line in lines.lines().filter(|line| !line.trim().is_empty()) {
        let row: serde_json::Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        if row["Snapshot"] == label
            && let Some(timestamp) = row["Timestamp"].as_str()
        {
            return Ok(timestamp.to_owned());
        }
    }
    bail!("SHOW SNAPSHOT does not list {label}: {lines}")
}

fn shorten(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timestamp_of_the_label_is_found() {
        let lines = "{\"Snapshot\":\"a\",\"Timestamp\":\"1\"}\n{\"Snapshot\":\"b\",\"Timestamp\":\"2\"}\n";
        assert_eq!(timestamp_of(lines, "b").unwrap(), "2");
        assert!(timestamp_of(lines, "c").is_err());
    }
}
