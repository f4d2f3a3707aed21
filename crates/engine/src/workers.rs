//! A pool of workers that move files.

use crate::EngineConfig;
use rockhold_core::{Error, Result};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many files may share a worker where the store is near: enough that the
/// processors do not wait for the next thread to be woken.
const NEAR: u32 = 4;

/// Workers that move one file each, or several that hold little in memory:
/// what such a file costs is waiting for the store. A worker's buffer is cut
/// into shares, of which a file takes as many as it fills.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    shares: Arc<Semaphore>,
    shares_each: u32,
    share_len: u64,
    /// How many files of one object may be under way or wait for an earlier one.
    pub(crate) max_in_flight: usize,
}

impl Workers {
    /// So many workers, of the buffer and the small files that `config` says.
    pub(crate) fn new(count: usize, config: &EngineConfig) -> Self {
        let small_files = config.small_files_per_worker.clamp(1, 1024);
        let share_len = (config.upload_buffer_size / small_files).max(1) as u64;
        Self {
            shares: Arc::new(Semaphore::new(
                count.max(1).saturating_mul(small_files).min(Semaphore::MAX_PERMITS),
            )),
            shares_each: u32::try_from(small_files).unwrap_or(u32::MAX),
            share_len,
            max_in_flight: count.max(1).saturating_mul(config.window.max(small_files)),
        }
    }

    /// Waits until a file that holds so many bytes in memory may be moved.
    pub(crate) async fn for_file(&self, memory: u64, distant: bool) -> Result<OwnedSemaphorePermit> {
        let shares = u32::try_from(memory.div_ceil(self.share_len)).unwrap_or(u32::MAX);
        let least = if distant { 1 } else { self.shares_each.div_ceil(NEAR) };
        let wanted = shares.clamp(least, self.shares_each);
        let permit = self.shares.clone().acquire_many_owned(wanted).await;
        permit.map_err(|e| Error::internal("a pool of workers is closed").because(e))
    }

    /// A whole worker, if one is free.
    pub(crate) fn idle(&self) -> Option<OwnedSemaphorePermit> {
        self.shares.clone().try_acquire_many_owned(self.shares_each).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_files_share_a_worker_and_large_ones_take_it_whole() {
        let config =
            EngineConfig { upload_buffer_size: 100, small_files_per_worker: 4, ..Default::default() };
        let workers = Workers::new(2, &config);
        let large = workers.for_file(1_000_000, true).await.unwrap();
        assert_eq!(workers.shares.available_permits(), 4);
        let small = [workers.for_file(25, true).await.unwrap(), workers.for_file(0, true).await.unwrap()];
        let middle = workers.for_file(26, true).await.unwrap();
        assert_eq!(workers.shares.available_permits(), 0);
        assert!(workers.idle().is_none());
        drop((small, middle));
        assert!(workers.idle().is_some());
        drop(large);
        assert_eq!(workers.shares.available_permits(), 8);
        let _near = workers.for_file(1, false).await.unwrap();
        assert_eq!(workers.shares.available_permits(), 7);
        let config = EngineConfig { small_files_per_worker: 16, ..config };
        let workers = Workers::new(1, &config);
        let _near = workers.for_file(1, false).await.unwrap();
        assert_eq!(workers.shares.available_permits(), 12);
    }
}
