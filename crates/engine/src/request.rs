//! BACKUP and RESTORE as data, apart from their syntax.

use rockhold_core::KindId;

/// One item of an ON list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The kind its words name; `None` for the untyped legacy form.
    pub kind: Option<KindId>,
    /// What of that kind.
    pub what: What,
}

/// What an item of an ON list names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Everything of the kind.
    All,
    /// One object.
    One {
        /// Its name.
        name: String,
        /// The partitions named; `None` for all.
        partitions: Option<PartitionNames>,
        /// Its new name.
        alias: Option<String>,
    },
}

/// A PARTITION clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionNames {
    /// Whether temporary partitions were asked for.
    pub temporary: bool,
    /// The names.
    pub names: Vec<String>,
}

/// A BACKUP statement whose names and properties were checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupRequest {
    /// The label.
    pub label: String,
    /// The repository.
    pub repository: String,
    /// What is backed up.
    pub scope: BackupScope,
    /// The time limit in seconds; `None` for the default.
    pub timeout: Option<u64>,
    /// `"type" = "incremental"`: as in StarRocks a full backup for a label
    /// that is free, and refused with an error of its own for one that is not.
    pub incremental: bool,
    /// Whether files that earlier snapshots hold are named instead of stored
    /// again. `false` makes a snapshot that depends on none of them, for a store
    /// that has lost files.
    pub reuse: bool,
}

/// What a BACKUP takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupScope {
    /// Of a database: all of it, or the items of ON.
    Database {
        /// The database.
        name: String,
        /// The items; `None` for the whole database.
        items: Option<Vec<Selection>>,
    },
    /// External catalogs: all, or these.
    Catalogs(Option<Vec<String>>),
}

/// A RESTORE statement whose names and properties were checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The label.
    pub label: String,
    /// The repository.
    pub repository: String,
    /// What is restored.
    pub scope: RestoreScope,
    /// The literal timestamp of the snapshot.
    pub timestamp: String,
    /// `replication_num`; `None` when it was not given.
    pub replication_num: Option<u32>,
    /// `allow_load`.
    pub allow_load: bool,
    /// The time limit in seconds; `None` for the default.
    pub timeout: Option<u64>,
}

/// What a RESTORE takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreScope {
    /// Of a database.
    Database {
        /// The name that must be recorded in the snapshot, where DATABASE was given.
        source: Option<String>,
        /// The target; `None` for the recorded name.
        target: Option<String>,
        /// The items; `None` for everything in the snapshot.
        items: Option<Vec<Selection>>,
    },
    /// External catalogs: all, or these with their new names.
    Catalogs(Option<Vec<(String, Option<String>)>>),
}
