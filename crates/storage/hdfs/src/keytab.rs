//! The file of keys, looked at before Kerberos does.
//!
//! The library answers a missing, unreadable or foreign keytab with "No
//! credentials cache found"; these checks say what is the matter instead. The
//! format is that of MIT Kerberos, version 5.2: records of a signed length,
//! each with realm, components of the principal, time, version and key.

use base64::Engine as _;
use rockhold_core::{Error, ErrorKind, Result, Secret};
use std::{collections::BTreeSet, io::Write, path::Path};
use tempfile::NamedTempFile;

const LONGEST: u64 = 1 << 20;

/// Checks that the file holds keys of the principal.
///
/// # Errors
/// `Unauthenticated` saying what is the matter with it.
pub(crate) fn check(path: &Path, principal: &str) -> Result<()> {
    let refuse = |message: String| {
        Err(Error::new(ErrorKind::Unauthenticated, message).during("open").at(path.display()))
    };
    let read = std::fs::metadata(path)
        .and_then(|facts| if facts.len() > LONGEST { Ok(Vec::new()) } else { std::fs::read(path) });
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) => return refuse(format!("the keytab cannot be read: {error}")),
    };
    let Some(held) = principals(&bytes) else {
        return refuse("not a keytab (of version 5.2)".into());
    };
    let (name, realm) = principal.split_once('@').map_or((principal, None), |(n, r)| (n, Some(r)));
    let matches = |entry: &String| match entry.rsplit_once('@') {
        Some((held, held_realm)) => held == name && realm.is_none_or(|realm| realm == held_realm),
        None => false,
    };
    if held.iter().any(matches) {
        return Ok(());
    }
    let shown = held.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    refuse(format!("the keytab holds no key of {principal}; it holds those of: {shown}"))
}

/// Writes the content of a keytab to a file that only this user can read. It
/// is removed with the value.
///
/// # Errors
/// `InvalidInput` for what is no base64, or not of a keytab.
pub(crate) fn unpack(content: &Secret) -> Result<NamedTempFile> {
    let compact: String = content.expose().split_whitespace().collect();
    // The reason is left out, since it quotes the content.
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(compact)
        .ok()
        .filter(|bytes| principals(bytes).is_some());
    let Some(bytes) = bytes else {
        let message = "not the content of a keytab in base64 (`base64 -w0 FILE` prints it)";
        return Err(Error::invalid(message).during("open").at("kerberos_keytab_content"));
    };
    let failed = |error| Error::io(error, "open", "a temporary file for the keytab");
    // On Unix the file is made with mode 0600.
    let mut file = tempfile::Builder::new().prefix("rockhold-keytab-").tempfile().map_err(failed)?;
    file.write_all(&bytes).and_then(|()| file.flush()).map_err(failed)?;
    Ok(file)
}

/// The principals of all entries; `None` for what is no keytab.
fn principals(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let mut rest = bytes.strip_prefix(&[5, 2])?;
    let mut found = BTreeSet::new();
    while !rest.is_empty() {
        let len = i32::from_be_bytes(take(&mut rest, 4)?.try_into().ok()?);
        let record = take(&mut rest, usize::try_from(len.unsigned_abs()).ok()?)?;
        // A record of negative length was deleted.
        if len > 0 {
            found.insert(principal(record)?);
        }
    }
    Some(found)
}

fn principal(mut record: &[u8]) -> Option<String> {
    let count = u16::from_be_bytes(take(&mut record, 2)?.try_into().ok()?);
    let realm = text(&mut record)?;
    let components: Option<Vec<String>> = (0..count).map(|_| text(&mut record)).collect();
    Some(format!("{}@{realm}", components?.join("/")))
}

fn text(from: &mut &[u8]) -> Option<String> {
    let len = u16::from_be_bytes(take(from, 2)?.try_into().ok()?);
    String::from_utf8(take(from, usize::from(len))?.to_vec()).ok()
}

fn take<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keytab(names: &[&[&str]]) -> Vec<u8> {
        let mut bytes = vec![5, 2];
        for components in names {
            let mut record = u16::try_from(components.len()).unwrap().to_be_bytes().to_vec();
            for text in std::iter::once(&"R.COM").chain(components.iter()) {
                record.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
                record.extend(text.as_bytes());
            }
            record.extend([0; 20]);
            bytes.extend(u32::try_from(record.len()).unwrap().to_be_bytes());
            bytes.extend(record);
        }
        // A hole of four bytes.
        bytes.extend((-4i32).to_be_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn the_principal_is_looked_for() {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), keytab(&[&["alice"], &["nn", "host"]])).unwrap();
        for good in ["alice@R.COM", "alice", "nn/host@R.COM"] {
            check(file.path(), good).unwrap();
        }
        for bad in ["bob@R.COM", "alice@OTHER.COM", "nn"] {
            let error = check(file.path(), bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            assert!(error.to_string().ends_with("it holds those of: alice@R.COM, nn/host@R.COM"), "{error}");
        }
    }

    #[test]
    fn missing_and_broken_files_are_told_apart() {
        let error = check(Path::new("/no/such.keytab"), "alice").unwrap_err().to_string();
        assert!(error.starts_with("open /no/such.keytab: the keytab cannot be read"), "{error}");
        let file = NamedTempFile::new().unwrap();
        let whole = keytab(&[&["alice"]]);
        for broken in [&b"text"[..], &[], &whole[..whole.len() - 1]] {
            std::fs::write(file.path(), broken).unwrap();
            let error = check(file.path(), "alice").unwrap_err().to_string();
            assert!(error.ends_with("not a keytab (of version 5.2)"), "{error}");
        }
    }

    #[test]
    fn content_goes_to_a_file_of_this_user_alone_and_never_into_an_error() {
        use std::os::unix::fs::PermissionsExt;
        let bytes = keytab(&[&["alice"]]);
        let content = base64::engine::general_purpose::STANDARD.encode(&bytes);
        let file = unpack(&Secret::new(format!("{}\n{}", &content[..8], &content[8..]))).unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), bytes);
        assert_eq!(file.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let path = file.path().to_owned();
        drop(file);
        assert!(!path.exists());
        let error = unpack(&Secret::new("c2VjcmV0!")).unwrap_err();
        assert!(!format!("{error:?}").contains("c2VjcmV0"), "{error:?}");
    }
}
