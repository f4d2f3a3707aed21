//! Ranges: values, comparison, overlap, text.

use std::cmp::Ordering;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use rockhold_model::{Bound, DataType, PartitionValue, Partitioning, RangeFunction, TableDefinition};

use super::Result;
use crate::SqlError;

/// A component of a range's bound, comparable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RangeBound {
    /// A number.
    Integer(i128),
    /// A time; dates are their midnight.
    Time(NaiveDateTime),
    /// Greater than every value.
    MaxValue,
}

impl RangeBound {
    /// Reads a bound of a column of that type.
    ///
    /// # Errors
    ///
    /// 1064, "Invalid range value format", when the text is no value of the type.
    pub fn parse(bound: &Bound, data_type: &DataType) -> Result<RangeBound> {
        match bound {
            Bound::MaxValue => Ok(RangeBound::MaxValue),
            Bound::Value(text) => Self::parse_value(text, data_type),
        }
    }

    /// Reads a value of a column of that type.
    ///
    /// # Errors
    ///
    /// As [`RangeBound::parse`].
    pub fn parse_value(text: &str, data_type: &DataType) -> Result<RangeBound> {
        if data_type.is_integer() {
            let number: i128 =
                text.trim().parse().map_err(|_| invalid(&format!("Invalid number format: {text}")))?;
            let (least, greatest) = integer_limits(data_type);
            if !(least..=greatest).contains(&number) {
                return Err(invalid(&format!(
                    "Number out of range[{text}]. type: {}",
                    data_type.base_name()
                )));
            }
            return Ok(RangeBound::Integer(number));
        }
        match (data_type, parse_time(text)) {
            (DataType::Date, Some(time)) => Ok(RangeBound::Time(time.date().and_time(NaiveTime::MIN))),
            (DataType::DateTime, Some(time)) => Ok(RangeBound::Time(time)),
            _ => Err(invalid(&format!("date literal [{text}] is invalid"))),
        }
    }

    /// The bound in the canonical text of a column of that type.
    pub fn to_bound(&self, data_type: &DataType) -> Bound {
        match self {
            RangeBound::Integer(number) => Bound::Value(number.to_string()),
            RangeBound::Time(time) => Bound::Value(format_time(*time, data_type)),
            RangeBound::MaxValue => Bound::MaxValue,
        }
    }

    /// The least value of the type.
    pub fn minimum(data_type: &DataType) -> RangeBound {
        if data_type.is_integer() {
            RangeBound::Integer(integer_limits(data_type).0)
        } else {
            RangeBound::Time(first_day().and_time(NaiveTime::MIN))
        }
    }
}

/// 0000-01-01, the least date.
pub(super) fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(0, 1, 1).unwrap_or_default()
}

fn invalid(why: &str) -> SqlError {
    SqlError::execute(format!("Invalid range value format: {why}"))
}

/// Least and greatest value of an integer type.
pub(super) fn integer_limits(data_type: &DataType) -> (i128, i128) {
    match data_type {
        DataType::TinyInt => (i8::MIN.into(), i8::MAX.into()),
        DataType::SmallInt => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int => (i32::MIN.into(), i32::MAX.into()),
        DataType::BigInt => (i64::MIN.into(), i64::MAX.into()),
        _ => (i128::MIN, i128::MAX),
    }
}

/// `yyyy-MM-dd[ HH:mm[:ss[.ffffff]]]`, `yyyyMMdd[HHmmss]`.
pub(super) fn parse_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return match text.len() {
            8 => NaiveDate::parse_from_str(text, "%Y%m%d").ok().map(|date| date.and_time(NaiveTime::MIN)),
            14 => NaiveDateTime::parse_from_str(text, "%Y%m%d%H%M%S").ok(),
            _ => None,
        };
    }
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, time.trim()),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    // chrono would take signs and years of any length.
    let digits = |part: &str, most: usize| {
        !part.is_empty() && part.len() <= most && part.bytes().all(|b| b.is_ascii_digit())
    };
    if parts.next().is_some() || !digits(year, 4) || !digits(month, 2) || !digits(day, 2) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    let time = match time {
        "" => NaiveTime::MIN,
        time => {
            ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|format| NaiveTime::parse_from_str(time, format).ok())?
        }
    };
    Some(date.and_time(time))
}

