//! Days and microseconds: reading, writing, truncating.
//!
//! A DATE is its number of days since 1970-01-01, a DATETIME its number of
//! microseconds since 1970-01-01 00:00:00, in no time zone.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use rockhold_model::TimeUnit;
use std::fmt::Write;

/// Microseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000;
/// 0000-01-01, the least DATE.
pub(crate) const MIN_DAYS: i32 = -719_528;

/// The calendar day.
pub(crate) fn date_of(days: i32) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_signed(chrono::TimeDelta::try_days(i64::from(days))?)
}

/// The number of a calendar day.
pub(crate) fn days_of(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days().try_into().unwrap_or(0)
}

/// The time.
pub(crate) fn datetime_of(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|time| time.naive_utc())
}

/// The number of a time.
pub(crate) fn micros_of(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_micros()
}

/// `2024-01-31`.
pub(crate) fn date_text(days: i32) -> String {
    match date_of(days) {
        Some(date) => format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
        None => format!("day {days}"),
    }
}

/// `2024-01-31 12:00:00`, with six digits of microseconds when there are any.
pub(crate) fn datetime_text(micros: i64) -> String {
    let Some(time) = datetime_of(micros) else { return format!("microsecond {micros}") };
    let mut text = format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    let fraction = micros.rem_euclid(1_000_000);
    if fraction != 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ".{fraction:06}");
    }
    text
}

/// Reads a DATE: `2024-01-31`, `2024-1-31`, `2024/01/31`, `20240131`, or the
/// day of a DATETIME.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    parse_time(text).map(|time| days_of(time.date()))
}

/// Reads a DATETIME: a DATE, then optionally `T` or blanks and
/// `12:30[:00[.123456]]`, or fourteen digits.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    parse_time(text).map(micros_of)
}

fn parse_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let (date, rest) = if digits == 8 || digits == 14 {
        let year = i32::try_from(number(0, 4)?).ok()?;
        let date = NaiveDate::from_ymd_opt(year, number(4, 6)?, number(6, 8)?)?;
        if digits == 14 {
            let time = NaiveTime::from_hms_opt(number(8, 10)?, number(10, 12)?, number(12, 14)?)?;
            return match text.get(14..)? {
                "" => Some(date.and_time(time)),
                rest => Some(date.and_time(time) + fraction(rest.strip_prefix('.')?)?),
            };
        }
        (date, text.get(8..)?)
    } else {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '-' || c == '/')).unwrap_or(text.len());
        let mut parts = text.get(..end)?.split(['-', '/']);
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || year.len() != 4 || month.len() > 2 || day.len() > 2 {
            return None;
        }
        let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
        (date, text.get(end..)?)
    };
    if rest.is_empty() {
        return Some(date.and_time(NaiveTime::MIN));
    }
    let clock = rest.strip_prefix('T').or_else(|| rest.strip_prefix('t')).unwrap_or(rest).trim_start();
    if clock.len() == rest.len() {
        return None;
    }
    let (clock, micros) = match clock.split_once('.') {
        Some((clock, digits)) => (clock, fraction(digits)?),
        None => (clock, chrono::TimeDelta::zero()),
    };
    let mut parts = clock.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let second = parts.next().map_or(Some(0), |part| part.parse().ok())?;
    if parts.next().is_some() {
        return None;
    }
    Some(date.and_time(NaiveTime::from_hms_opt(hour, minute, second)?) + micros)
}

/// Reads the digits behind the point of a second; more than six are cut off.
fn fraction(digits: &str) -> Option<chrono::TimeDelta> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let padded: String = digits.chars().chain("000000".chars()).take(6).collect();
    Some(chrono::TimeDelta::microseconds(padded.parse().ok()?))
}

/// The start of the unit that holds the time. Weeks begin on Monday.
pub(crate) fn truncate(micros: i64, unit: TimeUnit) -> Option<i64> {
    let step = match unit {
        TimeUnit::Second => 1_000_000,
        TimeUnit::Minute => 60_000_000,
        TimeUnit::Hour => 3_600_000_000,
        TimeUnit::Day => DAY,
        _ => 0,
    };
    if step > 0 {
        return micros.checked_sub(micros.rem_euclid(step));
    }
    let date = datetime_of(micros)?.date();
    let start = match unit {
        TimeUnit::Week => {
            date.checked_sub_days(chrono::Days::new(date.weekday().num_days_from_monday().into()))?
        }
        TimeUnit::Month => date.with_day(1)?,
        TimeUnit::Quarter => date.with_day(1)?.with_month((date.month() - 1) / 3 * 3 + 1)?,
        _ => NaiveDate::from_ymd_opt(date.year(), 1, 1)?,
    };
    Some(i64::from(days_of(start)) * DAY)
}

