//! C5: renaming.

use super::encode;
use crate::must;
use rockhold_core::{
    CatalogCodec, Comparison, Document, ErrorKind, KindId, LiveObject, ObjectName, ObjectRef, Renames,
};

/// The name by which a restore renames what is referred to: functions are
/// renamed by their signature and referred to without one.
fn renamed_by(reference: &ObjectRef) -> ObjectName {
    let mut name = reference.name.clone();
    if reference.kind == Some(KindId::FUNCTION) && !name.name.contains('(') {
        name.name.push_str("(INT)");
    }
    name
}

/// The name of a reference after the renames.
fn expected(reference: &ObjectRef, renames: &Renames) -> ObjectName {
    let by = renamed_by(reference);
    let new = renames.objects.get(&by).unwrap_or(&by);
    match reference.kind == Some(KindId::FUNCTION) && !reference.name.name.contains('(') {
        true => ObjectName::new(new.database.clone(), new.base_name()),
        false => new.clone(),
    }
}

/// `name` with its database and the part before a signature changed.
fn changed(name: &ObjectName, change: impl Fn(&str) -> String) -> ObjectName {
    let database = if name.database.is_empty() { String::new() } else { change(&name.database) };
    match name.name.split_once('(') {
        Some((base, signature)) => ObjectName::new(database, format!("{}({signature}", change(base))),
        None => ObjectName::new(database, change(&name.name)),
    }
}

/// Renames of the object and all that it names, and back.
fn there_and_back(
    sample: &LiveObject,
    references: &[ObjectRef],
    change: impl Fn(&str) -> String,
) -> (Renames, Renames) {
    let (mut there, mut back) = (Renames::default(), Renames::default());
    for name in references.iter().map(renamed_by).chain([sample.name.clone()]) {
        let new = changed(&name, &change);
        there.objects.insert(name.clone(), new.clone());
        back.objects.insert(new, name);
    }
    (there, back)
}

fn references(codec: &dyn CatalogCodec, name: &ObjectName, document: &Document) -> Vec<ObjectRef> {
    must(codec.references(name, document))
}

fn sorted(names: impl IntoIterator<Item = ObjectName>) -> Vec<ObjectName> {
    let mut names: Vec<ObjectName> = names.into_iter().collect();
    names.sort();
    names.dedup();
    names
}

fn rename(codec: &dyn CatalogCodec, sample: &LiveObject, renames: &Renames) -> Option<Document> {
    match codec.rename(&sample.name, &encode(codec, sample), renames) {
        Ok(renamed) => Some(renamed),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "C5, {}: {error:?}", sample.name);
            None
        }
    }
}

/// C5, for the object, its database, and everything that it names.
pub fn c5_renaming_there_and_back_gives_the_document_again(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let document = encode(codec, sample);
    let named = references(codec, &sample.name, &document);
    let (there, back) = there_and_back(sample, &named, |name| format!("{name}_new"));
    if let Some(renamed) = rename(codec, sample, &there) {
        let new_name = there.apply(&sample.name);
        let found = references(codec, &new_name, &renamed).into_iter().map(|r| r.name);
        let wanted = named.iter().map(|reference| expected(reference, &there));
        assert_eq!(sorted(found), sorted(wanted), "C5, {}", sample.name);
        assert_eq!(must(codec.rename(&new_name, &renamed, &back)), document, "C5, {}", sample.name);
    }
    let unchanged = must(codec.rename(&sample.name, &document, &Renames::default()));
    assert_eq!(unchanged, document, "C5, {}", sample.name);
}

/// C5: each of the names alone, and the object alone. All others still mean
/// what they meant.
pub fn c5_only_what_is_renamed_changes(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let named = references(codec, &sample.name, &encode(codec, sample));
    for one in named.iter().map(renamed_by).chain([sample.name.clone()]) {
        let new = changed(&one, |name| format!("{name}_new"));
        let renames = Renames { objects: [(one, new)].into(), ..Renames::default() };
        let Some(renamed) = rename(codec, sample, &renames) else { continue };
        let new_name = renames.apply(&sample.name);
        let found = references(codec, &new_name, &renamed).into_iter().map(|r| r.name);
        let wanted = named.iter().map(|reference| expected(reference, &renames));
        assert_eq!(sorted(found), sorted(wanted), "C5, {} with {renames:?}", sample.name);
    }
}

/// C5: names that SQL must quote. On the way back the quotes stay, so it is
/// another text that means the same.
pub fn c5_names_that_need_quotes_are_followed(codec: &dyn CatalogCodec, sample: &LiveObject) {
    let document = encode(codec, sample);
    let named = references(codec, &sample.name, &document);
    // Functions and catalogs are words.
    let is_word = |reference: &ObjectRef| {
        [Some(KindId::FUNCTION), Some(KindId::EXTERNAL_CATALOG)].contains(&reference.kind)
    };
    let quotable: Vec<ObjectRef> = named.iter().filter(|r| !is_word(r)).cloned().collect();
    let (mut there, mut back) = there_and_back(sample, &quotable, |name| format!("order `{name}` 表"));
    let words = [KindId::FUNCTION, KindId::EXTERNAL_CATALOG];
    if words.contains(&sample.kind) {
        there.objects.remove(&sample.name);
        back.objects.retain(|_, name| *name != sample.name);
    }
    let Some(renamed) = rename(codec, sample, &there) else { return };
    let new_name = there.apply(&sample.name);
    let found = references(codec, &new_name, &renamed).into_iter().map(|r| r.name);
    let wanted = named.iter().map(|reference| expected(reference, &there));
    assert_eq!(sorted(found), sorted(wanted), "C5, {}", sample.name);
    let again = must(codec.rename(&new_name, &renamed, &back));
    let found = references(codec, &sample.name, &again).into_iter().map(|r| r.name);
    assert_eq!(sorted(found), sorted(named.into_iter().map(|r| r.name)), "C5, {}", sample.name);
    assert_eq!(must(codec.compare(&document, &again)), Comparison::Same, "C5, {}", sample.name);
}
