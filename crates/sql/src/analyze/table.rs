//! CREATE TABLE, from the whole.

use rockhold_model::{Column, KeyModel, Partition, Partitioning, Rollup, TableDefinition};

use super::properties::{Subject, properties};
use super::{Cluster, Result, column, index, key, names, partition, partition_scheme};
use crate::SqlError;
use crate::ast::{
    CreateTable, CreateTableAs, CreateTableLike, DistributionDef, Ident, IndexDef, KeyClause,
    PartitionClause, PropertyList, RollupDef,
};

/// A table as CREATE TABLE makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analyzed {
    /// The table.
    pub definition: TableDefinition,
    /// Its first partitions.
    pub partitions: Vec<Partition>,
}

/// Properties of a MySQL external table, in the order in which they print.
const MYSQL_PROPERTIES: &[&str] = &["host", "port", "user", "password", "database", "table"];

struct Parts<'a> {
    name: &'a str,
    columns: Vec<Column>,
    indexes: &'a [IndexDef],
    key: Option<&'a KeyClause>,
    comment: Option<&'a str>,
    partition: Option<&'a PartitionClause>,
    distribution: Option<&'a DistributionDef>,
    order_by: Option<&'a [Ident]>,
    rollups: &'a [RollupDef],
    properties: Option<&'a PropertyList>,
}

/// Analyses CREATE TABLE.
///
/// # Errors
///
/// Whatever StarRocks refuses, with its numbers and words, and a few statements
/// that it accepts and that make no sense: a hash column given twice, lengths of
/// zero, CURRENT_TIMESTAMP as the default of a number.
pub fn create_table(create: &CreateTable, cluster: &Cluster) -> Result<Analyzed> {
    let engine = create.engine.as_ref().map_or("OLAP".to_string(), |engine| engine.value.to_uppercase());
    if engine != "OLAP" {
        return external_table(create, engine);
    }
    olap_table(
        Parts {
            name: create.name.object(),
            columns: column::columns(&create.columns)?,
            indexes: &create.indexes,
            key: create.key.as_ref(),
            comment: create.comment.as_deref(),
            partition: create.partition.as_ref(),
            distribution: create.distribution.as_ref(),
            order_by: create.order_by.as_deref(),
            rollups: &create.rollups,
            properties: create.properties.as_ref(),
        },
        cluster,
    )
}

/// Analyses CREATE TABLE … AS SELECT; `columns` are those of the query.
///
/// # Errors
///
/// As [`create_table`], and when the list of names does not fit the query.
pub fn create_table_as(
    create: &CreateTableAs,
    mut columns: Vec<Column>,
    cluster: &Cluster,
) -> Result<Analyzed> {
    if let Some(list) = &create.columns {
        if list.len() != columns.len() {
            return Err(SqlError::analyze(format!(
                "Number of column names [{}] does not match the number of the query's columns [{}]",
                list.len(),
                columns.len()
            )));
        }
        for (column, name) in columns.iter_mut().zip(list) {
            column.name.clone_from(&name.value);
        }
    }
    for column in &columns {
        names::check_column(&column.name)?;
        column::check_type(&column.data_type)?;
    }
    olap_table(
        Parts {
            name: create.name.object(),
            columns,
            indexes: &create.indexes,
            key: create.key.as_ref(),
            comment: create.comment.as_deref(),
            partition: create.partition.as_ref(),
            distribution: create.distribution.as_ref(),
            order_by: create.order_by.as_deref(),
            rollups: &[],
            properties: create.properties.as_ref(),
        },
        cluster,
    )
}

/// Analyses CREATE TABLE … LIKE.
///
/// # Errors
///
/// As [`create_table`].
pub fn create_table_like(create: &CreateTableLike, source: &Analyzed, cluster: &Cluster) -> Result<Analyzed> {
    names::check_table(create.name.object())?;
    let mut definition = source.definition.clone();
    definition.columns.iter().try_for_each(|column| names::refuse_own_column(&column.name))?;
    definition.name = create.name.object().to_string();
    definition.rollups = Vec::new();
    if let Some(def) = &create.distribution {
        let model = definition.key_model;
        let keys = definition.key_columns.clone();
        (definition.distribution, definition.buckets) =
            key::distribution(Some(def), model, &keys, &definition.columns)?;
    }
    let mut partitions = source.partitions.clone();
    partitions.retain(|partition| !partition.temporary);
    if create.partition.is_some() {
        definition.columns.retain(|column| !column.is_hidden());
        definition.partitioning = partition_scheme::partitioning(
            create.partition.as_ref(),
            definition.key_model,
            &mut definition.columns,
        )?;
        partitions = partition::partitions(create.partition.as_ref(), &definition, cluster)?;
    } else if definition.partitioning.is_automatic() {
        partitions.clear();
    }
    if let [single] = partitions.as_mut_slice()
        && definition.partitioning == Partitioning::Unpartitioned
    {
        single.name.clone_from(&definition.name);
    }
    if create.properties.is_some() {
        let subject = Subject {
            model: definition.key_model,
            columns: &definition.columns,
            distribution: &definition.distribution,
            explicit_distribution: true,
            partitioning: &definition.partitioning,
        };
        let defaults = properties(None, &subject, cluster)?;
        for (name, value) in properties(create.properties.as_ref(), &subject, cluster)? {
            // What the statement does not give stays the source's.
            let given = create.properties.as_ref().is_some_and(|list| list.get(&name).is_some());
            if given || defaults.get(&name) != Some(&value) {
                definition.properties.insert(name, value);
            }
        }
        definition.properties.sort_keys();
    }
    Ok(Analyzed { definition, partitions })
}

