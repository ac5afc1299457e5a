//! Everything that a decision is made from, gathered at one moment and stored with the decision.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::availability::{Bound, Coverage, Possible};
use super::candidate::Sent;
pub use super::counters::Counters;
use super::evidence::Evidence;
use super::ids::{Account, OrderId, ShopName, Sku};
use super::order::{Line, Order, UnitType};
use super::stock::{Level, LineStock, UnknownStock};
use super::unaccounted::Wanted;
use crate::mutant::mutant;

/// A line with the stock seen for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFacts {
    /// What was ordered.
    pub line: Line,
    /// Its stock.
    pub stock: LineStock,
    /// Units the whole order wants from the same level: two lines may name one SKU.
    pub wanted: i64,
    /// What it is in the warehouse, where that is another SKU: one part is an alias, several are a kit. The stock
    /// above then counts what can be put together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

/// What one unit of a line takes from the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its SKU there.
    pub sku: Sku,
    /// Units of it in one of the line's.
    pub each: i64,
    /// Its stock.
    pub stock: LineStock,
    /// Units the whole order wants from that level.
    pub wanted: i64,
}

fn counted_at(stock: &LineStock) -> Option<Timestamp> {
    match stock {
        LineStock::Known(level) => Some(level.as_of),
        LineStock::Unknown(_) => None,
    }
}

impl LineFacts {
    /// Units an accept lacks if every unit in doubt is gone, 0 when covered; `None` while the stock is unknown.
    pub fn shortage_for_accept(&self) -> Option<i64> {
        self.shortage_at(Bound::Certain)
    }

    /// Units a cancel can rest on: missing even if every unit in doubt is there; `None` while nothing bounds that.
    pub fn shortage_for_cancel(&self) -> Option<i64> {
        self.shortage_at(Bound::Possible)
    }

    /// Units missing by that bound, 0 when covered; `None` while the stock is unknown.
    pub fn shortage_at(&self, bound: Bound) -> Option<i64> {
        if self.parts.is_empty() {
            return missing(&self.stock, self.wanted, bound);
        }
        let mut short = 0;
        for part in &self.parts {
            let units = missing(&part.stock, part.wanted, bound)?;
            // A kit that lacks one of its parts is missing.
            short = short.max(units.saturating_add(part.each - 1) / part.each.max(1));
        }
        Some(short)
    }

    /// Whether the units are there.
    pub fn coverage(&self) -> Coverage {
        if self.parts.is_empty() {
            return self.stock.interval().coverage(self.wanted);
        }
        let parts = self.parts.iter();
        let of = parts.map(|part| part.stock.interval().coverage(part.wanted));
        of.fold(Coverage::Covered, |kit, part| match (kit, part) {
            (Coverage::Missing, _) | (_, Coverage::Missing) => Coverage::Missing,
            (Coverage::InDoubt, _) | (_, Coverage::InDoubt) => Coverage::InDoubt,
            _ => Coverage::Covered,
        })
    }

    /// The levels it is taken from, with its SKU there and what the order wants of each.
    pub fn levels(&self) -> impl Iterator<Item = (&str, &Level, i64)> {
        let is_itself = self.parts.is_empty();
        let own = is_itself.then(|| (self.sku_or_mark(), &self.stock, self.wanted));
        let parts = self.parts.iter();
        let parts = parts.map(|part| (part.sku.as_str(), &part.stock, part.wanted));
        own.into_iter()
            .chain(parts)
            .filter_map(|(sku, stock, wanted)| match stock {
                LineStock::Known(level) => Some((sku, level, wanted)),
                LineStock::Unknown(_) => None,
            })
    }

    /// Whether fewer than `last_units` would be left of it or of one of its parts, or fewer than may have been accepted
    /// elsewhere unseen. The safety stock counts as left; where the stock is unknown, the answer is yes.
    fn takes_last_units(&self, last_units: i64) -> bool {
        let takes_last = |(_, level, wanted): (&str, &Level, i64)| {
            let there = level.available().saturating_add(level.safety_stock);
            let unseen = if mutant("r6_large_orders_forgotten") {
                0
            } else {
                level.recent_demand
            };
            there.saturating_sub(wanted) < last_units.max(unseen)
        };
        self.unknown().is_some() || self.levels().any(takes_last)
    }

    /// When its stock was counted, for a kit the part counted last; `None` while all of it is unknown.
    pub fn counted_at(&self) -> Option<Timestamp> {
        let parts = self.parts.iter().filter_map(|part| counted_at(&part.stock));
        parts.chain(counted_at(&self.stock)).max()
    }

    /// The SKU, or `?` where Kaspi gave none.
    pub fn sku_or_mark(&self) -> &str {
        self.line.sku.as_ref().map_or("?", Sku::as_str)
    }

    /// Whether nothing bounds how many of it there are.
    pub fn is_unbounded(&self) -> bool {
        self.stock.interval().possible == Possible::Unbounded
    }

    /// Why the stock is unknown, if it is.
    pub fn unknown(&self) -> Option<&UnknownStock> {
        match &self.stock {
            LineStock::Known(_) => None,
            LineStock::Unknown(why) => Some(why),
        }
    }

