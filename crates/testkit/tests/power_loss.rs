//! What a barrier promises, on a store that can lose power.

use rockhold_core::{CreateRequest, Key, MemoryRepository, PutRequest, Repository, WriteMode};
use rockhold_testkit::must;

fn key(text: &str) -> Key {
    must(Key::new(text))
}

async fn put(repository: &MemoryRepository, path: &str, bytes: &'static str) {
    must(repository.put(PutRequest::new(key(path), bytes).mode(WriteMode::Overwrite)).await);
}

fn contents(repository: &MemoryRepository) -> Vec<(String, String)> {
    let text = |bytes: bytes::Bytes| String::from_utf8_lossy(&bytes).into_owned();
    repository.objects().into_iter().map(|(key, bytes)| (key.to_string(), text(bytes))).collect()
}

#[tokio::test]
async fn what_no_barrier_covered_returns_to_its_last_durable_state() {
    let repository = MemoryRepository::new();
    put(&repository, "kept", "old").await;
    put(&repository, "deleted", "back again").await;
    must(repository.barrier().await);
    put(&repository, "kept", "new").await;
    put(&repository, "kept", "newer").await;
    put(&repository, "fresh", "lost").await;
    must(repository.delete(vec![key("deleted")]).await);
    let staged = must(repository.create(CreateRequest::new(key("staged"), 10)).await);
    must(repository.put(PutRequest::new(key("claim"), "durable").durable()).await);

    let some = repository.fork();
    some.lose_power(|key| key.as_str() == "fresh");
    repository.lose_power(|_| false);
    let pair = |key: &str, text: &str| (key.to_owned(), text.to_owned());
    let mut expected = vec![pair("claim", "durable"), pair("deleted", "back again"), pair("kept", "old")];
    assert_eq!(contents(&repository), expected);
    expected.insert(2, pair("fresh", "lost"));
    assert_eq!(contents(&some), expected);
    assert!(repository.staged().is_empty());
    assert!(staged.commit().await.is_err());
}
