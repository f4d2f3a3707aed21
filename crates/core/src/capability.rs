//! What a store can do.

/// How a store keeps the promise of `CreateNew`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateNew {
    /// The store itself refuses a second object under one key.
    Atomic,
    /// The store ignores the condition; labels fall back to bids.
    Missing,
    /// Depends on the server or on the settings of the bucket: it is probed
    /// when a repository is created or checked.
    Probe,
}

/// What a store can do, as one value; layers pass it on or narrow it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// How `CreateNew` is kept.
    pub create_new: CreateNew,
    /// Whether `IfMatch` is kept.
    pub if_match: bool,
    /// Whether the store copies objects by itself.
    pub copy: bool,
    /// Whether `barrier` costs anything, so that callers batch before it.
    pub barrier_needed: bool,
    /// Whether a request mostly waits for the store, so that many small ones at
    /// once are faster than one for each processor.
    pub distant: bool,
    /// Whether objects carry a time of writing by the store's clock.
    pub modified: bool,
    /// The longest object that `put` takes, in bytes.
    pub max_put: u64,
    /// The shortest and the longest part, in bytes; the last part may be shorter.
    pub part_len: (u64, u64),
    /// The most parts of one object.
    pub max_parts: u32,
    /// Whether several parts of one object may be sent at once without costing
    /// more than one after the other.
    pub parallel_parts: bool,
    /// The most keys of one `delete`; a caller may give more, the adapter splits.
    pub delete_batch: usize,
}

impl Capabilities {
    /// A store that does everything atomically and without tight limits; the
    /// adapter narrows it.
    pub fn full() -> Self {
        Self {
            create_new: CreateNew::Atomic,
            if_match: true,
            copy: true,
            barrier_needed: false,
            distant: true,
            modified: true,
            max_put: 64 << 20,
            part_len: (1, 1 << 30),
            max_parts: 10_000,
            parallel_parts: true,
            delete_batch: 1000,
        }
    }
}
