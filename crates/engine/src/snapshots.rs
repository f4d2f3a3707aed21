//! SHOW SNAPSHOT and DROP SNAPSHOT.

use crate::Engine;
use crate::backup::owner;
use crate::error::{common, from_core};
use crate::repositories::Opened;
use rockhold_core::format::{EntryReader, SnapshotDocument, SnapshotState, read_document};
use rockhold_core::{ErrorKind, Result, Row, Rows};
use rockhold_sql::SqlError;
use rockhold_sql::analyze::SnapshotFilter;
use serde_json::{Map, Value, json};

const LIST: [&str; 3] = ["Snapshot", "Timestamp", "Status"];
const EXACT: [&str; 5] = ["Snapshot", "Timestamp", "Database", "Details", "Status"];

/// StarRocks's versions of the metadata that Details shows; some tools read them.
const META_VERSION: u32 = 92;
const STARROCKS_META_VERSION: u32 = 4;

impl Engine {
    /// SHOW SNAPSHOT ON repository \[WHERE …\].
    ///
    /// # Errors
    /// 5064 when the repository is not known or cannot be listed.
    pub async fn show_snapshots(&self, repository: &str, filter: SnapshotFilter) -> Result<Rows, SqlError> {
        let opened = self.require_repository(repository).await?;
        match filter {
            SnapshotFilter::LabelAndTimestamp(label, timestamp) => {
                let row = self.exact_row(&opened, &label, &timestamp).await?;
                Ok(Rows::text(&EXACT, vec![row]))
            }
            SnapshotFilter::Label(label) => {
                let rows = match opened.labels.read_snapshot(&label, None).await {
                    Ok(snapshot) => list_row(&label, Some(&snapshot.document.backup_timestamp), "OK".into()),
                    Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {
                        list_row(&label, Some(""), "ERROR: no snapshot".into())
                    }
                    Err(e) => list_row(&label, None, format!("ERROR: Failed to get info: {e}")),
                };
                Ok(Rows::text(&LIST, vec![rows]))
            }
            SnapshotFilter::All => self.listed(&opened, None).await,
            SnapshotFilter::Labels(labels) => self.listed(&opened, Some(&labels)).await,
        }
    }

    async fn listed(&self, opened: &Opened, only: Option<&[String]>) -> Result<Rows, SqlError> {
        let listings = opened.labels.list_snapshots().await.map_err(|e| {
            common(format!("failed to list snapshot in repo: {}, err: {e}", opened.record.name))
        })?;
        let rows = listings
            .iter()
            .filter(|listing| only.is_none_or(|labels| labels.contains(&listing.label)))
            .filter_map(|listing| match &listing.state {
                SnapshotState::Committed(s) => {
                    Some(list_row(&listing.label, Some(&s.backup_timestamp), "OK".into()))
                }
                SnapshotState::Damaged(e) => {
                    Some(list_row(&listing.label, None, format!("ERROR: Failed to get info: {e}")))
                }
                _ => None,
            })
            .collect();
        Ok(Rows::text(&LIST, rows))
    }

    async fn exact_row(&self, opened: &Opened, label: &str, timestamp: &str) -> Result<Row, SqlError> {
        let found = match opened.labels.read_snapshot(label, Some(timestamp)).await {
            Ok(snapshot) => {
                self.details(opened, &snapshot.document).await.map(|d| (snapshot.document.database, d))
            }
            Err(error) => Err(error),
        };
        let (label, timestamp) = (Some(label.to_owned()), Some(timestamp.to_owned()));
        Ok(match found {
            Ok((database, details)) => {
                vec![label, timestamp, Some(database), Some(details), Some("OK".into())]
            }
            Err(error) => vec![label, timestamp, None, None, Some(format!("failed to get info: {error}"))],
        })
    }

