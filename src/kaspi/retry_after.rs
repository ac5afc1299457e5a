//! `Retry-After` in both its forms: seconds, or a date.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

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
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let asked = if is_number {
        // More than fits is more than is waited for.
        text.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        match http_date(text) {
            Some(at) => Duration::try_from(at.duration_since(now)).unwrap_or(SHORTEST),
            None => ABSENT,
        }
    };
    asked.clamp(SHORTEST, LONGEST)
}

/// An HTTP date such as `Tue, 24 Nov 2026 01:00:00 GMT`, or in one of its two old forms.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let old = || {
        ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
            .iter()
            .find_map(|form| DateTime::strptime(form, text).ok())
            .and_then(|at| TimeZone::UTC.to_timestamp(at).ok())
    };
    let date = rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    date.or_else(old)
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
            (Some("Tue, 24 Nov 2026 01:00:30 GMT"), 30),
            (Some("Tue, 24 Nov 2026 00:00:00 GMT"), 1),
            (Some("Tuesday, 24-Nov-26 01:00:30 GMT"), 30),
            (Some("Tue Nov 24 01:00:30 2026"), 30),
            (Some("99999999999999999999999"), 900),
            (Some(""), 5),
            (Some("+7"), 5),
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
