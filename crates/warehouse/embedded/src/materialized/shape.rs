//! The partitions that a materialized view should have now, and from what each
//! is computed.

use super::super::place::key::Key;
use super::super::value::time::{add_units, parse_datetime};
use super::mapping::{Mapping, Target};
use super::source::Sources;
use super::trace::trace;
use datafusion::common::TableReference;
use datafusion::logical_expr::LogicalPlan;
use rockhold_core::ObjectName;
use rockhold_model::{
    Column, DataType, MaterializedViewDefinition, Partition, PartitionValue, Partitioning, RefreshedBase,
    TimeUnit,
};
use rockhold_sql::SqlError;
use rockhold_sql::analyze::PartitionKey;
use rockhold_warehouse_store::PartitionInfo;

/// How the partitions of a view come from those of one base.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    /// The base as the plan names it, its full name, and the rule; `None` for
    /// a view of one partition.
    pub(crate) follows: Option<(TableReference, ObjectName, Mapping)>,
}

/// A partition that the view should have.
#[derive(Debug, Clone)]
pub(crate) struct Goal {
    /// Its value and a name for it.
    pub(crate) target: Target,
    /// The bases' partitions with rows that it is computed from.
    pub(crate) bases: Vec<GoalBase>,
    /// The logical views between, each with a digest of what it says.
    pub(crate) views: Vec<(ObjectName, String)>,
}

/// What a goal takes from one base.
#[derive(Debug, Clone)]
pub(crate) struct GoalBase {
    pub(crate) name: ObjectName,
    pub(crate) partitions: Vec<PartitionInfo>,
}

impl Shape {
    /// The shape of a view that is partitioned by these columns of its own.
    ///
    /// # Errors
    /// They cannot be followed to the partition columns of one base.
    pub(crate) fn new(
        columns: &[Column],
        keys: &[PartitionKey],
        plan: &LogicalPlan,
        sources: &Sources,
    ) -> Result<Self, SqlError> {
        let mut base: Option<TableReference> = None;
        let mut names = Vec::new();
        let mut units = Vec::new();
        let mut view_type = DataType::DateTime;
        for key in keys {
            let lost = |why: &str| {
                SqlError::analyze(format!(
                    "Materialized view partition column {} cannot be followed to a partition column of one base \
                     table: {why}; leave out PARTITION BY, or write the query so that it can",
                    key.column
                ))
            };
            let at = columns
                .iter()
                .position(|column| column.name.eq_ignore_ascii_case(&key.column))
                .ok_or_else(|| lost("the query has no such column"))?;
            let traced = trace(plan, at).map_err(|why| lost(&why))?;
            if base.as_ref().is_some_and(|base| *base != traced.table) {
                return Err(lost("the columns come from several base tables"));
            }
            base = Some(traced.table);
            names.push(traced.column);
            units = traced.units;
            units.extend(key.unit);
            if !units.is_empty() && keys.len() > 1 {
                return Err(lost("of several columns none may be a date_trunc"));
            }
            if let Some(column) = columns.get(at) {
                view_type = column.data_type.clone();
            }
        }
        let Some(table) = base else { return Ok(Shape { follows: None }) };
        let full = ObjectName::new(table.schema().unwrap_or_default(), table.table());
        let source = sources.bases.iter().find(|source| source.name == full).ok_or_else(|| {
            SqlError::execute(format!("the query of the materialized view does not read {full}"))
        })?;
        let mapping = Mapping::new(&source.definition, &names, units, &view_type)?;
        Ok(Shape { follows: Some((table, full, mapping)) })
    }

    /// How the view's definition says it.
    pub(crate) fn partitioning(&self, keys: &[PartitionKey]) -> Partitioning {
        let columns = keys.iter().map(|key| key.column.clone()).collect();
        match &self.follows {
            None => Partitioning::Unpartitioned,
            Some((_, _, Mapping::Ranges { .. })) => Partitioning::Range { columns, expression: None },
            Some((_, _, Mapping::Lists { .. })) => Partitioning::List { columns, automatic: false },
        }
    }

