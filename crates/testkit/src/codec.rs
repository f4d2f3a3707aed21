//! The contract of [`CatalogCodec`], C1 to C7, on sample objects that the
//! object type gives.
//!
//! C7 needs a warehouse to run the statements in; here it is checked as far as
//! text can show.

use crate::{must, refused};
use rockhold_core::{CatalogCodec, Comparison, Document, ErrorKind, LiveObject, ObjectName, Renames};
use serde_json::{Value, json};

/// Runs all checks on each sample. Give one for every feature of the type.
///
/// # Panics
/// At the first sentence that does not hold, naming it and the sample.
pub fn run_all(codec: &dyn CatalogCodec, samples: &[LiveObject]) {
    assert!(!samples.is_empty(), "a suite without samples shows nothing");
    for sample in samples {
        c1_decoding_gives_what_was_encoded(codec, sample);
        c2_equal_objects_give_equal_bytes(codec, sample);
        c3_damaged_documents_are_refused_without_panic(codec, sample);
        c4_references_are_other_objects(codec, sample);
        c5_renaming_there_and_back_gives_the_document_again(codec, sample);
        c6_an_object_is_the_same_as_itself(codec, sample);
        c7_statements_name_the_object(codec, sample);
    }
}

fn encode(codec: &dyn CatalogCodec, sample: &LiveObject) -> Document {
    must(codec.encode(sample))
}

/// C1.
pub fn c1_decoding_gives_what_was_encoded(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let document = encode(codec, sample);
    assert_eq!(document.kind, sample.kind, "C1, {}", sample.name);
    assert_eq!(must(codec.decode(&sample.name, &document)), *sample, "C1, {}", sample.name);
}

/// C2, also for an object that went through a document, and as JSON text.
pub fn c2_equal_objects_give_equal_bytes(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let first = encode(codec, sample);
    let again = encode(codec, &must(codec.decode(&sample.name, &first)));
    assert_eq!(first, again, "C2, {}", sample.name);
    assert_eq!(must(first.canonical_body()), must(again.canonical_body()), "C2, {}", sample.name);
    let text = serde_json::to_string(&first).unwrap_or_default();
    match serde_json::from_str::<Document>(&text) {
        Ok(read) => assert_eq!(read, first, "C2, {}", sample.name),
        Err(error) => panic!("C2, {}: the document is no JSON: {error}", sample.name),
    }
}

/// C3: a newer format, and every value of the body replaced by others.
pub fn c3_damaged_documents_are_refused_without_panic(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let document = encode(codec, sample);
    let newer = Document { format: document.format + 1, ..document.clone() };
    refused(ErrorKind::Unsupported, codec.decode(&sample.name, &newer));
    refused(ErrorKind::Corrupt, codec.decode(&sample.name, &Document { body: json!(7), ..document.clone() }));

    let hostile = [
        Value::Null,
        json!(-1),
        json!(1e300),
        json!("\u{0}"),
        json!("汉".repeat(9999)),
        json!([]),
        json!({}),
    ];
    for pointer in pointers(&document.body) {
        for value in &hostile {
            let mut body = document.body.clone();
            if let Some(place) = body.pointer_mut(&pointer) {
                *place = value.clone();
            }
            let damaged = Document { body, ..document.clone() };
            // Some replacements are sound; what counts is that nothing panics.
            let results = [
                codec.decode(&sample.name, &damaged).err(),
                codec.references(&sample.name, &damaged).err(),
                codec.statements(&sample.name, &damaged).err(),
                codec.compare(&document, &damaged).err(),
                codec.rename(&sample.name, &damaged, &Renames::default()).err(),
            ];
            for error in results.into_iter().flatten() {
                assert!(
                    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported),
                    "C3, {} with {value} at {pointer}: {error:?}",
                    sample.name
                );
            }
        }
    }
}

/// Where the values of a document lie.
fn pointers(body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), body)];
    while let Some((at, value)) = open.pop() {
        match value {
            Value::Object(map) => open.extend(map.iter().map(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                (format!("{at}/{name}"), value)
            })),
            Value::Array(items) => {
                open.extend(items.iter().enumerate().map(|(n, value)| (format!("{at}/{n}"), value)));
            }
            _ => {}
        }
        found.push(at);
    }
    found
}

/// C4, as far as the document alone shows.
pub fn c4_references_are_other_objects(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let references = must(codec.references(&sample.name, &encode(codec, sample)));
    for (n, reference) in references.iter().enumerate() {
        assert_ne!(reference.name, sample.name, "C4: an object does not come before itself");
        assert!(
            !references[..n].contains(reference),
            "C4, {}: {} is named twice",
            sample.name,
            reference.name
        );
    }
}

/// C5, for the object, its database, and everything that it names.
pub fn c5_renaming_there_and_back_gives_the_document_again(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let document = encode(codec, sample);
    let references = must(codec.references(&sample.name, &document));
    let (mut there, mut back) = (Renames::default(), Renames::default());
    for name in references.iter().map(|reference| &reference.name).chain([&sample.name]) {
        let database = match name.database.as_str() {
            "" => String::new(),
            database => format!("{database}_elsewhere"),
        };
        let new = ObjectName::new(database, format!("{}_new", name.name));
        there.objects.insert(name.clone(), new.clone());
        back.objects.insert(new, name.clone());
    }
    let renamed = match codec.rename(&sample.name, &document, &there) {
        Ok(renamed) => renamed,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "C5, {}: {error:?}", sample.name);
            return;
        }
    };
    let new_name = there.apply(&sample.name);
    let mut expected: Vec<_> = references.iter().map(|reference| there.apply(&reference.name)).collect();
    let mut named: Vec<_> =
        must(codec.references(&new_name, &renamed)).into_iter().map(|reference| reference.name).collect();
    expected.sort();
    named.sort();
    assert_eq!(named, expected, "C5, {}", sample.name);
    assert_eq!(must(codec.rename(&new_name, &renamed, &back)), document, "C5, {}", sample.name);
    let unchanged = must(codec.rename(&sample.name, &document, &Renames::default()));
    assert_eq!(unchanged, document, "C5, {}", sample.name);
}

/// C6.
pub fn c6_an_object_is_the_same_as_itself(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let document = encode(codec, sample);
    assert_eq!(must(codec.compare(&document, &document)), Comparison::Same, "C6, {}", sample.name);
}

/// C6 for two objects that must not be taken for one another.
pub fn c6_a_difference_is_named(codec: &dyn CatalogCodec, one: &LiveObject, other: &LiveObject, names: &str) {
    match must(codec.compare(&encode(codec, one), &encode(codec, other))) {
        Comparison::Same => panic!("C6: {} and {} differ in {names}", one.name, other.name),
        Comparison::Different(text) => assert!(text.contains(names), "C6: {text:?} does not name {names}"),
    }
}

/// C7, as far as text shows.
pub fn c7_statements_name_the_object(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let statements = must(codec.statements(&sample.name, &encode(codec, sample)));
    // A name with overloads carries its signature, which SQL writes its own way.
    let name = sample.name.name.split('(').next().unwrap_or_default();
    let named = statements.iter().any(|statement| statement.contains(name));
    assert!(named, "C7, {}: {statements:?} do not name it", sample.name);
}
