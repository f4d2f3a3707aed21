//! Format strings of date_format and str2date, as MySQL defines them.

use super::super::value::time::{DAY, datetime_of, days_of};
use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use std::fmt::Write;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// `date_format(time, format)`.
pub(crate) fn format_time(micros: i64, format: &str) -> Option<String> {
    let at = datetime_of(micros)?;
    // Formats of their own in StarRocks.
    let format = match format {
        "yyyyMMdd" => "%Y%m%d",
        "yyyy-MM-dd" => "%Y-%m-%d",
        "yyyy-MM-dd HH:mm:ss" => "%Y-%m-%d %H:%i:%s",
        other => other,
    };
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some(code) => write_part(&mut out, at, code),
            None => out.push('%'),
        }
    }
    Some(out)
}

fn write_part(out: &mut String, at: NaiveDateTime, code: char) {
    let name = |names: &[&'static str], position: u32| {
        usize::try_from(position).ok().and_then(|p| names.get(p).copied()).unwrap_or_default()
    };
    let month = name(&MONTHS, at.month0());
    let day = name(&DAYS, at.weekday().num_days_from_monday());
    let hour12 = (at.hour() + 11) % 12 + 1;
    // Writing to a String cannot fail.
    let _ = match code {
        'Y' => write!(out, "{:04}", at.year()),
        'y' => write!(out, "{:02}", at.year().rem_euclid(100)),
        'm' => write!(out, "{:02}", at.month()),
        'c' => write!(out, "{}", at.month()),
        'd' => write!(out, "{:02}", at.day()),
        'e' => write!(out, "{}", at.day()),
        'D' => write!(out, "{}{}", at.day(), ordinal(at.day())),
        'H' => write!(out, "{:02}", at.hour()),
        'k' => write!(out, "{}", at.hour()),
        'h' | 'I' => write!(out, "{hour12:02}"),
        'l' => write!(out, "{hour12}"),
        'i' => write!(out, "{:02}", at.minute()),
        's' | 'S' => write!(out, "{:02}", at.second()),
        'f' => write!(out, "{:06}", at.nanosecond() / 1000),
        'p' => write!(out, "{}", if at.hour() < 12 { "AM" } else { "PM" }),
        'T' => write!(out, "{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
        'r' => write!(
            out,
            "{hour12:02}:{:02}:{:02} {}",
            at.minute(),
            at.second(),
            if at.hour() < 12 { "AM" } else { "PM" }
        ),
        'M' => out.write_str(month),
        'b' => out.write_str(month.get(..3).unwrap_or(month)),
        'W' => out.write_str(day),
        'a' => out.write_str(day.get(..3).unwrap_or(day)),
        'j' => write!(out, "{:03}", at.ordinal()),
        'w' => write!(out, "{}", at.weekday().num_days_from_sunday()),
        'u' => write!(out, "{:02}", week(at, false)),
        'U' => write!(out, "{:02}", week(at, true)),
        'v' => write!(out, "{:02}", at.iso_week().week()),
        'x' => write!(out, "{:04}", at.iso_week().year()),
        '%' => out.write_str("%"),
        other => write!(out, "{other}"),
    };
}

fn ordinal(day: u32) -> &'static str {
    match (day % 10, day / 10) {
        (_, 1) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    }
}

/// MySQL's week of the year, 0 to 53: mode 0 (weeks begin on Sunday, week 1
/// holds the year's first Sunday) or mode 1 (Monday, four days).
pub(crate) fn week(at: NaiveDateTime, sunday: bool) -> u32 {
    let day = at.ordinal0();
    if sunday {
        return (day + 7 - at.weekday().num_days_from_sunday()) / 7;
    }
    let first = NaiveDate::from_ymd_opt(at.year(), 1, 1).map_or(0, |d| d.weekday().num_days_from_monday());
    let shift = if first <= 3 { first + 7 } else { first };
    (day + shift) / 7
}

