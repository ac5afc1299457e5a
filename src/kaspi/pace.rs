//! The pace of a shop's requests: Kaspi documents no limit and refuses what exceeds it (KASPI_API §6), so that the
//! pace finds the limit by itself. Pure; the clock's ticks are passed in.
//!
//! It doubles each second until the first sign of trouble. From then on it stays close below the limit that it knows,
//! and looks for a higher one after a while without trouble. A refusal says little by itself: Kaspi refuses at random
//! too, and whole bursts pass before a limit is noticed. What the answers say of a limit is in [`LimitEstimate`].

use std::collections::VecDeque;
use std::time::Duration;

use super::limit_estimate::LimitEstimate;
use super::slowness::Slowness;

/// The slowest pace, in requests a second: polls and sweeps must get through. Only refusals lower it further.
const SLOWEST: f64 = 2.0;
/// The slowest pace where refusals show that the limit is lower.
const SLOWEST_OF_ALL: f64 = 0.5;
/// The most of the pace that is left after a refusal.
const AFTER_REFUSAL: f64 = 0.9;
/// The most of the limit that is used after a refusal has shown it.
const AFTER_REFUSAL_OF_LIMIT: f64 = 0.93;
/// The part of the pace that is left after silence or slowness.
const AFTER_SILENCE: f64 = 0.5;
/// The part of the pace that is taken for the limit after silence or slowness.
const LIMIT_AFTER_SILENCE: f64 = 0.75;
/// A limit above this part of the slowest pace does not prove that it is lower.
const SLOWEST_UNPROVEN: f64 = 0.85;
/// The part of the limit that the pace returns to.
const BELOW_LIMIT: f64 = 0.97;
/// Each good answer adds so much while the pace doubles each second: the logarithm of 2.
const DOUBLING_STEP: f64 = std::f64::consts::LN_2;
/// Time in use over which the pace returns to just below the limit.
const RETURN: Duration = Duration::from_secs(10);
/// Time in use without trouble after which a higher limit is looked for.
const STAY: Duration = Duration::from_secs(40);
/// The same after silence: each look costs as many time-outs as requests may be in flight.
const STAY_AFTER_SILENCE: Duration = Duration::from_mins(5);
/// It is looked for at this factor of the limit at first, for so long: enough to use up the burst of a second that a
/// limit lets pass. Then the pace doubles in this time.
const SEARCH_FACTOR: f64 = 1.25;
const SEARCH_STEADY: Duration = Duration::from_secs(6);
const SEARCH_DOUBLES_IN: Duration = Duration::from_secs(3);
/// The pace falls no more often; refusals closer to each other are one sign.
const FALL_SPACING: Duration = Duration::from_secs(1);
/// A refusal that no limit explains brings the next search closer: where Kaspi refuses at random, the pace must not
/// stay below a limit that nothing proves.
const UNEXPLAINED_BRINGS: Duration = Duration::from_secs(10);
/// Requests without an answer within this time that are a sign, unless so many good answers lie between two of them.
const TIMEOUTS: usize = 3;
const TIMEOUTS_WITHIN: Duration = Duration::from_secs(50);
const GOOD_BETWEEN: u32 = 100;
/// A limit must explain the refusals by this much better than chance: while a higher one is looked for, one refusal is
/// expected; at any other time two must agree.
const SEARCHING_MARGIN: f64 = 0.7;
const MARGIN: f64 = 7.0;
/// Kaspi refuses at random where more refusals than one were unexplained within so many answers, or so much time.
const UNEXPLAINED_FEW: usize = 1;
const UNEXPLAINED_ANSWERS: u64 = 100;
const UNEXPLAINED_TIME: Duration = Duration::from_secs(30);
/// Answers of at least so many bytes are compared with each other: a few orders with their lines, and more.
const LONG_ANSWER: usize = 8 * 1024;
/// The pace limits requests while one had to wait for it within this time.
const IN_USE: Duration = Duration::from_secs(1);

/// The pace, and what it has learned.
#[derive(Debug)]
pub(super) struct Pace {
    ceiling: f64,
    rate: f64,
    phase: Phase,
    estimate: LimitEstimate,
    /// Of short and of long answers: a list takes longer than an accept, and many may come in a row.
    slowness: [Slowness; 2],
    /// When the pace last fell.
    fell_at: Option<Duration>,
    /// Refusals that no limit explained: after how many answers each came, and when.
    unexplained: VecDeque<(u64, Duration)>,
    answers: u64,
    /// When a request last had to wait for its turn.
    waited_at: Option<Duration>,
    answered_at: Option<Duration>,
    /// When requests were given up that count as signs.
    timeouts: VecDeque<Duration>,
    good_since_timeout: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// No trouble yet: the pace doubles each second.
    Doubling,
    /// Close below a limit.
    Below(Below),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Below {
    /// The limit that is believed.
    limit: f64,
    /// The pace when it last fell.
    base: f64,
    /// Time in use since then.
    used: Duration,
    /// How long it stays before a higher limit is looked for.
    stay: Duration,
}

impl Pace {
    pub(super) fn new(start: f64, ceiling: f64) -> Self {
        Self {
            ceiling,
            rate: start.min(ceiling),
            phase: Phase::Doubling,
            estimate: LimitEstimate::up_to(ceiling),
            slowness: <[Slowness; 2]>::default(),
            fell_at: None,
            unexplained: VecDeque::new(),
            answers: 0,
            waited_at: None,
            answered_at: None,
            timeouts: VecDeque::new(),
            good_since_timeout: 0,
        }
    }

    /// Requests a second.
    pub(super) const fn rate(&self) -> f64 {
        self.rate
    }

    /// Starts from a pace that was good before. Only before the first request.
    pub(super) fn start_from(&mut self, rate: f64) {
        self.rate = rate.max(SLOWEST).min(self.ceiling);
    }

