//! Days and times of day as the merchant writes them: Almaty's time, in any time zone of the machine.

use std::fmt;
use std::sync::LazyLock;

use jiff::civil::{self, DateTime};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

/// Kaspi's and the merchant's zone: UTC+5 since 2024-03-01.
pub static ALMATY: LazyLock<TimeZone> = LazyLock::new(|| {
    // The table that is built in, never the machine's: one from before 2024 has another offset. The fixed offset is
    // never used.
    let bundled = TimeZoneDatabase::bundled().get("Asia/Almaty");
    bundled.unwrap_or_else(|_| TimeZone::fixed(Offset::constant(5)))
});

/// Almaty's local time.
pub fn local(at: Timestamp) -> DateTime {
    ALMATY.to_datetime(at)
}

/// The date and the time in Almaty, to the minute: `02.03 16:48`.
pub fn stamp(at: Timestamp) -> String {
    local(at).strftime("%d.%m %H:%M").to_string()
}

/// A length of time to the second, as `1h 20m`.
pub fn length(time: SignedDuration) -> String {
    format!("{:#}", SignedDuration::from_secs(time.as_secs()))
}

/// Time left in words, to the minute: `1h 20m left`, or that none is left.
pub fn left_words(left: SignedDuration) -> String {
    let minutes = SignedDuration::from_mins(left.abs().as_secs() / 60);
    match (left.is_negative(), minutes.is_zero()) {
        (false, false) => format!("{minutes:#} left"),
        (false, true) => "under 1m left".to_owned(),
        (true, _) => format!("passed {minutes:#} ago"),
    }
}

/// The moment of a local time in Almaty.
pub fn moment(at: DateTime) -> Option<Timestamp> {
    ALMATY.to_timestamp(at).ok()
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// All seven.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];
    /// The words for them, Monday first.
    pub const WORDS: &'static [&'static str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// The day of a date.
    pub fn of(date: civil::Date) -> Self {
        match date.weekday() {
            civil::Weekday::Monday => Self::Mon,
            civil::Weekday::Tuesday => Self::Tue,
            civil::Weekday::Wednesday => Self::Wed,
            civil::Weekday::Thursday => Self::Thu,
            civil::Weekday::Friday => Self::Fri,
            civil::Weekday::Saturday => Self::Sat,
            civil::Weekday::Sunday => Self::Sun,
        }
    }

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.get(self as usize).copied().unwrap_or("?")
    }

    /// Parses its word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|day| day.as_str() == word)
    }
}

/// Minutes in a day.
const DAY: u16 = 24 * 60;

/// A time of day in whole minutes; 24:00 is the end of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DayTime(u16);

impl DayTime {
    /// The start of an hour, 0 to 24.
    pub fn from_hour(hour: i64) -> Option<Self> {
        let hour = u16::try_from(hour).ok().filter(|hour| *hour <= 24)?;
        Some(Self(hour * 60))
    }

    /// Parses `9:00` or `22:30`.
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.trim().split_once(':')?;
        let number = |text: &str| {
            let is_plain =
                (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u16>().ok().filter(|_| is_plain)
        };
        let (hour, minute) = (number(hour)?, number(minute).filter(|m| *m < 60)?);
        let minutes = hour * 60 + minute;
        (minutes <= DAY).then_some(Self(minutes))
    }

    /// The time of day of a local time.
    pub fn of(at: DateTime) -> Self {
        // Hours and minutes of a clock are never negative.
        let part = |part: i8| u16::from(part.unsigned_abs());
        Self(part(at.hour()) * 60 + part(at.minute()))
    }

    /// Minutes since midnight.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for DayTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// From one time of day to another, the end excluded; over midnight where the end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DaySpan {
    /// Its first minute.
    pub from: DayTime,
    /// The first minute after it.
    pub to: DayTime,
}

impl DaySpan {
    /// Whether a time of day lies within.
    pub fn contains(self, at: DayTime) -> bool {
        if self.from <= self.to {
            self.from <= at && at < self.to
        } else {
            self.from <= at || at < self.to
        }
    }

    /// Whether start and end are the same: such a span asks nothing.
    pub const fn asks_nothing(self) -> bool {
        let (from, to) = (self.from.0, self.to.0);
        from % DAY == to % DAY
    }
}

impl fmt::Display for DaySpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} to {}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn almaty_moved_an_hour_in_march_2024() {
        assert_eq!(
            local(at("2024-02-28T20:00:00Z")).to_string(),
            "2024-02-29T02:00:00"
        );
        assert_eq!(
            local(at("2024-03-01T20:00:00Z")).to_string(),
            "2024-03-02T01:00:00"
        );
        let now = at("2026-11-24T19:30:00Z");
        assert_eq!(local(now).to_string(), "2026-11-25T00:30:00");
        assert_eq!(Weekday::of(local(now).date()), Weekday::Wed);
        assert_eq!(moment(local(now)), Some(now));
    }

    #[test]
    fn times_of_day() {
        assert_eq!(DayTime::parse("8:05").unwrap().to_string(), "08:05");
        assert_eq!(DayTime::parse("24:00"), DayTime::from_hour(24));
        for wrong in ["8", "24:01", "12:60", "+1:00", "001:00", "1:0x", ""] {
            assert_eq!(DayTime::parse(wrong), None, "{wrong}");
        }
        assert_eq!(
            (DayTime::from_hour(25), DayTime::from_hour(-1)),
            (None, None)
        );
    }

    #[test]
    fn spans_wrap_over_midnight() {
        let span = |from, to| DaySpan {
            from: DayTime::parse(from).unwrap(),
            to: DayTime::parse(to).unwrap(),
        };
        let holds = |span: DaySpan, at| span.contains(DayTime::parse(at).unwrap());
        let (day, night) = (span("09:00", "18:30"), span("22:00", "08:00"));
        for (at, in_day, in_night) in [
            ("08:59", false, false),
            ("09:00", true, false),
            ("18:29", true, false),
            ("18:30", false, false),
            ("22:00", false, true),
            ("00:00", false, true),
            ("07:59", false, true),
            ("08:00", false, false),
        ] {
            assert_eq!(
                (holds(day, at), holds(night, at)),
                (in_day, in_night),
                "{at}"
            );
        }
        assert!(span("00:00", "24:00").asks_nothing() && span("9:00", "9:00").asks_nothing());
        assert!(!span("22:00", "24:00").asks_nothing() && holds(span("22:00", "24:00"), "23:59"));
    }
}
