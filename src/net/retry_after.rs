//! HTTP's `Retry-After` and dates.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

/// The pause a `Retry-After` asks for: seconds, or a date, from `now` by the server's clock. `None` where
/// the header is neither. Not limited: a caller clamps it to what it is willing to wait.
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let text = header.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let pause = http_date(text)?.duration_since(now);
    Some(Duration::try_from(pause).unwrap_or_default())
}

/// An HTTP date such as `Tue, 24 Nov 2026 01:00:00 GMT`, or in one of its two old forms.
pub fn http_date(text: &str) -> Option<Timestamp> {
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
    fn reads_seconds_and_dates() {
        let now: Timestamp = "2026-11-24T01:00:00Z".parse().unwrap();
        for (header, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("86400", Some(86_400)),
            ("Tue, 24 Nov 2026 01:00:30 GMT", Some(30)),
            ("Tue, 24 Nov 2026 00:00:00 GMT", Some(0)),
            ("Tuesday, 24-Nov-26 01:00:30 GMT", Some(30)),
            ("Tue Nov 24 01:00:30 2026", Some(30)),
            ("", None),
            ("+7", None),
            ("-3", None),
            ("soon", None),
        ] {
            let expected = seconds.map(Duration::from_secs);
            assert_eq!(retry_after(header, now), expected, "{header:?}");
        }
        assert_eq!(
            retry_after("99999999999999999999999", now),
            Some(Duration::MAX)
        );
    }
}
