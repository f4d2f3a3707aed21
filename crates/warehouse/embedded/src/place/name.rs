//! Names and values of the partitions that loads create.

use super::key::Key;
use super::super::value::time::{DAY, date_text, datetime_of, datetime_text};
use chrono::{Datelike, Timelike};
use rockhold_model::{Bound, DataType, Partition, PartitionValue, TimeFunction, TimeUnit};

/// The automatic range partition `[start, end)`, in microseconds.
pub(crate) fn range_partition(
    start: i64,
    end: i64,
    function: &TimeFunction,
    data_type: &DataType,
) -> Partition {
    let text = |micros: i64| {
        if *data_type == DataType::Date {
            date_text(i32::try_from(micros.div_euclid(DAY)).unwrap_or(0))
        } else {
            datetime_text(micros)
        }
    };
    let value = PartitionValue::Range {
        lower: vec![Bound::Value(text(start))],
        upper: vec![Bound::Value(text(end))],
    };
    let (TimeFunction::DateTrunc { unit } | TimeFunction::TimeSlice { unit, .. }) = function;
    Partition::new(range_name(start, *unit), value)
}

fn range_name(start: i64, unit: TimeUnit) -> String {
    let Some(at) = datetime_of(start) else { return format!("p{start}") };
    let (year, month, day) = (at.year(), at.month(), at.day());
    match unit {
        TimeUnit::Year => format!("p{year:04}"),
        TimeUnit::Quarter | TimeUnit::Month => format!("p{year:04}{month:02}"),
        TimeUnit::Week | TimeUnit::Day => format!("p{year:04}{month:02}{day:02}"),
        TimeUnit::Hour => format!("p{year:04}{month:02}{day:02}{:02}", at.hour()),
        TimeUnit::Minute => format!("p{year:04}{month:02}{day:02}{:02}{:02}", at.hour(), at.minute()),
        TimeUnit::Second => {
            format!("p{year:04}{month:02}{day:02}{:02}{:02}{:02}", at.hour(), at.minute(), at.second())
        }
    }
}

/// The automatic list partition of one combination of values. `taken` says
/// whether a name is in use; another combination may have the same letters.
pub(crate) fn list_partition(
    values: &[Key],
    types: &[DataType],
    taken: impl Fn(&str) -> bool,
) -> Partition {
    let texts: Vec<Option<String>> = values.iter().zip(types).map(|(key, t)| key.text(t)).collect();
    let parts: Vec<String> = texts
        .iter()
        .map(|text| match text {
            None => "NULL".to_owned(),
            Some(text) => text.chars().filter(|c| c.is_ascii_alphanumeric()).take(50).collect(),
        })
        .collect();
    let base: String = format!("p{}", parts.join("_")).chars().take(60).collect();
    let mut name = base.clone();
    let mut number = 2u32;
    while taken(&name) {
        name = format!("{base}_{number}");
        number = number.saturating_add(1);
    }
    Partition::new(name, PartitionValue::List { rows: vec![texts] })
}

#[cfg(test)]
mod tests {
    use super::super::super::value::time::parse_datetime;
    use super::*;

    #[test]
    fn names_are_those_starrocks_gives() {
        let at = parse_datetime("2026-01-31 08:00:00").unwrap();
        for (unit, name) in [
            (TimeUnit::Year, "p2026"),
            (TimeUnit::Month, "p202601"),
            (TimeUnit::Day, "p20260131"),
            (TimeUnit::Hour, "p2026013108"),
        ] {
            assert_eq!(range_name(at, unit), name);
        }
        let types = [DataType::Date, DataType::string()];
        let values =
            [Key::parse("2026-01-31", &DataType::Date).unwrap(), Key::Text("Berlin".into())];
        let partition = list_partition(&values, &types, |_| false);
        assert_eq!(partition.name, "p20260131_Berlin");
        let value = PartitionValue::List { rows: vec![vec![Some("2026-01-31".into()), Some("Berlin".into())]] };
        assert_eq!(partition.value, value);
        assert_eq!(list_partition(&[Key::Null], &[DataType::Int], |n| n == "pNULL").name, "pNULL_2");
    }
}
