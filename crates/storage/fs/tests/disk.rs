//! What is particular to a disk: links, foreign files, leftovers, messages.

#![allow(clippy::expect_used, clippy::panic)] // the helpers of tests are tests too

use rockhold_core::{
    ErrorKind, GetRequest, Key, ListRequest, OpenRepository, PutRequest, Repository, RepositoryFactory,
    WriteMode, list_all, read_object,
};
use rockhold_storage_fs::{FsConfig, FsFactory, FsRepository};
use rockhold_testkit::{must, refused};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

struct Disk {
    repository: FsRepository,
    root: PathBuf,
    outside: PathBuf,
    _directory: tempfile::TempDir,
}

async fn disk() -> Disk {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
    fs::create_dir(&outside).expect("a directory");
    fs::write(outside.join("secret"), "outside").expect("a file");
    let repository = must(FsRepository::open(must(FsConfig::for_directory(&root))).await);
    Disk { repository, root, outside, _directory: directory }
}

fn key(text: &str) -> Key {
    must(Key::new(text))
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

async fn listed(repository: &FsRepository) -> Vec<String> {
    let page = must(list_all(repository, ListRequest::default()).await);
    page.objects.iter().map(|object| object.key.to_string()).collect()
}

#[tokio::test]
async fn an_object_is_a_file_under_its_key_and_nothing_else_is_left() {
    let Disk { repository, root, _directory, .. } = disk().await;
    must(repository.put(PutRequest::new(key("data/1.parquet"), "bytes")).await);
    assert_eq!(fs::read(root.join("data/1.parquet")).expect("the file"), b"bytes");
    refused(ErrorKind::AlreadyExists, repository.put(PutRequest::new(key("data/1.parquet"), "other")).await);
    assert_eq!(names(&root.join("data")), ["1.parquet"]);
    must(repository.delete(vec![key("data/1.parquet")]).await);
    assert!(names(&root).is_empty());
}

#[tokio::test]
async fn links_inside_the_root_lead_nowhere() {
    let Disk { repository, root, outside, _directory } = disk().await;
    symlink(&outside, root.join("dir")).expect("a link");
    symlink(outside.join("secret"), root.join("file")).expect("a link");
    fs::create_dir(root.join("real")).expect("a directory");
    symlink(&outside, root.join("real/deep")).expect("a link");

    for path in ["file", "dir/secret", "real/deep/secret"] {
        let error = refused(ErrorKind::InvalidInput, repository.get(GetRequest::new(key(path))).await);
        assert!(error.message().contains("symbolic link"), "{error}");
        refused(ErrorKind::InvalidInput, repository.head(&key(path)).await);
    }
    for path in ["dir/new", "real/deep/new"] {
        refused(ErrorKind::InvalidInput, repository.put(PutRequest::new(key(path), "x")).await);
    }
    assert!(listed(&repository).await.is_empty());
    let children = must(repository.list(ListRequest::default().children_only()).await);
    assert!(children.objects.is_empty() && children.prefixes.is_empty(), "{children:?}");
    must(repository.discard_staged(&key("dir")).await);
    let _ = repository.delete(vec![key("dir/secret"), key("real/deep/secret")]).await;
    assert_eq!(names(&outside), ["secret"]);

    // Replacing a link replaces the link, not what it leads to.
    must(repository.put(PutRequest::new(key("file"), "mine").mode(WriteMode::Overwrite)).await);
    assert_eq!(fs::read(outside.join("secret")).expect("the file"), b"outside");
    assert_eq!(must(read_object(&repository, &key("file"), 10).await), "mine");
}

#[tokio::test]
async fn foreign_files_are_neither_listed_nor_in_the_way() {
    let Disk { repository, root, _directory, .. } = disk().await;
    fs::write(root.join("not a key"), "x").expect("a file");
    fs::write(root.join("ümlaut"), "x").expect("a file");
    fs::write(root.join(".tmp-left"), "x").expect("a file");
    fs::create_dir_all(root.join("empty/deep")).expect("a directory");
    fs::create_dir_all(root.join("only staged/x")).expect("a directory");
    fs::create_dir(root.join("dead")).expect("a directory");
    fs::write(root.join("dead/.tmp-left"), "x").expect("a file");
    let pipe = rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    );
    pipe.expect("a pipe");
    must(repository.put(PutRequest::new(key("object"), "bytes")).await);

    assert_eq!(listed(&repository).await, ["object"]);
    let children = must(repository.list(ListRequest::default().children_only()).await);
    assert!(children.prefixes.is_empty(), "{children:?}");
    refused(ErrorKind::NotFound, repository.get(GetRequest::new(key("pipe"))).await);
    assert_eq!(must(repository.discard_staged(&key("dead")).await), 1);
    // Empty directories make room for an object.
    must(repository.put(PutRequest::new(key("empty/deep"), "bytes")).await);
}

