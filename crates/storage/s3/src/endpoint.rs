//! The server behind a repository.

use rockhold_core::{Error, Result, without_credentials};
use std::{fmt, net::IpAddr};

/// A server: whether to use TLS, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    scheme_given: bool,
    host: String,
    port: Option<u16>,
}

impl Endpoint {
    /// Reads what a property says: a host, perhaps with `http://` or
    /// `https://` before it and a port behind it. TLS is on unless the text
    /// begins with `http://`.
    ///
    /// # Errors
    /// `InvalidInput` saying what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        let refuse = |message: &str| {
            Err(Error::invalid(format!("`{}` is not an endpoint: {message}", without_credentials(trimmed))))
        };
        let (tls, scheme_given, rest) = match trimmed.split_once("://") {
            None => (true, false, trimmed),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, true, rest),
            Some(_) => return refuse("before `://` stands `http` or `https`"),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.trim_matches('/').is_empty() {
            return refuse("it has a path; bucket and path belong into the location");
        }
        if authority.contains('@') {
            return refuse("credentials are given as properties");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) => {
                match port.parse::<u16>() {
                    Ok(port) if port > 0 => (host, Some(port)),
                    _ => return refuse("the port is a number from 1 to 65535"),
                }
            }
            _ => (authority, None),
        };
        let host = host.to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_ip = bare.parse::<IpAddr>().is_ok();
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if host.is_empty() || !(is_ip || host.bytes().all(letters)) {
            return refuse("the host is missing or has other characters than letters, digits, `-` and `.`");
        }
        let host = if bare.contains(':') { format!("[{bare}]") } else { host };
        Ok(Self { tls, scheme_given, host, port })
    }

    /// Turns TLS on or off, whatever the text said.
    #[must_use]
    pub fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self.scheme_given = true;
        self
    }

    /// Whether TLS is used.
    pub fn uses_tls(&self) -> bool {
        self.tls
    }

    /// Whether somebody said so, by a scheme or by a property.
    pub fn is_tls_explicit(&self) -> bool {
        self.scheme_given
    }

    /// The host, in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Replaces the host.
    #[must_use]
    pub fn with_host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The port, where one is given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether buckets can have no host name of their own here: the host is an
    /// address, `localhost`, a name without a dot, or has a port.
    pub fn wants_path_style(&self) -> bool {
        self.port.is_some() || self.is_address()
    }

    /// Whether the host is an address or a name without a dot, before which no
    /// bucket can stand.
    pub fn is_address(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        !self.host.contains('.') || bare.parse::<IpAddr>().is_ok()
    }

    /// The URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        match self.port {
            Some(port) => format!("{scheme}://{}:{port}", self.host),
            None => format!("{scheme}://{}", self.host),
        }
    }

    /// The region that a host name of Amazon contains:
    /// `s3.eu-west-1.amazonaws.com`, `s3-eu-west-1.amazonaws.com`,
    /// `s3.dualstack.eu-west-1.amazonaws.com`, `….amazonaws.com.cn`.
    /// Source: "Amazon Simple Storage Service endpoints and quotas" in the AWS
    /// General Reference.
    pub fn amazon_region(&self) -> Option<&str> {
        // `eu-west-1`, `us-gov-east-1`: words, then a number.
        let is_region = |text: &&str| {
            let number = text.rsplit('-').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
            number && text.split('-').count() >= 3
        };
        let labels = self.before_amazon()?.rsplit('.');
        labels.map(|label| label.strip_prefix("s3-").unwrap_or(label)).find(is_region)
    }

    /// Whether this is a server of Amazon.
    pub fn is_amazon(&self) -> bool {
        self.before_amazon().is_some()
    }

    fn before_amazon(&self) -> Option<&str> {
        let host = self.host.as_str();
        host.strip_suffix(".amazonaws.com").or_else(|| host.strip_suffix(".amazonaws.com.cn"))
    }

    /// Whether this is Google's S3 interface.
    pub fn is_google(&self) -> bool {
        self.host == "storage.googleapis.com" || self.host.ends_with(".storage.googleapis.com")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> String {
        Endpoint::parse(text).unwrap().url()
    }

    #[test]
    fn an_endpoint_is_a_host_with_or_without_scheme_and_port() {
        assert_eq!(url("minio:9000"), "https://minio:9000");
        assert_eq!(url("http://minio:9000/"), "http://minio:9000");
        assert_eq!(url(" HTTPS://S3.Example.COM "), "https://s3.example.com");
        assert_eq!(url("10.0.0.1"), "https://10.0.0.1");
        assert_eq!(url("http://[::1]:9000"), "http://[::1]:9000");
        assert_eq!(url("::1"), "https://[::1]");
        for bad in ["", "http://", "ftp://host", "host/bucket", "host:0", "host:x", "a b", "http://u:p@host"]
        {
            let message = Endpoint::parse(bad).unwrap_err().to_string();
            assert!(message.contains("is not an endpoint"), "{message}");
        }
    }

    #[test]
    fn a_password_in_an_endpoint_is_not_shown() {
        for bad in
            ["http://user:hunter2@host", "user:hunter2@host:9000", "user:hun/ter2@host", "host?key=hunter2"]
        {
            let message = Endpoint::parse(bad).unwrap_err().to_string();
            assert!(message.contains("***") && !message.contains("ter2"), "{message}");
        }
    }

    #[test]
    fn buckets_stand_in_the_path_where_they_can_have_no_host() {
        for text in ["10.0.0.1", "minio", "localhost", "http://minio.example.com:9000", "[::1]"] {
            assert!(Endpoint::parse(text).unwrap().wants_path_style(), "{text}");
        }
        for text in ["s3.example.com", "https://oss-cn-hangzhou.aliyuncs.com"] {
            assert!(!Endpoint::parse(text).unwrap().wants_path_style(), "{text}");
        }
    }

    #[test]
    fn the_region_is_read_off_amazons_host_names() {
        let region = |text: &str| Endpoint::parse(text).unwrap().amazon_region().map(str::to_owned);
        for text in [
            "s3.eu-west-1.amazonaws.com",
            "s3-eu-west-1.amazonaws.com",
            "s3.dualstack.eu-west-1.amazonaws.com",
            "bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com",
        ] {
            assert_eq!(region(text).as_deref(), Some("eu-west-1"), "{text}");
        }
        assert_eq!(region("s3.cn-north-1.amazonaws.com.cn").as_deref(), Some("cn-north-1"));
        assert_eq!(region("s3.amazonaws.com"), None);
        assert_eq!(region("s3.eu-west-1.example.com"), None);
    }
}
