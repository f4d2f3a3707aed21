//! Removing what an aborted job had written.

use super::{AbortMark, data_prefix, meta_prefix};
use crate::{JobId, ListRequest, Repository, Result};

/// A claim that was given up, and the jobs whose files nobody will ever name:
/// the abort mark leaves them to no later claim. Only
/// [`Claim::abort`](super::Claim::abort) and
/// [`LabelStore::abandon`](super::LabelStore::abandon) make it, when the mark
/// is in the store.
#[derive(Debug)]
#[must_use = "the files of the jobs stay until they are removed"]
pub struct Abandoned {
    mark: AbortMark,
    jobs: Vec<JobId>,
}

impl Abandoned {
    /// `owned` are the jobs whose files belonged to the claim.
    pub(super) fn new(mark: AbortMark, owned: Vec<JobId>) -> Self {
        let jobs = if mark.leaves.is_empty() { owned } else { Vec::new() };
        Self { mark, jobs }
    }

    /// The mark, which another party may have set.
    pub fn mark(&self) -> &AbortMark {
        &self.mark
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
