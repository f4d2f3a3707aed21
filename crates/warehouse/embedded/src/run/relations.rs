//! Everything a query reads: tables, views over views, files, functions.
//!
//! A view is planned by itself, with names of its own: its unqualified tables
//! and functions are those of its default database, and neither the WITH
//! clauses nor the aliases of the query around it mean anything inside.
//! DataFusion then puts the plan in the place of the view.
//!
//! All views and tables are those of one instant. What a view reads is found
//! by reading its definition, so the catalog is read, what was found is
//! pinned, and both are compared; when they differ it is done again.

use super::super::error::{number, of_query, of_store};
use super::super::files::read;
use super::super::merge::table::{StoredTable, definition_of};
use super::super::query::Environment;
use super::super::query::planner::Tables;
use super::super::query::rewrite::{Found, FoundTable, OWN, rewrite};
use super::super::rollup;
use super::super::session::{Session, unknown_table};
use super::super::value::types::{described, of_field};
use super::function::Functions;
use datafusion::catalog::TableProvider;
use datafusion::common::Column;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::ViewTable;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use rockhold_core::{KindId, ObjectName};
use rockhold_model::ViewDefinition;
use rockhold_sql::{SqlError, Stage};
use rockhold_warehouse_store::{ObjectInfo, PartitionInfo, ReadSnapshot, SnapshotObject};
use sqlparser::ast::Query;
use std::collections::HashMap;
use std::sync::Arc;

/// Views inside views.
const MAX_DEPTH: usize = 32;

/// Steps of a view's plan with those of the views in it. Twenty views that
/// each read the one before twice would otherwise make a plan of a million.
const MAX_STEPS: usize = 20_000;

/// How often the catalog may change between reading and pinning.
const ATTEMPTS: usize = 8;

/// Everything that `found` names, pinned at one instant.
///
/// # Errors
/// Something is missing; a view is damaged, refers to itself or no longer fits
/// what it reads.
pub(crate) async fn tables(
    session: &Session,
    found: &Found,
    environment: &Environment,
) -> Result<Tables, SqlError> {
    let mut rollups = Rollups::default();
    rollups.note(session, found).await?;
    let mut names = Vec::new();
    add_names(&mut names, found, &rollups);
    for _ in 0..ATTEMPTS {
        let snapshot = match names.is_empty() {
            true => None,
            false => Some(session.store.snapshot(&names).await.map_err(of_store)?),
        };
        let mut views = Views {
            session,
            environment,
            snapshot: snapshot.as_ref(),
            around: 0,
            known: HashMap::new(),
            order: Vec::new(),
            rollups: rollups.clone(),
        };
        views.enter(found, &mut Vec::new()).await?;
        let Views { known, order, rollups, .. } = views;
        let mut wanted = Vec::new();
        add_names(&mut wanted, found, &rollups);
        for view in known.values() {
            add_names(&mut wanted, &view.found, &rollups);
        }
        if wanted.iter().all(|name| names.contains(name)) {
            let functions = Functions::new(session, environment);
            let views = HashMap::new();
            let mut sources = Sources { session, environment, snapshot, functions, views, rollups };
            for name in order {
                if let Some(view) = known.get(&name) {
                    let provider = Box::pin(sources.view(&name, view)).await?;
                    sources.views.insert(name, provider);
                }
            }
            return sources.provide(found, environment).await;
        }
        names = wanted;
    }
    Err(SqlError::execute("the views of the query kept changing while it was planned; repeat it"))
}

/// The functions alone: of an expression that reads no table.
///
/// # Errors
/// One is missing or cannot be planned.
pub(crate) async fn functions(
    session: &Session,
    found: &Found,
    environment: &Environment,
) -> Result<Tables, SqlError> {
    let mut tables = Tables::default();
    Functions::new(session, environment).provide(found, environment, &mut tables).await?;
    Ok(tables)
}

/// Whether the query of a view names the view itself, if there is one already.
///
/// # Errors
/// As [`tables`]; also when the view would be read through others.
pub(super) async fn reads(
    session: &Session,
    found: &Found,
    environment: &Environment,
    name: &ObjectName,
) -> Result<bool, SqlError> {
    let (known, order, rollups) = (HashMap::new(), Vec::new(), Rollups::default());
    let mut views = Views { session, environment, snapshot: None, around: 1, known, order, rollups };
    let mut names = Vec::new();
    add_names(&mut names, found, &views.rollups);
    if names.contains(name) {
        // Where there is none of that name, planning says that it is unknown.
        return Ok(session.find(name).await?.is_some());
    }
    views.rollups.note(session, found).await?;
    // As it will be entered itself.
    views.enter(found, &mut vec![name.clone()]).await?;
    Ok(false)
}

/// Synchronous materialized views that queries name, and their tables.
#[derive(Clone, Default)]
struct Rollups(HashMap<ObjectName, ObjectName>);

