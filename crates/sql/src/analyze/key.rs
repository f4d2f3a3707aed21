//! Key model, key columns, sort key, distribution.

use rockhold_model::{Column, DataType, Distribution, KeyModel};

use super::Result;
use crate::SqlError;
use crate::ast::{DistributionDef, Ident, KeyClause};

/// Most columns of an implied key, and their length in bytes.
const IMPLIED_KEY_COLUMNS: usize = 3;
const IMPLIED_KEY_BYTES: u32 = 36;

/// Decides the key of a table and marks its columns.
pub(super) fn keys(clause: Option<&KeyClause>, columns: &mut [Column]) -> Result<(KeyModel, Vec<String>)> {
    let (model, names) = match clause {
        Some(clause) => {
            let names: Vec<&str> = clause.columns.iter().map(Ident::as_str).collect();
            check_prefix(&names, columns)?;
            (clause.model, names.len())
        }
        None => implied(columns)?,
    };
    for (position, column) in columns.iter_mut().enumerate() {
        let key = position < names;
        if key {
            check_key_column(model, column)?;
            if model == KeyModel::Primary {
                column.nullable = false;
            }
        } else {
            check_value_column(model, column)?;
        }
        column.key = key;
    }
    let names = columns.iter().take(names).map(|column| column.name.clone()).collect();
    Ok((model, names))
}

fn check_prefix(names: &[&str], columns: &[Column]) -> Result<()> {
    for name in names {
        if !columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)) {
            return Err(SqlError::analyze(format!("Key column[{name}] doesn't exist")));
        }
    }
    let in_order = names.len() <= columns.len()
        && names.iter().zip(columns).all(|(name, column)| column.name.eq_ignore_ascii_case(name));
    if in_order {
        return Ok(());
    }
    Err(SqlError::analyze(
        "Key columns must be the first few columns of the schema and the order  of the key columns must be \
         consistent with the order of the schema",
    ))
}

/// Without a key clause: AGGREGATE when a column aggregates, else DUPLICATE
/// with the first few columns that can be a key.
fn implied(columns: &[Column]) -> Result<(KeyModel, usize)> {
    if columns.iter().any(|column| column.aggregation.is_some()) {
        let keys = columns.iter().take_while(|column| column.aggregation.is_none()).count();
        return Ok((KeyModel::Aggregate, keys));
    }
    let declared = columns.iter().take_while(|column| column.key).count();
    if declared > 0 {
        return Ok((KeyModel::Duplicate, declared));
    }
    let mut bytes = 0_u32;
    let mut count = 0;
    for column in columns {
        bytes = bytes.saturating_add(key_bytes(&column.data_type));
        if count >= IMPLIED_KEY_COLUMNS || bytes > IMPLIED_KEY_BYTES {
            if count == 0 && column.data_type.is_text() {
                count = 1;
            }
            break;
        }
        if !column.data_type.is_key_type() || column.generated.is_some() {
            break;
        }
        count += 1;
        if matches!(column.data_type, DataType::Varchar(_)) {
            break;
        }
    }
    match (count, columns.first()) {
        (0, Some(first)) => Err(SqlError::analyze(format!(
            "Data type of first column cannot be {}",
            first.data_type.base_name()
        ))),
        (count, _) => Ok((KeyModel::Duplicate, count)),
    }
}

/// Bytes of a value in the short key.
fn key_bytes(data_type: &DataType) -> u32 {
    match data_type {
        DataType::Boolean | DataType::TinyInt => 1,
        DataType::SmallInt => 2,
        DataType::Date => 3,
        DataType::Int | DataType::Float => 4,
        DataType::BigInt | DataType::Double | DataType::DateTime => 8,
        DataType::Decimal { precision: 0..=9, .. } => 4,
        DataType::Decimal { precision: 10..=18, .. } => 8,
        DataType::Char(length) => *length,
        DataType::Varchar(_) => 20,
        _ => 16,
    }
}

fn check_key_column(model: KeyModel, column: &Column) -> Result<()> {
    if let Some(aggregation) = &column.aggregation {
        return Err(SqlError::analyze(format!(
            "Key column[{}] cannot have the aggregate function {aggregation}",
            column.name
        )));
    }
    if column.generated.is_some() {
        return Err(SqlError::analyze(format!("Generated Column can not be KEY: {}", column.name)));
    }
    if column.data_type.is_key_type() {
        return Ok(());
    }
    let text = match model {
        KeyModel::Primary => {
            format!("primary key column[{}] type not supported: {}", column.name, column.data_type)
        }
        _ => format!("Invalid data type of key column '{}': '{}'", column.name, column.data_type.base_name()),
    };
    Err(SqlError::analyze(text))
}

