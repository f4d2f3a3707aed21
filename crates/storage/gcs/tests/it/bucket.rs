//! What is told about the settings of a bucket when a repository is created.

use crate::support::{BUCKET, emulator};
use rockhold_core::{OpenRepository, RepositoryFactory};
use rockhold_storage_gcs::GcsFactory;
use rockhold_testkit::must;
use rockhold_testkit_gcs::{Call, Emulator, Fault, Rule};
use serde_json::{Value, json};

/// What somebody hears who opens a repository, or creates it.
async fn told(gcs: &Emulator, create: bool) -> Vec<String> {
    let mut request = OpenRepository::new(format!("gs://{BUCKET}/backup")).directory("r").create(create);
    request.properties.insert("gcp.gcs.endpoint".into(), gcs.endpoint().into());
    request.properties.insert("gcp.gcs.anonymous".into(), "true".into());
    must(GcsFactory.open(request).await).warnings
}

#[tokio::test]
async fn rules_that_would_delete_files_are_told_when_a_repository_is_created() {
    let gcs = emulator().await;
    assert_eq!(told(&gcs, true).await, [""; 0]);
    let rule = |condition: Value| json!({"action": {"type": "Delete"}, "condition": condition});
    let rules = [
        rule(json!({"age": 7, "matchesPrefix": ["logs/"]})),
        rule(json!({"age": 30, "matchesPrefix": ["backup/"]})),
        rule(json!({"age": 3, "isLive": false})),
    ];
    gcs.set_bucket(BUCKET, "lifecycle", json!({"rule": rules}));
    gcs.set_bucket(BUCKET, "retentionPolicy", json!({"retentionPeriod": "86400"}));
    assert_eq!(
        told(&gcs, true).await,
        [
            "the lifecycle rule 2 of the bucket rockhold-test deletes files of this repository, which destroys \
             snapshots; exclude gs://rockhold-test/backup/r",
            "the retention policy of the bucket rockhold-test keeps files from being replaced and deleted, so \
             that backups fail; remove it or use another bucket",
        ]
    );
    assert_eq!(gcs.count(Call::Bucket), 2);
    assert_eq!(told(&gcs, false).await, [""; 0]);
    assert_eq!(gcs.passed().len(), 2, "opening alone costs no request");
}

#[tokio::test]
async fn settings_that_may_not_or_cannot_be_read_are_no_reason_to_fail() {
    let gcs = emulator().await;
    let deletes = json!({"rule": [{"action": {"type": "Delete"}, "condition": {"age": 1}}]});
    gcs.set_bucket(BUCKET, "lifecycle", deletes);
    let faults = [Fault::Status(403, None), Fault::Status(503, None), Fault::LoseReply, Fault::ResetBody(5)];
    for fault in faults {
        gcs.fault(Rule::next(Call::Bucket), fault.clone());
        assert_eq!(told(&gcs, true).await, [""; 0], "{fault:?}");
    }
    gcs.set_bucket(BUCKET, "retentionPolicy", json!({}));
    gcs.set_bucket(BUCKET, "lifecycle", json!("something else"));
    assert_eq!(told(&gcs, true).await, [""; 0]);
}
