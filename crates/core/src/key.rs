//! Names of objects in a repository.

use crate::{Error, Result};
use std::fmt;

/// A validated relative path below the root of a repository, with `/` between
/// segments. Adapters join it to their root and never build paths themselves,
/// so a key cannot leave the root.
///
/// A key has 1 to 1,024 bytes. Each segment has 1 to 255 bytes out of
/// `A-Z a-z 0-9 . _ - + = % ~ @ ,` and is neither `.` nor `..`; a segment
/// does not begin with `.tmp-`, which adapters keep for staged files.
/// Text from outside becomes a segment through [`Key::escape`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// What a segment of a staged (not yet committed) file begins with.
pub const STAGED_PREFIX: &str = ".tmp-";

impl Key {
    /// Validates `text` as a key.
    ///
    /// # Errors
    /// `InvalidInput` naming the rule that is broken.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if text.is_empty() || text.len() > 1024 {
            return Err(Error::invalid("a key has 1 to 1024 bytes").at(printable(&text)));
        }
        for segment in text.split('/') {
            check_segment(segment).map_err(|e| e.at(printable(&text)))?;
        }
        Ok(Self(text))
    }

    /// Writes any text as one segment: bytes outside `A-Z a-z 0-9 _ -` become
    /// `%XX`. Distinct texts give distinct segments.
    pub fn escape(text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => out.push(byte as char),
                _ => out.push_str(&format!("%{byte:02X}")),
            }
        }
        out
    }

    /// Reads back what [`Key::escape`] wrote; `None` for anything else.
    pub fn unescape(segment: &str) -> Option<String> {
        let mut bytes = Vec::with_capacity(segment.len());
        let mut rest = segment.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'%' {
                let pair = [rest.next()?, rest.next()?];
                let text = std::str::from_utf8(&pair).ok()?;
                bytes.push(u8::from_str_radix(text, 16).ok()?);
            } else {
                bytes.push(byte);
            }
        }
        let text = String::from_utf8(bytes).ok()?;
        (Self::escape(&text) == segment).then_some(text)
    }

    /// The key of `segment` below this one.
    ///
    /// # Errors
    /// `InvalidInput` as for [`Key::new`].
    pub fn join(&self, segment: &str) -> Result<Self> {
        Self::new(format!("{}/{segment}", self.0))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments, outermost first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether this key is `prefix` itself or lies below it.
    pub fn starts_with(&self, prefix: &Key) -> bool {
        self.0.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn check_segment(segment: &str) -> Result<()> {
    if segment.is_empty() || segment.len() > 255 {
        return Err(Error::invalid("a segment of a key has 1 to 255 bytes"));
    }
    if segment == "." || segment == ".." {
        return Err(Error::invalid("a segment of a key is neither `.` nor `..`"));
    }
    if segment.starts_with(STAGED_PREFIX) {
        return Err(Error::invalid("a segment of a key does not begin with `.tmp-`"));
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-+=%~@,".contains(&b);
    match segment.bytes().find(|b| !allowed(*b)) {
        Some(byte) => Err(Error::invalid(format!("a key does not contain the byte 0x{byte:02x}"))),
        None => Ok(()),
    }
}

fn printable(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_its_root() {
        for bad in ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".", "a\\b", "a\0", "ä", "a/.tmp-1", "a b"]
        {
            assert!(Key::new(bad).is_err(), "{bad:?}");
        }
        for good in ["a", "data/0123/1.parquet", "labels/a%2Fb/1/claim", "x..y"] {
            assert!(Key::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn escaping_is_reversible_and_strict() {
        for text in ["orders_0203", "a/b", "汉", "..", "%41", "a b"] {
            let segment = Key::escape(text);
            assert!(Key::new(segment.clone()).is_ok());
            assert_eq!(Key::unescape(&segment).as_deref(), Some(text));
        }
        for forged in ["%41", "%zz", "%", "%2f", "a.b"] {
            assert_eq!(Key::unescape(forged), None, "{forged}");
        }
    }

    #[test]
    fn a_prefix_ends_at_a_segment() {
        let key = |s: &str| Key::new(s).unwrap();
        assert!(key("data/1/x").starts_with(&key("data/1")));
        assert!(key("data/1").starts_with(&key("data/1")));
        assert!(!key("data/12").starts_with(&key("data/1")));
    }
}
