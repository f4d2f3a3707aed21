//! How each tool is asked to do the same thing.

use super::{
    Operation,
    measure::{self, Sample},
    store::{Store, StoreKind},
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

/// The peers that this machine has for a store, in the order of the table. None
/// of them syncs; `sync` stands in the scripts that write to disk because a
/// backup that a power cut takes away is not one.
pub(crate) fn installed_peers(store: StoreKind) -> Vec<Peer> {
    let all = match store {
        StoreKind::File => on_disk(),
        StoreKind::S3 => on_s3(),
    };
    let mut peers = Vec::new();
    for (name, version, steps) in all {
        match version_line(version) {
            Some(version) => peers.push(Peer { name, version, steps }),
            None => println!("{name} is not installed: it is left out"),
        }
    }
    peers
}

type Tool = (&'static str, &'static str, Vec<(Option<Operation>, &'static str)>);

fn on_disk() -> Vec<Tool> {
    use Operation::{Backup, BackupAgain, BackupChanged, Restore};
    let restic = r#"RESTIC_PASSWORD=bench restic --no-cache -r "$STORE" backup "$SRC" && sync"#;
    let rclone = r#"rclone copy "$SRC" "$STORE/copy" --transfers 8 && sync"#;
    vec![
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
                (Some(Backup), restic),
                (Some(BackupAgain), restic),
                (Some(BackupChanged), restic),
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
                (Some(Backup), rclone),
                (Some(BackupAgain), rclone),
                (Some(BackupChanged), rclone),
                (Some(Restore), r#"rclone copy "$STORE/copy" "$BACK/copy" --transfers 8 && sync"#),
            ],
        ),
    ]
}

/// `$STORE` is `bucket/prefix`; [`Store::variables`] say where the server is.
///
/// [`Store::variables`]: super::store::Store::variables
fn on_s3() -> Vec<Tool> {
    use Operation::{Backup, BackupAgain, BackupChanged, Restore};
    let rclone = r#"rclone copy "$SRC" ":s3:$STORE" --transfers 32"#;
    let s5cmd = r#"s5cmd --numworkers 64 sync "$SRC/" "s3://$STORE/""#;
    vec![
        (
            "rclone",
            "rclone version",
            vec![
                (Some(Backup), rclone),
                (Some(BackupAgain), rclone),
                (Some(BackupChanged), rclone),
                (Some(Restore), r#"rclone copy ":s3:$STORE" "$BACK/copy" --transfers 32 && sync"#),
            ],
        ),
        (
            "s5cmd",
            "s5cmd version",
            vec![
                (Some(Backup), s5cmd),
                (Some(BackupAgain), s5cmd),
                (Some(BackupChanged), s5cmd),
                (Some(Restore), r#"s5cmd --numworkers 64 cp "s3://$STORE/*" "$BACK/copy/" && sync"#),
            ],
        ),
    ]
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
}

/// What Rockhold does in one round: backups with names that are new in every
/// round, and a restore of the last one into a new warehouse.
pub(crate) struct Round<'a> {
    rockhold: &'a Rockhold,
    warehouse: &'a Path,
    back: &'a Path,
    repository: String,
    create: String,
}

impl<'a> Round<'a> {
    /// Creates the repository.
    pub(crate) fn new(
        rockhold: &'a Rockhold,
        store: &Store,
        warehouse: &'a Path,
        at: &str,
        back: &'a Path,
        round: u32,
    ) -> Result<Self> {
        // The warehouse remembers its repositories.
        let repository = format!("bench_{}_{round}", std::process::id());
        let create = format!("CREATE REPOSITORY {repository} WITH BROKER ON LOCATION {}", store.location(at));
        rockhold.sql(warehouse, &create)?;
        Ok(Self { rockhold, warehouse, back, repository, create })
    }

    pub(crate) fn run(&mut self, operation: Operation) -> Result<Sample> {
        let repository = &self.repository;
        let label = match operation {
            Operation::Backup => "first",
            Operation::BackupAgain => "second",
            Operation::BackupChanged => "third",
            Operation::Restore => return self.restore(),
        };
        let backup = format!("BACKUP DATABASE bench SNAPSHOT {label} TO {repository}");
        self.rockhold.timed(self.warehouse, &backup)
    }

    fn restore(&self) -> Result<Sample> {
        let repository = &self.repository;
        self.rockhold.sql(self.back, &self.create)?;
        let shown = self.rockhold.sql(self.back, &format!("SHOW SNAPSHOT ON {repository}"))?;
        let timestamp = timestamp_of(&shown, "third")?;
        let restore = format!(
            r#"RESTORE SNAPSHOT third FROM {repository} DATABASE bench PROPERTIES ("backup_timestamp" = "{timestamp}")"#
        );
        self.rockhold.timed(self.back, &restore)
    }

    /// Lets the warehouse forget the repository.
    pub(crate) fn end(self) -> Result<()> {
        self.rockhold.sql(self.warehouse, &format!("DROP REPOSITORY {}", self.repository)).map(|_| ())
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
