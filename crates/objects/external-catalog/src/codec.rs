//! An external catalog as a document.

use rockhold_core::{
    CatalogCodec, Comparison, Document, KindDescriptor, KindId, LiveObject, Namespace, ObjectName, ObjectRef,
    Renames, Result,
};
use rockhold_model::CatalogDefinition;
use rockhold_sql::create_catalog_statement;
use serde_json::Value;
use std::collections::BTreeSet;

/// The version of the document's body that this code writes.
const FORMAT: u32 = 1;

/// How parser and engine know external catalogs.
pub fn descriptor() -> KindDescriptor {
    let mut descriptor =
        KindDescriptor::new(KindId::EXTERNAL_CATALOG, "EXTERNAL CATALOG", "EXTERNAL CATALOGS");
    descriptor.namespace = Namespace::Catalog;
    descriptor.has_data = false;
    descriptor.partition_list = false;
    descriptor.in_database_backup = false;
    descriptor.shown_in_job = false;
    descriptor.refers = false;
    descriptor.backup_privilege = "USAGE".into();
    descriptor
}

/// The codec of external catalogs. The body of a document is the serialised
/// [`CatalogDefinition`]. Secrets travel as the warehouse holds them, encrypted
/// under a key of its own; without that key they are of no use.
#[derive(Debug)]
pub struct CatalogDocumentCodec {
    descriptor: KindDescriptor,
}

impl Default for CatalogDocumentCodec {
    fn default() -> Self {
        Self { descriptor: descriptor() }
    }
}

fn definition_in(name: &ObjectName, document: &Document) -> Result<CatalogDefinition> {
    document.read(name, &KindId::EXTERNAL_CATALOG, FORMAT)
}

fn document_of(catalog: &CatalogDefinition, state: Value) -> Result<Document> {
    let mut sql = create_catalog_statement(catalog);
    sql.push(';');
    Document::write(FORMAT, KindId::EXTERNAL_CATALOG, catalog, state, sql)
}

fn difference(here: &CatalogDefinition, there: &CatalogDefinition) -> Option<String> {
    let differs = |what: &str, here: &str, there: &str| {
        format!("{what} is inconsistent: {here} here, {there} in the snapshot")
    };
    // The type first: where it differs, all else does, too.
    let names: BTreeSet<(bool, &str)> = here
        .properties
        .keys()
        .chain(there.properties.keys())
        .map(|name| (name != "type", name.as_str()))
        .collect();
    for (_, name) in names {
        let (ours, theirs) = (here.properties.get(name), there.properties.get(name));
        // A secret on one side is named below, not shown.
        let secret = here.secrets.contains_key(name) || there.secrets.contains_key(name);
        if ours != theirs && !secret {
            let shown = |value: Option<&String>| value.map_or("not set".to_string(), |v| format!("\"{v}\""));
            return Some(differs(&format!("property {name}"), &shown(ours), &shown(theirs)));
        }
    }
    None
}

impl CatalogCodec for CatalogDocumentCodec {
    fn descriptor(&self) -> &KindDescriptor {
        &self.descriptor
    }

    fn encode(&self, object: &LiveObject) -> Result<Document> {
        document_of(&object.read()?, object.state.clone())
    }

    fn decode(&self, name: &ObjectName, document: &Document) -> Result<LiveObject> {
        let mut catalog = definition_in(name, document)?;
        catalog.name.clone_from(&name.name);
        let object = LiveObject {
            kind: KindId::EXTERNAL_CATALOG,
            name: name.clone(),
            definition: Value::Null,
            state: document.state.clone(),
        };
        object.with_definition(&catalog)
    }

    fn references(&self, name: &ObjectName, document: &Document) -> Result<Vec<ObjectRef>> {
        definition_in(name, document).map(|_| Vec::new())
    }

    fn rename(&self, name: &ObjectName, document: &Document, renames: &Renames) -> Result<Document> {
        let mut catalog = definition_in(name, document)?;
        catalog.name = renames.apply(name).name;
        document_of(&catalog, document.state.clone())
    }

    /// Comments and secrets do not count. Credentials are changed without
    /// making it another catalog, and encrypted values say nothing when they differ.
    fn compare(&self, existing: &Document, incoming: &Document) -> Result<Comparison> {
        let name = ObjectName::new("", "");
        let (here, there) = (definition_in(&name, existing)?, definition_in(&name, incoming)?);
        Ok(match difference(&here, &there) {
            None => Comparison::Same,
            Some(difference) => Comparison::Different(difference),
        })
    }

    fn statements(&self, name: &ObjectName, document: &Document) -> Result<Vec<String>> {
        let mut catalog = definition_in(name, document)?;
        catalog.name.clone_from(&name.name);
        Ok(vec![create_catalog_statement(&catalog)])
    }
}
