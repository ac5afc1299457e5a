//! Durations as text: `"500ms"`, `"20s"`, `"10m"`, `"12h"`, `"3d"`.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use serde::{Serialize, Serializer};

const DAY_S: u64 = 24 * 60 * 60;

/// Reads a duration; `None` when it is none or lacks a unit.
pub fn parse(text: &str) -> Option<Duration> {
    humantime::parse_duration(text.trim()).ok()
}

/// Writes a duration the way [`parse`] reads it.
pub fn show(value: Duration) -> String {
    let (days, rest) = (value.as_secs() / DAY_S, value.as_secs() % DAY_S);
    let rest = Duration::new(rest, value.subsec_nanos());
    match (days, rest.is_zero()) {
        (0, _) => humantime::format_duration(rest).to_string(),
        (_, true) => format!("{days}d"),
        (_, false) => format!("{days}d {}", humantime::format_duration(rest)),
    }
}

pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    show(*value).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| D::Error::custom("expected a duration such as \"10m\""))
}
