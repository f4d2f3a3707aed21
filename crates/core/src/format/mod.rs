//! The repository format: what lies in a bucket, and how it is read back.
//!
//! `docs/repository-format.md` is the specification; this module implements
//! it. Everything read from a repository is hostile input: lengths, counts
//! and depths are bounded before anything is allocated, digests are checked
//! before anything is decoded.
//!
//! | to | use |
//! |---|---|
//! | make or open a repository | [`initialise`], [`open`], [`probe_access`], [`keeps_create_new`] |
//! | list, read, drop snapshots | [`LabelStore`] |
//! | write a snapshot | [`LabelStore::claim`], [`Claim`], [`PageWriter`], [`PartitionPlanner`], [`EntryWriter`] |
//! | read a snapshot | [`LabelStore::read_snapshot`], [`EntryReader`], [`read_document`] |

mod check;
mod claim;
mod cleanup;
mod entry;
mod exclusive;
mod fingerprint;
mod heartbeat;
mod label;
mod layout;
mod outcome;
mod page;
mod plan;
mod probe;
mod put;
mod root;
mod sealed;
mod tree_read;
mod tree_write;

pub use check::CHUNK_LEN;
pub use claim::{Claim, ClaimDocument, ClaimRequest, Ending, MAX_ADOPTS};
pub use cleanup::Abandoned;
pub use entry::{
    Children, DocumentRef, FileEntry, ObjectEntry, PageRef, PartitionEntry, Totals, VersionsDigest,
};
pub use exclusive::{Pause, SharedPause};
pub use fingerprint::Fingerprint;
pub use heartbeat::{DEAD_AFTER, Heartbeat, HeartbeatDocument, Liveness, RENEW};
pub use label::{LabelStore, Snapshot, SnapshotListing, SnapshotState, SnapshotSummary};
pub use layout::{
    LabelKeys, data_key, data_prefix, label_prefix, labels_prefix, meta_prefix, page_key, probe_key,
    readme_key, repository_key, root_name,
};
pub use outcome::{
    AbortMark, BaseRef, DroppedDocument, OutcomeDocument, OutcomeResult, SnapshotDocument, SnapshotKind,
};
pub use page::{
    PAGE_MAX_ENTRIES, PAGE_MAX_PLAIN, PAGE_MAX_STORED, PAGE_TARGET, PageEntry, PageWriter, decode_page,
    read_page,
};
pub use plan::{PartitionPlanner, PlanStep};
pub use probe::{keeps_create_new, probe_access, probe_create_new};
pub use root::{AccessMode, RepositoryDocument, RepositoryRoot, initialise, open};
pub use sealed::{Extensions, FORMAT, Sealed, SealedDocument, create_sealed, read_sealed, seal, unseal};
pub use tree_read::{EntryReader, read_document};
pub use tree_write::{
    EntryWriter, FileWriter, ObjectEntryWriter, PartitionWriter, write_document, write_object,
};

use exclusive::Exclusive;
use page::PageDraft;
use put::put_once;
use sealed::read_bounded;
