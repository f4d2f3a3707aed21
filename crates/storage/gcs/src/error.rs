//! From what the service says to what a person can act upon.

use bytes::Bytes;
use google_cloud_gax::error::CredentialsError;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use rockhold_core::{Error, ErrorKind, Result, WriteMode};
use serde_json::Value;
use std::{borrow::Cow, error::Error as StdError, fmt::Display, time::Duration};

/// What to do where nobody is there to open the repository.
pub(crate) const NO_DEFAULT: &str = "there are no usable default credentials; set the properties \
    gcp.gcs.service_account_email, gcp.gcs.service_account_private_key_id and \
    gcp.gcs.service_account_private_key, or check the file that GOOGLE_APPLICATION_CREDENTIALS names";

/// What is known of the account that opens the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// Somebody named it, or it had a token before.
    Known,
    /// Nobody named it, but something says that this machine has one.
    Likely,
    /// Nobody named it, and nothing says that there is one.
    Doubtful,
}

/// What was asked, for the messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The operation of the contract.
    pub(crate) operation: &'static str,
    /// The key concerned, or the prefix.
    pub(crate) at: &'a dyn Shown,
    pub(crate) bucket: &'a str,
    /// The address of the service.
    pub(crate) service: &'a str,
    /// Whether the request changes something.
    pub(crate) changes: bool,
    /// On which condition.
    pub(crate) mode: Option<&'a WriteMode>,
    /// What the account needs for it.
    pub(crate) permission: &'static str,
    /// What is known of who asks.
    pub(crate) account: Account,
}

/// What can be shown and debugged.
pub(crate) trait Shown: Display + std::fmt::Debug + Sync {}
impl<T: Display + std::fmt::Debug + Sync> Shown for T {}

/// The answer of the service when it is not what was asked for.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What the service says, on one line.
    pub(crate) message: String,
    /// Its word for the reason: `notFound`, `rateLimitExceeded`, …
    reason: String,
    /// Whether it is an answer of this service at all.
    is_known: bool,
    retry_after: Option<Duration>,
}

impl Answer {
    pub(crate) fn new(status: u16, headers: Option<&HeaderMap>, body: &[u8]) -> Self {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let error = json.as_ref().map(|json| &json["error"]);
        let text = error.and_then(|error| error["message"].as_str());
        let reason = error.and_then(|error| error["errors"][0]["reason"].as_str()).unwrap_or_default();
        Self {
            status,
            message: one_line(text.map_or_else(|| String::from_utf8_lossy(body), Cow::Borrowed)),
            reason: reason.to_owned(),
            is_known: error.is_some_and(|error| !error.is_null()),
            retry_after: headers.and_then(retry_after),
        }
    }

    /// Whether the bucket is what is missing.
    pub(crate) fn lacks_bucket(&self) -> bool {
        self.status == 404 && (self.message.contains("bucket does not exist") || !self.is_known)
    }
}

/// The wait that the service asks for, in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn one_line(text: Cow<'_, str>) -> String {
    const LONGEST: usize = 200;
    let line: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect();
    line.trim_end_matches('.').to_owned()
}

