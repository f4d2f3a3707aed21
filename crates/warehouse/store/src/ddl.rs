//! Changes of the catalog.

use crate::catalog::{
    NewPartition, ObjectInfo, close_partition, current_partition, current_partitions, database_exists,
    insert_partition, merge_state, namespace_word, next_id, next_sequence, object_at, renew_versions,
    require_database, require_object, to_json,
};
use crate::core::Core;
use crate::error::Outcome;
use rockhold_core::{Error, ErrorKind, JobId, KindId, Namespace, ObjectName};
use rockhold_model::Partition;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

/// An object to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewObject {
    /// Where its name is unique.
    pub namespace: Namespace,
    /// Its kind.
    pub kind: KindId,
    /// Its name; the database is empty for catalogs and global functions.
    pub name: ObjectName,
    /// Its definition, serialised.
    pub definition: Value,
    /// Its state; `Null` where the kind has none.
    pub state: Value,
    /// Its partitions, empty of rows, in order.
    pub partitions: Vec<Partition>,
}

/// One change of the catalog. Names of partitions are found in any case.
///
/// Every change of a table in state RESTORE is refused with `Conflict`: "a
/// snapshot restore operation is in progress on table t". What is missing is
/// `NotFound`, a name that is taken `AlreadyExists`. The caller has checked
/// that definitions make sense.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Makes a database.
    CreateDatabase {
        /// Its name.
        name: String,
    },
    /// Drops a database with everything in it.
    DropDatabase {
        /// Its name.
        name: String,
    },
    /// Renames a database.
    RenameDatabase {
        /// Its name.
        name: String,
        /// Its new name.
        to: String,
    },
    /// Makes an object.
    CreateObject(NewObject),
    /// Drops an object with its rows.
    DropObject {
        /// Where the name is unique.
        namespace: Namespace,
        /// The name.
        name: ObjectName,
    },
    /// Renames an object; its rows and its number stay.
    RenameObject {
        /// Where the name is unique.
        namespace: Namespace,
        /// The name.
        name: ObjectName,
        /// The new name, in the same database.
        to: ObjectName,
        /// The definition under the new name.
        definition: Value,
    },
    /// Replaces the definition of an object.
    SetDefinition {
        /// Where the name is unique.
        namespace: Namespace,
        /// The name.
        name: ObjectName,
        /// The new definition.
        definition: Value,
        /// The files stay, but mean other rows (a column was added): every
        /// partition gets a new version.
        rows_change: bool,
    },
    /// Merges into the state of an object: members replace those of the same
    /// name, except that integers never go back.
    MergeState {
        /// Where the name is unique.
        namespace: Namespace,
        /// The name.
        name: ObjectName,
        /// The members to merge.
        state: Value,
    },
    /// Adds empty partitions to a relation.
    AddPartitions {
        /// The relation.
        table: ObjectName,
        /// The partitions.
        partitions: Vec<Partition>,
    },
    /// Replaces the definition of a partition: properties, name. Its rows and version stay.
    SetPartition {
        /// The relation.
        table: ObjectName,
        /// The partition.
        name: String,
        /// Whether a temporary partition is meant.
        temporary: bool,
        /// Its new definition.
        definition: Partition,
    },
    /// Drops partitions with their rows.
    DropPartitions {
        /// The relation.
        table: ObjectName,
        /// The partitions.
        names: Vec<String>,
        /// Whether temporary partitions are meant.
        temporary: bool,
    },
    /// Removes all rows; version numbers begin again at 1, version ids are new.
    TruncatePartitions {
        /// The relation.
        table: ObjectName,
        /// The partitions; `None` for all but temporary ones.
        names: Option<Vec<String>>,
    },
    /// Puts temporary partitions in the place of others.
    ReplacePartitions {
        /// The relation.
        table: ObjectName,
        /// The partitions that go.
        old: Vec<String>,
        /// The temporary partitions, as they will be: name found in any case
        /// among the temporary ones (first), definition afterwards (second).
        new: Vec<(String, Partition)>,
    },
}

