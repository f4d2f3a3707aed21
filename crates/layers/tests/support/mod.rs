//! Helpers of the tests of this crate.

#![allow(dead_code, unreachable_pub, clippy::expect_used)] // each test uses some of them

use async_trait::async_trait;
use rockhold_core::{
    Capabilities, CreateRequest, Error, ErrorKind, GetRequest, Key, ListPage, ListRequest, ObjectMeta,
    ObjectReader, ObjectWriter, PutRequest, Repository, RepositoryInfo, Result,
};
use std::sync::Mutex;

pub fn key(text: &str) -> Key {
    Key::new(text).expect("a key")
}

#[track_caller]
pub fn must<T>(result: Result<T>) -> T {
    result.expect("this call must succeed")
}

/// A store that only deletes: the given keys fail so many times, and the key
/// `never` always fails for good.
#[derive(Debug)]
pub struct Flaky {
    keys: Vec<Key>,
    times: usize,
    calls: Mutex<Vec<String>>,
}

impl Flaky {
    pub fn new<const N: usize>(keys: [&str; N], times: usize) -> Self {
        Self { keys: keys.map(key).to_vec(), times, calls: Mutex::default() }
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().expect("the log").clone()
    }
}

fn unsupported<T>() -> Result<T> {
    Err(Error::unsupported("this store only deletes"))
}

#[async_trait]
impl Repository for Flaky {
    fn info(&self) -> RepositoryInfo {
        RepositoryInfo::new("flaky", "flaky://")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::full()
    }

    async fn head(&self, _: &Key) -> Result<ObjectMeta> {
        unsupported()
    }

    async fn get(&self, _: GetRequest) -> Result<ObjectReader> {
        unsupported()
    }

    async fn put(&self, _: PutRequest) -> Result<ObjectMeta> {
        unsupported()
    }

    async fn create(&self, _: CreateRequest) -> Result<Box<dyn ObjectWriter>> {
        unsupported()
    }

    async fn list(&self, _: ListRequest) -> Result<ListPage> {
        unsupported()
    }

    async fn delete(&self, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
        let mut calls = self.calls.lock().expect("the log");
        let round = calls.len();
        calls.push(keys.iter().map(Key::as_str).collect::<Vec<_>>().join(" "));
        let answer = |key: &Key| match key {
            key if key.as_str() == "never" => Err(Error::new(ErrorKind::PermissionDenied, "never")),
            key if self.keys.contains(key) && round < self.times => {
                Err(Error::new(ErrorKind::Unavailable, "later").temporary(None))
            }
            _ => Ok(()),
        };
        Ok(keys.iter().map(answer).collect())
    }

    async fn discard_staged(&self, _: &Key) -> Result<u64> {
        unsupported()
    }

    async fn barrier(&self) -> Result<()> {
        unsupported()
    }
}
