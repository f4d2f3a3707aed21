//! Names of tables inside stored SQL.
//!
//! A view that is restored under another name of its database, or whose tables
//! were renamed, has its names edited in place, so that everything else in its
//! text stays as it was written.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, Visit,
    Visitor,
};

use crate::ast::{Ident, ObjectName};
use crate::{SqlError, Token, TokenKind, parse_query, tokenize};

/// The tables, views and materialized views that a query names, in the order
/// in which they stand, with their places in `query`. Names of its own WITH
/// clauses and table functions are left out.
///
/// # Errors
///
/// The query's syntax error.
pub fn names_in_query(query: &str) -> Result<Vec<ObjectName>, SqlError> {
    Ok(read(query)?.tables)
}

/// The text with names replaced: `rename` gives for each name that
/// [`names_in_query`] finds its new name, or `None` to leave it. Columns that
/// are qualified by a replaced name (`orders.id`, `shop.orders.*`) follow it.
///
/// # Errors
///
/// The query's syntax error.
pub fn rename_in_query(
    query: &str,
    rename: impl Fn(&ObjectName) -> Option<ObjectName>,
) -> Result<String, SqlError> {
    let names = read(query)?;
    let mut edits: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for table in &names.tables {
        let Some(new) = rename(table) else { continue };
        edits.push((table.span().start..table.span().end, new.to_string()));
    }
    for qualifier in &names.qualifiers {
        let Some(table) = names.unaliased.iter().find(|table| ends_with(table, qualifier)) else { continue };
        let Some(new) = rename(table) else { continue };
        // A qualifier says no more of the name than it did.
        let skipped = new.parts.len().saturating_sub(qualifier.parts.len());
        let new = ObjectName { parts: new.parts.into_iter().skip(skipped).collect() };
        if !ends_with(&new, qualifier) {
            edits.push((qualifier.span().start..qualifier.span().end, new.to_string()));
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(query.len());
    let mut copied = 0;
    for (range, text) in edits {
        out.push_str(query.get(copied..range.start).unwrap_or_default());
        out.push_str(&text);
        copied = range.end;
    }
    out.push_str(query.get(copied..).unwrap_or_default());
    Ok(out)
}

fn ends_with(name: &ObjectName, tail: &ObjectName) -> bool {
    let skipped = name.parts.len().checked_sub(tail.parts.len());
    skipped.is_some_and(|skipped| {
        name.parts.iter().skip(skipped).zip(&tail.parts).all(|(a, b)| a.value == b.value)
    })
}

struct Names {
    /// Tables where they are named as such.
    tables: Vec<ObjectName>,
    /// Those of them without an alias: columns can be qualified by their name.
    unaliased: Vec<ObjectName>,
    /// What stands before columns.
    qualifiers: Vec<ObjectName>,
}

fn read(query: &str) -> Result<Names, SqlError> {
    let tree = parse_query(query)?.query;
    let tokens = tokenize(query);
    let places = tokens
        .iter()
        .enumerate()
        .map(|(position, token)| ((token.span.line.into(), u64::from(token.span.column) + 1), position))
        .collect();
    let mut reader =
        Reader { tokens: &tokens, places, own: HashSet::new(), found: Vec::new(), qualifiers: Vec::new() };
    let _: ControlFlow<()> = tree.visit(&mut reader);
    // The scopes of WITH clauses are not told apart: a name defined anywhere in
    // the query is taken for the query's own everywhere in it.
    let Reader { own, mut found, mut qualifiers, .. } = reader;
    found.retain(|(name, _)| name.parts.len() > 1 || !own.contains(&name.object().to_lowercase()));
    found.sort_by_key(|(name, _)| name.span().start);
    qualifiers.sort_by_key(|name| name.span().start);
    qualifiers.dedup_by_key(|name| name.span().start);
    let unaliased = found.iter().filter(|(_, alias)| !alias).map(|(name, _)| name.clone()).collect();
    Ok(Names { tables: found.into_iter().map(|(name, _)| name).collect(), unaliased, qualifiers })
}

struct Reader<'t> {
    tokens: &'t [Token],
    /// Position of the token at a line and column.
    places: HashMap<(u64, u64), usize>,
    /// Names that WITH clauses define, in lower case.
    own: HashSet<String>,
    /// Tables, and whether they have an alias.
    found: Vec<(ObjectName, bool)>,
    qualifiers: Vec<ObjectName>,
}

impl Reader<'_> {
    fn ident(&self, ident: &sqlparser::ast::Ident) -> Option<(Ident, usize)> {
        let start = ident.span.start;
        let position = *self.places.get(&(start.line, start.column))?;
        let token = self.tokens.get(position)?;
        let quoted = matches!(token.kind, TokenKind::Quoted(_));
        Some((Ident { value: ident.value.clone(), quoted, span: token.span }, position))
    }

    fn name(&self, name: &sqlparser::ast::ObjectName) -> Option<(ObjectName, usize)> {
        let mut parts = Vec::new();
        let mut last = 0;
        for part in &name.0 {
            let ObjectNamePart::Identifier(ident) = part else { return None };
            let (ident, position) = self.ident(ident)?;
            last = position;
            parts.push(ident);
        }
        (!parts.is_empty()).then_some((ObjectName { parts }, last))
    }
}

impl Visitor for Reader<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.own.insert(table.alias.name.value.to_lowercase());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
            {
                self.qualifiers.extend(self.name(name).map(|(name, _)| name));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && let Some((name, last)) = self.name(name)
        {
            // A parenthesis behind the name makes it a function.
            let next = self.tokens.get(last + 1).map(|token| &token.kind);
            if !matches!(next, Some(TokenKind::Symbol("("))) {
                self.found.push((name, alias.is_some()));
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::CompoundIdentifier(parts) = expr {
            let parts: Option<Vec<Ident>> = parts
                .iter()
                .take(parts.len().saturating_sub(1))
                .map(|part| self.ident(part).map(|(ident, _)| ident))
                .collect();
            self.qualifiers.extend(parts.filter(|parts| !parts.is_empty()).map(|parts| ObjectName { parts }));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_edited_in_place() {
        let query = "WITH c AS (SELECT a.* FROM a -- a\n) SELECT /*+ x */ `d b`.`t`.x, t . y, a.y, z.a FROM c, \
                     `d b`.`t`, a WHERE x IN (SELECT y FROM d . u z) AND 'a' = \"a\" AND FILES(a) -- 库\n LIMIT 1";
        let names: Vec<String> = names_in_query(query).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a", "`d b`.`t`", "a", "d.u"]);
        let renamed = rename_in_query(query, |name| match name.object() {
            "a" => Some(ObjectName { parts: vec![Ident::new("new"), Ident::new("a")] }),
            "t" => Some(ObjectName { parts: vec![Ident::from("e"), Ident::from("w")] }),
            "u" => Some(ObjectName::single(Ident::from("v"))),
            _ => None,
        });
        assert_eq!(
            renamed.unwrap(),
            "WITH c AS (SELECT a.* FROM `new`.`a` -- a\n) SELECT /*+ x */ e.w.x, w . y, a.y, z.a FROM c, \
             e.w, `new`.`a` WHERE x IN (SELECT y FROM v z) AND 'a' = \"a\" AND FILES(a) -- 库\n LIMIT 1"
        );
    }

    #[test]
    fn table_functions_are_no_names() {
        let names = names_in_query("SELECT * FROM FILES(\"path\" = \"x\"), unnest(a) u, t").unwrap();
        assert_eq!(names.iter().map(ObjectName::object).collect::<Vec<_>>(), ["t"]);
    }
}
