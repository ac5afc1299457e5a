//! Interlocks dispose of what rules propose: fixed in code, one file each, never silently off.
//! They only ever turn a verdict into a hold or a wait, and all of them run, so that an
//! explanation shows every obstacle at once.

mod already_sent;
mod cancel_budget;
mod cancel_evidence;
mod clock_skew;
mod goods_there;
mod holders_read;
mod lines;
mod overdrawn;
mod paused;
mod rate_caps;
mod restored;
mod shortage_confirmed;
mod shortage_real;
mod status;
mod stock_age;
mod stock_collapse;
mod unknown_stock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decision::Verdict;
use super::facts::Facts;
use super::policy::Policy;

/// Which interlock spoke; the text form is stored, logged and documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Name {
    /// The order no longer waits for the merchant.
    Status,
    /// The other action was sent for it before.
    AlreadySent,
    /// Its lines could not be read, or hold weighed goods.
    Lines,
    /// Stock of a line is unknown.
    UnknownStock,
    /// Stock of a line is too old.
    StockAge,
    /// An accept of goods that are not there.
    GoodsThere,
    /// A cancel for stock that is there.
    ShortageReal,
    /// A shortage not yet seen for long enough.
    ShortageConfirmed,
    /// What accepted orders hold is not known well enough to accept.
    HoldersRead,
    /// Not every holder of the stock was read lately.
    CancelEvidence,
    /// Too large a share of orders cancelled.
    CancelBudget,
    /// Too many actions within an hour.
    RateCaps,
    /// Many SKUs fell to zero at once.
    StockCollapse,
    /// More was promised than there is.
    Overdrawn,
    /// Kaspi's clock and ours differ.
    ClockSkew,
    /// The database was put back from a copy and has not caught up.
    Restored,
    /// A person paused the shop.
    Paused,
}

impl Name {
    /// All, in the order in which they are asked.
    pub const ALL: [Self; 17] = [
        Self::Status,
        Self::AlreadySent,
        Self::Lines,
        Self::UnknownStock,
        Self::StockAge,
        Self::GoodsThere,
        Self::ShortageReal,
        Self::ShortageConfirmed,
        Self::HoldersRead,
        Self::CancelEvidence,
        Self::CancelBudget,
        Self::RateCaps,
        Self::StockCollapse,
        Self::Overdrawn,
        Self::ClockSkew,
        Self::Restored,
        Self::Paused,
    ];

    /// Whether the next sweep may be the answer, whatever stock says.
    pub const fn is_answered_by_a_sweep(self) -> bool {
        matches!(self, Self::HoldersRead | Self::CancelEvidence)
    }

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::AlreadySent => "already_sent",
            Self::Lines => "lines",
            Self::UnknownStock => "unknown_stock",
            Self::StockAge => "stock_age",
            Self::GoodsThere => "goods_there",
            Self::ShortageReal => "shortage_real",
            Self::ShortageConfirmed => "shortage_confirmed",
            Self::HoldersRead => "holders_read",
            Self::CancelEvidence => "cancel_evidence",
            Self::CancelBudget => "cancel_budget",
            Self::RateCaps => "rate_caps",
            Self::StockCollapse => "stock_collapse",
            Self::Overdrawn => "overdrawn",
            Self::ClockSkew => "clock_skew",
            Self::Restored => "restored",
            Self::Paused => "paused",
        }
    }
}

/// What an objection turns the verdict into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A hold.
    Hold,
    /// A wait.
    Wait {
        /// Until then.
        until: Timestamp,
    },
}

impl Effect {
    /// One word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Wait { .. } => "wait",
        }
    }
}

/// One interlock's objection, with its reason in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objection {
    /// Who objects.
    pub interlock: Name,
    /// What follows.
    pub effect: Effect,
    /// Why, with the figures it rests on.
    pub why: String,
}

impl Objection {
    #[expect(clippy::unnecessary_wraps, reason = "every check ends in one")]
    fn hold(interlock: Name, why: String) -> Option<Self> {
        Some(Self {
            interlock,
            effect: Effect::Hold,
            why,
        })
    }

    #[expect(clippy::unnecessary_wraps, reason = "every check ends in one")]
    fn wait(interlock: Name, until: Timestamp, why: String) -> Option<Self> {
        Some(Self {
            interlock,
            effect: Effect::Wait { until },
            why,
        })
    }
}

/// One interlock: what it looks at and what it may answer.
type Check = fn(&Facts, &Policy, &Verdict, Timestamp) -> Option<Objection>;

const CHECKS: [Check; 17] = [
    status::check,
    already_sent::check,
    lines::check,
    unknown_stock::check,
    stock_age::check,
    goods_there::check,
    shortage_real::check,
    shortage_confirmed::check,
    holders_read::check,
    cancel_evidence::check,
    cancel_budget::check,
    rate_caps::check,
    stock_collapse::check,
    overdrawn::check,
    clock_skew::check,
    restored::check,
    paused::check,
];

/// Runs every interlock against what the rules propose. A proposal to hold or wait needs none.
pub fn check_all(
    facts: &Facts,
    policy: &Policy,
    proposed: &Verdict,
    now: Timestamp,
) -> Vec<Objection> {
    if matches!(proposed, Verdict::Hold | Verdict::Wait { .. }) {
        return Vec::new();
    }
    CHECKS
        .iter()
        .filter_map(|check| check(facts, policy, proposed, now))
        .collect()
}

/// Whether the proposal cancels because stock is said to be short.
const fn cancels_for_stock(proposed: &Verdict) -> bool {
    use super::decision::CancelReason;
    matches!(
        proposed,
        Verdict::Cancel {
            reason: CancelReason::MerchantOutOfStock,
            ..
        }
    )
}

const fn cancels(proposed: &Verdict) -> bool {
    matches!(proposed, Verdict::Cancel { .. })
}
