//! The secret store: properties of repositories, catalogs and functions,
//! sealed under a key file.
//!
//! The key file has one line for each key: `rockhold-key-1 <id, 16 hex digits>
//! <key, 64 hex digits>`. The first is the warehouse's own and seals; the
//! others were imported and only open what came with snapshots of other
//! warehouses. Empty lines and lines that begin with `#` mean nothing.
//!
//! A sealed value is nonce (12 bytes) and AES-256-GCM of the text; what it
//! belongs to is authenticated with it, so a sealed value cannot be moved to
//! another name. The catalog records only ids of keys.

use crate::core::Core;
use crate::store::Store;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rockhold_core::{Error, ErrorKind, LiveObject, Result, Secret};
use rockhold_model::SealedValue;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const MAGIC: &str = "rockhold-key-1";

/// Keys of one file at most; nobody has more warehouses.
const MAX_KEYS: usize = 10_000;

/// What an import of keys did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportedKeys {
    /// Keys that are new here.
    pub added: usize,
    /// Keys that were here already.
    pub known: usize,
}

impl Store {
    /// Seals the value of a property under the warehouse's own key, which is
    /// made when there is none.
    ///
    /// # Errors
    /// `Conflict` when another process is writing; `Unauthenticated` for an
    /// unusable key file.
    pub async fn seal(&self, property: &str, secret: &Secret) -> Result<SealedValue> {
        let (property, secret) = (property.to_owned(), secret.clone());
        self.run(move |core| {
            core.ensure_writer()?;
            let ring = Keyring::of(core, true)?;
            let sealed = ring.own.seal(property.as_bytes(), &secret)?;
            Ok(SealedValue { key_id: ring.own.id.clone(), sealed: BASE64.encode(sealed) })
        })
        .await
    }

    /// Opens the sealed value of a property.
    ///
    /// # Errors
    /// `Unauthenticated` naming the key that is missing; `Corrupt` for a value
    /// that was damaged or belongs to another property.
    pub async fn open_sealed(&self, property: &str, value: &SealedValue) -> Result<Secret> {
        let (property, value) = (property.to_owned(), value.clone());
        self.run(move |core| {
            let damaged = || damaged("set the property again").with("property", &property);
            let ring = Keyring::of(core, false)?;
            let key = ring.find(&value.key_id).ok_or_else(|| {
                Error::new(
                    ErrorKind::Unauthenticated,
                    format!(
                        "the value is sealed under key {}, which is not here; bring it with rockhold key export \
                         and rockhold key import",
                        value.key_id.escape_debug()
                    ),
                )
                .with("property", &property)
            })?;
            let sealed = BASE64.decode(&value.sealed).map_err(|_| damaged())?;
            key.unseal(property.as_bytes(), &sealed).ok_or_else(damaged)
        })
        .await
    }

    /// The object that a restore brings, with secrets that this warehouse can
    /// open as far as there are any: one under a key that is not here stays
    /// sealed, unless `existing` has one that opens. Both are named.
    pub(crate) async fn admit_secrets(
        &self,
        mut incoming: LiveObject,
        existing: Option<&LiveObject>,
    ) -> Result<(LiveObject, Vec<String>)> {
        let name = incoming.name.clone();
        let Some(sealed) = secrets_of(&incoming.definition)? else { return Ok((incoming, Vec::new())) };
        let here = existing.map(|object| secrets_of(&object.definition)).transpose()?.flatten();
        let ring = self.run(|core| read(&path(core))).await?;
        let opens =
            |value: &SealedValue| ring.as_ref().is_some_and(|ring| ring.find(&value.key_id).is_some());
        let mut notes = Vec::new();
        for (property, value) in sealed.iter().filter(|(_, value)| !opens(value)) {
            let key: String = value.key_id.chars().take(64).flat_map(char::escape_debug).collect();
            let kept = here.as_ref().and_then(|here| here.get(property)).filter(|value| opens(value));
            notes.push(match kept {
                Some(_) => format!(
                    "{name}: the secret {property} of the snapshot is sealed under key {key}, which is not here; the \
                     one that is here stays"
                ),
                None => format!(
                    "{name}: the secret {property} is sealed under key {key}, which is not here; it can be used \
                     after rockhold key import"
                ),
            });
            let kept = kept.map(serde_json::to_value).transpose();
            let kept = kept.map_err(|e| Error::internal("a secret cannot be written").because(e))?;
            let slot = incoming.definition.get_mut(SECRETS).and_then(|secrets| secrets.get_mut(property));
            if let (Some(slot), Some(kept)) = (slot, kept) {
                *slot = kept;
            }
        }
        Ok((incoming, notes))
    }

