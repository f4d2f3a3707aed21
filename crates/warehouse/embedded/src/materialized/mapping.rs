//! Which partitions a materialized view has, and from which of its base's
//! partitions each is computed.
//!
//! Every partition of the base belongs to exactly one partition of the view:
//! where two of them reach into one (months over weeks, or two lists that share
//! a value) they are joined. So whatever is computed from the partitions of the
//! base that belong to a partition of the view lies in it, and nothing else does.

use super::super::place::key::Key;
use super::super::value::time::{DAY, MIN_DAYS, add_units, date_text, datetime_of, datetime_text, truncate};
use chrono::{Datelike, Timelike};
use rockhold_model::{
    Bound, DataType, Partition, PartitionValue, Partitioning, SliceBoundary, TableDefinition, TimeFunction,
    TimeUnit,
};
use rockhold_sql::SqlError;
use std::collections::BTreeMap;

/// How partitions of the base become partitions of the view.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Mapping {
    /// Ranges over one column.
    Ranges {
        /// Units of `date_trunc` between the base's column and the view's, the
        /// innermost first. None: the ranges are the base's own.
        units: Vec<TimeUnit>,
        /// Type of the base's column.
        base_type: DataType,
        /// Type of the view's column.
        view_type: DataType,
    },
    /// Lists.
    Lists {
        /// For each partition column of the view its position among those of
        /// the base.
        positions: Vec<usize>,
        /// Types of the base's partition columns.
        types: Vec<DataType>,
    },
}

/// A partition that the view should have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    /// The name for it when it has to be made.
    pub(crate) name: String,
    /// Its range or lists.
    pub(crate) value: PartitionValue,
    /// Positions of the base's partitions that belong to it.
    pub(crate) from: Vec<usize>,
}

impl Mapping {
    /// The rule for a view whose partition columns are these of the base, with
    /// `units` around the first.
    ///
    /// # Errors
    /// The base is not partitioned by them, or in a way that cannot be mapped.
    pub(crate) fn new(
        base: &TableDefinition,
        columns: &[String],
        units: Vec<TimeUnit>,
        view_type: &DataType,
    ) -> Result<Self, SqlError> {
        let foreign = || {
            SqlError::analyze(
                "Materialized view partition column in partition exp must be base table partition column",
            )
        };
        let declared = base.partitioning.columns();
        let position = |name: &String| declared.iter().position(|other| other.eq_ignore_ascii_case(name));
        let positions = columns.iter().map(position).collect::<Option<Vec<_>>>().ok_or_else(foreign)?;
        let types: Vec<DataType> = declared
            .iter()
            .map(|name| base.column(name).map(|column| column.data_type.clone()))
            .collect::<Option<_>>()
            .ok_or_else(foreign)?;
        match &base.partitioning {
            Partitioning::Unpartitioned => Err(foreign()),
            Partitioning::List { .. } if units.is_empty() => Ok(Mapping::Lists { positions, types }),
            Partitioning::List { .. } => Err(SqlError::analyze(
                "Materialized view partition expression date_trunc needs a base table that is partitioned by \
                 ranges; partition the view by the column itself",
            )),
            Partitioning::Range { expression: Some(expression), .. } => Err(SqlError::analyze(format!(
                "Materialized view cannot be partitioned like its base table {}: the base's ranges are over {}; \
                 leave out PARTITION BY",
                base.name, expression.text
            ))),
            Partitioning::Expression {
                function: TimeFunction::TimeSlice { boundary: SliceBoundary::Ceil, .. },
                ..
            } => Err(SqlError::analyze(format!(
                "Materialized view cannot be partitioned like its base table {}: the base's partitions are named \
                 by the end of their slice; leave out PARTITION BY",
                base.name
            ))),
            Partitioning::Range { .. } | Partitioning::Expression { .. } => {
                let [base_type] = types.as_slice() else {
                    return Err(SqlError::analyze(
                        "Materialized view related base table partition columns only supports single column",
                    ));
                };
                if !units.is_empty() && !matches!(base_type, DataType::Date | DataType::DateTime) {
                    return Err(SqlError::analyze(format!(
                        "Materialized view partition function date_trunc must be over a DATE or DATETIME, not {}",
                        base_type.base_name()
                    )));
                }
                let (base_type, view_type) = (base_type.clone(), view_type.clone());
                Ok(Mapping::Ranges { units, base_type, view_type })
            }
        }
    }

