//! Names of tables and functions inside stored SQL.
//!
//! A view that is restored under another name of its database, or whose tables
//! were renamed, has its names edited in place, so that everything else in its
//! text stays as it was written.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias,
    TableFactor, Visit, Visitor,
};

use crate::ast::{Ident, ObjectName, is_plain, quote_ident};
use crate::query_scopes::QueryScopes;
use crate::{SqlError, Token, TokenKind, parse_query, tokenize};

/// The tables, views and materialized views that a query names, in the order
/// in which they stand, with their places in `query`. Names of its own WITH
/// clauses and table functions are left out.
///
/// # Errors
///
/// The query's syntax error.
pub fn names_in_query(query: &str) -> Result<Vec<ObjectName>, SqlError> {
    Ok(QueryNames::read(query)?.tables().cloned().collect())
}

/// The text with names of tables replaced: `rename` gives for each name that
/// [`names_in_query`] finds its new name, or `None` to leave it.
///
/// # Errors
///
/// The query's syntax error.
pub fn rename_in_query(
    query: &str,
    rename: impl Fn(&ObjectName) -> Option<ObjectName>,
) -> Result<String, SqlError> {
    Ok(QueryNames::read(query)?.renamed(query, |name, _| rename(name), |_| None))
}

/// The names inside one query and where they stand.
#[derive(Debug, Clone, Default)]
pub struct QueryNames {
    /// As they were found; `order` has them as they stand.
    tables: Vec<Table>,
    order: Vec<usize>,
    functions: Vec<ObjectName>,
    scopes: QueryScopes,
    /// WITH clauses in force somewhere: each name, in lower case, and the one
    /// before it.
    clauses: Vec<(String, Option<usize>)>,
}

#[derive(Debug, Clone)]
struct Table {
    name: ObjectName,
    /// The last of the WITH clauses in force here.
    clause: Option<usize>,
}

impl QueryNames {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// The query's syntax error.
    pub fn read(query: &str) -> Result<Self, SqlError> {
        let tree = parse_query(query)?.query;
        let tokens = tokenize(query);
        let places = tokens
            .iter()
            .enumerate()
            .map(|(position, token)| ((token.span.line.into(), u64::from(token.span.column) + 1), position))
            .collect();
        let mut reader = Reader {
            tokens: &tokens,
            places,
            scopes: Vec::new(),
            selects: Vec::new(),
            found: QueryNames::default(),
        };
        let _: ControlFlow<()> = tree.visit(&mut reader);
        let mut found = reader.found;
        found.order = (0..found.tables.len()).collect();
        let start = |at: &usize| found.tables.get(*at).map_or(0, |table| table.name.span().start);
        found.order.sort_by_key(start);
        found.functions.sort_by_key(|name| name.span().start);
        found.functions.dedup_by_key(|name| name.span().start);
        Ok(found)
    }

    /// The tables, views and materialized views that are named, each time that
    /// they are.
    pub fn tables(&self) -> impl Iterator<Item = &ObjectName> {
        self.order.iter().filter_map(|at| self.tables.get(*at)).map(|table| &table.name)
    }

    /// The functions that are called, those of the warehouse itself among them.
    pub fn functions(&self) -> impl Iterator<Item = &ObjectName> {
        self.functions.iter()
    }

