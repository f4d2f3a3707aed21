//! Settings of the bucket that would take the repository's files away, or that
//! a backup cannot work with.

use crate::{backend::Shared, location::Location};
use serde::{Deserialize, de::IgnoredAny};
use std::time::Duration;

/// The most that the settings are waited for: nothing depends on them.
const LIMIT: Duration = Duration::from_secs(10);

/// The fields of [`Bucket`], as the service names them.
const FIELDS: &str = "lifecycle,retentionPolicy,defaultEventBasedHold";

/// A bucket as the service describes it. What is not set is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bucket {
    lifecycle: Lifecycle,
    retention_policy: Option<IgnoredAny>,
    default_event_based_hold: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lifecycle {
    rule: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    action: Action,
    #[serde(default)]
    condition: Condition,
}

#[derive(Debug, Deserialize)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
}

/// The conditions of a rule, all of which an object must meet. Those that are
/// left out here (its age, its class, when it was created) any object of ours
/// may come to meet.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Condition {
    matches_prefix: Vec<String>,
    matches_suffix: Vec<String>,
    is_live: Option<bool>,
    num_newer_versions: u64,
    days_since_noncurrent_time: Option<IgnoredAny>,
    noncurrent_time_before: Option<IgnoredAny>,
    days_since_custom_time: Option<IgnoredAny>,
    custom_time_before: Option<IgnoredAny>,
}

/// One line for each setting that is in the way; none where the account may
/// not read them.
pub(crate) async fn warnings(shared: &Shared) -> Vec<String> {
    match tokio::time::timeout(LIMIT.min(shared.client.call), ask(shared)).await {
        Ok(Some(bucket)) => bucket.warnings(&shared.location),
        _ => Vec::new(),
    }
}

async fn ask(shared: &Shared) -> Option<Bucket> {
    let at = shared.location.display();
    let asked = shared.asked("open", &at, "storage.buckets.get");
    let request = shared.client.bucket(&shared.location).query(&[("fields", FIELDS)]);
    shared.client.json(&asked, LIMIT, request).await.ok()?.ok()
}

impl Bucket {
    fn warnings(&self, location: &Location) -> Vec<String> {
        // Rules have no names. They are counted as every tool shows them.
        let rules = (1..).zip(&self.lifecycle.rule);
        let mut lines: Vec<String> = rules.filter_map(|(at, rule)| rule.warning(at, location)).collect();
        let keeping = [
            (self.retention_policy.is_some(), "retention policy"),
            (self.default_event_based_hold, "default event-based hold"),
        ];
        for (_, setting) in keeping.iter().filter(|(is_set, _)| *is_set) {
            lines.push(format!(
                "the {setting} of the bucket {} keeps files from being replaced and deleted, so that backups \
                 fail; remove it or use another bucket",
                location.bucket
            ));
        }
        lines
    }
}

impl Rule {
    /// From every storage class an object is read at once, so that only
    /// deleting does harm.
    fn warning(&self, at: usize, location: &Location) -> Option<String> {
        if self.action.kind != "Delete" || !self.condition.concerns(location) {
            return None;
        }
        let suffixes: Vec<String> =
            self.condition.matches_suffix.iter().map(|suffix| suffix.escape_debug().to_string()).collect();
        let named = match suffixes.is_empty() {
            true => String::new(),
            false => format!(" whose names end with {}", suffixes.join(" or ")),
        };
        Some(format!(
            "the lifecycle rule {at} of the bucket {} deletes files of this repository{named}, which destroys \
             snapshots; exclude {}",
            location.bucket,
            location.display()
        ))
    }
}

impl Condition {
    /// Whether an object of the repository may meet it.
    fn concerns(&self, location: &Location) -> bool {
        let path = location.prefix(None);
        let selects = |prefix: &String| {
            let is_near = path.starts_with(prefix.as_str()) || prefix.starts_with(path.as_str());
            is_near && !location.is_staging(prefix)
        };
        !self.is_of_old_versions()
            && !self.is_of_custom_times()
            && (self.matches_prefix.is_empty() || self.matches_prefix.iter().any(selects))
    }

