//! Object types made for tests: texts that name other objects. They stand for
//! views, materialized views, functions and external catalogs, and one of
//! them, NOTE, for a kind that a plugin brings: engine, parser and warehouse
//! learn of all of them by descriptor, codec and writer alone.

use crate::support::World;
use rockhold_core::{
    CatalogCodec, Comparison, DataPart, Document, JobId, KindDescriptor, KindId, LiveObject, MergeCheck,
    Namespace, ObjectName, ObjectRef, PinRequest, Renames, RestoreOptions, Result, Warehouse,
};
use rockhold_model::{Partition, PartitionValue};
use rockhold_warehouse_store::{Change, NewObject};
use serde_json::{Value, json};

/// The kind that nothing in this workspace knows.
pub(crate) fn note_kind() -> KindId {
    KindId::new("note")
}

/// The kinds beside tables.
pub(crate) fn kinds() -> Vec<KindDescriptor> {
    let kind = |id, singular, plural, class| {
        let mut kind = KindDescriptor::new(id, singular, plural);
        kind.restore_class = class;
        kind.partition_list = false;
        kind
    };
    let mut function = kind(KindId::FUNCTION, "FUNCTION", "FUNCTIONS", 0);
    function.namespace = Namespace::Function;
    function.shown_in_job = false;
    let materialized = kind(KindId::MATERIALIZED_VIEW, "MATERIALIZED VIEW", "MATERIALIZED VIEWS", 1);
    let mut view = kind(KindId::VIEW, "VIEW", "VIEWS", 2);
    view.has_data = false;
    let mut note = kind(note_kind(), "NOTE", "NOTES", 3);
    note.has_data = false;
    let mut catalog = kind(KindId::EXTERNAL_CATALOG, "EXTERNAL CATALOG", "EXTERNAL CATALOGS", 0);
    catalog.namespace = Namespace::Catalog;
    catalog.has_data = false;
    catalog.in_database_backup = false;
    catalog.shown_in_job = false;
    vec![function, materialized, view, note, catalog]
}

/// `{"name": …, "text": …, "refers": ["db.name", …]}`, the same live and stored.
#[derive(Debug)]
pub(crate) struct TextCodec(pub(crate) KindDescriptor);

fn split(name: &str) -> ObjectName {
    let (database, name) = name.split_once('.').unwrap();
    ObjectName::new(database, name)
}

fn refers(body: &Value) -> Vec<ObjectName> {
    body["refers"].as_array().unwrap().iter().map(|name| split(name.as_str().unwrap())).collect()
}

impl CatalogCodec for TextCodec {
    fn descriptor(&self) -> &KindDescriptor {
        &self.0
    }

    fn encode(&self, object: &LiveObject) -> Result<Document> {
        Ok(Document {
            format: 1,
            kind: self.0.id.clone(),
            body: object.definition.clone(),
            state: object.state.clone(),
            sql: format!("CREATE {} {};", self.0.singular.join(" "), object.name.name),
        })
    }

    fn decode(&self, name: &ObjectName, document: &Document) -> Result<LiveObject> {
        let mut definition = document.body.clone();
        definition["name"] = name.name.clone().into();
        let (kind, state) = (self.0.id.clone(), document.state.clone());
        Ok(LiveObject { kind, name: name.clone(), definition, state })
    }

    fn references(&self, _: &ObjectName, document: &Document) -> Result<Vec<ObjectRef>> {
        // A name with a parenthesis is a function's.
        let kind = |name: &ObjectName| name.name.contains('(').then_some(KindId::FUNCTION);
        Ok(refers(&document.body).into_iter().map(|name| ObjectRef { kind: kind(&name), name }).collect())
    }

    fn rename(&self, name: &ObjectName, document: &Document, renames: &Renames) -> Result<Document> {
        let mut body = document.body.clone();
        body["name"] = renames.apply(name).name.into();
        body["refers"] = refers(&body).iter().map(|name| renames.apply(name).to_string()).collect();
        Ok(Document { body, ..document.clone() })
    }

    fn compare(&self, existing: &Document, incoming: &Document) -> Result<Comparison> {
        for member in ["text", "refers"] {
            let (here, there) = (&existing.body[member], &incoming.body[member]);
            if here != there {
                return Ok(Comparison::Different(format!("{member} is {here} here and {there} there")));
            }
        }
        Ok(Comparison::Same)
    }

    fn statements(&self, _: &ObjectName, document: &Document) -> Result<Vec<String>> {
        Ok(vec![document.sql.clone()])
    }

    fn refuse_without(&self, object: &ObjectName, missing: &ObjectName) -> Option<String> {
        (self.0.id == KindId::MATERIALIZED_VIEW).then(|| {
            format!(
                "Base table {} does not exist in materialized view {} when backup/restore",
                missing.name, object.name
            )
        })
    }

    fn merge_check(
        &self,
        _: &LiveObject,
        _: Vec<Value>,
        _: &LiveObject,
        _: &RestoreOptions,
    ) -> Result<Box<dyn MergeCheck>> {
        struct Fits;
        impl MergeCheck for Fits {
            fn check(&mut self, _: &Value) -> Result<Comparison> {
                Ok(Comparison::Same)
            }
        }
        Ok(Box::new(Fits))
    }
}

