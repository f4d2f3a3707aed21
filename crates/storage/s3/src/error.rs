//! From what a server says, or fails to say, to what a person can act upon.

use crate::{Credentials, S3Config, transport};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use rockhold_core::{Error, ErrorKind};
use std::{fmt, time::Duration};

/// One call that failed: what it was, for the message and the verdict.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) config: &'a S3Config,
    pub(crate) operation: &'static str,
    /// The action that a policy must allow.
    pub(crate) action: &'static str,
    /// Whether the call changes the store.
    pub(crate) mutates: bool,
}

impl<'a> Call<'a> {
    /// A call that only reads.
    pub(crate) fn reads(config: &'a S3Config, operation: &'static str, action: &'static str) -> Self {
        Self { config, operation, action, mutates: false }
    }

    /// A call that changes the store.
    pub(crate) fn writes(config: &'a S3Config, operation: &'static str, action: &'static str) -> Self {
        Self { config, operation, action, mutates: true }
    }

    /// The error for what the SDK gave. `at` is the key or place concerned.
    pub(crate) fn failed<E>(&self, error: SdkError<E, HttpResponse>, at: impl fmt::Display) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = match Answer::of(&error) {
            Some(answer) => self.answered(&answer),
            None => {
                let lost = transport::failed(self.config, &error);
                if self.mutates && lost.sent { lost.error.maybe_applied() } else { lost.error }
            }
        };
        error.during(self.operation).at(at)
    }

    /// The error for an answer of the server.
    pub(crate) fn answered(&self, answer: &Answer) -> Error {
        let (kind, message, retry) = self.judge(answer);
        let mut error = Error::new(kind, message);
        if let Repeat::Yes { maybe_applied } = retry {
            error = error.temporary(answer.retry_after);
            if maybe_applied && self.mutates {
                error = error.maybe_applied();
            }
        }
        error.because(answer.to_string())
    }

    fn judge(&self, answer: &Answer) -> (ErrorKind, String, Repeat) {
        use ErrorKind as K;
        const NO: Repeat = Repeat::No;
        const REFUSED: Repeat = Repeat::Yes { maybe_applied: false };
        const LOST: Repeat = Repeat::Yes { maybe_applied: true };
        let names = &self.config.dialect.names;
        let vendor = self.config.dialect.vendor;
        let bucket = self.config.location.bucket();
        let said = || answer.said();
        if self.is_no_s3(answer) {
            let server = transport::server(self.config);
            let message =
                format!("{server} does not answer as an S3 server does; correct {}", names.endpoint);
            return (K::InvalidInput, message, NO);
        }
        match (answer.code.as_str(), answer.status) {
            ("NoSuchBucket", _) => (
                K::NotFound,
                format!(
                    "the bucket {bucket} does not exist{}; create it, or correct the location or the endpoint",
                    self.config.endpoint.as_ref().map(|e| format!(" at {e}")).unwrap_or_default()
                ),
                NO,
            ),
            ("NoSuchUpload", _) => {
                (K::Conflict, "the parts were taken away by somebody else; write the object again".into(), NO)
            }
            ("NoSuchKey" | "NotFound" | "NoSuchVersion", _) => (K::NotFound, "no such object".into(), NO),
            ("PreconditionFailed", _) | (_, 412) => {
                (K::PreconditionFailed, "the object was changed by somebody else".into(), NO)
            }
            ("FileAlreadyExists" | "ObjectAlreadyExists", _) => {
                (K::AlreadyExists, "an object with this key exists".into(), NO)
            }
            ("ConditionalRequestConflict" | "OperationAborted", _) => {
                (K::Conflict, "another write of this key is going on".into(), REFUSED)
            }
            ("InvalidPart" | "InvalidPartOrder", _) => {
                (K::Conflict, "the parts are not those that were written; write the object again".into(), NO)
            }
            ("InvalidRange", _) | (_, 416) => {
                (K::InvalidInput, "the range lies behind the end of the object".into(), NO)
            }
            ("InvalidAccessKeyId" | "InvalidAccessKey" | "AccessKeyNotFound", _) => (
                K::Unauthenticated,
                format!("{vendor} does not know this access key; correct {}", names.access_key),
                NO,
            ),
            ("SignatureDoesNotMatch" | "XAmzSignatureDoesNotMatch", _) => (
                K::Unauthenticated,
                format!("the secret key does not belong to the access key; correct {}", names.secret_key),
                NO,
            ),
            ("ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" | "RequestExpired", _) => (
                K::Unauthenticated,
                match names.session_token {
                    Some(token) => format!(
                        "the session token has expired; get a new one and set {}, {} and {token}",
                        names.access_key, names.secret_key
                    ),
                    None => "the session token has expired; get a new one".into(),
                },
                NO,
            ),
            ("InvalidToken" | "InvalidTokenId" | "InvalidSecurityToken" | "InvalidClientTokenId", _) => (
                K::Unauthenticated,
                format!(
                    "{vendor} does not accept the session token; correct {}",
                    names.session_token.unwrap_or(names.access_key)
                ),
                NO,
            ),
            ("RequestTimeTooSkewed", _) => (
                K::Unauthenticated,
                match &answer.date {
                    Some(date) => format!(
                        "the clock of this machine is wrong: the server's says {date}; set it, or let NTP do so"
                    ),
                    None => {
                        "the clock of this machine differs from the server's; set it, or let NTP do so".into()
                    }
                },
                NO,
            ),
            (
                "PermanentRedirect"
                | "TemporaryRedirect"
                | "AuthorizationHeaderMalformed"
                | "InvalidRegion"
                | "IllegalLocationConstraintException"
                | "InvalidLocationConstraint",
                _,
            )
            | (_, 301 | 307) => (K::InvalidInput, self.wrong_region(answer), NO),
            (
                "AccessDenied" | "AccessForbidden" | "AllAccessDisabled" | "AccountProblem"
                | "UnauthorizedAccess",
                _,
            )
            | ("", 403) => (
                K::PermissionDenied,
                format!(
                    "permission denied; allow {} on the bucket {bucket} to these credentials, or correct {}",
                    self.action,
                    self.properties_of_credentials()
                ),
                NO,
            ),
            ("InvalidObjectState", _) => (
                K::PermissionDenied,
                "the object was moved to an archive by a lifecycle rule; restore it there first".into(),
                NO,
            ),
            ("QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded", _) | (_, 507) => {
                (K::StorageFull, "no space left, or a quota was met; free some and repeat".into(), NO)
            }
            (
                "SlowDown"
                | "SlowDownRead"
                | "SlowDownWrite"
                | "Throttling"
                | "ThrottlingException"
                | "RequestLimitExceeded"
                | "TooManyRequests"
                | "QpsLimitExceeded"
                | "DownloadTrafficRateLimitExceeded",
                _,
            )
            | (_, 429) => (K::Throttled, format!("{vendor} asks for fewer requests"), REFUSED),
            ("RequestTimeout" | "XMinioClientDisconnected", _) => {
                (K::TimedOut, "the server waited too long for the request".into(), REFUSED)
            }
            (
                "BadDigest"
                | "XAmzContentSHA256Mismatch"
                | "XAmzContentChecksumMismatch"
                | "IncompleteBody"
                | "InvalidDigest",
                _,
            ) => (K::Unavailable, "the bytes did not arrive as they were sent".into(), REFUSED),
            ("NotImplemented" | "MethodNotAllowed", _) | (_, 405 | 501) => {
                (K::Unsupported, format!("the server does not offer this: {}", said()), NO)
            }
            ("XMinioParentIsObject" | "XMinioObjectExistsAsDirectory" | "XMinioObjectParentIsObject", _) => {
                (K::InvalidInput, "another object's key is the beginning of this one's path".into(), NO)
            }
            ("XMinioServerNotInitialized", _) => (K::Unavailable, "the server is starting".into(), REFUSED),
            // Without a code it comes from something before the server, after who knows what.
            (code, 503) => {
                let repeat = if code.is_empty() { LOST } else { REFUSED };
                (K::Unavailable, format!("the server is not ready: {}", said()), repeat)
            }
            (_, 500..) => (K::Unavailable, format!("the server failed: {}", said()), LOST),
            (_, 401) => (
                K::Unauthenticated,
                format!("the credentials were refused: {}; check {}", said(), names.access_key),
                NO,
            ),
            ("", 400) if self.is_plain() && answer.request_id.is_none() => (
                K::InvalidInput,
                format!(
                    "the server does not answer as an S3 server would without TLS; write https:// before the host in \
                     {} or set {} to true",
                    names.endpoint, names.ssl
                ),
                NO,
            ),
            (_, 404) => (K::NotFound, "no such object".into(), NO),
            _ => (K::InvalidInput, format!("the request was refused: {}", said()), NO),
        }
    }

    /// Whether no S3 server answers like this. One that lacks a bucket says so by
    /// a code; only of an object that HEAD asks for it says nothing.
    fn is_no_s3(&self, answer: &Answer) -> bool {
        // The SDK's own code for an answer without a body.
        let has_code = !matches!(answer.code.as_str(), "" | "NotFound");
        let lists = self.action == "s3:ListBucket";
        (lists && answer.status == 404 && !has_code) || (answer.is_foreign && !self.mutates)
    }

    fn is_plain(&self) -> bool {
        self.config.endpoint.as_ref().is_some_and(|endpoint| !endpoint.uses_tls())
    }

    /// Ceph's gateway tells neither wrong keys nor an expired token from a
    /// lack of permission.
    fn properties_of_credentials(&self) -> String {
        let names = &self.config.dialect.names;
        match (&self.config.credentials, names.session_token) {
            (Credentials::Keys { session_token: Some(_), .. }, Some(token)) => {
                format!("{}, {} and {token}, which may have expired", names.access_key, names.secret_key)
            }
            (Credentials::Keys { .. }, _) => format!("{} and {}", names.access_key, names.secret_key),
            _ => "the role".into(),
        }
    }

    fn wrong_region(&self, answer: &Answer) -> String {
        let names = &self.config.dialect.names;
        let bucket = self.config.location.bucket();
        let used = self.config.signing_region();
        let property = names.region.unwrap_or(names.endpoint);
        match &answer.region {
            Some(region) if region != used => {
                format!(
                    "the bucket {bucket} lies in the region {region}, not {used}; set {property} accordingly"
                )
            }
            _ => format!("the region {used} is not that of the bucket {bucket}; correct {property}"),
        }
    }
}

