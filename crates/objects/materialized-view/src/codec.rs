//! A materialized view as a document.

use rockhold_core::{
    CatalogCodec, Comparison, Document, Error, Group, KindDescriptor, KindId, LiveObject, MergeCheck,
    ObjectName, ObjectRef, Renames, RestoreOptions, Result,
};
use rockhold_model::{MaterializedViewDefinition, MaterializedViewState, Partitioning, RefreshScheme};
use rockhold_sql::{create_materialized_view_statements, follow_renames, query_difference, query_references};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the document's body that this code writes.
const FORMAT: u32 = 1;

/// How parser and engine know materialized views.
pub fn descriptor() -> KindDescriptor {
    let mut descriptor =
        KindDescriptor::new(KindId::MATERIALIZED_VIEW, "MATERIALIZED VIEW", "MATERIALIZED VIEWS");
    descriptor.partition_list = false;
    descriptor.restore_class = 3;
    descriptor
}

/// The codec of asynchronous materialized views. The body of a document is the
/// serialised [`MaterializedViewDefinition`], the state a
/// [`MaterializedViewState`] or null; the partitions travel as partition entries.
#[derive(Debug)]
pub struct MaterializedViewCodec {
    descriptor: KindDescriptor,
}

impl Default for MaterializedViewCodec {
    fn default() -> Self {
        Self { descriptor: descriptor() }
    }
}

fn definition_in(name: &ObjectName, document: &Document) -> Result<MaterializedViewDefinition> {
    document.read(name, &KindId::MATERIALIZED_VIEW, FORMAT)
}

/// The state in a document; `None` where there is none.
fn state_in(name: &ObjectName, state: &Value) -> Result<Option<MaterializedViewState>> {
    if state.is_null() {
        return Ok(None);
    }
    let refuse = |why: &dyn std::fmt::Display| {
        Error::corrupt(format!("the state of the materialized view cannot be read: {why}")).at(name)
    };
    if !state.is_object() {
        return Err(refuse(&"it is no object"));
    }
    MaterializedViewState::deserialize(state).map(Some).map_err(|e| refuse(&e))
}

fn document_of(database: &str, view: &MaterializedViewDefinition, state: Value) -> Result<Document> {
    let mut sql = create_materialized_view_statements(database, view).join(";\n");
    sql.push(';');
    Document::write(FORMAT, KindId::MATERIALIZED_VIEW, view, state, sql)
}

/// What starts a refresh, as SQL says it.
fn refresh_text(refresh: &RefreshScheme) -> String {
    match refresh {
        RefreshScheme::Manual => "MANUAL".to_string(),
        RefreshScheme::Incremental => "INCREMENTAL".to_string(),
        RefreshScheme::Async { start, every } => {
            let start = start.as_ref().map(|start| format!(" START {start}")).unwrap_or_default();
            let every = every.map(|(count, unit)| format!(" EVERY {count} {unit}")).unwrap_or_default();
            format!("ASYNC{start}{every}")
        }
    }
}

fn difference(here: &MaterializedViewDefinition, there: &MaterializedViewDefinition) -> Option<String> {
    let differs = |what: &str, here: &str, there: &str| {
        format!("{what} is inconsistent: {here} here, {there} in the snapshot")
    };
    if let Some(difference) = rockhold_model::first_difference(&here.as_table(), &there.as_table()) {
        return Some(difference);
    }
    let (ours, theirs) = (here.partition_expressions.join(", "), there.partition_expressions.join(", "));
    if !ours.eq_ignore_ascii_case(&theirs) {
        return Some(differs("partition expression", &ours, &theirs));
    }
    let query =
        query_difference((&here.query, &here.default_database), (&there.query, &there.default_database));
    if query.is_some() {
        return query;
    }
    let (ours, theirs) = (refresh_text(&here.refresh), refresh_text(&there.refresh));
    (ours != theirs).then(|| differs("refresh scheme", &ours, &theirs))
}

impl CatalogCodec for MaterializedViewCodec {
    fn descriptor(&self) -> &KindDescriptor {
        &self.descriptor
    }

    fn encode(&self, object: &LiveObject) -> Result<Document> {
        document_of(&object.name.database, &object.read()?, object.state.clone())
    }

    fn decode(&self, name: &ObjectName, document: &Document) -> Result<LiveObject> {
        let mut view = definition_in(name, document)?;
        rockhold_object_table::refuse_own_columns(name, &view.columns)?;
        state_in(name, &document.state)?;
        view.name.clone_from(&name.name);
        let object = LiveObject {
            kind: KindId::MATERIALIZED_VIEW,
            name: name.clone(),
            definition: Value::Null,
            state: document.state.clone(),
        };
        object.with_definition(&view)
    }

