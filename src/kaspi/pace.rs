//! The pace of a shop's requests: Kaspi documents no limit and refuses what exceeds it (KASPI_API §6), so that the
//! pace finds the limit by itself. Pure; the clock's ticks are passed in.
//!
//! It doubles each second until the first sign of trouble. From then on it stays close below the limit that it knows,
//! and looks for a higher one after a while without trouble. A refusal says little by itself: Kaspi refuses at random
//! too, and whole bursts pass before a limit is noticed. What limit the answers before it prove is in [`Proven`].

use std::collections::VecDeque;
use std::time::Duration;

use super::slowness::Slowness;

/// The slowest pace, in requests a second: polls and sweeps must get through.
const SLOWEST: f64 = 2.0;
/// The part of the limit that is used after a refusal.
const AFTER_REFUSAL: f64 = 0.9;
/// The part of the pace that is left after silence or slowness.
const AFTER_SILENCE: f64 = 0.5;
/// The part of the limit that the pace returns to.
const BELOW_LIMIT: f64 = 0.97;
/// Each good answer adds so much while the pace doubles each second: the logarithm of 2.
const DOUBLING_STEP: f64 = std::f64::consts::LN_2;
/// Time in use over which the pace returns to just below the limit.
const RETURN: Duration = Duration::from_secs(15);
/// Time in use without trouble after which a higher limit is looked for.
const STAY: Duration = Duration::from_secs(40);
/// Time in which the pace then doubles.
const SEARCH_DOUBLES_IN: Duration = Duration::from_secs(4);
/// The pace falls no more often.
const FALL_SPACING: Duration = Duration::from_secs(1);
/// Refusals in a row that agree on a limit far below the pace.
const AGREEING: usize = 3;
/// Limits that differ by no more than this factor agree.
const AGREEMENT: f64 = 1.25;
/// So many refusals in a row with no more good answers before each of them are a limit's, however its small numbers
/// differ: refusals at random are rarer.
const FEW_BETWEEN: usize = 3;
const CROWDED: usize = 4;
/// A limit this close to the pace, or to the known one, is the same.
const SAME: f64 = 0.85;
/// A refusal that proves nothing brings the next search closer: where Kaspi refuses at random, the pace must not stay
/// below a limit that nothing proves.
const UNPROVEN_BRINGS: Duration = Duration::from_secs(10);
/// Requests without an answer that count as a sign, unless [`GOOD_BETWEEN`] good answers lie between them.
const TIMEOUTS: u32 = 3;
const GOOD_BETWEEN: u32 = 50;
/// The pace limits requests while one had to wait for it within this time.
const IN_USE: Duration = Duration::from_secs(1);

/// The pace, and what it has learned.
#[derive(Debug)]
pub(super) struct Pace {
    ceiling: f64,
    rate: f64,
    phase: Phase,
    proven: Proven,
    slowness: Slowness,
    /// When the pace last fell.
    fell_at: Option<Duration>,
    /// When a request last had to wait for its turn.
    waited_at: Option<Duration>,
    answered_at: Option<Duration>,
    timeouts: u32,
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
    /// The pace before refusals that agreed brought it down. A refusal that contradicts them restores it.
    restored_to: Option<f64>,
}

