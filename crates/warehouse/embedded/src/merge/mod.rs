//! Merge on read: from the stored rows of one bucket to the rows of the table.
//!
//! Files of AGGREGATE, UNIQUE and PRIMARY KEY tables are sorted by the key
//! columns, then `__rh_load`, then `__rh_row`. A merge of all files of a
//! bucket therefore brings the rows of one key together in load order, and one
//! pass folds them:
//!
//! * UNIQUE, PRIMARY KEY: the last row stays;
//! * AGGREGATE: SUM, MIN, MAX, REPLACE, REPLACE_IF_NOT_NULL, in load order;
//! * a row whose `__rh_op` is 1 deletes everything before it.
//!
//! **Invariant.** Nothing that depends on a value column (no filter, no limit,
//! no statistic) is applied below the fold: dropping the newest row of a key
//! there would bring an older one back to life. The scan is one opaque leaf of
//! the plan, so that no optimizer can do it either. Filters over key columns
//! alone keep or drop all rows of a key together and may go below.

pub(crate) mod data_files;
mod fold;
mod rule;
pub(crate) mod scan;
pub(crate) mod table;

pub(crate) use rule::{FoldSpec, Rule};

use arrow::datatypes::{DataType as ArrowType, Field, Schema, SchemaRef};
use rockhold_model::{KeyModel, TableDefinition};
use rockhold_sql::SqlError;
use std::sync::Arc;

/// The sequence of the load that brought a row.
pub(crate) const LOAD: &str = "__rh_load";
/// The row's position in its load, from 0.
pub(crate) const ROW: &str = "__rh_row";
/// 0: the row is there; 1: it deletes its key.
pub(crate) const OP: &str = "__rh_op";

/// The schema of a table's data files.
///
/// # Errors
/// A column's type has no open form.
pub(crate) fn stored_schema(table: &TableDefinition) -> Result<SchemaRef, SqlError> {
    let plain = super::value::types::file_schema(&table.columns)?;
    if table.key_model == KeyModel::Duplicate {
        return Ok(plain);
    }
    let mut fields: Vec<_> = plain.fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(LOAD, ArrowType::Int64, false)));
    fields.push(Arc::new(Field::new(ROW, ArrowType::Int64, false)));
    fields.push(Arc::new(Field::new(OP, ArrowType::Int8, false)));
    Ok(Arc::new(Schema::new(fields)))
}
