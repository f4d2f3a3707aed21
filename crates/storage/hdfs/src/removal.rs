//! Removing staged files that nobody will publish.
//!
//! It goes on beside everything else, and may have to outlast a change of
//! NameNodes: what fails for a while is repeated, each time with a client that
//! is trusted then. That does not keep the link alive: what is left when a
//! repository is closed is found by `discard_staged`.

use crate::link::Link;
use hdfs_native::file::FileWriter;
use rockhold_core::Result;
use std::{
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a removal is repeated; NameNodes change over in less.
const PATIENCE: Duration = Duration::from_secs(120);

/// Counts the removals that have not ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Removals(watch::Sender<usize>);

/// One of them; it ends when this is dropped.
struct Removal(Removals);

impl Removals {
    fn begin(&self) -> Removal {
        self.0.send_modify(|count| *count += 1);
        Removal(self.clone())
    }

    /// Returns when none is left.
    pub(crate) async fn ended(&self) {
        let mut count = self.0.subscribe();
        // The sender lives as long as this.
        let _ = count.wait_for(|count| *count == 0).await;
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Begins to remove a staged file; `writer` is what still writes it.
pub(crate) fn begin(link: &Arc<Link>, path: String, writer: Option<FileWriter>) {
    let (counted, weak) = (link.removals.begin(), Arc::downgrade(link));
    // It sleeps most of the time, so it takes no thread of its own as calls
    // with Kerberos do.
    drop(link.handle().spawn(async move {
        let _counted = counted;
        drop(writer);
        repeat(weak, path).await;
    }));
}

async fn repeat(link: Weak<Link>, path: String) {
    let (begun, mut pause) = (Instant::now(), FIRST_PAUSE);
    while let Some(link) = link.upgrade() {
        let removed = link.run_to_end("discard", remove(Arc::clone(&link), path.clone())).await;
        // Perhaps the last one, before a long sleep.
        drop(link);
        match removed {
            Ok(()) => return,
            Err(error) if error.is_temporary() && begun.elapsed() < PATIENCE => {}
            Err(error) => {
                tracing::debug!(path, ?error, "a staged file was left behind");
                return;
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn remove(link: Arc<Link>, path: String) -> Result<()> {
    let session = link.session().await?;
    // Whether it was still there does not matter.
    session.change("discard", &path, session.client.delete(&path, false)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::tests::link;
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_removal_is_waited_for_as_long_as_it_is_repeated_and_does_not_keep_the_link() {
        let link = link();
        let (removals, weak) = (link.removals.clone(), Arc::downgrade(&link));
        removals.ended().await;
        // The connection is refused each time.
        begin(&link, "/x/.tmp-1".into(), None);
        assert!(timeout(Duration::from_secs(3), removals.ended()).await.is_err());
        drop(link);
        timeout(Duration::from_secs(30), removals.ended()).await.unwrap();
        assert!(weak.upgrade().is_none());
    }
}
