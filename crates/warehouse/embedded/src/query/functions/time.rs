//! Functions of days and times.

use super::super::super::value::time::{
    DAY, add_units, datetime_of, micros_of, parse_datetime, slice_start, truncate,
};
use super::super::format::{format_time, parse_formatted, week};
use super::exact;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Int64Type, TimeUnit as ArrowUnit, TimestampMicrosecondType};
use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use rockhold_model::TimeUnit;
use std::sync::Arc;

pub(super) fn all(zone: Tz) -> Vec<ScalarUDF> {
    let (text, number) = (ArrowType::Utf8, ArrowType::Int64);
    let time = ArrowType::Timestamp(ArrowUnit::Microsecond, None);
    vec![
        exact("__rh_part", vec![text.clone(), time.clone()], number.clone(), |a| {
            let units = a[0].as_string::<i32>();
            numbers(a, |row| part(units.value(row), datetime_of(micros(&a[1], row))?))
        }),
        exact("__rh_add_time", vec![time.clone(), number.clone(), text.clone()], time.clone(), |a| {
            let (counts, units) = (a[1].as_primitive::<Int64Type>(), a[2].as_string::<i32>());
            times(a, |row| shift(micros(&a[0], row), counts.value(row), units.value(row)))
        }),
        exact("__rh_time_diff", vec![text.clone(), time.clone(), time.clone()], number.clone(), |a| {
            let units = a[0].as_string::<i32>();
            numbers(a, |row| difference(units.value(row), micros(&a[1], row), micros(&a[2], row)))
        }),
        ScalarUDF::from(DateTrunc::new()),
        exact(
            "__rh_time_slice",
            vec![time.clone(), number.clone(), text.clone(), text.clone()],
            time.clone(),
            |a| {
                let (counts, units, ends) =
                    (a[1].as_primitive::<Int64Type>(), a[2].as_string::<i32>(), a[3].as_string::<i32>());
                times(a, |row| {
                    let unit = TimeUnit::parse(units.value(row))?;
                    let count = counts.value(row).max(1);
                    let start = slice_start(micros(&a[0], row), count, unit)?;
                    if ends.value(row).eq_ignore_ascii_case("ceil") {
                        return add_units(start, count, unit);
                    }
                    Some(start)
                })
            },
        ),
        exact("__rh_date_format", vec![time.clone(), text.clone()], text.clone(), |a| {
            let formats = a[1].as_string::<i32>();
            texts(a, |row| format_time(micros(&a[0], row), formats.value(row)))
        }),
        exact("__rh_str_to_date", vec![text.clone(), text.clone()], time.clone(), |a| {
            let (values, formats) = (a[0].as_string::<i32>(), a[1].as_string::<i32>());
            times(a, |row| parse_formatted(values.value(row), formats.value(row)))
        }),
        exact("__rh_to_time", vec![text.clone()], time.clone(), |a| {
            let values = a[0].as_string::<i32>();
            times(a, |row| parse_datetime(values.value(row)))
        }),
        exact("__rh_from_unixtime", vec![number.clone(), text.clone()], text.clone(), move |a| {
            let (seconds, formats) = (a[0].as_primitive::<Int64Type>(), a[1].as_string::<i32>());
            texts(a, |row| {
                let local = zone.timestamp_opt(seconds.value(row), 0).single()?.naive_local();
                format_time(micros_of(local), formats.value(row))
            })
        }),
        exact("__rh_unix_timestamp", vec![time], number, move |a| {
            numbers(a, |row| {
                let local = datetime_of(micros(&a[0], row))?;
                Some(zone.from_local_datetime(&local).earliest()?.timestamp())
            })
        }),
    ]
}

/// `date_trunc(unit, time)`: a DATE of a DATE, a DATETIME of anything else.
#[derive(Debug, PartialEq, Eq, Hash)]
struct DateTrunc {
    signature: Signature,
}