    /// The partitions that the view should have, in order.
    ///
    /// # Errors
    /// A bound of the base's partitions is no value.
    pub(crate) fn goals(
        &self,
        view: &MaterializedViewDefinition,
        sources: &Sources,
    ) -> Result<Vec<Goal>, SqlError> {
        let targets = match &self.follows {
            None => {
                vec![Target { name: view.name.clone(), value: PartitionValue::All, from: Vec::new() }]
            }
            Some((_, base, mapping)) => {
                let partitions: Vec<&Partition> = sources
                    .bases
                    .iter()
                    .filter(|source| source.name == *base)
                    .flat_map(|source| &source.partitions)
                    .map(|partition| &partition.definition)
                    .collect();
                mapping.targets(&partitions)?
            }
        };
        let follows = self.follows.as_ref().map(|(_, base, _)| base);
        Ok(targets
            .into_iter()
            .map(|target| {
                let bases = sources
                    .bases
                    .iter()
                    .map(|source| {
                        let followed = follows == Some(&source.name);
                        let partitions = source.partitions.iter().enumerate();
                        let partitions = partitions
                            .filter(|(at, partition)| {
                                // A partition without files has no rows, whatever its version.
                                partition.files > 0 && (!followed || target.from.contains(at))
                            })
                            .map(|(_, partition)| partition.clone())
                            .collect();
                        GoalBase { name: source.name.clone(), partitions }
                    })
                    .collect();
                Goal { target, bases, views: sources.views.clone() }
            })
            .collect())
    }
}

impl Goal {
    /// What to note about a partition that was computed now. A logical view
    /// is noted like a base whose only version is what it says.
    pub(crate) fn record(&self) -> Vec<RefreshedBase> {
        let of = |name: &ObjectName, partitions| RefreshedBase {
            database: name.database.clone(),
            name: name.name.clone(),
            partitions,
        };
        let version =
            |partition: &PartitionInfo| (partition.name().to_owned(), partition.version_id.to_string());
        let bases =
            self.bases.iter().map(|base| of(&base.name, base.partitions.iter().map(version).collect()));
        let views = self.views.iter().map(|(name, said)| of(name, vec![(String::new(), said.clone())]));
        bases.chain(views).collect()
    }

    /// Whether what was noted still holds: the same rows of every base but
    /// those that `excluded` names, through the same views.
    pub(crate) fn is_fresh(&self, noted: &[RefreshedBase], excluded: impl Fn(&ObjectName) -> bool) -> bool {
        let noted_of = |name: &ObjectName| {
            noted.iter().find(|noted| noted.database == name.database && noted.name == name.name)
        };
        self.bases.len() + self.views.len() == noted.len()
            && self.views.iter().all(|(name, said)| {
                noted_of(name).is_some_and(|noted| noted.partitions.iter().any(|(_, id)| id == said))
            })
            && self.bases.iter().all(|base| {
                let Some(noted) = noted_of(&base.name) else { return false };
                excluded(&base.name)
                    || (noted.partitions.len() == base.partitions.len()
                        && base
                            .partitions
                            .iter()
                            .all(|now| noted.partitions.iter().any(|(_, id)| has_rows_of(now, id))))
            })
    }
}

/// Whether a partition has the rows of a version: it is that version, or a
/// restore brought it.
fn has_rows_of(partition: &PartitionInfo, version: &str) -> bool {
    partition.version_id.to_string() == version
        || partition.origin.is_some_and(|origin| origin.to_string() == version)
}

/// Whether two values hold the same rows; the order of lists does not matter.
pub(crate) fn same_value(a: &PartitionValue, b: &PartitionValue) -> bool {
    match (a, b) {
        (PartitionValue::List { rows: a }, PartitionValue::List { rows: b }) => {
            a.len() == b.len() && a.iter().all(|row| b.contains(row))
        }
        (a, b) => a == b,
    }
}

/// Lower and upper bound of a range over one column.
pub(crate) fn bounds(value: &PartitionValue, data_type: &DataType) -> Option<(Key, Key)> {
    match value {
        PartitionValue::Range { lower, upper } => {
            Some((Key::of_bound(lower.first()?, data_type)?, Key::of_bound(upper.first()?, data_type)?))
        }
        _ => None,
    }
}

/// Whether a range lies wholly before `ttl` (`2 MONTH`) ago.
pub(crate) fn expired(value: &PartitionValue, data_type: &DataType, ttl: &str, now: i64) -> Option<bool> {
    let (_, upper) = bounds(value, data_type)?;
    let mut words = ttl.split_whitespace();
    let count: i64 = words.next()?.parse().ok()?;
    let unit = words.next()?.to_ascii_lowercase();
    let unit = TimeUnit::parse(unit.strip_suffix('s').unwrap_or(&unit))?;
    let since = add_units(now, count.checked_neg()?, unit)?;
    let text = upper.text(data_type)?;
    Some(parse_datetime(&text)? <= since)
}
