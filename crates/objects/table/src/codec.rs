//! A table as a document.

use crate::merge;
use rockhold_core::{
    CatalogCodec, Comparison, Document, Error, Group, KindDescriptor, KindId, LiveObject, MergeCheck,
    ObjectName, ObjectRef, Renames, RestoreOptions, Result,
};
use rockhold_model::{Distribution, Partition, TableDefinition};
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
    // Generated columns and partition expressions see only the table's own columns.
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

/// The definition in a live object.
pub(crate) fn definition_of(object: &LiveObject) -> Result<TableDefinition> {
    serde_json::from_value(object.definition.clone())
        .map_err(|e| Error::invalid(format!("this is not the definition of a table: {e}")).at(&object.name))
}

/// The definition in a document.
fn definition_in(name: &ObjectName, document: &Document) -> Result<TableDefinition> {
    if document.kind != KindId::TABLE {
        return Err(
            Error::corrupt(format!("a document of kind {} stands for a table", document.kind)).at(name)
        );
    }
    if document.format == 0 || document.format > FORMAT {
        return Err(Error::unsupported(format!(
            "the document has format {}, this version reads up to {FORMAT}; use a newer version",
            document.format
        ))
        .at(name));
    }
    serde_json::from_value(document.body.clone())
        .map_err(|e| Error::corrupt(format!("the definition of the table cannot be read: {e}")).at(name))
}

/// A partition out of a partition entry.
pub(crate) fn partition_of(value: &Value) -> Result<Partition> {
    serde_json::from_value(value.clone())
        .map_err(|e| Error::corrupt(format!("the definition of a partition cannot be read: {e}")))
}

/// The SQL that makes the table again, one statement behind the other.
fn sql_text(definition: &TableDefinition, partitions: &[Partition]) -> String {
    let mut text = rockhold_sql::create_table_statements(definition, partitions).join(";\n");
    text.push(';');
    text
}

fn body_of(definition: &TableDefinition) -> Result<Value> {
    serde_json::to_value(definition)
        .map_err(|e| Error::internal("the definition of a table cannot be written as JSON").because(e))
}

impl CatalogCodec for TableCodec {
    fn descriptor(&self) -> &KindDescriptor {
        &self.descriptor
    }

    fn encode(&self, object: &LiveObject) -> Result<Document> {
        let definition = definition_of(object)?;
        Ok(Document {
            format: FORMAT,
            kind: KindId::TABLE,
            body: body_of(&definition)?,
            state: object.state.clone(),
            sql: sql_text(&definition, &[]),
        })
    }

    fn decode(&self, name: &ObjectName, document: &Document) -> Result<LiveObject> {
        let mut definition = definition_in(name, document)?;
        definition.name.clone_from(&name.name);
        Ok(LiveObject {
            kind: KindId::TABLE,
            name: name.clone(),
            definition: body_of(&definition)?,
            state: document.state.clone(),
        })
    }

    fn references(&self, name: &ObjectName, document: &Document) -> Result<Vec<ObjectRef>> {
        // See `descriptor`.
        definition_in(name, document).map(|_| Vec::new())
    }

    fn group(&self, object: &LiveObject) -> Result<Option<Group>> {
        let definition = definition_of(object)?;
        let Some(name) = definition.properties.get(COLOCATE_WITH).filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let scheme = match &definition.distribution {
            Distribution::Hash { columns } => {
                let type_of = |name: &String| {
                    let column = definition.columns.iter().find(|c| c.name.eq_ignore_ascii_case(name));
                    column.map_or_else(|| name.clone(), |column| column.data_type.to_string())
                };
                let types: Vec<String> = columns.iter().map(type_of).collect();
                format!("hash of ({})", types.join(", "))
            }
            Distribution::Random => "random".into(),
        };
        let buckets = definition.buckets.map_or_else(|| "automatic".into(), |n| n.to_string());
        let scheme = format!("{scheme}, {buckets} buckets");
        Ok(Some(Group { name: name.clone(), scheme }))
    }

    fn leave_group(&self, object: LiveObject) -> Result<LiveObject> {
        let mut definition = definition_of(&object)?;
        definition.properties.shift_remove(COLOCATE_WITH);
        Ok(LiveObject { definition: body_of(&definition)?, ..object })
    }

    fn rename(&self, name: &ObjectName, document: &Document, renames: &Renames) -> Result<Document> {
        let mut definition = definition_in(name, document)?;
        definition.name = renames.apply(name).name;
        Ok(Document { body: body_of(&definition)?, sql: sql_text(&definition, &[]), ..document.clone() })
    }

    fn compare(&self, existing: &Document, incoming: &Document) -> Result<Comparison> {
        let name = ObjectName::new("", "");
        let (here, there) = (definition_in(&name, existing)?, definition_in(&name, incoming)?);
        Ok(match rockhold_model::first_difference(&here, &there) {
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
        let mut definition = definition_of(&object)?;
        let replicas = options.replication_num.unwrap_or(DEFAULT_REPLICATION_NUM);
        definition.properties.insert("replication_num".into(), replicas.to_string());
        definition.properties.sort_keys();
        Ok(LiveObject { definition: body_of(&definition)?, ..object })
    }

    fn merge_check(
        &self,
        existing: &LiveObject,
        existing_partitions: Vec<Value>,
        incoming: &LiveObject,
        options: &RestoreOptions,
    ) -> Result<Box<dyn MergeCheck>> {
        let check = merge::TableMerge::new(
            definition_of(existing)?,
            existing_partitions.iter().map(partition_of).collect::<Result<_>>()?,
            definition_of(incoming)?,
            options.replication_num,
        )?;
        Ok(Box::new(check))
    }
}