impl DateTrunc {
    fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for DateTrunc {
    fn name(&self) -> &'static str {
        "date_trunc"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[ArrowType]) -> Result<ArrowType> {
        Ok(match arguments.get(1) {
            Some(ArrowType::Date32) => ArrowType::Date32,
            _ => ArrowType::Timestamp(ArrowUnit::Microsecond, None),
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (count, returns) = (args.number_rows, args.return_field.data_type().clone());
        let arrays: Vec<ArrayRef> =
            args.args.into_iter().map(|value| value.into_array(count)).collect::<Result<_>>()?;
        let [units, values] = arrays.as_slice() else {
            return Err(DataFusionError::Plan("date_trunc takes a unit and a time".into()));
        };
        let units = cast(units, &ArrowType::Utf8)?;
        let names = units.as_string::<i32>();
        if let Some(unit) = names.iter().flatten().find(|unit| TimeUnit::parse(unit).is_none()) {
            return Err(DataFusionError::Plan(format!(
                "date_trunc function can't support argument '{unit}'; use second, minute, hour, day, week, \
                 month, quarter or year"
            )));
        }
        let values: ArrayRef = match values.data_type() {
            ArrowType::Utf8 => {
                let parsed = values.as_string::<i32>().iter().map(|text| text.and_then(parse_datetime));
                Arc::new(parsed.collect::<TimestampMicrosecondArray>())
            }
            _ => cast(values, &ArrowType::Timestamp(ArrowUnit::Microsecond, None))?,
        };
        let arguments = [units.clone(), values];
        let result = times(&arguments, |row| {
            truncate(micros(&arguments[1], row), TimeUnit::parse(names.value(row))?)
        })?;
        Ok(ColumnarValue::Array(cast(&result, &returns)?))
    }
}

fn micros(array: &ArrayRef, row: usize) -> i64 {
    array.as_primitive::<TimestampMicrosecondType>().value(row)
}

/// Rows where no argument is NULL.
fn rows<'a, T: 'a>(
    arguments: &'a [ArrayRef],
    value: impl Fn(usize) -> Option<T> + 'a,
) -> impl Iterator<Item = Option<T>> + 'a {
    let count = arguments.first().map_or(0, |array| array.len());
    (0..count).map(
        move |row| {
            if arguments.iter().any(|array| array.is_null(row)) { None } else { value(row) }
        },
    )
}

fn numbers(arguments: &[ArrayRef], value: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
    Ok(Arc::new(rows(arguments, value).collect::<Int64Array>()))
}

fn times(arguments: &[ArrayRef], value: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
    Ok(Arc::new(rows(arguments, value).collect::<TimestampMicrosecondArray>()))
}

fn texts(arguments: &[ArrayRef], value: impl Fn(usize) -> Option<String>) -> Result<ArrayRef> {
    Ok(Arc::new(rows(arguments, value).collect::<StringArray>()))
}

/// A part of a time, by its unit's name in lower case.
fn part(unit: &str, at: NaiveDateTime) -> Option<i64> {
    let value = match unit {
        "year" => return Some(i64::from(at.year())),
        "quarter" => (at.month() - 1) / 3 + 1,
        "month" => at.month(),
        "week" => week(at, true),
        "weekiso" | "week_iso" => at.iso_week().week(),
        "day" => at.day(),
        "dayofweek" => at.weekday().number_from_sunday(),
        "dayofweek_iso" => at.weekday().number_from_monday(),
        "weekday" => at.weekday().num_days_from_monday(),
        "dayofyear" => at.ordinal(),
        "hour" => at.hour(),
        "minute" => at.minute(),
        "second" => at.second(),
        "microsecond" => at.nanosecond() / 1000,
        "to_days" => {
            let first = NaiveDate::from_ymd_opt(0, 1, 1)?;
            return Some(at.date().signed_duration_since(first).num_days());
        }
        _ => return None,
    };
    Some(i64::from(value))
}

/// The time `count` units later.
fn shift(micros: i64, count: i64, unit: &str) -> Option<i64> {
    match unit {
        "microsecond" => micros.checked_add(count),
        "millisecond" => micros.checked_add(count.checked_mul(1000)?),
        unit => add_units(micros, count, TimeUnit::parse(unit)?),
    }
}

/// Whole units from `from` to `to`.
fn difference(unit: &str, from: i64, to: i64) -> Option<i64> {
    let span = to.checked_sub(from)?;
    let months = || {
        let (a, b) = (datetime_of(from)?, datetime_of(to)?);
        let count = i64::from(b.year() - a.year()) * 12 + i64::from(b.month()) - i64::from(a.month());
        // A month that has not passed wholly does not count.
        let (behind_a, behind_b) = ((a.day(), a.time()), (b.day(), b.time()));
        Some(match count {
            1.. if behind_b < behind_a => count - 1,
            ..=-1 if behind_b > behind_a => count + 1,
            _ => count,
        })
    };
    Some(match unit {
        "microsecond" => span,
        "millisecond" => span / 1000,
        "second" => span / 1_000_000,
        "minute" => span / 60_000_000,
        "hour" => span / 3_600_000_000,
        "day" => span / DAY,
        "week" => span / (7 * DAY),
        "month" => months()?,
        "quarter" => months()? / 3,
        "year" => months()? / 12,
        "date" => to.div_euclid(DAY) - from.div_euclid(DAY),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        parse_datetime(text).unwrap()
    }

    #[test]
    fn differences_count_whole_units() {
        let months = |a, b| difference("month", at(a), at(b)).unwrap();
        assert_eq!(months("2024-01-31", "2024-02-29"), 0);
        assert_eq!(months("2024-01-15", "2024-03-15"), 2);
        assert_eq!(months("2024-03-15", "2024-01-16"), -1);
        assert_eq!(difference("date", at("2024-01-01 23:00:00"), at("2024-01-02 01:00:00")), Some(1));
        assert_eq!(difference("day", at("2024-01-01 23:00:00"), at("2024-01-02 01:00:00")), Some(0));
    }

    #[test]
    fn parts_are_those_of_mysql() {
        let time = datetime_of(at("2024-03-09 13:05:07")).unwrap();
        let parts = ["year", "quarter", "month", "day", "dayofweek", "weekday", "dayofyear", "hour", "week"];
        let values: Vec<i64> = parts.iter().map(|unit| part(unit, time).unwrap()).collect();
        assert_eq!(values, [2024, 1, 3, 9, 7, 5, 69, 13, 9]);
    }
}
