//! Moments as people and programs write them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;

use crate::domain::calendar::ALMATY;

/// What a cell says of its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// This moment.
    At(Timestamp),
    /// Nothing, or a day alone: the file's own time is closer.
    None,
}

/// Local times of Almaty, as exports write them.
const LOCAL: [&str; 8] = [
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%y %H:%M:%S",
    "%d.%m.%y %H:%M",
    "%Y-%m-%d %H-%M-%S",
    "%Y-%m-%d %H-%M",
    "%Y.%m.%d %H:%M:%S",
    "%Y.%m.%d %H:%M",
];
/// Days.
const DAYS: [&str; 3] = ["%d.%m.%Y", "%d.%m.%y", "%Y.%m.%d"];

/// The moment of a cell; `None` where it cannot be read. Without an offset it is Almaty's.
pub(super) fn read(text: &str) -> Option<Moment> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("string") || text == "-" {
        return Some(Moment::None);
    }
    let is_day = |form: &&str| {
        strtime::parse(form, text)
            .and_then(|day| day.to_date())
            .is_ok()
    };
    let is_iso_day = !text.contains([':', 'T', ' ']) && text.parse::<Date>().is_ok();
    if is_iso_day || DAYS.iter().any(is_day) {
        return Some(Moment::None);
    }
    let spaced = text.replace(", ", " ");
    let local = |form: &&str| {
        strtime::parse(form, &spaced)
            .and_then(|at| at.to_datetime())
            .ok()
            // `%Y` takes two digits for a year of antiquity.
            .filter(|at| at.year() >= 1970)
    };
    // First those, as `10-00` would be taken for an hour with its offset.
    let civil = LOCAL.iter().find_map(local);
    if let (None, Ok(at)) = (civil, text.parse::<Timestamp>()) {
        return Some(Moment::At(at));
    }
    let civil = civil.or_else(|| text.parse::<DateTime>().ok())?;
    ALMATY.to_timestamp(civil).ok().map(Moment::At)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_almatys_and_a_day_is_none() {
        let ten: Timestamp = "2026-11-30T05:00:00Z".parse().unwrap();
        for text in [
            "2026-11-30T10:00:00",
            "2026-11-30T10:00",
            "2026-11-30 10:00",
            "2026-11-30 10-00",
            "30.11.2026 10:00",
            "30.11.2026 10:00:00",
            "30.11.2026, 10:00",
            "30.11.26 10:00",
            "2026-11-30T05:00:00Z",
            "2026-11-30T10:00:00+05:00",
        ] {
            assert_eq!(read(text), Some(Moment::At(ten)), "{text}");
        }
        for text in ["", "string", "2026-11-30", "30.11.2026", "30.11.26", " - "] {
            assert_eq!(read(text), Some(Moment::None), "{text}");
        }
        for text in ["yesterday", "31.02.2026", "30.13.2026 10:00", "10:00", "5"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