impl Rollups {
    /// Finds those that `found` names.
    async fn note(&mut self, session: &Session, found: &Found) -> Result<(), SqlError> {
        for table in found.tables.iter().filter(|table| !super::is_information_schema(&table.database)) {
            let name = table.full_name();
            if self.0.contains_key(&name) || session.find(&name).await?.is_some() {
                continue;
            }
            session.require_database(&name.database).await?;
            if let Some((base, _)) = rollup::find(session, &name).await? {
                self.0.insert(name, base);
            }
        }
        Ok(())
    }

    /// The relation that holds what `name` names.
    fn holder(&self, name: ObjectName) -> ObjectName {
        self.0.get(&name).cloned().unwrap_or(name)
    }
}

/// Adds the names of the catalog's objects, each once.
fn add_names(names: &mut Vec<ObjectName>, found: &Found, rollups: &Rollups) {
    for table in &found.tables {
        let name = rollups.holder(table.full_name());
        if !super::is_information_schema(&table.database) && !names.contains(&name) {
            names.push(name);
        }
    }
}

/// A view and what its query reads.
struct View {
    definition: ViewDefinition,
    original: Query,
    rewritten: Query,
    found: Found,
}

/// Finds the views below a query.
struct Views<'a> {
    session: &'a Session,
    environment: &'a Environment,
    snapshot: Option<&'a ReadSnapshot>,
    /// How many views are around the query itself: one when it is a view's.
    around: usize,
    known: HashMap<ObjectName, View>,
    /// The views, each behind those that it reads.
    order: Vec<ObjectName>,
    rollups: Rollups,
}

impl Views<'_> {
    /// Enters the views of a query; `path` are the views around it.
    async fn enter(&mut self, found: &Found, path: &mut Vec<ObjectName>) -> Result<(), SqlError> {
        for table in &found.tables {
            if super::is_information_schema(&table.database) {
                continue;
            }
            let name = table.full_name();
            if path.contains(&name) {
                let way: Vec<String> = path
                    .iter()
                    .skip_while(|step| **step != name)
                    .chain([&name])
                    .map(ToString::to_string)
                    .collect();
                return Err(invalid(&name, &format!("it refers to itself: {}", way.join(" -> "))));
            }
            if self.known.contains_key(&name) {
                continue;
            }
            if self.rollups.0.contains_key(&name) {
                continue;
            }
            let object = match self.object(&name).await? {
                Some(object) => object,
                None => {
                    return Err(match path.get(self.around..).and_then(<[_]>::last) {
                        Some(view) => invalid(view, &format!("Unknown table '{name}'")),
                        None => unknown_table(&name),
                    });
                }
            };
            if object.object.kind != KindId::VIEW {
                continue;
            }
            if path.len() >= MAX_DEPTH {
                return Err(invalid(&name, &format!("views are nested deeper than {MAX_DEPTH} levels")));
            }
            if !table.partitions.is_empty() {
                return Err(SqlError::analyze(format!("'{name}' is a view and has no partitions")));
            }
            let view = read_view(&object, self.environment)?;
            self.rollups.note(self.session, &view.found).await?;
            path.push(name.clone());
            let entered = Box::pin(self.enter(&view.found, path)).await;
            path.pop();
            entered?;
            self.known.insert(name.clone(), view);
            self.order.push(name);
        }
        Ok(())
    }

    /// The object as it was pinned, else as it is now.
    async fn object(&self, name: &ObjectName) -> Result<Option<ObjectInfo>, SqlError> {
        let pinned = self.snapshot.and_then(|snapshot| pinned(snapshot, name));
        match pinned {
            Some(object) => Ok(Some(object.info.clone())),
            None => self.session.find(name).await,
        }
    }
}

fn pinned<'a>(snapshot: &'a ReadSnapshot, name: &ObjectName) -> Option<&'a SnapshotObject> {
    snapshot.objects().iter().find(|object| object.info.object.name == *name)
}

/// The view and what its query reads.
fn read_view(object: &ObjectInfo, environment: &Environment) -> Result<View, SqlError> {
    let name = &object.object.name;
    let definition: ViewDefinition = super::definition(object)?;
    let original = *rockhold_sql::parse_query(&definition.query).map_err(|e| because(name, e))?.query;
    let mut rewritten = original.clone();
    let inside = environment.inside(&definition.default_database);
    let found = rewrite(&mut rewritten, &inside).map_err(|e| because(name, e))?;
    if !found.files.is_empty() {
        return Err(invalid(name, "a view cannot read FILES"));
    }
    Ok(View { definition, original, rewritten, found })
}

/// What is wrong with a view, in MySQL's words.
fn invalid(view: &ObjectName, why: &str) -> SqlError {
    SqlError::numbered(
        Stage::Analyze,
        number::VIEW_INVALID,
        format!("View '{view}' references invalid table(s) or column(s) or function(s): {why}"),
    )
}

