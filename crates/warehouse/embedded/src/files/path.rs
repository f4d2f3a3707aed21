//! Finding files: lists of locations, directories, wildcards.

use super::super::error::of_store;
use super::super::storage::{Place, Storage, Stored, key};
use super::properties::Properties;
use super::source::{Source, SourceFile};
use rockhold_core::{ErrorKind, Key, ListRequest, ObjectMeta, SharedRepository};
use rockhold_sql::SqlError;
use std::fs;
use std::path::{Path, PathBuf};

/// Files of one call at most: each is known by name before the first is read.
const MOST_FILES: usize = 100_000;

/// The files of a comma-separated list of locations with wildcards, sorted; a
/// directory means the files in it, with `list_recursively` those in the
/// directories below, too. Names that begin with `.` or `_` are passed by
/// unless they are written out.
///
/// # Errors
/// There is none; a store refuses.
pub(crate) async fn expand(storage: &Storage, properties: &Properties) -> Result<Vec<SourceFile>, SqlError> {
    let locations = properties.require("path")?;
    let deep = properties.flag("list_recursively", false)?;
    let mut files = Vec::new();
    for location in split_list(locations) {
        match storage.place(location.trim())? {
            Place::Local(path) => {
                for line in properties.idle_here() {
                    tracing::warn!("{line}");
                }
                let found = tokio::task::spawn_blocking(move || local(&path, deep));
                let found = found.await.map_err(|error| {
                    SqlError::execute(format!("looking for files was torn down: {error}"))
                })?;
                files.extend(found);
            }
            Place::Stored(place) => files.extend(stored(storage, &place, properties).await?),
        }
        if files.len() > MOST_FILES {
            return Err(SqlError::analyze(format!(
                "\"path\" = \"{locations}\": more than {MOST_FILES} files match; ask for fewer at a time"
            )));
        }
    }
    files.sort_by(|a, b| a.shown.cmp(&b.shown));
    files.dedup_by(|a, b| a.shown == b.shown);
    if files.is_empty() {
        return Err(SqlError::analyze(format!("Failed to get schema: no files match \"{locations}\"")));
    }
    Ok(files)
}

/// The files of a path of this machine; of a directory all below with `deep`.
fn local(path: &Path, deep: bool) -> Vec<SourceFile> {
    let mut found = vec![PathBuf::from("/")];
    for part in path.components().skip(1) {
        let pattern = part.as_os_str().to_string_lossy().into_owned();
        found = step(found, &pattern);
    }
    let mut files = Vec::new();
    for path in found {
        if !path.is_dir() {
            files.extend(local_file(path));
            continue;
        }
        let mut left = vec![path];
        while let Some(directory) = left.pop() {
            for path in list(&directory) {
                // A link may lead back to where it lies.
                if deep && path.is_dir() && !path.is_symlink() {
                    left.push(path);
                } else {
                    files.extend(local_file(path));
                }
            }
            if files.len() > MOST_FILES {
                break;
            }
        }
    }
    files
}

fn local_file(path: PathBuf) -> Option<SourceFile> {
    let meta = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    let since = meta.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    Some(SourceFile {
        shown: format!("file://{}", path.display()),
        len: meta.len(),
        modified: since.and_then(|since| i64::try_from(since.as_micros()).ok()),
        place: Source::Local(path),
    })
}

fn has_wildcard(part: &str) -> bool {
    part.contains(['*', '?', '[', '{'])
}

