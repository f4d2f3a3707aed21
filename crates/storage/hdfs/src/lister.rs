//! Listing objects, directory by directory.
//!
//! A NameNode gives a directory in the order of its names, a thousand at a
//! time, beginning behind the last one it gave: entries that come and go
//! meanwhile neither repeat nor hide others. The client cannot begin in the
//! middle, so walks that wait for their next page are remembered; one that was
//! forgotten is walked again up to its token, which costs time and nothing else.

use crate::{
    link::{Link, Session},
    reader::meta,
};
use hdfs_native::client::ListStatusIterator;
use rockhold_core::{Error, ErrorKind, Key, ListPage, ListRequest, ObjectMeta, Result, STAGED_PREFIX};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// How many walks are remembered.
const REMEMBERED: usize = 8;

/// The walks that wait for their next page.
#[derive(Default)]
pub(crate) struct Cursors(Mutex<VecDeque<(Asked, Walk)>>);

/// What makes two requests parts of one listing.
#[derive(PartialEq, Eq)]
struct Asked {
    prefix: Option<Key>,
    children_only: bool,
    token: String,
}

impl Cursors {
    fn take(&self, asked: &Asked) -> Option<Walk> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(other, _)| other == asked)?;
        kept.remove(at).map(|(_, walk)| walk)
    }

    fn keep(&self, asked: Asked, walk: Walk) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= REMEMBERED {
            kept.pop_front();
        }
        kept.push_back((asked, walk));
    }
}

/// Gives one page.
pub(crate) async fn list(
    link: Arc<Link>,
    cursors: Arc<Cursors>,
    request: ListRequest,
    page_limit: usize,
) -> Result<ListPage> {
    let limit = request.limit.unwrap_or(usize::MAX).clamp(1, page_limit.max(1));
    let prefix = request.prefix.as_ref().map_or("", Key::as_str);
    let shown = if prefix.is_empty() { "/" } else { prefix };
    let token = request.token.as_deref().unwrap_or_default();
    if request.token.is_some() {
        check_token(token, request.prefix.as_ref()).map_err(|error| error.during("list").at(shown))?;
    }
    let asked = |token: &str| Asked {
        prefix: request.prefix.clone(),
        children_only: request.children_only,
        token: token.to_owned(),
    };
    let mut walk = match cursors.take(&asked(token)) {
        Some(walk) => walk,
        None => Walk::new(link.session().await?, prefix, request.children_only, token),
    };
    let mut page = ListPage::default();
    let mut last = String::new();
    while page.objects.len() + page.prefixes.len() < limit {
        match walk.next("list").await? {
            None => return Ok(page),
            Some(Found::Object(meta)) => {
                last = meta.key.to_string();
                page.objects.push(meta);
            }
            Some(Found::Prefix(key)) => {
                last = format!("{key}/");
                page.prefixes.push(key);
            }
            Some(Found::Staged(_)) => {}
        }
    }
    cursors.keep(asked(&last), walk);
    page.next = Some(last);
    Ok(page)
}

fn check_token(token: &str, prefix: Option<&Key>) -> Result<()> {
    let key = Key::new(token.strip_suffix('/').unwrap_or(token)).ok();
    let ours = |key: &Key| prefix.is_none_or(|prefix| key.starts_with(prefix));
    if key.as_ref().is_some_and(ours) { Ok(()) } else { Err(Error::invalid("not a token of this listing")) }
}

/// What lies below the root.
pub(crate) enum Found {
    /// An object.
    Object(ObjectMeta),
    /// A directory in which an object lies, of a walk that does not descend.
    Prefix(Key),
    /// The path of a staged file.
    Staged(String),
}

/// A depth-first walk.
pub(crate) struct Walk {
    session: Session,
    levels: Vec<Level>,
    children_only: bool,
}

struct Level {
    /// The directory, as a key; empty for the root.
    path: String,
    full: String,
    entries: ListStatusIterator,
    /// The names behind which to begin: of this directory, then below.
    after: Option<VecDeque<String>>,
}

