//! CREATE REPOSITORY and what becomes of a repository behind its name.

use crate::support::{MemoryFactory, open};
use rockhold_core::{ErrorKind, ObjectName};
use rockhold_layers::{Failure, Fault, FaultPlan, Operation, Scope};

const ROOT: &str = "mem://r/__rockhold_repository_r";

#[tokio::test]
async fn blanks_around_a_location_are_no_part_of_it() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up_at(1, "  mem://r\t ").await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    let shown = w.rows("SHOW REPOSITORIES").await.unwrap();
    assert_eq!(shown[0][4].as_deref(), Some("mem://r"));
    assert!(memory.repository(ROOT).objects().len() > 3);
}

#[tokio::test]
async fn what_is_forbidden_is_found_before_a_repository_is_made() {
    let (dir, memory, plan) = (tempfile::tempdir().unwrap(), MemoryFactory::default(), FaultPlan::new());
    let w = open(dir.path(), &memory, &plan).await.unwrap();
    let create = "CREATE REPOSITORY r WITH BROKER ON LOCATION \"mem://r\"";
    let forbidden = Fault::before(Failure::permanent(ErrorKind::PermissionDenied));
    for operation in [Operation::Put, Operation::Get, Operation::List, Operation::Delete] {
        plan.on(Scope::operation(operation).times(1), forbidden.clone());
        let error = w.sql(create).await.unwrap_err().to_string();
        assert!(error.starts_with("Failed to create repository: "), "{error}");
        let left = memory.repository(ROOT).objects().into_keys();
        // What may not be removed stays.
        let left: Vec<_> = left.filter(|key| !key.as_str().starts_with("probe/")).collect();
        assert_eq!(left, [], "{operation:?}");
    }
    w.sql(create).await.unwrap();
}

#[tokio::test]
async fn another_repository_in_the_place_of_a_known_one_is_not_taken_for_it() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(1).await;
    memory.0.lock().unwrap().clear();
    let place = tempfile::tempdir().unwrap();
    let other = open(place.path(), &memory, &FaultPlan::new()).await.unwrap();
    other.set_up(1).await;
    let shown = w.rows("SHOW REPOSITORIES").await.unwrap();
    let wrong = shown[0][6].as_deref().unwrap();
    assert!(wrong.contains(": another repository lies there"), "{wrong}");
    assert_eq!(other.rows("SHOW REPOSITORIES").await.unwrap()[0][6], None);
    let error = w.sql("BACKUP DATABASE d SNAPSHOT s TO r").await.unwrap_err().to_string();
    assert!(error.contains("another repository lies there than the one that r was made for"), "{error}");
    w.sql("DROP REPOSITORY r").await.unwrap();
    w.sql("CREATE REPOSITORY r WITH BROKER ON LOCATION \"mem://r\"").await.unwrap();
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
}

#[tokio::test]
async fn nothing_is_restored_into_a_database_of_the_system() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(1).await;
    w.done("BACKUP DATABASE d SNAPSHOT s TO r").await;
    for name in ["information_schema", "INFORMATION_SCHEMA", "sys", "_statistics_"] {
        let restore = w.restore_statement("s", &format!(" AS {name}")).await;
        let error = w.sql(&restore).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("Database {name} is the system's")), "{error}");
    }
    let table = w.restore("information_schema.s", "ON (TABLE t)").await;
    let error = w.sql(&table).await.unwrap_err().to_string();
    assert!(error.contains("is the system's"), "{error}");
    assert_eq!(w.store.list_databases().await.unwrap().len(), 1);
    assert!(w.visible(&ObjectName::new("d", "t")).await.is_some());
}

/// Backups of single partitions must not push out the one of everything.
#[tokio::test]
async fn many_small_backups_do_not_make_the_next_whole_one_store_everything_again() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), MemoryFactory::default());
    let w = open(dir.path(), &memory, &FaultPlan::new()).await.unwrap();
    w.set_up(5).await;
    w.done("BACKUP DATABASE d SNAPSHOT first TO r").await;
    for n in 0..10 {
        let partition = n % 2 + 1;
        w.done(&format!("BACKUP SNAPSHOT d.small{n} TO r ON (t PARTITION (p00{partition}))")).await;
    }
    let data =
        || memory.repository(ROOT).objects().into_keys().filter(|key| key.as_str().starts_with("data/"));
    assert_eq!(data().count(), 10);
    w.done("BACKUP DATABASE d SNAPSHOT last TO r").await;
    assert_eq!(data().count(), 10, "nothing has changed, nothing is stored");
}