    /// Whether only what was replaced or deleted before meets it: a repository
    /// never reads that again.
    fn is_of_old_versions(&self) -> bool {
        self.is_live == Some(false)
            || self.num_newer_versions > 0
            || self.days_since_noncurrent_time.is_some()
            || self.noncurrent_time_before.is_some()
    }

    /// Whether it goes by a time that a writer notes, which we do not.
    fn is_of_custom_times(&self) -> bool {
        self.days_since_custom_time.is_some() || self.custom_time_before.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn lines(bucket: Value) -> Vec<String> {
        let location = Location::parse("gs://bucket/backup/r").unwrap();
        serde_json::from_value::<Bucket>(bucket).unwrap().warnings(&location)
    }

    fn rule(kind: &str, condition: Value) -> Vec<String> {
        lines(json!({"lifecycle": {"rule": [{"action": {"type": kind}, "condition": condition}]}}))
    }

    #[test]
    fn a_rule_that_deletes_files_of_the_repository_is_named() {
        let line = "the lifecycle rule 1 of the bucket bucket deletes files of this repository, which destroys \
                    snapshots; exclude gs://bucket/backup/r";
        for condition in [
            json!({"age": 30}),
            json!({"createdBefore": "2030-01-01"}),
            json!({"age": 1, "isLive": true}),
            json!({"age": 1, "numNewerVersions": 0, "matchesStorageClass": ["STANDARD"]}),
            json!({"age": 1, "matchesPrefix": ["logs/", "backup/"]}),
            json!({"age": 1, "matchesPrefix": ["backup/r/data/"]}),
            json!({"age": 1, "matchesPrefix": [""]}),
        ] {
            assert_eq!(rule("Delete", condition.clone()), [line], "{condition}");
        }
        let named = rule("Delete", json!({"age": 1, "matchesSuffix": [".log", ".tmp\n"]}));
        assert!(
            named.concat().contains("repository whose names end with .log or .tmp\\n, which"),
            "{named:?}"
        );
    }

    #[test]
    fn a_rule_that_leaves_the_repository_alone_is_not() {
        for condition in [
            json!({"age": 1, "matchesPrefix": ["logs/", "backup/r2/"]}),
            json!({"age": 7, "matchesPrefix": ["backup/r/.tmp-staged/"]}),
            json!({"age": 1, "isLive": false}),
            json!({"numNewerVersions": 3}),
            json!({"daysSinceNoncurrentTime": 0}),
            json!({"noncurrentTimeBefore": "2030-01-01"}),
            json!({"daysSinceCustomTime": 1}),
            json!({"customTimeBefore": "2030-01-01"}),
        ] {
            assert_eq!(rule("Delete", condition.clone()), [""; 0], "{condition}");
        }
        for kind in ["SetStorageClass", "AbortIncompleteMultipartUpload"] {
            assert_eq!(rule(kind, json!({"age": 1})), [""; 0], "{kind}");
        }
        assert_eq!(lines(json!({})), [""; 0]);
    }

    #[test]
    fn each_rule_is_told_by_its_place_and_each_hold_by_its_name() {
        let delete = |condition: Value| json!({"action": {"type": "Delete"}, "condition": condition});
        let told = lines(json!({
            "lifecycle": {"rule": [delete(json!({"numNewerVersions": 1})), delete(json!({"age": 9}))]},
            "retentionPolicy": {"retentionPeriod": "86400", "isLocked": true},
            "defaultEventBasedHold": true,
        }));
        let beginnings = ["the lifecycle rule 2 ", "the retention policy ", "the default event-based hold "];
        assert_eq!(told.len(), beginnings.len(), "{told:?}");
        for (line, beginning) in told.iter().zip(beginnings) {
            assert!(line.starts_with(beginning), "{line}");
        }
        assert_eq!(lines(json!({"defaultEventBasedHold": false})), [""; 0]);
    }
}
