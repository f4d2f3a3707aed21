//! The catalog: what its rows mean as Rust values.

mod objects;
mod partitions;
pub(crate) mod schema;

pub use objects::ObjectInfo;
pub(crate) use objects::{
    database_exists, list_kind, list_objects, list_overloads, merge_state, namespace_word, object_at,
    object_by_id, object_by_name, require_database, require_object,
};
pub use partitions::PartitionInfo;
pub(crate) use partitions::{
    NewPartition, close_partition, current_partition, current_partitions, fold, insert_partition,
    partition_columns, read_partition, renew_versions,
};

use crate::error::Outcome;
use rockhold_core::{Error, Result};
use rusqlite::{Connection, OptionalExtension, params, types::FromSql};
use serde::{Serialize, de::DeserializeOwned};

/// A value of `meta`.
pub(crate) fn meta<T: FromSql>(connection: &Connection, key: &str) -> Outcome<T> {
    let value = connection
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    value.ok_or_else(|| Error::corrupt(format!("the catalog has no '{key}'")).into())
}

/// Counts `key` of `meta` up by `by` and gives the first of the new numbers.
pub(crate) fn take(connection: &Connection, key: &str, by: i64) -> Outcome<i64> {
    let last: i64 = connection
        .prepare_cached("UPDATE meta SET value = value + ?2 WHERE key = ?1 RETURNING value")?
        .query_row(params![key, by], |row| row.get(0))?;
    Ok(last - by + 1)
}

/// The sequence of the change of data that this transaction makes.
pub(crate) fn next_sequence(connection: &Connection) -> Outcome<i64> {
    take(connection, "sequence", 1)
}

/// An identity for an object or for the data of a partition; never given twice.
pub(crate) fn next_id(connection: &Connection) -> Outcome<i64> {
    take(connection, "next_id", 1)
}

pub(crate) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::internal("a value cannot be written as JSON").because(e))
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str, what: &'static str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| {
        Error::corrupt(format!("the catalog holds a damaged {what}; restore the warehouse from a backup"))
            .because(e)
    })
}
