//! How far the lines of an order are read, and when they are asked for again after a request that failed.

use jiff::{SignedDuration, Timestamp};

use super::ids::Sku;
use super::order::{State, UnreadableLines};
use super::unaccounted::{LINES_REQUESTS_MAX, LinesState};

/// Lines of a finished order, which nothing waits for, are asked for this much later once several requests failed.
const FINISHED_RETRY: SignedDuration = SignedDuration::from_hours(1);

/// How far the lines of an order are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinesReading {
    /// The order's state.
    pub order: State,
    /// How far.
    pub lines: LinesState,
    /// Why they are unknown.
    pub problem: Option<String>,
    /// The SKUs of unreadable lines, where they could be read.
    pub skus: Option<Vec<Sku>>,
    /// When they are to be read, or read again; `None`: at once where they are unread, never where they are known.
    pub due_at: Option<Timestamp>,
    /// Requests for them that failed.
    pub failures: u32,
}

/// A request for lines without a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure<'a> {
    /// It was put off, and counts for nothing.
    PutOff,
    /// It had no answer that counts.
    NoAnswer,
    /// The lines that it showed cannot be used.
    Unreadable(&'a UnreadableLines),
}

impl LinesReading {
    /// What a request without a result changes: `retry_at` is when lines are asked for again at the earliest. Lines
    /// that are known stay known, and those that nobody asks for stay so.
    #[must_use]
    pub fn failed(mut self, failure: Failure<'_>, retry_at: Timestamp) -> Self {
        if failure != Failure::PutOff {
            self.failures = self.failures.saturating_add(1);
        }
        if self.due_at.is_none() && !self.lines.are_unknown() {
            return self;
        }
        let is_over = self.order == State::Archive && self.failures >= LINES_REQUESTS_MAX;
        let later = if is_over {
            FINISHED_RETRY
        } else {
            SignedDuration::ZERO
        };
        self.due_at = Some(retry_at.saturating_add(later).unwrap_or(retry_at));
        if let (Failure::Unreadable(unreadable), true) = (failure, self.lines.are_unknown()) {
            self.lines = LinesState::Unreadable;
            self.problem = Some(unreadable.why.clone());
            self.skus.clone_from(&unreadable.skus);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::constant(seconds, 0)
    }

    fn unread() -> LinesReading {
        LinesReading {
            order: State::New,
            lines: LinesState::Unread,
            problem: None,
            skus: None,
            due_at: None,
            failures: 0,
        }
    }

    #[test]
    fn a_request_that_was_put_off_counts_for_nothing() {
        let after = unread().failed(Failure::PutOff, at(60));
        assert_eq!((after.failures, after.due_at), (0, Some(at(60))));
        assert_eq!(unread().failed(Failure::NoAnswer, at(60)).failures, 1);
    }

    #[test]
    fn unreadable_lines_name_their_problem_and_are_asked_for_again() {
        let why = UnreadableLines::of_any("no quantity".to_owned());
        let after = unread().failed(Failure::Unreadable(&why), at(60));
        assert_eq!(after.lines, LinesState::Unreadable);
        assert_eq!(after.problem.as_deref(), Some("no quantity"));
        // Another failure keeps what was found.
        let after = after.failed(Failure::NoAnswer, at(90));
        assert_eq!((after.failures, after.due_at), (2, Some(at(90))));
        assert_eq!(after.problem.as_deref(), Some("no quantity"));
    }

    #[test]
    fn known_lines_stay_known_and_are_not_asked_for_unless_they_were_to_be() {
        let why = UnreadableLines::of_any("no quantity".to_owned());
        let known = LinesReading {
            lines: LinesState::Known,
            ..unread()
        };
        let after = known.clone().failed(Failure::Unreadable(&why), at(60));
        assert_eq!((after.lines, after.due_at), (LinesState::Known, None));
        let unlinked = LinesReading {
            due_at: Some(at(10)),
            ..known
        };
        let after = unlinked.failed(Failure::Unreadable(&why), at(60));
        assert_eq!((after.lines, after.problem), (LinesState::Known, None));
        assert_eq!(after.due_at, Some(at(60)));
    }

    #[test]
    fn lines_of_a_finished_order_are_asked_for_more_rarely_after_several_failures() {
        let finished = |failures| LinesReading {
            order: State::Archive,
            failures,
            ..unread()
        };
        let due = |failures| finished(failures).failed(Failure::NoAnswer, at(60)).due_at;
        assert_eq!(due(3), Some(at(60)));
        assert_eq!(due(4), Some(at(3660)));
    }
}
