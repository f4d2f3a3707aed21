//! `scheme://bucket/path`.

use rockhold_core::{Error, Key, Result, without_credentials};
use std::fmt;

/// A bucket and a path in it. The path is taken as it stands: `%41` means
/// those three characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    scheme: String,
    bucket: String,
    path: String,
}

impl Location {
    /// Reads a location.
    ///
    /// # Errors
    /// `InvalidInput` saying what to write instead.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |message: &str| Err(Error::invalid(message.to_owned()).at(without_credentials(text)));
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("a location in a bucket is written `scheme://bucket/path`");
        };
        if rest.split_once('?').is_some_and(|(_, query)| query.contains('=')) {
            return refuse("a location has no query; give options as properties");
        }
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return refuse("after `://` comes the name of a bucket");
        }
        if bucket.contains('@') {
            return refuse("credentials do not belong into a location; give them as properties");
        }
        if bucket.contains(':') {
            return refuse(
                "after `://` comes the name of a bucket, not of a server; the server is the endpoint property",
            );
        }
        let letters = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if bucket.len() > 255 || !bucket.bytes().all(letters) {
            return refuse("a bucket's name has letters, digits, `-` and `.`");
        }
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        if segments.iter().any(|segment| *segment == "." || *segment == "..") {
            return refuse("the path contains `.` or `..`; write the path that is meant");
        }
        if path.chars().any(char::is_control) {
            return refuse("the path contains a control character");
        }
        Ok(Self { scheme: scheme.to_ascii_lowercase(), bucket: bucket.to_owned(), path: segments.join("/") })
    }

    /// The same location, one directory deeper.
    ///
    /// # Errors
    /// `InvalidInput` when the name is not that of one directory.
    pub fn join(mut self, name: &str) -> Result<Self> {
        if name.is_empty() || name == "." || name == ".." || name.contains('/') {
            return Err(Error::invalid("not the name of one directory").at(name.escape_debug()));
        }
        if !self.path.is_empty() {
            self.path.push('/');
        }
        self.path.push_str(name);
        Ok(self)
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The path in the bucket, without slashes at its ends; empty for the
    /// whole bucket.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name of an object in the bucket.
    pub(crate) fn object(&self, key: &Key) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}/{key}", self.path) }
    }

    /// What the names of all objects begin with that lie below a key, or
    /// below the location itself.
    pub(crate) fn below(&self, prefix: Option<&Key>) -> String {
        match prefix {
            Some(prefix) => self.object(prefix) + "/",
            None if self.path.is_empty() => String::new(),
            None => format!("{}/", self.path),
        }
    }

    /// The key of an object by its name in the bucket; `None` for what is not
    /// ours. A common prefix may keep its slash.
    pub(crate) fn key(&self, name: &str) -> Option<Key> {
        let below = name.strip_prefix(&self.below(None))?;
        Key::new(below.strip_suffix('/').unwrap_or(below)).ok()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.bucket)?;
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_password_or_a_signature_is_not_shown() {
        for (location, beginning) in [
            ("s3a://AKIA:hunter2@bucket/x", "s3a://***@bucket/x: credentials do not belong"),
            ("s3a://AKIA:hunter/2@bucket/x", "s3a://***@bucket/x: after `://` comes"),
            ("AKIA:hunter2@bucket/x", "***@bucket/x: a location in a bucket"),
            ("s3a://b/x?X-Amz-Security-Token=hunter2", "s3a://b/x?***: a location has no query"),
            ("s3a://b?X-Amz-Security-Token=hunter2/@", "s3a://b?***: a location has no query"),
        ] {
            let message = Location::parse(location).unwrap_err().to_string();
            assert!(message.starts_with(beginning) && !message.contains("hunter"), "{message}");
        }
        let message = Location::parse("s3://b/x@y/..").unwrap_err().to_string();
        assert!(message.starts_with("s3://b/x@y/..: the path"), "{message}");
        assert!(Location::parse("s3://b/what?").is_ok());
    }

    #[test]
    fn a_location_names_bucket_and_path() {
        let read = |text: &str| {
            let location = Location::parse(text).unwrap();
            (location.scheme.clone(), location.bucket.clone(), location.path.clone())
        };
        let of = |scheme: &str, bucket: &str, path: &str| (scheme.into(), bucket.into(), path.into());
        assert_eq!(read("s3a://bucket/a/b"), of("s3a", "bucket", "a/b"));
        assert_eq!(read("S3://bucket"), of("s3", "bucket", ""));
        assert_eq!(read("oss://bucket//a//b/"), of("oss", "bucket", "a/b"));
        assert_eq!(read("cosn://name-125/a b%20"), of("cosn", "name-125", "a b%20"));
        for bad in [
            "bucket/a",
            "s3://",
            "s3:///a",
            "s3://key:secret@bucket/a",
            "s3://host:9000/b",
            "s3://b/../a",
            "s3://b\u{e4}/a",
        ] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_and_names_of_objects_are_each_others_inverse() {
        for (location, name) in [("s3://b/x/y", "x/y/k/1"), ("s3://b", "k/1")] {
            let location = Location::parse(location).unwrap();
            let key = Key::new("k/1").unwrap();
            assert_eq!(location.object(&key), name);
            assert_eq!(location.key(name), Some(key));
        }
        let location = Location::parse("s3://b/x").unwrap();
        assert_eq!(location.key("xy/1"), None);
        assert_eq!(location.key("x/"), None);
        assert_eq!(location.key("x/a/"), Key::new("a").ok());
        assert_eq!(location.key("x/a b"), None);
        assert_eq!(location.below(Key::new("a").ok().as_ref()), "x/a/");
    }
}
