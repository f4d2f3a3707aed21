//! The tables of catalog.sqlite.

use crate::error::Outcome;
use rusqlite::Connection;

/// `PRAGMA application_id`: "Rkhd".
pub(crate) const APPLICATION_ID: i32 = 0x526b_6864;

/// `PRAGMA user_version`.
pub(crate) const FORMAT: i32 = 2;

/// The owner of files whose row says only that they are to be unlinked.
pub(crate) const GARBAGE: [u8; 16] = [0; 16];

const TABLES: &str = "
-- cluster, time_zone; counters: sequence (changes of data), next_id (objects,
-- data), next_number (repositories and jobs, for display)
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE databases (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL
) STRICT;

-- restore_job: the restore that has the object in state RESTORE.
-- revision: counts changes of the definition.
CREATE TABLE objects (
    id INTEGER PRIMARY KEY,
    uid BLOB NOT NULL,
    namespace TEXT NOT NULL,
    database TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    definition TEXT NOT NULL,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    created INTEGER NOT NULL,
    next_load INTEGER NOT NULL,
    restore_job BLOB,
    UNIQUE (database, namespace, name)
) STRICT;
CREATE INDEX objects_restore ON objects (restore_job) WHERE restore_job IS NOT NULL;

-- One row per version of a partition. Visible to a pin at sequence s when
-- added <= s and (removed IS NULL or removed > s). added IS NULL: staged by job.
-- object outlives its row in objects while pins need it.
-- origin: the version in a snapshot whose rows a restore brought; NULL once
-- the rows have changed.
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    object INTEGER NOT NULL,
    data INTEGER NOT NULL,
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    temporary INTEGER NOT NULL,
    definition TEXT NOT NULL,
    position INTEGER NOT NULL,
    version_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    visible_time INTEGER NOT NULL,
    files INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    next_file INTEGER NOT NULL,
    added INTEGER,
    removed INTEGER,
    job BLOB,
    origin BLOB
) STRICT;
CREATE UNIQUE INDEX partitions_current ON partitions (object, temporary, name_key)
    WHERE added IS NOT NULL AND removed IS NULL;
CREATE UNIQUE INDEX partitions_staged ON partitions (job, object, temporary, name_key)
    WHERE job IS NOT NULL;
CREATE INDEX partitions_by_name ON partitions (object, name);
CREATE INDEX partitions_removed ON partitions (removed) WHERE removed IS NOT NULL;
CREATE INDEX partitions_data ON partitions (data);

-- owner: NULL for a file that belongs to the warehouse; else the load or
-- restore that wrote it, or GARBAGE. A file with an owner may be missing on disk.
CREATE TABLE files (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    len INTEGER NOT NULL,
    created INTEGER NOT NULL,
    owner BLOB
) STRICT;
CREATE INDEX files_digest ON files (digest);
CREATE INDEX files_owner ON files (owner) WHERE owner IS NOT NULL;

