//! What a policy would have decided in the past: each stored decision is made again from its stored facts. Every
//! decision stands alone: units that would have gone to another order are not followed.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::decision::{Decision, decide};
use super::explanation::{of_decision, words};
use super::facts::Facts;
use super::policy::Policy;
use super::verdict::Verdict;

/// A decision that would be different.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Id of the stored decision.
    pub id: i64,
    /// When it was made.
    pub at: Timestamp,
    /// Its shop, where that is known.
    pub shop: String,
    /// The order's number.
    pub code: String,
    /// What was decided, in words, and the rule.
    pub was: (String, String),
    /// What would be decided, in words, and the rule.
    pub would: (String, String),
    /// Why it would be decided so.
    pub explanation: Vec<String>,
}

/// A replay in progress.
#[derive(Debug)]
pub struct Replay<'p> {
    policy: &'p Policy,
    /// Differences kept at most; all are counted.
    keep: usize,
    /// Decisions compared.
    pub compared: u64,
    /// Of those with the same verdict, how many another rule would have proposed.
    pub other_rule: u64,
    /// Number of decisions by the verdict that was and the verdict that would be.
    pub changes: BTreeMap<(&'static str, &'static str), u64>,
    /// The first ones that differ.
    pub differences: Vec<Difference>,
}

impl<'p> Replay<'p> {
    /// Starts a replay that keeps at most `keep` differences.
    pub const fn new(policy: &'p Policy, keep: usize) -> Self {
        Self {
            policy,
            keep,
            compared: 0,
            other_rule: 0,
            changes: BTreeMap::new(),
            differences: Vec::new(),
        }
    }

    /// Decides again what the stored decision `id` decided.
    pub fn look(&mut self, id: i64, facts: &Facts, was: &Decision, at: Timestamp) {
        self.compared += 1;
        let would = decide(facts, self.policy, at);
        if is_same(&was.verdict, &would.verdict) {
            self.other_rule += u64::from(was.rule != would.rule);
            return;
        }
        let change = (was.verdict.word(), would.verdict.word());
        *self.changes.entry(change).or_default() += 1;
        if self.differences.len() < self.keep {
            let summary = |decision: &Decision| (words(&decision.verdict), decision.rule.clone());
            self.differences.push(Difference {
                id,
                at,
                shop: facts
                    .shop
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                code: facts.order.code.to_string(),
                was: summary(was),
                would: summary(&would),
                explanation: of_decision(&would, facts, Some(self.policy), at),
            });
        }
    }

    /// Number of decisions that would be different.
    pub fn differ(&self) -> u64 {
        self.changes.values().sum()
    }
}

/// Whether two verdicts are the same, apart from times of waiting.
fn is_same(was: &Verdict, would: &Verdict) -> bool {
    match (was, would) {
        (Verdict::Wait { .. }, Verdict::Wait { .. }) => true,
        (was, would) => was == would,
    }
}
