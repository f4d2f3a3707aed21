//! Where a repository lies, as whom it is opened, and how it is driven.

use rockhold_core::{Error, Result, Secret, without_credentials};
use serde::Deserialize;
use std::{collections::BTreeMap, path::PathBuf, time::Duration};

/// The configuration of a repository on HDFS.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HdfsConfig {
    /// `hdfs://host:port/path`, `hdfs://nameservice/path`, `viewfs://table/path`,
    /// or `hdfs:///path` with `fs.defaultFS`. The path is taken as it stands.
    pub location: String,
    /// Whether a missing root directory is created. Yes by default.
    #[serde(default = "yes")]
    pub create: bool,
    /// Who is acting.
    #[serde(default)]
    pub login: Login,
    /// Hadoop's own settings (`dfs.nameservices` …); they win over site files.
    #[serde(default)]
    pub hadoop: BTreeMap<String, String>,
    /// The directory of `core-site.xml` and `hdfs-site.xml`. Without one,
    /// `HADOOP_CONF_DIR` or `HADOOP_HOME/etc/hadoop` is read where set.
    #[serde(default)]
    pub conf_dir: Option<PathBuf>,
    /// The most entries on one page of a listing.
    #[serde(default = "default_page_limit")]
    pub page_limit: usize,
    /// The length of the pieces in which objects are read, in bytes.
    #[serde(default = "default_piece_len")]
    pub piece_len: usize,
    /// How long one call to a NameNode may take, in milliseconds. When it
    /// passes, the connection is given up and the next call makes a new one.
    #[serde(default = "default_call_ms")]
    pub call_ms: u64,
    /// How long closing a file or sending one piece to DataNodes may take, in
    /// milliseconds: longer than the client's own 60 s for an acknowledgement.
    #[serde(default = "default_transfer_ms")]
    pub transfer_ms: u64,
    /// How long opening may take in all, in milliseconds.
    #[serde(default = "default_open_ms")]
    pub open_ms: u64,
}

/// Who is acting.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Login {
    /// A name that the cluster believes; `None` for `HADOOP_USER_NAME` or the
    /// user of this process. Site files may still ask for Kerberos.
    #[default]
    Unset,
    /// As this user, without proof.
    Simple {
        /// The user's name.
        user: String,
    },
    /// By Kerberos.
    Kerberos(Kerberos),
}

/// A Kerberos identity. With neither keytab nor cache, the ticket cache of the
/// process (`KRB5CCNAME`) is used.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Kerberos {
    /// `alice@EXAMPLE.COM`; needed with a keytab or a named cache.
    #[serde(default)]
    pub principal: Option<String>,
    /// The file of its keys.
    #[serde(default)]
    pub keytab: Option<PathBuf>,
    /// The content of such a file, in base64.
    #[serde(default, deserialize_with = "secret")]
    pub keytab_content: Option<Secret>,
    /// A ticket cache: a path, or a name such as `FILE:/tmp/krb5cc_1000`.
    #[serde(default)]
    pub ticket_cache: Option<String>,
}

impl Kerberos {
    /// The process's own tickets.
    pub fn new() -> Self {
        Self::default()
    }

    /// By the keys in a file.
    #[must_use]
    pub fn keytab(principal: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { principal: Some(principal.into()), keytab: Some(path.into()), ..Self::default() }
    }
}

fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Secret::new))
}

fn yes() -> bool {
    true
}

fn default_page_limit() -> usize {
    1000
}

fn default_piece_len() -> usize {
    1 << 20
}

fn default_call_ms() -> u64 {
    20_000
}

fn default_transfer_ms() -> u64 {
    100_000
}

fn default_open_ms() -> u64 {
    25_000
}

impl HdfsConfig {
    /// The defaults for a location.
    pub fn new(location: impl Into<String>) -> Self {
        Self {
            location: location.into(),
            create: yes(),
            login: Login::default(),
            hadoop: BTreeMap::new(),
            conf_dir: None,
            page_limit: default_page_limit(),
            piece_len: default_piece_len(),
            call_ms: default_call_ms(),
            transfer_ms: default_transfer_ms(),
            open_ms: default_open_ms(),
        }
    }

    /// Sets [`HdfsConfig::create`].
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Sets [`HdfsConfig::login`].
    #[must_use]
    pub fn login(mut self, login: Login) -> Self {
        self.login = login;
        self
    }

    /// As this user, without proof.
    #[must_use]
    pub fn user(self, user: impl Into<String>) -> Self {
        self.login(Login::Simple { user: user.into() })
    }

