//! Times in the warehouse's fixed time zone.

use chrono::{TimeZone, Utc};
use chrono_tz::Tz;
use rockhold_core::{Error, Result, Timestamp};

/// The zone of that IANA name.
pub(crate) fn parse(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        Error::invalid(format!("unknown time zone '{name}'; give an IANA name such as Europe/Berlin or UTC"))
    })
}

/// The system's zone, or UTC where the system names none.
pub(crate) fn system() -> Tz {
    iana_time_zone::get_timezone().ok().and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC)
}

/// `at` in `zone`, as chrono's `format` says. Times outside chrono's years are
/// shown as the epoch.
pub(crate) fn render(zone: Tz, at: Timestamp, format: &str) -> String {
    let utc = Utc.timestamp_millis_opt(at.0).single().unwrap_or_default();
    utc.with_timezone(&zone).format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_given_zone_with_three_digits_of_milliseconds() {
        let at = Timestamp(1_700_000_000_007);
        let zone = parse("Asia/Shanghai").expect("a zone");
        assert_eq!(render(zone, at, "%Y-%m-%d-%H-%M-%S-%3f"), "2023-11-15-06-13-20-007");
        assert_eq!(render(Tz::UTC, at, "%Y-%m-%d %H:%M:%S"), "2023-11-14 22:13:20");
        assert!(parse("Mars/Olympus").is_err());
    }
}
