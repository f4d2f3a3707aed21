//! A query or expression that an object's definition holds: what it refers to,
//! and how it follows renames.

use std::collections::BTreeSet;

use rockhold_core::{Error, KindId, ObjectName, ObjectRef, Renames};
use rockhold_model::Rollup;

use crate::ast::{self, Ident, quote_ident};
use crate::{QueryNames, SqlError, TokenKind, tokenize};

/// The catalog of the warehouse itself.
const INTERNAL_CATALOG: &str = "default_catalog";

/// What makes a query of an expression.
const EXPRESSION_PREFIX: &str = "SELECT ";

/// A stored query that was read.
#[derive(Debug, Clone)]
pub struct StoredQuery {
    text: String,
    /// How much of `text` is not the stored text.
    prefix: usize,
    names: QueryNames,
    default_database: String,
}

impl StoredQuery {
    /// Reads a query. Names without a database mean `default_database`, or
    /// `own_database`, that of the object, when there is none.
    ///
    /// # Errors
    ///
    /// The query's syntax error.
    pub fn read(query: &str, default_database: &str, own_database: &str) -> Result<Self, SqlError> {
        Self::with_prefix("", query, default_database, own_database)
    }

    /// Reads an expression; as [`StoredQuery::read`].
    ///
    /// # Errors
    ///
    /// The expression's syntax error.
    pub fn read_expression(expression: &str, own_database: &str) -> Result<Self, SqlError> {
        Self::with_prefix(EXPRESSION_PREFIX, expression, "", own_database)
    }

    fn with_prefix(prefix: &str, stored: &str, default: &str, own: &str) -> Result<Self, SqlError> {
        let text = format!("{prefix}{stored}");
        let names = QueryNames::read(&text)?;
        let default_database = if default.is_empty() { own } else { default }.to_string();
        Ok(Self { text, prefix: prefix.len(), names, default_database })
    }

    /// What the names mean: tables, views and materialized views without a
    /// kind, catalogs, and functions that are called with their database. A
    /// call without one may be a function of the warehouse itself and is left
    /// out. In order of first appearance, each once.
    pub fn references(&self) -> Vec<ObjectRef> {
        let mut seen = BTreeSet::new();
        let tables = self.names.tables().map(|name| match self.full(name) {
            Full::Relation(name) => ObjectRef { kind: None, name },
            Full::Catalog(catalog) => {
                ObjectRef { kind: Some(KindId::EXTERNAL_CATALOG), name: ObjectName::new("", catalog) }
            }
        });
        let functions = self.names.functions().filter_map(|name| {
            let database = name.database()?;
            let name = ObjectName::new(database, name.object().to_lowercase());
            Some(ObjectRef { kind: Some(KindId::FUNCTION), name })
        });
        tables.chain(functions).filter(|reference| seen.insert(reference.clone())).collect()
    }

    /// The text in which names follow the renames of single objects, and the
    /// database that its names without one mean then. Nothing else changes.
    ///
    /// Names without a database stay so as far as one database can be found
    /// that all of them mean; others are given theirs. `own` is the old name of
    /// the object that holds the query, `new` its new one.
    pub fn renamed(&self, renames: &Renames, own: &ObjectName, new: &ObjectName) -> (String, String) {
        let default = self.new_default(renames, own, new);
        (self.renamed_in(renames, &default), default)
    }

    /// As [`StoredQuery::renamed`], where names without a database mean
    /// `default` afterwards.
    pub fn renamed_in(&self, renames: &Renames, default: &str) -> String {
        let table = |name: &ast::ObjectName, is_clause: &dyn Fn(&str) -> bool| match self.full(name) {
            Full::Catalog(catalog) => {
                let new = renames.objects.get(&ObjectName::new("", catalog))?;
                let mut parts = name.parts.clone();
                *parts.first_mut()? = Ident::new(new.name.clone());
                Some(ast::ObjectName { parts })
            }
            Full::Relation(full) => {
                let target = renames.objects.get(&full).unwrap_or(&full);
                let mut parts = name.parts.clone();
                parts.truncate(name.parts.len().saturating_sub(2));
                let bare = name.parts.len() == 1 && target.database == default && !is_clause(&target.name);
                if !bare {
                    parts.push(Ident::new(target.database.clone()));
                }
                parts.push(Ident::new(target.name.clone()));
                Some(ast::ObjectName { parts })
            }
        };
        let function = |name: &ast::ObjectName| {
            let target = self.function_target(name, renames)?;
            let mut parts = Vec::new();
            if name.parts.len() > 1 || target.database != default {
                parts.push(Ident::new(target.database.clone()));
            }
            let base = target.base_name();
            // The case of the call stays where the name does.
            let same = base.eq_ignore_ascii_case(name.object());
            parts.push(Ident::new(if same { name.object() } else { base }));
            Some(ast::ObjectName { parts })
        };
        let text = self.names.renamed(&self.text, table, function);
        text.get(self.prefix..).unwrap_or_default().to_string()
    }

