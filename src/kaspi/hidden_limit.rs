//! A simulated Kaspi with a hidden limit, for the tests of the pace.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::pace::Pace;

pub(super) const CEILING: f64 = 50.0;
const IN_FLIGHT: usize = 4;

/// How a limiter answers what exceeds its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    Refused,
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Answer {
    Good,
    Refused,
    Error,
    Silent,
}

/// A Kaspi with a hidden limit, a token bucket that holds a burst of one second, and a client with enough to ask.
#[derive(Debug, Clone)]
pub(super) struct Hidden {
    /// Requests a second from these seconds on.
    pub(super) limits: Vec<(f64, f64)>,
    pub(super) over: Over,
    /// Parts of all answers that are a refusal or a server's error at random.
    pub(super) refused: f64,
    pub(super) errors: f64,
    pub(super) latency: f64,
    /// The pause after a refusal.
    pub(super) pause: f64,
    pub(super) seed: u64,
}

impl Hidden {
    pub(super) fn of(limit: f64) -> Self {
        Self {
            limits: vec![(0.0, limit)],
            over: Over::Refused,
            refused: 0.0,
            errors: 0.0,
            latency: 0.05,
            pause: 2.0,
            seed: 1,
        }
    }

    fn limit(&self, at: f64) -> f64 {
        let before = self.limits.iter().rev().find(|(from, _)| *from <= at);
        before.unwrap().1
    }

    /// Requests and their answers, each with its second, and the pace at each answer.
    pub(super) fn run(&self, seconds: f64) -> Run {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut pace = Pace::new(8.0, CEILING);
        let mut run = Run::default();
        // In microseconds: when an answer comes, which, and to which request.
        let mut in_flight: BinaryHeap<Reverse<(u64, Answer, u64)>> = BinaryHeap::new();
        let (mut now, mut next, mut paused) = (0.0_f64, 0.0_f64, 0.0_f64);
        let (mut tokens, mut filled) = (self.limit(0.0), 0.0_f64);
        while now < seconds {
            let may_send = next.max(paused).max(now);
            let answer = in_flight
                .peek()
                .map(|Reverse((at, ..))| f64::from(u32::try_from(*at / 1000).unwrap()) / 1e3);
            let answer = answer.filter(|at| in_flight.len() >= IN_FLIGHT || *at <= may_send);
            if answer.is_some() {
                let Reverse((at, kind, sent)) = in_flight.pop().unwrap();
                now = now.max(f64::from(u32::try_from(at / 1000).unwrap()) / 1e3);
                let ticks = Duration::from_micros(at);
                match kind {
                    Answer::Good => {
                        pace.answered(ticks, ticks.saturating_sub(Duration::from_micros(sent)));
                    }
                    Answer::Refused => {
                        pace.refused(ticks);
                        // Whole seconds, and dates: pauses are of many lengths.
                        paused = paused.max(now + self.pause * (0.5 + 0.5 * random.f64()));
                    }
                    Answer::Silent => pace.timed_out(ticks),
                    Answer::Error => {}
                }
                run.paces.push((now, pace.rate()));
                continue;
            }
            if may_send > now || next >= now {
                pace.waited(Duration::from_secs_f64(may_send));
            }
            now = may_send;
            tokens = (tokens + (now - filled) * self.limit(now)).min(self.limit(now));
            filled = now;
            let luck = random.f64();
            let kind = if luck < self.refused {
                Answer::Refused
            } else if luck < self.refused + self.errors {
                Answer::Error
            } else if tokens >= 1.0 {
                tokens -= 1.0;
                Answer::Good
            } else if self.over == Over::Refused {
                Answer::Refused
            } else {
                Answer::Silent
            };
            let takes = match kind {
                Answer::Silent => 20.0,
                _ => self.latency * (0.8 + 0.5 * random.f64()),
            };
            let micros = |seconds: f64| {
                Duration::from_secs_f64(seconds)
                    .as_micros()
                    .try_into()
                    .unwrap()
            };
            in_flight.push(Reverse((micros(now + takes), kind, micros(now))));
            run.sent.push((now, kind));
            next = next.max(now) + 1.0 / pace.rate();
        }
        run
    }
}

#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) sent: Vec<(f64, Answer)>,
    pub(super) paces: Vec<(f64, f64)>,
}

impl Run {
    pub(super) fn count(&self, (from, to): (f64, f64), of: impl Fn(Answer) -> bool) -> f64 {
        let sent = self.sent.iter().filter(|(at, _)| *at >= from && *at < to);
        let count = sent.filter(|(_, kind)| of(*kind)).count();
        f64::from(u32::try_from(count).unwrap())
    }

    pub(super) fn refused_share(&self, within: (f64, f64)) -> f64 {
        self.count(within, |kind| kind == Answer::Refused) / self.count(within, |_| true)
    }

    pub(super) fn used_share(&self, within: (f64, f64), limit: f64) -> f64 {
        self.count(within, |kind| kind == Answer::Good) / (limit * (within.1 - within.0))
    }
}