    /// Adds one of [`HdfsConfig::hadoop`].
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.hadoop.insert(key.into(), value.into());
        self
    }

    /// Sets [`HdfsConfig::conf_dir`].
    #[must_use]
    pub fn conf_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.conf_dir = Some(directory.into());
        self
    }

    /// Sets [`HdfsConfig::page_limit`].
    #[must_use]
    pub fn page_limit(mut self, entries: usize) -> Self {
        self.page_limit = entries;
        self
    }

    /// Sets [`HdfsConfig::piece_len`].
    #[must_use]
    pub fn piece_len(mut self, bytes: usize) -> Self {
        self.piece_len = bytes;
        self
    }

    /// Sets the three time limits: [`HdfsConfig::call_ms`],
    /// [`HdfsConfig::transfer_ms`] and [`HdfsConfig::open_ms`].
    #[must_use]
    pub fn limits(mut self, call: Duration, transfer: Duration, open: Duration) -> Self {
        let ms = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        (self.call_ms, self.transfer_ms, self.open_ms) = (ms(call), ms(transfer), ms(open));
        self
    }
}

/// A location, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    /// `hdfs` or `viewfs`.
    pub(crate) scheme: &'static str,
    /// Host and port, a nameservice, or a mount table; empty for `fs.defaultFS`.
    pub(crate) authority: String,
    /// The root directory without a slash at its end; empty for `/`.
    pub(crate) path: String,
}

impl Location {
    /// Takes a location apart.
    ///
    /// # Errors
    /// `InvalidInput` saying what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refuse = |message: &str| Err(Error::invalid(message.to_owned()).at(without_credentials(text)));
        const FORM: &str =
            "a location on HDFS is written `hdfs://host:port/path` or `hdfs://nameservice/path`";
        let Some((scheme, rest)) = text.split_once("://") else { return refuse(FORM) };
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "hdfs" => "hdfs",
            "viewfs" => "viewfs",
            _ => return refuse(FORM),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return refuse("a location on HDFS names no user; set the property \"username\"");
        }
        if authority.bytes().any(|b| b.is_ascii_whitespace() || b == b',') {
            return refuse("the host of a location is one name; name several NameNodes by dfs.nameservices");
        }
        if let Some((host, port)) = authority.rsplit_once(':')
            && (host.is_empty() || port.parse::<u16>().map_or(true, |port| port == 0))
        {
            return refuse("after the host comes a port from 1 to 65535");
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| *part == "." || *part == "..") {
            return refuse("the path contains `.` or `..`; write the directory that is meant");
        }
        if path.contains([':', '\0', '\n']) {
            return refuse("a path on HDFS contains no colon and no control character");
        }
        let path = parts.iter().map(|part| format!("/{part}")).collect();
        Ok(Self { scheme, authority: authority.to_owned(), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_is_not_shown() {
        for (location, beginning) in [
            ("hdfs://bob:hunter2@nn/x", "hdfs://***@nn/x: a location on HDFS names no user"),
            ("hdfs://bob:hun/ter2@nn/x", "hdfs://***@nn/x: after the host comes a port"),
            ("bob:hunter2@nn/x", "***@nn/x: a location on HDFS is written"),
        ] {
            let message = Location::parse(location).unwrap_err().to_string();
            assert!(message.starts_with(beginning) && !message.contains("ter2"), "{message}");
        }
    }

    #[test]
    fn a_location_is_taken_apart() {
        let location = |text: &str| Location::parse(text).unwrap();
        let parsed = location("HDFS://nn:8020/a b//c/");
        assert_eq!((parsed.scheme, &*parsed.authority, &*parsed.path), ("hdfs", "nn:8020", "/a b/c"));
        assert_eq!(location("viewfs://table/x").scheme, "viewfs");
        assert_eq!(location("hdfs://ns1").path, "");
        assert_eq!(location("hdfs:///x").authority, "");
        for bad in [
            "/x",
            "s3://b/x",
            "hdfs:/x",
            "hdfs://nn:0/x",
            "hdfs://nn:x/x",
            "hdfs://:8020/x",
            "hdfs://a,b/x",
            "hdfs://nn/a/../b",
            "hdfs://nn/a:b",
        ] {
            let message = Location::parse(bad).unwrap_err().to_string();
            assert!(message.starts_with(bad), "{message}");
        }
    }

    #[test]
    fn unknown_settings_are_refused_and_secrets_are_not_shown() {
        let read = serde_json::from_str::<HdfsConfig>;
        let config = read(
            r#"{"location": "hdfs://nn/x", "login": {"kerberos": {"principal": "a@B", "keytab_content": "c2VjcmV0"}}}"#,
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("c2VjcmV0"));
        assert!(read(r#"{"location": "hdfs://nn/x", "creat": true}"#).is_err());
        assert!(read(r#"{"location": "hdfs://nn/x", "login": {"kerberos": {"keytabs": "x"}}}"#).is_err());
    }
}
