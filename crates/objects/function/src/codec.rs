//! A function as a document.

use rockhold_core::{
    CatalogCodec, Comparison, Document, Error, KindDescriptor, KindId, LiveObject, MergeCheck, Namespace,
    ObjectName, ObjectRef, Renames, RestoreOptions, Result,
};
use rockhold_model::{FunctionDefinition, FunctionKind, Partition};
use rockhold_sql::{StoredQuery, create_function_statement};
use serde::Deserialize;
use serde_json::Value;

/// The version of the document's body that this code writes.
const FORMAT: u32 = 1;

/// The property with the file's MD5.
const CHECKSUM: &str = "md5";

/// The partition that holds the function's file.
pub const ARTIFACT_PARTITION: &str = "artifact";

/// How parser and engine know functions.
pub fn descriptor() -> KindDescriptor {
    let mut descriptor = KindDescriptor::new(KindId::FUNCTION, "FUNCTION", "FUNCTIONS");
    descriptor.namespace = Namespace::Function;
    descriptor.partition_list = false;
    descriptor.shown_in_job = false;
    descriptor.restore_class = 1;
    descriptor.backup_privilege = "USAGE".into();
    descriptor
}

/// The codec of functions. The body of a document is the serialised
/// [`FunctionDefinition`]; the function's name in a snapshot is its signature.
/// Secrets are in it as the warehouse holds them: encrypted under a key of its
/// own.
#[derive(Debug)]
pub struct FunctionCodec {
    descriptor: KindDescriptor,
}

impl Default for FunctionCodec {
    fn default() -> Self {
        Self { descriptor: descriptor() }
    }
}

fn definition_in(name: &ObjectName, document: &Document) -> Result<FunctionDefinition> {
    document.read(name, &KindId::FUNCTION, FORMAT)
}

/// The definition under the name of the object, whose signature must be its own.
fn named(name: &ObjectName, document: &Document) -> Result<FunctionDefinition> {
    let mut function = definition_in(name, document)?;
    name.base_name().clone_into(&mut function.name);
    let signature = function.signature();
    if signature != name.name {
        return Err(Error::corrupt(format!("the document describes the function {signature}")).at(name));
    }
    Ok(function)
}

fn document_of(function: &FunctionDefinition, state: Value) -> Result<Document> {
    let mut sql = create_function_statement(function);
    sql.push(';');
    Document::write(FORMAT, KindId::FUNCTION, function, state, sql)
}

/// The expression of a SQL function.
fn expression(function: &FunctionDefinition) -> Option<&str> {
    if function.returns.is_none() { function.body.as_deref() } else { None }
}

fn difference(here: &FunctionDefinition, there: &FunctionDefinition) -> Option<String> {
    let differs = |what: &str, here: &str, there: &str| {
        format!("{what} is inconsistent: {here} here, {there} in the snapshot")
    };
    let kind = |function: &FunctionDefinition| match function.kind {
        FunctionKind::Scalar => "scalar",
        FunctionKind::Aggregate => "aggregate",
        FunctionKind::Table => "table",
    };
    if here.kind != there.kind {
        return Some(differs("function type", kind(here), kind(there)));
    }
    let types = |function: &FunctionDefinition| {
        let mut types: Vec<String> =
            function.arguments.iter().map(|argument| argument.data_type.to_string()).collect();
        types.extend(function.variadic.then(|| "...".to_string()));
        format!("({})", types.join(", "))
    };
    let (ours, theirs) = (types(here), types(there));
    if ours != theirs {
        return Some(differs("argument types", &ours, &theirs));
    }
    let returns = |function: &FunctionDefinition| {
        function.returns.as_ref().map_or("an expression".to_string(), ToString::to_string)
    };
    let (ours, theirs) = (returns(here), returns(there));
    if ours != theirs {
        return Some(differs("return type", &ours, &theirs));
    }
    let mut names: Vec<&String> = here.properties.keys().chain(there.properties.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (ours, theirs) = (here.properties.get(name), there.properties.get(name));
        // Known where the file could be read, and then it says which file it is.
        let unknown = name == CHECKSUM && (ours.is_none() || theirs.is_none());
        if ours != theirs && !unknown {
            let shown = |value: Option<&String>| value.map_or("not set".to_string(), |v| format!("\"{v}\""));
            return Some(differs(&format!("property {name}"), &shown(ours), &shown(theirs)));
        }
    }
    let names = |function: &FunctionDefinition| {
        let names = function.arguments.iter().filter_map(|argument| argument.name.as_deref());
        names.map(str::to_lowercase).collect::<Vec<_>>().join(", ")
    };
    if let (Some(ours), Some(theirs)) = (expression(here), expression(there)) {
        let (our_names, their_names) = (names(here), names(there));
        if our_names != their_names {
            return Some(differs("argument names", &our_names, &their_names));
        }
        let read = |text: &str| StoredQuery::read_expression(text, "");
        return match (read(ours), read(theirs)) {
            (Ok(a), Ok(b)) => a.first_difference(&b).map(|_| differs("expression", ours, theirs)),
            _ => (ours != theirs).then(|| differs("expression", ours, theirs)),
        };
    }
    (here.body != there.body).then(|| "source is inconsistent".to_string())
}

