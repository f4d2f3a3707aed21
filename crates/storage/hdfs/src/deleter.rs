//! Deleting objects, and what unfinished writers left.

use crate::{
    link::{Link, Session},
    lister,
    staged::path,
};
use futures::StreamExt;
use rockhold_core::{Error, ErrorKind, Key, Result, STAGED_PREFIX};
use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

/// How many deletions are on their way at once.
const AT_ONCE: usize = 16;

/// Deletes objects, then the directories that are empty now: a store of
/// objects has no directories of its own.
pub(crate) async fn delete(link: Arc<Link>, keys: Vec<Key>) -> Result<Vec<Result<()>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let session = link.session().await?;
    // The same key twice is one deletion and two answers.
    let results: Vec<Result<bool>> = futures::stream::iter(keys.clone())
        .map(|key| {
            let (session, path) = (session.clone(), path(&link, &key));
            async move { remove(&session, &path, "delete", &key).await }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let removed = keys.iter().zip(&results).filter(|(_, result)| matches!(result, Ok(true)));
    let emptied: BTreeSet<&str> = removed.filter_map(|(key, _)| parent(key.as_str())).collect();
    prune(&session, emptied).await;
    Ok(results.into_iter().map(|result| result.map(drop)).collect())
}

/// Whether something was there. A directory with entries is no object, and
/// stays; an empty one is no loss.
async fn remove(session: &Session, path: &str, operation: &'static str, key: &Key) -> Result<bool> {
    let removed = session.client.delete(path, false);
    let removed = async {
        match removed.await {
            Err(hdfs_native::HdfsError::RPCError(class, _))
                if class.ends_with("PathIsNotEmptyDirectoryException") =>
            {
                Ok(false)
            }
            other => other,
        }
    };
    match session.change(operation, key, removed).await {
        // A part of the path is an object: nothing lies below it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => Ok(false),
        other => other,
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(parent, _)| parent)
}

/// Removes directories that are empty, and those above that become so, up to
/// the root. A failure leaves an empty directory, which is never listed.
async fn prune(session: &Session, emptied: BTreeSet<&str>) {
    let mut kept: HashSet<&str> = HashSet::new();
    // The longer path first, so that a directory comes behind those below it.
    for path in emptied.into_iter().rev() {
        let mut next = Some(path);
        while let Some(path) = next.filter(|path| !kept.contains(path)) {
            kept.insert(path);
            let full = format!("{}/{path}", session.link.target.root);
            let Ok(key) = Key::new(path) else { break };
            match remove(session, &full, "delete", &key).await {
                Ok(true) => next = parent(path),
                Ok(false) | Err(_) => break,
            }
        }
    }
}

/// Removes what unfinished writers left; gives how many they were.
pub(crate) async fn discard_staged(link: Arc<Link>, prefix: Key) -> Result<u64> {
    const OPERATION: &str = "discard staged";
    let paths = lister::staged(&link, &prefix, OPERATION).await?;
    let session = link.session().await?;
    let removed: Vec<Result<bool>> = futures::stream::iter(paths.clone())
        .map(|path| {
            let session = session.clone();
            async move { session.change(OPERATION, &path, session.client.delete(&path, false)).await }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut writers = HashSet::new();
    let mut directories = BTreeSet::new();
    let mut failed = None;
    for (path, removed) in paths.iter().zip(removed) {
        match removed {
            Ok(true) => {
                writers.insert(writer(path));
                let below = path.strip_prefix(&link.target.root).unwrap_or(path).trim_start_matches('/');
                directories.extend(parent(below));
            }
            Ok(false) => {}
            Err(error) => failed = Some::<Error>(error),
        }
    }
    prune(&session, directories).await;
    match failed {
        Some(error) => Err(error),
        None => Ok(writers.len() as u64),
    }
}

/// Counts the unfinished writers below a prefix.
pub(crate) async fn count_staged(link: Arc<Link>, prefix: Key) -> Result<u64> {
    let paths = lister::staged(&link, &prefix, "count staged").await?;
    let writers: HashSet<&str> = paths.iter().map(|path| writer(path)).collect();
    Ok(writers.len() as u64)
}

/// Directory and number of the writer of a staged file: it may have several.
fn writer(path: &str) -> &str {
    match path.rfind(STAGED_PREFIX) {
        Some(at) => {
            let number = &path[at + STAGED_PREFIX.len()..];
            &path[..at + STAGED_PREFIX.len() + number.find('-').unwrap_or(number.len())]
        }
        None => path,
    }
}
