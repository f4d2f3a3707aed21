//! The functions of users that a query calls.
//!
//! A call without a database means a function of the database around it, else
//! a global one. The expression of a SQL function is planned with names of its
//! own, those of its parameters and of the functions in its own database; a
//! function that is being planned cannot be called again inside itself.

use super::super::super::error::of_store;
use super::super::super::query::Environment;
use super::super::super::query::planner::Tables;
use super::super::super::query::rewrite::{Found, rewrite};
use super::super::super::query::user_function::{Overload, UserFunction, parameter_schema};
use super::super::super::session::Session;
use datafusion::logical_expr::ScalarUDF;
use rockhold_core::ObjectName;
use rockhold_model::{DataType, FunctionDefinition, FunctionKind};
use rockhold_sql::SqlError;
use std::sync::Arc;

/// Functions inside functions.
const MAX_DEPTH: usize = 32;

/// Functions planned for one statement, each as often as it is called from
/// another one.
const MAX_PLANNED: usize = 1000;

/// Finds and plans functions for one statement.
pub(crate) struct Functions<'a> {
    session: &'a Session,
    environment: &'a Environment,
    planned: usize,
}

impl<'a> Functions<'a> {
    pub(crate) fn new(session: &'a Session, environment: &'a Environment) -> Self {
        Self { session, environment, planned: 0 }
    }

    /// Adds to `tables` the functions that a query or expression calls;
    /// `environment` is that of its names.
    ///
    /// # Errors
    /// A function with its database does not exist, or cannot be planned.
    pub(crate) async fn provide(
        &mut self,
        found: &Found,
        environment: &Environment,
        tables: &mut Tables,
    ) -> Result<(), SqlError> {
        self.provide_inside(found, environment, tables, &mut Vec::new()).await
    }

    async fn provide_inside(
        &mut self,
        found: &Found,
        environment: &Environment,
        tables: &mut Tables,
        path: &mut Vec<ObjectName>,
    ) -> Result<(), SqlError> {
        for call in &found.functions {
            if call.database.is_none() && self.session.engine.has_function(&call.name) {
                continue;
            }
            let mut definitions = Vec::new();
            let own = call.database.as_deref().or(environment.database.as_deref());
            for database in own.into_iter().chain(call.database.is_none().then_some("")) {
                for object in
                    self.session.store.find_functions(database, &call.name).await.map_err(of_store)?
                {
                    let definition: FunctionDefinition = super::super::definition(&object)?;
                    definitions.push((object.object.name, definition));
                }
            }
            if definitions.is_empty() {
                match &call.database {
                    Some(database) => {
                        return Err(SqlError::analyze(format!(
                            "No matching function with signature: {database}.{}",
                            call.name
                        )));
                    }
                    // What is called may be unknown; planning says so.
                    None => continue,
                }
            }
            let mut overloads = Vec::with_capacity(definitions.len());
            for (name, definition) in definitions {
                // One that cannot be planned is an error for those who call it.
                overloads.push(match Box::pin(self.overload(name, &definition, path)).await {
                    Ok(overload) => overload,
                    Err(error) => Overload::foreign(&types(&definition), definition.variadic, error.message),
                });
            }
            let function = UserFunction::new(call.seen_as.clone(), call.name.clone(), overloads);
            tables.insert_function(&call.seen_as, Arc::new(ScalarUDF::new_from_impl(function)));
        }
        Ok(())
    }

    async fn overload(
        &mut self,
        name: ObjectName,
        definition: &FunctionDefinition,
        path: &mut Vec<ObjectName>,
    ) -> Result<Overload, SqlError> {
        let shown = name.to_string();
        let refused = |why: String| Ok(Overload::foreign(&types(definition), definition.variadic, why));
        let Some(body) = sql_body(definition) else { return refused(why_not(&shown, definition)) };
        if path.contains(&name) {
            return refused(format!("function {shown} calls itself"));
        }
        self.planned += 1;
        if path.len() >= MAX_DEPTH || self.planned > MAX_PLANNED {
            return Err(SqlError::analyze(format!(
                "function {shown}: functions call each other deeper than {MAX_DEPTH} levels or in more than \
                 {MAX_PLANNED} places"
            )));
        }
        let parameters: Vec<(String, DataType)> = definition
            .arguments
            .iter()
            .map(|argument| (argument.name.clone().unwrap_or_default(), argument.data_type.clone()))
            .collect();
        let failed = |error: SqlError| SqlError::analyze(format!("function {shown}: {}", error.message));
        let mut expression = *rockhold_sql::parse_expression(body).map_err(failed)?.expr;
        let inside = self.environment.inside(&name.database);
        let found = rewrite(&mut expression, &inside).map_err(failed)?;
        if !found.tables.is_empty() || !found.files.is_empty() {
            return Err(failed(SqlError::analyze("its expression contains a subquery")));
        }
        let mut tables = Tables::default();
        path.push(name);
        let provided = self.provide_inside(&found, &inside, &mut tables, path).await;
        path.pop();
        provided?;
        let engine = &self.session.engine;
        let schema = parameter_schema(&parameters)?;
        let body = engine.expression_with(expression, &schema, &tables).map_err(failed)?;
        Overload::sql(&parameters, body, engine.state()).map_err(failed)
    }

    /// Plans a function that is about to be made, so that one that could never
    /// be called is refused.
    ///
    /// # Errors
    /// Its expression does not fit its parameters.
    pub(crate) async fn check(
        &mut self,
        name: &ObjectName,
        definition: &FunctionDefinition,
    ) -> Result<(), SqlError> {
        self.overload(name.clone(), definition, &mut Vec::new()).await.map(|_| ())
    }
}

fn types(definition: &FunctionDefinition) -> Vec<DataType> {
    definition.arguments.iter().map(|argument| argument.data_type.clone()).collect()
}

/// The expression of a SQL function.
pub(super) fn sql_body(definition: &FunctionDefinition) -> Option<&str> {
    match definition.returns {
        None => definition.body.as_deref(),
        Some(_) => None,
    }
}

/// Why a function is not run.
fn why_not(name: &str, definition: &FunctionDefinition) -> String {
    let kind = match definition.kind {
        FunctionKind::Scalar => "",
        FunctionKind::Aggregate => "aggregate ",
        FunctionKind::Table => "table ",
    };
    let language = definition.properties.get("type").map_or("an unknown type", String::as_str);
    format!(
        "function {name} is kept and not run here: the embedded warehouse runs SQL functions, this is a \
         {kind}function of {language}"
    )
}
