//! Where files lie, and how long a server may take.

use reqwest::Url;
use rockhold_core::{Error, Key, Result, Secret};
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// A directory of a web server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HttpConfig {
    /// `http://` or `https://`, a host, and a directory. May hold a password,
    /// so it is never shown as it stands.
    #[serde(deserialize_with = "secret")]
    pub location: Secret,
    /// How long connecting may take, in milliseconds.
    #[serde(default = "default_connect_millis")]
    pub connect_millis: u64,
    /// How long the server may be silent, in milliseconds.
    #[serde(default = "default_silence_millis")]
    pub silence_millis: u64,
}

fn default_connect_millis() -> u64 {
    10_000
}

fn default_silence_millis() -> u64 {
    30_000
}

/// As `Secret` cannot be read from a document by itself.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

impl HttpConfig {
    /// The defaults for a location.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: Secret::new(location),
            connect_millis: default_connect_millis(),
            silence_millis: default_silence_millis(),
        }
    }

    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_millis.max(1))
    }

    pub(crate) fn silence(&self) -> Duration {
        Duration::from_millis(self.silence_millis.max(1))
    }

    /// The address of the directory.
    ///
    /// # Errors
    /// `InvalidInput` saying what to write instead.
    pub(crate) fn base(&self) -> Result<Base> {
        let text = self.location.expose();
        let refuse = |what: &str| Error::invalid(format!("{what}; write `https://host/directory`"));
        let mut url = Url::parse(text).map_err(|error| refuse(&format!("not an address: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(refuse("not the address of a web server"));
        }
        url.set_fragment(None);
        let mut shown = url.clone();
        // Neither can fail for an address with a host.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_query(None);
        Ok(Base { url, shown: shown.as_str().trim_end_matches('/').to_owned() })
    }
}

/// A directory of a server.
#[derive(Clone)]
pub(crate) struct Base {
    url: Url,
    /// The address without user, password and query.
    pub(crate) shown: String,
}

impl Base {
    /// The address of an object.
    pub(crate) fn of(&self, key: &Key) -> Url {
        let mut url = self.url.clone();
        let directory = url.path().trim_end_matches('/').to_owned();
        // The letters of keys mean themselves in a path; `%XX` stays what it is.
        url.set_path(&format!("{directory}/{key}"));
        url
    }

    pub(crate) fn scheme(&self) -> &str {
        self.url.scheme()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(location: &str, key: &str) -> String {
        HttpConfig::new(location).base().unwrap().of(&Key::new(key).unwrap()).to_string()
    }

    #[test]
    fn a_key_is_the_rest_of_the_address() {
        assert_eq!(address("http://h:81/a/b/", "c%20d/e.jar"), "http://h:81/a/b/c%20d/e.jar");
        assert_eq!(address("https://h", "x,y+z=~@"), "https://h/x,y+z=~@");
        assert_eq!(address("https://u:p@h/a?sig=1", "x"), "https://u:p@h/a/x?sig=1");
    }

    #[test]
    fn what_is_shown_has_no_password_and_no_signature() {
        let config = HttpConfig::new("https://user:hunter2@h/a/?signature=hunter3");
        assert_eq!(config.base().unwrap().shown, "https://h/a");
        assert!(!format!("{config:?}").contains("hunter"));
        for bad in ["ftp://h/a", "http://", "h/a", "http:a b"] {
            let error = HttpConfig::new(bad).base().map(|_| ()).unwrap_err();
            assert!(error.to_string().contains("https://host/directory"), "{bad}: {error}");
        }
    }
}