    /// The database that bare names mean afterwards: the one that all of them
    /// mean, else that of the object when it is one of several, else the old one.
    fn new_default(&self, renames: &Renames, own: &ObjectName, new: &ObjectName) -> String {
        let tables = self.names.tables().filter(|name| name.parts.len() == 1).map(|name| {
            let full = ObjectName::new(self.default_database.clone(), name.object());
            renames.objects.get(&full).map_or(full.database, |new| new.database.clone())
        });
        let functions = self.names.functions().filter(|name| name.parts.len() == 1);
        let functions =
            functions.filter_map(|name| Some(self.function_target(name, renames)?.database.clone()));
        let mut meant: BTreeSet<String> = tables.chain(functions).collect();
        let moves_along = self.default_database == own.database;
        if meant.len() == 1 {
            return meant.pop_first().unwrap_or_default();
        }
        match moves_along && (meant.is_empty() || meant.contains(&new.database)) {
            true => new.database.clone(),
            false => self.default_database.clone(),
        }
    }

    /// The new name of a function that is called, when it is renamed.
    fn function_target<'r>(&self, name: &ast::ObjectName, renames: &'r Renames) -> Option<&'r ObjectName> {
        let database = name.database().unwrap_or(&self.default_database);
        // Names of functions carry their signature; all overloads are renamed alike.
        let first = ObjectName::new(database, format!("{}(", name.object().to_lowercase()));
        let (old, new) = renames.objects.range(first.clone()..).next()?;
        (old.database == first.database && old.name.starts_with(&first.name)).then_some(new)
    }

    fn full(&self, name: &ast::ObjectName) -> Full {
        match name.parts.as_slice() {
            [catalog, _, .., _] if catalog.value != INTERNAL_CATALOG => Full::Catalog(catalog.value.clone()),
            _ => Full::Relation(ObjectName::new(
                name.database().unwrap_or(&self.default_database),
                name.object(),
            )),
        }
    }

    /// The query in a form that is equal for queries that differ in comments,
    /// blanks, quotes and in names with or without their database.
    fn canonical(&self) -> Vec<String> {
        let text = self.names.renamed(
            &self.text,
            |name, _| match self.full(name) {
                Full::Catalog(_) => None,
                Full::Relation(name) => {
                    let parts = [name.database, name.name].into_iter().filter(|part| !part.is_empty());
                    Some(ast::ObjectName { parts: parts.map(Ident::new).collect() })
                }
            },
            |_| None,
        );
        tokenize(&text)
            .into_iter()
            .map(|token| match token.kind {
                // Such a name is quoted wherever it is printed.
                TokenKind::Word(word) if word.starts_with(|c: char| c.is_ascii_digit()) => quote_ident(&word),
                TokenKind::Word(word) => word,
                TokenKind::Quoted(name) if ast::is_plain(&name) => name,
                TokenKind::Quoted(name) => quote_ident(&name),
                _ => token.span.text(&text).to_string(),
            })
            .collect()
    }

    /// Where the two queries first differ in more than comments, blanks, quotes
    /// and the databases of names: the text from there on, of both.
    pub fn first_difference(&self, other: &StoredQuery) -> Option<(String, String)> {
        let (ours, theirs) = (self.canonical(), other.canonical());
        let equal = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
        if equal == ours.len() && equal == theirs.len() {
            return None;
        }
        // A little of what is before shows where that is.
        let from = equal.saturating_sub(3);
        Some((excerpt(&ours, from), excerpt(&theirs, from)))
    }
}

