//! Names of tables and functions inside stored SQL.
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

use crate::ast::{Ident, ObjectName, is_plain, quote_ident};
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
#[derive(Debug, Clone)]
pub struct QueryNames {
    tables: Vec<Table>,
    functions: Vec<ObjectName>,
    /// What stands before columns.
    qualifiers: Vec<ObjectName>,
    /// WITH clauses in force somewhere: each name, in lower case, and the one
    /// before it.
    clauses: Vec<(String, Option<usize>)>,
}

#[derive(Debug, Clone)]
struct Table {
    name: ObjectName,
    alias: Option<String>,
    /// The last of the WITH clauses in force here.
    clause: Option<usize>,
}

impl Table {
    /// What columns of it can be qualified with, in lower case.
    fn exposed(&self) -> String {
        self.alias.as_deref().unwrap_or(self.name.object()).to_lowercase()
    }
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
            found: QueryNames {
                tables: Vec::new(),
                functions: Vec::new(),
                qualifiers: Vec::new(),
                clauses: Vec::new(),
            },
        };
        let _: ControlFlow<()> = tree.visit(&mut reader);
        let mut found = reader.found;
        found.tables.sort_by_key(|table| table.name.span().start);
        in_order(&mut found.functions);
        in_order(&mut found.qualifiers);
        Ok(found)
    }

    /// The tables, views and materialized views that are named, each time that
    /// they are.
    pub fn tables(&self) -> impl Iterator<Item = &ObjectName> {
        self.tables.iter().map(|table| &table.name)
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
        // What stands before columns afterwards, and before: two tables that could
        // be told apart must stay so. Equal names before lie in queries of their own.
        let mut exposed: HashMap<String, HashSet<String>> = HashMap::new();
        for (table, new) in self.tables.iter().zip(&new_names) {
            let shown = match &table.alias {
                Some(alias) => alias,
                None => new.as_ref().unwrap_or(&table.name).object(),
            };
            exposed.entry(shown.to_lowercase()).or_default().insert(table.exposed());
        }
        let mut edits: Vec<Edit> = Vec::new();
        // By their own name: unaliased tables, and what they become.
        let mut followed: HashMap<&str, Vec<(&ObjectName, &ObjectName)>> = HashMap::new();
        for (table, new) in self.tables.iter().zip(&new_names) {
            let Some(new) = new else { continue };
            let name = table.name.object();
            let meant = exposed.get(&new.object().to_lowercase());
            let taken = meant.is_some_and(|tables| tables.iter().any(|other| *other != table.exposed()));
            if table.alias.is_none() && new.object() != name && taken {
                edit(&table.name, new, &mut edits);
                let end = table.name.span().end;
                edits.push((end..end, format!(" AS {}", quote_ident(name))));
                continue;
            }
            edit(&table.name, new, &mut edits);
            let known = followed.entry(name).or_default();
            if table.alias.is_none() && !known.iter().any(|(old, _)| same(old, &table.name)) {
                known.push((&table.name, new));
            }
        }
        for qualifier in &self.qualifiers {
            let candidates = followed.get(qualifier.object()).into_iter().flatten();
            let Some((_, new)) = candidates.into_iter().find(|(old, _)| ends_with(old, qualifier)) else {
                continue;
            };
            // A qualifier says no more of the name than it did.
            let skipped = new.parts.len().saturating_sub(qualifier.parts.len());
            let new = ObjectName { parts: new.parts.iter().skip(skipped).cloned().collect() };
            edit(qualifier, &new, &mut edits);
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

fn in_order(names: &mut Vec<ObjectName>) {
    names.sort_by_key(|name| name.span().start);
    names.dedup_by_key(|name| name.span().start);
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

fn same(a: &ObjectName, b: &ObjectName) -> bool {
    a.parts.len() == b.parts.len() && ends_with(a, b)
}

fn ends_with(name: &ObjectName, tail: &ObjectName) -> bool {
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
}

struct Reader<'t> {
    tokens: &'t [Token],
    /// Position of the token at a line and column.
    places: HashMap<(u64, u64), usize>,
    /// The innermost query last.
    scopes: Vec<Scope>,
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
        self.scopes.push(Scope { queries: Vec::new(), visible: HashSet::new(), last });
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
        for item in &select.projection {
            if let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) = item
            {
                let name = self.name(name).map(|(name, _)| name);
                self.found.qualifiers.extend(name);
            }
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let Some((name, last)) = self.name(name) else { return ControlFlow::Continue(()) };
                // A parenthesis behind the name makes it a function.
                let next = self.tokens.get(last + 1).map(|token| &token.kind);
                if args.is_some() || matches!(next, Some(TokenKind::Symbol("("))) {
                    self.found.functions.push(name);
                } else if name.parts.len() > 1 || !self.is_visible(name.object()) {
                    let alias = alias.as_ref().map(|alias| alias.name.value.clone());
                    let clause = self.scopes.last().and_then(|scope| scope.last);
                    self.found.tables.push(Table { name, alias, clause });
                }
            }
            TableFactor::Function { name, .. } => {
                let name = self.name(name).map(|(name, _)| name);
                self.found.functions.extend(name);
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
                let parts = parts.filter(|parts| !parts.is_empty());
                self.found.qualifiers.extend(parts.map(|parts| ObjectName { parts }));
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
        // The same table twice, in queries of their own.
        assert_eq!(
            rename("SELECT b.c FROM b WHERE c IN (SELECT b.c FROM b)"),
            "SELECT x.c FROM `d`.x WHERE c IN (SELECT x.c FROM `d`.x)"
        );
    }
}
