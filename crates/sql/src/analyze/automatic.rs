//! Partitions that loads create.

use chrono::{Datelike, Days, Duration, NaiveDateTime, NaiveTime, Timelike};
use rockhold_model::{
    DataType, Partition, PartitionValue, Partitioning, SliceBoundary, TableDefinition, TimeFunction, TimeUnit,
};

use super::range::{RangeBound, first_day, parse_time};
use super::range_batch::{advance, time_name};
use super::{Result, parse_list_value};
use crate::SqlError;

/// Longest name of an automatic list partition before a hash takes its place.
const LONGEST_NAME: usize = 50;

/// The partition for rows with these values in the partition columns.
///
/// `is_taken` tells whether a name (in lower case) belongs to a partition with
/// other values; the name then gets a number behind it.
///
/// # Errors
///
/// 1064 when the table creates no partitions by itself, or a value is not of
/// its column's type.
pub fn automatic_partition(
    table: &TableDefinition,
    values: &[Option<&str>],
    is_taken: impl Fn(&str) -> bool,
) -> Result<Partition> {
    let (mut name, value) = match &table.partitioning {
        Partitioning::Expression { column, function } => {
            let data_type =
                table.column(column).map_or(DataType::DateTime, |column| column.data_type.clone());
            expression_partition(values.first().copied().flatten(), function, &data_type)?
        }
        Partitioning::List { columns, automatic: true } => {
            let row: Result<Vec<Option<String>>> = columns
                .iter()
                .zip(values)
                .map(|(column, value)| {
                    let data_type = table.column(column).map(|column| &column.data_type);
                    value.map(|value| parse_list_value(value, data_type)).transpose()
                })
                .collect();
            let row = row?;
            (list_name(&row), PartitionValue::List { rows: vec![row] })
        }
        _ => {
            return Err(SqlError::execute(format!(
                "Table {} has no automatic partitions; add one with ALTER TABLE … ADD PARTITION",
                table.name
            )));
        }
    };
    // Names do not distinguish case, values do.
    let stem = name.clone();
    let mut number = 0_u32;
    while is_taken(&name.to_lowercase()) {
        number += 1;
        name = format!("{stem}_{number}");
    }
    Ok(Partition::new(name, value))
}

fn expression_partition(
    value: Option<&str>,
    function: &TimeFunction,
    data_type: &DataType,
) -> Result<(String, PartitionValue)> {
    // NULL is less than every time and lives with the least one.
    let time = match value {
        None => first_day().and_time(NaiveTime::MIN),
        Some(text) => parse_time(text).ok_or_else(|| {
            SqlError::execute(format!("Invalid partition value: date literal [{text}] is invalid"))
        })?,
    };
    let (lower, upper) = time_range(time, function);
    // The first week begins before the least date.
    let lower = lower.max(first_day().and_time(NaiveTime::MIN));
    let unit = match function {
        // A week is named by its first day.
        TimeFunction::DateTrunc { unit: TimeUnit::Week }
        | TimeFunction::TimeSlice { unit: TimeUnit::Week, .. } => TimeUnit::Day,
        TimeFunction::DateTrunc { unit } | TimeFunction::TimeSlice { unit, .. } => *unit,
    };
    let upper = upper.map_or(RangeBound::MaxValue, RangeBound::Time);
    let value = PartitionValue::Range {
        lower: vec![RangeBound::Time(lower).to_bound(data_type)],
        upper: vec![upper.to_bound(data_type)],
    };
    Ok((format!("p{}", time_name(lower, unit, 1)), value))
}

/// The range of time that holds `time`; no end when it would lie behind the
/// year 9999.
pub fn time_range(time: NaiveDateTime, function: &TimeFunction) -> (NaiveDateTime, Option<NaiveDateTime>) {
    match function {
        TimeFunction::DateTrunc { unit } => {
            let lower = truncate(time, *unit);
            (lower, advance(lower, 1, *unit))
        }
        TimeFunction::TimeSlice { count, unit, boundary } => {
            let lower = slice_start(time, (*count).max(1), *unit);
            let upper = advance(lower, (*count).max(1), *unit);
            match boundary {
                SliceBoundary::Floor => (lower, upper),
                // The slice is named by its end.
                SliceBoundary::Ceil => match upper {
                    Some(upper) => (upper, advance(upper, (*count).max(1), *unit)),
                    None => (lower, None),
                },
            }
        }
    }
}

