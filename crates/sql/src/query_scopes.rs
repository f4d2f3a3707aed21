//! Which table of a query a qualified column means, before and after tables get
//! other names.

use std::collections::{BTreeSet, HashMap};

use crate::ast::ObjectName;
use crate::names_in_query::ends_with;

/// How often names are looked at again before every renamed table keeps its
/// old one as an alias.
const ROUNDS: usize = 4;

/// The FROM clauses of a query inside one another, what they expose, and the
/// qualifiers of columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryScopes {
    /// The scope around each.
    parents: Vec<Option<usize>>,
    /// Those that are open, the innermost last.
    open: Vec<usize>,
    exposed: Vec<Exposed>,
    qualifiers: Vec<(ObjectName, usize)>,
}

/// Something in FROM, by the name that columns are qualified with.
#[derive(Debug, Clone)]
struct Exposed {
    scope: usize,
    /// Lower case.
    name: String,
    /// Its number, name in full and whether it has an alias; `None` for
    /// subqueries, functions and WITH clauses.
    table: Option<(usize, ObjectName, bool)>,
}

/// What a qualifier means.
struct Meant {
    /// How many of its parts: the others are fields.
    parts: usize,
    /// The place in `exposed`.
    exposed: usize,
}

/// What is exposed, by scope and name.
type Index = HashMap<(usize, String), Vec<usize>>;

impl QueryScopes {
    /// A scope begins inside the one that is open.
    pub(crate) fn enter(&mut self) {
        self.parents.push(self.open.last().copied());
        self.open.push(self.parents.len() - 1);
    }

    /// A scope begins beside the one that is open: a WITH clause of its query,
    /// which does not see its tables.
    pub(crate) fn enter_beside(&mut self) {
        let parent = self.open.last().and_then(|scope| self.parents.get(*scope).copied().flatten());
        self.parents.push(parent);
        self.open.push(self.parents.len() - 1);
    }

    /// The scope that began last ends.
    pub(crate) fn leave(&mut self) {
        self.open.pop();
    }

    fn now(&self) -> usize {
        self.open.last().copied().unwrap_or(0)
    }

    /// Table number `at` stands in FROM.
    pub(crate) fn table(&mut self, at: usize, name: ObjectName, alias: Option<String>) {
        let shown = alias.as_deref().unwrap_or(name.object()).to_lowercase();
        let table = Some((at, name, alias.is_some()));
        self.exposed.push(Exposed { scope: self.now(), name: shown, table });
    }

    /// Something else stands in FROM.
    pub(crate) fn other(&mut self, name: String) {
        self.exposed.push(Exposed { scope: self.now(), name: name.to_lowercase(), table: None });
    }

    /// A column is qualified.
    pub(crate) fn qualifier(&mut self, name: ObjectName) {
        self.qualifiers.push((name, self.now()));
    }

    /// Qualifiers that are the name of a table without an alias, cut to that
    /// name, with the number of the table.
    pub(crate) fn qualifiers_of_tables(&self) -> Vec<(ObjectName, usize)> {
        let index = self.index(|exposed| exposed.name.clone());
        let mut found: Vec<(ObjectName, usize)> = self
            .qualifiers
            .iter()
            .filter_map(|(qualifier, scope)| {
                let meant = self.meant(qualifier, *scope, &index)?;
                match &self.exposed.get(meant.exposed)?.table {
                    Some((at, _, false)) => {
                        let parts = qualifier.parts.iter().take(meant.parts).cloned().collect();
                        Some((ObjectName { parts }, *at))
                    }
                    _ => None,
                }
            })
            .collect();
        found.sort_by_key(|(qualifier, _)| qualifier.span().start);
        found.dedup_by_key(|(qualifier, _)| qualifier.span().start);
        found
    }

