//! Orders that Kaspi showed before and does not know now: it answers 404, as with another shop's token, or while a
//! reader lags behind. They are asked about ever more rarely, and stop nothing else.

use jiff::{SignedDuration, Timestamp};

/// The first pause before such an order is asked about again.
const FIRST_PAUSE_S: u64 = 15;
/// The longest, before its spread.
const LONGEST_PAUSE_S: u64 = 15 * 60;
/// However many there are, one of them is asked about in so many seconds.
const SPACING_S: u64 = 4;
/// The longest pause however many there are, before its spread.
const LONGEST_SPACED_S: u64 = 30 * 60;
/// Two answers at least this far apart are believed: a lagging replica has caught up within this time.
const BELIEVED_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// Such orders are reported from this many on: single ones may be deleted.
pub const REPORTED_FROM: u64 = 3;

/// The answers 404 for one order since it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotFound {
    /// When it was first answered so.
    pub since: Timestamp,
    /// When it was last answered so.
    pub last_at: Timestamp,
    /// How often it was.
    pub times: u32,
}

impl NotFound {
    /// The first such answer.
    pub const fn first(at: Timestamp) -> Self {
        Self {
            since: at,
            last_at: at,
            times: 1,
        }
    }

    /// After another such answer.
    #[must_use]
    pub fn again(self, at: Timestamp) -> Self {
        Self {
            last_at: at,
            times: self.times.saturating_add(1),
            ..self
        }
    }

    /// Whether the order is believed not to exist, so that it holds no units.
    pub fn is_believed(&self) -> bool {
        self.times > 1 && self.last_at.duration_since(self.since) >= BELIEVED_AFTER
    }

    /// When it is asked about again, with so many others in the same case. `jitter` in 0..1 spreads them.
    pub fn ask_again_at(&self, others: u64, jitter: f64) -> Timestamp {
        let doublings = self.times.saturating_sub(1).min(6);
        let backoff = (FIRST_PAUSE_S << doublings).min(LONGEST_PAUSE_S);
        let spaced = (others * SPACING_S).min(LONGEST_SPACED_S);
        let pause =
            std::time::Duration::from_secs(backoff.max(spaced)).mul_f64(0.75 + jitter / 2.0);
        let pause = SignedDuration::try_from(pause).unwrap_or(BELIEVED_AFTER);
        self.last_at.saturating_add(pause).unwrap_or(self.last_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(not_found: NotFound, others: u64, jitter: f64) -> i64 {
        let again = not_found.ask_again_at(others, jitter);
        again.duration_since(not_found.last_at).as_secs()
    }

    #[test]
    fn pauses_double_to_a_quarter_of_an_hour() {
        let mut not_found = NotFound::first(Timestamp::UNIX_EPOCH);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pauses.push(after(not_found, 1, 0.5));
            not_found = not_found.again(not_found.last_at);
        }
        assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 900, 900]);
    }

    #[test]
    fn many_are_asked_about_no_more_often_together() {
        let not_found = NotFound::first(Timestamp::UNIX_EPOCH);
        assert_eq!(after(not_found, 200, 0.5), 800);
        assert_eq!(
            after(not_found, 100_000, 1.0),
            1800 * 5 / 4,
            "less than an action may be put off"
        );
    }

    #[test]
    fn two_answers_some_time_apart_are_believed() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let first = NotFound::first(at(0));
        assert!(!first.is_believed());
        assert!(!first.again(at(9)).is_believed());
        assert!(first.again(at(9)).again(at(10)).is_believed());
    }
}
