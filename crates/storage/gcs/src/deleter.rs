//! Deleting objects, and what unfinished writers left.

use crate::{
    backend::Shared,
    error::within,
    lister::{self, Page},
    location::staged_by,
};
use futures::{StreamExt, stream};
use reqwest::Method;
use rockhold_core::{Error, ErrorKind, Key, Result};
use std::{collections::HashSet, fmt, pin::pin, time::Duration};

/// Deletes objects, several at once.
pub(crate) async fn delete(shared: &Shared, keys: Vec<Key>) -> Vec<Result<()>> {
    let parallel = shared.config.parallel.max(1);
    let each = stream::iter(keys).map(|key| async move {
        let name = shared.location.name(&key).map_err(|e| e.during("delete"))?;
        remove(shared, "delete", &key, &name).await.map(drop)
    });
    each.buffered(parallel).collect().await
}

/// Deletes one object; gives whether it was there.
pub(crate) async fn remove<T>(shared: &Shared, operation: &'static str, at: &T, name: &str) -> Result<bool>
where
    T: fmt::Display + fmt::Debug + Sync,
{
    let mut asked = shared.asked(operation, at, "storage.objects.delete");
    asked.changes = true;
    let request = shared.client.object(Method::DELETE, &shared.location, name, "");
    match shared.client.ask(&asked, shared.client.call, request).await? {
        Ok(_) => Ok(true),
        Err(answer) if answer.status == 404 && !answer.lacks_bucket() => Ok(false),
        Err(answer) => Err(asked.refused(&answer)),
    }
}

/// Deletes staged objects by their names, within `limit` for all of them.
pub(crate) async fn remove_staged(
    shared: &Shared,
    operation: &'static str,
    key: &Key,
    names: Vec<String>,
    limit: Duration,
) -> Result<()> {
    let mut asked = shared.asked(operation, key, "storage.objects.delete");
    asked.changes = true;
    within(limit, &asked, remove_each(shared, operation, key, names)).await
}

/// The first error, after trying all; but one that got no answer ends it, since
/// with many names the others would wait as long one after the other.
async fn remove_each(shared: &Shared, operation: &'static str, key: &Key, names: Vec<String>) -> Result<()> {
    let parallel = shared.config.parallel.max(1);
    let each = stream::iter(names).map(|name| async move { remove(shared, operation, key, &name).await });
    let mut each = pin!(each.buffer_unordered(parallel));
    let mut removed = Ok(());
    while let Some(result) = each.next().await {
        match result {
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(error),
            Err(error) => removed = removed.and(Err(error)),
            Ok(_) => {}
        }
    }
    removed
}

/// Removes what is staged below a prefix; gives how many writers left it.
pub(crate) async fn discard_staged(shared: &Shared, prefix: &Key) -> Result<u64> {
    walk_staged(shared, "discard staged", prefix, true).await
}

/// How many writers have something staged below a prefix.
pub(crate) async fn count_staged(shared: &Shared, prefix: &Key) -> Result<u64> {
    walk_staged(shared, "count staged", prefix, false).await
}

async fn walk_staged(shared: &Shared, operation: &'static str, prefix: &Key, remove: bool) -> Result<u64> {
    let below = shared.location.staging_below(prefix);
    let mut writers = HashSet::new();
    let mut token: Option<String> = None;
    loop {
        let page = Page { prefix: below.clone(), token: token.as_deref(), limit: 1000, children: false };
        let page = lister::names(shared, operation, &prefix.to_string(), page).await?;
        let mut names = Vec::new();
        for item in page.items {
            if let Some(writer) = staged_by(&item.name, &below) {
                if !writers.contains(writer) {
                    writers.insert(writer.to_owned());
                }
                names.push(item.name);
            }
        }
        if remove {
            remove_staged(shared, operation, prefix, names, shared.client.transfer).await?;
        }
        match page.next_page_token {
            // A service that gives the same page for ever would keep us here for ever.
            Some(next) if token.as_ref() == Some(&next) => {
                let error = Error::internal("the service gives the same page again");
                return Err(error.during(operation).at(prefix));
            }
            Some(next) => token = Some(next),
            None => return Ok(writers.len() as u64),
        }
    }
}
