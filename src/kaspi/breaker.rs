//! A breaker: after several outages in a row, requests stop, and one read after a pause asks whether
//! it is over. Pure; ticks are passed in.

use std::time::Duration;

/// Outages in a row that open it.
const FAULTS_TO_OPEN: u32 = 5;
/// First pause; doubled after each failed probe.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// Longest pause, so that work resumes soon after an outage.
const PAUSE_LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { faults: u32 },
    Open { until: Duration, pause: Duration },
    Probing { since: Duration, pause: Duration },
}

/// The breaker's memory.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
}

/// Whether a request may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Go,
    NotBefore(Duration),
}

impl Breaker {
    pub(super) const fn new() -> Self {
        Self {
            state: State::Closed { faults: 0 },
        }
    }

    pub(super) const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Asks for a request. A probe that never came back is given up after the longest pause.
    pub(super) fn ask(&mut self, is_read: bool, now: Duration) -> Pass {
        match self.state {
            State::Closed { .. } => Pass::Go,
            State::Open { until, .. } if now < until => Pass::NotBefore(until),
            State::Probing { since, .. } if now < since + PAUSE_LONGEST => {
                Pass::NotBefore(now + PAUSE_FIRST)
            }
            State::Open { pause, .. } | State::Probing { pause, .. } if is_read => {
                self.state = State::Probing { since: now, pause };
                Pass::Go
            }
            State::Open { .. } | State::Probing { .. } => Pass::NotBefore(now + PAUSE_FIRST),
        }
    }

    /// Kaspi answered, whatever it said.
    pub(super) fn answered(&mut self) {
        self.state = State::Closed { faults: 0 };
    }

    /// Kaspi did not answer, or not as itself.
    pub(super) fn failed(&mut self, now: Duration) {
        self.state = match self.state {
            State::Closed { faults } if faults + 1 < FAULTS_TO_OPEN => {
                State::Closed { faults: faults + 1 }
            }
            State::Closed { .. } => State::Open {
                until: now + PAUSE_FIRST,
                pause: PAUSE_FIRST,
            },
            State::Probing { pause, .. } => {
                let pause = (pause * 2).min(PAUSE_LONGEST);
                State::Open {
                    until: now + pause,
                    pause,
                }
            }
            open @ State::Open { .. } => open,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn opens_after_five_outages_and_closes_after_a_read_came_back() {
        let mut breaker = Breaker::new();
        for _ in 0..4 {
            breaker.failed(s(0));
            assert_eq!(breaker.ask(false, s(0)), Pass::Go);
        }
        breaker.failed(s(0));
        assert_eq!(breaker.ask(true, s(0)), Pass::NotBefore(s(1)));
        assert_eq!(
            breaker.ask(false, s(1)),
            Pass::NotBefore(s(2)),
            "a write is no probe"
        );
        assert_eq!(breaker.ask(true, s(1)), Pass::Go);
        assert_ne!(breaker.ask(true, s(1)), Pass::Go, "one probe at a time");
        breaker.failed(s(2));
        assert_eq!(
            breaker.ask(true, s(3)),
            Pass::NotBefore(s(4)),
            "the pause doubles"
        );
        assert_eq!(breaker.ask(true, s(4)), Pass::Go);
        breaker.answered();
        assert_eq!(breaker.ask(false, s(4)), Pass::Go);
    }

    #[test]
    fn pauses_no_longer_than_half_a_minute() {
        let mut breaker = Breaker::new();
        let mut now = s(0);
        for _ in 0..40 {
            breaker.failed(now);
            if let Pass::NotBefore(until) = breaker.ask(true, now) {
                assert!(until <= now + PAUSE_LONGEST);
                now = until;
                assert_eq!(breaker.ask(true, now), Pass::Go);
            }
        }
    }
}
