//! Which limit of requests explains Kaspi's answers. Pure; the clock's ticks are passed in.
//!
//! Each limit that Kaspi may have is a hypothesis: a token bucket that holds a burst of one second, filled and emptied
//! by the requests that were sent. An answer weighs against a hypothesis as much as it is unlikely under it (its
//! logarithm). Old evidence fades, since limits change. A refusal at random contradicts all of them alike, so that only
//! refusals that come when a bucket is empty, and not before, make a limit believed.

use std::time::Duration;

/// The lowest limit that is considered, in requests a second, and the factor from one to the next.
const LOWEST: f64 = 0.5;
const STEP: f64 = 1.03;
/// The part of answers that are refusals at random, and of good ones from a bucket that was thought empty.
const REFUSED_BY_CHANCE: f64 = 0.02;
const GOOD_FROM_EMPTY: f64 = 0.02;
/// Nothing weighs more against a hypothesis: some three refusals turn what is believed.
const AGAINST_MAX: f64 = 12.0;
/// Evidence loses two thirds of its weight in this time, in seconds.
const FADES_IN: f64 = 45.0;
/// Limits that explain the answers almost as well as the best one: the highest of them is believed.
const ALIKE: f64 = 0.5;
/// How exactly the content of a bucket is known, in requests: they take differently long to arrive.
const UNCERTAIN: f64 = 0.7;
const UNCERTAIN_PART: f64 = 0.05;

/// Limits, and what speaks against each.
#[derive(Debug)]
pub(super) struct LimitEstimate {
    hypotheses: Vec<Hypothesis>,
    noted_at: Option<Duration>,
}

#[derive(Debug)]
struct Hypothesis {
    limit: f64,
    content: f64,
    /// What speaks against it.
    against: f64,
}

impl Hypothesis {
    /// How exactly its content is known, in requests.
    fn uncertain(&self) -> f64 {
        UNCERTAIN + UNCERTAIN_PART * self.limit
    }

    /// How likely a request is refused.
    fn refuses(&self) -> f64 {
        let empty = ((1.0 - self.content) / self.uncertain()).clamp(0.0, 1.0);
        REFUSED_BY_CHANCE + (1.0 - GOOD_FROM_EMPTY - REFUSED_BY_CHANCE) * empty
    }
}

impl LimitEstimate {
    /// Of limits up to this pace, and a little above.
    pub(super) fn up_to(highest: f64) -> Self {
        let limits = std::iter::successors(Some(LOWEST), |limit| Some(limit * STEP));
        let hypotheses = limits
            .take_while(|limit| *limit <= highest * STEP * STEP)
            .map(|limit| Hypothesis {
                limit,
                content: limit.max(1.0),
                against: 0.0,
            });
        Self {
            hypotheses: hypotheses.collect(),
            noted_at: None,
        }
    }

    fn pass_until(&mut self, now: Duration) {
        let before = self.noted_at.unwrap_or(now);
        let span = now.saturating_sub(before).as_secs_f64();
        self.noted_at = Some(now.max(before));
        let fades = (-span / FADES_IN).exp();
        for hypothesis in &mut self.hypotheses {
            let filled = hypothesis.content + hypothesis.limit * span;
            hypothesis.content = filled.min(hypothesis.limit.max(1.0));
            hypothesis.against *= fades;
        }
    }

    /// Notes that a request sent at this time was not refused.
    pub(super) fn served(&mut self, sent_at: Duration) {
        self.pass_until(sent_at);
        for hypothesis in &mut self.hypotheses {
            hypothesis.against -= (1.0 - hypothesis.refuses()).ln();
            let lowest = (1.0 - hypothesis.uncertain()).min(0.0);
            hypothesis.content = (hypothesis.content - 1.0).max(lowest);
        }
        self.keep_bounds();
    }

    /// Notes that a request sent at this time was refused.
    pub(super) fn refused(&mut self, sent_at: Duration) {
        self.pass_until(sent_at);
        for hypothesis in &mut self.hypotheses {
            hypothesis.against -= hypothesis.refuses().ln();
        }
        self.keep_bounds();
    }

    /// What is known is how hypotheses differ.
    fn keep_bounds(&mut self) {
        let least = self.hypotheses.iter().map(|one| one.against);
        let least = least.fold(f64::INFINITY, f64::min);
        for hypothesis in &mut self.hypotheses {
            hypothesis.against = (hypothesis.against - least).min(AGAINST_MAX);
        }
    }

    /// The limit up to this pace that explains the answers better than chance does, by so much at least.
    pub(super) fn limit_below(&self, pace: f64, margin: f64) -> Option<f64> {
        let least = |against: f64, one: &Hypothesis| against.min(one.against);
        let split = self.hypotheses.partition_point(|one| one.limit <= pace);
        let (below, above) = self.hypotheses.split_at(split);
        // Without any limit, a refusal is as unexpected as with a high one.
        let chance = above.iter().fold(AGAINST_MAX, least);
        let best = below.iter().fold(f64::INFINITY, least);
        if best + margin > chance {
            return None;
        }
        let mut alike = below.iter().rev().filter(|one| one.against <= best + ALIKE);
        alike.next().map(|one| one.limit)
    }
}
