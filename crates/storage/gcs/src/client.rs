//! Requests to the JSON interface.

use crate::{
    GcsConfig, GcsCredentials,
    environment::Environment,
    error::{Account, Answer, Asked, within},
    location::Location,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use google_cloud_auth::credentials::{CacheableResource, Credentials};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder, Response};
use rockhold_core::{Error, ErrorKind, Key, ObjectMeta, Result, Timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

/// How long it may take until there is a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The most bytes of an answer that is no object: a page of a thousand long names.
const LONGEST_ANSWER: usize = 16 << 20;

/// What needs no escape in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The fields of an object that are asked for.
pub(crate) const FIELDS: &str = "name,size,generation,timeCreated,crc32c,metadata";

/// Sends requests to one service with one set of credentials.
pub(crate) struct Client {
    http: reqwest::Client,
    credentials: Credentials,
    /// Whether nobody said who opens the repository, and no token came yet.
    guess: AtomicBool,
    /// Whether this machine says that there are default credentials.
    is_announced: bool,
    /// Without a slash at its end.
    pub(crate) service: String,
    pub(crate) call: Duration,
    pub(crate) transfer: Duration,
}

/// An object as the service describes it. Numbers of 64 bits are strings.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    pub(crate) name: String,
    size: String,
    generation: String,
    time_created: Option<String>,
    crc32c: Option<String>,
    #[serde(default)]
    metadata: Value,
}

/// What is known of an object, without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) len: u64,
    pub(crate) generation: i64,
    pub(crate) modified: Option<Timestamp>,
    /// The checksum of its bytes, where the service told it.
    pub(crate) crc32c: Option<u32>,
}

impl Facts {
    pub(crate) fn meta(self, key: Key) -> ObjectMeta {
        let meta = ObjectMeta::new(key, self.len).with_etag(self.generation.to_string());
        match self.modified {
            Some(modified) => meta.with_modified(modified),
            None => meta,
        }
    }
}

/// Reads a checksum: base64 of four bytes, big-endian.
pub(crate) fn crc32c(text: &str) -> Option<u32> {
    let bytes: [u8; 4] = STANDARD.decode(text).ok()?.try_into().ok()?;
    Some(u32::from_be_bytes(bytes))
}

/// Whole seconds, since a read tells no more.
pub(crate) fn seconds(seconds: i64) -> Timestamp {
    Timestamp(seconds.saturating_mul(1000))
}

impl Resource {
    pub(crate) fn facts(&self) -> Option<Facts> {
        let modified = match &self.time_created {
            Some(text) => Some(chrono::DateTime::parse_from_rfc3339(text).ok()?.timestamp()),
            None => None,
        };
        Some(Facts {
            len: self.size.parse().ok()?,
            generation: self.generation.parse().ok()?,
            modified: modified.map(seconds),
            crc32c: self.crc32c.as_deref().and_then(crc32c),
        })
    }

    /// A word that its writer left with it.
    pub(crate) fn note(&self, name: &str) -> Option<&str> {
        self.metadata[name].as_str()
    }
}

impl Client {
    pub(crate) fn new(
        config: &GcsConfig,
        credentials: Credentials,
        environment: &Environment,
    ) -> Result<Self> {
        let http = reqwest::Client::builder()
            .http1_only()
            .connect_timeout(CONNECT)
            // The bytes of an object are what was stored, whatever their encoding.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("rockhold/", env!("CARGO_PKG_VERSION")))
            .build();
        let http = http.map_err(|source| {
            Error::new(
                ErrorKind::Unavailable,
                "cannot set up connections; are there any certificates on this machine?",
            )
            .because(source)
        })?;
        Ok(Self {
            http,
            credentials,
            guess: AtomicBool::new(matches!(config.credentials, GcsCredentials::Default)),
            is_announced: environment.announces_credentials(),
            service: config.address()?,
            call: Duration::from_millis(config.call_timeout_ms),
            transfer: Duration::from_millis(config.transfer_timeout_ms),
        })
    }

    /// What is known of the account, for when no token is to be had.
    pub(crate) fn account(&self) -> Account {
        match (self.guess.load(Relaxed), self.is_announced) {
            (false, _) => Account::Known,
            (true, true) => Account::Likely,
            (true, false) => Account::Doubtful,
        }
    }

    /// Remembers that there is an account.
    pub(crate) fn had_token(&self) {
        self.guess.store(false, Relaxed);
    }