/// Longest text of a difference, in characters.
const EXCERPT: usize = 80;

fn excerpt(tokens: &[String], from: usize) -> String {
    let mut text = String::new();
    for token in tokens.iter().skip(from) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(token);
        if text.chars().count() > EXCERPT {
            let cut: String = text.chars().take(EXCERPT).collect();
            return format!("{cut}…");
        }
    }
    text.trim_end().to_string()
}

/// The references of a query that an object holds, without the object itself.
/// None are known of a text that does not parse.
pub fn query_references(query: &str, default_database: &str, own: &ObjectName) -> Vec<ObjectRef> {
    match StoredQuery::read(query, default_database, &own.database) {
        Ok(stored) => {
            let mut references = stored.references();
            references.retain(|reference| reference.name != *own);
            references
        }
        Err(_) => Vec::new(),
    }
}

/// The query of an object that gets the name `new`, and the database of its
/// bare names: [`StoredQuery::renamed`]. A text that does not parse stays as it
/// is, with the database that it had, as long as the object keeps its own name.
///
/// # Errors
///
/// `Unsupported` when it does not parse and the object gets another name.
pub fn follow_renames(
    query: &str,
    default_database: &str,
    renames: &Renames,
    own: &ObjectName,
    new: &ObjectName,
) -> Result<(String, String), Error> {
    match StoredQuery::read(query, default_database, &own.database) {
        Ok(stored) => {
            let (text, database) = stored.renamed(renames, own, new);
            // An object without one takes that of its own database, as before.
            let implied = default_database.is_empty() && database == new.database;
            Ok((text, if implied { String::new() } else { database }))
        }
        Err(_) if own.name == new.name => {
            let database = if default_database.is_empty() { &own.database } else { default_database };
            let implied = default_database.is_empty() && own.database == new.database;
            Ok((query.to_string(), if implied { String::new() } else { database.to_string() }))
        }
        Err(error) => Err(Error::unsupported(format!(
            "its query cannot be edited, because it does not parse ({error}); restore it under its own name"
        ))
        .at(own)),
    }
}

/// Lets the queries of synchronous materialized views name their table by its
/// new name. Bare names mean the table's own database, before and after.
///
/// # Errors
///
/// `Unsupported`, naming the view, when its query does not parse.
pub fn rename_base_of_rollups(
    rollups: &mut [Rollup],
    old: &ObjectName,
    new: &ObjectName,
) -> Result<(), Error> {
    if old == new {
        return Ok(());
    }
    let renames = Renames { objects: [(old.clone(), new.clone())].into(), ..Renames::default() };
    for rollup in rollups {
        let Some(query) = &mut rollup.query else { continue };
        let stored = StoredQuery::read(query, &old.database, &old.database).map_err(|error| {
            Error::unsupported(format!(
                "the query of its materialized view {} cannot be edited, because it does not parse ({error}); \
                 keep the table's own name",
                rollup.name
            ))
            .at(old)
        })?;
        *query = stored.renamed_in(&renames, &new.database);
    }
    Ok(())
}

/// The first difference between the queries of two objects, each with the
/// database of its bare names: `query is inconsistent: … here, … in the snapshot`.
pub fn query_difference(here: (&str, &str), there: (&str, &str)) -> Option<String> {
    let read = |(query, database): (&str, &str)| StoredQuery::read(query, database, "");
    let (ours, theirs) = match (read(here), read(there)) {
        (Ok(ours), Ok(theirs)) => ours.first_difference(&theirs)?,
        _ if here == there => return None,
        _ => (excerpt(&[here.0.to_string()], 0), excerpt(&[there.0.to_string()], 0)),
    };
    let shown = |text: String| if text.is_empty() { "its end".to_string() } else { text };
    Some(format!("query is inconsistent: {} here, {} in the snapshot", shown(ours), shown(theirs)))
}

