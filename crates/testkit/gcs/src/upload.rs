//! Uploads in one request: `multipart/related`.

use crate::wire::{Failure, failed};
use bytes::Bytes;
use memchr::memmem;
use serde_json::{Map, Value};

/// Splits a body into what is said about the object and its bytes. The official
/// client sends a third part with checksums when it cannot know them before.
pub(crate) fn parts(content_type: &str, body: &Bytes) -> Result<(Map<String, Value>, Bytes), Failure> {
    read(content_type, body).ok_or_else(|| failed(400, "Malformed multipart body."))
}

fn read(content_type: &str, body: &Bytes) -> Option<(Map<String, Value>, Bytes)> {
    let (kind, boundary) = content_type.split_once("boundary=")?;
    if !kind.starts_with("multipart/related") {
        return None;
    }
    let delimiter = format!("\r\n--{}", boundary.trim_matches('"'));
    let mut at = delimiter.len() - 2; // no line ends before the first delimiter
    if body.get(..at)? != delimiter.get(2..)?.as_bytes() {
        return None;
    }
    let mut found = Vec::new();
    while !body.get(at..)?.starts_with(b"--") {
        let end = at + memmem::find(body.get(at..)?, delimiter.as_bytes())?;
        let begin = at + memmem::find(body.get(at..end)?, b"\r\n\r\n")? + 4;
        found.push(body.slice(begin..end));
        at = end + delimiter.len();
    }
    let object = |bytes: &Bytes| match serde_json::from_slice(bytes).ok()? {
        Value::Object(fields) => Some(fields),
        _ => None,
    };
    match &found[..] {
        [said, media] => Some((object(said)?, media.clone())),
        [said, media, sums] => {
            let mut said = object(said)?;
            said.extend(object(sums)?);
            Some((said, media.clone()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "multipart/related; boundary=b";

    fn body(text: &str) -> Bytes {
        Bytes::from(text.replace('|', "\r\n"))
    }

    #[test]
    fn two_and_three_parts_are_taken() {
        let two = body("--b|content-type: application/json||{\"name\": \"n\"}|--b||by|tes|--b--|");
        let (said, media) = parts(KIND, &two).unwrap();
        assert_eq!((said["name"].as_str(), &media[..]), (Some("n"), &b"by\r\ntes"[..]));
        let three = body("--b||{}|--b|||--b||{\"crc32c\": \"AAAAAA==\"}|--b--");
        let (said, media) = parts("multipart/related; boundary=\"b\"", &three).unwrap();
        assert_eq!(said["crc32c"], "AAAAAA==");
        assert!(media.is_empty());
    }

    #[test]
    fn a_body_that_was_cut_off_is_refused() {
        let whole = body("--b||{}|--b||bytes|--b--");
        for end in 0..whole.len() - 2 {
            assert!(parts(KIND, &whole.slice(..end)).is_err(), "{end}");
        }
        assert!(parts("multipart/mixed; boundary=b", &whole).is_err());
    }
}
