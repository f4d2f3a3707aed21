//! Queries of views: renaming everything there and back gives the text again,
//! and in between it refers to the new names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rockhold_core::{KindId, ObjectName, ObjectRef, Renames};
use rockhold_sql::StoredQuery;
use std::collections::BTreeSet;

fn is_function(reference: &ObjectRef) -> bool {
    reference.kind == Some(KindId::FUNCTION)
}

fuzz_target!(|text: &str| {
    let Ok(stored) = StoredQuery::read(text, "d", "d") else { return };
    let (own, new) = (ObjectName::new("d", "v"), ObjectName::new("d_new", "v_new"));
    let (mut there, mut back) = (Renames::default(), Renames::default());
    let mut expected = BTreeSet::new();
    for reference in stored.references().into_iter().filter(|reference| !is_function(reference)) {
        let old = reference.name;
        let database = if old.database.is_empty() { String::new() } else { format!("{}_new", old.database) };
        let renamed = ObjectName::new(database, format!("{}_new", old.name));
        expected.insert(renamed.clone());
        there.objects.insert(old.clone(), renamed.clone());
        back.objects.insert(renamed, old);
    }
    let (moved, database) = stored.renamed(&there, &own, &new);
    let read = StoredQuery::read(&moved, &database, "d_new")
        .unwrap_or_else(|error| panic!("{text}\n{moved}\n{error}"));
    let found: BTreeSet<ObjectName> =
        read.references().into_iter().filter(|r| !is_function(r)).map(|r| r.name).collect();
    assert_eq!(found, expected, "{text}\n{moved}");
    let (again, database) = read.renamed(&back, &new, &own);
    let again_read = StoredQuery::read(&again, &database, "d").unwrap_or_else(|e| panic!("{text}\n{again}\n{e}"));
    assert_eq!(stored.first_difference(&again_read), None, "{text}\n{moved}\n{again}");
});