    async fn details(&self, opened: &Opened, document: &SnapshotDocument) -> Result<String> {
        let mut objects = Map::new();
        let mut reader = EntryReader::objects(opened.repository.clone(), document.objects.clone());
        while let Some(entry) = reader.next().await? {
            let Some(descriptor) = self.kinds().get(&entry.kind) else { continue };
            if !descriptor.shown_in_job {
                continue;
            }
            let body = read_document(&*opened.repository, &entry).await?;
            let mut partitions = Map::new();
            let mut names = EntryReader::partitions(
                opened.repository.clone(),
                &entry.name,
                entry.partitions.clone(),
                None,
            );
            while let Some(partition) = names.next().await? {
                partitions.insert(partition.name, json!({}));
            }
            for hidden in self.codec(&entry.kind)?.hidden_partitions(&body)? {
                partitions.insert(hidden, json!({}));
            }
            let mut object = Map::new();
            object.insert("partitions".into(), Value::Object(partitions));
            if let Some(next) = body.state.get("auto_increment") {
                object.insert("autoIncrementId".into(), next.clone());
            }
            objects.insert(entry.name.name, Value::Object(object));
        }
        let details = json!({
            "name": document.label,
            "database": document.database,
            "backup_time": document.created,
            "backup_objects": objects,
            "meta_version": META_VERSION,
            "starrocks_meta_version": STARROCKS_META_VERSION,
            "backup_result": "succeed",
        });
        Ok(layout(&details, 0))
    }

    /// DROP SNAPSHOT label ON repository \[FORCE\].
    ///
    /// # Errors
    /// 5064 with StarRocks's texts.
    pub async fn drop_snapshot(&self, label: &str, repository: &str, force: bool) -> Result<(), SqlError> {
        let opened = self.require_repository(repository).await?;
        if opened.record.read_only {
            return Err(common(format!("Repository {repository} is read only")));
        }
        let missing = || common(format!("snapshot does not exist in repository {repository}: {label}"));
        let writing = || common(format!("cannot drop snapshot {label}: a backup is writing it"));
        for job in self.0.state.jobs(None).await.map_err(from_core)? {
            if !job.finished && job.repository == repository && job.label == label {
                return Err(match job.kind {
                    rockhold_core::JobKind::Backup => writing(),
                    rockhold_core::JobKind::Restore => {
                        common(format!("cannot drop snapshot {label}: a restore is reading it"))
                    }
                });
            }
        }
        let labels = opened.labels.clone().force(force);
        if !force && let Ok(snapshot) = labels.read_snapshot(label, None).await {
            let (theirs, ours) = (snapshot.document.cluster, self.0.warehouse.cluster());
            if theirs != ours {
                return Err(common(format!(
                    "snapshot {label} was created by cluster {theirs}, this cluster is {ours}; use FORCE"
                )));
            }
        }
        match labels.drop_snapshot(label, &owner(), self.0.clock.now()).await {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(missing()),
            Err(e) if e.kind() == ErrorKind::Conflict => Err(writing()),
            Err(e) => Err(common(format!("failed to delete snapshot {label}: {e}"))),
        }
    }
}

fn list_row(label: &str, timestamp: Option<&str>, status: String) -> Row {
    vec![Some(label.to_owned()), timestamp.map(str::to_owned), Some(status)]
}

/// StarRocks's layout of JSON: one blank of indentation, an object with one
/// member on one line.
fn layout(value: &Value, depth: usize) -> String {
    let Value::Object(map) = value else { return value.to_string() };
    let member = |key: &String, value: &Value, depth| {
        format!("{}: {}", Value::from(key.as_str()), layout(value, depth))
    };
    match map.len() {
        0 => "{}".into(),
        1 => map.iter().map(|(k, v)| format!("{{{}}}", member(k, v, depth))).collect(),
        _ => {
            let pad = " ".repeat(depth + 1);
            let lines: Vec<String> =
                map.iter().map(|(k, v)| format!("{pad}{}", member(k, v, depth + 1))).collect();
            format!("{{\n{}\n{}}}", lines.join(",\n"), " ".repeat(depth))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_laid_out_as_starrocks_does() {
        let value =
            json!({"a": 1, "o": {"p": {"partitions": {"p1": {}, "p2": {}}}, "t": {"partitions": {"t": {}}}}});
        let expected = "{\n \"a\": 1,\n \"o\": {\n  \"p\": {\"partitions\": {\n   \"p1\": {},\n   \"p2\": {}\n  }},\n  \
                        \"t\": {\"partitions\": {\"t\": {}}}\n }\n}";
        assert_eq!(layout(&value, 0), expected);
    }
}
