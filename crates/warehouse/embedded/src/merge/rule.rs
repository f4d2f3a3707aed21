//! What happens to each column when rows of one key are folded.

use rockhold_model::{Aggregation, Column, KeyModel, TableDefinition};
use rockhold_sql::SqlError;

/// How a column's values of one key become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The last value.
    Last,
    /// The last value that is not NULL, else NULL.
    LastNotNull,
    /// The sum of what is not NULL.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Rule {
    /// The rule of a table's column.
    ///
    /// # Errors
    /// The aggregation works on sketches.
    pub(crate) fn of(model: KeyModel, column: &Column) -> Result<Self, SqlError> {
        if model != KeyModel::Aggregate || column.key {
            return Ok(Rule::Last);
        }
        Ok(match &column.aggregation {
            None | Some(Aggregation::Replace) => Rule::Last,
            Some(Aggregation::ReplaceIfNotNull) => Rule::LastNotNull,
            Some(Aggregation::Sum) => Rule::Sum,
            Some(Aggregation::Min) => Rule::Min,
            Some(Aggregation::Max) => Rule::Max,
            Some(other) => {
                return Err(SqlError::analyze(format!(
                    "column '{}': the embedded warehouse does not aggregate by {other}; use SUM, MIN, MAX, \
                     REPLACE or REPLACE_IF_NOT_NULL",
                    column.name
                )));
            }
        })
    }
}

/// Positions inside the folded batches.
#[derive(Debug, Clone)]
pub(crate) struct FoldSpec {
    /// The key columns.
    pub(crate) keys: Vec<usize>,
    /// One rule for each column.
    pub(crate) rules: Vec<Rule>,
    /// The column [`super::OP`].
    pub(crate) op: usize,
}

impl FoldSpec {
    /// Whether every column simply keeps its last value.
    pub(crate) fn keeps_last_row(&self) -> bool {
        self.rules.iter().all(|rule| *rule == Rule::Last)
    }
}

/// The rules of all stored columns of a table, hidden ones included.
///
/// # Errors
/// As [`Rule::of`].
pub(crate) fn rules_of(table: &TableDefinition) -> Result<Vec<Rule>, SqlError> {
    let mut rules = table
        .columns
        .iter()
        .map(|column| Rule::of(table.key_model, column))
        .collect::<Result<Vec<_>, _>>()?;
    rules.extend([Rule::Last, Rule::Last, Rule::Last]);
    Ok(rules)
}
