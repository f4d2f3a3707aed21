//! Databases and objects.

use super::{from_json, meta};
use crate::error::{Outcome, nat};
use rockhold_core::{Error, ErrorKind, KindId, LiveObject, Namespace, ObjectName, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

/// An object of the catalog.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ObjectInfo {
    /// The number of the object; never given to another one, kept over renames. For display.
    pub id: u64,
    /// Random, 32 hex digits; an object made again under the same name has another one.
    pub uid: String,
    /// Where its name is unique.
    pub namespace: Namespace,
    /// Its kind, name, definition and state.
    pub object: LiveObject,
    /// Counts the changes of the definition, from 1.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Whether a restore has it in state RESTORE.
    pub under_restore: bool,
    /// The number of the next load; from 1.
    pub next_load: u64,
}

impl ObjectInfo {
    /// StarRocks's word for its state: `NORMAL` or `RESTORE`.
    pub fn status(&self) -> &'static str {
        if self.under_restore { "RESTORE" } else { "NORMAL" }
    }

    pub(crate) fn row_id(&self) -> i64 {
        i64::try_from(self.id).unwrap_or(0)
    }

    /// The refusal of every change while a restore runs, in StarRocks's words.
    pub(crate) fn refuse_under_restore(&self) -> Result<()> {
        if !self.under_restore {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Conflict,
            format!("a snapshot restore operation is in progress on table {}", self.object.name.name),
        ))
    }
}

pub(crate) fn namespace_word(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::Relation => "relation",
        Namespace::Function => "function",
        Namespace::Catalog => "catalog",
    }
}

fn namespace_of(word: &str) -> Result<Namespace> {
    match word {
        "relation" => Ok(Namespace::Relation),
        "function" => Ok(Namespace::Function),
        "catalog" => Ok(Namespace::Catalog),
        _ => Err(Error::corrupt(format!("the catalog names an unknown namespace '{word}'"))),
    }
}

const COLUMNS: &str = "id, uid, namespace, database, name, kind, definition, state, revision, created, \
                       restore_job IS NOT NULL, next_load";

fn read(row: &Row<'_>) -> Outcome<ObjectInfo> {
    let uid: Vec<u8> = row.get(1)?;
    let namespace: String = row.get(2)?;
    let definition: String = row.get(6)?;
    let state: String = row.get(7)?;
    Ok(ObjectInfo {
        id: nat(row.get(0)?),
        uid: hex::encode(uid),
        namespace: namespace_of(&namespace)?,
        object: LiveObject {
            kind: KindId::new(row.get::<_, String>(5)?),
            name: ObjectName::new(row.get::<_, String>(3)?, row.get::<_, String>(4)?),
            definition: from_json(&definition, "definition")?,
            state: from_json(&state, "state")?,
        },
        revision: nat(row.get(8)?),
        created: Timestamp(row.get(9)?),
        under_restore: row.get(10)?,
        next_load: nat(row.get(11)?),
    })
}

/// The object of that name.
pub(crate) fn object_at(
    connection: &Connection,
    namespace: Namespace,
    name: &ObjectName,
) -> Outcome<Option<ObjectInfo>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM objects WHERE database = ?1 AND namespace = ?2 AND name = ?3"
    ))?;
    let mut rows = statement.query(params![name.database, namespace_word(namespace), name.name])?;
    rows.next()?.map(read).transpose()
}

/// The object of that name, relations first.
pub(crate) fn object_by_name(connection: &Connection, name: &ObjectName) -> Outcome<Option<ObjectInfo>> {
    for namespace in [Namespace::Relation, Namespace::Function, Namespace::Catalog] {
        if let Some(found) = object_at(connection, namespace, name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

pub(crate) fn object_by_id(connection: &Connection, id: i64) -> Outcome<Option<ObjectInfo>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM objects WHERE id = ?1"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(read).transpose()
}

/// The object of that name, or the error that says what is missing.
pub(crate) fn require_object(
    connection: &Connection,
    namespace: Namespace,
    name: &ObjectName,
) -> Outcome<ObjectInfo> {
    if let Some(found) = object_at(connection, namespace, name)? {
        return Ok(found);
    }
    if namespace != Namespace::Catalog {
        require_database(connection, &name.database)?;
    }
    let what = match namespace {
        Namespace::Relation => "table",
        Namespace::Function => "function",
        Namespace::Catalog => "catalog",
    };
    Err(Error::not_found(format!("Unknown {what} '{name}'")).into())
}

/// The objects of a database (or those outside of all, for the empty name), sorted by name.
pub(crate) fn list_objects(connection: &Connection, database: &str) -> Outcome<Vec<ObjectInfo>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM objects WHERE database = ?1 ORDER BY name, namespace DESC"
    ))?;
    let mut rows = statement.query([database])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// The objects of one kind, sorted by database and name.
pub(crate) fn list_kind(connection: &Connection, kind: &KindId) -> Outcome<Vec<ObjectInfo>> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM objects WHERE kind = ?1 ORDER BY database, name"))?;
    let mut rows = statement.query([kind.as_str()])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// The functions of a database (or those outside of all, for the empty name)
/// whose signature begins with `name` and a parenthesis.
pub(crate) fn list_overloads(
    connection: &Connection,
    database: &str,
    name: &str,
) -> Outcome<Vec<ObjectInfo>> {
    // `)` follows `(`, so this is exactly what begins with `name(`.
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM objects WHERE database = ?1 AND namespace = 'function' \
         AND name >= ?2 || '(' AND name < ?2 || ')' ORDER BY name"
    ))?;
    let mut rows = statement.query([database, name])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

pub(crate) fn database_exists(connection: &Connection, name: &str) -> Outcome<bool> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM databases WHERE name = ?1")?
        .query_row([name], |_| Ok(()))
        .optional()?
        .is_some())
}

pub(crate) fn require_database(connection: &Connection, name: &str) -> Outcome<()> {
    if database_exists(connection, name)? {
        return Ok(());
    }
    // A catalog without its meta rows is damaged, whatever is asked for.
    let _: Vec<u8> = meta(connection, "cluster")?;
    Err(Error::not_found(format!("Unknown database '{name}'")).into())
}

/// Merges a state into an existing one: members of `incoming` replace those of
/// `existing`, except that integers never go back (H10); members that only
/// `existing` has stay.
pub(crate) fn merge_state(existing: &Value, incoming: &Value) -> Value {
    match (existing, incoming) {
        (Value::Object(old), Value::Object(new)) => {
            let mut merged: Map<String, Value> = old.clone();
            for (key, value) in new {
                let value = match merged.get(key) {
                    Some(before) => merge_state(before, value),
                    None => value.clone(),
                };
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (old, Value::Null) => old.clone(),
        (old, new) => match (old.as_i64(), new.as_i64()) {
            (Some(before), Some(after)) if before > after => old.clone(),
            _ => new.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn counters_never_go_back_when_states_are_merged() {
        let merged = merge_state(
            &json!({"auto_increment": 100, "here": 1, "deep": {"n": 5}, "word": "old"}),
            &json!({"auto_increment": 7, "deep": {"n": 6, "m": 1}, "word": "new"}),
        );
        let wanted = json!({"auto_increment": 100, "here": 1, "deep": {"n": 6, "m": 1}, "word": "new"});
        assert_eq!(merged, wanted);
        assert_eq!(merge_state(&json!({"auto_increment": 3}), &Value::Null), json!({"auto_increment": 3}));
        assert_eq!(merge_state(&Value::Null, &json!({"auto_increment": 3})), json!({"auto_increment": 3}));
    }
}
