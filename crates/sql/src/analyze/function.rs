//! CREATE FUNCTION.

use std::collections::HashSet;
use std::ops::ControlFlow;

use indexmap::IndexMap;
use rockhold_core::Secret;
use rockhold_model::{FunctionArgument, FunctionDefinition, FunctionKind};
use sqlparser::ast::{Expr, visit_expressions};

use super::{Result, column, secrets};
use crate::SqlError;
use crate::ast::{CreateFunction, ExprText, FunctionReturns, Ident};
use crate::error::Stage;

/// The value of `file` for a source that stands in the statement.
const INLINE: &str = "inline";

/// A function as CREATE FUNCTION makes it.
#[derive(Debug, Clone)]
pub struct AnalyzedFunction {
    /// The function without secrets, which the warehouse encrypts.
    pub definition: FunctionDefinition,
    /// Properties that are secrets: credentials for the place of its file.
    pub secrets: IndexMap<String, Secret>,
}

/// The function of a CREATE FUNCTION: Java and Python by their properties, SQL
/// by its expression. The file that they name is not looked at.
///
/// # Errors
///
/// 5064 for properties that are missing or mean nothing, 1064 otherwise, with
/// StarRocks's words.
pub fn create_function(create: &CreateFunction) -> Result<AnalyzedFunction> {
    let name = create.name.object().to_lowercase();
    check_name(&name)?;
    for parameter in &create.parameters {
        column::check_type(&parameter.data_type)?;
    }
    let options = create.options.as_ref();
    let entries = options.map(|options| options.entries()).unwrap_or_default();
    let properties: IndexMap<String, String> =
        entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect();
    let (returns, body) = match &create.returns {
        FunctionReturns::Expression(expression) => {
            if let Some(property) = properties.keys().next() {
                return Err(common(format!("A SQL function has no properties, but {property} is given")));
            }
            if create.kind != FunctionKind::Scalar || create.variadic || create.body.is_some() {
                return Err(common(
                    "A SQL function is one expression over a fixed number of arguments".to_string(),
                ));
            }
            let names: Vec<&Ident> = create.parameters.iter().filter_map(|p| p.name.as_ref()).collect();
            check_expression(expression, &names)?;
            (None, Some(expression.text.clone()))
        }
        FunctionReturns::Type(data_type) => {
            column::check_type(data_type)?;
            check_properties(&properties, create)?;
            (Some(data_type.clone()), create.body.clone())
        }
    };
    let split = secrets::split_addresses(properties);
    Ok(AnalyzedFunction {
        definition: FunctionDefinition {
            name,
            kind: create.kind,
            arguments: create
                .parameters
                .iter()
                .map(|parameter| FunctionArgument {
                    name: parameter.name.as_ref().map(|name| name.value.clone()),
                    data_type: parameter.data_type.clone(),
                })
                .collect(),
            variadic: create.variadic,
            returns,
            properties: split.plain,
            secrets: IndexMap::new(),
            body,
        },
        secrets: split.secrets,
    })
}

fn common(message: String) -> SqlError {
    SqlError::numbered(Stage::Analyze, SqlError::COMMON, message)
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
        return Err(SqlError::analyze(format!(
            "Function names must be all alphanumeric or underscore. Invalid name: {name}"
        )));
    }
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(SqlError::analyze(format!("Function cannot start with a digit: {name}")));
    }
    Ok(())
}

/// The expression may name the arguments and nothing else.
fn check_expression(expression: &ExprText, arguments: &[&Ident]) -> Result<()> {
    let mut known = HashSet::new();
    for argument in arguments {
        if !known.insert(argument.value.to_lowercase()) {
            return Err(SqlError::analyze(format!(
                "Duplicate argument name {} in function args",
                argument.value
            )));
        }
    }
    let outcome = visit_expressions(&expression.expr, |part| match part {
        Expr::Identifier(name) if known.contains(&name.value.to_lowercase()) => ControlFlow::Continue(()),
        Expr::Identifier(name) => {
            ControlFlow::Break(format!("Cannot find argument {} in function args", name.value))
        }
        Expr::CompoundIdentifier(_) => {
            ControlFlow::Break(format!("Cannot find argument {part} in function args"))
        }
        Expr::Subquery(_) | Expr::InSubquery { .. } | Expr::Exists { .. } => {
            ControlFlow::Break("A SQL function cannot contain a subquery".to_string())
        }
        _ => ControlFlow::Continue(()),
    });
    match outcome {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(message) => Err(SqlError::analyze(message).at(expression.span)),
    }
}

fn check_properties(properties: &IndexMap<String, String>, create: &CreateFunction) -> Result<()> {
    let given = |name: &str| properties.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let one_of = |name: &str, allowed: &[&str]| match given(name) {
        Some(value) if !allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(value)) => {
            Err(common(format!("unknown {name} '{value}': it is one of {}", allowed.join(", "))))
        }
        _ => Ok(()),
    };
    let kind = given("type").unwrap_or_default();
    let python = kind.eq_ignore_ascii_case("Python");
    if !python && !kind.eq_ignore_ascii_case("StarrocksJar") {
        return Err(common(match kind {
            "" => "unknown lang type: the property type is missing, it is StarrocksJar or Python".to_string(),
            other => format!("unknown lang type: {other}; it is StarrocksJar or Python"),
        }));
    }
    let Some(file) = given("file") else {
        return Err(common("No 'object_file' in properties: the property file is missing".to_string()));
    };
    if given("symbol").is_none() {
        return Err(common("No 'symbol' in properties".to_string()));
    }
    one_of("isolation", &["shared", "isolated"])?;
    one_of("analytic", &["true", "false"])?;
    let inline = file.eq_ignore_ascii_case(INLINE);
    if !python {
        if create.body.is_some() || inline {
            return Err(common(
                "A Java function lies in the jar that file names, not in the statement".to_string(),
            ));
        }
        return Ok(());
    }
    one_of("input", &["scalar", "arrow"])?;
    if create.kind != FunctionKind::Scalar {
        return Err(common("A Python function can only be scalar".to_string()));
    }
    match (inline, &create.body) {
        (true, None) => Err(common("The source of an inline function is missing: AS $$ … $$".to_string())),
        (false, Some(_)) => Err(common(format!(
            "The source stands in the statement, but file says '{file}' instead of '{INLINE}'"
        ))),
        _ => Ok(()),
    }
}