    /// `query`, the text that was read, with new names for tables and functions
    /// where the closures give one. Columns that are qualified by a replaced
    /// name (`orders.id`, `shop.orders.*`) follow it.
    ///
    /// A new name that the query would take for another of its tables gets the
    /// old one as an alias. `table` is also given what tells whether the query
    /// would take a bare name for one of its WITH clauses there.
    pub fn renamed(
        &self,
        query: &str,
        table: impl Fn(&ObjectName, &dyn Fn(&str) -> bool) -> Option<ObjectName>,
        function: impl Fn(&ObjectName) -> Option<ObjectName>,
    ) -> String {
        let new_names: Vec<Option<ObjectName>> = self
            .tables
            .iter()
            .map(|old| {
                let is_clause = |name: &str| self.is_clause(old, &name.to_lowercase());
                table(&old.name, &is_clause).filter(|new| !same(new, &old.name))
            })
            .collect();
        let kept = self.scopes.kept_as_alias(&new_names);
        let mut edits: Vec<Edit> = Vec::new();
        for (at, (table, new)) in self.tables.iter().zip(&new_names).enumerate() {
            let Some(new) = new else { continue };
            edit(&table.name, new, &mut edits);
            if kept.contains(&at) {
                let end = table.name.span().end;
                edits.push((end..end, format!(" AS {}", quote_ident(table.name.object()))));
            }
        }
        for (qualifier, at) in self.scopes.qualifiers_of_tables() {
            let Some(new) = new_names.get(at).and_then(Option::as_ref) else { continue };
            // A qualifier says no more of the name than it did, and an alias has no database.
            let parts = match kept.contains(&at) {
                true => qualifier.parts.last().cloned().into_iter().collect(),
                false => {
                    let skipped = new.parts.len().saturating_sub(qualifier.parts.len());
                    new.parts.iter().skip(skipped).cloned().collect()
                }
            };
            edit(&qualifier, &ObjectName { parts }, &mut edits);
        }
        for name in &self.functions {
            if let Some(new) = function(name).filter(|new| !same(new, name)) {
                edit(name, &new, &mut edits);
            }
        }
        edited(query, edits)
    }

    /// Whether a WITH clause of this name is in force at a table.
    fn is_clause(&self, table: &Table, name: &str) -> bool {
        let mut next = table.clause;
        while let Some((clause, before)) = next.and_then(|at| self.clauses.get(at)) {
            if clause == name {
                return true;
            }
            next = *before;
        }
        false
    }
}

/// A stretch of the text and what takes its place.
type Edit = (std::ops::Range<usize>, String);

/// Edits the parts of a name that change. A part is quoted as the one was whose
/// place it takes, and where it must be; blanks and comments stay.
fn edit(old: &ObjectName, new: &ObjectName, edits: &mut Vec<Edit>) {
    let aligned = old.parts.len().min(new.parts.len());
    let (added, kept) = new.parts.split_at(new.parts.len() - aligned);
    let (dropped, places) = old.parts.split_at(old.parts.len() - aligned);
    let Some(place) = places.first() else { return };
    let start = dropped.first().unwrap_or(place).span.start;
    if start != place.span.start || !added.is_empty() {
        let text = added.iter().map(|part| format!("{}.", quote_ident(&part.value))).collect();
        edits.push((start..place.span.start, text));
    }
    for (place, part) in places.iter().zip(kept) {
        if place.value != part.value {
            let plain = !place.quoted && is_plain(&part.value);
            let text = if plain { part.value.clone() } else { quote_ident(&part.value) };
            edits.push((place.span.start..place.span.end, text));
        }
    }
}

fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (range, new) in edits {
        out.push_str(text.get(copied..range.start).unwrap_or_default());
        out.push_str(&new);
        copied = range.end;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

pub(crate) fn same(a: &ObjectName, b: &ObjectName) -> bool {
    a.parts.len() == b.parts.len() && ends_with(a, b)
}

pub(crate) fn ends_with(name: &ObjectName, tail: &ObjectName) -> bool {
    let skipped = name.parts.len().checked_sub(tail.parts.len());
    skipped.is_some_and(|skipped| {
        name.parts.iter().skip(skipped).zip(&tail.parts).all(|(a, b)| a.value == b.value)
    })
}

/// The WITH clauses of one query, as far as they are read.
struct Scope {
    /// Places of their queries, by which the end of one is known.
    queries: Vec<(*const Query, String)>,
    /// Names that can be used now, in lower case.
    visible: HashSet<String>,
    /// The last clause that can be used now.
    last: Option<usize>,
    /// It is one SELECT: ORDER BY of the query sees its tables.
    single: bool,
}

struct Reader<'t> {
    tokens: &'t [Token],
    /// Position of the token at a line and column.
    places: HashMap<(u64, u64), usize>,
    /// The innermost query last.
    scopes: Vec<Scope>,
    /// For each SELECT that is open whether it has a scope of its own.
    selects: Vec<bool>,
    found: QueryNames,
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

    /// A WITH clause comes into force.
    fn enter(&mut self, name: String) {
        let Some(scope) = self.scopes.last_mut() else { return };
        self.found.clauses.push((name.clone(), scope.last));
        scope.last = Some(self.found.clauses.len() - 1);
        scope.visible.insert(name);
    }

    fn is_visible(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.scopes.iter().any(|scope| scope.visible.contains(&name))
    }
}

