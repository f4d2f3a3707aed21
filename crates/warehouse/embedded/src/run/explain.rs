//! EXPLAIN.

use super::super::session::Session;
use super::select;
use datafusion::physical_plan::displayable;
use rockhold_core::{Outcome, Rows};
use rockhold_sql::SqlError;
use rockhold_sql::ast::{Explain, ExplainLevel, Statement};

/// The plan of a query, or of the query of an INSERT, one line a row.
pub(super) async fn run(session: &Session, statement: &Explain) -> Result<Outcome, SqlError> {
    let query = match statement.statement.as_ref() {
        Statement::Query(query) => query,
        Statement::Insert(insert) => &insert.source,
        other => {
            return Err(SqlError::analyze(format!(
                "the embedded warehouse does not explain {}",
                other.kind()
            )));
        }
    };
    let planned = select::plan(session, &query.query, &session.environment()).await?;
    let text = if statement.level == Some(ExplainLevel::Logical) {
        planned.plan.display_indent().to_string()
    } else {
        let physical = session.engine.physical(&planned.plan).await?;
        displayable(physical.as_ref()).indent(false).to_string()
    };
    let rows = text.lines().map(|line| vec![Some(line.to_owned())]).collect();
    Ok(Outcome::Rows(Rows::text(&["Explain String"], rows)))
}