/// What a name of a table means.
enum Full {
    Relation(ObjectName),
    /// Something in this external catalog.
    Catalog(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames(pairs: &[(&str, &str)]) -> Renames {
        let name = |text: &str| match text.split_once('.') {
            Some((database, name)) => ObjectName::new(database, name),
            None => ObjectName::new("", text),
        };
        let objects = pairs.iter().map(|(old, new)| (name(old), name(new))).collect();
        Renames { objects, ..Renames::default() }
    }

    fn moved(query: &str, pairs: &[(&str, &str)]) -> (String, String) {
        let own = ObjectName::new("d", "v");
        let new = ObjectName::new("e", "w");
        StoredQuery::read(query, "d", "d").unwrap().renamed(&renames(pairs), &own, &new)
    }

    #[test]
    fn bare_names_stay_bare_where_one_database_holds_all_that_they_mean() {
        let text = |text: &str, database: &str| (text.to_string(), database.to_string());
        assert_eq!(moved("SELECT 1 FROM t, u", &[]), text("SELECT 1 FROM t, u", "d"));
        assert_eq!(
            moved("SELECT 1 FROM t, u", &[("d.t", "e.t"), ("d.u", "e.x")]),
            text("SELECT 1 FROM t, x", "e")
        );
        assert_eq!(
            moved("SELECT t.a FROM t, u, f.g", &[("d.t", "e.t2")]),
            text("SELECT t2.a FROM t2, `d`.u, f.g", "e")
        );
        assert_eq!(
            moved("SELECT 1 FROM t, u", &[("d.t", "f.t"), ("d.u", "g.u")]),
            text("SELECT 1 FROM `f`.t, `g`.u", "d")
        );
        assert_eq!(moved("SELECT 1", &[("d.t", "e.t")]), text("SELECT 1", "e"));
        // A WITH clause takes a bare name where it is in force.
        assert_eq!(
            moved("WITH x AS (SELECT * FROM t) SELECT * FROM x y, t", &[("d.t", "e.x")]),
            text("WITH x AS (SELECT * FROM x) SELECT * FROM x y, `e`.x", "e")
        );
    }

    #[test]
    fn catalogs_and_functions_are_followed() {
        let query = "SELECT d.F(a), g(b), sum(c) FROM ice.db.t, default_catalog.d.t";
        let stored = StoredQuery::read(query, "d", "d").unwrap();
        let references: Vec<(Option<String>, String)> = stored
            .references()
            .into_iter()
            .map(|r| (r.kind.map(|kind| kind.to_string()), r.name.to_string()))
            .collect();
        let expected = [(Some("external_catalog"), "ice"), (None, "d.t"), (Some("function"), "d.f")];
        assert_eq!(references, expected.map(|(kind, name)| (kind.map(str::to_string), name.to_string())));
        let pairs = [("ice", "snow"), ("d.t", "e.t"), ("d.f(INT)", "e.h(INT)"), ("d.g(INT)", "e.g(INT)")];
        assert_eq!(moved(query, &pairs).0, "SELECT e.h(a), g(b), sum(c) FROM snow.db.t, default_catalog.e.t");
    }

    #[test]
    fn expressions_are_read_like_queries() {
        let stored = StoredQuery::read_expression("f(x) + 1", "d").unwrap();
        let (own, new) = (ObjectName::new("d", "k(INT)"), ObjectName::new("e", "k(INT)"));
        let (text, _) = stored.renamed(&renames(&[("d.f(INT)", "d.f2(INT)")]), &own, &new);
        assert_eq!(text, "f2(x) + 1");
    }

    #[test]
    fn queries_are_compared_by_what_they_mean() {
        let read = |text: &str| StoredQuery::read(text, "d", "d").unwrap();
        let ours = read("SELECT `a` -- first\n FROM t");
        assert_eq!(ours.first_difference(&read("SELECT a FROM  `d`.`t`")), None);
        let digit = read("SELECT 1a FROM 0b.t");
        assert_eq!(digit.first_difference(&read("SELECT `1a` FROM `0b`.t")), None);
        assert!(digit.first_difference(&read("SELECT 1a FROM `0c`.t")).is_some());
        let (here, there) = ours.first_difference(&read("SELECT a FROM t WHERE a > 1")).unwrap();
        assert_eq!((here.as_str(), there.as_str()), ("d . t", "d . t WHERE a > 1"));
    }
}