#[tokio::test]
async fn a_staged_file_that_outlived_its_process_is_discarded_with_its_prefix() {
    let Disk { repository, root, _directory, .. } = disk().await;
    fs::create_dir_all(root.join("data/job/sub")).expect("a directory");
    fs::write(root.join("data/job/.tmp-0123456789abcdef"), "half").expect("a file");
    fs::write(root.join("data/job/sub/.tmp-0123456789abcdef"), "half").expect("a file");
    must(repository.put(PutRequest::new(key("data/job/1"), "whole")).await);
    assert_eq!(must(repository.discard_staged(&key("data/job")).await), 2);
    assert_eq!(names(&root.join("data/job")), ["1"]);
}

#[tokio::test]
async fn directories_that_others_remove_are_made_again() {
    let Disk { repository, root, _directory, .. } = disk().await;
    must(repository.put(PutRequest::new(key("a/b/c/1"), "x")).await);
    fs::remove_dir_all(root.join("a")).expect("removed");
    must(repository.put(PutRequest::new(key("a/b/c/2"), "y")).await);
    must(repository.barrier().await);
    assert_eq!(listed(&repository).await, ["a/b/c/2"]);
}

#[tokio::test]
async fn writers_and_deleters_of_one_directory_do_not_trip_over_each_other() {
    let Disk { repository, _directory, .. } = disk().await;
    let tasks = (0..8).map(|task| {
        let repository = repository.clone();
        tokio::spawn(async move {
            for round in 0..50 {
                let key = key(&format!("shared/deep/{task}"));
                must(repository.put(PutRequest::new(key.clone(), format!("{round}"))).await);
                must(must(repository.delete(vec![key]).await).remove(0));
            }
        })
    });
    for task in futures::future::join_all(tasks).await {
        task.expect("the task ends in peace");
    }
    assert!(listed(&repository).await.is_empty());
}

#[tokio::test]
async fn opening_says_in_one_line_what_is_wrong() {
    let Disk { root, outside, _directory, .. } = disk().await;
    let open = async |path: &Path, create| {
        let config = must(FsConfig::for_directory(path)).create(create);
        let line = FsRepository::open(config).await.map(drop).expect_err("must be refused").to_string();
        line.replace(&*outside.to_string_lossy(), "/x")
    };
    assert_eq!(
        open(&outside.join("missing"), false).await,
        "open /x/missing: no such object (hint is the disk mounted? a new place is made by CREATE REPOSITORY)"
    );
    assert_eq!(
        open(&outside.join("secret"), true).await,
        "open /x/secret: a part of the path is a file, not a directory"
    );
    assert_eq!(
        open(&outside.join("secret/below"), true).await,
        "open /x/secret/below: a part of the path is a file, not a directory"
    );
    // Root itself may be a link, since the user wrote it.
    symlink(&root, outside.join("link")).expect("a link");
    must(FsRepository::open(must(FsConfig::for_directory(&outside.join("link")))).await);
}

#[tokio::test]
async fn a_directory_without_permission_is_named_as_such() {
    let Disk { repository, root, _directory, .. } = disk().await;
    must(repository.put(PutRequest::new(key("locked/1"), "x")).await);
    fs::set_permissions(root.join("locked"), fs::Permissions::from_mode(0o500)).expect("permissions");
    let result = repository.put(PutRequest::new(key("locked/2"), "y")).await;
    fs::set_permissions(root.join("locked"), fs::Permissions::from_mode(0o700)).expect("permissions");
    // The superuser may do everything, so there is nothing to see then.
    if let Err(error) = result {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(!error.is_temporary());
        assert!(error.to_string().starts_with("put locked/2: permission denied; give this user"), "{error}");
    }
}

#[tokio::test]
async fn the_factory_opens_a_directory_below_and_warns_of_properties() {
    let Disk { root, _directory, .. } = disk().await;
    let location = format!("file://{}/", root.display());
    let mut request = OpenRepository::new(&location).directory("__rockhold_repository_r").create(true);
    request.properties.insert("aws.s3.region".into(), "eu".into());
    request.secrets.insert("aws.s3.secret_key".into(), "hunter2".into());
    let opened = must(FsFactory.open(request).await);
    assert_eq!(opened.warnings.len(), 2);
    assert!(!format!("{opened:?}").contains("hunter2"));
    must(opened.repository.put(PutRequest::new(key("readme"), "x")).await);
    assert_eq!(names(&root), ["__rockhold_repository_r"]);
    for bad in ["", ".", "..", "a/b"] {
        let request = OpenRepository::new(&location).directory(bad).create(true);
        refused(ErrorKind::InvalidInput, FsFactory.open(request).await);
    }
    refused(ErrorKind::InvalidInput, FsFactory.open(OpenRepository::new("file://backup")).await);
    let missing = OpenRepository::new(format!("file://{}/missing", root.display()));
    refused(ErrorKind::NotFound, FsFactory.open(missing).await);
}
