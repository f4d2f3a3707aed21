//! Errors that a person can act on, each from a cluster.

use crate::support::{at, client, fresh, fresh_path, impatient, line, open, own, put, refused, simple};
use rockhold_core::{ErrorKind, OpenRepository, RepositoryFactory};
use rockhold_storage_hdfs::HdfsFactory;
use rockhold_testkit::servers::{free_port, hdfs::safe_mode};
use std::time::Instant;
use tokio::io::AsyncReadExt;

#[tokio::test]
async fn a_refused_connection_is_told_at_once() {
    let url = format!("hdfs://127.0.0.1:{}", free_port());
    let begun = Instant::now();
    let error = refused(fresh(&url)).await;
    assert!(error.kind() == ErrorKind::Unavailable && error.is_temporary(), "{error:?}");
    let text = line(&error);
    assert!(
        text.contains(&url)
            && text.contains("the connection was refused; check that NameNode and DataNodes run"),
        "{text}"
    );
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let error = refused(fresh("hdfs://no-such-host.invalid:8020")).await;
    let text = line(&error);
    // Where the servers for names do not answer either, the time for opening ends first.
    let tells = text.contains("cannot be resolved") || error.kind() == ErrorKind::TimedOut;
    assert!(text.contains("no-such-host.invalid:8020") && tells, "{text}");
}

#[tokio::test]
async fn a_missing_directory_is_told_unless_it_may_be_made() {
    let Some(hdfs) = simple("a_missing_directory_is_told_unless_it_may_be_made") else { return };
    let config = fresh(hdfs.get("url"));
    let error = refused(config.clone().create(false)).await;
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = line(&error);
    assert!(text.starts_with(&format!("open {}: no such directory; create it", config.location)), "{text}");
    open(config.clone()).await;
    open(config.create(false)).await;
}

#[tokio::test]
async fn a_file_is_no_root() {
    let Some(hdfs) = simple("a_file_is_no_root") else { return };
    let above = fresh(hdfs.get("url"));
    let repository = open(above.clone()).await;
    put(&*repository, "file", "bytes").await.unwrap();
    let error = refused(at(format!("{}/file", above.location))).await;
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(line(&error).ends_with("a file lies there; name a directory"), "{error}");
}

#[tokio::test]
async fn no_permission_names_user_access_and_directory() {
    let Some(hdfs) = simple("no_permission_names_user_access_and_directory") else { return };
    // The directory `/` belongs to whoever runs the NameNode.
    let config = |path: &str| at(format!("{}{path}", hdfs.get("url")));
    let error = refused(config("/of-bob").user("bob")).await;
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let text = line(&error);
    assert!(
        text.contains("user=bob") && text.contains("access=WRITE") && text.contains("name another user"),
        "{text}"
    );
    // A root that exists, and belongs to another.
    let path = fresh_path();
    client(hdfs.get("url")).mkdirs(&path, 0o755, true).await.unwrap();
    let repository = open(config(&path).user("bob")).await;
    let error = put(&*repository, "a", "bytes").await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::PermissionDenied, false), "{error:?}");
    assert!(line(&error).starts_with("put a: Permission denied: user=bob, access=WRITE"), "{error}");
}

#[tokio::test]
async fn the_owner_of_what_is_written_is_the_user_that_was_named() {
    let Some(hdfs) = simple("the_owner_of_what_is_written_is_the_user_that_was_named") else { return };
    let mut request =
        OpenRepository::new(format!("{}{}", hdfs.get("url"), fresh_path())).create(true).directory("below");
    request.properties.insert("username".into(), "carol".into());
    request.secrets.insert("password".into(), "hunter2".into());
    let location = request.location.clone();
    let opened = HdfsFactory.open(request).await.unwrap();
    assert_eq!(opened.warnings, ["the property password has no effect: HDFS knows no passwords"]);
    assert_eq!(opened.repository.info().location, format!("{location}/below"));
    put(&*opened.repository, "a", "bytes").await.unwrap();
    let path = location.strip_prefix(hdfs.get("url")).unwrap();
    let status = client(hdfs.get("url")).get_file_info(&format!("{path}/below/a")).await.unwrap();
    assert_eq!(status.owner, "carol");
}

#[tokio::test]
async fn a_port_that_is_no_namenode_is_not_waited_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("hdfs://{}", listener.local_addr().unwrap());
    // Accepts and says nothing, as a firewall or a hung server would.
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let begun = Instant::now();
    let error = refused(impatient(fresh(&url))).await;
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
    let text = line(&error);
    assert!(text.contains("did not answer") || text.contains("no answer within"), "{text}");
    silent.abort();
}

#[tokio::test]
async fn a_port_that_hangs_up_may_be_another_one() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("hdfs://{}", listener.local_addr().unwrap());
    // Does not understand the first words, as a web server would not.
    let other = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read_exact(&mut [0; 7]).await;
        }
    });
    let error = refused(impatient(fresh(&url))).await;
    assert!(error.kind() == ErrorKind::Unavailable && error.is_temporary(), "{error:?}");
    let text = line(&error);
    assert!(text.starts_with(&format!("open {url}/")), "{text}");
    assert!(text.ends_with("; is this the RPC port of a NameNode?"), "{text}");
    other.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_mode_is_told_and_passes() {
    let Some((cluster, _alone)) = own("hdfs", "safe_mode_is_told_and_passes").await else { return };
    let service = cluster.service();
    let repository = open(fresh(service.get("url"))).await;
    put(&*repository, "before", "bytes").await.unwrap();
    safe_mode(&cluster, true).unwrap();
    let error = put(&*repository, "a", "bytes").await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_temporary(), "{error:?}");
    assert!(line(&error).contains("the NameNode is in safe mode"), "{error}");
    let error = refused(fresh(service.get("url"))).await;
    assert!(line(&error).contains("the NameNode is in safe mode"), "{error}");
    // Reading goes on.
    assert_eq!(crate::support::read(&*repository, "before").await, "bytes");
    safe_mode(&cluster, false).unwrap();
    put(&*repository, "a", "bytes").await.unwrap();
    assert_eq!(repository.info().scheme, "hdfs");
}