/// The files of a path in a store. The store is opened at the directory in
/// front of the first wildcard, so that nothing else is listed.
async fn stored(
    storage: &Storage,
    place: &Stored,
    properties: &Properties,
) -> Result<Vec<SourceFile>, SqlError> {
    let parts: Vec<&str> = place.path.split('/').filter(|part| !part.is_empty()).collect();
    let fixed = parts.iter().position(|part| has_wildcard(part)).unwrap_or(parts.len().saturating_sub(1));
    let (directory, rest) = parts.split_at(fixed);
    let directory = directory.join("/");
    let repository = storage.open(place, &directory, &properties.of_storage()).await?;
    let deep = properties.flag("list_recursively", false)?;
    let walk = Walk { repository: &repository, shown: shown_root(place, &directory) };
    let mut found = vec![Node { key: None, object: None }];
    for (at, part) in rest.iter().enumerate() {
        found = walk.step(found, part, at + 1 == rest.len()).await?;
    }
    let mut files = Vec::new();
    for node in found {
        match node.object {
            Some(object) => files.push(walk.file(object)),
            None => walk.below(node.key, deep, &mut files).await?,
        }
    }
    Ok(files)
}

fn shown_root(place: &Stored, directory: &str) -> String {
    if directory.is_empty() { place.root.clone() } else { format!("{}/{directory}", place.root) }
}

/// A key that is an object, a directory, or not known to be either.
struct Node {
    key: Option<Key>,
    object: Option<ObjectMeta>,
}

struct Walk<'a> {
    repository: &'a SharedRepository,
    shown: String,
}

impl Walk<'_> {
    /// What matches one part of a path.
    async fn step(&self, found: Vec<Node>, part: &str, last: bool) -> Result<Vec<Node>, SqlError> {
        let mut next = Vec::new();
        for node in found.into_iter().filter(|node| node.object.is_none()) {
            if has_wildcard(part) {
                let patterns = Patterns::new(part);
                let children = self.children(node.key.as_ref()).await?;
                next.extend(children.into_iter().filter(|child| patterns.match_name(child.name())));
                continue;
            }
            let key = match &node.key {
                Some(parent) => key(&format!("{parent}/{part}"))?,
                None => key(part)?,
            };
            let object = match last {
                true => match self.repository.head(&key).await {
                    Ok(object) => Some(object),
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => return Err(of_store(error)),
                },
                false => None,
            };
            next.push(Node { key: Some(key), object });
        }
        Ok(next)
    }

    /// What lies directly in a directory and is not hidden.
    async fn children(&self, directory: Option<&Key>) -> Result<Vec<Node>, SqlError> {
        let mut request = match directory {
            Some(directory) => ListRequest::below(directory.clone()),
            None => ListRequest::default(),
        }
        .children_only();
        let mut children = Vec::new();
        loop {
            let page = match self.repository.list(request.clone()).await {
                Ok(page) => page,
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                Err(error) => return Err(of_store(error)),
            };
            let objects = page
                .objects
                .into_iter()
                .map(|object| Node { key: Some(object.key.clone()), object: Some(object) });
            let prefixes = page.prefixes.into_iter().map(|prefix| Node { key: Some(prefix), object: None });
            children.extend(objects.chain(prefixes).filter(|node| !node.name().starts_with(['.', '_'])));
            if children.len() > MOST_FILES {
                return Err(SqlError::analyze(format!(
                    "{}: a directory has more than {MOST_FILES} files; ask for fewer at a time",
                    self.shown
                )));
            }
            match page.next {
                Some(token) => request.token = Some(token),
                None => break,
            }
        }
        Ok(children)
    }

    /// Adds the files in a directory; with `deep` those of the directories below.
    async fn below(
        &self,
        directory: Option<Key>,
        deep: bool,
        files: &mut Vec<SourceFile>,
    ) -> Result<(), SqlError> {
        let mut left = vec![directory];
        while let Some(directory) = left.pop() {
            for child in self.children(directory.as_ref()).await? {
                match child.object {
                    Some(object) => files.push(self.file(object)),
                    None if deep => left.push(child.key),
                    None => {}
                }
            }
            if files.len() > MOST_FILES {
                break;
            }
        }
        Ok(())
    }

    fn file(&self, object: ObjectMeta) -> SourceFile {
        SourceFile {
            shown: format!("{}/{}", self.shown, object.key),
            len: object.len,
            modified: object.modified.map(|time| time.0.saturating_mul(1000)),
            place: Source::Stored { repository: self.repository.clone(), key: object.key, etag: object.etag },
        }
    }
}

