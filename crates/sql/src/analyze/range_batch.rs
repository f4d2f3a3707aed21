//! START … END … EVERY: series of ranges, and names of ranges.

use chrono::{Datelike, Days, Duration, Months, NaiveDateTime, NaiveTime};
use rockhold_model::{DataType, Partition, PartitionValue, TimeUnit};

use super::range::{RangeBound, parse_time};
use super::{Cluster, Result};
use crate::SqlError;
use crate::ast::Every;

/// How the partitions of a batch are named and aligned.
pub(super) struct BatchStyle {
    /// Before the time.
    pub(super) prefix: String,
    /// First day of a week, 1 is Monday.
    pub(super) day_of_week: u32,
    /// First day of a month.
    pub(super) day_of_month: u32,
}

impl Default for BatchStyle {
    fn default() -> Self {
        BatchStyle { prefix: "p".to_string(), day_of_week: 1, day_of_month: 1 }
    }
}

/// The partitions of a batch over a column of that type.
pub(super) fn batch(
    start: &str,
    end: &str,
    every: &Every,
    data_type: &DataType,
    style: &BatchStyle,
    cluster: &Cluster,
) -> Result<Vec<Partition>> {
    match every {
        Every::Number(step) => numbers(start, end, *step, data_type, style, cluster),
        Every::Interval(count, unit) => times(start, end, *count, *unit, data_type, style, cluster),
    }
}

fn too_many(cluster: &Cluster) -> SqlError {
    SqlError::analyze(format!(
        "The number of batch partitions should not exceed:{}",
        cluster.max_batch_partitions
    ))
}

fn backwards(start: &str, end: &str) -> SqlError {
    SqlError::analyze(format!(
        "Batch build partition start value should less then end value: START ({start}) END ({end})"
    ))
}

fn range(name: String, lower: &RangeBound, upper: &RangeBound, data_type: &DataType) -> Partition {
    let value = PartitionValue::Range {
        lower: vec![lower.to_bound(data_type)],
        upper: vec![upper.to_bound(data_type)],
    };
    Partition::new(name, value)
}

fn numbers(
    start: &str,
    end: &str,
    step: u64,
    data_type: &DataType,
    style: &BatchStyle,
    cluster: &Cluster,
) -> Result<Vec<Partition>> {
    if !data_type.is_integer() {
        return Err(SqlError::analyze(
            "Batch build partition for hour interval only supports DATE and DATETIME with an INTERVAL, and \
             integer columns with a number",
        ));
    }
    let bound = |text: &str| match RangeBound::parse_value(text, data_type)? {
        RangeBound::Integer(number) => Ok(number),
        _ => Err(SqlError::analyze(format!("Invalid number format: {text}"))),
    };
    let (from, to) = (bound(start)?, bound(end)?);
    if step == 0 {
        return Err(SqlError::analyze("Batch partition every clause mush be larger than zero"));
    }
    if from >= to {
        return Err(backwards(start, end));
    }
    let mut partitions = Vec::new();
    let mut lower = from;
    while lower < to {
        if partitions.len() >= cluster.max_batch_partitions {
            return Err(too_many(cluster));
        }
        let upper = lower.checked_add(step.into()).map_or(to, |upper| upper.min(to));
        let name = if lower < 0 {
            format!("{}_{}", style.prefix, lower.unsigned_abs())
        } else {
            format!("{}{lower}", style.prefix)
        };
        partitions.push(range(name, &RangeBound::Integer(lower), &RangeBound::Integer(upper), data_type));
        lower = upper;
    }
    Ok(partitions)
}

fn times(
    start: &str,
    end: &str,
    count: u32,
    unit: TimeUnit,
    data_type: &DataType,
    style: &BatchStyle,
    cluster: &Cluster,
) -> Result<Vec<Partition>> {
    if count == 0 {
        return Err(SqlError::analyze("Batch partition every clause mush be larger than zero"));
    }
    if matches!(unit, TimeUnit::Second | TimeUnit::Minute | TimeUnit::Quarter)
        || (unit == TimeUnit::Hour && *data_type == DataType::Date)
    {
        return Err(SqlError::analyze(format!(
            "Batch build partition does not support time interval type {} for {} columns",
            unit.as_str().to_uppercase(),
            data_type.base_name()
        )));
    }
    let time = |text: &str| {
        parse_time(text).ok_or_else(|| {
            SqlError::analyze(format!(
                "Batch build partition EVERY is date type but START or END does not type match: {text}"
            ))
        })
    };
    let (from, to) = (time(start)?, time(end)?);
    if from >= to {
        return Err(backwards(start, end));
    }
    // An integer column holds days as yyyyMMdd.
    let bound = |time: NaiveDateTime| match data_type {
        data_type if data_type.is_integer() => RangeBound::Integer(
            i128::from(time.year()) * 10_000 + i128::from(time.month() * 100 + time.day()),
        ),
        DataType::Date => RangeBound::Time(time.date().and_time(NaiveTime::MIN)),
        _ => RangeBound::Time(time),
    };
    let mut partitions = Vec::new();
    let mut lower = from;
    while lower < to {
        if partitions.len() >= cluster.max_batch_partitions {
            return Err(too_many(cluster));
        }
        let upper = next(lower, count, unit, style).map_or(to, |upper| upper.min(to));
        let name = format!("{}{}", style.prefix, time_name(lower, unit, style.day_of_week));
        partitions.push(range(name, &bound(lower), &bound(upper), data_type));
        lower = upper;
    }
    Ok(partitions)
}

