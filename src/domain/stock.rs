//! The stock of one SKU at one moment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::availability::{Doubt, Interval, Possible};
use super::ids::Sku;
pub use super::semantics::Semantics;
use crate::mutant::mutant;

/// The stock of shops that name none.
pub const STOCK_DEFAULT: &str = "main";

/// The units that a source gives for an SKU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnHand {
    /// So many.
    Exactly(u32),
    /// So many or more, such as `>50`: enough for an accept of as many, and never a reason to cancel.
    AtLeast(u32),
    /// A number below zero.
    Negative,
    /// No number, one that is not understood, or a contradiction.
    Unknown,
}

impl OnHand {
    /// The units that are there for certain; `None` where that is unknown.
    pub const fn units(self) -> Option<u32> {
        match self {
            Self::Exactly(units) | Self::AtLeast(units) => Some(units),
            Self::Negative | Self::Unknown => None,
        }
    }
}

/// One row of a stock source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockRow {
    /// The SKU.
    pub sku: Sku,
    /// The warehouse, empty for the common pool.
    pub warehouse: String,
    /// Units, as the source gives them.
    pub on_hand: OnHand,
    /// When it was counted.
    pub as_of: Timestamp,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Rows taken.
    pub rows: usize,
    /// Rows older than what was already known, left out.
    pub older: usize,
    /// Levels that had some before, of those this source gave or gives: what it may lose at once. At its
    /// first import, of all.
    pub had: i64,
    /// Of those, levels that fell to none.
    pub fell: i64,
    /// Rows without a usable number.
    pub unknown: usize,
    /// Levels that came from this source before and are not in it any more.
    pub absent: i64,
}

/// What is known of one SKU at one warehouse. The ledger never clips: `available` may be negative.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Warehouse the number is for; empty means the shop's one common pool.
    pub warehouse: String,
    /// Units, as the source gave them.
    pub on_hand: i64,
    /// Units promised to orders that Kaspi shows as accepted.
    pub reserved_confirmed: i64,
    /// Units promised to orders whose accept is not yet seen in Kaspi, and units that left the shelf,
    /// or were taken off by the source, at an unknown time near the count.
    pub reserved_pending: i64,
    /// Units that may be there besides: given back after the count, in the common pool, or listed by another
    /// source. They are not promised, and they are no ground for a cancel.
    #[serde(default)]
    pub returned: i64,
    /// Whether nothing bounds what may be there besides.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unbounded: bool,
    /// Units that may have been accepted elsewhere since the last sweep, as the orders of the last 30 days show.
    #[serde(default)]
    pub recent_demand: i64,
    /// Units never to be sold.
    pub safety_stock: i64,
    /// When it was counted.
    pub as_of: Timestamp,
    /// Where it came from.
    pub source: String,
    /// Why units are in doubt; the first [`DOUBTS_MAX`] of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}

/// Doubts that a level names: each decision stores them, and more would not be read.
pub const DOUBTS_MAX: usize = 20;

impl Level {
    /// Units promised.
    pub fn reserved(&self) -> i64 {
        self.reserved_confirmed
            .saturating_add(self.reserved_pending)
    }

    /// `on_hand − reserved − safety_stock`; may be negative (R9).
    pub fn available(&self) -> i64 {
        self.on_hand
            .saturating_sub(self.reserved())
            .saturating_sub(self.safety_stock)
    }

    /// What is available: between what is certain and what is possible. The safety stock is never promised, and
    /// it is there.
    pub fn interval(&self) -> Interval {
        let certain = self.available();
        let uncertain = self.reserved_pending.saturating_add(self.returned);
        let possible = if self.is_unbounded {
            Possible::Unbounded
        } else if mutant("r8_pending_is_certain") {
            Possible::Bounded(certain)
        } else {
            let most = certain.saturating_add(uncertain);
            Possible::Bounded(most.saturating_add(self.safety_stock))
        };
        Interval { certain, possible }
    }

    /// Whether more is promised for certain than can lie there: a figure is wrong, or people sold too much.
    pub fn is_overdrawn(&self) -> bool {
        is_overdrawn(self.on_hand, self.reserved_confirmed, self.returned) && !self.is_unbounded
    }
}

/// Whether so many units promised for certain are more than can lie there: those on hand, and those that may be there
/// besides.
pub fn is_overdrawn(on_hand: i64, promised: i64, besides: i64) -> bool {
    promised > on_hand.max(0).saturating_add(besides)
}

/// The stock of one line: known, or unknown with the reason. Unknown is never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineStock {
    /// A level applies to this line.
    Known(Level),
    /// Nothing is known.
    Unknown(UnknownStock),
}

impl LineStock {
    /// What is available; of unknown stock, nothing for certain and any number perhaps.
    pub fn interval(&self) -> Interval {
        match self {
            Self::Known(level) => level.interval(),
            Self::Unknown(_) => Interval::UNKNOWN,
        }
    }
}

/// Why the stock of a line is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum UnknownStock {
    /// Kaspi gave no SKU.
    #[error("Kaspi gave no SKU for this line")]
    NoSku,
    /// The SKU is in no stock source.
    #[error("SKU {0} is in no stock source")]
    NotListed(Sku),
    /// The SKU is in no stock source, and one that looks like it is.
    #[error(
        "SKU {sku} is in no stock source, but {near} is: if it is the same goods, map it with `qabyl stock map` or write it alike"
    )]
    NearlyListed {
        /// The SKU.
        sku: Sku,
        /// What is listed, with commas between.
        near: String,
    },
    /// The SKU is listed for other warehouses alone.
    #[error("SKU {sku} is listed for {listed} only, and the order leaves from {wanted}")]
    OtherWarehouse {
        /// The SKU.
        sku: Sku,
        /// Where it is listed.
        listed: String,
        /// Where the order leaves from.
        wanted: String,
    },
    /// The source gave no usable number.
    #[error("the source gave no usable number for SKU {0}")]
    NoNumber(Sku),
    /// Sources of the same priority disagree.
    #[error(
        "the sources differ about SKU {sku}: {listed}; set their `priority`, or count it by hand"
    )]
    SourcesDiffer {
        /// The SKU.
        sku: Sku,
        /// Each source with its number.
        listed: String,
    },
}