/// Applies all changes inside one transaction.
pub(crate) fn apply(core: &Core, connection: &Connection, changes: &[Change]) -> Outcome<()> {
    changes.iter().try_for_each(|change| one(core, connection, change))
}

fn one(core: &Core, connection: &Connection, change: &Change) -> Outcome<()> {
    match change {
        Change::CreateDatabase { name } => create_database(core, connection, name),
        Change::DropDatabase { name } => drop_database(connection, name),
        Change::RenameDatabase { name, to } => rename_database(connection, name, to),
        Change::CreateObject(new) => create_object(core, connection, new).map(|_| ()),
        Change::DropObject { namespace, name } => {
            let object = for_change(connection, *namespace, name)?;
            drop_object(connection, &object)
        }
        Change::RenameObject { namespace, name, to, definition } => {
            rename_object(connection, *namespace, name, to, definition)
        }
        Change::SetDefinition { namespace, name, definition, rows_change } => {
            let object = for_change(connection, *namespace, name)?;
            set_definition(connection, &object, definition)?;
            if *rows_change {
                renew_versions(connection, object.row_id(), next_sequence(connection)?, core.now())?;
            }
            Ok(())
        }
        Change::MergeState { namespace, name, state } => {
            let object = for_change(connection, *namespace, name)?;
            set_state(connection, &object, state)
        }
        Change::AddPartitions { table, partitions } => {
            let object = for_change(connection, Namespace::Relation, table)?;
            add_partitions(core, connection, object.row_id(), partitions)
        }
        Change::SetPartition { table, name, temporary, definition } => {
            set_partition(connection, table, (*temporary, name), definition)
        }
        Change::DropPartitions { table, names, temporary } => {
            let object = for_change(connection, Namespace::Relation, table)?;
            let sequence = next_sequence(connection)?;
            for name in names {
                let old = require_partition(connection, &object, *temporary, name)?;
                close_partition(connection, old.row, sequence)?;
            }
            Ok(())
        }
        Change::TruncatePartitions { table, names } => truncate(core, connection, table, names.as_deref()),
        Change::ReplacePartitions { table, old, new } => replace_partitions(connection, table, old, new),
    }
}

/// The object, unless a restore has it.
fn for_change(connection: &Connection, namespace: Namespace, name: &ObjectName) -> Outcome<ObjectInfo> {
    let object = require_object(connection, namespace, name)?;
    object.refuse_under_restore()?;
    Ok(object)
}

pub(crate) fn create_database(core: &Core, connection: &Connection, name: &str) -> Outcome<()> {
    if name.is_empty() {
        return Err(Error::invalid("a database needs a name").into());
    }
    if database_exists(connection, name)? {
        return Err(exists(format!("Can't create database '{name}'; database exists")).into());
    }
    connection.execute(
        "INSERT INTO databases (id, name, created) VALUES (?1, ?2, ?3)",
        params![next_id(connection)?, name, core.now().0],
    )?;
    Ok(())
}

fn exists(text: String) -> Error {
    Error::new(ErrorKind::AlreadyExists, text)
}

/// Refuses while an open restore has targets in the database.
fn refuse_restore_into(connection: &Connection, database: &str) -> Outcome<()> {
    let open = connection
        .query_row("SELECT 1 FROM restore_targets WHERE database = ?1 LIMIT 1", [database], |_| Ok(()))
        .optional()?;
    match open {
        None => Ok(()),
        Some(()) => Err(Error::new(
            ErrorKind::Conflict,
            format!("a snapshot restore operation is in progress on database {database}"),
        )
        .into()),
    }
}

fn drop_database(connection: &Connection, name: &str) -> Outcome<()> {
    require_database(connection, name)?;
    refuse_restore_into(connection, name)?;
    connection.execute(
        "UPDATE partitions SET removed = ?2 WHERE removed IS NULL AND added IS NOT NULL \
         AND object IN (SELECT id FROM objects WHERE database = ?1)",
        params![name, next_sequence(connection)?],
    )?;
    connection.execute("DELETE FROM objects WHERE database = ?1", [name])?;
    connection.execute("DELETE FROM load_labels WHERE database = ?1", [name])?;
    connection.execute("DELETE FROM databases WHERE name = ?1", [name])?;
    Ok(())
}

