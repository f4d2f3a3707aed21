//! Listing objects, in byte order of their keys.

use crate::{
    backend::Shared,
    error::os,
    root::{Root, meta},
};
use rockhold_core::{Error, Key, ListPage, ListRequest, ObjectMeta, Result, STAGED_PREFIX};
use rustix::{
    fd::OwnedFd,
    fs::{self, AtFlags, Dir, FileType},
    io::Errno,
};
use std::{collections::VecDeque, sync::Arc};

/// How many listings that wait for their next page are remembered. One that
/// was forgotten starts again at its token, which costs time and nothing else.
const REMEMBERED: usize = 8;

/// The listings that wait for their next page.
#[derive(Debug, Default)]
pub(crate) struct Cursors(VecDeque<(Asked, Walk)>);

/// What makes two requests parts of one listing.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    prefix: Option<Key>,
    children_only: bool,
    token: String,
}

impl Cursors {
    fn take(&mut self, asked: &Asked) -> Option<Walk> {
        let at = self.0.iter().position(|(other, _)| other == asked)?;
        self.0.remove(at).map(|(_, walk)| walk)
    }

    fn keep(&mut self, asked: Asked, walk: Walk) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((asked, walk));
    }
}

/// Gives one page.
pub(crate) fn list(shared: &Shared, request: ListRequest) -> Result<ListPage> {
    let limit = request.limit.unwrap_or(usize::MAX).clamp(1, shared.config.page_limit.max(1));
    let at = request.prefix.as_ref().map_or_else(|| "/".to_owned(), ToString::to_string);
    let prefix = request.prefix.as_ref().map_or("", Key::as_str);
    let mut walk = match &request.token {
        None => Walk::new(prefix, request.children_only, ""),
        Some(token) => {
            check_token(token, request.prefix.as_ref()).map_err(|e| e.during("list").at(&at))?;
            let asked = Asked {
                prefix: request.prefix.clone(),
                children_only: request.children_only,
                token: token.clone(),
            };
            let remembered = shared.cursors().take(&asked);
            remembered.unwrap_or_else(|| Walk::new(prefix, request.children_only, token))
        }
    };
    let mut page = ListPage::default();
    let mut token = String::new();
    while page.objects.len() + page.prefixes.len() < limit {
        match walk.next(&shared.root).map_err(|errno| os(errno, "list", &at))? {
            None => return Ok(page),
            Some(Found::Object(meta)) => {
                token = meta.key.to_string();
                page.objects.push(meta);
            }
            Some(Found::Prefix(key)) => {
                token = format!("{key}/");
                page.prefixes.push(key);
            }
        }
    }
    walk.close();
    let asked = Asked { prefix: request.prefix, children_only: request.children_only, token: token.clone() };
    shared.cursors().keep(asked, walk);
    page.next = Some(token);
    Ok(page)
}

fn check_token(token: &str, prefix: Option<&Key>) -> Result<()> {
    let key = Key::new(token.strip_suffix('/').unwrap_or(token)).ok();
    let ours = |key: &Key| prefix.is_none_or(|prefix| key.starts_with(prefix));
    if key.as_ref().is_some_and(ours) { Ok(()) } else { Err(Error::invalid("not a token of this listing")) }
}

enum Found {
    Object(ObjectMeta),
    Prefix(Key),
}

/// A depth-first walk through sorted directories. A directory is read once,
/// so entries that come and go meanwhile neither repeat nor hide others; its
/// names are held in memory until it is done.
#[derive(Debug)]
struct Walk {
    levels: Vec<Level>,
    children_only: bool,
    /// Where to start, as the last path that was given before.
    after: String,
    begun: bool,
}

#[derive(Debug)]
struct Level {
    path: String,
    /// `None` while the listing waits for its next page.
    directory: Option<Arc<OwnedFd>>,
    /// What is left, last first.
    rest: Vec<Entry>,
}

impl Walk {
    fn new(prefix: &str, children_only: bool, after: &str) -> Self {
        let first = Level { path: prefix.to_owned(), directory: None, rest: Vec::new() };
        Self { levels: vec![first], children_only, after: after.to_owned(), begun: false }
    }

    /// Gives the open directories back.
    fn close(&mut self) {
        self.levels.iter_mut().for_each(|level| level.directory = None);
    }

