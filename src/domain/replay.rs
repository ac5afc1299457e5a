//! What a policy would have made of decisions made before, each on the very facts it rested on. Units
//! that would have gone elsewhere are not followed: every decision is judged by itself.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::decision::{Decision, Verdict, decide};
use super::explanation::{of_decision, words};
use super::facts::Facts;
use super::policy::Policy;

/// A decision that would be another one.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Its row.
    pub id: i64,
    /// When it was made.
    pub at: Timestamp,
    /// Its shop, where that is known.
    pub shop: String,
    /// The number people say.
    pub code: String,
    /// What was decided, in words, and by which rule.
    pub was: (String, String),
    /// What would be decided, in words, and by which rule.
    pub would: (String, String),
    /// Why it would.
    pub explanation: Vec<String>,
}

/// A replay under way.
#[derive(Debug)]
pub struct Replay<'p> {
    policy: &'p Policy,
    /// Differences kept at most; all are counted.
    keep: usize,
    /// Decisions looked at.
    pub looked_at: u64,
    /// Of those with the same verdict, how many another rule would have spoken for.
    pub other_rule: u64,
    /// How many verdicts would turn into which: was, would be.
    pub changes: BTreeMap<(&'static str, &'static str), u64>,
    /// The first ones that differ.
    pub differences: Vec<Difference>,
}

impl<'p> Replay<'p> {
    /// Begins; `keep` differences are kept at most.
    pub const fn new(policy: &'p Policy, keep: usize) -> Self {
        Self {
            policy,
            keep,
            looked_at: 0,
            other_rule: 0,
            changes: BTreeMap::new(),
            differences: Vec::new(),
        }
    }

    /// Decides again what was decided as the row `id`.
    pub fn look(&mut self, id: i64, facts: &Facts, was: &Decision, at: Timestamp) {
        self.looked_at += 1;
        let would = decide(facts, self.policy, at);
        if is_same(&was.verdict, &would.verdict) {
            self.other_rule += u64::from(was.rule != would.rule);
            return;
        }
        let change = (was.verdict.word(), would.verdict.word());
        *self.changes.entry(change).or_default() += 1;
        if self.differences.len() < self.keep {
            let told = |decision: &Decision| (words(&decision.verdict), decision.rule.clone());
            self.differences.push(Difference {
                id,
                at,
                shop: facts
                    .shop
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                code: facts.order.code.to_string(),
                was: told(was),
                would: told(&would),
                explanation: of_decision(&would, facts, Some(self.policy), at),
            });
        }
    }

    /// Decisions that would be another one.
    pub fn differ(&self) -> u64 {
        self.changes.values().sum()
    }
}

/// Whether two verdicts say the same, times of waiting aside.
fn is_same(was: &Verdict, would: &Verdict) -> bool {
    match (was, would) {
        (Verdict::Wait { .. }, Verdict::Wait { .. }) => true,
        (was, would) => was == would,
    }
}
