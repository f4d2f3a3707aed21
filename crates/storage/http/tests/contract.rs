//! The part of the contract that is about reading, against a server in this
//! process, and against servers that know less or misbehave.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)] // the helpers of tests are tests too

mod server;

use async_trait::async_trait;
use rockhold_core::{
    Capabilities, CreateRequest, ErrorKind, GetRequest, Key, ListPage, ListRequest, MemoryRepository,
    ObjectMeta, ObjectReader, ObjectWriter, OpenRepository, PutRequest, Repository, RepositoryFactory,
    RepositoryInfo, Result, SharedRepository, WriteMode,
};
use rockhold_storage_http::{HttpConfig, HttpFactory, HttpRepository};
use rockhold_testkit::repository::{self as behaviours, Subject};
use rockhold_testkit::{must, refused};
use server::{Manner, Server};
use std::sync::Arc;

/// Written in memory, read over the network.
#[derive(Debug)]
struct Served {
    files: Arc<MemoryRepository>,
    web: HttpRepository,
}

#[async_trait]
impl Repository for Served {
    fn info(&self) -> RepositoryInfo {
        self.web.info()
    }

    fn capabilities(&self) -> Capabilities {
        self.files.capabilities()
    }

    async fn head(&self, key: &Key) -> Result<ObjectMeta> {
        self.web.head(key).await
    }

    async fn get(&self, request: GetRequest) -> Result<ObjectReader> {
        self.web.get(request).await
    }

    async fn put(&self, request: PutRequest) -> Result<ObjectMeta> {
        let key = request.key.clone();
        self.files.put(request).await?;
        // Its facts are what the web tells: whole seconds, its own tag.
        self.web.head(&key).await
    }

    async fn create(&self, request: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        self.files.create(request).await
    }

    async fn list(&self, request: ListRequest) -> Result<ListPage> {
        self.files.list(request).await
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        self.files.delete(keys).await
    }

    async fn discard_staged(&self, prefix: &Key) -> Result<u64> {
        self.files.discard_staged(prefix).await
    }

    async fn barrier(&self) -> Result<()> {
        self.files.barrier().await
    }
}

async fn subject(manner: Manner) -> Subject {
    let files = Arc::new(MemoryRepository::new());
    let server = Server::start(files.clone(), manner).await;
    let web = must(HttpRepository::new(&HttpConfig::new(format!("{}/files", server.address))));
    Subject::new(Arc::new(Served { files, web }) as SharedRepository).keeping(server)
}

macro_rules! reading {
    ($($module:ident: $manner:expr;)*) => {
        $(mod $module {
            use super::*;

            reading!(@tests $manner,
                r6_missing_objects_are_not_found
                r7_ranges_are_given_exactly_and_cut_at_the_end
                r7_ranges_behind_the_object_are_refused
                r7_a_read_on_condition_refuses_another_version
                r7_large_objects_come_in_order_and_whole
            );
        })*
    };
    (@tests $manner:expr, $($name:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            behaviours::$name(&subject($manner).await).await;
        })*
    };
}

reading! {
    whole_server: Manner::default();
    without_ranges: Manner { ranges: false, ..Manner::default() };
    without_head: Manner { head: false, ..Manner::default() };
    without_lengths: Manner { lengths: false, ranges: false, ..Manner::default() };
    without_conditions: Manner { conditions: false, ..Manner::default() };
    behind_a_redirection: Manner { redirects: 3, ..Manner::default() };
}

fn key(text: &str) -> Key {
    must(Key::new(text))
}

