//! What `Engine::check_repository` finds out, and that it leaves nothing behind.

use crate::support::{MemoryFactory, World, open};
use rockhold_core::{Capabilities, CreateNew, CreateRequest, ErrorKind, Key, MemoryRepository, Repository};
use rockhold_engine::{CheckResult, RepositoryCheck};
use rockhold_layers::{Failure, Fault, FaultPlan, Operation, Scope};
use std::sync::Arc;

const ROOT: &str = "mem://r/__rockhold_repository_r";

async fn check(w: &World) -> RepositoryCheck {
    w.engine.check_repository("r").await.unwrap()
}

/// `step: word`, for every step.
fn words(report: &RepositoryCheck) -> Vec<String> {
    let word = |result: &CheckResult| match result {
        CheckResult::Passed(_) => "ok",
        CheckResult::Failed(_) => "failed",
        CheckResult::Skipped(_) => "skipped",
    };
    report.steps.iter().map(|step| format!("{} {}", step.what, word(&step.result))).collect()
}

fn all_ok() -> Vec<String> {
    ["open", "read", "list", "write", "overwrite", "delete", "create-new", "unfinished"]
        .map(|what| format!("{what} ok"))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_repository_passes_every_step_and_is_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryFactory::default();
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(1).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let repository = memory.repository(ROOT);
    let before = repository.objects();
    let report = check(&w).await;
    assert_eq!(words(&report), all_ok());
    assert!(report.is_good() && report.warnings.is_empty());
    assert_eq!(repository.objects(), before);
    assert_eq!(
        report.to_string(),
        "repository r at mem://r\n\
         ok       open       everything: location, properties, credentials, bucket\n\
         ok       read       RESTORE, SHOW SNAPSHOT\n\
         ok       list       SHOW SNAPSHOT, BACKUP\n\
         ok       write      BACKUP\n\
         ok       overwrite  the heartbeat of BACKUP\n\
         ok       delete     removing files of cancelled backups\n\
         ok       create-new two backups never share a label: the store keeps it\n\
         ok       unfinished uploads that nobody ended cost space\n"
    );

    let unknown = w.engine.check_repository("nobody").await.unwrap_err();
    assert!(unknown.to_string().contains("Repository nobody does not exist"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_permission_that_is_missing_is_named_for_itself() {
    let cases = [
        (Operation::Get, "read failed", "write skipped"),
        (Operation::List, "list failed", "delete ok"),
        (Operation::Put, "write failed", "delete skipped"),
        (Operation::Delete, "delete failed", "create-new skipped"),
        (Operation::CountStaged, "unfinished failed", "create-new ok"),
    ];
    for (operation, failed, also) in cases {
        let dir = tempfile::tempdir().unwrap();
        let plan = FaultPlan::new();
        let w = open(dir.path(), &MemoryFactory::default(), &plan).await.unwrap();
        w.set_up(1).await;
        plan.on(Scope::operation(operation), Fault::before(Failure::permanent(ErrorKind::PermissionDenied)));
        let report = check(&w).await;
        let words = words(&report);
        assert_eq!(words.len(), 8, "every step is reported: {words:?}");
        assert!(words.iter().any(|word| word == failed), "{operation}: {words:?}");
        assert!(words.iter().any(|word| word == also), "{operation}: {words:?}");
        assert!(!report.is_good());
        assert!(report.to_string().contains("FAILED"), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unfinished_is_counted_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryFactory::default();
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(1).await;
    let repository = memory.repository(ROOT);
    for name in ["data/a/1.parquet", "data/b/1.parquet"] {
        let writer = repository.create(CreateRequest::new(Key::new(name).unwrap(), 100)).await.unwrap();
        std::mem::forget(writer); // its owner was killed
    }
    let report = check(&w).await;
    let CheckResult::Passed(Some(note)) = &report.steps[7].result else { panic!("{report}") };
    assert!(note.starts_with("2 below data/"), "{note}");
    assert_eq!(repository.staged().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_overwrites_is_found_out_and_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryFactory::default();
    let mut capabilities = Capabilities::full();
    capabilities.create_new = CreateNew::Missing;
    let store = Arc::new(MemoryRepository::new().with_capabilities(capabilities));
    memory.0.lock().unwrap().insert(ROOT.to_owned(), store);
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(1).await;
    let report = check(&w).await;
    assert!(report.is_good());
    assert!(report.to_string().contains("labels are taken by bids"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_repository_is_not_written_to() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryFactory::default();
    let plan = FaultPlan::new();
    let w = open(dir.path(), &memory, &plan).await.unwrap();
    w.set_up(1).await;
    w.sql("DROP REPOSITORY r").await.unwrap();
    w.sql("CREATE READ ONLY REPOSITORY r WITH BROKER ON LOCATION \"mem://r\"").await.unwrap();
    for operation in [Operation::Put, Operation::Create, Operation::Delete] {
        plan.on(
            Scope::operation(operation),
            Fault::run(rockhold_layers::Moment::Before, |_| panic!("a write")),
        );
    }
    let report = check(&w).await;
    assert!(report.is_good() && report.read_only);
    assert_eq!(
        words(&report),
        [
            "open ok",
            "read ok",
            "list ok",
            "write skipped",
            "overwrite skipped",
            "delete skipped",
            "create-new skipped",
            "unfinished skipped"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_come_from_the_properties_and_what_is_no_limit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryFactory::default();
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(1).await;
    let create = |name: &str, property: &str| {
        format!("CREATE REPOSITORY {name} WITH BROKER ON LOCATION \"mem://{name}\" PROPERTIES ({property})")
    };
    let refused = w.sql(&create("slow", "\"max_upload_rate\" = \"fast\"")).await.unwrap_err().to_string();
    assert!(refused.contains("\"max_upload_rate\" = \"fast\" is not a rate"), "{refused}");
    assert!(memory.repository("mem://slow/__rockhold_repository_slow").objects().is_empty());

    // Four files and the rest, at 2 kB a second: the rate is kept by the job as a whole.
    w.sql(&create("slow", "\"max_upload_rate\" = \"2 kB/s\"")).await.unwrap();
    let begun = std::time::Instant::now();
    w.done("BACKUP DATABASE d SNAPSHOT s TO slow").await;
    let sent: usize = memory
        .repository("mem://slow/__rockhold_repository_slow")
        .objects()
        .values()
        .map(|bytes| bytes.len())
        .sum();
    // The last one leaves at once; it is the outcome, of less than 3 kB.
    let least = (sent.saturating_sub(4000)) as f64 / 2000.0;
    assert!(sent > 4000 && begun.elapsed().as_secs_f64() > least, "{sent} bytes in {:?}", begun.elapsed());
}