impl CatalogCodec for FunctionCodec {
    fn descriptor(&self) -> &KindDescriptor {
        &self.descriptor
    }

    fn encode(&self, object: &LiveObject) -> Result<Document> {
        document_of(&object.read()?, object.state.clone())
    }

    fn decode(&self, name: &ObjectName, document: &Document) -> Result<LiveObject> {
        let object = LiveObject {
            kind: KindId::FUNCTION,
            name: name.clone(),
            definition: Value::Null,
            state: document.state.clone(),
        };
        object.with_definition(&named(name, document)?)
    }

    /// Other functions that a SQL function calls with their database.
    fn references(&self, name: &ObjectName, document: &Document) -> Result<Vec<ObjectRef>> {
        let function = definition_in(name, document)?;
        let Some(Ok(stored)) =
            expression(&function).map(|text| StoredQuery::read_expression(text, &name.database))
        else {
            return Ok(Vec::new());
        };
        let own = |reference: &ObjectRef| {
            reference.name.database == name.database && reference.name.name == name.base_name()
        };
        Ok(stored.references().into_iter().filter(|reference| !own(reference)).collect())
    }

    fn rename(&self, name: &ObjectName, document: &Document, renames: &Renames) -> Result<Document> {
        let mut function = named(name, document)?;
        let new = renames.apply(name);
        if let Some(text) = expression(&function) {
            match StoredQuery::read_expression(text, &name.database) {
                Ok(stored) => {
                    function.body = Some(stored.renamed_in(renames, &new.database));
                }
                Err(_) if new.name == name.name => {}
                Err(error) => {
                    return Err(Error::unsupported(format!(
                        "its expression cannot be edited, because it does not parse ({error}); restore it under \
                         its own name"
                    ))
                    .at(name));
                }
            }
        }
        new.base_name().clone_into(&mut function.name);
        document_of(&function, document.state.clone())
    }

    /// Secrets do not count: who may read the file does not change the function.
    fn compare(&self, existing: &Document, incoming: &Document) -> Result<Comparison> {
        let name = ObjectName::new("", "");
        let (here, there) = (definition_in(&name, existing)?, definition_in(&name, incoming)?);
        Ok(match difference(&here, &there) {
            None => Comparison::Same,
            Some(difference) => Comparison::Different(difference),
        })
    }

    fn statements(&self, name: &ObjectName, document: &Document) -> Result<Vec<String>> {
        Ok(vec![create_function_statement(&named(name, document)?)])
    }

    /// The file of a snapshot takes the place of the one that is here.
    fn merge_check(
        &self,
        _: &LiveObject,
        _: Vec<Value>,
        _: &LiveObject,
        _: &RestoreOptions,
    ) -> Result<Box<dyn MergeCheck>> {
        Ok(Box::new(OnlyArtifact))
    }
}

/// Takes the one partition that a function can have.
struct OnlyArtifact;

impl MergeCheck for OnlyArtifact {
    fn check(&mut self, partition: &Value) -> Result<Comparison> {
        let partition = Partition::deserialize(partition)
            .map_err(|e| Error::corrupt(format!("the definition of a partition cannot be read: {e}")))?;
        if partition.name == ARTIFACT_PARTITION {
            return Ok(Comparison::Same);
        }
        Err(Error::corrupt(format!(
            "a function has one partition, {ARTIFACT_PARTITION}; the snapshot has {}",
            partition.name
        )))
    }
}
