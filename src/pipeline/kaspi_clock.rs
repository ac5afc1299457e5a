//! Kaspi's time according to its answers, and the creation dates a list has to cover.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::window::Window;
use crate::clock::Clock;
use crate::kaspi::Reader;

/// How far a list extends beyond now: a later end costs nothing and hides no order.
const AHEAD: SignedDuration = SignedDuration::from_hours(12);

/// Both clocks are trusted for the ends of a list while they differ by no more than this.
const AGREE_WITHIN: SignedDuration = SignedDuration::from_hours(24);

/// Kaspi's clock: ours, corrected by the `Date` of Kaspi's answers.
pub struct KaspiClock {
    ours: Clock,
    reader: Reader,
}

/// One reading of both wall clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clocks {
    /// This machine's.
    pub ours: Timestamp,
    /// Kaspi's.
    pub kaspi: Timestamp,
}

impl KaspiClock {
    /// Kaspi's clock as this reader's answers show it.
    pub(super) const fn new(ours: Clock, reader: Reader) -> Self {
        Self { ours, reader }
    }

    /// Kaspi's clock minus ours; `None` before the first answer.
    pub fn skew(&self) -> Option<SignedDuration> {
        self.reader.skew()
    }

    /// Both clocks now.
    pub fn clocks(&self) -> Clocks {
        Clocks::new(self.ours.now(), self.skew())
    }

    /// Kaspi's time now; ours before the first answer.
    pub fn now(&self) -> Timestamp {
        self.clocks().kaspi
    }

    /// What Kaspi's time was at `ticks` of our monotonic clock.
    pub fn at(&self, ticks: Duration) -> Timestamp {
        let since = self.ours.ticks().saturating_sub(ticks);
        let now = self.now();
        now.saturating_sub(SignedDuration::try_from(since).unwrap_or_default())
            .unwrap_or(now)
    }
}

impl Clocks {
    /// Our time, and Kaspi's by its skew where that is known.
    pub fn new(ours: Timestamp, skew: Option<SignedDuration>) -> Self {
        let kaspi = ours.saturating_add(skew.unwrap_or_default());
        Self {
            ours,
            kaspi: kaspi.unwrap_or(ours),
        }
    }

    /// The creation dates of a list that looks back by `back`: as far back as either clock says and on
    /// beyond now. A `Date` that lags, as in a cached answer, must not hide the youngest orders. Where
    /// the clocks differ by more than a day, Kaspi's alone counts.
    pub fn window(self, back: SignedDuration) -> Window {
        let agree = self.ours.duration_since(self.kaspi).abs() <= AGREE_WITHIN;
        let (from, to) = if agree {
            (self.ours.min(self.kaspi), self.ours.max(self.kaspi))
        } else {
            (self.kaspi, self.kaspi)
        };
        Window {
            from: from.saturating_sub(back).unwrap_or(from),
            to: to.saturating_add(AHEAD).unwrap_or(to),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    #[test]
    fn a_window_covers_both_clocks_while_they_agree() {
        let ours: Timestamp = "2026-11-30T10:00:00Z".parse().unwrap();
        let hour = SignedDuration::from_hours(1);
        let lags = Clocks::new(ours, Some(-hour)).window(hour);
        assert_eq!((lags.from, lags.to), (ours - hour * 2, ours + AHEAD));
        let week = SignedDuration::from_hours(7 * 24);
        let wrong = Clocks::new(ours, Some(week)).window(hour);
        assert_eq!(wrong.from, ours + week - hour, "only Kaspi's clock counts");
    }
}
