//! Values that must never be printed.

use std::fmt;
use zeroize::Zeroizing;

/// Text that cannot be printed, compared by accident, or serialised: `Debug`
/// and `Display` print `***`, and there is no `Serialize`. The memory is
/// cleared when the value is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for the one place that must send or encrypt it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Whether a property of this name holds a secret. Used wherever properties
/// are stored or shown; deliberately broad, since hiding a harmless value
/// costs nothing.
pub fn is_secret_property(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    const MARKS: [&str; 12] = [
        "secret",
        "password",
        "passwd",
        "token",
        "private_key",
        "access_key",
        "access.key",
        "accesskey",
        "credential",
        "keytab_content",
        "keytab.content",
        "userinfo",
    ];
    // A path or a class name is not a secret even where its key says "token" or "credentials".
    const HARMLESS: [&str; 4] =
        ["use_web_identity_token_file", "credentials.provider", "private_key_id", "ticket.cache"];
    MARKS.iter().any(|mark| name.contains(mark)) && !HARMLESS.iter().any(|known| name.contains(known))
}

/// A location or an address for messages: without what somebody took for the
/// place of a user and a password, or of a signature; control characters escaped.
pub fn without_credentials(location: &str) -> String {
    let (scheme, rest) = match location.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), location),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, rest) = match rest.rsplit_once('@') {
        // A password may contain slashes.
        Some((_, behind)) if authority.contains(['@', ':']) => ("***@", behind),
        _ => ("", rest),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((path, query)) if query.contains('=') => (path, "?***"),
        _ => (rest, ""),
    };
    format!("{scheme}{user}{rest}{query}").escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_location_are_not_shown() {
        for (location, shown) in [
            ("s3a://AKIA:pass/word@bucket/x", "s3a://***@bucket/x"),
            ("user:pass@nn/x", "***@nn/x"),
            ("gs://b/x?X-Goog-Signature=1&y=2", "gs://b/x?***"),
            ("s3a://b?X-Amz-Security-Token=1/@", "s3a://b?***"),
            ("file:///a@b/what?\n", "file:///a@b/what?\\n"),
        ] {
            assert_eq!(without_credentials(location), shown);
        }
    }

    #[test]
    fn a_secret_cannot_be_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
    }

    #[test]
    fn secrets_are_known_by_the_names_of_their_properties() {
        for name in [
            "aws.s3.secret_key",
            "aws.s3.access_key",
            "fs.s3a.access.key",
            "fs.s3a.secret.key",
            "password",
            "fs.oss.accessKeyId",
            "fs.oss.accessKeySecret",
            "fs.cosn.userinfo.secretId",
            "hadoop.kerberos.keytab_content",
            "aws.s3.session_token",
            "gcp.gcs.service_account_private_key",
        ] {
            assert!(is_secret_property(name), "{name}");
        }
        for name in ["aws.s3.endpoint", "username", "aws.s3.region", "fs.s3a.aws.credentials.provider"] {
            assert!(!is_secret_property(name), "{name}");
        }
    }
}
