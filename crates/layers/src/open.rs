//! Opens a repository with the patience that its calls have later.

use crate::{RetryPolicy, retry::Attempts};
use rockhold_core::{Error, ErrorKind, OpenRepository, OpenedRepository, RepositoryFactory, Result};
use std::time::Duration;

/// The most time one attempt to open may take: whatever an adapter waits for
/// by itself (logins, other NameNodes) is over by then.
const LIMIT: Duration = Duration::from_secs(90);

/// Somebody waits for this who may have mistyped a host name.
fn policy() -> RetryPolicy {
    RetryPolicy::default()
        .attempts(4)
        .waits(Duration::from_millis(200), Duration::from_secs(2))
        .budget(Duration::from_secs(20))
}

/// Opens the store that `request` names: an attempt is given up after 90 s, and
/// one that failed temporarily is repeated up to three times within 20 s. So
/// one that took longer than that, by our limit or by the adapter's own, is the
/// last: silence is waited for once.
///
/// This bounds the opening alone. An adapter that asks the store nothing there
/// meets its silence with the first call, and that call has the patience of the
/// layers around it ([`RetryPolicy`], three minutes by default).
///
/// # Errors
/// Those of [`RepositoryFactory::open`], and `TimedOut`.
pub async fn open(factory: &dyn RepositoryFactory, request: &OpenRepository) -> Result<OpenedRepository> {
    let mut attempts = Attempts::new(&policy());
    loop {
        let opened = tokio::time::timeout(LIMIT, factory.open(request.clone())).await;
        let error = match opened {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(error)) => error,
            Err(_) => Error::new(ErrorKind::TimedOut, format!("no answer within {LIMIT:?}"))
                .during("open")
                .at(&request.location)
                .temporary(None),
        };
        attempts.after(error).await?;
    }
}