/// The next boundary of a batch: weeks, months and years are aligned, so the
/// first range may be shorter.
fn next(time: NaiveDateTime, count: u32, unit: TimeUnit, style: &BatchStyle) -> Option<NaiveDateTime> {
    match unit {
        TimeUnit::Week => {
            let behind = (time.weekday().number_from_monday() + 7 - style.day_of_week.clamp(1, 7)) % 7;
            let aligned = time.checked_sub_days(Days::new(behind.into()))?;
            aligned.checked_add_days(Days::new(u64::from(count) * 7))
        }
        TimeUnit::Month => {
            let months = time.checked_add_months(Months::new(count))?;
            months.with_day(style.day_of_month.clamp(1, 28))
        }
        TimeUnit::Year => {
            time.with_day(1)?.with_month(1)?.checked_add_months(Months::new(count.checked_mul(12)?))
        }
        _ => advance(time, count, unit),
    }
}

/// `count` units later.
pub(super) fn advance(time: NaiveDateTime, count: u32, unit: TimeUnit) -> Option<NaiveDateTime> {
    let later = match unit {
        TimeUnit::Second => time.checked_add_signed(Duration::seconds(count.into())),
        TimeUnit::Minute => time.checked_add_signed(Duration::minutes(count.into())),
        TimeUnit::Hour => time.checked_add_signed(Duration::hours(count.into())),
        TimeUnit::Day => time.checked_add_days(Days::new(count.into())),
        TimeUnit::Week => time.checked_add_days(Days::new(u64::from(count) * 7)),
        TimeUnit::Month => time.checked_add_months(Months::new(count)),
        TimeUnit::Quarter => time.checked_add_months(Months::new(count.checked_mul(3)?)),
        TimeUnit::Year => time.checked_add_months(Months::new(count.checked_mul(12)?)),
    };
    later.filter(|time| time.year() <= 9999)
}

/// The part of a partition's name that tells when it begins.
pub(super) fn time_name(time: NaiveDateTime, unit: TimeUnit, day_of_week: u32) -> String {
    match unit {
        TimeUnit::Second => time.format("%Y%m%d%H%M%S").to_string(),
        TimeUnit::Minute => time.format("%Y%m%d%H%M").to_string(),
        TimeUnit::Hour => time.format("%Y%m%d%H").to_string(),
        TimeUnit::Day => time.format("%Y%m%d").to_string(),
        TimeUnit::Week => {
            // Weeks of the year, the first being that of January the first.
            let first = time.with_month(1).and_then(|time| time.with_day(1)).unwrap_or(time);
            let offset = (first.weekday().number_from_monday() + 7 - day_of_week.clamp(1, 7)) % 7;
            format!("{}_{:02}", time.format("%Y"), (time.ordinal0() + offset) / 7 + 1)
        }
        TimeUnit::Month | TimeUnit::Quarter => time.format("%Y%m").to_string(),
        TimeUnit::Year => time.format("%Y").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(start: &str, end: &str, every: &Every, data_type: &DataType) -> Vec<String> {
        batch(start, end, every, data_type, &BatchStyle::default(), &Cluster::default())
            .unwrap()
            .into_iter()
            .map(|partition| partition.name)
            .collect()
    }

    #[test]
    fn batches_are_named_by_unit() {
        let date = DataType::Date;
        assert_eq!(
            names("2024-01-30", "2024-02-02", &Every::Interval(1, TimeUnit::Day), &date),
            ["p20240130", "p20240131", "p20240201"]
        );
        assert_eq!(
            names("2024-01-15", "2024-03-01", &Every::Interval(1, TimeUnit::Month), &date),
            ["p202401", "p202402"]
        );
        assert_eq!(
            names("2024-01-01", "2024-01-16", &Every::Interval(1, TimeUnit::Week), &date),
            ["p2024_01", "p2024_02", "p2024_03"]
        );
        assert_eq!(names("1", "10", &Every::Number(3), &DataType::Int), ["p1", "p4", "p7"]);
        assert_eq!(
            names("20240101", "20240103", &Every::Interval(1, TimeUnit::Day), &DataType::Int),
            ["p20240101", "p20240102"]
        );
    }

    #[test]
    fn batches_that_cannot_be_are_refused() {
        let refuse = |start: &str, end: &str, every: Every| {
            batch(start, end, &every, &DataType::Date, &BatchStyle::default(), &Cluster::default()).is_err()
        };
        assert!(refuse("2024-01-02", "2024-01-01", Every::Interval(1, TimeUnit::Day)));
        assert!(refuse("2024-01-01", "2024-01-02", Every::Interval(0, TimeUnit::Day)));
        assert!(refuse("2024-01-01", "2024-01-02", Every::Interval(1, TimeUnit::Hour)));
        assert!(refuse("0001-01-01", "9999-01-01", Every::Interval(1, TimeUnit::Day)));
        assert!(refuse("1", "2", Every::Number(1)));
    }
}
