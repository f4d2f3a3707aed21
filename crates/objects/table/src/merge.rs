//! Which partitions of a snapshot may replace or join those of an existing
//! table.
//!
//! | existing table | snapshot's partition | result |
//! |---|---|---|
//! | same name | same range (values for a list) | replaced |
//! | same name | other range, other values | refused |
//! | name absent | disjoint from all others | added |
//! | name absent | overlaps | refused, naming the partition in the way |
//!
//! StarRocks replaces a list partition of the same name without looking at its
//! values and never adds one; here values are looked at, and new list
//! partitions are added when no value collides.

use crate::codec::partition_of;
use rockhold_core::{Comparison, Error, MergeCheck, Result};
use rockhold_model::{
    Bound, DataType, Partition, PartitionValue, TableDefinition, first_partition_difference,
};
use rockhold_sql::analyze::{RangeBound, range_key_types};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

pub(crate) struct TableMerge {
    existing: TableDefinition,
    incoming: TableDefinition,
    replication_num: Option<u32>,
    /// By lower-case name.
    by_name: HashMap<String, Partition>,
    /// Disjoint ranges by their lower bound.
    ranges: BTreeMap<Vec<RangeBound>, (Vec<RangeBound>, String)>,
    /// Listed values and whose they are.
    values: HashMap<Vec<Option<String>>, String>,
    types: Vec<DataType>,
}

impl TableMerge {
    pub(crate) fn new(
        existing: TableDefinition,
        partitions: Vec<Partition>,
        incoming: TableDefinition,
        replication_num: Option<u32>,
    ) -> Result<Self> {
        let types = range_key_types(&existing);
        let mut merge = Self {
            existing,
            incoming,
            replication_num,
            by_name: HashMap::new(),
            ranges: BTreeMap::new(),
            values: HashMap::new(),
            types,
        };
        for partition in partitions {
            merge.add(partition)?;
        }
        Ok(merge)
    }

    fn add(&mut self, partition: Partition) -> Result<()> {
        match &partition.value {
            PartitionValue::All => {}
            PartitionValue::Range { lower, upper } => {
                let (lower, upper) = (self.points(lower)?, self.points(upper)?);
                self.ranges.insert(lower, (upper, partition.name.clone()));
            }
            PartitionValue::List { rows } => {
                for row in rows {
                    self.values.insert(row.clone(), partition.name.clone());
                }
            }
        }
        self.by_name.insert(partition.name.to_lowercase(), partition);
        Ok(())
    }

    fn points(&self, bounds: &[Bound]) -> Result<Vec<RangeBound>> {
        if bounds.is_empty() || bounds.len() > self.types.len() {
            return Err(Error::corrupt("a partition's range does not fit the partition columns"));
        }
        let parse = |(bound, data_type): (&Bound, &DataType)| {
            RangeBound::parse(bound, data_type).map_err(|e| {
                Error::corrupt(format!("the bound of a partition cannot be read: {}", e.message))
            })
        };
        bounds.iter().zip(&self.types).map(parse).collect()
    }

    fn check_same_name(&self, here: &Partition, there: &Partition) -> Option<String> {
        if let Some(difference) = first_partition_difference(&self.existing, here, &self.incoming, there) {
            return Some(if difference.starts_with("Partition ") {
                difference
            } else {
                self.schema_text(&difference)
            });
        }
        if let (PartitionValue::List { rows: a }, PartitionValue::List { rows: b }) =
            (&here.value, &there.value)
        {
            let sorted = |rows: &[Vec<Option<String>>]| {
                let mut rows = rows.to_vec();
                rows.sort();
                rows
            };
            if sorted(a) != sorted(b) {
                return Some(format!(
                    "Partition {} in table {} has different values with partition in repository",
                    here.name, self.existing.name
                ));
            }
        }
        let replicas = here
            .properties
            .get("replication_num")
            .and_then(|text| text.parse().ok())
            .or(self.existing.replication_num());
        match (self.replication_num, replicas) {
            (Some(asked), Some(here_num)) if asked != here_num => Some(format!(
                "Partition {} in table {} has different replication num '{here_num}' with partition in repository, \
                 which is {asked}",
                here.name, self.existing.name
            )),
            _ => None,
        }
    }

    fn check_new(&self, there: &Partition) -> Result<Option<String>> {
        Ok(match &there.value {
            PartitionValue::All => Some(self.schema_text("table's partition type is different")),
            PartitionValue::Range { lower, upper } => {
                let (low, high) = (self.points(lower)?, self.points(upper)?);
                let below = self.ranges.range(..=low.clone()).next_back().filter(|(_, (end, _))| *end > low);
                let inside = self.ranges.range(low..).next().filter(|(start, _)| **start < high);
                below.or(inside).map(|(_, (_, name))| {
                    format!(
                        "Partition {} in table {} has conflict range with existing ranges: it overlaps partition {name}",
                        there.name, self.existing.name
                    )
                })
            }
            PartitionValue::List { rows } => rows.iter().find_map(|row| {
                self.values.get(row).map(|name| {
                    format!(
                        "Partition {} in table {} has a value that partition {name} holds already",
                        there.name, self.existing.name
                    )
                })
            }),
        })
    }

    fn schema_text(&self, difference: &str) -> String {
        format!("Table {} already exist but with different schema, errMsg: {difference}", self.existing.name)
    }
}

impl MergeCheck for TableMerge {
    fn check(&mut self, partition: &Value) -> Result<Comparison> {
        let there = partition_of(partition)?;
        let refusal = match self.by_name.get(&there.name.to_lowercase()) {
            Some(here) => self.check_same_name(here, &there),
            None => self.check_new(&there)?,
        };
        Ok(match refusal {
            Some(text) => Comparison::Different(text),
            None => Comparison::Same,
        })
    }
}