impl Visitor for Reader<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let last = self.scopes.last().and_then(|scope| scope.last);
        let clause = self.scopes.last().is_some_and(|scope| {
            scope.queries.iter().any(|(place, _)| std::ptr::eq(*place, std::ptr::from_ref(query)))
        });
        let single = matches!(query.body.as_ref(), SetExpr::Select(_));
        self.scopes.push(Scope { queries: Vec::new(), visible: HashSet::new(), last, single });
        match clause {
            true => self.found.scopes.enter_beside(),
            false => self.found.scopes.enter(),
        }
        if let Some(with) = &query.with {
            for table in &with.cte_tables {
                let name = table.alias.name.value.to_lowercase();
                if with.recursive {
                    self.enter(name.clone());
                }
                if let Some(scope) = self.scopes.last_mut() {
                    scope.queries.push((std::ptr::from_ref(table.query.as_ref()), name));
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.pop();
        self.found.scopes.leave();
        // A WITH clause can be used behind its query, not inside it.
        let ended = self.scopes.last().and_then(|scope| {
            scope.queries.iter().find(|(place, _)| std::ptr::eq(*place, std::ptr::from_ref(query)))
        });
        if let Some(name) = ended.map(|(_, name)| name.clone()) {
            self.enter(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let own = !self.scopes.last().is_some_and(|scope| scope.single);
        self.selects.push(own);
        if own {
            self.found.scopes.enter();
        }
        for item in &select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
                && let Some((name, _)) = self.name(name)
            {
                self.found.scopes.qualifier(name);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        if self.selects.pop() == Some(true) {
            self.found.scopes.leave();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias_of = |alias: &Option<TableAlias>| alias.as_ref().map(|alias| alias.name.value.clone());
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let Some((name, last)) = self.name(name) else { return ControlFlow::Continue(()) };
                // A parenthesis behind the name makes it a function.
                let next = self.tokens.get(last + 1).map(|token| &token.kind);
                let function = args.is_some() || matches!(next, Some(TokenKind::Symbol("(")));
                let alias = alias_of(alias);
                if function || (name.parts.len() == 1 && self.is_visible(name.object())) {
                    let exposed = alias.unwrap_or_else(|| name.object().to_string());
                    self.found.scopes.other(exposed);
                    if function {
                        self.found.functions.push(name);
                    }
                } else {
                    let clause = self.scopes.last().and_then(|scope| scope.last);
                    self.found.scopes.table(self.found.tables.len(), name.clone(), alias);
                    self.found.tables.push(Table { name, clause });
                }
            }
            TableFactor::Function { name, alias, .. } => {
                if let Some((name, _)) = self.name(name) {
                    let exposed = alias_of(alias).unwrap_or_else(|| name.object().to_string());
                    self.found.scopes.other(exposed);
                    self.found.functions.push(name);
                }
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => {
                if let Some(alias) = alias_of(alias) {
                    self.found.scopes.other(alias);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::CompoundIdentifier(parts) => {
                let parts: Option<Vec<Ident>> = parts
                    .iter()
                    .take(parts.len().saturating_sub(1))
                    .map(|part| self.ident(part).map(|(ident, _)| ident))
                    .collect();
                if let Some(parts) = parts.filter(|parts| !parts.is_empty()) {
                    self.found.scopes.qualifier(ObjectName { parts });
                }
            }
            Expr::Function(call) => {
                let name = self.name(&call.name).map(|(name, _)| name);
                self.found.functions.extend(name);
            }
            _ => {}
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
            "WITH c AS (SELECT a.* FROM `new`.a -- a\n) SELECT /*+ x */ `e`.`w`.x, w . y, a.y, z.a FROM c, \
             `e`.`w`, `new`.a WHERE x IN (SELECT y FROM v z) AND 'a' = \"a\" AND FILES(a) -- 库\n LIMIT 1"
        );
    }

    #[test]
    fn only_what_changes_of_a_name_is_edited() {
        let rename = |query: &str, database: &str, name: &str| {
            let new = ObjectName { parts: vec![Ident::new(database), Ident::new(name)] };
            rename_in_query(query, |_| Some(new.clone())).unwrap()
        };
        let query = "SELECT 1 FROM d /* the\nshop */ . `orders` -- all\n";
        assert_eq!(rename(query, "d", "or`ders"), query.replace("`orders`", "`or``ders`"));
        assert_eq!(rename(query, "e", "orders"), query.replace("d /*", "e /*"));
        assert_eq!(rename(query, "a b", "orders"), query.replace("d /*", "`a b` /*"));
        assert_eq!(rename("SELECT 1 FROM t", "d", "table"), "SELECT 1 FROM `d`.`table`");
    }

    #[test]
    fn table_functions_are_no_tables() {
        let query =
            "SELECT f(1), d.g(x) OVER (PARTITION BY h(y)) FROM FILES(\"path\" = \"x\"), unnest(a) u, t";
        let names = QueryNames::read(query).unwrap();
        assert_eq!(names.tables().map(ToString::to_string).collect::<Vec<_>>(), ["t"]);
        let functions: Vec<String> = names.functions().map(ToString::to_string).collect();
        assert_eq!(functions, ["f", "d.g", "h", "FILES", "unnest"]);
        let renamed = names.renamed(
            query,
            |_, _| None,
            |name| (name.object() == "g").then(|| ObjectName::single(Ident::new("k"))),
        );
        assert_eq!(renamed, query.replace("d.g", "k"));
    }

    #[test]
    fn a_with_clause_hides_a_table_only_where_it_is_in_force() {
        let names = |query: &str| -> Vec<String> {
            names_in_query(query).unwrap().iter().map(ToString::to_string).collect()
        };
        assert_eq!(names("WITH t AS (SELECT * FROM t) SELECT * FROM t"), ["t"]);
        assert_eq!(names("WITH a AS (SELECT * FROM b), b AS (SELECT * FROM A) SELECT * FROM a, b"), ["b"]);
        assert_eq!(names("SELECT * FROM (WITH x AS (SELECT 1) SELECT * FROM x) y, x"), ["x"]);
        assert_eq!(
            names("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r"),
            Vec::<String>::new()
        );
        assert_eq!(names("WITH x AS (SELECT 1) SELECT (SELECT max(a) FROM X) FROM d.x"), ["d.x"]);
    }

    #[test]
    fn a_new_name_that_another_table_has_gets_the_old_one_as_alias() {
        let rename = |query: &str| {
            rename_in_query(query, |name| {
                (name.object() == "b").then(|| ObjectName { parts: vec![Ident::new("d"), Ident::new("x")] })
            })
            .unwrap()
        };
        assert_eq!(rename("SELECT b.c FROM b, a x"), "SELECT b.c FROM `d`.x AS `b`, a x");
        assert_eq!(rename("SELECT b.c FROM b, e.X"), "SELECT b.c FROM `d`.x AS `b`, e.X");
        assert_eq!(rename("SELECT b.c FROM b, a"), "SELECT x.c FROM `d`.x, a");
        // Where it stands in a query inside, or outside, and is used there.
        assert_eq!(
            rename("SELECT 1 FROM b WHERE c IN (SELECT b.d FROM a x)"),
            "SELECT 1 FROM `d`.x AS `b` WHERE c IN (SELECT b.d FROM a x)"
        );
        assert_eq!(
            rename("SELECT 1 FROM a x WHERE c IN (SELECT x.d FROM b)"),
            "SELECT 1 FROM a x WHERE c IN (SELECT x.d FROM `d`.x AS `b`)"
        );
        assert_eq!(
            rename("SELECT b.c FROM b WHERE c IN (SELECT x.d FROM a x)"),
            "SELECT x.c FROM `d`.x WHERE c IN (SELECT x.d FROM a x)"
        );
        // An alias hides the table of that name; fields of structs are no columns.
        assert_eq!(
            rename("SELECT b.s.f FROM b WHERE c IN (SELECT b.d FROM a AS b) ORDER BY b.c"),
            "SELECT x.s.f FROM `d`.x WHERE c IN (SELECT b.d FROM a AS b) ORDER BY x.c"
        );
        // The same table twice, in queries of their own.
        assert_eq!(
            rename("SELECT b.c FROM b WHERE c IN (SELECT b.c FROM b)"),
            "SELECT x.c FROM `d`.x WHERE c IN (SELECT x.c FROM `d`.x)"
        );
    }
}