#[derive(Clone, Copy)]
enum Repeat {
    No,
    Yes { maybe_applied: bool },
}

/// What a server answered instead of doing what it was asked.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The code of the error; empty where the answer has none.
    pub(crate) code: String,
    message: String,
    /// The bucket's region, where the answer tells.
    pub(crate) region: Option<String>,
    date: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    /// Whether it is a success in another language than S3's.
    is_foreign: bool,
    /// The beginning of an answer that is no XML.
    text: String,
}

impl Answer {
    /// The answer inside an error of the SDK, if there was one.
    pub(crate) fn of<E>(error: &SdkError<E, HttpResponse>) -> Option<Self>
    where
        E: ProvideErrorMetadata,
    {
        let (raw, meta) = match error {
            SdkError::ServiceError(service) => (service.raw(), Some(service.err().meta())),
            // An answer that could not be read: its status is all there is.
            SdkError::ResponseError(response) if !response.raw().status().is_success() => {
                (response.raw(), None)
            }
            _ => return None,
        };
        // What takes long is answered with 200 before it has ended, and may fail after that.
        let status = if raw.status().is_success() { 500 } else { raw.status().as_u16() };
        let header = |name: &str| raw.headers().get(name).map(one_line);
        let body = raw.body().bytes().map(String::from_utf8_lossy).unwrap_or_default();
        let is_xml = body.trim_start().starts_with('<');
        let is_page = is_xml && body.to_ascii_lowercase().contains("<html");
        let code = meta.and_then(|meta| meta.code()).map(one_line).unwrap_or_default();
        Some(Self {
            status,
            is_foreign: raw.status().is_success() && code.is_empty() && (is_page || !is_xml),
            code,
            message: meta.and_then(|meta| meta.message()).map(one_line).unwrap_or_default(),
            region: header("x-amz-bucket-region").or_else(|| element(&body, "Region").map(one_line)),
            date: header("date"),
            request_id: header("x-amz-request-id"),
            retry_after: header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs),
            text: if is_xml { String::new() } else { one_line(&body) },
        })
    }

    /// A verdict on one of many keys, inside an answer that was a success.
    pub(crate) fn inside(code: &str, message: &str) -> Self {
        Self {
            // These codes decide by themselves; what is none of them may pass.
            status: if code.starts_with("Internal") { 500 } else { 400 },
            code: one_line(code),
            message: one_line(message),
            region: None,
            date: None,
            request_id: None,
            retry_after: None,
            is_foreign: false,
            text: String::new(),
        }
    }

    fn said(&self) -> String {
        let detail = if self.message.is_empty() { &self.text } else { &self.message };
        match (self.code.is_empty(), detail.is_empty()) {
            (true, true) => format!("status {}", self.status),
            (true, false) => format!("status {}, {detail}", self.status),
            (false, true) => format!("status {}, {}", self.status, self.code),
            (false, false) => format!("{}, {detail}", self.code),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        for (name, text) in [("code", &self.code), ("message", &self.message)] {
            if !text.is_empty() {
                write!(f, ", {name} {text}")?;
            }
        }
        self.request_id.as_ref().map_or(Ok(()), |id| write!(f, ", request {id}"))
    }
}

/// At most 200 characters of a server's text, without line ends.
fn one_line(text: impl AsRef<str>) -> String {
    let words = text.as_ref().split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The text of an element in a small XML document.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text).filter(|text| !text.is_empty())
}
