//! Where a repository lies, and how keys become names of objects.

use rockhold_core::{Error, Key, Result, STAGED_PREFIX, without_credentials};

/// The most bytes in the name of an object.
const LONGEST_NAME: usize = 1024;

/// The prefix of everything staged, below the root. No key begins like this.
const STAGING: &str = ".tmp-staged";

/// A bucket and the prefix of the repository in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) bucket: String,
    /// Empty, or ends with a slash.
    root: String,
}

impl Location {
    /// Reads `gs://bucket/path`.
    ///
    /// # Errors
    /// `InvalidInput` saying what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let refuse = |message: String| Err(Error::invalid(message).at(without_credentials(text)));
        let Some((scheme, rest)) = text.split_once("://") else {
            return refuse("a location in Google Cloud Storage is written `gs://bucket/path`".into());
        };
        if !scheme.eq_ignore_ascii_case("gs") {
            return refuse(format!("`{scheme}` is not Google Cloud Storage; write `gs://bucket/path`"));
        }
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.contains('@') {
            return refuse("credentials do not belong into a location; give them as properties".into());
        }
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
        let is_end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let letters = bucket.as_bytes();
        if !(3..=222).contains(&bucket.len())
            || !letters.iter().all(|b| is_letter(*b))
            || !is_end(letters.first())
            || !is_end(letters.last())
        {
            return refuse(
                "the name of a bucket has 3 to 222 lower-case letters, digits, `-`, `_` and `.`, and begins \
                 and ends with a letter or digit"
                    .into(),
            );
        }
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
            return refuse("the path contains `.` or `..`; write the path that is meant".into());
        }
        if path.contains(['\0', '\r', '\n', '#', '?', '*', '[', ']']) {
            return refuse(
                "the path contains a letter that tools for Cloud Storage take for a pattern".into(),
            );
        }
        let root: String = segments.iter().flat_map(|segment| [*segment, "/"]).collect();
        Ok(Self { bucket: bucket.to_owned(), root })
    }

    /// The location as a person would write it.
    pub(crate) fn display(&self) -> String {
        format!("gs://{}/{}", self.bucket, self.root.trim_end_matches('/'))
    }

    /// The name of the object that belongs to a key.
    pub(crate) fn name(&self, key: &Key) -> Result<String> {
        let name = format!("{}{key}", self.root);
        if name.len() > LONGEST_NAME {
            let message = format!(
                "with the path of the repository the name has {} bytes, and Cloud Storage takes \
                 {LONGEST_NAME}; choose a shorter path",
                name.len()
            );
            return Err(Error::invalid(message).at(key));
        }
        Ok(name)
    }

    /// The prefix of all names below a key, or of all of them.
    pub(crate) fn prefix(&self, key: Option<&Key>) -> String {
        match key {
            Some(key) => format!("{}{key}/", self.root),
            None => self.root.clone(),
        }
    }

    /// The key of an object; `None` for what is none of ours: staged parts,
    /// folders made by other tools, names with other letters.
    pub(crate) fn key(&self, name: &str) -> Option<Key> {
        Key::new(name.strip_prefix(&self.root)?).ok()
    }

    /// The prefix of what one writer of a key stages.
    pub(crate) fn staging(&self, key: &Key, writer: &str) -> Result<String> {
        let prefix = format!("{}{STAGING}/{key}/{STAGED_PREFIX}{writer}/", self.root);
        // The names of parts and of compositions have at most 24 bytes.
        if prefix.len() + 24 > LONGEST_NAME {
            let message = format!(
                "the key is too long to be written in parts: the name of a part would have more than \
                 {LONGEST_NAME} bytes; choose a shorter path for the repository"
            );
            return Err(Error::invalid(message).at(key));
        }
        Ok(prefix)
    }

    /// Whether a prefix of names selects nothing but what is staged.
    pub(crate) fn is_staging(&self, prefix: &str) -> bool {
        prefix.strip_prefix(self.root.as_str()).is_some_and(|rest| rest.starts_with(STAGING))
    }

    /// The prefix of what is staged below a key.
    pub(crate) fn staging_below(&self, key: &Key) -> String {
        format!("{}{STAGING}/{key}/", self.root)
    }
}

/// The writer that staged an object, as the part of its name behind `below`
/// that tells it. `None` for what was staged for the key of `below` itself.
pub(crate) fn staged_by<'a>(name: &'a str, below: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(below)?;
    let (writer, _) = rest.rsplit_once('/')?;
    (!writer.starts_with(STAGED_PREFIX)).then_some(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn a_location_names_a_bucket_and_a_path() {
        let location = Location::parse("GS://my-bucket//a/b/").unwrap();
        assert_eq!(location.display(), "gs://my-bucket/a/b");
        assert_eq!(location.name(&key("data/1")).unwrap(), "a/b/data/1");
        assert_eq!(location.prefix(None), "a/b/");
        assert_eq!(location.key("a/b/data/1"), Some(key("data/1")));
        assert_eq!(location.key("a/bc/data/1"), None);
        assert_eq!(location.key("a/b/folder/"), None);
        let root = Location::parse("gs://my-bucket").unwrap();
        assert_eq!((root.display().as_str(), root.prefix(None).as_str()), ("gs://my-bucket/", ""));
    }

    #[test]
    fn other_locations_are_refused_with_what_to_write() {
        for bad in ["my-bucket/a", "s3://my-bucket/a", "gs://", "gs://Ab1/x", "gs://-ab/x", "gs://ab/x"] {
            assert!(Location::parse(bad).unwrap_err().to_string().starts_with(bad), "{bad}");
        }
        for bad in ["gs://bucket/a/../b", "gs://bucket/a*", "gs://bucket/a\nb"] {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_may_be_a_password_or_a_signature_is_not_shown() {
        for (location, beginning) in [
            ("gs://user:hunter2@bucket/x", "gs://***@bucket/x: credentials do not belong"),
            ("gs://user:hun/ter2@bucket/x", "gs://***@bucket/x: the name of a bucket"),
            ("gs://bucket/x?X-Goog-Signature=hunter2", "gs://bucket/x?***: the path contains"),
        ] {
            let message = Location::parse(location).unwrap_err().to_string();
            assert!(message.starts_with(beginning) && !message.contains("ter2"), "{message}");
        }
    }

    #[test]
    fn names_that_the_service_would_not_take_are_refused() {
        let location = Location::parse(&format!("gs://bucket/{}", "p".repeat(1000))).unwrap();
        assert!(location.name(&key(&"k".repeat(23))).is_ok());
        assert!(location.name(&key(&"k".repeat(24))).is_err());
        assert!(location.staging(&key("k"), "0123").is_err());
    }

    #[test]
    fn what_is_staged_is_no_key_and_is_known_by_its_writer() {
        let location = Location::parse("gs://bucket/root").unwrap();
        let staging = location.staging(&key("data/job/1"), "aa").unwrap();
        assert_eq!(location.key(&format!("{staging}p0-1")), None);
        let below = location.staging_below(&key("data/job"));
        assert_eq!(staged_by(&format!("{staging}p0-1"), &below), Some("1/.tmp-aa"));
        assert_eq!(staged_by(&format!("{staging}p0-1"), &location.staging_below(&key("data/job/1"))), None);
        assert!(location.is_staging(&staging) && location.is_staging("root/.tmp-staged"));
        assert!(!["", "root/", "root/data/", ".tmp-staged"].iter().any(|prefix| location.is_staging(prefix)));
    }
}