/// A time in the canonical text of a DATE or DATETIME column.
pub(super) fn format_time(time: NaiveDateTime, data_type: &DataType) -> String {
    match data_type {
        DataType::Date => time.format("%Y-%m-%d").to_string(),
        _ if time.and_utc().timestamp_subsec_micros() > 0 => time.format("%Y-%m-%d %H:%M:%S%.6f").to_string(),
        _ => time.format("%Y-%m-%d %H:%M:%S").to_string(),
    }
}

/// Types that a table's ranges are over: those of its partition columns, or of
/// the function around the column.
pub fn range_key_types(table: &TableDefinition) -> Vec<DataType> {
    match &table.partitioning {
        Partitioning::Range { expression: Some(expression), .. } => vec![match expression.function {
            RangeFunction::FromUnixtime | RangeFunction::FromUnixtimeMs => DataType::DateTime,
            RangeFunction::Str2Date { .. } => DataType::Date,
        }],
        partitioning => partitioning
            .columns()
            .iter()
            .filter_map(|name| table.column(name).map(|column| column.data_type.clone()))
            .collect(),
    }
}

/// A range as SHOW PARTITIONS and error messages write it.
pub fn range_text(types: &[DataType], value: &PartitionValue) -> String {
    let PartitionValue::Range { lower, upper } = value else { return String::new() };
    let key = |bounds: &[Bound]| {
        let types: Vec<&str> = types.iter().take(bounds.len()).map(DataType::base_name).collect();
        let keys: Vec<&str> = bounds.iter().map(|bound| bound.as_value().unwrap_or("MAXVALUE")).collect();
        format!("types: [{}]; keys: [{}]; ", types.join(", "), keys.join(", "))
    };
    format!("[{}..{})", key(lower), key(upper))
}

/// Half-open ranges that do not overlap, in order.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    sorted: Vec<(Vec<RangeBound>, Vec<RangeBound>)>,
}

impl Ranges {
    /// Greatest upper bound that is not greater than `upper`.
    pub(super) fn upper_below(&self, upper: &[RangeBound]) -> Option<&[RangeBound]> {
        let behind = self.sorted.partition_point(|(_, end)| end.as_slice() <= upper);
        self.sorted.get(behind.checked_sub(1)?).map(|(_, end)| end.as_slice())
    }

    /// Adds a range, or gives back the one it overlaps.
    pub(super) fn insert(
        &mut self,
        lower: Vec<RangeBound>,
        upper: Vec<RangeBound>,
    ) -> std::result::Result<(), (Vec<RangeBound>, Vec<RangeBound>)> {
        let at = self.sorted.partition_point(|(start, _)| start.cmp(&lower) == Ordering::Less);
        let before = at.checked_sub(1).and_then(|before| self.sorted.get(before));
        if let Some(before) = before
            && before.1 > lower
        {
            return Err(before.clone());
        }
        if let Some(next) = self.sorted.get(at)
            && next.0 < upper
        {
            return Err(next.clone());
        }
        self.sorted.insert(at, (lower, upper));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_all_forms_and_written_in_one() {
        for text in ["2024-02-29", "20240229", "2024-2-29 00:00:00", "2024-02-29 00:00"] {
            let bound = RangeBound::parse_value(text, &DataType::DateTime).unwrap();
            assert_eq!(bound.to_bound(&DataType::DateTime), Bound::Value("2024-02-29 00:00:00".into()));
            assert_eq!(bound.to_bound(&DataType::Date), Bound::Value("2024-02-29".into()));
        }
        for text in ["2024-02-30", "x", "", "2024-01", "12024-01-01", "+2024-01-01", "202401"] {
            assert!(RangeBound::parse_value(text, &DataType::Date).is_err(), "{text}");
        }
        assert_eq!(
            RangeBound::minimum(&DataType::Date).to_bound(&DataType::Date),
            Bound::Value("0000-01-01".into())
        );
    }

    #[test]
    fn overlapping_ranges_are_found_wherever_they_begin() {
        let key = |n| vec![RangeBound::Integer(n)];
        let mut ranges = Ranges::default();
        ranges.insert(key(10), key(20)).unwrap();
        ranges.insert(key(0), key(5)).unwrap();
        ranges.insert(key(5), key(10)).unwrap();
        for (from, to) in [(4, 6), (10, 11), (15, 30), (-5, 1), (-5, 100), (6, 7)] {
            assert!(ranges.insert(key(from), key(to)).is_err(), "{from} {to}");
        }
        assert_eq!(ranges.upper_below(&key(12)), Some(key(10).as_slice()));
        ranges.insert(key(20), vec![RangeBound::MaxValue]).unwrap();
    }
}
