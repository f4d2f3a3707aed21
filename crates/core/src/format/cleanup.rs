//! Removing what an aborted job had written.

use super::{data_prefix, meta_prefix};
use crate::{JobId, ListRequest, Repository, Result};

/// Jobs whose files nobody else can name: proof that this party set their
/// abort mark. Only [`Claim::abort`](super::Claim::abort) and
/// [`LabelStore::abandon`](super::LabelStore::abandon) make it.
#[derive(Debug)]
#[must_use = "the files of the jobs stay until they are removed"]
pub struct Abandoned {
    jobs: Vec<JobId>,
}

impl Abandoned {
    pub(super) fn new(jobs: Vec<JobId>) -> Self {
        Self { jobs }
    }

    /// The jobs; none when the files were left for the next claim.
    pub fn jobs(&self) -> &[JobId] {
        &self.jobs
    }

    /// Removes the data files, pages and unfinished writes of the jobs; gives
    /// how many objects. To be called when the job itself writes no more. What
    /// is left after an error is found by a second call, or by garbage collection.
    ///
    /// # Errors
    /// Whatever `list`, `delete` and `discard_staged` give.
    pub async fn remove_files(&self, repository: &dyn Repository) -> Result<u64> {
        let mut removed = 0;
        for job in &self.jobs {
            for prefix in [data_prefix(*job)?, meta_prefix(*job)?] {
                removed += repository.discard_staged(&prefix).await?;
                let mut request = ListRequest::below(prefix);
                loop {
                    let page = repository.list(request.clone()).await?;
                    let keys: Vec<_> = page.objects.into_iter().map(|object| object.key).collect();
                    for keys in keys.chunks(repository.capabilities().delete_batch.max(1)) {
                        for result in repository.delete(keys.to_vec()).await? {
                            result?;
                            removed += 1;
                        }
                    }
                    match page.next {
                        Some(token) => request.token = Some(token),
                        None => break,
                    }
                }
            }
        }
        Ok(removed)
    }
}
