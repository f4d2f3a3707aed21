//! Partitions of CREATE and ALTER TABLE.

use std::collections::HashSet;

use rockhold_model::{Bound, DataType, Partition, PartitionValue, Partitioning, TableDefinition};

use super::list::{Rows, list_partition};
use super::range::{RangeBound, Ranges, range_key_types, range_text};
use super::range_batch::{BatchStyle, batch};
use super::{Cluster, Result, list, names};
use crate::SqlError;
use crate::ast::{AlterClause, PartitionClause, PartitionLiteral, RangeItem, RangeValues, UpperBound};
use crate::error::Stage;

/// The partitions that a PARTITION BY clause lists.
pub(super) fn partitions(
    clause: Option<&PartitionClause>,
    table: &TableDefinition,
    cluster: &Cluster,
) -> Result<Vec<Partition>> {
    let mut new = NewPartitions::of(table, &[], cluster);
    match clause {
        None => return Ok(vec![Partition::new(table.name.as_str(), PartitionValue::All)]),
        Some(PartitionClause::Expressions { items, .. })
            if !items.is_empty() && table.partitioning.is_list() =>
        {
            return Err(SqlError::analyze("Automatic list partitions cannot be listed in CREATE TABLE"));
        }
        Some(PartitionClause::Range { items, .. } | PartitionClause::Expressions { items, .. }) => {
            items.iter().try_for_each(|item| new.add_range(item))?;
        }
        Some(PartitionClause::List { items, .. }) => {
            items.iter().try_for_each(|item| new.add_list(item).map(|_| ()))?;
        }
    }
    Ok(new.added)
}

/// The partitions that an ADD clause of ALTER TABLE adds to `existing`.
/// Partitions that are there already and were declared IF NOT EXISTS are left
/// out.
///
/// # Errors
///
/// 1064 when the clause does not fit the table, a name or value is taken, or
/// ranges overlap; 1517 is not used, as StarRocks does not.
pub fn add_partitions(
    table: &TableDefinition,
    existing: &[Partition],
    clause: &AlterClause,
    cluster: &Cluster,
) -> Result<Vec<Partition>> {
    let temporary = matches!(
        clause,
        AlterClause::AddRangePartition { temporary: true, .. }
            | AlterClause::AddListPartition { temporary: true, .. }
    );
    // Temporary partitions and the others do not know of each other.
    let peers: Vec<Partition> = existing.iter().filter(|p| p.temporary == temporary).cloned().collect();
    let mut new = NewPartitions::of(table, &peers, cluster);
    if table.partitioning == Partitioning::Unpartitioned {
        return Err(SqlError::execute(
            "Invalid partition type: only support add partition to range or list partitioned table",
        ));
    }
    let (distribution, properties) = match clause {
        AlterClause::AddRangePartition { item, distribution, properties, .. } => {
            if !table.partitioning.is_range() {
                return Err(SqlError::analyze(
                    "List partition table does not support range partition values",
                ));
            }
            new.add_range(item)?;
            (distribution, properties)
        }
        AlterClause::AddListPartition { item, distribution, properties, .. } => {
            if !table.partitioning.is_list() {
                return Err(SqlError::analyze(
                    "Range partition table does not support list partition values",
                ));
            }
            new.add_list(item)?;
            (distribution, properties)
        }
        _ => return Err(SqlError::analyze("This clause of ALTER TABLE adds no partition")),
    };
    let buckets = match distribution {
        None => None,
        Some(def) => {
            let (found, buckets) =
                super::key::distribution(Some(def), table.key_model, &table.key_columns, &table.columns)?;
            let same = found.columns().iter().map(|name| name.to_lowercase()).eq(table
                .distribution
                .columns()
                .iter()
                .map(|name| name.to_lowercase()));
            if !same {
                return Err(SqlError::execute(
                    "Cannot assign hash distribution with different distribution cols: the new partition's differ \
                     from the table's",
                ));
            }
            buckets
        }
    };
    let mut added = new.added;
    for partition in &mut added {
        partition.temporary = temporary;
        partition.buckets = buckets;
        if let Some(list) = properties {
            partition.properties.extend(list.effective());
        }
        partition_properties(partition, cluster)?;
    }
    Ok(added)
}