/// `str2date(text, format)`: microseconds, or nothing when the text does not
/// have the format.
pub(crate) fn parse_formatted(text: &str, format: &str) -> Option<i64> {
    let (mut year, mut month, mut day) = (None, None, None);
    let (mut hour, mut minute, mut second, mut micro) = (0u32, 0u32, 0u32, 0u32);
    let mut afternoon = None;
    let mut rest = text.trim_start();
    let mut codes = Vec::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('%', Some('T')) => {
                chars.next();
                codes.extend([Ok('H'), Err(':'), Ok('i'), Err(':'), Ok('s')]);
            }
            ('%', Some(code)) => {
                chars.next();
                codes.push(Ok(code));
            }
            (c, _) => codes.push(Err(c)),
        }
    }
    for code in codes {
        match code {
            Err(c) if c.is_whitespace() => rest = rest.trim_start(),
            Err(c) => rest = rest.strip_prefix(c)?,
            Ok('Y') => year = Some(i32::try_from(number(&mut rest, 4)?).ok()?),
            Ok('y') => {
                let short = i32::try_from(number(&mut rest, 2)?).ok()?;
                year = Some(if short < 70 { 2000 + short } else { 1900 + short });
            }
            Ok('m' | 'c') => month = Some(number(&mut rest, 2)?),
            Ok('d' | 'e') => day = Some(number(&mut rest, 2)?),
            Ok('H' | 'k' | 'h' | 'I' | 'l') => hour = number(&mut rest, 2)?,
            Ok('i') => minute = number(&mut rest, 2)?,
            Ok('s' | 'S') => second = number(&mut rest, 2)?,
            Ok('f') => {
                let digits = rest.bytes().take(6).take_while(u8::is_ascii_digit).count();
                let value = number(&mut rest, 6)?;
                micro = value * 10u32.pow(u32::try_from(6 - digits).ok()?);
            }
            Ok('M' | 'b') => {
                let position = MONTHS.iter().position(|name| {
                    let name = if code == Ok('b') { name.get(..3).unwrap_or(name) } else { name };
                    match rest.get(..name.len()) {
                        Some(head) if head.eq_ignore_ascii_case(name) => {
                            rest = rest.get(name.len()..).unwrap_or_default();
                            true
                        }
                        _ => false,
                    }
                })?;
                month = Some(u32::try_from(position).ok()? + 1);
            }
            Ok('p') => {
                afternoon = Some(rest.get(..2)?.eq_ignore_ascii_case("PM"));
                rest = rest.get(2..)?;
            }
            Ok('%') => rest = rest.strip_prefix('%')?,
            Ok(_) => return None,
        }
    }
    match afternoon {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let date = NaiveDate::from_ymd_opt(year?, month.unwrap_or(1), day.unwrap_or(1))?;
    date.and_hms_opt(hour, minute, second)?;
    let clock = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some(i64::from(days_of(date)) * DAY + clock * 1_000_000 + i64::from(micro))
}

fn number(rest: &mut &str, most: usize) -> Option<u32> {
    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let value = rest.get(..digits)?.parse().ok()?;
    *rest = rest.get(digits..)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::super::super::value::time::{datetime_text, parse_datetime};
    use super::*;

    #[test]
    fn times_are_formatted_as_mysql_formats_them() {
        let at = parse_datetime("2024-03-09 13:05:07.25").unwrap();
        for (format, text) in [
            ("%Y-%m-%d %H:%i:%s", "2024-03-09 13:05:07"),
            ("%y/%c/%e %l:%i %p", "24/3/9 1:05 PM"),
            ("%W %a %M %b %D %j", "Saturday Sat March Mar 9th 069"),
            ("%f %T %r %%", "250000 13:05:07 01:05:07 PM %"),
            ("yyyyMMdd", "20240309"),
        ] {
            assert_eq!(format_time(at, format).as_deref(), Some(text), "{format}");
        }
    }

    #[test]
    fn formatted_text_is_read_back() {
        for (text, format, time) in [
            ("20240309", "%Y%m%d", "2024-03-09 00:00:00"),
            ("09/03/24 13:05", "%d/%m/%y %H:%i", "2024-03-09 13:05:00"),
            ("Mar 9 2024 1:05 PM", "%b %e %Y %l:%i %p", "2024-03-09 13:05:00"),
            ("2024-03-09 13:05:07.5", "%Y-%m-%d %T.%f", "2024-03-09 13:05:07.500000"),
        ] {
            assert_eq!(parse_formatted(text, format).map(datetime_text).as_deref(), Some(time), "{text}");
        }
        assert_eq!(parse_formatted("2024-02-30", "%Y-%m-%d"), None);
        assert_eq!(parse_formatted("x", "%Y"), None);
    }
}