    /// Whether the line is weighed or measured, or of an unknown unit.
    pub fn is_measured(&self) -> bool {
        self.line.unit != UnitType::Pieces
    }
}

/// Units missing of a level; `None` while nothing is known of it, or nothing bounds it.
fn missing(stock: &LineStock, wanted: i64, bound: Bound) -> Option<i64> {
    let LineStock::Known(level) = stock else {
        return None;
    };
    let interval = level.interval();
    let units = match (bound, interval.possible) {
        (Bound::Certain, _) => interval.certain,
        (Bound::Possible, Possible::Bounded(units)) => units,
        (Bound::Possible, Possible::Unbounded) => return None,
    };
    Some((wanted - units.max(0)).max(0))
}

/// The lines with their stock, or why they are unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinesFacts {
    /// All lines.
    Known(Vec<LineFacts>),
    /// They could not be read.
    Unreadable(String),
}

impl LinesFacts {
    /// The SKUs that the lines take, and what those are in the warehouse; none while they are unreadable.
    pub fn wanted(&self) -> impl Iterator<Item = Wanted<'_>> + Clone {
        let lines = match self {
            Self::Known(lines) => lines.as_slice(),
            Self::Unreadable(_) => &[],
        };
        lines.iter().flat_map(|line| {
            let whole = line.line.sku.iter().map(|sku| (sku, &line.stock));
            let parts = line.parts.iter().map(|part| (&part.sku, &part.stock));
            whole.chain(parts).map(|(sku, stock)| Wanted {
                sku,
                counted_at: counted_at(stock),
            })
        })
    }
}

/// Since when a shortage of this order has been seen without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortageSeen {
    /// When a complete scan showed it first.
    pub since: Timestamp,
    /// Number of complete scans that showed it.
    pub scans: u32,
}

/// Many SKUs fell to zero at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collapse {
    /// SKUs that fell to zero in one import.
    pub fell: u64,
    /// SKUs above zero before it.
    pub had: u64,
    /// Source of that import.
    pub source: String,
    /// When it was imported.
    pub at: Timestamp,
}

/// The state of the shop as an order is decided.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ShopFacts {
    /// The shop's counts.
    pub counters: Counters,
    /// The import with the sharpest fall among those in force.
    pub collapse: Option<Collapse>,
    /// When Kaspi's orders were last read, and which are not accounted for.
    #[serde(default)]
    pub evidence: Evidence,
    /// When the database was restored from a backup, while Kaspi was not read completely since.
    #[serde(default)]
    pub restored_at: Option<Timestamp>,
    /// Kaspi's clock minus this machine's, in seconds; `None` before the first answer.
    pub clock_skew_s: Option<i64>,
    /// Why the shop is paused; `None` while it is not.
    pub paused: Option<String>,
    /// The shop's merchant account, once it is known.
    #[serde(default)]
    pub account: Option<Account>,
    /// Why it is in doubt whose orders the shop's token shows; `None` while it is not.
    #[serde(default)]
    pub mismatch: Option<String>,
}

/// All that a decision is made from; it is stored with the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its shop; `None` where rules are tried without one.
    #[serde(default)]
    pub shop: Option<ShopName>,
    /// The order.
    pub order: Order,
    /// When it was first seen; `None` where no interlock needs it.
    #[serde(default)]
    pub first_seen_at: Option<Timestamp>,
    /// Its lines with their stock.
    pub lines: LinesFacts,
    /// Since when it has been short.
    pub shortage: Option<ShortageSeen>,
    /// What was once sent for it: an accept is never followed by a cancel, nor the other way round.
    #[serde(default)]
    pub sent: Option<Sent>,
    /// Other orders of its shop with the same number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namesakes: Vec<OrderId>,
    /// The state of the shop.
    #[serde(rename = "around")]
    pub shop_facts: ShopFacts,
}

impl Facts {
    /// The lines, none while they are unreadable.
    pub fn lines(&self) -> &[LineFacts] {
        match &self.lines {
            LinesFacts::Known(lines) => lines,
            LinesFacts::Unreadable(_) => &[],
        }
    }

    /// Whether a line is short for certain, whatever is in doubt.
    pub fn is_short(&self) -> bool {
        self.lines()
            .iter()
            .any(|line| line.shortage_for_cancel().is_some_and(|units| units > 0))
    }

    /// Whether accepting the order leaves so few units of one of its lines that an order accepted elsewhere may have
    /// taken them (`last_units` 0: never).
    pub fn takes_last_units(&self, last_units: i64) -> bool {
        let takes_last = |line: &LineFacts| line.takes_last_units(last_units);
        last_units > 0 && self.lines().iter().any(takes_last)
    }

    /// Kaspi's time at `now` by this machine's clock: ages, deadlines and the hours of rules are by Kaspi's.
    pub fn by_kaspi(&self, now: Timestamp) -> Timestamp {
        if mutant("i4_deadline_by_own_clock") {
            return now;
        }
        let skew = self.shop_facts.clock_skew_s.unwrap_or_default();
        now.saturating_add(SignedDuration::from_secs(skew))
            .unwrap_or(now)
    }

    /// Time since the order could first be handled: its approval, or its creation.
    pub fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.order.waiting_since())
    }
}
