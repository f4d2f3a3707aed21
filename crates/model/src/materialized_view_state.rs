//! What changes about a materialized view without changing its definition.

use serde::{Deserialize, Serialize};

use crate::{KeyModel, MaterializedViewDefinition, TableDefinition};

/// The state of an asynchronous materialized view.
///
/// A warehouse that merges states member by member must be able to replace what
/// is here as a whole and to take back what was said. So every member is always
/// written, nothing is null, and what may be absent is a list without items.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaterializedViewState {
    /// Why it is not refreshed, as somebody decided: ALTER … INACTIVE, or a base
    /// that was swapped or redefined. Empty when nobody did. Whether its bases
    /// exist and its query fits them is not written here but looked up.
    pub inactive_reason: String,
    /// What became of bases that are gone.
    pub notes: Vec<BaseNote>,
    /// From which rows each of its partitions was computed. A partition that is
    /// not listed has to be computed.
    pub refreshed: Vec<RefreshedPartition>,
    /// The last refresh; at most one.
    pub last_refresh: Vec<LastRefresh>,
}

/// What became of a base that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseNote {
    /// Database of the base.
    pub database: String,
    /// Its name.
    pub name: String,
    /// The reason to show: `base-table renamed: t`.
    pub reason: String,
}

/// From which rows a partition was computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshedPartition {
    /// The partition's name.
    pub name: String,
    /// Its bases, and the logical views through which it reads them.
    pub bases: Vec<RefreshedBase>,
}

/// The rows of one base table or materialized view; for a logical view what it
/// says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshedBase {
    /// Database of the base.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Name and version id (32 hex digits) of each partition that had rows. For
    /// a logical view one item: no name, and a digest of its definition.
    pub partitions: Vec<(String, String)>,
}

/// How a refresh went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastRefresh {
    /// Id of the run, a UUID: what REFRESH MATERIALIZED VIEW returns.
    pub id: String,
    /// When it began, in milliseconds since 1970 UTC.
    pub started: i64,
    /// When it ended, in milliseconds since 1970 UTC.
    pub finished: i64,
    /// `SUCCESS`, `FAILED` or `SKIPPED`.
    pub state: String,
    /// FORCE was said.
    pub force: bool,
    /// Bounds of PARTITION START … END …, empty when none were given.
    pub start_partition: String,
    /// See `start_partition`.
    pub end_partition: String,
    /// Partitions of the bases that were read for the partitions computed.
    pub base_partitions: Vec<(String, Vec<String>)>,
    /// Partitions that were computed.
    pub partitions: Vec<String>,
    /// Error number, 0 for none.
    pub error_code: u16,
    /// Error text, empty for none.
    pub error_message: String,
}

impl MaterializedViewState {
    /// Gives bases new names; `rename` gets database and name and answers with
    /// both, or with `None` to leave them.
    pub fn rename_bases(&mut self, rename: impl Fn(&str, &str) -> Option<(String, String)>) {
        let bases = self.refreshed.iter_mut().flat_map(|partition| &mut partition.bases);
        let names = bases.map(|base| (&mut base.database, &mut base.name));
        let noted = self.notes.iter_mut().map(|note| (&mut note.database, &mut note.name));
        for (database, name) in names.chain(noted) {
            if let Some((new_database, new_name)) = rename(database, name) {
                *database = new_database;
                *name = new_name;
            }
        }
    }

    /// Gives the partition of an unpartitioned view the view's new name.
    pub fn rename_partition(&mut self, from: &str, to: &str) {
        for partition in self.refreshed.iter_mut().filter(|partition| partition.name == from) {
            to.clone_into(&mut partition.name);
        }
    }
}

impl MaterializedViewDefinition {
    /// The table that holds the result: every row counts, sorted by ORDER BY
    /// or by the columns marked as key.
    pub fn as_table(&self) -> TableDefinition {
        let key = |column: &&crate::Column| column.key;
        TableDefinition {
            name: self.name.clone(),
            engine: "OLAP".to_owned(),
            columns: self.columns.clone(),
            key_model: KeyModel::Duplicate,
            key_columns: self.columns.iter().filter(key).map(|column| column.name.clone()).collect(),
            comment: self.comment.clone(),
            partitioning: self.partitioning.clone(),
            distribution: self.distribution.clone(),
            buckets: self.buckets,
            sort_key: self.sort_key.clone(),
            indexes: self.indexes.clone(),
            rollups: Vec::new(),
            properties: self.properties.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> MaterializedViewState {
        let base = |name: &str| RefreshedBase {
            database: "d".into(),
            name: name.into(),
            partitions: vec![("p1".into(), "00".into())],
        };
        MaterializedViewState {
            notes: vec![BaseNote { database: "d".into(), name: "t".into(), reason: "gone".into() }],
            refreshed: vec![RefreshedPartition { name: "m".into(), bases: vec![base("t"), base("u")] }],
            last_refresh: vec![LastRefresh { state: "SUCCESS".into(), ..LastRefresh::default() }],
            ..MaterializedViewState::default()
        }
    }

    #[test]
    fn every_member_is_written_so_that_a_merge_replaces_it() {
        let written = serde_json::to_value(MaterializedViewState::default()).unwrap();
        let members: Vec<&String> = written.as_object().unwrap().keys().collect();
        assert_eq!(members, ["inactive_reason", "notes", "refreshed", "last_refresh"]);
        assert!(written.as_object().unwrap().values().all(|value| !value.is_null()));
        let read: MaterializedViewState = serde_json::from_value(serde_json::json!({})).unwrap();
        assert_eq!(read, MaterializedViewState::default());
    }

    #[test]
    fn names_follow_renames_there_and_back() {
        let swap = |from: &'static str, to: &'static str| {
            move |database: &str, name: &str| {
                (database == "d" && name == from).then(|| ("e".to_owned(), to.to_owned()))
            }
        };
        let mut changed = state();
        changed.rename_bases(swap("t", "t2"));
        changed.rename_partition("m", "n");
        let partition = &changed.refreshed[0];
        assert_eq!((partition.name.as_str(), partition.bases[0].database.as_str()), ("n", "e"));
        assert_eq!((partition.bases[0].name.as_str(), partition.bases[1].name.as_str()), ("t2", "u"));
        assert_eq!(changed.notes[0].name, "t2");
        changed.rename_bases(|_, name| (name == "t2").then(|| ("d".to_owned(), "t".to_owned())));
        changed.rename_partition("n", "m");
        assert_eq!(changed, state());
    }
}
