//! From StarRocks's query language to DataFusion's plans.
//!
//! The tree that the parser read is rewritten, never printed and read again:
//!
//! * [`rewrite`]: names, casts and operators as StarRocks means them;
//! * [`calls`], [`times`]: functions in terms of those that exist;
//! * [`planner`]: what DataFusion asks for while it plans: tables, functions,
//!   types, arithmetic;
//! * [`functions`]: functions that DataFusion lacks or has with another meaning;
//! * [`user_function`]: functions that users made;
//! * [`names`]: what the columns of a result are called;
//! * [`context`]: planning and running one query, its memory bounded.
//!
//! Columns are lower-case inside and their declared names are kept beside
//! them, so that they are found in any case and shown as declared. Tables and
//! aliases of tables keep their case and are found only by it.

pub(crate) mod build;
mod calls;
pub(crate) mod context;
pub(crate) mod format;
mod functions;
pub(crate) mod names;
pub(crate) mod planner;
pub(crate) mod rewrite;
mod times;
pub(crate) mod user_function;

use super::error::number;
use rockhold_sql::{SqlError, Stage};
use sqlparser::ast::Expr;
use std::collections::BTreeMap;

/// What a statement sees besides its own text.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    /// The database of unqualified names: the session's; inside a view or
    /// function its own.
    pub(crate) database: Option<String>,
    /// What `DATABASE()` says: the session's.
    pub(crate) current_database: Option<String>,
    /// The time of the statement in the warehouse's zone, in microseconds.
    pub(crate) now: i64,
    /// The same instant in UTC.
    pub(crate) utc: i64,
    /// What `CURRENT_VERSION()` says.
    pub(crate) version: String,
    /// What `VERSION()` says.
    pub(crate) mysql_version: &'static str,
    /// Only the columns of the result are wanted, never its rows.
    pub(crate) plan_only: bool,
    /// Variables by lower-case name, user variables with their `@`.
    pub(crate) variables: BTreeMap<String, String>,
}

impl Environment {
    /// The same statement inside a view or function whose unqualified names
    /// mean `database`; none where it is empty.
    pub(crate) fn inside(&self, database: &str) -> Self {
        let database = (!database.is_empty()).then(|| database.to_owned());
        Self { database, ..self.clone() }
    }

    /// The database of a table's name.
    ///
    /// # Errors
    /// None is written and none selected; the name has a foreign catalog.
    pub(crate) fn database_of(&self, parts: &[String]) -> Result<String, SqlError> {
        match parts {
            [_] => self.database.clone().ok_or_else(|| {
                SqlError::numbered(Stage::Analyze, number::NO_DATABASE, "No database selected")
            }),
            [database, _] => Ok(database.clone()),
            [catalog, database, _] if catalog.eq_ignore_ascii_case("default_catalog") => Ok(database.clone()),
            [catalog, ..] => {
                // Whether it is unknown or external only the warehouse can tell.
                Err(SqlError::numbered(
                    Stage::Analyze,
                    number::UNKNOWN_CATALOG,
                    format!("Unknown catalog '{catalog}'"),
                ))
            }
            [] => Err(SqlError::analyze("a table needs a name")),
        }
    }

    /// The value of `@@name`, `@@session.name` or `@name`, given without the first `@`.
    fn variable(&self, name: &str) -> Result<Expr, SqlError> {
        let name = name.to_ascii_lowercase();
        let Some(system) = name.strip_prefix('@') else {
            let value = self.variables.get(&format!("@{name}"));
            return Ok(value.map_or_else(|| Expr::value(sqlparser::ast::Value::Null), build::text));
        };
        let bare = ["session.", "global.", "local."]
            .iter()
            .find_map(|scope| system.strip_prefix(scope))
            .unwrap_or(system);
        match self.variables.get(bare) {
            Some(value) => Ok(match value.parse::<i64>() {
                Ok(value) if value >= 0 => build::number(value),
                _ => build::text(value),
            }),
            None => Err(SqlError::numbered(
                Stage::Analyze,
                number::UNKNOWN_VARIABLE,
                format!("Unknown system variable '{bare}'"),
            )),
        }
    }
}
