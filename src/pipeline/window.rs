//! The creation dates one list covers, and how they are split into requests.

use jiff::{SignedDuration, Timestamp};

/// Longest span of one request. Kaspi allows 14 days (KASPI_API §2); a day is left for clocks.
const REQUEST_MAX: SignedDuration = SignedDuration::from_hours(13 * 24);

/// Furthest back a list is extended for the oldest order that waits or holds stock.
const EXTENDED_MAX: SignedDuration = SignedDuration::from_hours(60 * 24);

/// Requests overlap by this much, so that an order at a boundary instant is in one of them.
const OVERLAP: SignedDuration = SignedDuration::from_mins(1);

/// The creation dates one list covers, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First creation date.
    pub from: Timestamp,
    /// Last creation date.
    pub to: Timestamp,
}

impl Window {
    /// The same window, extended back to an order placed at `oldest`, up to 60 days back.
    #[must_use]
    pub fn extended_to(self, oldest: Option<Timestamp>) -> Self {
        let from = oldest.unwrap_or(self.from).max(self.furthest());
        Self {
            from: from.min(self.from),
            ..self
        }
    }

    /// How far back it is extended at most.
    pub fn furthest(self) -> Timestamp {
        self.to.saturating_sub(EXTENDED_MAX).unwrap_or(self.to)
    }

    /// The windows of the requests that list it, oldest first: none is longer than Kaspi allows.
    pub fn requests(self) -> Vec<Self> {
        self.split(REQUEST_MAX, OVERLAP)
    }

    /// Consecutive parts of at most `length`, each starting `overlap` before the end of the previous one.
    pub fn split(self, length: SignedDuration, overlap: SignedDuration) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut from = self.from;
        while from < self.to {
            let end = from.saturating_add(length).unwrap_or(self.to);
            let to = end.min(self.to);
            parts.push(Self { from, to });
            if to >= self.to {
                break;
            }
            from = to.saturating_sub(overlap).unwrap_or(to);
        }
        parts
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} to {:.0}", self.from, self.to)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    fn days(days: i64) -> SignedDuration {
        SignedDuration::from_hours(24 * days)
    }

    fn window(length: SignedDuration) -> Window {
        let to: Timestamp = "2026-11-30T10:00:00Z".parse().unwrap();
        Window {
            from: to - length,
            to,
        }
    }

    #[test]
    fn no_request_is_longer_than_kaspi_allows_and_none_leaves_a_hole() {
        for length in [1, 13, 14, 27, 60] {
            let whole = window(days(length));
            let requests = whole.requests();
            assert_eq!(requests.first().unwrap().from, whole.from);
            assert_eq!(requests.last().unwrap().to, whole.to);
            for pair in requests.windows(2) {
                assert!(pair[1].from < pair[0].to, "{pair:?}");
            }
            let longest = requests.iter().map(|r| r.to.duration_since(r.from)).max();
            assert!(longest.unwrap() <= days(14), "{length} days");
        }
        assert_eq!(window(days(0)).requests(), []);
    }

    #[test]
    fn a_window_is_extended_by_sixty_days_at_most() {
        let window = window(days(2));
        let from = |age: i64| window.extended_to(Some(window.to - days(age))).from;
        assert_eq!(from(1), window.from);
        assert_eq!(from(30), window.to - days(30));
        assert_eq!(from(90), window.to - days(60));
        let deep = Window {
            from: window.to - days(61),
            ..window
        };
        assert_eq!(
            deep.extended_to(Some(window.to - days(90))),
            deep,
            "never shortened"
        );
        assert_eq!(window.extended_to(None), window);
    }
}