fn truncate(time: NaiveDateTime, unit: TimeUnit) -> NaiveDateTime {
    let date = time.date();
    let clock =
        |hour, minute, second| NaiveTime::from_hms_opt(hour, minute, second).unwrap_or(NaiveTime::MIN);
    let month_start = |month: u32| date.with_day(1).and_then(|date| date.with_month(month)).unwrap_or(date);
    match unit {
        TimeUnit::Second => date.and_time(clock(time.hour(), time.minute(), time.second())),
        TimeUnit::Minute => date.and_time(clock(time.hour(), time.minute(), 0)),
        TimeUnit::Hour => date.and_time(clock(time.hour(), 0, 0)),
        TimeUnit::Day => date.and_time(NaiveTime::MIN),
        TimeUnit::Week => {
            let behind = Days::new(date.weekday().num_days_from_monday().into());
            date.checked_sub_days(behind).unwrap_or(date).and_time(NaiveTime::MIN)
        }
        TimeUnit::Month => month_start(date.month()).and_time(NaiveTime::MIN),
        TimeUnit::Quarter => month_start(date.month0() / 3 * 3 + 1).and_time(NaiveTime::MIN),
        TimeUnit::Year => month_start(1).and_time(NaiveTime::MIN),
    }
}

/// Slices are counted from 0001-01-01 00:00:00; times before it fall into the
/// slice before the first.
fn slice_start(time: NaiveDateTime, count: u32, unit: TimeUnit) -> NaiveDateTime {
    let epoch = NaiveDateTime::default()
        .with_year(1)
        .map_or(NaiveDateTime::default(), |first| first.date().and_time(NaiveTime::MIN));
    let count = i64::from(count);
    let months = match unit {
        TimeUnit::Month => 1,
        TimeUnit::Quarter => 3,
        TimeUnit::Year => 12,
        _ => 0,
    };
    if months > 0 {
        let length = count * months;
        let elapsed = i64::from(time.year() - 1) * 12 + i64::from(time.month0());
        let start = elapsed.div_euclid(length) * length;
        let (year, month) = (start.div_euclid(12) + 1, start.rem_euclid(12) + 1);
        let date = i32::try_from(year)
            .ok()
            .zip(u32::try_from(month).ok())
            .and_then(|(year, month)| chrono::NaiveDate::from_ymd_opt(year, month, 1));
        return date.map_or(time, |date| date.and_time(NaiveTime::MIN));
    }
    let unit_seconds = match unit {
        TimeUnit::Second => 1,
        TimeUnit::Minute => 60,
        TimeUnit::Hour => 3_600,
        TimeUnit::Week => 7 * 86_400,
        _ => 86_400,
    };
    let length = count * unit_seconds;
    let elapsed = (time - epoch).num_seconds();
    epoch.checked_add_signed(Duration::seconds(elapsed.div_euclid(length) * length)).unwrap_or(time)
}

/// `p` and the values, `_` between them; characters that are no word characters
/// are left out or become their number.
fn list_name(row: &[Option<String>]) -> String {
    let parts: Vec<String> = row.iter().map(|value| value_name(value.as_deref())).collect();
    let name = format!("p{}", parts.join("_"));
    if name.chars().count() <= LONGEST_NAME {
        return name;
    }
    let head: String = name.chars().take(LONGEST_NAME).collect();
    format!("{head}_{:x}", crate::java::hash(&name))
}

fn value_name(value: Option<&str>) -> String {
    let Some(value) = value else { return "NULL".to_string() };
    let mut name = String::new();
    if value.starts_with('-') {
        name.push('_');
    }
    for c in value.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => name.push(c),
            '-' | ':' | ' ' | '*' => {}
            c => name.push_str(&format!("{:x}", u32::from(c))),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn list_partitions_are_named_by_their_values() {
        let row = |values: &[&str]| values.iter().map(|value| Some((*value).to_string())).collect::<Vec<_>>();
        assert_eq!(list_name(&row(&["2026-01-31", "Berlin"])), "p20260131_Berlin");
        assert_eq!(list_name(&row(&["-5"])), "p_5");
        assert_eq!(list_name(&row(&["a/b 北"])), "pa2fb5317");
        assert_eq!(list_name(&[None]), "pNULL");
        let long = list_name(&row(&[&"x".repeat(100)]));
        assert!(long.len() <= 64 && long.starts_with("pxxx"), "{long}");
    }

    #[test]
    fn slices_and_truncations_contain_their_time() {
        let functions = [
            TimeUnit::Second,
            TimeUnit::Minute,
            TimeUnit::Hour,
            TimeUnit::Day,
            TimeUnit::Week,
            TimeUnit::Month,
            TimeUnit::Quarter,
            TimeUnit::Year,
        ]
        .into_iter()
        .flat_map(|unit| {
            [
                TimeFunction::DateTrunc { unit },
                TimeFunction::TimeSlice { count: 7, unit, boundary: SliceBoundary::Floor },
            ]
        });
        let mut starts = BTreeSet::new();
        for function in functions {
            for text in
                ["2024-02-29 13:14:15", "0001-01-01", "1970-01-01", "9998-12-31 23:59:59", "2000-06-15"]
            {
                let time = parse_time(text).unwrap();
                let (lower, upper) = time_range(time, &function);
                assert!(
                    lower <= time && upper.is_none_or(|upper| time < upper),
                    "{function:?} {text} {lower}"
                );
                assert_eq!(time_range(lower, &function).0, lower, "{function:?} {text}");
                starts.insert(lower);
            }
        }
        assert!(starts.len() > 20);
    }
}