fn check_value_column(model: KeyModel, column: &mut Column) -> Result<()> {
    match (model, &column.aggregation) {
        (KeyModel::Aggregate, None) if column.generated.is_some() => {
            Err(SqlError::analyze("Generated Column does not support AGG table"))
        }
        (KeyModel::Aggregate, None) => Err(SqlError::analyze(format!(
            "AGG_KEYS table should specify aggregate type for non-key column[{}]",
            column.name
        ))),
        (KeyModel::Aggregate, Some(_)) => Ok(()),
        // The model's own rule, spelt out.
        (KeyModel::Unique | KeyModel::Primary, Some(rockhold_model::Aggregation::Replace)) => {
            column.aggregation = None;
            Ok(())
        }
        (_, Some(_)) => Err(SqlError::analyze(format!(
            "{} table should not specify aggregate type for non-key column[{}]",
            model.keys_type(),
            column.name
        ))),
        (KeyModel::Primary, None) => Ok(()),
        (_, None) if column.data_type.is_sketch() => {
            Err(SqlError::analyze(format!("No aggregate function specified for '{}'", column.name)))
        }
        (_, None) => Ok(()),
    }
}

/// The distribution of a table with that key.
pub(super) fn distribution(
    def: Option<&DistributionDef>,
    model: KeyModel,
    keys: &[String],
    columns: &[Column],
) -> Result<(Distribution, Option<u32>)> {
    let Some(def) = def else {
        return match model {
            KeyModel::Duplicate => Ok((Distribution::Random, None)),
            KeyModel::Primary => Ok((Distribution::Hash { columns: keys.to_vec() }, None)),
            KeyModel::Aggregate | KeyModel::Unique => Err(SqlError::analyze(format!(
                "Currently not support default distribution in {}; add DISTRIBUTED BY HASH",
                model.keys_type()
            ))),
        };
    };
    // StarRocks takes BUCKETS 0 for "automatic".
    let buckets = def.buckets.filter(|buckets| *buckets > 0);
    let Some(names) = &def.hash else {
        if model == KeyModel::Duplicate {
            return Ok((Distribution::Random, buckets));
        }
        return Err(SqlError::analyze(format!("{model} KEY cannot use random distribution")).at(def.span));
    };
    let mut hashed: Vec<String> = Vec::new();
    for name in names {
        let Some(column) = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name.as_str()))
        else {
            return Err(SqlError::analyze(format!("Distribution column({name}) doesn't exist")).at(def.span));
        };
        if !column.data_type.is_key_type() {
            return Err(SqlError::analyze(format!(
                "{} column can not be distribution column",
                column.data_type.base_name()
            )));
        }
        if model != KeyModel::Duplicate && !column.key {
            return Err(SqlError::execute(format!("Distribution column[{}] is not key column", column.name)));
        }
        if hashed.contains(&column.name) {
            return Err(
                SqlError::analyze(format!("Duplicated distribution column: {}", column.name)).at(def.span)
            );
        }
        hashed.push(column.name.clone());
    }
    Ok((Distribution::Hash { columns: hashed }, buckets))
}

/// The columns of ORDER BY.
pub(super) fn sort_key(
    names: Option<&[Ident]>,
    model: KeyModel,
    keys: &[String],
    columns: &[Column],
) -> Result<Vec<String>> {
    let mut sorted: Vec<String> = Vec::new();
    for name in names.unwrap_or_default() {
        let Some(column) = columns.iter().find(|column| column.name.eq_ignore_ascii_case(name.as_str()))
        else {
            return Err(SqlError::analyze(format!("Unknown column '{name}' does not exist")));
        };
        if sorted.contains(&column.name) {
            return Err(SqlError::analyze(format!("Duplicate sort key column {name} is not allowed")));
        }
        if !column.data_type.is_key_type() {
            return Err(SqlError::analyze(format!(
                "sort key column[{name}] type not supported: {}",
                column.data_type
            )));
        }
        sorted.push(column.name.clone());
    }
    if matches!(model, KeyModel::Aggregate | KeyModel::Unique) && !sorted.is_empty() {
        let mut expected = keys.to_vec();
        let mut found = sorted.clone();
        expected.sort();
        found.sort();
        if expected != found {
            return Err(SqlError::analyze(format!(
                "The sort columns of {} table must be same with key columns",
                model.as_str().to_lowercase()
            )));
        }
    }
    Ok(sorted)
}