    /// Notes that a request had to wait for its turn.
    pub(super) fn waited(&mut self, now: Duration) {
        self.waited_at = Some(now);
    }

    /// Notes a good answer of so many bytes that took so long.
    pub(super) fn answered(&mut self, now: Duration, took: Duration, bytes: usize) {
        self.answers += 1;
        self.estimate.served(now.saturating_sub(took));
        self.good_since_timeout = self.good_since_timeout.saturating_add(1);
        let since_last = self
            .answered_at
            .map_or(Duration::ZERO, |at| now.saturating_sub(at));
        self.answered_at = Some(now);
        let [short, long] = &mut self.slowness;
        let alike = if bytes < LONG_ANSWER { short } else { long };
        if alike.is_slow(now, took) && self.may_fall(now) {
            self.fall_by_half(now, STAY);
            return;
        }
        // A pace that nothing waits for proves nothing by its good answers.
        let is_in_use = self
            .waited_at
            .is_some_and(|at| now.saturating_sub(at) <= IN_USE);
        if is_in_use {
            self.rise(since_last.min(IN_USE));
        }
    }

    fn rise(&mut self, used: Duration) {
        let rate = match &mut self.phase {
            Phase::Doubling => self.rate + DOUBLING_STEP,
            Phase::Below(below) => {
                below.used += used;
                below.rate()
            }
        };
        self.rate = rate.min(self.ceiling);
    }

    /// Notes a failure of the server, which says only that the request was not one too many.
    pub(super) fn failed(&mut self, now: Duration, took: Duration) {
        self.answers += 1;
        self.estimate.served(now.saturating_sub(took));
    }

    /// Notes that Kaspi refused a request as one too many, and how long that took.
    pub(super) fn refused(&mut self, now: Duration, took: Duration) {
        if !self.may_fall(now) {
            return;
        }
        self.fell_at = Some(now);
        self.timeouts.clear();
        self.estimate.refused(now.saturating_sub(took));
        let margin = self.margin(now);
        if let Some(limit) = self.estimate.limit_below(self.rate, margin) {
            self.unexplained.clear();
            let most = AFTER_REFUSAL * self.rate;
            self.stay_below(limit, most.min(AFTER_REFUSAL_OF_LIMIT * limit), STAY);
            return;
        }
        self.unexplained.push_back((self.answers, now));
        match &mut self.phase {
            Phase::Doubling => self.stay_below(self.rate, AFTER_REFUSAL * self.rate, STAY),
            Phase::Below(below) if below.is_searching() => {
                below.limit = below.limit.max(AFTER_REFUSAL * self.rate);
                below.base = BELOW_LIMIT * below.limit;
                below.used = below.stay;
                self.rate = below.rate().min(self.ceiling);
            }
            Phase::Below(below) => {
                below.used = (below.used + UNEXPLAINED_BRINGS).min(below.stay);
            }
        }
    }

    /// By how much a limit must explain the refusals better than chance.
    fn margin(&mut self, now: Duration) -> f64 {
        let answers = self.answers;
        self.unexplained.retain(|(number, at)| {
            number + UNEXPLAINED_ANSWERS > answers || now.saturating_sub(*at) < UNEXPLAINED_TIME
        });
        match self.phase {
            Phase::Below(below)
                if below.is_searching() && self.unexplained.len() <= UNEXPLAINED_FEW =>
            {
                SEARCHING_MARGIN
            }
            _ => MARGIN,
        }
    }

    /// Notes a request without an answer in time.
    pub(super) fn timed_out(&mut self, now: Duration) {
        if self.good_since_timeout >= GOOD_BETWEEN {
            self.timeouts.clear();
        }
        self.good_since_timeout = 0;
        self.timeouts
            .retain(|at| now.saturating_sub(*at) < TIMEOUTS_WITHIN);
        self.timeouts.push_back(now);
        if self.timeouts.len() >= TIMEOUTS && self.may_fall(now) {
            self.fall_by_half(now, STAY_AFTER_SILENCE);
        }
    }

    fn may_fall(&self, now: Duration) -> bool {
        self.fell_at
            .is_none_or(|at| now.saturating_sub(at) >= FALL_SPACING)
    }

    fn fall_by_half(&mut self, now: Duration, stay: Duration) {
        self.fell_at = Some(now);
        self.timeouts.clear();
        self.estimate = LimitEstimate::up_to(self.ceiling);
        let failed = self.rate;
        let rate = (AFTER_SILENCE * failed).max(SLOWEST);
        self.stay_below(failed * LIMIT_AFTER_SILENCE, rate, stay);
    }

    fn stay_below(&mut self, limit: f64, rate: f64, stay: Duration) {
        let slowest = if limit > SLOWEST_UNPROVEN * SLOWEST {
            SLOWEST
        } else {
            SLOWEST_OF_ALL
        };
        self.rate = rate.max(slowest).min(self.ceiling);
        self.phase = Phase::Below(Below {
            limit: limit.max(slowest),
            base: self.rate,
            used: Duration::ZERO,
            stay,
        });
    }
}

impl Below {
    fn is_searching(&self) -> bool {
        self.used > self.stay
    }

    /// The pace after so much time in use.
    fn rate(&self) -> f64 {
        let top = (BELOW_LIMIT * self.limit).max(self.base);
        if self.used <= self.stay {
            let returned = self.used.div_duration_f64(RETURN).min(1.0);
            return self.base + (top - self.base) * returned;
        }
        let doubled = self.used.saturating_sub(self.stay + SEARCH_STEADY);
        let factor = SEARCH_FACTOR * doubled.div_duration_f64(SEARCH_DOUBLES_IN).exp2();
        self.limit.max(top) * factor
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests;
