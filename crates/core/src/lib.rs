//! Vocabulary and contracts of Rockhold.
//!
//! Everything here is plain data and traits: no storage vendor, no SQL, no
//! runtime. Adapters implement the traits, the engine calls them, and both
//! depend on this crate alone.
//!
//! | contract | who implements it |
//! |---|---|
//! | [`Repository`] | a storage vendor (`rockhold-storage-*`), a layer, a plugin |
//! | [`CatalogCodec`] | an object type (`rockhold-object-*`): what it is as data |
//! | [`SnapshotWriter`] | an object type: its rows, from a pinned object to manifest entries and back |
//! | [`RepositoryFactory`] | a storage vendor: from location and properties to a repository |
//! | [`Warehouse`] | where the objects live: pins, stages, commits |
//! | [`StateStore`] | what an engine must remember: repositories, jobs, known files |
//!
//! [`format`](mod@format) is the repository format: layout, manifest tree, labels.

mod capability;
mod clock;
mod codec;
mod digest;
mod error;
mod factory;
pub mod format;
mod id;
mod key;
mod kind;
mod memory;
mod object;
mod partition_writer;
mod repository;
mod rows;
mod secret;
mod slip;
mod snapshot;
mod state;
mod warehouse;

pub use capability::{Capabilities, CreateNew};
pub use clock::{Clock, SharedClock, SystemClock, Timestamp};
pub use codec::{CatalogCodec, Comparison, Group, MergeCheck, Renames, RestoreOptions};
pub use digest::{Digest, Hasher};
pub use error::{Effect, Error, ErrorKind, Result, Retry};
pub use factory::{OpenRepository, OpenedRepository, RepositoryFactory};
pub use id::{ClusterId, JobId, RepositoryId, VersionId};
pub use key::{Key, STAGED_PREFIX};
pub use kind::{KindDescriptor, KindId, KindRegistry, Namespace};
pub use memory::MemoryRepository;
pub use object::{Document, LiveObject, ObjectName, ObjectRef, is_system_database};
pub use partition_writer::PartitionWriter;
pub use repository::{
    CreateRequest, GetRequest, ListPage, ListRequest, ObjectMeta, ObjectReader, ObjectWriter, PutRequest,
    Repository, RepositoryInfo, SharedRepository, WriteMode, list_all, read_object,
};
pub use rows::{JsonShape, Outcome, ResultColumn, Row, Rows};
pub use secret::{Secret, is_secret_property, without_credentials};
pub use slip::is_slip;
pub use snapshot::{PartitionSource, RestoreSink, SnapshotSink, SnapshotWriter};
pub use state::{JobKind, JobRecord, RepositoryRecord, SharedState, StateStore};
pub use warehouse::{
    Admitted, Cut, DataPart, FileReceiver, Guarantee, Guarantees, JobOutcome, ObjectSummary, PinRequest,
    PinnedFile, PinnedPartition, ReceivedFile, RestoreAction, RestorePlan, RestoreTarget, SharedWarehouse,
    StagedFile, Warehouse,
};
