//! Keys out and in.

use crate::args::{Key, Place};
use crate::exit;
use rockhold::{Rockhold, Secret};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// The longest file of keys that is read, in bytes.
const MOST: u64 = 4 << 20;

/// Runs the command; gives the exit code.
pub(crate) async fn run(key: Key) -> u8 {
    let done = match &key {
        Key::Export { place, output } => export(place, output.as_deref()).await,
        Key::Import { place, file } => import(place, file).await,
    };
    match done {
        Ok(()) => exit::OK,
        Err(message) => {
            eprintln!("rockhold: {message}");
            exit::FAILED
        }
    }
}

async fn open(place: &Place, command: &str) -> Result<Rockhold, String> {
    let mut builder = Rockhold::embedded(&place.data).command(command).must_exist();
    if let Some(path) = &place.key_file {
        builder = builder.key_file(path);
    }
    builder.open().await.map_err(|error| error.to_string())
}

async fn export(place: &Place, output: Option<&Path>) -> Result<(), String> {
    let rockhold = open(place, "rockhold key export").await?;
    let keys = rockhold.export_keys().await.map_err(|error| error.to_string());
    rockhold.close().await;
    let keys = keys?;
    match output {
        None => {
            let mut out = io::stdout().lock();
            out.write_all(keys.expose().as_bytes())
                .and_then(|()| out.flush())
                .map_err(|error| format!("cannot write the keys: {error}"))
        }
        Some(path) => write(path, &keys).map_err(|error| format!("cannot write {}: {error}", path.display())),
    }
}

/// Writes a new file that only its owner can read.
fn write(path: &Path, keys: &Secret) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(keys.expose().as_bytes())?;
    file.sync_all()
}

async fn import(place: &Place, file: &Path) -> Result<(), String> {
    let keys = read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let rockhold = open(place, "rockhold key import").await?;
    let done = rockhold.import_keys(&keys).await.map_err(|error| format!("{}: {error}", file.display()));
    rockhold.close().await;
    let done = done?;
    eprintln!("{} keys added, {} were known", done.added, done.known);
    Ok(())
}

fn read(file: &Path) -> io::Result<Secret> {
    let mut text = String::new();
    if file == Path::new("-") {
        io::stdin().lock().take(MOST).read_to_string(&mut text)?;
    } else {
        File::open(file)?.take(MOST).read_to_string(&mut text)?;
    }
    Ok(Secret::new(text))
}
