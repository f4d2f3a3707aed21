//! Errors of the store and of DataFusion as a SQL client sees them.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use rockhold_core::{Error, ErrorKind};
use rockhold_sql::{SqlError, Stage};
use std::error::Error as StdError;

/// Error numbers of the MySQL protocol that statements here give.
pub(crate) mod number {
    pub(crate) const UNKNOWN_DATABASE: u16 = 5501;
    pub(crate) const UNKNOWN_TABLE: u16 = 5502;
    pub(crate) const DATABASE_EXISTS: u16 = 1007;
    pub(crate) const TABLE_EXISTS: u16 = 1050;
    pub(crate) const NO_DATABASE: u16 = 1046;
    pub(crate) const TABLE_STATE: u16 = 5014;
    pub(crate) const UNKNOWN_VARIABLE: u16 = 1193;
    pub(crate) const VIEW_INVALID: u16 = 1356;
    pub(crate) const NOT_OF_KIND: u16 = 1347;
    pub(crate) const UNKNOWN_CATALOG: u16 = 5078;
    pub(crate) const UNKNOWN_FUNCTION: u16 = 1305;
}

/// The store's error.
pub(crate) fn of_store(error: Error) -> SqlError {
    told(&error)
}

fn told(error: &Error) -> SqlError {
    let text = error.message();
    let errno = match error.kind() {
        ErrorKind::NotFound if text.starts_with("Unknown database") => number::UNKNOWN_DATABASE,
        ErrorKind::NotFound if text.starts_with("Unknown table") => number::UNKNOWN_TABLE,
        ErrorKind::AlreadyExists if text.starts_with("Can't create database") => number::DATABASE_EXISTS,
        ErrorKind::AlreadyExists if text.starts_with("Table '") => number::TABLE_EXISTS,
        ErrorKind::Conflict if text.starts_with("table state is not NORMAL") => number::TABLE_STATE,
        _ => SqlError::GENERAL,
    };
    SqlError::numbered(Stage::Execute, errno, error.to_string())
}

/// DataFusion's error; those of ours that passed through it come out whole.
pub(crate) fn of_query(error: DataFusionError) -> SqlError {
    match error {
        DataFusionError::Context(_, inner) => of_query(*inner),
        DataFusionError::Diagnostic(_, inner) => of_query(*inner),
        DataFusionError::Collection(mut errors) if !errors.is_empty() => of_query(errors.swap_remove(0)),
        DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
            Ok(inner) => of_query(inner),
            Err(shared) => of_shared(&shared),
        },
        DataFusionError::External(source) => of_external(source),
        DataFusionError::ArrowError(arrow, _) => match *arrow {
            arrow::error::ArrowError::ExternalError(source) => of_external(source),
            other => SqlError::execute(first_line(&other.to_string())),
        },
        DataFusionError::SchemaError(schema, _) => SqlError::analyze(of_schema(&schema)),
        DataFusionError::Plan(text) => SqlError::analyze(match text.strip_prefix("Invalid function '") {
            Some(rest) => {
                let name = rest.split('\'').next().unwrap_or(rest);
                format!("No matching function with signature: {name}")
            }
            None => first_line(&text),
        }),
        DataFusionError::NotImplemented(text) => {
            SqlError::analyze(format!("the embedded warehouse does not run this: {}", first_line(&text)))
        }
        DataFusionError::ResourcesExhausted(text) => SqlError::execute(format!(
            "Memory of the query exceeds its limit; raise query_mem_limit or ask for less ({})",
            first_line(&text)
        )),
        other => SqlError::execute(first_line(&other.strip_backtrace())),
    }
}

/// An error that others hold, too: one of ours inside comes out as a copy.
fn of_shared(shared: &DataFusionError) -> SqlError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(shared);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<SqlError>() {
            return error.clone();
        }
        if let Some(error) = error.downcast_ref::<Error>() {
            return told(error);
        }
        cause = error.source();
    }
    SqlError::execute(first_line(&shared.to_string()))
}

fn of_external(source: Box<dyn StdError + Send + Sync>) -> SqlError {
    let source = match source.downcast::<SqlError>() {
        Ok(error) => return *error,
        Err(source) => source,
    };
    let source = match source.downcast::<DataFusionError>() {
        Ok(error) => return of_query(*error),
        Err(source) => source,
    };
    match source.downcast::<Error>() {
        Ok(error) => of_store(*error),
        Err(source) => SqlError::execute(first_line(&source.to_string())),
    }
}

fn of_schema(error: &SchemaError) -> String {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            format!("Column '{}' cannot be resolved", field.flat_name())
        }
        SchemaError::AmbiguousReference { field } => format!("Column '{}' is ambiguous", field.name),
        other => first_line(&other.to_string()),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim().to_owned()
}

/// An error inside a stream of rows, for the contracts' streams; one of the
/// contracts comes out whole, with its cause.
pub(crate) fn into_core(error: DataFusionError) -> Error {
    let error = match error {
        DataFusionError::External(source) => match source.downcast::<Error>() {
            Ok(error) => return *error,
            Err(source) => DataFusionError::External(source),
        },
        other => other,
    };
    let error = of_query(error);
    Error::new(ErrorKind::InvalidInput, error.message.clone()).because(error)
}

/// An error inside DataFusion that comes out as itself.
pub(crate) fn into_query(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}
