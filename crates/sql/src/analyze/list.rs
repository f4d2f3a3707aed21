//! List partitions.

use std::collections::HashSet;

use rockhold_model::{DataType, Partition, PartitionValue};

use super::range::RangeBound;
use super::{Result, names};
use crate::SqlError;
use crate::ast::{ListPartitionDef, PartitionLiteral};

/// The combinations of values that a table's list partitions hold already.
#[derive(Debug, Default)]
pub(super) struct Rows {
    taken: HashSet<Vec<Option<String>>>,
}

impl Rows {
    pub(super) fn of(partitions: &[Partition]) -> Self {
        let rows =
            partitions.iter().filter(|partition| !partition.temporary).flat_map(|partition| match &partition
                .value
            {
                PartitionValue::List { rows } => rows.clone(),
                _ => Vec::new(),
            });
        Rows { taken: rows.collect() }
    }
}

/// A value of a list partition in the canonical text of its column's type.
pub(super) fn canonical(text: &str, data_type: Option<&DataType>) -> Result<String> {
    match data_type {
        Some(data_type) if data_type.is_integer() || data_type.is_time() => {
            match RangeBound::parse_value(text, data_type)?.to_bound(data_type) {
                rockhold_model::Bound::Value(text) => Ok(text),
                rockhold_model::Bound::MaxValue => Ok(text.to_string()),
            }
        }
        Some(DataType::Boolean) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok("true".to_string()),
            "false" | "0" => Ok("false".to_string()),
            _ => Err(SqlError::execute(format!("Invalid list partition value: {text} is no BOOLEAN"))),
        },
        _ => Ok(text.to_string()),
    }
}

/// Checks a list partition and gives it as data.
pub(super) fn list_partition(
    def: &ListPartitionDef,
    types: &[DataType],
    rows: &mut Rows,
) -> Result<Partition> {
    names::check_partition(def.name.as_str())?;
    if !def.nested && types.len() != 1 {
        return Err(SqlError::analyze("Partition column size should be one when use single list partition "));
    }
    let mut values = Vec::new();
    for row in &def.rows {
        if row.len() != types.len() {
            return Err(SqlError::analyze(format!(
                "Partition column size {} is not equal to value size {} of partition {}",
                types.len(),
                row.len(),
                def.name.value
            )));
        }
        let row: Vec<Option<String>> = row
            .iter()
            .zip(types)
            .map(|(value, data_type)| value_of(value, data_type))
            .collect::<Result<_>>()?;
        if !rows.taken.insert(row.clone()) {
            let texts: Vec<&str> = row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect();
            return Err(SqlError::analyze(match texts.as_slice() {
                [single] => format!("Duplicated value {single}"),
                several => format!("Duplicated values ({})", several.join(", ")),
            }));
        }
        values.push(row);
    }
    let mut partition = Partition::new(def.name.as_str(), PartitionValue::List { rows: values });
    partition.properties = def.properties.as_ref().map(|list| list.effective()).unwrap_or_default();
    Ok(partition)
}

fn value_of(value: &PartitionLiteral, data_type: &DataType) -> Result<Option<String>> {
    match value {
        PartitionLiteral::Null => Ok(None),
        PartitionLiteral::MaxValue => Err(SqlError::analyze("MAXVALUE is no value of a list partition")),
        PartitionLiteral::Text(text) | PartitionLiteral::Number(text) => {
            canonical(text, Some(data_type)).map(Some)
        }
    }
}
