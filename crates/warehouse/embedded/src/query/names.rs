//! What the columns of a result are called: an alias or column as it was
//! written, any other expression as its text, and under `*` the declared name.

use arrow::datatypes::Field;
use datafusion::common::DFSchema;
use sqlparser::ast::{
    Expr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, VisitMut, VisitorMut,
};
use std::collections::HashMap;
use std::ops::ControlFlow;

use super::super::value::types::NAME_KEY;

/// One item of the outermost SELECT.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Named(String),
    All,
    AllOf(String),
}

/// What is known of a result's names before planning.
#[derive(Debug, Default)]
pub(crate) struct ResultNames {
    items: Vec<Item>,
    /// Aliases anywhere in the query as they were written, by their lower case.
    aliases: HashMap<String, String>,
}

impl ResultNames {
    /// Reads them from a query that is not rewritten yet.
    pub(crate) fn of(query: &Query) -> Self {
        let mut names = ResultNames::default();
        if let Some(select) = outermost(&query.body) {
            names.items = select.projection.iter().map(item).collect();
        }
        let mut copy = query.clone();
        let _ = copy.visit(&mut names);
        names
    }

    /// The names of the columns of a planned result.
    pub(crate) fn apply(&self, schema: &DFSchema) -> Vec<String> {
        let fields: Vec<_> = schema.iter().collect();
        let declared = |field: &Field| match field.metadata().get(NAME_KEY) {
            Some(name) if name.eq_ignore_ascii_case(field.name()) => name.clone(),
            _ => self.aliases.get(field.name()).unwrap_or(field.name()).clone(),
        };
        let fixed = self.items.iter().filter(|item| matches!(item, Item::Named(_))).count();
        let mut widths: Vec<usize> = self
            .items
            .iter()
            .map(|item| match item {
                Item::Named(_) => 1,
                Item::All => 0,
                Item::AllOf(table) => {
                    fields.iter().filter(|(q, _)| q.is_some_and(|q| q.table() == table)).count()
                }
            })
            .collect();
        let wildcards = self.items.len() - fixed;
        if wildcards == 1 {
            let left = fields.len().saturating_sub(fixed);
            for (width, item) in widths.iter_mut().zip(&self.items) {
                if !matches!(item, Item::Named(_)) {
                    *width = left;
                }
            }
        }
        let mut names = Vec::with_capacity(fields.len());
        if !self.items.is_empty() && widths.iter().sum::<usize>() == fields.len() {
            for (item, width) in self.items.iter().zip(widths) {
                match item {
                    Item::Named(name) => names.push(name.clone()),
                    _ => names.extend(fields.iter().skip(names.len()).take(width).map(|(_, f)| declared(f))),
                }
            }
            return names;
        }
        fields.iter().map(|(_, field)| declared(field)).collect()
    }
}

/// Gives items of the outermost SELECT that have one name an alias each, as
/// DataFusion wants different names; what is shown stays as it is.
pub(crate) fn separate(query: &mut Query) {
    let Some(select) = outermost_mut(&mut query.body) else { return };
    let mut seen: Vec<String> = Vec::new();
    for (position, slot) in select.projection.iter_mut().enumerate() {
        let Item::Named(name) = item(slot) else { continue };
        let name = name.to_ascii_lowercase();
        if seen.contains(&name)
            && let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = slot
        {
            let alias = sqlparser::ast::Ident::new(format!("__rh_item_{position}"));
            *slot = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
        }
        seen.push(name);
    }
}

fn outermost(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => outermost(&query.body),
        SetExpr::SetOperation { left, .. } => outermost(left),
        _ => None,
    }
}

fn outermost_mut(body: &mut SetExpr) -> Option<&mut Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => outermost_mut(&mut query.body),
        SetExpr::SetOperation { left, .. } => outermost_mut(left),
        _ => None,
    }
}

fn item(item: &SelectItem) -> Item {
    match item {
        SelectItem::UnnamedExpr(expr) => Item::Named(shown(expr)),
        SelectItem::ExprWithAlias { alias, .. } => Item::Named(alias.value.clone()),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            Item::AllOf(name.0.last().map(|p| p.to_string().trim_matches('`').to_owned()).unwrap_or_default())
        }
        _ => Item::All,
    }
}

/// The text of an expression: columns by their name alone, functions in lower
/// case.
pub(super) fn shown(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|p| p.value.clone()).unwrap_or_default(),
        other => {
            let mut copy = other.clone();
            let _ = copy.visit(&mut LowerFunctions);
            copy.to_string().replace('`', "")
        }
    }
}

/// Whether an item is a column, possibly with its table.
pub(super) fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) => true,
        Expr::CompoundIdentifier(parts) => !parts.iter().any(|part| part.value.starts_with('@')),
        _ => false,
    }
}

struct LowerFunctions;

impl VisitorMut for LowerFunctions {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(function) = expr {
            for part in &mut function.name.0 {
                if let sqlparser::ast::ObjectNamePart::Identifier(ident) = part {
                    ident.value = ident.value.to_ascii_lowercase();
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl VisitorMut for ResultNames {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &select.projection {
            let name = match item {
                SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
                SelectItem::UnnamedExpr(expr) if !is_column(expr) => shown(expr),
                _ => continue,
            };
            self.aliases.entry(name.to_ascii_lowercase()).or_insert(name);
        }
        ControlFlow::Continue(())
    }
}