impl World {
    /// Makes an object of one of the kinds of this file. Of a kind with data
    /// it has one partition: `artifact` of a function, else called as the object.
    pub(crate) async fn create(&self, kind: KindId, name: &str, text: &str, refers: &[&str]) {
        let descriptor = self.engine.kinds().get(&kind).unwrap();
        let name = match descriptor.namespace {
            Namespace::Catalog => ObjectName::new("", name),
            _ => split(name),
        };
        let partition = match descriptor.namespace {
            Namespace::Function => "artifact",
            _ => &name.name,
        };
        let partitions = match descriptor.has_data {
            true => vec![Partition::new(partition, PartitionValue::All)],
            false => Vec::new(),
        };
        let object = NewObject {
            namespace: descriptor.namespace,
            definition: json!({"name": name.name, "text": text, "refers": refers}),
            state: Value::Null,
            partitions,
            kind,
            name,
        };
        self.store.change(Change::CreateObject(object)).await.unwrap();
    }

    /// Makes a function together with its file.
    pub(crate) async fn create_with_file(&self, name: &str, text: &str, bytes: &'static [u8]) {
        let (namespace, kind, name) = (Namespace::Function, KindId::FUNCTION, split(name));
        let definition = json!({"name": name.name, "text": text, "refers": []});
        let (state, partitions) = (Value::Null, Vec::new());
        let live = LiveObject {
            kind: kind.clone(),
            name: name.clone(),
            definition: definition.clone(),
            state: Value::Null,
        };
        let load = self.store.begin_object(namespace, live).await.unwrap();
        let artifact = load.create_partition(Partition::new("artifact", PartitionValue::All));
        let mut file = load.raw_file(&artifact, "jar").await.unwrap();
        file.write(bytes.into()).await.unwrap();
        file.finish().await.unwrap();
        let new = NewObject { namespace, kind, name, definition, state, partitions };
        load.commit_creating(Vec::new(), new).await.unwrap();
    }

    /// Partitions, extensions and contents of the files of a function.
    async fn files_of(&self, function: &ObjectName) -> Vec<String> {
        let job = JobId::random().unwrap();
        let request = PinRequest::new(KindId::FUNCTION, function.clone());
        let cut = self.store.pin(job, vec![request]).await.unwrap();
        let mut lines = Vec::new();
        for partition in cut.partitions(0, None, 10).await.unwrap() {
            for file in cut.files(&partition, None, 10).await.unwrap() {
                let DataPart::LocalFile { path, .. } = file.part else { panic!("a local file") };
                let bytes = std::fs::read(path).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                lines.push(format!("{function} {} {} {text}", partition.name, file.extension));
            }
        }
        self.store.release(job).await.unwrap();
        lines
    }

    /// Changes what no comparison looks at.
    pub(crate) async fn comment(&self, kind: &KindId, name: &str, comment: &str) {
        let namespace = self.engine.kinds().get(kind).unwrap().namespace;
        let name = match namespace {
            Namespace::Catalog => ObjectName::new("", name),
            _ => split(name),
        };
        let mut definition =
            self.store.find_object(namespace, &name).await.unwrap().unwrap().object.definition;
        definition["comment"] = comment.into();
        let change = Change::SetDefinition { namespace, name, definition, rows_change: false };
        self.store.change(change).await.unwrap();
    }

    /// Everything that a user can see of a database (of the catalogs for the
    /// empty name): definitions, and the bytes of the rows, read and hashed.
    pub(crate) async fn everything(&self, database: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for info in self.store.list_objects(database).await.unwrap() {
            assert!(!info.under_restore, "{} is under restore", info.object.name);
            let (kind, name) = (&info.object.kind, &info.object.name);
            lines.push(format!("{kind} {name} {} {}", info.object.definition, info.object.state));
            if info.namespace == Namespace::Relation {
                lines.extend(self.visible(name).await.unwrap().into_iter().skip(1));
            }
            if info.namespace == Namespace::Function {
                lines.extend(self.files_of(name).await);
            }
        }
        lines
    }

    pub(crate) async fn drop(&self, namespace: Namespace, name: &str) {
        let name = match namespace {
            Namespace::Catalog => ObjectName::new("", name),
            _ => split(name),
        };
        self.store.change(Change::DropObject { namespace, name }).await.unwrap();
    }

    /// `kind name text refers` of every object of a database (of the catalogs
    /// for the empty name), sorted.
    pub(crate) async fn described(&self, database: &str) -> Vec<String> {
        let objects = match self.store.list_objects(database).await {
            Ok(objects) => objects,
            Err(error) => panic!("{database}: {error}"),
        };
        let mut lines: Vec<String> = objects
            .iter()
            .map(|o| {
                let definition = &o.object.definition;
                let shown = match definition.get("text") {
                    Some(text) => format!("{} {}", text.as_str().unwrap(), definition["refers"]),
                    None => "(a table)".into(),
                };
                assert!(!o.under_restore, "{} is under restore", o.object.name);
                format!("{} {} {shown}", o.object.kind, o.object.name.name)
            })
            .collect();
        lines.sort();
        lines
    }
}
