//! What comes out of deciding: a value that leaves nothing to choose when it is carried out.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::interlocks::{self, Effect, Objection};
use super::policy::Policy;

/// A reason Kaspi lets a merchant write (KASPI_API §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelReason {
    /// The goods are not there.
    MerchantOutOfStock,
    /// The buyer asked for it.
    BuyerCancellationByMerchant,
    /// The buyer cannot be reached.
    BuyerNotReachable,
}

impl CancelReason {
    /// All three.
    pub const ALL: [Self; 3] = [
        Self::MerchantOutOfStock,
        Self::BuyerCancellationByMerchant,
        Self::BuyerNotReachable,
    ];

    /// The wire's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MerchantOutOfStock => "MERCHANT_OUT_OF_STOCK",
            Self::BuyerCancellationByMerchant => "BUYER_CANCELLATION_BY_MERCHANT",
            Self::BuyerNotReachable => "BUYER_NOT_REACHABLE",
        }
    }

    /// Reads the wire's word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// Longest comment Kaspi takes with a cancel, in characters (KASPI_API §5).
pub const COMMENT_CHARS_MAX: usize = 1000;

/// What to do with an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Promise the goods.
    Accept,
    /// Refuse the order.
    Cancel {
        /// Why, in Kaspi's words.
        reason: CancelReason,
        /// What the buyer reads.
        comment: String,
    },
    /// Leave it to a person.
    Hold,
    /// Look again at that time.
    Wait {
        /// When.
        until: Timestamp,
    },
}

impl Verdict {
    /// One word: `accept`, `cancel`, `hold` or `wait`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Cancel { .. } => "cancel",
            Self::Hold => "hold",
            Self::Wait { .. } => "wait",
        }
    }
}

/// A decision with all its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do.
    pub verdict: Verdict,
    /// What was put to the interlocks: what the rule said, unless the deadline overruled it.
    pub proposed: Verdict,
    /// What the rule said, where the deadline overruled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overruled: Option<Verdict>,
    /// The rule that spoke.
    pub rule: String,
    /// Every interlock that objected, none hidden by another.
    pub objections: Vec<Objection>,
}

impl Decision {
    /// Whether the two say the same, times of waiting and the words of an objection aside: then
    /// nothing new is written.
    pub fn same_as(&self, other: &Self) -> bool {
        let same_verdict = match (&self.verdict, &other.verdict) {
            (Verdict::Wait { .. }, Verdict::Wait { .. }) => true,
            (mine, theirs) => mine == theirs,
        };
        same_verdict
            && self.rule == other.rule
            && self.proposed.word() == other.proposed.word()
            && self.deciding() == other.deciding()
    }

    /// The objections that made the verdict: all that hold, or else the one that waits longest. A wait
    /// beside them comes and goes with every reading.
    fn deciding(&self) -> Vec<interlocks::Name> {
        let holds = self.objections.iter().filter(|o| o.effect == Effect::Hold);
        let holds: Vec<_> = holds.map(|o| o.interlock).collect();
        if !holds.is_empty() {
            return holds;
        }
        let waits = self.objections.iter().filter_map(|o| match o.effect {
            Effect::Wait { until } => Some((until, o.interlock)),
            Effect::Hold => None,
        });
        let longest = waits.max_by_key(|(until, _)| *until);
        longest.map(|(_, name)| name).into_iter().collect()
    }
}

/// Decides one order: the first matching rule proposes, a near deadline may overrule what it holds or
/// lets wait, every interlock may turn the proposal into a hold or a wait. Pure, total, and the same for the same input.
pub fn decide(facts: &Facts, policy: &Policy, now: Timestamp) -> Decision {
    let (rule, said) = policy.rules.propose(facts, policy, now);
    let schedule = &policy.limits.schedule;
    let (proposed, overruled) = match schedule.overrule(&facts.order, &said, now) {
        Some(other) => (other, Some(said)),
        None => (said, None),
    };
    let objections = interlocks::check_all(facts, policy, &proposed, now);
    let verdict = settle(&proposed, &objections, now);
    Decision {
        verdict,
        proposed,
        overruled,
        rule: rule.to_owned(),
        objections,
    }
}

/// A hold outweighs a wait; the longest wait wins; nothing can turn back into an action.
fn settle(proposed: &Verdict, objections: &[Objection], now: Timestamp) -> Verdict {
    let mut verdict = proposed.clone();
    for objection in objections {
        verdict = match (objection.effect, verdict) {
            (Effect::Hold, _) | (Effect::Wait { .. }, Verdict::Hold) => Verdict::Hold,
            (Effect::Wait { until }, Verdict::Wait { until: other }) => Verdict::Wait {
                until: until.max(other),
            },
            (Effect::Wait { until }, _) => Verdict::Wait {
                until: until.max(now),
            },
        };
    }
    verdict
}
