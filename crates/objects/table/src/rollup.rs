//! Synchronous materialized views: rollups whose query names their table.

use rockhold_core::{Error, ObjectName, Renames, Result};
use rockhold_model::Rollup;
use rockhold_sql::ast::{self, Ident};
use rockhold_sql::{StoredQuery, query_difference, rename_in_query};

/// Lets the queries of the rollups name the table by its new name.
pub(crate) fn rename_base(rollups: &mut [Rollup], old: &ObjectName, new: &ObjectName) -> Result<()> {
    if old == new {
        return Ok(());
    }
    let renames = Renames { objects: [(old.clone(), new.clone())].into(), ..Renames::default() };
    for rollup in rollups {
        let Some(query) = &mut rollup.query else { continue };
        let stored = StoredQuery::read(query, &old.database, &old.database).map_err(|error| {
            Error::unsupported(format!(
                "the query of its materialized view {} cannot be edited, because it does not parse ({error}); \
                 restore the table under its own name",
                rollup.name
            ))
            .at(old)
        })?;
        // Bare names mean the table's own database, before and after.
        *query = stored.renamed_in(&renames, &new.database);
    }
    Ok(())
}

/// The first difference between queries of rollups of the same names.
pub(crate) fn first_difference(here: &[Rollup], there: &[Rollup]) -> Option<String> {
    here.iter().find_map(|ours| {
        let theirs = there.iter().find(|rollup| rollup.name == ours.name)?;
        let difference = match (&ours.query, &theirs.query) {
            (None, None) => None,
            (Some(ours), Some(theirs)) => {
                query_difference((&of_any_table(ours), ""), (&of_any_table(theirs), ""))
            }
            (ours, _) => {
                let kind = |view| if view { "a materialized view" } else { "a rollup" };
                let (a, b) = (kind(ours.is_some()), kind(ours.is_none()));
                Some(format!("type is inconsistent: {a} here, {b} in the snapshot"))
            }
        };
        difference.map(|difference| format!("rollup {} {difference}", ours.name))
    })
}

/// The query with one name for its table, whatever that is called.
fn of_any_table(query: &str) -> String {
    let name = ast::ObjectName::single(Ident::new("base"));
    rename_in_query(query, |_| Some(name.clone())).unwrap_or_else(|_| query.to_string())
}