    /// A request for the settings of a bucket.
    pub(crate) fn bucket(&self, location: &Location) -> RequestBuilder {
        self.http.get(format!("{}/storage/v1/b/{}", self.service, location.bucket))
    }

    /// A request for the objects of a bucket: one page of names.
    pub(crate) fn objects(&self, location: &Location) -> RequestBuilder {
        self.http.get(format!("{}/storage/v1/b/{}/o", self.service, location.bucket))
    }

    /// A request for one object, or for an action on it.
    pub(crate) fn object(
        &self,
        method: Method,
        location: &Location,
        name: &str,
        action: &str,
    ) -> RequestBuilder {
        let name = utf8_percent_encode(name, SEGMENT);
        let address = format!("{}/storage/v1/b/{}/o/{name}{action}", self.service, location.bucket);
        self.http.request(method, address)
    }

    /// Sends a request and waits for the answer to begin. One that refuses is
    /// given as it is.
    pub(crate) async fn ask(
        &self,
        asked: &Asked<'_>,
        limit: Duration,
        request: RequestBuilder,
    ) -> Result<std::result::Result<Response, Answer>> {
        within(limit, asked, async {
            let tokens = self.credentials.headers(http::Extensions::new()).await;
            let headers = match tokens.map_err(|source| asked.no_token(source))? {
                CacheableResource::New { data, .. } => data,
                // Only given to who says what he has already.
                CacheableResource::NotModified => return Err(asked.unreadable("a token is missing")),
            };
            self.had_token();
            let response = request.headers(headers).send().await.map_err(|source| asked.broke_off(source))?;
            if response.status().is_success() {
                return Ok(Ok(response));
            }
            let status = response.status().as_u16();
            let headers = response.headers().clone();
            // A refusal is a refusal, even when its words are lost.
            let body = read_all(asked, response).await.unwrap_or_default();
            Ok(Err(Answer::new(status, Some(&headers), &body)))
        })
        .await
    }

    /// Sends a request and reads the answer as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        asked: &Asked<'_>,
        limit: Duration,
        request: RequestBuilder,
    ) -> Result<std::result::Result<T, Answer>> {
        let response = match self.ask(asked, limit, request).await? {
            Ok(response) => response,
            Err(answer) => return Ok(Err(answer)),
        };
        let body = within(limit, asked, read_all(asked, response)).await?;
        match serde_json::from_slice(&body) {
            Ok(value) => Ok(Ok(value)),
            Err(source) => Err(asked.unreadable(source)),
        }
    }
}

async fn read_all(asked: &Asked<'_>, mut response: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|source| asked.broke_off(source))? {
        if body.len() + piece.len() > LONGEST_ANSWER {
            return Err(asked.unreadable("it is too long"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_says_of_an_object_is_read() {
        let read =
            |text: &str| serde_json::from_str::<Resource>(text).ok().and_then(|resource| resource.facts());
        let facts = read(
            r#"{"name": "n", "size": "7", "generation": "1700000000000001",
                "timeCreated": "2026-01-01T00:00:01.999Z", "crc32c": "4waSgw==", "metadata": {"a": "b"}}"#,
        );
        let modified = Some(Timestamp(1_767_225_601_000));
        assert_eq!(
            facts,
            Some(Facts { len: 7, generation: 1_700_000_000_000_001, modified, crc32c: Some(0xe306_9283) })
        );
        assert!(read(r#"{"name": "n", "size": "-7", "generation": "1"}"#).is_none());
        assert!(read(r#"{"name": "n", "size": "7", "generation": "1", "timeCreated": "now"}"#).is_none());
    }

    #[test]
    fn an_account_that_nobody_named_is_likely_where_this_machine_announces_one() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let account = |config: &GcsConfig, environment: &Environment| {
            let credentials = google_cloud_auth::credentials::anonymous::Builder::new().build();
            let client = Client::new(config, credentials, environment).unwrap();
            let before = client.account();
            client.had_token();
            (before, client.account())
        };
        let (nothing, host) = (Environment::default(), Some("metadata.example".into()));
        let sign = Environment { metadata_host: host, ..Environment::default() };
        let unnamed = GcsConfig::new("gs://bucket");
        assert_eq!(account(&unnamed, &nothing), (Account::Doubtful, Account::Known));
        assert_eq!(account(&unnamed, &sign), (Account::Likely, Account::Known));
        let named = GcsConfig::new("gs://bucket").credentials(GcsCredentials::ComputeEngine);
        assert_eq!(account(&named, &nothing), (Account::Known, Account::Known));
    }
}