impl Pace {
    pub(super) fn new(start: f64, ceiling: f64) -> Self {
        Self {
            ceiling,
            rate: start.min(ceiling),
            phase: Phase::Doubling,
            proven: Proven::default(),
            slowness: Slowness::default(),
            fell_at: None,
            waited_at: None,
            answered_at: None,
            timeouts: 0,
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

    /// Notes a good answer that took so long.
    pub(super) fn answered(&mut self, now: Duration, took: Duration) {
        self.proven.add(now);
        self.good_since_timeout = self.good_since_timeout.saturating_add(1);
        if self.good_since_timeout >= GOOD_BETWEEN {
            self.timeouts = 0;
        }
        let since_last = self
            .answered_at
            .map_or(Duration::ZERO, |at| now.saturating_sub(at));
        self.answered_at = Some(now);
        if self.slowness.is_slow(now, took) && self.may_fall(now) {
            self.fall_by_half(now);
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

    /// Notes that Kaspi refused a request as one too many.
    pub(super) fn refused(&mut self, now: Duration) {
        if !self.may_fall(now) {
            return;
        }
        self.fell_at = Some(now);
        self.timeouts = 0;
        let proven = self.proven.refused(now);
        let Phase::Below(mut below) = self.phase else {
            self.stay_below(self.rate, AFTER_REFUSAL * self.rate);
            return;
        };
        if self.rate >= below.limit * 0.99 && proven >= SAME * below.limit {
            // It was looking for a higher limit, and found one.
            self.proven.limits.clear();
            self.stay_below(proven, AFTER_REFUSAL * proven.min(self.rate));
        } else if let Some(limit) = self.proven.agreed_limit(self.rate) {
            let restored_to = Some(self.rate);
            self.stay_below(limit, AFTER_REFUSAL * limit);
            if let Phase::Below(below) = &mut self.phase {
                below.restored_to = restored_to;
            }
        } else if let Some(before) = below.restored_to {
            // Below the agreed limit nothing is refused: it was chance that they agreed.
            self.proven.limits.clear();
            self.stay_below(before, before);
        } else if below.used > STAY {
            below.limit = below.limit.max(AFTER_REFUSAL * self.rate);
            below.base = (AFTER_REFUSAL * self.rate).max(BELOW_LIMIT * below.limit);
            below.used = STAY.saturating_sub(UNPROVEN_BRINGS);
            self.phase = Phase::Below(below);
            self.rate = below.rate().min(self.ceiling);
        } else {
            below.used += UNPROVEN_BRINGS;
            self.phase = Phase::Below(below);
        }
    }

    /// Notes a request without an answer in time.
    pub(super) fn timed_out(&mut self, now: Duration) {
        self.timeouts += 1;
        self.good_since_timeout = 0;
        if self.timeouts >= TIMEOUTS && self.may_fall(now) {
            self.fall_by_half(now);
        }
    }

    fn may_fall(&self, now: Duration) -> bool {
        self.fell_at
            .is_none_or(|at| now.saturating_sub(at) >= FALL_SPACING)
    }

    fn fall_by_half(&mut self, now: Duration) {
        self.fell_at = Some(now);
        self.timeouts = 0;
        self.proven = Proven::default();
        let failed = self.rate;
        self.stay_below(failed * 0.75, AFTER_SILENCE * failed);
    }

    fn stay_below(&mut self, limit: f64, rate: f64) {
        self.rate = rate.max(SLOWEST).min(self.ceiling);
        self.phase = Phase::Below(Below {
            limit: limit.max(SLOWEST),
            base: self.rate,
            used: Duration::ZERO,
            restored_to: None,
        });
    }
}

impl Below {
    /// The pace after so much time in use.
    fn rate(&self) -> f64 {
        let top = (BELOW_LIMIT * self.limit).max(self.base);
        if self.used <= STAY {
            let returned = self.used.div_duration_f64(RETURN).min(1.0);
            return self.base + (top - self.base) * returned;
        }
        let searched = self.used.saturating_sub(STAY);
        self.limit.max(top) * searched.div_duration_f64(SEARCH_DOUBLES_IN).exp2()
    }
}

/// What limits the answers before refusals prove.
#[derive(Debug, Default)]
struct Proven {
    /// Good answers since the last refusal.
    good: VecDeque<Duration>,
    /// The limits that the last refusals proved, and by how many good answers.
    limits: VecDeque<(f64, usize)>,
}

impl Proven {
    /// How far back it looks, and a bound of its memory.
    const SPAN: Duration = Duration::from_secs(20);
    const MAX: usize = 2_000;

    fn add(&mut self, now: Duration) {
        while self.good.len() >= Self::MAX
            || self
                .good
                .front()
                .is_some_and(|at| now.saturating_sub(*at) > Self::SPAN)
        {
            self.good.pop_front();
        }
        self.good.push_back(now);
    }

    /// A limit lets a burst of a second pass. So with n good answers in the last t seconds it is at least n / (t + 1),
    /// and where it has just been reached, the highest such value is about the limit itself.
    fn refused(&mut self, now: Duration) -> f64 {
        let mut highest = 0.0_f64;
        for (at, n) in self.good.iter().rev().zip(1_u32..) {
            let span = now.saturating_sub(*at).as_secs_f64();
            highest = highest.max(f64::from(n) / (span + 1.0));
        }
        let good = self.good.len();
        self.good.clear();
        if self.limits.len() >= CROWDED {
            self.limits.pop_front();
        }
        self.limits.push_back((highest, good));
        highest
    }

    /// The limit that the last refusals agree on, where it is far below this pace.
    fn agreed_limit(&self, rate: f64) -> Option<f64> {
        let last = self.limits.iter().rev().take(AGREEING);
        let limits = last.map(|(limit, _)| *limit);
        let highest = limits.clone().fold(0.0, f64::max);
        let lowest = limits.fold(f64::INFINITY, f64::min);
        let is_close = self.limits.len() >= AGREEING && highest < AGREEMENT * lowest;
        let are_few = self.limits.iter().all(|(_, good)| *good <= FEW_BETWEEN);
        let agree = is_close || (self.limits.len() >= CROWDED && are_few);
        (agree && highest < SAME * rate).then_some(highest)
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a test may fail loudly")]
mod tests;
