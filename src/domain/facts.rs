//! Everything a decision looks at, gathered at one moment and stored with the decision.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::{ShopName, Sku};
use super::order::{Line, Order, UnitType};
use super::stock::{Level, LineStock, UnknownStock};

/// A line with the stock seen for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFacts {
    /// What was ordered.
    pub line: Line,
    /// What was known of its stock.
    pub stock: LineStock,
    /// Units the whole order wants from the same level: two lines may name one SKU.
    pub wanted: i64,
    /// What it is in the warehouse, where that is something else: one part is an alias, several are a
    /// kit. The stock above then counts what can be put together.
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
    /// What was known of its stock.
    pub stock: LineStock,
    /// Units the whole order wants from that level.
    pub wanted: i64,
}

/// Units missing of a level, by what is there.
fn missing(stock: &LineStock, wanted: i64, there: impl Fn(&Level) -> i64) -> Option<i64> {
    match stock {
        LineStock::Known(level) => Some((wanted - there(level).max(0)).max(0)),
        LineStock::Unknown(_) => None,
    }
}

impl LineFacts {
    /// Units missing, 0 when covered; `None` while the stock is unknown.
    pub fn shortage(&self) -> Option<i64> {
        self.short(Level::available)
    }

    /// Units missing even if no accept still under way took effect.
    pub fn certain_shortage(&self) -> Option<i64> {
        self.short(Level::available_at_most)
    }

    fn short(&self, there: impl Fn(&Level) -> i64) -> Option<i64> {
        if self.parts.is_empty() {
            return missing(&self.stock, self.wanted, there);
        }
        let mut short = 0;
        for part in &self.parts {
            let units = missing(&part.stock, part.wanted, &there)?;
            // A kit that lacks one of its parts is a kit less.
            short = short.max(units.saturating_add(part.each - 1) / part.each.max(1));
        }
        Some(short)
    }

    /// Units that are left of it, or of the part with the fewest, once the order has its own; those kept back
    /// are counted too. `None` while the stock is unknown.
    pub fn left_after(&self) -> Option<i64> {
        let left = |stock: &LineStock, wanted: i64| match stock {
            LineStock::Known(level) => {
                let there = level.available().saturating_add(level.safety_stock);
                Some(there.saturating_sub(wanted))
            }
            LineStock::Unknown(_) => None,
        };
        if self.parts.is_empty() {
            return left(&self.stock, self.wanted);
        }
        let parts = self.parts.iter();
        parts.map(|part| left(&part.stock, part.wanted)).min()?
    }

    /// The newest moment its stock speaks of, where that is known.
    pub fn counted_at(&self) -> Option<Timestamp> {
        let of = |stock: &LineStock| match stock {
            LineStock::Known(level) => Some(level.as_of),
            LineStock::Unknown(_) => None,
        };
        let parts = self.parts.iter().filter_map(|part| of(&part.stock));
        parts.chain(of(&self.stock)).max()
    }

    /// The SKU, or `?` where Kaspi gave none.
    pub fn sku_or_mark(&self) -> &str {
        self.line.sku.as_ref().map_or("?", Sku::as_str)
    }

    /// Why the stock is unknown, if it is.
    pub fn unknown(&self) -> Option<&UnknownStock> {
        match &self.stock {
            LineStock::Known(_) => None,
            LineStock::Unknown(why) => Some(why),
        }
    }

    /// Whether the line is weighed or measured, or of a unit not known here.
    pub fn is_measured(&self) -> bool {
        self.line.unit != UnitType::Pieces
    }
}

/// The lines with their stock, or why they are not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinesFacts {
    /// All lines.
    Known(Vec<LineFacts>),
    /// They could not be read.
    Unreadable(String),
}

/// Counts over the shop's recent decisions, for the cancel budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Orders accepted or cancelled within the budget's window.
    pub decided: u64,
    /// Of those, cancelled by the merchant (or for the merchant, past the deadline).
    pub cancelled: u64,
    /// Cancels within the last hour, those still pending counted in.
    pub cancelled_last_hour: u64,
    /// Accepts within the last hour.
    pub accepted_last_hour: u64,
}

