//! A service that asks for fewer requests, in the words of its protocol.

use crate::server::{Quirks, Server};
use rockhold_core::{Effect, Error, ErrorKind, Key, PutRequest, Repository, Retry};
use rockhold_storage_s3::{Endpoint, S3Repository};
use rockhold_testkit::must;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// Lists nothing, and answers every write with `status`, `headers` and `body`.
async fn write_to(status: &'static str, headers: &'static str, body: &'static str) -> Error {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut buffer, mut seen) = (vec![0; 1 << 16], Vec::new());
                while !seen.windows(4).any(|end| end == b"\r\n\r\n") {
                    match client.read(&mut buffer).await {
                        Ok(len) if len > 0 => seen.extend_from_slice(&buffer[..len]),
                        _ => return,
                    }
                }
                let (status, headers, body) = match seen.starts_with(b"GET") {
                    true => (
                        "200 OK",
                        "",
                        "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
                    ),
                    false => (status, headers, body),
                };
                let len = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {len}\r\n\r\n{body}"
                );
                client.write_all(answer.as_bytes()).await.ok();
                client.shutdown().await.ok();
            });
        }
    });
    let mut config = Server::start(Quirks::default()).await.config("r");
    config.endpoint = Endpoint::parse(&format!("http://{address}")).ok();
    let repository = must(S3Repository::open(config).await);
    let error = repository.put(PutRequest::new(must(Key::new("a")), "x")).await.expect_err("it was refused");
    task.abort();
    error
}

#[tokio::test]
async fn how_long_to_wait_is_heard_and_what_was_refused_was_not_done() {
    const SLOW_DOWN: &str =
        "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    const BUSY: &str = "<Error><Code>ServiceUnavailable</Code><Message>Please try again.</Message></Error>";
    let seven = Some(Duration::from_secs(7));
    for (status, headers, body, kind, after, effect) in [
        ("503 Slow Down", "Retry-After: 7\r\n", SLOW_DOWN, ErrorKind::Throttled, seven, Effect::NotApplied),
        ("503 Slow Down", "", SLOW_DOWN, ErrorKind::Throttled, None, Effect::NotApplied),
        ("429 Too Many Requests", "Retry-After: 7\r\n", "", ErrorKind::Throttled, seven, Effect::NotApplied),
        ("503 Service Unavailable", "", BUSY, ErrorKind::Unavailable, None, Effect::NotApplied),
        // From a proxy, which does not know what became of the request.
        ("503 Service Unavailable", "", "", ErrorKind::Unavailable, None, Effect::MaybeApplied),
        (
            "502 Bad Gateway",
            "",
            "<html>bad gateway</html>",
            ErrorKind::Unavailable,
            None,
            Effect::MaybeApplied,
        ),
    ] {
        let error = write_to(status, headers, body).await;
        let found = (error.kind(), error.retry(), error.effect());
        assert_eq!(found, (kind, Retry::Temporary { after }, effect), "{status} {body}: {error}");
    }
}
