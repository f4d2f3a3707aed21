//! A table as a document.

use crate::{merge, rollup};
use rockhold_core::{
    CatalogCodec, Comparison, Document, Error, Group, KindDescriptor, KindId, LiveObject, MergeCheck,
    ObjectName, ObjectRef, Renames, RestoreOptions, Result,
};
use rockhold_model::{Column, Distribution, Partition, Properties, TableDefinition};
use rockhold_sql::analyze::names::is_own_column;
use serde::Deserialize;
use serde_json::Value;

/// The version of the document's body that this code writes.
const FORMAT: u32 = 1;

/// StarRocks's default number of replicas, for tables that RESTORE makes.
const DEFAULT_REPLICATION_NUM: u32 = 3;

/// The property that names a table's colocate group.
const COLOCATE_WITH: &str = "colocate_with";

/// How parser and engine know tables.
pub fn descriptor() -> KindDescriptor {
    let mut descriptor = KindDescriptor::new(KindId::TABLE, "TABLE", "TABLES");
    // Generated columns and partition expressions see only the table's own
    // columns, synchronous materialized views only the table.
    descriptor.refers = false;
    descriptor
}

/// The codec of tables. The body of a document is the serialised
/// [`TableDefinition`]; the partitions travel as partition entries.
#[derive(Debug)]
pub struct TableCodec {
    descriptor: KindDescriptor,
}

impl Default for TableCodec {
    fn default() -> Self {
        Self { descriptor: descriptor() }
    }
}

/// The definition in a document.
fn definition_in(name: &ObjectName, document: &Document) -> Result<TableDefinition> {
    document.read(name, &KindId::TABLE, FORMAT)
}

/// A partition out of a partition entry.
pub(crate) fn partition_of(value: &Value) -> Result<Partition> {
    Partition::deserialize(value)
        .map_err(|e| Error::corrupt(format!("the definition of a partition cannot be read: {e}")))
}

/// The SQL that makes the table again, one statement behind the other.
fn sql_text(definition: &TableDefinition, partitions: &[Partition]) -> String {
    let mut text = rockhold_sql::create_table_statements(definition, partitions).join(";\n");
    text.push(';');
    text
}

fn document_of(definition: &TableDefinition, state: Value) -> Result<Document> {
    Document::write(FORMAT, KindId::TABLE, definition, state, sql_text(definition, &[]))
}

/// Refuses columns that the files of an object with rows could not tell from
/// those that the warehouse adds to them: their rows would be read wrongly.
///
/// # Errors
/// `Unsupported`, naming the first such column.
pub fn refuse_own_columns<'c>(
    name: &ObjectName,
    columns: impl IntoIterator<Item = &'c Column>,
) -> Result<()> {
    match columns.into_iter().find(|column| is_own_column(&column.name)) {
        None => Ok(()),
        Some(column) => Err(Error::unsupported(format!(
            "the column '{}' cannot be restored: names that begin with __rh_ are kept for the warehouse's own \
             columns; give it another name where the snapshot was made and back it up again",
            column.name
        ))
        .at(name)),
    }
}

/// What RESTORE does to the properties of an object with rows: the number of
/// replicas is the one asked for, else StarRocks's default.
pub fn prepare_properties(properties: &mut Properties, options: &RestoreOptions) {
    let replicas = options.replication_num.unwrap_or(DEFAULT_REPLICATION_NUM);
    properties.insert("replication_num".into(), replicas.to_string());
    properties.sort_keys();
}

/// The colocate group of a table.
pub fn colocate_group(definition: &TableDefinition) -> Option<Group> {
    let name = definition.properties.get(COLOCATE_WITH).filter(|name| !name.is_empty())?;
    let scheme = match &definition.distribution {
        Distribution::Hash { columns } => {
            let type_of = |name: &String| {
                definition.column(name).map_or_else(|| name.clone(), |column| column.data_type.to_string())
            };
            let types: Vec<String> = columns.iter().map(type_of).collect();
            format!("hash of ({})", types.join(", "))
        }
        Distribution::Random => "random".into(),
    };
    let buckets = definition.buckets.map_or_else(|| "automatic".into(), |n| n.to_string());
    Some(Group { name: name.clone(), scheme: format!("{scheme}, {buckets} buckets") })
}

/// Takes an object with rows out of its colocate group.
pub fn leave_colocate_group(properties: &mut Properties) {
    properties.shift_remove(COLOCATE_WITH);
}