fn rename_database(connection: &Connection, name: &str, to: &str) -> Outcome<()> {
    require_database(connection, name)?;
    refuse_restore_into(connection, name)?;
    if to.is_empty() {
        return Err(Error::invalid("a database needs a name").into());
    }
    if database_exists(connection, to)? {
        return Err(exists(format!("Database name[{to}] is already used")).into());
    }
    for table in ["objects", "load_labels"] {
        connection
            .execute(&format!("UPDATE {table} SET database = ?2 WHERE database = ?1"), params![name, to])?;
    }
    connection.execute("UPDATE databases SET name = ?2 WHERE name = ?1", params![name, to])?;
    Ok(())
}

/// Refuses a name that an object has, or that an open restore will make.
fn refuse_taken(connection: &Connection, namespace: Namespace, name: &ObjectName) -> Outcome<()> {
    if object_at(connection, namespace, name)?.is_some() {
        let what = match namespace {
            Namespace::Relation => "Table",
            Namespace::Function => "Function",
            Namespace::Catalog => "Catalog",
        };
        return Err(exists(format!("{what} '{}' already exists", name.name)).into());
    }
    let staged = connection
        .prepare_cached("SELECT 1 FROM restore_targets WHERE database = ?1 AND namespace = ?2 AND name = ?3")?
        .query_row(params![name.database, namespace_word(namespace), name.name], |_| Ok(()))
        .optional()?;
    match staged {
        None => Ok(()),
        Some(()) => Err(exists(format!(
            "a restore is making '{}'; wait for it, or cancel it with CANCEL RESTORE",
            name.name
        ))
        .into()),
    }
}

pub(crate) fn create_object(core: &Core, connection: &Connection, new: &NewObject) -> Outcome<i64> {
    if new.namespace == Namespace::Catalog {
        if !new.name.database.is_empty() {
            return Err(Error::invalid("a catalog lies in no database").at(&new.name).into());
        }
    } else if new.namespace != Namespace::Function || !new.name.database.is_empty() {
        // Functions outside of all databases are global.
        require_database(connection, &new.name.database)?;
    }
    refuse_taken(connection, new.namespace, &new.name)?;
    let id = next_id(connection)?;
    insert_object(core, connection, id, new)?;
    add_partitions(core, connection, id, &new.partitions)?;
    Ok(id)
}

/// The row of an object alone.
pub(crate) fn insert_object(core: &Core, connection: &Connection, id: i64, new: &NewObject) -> Outcome<()> {
    connection.execute(
        "INSERT INTO objects (id, uid, namespace, database, name, kind, definition, state, revision, created, \
         next_load) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?9, 1)",
        params![
            id,
            JobId::random()?.as_bytes(),
            namespace_word(new.namespace),
            new.name.database,
            new.name.name,
            new.kind.as_str(),
            to_json(&new.definition)?,
            to_json(&new.state)?,
            core.now().0,
        ],
    )?;
    Ok(())
}

fn drop_object(connection: &Connection, object: &ObjectInfo) -> Outcome<()> {
    connection.execute(
        "UPDATE partitions SET removed = ?2 WHERE object = ?1 AND removed IS NULL AND added IS NOT NULL",
        params![object.row_id(), next_sequence(connection)?],
    )?;
    connection.execute("DELETE FROM objects WHERE id = ?1", [object.row_id()])?;
    Ok(())
}

fn rename_object(
    connection: &Connection,
    namespace: Namespace,
    name: &ObjectName,
    to: &ObjectName,
    definition: &Value,
) -> Outcome<()> {
    let object = for_change(connection, namespace, name)?;
    if to.database != name.database {
        return Err(Error::invalid("an object cannot be renamed into another database").at(to).into());
    }
    refuse_taken(connection, namespace, to)?;
    connection.execute("UPDATE objects SET name = ?2 WHERE id = ?1", params![object.row_id(), to.name])?;
    set_definition(connection, &object, definition)
}