/// When a shortage of this order was seen, without a break since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortageSeen {
    /// First complete scan that showed it.
    pub since: Timestamp,
    /// Number of complete scans that showed it.
    pub scans: u32,
}

/// Many SKUs fell to zero at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collapse {
    /// SKUs that fell from some to none in one import.
    pub fell: u64,
    /// SKUs that had some before it.
    pub had: u64,
    /// Source of that import.
    pub source: String,
    /// When it came in.
    pub at: Timestamp,
}

/// What is known of the world around the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// The shop's counts.
    pub counters: Counters,
    /// The worst import that is still in force, if any fell sharply.
    pub collapse: Option<Collapse>,
    /// When every holder of stock was last read completely (a sweep of all accepted states).
    pub swept_at: Option<Timestamp>,
    /// When the last answer of that reading was in.
    #[serde(default)]
    pub swept_until: Option<Timestamp>,
    /// When the last answer was in of the last such reading that told what is over too, where that is another one.
    #[serde(default)]
    pub over_swept_until: Option<Timestamp>,
    /// When there was last an order accepted elsewhere, or gone from the list, whose lines were to be read
    /// before anything else is promised.
    #[serde(default)]
    pub unread_holder_at: Option<Timestamp>,
    /// When the database was put back from a copy, while Kaspi was not read again since.
    #[serde(default)]
    pub restored_at: Option<Timestamp>,
    /// Difference between Kaspi's clock and ours, in seconds; `None` before the first answer.
    pub clock_skew_s: Option<i64>,
    /// Who paused the shop and why, if it is paused.
    pub paused: Option<String>,
}

/// All that a decision looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its shop; decisions made before rules could name shops do not tell.
    #[serde(default)]
    pub shop: Option<ShopName>,
    /// The order.
    pub order: Order,
    /// When it was first seen; decisions made before that mattered do not tell.
    #[serde(default)]
    pub first_seen_at: Option<Timestamp>,
    /// Its lines with their stock.
    pub lines: LinesFacts,
    /// Its shortage's history.
    pub shortage: Option<ShortageSeen>,
    /// The action that was once sent for it, `accept` or `cancel`: never followed by the other.
    #[serde(default)]
    pub sent: Option<String>,
    /// The rest.
    pub around: Surroundings,
}

impl Counters {
    /// Orders decided and not cancelled.
    pub const fn accepted(&self) -> u64 {
        self.decided.saturating_sub(self.cancelled)
    }

    /// The share of cancelled among decided orders; 0 while none is decided.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of orders stay far below 2^52"
    )]
    pub fn cancelled_share(&self) -> f64 {
        if self.decided == 0 {
            return 0.0;
        }
        self.cancelled as f64 / self.decided as f64
    }
}

impl Facts {
    /// The lines, none while they are unreadable.
    pub fn lines(&self) -> &[LineFacts] {
        match &self.lines {
            LinesFacts::Known(lines) => lines,
            LinesFacts::Unreadable(_) => &[],
        }
    }

    /// Whether a line is known to be short.
    pub fn is_short(&self) -> bool {
        self.lines()
            .iter()
            .any(|line| line.shortage().is_some_and(|units| units > 0))
    }

    /// Whether accepting the order leaves fewer than `last_units` of one of its lines (0: never). Of unknown
    /// stock that is assumed.
    pub fn takes_last_units(&self, last_units: i64) -> bool {
        let takes_last = |line: &LineFacts| line.left_after() < Some(last_units);
        last_units > 0 && self.lines().iter().any(takes_last)
    }

    /// Time since the order could first be handled: its approval, or its creation.
    pub fn age(&self, now: Timestamp) -> jiff::SignedDuration {
        now.duration_since(self.order.waiting_since())
    }
}
