//! Which keys a repository has. All of them are made here.

use crate::{Error, JobId, Key, Result};

/// What a repository with `name` is called below its location.
pub fn root_name(name: &str) -> String {
    format!("__rockhold_repository_{name}")
}

/// `README.txt`: says to people what lies here.
///
/// # Errors
/// None in practice; keys are validated wherever they are made.
pub fn readme_key() -> Result<Key> {
    Key::new("README.txt")
}

/// `repository.json`: the identity of the repository.
///
/// # Errors
/// As [`readme_key`].
pub fn repository_key() -> Result<Key> {
    Key::new("repository.json")
}

/// `labels`: everything that decides which snapshots there are.
///
/// # Errors
/// As [`readme_key`].
pub fn labels_prefix() -> Result<Key> {
    Key::new("labels")
}

/// `probe/<name>`: objects that live for one check.
///
/// # Errors
/// As [`Key::new`].
pub fn probe_key(name: &str) -> Result<Key> {
    Key::new(format!("probe/{name}"))
}

/// `data/<job>`: the data files that one job wrote.
///
/// # Errors
/// As [`readme_key`].
pub fn data_prefix(job: JobId) -> Result<Key> {
    Key::new(format!("data/{job}"))
}

/// The keys of data files of one job: `data/<job>/<n>.<ext>`.
///
/// # Errors
/// `InvalidInput` for an extension that is not 1 to 16 letters or digits.
pub fn data_key(job: JobId, number: u64, extension: &str) -> Result<Key> {
    let fine = (1..=16).contains(&extension.len()) && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if !fine {
        return Err(Error::invalid("a file extension has 1 to 16 letters or digits").at(extension));
    }
    Key::new(format!("data/{job}/{number}.{extension}"))
}

/// `meta/<job>`: the pages that one job wrote.
///
/// # Errors
/// As [`readme_key`].
pub fn meta_prefix(job: JobId) -> Result<Key> {
    Key::new(format!("meta/{job}"))
}

/// The keys of pages of one job: `meta/<job>/<n>.jsonl.zst`.
///
/// # Errors
/// As [`readme_key`].
pub fn page_key(job: JobId, number: u64) -> Result<Key> {
    Key::new(format!("meta/{job}/{number}.jsonl.zst"))
}

/// `labels/<label>`, the label escaped.
///
/// # Errors
/// `InvalidInput` for a label that is empty or, escaped, longer than 255 bytes.
pub fn label_prefix(label: &str) -> Result<Key> {
    let bad = |what: &'static str| Error::invalid(what).with("label", label.escape_debug());
    if label.is_empty() {
        return Err(bad("a snapshot label is not empty"));
    }
    let segment = Key::escape(label);
    if segment.len() > 255 {
        return Err(bad("the snapshot label is too long for a key; choose a shorter one"));
    }
    labels_prefix()?.join(&segment)
}

/// The keys of attempt `n` under a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelKeys {
    /// `labels/<label>/<n>`.
    pub prefix: Key,
    /// Who writes the snapshot.
    pub claim: Key,
    /// That it is still alive.
    pub heartbeat: Key,
    /// How it ended: the snapshot or an abort mark.
    pub outcome: Key,
    /// That the snapshot was dropped.
    pub dropped: Key,
}

impl LabelKeys {
    /// The keys of attempt `n` under `label`.
    ///
    /// # Errors
    /// As [`label_prefix`].
    pub fn new(label: &str, n: u32) -> Result<Self> {
        let prefix = label_prefix(label)?.join(&n.to_string())?;
        Ok(Self {
            claim: prefix.join("claim")?,
            heartbeat: prefix.join("heartbeat")?,
            outcome: prefix.join("outcome")?,
            dropped: prefix.join("dropped")?,
            prefix,
        })
    }

    /// Reads label, attempt and the name below back from a key;
    /// `None` for a key that is not of this form.
    pub fn parse(key: &Key) -> Option<(String, u32, &str)> {
        let rest = key.as_str().strip_prefix("labels/")?;
        let (label, rest) = rest.split_once('/')?;
        let (n, name) = rest.split_once('/')?;
        let label = Key::unescape(label)?;
        let number: u32 = n.parse().ok()?;
        (number > 0 && number.to_string() == n).then_some((label, number, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_are_read_back_and_strict() {
        let keys = LabelKeys::new("a/b 汉", 12).unwrap();
        assert_eq!(LabelKeys::parse(&keys.claim), Some(("a/b 汉".to_owned(), 12, "claim")));
        for foreign in
            ["labels/a/01/claim", "labels/a/0/claim", "labels/a/claim", "labels/a.b/1/claim", "x/a/1/claim"]
        {
            assert_eq!(LabelKeys::parse(&Key::new(foreign).unwrap()), None, "{foreign}");
        }
        assert!(LabelKeys::new("", 1).is_err());
        assert!(LabelKeys::new(&"汉".repeat(60), 1).is_err());
    }
}
