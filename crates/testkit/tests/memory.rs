//! The in-memory repository keeps the contract, as it is and behind pages of two.

use rockhold_core::MemoryRepository;
use rockhold_testkit::{repository::Subject, repository_conformance};
use std::sync::Arc;

mod plain {
    use super::*;

    async fn fresh() -> Subject {
        Subject::new(Arc::new(MemoryRepository::new()))
    }

    repository_conformance!(fresh());
}

mod small_pages {
    use super::*;

    async fn fresh() -> Subject {
        Subject::new(Arc::new(MemoryRepository::new().page_limit(2)))
    }

    repository_conformance!(fresh());
}
