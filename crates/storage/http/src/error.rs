//! From what a server says to what a person can act upon.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use rockhold_core::{Error, ErrorKind};
use std::{error::Error as StdError, time::Duration};

/// A refusal by its status.
pub(crate) fn status(status: StatusCode, headers: &HeaderMap) -> Error {
    let after = headers
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let new = |kind, message: String| Error::new(kind, message);
    match status.as_u16() {
        404 | 410 => new(ErrorKind::NotFound, "there is no such file".into()),
        401 | 407 => new(ErrorKind::Unauthenticated, "the server asks for a user and a password".into()),
        403 => new(ErrorKind::PermissionDenied, "the server refuses access".into()),
        412 => new(ErrorKind::PreconditionFailed, "the file was changed since it was read".into()),
        416 => new(ErrorKind::InvalidInput, "the range lies behind the end of the file".into()),
        429 => new(ErrorKind::Throttled, "the server asks for fewer requests".into()).temporary(after),
        408 | 500 | 502 | 503 | 504 => {
            new(ErrorKind::Unavailable, format!("the server answers {status}")).temporary(after)
        }
        _ => new(ErrorKind::Unavailable, format!("the server answers {status}")),
    }
}

/// A request that got no answer, or whose answer broke off. The address in the
/// error of the library may hold a password and is left out.
pub(crate) fn transport(error: reqwest::Error, scheme: &str) -> Error {
    let error = error.without_url();
    if error.is_timeout() {
        return Error::new(ErrorKind::TimedOut, "the server did not answer in time").temporary(None);
    }
    let cause = innermost(&error);
    if error.is_redirect() {
        return Error::new(ErrorKind::Unavailable, format!("the server redirects in vain: {cause}"));
    }
    let lower = cause.to_ascii_lowercase();
    if scheme == "https"
        && ["certificate", "tls", "handshake", "invalid peer"].iter().any(|w| lower.contains(w))
    {
        return Error::new(
            ErrorKind::Unavailable,
            format!(
                "no trusted connection: {cause}; check the server's certificate, or whether it speaks http://"
            ),
        );
    }
    Error::new(ErrorKind::Unavailable, format!("the server cannot be reached: {cause}")).temporary(None)
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string().lines().next().unwrap_or_default().to_owned()
}
