//! What keeps a stored definition from being restored over an existing table.
//!
//! The texts begin with StarRocks's words, so that a search for them finds the
//! same explanations; after a colon follows what exactly differs.

use crate::{Column, Distribution, Partition, PartitionValue, TableDefinition};

/// The first difference between an existing table and the table of a snapshot
/// that matters for overwriting its data, or `None` when the data fit.
///
/// Names of the tables, comments, replica counts and most properties are not
/// compared: they do not change what the stored files mean. Partitions are
/// compared one by one with [`first_partition_difference`].
pub fn first_difference(existing: &TableDefinition, stored: &TableDefinition) -> Option<String> {
    if existing.engine != stored.engine {
        return Some(differs("table type", &existing.engine, &stored.engine));
    }
    partitioning_difference(existing, stored)
        .or_else(|| distribution_difference(existing, stored))
        .or_else(|| index_difference(existing, stored))
        .or_else(|| column_difference(existing, stored))
        .or_else(|| rollup_difference(existing, stored))
}

fn partitioning_difference(existing: &TableDefinition, stored: &TableDefinition) -> Option<String> {
    if std::mem::discriminant(&existing.partitioning) != std::mem::discriminant(&stored.partitioning) {
        return Some("table's partition type is different".to_string());
    }
    if !same_names(existing.partitioning.columns(), stored.partitioning.columns()) {
        return Some(differs(
            "partition columns",
            &existing.partitioning.columns().join(", "),
            &stored.partitioning.columns().join(", "),
        ));
    }
    if existing.partitioning != stored.partitioning
        && !same_but_for_case(&existing.partitioning, &stored.partitioning)
    {
        return Some("partition expression is inconsistent".to_string());
    }
    None
}

fn same_but_for_case(a: &crate::Partitioning, b: &crate::Partitioning) -> bool {
    use crate::Partitioning::{Expression, List, Range};
    match (a, b) {
        (Range { expression: a, .. }, Range { expression: b, .. }) => {
            a.as_ref().map(|e| &e.function) == b.as_ref().map(|e| &e.function)
        }
        (Expression { function: a, .. }, Expression { function: b, .. }) => a == b,
        (List { automatic: a, .. }, List { automatic: b, .. }) => a == b,
        _ => false,
    }
}

fn distribution_difference(existing: &TableDefinition, stored: &TableDefinition) -> Option<String> {
    match (&existing.distribution, &stored.distribution) {
        (Distribution::Hash { columns: a }, Distribution::Hash { columns: b }) => {
            // StarRocks hashes the columns with their types, so a changed type
            // of a hash column is reported as a changed distribution.
            let describe = |table: &TableDefinition, columns: &[String]| {
                let texts: Vec<String> = columns
                    .iter()
                    .map(|name| match table.column(name) {
                        Some(column) => format!("{} {}", name.to_lowercase(), column.data_type),
                        None => name.to_lowercase(),
                    })
                    .collect();
                texts.join(", ")
            };
            let (a, b) = (describe(existing, a), describe(stored, b));
            if a != b {
                return Some(differs("partition distribution col hash", &a, &b));
            }
        }
        (Distribution::Random, Distribution::Random) => {}
        _ => return Some("distribution type is inconsistent".to_string()),
    }
    match (existing.buckets, stored.buckets) {
        (Some(a), Some(b)) if a != b => Some(differs("bucket num", &a.to_string(), &b.to_string())),
        _ => None,
    }
}

fn index_difference(existing: &TableDefinition, stored: &TableDefinition) -> Option<String> {
    let bloom = |table: &TableDefinition| {
        let columns = table.properties.get("bloom_filter_columns").cloned().unwrap_or_default();
        let mut columns: Vec<String> =
            columns.split(',').map(|column| column.trim().to_lowercase()).collect();
        columns.sort();
        columns.join(", ")
    };
    let (a, b) = (bloom(existing), bloom(stored));
    if a != b {
        return Some(differs("bloom filter", &a, &b));
    }
    let names = |table: &TableDefinition| {
        let mut names: Vec<String> = table.indexes.iter().map(|index| index.name.to_lowercase()).collect();
        names.sort();
        names.join(", ")
    };
    let (a, b) = (names(existing), names(stored));
    (a != b).then(|| differs("index name", &a, &b))
}

fn column_difference(existing: &TableDefinition, stored: &TableDefinition) -> Option<String> {
    if existing.key_model != stored.key_model {
        return Some(format!(
            "Table {} already exist but with different key type: {} here, {} in the snapshot",
            existing.name,
            existing.key_model.keys_type(),
            stored.key_model.keys_type()
        ));
    }
    if existing.columns.len() != stored.columns.len() {
        return Some(differs(
            "number of columns",
            &existing.columns.len().to_string(),
            &stored.columns.len().to_string(),
        ));
    }
    for (a, b) in existing.columns.iter().zip(&stored.columns) {
        if let Some(what) = single_column_difference(a, b) {
            return Some(format!("column {} and column {} are different: {what}", a.name, b.name));
        }
    }
    if !same_names(existing.effective_sort_key(), stored.effective_sort_key()) {
        return Some(differs(
            "sort key",
            &existing.effective_sort_key().join(", "),
            &stored.effective_sort_key().join(", "),
        ));
    }
    None
}

