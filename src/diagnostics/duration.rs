//! Durations as people write them.

use std::time::Duration;

/// What to write in place of a month.
pub const MONTH_HINT: &str = "write \"1m\" for a minute, and days for a longer time: \"30d\"";

/// Why a text gives no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoDuration {
    /// It is none, or lacks a unit.
    Unreadable,
    /// It counts in months: their length differs, and "1M" is most often a mistyped minute.
    Months,
}

/// Reads a duration such as `"1h 30m"`.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<Duration, NoDuration> {
    let is_month = |word: &str| {
        word == "M" || ["mo", "mon", "mos", "month", "months"].contains(&&*word.to_lowercase())
    };
    if text.split(|c: char| !c.is_alphabetic()).any(is_month) {
        return Err(NoDuration::Months);
    }
    humantime::parse_duration(text.trim()).map_err(|_| NoDuration::Unreadable)
}