    fn references(&self, name: &ObjectName, document: &Document) -> Result<Vec<ObjectRef>> {
        let view = definition_in(name, document)?;
        Ok(query_references(&view.query, &view.default_database, name))
    }

    /// Bases in the state follow renames as those in the query do: the versions
    /// that the view was computed from then belong to the renamed bases.
    fn rename(&self, name: &ObjectName, document: &Document, renames: &Renames) -> Result<Document> {
        let mut view = definition_in(name, document)?;
        let new = renames.apply(name);
        (view.query, view.default_database) =
            follow_renames(&view.query, &view.default_database, renames, name, &new)?;
        let state = match state_in(name, &document.state)? {
            None => Value::Null,
            Some(mut state) => {
                state.rename_bases(|database, base| {
                    let new = renames.objects.get(&ObjectName::new(database, base))?;
                    Some((new.database.clone(), new.name.clone()))
                });
                if view.partitioning == Partitioning::Unpartitioned {
                    state.rename_partition(&name.name, &new.name);
                }
                merged(&document.state, &state)?
            }
        };
        view.name = new.name;
        document_of(&new.database, &view, state)
    }

    /// Comments, properties and the first refresh do not count, nor how the
    /// query is written.
    fn compare(&self, existing: &Document, incoming: &Document) -> Result<Comparison> {
        let name = ObjectName::new("", "");
        let (here, there) = (definition_in(&name, existing)?, definition_in(&name, incoming)?);
        Ok(match difference(&here, &there) {
            None => Comparison::Same,
            Some(difference) => Comparison::Different(difference),
        })
    }

    fn statements(&self, name: &ObjectName, document: &Document) -> Result<Vec<String>> {
        let mut view = definition_in(name, document)?;
        view.name.clone_from(&name.name);
        Ok(create_materialized_view_statements(&name.database, &view))
    }

    /// A view whose base is gone cannot be filled again: StarRocks refuses to back
    /// it up, too.
    fn refuse_without(&self, object: &ObjectName, missing: &ObjectName) -> Option<String> {
        Some(format!(
            "Base table {} does not exist in materialized view {} when backup/restore",
            missing.name, object.name
        ))
    }

    fn group(&self, object: &LiveObject) -> Result<Option<Group>> {
        let view: MaterializedViewDefinition = object.read()?;
        Ok(rockhold_object_table::colocate_group(&view.as_table()))
    }

    fn leave_group(&self, object: LiveObject) -> Result<LiveObject> {
        let mut view: MaterializedViewDefinition = object.read()?;
        rockhold_object_table::leave_colocate_group(&mut view.properties);
        object.with_definition(&view)
    }

    fn prepare(&self, object: LiveObject, options: &RestoreOptions) -> Result<LiveObject> {
        let mut view: MaterializedViewDefinition = object.read()?;
        rockhold_object_table::prepare_properties(&mut view.properties, options);
        object.with_definition(&view)
    }

    fn merge_check(
        &self,
        existing: &LiveObject,
        existing_partitions: Vec<Value>,
        incoming: &LiveObject,
        options: &RestoreOptions,
    ) -> Result<Box<dyn MergeCheck>> {
        let (here, there): (MaterializedViewDefinition, MaterializedViewDefinition) =
            (existing.read()?, incoming.read()?);
        rockhold_object_table::merge_check(here.as_table(), &existing_partitions, there.as_table(), options)
    }
}

/// The state with what was changed; members that this version does not know
/// stay.
fn merged(before: &Value, state: &MaterializedViewState) -> Result<Value> {
    let changed = state
        .serialize(serde_json::value::Serializer)
        .map_err(|e| Error::internal("a state cannot be written as JSON").because(e))?;
    let (Value::Object(before), Value::Object(mut changed)) = (before, changed) else {
        return Err(Error::internal("the state of a materialized view is no JSON object"));
    };
    let after = before.iter().map(|(member, value)| {
        let value = changed.remove(member).unwrap_or_else(|| value.clone());
        (member.clone(), value)
    });
    let mut after: serde_json::Map<String, Value> = after.collect();
    // Those that were absent, where they say something.
    let unsaid = |value: &Value| value.as_str() == Some("") || value.as_array().is_some_and(Vec::is_empty);
    after.extend(changed.into_iter().filter(|(_, value)| !unsaid(value)));
    Ok(Value::Object(after))
}