impl Walk {
    /// Begins below `prefix`, behind what is named by `after`.
    pub(crate) fn new(session: Session, prefix: &str, children_only: bool, after: &str) -> Self {
        let behind = after.trim_end_matches('/').strip_prefix(prefix).unwrap_or_default();
        let names: VecDeque<String> =
            behind.split('/').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let mut walk = Self { session, levels: Vec::new(), children_only };
        walk.descend(prefix.to_owned(), (!names.is_empty()).then_some(names));
        walk
    }

    fn descend(&mut self, path: String, after: Option<VecDeque<String>>) {
        let root = &self.session.link.target.root;
        let full = match (root.as_str(), path.as_str()) {
            ("", "") => "/".to_owned(),
            (root, "") => root.to_owned(),
            (root, path) => format!("{root}/{path}"),
        };
        let entries = self.session.client.list_status_iter(&full, false);
        self.levels.push(Level { path, full, entries, after });
    }

    /// The next thing that lies there; staged files are given too.
    pub(crate) async fn next(&mut self, operation: &'static str) -> Result<Option<Found>> {
        loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let next = async { level.entries.next().await.transpose() };
            let shown = if level.path.is_empty() { "/" } else { &level.path };
            let entry = match self.session.ask(operation, shown, next).await {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    self.levels.pop();
                    continue;
                }
                // Nothing lies below what is missing or an object.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => {
                    self.levels.pop();
                    continue;
                }
                Err(error) => return Err(error),
            };
            // Asked for a file, a NameNode lists the file itself.
            let Some(name) = entry.path.strip_prefix(&level.full).map(|rest| rest.trim_start_matches('/'))
            else {
                continue;
            };
            if name.is_empty() || name.contains('/') {
                continue;
            }
            let mut deeper = None;
            if let Some(after) = &mut level.after {
                let begin = after.front().map(String::as_str).unwrap_or_default();
                match name.cmp(begin) {
                    std::cmp::Ordering::Less => continue,
                    std::cmp::Ordering::Equal => {
                        after.pop_front();
                        deeper = level.after.take();
                        // Given on the page before, unless something below it was the last.
                        if deeper.as_ref().is_none_or(VecDeque::is_empty) {
                            continue;
                        }
                    }
                    std::cmp::Ordering::Greater => level.after = None,
                }
            }
            let path = if level.path.is_empty() { name.to_owned() } else { format!("{}/{name}", level.path) };
            if !entry.isdir && name.starts_with(STAGED_PREFIX) {
                return Ok(Some(Found::Staged(entry.path)));
            }
            // Foreign names are not ours to show.
            let Ok(key) = Key::new(path.as_str()) else { continue };
            if !entry.isdir {
                return Ok(Some(Found::Object(meta(key, &entry))));
            }
            if !self.children_only {
                self.descend(path, deeper);
            } else if self.holds_object(&path, operation).await? {
                return Ok(Some(Found::Prefix(key)));
            }
        }
    }

    /// Whether any object lies below a directory.
    async fn holds_object(&self, path: &str, operation: &'static str) -> Result<bool> {
        let mut below = Self::new(self.session.clone(), path, false, "");
        loop {
            match Box::pin(below.next(operation)).await? {
                None => return Ok(false),
                Some(Found::Object(_)) => return Ok(true),
                Some(_) => {}
            }
        }
    }
}

/// The full paths of the staged files below a prefix.
pub(crate) async fn staged(link: &Arc<Link>, prefix: &Key, operation: &'static str) -> Result<Vec<String>> {
    let mut walk = Walk::new(link.session().await?, prefix.as_str(), false, "");
    let mut found = Vec::new();
    while let Some(next) = walk.next(operation).await? {
        if let Found::Staged(path) = next {
            found.push(path);
        }
    }
    Ok(found)
}
