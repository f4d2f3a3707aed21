//! Renaming inside stored queries of every shape.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rockhold_core::{KindId, ObjectName, Renames};
use rockhold_sql::StoredQuery;

/// A table in FROM: bare or with its database, quoted or not, with an alias or
/// without. Few names, so that they meet.
fn table() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("t"), Just("u"), Just("`t`"), Just("`odd name`"), Just("c")];
    let database = prop_oneof![
        3 => Just(""),
        1 => Just("d."),
        1 => Just("e . /* where */ "),
        1 => Just("`d`."),
        1 => Just("default_catalog.e."),
        1 => Just("ice.x.")
    ];
    let alias = prop_oneof![3 => Just(""), 1 => Just(" a"), 1 => Just(" AS `t`"), 1 => Just(" u")];
    (database, name, alias).prop_map(|(database, name, alias)| format!("{database}{name}{alias}"))
}

fn item() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_string()),
        Just("1 -- one\n".to_string()),
        Just("t.x".to_string()),
        Just("u.*".to_string()),
        Just("d.t.x".to_string()),
        Just("`t` . y AS t".to_string()),
        Just("d.f(t.x, 't')".to_string()),
        Just("count(*) OVER (PARTITION BY u.x ORDER BY c.y)".to_string()),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let leaf = (prop::collection::vec(item(), 1..3), prop::collection::vec(table(), 1..4)).prop_map(
        |(items, mut tables)| {
            // One FROM holds each name once.
            let mut seen = BTreeSet::new();
            tables.retain(|table| {
                let shown = table.rsplit(['.', ' ']).find(|part| !part.is_empty()).unwrap_or_default();
                seen.insert(shown.trim_matches('`').to_lowercase())
            });
            format!("SELECT {} FROM {}", items.join(", "), tables.join(", "))
        },
    );
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} UNION ALL {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} WHERE t.x IN ({b})")),
            (inner.clone(), table())
                .prop_map(|(a, b)| format!("SELECT s.* FROM ({a}) s JOIN {b} ON s.x = 1")),
            (inner.clone(), inner.clone(), inner.clone(), any::<bool>()).prop_map(|(a, b, c, one)| {
                let second = if one { "u" } else { "x" };
                format!("WITH c AS ({a}), {second} AS ({b}) {c}")
            }),
            (inner.clone(), inner).prop_map(|(a, b)| format!("WITH t AS ({a}) {b}")),
        ]
    })
}

/// Renames of all relations and catalogs that the query names, and back.
fn there_and_back(stored: &StoredQuery, change: impl Fn(&str) -> String) -> (Renames, Renames) {
    let (mut there, mut back) = (Renames::default(), Renames::default());
    for name in names(stored) {
        let database = if name.database.is_empty() { String::new() } else { change(&name.database) };
        let new = ObjectName::new(database, change(&name.name));
        there.objects.insert(name.clone(), new.clone());
        back.objects.insert(new, name);
    }
    (there, back)
}

fn names(stored: &StoredQuery) -> BTreeSet<ObjectName> {
    let references = stored.references().into_iter();
    references.filter(|r| r.kind != Some(KindId::FUNCTION)).map(|reference| reference.name).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn renaming_there_and_back_gives_the_text_again(query in query()) {
        let Ok(stored) = StoredQuery::read(&query, "d", "d") else { return Err(TestCaseError::reject("no query")) };
        let (own, new) = (ObjectName::new("d", "v"), ObjectName::new("d_new", "v_new"));
        let (there, back) = there_and_back(&stored, |name| format!("{name}_new"));
        let (moved, database) = stored.renamed(&there, &own, &new);
        let read = StoredQuery::read(&moved, &database, "d_new").map_err(|e| TestCaseError::fail(format!("{moved}: {e}")))?;
        let expected: BTreeSet<ObjectName> = there.objects.values().cloned().collect();
        prop_assert_eq!(names(&read), expected, "{} became {}", query, moved);
        // Quotes that a name needs only by its own are kept on the way back.
        let (again, database) = read.renamed(&back, &new, &own);
        prop_assert_eq!((again.as_str(), database.as_str()), (query.as_str(), "d"), "through {}", moved);
    }

    /// New names that meet names of the query: aliases, WITH clauses, other tables.
    #[test]
    fn each_name_means_its_object_whatever_the_new_name_is(query in query(), new_name in prop_oneof![
        Just("t"), Just("u"), Just("c"), Just("a"), Just("x"), Just("s"), Just("select")
    ]) {
        let Ok(stored) = StoredQuery::read(&query, "d", "d") else { return Err(TestCaseError::reject("no query")) };
        for one in names(&stored).into_iter().filter(|name| !name.database.is_empty()) {
            let target = ObjectName::new("z", new_name);
            let renames = Renames { objects: [(one.clone(), target.clone())].into(), ..Renames::default() };
            for own in ["d", "y"] {
                let (moved, database) =
                    stored.renamed(&renames, &ObjectName::new(own, "v"), &ObjectName::new("z", "v"));
                let read = StoredQuery::read(&moved, &database, "z")
                    .map_err(|e| TestCaseError::fail(format!("{moved}: {e}")))?;
                let mut expected = names(&stored);
                expected.remove(&one);
                expected.insert(target.clone());
                prop_assert_eq!(names(&read), expected, "{} became {}", query, moved);
            }
        }
    }
}
