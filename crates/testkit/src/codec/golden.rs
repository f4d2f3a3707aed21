//! Documents as earlier versions wrote them.
//!
//! A golden file is a JSON object with the members `name` (of the object),
//! `document` and `object` (`definition` and `state`). Files whose name begins
//! with `written_` are what this version writes for its samples: they fail when
//! the format changes unnoticed. All others were written before, or by hand, and
//! only have to be read.

use super::encode;
use crate::must;
use rockhold_core::{CatalogCodec, Document, LiveObject, ObjectName};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Set, it lets [`check`] write the files of samples that have none yet.
const WRITE: &str = "ROCKHOLD_WRITE_GOLDEN";

/// Reads every golden file of a directory, and compares what this version
/// writes for each named sample with its file.
///
/// # Panics
/// When a document is not read as the object beside it, is written otherwise
/// than in its file, or has no file.
pub fn check(codec: &dyn CatalogCodec, dir: impl AsRef<Path>, samples: &[(&str, LiveObject)]) {
    let dir = dir.as_ref();
    for (name, sample) in samples {
        let path = dir.join(format!("written_{name}.json"));
        let document = encode(codec, sample);
        if !path.exists() {
            assert!(
                std::env::var_os(WRITE).is_some(),
                "{} is missing; look at what {WRITE}=1 writes and keep it",
                path.display()
            );
            write(&path, sample, &document);
        }
        let (_, kept, _) = read(&path, codec);
        assert_eq!(
            document,
            kept,
            "the document of {} is written otherwise than before: a new format needs a new number, and the old \
             file stays beside the new one",
            path.display()
        );
    }
    let mut files = 0_usize;
    for entry in must(fs::read_dir(dir)) {
        let path = must(entry).path();
        let (name, document, object) = read(&path, codec);
        assert_eq!(must(codec.decode(&name, &document)), object, "{}", path.display());
        files += 1;
    }
    assert!(files >= samples.len(), "{files} golden files");
}

fn write(path: &Path, sample: &LiveObject, document: &Document) {
    let file = json!({
        "name": {"database": sample.name.database, "name": sample.name.name},
        "document": document,
        "object": {"definition": sample.definition, "state": sample.state},
    });
    let mut text = must(serde_json::to_string_pretty(&file));
    text.push('\n');
    must(fs::write(path, text));
}

fn read(path: &Path, codec: &dyn CatalogCodec) -> (ObjectName, Document, LiveObject) {
    let text = must(fs::read_to_string(path));
    let file: Value = must(serde_json::from_str(&text));
    let member = |name: &str| file.get(name).cloned().unwrap_or_default();
    let name: ObjectName = must(serde_json::from_value(member("name")));
    let object = member("object");
    let part = |name: &str| object.get(name).cloned().unwrap_or_default();
    let object = LiveObject {
        kind: codec.descriptor().id.clone(),
        name: name.clone(),
        definition: part("definition"),
        state: part("state"),
    };
    (name, must(serde_json::from_value(member("document"))), object)
}