    fn next(&mut self, root: &Root) -> rustix::io::Result<Option<Found>> {
        if !self.begun {
            self.begun = true;
            if let Some(first) = self.levels.pop() {
                self.descend(root, first.path)?;
            }
        }
        while let Some(level) = self.levels.last_mut() {
            let Some(entry) = level.rest.pop() else {
                self.levels.pop();
                continue;
            };
            let path = if level.path.is_empty() {
                entry.name().to_owned()
            } else {
                format!("{}/{}", level.path, entry.name())
            };
            // Foreign names are not ours to show.
            let Ok(key) = Key::new(path.as_str()) else {
                continue;
            };
            match entry {
                Entry::Directory(_) if !self.children_only => self.descend(root, path)?,
                Entry::Directory(_) => {
                    if holds_object(root, path)? {
                        return Ok(Some(Found::Prefix(key)));
                    }
                }
                Entry::File(name) => {
                    let directory = match &level.directory {
                        Some(directory) => Arc::clone(directory),
                        None => match root.open_directory(&level.path) {
                            Ok(directory) => Arc::clone(level.directory.insert(directory)),
                            Err(errno) if is_absent(errno) => {
                                self.levels.pop();
                                continue;
                            }
                            Err(errno) => return Err(errno),
                        },
                    };
                    match fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                            return Ok(Some(Found::Object(meta(key, &stat))));
                        }
                        Ok(_) => {}
                        Err(errno) if is_absent(errno) => {}
                        Err(errno) => return Err(errno),
                    }
                }
            }
        }
        Ok(None)
    }

    /// Adds the entries of a directory that lie behind the start.
    fn descend(&mut self, root: &Root, path: String) -> rustix::io::Result<()> {
        let directory = match root.open_directory(&path) {
            Ok(directory) => directory,
            Err(errno) if is_absent(errno) => return Ok(()),
            Err(errno) => return Err(errno),
        };
        let mut rest = Vec::new();
        for entry in entries(&directory)? {
            let entry = entry?;
            let is_behind = || {
                let text = entry.sort_text(&path);
                text.as_str() > self.after.as_str()
                    || (!self.children_only && text.ends_with('/') && self.after.starts_with(&text))
            };
            if !entry.name().starts_with(STAGED_PREFIX) && (self.after.is_empty() || is_behind()) {
                rest.push(entry);
            }
        }
        // A directory sorts as the keys below it do: with the slash.
        rest.sort_unstable_by(|a, b| b.sort_bytes().cmp(a.sort_bytes()));
        self.levels.push(Level { path, directory: Some(directory), rest });
        Ok(())
    }
}

/// Whether any object lies below a directory.
fn holds_object(root: &Root, path: String) -> rustix::io::Result<bool> {
    let mut open = vec![path];
    while let Some(path) = open.pop() {
        let directory = match root.open_directory(&path) {
            Ok(directory) => directory,
            Err(errno) if is_absent(errno) => continue,
            Err(errno) => return Err(errno),
        };
        for entry in entries(&directory)? {
            match entry? {
                Entry::File(name) if Key::new(name.as_str()).is_ok() => return Ok(true),
                Entry::File(_) => {}
                Entry::Directory(name) => open.push(format!("{path}/{name}")),
            }
        }
    }
    Ok(false)
}

/// Whether the error says that nothing of ours lies there.
fn is_absent(errno: Errno) -> bool {
    [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::XDEV].contains(&errno)
}

/// One entry of a directory.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A file.
    File(String),
    /// A directory.
    Directory(String),
}

impl Entry {
    fn name(&self) -> &str {
        match self {
            Self::File(name) | Self::Directory(name) => name,
        }
    }

    fn sort_bytes(&self) -> impl Iterator<Item = u8> {
        let slash = matches!(self, Self::Directory(_)).then_some(b'/');
        self.name().bytes().chain(slash)
    }

    fn sort_text(&self, path: &str) -> String {
        let below = if path.is_empty() { "" } else { "/" };
        let slash = if matches!(self, Self::Directory(_)) { "/" } else { "" };
        format!("{path}{below}{}{slash}", self.name())
    }
}

/// The files and directories in a directory, in no order. Links, devices and
/// names that are not UTF-8 are left out.
pub(crate) fn entries(
    directory: &Arc<OwnedFd>,
) -> rustix::io::Result<impl Iterator<Item = rustix::io::Result<Entry>>> {
    let directory = Arc::clone(directory);
    let found = Dir::read_from(&directory)?;
    Ok(found.filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(errno) => return Some(Err(errno)),
        };
        let name = entry.file_name().to_str().ok()?;
        if name == "." || name == ".." {
            return None;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => return None,
                Err(errno) => return Some(Err(errno)),
            },
            known => known,
        };
        match kind {
            FileType::RegularFile => Some(Ok(Entry::File(name.to_owned()))),
            FileType::Directory => Some(Ok(Entry::Directory(name.to_owned()))),
            _ => None,
        }
    }))
}
