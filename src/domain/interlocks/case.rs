//! What an interlock looks at, and what it finds.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::facts::Facts;
use crate::domain::ids::{OrderId, ShopName};
use crate::domain::limits::Limits;
use crate::domain::verdict::Verdict;

/// A proposal to accept or cancel an order, with all that is known of it.
pub(super) struct Case<'a> {
    pub(super) facts: &'a Facts,
    pub(super) limits: &'a Limits,
    pub(super) proposed: &'a Verdict,
    pub(super) now: Timestamp,
}

/// What an objection turns the verdict into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// A hold.
    Hold,
    /// A wait.
    Wait {
        /// When the order is decided again.
        until: Timestamp,
    },
}

impl Effect {
    /// `hold` or `wait`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Wait { .. } => "wait",
        }
    }
}

/// What answers an objection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// A sweep of accepted orders (and of the archive), with any result.
    Sweep,
    /// A sweep of this shop and of these others, at the same time: they sell from the same stock.
    GroupSweep(Vec<ShopName>),
    /// A reading of these orders, which may hold units and are not read yet.
    Orders(Vec<OrderId>),
    /// A reading of these other shops that share the stock: their sweeps bring it.
    OtherShops(Vec<ShopName>),
    /// The outcome of accepts that are under way, as a sweep shows it.
    Outcomes,
    /// The reading of everything that happened since the backup that was restored; a sweep does it.
    CatchUp,
    /// Stock that is imported or counted again.
    Stock,
    /// Time alone.
    Time,
    /// A person.
    Person,
}

impl Remedy {
    /// Whether any reading of Kaspi answers the objection.
    pub const fn is_reading(&self) -> bool {
        matches!(
            self,
            Self::Sweep | Self::GroupSweep(_) | Self::Orders(_) | Self::OtherShops(_)
        )
    }

    /// Whether a sweep brings it about.
    pub const fn comes_with_sweep(&self) -> bool {
        matches!(
            self,
            Self::Sweep | Self::GroupSweep(_) | Self::Orders(_) | Self::Outcomes | Self::CatchUp
        )
    }

    /// Other shops whose sweep it needs.
    pub fn swept_shops(&self) -> &[ShopName] {
        match self {
            Self::GroupSweep(shops) | Self::OtherShops(shops) => shops,
            _ => &[],
        }
    }

    /// What the order waits for, after "for".
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Sweep => "a sweep",
            Self::GroupSweep(_) => "sweeps of all shops of the stock",
            Self::Orders(_) => "orders to be read",
            Self::OtherShops(_) => "other shops to be read",
            Self::Outcomes => "accepts to be confirmed",
            Self::CatchUp => "the catch-up with Kaspi",
            Self::Stock => "new stock figures",
            Self::Time => "time to pass",
            Self::Person => "a person",
        }
    }
}

/// Why an interlock objects.
pub(super) struct Finding {
    pub(super) effect: Effect,
    pub(super) remedy: Remedy,
    /// The reason in words, with the figures it rests on; the merchant reads it.
    pub(super) why: String,
}

impl Finding {
    pub(super) const fn hold(remedy: Remedy, why: String) -> Self {
        Self {
            effect: Effect::Hold,
            remedy,
            why,
        }
    }

    pub(super) const fn wait(until: Timestamp, remedy: Remedy, why: String) -> Self {
        Self {
            effect: Effect::Wait { until },
            remedy,
            why,
        }
    }
}

impl Case<'_> {
    /// The moment so long after now.
    pub(super) fn after(&self, time: SignedDuration) -> Timestamp {
        self.now.saturating_add(time).unwrap_or(self.now)
    }

    /// The time since a moment.
    pub(super) fn age(&self, at: Timestamp) -> SignedDuration {
        self.now.duration_since(at)
    }
}