impl Asked<'_> {
    fn error(&self, kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Error {
        Error::new(kind, message).during(self.operation).at(self.at)
    }

    /// The error of a request that broke off: it may have been carried out.
    fn ambiguous(&self, error: Error) -> Error {
        let error = error.temporary(None);
        if self.changes { error.maybe_applied() } else { error }
    }

    /// An answer that refuses.
    pub(crate) fn refused(&self, answer: &Answer) -> Error {
        let Answer { status, message, reason, .. } = answer;
        let bucket = self.bucket;
        match status {
            300..=399 => {
                let message = format!(
                    "{} sends the request elsewhere ({status}); check gcp.gcs.endpoint",
                    self.service
                );
                self.error(ErrorKind::InvalidInput, message)
            }
            400 if message.contains("CRC32C") || message.contains("crc32c") => {
                // The service did not take it, so that sending it again is safe.
                let error = "the bytes were changed on their way to the service, which did not take them";
                self.error(ErrorKind::Corrupt, error).temporary(None)
            }
            401 => {
                let message = format!(
                    "the credentials were refused ({message}); check gcp.gcs.service_account_email, \
                     gcp.gcs.service_account_private_key_id and gcp.gcs.service_account_private_key, that the \
                     key was not deleted and that this machine's clock is right"
                );
                self.error(ErrorKind::Unauthenticated, message)
            }
            403 if reason.contains("ateLimitExceeded") => self.throttled(answer),
            403 => {
                let message = format!(
                    "permission denied; grant the account {} on the bucket {bucket}, as in the role Storage \
                     Object User ({message})",
                    self.permission
                );
                self.error(ErrorKind::PermissionDenied, message)
            }
            404 if !answer.is_known
                && !message.contains("No such object")
                && !message.contains("ot Found") =>
            {
                let message =
                    format!("{} does not answer as Cloud Storage does; check gcp.gcs.endpoint", self.service);
                self.error(ErrorKind::NotFound, message)
            }
            404 if answer.lacks_bucket() || self.lists() => {
                let message = format!("there is no bucket {bucket}; check the location or create the bucket");
                self.error(ErrorKind::NotFound, message)
            }
            404 => self.error(ErrorKind::NotFound, "no such object"),
            408 | 500 | 502 | 503 | 504 => {
                let message = format!("the service failed ({status} {message})");
                let error = self.error(ErrorKind::Unavailable, message);
                let error = error.temporary(answer.retry_after);
                if self.changes { error.maybe_applied() } else { error }
            }
            409 => {
                let message = format!("another request for the same object is under way ({message})");
                self.error(ErrorKind::Conflict, message).temporary(answer.retry_after)
            }
            412 => self.condition_failed(),
            416 => self.error(ErrorKind::InvalidInput, "the range is empty or lies behind the object's end"),
            429 => self.throttled(answer),
            _ => self.error(
                ErrorKind::InvalidInput,
                format!("the service refuses the request ({status} {message})"),
            ),
        }
    }

    /// Whether it is a listing, which nothing but a missing bucket makes fail as
    /// not found.
    fn lists(&self) -> bool {
        self.permission == "storage.objects.list"
    }

    fn throttled(&self, answer: &Answer) -> Error {
        let message = format!("the service asks for fewer requests ({})", answer.message);
        self.error(ErrorKind::Throttled, message).temporary(answer.retry_after)
    }

    /// The generation was not the one of the request.
    pub(crate) fn condition_failed(&self) -> Error {
        match self.mode {
            Some(WriteMode::CreateNew) => {
                self.error(ErrorKind::AlreadyExists, "an object with this key exists")
            }
            _ => self
                .error(ErrorKind::PreconditionFailed, "the object was changed or deleted since it was read"),
        }
    }

    /// A request of our own that got no answer, or not all of it.
    pub(crate) fn broke_off(&self, source: reqwest::Error) -> Error {
        // Addresses hold names of objects; the key is in the message already.
        let source = source.without_url();
        if source.is_connect() {
            self.unreachable(source)
        } else if source.is_timeout() {
            self.ambiguous(self.error(ErrorKind::TimedOut, "the service did not answer in time"))
        } else if source.is_builder() {
            self.error(ErrorKind::InvalidInput, "the request cannot be sent; check gcp.gcs.endpoint")
                .because(source)
        } else {
            self.cut_off(source)
        }
    }

    fn cut_off(&self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        let error = self.error(ErrorKind::Unavailable, "the connection broke off").because(source);
        self.ambiguous(error)
    }

    /// No connection came about, so nothing was done.
    fn unreachable(&self, source: impl StdError + Send + Sync + 'static) -> Error {
        let service = self.service;
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&source);
        let mut last = String::new();
        while let Some(error) = cause {
            if let Some(tls) = tls_error(error) {
                let message = match tls {
                    rustls::Error::InvalidMessage(_) => {
                        format!("{service} does not speak TLS; write gcp.gcs.endpoint with http://")
                    }
                    other => format!(
                        "{service} is not trusted ({other}); check gcp.gcs.endpoint, or name a file with its \
                         authority in SSL_CERT_FILE"
                    ),
                };
                return self.error(ErrorKind::InvalidInput, message).because(source);
            }
            last = error.to_string();
            cause = error.source();
        }
        let last = one_line(last.into());
        let message =
            format!("cannot reach {service} ({last}); check gcp.gcs.endpoint, the network and HTTPS_PROXY");
        self.error(ErrorKind::Unavailable, message).temporary(None).because(source)
    }

    /// No token was to be had.
    pub(crate) fn no_token(&self, source: CredentialsError) -> Error {
        let message = match self.account {
            // A metadata server that cannot be reached is not there, most likely.
            Account::Doubtful => NO_DEFAULT,
            Account::Known | Account::Likely if source.is_transient() => {
                let message = "no token was to be had, since the service that gives them fails or cannot be \
                               reached; check the network, gcp.gcs.iam_endpoint and gcp.gcs.metadata_endpoint";
                return self.error(ErrorKind::Unavailable, message).temporary(None).because(source);
            }
            Account::Likely => NO_DEFAULT,
            Account::Known => {
                "no token was to be had with these credentials; check the gcp.gcs properties, that the account \
                 exists and, with gcp.gcs.impersonation_service_account, that it has the role Service Account \
                 Token Creator"
            }
        };
        self.error(ErrorKind::Unauthenticated, message).because(source)
    }

    /// An error of the official client.
    pub(crate) fn client(&self, source: google_cloud_storage::Error) -> Error {
        if let Some(status) = source.http_status_code() {
            let body = match (source.http_payload(), source.status()) {
                (Some(payload), _) => payload.clone(),
                // The client has read the body already and keeps what it understood.
                (None, Some(said)) => {
                    Bytes::from(serde_json::json!({"error": {"message": said.message}}).to_string())
                }
                (None, None) => Bytes::new(),
            };
            return self.refused(&Answer::new(status, source.http_headers(), &body));
        }
        if source.is_authentication() {
            let inner = source.source().and_then(|inner| inner.downcast_ref::<CredentialsError>());
            let error = match inner {
                Some(inner) => self.no_token(inner.clone()),
                None => self.error(ErrorKind::Unauthenticated, "no token was to be had"),
            };
            return error;
        }
        if source.is_connect() {
            return self.unreachable(source);
        }
        if source.is_timeout() {
            return self.ambiguous(self.error(ErrorKind::TimedOut, "the service did not answer in time"));
        }
        if source.is_serialization() {
            // The client compares checksums once more when the object is there.
            let message = "the service holds other bytes than were sent";
            return self.error(ErrorKind::Corrupt, message).maybe_applied().because(source);
        }
        self.cut_off(source)
    }

    /// The limit of `call` or `transfer` passed.
    pub(crate) fn timed_out(&self, limit: Duration) -> Error {
        self.ambiguous(
            self.error(ErrorKind::TimedOut, format!("the service gave no answer within {limit:?}")),
        )
    }

    /// The object is there, and is not as long as it should be.
    pub(crate) fn holds(&self, found: u64, sent: u64) -> Error {
        let message = format!("{sent} bytes were sent and the service holds {found}");
        self.error(ErrorKind::Corrupt, message).maybe_applied()
    }

    /// An answer that says yes and cannot be read.
    pub(crate) fn unreadable(&self, what: impl Display) -> Error {
        let message =
            format!("the answer of {} cannot be read: {what}; check gcp.gcs.endpoint", self.service);
        let error = self.error(ErrorKind::Unavailable, message);
        self.ambiguous(error)
    }
}