    /// All keys, the own one first, as a key file has them.
    ///
    /// # Errors
    /// `Unauthenticated` when there is none or the file is unusable.
    pub async fn export_keys(&self) -> Result<Secret> {
        self.run(|core| Keyring::of(core, false).map(|ring| ring.text())).await
    }

    /// Adds keys of another warehouse; those that are here stay, the own one
    /// stays the own one. `text` is what [`Store::export_keys`] gave.
    ///
    /// # Errors
    /// `InvalidInput` for anything that is no key file; `Conflict` when another
    /// process is writing, or a key of the same id is another one here. Then
    /// nothing is changed.
    pub async fn import_keys(&self, text: &Secret) -> Result<ImportedKeys> {
        let text = text.clone();
        self.run(move |core| {
            let incoming = Keyring::parse(text.expose())
                .map_err(|line| Error::invalid(format!("line {line} is no key: {FORM}")))?;
            core.ensure_writer()?;
            let mut ring = Keyring::of(core, true)?;
            let mut done = ImportedKeys::default();
            for key in std::iter::once(incoming.own).chain(incoming.imported) {
                match ring.find(&key.id) {
                    None => {
                        ring.imported.push(key);
                        done.added += 1;
                    }
                    Some(here) if *here.bytes == *key.bytes => done.known += 1,
                    Some(_) => {
                        return Err(Error::new(
                            ErrorKind::Conflict,
                            format!("key {} is another one in this warehouse", key.id),
                        ));
                    }
                }
            }
            if done.added > 0 {
                let path = path(core);
                core.faults.around("write keys", || replace(&path, &ring.text()))?;
            }
            Ok(done)
        })
        .await
    }
}

const FORM: &str = "a key file has lines 'rockhold-key-1 <id, 16 hex digits> <key, 64 hex digits>'";

/// A key.
pub(crate) struct SecretKey {
    pub(crate) id: String,
    bytes: Zeroizing<[u8; 32]>,
}

impl SecretKey {
    fn cipher(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, self.bytes.as_ref());
        key.map(LessSafeKey::new).map_err(|_| Error::internal("a key has the wrong length"))
    }

    /// Seals a text; `name` is authenticated with it.
    pub(crate) fn seal(&self, name: &[u8], secret: &Secret) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut text = secret.expose().as_bytes().to_vec();
        self.cipher()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut text)
            .map_err(|_| Error::internal("a secret cannot be sealed"))?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens what was sealed with the same name; `None` when it is damaged.
    pub(crate) fn unseal(&self, name: &[u8], sealed: &[u8]) -> Option<Secret> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let cipher = self.cipher().ok()?;
        let text = cipher.open_in_place(nonce, Aad::from(name), &mut buffer).ok()?;
        std::str::from_utf8(text).ok().map(Secret::new)
    }
}

/// The member of a definition that holds secrets, for every kind that has some.
const SECRETS: &str = "secrets";

/// The sealed values of a definition by property; `None` where its kind has none.
fn secrets_of(definition: &Value) -> Result<Option<BTreeMap<String, SealedValue>>> {
    let Some(secrets) = definition.get(SECRETS).filter(|secrets| secrets.is_object()) else {
        return Ok(None);
    };
    let read = BTreeMap::deserialize(secrets);
    read.map(Some).map_err(|e| Error::corrupt("the secrets of an object are damaged").because(e))
}

/// A sealed value that does not open with its key.
pub(crate) fn damaged(advice: &str) -> Error {
    Error::corrupt(format!("a stored secret is damaged; {advice}"))
}

/// The keys of a warehouse.
pub(crate) struct Keyring {
    /// The key that seals.
    pub(crate) own: SecretKey,
    imported: Vec<SecretKey>,
}

impl Keyring {
    /// The keys of this warehouse; the own one is made when there is none and
    /// `create` says so.
    ///
    /// # Errors
    /// `Unauthenticated` saying which file is missing or unusable.
    pub(crate) fn of(core: &Core, create: bool) -> Result<Self> {
        let path = path(core);
        match read(&path)? {
            Some(keys) => Ok(keys),
            None if create => {
                core.faults.around("create key", || make(&path))?;
                read(&path)?.ok_or_else(|| missing(&path))
            }
            None => Err(missing(&path)),
        }
    }

