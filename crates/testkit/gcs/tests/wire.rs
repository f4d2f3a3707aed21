//! What the stand-in says over the wire, asked by a client that knows nothing.

#![allow(clippy::expect_used, clippy::panic)] // the helpers of tests are tests too

use reqwest::{Client, Response, StatusCode};
use rockhold_testkit_gcs::{Call, Emulator, Fault, Rule};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const BUCKET: &str = "bucket";

struct Stand {
    gcs: Emulator,
    client: Client,
}

async fn stand() -> Stand {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let gcs = Emulator::start().await.expect("a free port");
    gcs.create_bucket(BUCKET);
    // Whatever proxy the machine has: this is loopback.
    Stand { gcs, client: Client::builder().no_proxy().build().expect("a client") }
}

impl Stand {
    fn address(&self, rest: &str) -> String {
        format!("{}{rest}", self.gcs.endpoint())
    }

    async fn get(&self, rest: &str) -> Response {
        self.client.get(self.address(rest)).send().await.expect("an answer")
    }

    async fn range(&self, rest: &str, range: &str) -> Response {
        self.client.get(self.address(rest)).header("range", range).send().await.expect("an answer")
    }

    async fn upload(&self, query: &str, said: Value, bytes: &str) -> (u16, Value) {
        let body = multipart(&said, bytes);
        let request = self
            .client
            .post(self.address(&format!("/upload/storage/v1/b/{BUCKET}/o?uploadType=multipart&{query}")))
            .header("content-type", "multipart/related; boundary=b")
            .body(body);
        json_of(request.send().await.expect("an answer")).await
    }
}

fn multipart(said: &Value, bytes: &str) -> String {
    format!("--b\r\ncontent-type: application/json\r\n\r\n{said}\r\n--b\r\n\r\n{bytes}\r\n--b--\r\n")
}

async fn json_of(answer: Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default())
}

#[tokio::test]
async fn numbers_are_strings_and_checksums_are_base64() {
    let stand = stand().await;
    let (status, object) = stand.upload("name=n", json!({"contentType": "text/plain"}), "123456789").await;
    assert_eq!((status, &object["size"], &object["crc32c"]), (200, &json!("9"), &json!("4waSgw==")));
    assert!(object["generation"].as_str().is_some_and(|text| text.parse::<i64>().is_ok()));
    let head = stand.get("/storage/v1/b/bucket/o/n").await;
    assert_eq!(json_of(head).await, (200, object.clone()));
    let read = stand.get("/storage/v1/b/bucket/o/n?alt=media").await;
    assert_eq!(read.headers()["x-goog-generation"], object["generation"].as_str().unwrap_or_default());
    assert_eq!(read.headers()["x-goog-hash"], "crc32c=4waSgw==");
    assert_eq!(read.text().await.expect("a body"), "123456789");
}

#[tokio::test]
async fn a_checksum_that_does_not_fit_is_refused() {
    let stand = stand().await;
    let (status, error) = stand.upload("name=n", json!({"crc32c": "AAAAAA=="}), "123456789").await;
    assert_eq!((status, error["error"]["code"].as_i64()), (400, Some(400)));
    assert!(error["error"]["message"].as_str().is_some_and(|text| text.contains("CRC32C")), "{error}");
    assert_eq!(stand.upload("name=n", json!({"crc32c": "4waSgw=="}), "123456789").await.0, 200);
}

