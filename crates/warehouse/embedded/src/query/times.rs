//! StarRocks's functions of times in terms of ours.

use super::super::value::time::datetime_text;
use super::Environment;
use super::build::{as_bigint, as_text, as_time, call, cast, number, text, text_of};
use super::calls::interval_parts;
use sqlparser::ast::{DataType as SqlType, Expr, UnaryOperator};

/// A call of a function of times; `None` for any other.
pub(super) fn rewrite_time(name: &str, arguments: Vec<Expr>, environment: &Environment) -> Option<Expr> {
    let count = arguments.len();
    let mut arguments = arguments.into_iter();
    let mut next = || arguments.next();
    if count == 1
        && let Some(unit) = part_unit(name)
    {
        return Some(part(unit, next()?));
    }
    if count == 2
        && let Some((unit, sign)) = shift_unit(name)
    {
        let (time, by) = (next()?, next()?);
        return Some(shifted(time, by, unit, sign));
    }
    Some(match (name, count) {
        ("date_add" | "adddate" | "date_sub" | "subdate", 2) => {
            let (time, by) = (next()?, next()?);
            let sign = if name.ends_with("sub") || name == "subdate" { -1 } else { 1 };
            match &by {
                Expr::Interval(interval) => {
                    let (by, unit) = interval_parts(interval)?;
                    shifted(time, by, &unit, sign)
                }
                _ => shifted(time, by, "day", sign),
            }
        }
        ("timestampadd", 3) => {
            let unit = unit_name(&next()?)?;
            let (by, time) = (next()?, next()?);
            shifted(time, by, &unit, 1)
        }
        ("timestampdiff" | "date_diff", 3) => {
            let unit = unit_name(&next()?)?;
            let (from, to) = (as_time(next()?), as_time(next()?));
            // date_diff counts from its third argument to its second.
            let (from, to) = if name == "date_diff" { (to, from) } else { (from, to) };
            call("__rh_time_diff", vec![text(unit), from, to])
        }
        ("datediff", 2) => {
            let (to, from) = (as_time(next()?), as_time(next()?));
            call("__rh_time_diff", vec![text("date"), from, to])
        }
        (
            "days_diff" | "hours_diff" | "minutes_diff" | "seconds_diff" | "months_diff" | "years_diff"
            | "weeks_diff",
            2,
        ) => {
            let (to, from) = (as_time(next()?), as_time(next()?));
            let unit = name.trim_end_matches("s_diff");
            call("__rh_time_diff", vec![text(unit), from, to])
        }
        ("date_trunc", 2) => call("date_trunc", vec![next()?, next()?]),
        ("time_slice" | "date_slice", 2 | 3) => {
            let (time, by) = (next()?, next()?);
            let Expr::Interval(interval) = &by else { return None };
            let (by, unit) = interval_parts(interval)?;
            let end = match next() {
                Some(end) => text(end.to_string()),
                None => text("floor"),
            };
            let slice = call("__rh_time_slice", vec![as_time(time), by, text(unit), end]);
            if name == "date_slice" { cast(slice, SqlType::Date) } else { slice }
        }
        ("date_format" | "jodatime_format", 2) => {
            call("__rh_date_format", vec![as_time(next()?), as_text(next()?)])
        }
        ("dayname", 1) => call("__rh_date_format", vec![as_time(next()?), text("%W")]),
        ("monthname", 1) => call("__rh_date_format", vec![as_time(next()?), text("%M")]),
        ("str_to_date", 2) => call("__rh_str_to_date", vec![as_text(next()?), as_text(next()?)]),
        ("str2date", 2) => {
            cast(call("__rh_str_to_date", vec![as_text(next()?), as_text(next()?)]), SqlType::Date)
        }
        ("date" | "to_date", 1) => cast(as_time(next()?), SqlType::Date),
        ("timestamp" | "to_datetime", 1) => as_time(next()?),
        ("last_day", 1) => {
            let next_month = shifted(next()?, number(1), "month", 1);
            let first = call("date_trunc", vec![text("month"), next_month]);
            cast(shifted(first, number(1), "day", -1), SqlType::Date)
        }
        ("from_unixtime", 1 | 2) => {
            let seconds = as_bigint(next()?);
            let format = next().map_or_else(|| text("%Y-%m-%d %H:%i:%s"), as_text);
            call("__rh_from_unixtime", vec![seconds, format])
        }
        ("unix_timestamp", 0) => {
            call("__rh_unix_timestamp", vec![as_time(text(datetime_text(environment.now)))])
        }
        ("unix_timestamp", 1) => call("__rh_unix_timestamp", vec![as_time(next()?)]),
        _ => return None,
    })
}

/// A part of a time, as INT.
pub(super) fn part(unit: &str, time: Expr) -> Expr {
    cast(call("__rh_part", vec![text(unit), as_time(time)]), SqlType::Int(None))
}

/// The time, `by` units later or earlier.
pub(super) fn shifted(time: Expr, by: Expr, unit: &str, sign: i32) -> Expr {
    let by = as_bigint(by);
    let by = if sign < 0 {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(Expr::Nested(Box::new(by))) }
    } else {
        by
    };
    call("__rh_add_time", vec![as_time(time), by, text(unit)])
}

fn part_unit(name: &str) -> Option<&'static str> {
    Some(match name {
        "year" => "year",
        "quarter" => "quarter",
        "month" => "month",
        "week" | "weekofyear" => {
            if name == "week" {
                "week"
            } else {
                "weekiso"
            }
        }
        "week_iso" => "weekiso",
        "day" | "dayofmonth" => "day",
        "dayofweek" => "dayofweek",
        "dayofweek_iso" => "dayofweek_iso",
        "weekday" => "weekday",
        "dayofyear" => "dayofyear",
        "hour" => "hour",
        "minute" => "minute",
        "second" => "second",
        "microsecond" => "microsecond",
        "to_days" => "to_days",
        _ => return None,
    })
}

fn shift_unit(name: &str) -> Option<(&'static str, i32)> {
    let (unit, sign) = match name.strip_suffix("s_add") {
        Some(unit) => (unit, 1),
        None => (name.strip_suffix("s_sub")?, -1),
    };
    let unit = match unit {
        "year" => "year",
        "quarter" => "quarter",
        "month" => "month",
        "week" => "week",
        "day" => "day",
        "hour" => "hour",
        "minute" => "minute",
        "second" => "second",
        "microsecond" => "microsecond",
        _ => return None,
    };
    Some((unit, sign))
}

/// The name of a unit given as a word or a string.
fn unit_name(expr: &Expr) -> Option<String> {
    let name = match (text_of(expr), expr) {
        (Some(name), _) => name.to_owned(),
        (None, Expr::Identifier(word)) => word.value.clone(),
        _ => return None,
    };
    Some(name.to_ascii_lowercase())
}