    fn keys(&self) -> impl Iterator<Item = &SecretKey> {
        std::iter::once(&self.own).chain(&self.imported)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&SecretKey> {
        self.keys().find(|key| key.id == id)
    }

    /// The number of the first line that is no key, or of the last when there is none at all.
    fn parse(text: &str) -> std::result::Result<Self, usize> {
        let mut keys: Vec<SecretKey> = Vec::new();
        let mut number = 0;
        for line in text.lines() {
            number += 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = parse_line(line).ok_or(number)?;
            if keys.len() >= MAX_KEYS || keys.iter().any(|other| other.id == key.id) {
                return Err(number);
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        match keys.next() {
            Some(own) => Ok(Self { own, imported: keys.collect() }),
            None => Err(number.max(1)),
        }
    }

    fn text(&self) -> Secret {
        let mut text = Zeroizing::new(String::new());
        for key in self.keys() {
            let hex = Zeroizing::new(hex::encode(*key.bytes));
            text.push_str(&format!("{MAGIC} {} {}\n", key.id, *hex));
        }
        Secret::new(text.as_str())
    }
}

fn parse_line(line: &str) -> Option<SecretKey> {
    let mut words = line.split_whitespace();
    let (magic, id, key) = (words.next()?, words.next()?, words.next()?);
    let mut bytes = Zeroizing::new([0; 32]);
    let fine = magic == MAGIC
        && id.len() == 16
        && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        && words.next().is_none()
        && hex::decode_to_slice(key, bytes.as_mut()).is_ok();
    fine.then(|| SecretKey { id: id.to_owned(), bytes })
}

fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::internal("the system gives no random numbers"))
}

fn path(core: &Core) -> PathBuf {
    core.options.key_file.clone().unwrap_or_else(|| core.layout.secret_key())
}

fn missing(path: &Path) -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the key of the secret store is missing; put the file back, or drop the repository and create it again",
    )
    .at(path.display())
}

fn read(path: &Path) -> Result<Option<Keyring>> {
    let io = |e: io::Error| Error::io(e, "read key", path.display());
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    refuse_open_to_all(path)?;
    Keyring::parse(&text).map(Some).map_err(|line| {
        let text = format!("not a key file at line {line}: {FORM}");
        Error::new(ErrorKind::Unauthenticated, text).at(path.display())
    })
}

fn refuse_open_to_all(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let meta = fs::metadata(path).map_err(|e| Error::io(e, "read key", path.display()))?;
        if meta.permissions().mode() & 0o007 != 0 {
            return Err(Error::new(
                ErrorKind::PermissionDenied,
                "everybody may read or write the key of the secret store; run chmod 600 on it",
            )
            .at(path.display()));
        }
    }
    Ok(())
}

/// Makes a key file with a new key.
fn make(path: &Path) -> Result<()> {
    let mut id = [0; 8];
    let mut bytes = Zeroizing::new([0; 32]);
    random(&mut id)?;
    random(bytes.as_mut())?;
    let own = SecretKey { id: hex::encode(id), bytes };
    replace(path, &Keyring { own, imported: Vec::new() }.text())
}

/// Writes a key file, complete or not at all.
fn replace(path: &Path, text: &Secret) -> Result<()> {
    let mut name = path.to_path_buf().into_os_string();
    name.push(".new");
    let new = PathBuf::from(name);
    let io = |e: io::Error| Error::io(e, "write key", path.display());
    match fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(&new).map_err(io)?;
    file.write_all(text.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&new, path).map_err(io)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, byte: u8) -> String {
        format!("{MAGIC} {id} {}", hex::encode([byte; 32]))
    }

    #[test]
    fn key_files_are_read_as_they_are_documented_and_nothing_else_is() {
        let (a, b) = (line("0123456789abcdef", 1), line("fedcba9876543210", 2));
        let ring = Keyring::parse(&format!("# ours\n\n{a}\n{b}\n")).ok().unwrap();
        assert_eq!(ring.own.id, "0123456789abcdef");
        assert_eq!(ring.text().expose(), format!("{a}\n{b}\n"));
        for (text, wrong) in [
            ("".to_owned(), 1),
            ("# nothing\n".to_owned(), 1),
            (format!("{a}\ngarbage\n"), 2),
            (format!("{a}\n{a}\n"), 2),
            (a.replace("key-1", "key-2"), 1),
            (format!("{a} more"), 1),
            (a.replace("0123456789abcdef", "0123456789ABCDEF"), 1),
            (a.get(..a.len() - 2).unwrap_or_default().to_owned(), 1),
        ] {
            assert_eq!(Keyring::parse(&text).err(), Some(wrong), "{text}");
        }
    }

    #[test]
    fn a_sealed_value_opens_only_with_its_key_and_under_its_name() {
        let ring =
            Keyring::parse(&format!("{}\n{}", line("0123456789abcdef", 1), line("fedcba9876543210", 2)));
        let ring = ring.ok().unwrap();
        let sealed = ring.own.seal(b"password", &Secret::new("hunter2")).unwrap();
        assert_eq!(ring.own.unseal(b"password", &sealed).unwrap().expose(), "hunter2");
        assert!(ring.own.unseal(b"user", &sealed).is_none());
        assert!(ring.find("fedcba9876543210").unwrap().unseal(b"password", &sealed).is_none());
        assert!(ring.own.unseal(b"password", &sealed[..5]).is_none());
    }
}
