//! A circuit breaker: after several outages in a row requests stop, and after a pause one read, the
//! probe, finds out whether the outage is over. Pure; the clock's ticks are passed in.

use std::time::Duration;

use crate::net::Backoff;

/// Outages in a row that open it.
const FAULTS_TO_OPEN: u32 = 5;
/// Pauses before a probe. The longest is short, so that work resumes soon after an outage.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { faults: u32 },
    Open { until: Duration, failed_probes: u32 },
    Probing { since: Duration, failed_probes: u32 },
}

/// Outages in a row, and the pause they led to.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
}

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permission {
    Granted,
    /// Not before these ticks.
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

    /// Asks to send a request. A probe that has no result after the longest pause is given up.
    pub(super) fn request(&mut self, is_read: bool, now: Duration) -> Permission {
        let soon = Permission::NotBefore(now + BACKOFF.pause(0));
        match self.state {
            State::Closed { .. } => Permission::Granted,
            State::Open { until, .. } if now < until => Permission::NotBefore(until),
            State::Probing { since, .. } if now < since + BACKOFF.longest() => soon,
            State::Open { failed_probes, .. } | State::Probing { failed_probes, .. } if is_read => {
                self.state = State::Probing {
                    since: now,
                    failed_probes,
                };
                Permission::Granted
            }
            State::Open { .. } | State::Probing { .. } => soon,
        }
    }

    /// Records an answer of Kaspi, a refusal too.
    pub(super) fn succeeded(&mut self) {
        self.state = State::Closed { faults: 0 };
    }

    /// Records a request without an answer, or with one that is a server's failure.
    pub(super) fn failed(&mut self, now: Duration) {
        self.state = match self.state {
            State::Closed { faults } if faults + 1 < FAULTS_TO_OPEN => {
                State::Closed { faults: faults + 1 }
            }
            State::Closed { .. } => State::Open {
                until: now + BACKOFF.pause(0),
                failed_probes: 0,
            },
            State::Probing { failed_probes, .. } => {
                let failed_probes = failed_probes.saturating_add(1);
                State::Open {
                    until: now + BACKOFF.pause(failed_probes),
                    failed_probes,
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
    fn opens_after_five_outages_and_closes_after_a_successful_read() {
        let mut breaker = Breaker::new();
        for _ in 0..4 {
            breaker.failed(s(0));
            assert_eq!(breaker.request(false, s(0)), Permission::Granted);
        }
        breaker.failed(s(0));
        assert_eq!(breaker.request(true, s(0)), Permission::NotBefore(s(1)));
        assert_eq!(
            breaker.request(false, s(1)),
            Permission::NotBefore(s(2)),
            "a write is no probe"
        );
        assert_eq!(breaker.request(true, s(1)), Permission::Granted);
        assert_ne!(
            breaker.request(true, s(1)),
            Permission::Granted,
            "one probe at a time"
        );
        breaker.failed(s(2));
        assert_eq!(
            breaker.request(true, s(3)),
            Permission::NotBefore(s(4)),
            "the pause doubles"
        );
        assert_eq!(breaker.request(true, s(4)), Permission::Granted);
        breaker.succeeded();
        assert_eq!(breaker.request(false, s(4)), Permission::Granted);
    }

    #[test]
    fn pauses_no_longer_than_half_a_minute() {
        let mut breaker = Breaker::new();
        let mut now = s(0);
        for _ in 0..40 {
            breaker.failed(now);
            if let Permission::NotBefore(until) = breaker.request(true, now) {
                assert!(until <= now + BACKOFF.longest());
                now = until;
                assert_eq!(breaker.request(true, now), Permission::Granted);
            }
        }
    }
}
