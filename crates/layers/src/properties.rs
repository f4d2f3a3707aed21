//! The limits of a repository as its properties give them.

use crate::Limits;
use rockhold_core::{Error, Result, is_slip};
use std::collections::BTreeMap;

/// Bytes per second that are sent, such as `100 MB/s`.
const UPLOAD: &str = "max_upload_rate";
/// Bytes per second that are received.
const DOWNLOAD: &str = "max_download_rate";
/// The most calls to the store at one time.
const CALLS: &str = "max_concurrent_requests";

const KEYS: [&str; 3] = [UPLOAD, DOWNLOAD, CALLS];

/// The units of a rate, and how many bytes each has.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("TB", 1000 * 1000 * 1000 * 1000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl Limits {
    /// Takes `max_upload_rate`, `max_download_rate` and
    /// `max_concurrent_requests` out of the properties of a repository; what is
    /// left is for the adapter.
    ///
    /// A rate is a number and a unit, as in `100 MB/s` or `1.5 GiB/s`; `MB` is
    /// 1,000,000 bytes, `MiB` 1,048,576. Without a unit it is refused: whoever
    /// writes `10` hardly means bytes.
    ///
    /// # Errors
    /// `InvalidInput` for a value that is no rate or no count, for zero, and
    /// for a key that is nearly one of these.
    pub fn take_from(properties: &mut BTreeMap<String, String>) -> Result<Self> {
        if let Some((wrong, meant)) = properties.keys().find_map(|key| Some((key, nearly(key)?))) {
            return Err(Error::invalid(format!("unknown property \"{wrong}\": write \"{meant}\"")));
        }
        let mut limits = Self::default();
        if let Some(text) = properties.remove(UPLOAD) {
            limits.upload = Some(rate(UPLOAD, &text)?);
        }
        if let Some(text) = properties.remove(DOWNLOAD) {
            limits.download = Some(rate(DOWNLOAD, &text)?);
        }
        if let Some(text) = properties.remove(CALLS) {
            limits.calls = Some(calls(&text)?);
        }
        Ok(limits)
    }
}

/// The property that was meant by a key that is almost one.
fn nearly(key: &str) -> Option<&'static str> {
    KEYS.into_iter().find(|known| is_slip(key, known))
}

fn invalid(property: &str, text: &str, why: &str) -> Error {
    Error::invalid(format!("\"{property}\" = \"{text}\" {why}"))
}

/// Bytes per second.
fn rate(property: &str, text: &str) -> Result<u64> {
    let example = "is not a rate: write a number and a unit, such as \"100 MB/s\"";
    let per_second = text.trim();
    let amount = per_second.strip_suffix("/s").unwrap_or(per_second).trim_end();
    let digits = amount.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(amount.len());
    let (number, unit) = amount.split_at(digits);
    let unit = unit.trim_start();
    if ["Kb", "Mb", "Gb", "Tb"].contains(&unit) {
        return Err(invalid(property, text, "is in bits: rates are in bytes, such as \"100 MB/s\""));
    }
    let bytes = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, bytes)| *bytes);
    let (Some(bytes), Ok(number)) = (bytes, number.parse::<f64>()) else {
        return Err(invalid(property, text, example));
    };
    let rate = number * bytes as f64;
    if rate < 1.0 {
        return Err(invalid(property, text, "would never move a byte; leave the property out for no limit"));
    }
    if rate >= u64::MAX as f64 {
        return Err(invalid(property, text, "is too large; leave the property out for no limit"));
    }
    Ok(rate as u64)
}

fn calls(text: &str) -> Result<usize> {
    match text.trim().parse::<usize>() {
        Ok(calls @ 1..) => Ok(calls),
        _ => Err(invalid(CALLS, text, "is not a count: write a whole number from 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rockhold_core::ErrorKind;

    fn taken(pairs: &[(&str, &str)]) -> (Result<Limits>, Vec<String>) {
        let mut map = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let limits = Limits::take_from(&mut map);
        (limits, map.into_keys().collect())
    }

    #[test]
    fn limits_are_taken_and_the_rest_is_left_for_the_adapter() {
        let (limits, rest) = taken(&[
            ("aws.s3.endpoint", "x"),
            ("max_download_rate", "1.5 GiB/s"),
            ("max_upload_rate", "100 MB/s"),
            ("max_concurrent_requests", "16"),
        ]);
        let expected = Limits::default().upload(100_000_000).download(3 << 29).calls(16);
        assert_eq!(limits.unwrap(), expected);
        assert_eq!(rest, ["aws.s3.endpoint"]);
        assert_eq!(taken(&[]).0.unwrap(), Limits::default());
    }

    #[test]
    fn rates_have_a_number_and_a_unit() {
        let good = [
            ("1 B", 1),
            ("2048 B/s", 2048),
            ("7kB/s", 7000),
            ("7 KB/s", 7000),
            ("10mb", 10_000_000),
            (" 0.5 MiB/s ", 1 << 19),
            ("2 TiB/s", 2 << 40),
        ];
        for (text, bytes) in good {
            assert_eq!(rate(UPLOAD, text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_limit_is_refused_with_what_to_write() {
        let said = |key: &str, value: &str| {
            let error = taken(&[(key, value)]).0.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            error.to_string()
        };
        let wrong =
            ["10", "0", "1.5/s", "fast", "", "-1 MB/s", "1e9", "1..2 MB/s", "10 MB/min", "10 XB/s", "∞"];
        for text in wrong {
            let expected = format!(
                "\"max_upload_rate\" = \"{text}\" is not a rate: write a number and a unit, such as \"100 MB/s\""
            );
            assert_eq!(said(UPLOAD, text), expected);
        }
        assert_eq!(
            said(DOWNLOAD, "100 Mb/s"),
            "\"max_download_rate\" = \"100 Mb/s\" is in bits: rates are in bytes, such as \"100 MB/s\""
        );
        assert_eq!(
            said(UPLOAD, "0 MB/s"),
            "\"max_upload_rate\" = \"0 MB/s\" would never move a byte; leave the property out for no limit"
        );
        assert!(
            said(UPLOAD, &format!("{} TB/s", "9".repeat(400)))
                .ends_with("is too large; leave the property out for no limit")
        );
        for text in ["0", "-1", "many", "1.5"] {
            let expected = format!(
                "\"max_concurrent_requests\" = \"{text}\" is not a count: write a whole number from 1"
            );
            assert_eq!(said(CALLS, text), expected);
        }
        assert_eq!(
            said("max-upload-Rate", "1 MB/s"),
            "unknown property \"max-upload-Rate\": write \"max_upload_rate\""
        );
        for slip in ["max_uplod_rate", "max_uplaod_rate", "max_upload_rates"] {
            let expected = format!("unknown property \"{slip}\": write \"max_upload_rate\"");
            assert_eq!(said(slip, "1 MB/s"), expected);
        }
    }
}
