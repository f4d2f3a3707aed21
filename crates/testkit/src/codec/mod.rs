//! The contract of [`CatalogCodec`], C1 to C7, on sample objects that the
//! object type gives.
//!
//! [`run_all`] checks what a document shows by itself. Whether references are
//! complete ([`c4_references_are`]), a difference is named
//! ([`c6_a_difference_is_named`]) and statements make an equal object
//! ([`c7_statements_make_an_equal_object`]) needs what the object type knows of
//! its samples. [`golden`] keeps documents of earlier versions readable.

pub mod golden;
mod rename;

pub use rename::{
    c5_names_that_need_quotes_are_followed, c5_only_what_is_renamed_changes,
    c5_renaming_there_and_back_gives_the_document_again,
};

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
        c5_only_what_is_renamed_changes(codec, sample);
        c5_names_that_need_quotes_are_followed(codec, sample);
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
        json!("(".repeat(9999)),
        json!("SELECT * FROM `"),
        json!("SELECT 1 FROM t $$ /* "),
        json!([]),
        json!({}),
    ];
    let elsewhere = ObjectName::new(format!("{}2", sample.name.database), &*sample.name.name);
    let moved = Renames { objects: [(sample.name.clone(), elsewhere)].into(), ..Renames::default() };
    let body = pointers(&document.body).into_iter().map(|pointer| (pointer, false));
    let state = pointers(&document.state).into_iter().map(|pointer| (pointer, true));
    for (pointer, in_state) in body.chain(state) {
        for value in &hostile {
            let mut damaged = document.clone();
            let part = if in_state { &mut damaged.state } else { &mut damaged.body };
            if let Some(place) = part.pointer_mut(&pointer) {
                *place = value.clone();
            }
            // Some replacements are sound; what counts is that nothing panics.
            let decoded = codec.decode(&sample.name, &damaged);
            let again = decoded.as_ref().map_or(Ok(()), |object| codec.encode(object).map(|_| ()));
            let results = [
                decoded.err(),
                again.err(),
                codec.references(&sample.name, &damaged).err(),
                codec.statements(&sample.name, &damaged).err(),
                codec.compare(&document, &damaged).err(),
                codec.rename(&sample.name, &damaged, &Renames::default()).err(),
                codec.rename(&sample.name, &damaged, &moved).err(),
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

/// C4: the references are these and no others, in any order.
pub fn c4_references_are(codec: &dyn CatalogCodec, sample: &LiveObject, expected: &[ObjectName]) {
    let mut named: Vec<ObjectName> =
        must(codec.references(&sample.name, &encode(codec, sample))).into_iter().map(|r| r.name).collect();
    let mut expected = expected.to_vec();
    named.sort();
    expected.sort();
    assert_eq!(named, expected, "C4, {}", sample.name);
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

/// C6: two objects that are written differently and mean the same.
pub fn c6_writing_does_not_count(codec: &dyn CatalogCodec, one: &LiveObject, other: &LiveObject) {
    let (one_document, other_document) = (encode(codec, one), encode(codec, other));
    assert_ne!(one_document, other_document, "C6: {} is {}", one.name, other.name);
    for (a, b) in [(&one_document, &other_document), (&other_document, &one_document)] {
        assert_eq!(must(codec.compare(a, b)), Comparison::Same, "C6: {} and {}", one.name, other.name);
    }
}

/// C7, as far as text shows.
pub fn c7_statements_name_the_object(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let statements = must(codec.statements(&sample.name, &encode(codec, sample)));
    // A name with overloads carries its signature, which SQL writes its own way.
    let name = sample.name.name.split('(').next().unwrap_or_default().replace('`', "``");
    let named = statements.iter().any(|statement| statement.contains(&name));
    assert!(named, "C7, {}: {statements:?} do not name it", sample.name);
}

/// C7: what `make` gives for the statements is the object, but for its state.
pub fn c7_statements_make_an_equal_object(
    codec: &dyn CatalogCodec,
    sample: &LiveObject,
    make: impl Fn(&[String]) -> LiveObject,
) {
    let statements = must(codec.statements(&sample.name, &encode(codec, sample)));
    let made = make(&statements);
    assert_eq!(made.name, sample.name, "C7: {statements:?}");
    assert_eq!(made.definition, sample.definition, "C7, {}: {statements:?}", sample.name);
}
