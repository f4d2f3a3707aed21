//! Documents of every kind, as a hostile repository may hold them. The input is
//! one byte for the kind, then JSON: `[name, body, state]`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rockhold_core::{CatalogCodec, Comparison, Document, LiveObject, ObjectName, Renames};
use rockhold_object_external_catalog::CatalogDocumentCodec;
use rockhold_object_function::FunctionCodec;
use rockhold_object_materialized_view::MaterializedViewCodec;
use rockhold_object_table::TableCodec;
use rockhold_object_view::ViewCodec;
use serde_json::Value;
use std::sync::LazyLock;

static CODECS: LazyLock<[Box<dyn CatalogCodec>; 5]> = LazyLock::new(|| {
    [
        Box::new(TableCodec::default()),
        Box::new(ViewCodec::default()),
        Box::new(MaterializedViewCodec::default()),
        Box::new(FunctionCodec::default()),
        Box::new(CatalogDocumentCodec::default()),
    ]
});

fuzz_target!(|data: &[u8]| {
    let Some((kind, json)) = data.split_first() else { return };
    let Ok((name, body, state)) = serde_json::from_slice::<(String, Value, Value)>(json) else { return };
    let codec = &CODECS[usize::from(*kind) % CODECS.len()];
    let kind = codec.descriptor().id.clone();
    let name = ObjectName::new("d", name);
    let document = Document { format: 1, kind: kind.clone(), body, state, sql: String::new() };
    let object: LiveObject = match codec.decode(&name, &document) {
        Ok(object) => object,
        Err(_) => {
            // What cannot be read is refused, or names nothing, everywhere.
            let _ = (codec.references(&name, &document), codec.rename(&name, &document, &Renames::default()));
            let _ = (codec.statements(&name, &document), codec.compare(&document, &document));
            return;
        }
    };
    let encoded = codec.encode(&object).expect("what was decoded can be encoded");
    assert_eq!(codec.decode(&name, &encoded).expect("and decoded again"), object);
    assert_eq!(codec.compare(&encoded, &encoded).expect("and compared"), Comparison::Same);
    let references = codec.references(&name, &encoded).expect("and asked for references");
    codec.statements(&name, &encoded).expect("and made again");
    let mut renames = Renames::default();
    renames.objects.insert(name.clone(), ObjectName::new("e", format!("x{}", name.name)));
    for reference in &references {
        let new = ObjectName::new(format!("{}`", reference.name.database), format!("{} y", reference.name.name));
        renames.objects.insert(reference.name.clone(), new);
    }
    if let Ok(renamed) = codec.rename(&name, &encoded, &renames) {
        let new = renames.apply(&name);
        let found = codec.references(&new, &renamed).expect("a renamed document names others");
        assert!(found.len() <= references.len(), "{references:?}\n{found:?}");
    }
});
