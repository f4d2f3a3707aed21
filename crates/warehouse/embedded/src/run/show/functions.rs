//! SHOW FUNCTIONS.

use super::super::super::error::of_store;
use super::super::super::session::Session;
use super::super::definition;
use super::{Listing, database_of, some};
use rockhold_core::{Namespace, Row};
use rockhold_model::{FunctionDefinition, FunctionKind};
use rockhold_sql::SqlError;
use serde_json::{Map, Value};

/// `SHOW [FULL] [GLOBAL | BUILTIN] FUNCTIONS`.
pub(super) async fn show(
    session: &Session,
    full: bool,
    scope: Option<&str>,
    database: Option<&rockhold_sql::ast::ObjectName>,
) -> Result<Listing, SqlError> {
    if scope == Some("BUILTIN") {
        let names = session.engine.function_names();
        let rows = names.into_iter().map(|name| if full { builtin(name) } else { vec![Some(name)] });
        return Ok(listing(full, rows.collect()));
    }
    let database = match scope {
        Some(_) => String::new(),
        None => database_of(session, database).await?,
    };
    if !database.is_empty() {
        session.require_database(&database).await?;
        if super::super::is_information_schema(&database) {
            return Ok(listing(full, Vec::new()));
        }
    }
    let objects = session.store.list_objects(&database).await.map_err(of_store)?;
    let mut rows: Vec<Row> = Vec::new();
    for object in objects.into_iter().filter(|object| object.namespace == Namespace::Function) {
        let function: FunctionDefinition = definition(&object)?;
        rows.push(if full { described(&function) } else { vec![Some(function.name)] });
    }
    if !full {
        // Overloads lie side by side.
        rows.dedup();
    }
    Ok(listing(full, rows))
}

fn listing(full: bool, rows: Vec<Row>) -> Listing {
    match full {
        true => Listing::new(
            &["Signature", "Return Type", "Function Type", "Intermediate Type", "Properties"],
            rows,
        ),
        false => Listing::new(&["Function Name"], rows),
    }
}

fn builtin(name: String) -> Row {
    vec![Some(name), some(""), some(""), None, some("{}")]
}

fn described(function: &FunctionDefinition) -> Row {
    let kind = match function.kind {
        FunctionKind::Scalar => "Scalar",
        FunctionKind::Aggregate => "Aggregate",
        FunctionKind::Table => "Table",
    };
    // What a SQL function gives depends on its expression, which is shown instead.
    let returns = function.returns.as_ref().map(rockhold_model::DataType::signature);
    let mut properties: Map<String, Value> =
        function.properties.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
    properties.extend(function.secrets.keys().map(|key| (key.clone(), "******".into())));
    if function.returns.is_none()
        && let Some(body) = &function.body
    {
        properties.insert("expression".to_owned(), body.as_str().into());
    }
    vec![
        Some(function.signature()),
        Some(returns.unwrap_or_default()),
        some(kind),
        None,
        Some(Value::Object(properties).to_string()),
    ]
}