/// The time `count` units later; months keep the day, cut to the month's last.
pub(crate) fn add_units(micros: i64, count: i64, unit: TimeUnit) -> Option<i64> {
    let step = match unit {
        TimeUnit::Second => 1_000_000,
        TimeUnit::Minute => 60_000_000,
        TimeUnit::Hour => 3_600_000_000,
        TimeUnit::Day => DAY,
        TimeUnit::Week => 7 * DAY,
        TimeUnit::Month | TimeUnit::Quarter | TimeUnit::Year => {
            let months = count.checked_mul(match unit {
                TimeUnit::Month => 1,
                TimeUnit::Quarter => 3,
                _ => 12,
            })?;
            let time = datetime_of(micros)?;
            let amount = chrono::Months::new(u32::try_from(months.unsigned_abs()).ok()?);
            let moved =
                if months < 0 { time.checked_sub_months(amount)? } else { time.checked_add_months(amount)? };
            return Some(micros_of(moved));
        }
    };
    micros.checked_add(count.checked_mul(step)?)
}

/// The start of the slice of `count` units that holds the time, slices being
/// counted from 0001-01-01 00:00:00.
pub(crate) fn slice_start(micros: i64, count: i64, unit: TimeUnit) -> Option<i64> {
    let origin = i64::from(MIN_DAYS + 366) * DAY;
    let step = match unit {
        TimeUnit::Second => 1_000_000,
        TimeUnit::Minute => 60_000_000,
        TimeUnit::Hour => 3_600_000_000,
        TimeUnit::Day => DAY,
        TimeUnit::Week => 7 * DAY,
        TimeUnit::Month | TimeUnit::Quarter | TimeUnit::Year => {
            let length = count
                * match unit {
                    TimeUnit::Month => 1,
                    TimeUnit::Quarter => 3,
                    _ => 12,
                };
            let date = datetime_of(micros)?.date();
            let months = (i64::from(date.year()) - 1) * 12 + i64::from(date.month0());
            let first = months - months.rem_euclid(length);
            return add_units(origin, first, TimeUnit::Month);
        }
    };
    let length = count.checked_mul(step)?;
    let offset = micros.checked_sub(origin)?;
    Some(origin + (offset - offset.rem_euclid(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_the_forms_starrocks_reads() {
        for text in ["2024-01-31", "2024-1-31", "2024/01/31", "20240131", " 2024-01-31 10:00:00 "] {
            assert_eq!(date_text(parse_date(text).unwrap()), "2024-01-31", "{text}");
        }
        for text in ["", "x", "2024-13-01", "2024-02-30", "24-01-01", "2024-01-31x", "2024-01-31 25:00:00"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        assert_eq!(parse_date("0000-01-01"), Some(MIN_DAYS));
        assert_eq!(date_text(MIN_DAYS), "0000-01-01");
    }

    #[test]
    fn microseconds_are_printed_only_where_there_are_any() {
        for (text, printed) in [
            ("2024-01-31 01:02:03", "2024-01-31 01:02:03"),
            ("2024-01-31T01:02", "2024-01-31 01:02:00"),
            ("2024-01-31 01:02:03.5", "2024-01-31 01:02:03.500000"),
            ("2024-01-31 01:02:03.0000001", "2024-01-31 01:02:03"),
            ("20240131010203", "2024-01-31 01:02:03"),
            ("0000-01-01 00:00:00.000001", "0000-01-01 00:00:00.000001"),
        ] {
            assert_eq!(datetime_text(parse_datetime(text).unwrap()), printed);
        }
    }

    #[test]
    fn units_begin_where_they_should() {
        let at = parse_datetime("2024-05-15 13:14:15").unwrap();
        let start = |unit| datetime_text(truncate(at, unit).unwrap());
        assert_eq!(start(TimeUnit::Week), "2024-05-13 00:00:00");
        assert_eq!(start(TimeUnit::Quarter), "2024-04-01 00:00:00");
        assert_eq!(start(TimeUnit::Hour), "2024-05-15 13:00:00");
        let slice = |count, unit| datetime_text(slice_start(at, count, unit).unwrap());
        assert_eq!(slice(7, TimeUnit::Day), "2024-05-13 00:00:00");
        assert_eq!(slice(5, TimeUnit::Month), "2024-05-01 00:00:00");
        let later = |count, unit| datetime_text(add_units(at, count, unit).unwrap());
        assert_eq!(later(-6, TimeUnit::Month), "2023-11-15 13:14:15");
        assert_eq!(later(1, TimeUnit::Quarter), "2024-08-15 13:14:15");
    }
}
