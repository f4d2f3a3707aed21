//! Directories that are ours, foreign, damaged, half made.

use crate::support::*;
use rockhold_core::{Error, ErrorKind};
use rockhold_warehouse_store::{OpenOptions, Store};
use std::path::Path;

async fn refused(dir: &Path, options: OpenOptions) -> Error {
    Store::open(dir, options).await.expect_err("refused")
}

/// One line, naming the directory.
fn line(error: &Error, dir: &Path) -> String {
    let text = error.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    text.replace(&dir.display().to_string(), "DIR")
}

#[tokio::test]
async fn without_a_warehouse_opening_says_so() {
    let dir = tempfile::tempdir().expect("dir");
    let missing = dir.path().join("none");
    let error = refused(&missing, OpenOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        line(&error, &missing),
        "open DIR: there is no warehouse; name its directory, or create it first"
    );
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_directory_with_other_things_is_refused_and_untouched() {
    let dir = tempfile::tempdir().expect("dir");
    std::fs::write(dir.path().join("thesis.txt"), "years of work").expect("write");
    let error = refused(dir.path(), OpenOptions::create()).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        line(&error, dir.path()),
        "open DIR: the directory is not empty and holds no warehouse ('thesis.txt' is there); name another one"
    );
    assert_eq!(std::fs::read_dir(dir.path()).expect("list").count(), 1);
}

#[tokio::test]
async fn a_damaged_or_foreign_catalog_is_named() {
    let dir = tempfile::tempdir().expect("dir");
    drop(new_store(dir.path()).await);
    let catalog = dir.path().join("catalog.sqlite");
    let whole = std::fs::read(&catalog).expect("read");
    std::fs::write(&catalog, "this is no database, this is no database, this is none").expect("write");
    let error = refused(dir.path(), OpenOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert_eq!(
        line(&error, dir.path()),
        "open DIR: catalog.sqlite is damaged or is no catalog of ours; restore the warehouse from a backup"
    );
    std::fs::write(&catalog, whole).expect("write");
    let other = rusqlite::Connection::open(&catalog).expect("open");
    other.pragma_update(None, "user_version", 3).expect("version");
    drop(other);
    let error = refused(dir.path(), OpenOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        line(&error, dir.path()),
        "open DIR: the warehouse has format 3, this program knows up to 2; use a newer one"
    );
    let other = rusqlite::Connection::open(&catalog).expect("open");
    other.pragma_update(None, "application_id", 7).expect("application");
    drop(other);
    let error = refused(dir.path(), OpenOptions::default()).await;
    assert_eq!(
        line(&error, dir.path()),
        "open DIR: catalog.sqlite was not made by Rockhold; name the directory of a warehouse"
    );
}

#[tokio::test]
async fn an_interrupted_creation_can_be_repeated_at_every_step() {
    let mut points = 0;
    loop {
        let dir = tempfile::tempdir().expect("dir");
        let (hook, seen) = fail_at(points);
        let mut options = quiet();
        options.fault = Some(hook);
        let first = Store::open(dir.path(), options).await;
        if seen.load(std::sync::atomic::Ordering::SeqCst) <= points {
            first.expect("made");
            break;
        }
        first.expect_err("stopped");
        Store::open(dir.path(), quiet()).await.expect("made the second time");
        Store::open(dir.path(), reopen()).await.expect("there");
        points += 1;
    }
    println!("creation: {points} points");
    assert!(points >= 8);
}

#[tokio::test]
async fn the_time_zone_is_fixed_when_the_warehouse_is_made() {
    let dir = tempfile::tempdir().expect("dir");
    let mut options = quiet();
    options.time_zone = Some("Mars/Olympus".into());
    assert_eq!(refused(dir.path(), options).await.kind(), ErrorKind::InvalidInput);
    let mut options = quiet();
    options.time_zone = Some("Europe/Berlin".into());
    let first = Store::open(dir.path(), options).await.expect("made").cluster_id();
    let again = Store::open(dir.path(), reopen()).await.expect("open");
    assert_eq!((again.time_zone(), again.cluster_id()), ("Europe/Berlin", first));
    let mut options = reopen();
    options.time_zone = Some("UTC".into());
    let error = refused(dir.path(), options).await;
    assert!(error.message().starts_with("the warehouse has the time zone Europe/Berlin"), "{error}");
}

#[tokio::test]
async fn opening_changes_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    drop(new_store(dir.path()).await);
    let before = std::fs::read(dir.path().join("catalog.sqlite")).expect("read");
    let store = Store::open(dir.path(), reopen()).await.expect("open");
    store.list_databases().await.expect("read");
    drop(store);
    assert_eq!(std::fs::read(dir.path().join("catalog.sqlite")).expect("read"), before);
}
