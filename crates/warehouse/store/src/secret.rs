//! The secret store: properties of repositories, sealed under a key file.
//!
//! The key file has one line: `rockhold-key-1 <id, 16 hex digits> <key, 64 hex
//! digits>`. A sealed value is nonce (12 bytes) and AES-256-GCM of the text;
//! repository and property are authenticated with it, so a sealed value cannot
//! be moved to another name. The catalog records only the id of the key.

use crate::core::Core;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use rockhold_core::{Error, ErrorKind, Result, Secret};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const MAGIC: &str = "rockhold-key-1";

/// A key that was read.
pub(crate) struct SecretKey {
    pub(crate) id: String,
    key: LessSafeKey,
}

impl SecretKey {
    /// The key of this warehouse, made when there is none and `create` says so.
    ///
    /// # Errors
    /// `Unauthenticated` saying which file is missing or unusable.
    pub(crate) fn of(core: &Core, create: bool) -> Result<Self> {
        let path = core.options.key_file.clone().unwrap_or_else(|| core.layout.secret_key());
        match read(&path)? {
            Some(key) => Ok(key),
            None if create => {
                core.faults.around("create key", || make(&path))?;
                read(&path)?.ok_or_else(|| missing(&path))
            }
            None => Err(missing(&path)),
        }
    }

    pub(crate) fn seal(&self, repository: &str, property: &str, secret: &Secret) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        random(&mut nonce)?;
        let mut text = secret.expose().as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name(repository, property)),
                &mut text,
            )
            .map_err(|_| Error::internal("a secret cannot be sealed"))?;
        let mut sealed = nonce.to_vec();
        sealed.append(&mut text);
        Ok(sealed)
    }

    pub(crate) fn unseal(&self, repository: &str, property: &str, sealed: &[u8]) -> Result<Secret> {
        let damaged = || {
            Error::corrupt("a stored secret is damaged; drop the repository and create it again")
                .with("repository", repository)
                .with("property", property)
        };
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or_else(damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged())?;
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let text = self
            .key
            .open_in_place(nonce, Aad::from(name(repository, property)), &mut buffer)
            .map_err(|_| damaged())?;
        let text = std::str::from_utf8(text).map_err(|_| damaged())?;
        Ok(Secret::new(text))
    }
}

/// Unambiguous: the length of the first part comes first.
fn name(repository: &str, property: &str) -> Vec<u8> {
    format!("{}:{repository}{property}", repository.len()).into_bytes()
}

fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| Error::internal("the system gives no random numbers"))
}

fn missing(path: &Path) -> Error {
    Error::new(
        ErrorKind::Unauthenticated,
        "the key of the secret store is missing; put the file back, or drop the repository and create it again",
    )
    .at(path.display())
}

fn read(path: &Path) -> Result<Option<SecretKey>> {
    let io = |e: io::Error| Error::io(e, "read key", path.display());
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(io(e)),
    };
    refuse_open_to_all(path)?;
    let bad = || {
        Error::new(
            ErrorKind::Unauthenticated,
            format!("not a key file: it has one line '{MAGIC} <id> <key>'"),
        )
        .at(path.display())
    };
    let mut words = text.split_whitespace();
    let (magic, id, key) = (words.next(), words.next().ok_or_else(bad)?, words.next().ok_or_else(bad)?);
    let mut bytes = Zeroizing::new([0; 32]);
    if magic != Some(MAGIC) || id.len() != 16 || hex::decode_to_slice(key, bytes.as_mut()).is_err() {
        return Err(bad());
    }
    let key = UnboundKey::new(&AES_256_GCM, bytes.as_ref()).map_err(|_| bad())?;
    Ok(Some(SecretKey { id: id.to_owned(), key: LessSafeKey::new(key) }))
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

/// Makes a key file, complete or not at all.
fn make(path: &Path) -> Result<()> {
    let mut id = [0; 8];
    let mut key = Zeroizing::new([0; 32]);
    random(&mut id)?;
    random(key.as_mut())?;
    let line =
        Zeroizing::new(format!("{MAGIC} {} {}\n", hex::encode(id), *Zeroizing::new(hex::encode(*key))));
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
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    fs::rename(&new, path).map_err(io)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io)
}