/// What `rustls` found, wherever it is wrapped: a certificate of somebody else,
/// or no TLS at all.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut error = error;
    loop {
        match error.downcast_ref::<std::io::Error>() {
            Some(io) => error = io.get_ref()?,
            None => return error.downcast_ref(),
        }
    }
}

/// Bounds the time of a future.
pub(crate) async fn within<T>(
    limit: Duration,
    asked: &Asked<'_>,
    future: impl Future<Output = Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(limit, future).await {
        Ok(result) => result,
        Err(_) => Err(asked.timed_out(limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(operation: &'static str, permission: &'static str, account: Account) -> Asked<'static> {
        Asked {
            operation,
            at: &"object",
            bucket: "my-bucket",
            service: "https://storage.example",
            changes: false,
            mode: None,
            permission,
            account,
        }
    }

    fn no_token(account: Account, is_transient: bool) -> Error {
        let asked = asked("head", "storage.objects.get", account);
        asked.no_token(CredentialsError::from_msg(is_transient, "503 Service Unavailable"))
    }

    #[test]
    fn what_a_listing_does_not_find_is_the_bucket() {
        let body = br#"{"error": {"code": 404, "message": "Not Found", "errors": [{"reason": "notFound"}]}}"#;
        let told = |operation, permission| {
            let error = asked(operation, permission, Account::Known).refused(&Answer::new(404, None, body));
            assert_eq!(error.kind(), ErrorKind::NotFound);
            error.to_string()
        };
        let line = told("list", "storage.objects.list");
        assert!(line.starts_with("list object: there is no bucket my-bucket"), "{line}");
        assert_eq!(told("head", "storage.objects.get"), "head object: no such object");
    }

    #[test]
    fn a_token_that_is_late_is_worth_a_repeat_unless_nothing_says_that_there_is_an_account() {
        for account in [Account::Known, Account::Likely] {
            let error = no_token(account, true);
            assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Unavailable, true), "{account:?}");
        }
        for (account, is_transient, words) in [
            (Account::Doubtful, true, NO_DEFAULT),
            (Account::Doubtful, false, NO_DEFAULT),
            (Account::Likely, false, NO_DEFAULT),
            (
                Account::Known,
                false,
                "no token was to be had with these credentials; check the gcp.gcs properties",
            ),
        ] {
            let error = no_token(account, is_transient);
            assert_eq!(
                (error.kind(), error.is_temporary()),
                (ErrorKind::Unauthenticated, false),
                "{account:?}"
            );
            assert!(error.to_string().starts_with(&format!("head object: {words}")), "{error}");
        }
    }
}