/// An error inside a view; that of a view inside it stays what it is.
fn because(view: &ObjectName, error: SqlError) -> SqlError {
    match error.errno {
        number::VIEW_INVALID => error,
        _ => invalid(view, &error.message),
    }
}

/// Gives each query its tables.
struct Sources<'a> {
    session: &'a Session,
    environment: &'a Environment,
    snapshot: Option<ReadSnapshot>,
    functions: Functions<'a>,
    views: HashMap<ObjectName, Arc<dyn TableProvider>>,
    rollups: Rollups,
}

impl Sources<'_> {
    async fn provide(&mut self, found: &Found, environment: &Environment) -> Result<Tables, SqlError> {
        let mut tables = Tables::default();
        for files in &found.files {
            let table = read::table(&self.session.storage, &files.properties).await?;
            tables.insert(OWN, &files.seen_as, table);
        }
        for table in &found.tables {
            let provider = self.table(table).await?;
            let database = if table.partitions.is_empty() { table.database.as_str() } else { OWN };
            tables.insert(database, &table.seen_as, provider);
        }
        self.functions.provide(found, environment, &mut tables).await?;
        Ok(tables)
    }

    async fn table(&self, table: &FoundTable) -> Result<Arc<dyn TableProvider>, SqlError> {
        let name = table.full_name();
        if super::is_information_schema(&table.database) {
            let (table, rows) = (table.name.to_ascii_lowercase(), !self.environment.plan_only);
            let view = super::show::information_schema(self.session, &table, rows).await?;
            return view.ok_or_else(|| unknown_table(&name));
        }
        if let Some(view) = self.views.get(&name) {
            return Ok(view.clone());
        }
        let snapshot = self.snapshot.as_ref();
        let holder = self.rollups.holder(name.clone());
        let Some((snapshot, object)) = snapshot.and_then(|s| Some((s, pinned(s, &holder)?))) else {
            return Err(unknown_table(&name));
        };
        let definition = Arc::new(definition_of(&object.info.object).map_err(of_query)?);
        let partitions = chosen(object, &table.partitions)?;
        if holder != name {
            return rollup::table(&definition, &name.name, snapshot.clone(), partitions);
        }
        Ok(Arc::new(StoredTable::new(definition, snapshot.clone(), partitions)?))
    }

    /// Plans a view whose own views are planned.
    async fn view(&mut self, name: &ObjectName, view: &View) -> Result<Arc<dyn TableProvider>, SqlError> {
        let database = &view.definition.default_database;
        let inside = self.environment.inside(database);
        let tables = self.provide(&view.found, &inside).await.map_err(|e| because(name, e))?;
        let planned = self
            .session
            .engine
            .plan(&view.original, view.rewritten.clone(), &tables, database)
            .map_err(|e| because(name, e))?;
        let plan = shaped(name, planned.plan, &view.definition)?;
        Ok(Arc::new(ViewTable::new(plan, None)))
    }
}

/// The plan with the columns that the view declares.
fn shaped(name: &ObjectName, plan: LogicalPlan, view: &ViewDefinition) -> Result<LogicalPlan, SqlError> {
    let count = plan.schema().fields().len();
    if count != view.columns.len() {
        return Err(invalid(
            name,
            &format!("it has {} columns and its query gives {count} now", view.columns.len()),
        ));
    }
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .zip(&view.columns)
        .map(|((qualifier, field), column)| {
            let metadata = FieldMetadata::from(described(&column.name, &of_field(field)));
            Expr::Column(Column::from((qualifier, field)))
                .alias_with_metadata(column.name.to_ascii_lowercase(), Some(metadata))
        })
        .collect();
    let plan = LogicalPlanBuilder::from(plan)
        .project(columns)
        .and_then(LogicalPlanBuilder::build)
        .map_err(|error| because(name, of_query(error)))?;
    let mut steps = 0usize;
    plan.apply(|_| {
        steps += 1;
        Ok(if steps > MAX_STEPS { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })
    .map_err(of_query)?;
    if steps > MAX_STEPS {
        return Err(invalid(name, &format!("with the views in it, it has more than {MAX_STEPS} steps")));
    }
    Ok(plan)
}

/// The partitions of these names, or all but temporary ones.
pub(super) fn chosen(object: &SnapshotObject, names: &[String]) -> Result<Vec<PartitionInfo>, SqlError> {
    let permanent = || object.partitions.iter().filter(|p| !p.definition.temporary);
    if names.is_empty() {
        return Ok(permanent().cloned().collect());
    }
    names
        .iter()
        .map(|name| {
            permanent().find(|p| p.definition.name.eq_ignore_ascii_case(name)).cloned().ok_or_else(|| {
                SqlError::analyze(format!(
                    "Unknown partition '{name}' in table '{}'",
                    object.info.object.name.name
                ))
            })
        })
        .collect()
}