#[tokio::test]
async fn everything_else_is_refused_by_name() {
    let web = must(HttpRepository::new(&HttpConfig::new("http://127.0.0.1:1/files")));
    refused(ErrorKind::Unsupported, web.put(PutRequest::new(key("a"), "x")).await);
    refused(
        ErrorKind::Unsupported,
        web.create(CreateRequest::new(key("a"), 1).mode(WriteMode::Overwrite)).await,
    );
    let error = refused(ErrorKind::Unsupported, web.list(ListRequest::below(key("a"))).await);
    assert!(error.to_string().contains("without wildcards"), "{error}");
    refused(ErrorKind::Unsupported, must(web.delete(vec![key("a")]).await).remove(0));
    refused(ErrorKind::Unsupported, web.copy(&key("a"), &key("b"), WriteMode::CreateNew).await);
    refused(ErrorKind::Unsupported, web.discard_staged(&key("a")).await);
    must(web.barrier().await);
}

#[tokio::test]
async fn answers_become_errors_that_say_whether_to_repeat() {
    for (status, kind, temporary) in [
        (401, ErrorKind::Unauthenticated, false),
        (403, ErrorKind::PermissionDenied, false),
        (404, ErrorKind::NotFound, false),
        (410, ErrorKind::NotFound, false),
        (418, ErrorKind::Unavailable, false),
        (429, ErrorKind::Throttled, true),
        (500, ErrorKind::Unavailable, true),
        (503, ErrorKind::Unavailable, true),
    ] {
        let files = Arc::new(MemoryRepository::new());
        let server = Server::start(files, Manner { status: Some(status), ..Manner::default() }).await;
        let location = format!("{}/files", server.address.replace("http://", "http://user:hunter2@"));
        let web = must(HttpRepository::new(&HttpConfig::new(location + "?signature=hunter3")));
        let error = refused(kind, web.get(GetRequest::new(key("a.jar"))).await);
        assert_eq!(error.is_temporary(), temporary, "{status}: {error}");
        assert!(error.to_string().contains("a.jar"), "{error}");
        assert!(!format!("{error:?} {web:?} {:?}", web.info()).contains("hunter"), "{error:?}");
    }
    let web = must(HttpRepository::new(&HttpConfig::new("http://user:hunter2@127.0.0.1:1/files")));
    let error = refused(ErrorKind::Unavailable, web.head(&key("a")).await);
    assert!(error.is_temporary() && !format!("{error:?}").contains("hunter"), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_error() {
    let files = Arc::new(MemoryRepository::new());
    must(files.put(PutRequest::new(key("a"), vec![7u8; 100_000])).await);
    let server = Server::start(files, Manner { breaks_at: Some(1000), ..Manner::default() }).await;
    let web = must(HttpRepository::new(&HttpConfig::new(format!("{}/files", server.address))));
    let reader = must(web.get(GetRequest::new(key("a"))).await);
    let error = reader.read_all(1 << 20).await.expect_err("half of it");
    assert!(error.is_temporary(), "{error:?}");
}

#[tokio::test]
async fn user_and_query_of_a_location_are_sent_with_every_request() {
    let files = Arc::new(MemoryRepository::new());
    must(files.put(PutRequest::new(key("dir/a"), "bytes")).await);
    let wanted =
        Manner { query: Some("signature=x"), authorization: Some("Basic dXNlcjpwYXNz"), ..Manner::default() };
    let server = Server::start(files, wanted).await;
    let location = format!("{}/files?signature=x", server.address.replace("http://", "http://user:pass@"));
    let opened = must(HttpFactory.open(OpenRepository::new(location).directory("dir")).await);
    let reader = must(opened.repository.get(GetRequest::new(key("a"))).await);
    assert_eq!(must(reader.read_all(10).await), "bytes");
    assert_eq!(must(opened.repository.head(&key("a")).await).len, 5);
}

#[tokio::test]
async fn redirections_end() {
    let files = Arc::new(MemoryRepository::new());
    must(files.put(PutRequest::new(key("a"), "bytes")).await);
    let server = Server::start(files, Manner { redirects: 1000, ..Manner::default() }).await;
    let web = must(HttpRepository::new(&HttpConfig::new(format!("{}/files", server.address))));
    let error = refused(ErrorKind::Unavailable, web.get(GetRequest::new(key("a"))).await);
    assert!(error.to_string().contains("redirects in vain") && !error.is_temporary(), "{error}");
}