fn partition_properties(partition: &Partition, cluster: &Cluster) -> Result<()> {
    if let Some(text) = partition.properties.get("replication_num") {
        super::properties::replication_num(text, cluster)?;
    }
    Ok(())
}

/// A value of a list partition column as text in the type's canonical form, so
/// that equal values have equal texts.
///
/// # Errors
///
/// 1064 when the text is no value of the type.
pub fn parse_list_value(text: &str, data_type: Option<&DataType>) -> Result<String> {
    list::canonical(text, data_type)
}

/// Collects new partitions, checking each against all before it.
struct NewPartitions<'t> {
    table: &'t TableDefinition,
    types: Vec<DataType>,
    cluster: &'t Cluster,
    names: HashSet<String>,
    ranges: Ranges,
    rows: Rows,
    added: Vec<Partition>,
}

impl<'t> NewPartitions<'t> {
    fn of(table: &'t TableDefinition, existing: &[Partition], cluster: &'t Cluster) -> Self {
        let types = range_key_types(table);
        let mut ranges = Ranges::default();
        for partition in existing {
            if let PartitionValue::Range { lower, upper } = &partition.value
                && let (Ok(lower), Ok(upper)) = (bounds(lower, &types), bounds(upper, &types))
            {
                // They were checked when they were added.
                let _ = ranges.insert(lower, upper);
            }
        }
        let names = existing.iter().map(|partition| partition.name.to_lowercase()).collect();
        NewPartitions { table, types, cluster, names, ranges, rows: Rows::of(existing), added: Vec::new() }
    }

    /// Whether the name is free; a taken one is an error unless `if_not_exists`.
    fn claim(&mut self, name: &str, if_not_exists: bool) -> Result<bool> {
        names::check_partition(name)?;
        if self.names.insert(name.to_lowercase()) {
            return Ok(true);
        }
        if if_not_exists {
            return Ok(false);
        }
        Err(SqlError::numbered(
            Stage::Analyze,
            SqlError::GENERAL,
            format!("Duplicated partition name: {name}"),
        ))
    }

    fn add_list(&mut self, item: &crate::ast::ListPartitionDef) -> Result<()> {
        if self.claim(item.name.as_str(), item.if_not_exists)? {
            let partition = list_partition(item, &self.types, &mut self.rows)?;
            partition_properties(&partition, self.cluster)?;
            self.added.push(partition);
        }
        Ok(())
    }

    fn add_range(&mut self, item: &RangeItem) -> Result<()> {
        match item {
            RangeItem::Single { if_not_exists, name, values, properties } => {
                if !self.claim(name.as_str(), *if_not_exists)? {
                    return Ok(());
                }
                let (lower, upper) = match values {
                    RangeValues::LessThan(bound) => self.less_than(bound)?,
                    RangeValues::Fixed { lower, upper } => (self.key(lower)?, self.key(upper)?),
                };
                let mut partition = self.range(name.as_str(), lower, upper)?;
                partition.properties = properties.as_ref().map(|list| list.effective()).unwrap_or_default();
                partition_properties(&partition, self.cluster)?;
                self.added.push(partition);
            }
            RangeItem::Batch { start, end, every, .. } => {
                let [data_type] = self.types.as_slice() else {
                    return Err(SqlError::analyze(
                        "Multi column range partition does not support batch build: START … END … EVERY",
                    ));
                };
                let style = style(self.table);
                for partition in batch(start, end, every, &data_type.clone(), &style, self.cluster)? {
                    self.claim(&partition.name, false)?;
                    if let PartitionValue::Range { lower, upper } = &partition.value {
                        let (lower, upper) = (bounds(lower, &self.types)?, bounds(upper, &self.types)?);
                        let partition = self.range(&partition.name, lower, upper)?;
                        self.added.push(partition);
                    }
                }
            }
        }
        Ok(())
    }