    /// The tables that must keep their old name as an alias, because under the
    /// new one a qualifier would mean something else.
    pub(crate) fn kept_as_alias(&self, new_names: &[Option<ObjectName>]) -> BTreeSet<usize> {
        let mut kept = BTreeSet::new();
        let before = self.index(|exposed| exposed.name.clone());
        let qualifiers: Vec<(&str, usize, usize)> = self
            .qualifiers
            .iter()
            .filter_map(|(qualifier, scope)| {
                let meant = self.meant(qualifier, *scope, &before)?;
                // With a database before it a name is no alias.
                let name = qualifier.parts.first().filter(|_| meant.parts == 1)?;
                Some((name.as_str(), *scope, meant.exposed))
            })
            .collect();
        // The number of a table that shows another name than before.
        let changed = |exposed: &Exposed, kept: &BTreeSet<usize>| match &exposed.table {
            Some((at, old, false)) if !kept.contains(at) => {
                let new = new_names.get(*at)?.as_ref()?;
                (new.object() != old.object()).then(|| (*at, new.object().to_lowercase()))
            }
            _ => None,
        };
        for round in 0..ROUNDS {
            let mut clashes = BTreeSet::new();
            let after = self.index(|e| changed(e, &kept).map_or_else(|| e.name.clone(), |(_, name)| name));
            let shown = |places: &[usize]| -> Vec<&Exposed> {
                places.iter().filter_map(|place| self.exposed.get(*place)).collect()
            };
            for group in after.values().filter(|group| group.len() > 1) {
                let group = shown(group);
                // Names that were equal before are told apart by more than the name.
                if group.iter().any(|e| Some(&e.name) != group.first().map(|first| &first.name)) {
                    clashes.extend(group.into_iter().filter_map(|e| changed(e, &kept)).map(|(at, _)| at));
                }
            }
            for (name, scope, meant) in &qualifiers {
                let Some(meant) = self.exposed.get(*meant) else { continue };
                let own = changed(meant, &kept);
                let name = own.as_ref().map_or_else(|| name.to_lowercase(), |(_, name)| name.clone());
                let between = self.outwards(*scope).take_while(|scope| *scope != meant.scope);
                for scope in between {
                    let Some(group) = after.get(&(scope, name.clone())) else { continue };
                    match &own {
                        Some((at, _)) => {
                            clashes.insert(*at);
                        }
                        None => {
                            let group = shown(group).into_iter();
                            clashes.extend(group.filter_map(|e| changed(e, &kept)).map(|(at, _)| at));
                        }
                    }
                }
            }
            if clashes.is_empty() {
                break;
            }
            kept.extend(clashes);
            if round + 1 == ROUNDS {
                let all: Vec<usize> =
                    self.exposed.iter().filter_map(|e| changed(e, &kept)).map(|(at, _)| at).collect();
                kept.extend(all);
            }
        }
        kept
    }

    fn index(&self, name: impl Fn(&Exposed) -> String) -> Index {
        let mut index = Index::new();
        for (place, exposed) in self.exposed.iter().enumerate() {
            index.entry((exposed.scope, name(exposed))).or_default().push(place);
        }
        index
    }

    /// A scope and those around it.
    fn outwards(&self, scope: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(scope), |scope| self.parents.get(*scope).copied().flatten())
    }

    fn meant(&self, qualifier: &ObjectName, scope: usize, index: &Index) -> Option<Meant> {
        (1..=qualifier.parts.len()).rev().find_map(|parts| {
            let name = ObjectName { parts: qualifier.parts.iter().take(parts).cloned().collect() };
            let key = name.object().to_lowercase();
            let exposed = self.outwards(scope).find_map(|scope| {
                let group = index.get(&(scope, key.clone()))?;
                group.iter().copied().find(|place| match self.exposed.get(*place).map(|e| &e.table) {
                    Some(Some((_, table, false))) => ends_with(table, &name),
                    Some(_) => parts == 1,
                    None => false,
                })
            })?;
            Some(Meant { parts, exposed })
        })
    }
}