-- rollup: the rollup whose rows the file holds; NULL for the table's own rows.
CREATE TABLE partition_files (
    data INTEGER NOT NULL,
    number INTEGER NOT NULL,
    file INTEGER NOT NULL REFERENCES files (id),
    rollup TEXT,
    bucket INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    first_load INTEGER,
    last_load INTEGER,
    added INTEGER NOT NULL,
    removed INTEGER,
    PRIMARY KEY (data, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX partition_files_file ON partition_files (file);
CREATE INDEX partition_files_removed ON partition_files (removed) WHERE removed IS NOT NULL;

-- Files that a restore found here and may still stage.
CREATE TABLE holds (
    job BLOB NOT NULL,
    file INTEGER NOT NULL REFERENCES files (id),
    PRIMARY KEY (job, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX holds_file ON holds (file);

-- Work of the reclaimer: data without partitions; files that may have lost
-- their last reference.
CREATE TABLE dead_data (data INTEGER PRIMARY KEY) STRICT;
CREATE TABLE suspects (file INTEGER PRIMARY KEY) STRICT;

-- Opened stores that hold pins.
CREATE TABLE owners (
    id BLOB PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE pins (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner BLOB NOT NULL REFERENCES owners (id) ON DELETE CASCADE,
    job BLOB,
    sequence INTEGER NOT NULL
) STRICT;
CREATE INDEX pins_owner ON pins (owner);
CREATE INDEX pins_job ON pins (job) WHERE job IS NOT NULL;
CREATE TABLE pin_objects (
    object INTEGER NOT NULL,
    pin INTEGER NOT NULL REFERENCES pins (id) ON DELETE CASCADE,
    PRIMARY KEY (object, pin)
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_objects_pin ON pin_objects (pin);

-- settled: nothing of the job is left in files.owner, holds and staging.
CREATE TABLE restores (
    job BLOB PRIMARY KEY,
    phase TEXT NOT NULL CHECK (phase IN ('open', 'committed', 'rolled_back')),
    settled INTEGER NOT NULL,
    plan TEXT NOT NULL,
    database TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX restores_unsettled ON restores (settled) WHERE settled = 0;
CREATE TABLE restore_targets (
    job BLOB NOT NULL,
    target INTEGER NOT NULL,
    object INTEGER NOT NULL,
    action TEXT NOT NULL,
    namespace TEXT NOT NULL,
    database TEXT NOT NULL,
    name TEXT NOT NULL,
    last_load INTEGER NOT NULL,
    PRIMARY KEY (job, target),
    UNIQUE (database, namespace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE load_labels (
    database TEXT NOT NULL,
    label TEXT NOT NULL,
    committed INTEGER NOT NULL,
    PRIMARY KEY (database, label)
) STRICT, WITHOUT ROWID;
CREATE INDEX load_labels_committed ON load_labels (committed);

CREATE TABLE repositories (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    location TEXT NOT NULL,
    broker TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    created INTEGER NOT NULL,
    id BLOB NOT NULL,
    properties TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- sealed: nonce and AES-256-GCM; see secret.rs.
CREATE TABLE secrets (
    repository TEXT NOT NULL REFERENCES repositories (name) ON DELETE CASCADE,
    property TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (repository, property)
) STRICT, WITHOUT ROWID;
CREATE TABLE jobs (
    database TEXT PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    repository TEXT NOT NULL,
    label TEXT NOT NULL,
    finished INTEGER NOT NULL,
    cancel INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Jobs that may hold a claim in a repository.
CREATE TABLE claims (job BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
";

/// The cache of what is stored. digest_start: the first eight bytes of the
/// digest as a number, since every file that is uploaded writes to a random page
/// of the index, and one of whole digests and job ids is five times as long.
const KNOWN_FILES: &str = "
CREATE TABLE upload_jobs (
    id INTEGER PRIMARY KEY,
    repository BLOB NOT NULL,
    job BLOB NOT NULL,
    UNIQUE (repository, job)
) STRICT;
CREATE TABLE known_files (
    id INTEGER PRIMARY KEY,
    upload INTEGER NOT NULL REFERENCES upload_jobs (id) ON DELETE CASCADE,
    digest_start INTEGER NOT NULL,
    entry TEXT NOT NULL
) STRICT;
CREATE INDEX known_files_digest ON known_files (upload, digest_start);
";

/// From format 1, which kept the cache in one table by whole digests.
const UPGRADE_1: &str = "DROP TABLE known_files;";

/// Makes the tables of an empty catalog.
pub(crate) fn create(connection: &Connection) -> Outcome<()> {
    connection.execute_batch(TABLES)?;
    connection.execute_batch(KNOWN_FILES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    Ok(())
}

/// The format of a catalog.
pub(crate) fn format(connection: &Connection) -> Outcome<i32> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Brings a catalog of an earlier format to this one. Only the writer does, so
/// that readers of the version before go on until it comes.
pub(crate) fn upgrade(connection: &Connection) -> Outcome<()> {
    if format(connection)? < FORMAT {
        connection.execute_batch(UPGRADE_1)?;
        connection.execute_batch(KNOWN_FILES)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
    }
    Ok(())
}