impl Node {
    fn name(&self) -> &str {
        self.key.as_ref().and_then(|key| key.segments().next_back()).unwrap_or_default()
    }
}

/// Splits at commas outside braces and brackets.
fn split_list(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0i32);
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth <= 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

fn step(found: Vec<PathBuf>, pattern: &str) -> Vec<PathBuf> {
    if !has_wildcard(pattern) {
        return found.into_iter().map(|path| path.join(pattern)).filter(|path| path.exists()).collect();
    }
    let patterns = Patterns::new(pattern);
    let fits = |path: &PathBuf| {
        patterns.match_name(&path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default())
    };
    found.iter().filter(|path| path.is_dir()).flat_map(|path| list(path)).filter(fits).collect()
}

/// The alternatives of a wildcard.
struct Patterns(Vec<Vec<char>>);

impl Patterns {
    fn new(pattern: &str) -> Self {
        Self(alternatives(pattern).iter().map(|pattern| pattern.chars().collect()).collect())
    }

    fn match_name(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        self.0.iter().any(|pattern| matches(pattern, &name))
    }
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let hidden =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
    entries.filter_map(|entry| entry.ok().map(|e| e.path())).filter(|path| !hidden(path)).collect()
}

/// `a{b,c}` becomes `ab`, `ac`.
fn alternatives(pattern: &str) -> Vec<String> {
    if let Some(open) = pattern.find('{')
        && let Some(close) = pattern.get(open..).and_then(|rest| rest.find('}')).map(|at| open + at)
        && let (Some(before), Some(inside), Some(behind)) =
            (pattern.get(..open), pattern.get(open + 1..close), pattern.get(close + 1..))
    {
        return inside
            .split(',')
            .flat_map(|choice| alternatives(&format!("{before}{choice}{behind}")))
            .take(1024)
            .collect();
    }
    vec![pattern.to_owned()]
}

/// `?`, `*`, `[a-c]`, `[^a]`. Greedy with one point to go back to, so linear in
/// practice and never exponential.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                back = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('[') => class(pattern, p, name.get(n).copied()),
            Some(c) if name.get(n) == Some(c) => Some(p + 1),
            _ => None,
        };
        match (step, back) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((after, from))) => {
                p = after;
                n = from + 1;
                back = Some((after, n));
            }
            (None, None) => return false,
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == '*')
}

/// Position behind a class that holds the character.
fn class(pattern: &[char], at: usize, c: Option<char>) -> Option<usize> {
    let c = c?;
    let close = at + 2 + pattern.get(at + 2..)?.iter().position(|p| *p == ']')?;
    let inside = pattern.get(at + 1..close)?;
    let (negated, inside) = match inside.first() {
        Some('^' | '!') => (true, inside.get(1..)?),
        _ => (false, inside),
    };
    let mut holds = false;
    let mut i = 0;
    while let Some(first) = inside.get(i) {
        if let (Some('-'), Some(last)) = (inside.get(i + 1), inside.get(i + 2)) {
            holds |= (*first..=*last).contains(&c);
            i += 3;
        } else {
            holds |= *first == c;
            i += 1;
        }
    }
    (holds != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_starrocks_documents_them() {
        let fits = |pattern: &str, name: &str| Patterns::new(pattern).match_name(name);
        assert!(fits("*.parquet", "a.parquet") && !fits("*.parquet", "a.csv"));
        assert!(fits("a?c", "abc") && !fits("a?c", "ac"));
        assert!(fits("[a-c]1", "b1") && !fits("[a-c]1", "d1") && fits("[^a]1", "d1"));
        assert!(fits("{x,y}*", "y9") && !fits("{x,y}*", "z"));
        assert!(fits("*a*b*", "xxaxxbxx") && !fits("*a*b", "xxaxx"));
        assert_eq!(split_list("/a,/b{1,2}"), ["/a", "/b{1,2}"]);
    }
}
