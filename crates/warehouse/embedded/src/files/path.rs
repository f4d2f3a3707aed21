//! Locations of local files.

use rockhold_sql::SqlError;
use std::fs;
use std::path::{Path, PathBuf};

/// The local path of a location: `file:///…` or an absolute path.
///
/// # Errors
/// Another scheme, or not absolute.
pub(crate) fn local(location: &str) -> Result<PathBuf, SqlError> {
    let path = match location.split_once("://") {
        None => location,
        Some(("file", path)) => path,
        Some((scheme, _)) => {
            return Err(SqlError::analyze(format!(
                "\"path\" = \"{location}\": the embedded warehouse reads and writes file:// locations; there is \
                 no {scheme}:// yet"
            )));
        }
    };
    if !path.starts_with('/') {
        return Err(SqlError::analyze(format!(
            "\"path\" = \"{location}\": use an absolute path, as in file:///data/x.parquet"
        )));
    }
    Ok(PathBuf::from(path))
}

/// The files of a comma-separated list of locations with wildcards, sorted; a
/// directory means the files in it. Names that begin with `.` or `_` are
/// passed by unless they are written out.
///
/// # Errors
/// There is none.
pub(crate) fn expand(locations: &str) -> Result<Vec<PathBuf>, SqlError> {
    let mut files = Vec::new();
    for location in split_list(locations) {
        let path = local(location.trim())?;
        let mut found = vec![PathBuf::from("/")];
        for part in path.components().skip(1) {
            let pattern = part.as_os_str().to_string_lossy().into_owned();
            found = step(found, &pattern);
        }
        for path in found {
            if path.is_dir() {
                let mut inside = list(&path);
                inside.retain(|p| p.is_file());
                files.extend(inside);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        return Err(SqlError::analyze(format!("Failed to get schema: no files match \"{locations}\"")));
    }
    Ok(files)
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
    if !pattern.contains(['*', '?', '[', '{']) {
        return found.into_iter().map(|path| path.join(pattern)).filter(|path| path.exists()).collect();
    }
    let patterns: Vec<Vec<char>> = alternatives(pattern).iter().map(|p| p.chars().collect()).collect();
    let fits = |path: &PathBuf| {
        let name: Vec<char> =
            path.file_name().map(|n| n.to_string_lossy().chars().collect()).unwrap_or_default();
        patterns.iter().any(|pattern| matches(pattern, &name))
    };
    found.iter().filter(|path| path.is_dir()).flat_map(|path| list(path)).filter(fits).collect()
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
        let fits = |pattern: &str, name: &str| {
            alternatives(pattern)
                .iter()
                .any(|p| matches(&p.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>()))
        };
        assert!(fits("*.parquet", "a.parquet") && !fits("*.parquet", "a.csv"));
        assert!(fits("a?c", "abc") && !fits("a?c", "ac"));
        assert!(fits("[a-c]1", "b1") && !fits("[a-c]1", "d1") && fits("[^a]1", "d1"));
        assert!(fits("{x,y}*", "y9") && !fits("{x,y}*", "z"));
        assert!(fits("*a*b*", "xxaxxbxx") && !fits("*a*b", "xxaxx"));
        assert_eq!(split_list("/a,/b{1,2}"), ["/a", "/b{1,2}"]);
    }

    #[test]
    fn only_local_absolute_paths_are_read() {
        assert!(local("s3://b/x").unwrap_err().message.contains("s3://"));
        assert!(local("x.csv").is_err());
        assert_eq!(local("file:///d/x").unwrap(), PathBuf::from("/d/x"));
    }
}