fn olap_table(parts: Parts<'_>, cluster: &Cluster) -> Result<Analyzed> {
    names::check_table(parts.name)?;
    let mut columns = parts.columns;
    let (key_model, key_columns) = key::keys(parts.key, &mut columns)?;
    let partitioning = partition_scheme::partitioning(parts.partition, key_model, &mut columns)?;
    let (distribution, buckets) = key::distribution(parts.distribution, key_model, &key_columns, &columns)?;
    let sort_key = key::sort_key(parts.order_by, key_model, &key_columns, &columns)?;
    let indexes = index::indexes(parts.indexes, &columns, key_model, cluster)?;
    let subject = Subject {
        model: key_model,
        columns: &columns,
        distribution: &distribution,
        explicit_distribution: parts.distribution.is_some(),
        partitioning: &partitioning,
    };
    let properties = properties(parts.properties, &subject, cluster)?;
    let mut definition = TableDefinition {
        name: parts.name.to_string(),
        engine: "OLAP".to_string(),
        columns,
        key_model,
        key_columns,
        comment: parts.comment.unwrap_or_default().to_string(),
        partitioning,
        distribution,
        buckets,
        sort_key,
        indexes,
        rollups: Vec::new(),
        properties,
    };
    for rollup in parts.rollups {
        let rollup = self::rollup(rollup, &definition)?;
        definition.rollups.push(rollup);
    }
    let partitions = partition::partitions(parts.partition, &definition, cluster)?;
    Ok(Analyzed { definition, partitions })
}

/// Checks a rollup of a table and gives it as data.
fn rollup(def: &RollupDef, table: &TableDefinition) -> Result<Rollup> {
    names::check_table(def.name.as_str())?;
    if table.rollups.iter().any(|rollup| rollup.name == def.name.value) {
        return Err(SqlError::analyze(format!("Duplicate rollup name: {}", def.name.value)));
    }
    let resolve = |names: &[Ident]| -> Result<Vec<String>> {
        let mut resolved: Vec<String> = Vec::new();
        for name in names {
            let Some(column) = table.column(name.as_str()) else {
                return Err(SqlError::analyze(format!(
                    "Column[{name}] does not exist in rollup {}",
                    def.name.value
                )));
            };
            if resolved.contains(&column.name) {
                return Err(SqlError::analyze(format!(
                    "Duplicated column[{name}] in rollup {}",
                    def.name.value
                )));
            }
            resolved.push(column.name.clone());
        }
        Ok(resolved)
    };
    let columns = resolve(&def.columns)?;
    if matches!(table.key_model, KeyModel::Unique | KeyModel::Primary)
        && !table.key_columns.iter().all(|key| columns.contains(key))
    {
        return Err(SqlError::analyze(format!(
            "Rollup should contains all keys if there is a REPLACE value: {}",
            def.name.value
        )));
    }
    Ok(Rollup {
        name: def.name.value.clone(),
        columns,
        key_columns: resolve(def.key_columns.as_deref().unwrap_or_default())?,
        query: None,
        properties: def.properties.as_ref().map(PropertyList::effective).unwrap_or_default(),
        stored: Vec::new(),
    })
}

/// A table whose rows live elsewhere: columns and connection, nothing more.
fn external_table(create: &CreateTable, engine: String) -> Result<Analyzed> {
    names::check_table(create.name.object())?;
    let columns = column::columns(&create.columns)?;
    let given = create.properties.as_ref().map(PropertyList::effective).unwrap_or_default();
    let mut properties = rockhold_model::Properties::new();
    if engine == "MYSQL" {
        for name in MYSQL_PROPERTIES {
            let Some(value) = given.get(*name) else {
                return Err(SqlError::execute(format!("MySQL table must have property '{name}'")));
            };
            properties.insert((*name).to_string(), value.clone());
        }
    } else {
        if !given.contains_key("database") {
            return Err(SqlError::execute(
                "Remote database is null. Please add properties('database'='xxx') when create table",
            ));
        }
        properties = given;
    }
    let definition = TableDefinition {
        name: create.name.object().to_string(),
        engine,
        columns,
        key_model: KeyModel::Duplicate,
        key_columns: Vec::new(),
        comment: create.comment.clone().unwrap_or_default(),
        partitioning: Partitioning::Unpartitioned,
        distribution: rockhold_model::Distribution::Random,
        buckets: None,
        sort_key: Vec::new(),
        indexes: Vec::new(),
        rollups: Vec::new(),
        properties,
    };
    Ok(Analyzed { definition, partitions: Vec::new() })
}