/// The rule by which partitions of one table meet those of another: see
/// [`CatalogCodec::merge_check`].
///
/// # Errors
/// `Corrupt` when a partition is none or does not fit its table.
pub fn merge_check(
    existing: TableDefinition,
    existing_partitions: &[Value],
    incoming: TableDefinition,
    options: &RestoreOptions,
) -> Result<Box<dyn MergeCheck>> {
    let partitions = existing_partitions.iter().map(partition_of).collect::<Result<_>>()?;
    let check = merge::TableMerge::new(existing, partitions, incoming, options.replication_num)?;
    Ok(Box::new(check))
}

impl CatalogCodec for TableCodec {
    fn descriptor(&self) -> &KindDescriptor {
        &self.descriptor
    }

    fn encode(&self, object: &LiveObject) -> Result<Document> {
        document_of(&object.read()?, object.state.clone())
    }

    fn decode(&self, name: &ObjectName, document: &Document) -> Result<LiveObject> {
        let mut definition = definition_in(name, document)?;
        let of_rollups = definition.rollups.iter().flat_map(|rollup| &rollup.stored);
        refuse_own_columns(name, definition.columns.iter().chain(of_rollups))?;
        definition.name.clone_from(&name.name);
        let object = LiveObject {
            kind: KindId::TABLE,
            name: name.clone(),
            definition: Value::Null,
            state: document.state.clone(),
        };
        object.with_definition(&definition)
    }

    fn references(&self, name: &ObjectName, document: &Document) -> Result<Vec<ObjectRef>> {
        // See `descriptor`.
        definition_in(name, document).map(|_| Vec::new())
    }

    fn group(&self, object: &LiveObject) -> Result<Option<Group>> {
        Ok(colocate_group(&object.read()?))
    }

    fn leave_group(&self, object: LiveObject) -> Result<LiveObject> {
        let mut definition: TableDefinition = object.read()?;
        leave_colocate_group(&mut definition.properties);
        object.with_definition(&definition)
    }

    fn rename(&self, name: &ObjectName, document: &Document, renames: &Renames) -> Result<Document> {
        let mut definition = definition_in(name, document)?;
        let new = renames.apply(name);
        rockhold_sql::rename_base_of_rollups(&mut definition.rollups, name, &new)?;
        definition.name = new.name;
        document_of(&definition, document.state.clone())
    }

    fn compare(&self, existing: &Document, incoming: &Document) -> Result<Comparison> {
        let name = ObjectName::new("", "");
        let (here, there) = (definition_in(&name, existing)?, definition_in(&name, incoming)?);
        let difference = rockhold_model::first_difference(&here, &there)
            .or_else(|| rollup::first_difference(&here.rollups, &there.rollups));
        Ok(match difference {
            None => Comparison::Same,
            Some(difference) => Comparison::Different(difference),
        })
    }

    fn statements(&self, name: &ObjectName, document: &Document) -> Result<Vec<String>> {
        let mut definition = definition_in(name, document)?;
        definition.name.clone_from(&name.name);
        Ok(rockhold_sql::create_table_statements(&definition, &[]))
    }

    fn sql_with_partitions(
        &self,
        name: &ObjectName,
        document: &Document,
        partitions: &[Value],
    ) -> Result<String> {
        let definition = definition_in(name, document)?;
        let partitions = partitions.iter().map(partition_of).collect::<Result<Vec<_>>>()?;
        Ok(sql_text(&definition, &partitions))
    }

    fn hidden_partitions(&self, document: &Document) -> Result<Vec<String>> {
        let automatic = definition_in(&ObjectName::new("", ""), document)?.partitioning.is_automatic();
        Ok(if automatic { vec!["$shadow_automatic_partition".into()] } else { Vec::new() })
    }

    fn prepare(&self, object: LiveObject, options: &RestoreOptions) -> Result<LiveObject> {
        let mut definition: TableDefinition = object.read()?;
        prepare_properties(&mut definition.properties, options);
        object.with_definition(&definition)
    }

    fn merge_check(
        &self,
        existing: &LiveObject,
        existing_partitions: Vec<Value>,
        incoming: &LiveObject,
        options: &RestoreOptions,
    ) -> Result<Box<dyn MergeCheck>> {
        merge_check(existing.read()?, &existing_partitions, incoming.read()?, options)
    }
}