pub(crate) fn set_definition(
    connection: &Connection,
    object: &ObjectInfo,
    definition: &Value,
) -> Outcome<()> {
    connection.execute(
        "UPDATE objects SET definition = ?2, revision = revision + 1 WHERE id = ?1",
        params![object.row_id(), to_json(definition)?],
    )?;
    Ok(())
}

/// Merges `state` into that of the object (H10).
pub(crate) fn set_state(connection: &Connection, object: &ObjectInfo, state: &Value) -> Outcome<()> {
    // Read again: an earlier change of this transaction may have merged too.
    let now: String =
        connection.query_row("SELECT state FROM objects WHERE id = ?1", [object.row_id()], |r| r.get(0))?;
    let merged = merge_state(&crate::catalog::from_json(&now, "state")?, state);
    connection.execute(
        "UPDATE objects SET state = ?2 WHERE id = ?1",
        params![object.row_id(), to_json(&merged)?],
    )?;
    Ok(())
}

fn add_partitions(core: &Core, connection: &Connection, object: i64, new: &[Partition]) -> Outcome<()> {
    if new.is_empty() {
        return Ok(());
    }
    let sequence = next_sequence(connection)?;
    for definition in new {
        let row = NewPartition::empty(object, definition, sequence, core.now())?;
        insert_partition(connection, &row)?;
    }
    Ok(())
}

pub(crate) fn require_partition(
    connection: &Connection,
    object: &ObjectInfo,
    temporary: bool,
    name: &str,
) -> Outcome<crate::PartitionInfo> {
    current_partition(connection, object.row_id(), temporary, name)?.ok_or_else(|| {
        let word = if temporary { "temporary partition" } else { "partition" };
        Error::not_found(format!("Unknown {word} '{name}' in table '{}'", object.object.name.name)).into()
    })
}

fn set_partition(
    connection: &Connection,
    table: &ObjectName,
    (temporary, name): (bool, &str),
    definition: &Partition,
) -> Outcome<()> {
    let object = for_change(connection, Namespace::Relation, table)?;
    let old = require_partition(connection, &object, temporary, name)?;
    let sequence = next_sequence(connection)?;
    close_partition(connection, old.row, sequence)?;
    insert_partition(connection, &NewPartition::same_rows(object.row_id(), definition, &old, sequence))?;
    Ok(())
}

fn truncate(
    core: &Core,
    connection: &Connection,
    table: &ObjectName,
    names: Option<&[String]>,
) -> Outcome<()> {
    let object = for_change(connection, Namespace::Relation, table)?;
    let olds = match names {
        Some(names) => names
            .iter()
            .map(|name| require_partition(connection, &object, false, name))
            .collect::<Outcome<Vec<_>>>()?,
        None => current_partitions(connection, object.row_id())?,
    };
    let sequence = next_sequence(connection)?;
    for old in olds.iter().filter(|p| !p.definition.temporary) {
        if !close_partition(connection, old.row, sequence)? {
            continue;
        }
        let mut new = NewPartition::empty(object.row_id(), &old.definition, sequence, core.now())?;
        new.position = Some(old.position);
        insert_partition(connection, &new)?;
    }
    Ok(())
}

fn replace_partitions(
    connection: &Connection,
    table: &ObjectName,
    old: &[String],
    new: &[(String, Partition)],
) -> Outcome<()> {
    let object = for_change(connection, Namespace::Relation, table)?;
    let sequence = next_sequence(connection)?;
    for name in old {
        let gone = require_partition(connection, &object, false, name)?;
        close_partition(connection, gone.row, sequence)?;
    }
    for (name, definition) in new {
        let from = require_partition(connection, &object, true, name)?;
        close_partition(connection, from.row, sequence)?;
        insert_partition(connection, &NewPartition::same_rows(object.row_id(), definition, &from, sequence))?;
    }
    Ok(())
}
