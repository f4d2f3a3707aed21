//! Finding out what a store really does, leaving nothing behind.

use super::{AccessMode, probe_key};
use crate::{
    CreateNew, Error, ErrorKind, JobId, Key, ListRequest, PutRequest, Repository, Result, WriteMode,
    list_all, read_object,
};
use bytes::Bytes;
use futures::future::join_all;

/// Whether the store keeps `CreateNew`: asks where the store says
/// [`CreateNew::Probe`], else believes it.
///
/// # Errors
/// As [`probe_create_new`].
pub async fn keeps_create_new(repository: &dyn Repository) -> Result<bool> {
    match repository.capabilities().create_new {
        CreateNew::Atomic => Ok(true),
        CreateNew::Missing => Ok(false),
        CreateNew::Probe => probe_create_new(repository).await,
    }
}

/// Tries whether the store refuses a second object under one key, one after
/// the other and at once. Removes what it wrote.
///
/// # Errors
/// Whatever `put` and `delete` give.
pub async fn probe_create_new(repository: &dyn Repository) -> Result<bool> {
    let one = probe_key(&JobId::random()?.to_string())?;
    let many = probe_key(&JobId::random()?.to_string())?;
    let kept = try_create_new(repository, &one, &many).await;
    let cleaned = clean(repository, vec![one, many]).await;
    let kept = kept?;
    cleaned?;
    Ok(kept)
}

async fn try_create_new(repository: &dyn Repository, one: &Key, many: &Key) -> Result<bool> {
    let put =
        |key: &Key, n: u8| repository.put(PutRequest::new(key.clone(), Bytes::from(vec![b'0' + n, b'\n'])));
    put(one, 0).await?;
    if created(put(one, 1).await)? {
        return Ok(false);
    }
    if read_object(repository, one, 2).await? != "0\n" {
        return Ok(false);
    }
    let mut winners = 0;
    for result in join_all((0..4).map(|n| put(many, n))).await {
        winners += u32::from(created(result)?);
    }
    Ok(winners == 1)
}

fn created<T>(result: Result<T>) -> Result<bool> {
    match result {
        Ok(_) => Ok(true),
        // A party that lost a race at once may be told to come again.
        Err(e)
            if matches!(
                e.kind(),
                ErrorKind::AlreadyExists | ErrorKind::PreconditionFailed | ErrorKind::Conflict
            ) =>
        {
            Ok(false)
        }
        Err(e) => Err(e),
    }
}

/// Whether everything that a repository needs is allowed: list and read, and
/// with [`AccessMode::ReadWrite`] write, overwrite and delete. Removes what it wrote.
///
/// # Errors
/// The first thing that is refused, with what it is needed for.
pub async fn probe_access(repository: &dyn Repository, mode: AccessMode) -> Result<()> {
    let prefix = probe_key("x")?;
    let prefix = Key::new(prefix.segments().next().unwrap_or("probe"))?;
    let needed = |what: &'static str| move |e: Error| e.with("needed for", what);
    if mode == AccessMode::ReadOnly {
        let list = repository.list(ListRequest::default().children_only().limit(1)).await;
        return list.map(|_| ()).map_err(needed("listing snapshots"));
    }
    let key = probe_key(&JobId::random()?.to_string())?;
    let tried = try_access(repository, &prefix, &key).await;
    let cleaned = clean(repository, vec![key]).await;
    tried?;
    cleaned.map_err(needed("removing files of cancelled backups"))
}

async fn try_access(repository: &dyn Repository, prefix: &Key, key: &Key) -> Result<()> {
    let needed = |what: &'static str| move |e: Error| e.with("needed for", what);
    let put = |text: &'static str, mode| {
        repository.put(PutRequest::new(key.clone(), Bytes::from_static(text.as_bytes())).mode(mode).durable())
    };
    put("1\n", WriteMode::CreateNew).await.map_err(needed("BACKUP"))?;
    put("2\n", WriteMode::Overwrite).await.map_err(needed("the heartbeat of BACKUP"))?;
    let read = read_object(repository, key, 2).await.map_err(needed("RESTORE"))?;
    if read != "2\n" {
        return Err(Error::corrupt("the store does not give back what was written").at(key));
    }
    let page = list_all(repository, ListRequest::below(prefix.clone()))
        .await
        .map_err(needed("listing snapshots"))?;
    if !page.objects.iter().any(|object| object.key == *key) {
        return Err(Error::corrupt("the store does not list what was written").at(key));
    }
    Ok(())
}

async fn clean(repository: &dyn Repository, keys: Vec<Key>) -> Result<()> {
    for result in repository.delete(keys).await? {
        result?;
    }
    Ok(())
}
