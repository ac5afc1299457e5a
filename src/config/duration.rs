//! Durations as text: `"500ms"`, `"20s"`, `"10m"`, `"12h"`, `"3d"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use toml::Value;

use crate::diagnostics::{self, MONTH_HINT, Mistake, NoDuration, expected, shown};

const DAY_S: u64 = 24 * 60 * 60;

// Bounds of settings, in milliseconds.
pub(super) const MS_10: u64 = 10;
pub(super) const MS_100: u64 = 100;
pub(super) const SECOND: u64 = 1000;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const MINUTES_5: u64 = 5 * MINUTE;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;
pub(super) const DAYS_14: u64 = 14 * DAY;
pub(super) const DAYS_60: u64 = 60 * DAY;
pub(super) const DAYS_61: u64 = 61 * DAY;
pub(super) const YEAR: u64 = 365 * DAY;
pub(super) const CENTURY: u64 = 100 * YEAR;

/// Writes a duration as it is read, in days, hours and smaller units.
pub(super) fn format(value: Duration) -> String {
    let (days, rest) = (value.as_secs() / DAY_S, value.as_secs() % DAY_S);
    let rest = Duration::new(rest, value.subsec_nanos());
    match (days, rest.is_zero()) {
        (0, _) => humantime::format_duration(rest).to_string(),
        (_, true) => format!("{days}d"),
        (_, false) => format!("{days}d {}", humantime::format_duration(rest)),
    }
}

/// For `serialize_with`.
pub(super) fn write<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    format(*value).serialize(serializer)
}

/// For `deserialize_with`: a duration within these bounds, in milliseconds.
pub(super) fn within<'de, D: Deserializer<'de>, const MIN: u64, const MAX: u64>(
    from: D,
) -> Result<Duration, D::Error> {
    let found = Value::deserialize(from)?;
    checked(&found, "a duration such as \"10m\"", MIN, MAX).map_err(D::Error::custom)
}

/// As [`within`], for a key that may be left out.
pub(super) fn within_if_given<'de, D: Deserializer<'de>, const MIN: u64, const MAX: u64>(
    from: D,
) -> Result<Option<Duration>, D::Error> {
    within::<D, MIN, MAX>(from).map(Some)
}

#[allow(clippy::ref_option, reason = "serde hands the field over as it is")]
pub(super) fn write_if_given<S: Serializer>(
    value: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.map(format).serialize(serializer)
}

/// A duration within these bounds, in milliseconds.
pub(super) fn checked(
    found: &Value,
    wanted: &str,
    min: u64,
    max: u64,
) -> Result<Duration, Mistake> {
    let lacks_unit = |number: i64| {
        let mistake = expected(wanted, found);
        Err(mistake.hint(format!("did you mean \"{number}s\"?")))
    };
    let text = match found {
        Value::String(text) => text,
        Value::Integer(number) => return lacks_unit(*number),
        _ => return Err(expected(wanted, found)),
    };
    let value = match diagnostics::duration(text) {
        Ok(value) => value,
        Err(NoDuration::Months) => {
            let mistake = Mistake::new(format!(
                "a month has no fixed length, found {}",
                shown(found)
            ));
            return Err(mistake.hint(MONTH_HINT));
        }
        Err(NoDuration::Unreadable) => {
            return match text.trim().parse() {
                Ok(number) => lacks_unit(number),
                Err(_) => Err(expected(wanted, found)),
            };
        }
    };
    let (min, max) = (Duration::from_millis(min), Duration::from_millis(max));
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    let (min, max) = (format(min), format(max));
    let found = shown(found);
    Err(Mistake::new(format!(
        "must be {min} to {max}, found {found}"
    )))
}
