//! Where a repository lies, who opens it, and how it is driven.

use crate::location::Location;
use rockhold_core::{Error, Result, Secret, without_credentials};
use serde::Deserialize;
use std::time::Duration;

/// The address of the service.
const SERVICE: &str = "https://storage.googleapis.com";

/// The configuration of a repository in Google Cloud Storage.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GcsConfig {
    /// `gs://bucket/path`. The path is taken as it stands: no escapes, no `..`.
    pub location: String,
    /// Another address of the service, with or without `https://`: a private
    /// or regional endpoint, an emulator. `None` for the public one.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// Who opens it.
    #[serde(default)]
    pub credentials: GcsCredentials,
    /// The service account to act as, for which the credentials may ask tokens.
    #[serde(default)]
    pub impersonate: Option<String>,
    /// Another address of the IAM credentials service, which gives those tokens.
    #[serde(default)]
    pub iam_endpoint: Option<String>,
    /// Another address of the metadata server.
    #[serde(default)]
    pub metadata_endpoint: Option<String>,
    /// The most entries on one page of a listing. The service gives at most 1,000.
    #[serde(default = "default_page_limit")]
    pub page_limit: usize,
    /// How many requests one call makes at once where it makes several:
    /// deleting many objects, composing many parts.
    #[serde(default = "default_parallel")]
    pub parallel: usize,
    /// How long a request without object bytes, and the first answer to one
    /// with them, may take, in milliseconds. Nothing hangs without layers
    /// either; theirs is the shorter limit.
    #[serde(default = "default_call_timeout")]
    pub call_timeout_ms: u64,
    /// How long the upload of one object or part, a composition, and the wait
    /// for the next bytes of a read may take, in milliseconds.
    #[serde(default = "default_transfer_timeout")]
    pub transfer_timeout_ms: u64,
}

/// Who opens a repository.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
#[non_exhaustive]
pub enum GcsCredentials {
    /// The application default credentials: the file that
    /// `GOOGLE_APPLICATION_CREDENTIALS` names, what `gcloud auth
    /// application-default login` left, or the account of the machine.
    #[default]
    Default,
    /// The account of the machine, by the metadata server.
    ComputeEngine,
    /// A service account by its key.
    ServiceAccount {
        /// `name@project.iam.gserviceaccount.com`.
        email: String,
        /// The id of the key.
        private_key_id: String,
        /// The key: PKCS#8 in PEM, as in the JSON file of the account. Line
        /// ends may be written `\n`.
        #[serde(deserialize_with = "secret")]
        private_key: Secret,
    },
    /// Nobody: public buckets and emulators.
    Anonymous,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

fn default_page_limit() -> usize {
    1000
}

fn default_parallel() -> usize {
    16
}

fn default_call_timeout() -> u64 {
    60_000
}

fn default_transfer_timeout() -> u64 {
    600_000
}

impl GcsConfig {
    /// The defaults for a location.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            endpoint: None,
            credentials: GcsCredentials::Default,
            impersonate: None,
            iam_endpoint: None,
            metadata_endpoint: None,
            page_limit: default_page_limit(),
            parallel: default_parallel(),
            call_timeout_ms: default_call_timeout(),
            transfer_timeout_ms: default_transfer_timeout(),
        }
    }

    /// Sets [`GcsConfig::endpoint`].
    #[must_use]
    pub fn endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets [`GcsConfig::credentials`].
    #[must_use]
    pub fn credentials(mut self, credentials: GcsCredentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// Sets [`GcsConfig::page_limit`].
    #[must_use]
    pub fn page_limit(mut self, entries: usize) -> Self {
        self.page_limit = entries;
        self
    }

    /// Sets [`GcsConfig::parallel`].
    #[must_use]
    pub fn parallel(mut self, requests: usize) -> Self {
        self.parallel = requests;
        self
    }

    /// Sets [`GcsConfig::call_timeout_ms`] and [`GcsConfig::transfer_timeout_ms`].
    #[must_use]
    pub fn timeouts(mut self, call: Duration, transfer: Duration) -> Self {
        let millis = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        (self.call_timeout_ms, self.transfer_timeout_ms) = (millis(call), millis(transfer));
        self
    }

    pub(crate) fn place(&self) -> Result<Location> {
        Location::parse(&self.location)
    }

    /// The address of the service, without a slash at its end.
    pub(crate) fn address(&self) -> Result<String> {
        match &self.endpoint {
            None => Ok(SERVICE.to_owned()),
            Some(endpoint) => address(endpoint, "gcp.gcs.endpoint"),
        }
    }
}

/// Reads an address with or without scheme. Without one it is `https://`.
pub(crate) fn address(text: &str, property: &'static str) -> Result<String> {
    let text = text.trim().trim_end_matches('/');
    let refuse = || {
        let message = "not an address; write `https://host`, `http://host:port` or `host`";
        Err(Error::invalid(message).at(property).with("value", without_credentials(text)))
    };
    let (scheme, host) = text.split_once("://").unwrap_or(("https", text));
    if !(scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")) {
        return refuse();
    }
    if host.is_empty() || host.contains(['/', '?', '#', '@', ' ']) {
        return refuse();
    }
    let address = format!("{}://{host}", scheme.to_ascii_lowercase());
    if reqwest::Url::parse(&address).is_err() {
        return refuse();
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_written_with_or_without_scheme() {
        let address = |endpoint: &str| GcsConfig::new("gs://bucket").endpoint(endpoint).address();
        assert_eq!(address("storage.googleapis.com").unwrap(), "https://storage.googleapis.com");
        assert_eq!(address("HTTP://127.0.0.1:4443/").unwrap(), "http://127.0.0.1:4443");
        assert_eq!(GcsConfig::new("gs://bucket").address().unwrap(), SERVICE);
        for bad in ["", "ftp://host", "https://user@host", "https://host/path", "host name"] {
            let line = address(bad).unwrap_err().to_string();
            assert!(line.starts_with("gcp.gcs.endpoint: not an address"), "{line}");
        }
        let line = address("https://user:hunter2@host").unwrap_err().to_string();
        assert!(line.contains("https://***@host") && !line.contains("hunter2"), "{line}");
    }

    #[test]
    fn unknown_settings_are_refused_and_secrets_are_not_shown() {
        let read = serde_json::from_str::<GcsConfig>;
        let config = read(
            r#"{"location": "gs://b", "credentials":
                {"service_account": {"email": "e", "private_key_id": "i", "private_key": "hunter2"}}}"#,
        );
        let shown = format!("{:?}", config.unwrap());
        assert!(shown.contains("private_key: ***") && !shown.contains("hunter2"), "{shown}");
        assert!(read(r#"{"location": "gs://b", "endpiont": "x"}"#).is_err());
    }
}
