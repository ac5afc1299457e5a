//! A simulated Kaspi with a hidden limit, for the tests of the pace.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::pace::Pace;
use super::rate_limit::RateLimit;

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
    /// How much later than it was sent a request may arrive, and how late a timer rings.
    pub(super) jitter: f64,
    /// Seconds with work and seconds without, in turns; `None`: there is always work.
    pub(super) work: Option<(f64, f64)>,
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
            jitter: 0.005,
            work: None,
            seed: 1,
        }
    }

    fn limit(&self, at: f64) -> f64 {
        let before = self.limits.iter().rev().find(|(from, _)| *from <= at);
        before.unwrap().1
    }

    /// When there is work next.
    fn works_at(&self, now: f64) -> f64 {
        let Some((work, rest)) = self.work else {
            return now;
        };
        let within = now % (work + rest);
        if within < work {
            now
        } else {
            now - within + work + rest
        }
    }

    /// Requests and their answers, each with its second, and the pace at each answer.
    pub(super) fn run(&self, seconds: f64) -> Run {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mut pace = Pace::new(8.0, CEILING);
        let (mut even, mut run) = (RateLimit::default(), Run::default());
        // In microseconds: when an answer comes, which, and to which request.
        let mut in_flight: BinaryHeap<Reverse<(u64, Answer, u64)>> = BinaryHeap::new();
        let (mut now, mut paused) = (0.0_f64, 0.0_f64);
        let (mut tokens, mut filled) = (self.limit(0.0).max(1.0), 0.0_f64);
        while now < seconds {
            let mut wake = self.works_at(now).max(paused);
            if wake <= now && in_flight.len() < IN_FLIGHT {
                let Err(wait) = even.take(Duration::from_secs_f64(now), pace.rate(), CEILING)
                else {
                    let arrives = now + self.jitter * random.f64();
                    if arrives > filled {
                        let limit = self.limit(arrives);
                        tokens = (tokens + (arrives - filled) * limit).min(limit.max(1.0));
                        filled = arrives;
                    }
                    let kind = self.kind(&mut tokens, random.f64());
                    let takes = match kind {
                        Answer::Silent => 20.0,
                        _ => self.latency * (0.8 + 0.5 * random.f64()),
                    };
                    in_flight.push(Reverse((micros(arrives + takes), kind, micros(now))));
                    run.sent.push((now, kind));
                    continue;
                };
                pace.waited(Duration::from_secs_f64(now));
                wake = now + wait.as_secs_f64() + self.jitter * random.f64();
            }
            let is_full = in_flight.len() >= IN_FLIGHT;
            let next = in_flight.peek().map(|Reverse((at, ..))| seconds_of(*at));
            if next.is_none_or(|at| !is_full && at > wake) {
                now = wake.max(now + 1e-6);
                continue;
            }
            let Some(Reverse((at, kind, sent))) = in_flight.pop() else {
                continue;
            };
            now = now.max(seconds_of(at));
            let (at, took) = (Duration::from_micros(at), Duration::from_micros(at - sent));
            match kind {
                Answer::Good => pace.answered(at, took, 0),
                Answer::Refused => {
                    pace.refused(at, took);
                    // Whole seconds, and dates: pauses are of many lengths.
                    paused = paused.max(now + self.pause * (0.5 + 0.5 * random.f64()));
                }
                Answer::Silent => pace.timed_out(at),
                Answer::Error => pace.failed(at, took),
            }
            run.paces.push((now, pace.rate()));
        }
        run
    }

    /// How a request is answered. What fails at random was within the limit.
    fn kind(&self, tokens: &mut f64, luck: f64) -> Answer {
        if *tokens < 1.0 {
            return match self.over {
                Over::Refused => Answer::Refused,
                Over::Silent => Answer::Silent,
            };
        }
        *tokens -= 1.0;
        if luck < self.refused {
            Answer::Refused
        } else if luck < self.refused + self.errors {
            Answer::Error
        } else {
            Answer::Good
        }
    }
}

fn micros(seconds: f64) -> u64 {
    let micros = Duration::from_secs_f64(seconds).as_micros();
    micros.try_into().unwrap()
}

fn seconds_of(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
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

    /// The share of time after this second in which the pace was below this one.
    pub(super) fn time_below(&self, from: f64, pace: f64) -> f64 {
        let spans = self.paces.windows(2).filter(|two| two[0].0 >= from);
        let (mut all, mut below) = (0.0, 0.0);
        for two in spans {
            all += two[1].0 - two[0].0;
            if two[0].1 < pace {
                below += two[1].0 - two[0].0;
            }
        }
        below / all
    }

    pub(super) fn used_share(&self, within: (f64, f64), limit: f64) -> f64 {
        self.count(within, |kind| kind == Answer::Good) / (limit * (within.1 - within.0))
    }
}
