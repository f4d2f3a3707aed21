//! Synchronous materialized views: rollups whose query names their table.

use rockhold_model::Rollup;
use rockhold_sql::ast::{self, Ident};
use rockhold_sql::{query_difference, rename_in_query};

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