#[tokio::test]
async fn ranges_are_given_and_refused_as_http_has_it() {
    let stand = stand().await;
    stand.upload("name=n", json!({}), "123456789").await;
    let part = stand.range("/storage/v1/b/bucket/o/n?alt=media", "bytes=2-4").await;
    assert_eq!(
        (part.status(), &part.headers()["content-range"]),
        (StatusCode::PARTIAL_CONTENT, &"bytes 2-4/9".parse().expect("a value"))
    );
    assert_eq!(part.text().await.expect("a body"), "345");
    let behind = stand.range("/storage/v1/b/bucket/o/n?alt=media", "bytes=9-").await;
    assert_eq!(behind.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn a_generation_is_a_condition_of_every_call() {
    let stand = stand().await;
    let (_, first) = stand.upload("name=n&ifGenerationMatch=0", json!({}), "one").await;
    assert_eq!(stand.upload("name=n&ifGenerationMatch=0", json!({}), "two").await.0, 412);
    let old = first["generation"].as_str().unwrap_or_default().to_owned();
    let (status, second) = stand.upload(&format!("name=n&ifGenerationMatch={old}"), json!({}), "two").await;
    assert_eq!(status, 200);
    let new = second["generation"].as_str().unwrap_or_default();
    for (query, status) in [
        (format!("alt=media&ifGenerationMatch={old}"), 412),
        (format!("alt=media&ifGenerationMatch={new}"), 200),
        (format!("alt=media&generation={old}"), 404),
        (format!("ifGenerationNotMatch={new}"), 412),
    ] {
        let answer = stand.get(&format!("/storage/v1/b/bucket/o/n?{query}")).await;
        assert_eq!(answer.status().as_u16(), status, "{query}");
    }
    let delete = |query: String| {
        let request = stand.client.delete(stand.address(&format!("/storage/v1/b/bucket/o/n?{query}")));
        async { request.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!(delete(format!("ifGenerationMatch={old}")).await, 412);
    assert_eq!(delete(format!("ifGenerationMatch={new}")).await, 204);
    assert_eq!(delete(String::new()).await, 404);
}

/// An upload that began when the name was free, and ends when it is not.
#[tokio::test]
async fn a_condition_is_looked_at_when_the_upload_ends_too() {
    let stand = stand().await;
    let address = stand.gcs.endpoint().trim_start_matches("http://");
    let mut slow = TcpStream::connect(address).await.expect("a connection");
    let body = multipart(&json!({}), "slow");
    let head = format!(
        "POST /upload/storage/v1/b/{BUCKET}/o?uploadType=multipart&name=n&ifGenerationMatch=0 HTTP/1.1\r\n\
         host: x\r\ncontent-type: multipart/related; boundary=b\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    let (first, rest) = body.split_at(20);
    slow.write_all(format!("{head}{first}").as_bytes()).await.expect("written");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(stand.upload("name=n&ifGenerationMatch=0", json!({}), "fast").await.0, 200);
    slow.write_all(rest.as_bytes()).await.expect("written");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 412 "), "{answer}");
    assert_eq!(stand.gcs.object(BUCKET, "n").as_deref(), Some(&b"fast"[..]));
}

#[tokio::test]
async fn names_come_in_order_and_in_pages() {
    let stand = stand().await;
    for name in ["a/1", "a/b/2", "a/b/3", "a-c", "b"] {
        stand.upload(&format!("name={}", name.replace('/', "%2F")), json!({}), "x").await;
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let query = format!("prefix=a/&delimiter=/&maxResults=1&pageToken={token}");
        let (status, page) = json_of(stand.get(&format!("/storage/v1/b/bucket/o?{query}")).await).await;
        assert_eq!(status, 200);
        let items = page["items"].as_array().into_iter().flatten().filter_map(|item| item["name"].as_str());
        let prefixes = page["prefixes"].as_array().into_iter().flatten().filter_map(Value::as_str);
        seen.extend(items.chain(prefixes).map(str::to_owned));
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.replace('=', "%3D"),
            None => break,
        }
    }
    assert_eq!(seen, ["a/1", "a/b/"]);
    let (status, _) = json_of(stand.get("/storage/v1/b/bucket/o?pageToken=%21").await).await;
    assert_eq!(status, 400);
    assert_eq!(stand.get("/storage/v1/b/none/o").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_bucket_tells_those_of_its_settings_that_are_asked_for() {
    let stand = stand().await;
    let rules = json!({"rule": [{"action": {"type": "Delete"}, "condition": {"age": 30}}]});
    stand.gcs.set_bucket(BUCKET, "lifecycle", rules.clone());
    stand.gcs.set_bucket(BUCKET, "labels", json!({"a": "b"}));
    let asked = async |query: &str| json_of(stand.get(&format!("/storage/v1/b/{query}")).await).await;
    let whole = json!({"lifecycle": rules, "labels": {"a": "b"}, "kind": "storage#bucket", "name": BUCKET});
    assert_eq!(asked("bucket").await, (200, whole));
    let some = asked("bucket?fields=lifecycle%2CretentionPolicy").await;
    assert_eq!(some, (200, json!({"lifecycle": rules})));
    assert_eq!(asked("none").await.0, 404);
    assert_eq!(stand.gcs.count(Call::Bucket), 3);
}

#[tokio::test]
async fn a_composition_takes_1_to_32_sources_by_generation() {
    let stand = stand().await;
    let (_, a) = stand.upload("name=a", json!({}), "one,").await;
    stand.upload("name=b", json!({}), "two").await;
    let compose = async |sources: Vec<Value>, query: &str| {
        let body = json!({"sourceObjects": sources, "destination": {"metadata": {"w": "1"}}});
        let address = stand.address(&format!("/storage/v1/b/bucket/o/c/compose?{query}"));
        let request = stand.client.post(address).json(&body);
        json_of(request.send().await.expect("an answer")).await
    };
    let pinned = json!({"name": "a", "generation": a["generation"]});
    let (status, object) = compose(vec![pinned.clone(), json!({"name": "b"})], "ifGenerationMatch=0").await;
    assert_eq!((status, &object["componentCount"], &object["metadata"]["w"]), (200, &json!(2), &json!("1")));
    assert_eq!(stand.gcs.object(BUCKET, "c").as_deref(), Some(&b"one,two"[..]));
    assert_eq!(compose(vec![pinned.clone()], "ifGenerationMatch=0").await.0, 412);
    assert_eq!(compose(vec![], "").await.0, 400);
    assert_eq!(compose(vec![json!({"name": "b"}); 33], "").await.0, 400);
    stand.upload("name=a", json!({}), "changed").await;
    assert_eq!(compose(vec![pinned], "").await.0, 404);
}

#[tokio::test]
async fn a_resumable_upload_keeps_what_it_was_told_to_keep() {
    let stand = stand().await;
    let begin = stand.address("/upload/storage/v1/b/bucket/o?uploadType=resumable&name=n");
    let started = stand.client.post(&begin).body("{}").send().await.expect("an answer");
    let session = started.headers()["location"].to_str().expect("text").to_owned();
    assert!(session.starts_with(stand.gcs.endpoint()), "{session}");
    let send = |range: &'static str, len: usize| {
        let request = stand.client.put(&session).header("content-range", range).body(vec![7; len]);
        async { request.send().await.expect("an answer") }
    };
    stand.gcs.fault(Rule::next(Call::SendChunk), Fault::KeepOnly(300 << 10));
    let short = send("bytes 0-524287/*", 512 << 10).await;
    assert_eq!(
        (short.status().as_u16(), &short.headers()["range"]),
        (308, &"bytes=0-262143".parse().expect("a value"))
    );
    let rest = send("bytes 262144-524287/524288", 256 << 10).await;
    assert_eq!(rest.status(), 200);
    assert_eq!(stand.gcs.object(BUCKET, "n").map(|bytes| bytes.len()), Some(512 << 10));

    let started = stand.client.post(&begin).body("{}").send().await.expect("an answer");
    let session = started.headers()["location"].to_str().expect("text").to_owned();
    assert_eq!(stand.gcs.unfinished_sessions(), 1);
    let cancelled = stand.client.delete(&session).send().await.expect("an answer");
    assert_eq!((cancelled.status().as_u16(), stand.gcs.unfinished_sessions()), (499, 0));
}

#[tokio::test]
async fn a_copy_takes_two_requests() {
    let stand = stand().await;
    stand.upload("name=a", json!({}), "bytes").await;
    let rewrite = async |query: &str| {
        let address = stand.address(&format!("/storage/v1/b/bucket/o/a/rewriteTo/b/bucket/o/b?{query}"));
        json_of(stand.client.post(address).send().await.expect("an answer")).await.1
    };
    let first = rewrite("").await;
    assert_eq!((&first["done"], stand.gcs.names(BUCKET)), (&json!(false), vec!["a".to_owned()]));
    let token = first["rewriteToken"].as_str().unwrap_or_default().to_owned();
    assert_eq!(rewrite(&format!("rewriteToken={token}")).await["resource"]["name"], "b");
}

#[tokio::test]
async fn what_is_to_go_wrong_goes_wrong() {
    let stand = stand().await;
    stand.upload("name=n", json!({}), "123456789").await;
    let read_for = async |limit: Duration| {
        let address = stand.address("/storage/v1/b/bucket/o/n?alt=media");
        let answer = stand.client.get(address).timeout(limit).send().await?;
        let status = answer.status().as_u16();
        answer.bytes().await.map(|bytes| (status, bytes))
    };
    let read = async || read_for(Duration::from_secs(30)).await;
    let fault = |fault| stand.gcs.fault(Rule::next(Call::Read), fault);
    fault(Fault::Status(429, Some(3)));
    assert_eq!(read().await.expect("an answer").0, 429);
    for fault_given in [Fault::LoseReply, Fault::ResetRequest(0), Fault::ResetBody(4)] {
        fault(fault_given.clone());
        let error = read().await.expect_err("a broken connection");
        assert!(!error.is_timeout(), "{fault_given:?}: {error:?}");
    }
    for fault_given in [Fault::Stall, Fault::StallReply, Fault::StallBody(4)] {
        fault(fault_given.clone());
        let silence = read_for(Duration::from_secs(1)).await;
        assert!(silence.expect_err("no answer").is_timeout(), "{fault_given:?}");
    }
    fault(Fault::FlipBodyBit(0));
    assert_eq!(&read().await.expect("an answer").1[..], b"023456789");
    fault(Fault::ShortRange(4));
    assert_eq!(&read().await.expect("an answer").1[..], b"1234");
    assert_eq!(&read().await.expect("an answer").1[..], b"123456789");
    assert_eq!(stand.gcs.count(Call::Read), 8, "three never came to be decided");
}

#[tokio::test]
async fn a_closed_service_wants_a_token() {
    let stand = stand().await;
    stand.upload("name=n", json!({}), "x").await;
    stand.gcs.close();
    stand.gcs.allow_token("good", "a@p");
    let head = async |token: Option<&str>| {
        let request = stand.client.get(stand.address("/storage/v1/b/bucket/o/n"));
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!((head(None).await, head(Some("bad")).await, head(Some("a.b.c")).await), (401, 401, 401));
    assert_eq!(head(Some("good")).await, 200);
    stand.gcs.expire_tokens();
    assert_eq!(head(Some("good")).await, 401);
    // The metadata server is not part of the service, and wants its own word.
    stand.gcs.set_machine_account("m@p");
    let machine = "/computeMetadata/v1/instance/service-accounts/default/token";
    assert_eq!(stand.get(machine).await.status(), StatusCode::BAD_REQUEST);
    let request = stand.client.get(stand.address(machine)).header("metadata-flavor", "Google");
    let (_, token) = json_of(request.send().await.expect("an answer")).await;
    assert_eq!(head(token["access_token"].as_str()).await, 200);
}
