//! Making and opening a repository.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::support::{Harness, NOW, root_of};
use rockhold_core::format::{
    AccessMode, RepositoryDocument, initialise, keeps_create_new, open, probe_access, probe_create_new,
    readme_key, repository_key, seal,
};
use rockhold_core::{CreateNew, ErrorKind, Key, PutRequest, Repository};
use serde_json::json;
use std::sync::Arc;

#[tokio::test]
async fn an_empty_place_is_made_a_repository_once_and_opened_ever_after() {
    let store = Harness::new();
    let made = root_of(&store).await;
    assert!(made.created && made.warnings.is_empty());
    let again = root_of(&store).await;
    assert!(!again.created);
    assert_eq!(again.document, made.document);
    assert_eq!(open(&store, "r").await.unwrap().document, made.document);
    assert_eq!(store.keys(), ["README.txt", "repository.json"]);
}

#[tokio::test]
async fn what_is_not_this_repository_is_refused_in_one_clear_line() {
    let store = Harness::new();
    let read_only = async |store: &Harness, name: &str| {
        initialise(store, name, AccessMode::ReadOnly, NOW, "").await.unwrap_err()
    };
    let missing = read_only(&store, "r").await;
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert_eq!(
        missing.to_string(),
        "there is no repository at this location; check location and name, or create it (repository r, location memory://)"
    );
    assert!(store.keys().is_empty(), "a read-only open writes nothing");

    store.put(PutRequest::new(Key::new("holiday/photo.jpg").unwrap(), "x")).await.unwrap();
    let foreign = initialise(&store, "r", AccessMode::ReadWrite, NOW, "").await.unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::InvalidInput);
    assert_eq!(
        foreign.to_string(),
        "something else than a repository is here (repository.json is missing); choose another place (found holiday, repository r, location memory://)"
    );
    assert_eq!(read_only(&store, "r").await.kind(), ErrorKind::InvalidInput);

    let store = Harness::new();
    root_of(&store).await;
    let other = initialise(&store, "q", AccessMode::ReadWrite, NOW, "").await.unwrap_err();
    assert_eq!(
        other.to_string(),
        "the repository here is named r, not q; use its own name (location memory://)"
    );

    let mut newer: RepositoryDocument = root_of(&store).await.document;
    newer.format = 2;
    newer.extensions.insert("x".into(), json!(1));
    let text = String::from_utf8(seal(&newer).unwrap().to_vec()).unwrap();
    store.overwrite(&repository_key().unwrap(), text.into_bytes()).await;
    let newer = open(&store, "r").await.unwrap_err();
    assert_eq!(newer.kind(), ErrorKind::Unsupported);
    assert_eq!(
        newer.to_string(),
        "repository.json: the repository document has format 2, newer than 1, which this version reads; use a newer version (location memory://)"
    );
}

#[tokio::test]
async fn a_changed_readme_is_a_warning() {
    let store = Harness::new();
    root_of(&store).await;
    let readme = readme_key().unwrap();
    let text = store.memory.objects()[&readme].to_vec();
    for at in 0..text.len() {
        let mut changed = text.clone();
        changed[at] ^= 1;
        store.overwrite(&readme, changed).await;
        let root = open(&store, "r").await.unwrap();
        assert_eq!(root.warnings.len(), 1, "byte {at}");
    }
    store.overwrite(&readme, vec![b'x'; 1 << 20]).await;
    assert_eq!(open(&store, "r").await.unwrap().warnings.len(), 1);
    store.memory.delete(vec![readme]).await.unwrap();
    assert_eq!(
        open(&store, "r").await.unwrap().warnings,
        ["README.txt is missing; look who deletes from this repository"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_make_it_one_does_and_all_open_the_same() {
    for _ in 0..20 {
        let store = Arc::new(Harness::new().yielding());
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { root_of(&store).await })
            })
            .collect();
        let mut roots = Vec::new();
        for task in tasks {
            roots.push(task.await.unwrap());
        }
        assert_eq!(roots.iter().filter(|root| root.created).count(), 1);
        assert!(roots.iter().all(|root| root.document == roots[0].document));
    }
}

#[tokio::test]
async fn probes_tell_the_truth_and_leave_nothing_behind() {
    let store = Harness::new();
    assert!(probe_create_new(&store).await.unwrap());
    probe_access(&store, AccessMode::ReadWrite).await.unwrap();
    let store = Harness::without_create_new();
    assert!(!probe_create_new(&store).await.unwrap());
    assert!(!keeps_create_new(&store).await.unwrap());
    probe_access(&store, AccessMode::ReadWrite).await.unwrap();
    assert!(store.keys().is_empty());
    let store = Harness::with(|mut c| {
        c.create_new = CreateNew::Probe;
        c
    });
    assert!(keeps_create_new(&store).await.unwrap());
    assert!(store.keys().is_empty());
    let before = store.mutations();
    probe_access(&store, AccessMode::ReadOnly).await.unwrap();
    assert_eq!(store.mutations(), before);
}
