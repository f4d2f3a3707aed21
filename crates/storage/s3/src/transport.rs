//! Requests that got no answer: who could not be reached, and why.

use crate::S3Config;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::SdkError;
use rockhold_core::{Error, ErrorKind};
use rustls::CertificateError;
use std::{error::Error as StdError, io};

/// A request without an answer.
pub(crate) struct Lost {
    pub(crate) error: Error,
    /// Whether the server may have got the request.
    pub(crate) sent: bool,
}

/// The error for a request that got no answer.
pub(crate) fn failed<E, R>(config: &S3Config, error: &SdkError<E, R>) -> Lost
where
    E: StdError + Send + Sync + 'static,
    R: std::fmt::Debug + 'static,
{
    let causes = chain(error);
    let (kind, message, temporary, sent) = explain(config, error, &causes);
    let error = Error::new(kind, message);
    let error = if temporary { error.temporary(None) } else { error };
    Lost { error: error.because(causes.join(": ")), sent }
}

/// The server, for messages.
pub(crate) fn server(config: &S3Config) -> String {
    match &config.endpoint {
        Some(endpoint) => endpoint.to_string(),
        None => format!("{} ({})", config.dialect.vendor, config.signing_region()),
    }
}

fn explain<E, R>(
    config: &S3Config,
    error: &SdkError<E, R>,
    causes: &[String],
) -> (ErrorKind, String, bool, bool)
where
    E: StdError + Send + Sync + 'static,
    R: std::fmt::Debug + 'static,
{
    use ErrorKind as K;
    let names = &config.dialect.names;
    let server = server(config);
    let source = StdError::source(error);
    if find::<CredentialsError>(source).is_some() {
        let (message, temporary) = crate::credentials::refused(config, source);
        return (K::Unauthenticated, message, temporary, false);
    }
    if let Some(tls) = find_inside_io::<rustls::Error>(source) {
        return (K::InvalidInput, tls_message(config, tls, &server), false, false);
    }
    let connecting = causes.iter().any(|cause| cause.contains("connect"));
    if let Some(io) = find::<io::Error>(source) {
        match io.kind() {
            io::ErrorKind::ConnectionRefused => {
                let message =
                    format!("nobody listens at {server}; start the server or correct {}", names.endpoint);
                return (K::Unavailable, message, true, false);
            }
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                let message = format!("there is no way to {server}; check the network or {}", names.endpoint);
                return (K::Unavailable, message, true, false);
            }
            _ => {}
        }
    }
    if causes.iter().any(|cause| cause.contains("dns error") || cause.contains("DNS lookup")) {
        let message = match config.endpoint {
            Some(_) => format!("the host of {server} is not known; correct {}", names.endpoint),
            None => {
                let region = names.region.unwrap_or(names.endpoint);
                format!("the host of {server} is not known; check {region}, and this machine's DNS")
            }
        };
        return (K::Unavailable, message, true, false);
    }
    match error {
        SdkError::ConstructionFailure(_) => {
            let message =
                format!("the request cannot be made: {}", causes.last().cloned().unwrap_or_default());
            (K::InvalidInput, message, false, false)
        }
        SdkError::TimeoutError(_) => {
            (K::TimedOut, format!("{server} did not answer in time"), true, !connecting)
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            (K::TimedOut, format!("{server} did not answer in time"), true, !connecting)
        }
        SdkError::ResponseError(_) => {
            let message = format!(
                "{server} does not answer as an S3 server would; correct {}, or repeat if a proxy is between",
                names.endpoint
            );
            (K::Unavailable, message, true, true)
        }
        _ => (K::Unavailable, format!("the connection to {server} broke"), true, true),
    }
}

fn tls_message(config: &S3Config, error: &rustls::Error, server: &str) -> String {
    let names = &config.dialect.names;
    let host = config.endpoint.as_ref().map_or("the server", |endpoint| endpoint.host());
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!(
            "the certificate of {server} is for another name; put a name that it has into {}, or give the server a \
             certificate for {host}{}",
            names.endpoint,
            if config.uses_path_style() { "" } else { ", its buckets included" }
        ),
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "the certificate of {server} is signed by nobody known here; name the file with the signer's certificate \
             in {}",
            crate::properties::CA_FILE
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => format!("the certificate of {server} has expired; renew it there, or set the clock here"),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => format!("the certificate of {server} is not valid yet; set the clock here or there"),
        rustls::Error::InvalidCertificate(reason) => {
            format!("the certificate of {server} is not accepted: {reason}; give the server another one")
        }
        rustls::Error::InvalidMessage(_) => format!(
            "{server} does not speak TLS; write http:// before the host in {}, or set {} to false",
            names.endpoint, names.ssl
        ),
        other => format!(
            "no secure connection to {server}: {other}; check {} and the server's TLS",
            names.endpoint
        ),
    }
}

/// The error of a body that broke off while it was read.
pub(crate) fn broken_body(error: &(dyn StdError + 'static)) -> Error {
    let error_chain = chain(error).join(": ");
    Error::new(ErrorKind::Unavailable, "the connection broke while the object was read")
        .temporary(None)
        .because(error_chain)
}

/// All messages of an error, outermost first, without repetition.
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

/// The first cause of this type.
pub(crate) fn find<'a, T: StdError + 'static>(error: Option<&'a (dyn StdError + 'static)>) -> Option<&'a T> {
    let mut next = error;
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref::<T>() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

/// The first cause of this type, also where it is what an [`io::Error`] carries.
fn find_inside_io<'a, T: StdError + 'static>(error: Option<&'a (dyn StdError + 'static)>) -> Option<&'a T> {
    let mut next = error;
    while let Some(cause) = next {
        let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) =
            cause.downcast_ref::<T>().or_else(|| carried.and_then(|inner| find_inside_io(Some(inner))))
        {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