fn single_column_difference(a: &Column, b: &Column) -> Option<String> {
    if !a.name.eq_ignore_ascii_case(&b.name) {
        return Some("name".to_string());
    }
    if a.data_type != b.data_type {
        return Some(format!("type {} here, {} in the snapshot", a.data_type, b.data_type));
    }
    if a.key != b.key {
        return Some("key".to_string());
    }
    if a.aggregation != b.aggregation {
        return Some("aggregation".to_string());
    }
    if a.nullable != b.nullable {
        return Some("nullability".to_string());
    }
    if a.default != b.default {
        return Some("default".to_string());
    }
    if a.auto_increment != b.auto_increment {
        return Some("auto increment".to_string());
    }
    (a.generated != b.generated).then(|| "generated expression".to_string())
}

fn rollup_difference(existing: &TableDefinition, stored: &TableDefinition) -> Option<String> {
    let names = |table: &TableDefinition| {
        let mut names: Vec<&str> = table.rollups.iter().map(|rollup| rollup.name.as_str()).collect();
        names.sort_unstable();
        names.join(", ")
    };
    let (a, b) = (names(existing), names(stored));
    if a != b {
        return Some(differs("rollup", &a, &b));
    }
    for rollup in &existing.rollups {
        let other = stored.rollups.iter().find(|other| other.name == rollup.name)?;
        if !same_names(&rollup.columns, &other.columns) {
            return Some(differs(
                &format!("rollup {}", rollup.name),
                &rollup.columns.join(", "),
                &other.columns.join(", "),
            ));
        }
    }
    None
}

/// The first difference between a partition of an existing table and the
/// partition of that name in a snapshot, or `None` when its data fit.
pub fn first_partition_difference(
    existing_table: &TableDefinition,
    existing: &Partition,
    stored_table: &TableDefinition,
    stored: &Partition,
) -> Option<String> {
    let of = |table: &TableDefinition, partition: &Partition| {
        partition.distribution.clone().unwrap_or_else(|| table.distribution.clone())
    };
    let (a, b) = (of(existing_table, existing), of(stored_table, stored));
    if std::mem::discriminant(&a) != std::mem::discriminant(&b) {
        return Some("distribution type is inconsistent".to_string());
    }
    if !same_names(a.columns(), b.columns()) {
        return Some(differs(
            "partition distribution col hash",
            &a.columns().join(", "),
            &b.columns().join(", "),
        ));
    }
    let a = existing.buckets.or(existing_table.buckets);
    let b = stored.buckets.or(stored_table.buckets);
    if let (Some(a), Some(b)) = (a, b)
        && a != b
    {
        return Some(differs("bucket num", &a.to_string(), &b.to_string()));
    }
    if matches!(existing.value, PartitionValue::Range { .. }) && existing.value != stored.value {
        return Some(format!(
            "Partition {} in table {} has different range with partition in repository",
            existing.name, existing_table.name
        ));
    }
    None
}

fn same_names(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

fn differs(what: &str, existing: &str, stored: &str) -> String {
    format!("{what} is inconsistent: {existing} here, {stored} in the snapshot")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataType, KeyModel, Partitioning};

    fn table() -> TableDefinition {
        let mut a = Column::new("a", DataType::Int);
        a.key = true;
        TableDefinition {
            name: "t".into(),
            engine: "OLAP".into(),
            columns: vec![a, Column::new("b", DataType::Varchar(20))],
            key_model: KeyModel::Duplicate,
            key_columns: vec!["a".into()],
            comment: String::new(),
            partitioning: Partitioning::Unpartitioned,
            distribution: Distribution::Hash { columns: vec!["a".into()] },
            buckets: Some(2),
            sort_key: Vec::new(),
            indexes: Vec::new(),
            rollups: Vec::new(),
            properties: Default::default(),
        }
    }

    #[test]
    fn equal_tables_of_other_name_and_comment_do_not_differ() {
        let mut other = table();
        other.name = "u".into();
        other.comment = "copy".into();
        other.properties.insert("replication_num".into(), "1".into());
        assert_eq!(first_difference(&table(), &other), None);
    }

    #[test]
    fn bucket_count_and_hash_column_type_are_named_as_starrocks_names_them() {
        let mut other = table();
        other.buckets = Some(3);
        let text = first_difference(&table(), &other).unwrap();
        assert!(text.starts_with("bucket num is inconsistent"), "{text}");
        other.columns[0].data_type = DataType::BigInt;
        let text = first_difference(&table(), &other).unwrap();
        assert!(text.starts_with("partition distribution col hash is inconsistent"), "{text}");
    }

    #[test]
    fn column_changes_are_named() {
        let mut other = table();
        other.columns[1].nullable = false;
        let text = first_difference(&table(), &other).unwrap();
        assert_eq!(text, "column b and column b are different: nullability");
        other.columns.pop();
        assert!(first_difference(&table(), &other).unwrap().starts_with("number of columns"));
    }
}