    /// The partitions of the view for these of the base: ranges in order, lists
    /// in the order of the base.
    ///
    /// # Errors
    /// A bound is no value of its column.
    pub(crate) fn targets(&self, base: &[&Partition]) -> Result<Vec<Target>, SqlError> {
        let found = match self {
            Mapping::Ranges { units, base_type, view_type } => match units.last() {
                None => own_ranges(base, base_type),
                Some(unit) => rounded_ranges(base, units, *unit, base_type, view_type),
            },
            Mapping::Lists { positions, types } => lists(base, positions, types),
        };
        found.ok_or_else(|| SqlError::execute("a partition of the base table has bounds that are no values"))
    }
}

fn range(partition: &Partition, data_type: &DataType) -> Option<(Key, Key)> {
    match &partition.value {
        PartitionValue::Range { lower, upper } => {
            Some((Key::of_bound(lower.first()?, data_type)?, Key::of_bound(upper.first()?, data_type)?))
        }
        _ => None,
    }
}

fn own_ranges(base: &[&Partition], data_type: &DataType) -> Option<Vec<Target>> {
    let mut found = Vec::new();
    for (at, partition) in base.iter().enumerate() {
        let (lower, _) = range(partition, data_type)?;
        let target = Target { name: partition.name.clone(), value: partition.value.clone(), from: vec![at] };
        found.push((lower, target));
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Some(found.into_iter().map(|(_, target)| target).collect())
}

/// A point of time; `None` is behind all.
type End = Option<i64>;

fn rounded_ranges(
    base: &[&Partition],
    units: &[TimeUnit],
    unit: TimeUnit,
    base_type: &DataType,
    view_type: &DataType,
) -> Option<Vec<Target>> {
    let least = i64::from(MIN_DAYS) * DAY;
    let down = |time: i64| units.iter().try_fold(time, |time, unit| truncate(time, *unit));
    let mut found: Vec<(i64, End, Vec<usize>)> = Vec::new();
    for (at, partition) in base.iter().enumerate() {
        let (lower, upper) = range(partition, base_type)?;
        let lower = down(micros(&lower, base_type)?)?.max(least);
        let upper = match upper {
            Key::Max => None,
            // The last time below the bound decides.
            upper => add_units(down(micros(&upper, base_type)?.checked_sub(1)?)?, 1, unit),
        };
        found.push((lower, upper, vec![at]));
    }
    found.sort_by_key(|(lower, _, _)| *lower);
    let mut joined: Vec<(i64, End, Vec<usize>)> = Vec::new();
    for (lower, upper, from) in found {
        match joined.last_mut() {
            Some((_, end, members)) if end.is_none_or(|end| lower < end) => {
                *end = end.zip(upper).map(|(a, b)| a.max(b));
                members.extend(from);
            }
            _ => joined.push((lower, upper, from)),
        }
    }
    let bound = |time: i64| match view_type {
        DataType::Date => Bound::Value(date_text(i32::try_from(time.div_euclid(DAY)).unwrap_or(MIN_DAYS))),
        _ => Bound::Value(datetime_text(time)),
    };
    Some(
        joined
            .into_iter()
            .map(|(lower, upper, from)| Target {
                name: range_name(lower, upper, unit),
                value: PartitionValue::Range {
                    lower: vec![bound(lower)],
                    upper: vec![upper.map_or(Bound::MaxValue, bound)],
                },
                from,
            })
            .collect(),
    )
}

fn micros(key: &Key, data_type: &DataType) -> Option<i64> {
    let Key::Number(value) = key else { return None };
    let value = i64::try_from(value.as_i128()).ok()?;
    if *data_type == DataType::Date { value.checked_mul(DAY) } else { Some(value) }
}

/// `p202401_202402`, as StarRocks names the partitions it makes.
fn range_name(lower: i64, upper: End, unit: TimeUnit) -> String {
    let part = |time: i64| {
        let Some(time) = datetime_of(time) else { return "0".to_owned() };
        let day = format!("{:04}{:02}{:02}", time.year(), time.month(), time.day());
        match unit {
            TimeUnit::Year => format!("{:04}", time.year()),
            TimeUnit::Quarter => format!("{:04}Q{}", time.year(), time.month0() / 3 + 1),
            TimeUnit::Month => format!("{:04}{:02}", time.year(), time.month()),
            TimeUnit::Week | TimeUnit::Day => day,
            TimeUnit::Hour => format!("{day}{:02}", time.hour()),
            TimeUnit::Minute => format!("{day}{:02}{:02}", time.hour(), time.minute()),
            TimeUnit::Second => format!("{day}{:02}{:02}{:02}", time.hour(), time.minute(), time.second()),
        }
    };
    format!("p{}_{}", part(lower), upper.map_or("MAXVALUE".to_owned(), part))
}

fn lists(base: &[&Partition], positions: &[usize], types: &[DataType]) -> Option<Vec<Target>> {
    // The first partition of the base with a row of the view's columns leads
    // all that share one with it.
    let mut leader: Vec<usize> = (0..base.len()).collect();
    let mut first: BTreeMap<Vec<Option<String>>, usize> = BTreeMap::new();
    let mut rows: Vec<Vec<Vec<Option<String>>>> = Vec::with_capacity(base.len());
    for (at, partition) in base.iter().enumerate() {
        let PartitionValue::List { rows: listed } = &partition.value else { return None };
        let mut own: Vec<Vec<Option<String>>> = Vec::new();
        for row in listed {
            let mut picked = Vec::with_capacity(positions.len());
            for position in positions {
                let data_type = types.get(*position)?;
                picked.push(match row.get(*position)? {
                    Some(text) => Some(Key::parse(text, data_type)?.text(data_type)?),
                    None => None,
                });
            }
            let other = *first.entry(picked.clone()).or_insert(at);
            let (a, b) = (find(&mut leader, at)?, find(&mut leader, other)?);
            *leader.get_mut(a.max(b))? = a.min(b);
            if !own.contains(&picked) {
                own.push(picked);
            }
        }
        rows.push(own);
    }
    let mut found: Vec<(usize, Target)> = Vec::new();
    for (at, own) in rows.into_iter().enumerate() {
        let head = find(&mut leader, at)?;
        match found.iter_mut().find(|(leads, _)| *leads == head) {
            Some((_, target)) => {
                target.from.push(at);
                if let PartitionValue::List { rows } = &mut target.value {
                    rows.extend(own.into_iter().filter(|row| !rows.contains(row)).collect::<Vec<_>>());
                }
            }
            None => {
                let name = base.get(at)?.name.clone();
                let value = PartitionValue::List { rows: own };
                found.push((head, Target { name, value, from: vec![at] }));
            }
        }
    }
    Some(found.into_iter().map(|(_, target)| target).collect())
}

fn find(leader: &mut [usize], mut at: usize) -> Option<usize> {
    while *leader.get(at)? != at {
        let above = *leader.get(*leader.get(at)?)?;
        *leader.get_mut(at)? = above;
        at = above;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(bounds: &[(&str, &str)]) -> Vec<Partition> {
        let bound = |text: &str| match text {
            "MAX" => vec![Bound::MaxValue],
            text => vec![Bound::Value(text.into())],
        };
        bounds
            .iter()
            .enumerate()
            .map(|(at, (lower, upper))| {
                let value = PartitionValue::Range { lower: bound(lower), upper: bound(upper) };
                Partition::new(format!("p{at}"), value)
            })
            .collect()
    }

    fn shown(targets: Vec<Target>) -> Vec<String> {
        let bound = |bounds: &[Bound]| bounds[0].as_value().unwrap_or("MAX").to_owned();
        targets
            .into_iter()
            .map(|target| match &target.value {
                PartitionValue::Range { lower, upper } => {
                    format!("{} [{}, {}) {:?}", target.name, bound(lower), bound(upper), target.from)
                }
                PartitionValue::List { rows } => {
                    let rows: Vec<String> = rows
                        .iter()
                        .map(|row| {
                            let row: Vec<&str> = row.iter().map(|v| v.as_deref().unwrap_or("NULL")).collect();
                            row.join("-")
                        })
                        .collect();
                    format!("{} {} {:?}", target.name, rows.join(","), target.from)
                }
                PartitionValue::All => target.name,
            })
            .collect()
    }

    fn by(units: &[TimeUnit], data_type: DataType) -> Mapping {
        Mapping::Ranges { units: units.to_vec(), base_type: data_type.clone(), view_type: data_type }
    }

    #[test]
    fn days_become_months_and_what_reaches_over_is_joined() {
        let base = ranges(&[
            ("2024-01-31", "2024-02-01"),
            ("2024-01-01", "2024-01-02"),
            ("2024-02-20", "2024-03-10"),
            ("2024-03-10", "2024-03-11"),
            ("2024-05-01", "MAX"),
        ]);
        let base: Vec<&Partition> = base.iter().collect();
        let found = by(&[TimeUnit::Month], DataType::Date).targets(&base).unwrap();
        assert_eq!(
            shown(found),
            [
                "p202401_202402 [2024-01-01, 2024-02-01) [0, 1]",
                "p202402_202404 [2024-02-01, 2024-04-01) [2, 3]",
                "p202405_MAXVALUE [2024-05-01, MAX) [4]",
            ]
        );
    }

    #[test]
    fn a_finer_unit_keeps_the_ranges_of_the_base() {
        let base = ranges(&[("0000-01-01", "2024-01-01"), ("2024-01-01", "2024-02-01")]);
        let base: Vec<&Partition> = base.iter().collect();
        let found = by(&[TimeUnit::Day], DataType::Date).targets(&base).unwrap();
        assert_eq!(
            shown(found),
            [
                "p00000101_20240101 [0000-01-01, 2024-01-01) [0]",
                "p20240101_20240201 [2024-01-01, 2024-02-01) [1]"
            ]
        );
        let found = by(&[], DataType::Date).targets(&base).unwrap();
        assert_eq!(shown(found), ["p0 [0000-01-01, 2024-01-01) [0]", "p1 [2024-01-01, 2024-02-01) [1]"]);
    }

    #[test]
    fn weeks_inside_months_are_rounded_one_after_the_other() {
        // 2024-02-01 is a Thursday: its week begins in January.
        let base = ranges(&[("2024-02-01 00:00:00", "2024-02-02 00:00:00")]);
        let base: Vec<&Partition> = base.iter().collect();
        let found = by(&[TimeUnit::Week, TimeUnit::Month], DataType::DateTime).targets(&base).unwrap();
        assert_eq!(shown(found), ["p202401_202402 [2024-01-01 00:00:00, 2024-02-01 00:00:00) [0]"]);
    }

    #[test]
    fn lists_that_share_a_value_are_joined() {
        let partition = |name: &str, rows: &[[Option<&str>; 2]]| {
            let rows = rows.iter().map(|row| row.iter().map(|v| v.map(str::to_owned)).collect()).collect();
            Partition::new(name, PartitionValue::List { rows })
        };
        let base = [
            partition("a", &[[Some("1"), Some("x")]]),
            partition("b", &[[Some("2"), Some("x")]]),
            partition("c", &[[Some("01"), Some("y")], [None, Some("y")]]),
        ];
        let base: Vec<&Partition> = base.iter().collect();
        let types = vec![DataType::Int, DataType::string()];
        let lists =
            |positions: &[usize]| Mapping::Lists { positions: positions.to_vec(), types: types.clone() };
        assert_eq!(shown(lists(&[0]).targets(&base).unwrap()), ["a 1,NULL [0, 2]", "b 2 [1]"]);
        assert_eq!(shown(lists(&[1]).targets(&base).unwrap()), ["a x [0, 1]", "c y [2]"]);
        assert_eq!(
            shown(lists(&[1, 0]).targets(&base).unwrap()),
            ["a x-1 [0]", "b x-2 [1]", "c y-1,y-NULL [2]"]
        );
    }
}