    /// Missing components are the least value, as in StarRocks.
    fn key(&self, literals: &[PartitionLiteral]) -> Result<Vec<RangeBound>> {
        if literals.len() > self.types.len() {
            return Err(SqlError::analyze(format!(
                "Partition column number {} is less than the number of partition values {}",
                self.types.len(),
                literals.len()
            )));
        }
        self.types
            .iter()
            .enumerate()
            .map(|(position, data_type)| match literals.get(position) {
                None => Ok(RangeBound::minimum(data_type)),
                Some(PartitionLiteral::MaxValue) => Ok(RangeBound::MaxValue),
                Some(PartitionLiteral::Null) => {
                    Err(SqlError::analyze("NULL is no bound of a range; it belongs to the lowest range"))
                }
                Some(PartitionLiteral::Text(text) | PartitionLiteral::Number(text)) => {
                    RangeBound::parse_value(text, data_type)
                }
            })
            .collect()
    }

    fn less_than(&self, bound: &UpperBound) -> Result<(Vec<RangeBound>, Vec<RangeBound>)> {
        let upper = match bound {
            UpperBound::MaxValue => vec![RangeBound::MaxValue; self.types.len()],
            UpperBound::Values(values) => self.key(values)?,
        };
        let lower = match self.ranges.upper_below(&upper) {
            Some(lower) => lower.to_vec(),
            None => self.types.iter().map(RangeBound::minimum).collect(),
        };
        Ok((lower, upper))
    }

    fn range(&mut self, name: &str, lower: Vec<RangeBound>, upper: Vec<RangeBound>) -> Result<Partition> {
        let to_bounds = |key: &[RangeBound]| -> Vec<Bound> {
            key.iter().zip(&self.types).map(|(bound, data_type)| bound.to_bound(data_type)).collect()
        };
        let value = PartitionValue::Range { lower: to_bounds(&lower), upper: to_bounds(&upper) };
        if lower >= upper {
            let text = range_text(&self.types, &value);
            // An upper bound that another partition has already leaves nothing.
            let taken = self.added.iter().any(|other| match (&other.value, &value) {
                (PartitionValue::Range { upper: a, .. }, PartitionValue::Range { upper: b, .. }) => a == b,
                _ => false,
            });
            return Err(SqlError::execute(if taken {
                format!("Range {text} is intersected with an existing range")
            } else {
                format!("The lower values must smaller than upper values: {text}")
            }));
        }
        if let Err((other_lower, other_upper)) = self.ranges.insert(lower, upper) {
            let other =
                PartitionValue::Range { lower: to_bounds(&other_lower), upper: to_bounds(&other_upper) };
            return Err(SqlError::execute(format!(
                "Range {} is intersected with range: {}",
                range_text(&self.types, &value),
                range_text(&self.types, &other)
            )));
        }
        Ok(Partition::new(name, value))
    }
}

fn bounds(key: &[Bound], types: &[DataType]) -> Result<Vec<RangeBound>> {
    key.iter().zip(types).map(|(bound, data_type)| RangeBound::parse(bound, data_type)).collect()
}

/// Batches are named and aligned by the dynamic partition properties, when set.
fn style(table: &TableDefinition) -> BatchStyle {
    let property = |name: &str| table.properties.get(&format!("dynamic_partition.{name}"));
    let mut style = BatchStyle::default();
    if let Some(prefix) = property("prefix") {
        style.prefix.clone_from(prefix);
    }
    if let Some(day) = property("start_day_of_week").and_then(|day| day.parse().ok()) {
        style.day_of_week = day;
    }
    if let Some(day) = property("start_day_of_month").and_then(|day| day.parse().ok()) {
        style.day_of_month = day;
    }
    style
}
