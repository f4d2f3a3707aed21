//! A view as a document.

use rockhold_core::{
    CatalogCodec, Comparison, Document, KindDescriptor, KindId, LiveObject, ObjectName, ObjectRef, Renames,
    Result,
};
use rockhold_model::{ViewDefinition, ViewSecurity};
use rockhold_sql::{create_view_statements, follow_renames, query_difference, query_references};

/// The version of the document's body that this code writes.
const FORMAT: u32 = 1;

/// How parser and engine know views.
pub fn descriptor() -> KindDescriptor {
    let mut descriptor = KindDescriptor::new(KindId::VIEW, "VIEW", "VIEWS");
    descriptor.has_data = false;
    descriptor.partition_list = false;
    descriptor.restore_class = 2;
    descriptor
}

/// The codec of views. The body of a document is the serialised
/// [`ViewDefinition`]: the query as it was written and the database that its
/// bare names mean.
#[derive(Debug)]
pub struct ViewCodec {
    descriptor: KindDescriptor,
}

impl Default for ViewCodec {
    fn default() -> Self {
        Self { descriptor: descriptor() }
    }
}

fn definition_in(name: &ObjectName, document: &Document) -> Result<ViewDefinition> {
    document.read(name, &KindId::VIEW, FORMAT)
}

fn document_of(database: &str, view: &ViewDefinition) -> Result<Document> {
    let mut sql = create_view_statements(database, view).join(";\n");
    sql.push(';');
    Document::write(FORMAT, KindId::VIEW, view, serde_json::Value::Null, sql)
}

fn difference(here: &ViewDefinition, there: &ViewDefinition) -> Option<String> {
    let names = |view: &ViewDefinition| {
        view.columns.iter().map(|column| column.name.to_lowercase()).collect::<Vec<_>>().join(", ")
    };
    let differs = |what: &str, here: &str, there: &str| {
        format!("{what} is inconsistent: {here} here, {there} in the snapshot")
    };
    let (ours, theirs) = (names(here), names(there));
    if ours != theirs {
        return Some(differs("column names", &ours, &theirs));
    }
    if here.security != there.security {
        let word = |view: &ViewDefinition| match view.security {
            ViewSecurity::None => "NONE",
            ViewSecurity::Invoker => "INVOKER",
        };
        return Some(differs("security", word(here), word(there)));
    }
    query_difference((&here.query, &here.default_database), (&there.query, &there.default_database))
}

impl CatalogCodec for ViewCodec {
    fn descriptor(&self) -> &KindDescriptor {
        &self.descriptor
    }

    fn encode(&self, object: &LiveObject) -> Result<Document> {
        document_of(&object.name.database, &object.read()?)
    }

    fn decode(&self, name: &ObjectName, document: &Document) -> Result<LiveObject> {
        let mut view = definition_in(name, document)?;
        view.name.clone_from(&name.name);
        let object = LiveObject {
            kind: KindId::VIEW,
            name: name.clone(),
            definition: serde_json::Value::Null,
            state: document.state.clone(),
        };
        object.with_definition(&view)
    }

    fn references(&self, name: &ObjectName, document: &Document) -> Result<Vec<ObjectRef>> {
        let view = definition_in(name, document)?;
        Ok(query_references(&view.query, &view.default_database, name))
    }

    fn rename(&self, name: &ObjectName, document: &Document, renames: &Renames) -> Result<Document> {
        let mut view = definition_in(name, document)?;
        let new = renames.apply(name);
        (view.query, view.default_database) =
            follow_renames(&view.query, &view.default_database, renames, name, &new)?;
        view.name = new.name;
        document_of(&new.database, &view)
    }

    /// Comments do not count, nor how the query is written.
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
        Ok(create_view_statements(&name.database, &view))
    }
}
