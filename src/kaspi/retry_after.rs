//! `Retry-After` in both its forms: seconds, or a date.

use std::num::IntErrorKind;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// Taken when a 429 does not say, or not readably.
const ABSENT: Duration = Duration::from_secs(5);
/// Never sooner.
const SHORTEST: Duration = Duration::from_secs(1);
/// Never later: a server's slip must not stop a shop for a day.
const LONGEST: Duration = Duration::from_mins(15);

/// The pause an answer asks for, from `now` by Kaspi's clock.
pub(super) fn pause(header: Option<&str>, now: Timestamp) -> Duration {
    let Some(text) = header.map(str::trim) else {
        return ABSENT;
    };
    let asked = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => LONGEST,
        Err(_) => match http_date(text) {
            Some(at) => Duration::try_from(at.duration_since(now)).unwrap_or(SHORTEST),
            None => ABSENT,
        },
    };
    asked.clamp(SHORTEST, LONGEST)
}

/// An HTTP date such as `Tue, 24 Nov 2026 01:00:00 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_and_clamps() {
        let now: Timestamp = "2026-11-24T01:00:00Z".parse().unwrap();
        for (header, seconds) in [
            (None, 5),
            (Some("7"), 7),
            (Some("0"), 1),
            (Some("86400"), 900),
            (Some("18446744073709551616"), 900),
            (Some("Tue, 24 Nov 2026 01:00:30 GMT"), 30),
            (Some("Tue, 24 Nov 2026 00:00:00 GMT"), 1),
            (Some("-3"), 5),
            (Some("soon"), 5),
        ] {
            assert_eq!(
                pause(header, now),
                Duration::from_secs(seconds),
                "{header:?}"
            );
        }
    }
}
