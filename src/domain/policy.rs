//! The merchant's rules and limits as one value that a decision is made under.

use jiff::SignedDuration;
use serde::Serialize;

use super::rules::Rules;
use super::schedule::Schedule;

/// The interlocks' limits (DESIGN §8); `None` means the merchant switched that one off.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// A shortage must have been seen for this long before it cancels.
    pub cancel_confirm_after: Option<SignedDuration>,
    /// Largest share of cancelled among decided orders, 0..=1.
    pub cancel_budget_share: Option<f64>,
    /// The share counts from this many decided orders on.
    pub cancel_budget_from: u64,
    /// Cancels allowed within an hour.
    pub cancels_per_hour_max: Option<u64>,
    /// Accepts allowed within an hour.
    pub accepts_per_hour_max: Option<u64>,
    /// Oldest stock level that may be acted on.
    pub stock_max_age: Option<SignedDuration>,
    /// Share of SKUs falling to zero in one import from which the feed is held to be broken.
    pub stock_collapse_share: Option<f64>,
    /// Oldest complete sweep, from its first request, on which anything may rest.
    pub sweep_max_age: SignedDuration,
    /// How long ago the sweep on which a cancel rests may have ended.
    pub cancel_sweep_age_max: SignedDuration,
    /// The same for an accept of the last units.
    pub accept_sweep_age_max: SignedDuration,
    /// An accept that leaves fewer units than this takes the last ones.
    pub last_units: i64,
    /// A shortage that rests on what is not known, as on an accept not read back yet, is a person's matter
    /// after this: the buyer must not wait for what may never come.
    pub doubt_max: SignedDuration,
    /// Largest difference between Kaspi's clock and ours under which a cancel may be decided.
    pub clock_skew_max: SignedDuration,
    /// Time a shop has to accept or cancel, from the approval (KASPI_API §3).
    pub schedule: Schedule,
}

impl Default for Limits {
    /// The safe ones.
    fn default() -> Self {
        Self {
            cancel_confirm_after: Some(SignedDuration::from_mins(10)),
            cancel_budget_share: Some(0.04),
            cancel_budget_from: 50,
            cancels_per_hour_max: Some(10),
            accepts_per_hour_max: None,
            stock_max_age: Some(SignedDuration::from_hours(12)),
            stock_collapse_share: Some(0.5),
            sweep_max_age: SignedDuration::from_mins(5),
            cancel_sweep_age_max: SignedDuration::from_secs(5),
            accept_sweep_age_max: SignedDuration::from_secs(10),
            last_units: 5,
            doubt_max: SignedDuration::from_mins(15),
            clock_skew_max: SignedDuration::from_mins(5),
            schedule: Schedule::default(),
        }
    }
}

/// What a decision is made under. Its digest is stored with each decision.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The merchant's ordered rules.
    pub rules: Rules,
    /// The interlocks' limits.
    pub limits: Limits,
    digest: String,
}

impl Policy {
    /// Joins rules and limits; `digest` names them, and changes whenever either does.
    pub fn new(rules: Rules, limits: Limits, digest: String) -> Self {
        Self {
            rules,
            limits,
            digest,
        }
    }

    /// Names this policy in stored decisions.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}
