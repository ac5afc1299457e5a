//! Which of the readings of an SKU are in force: several sources may list it, and people count by hand.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::stock::Semantics;
use super::stock_ledger::Listing;
use crate::mutant::mutant;

/// The source of what people count: `stock set`, and files imported by hand. No configured source has this name.
pub const BY_HAND: &str = "by hand";

/// How a configured source is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where sources list the same SKU, the higher wins.
    pub priority: i64,
    /// How late it books goods that left.
    pub posting_lag: SignedDuration,
    /// How late it takes accepted orders off, where its semantics are `available`.
    pub order_lag_max: SignedDuration,
}

/// Where a level comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A person counted it, or its source is no longer configured.
    Hand,
    /// A source that is read again and again.
    Standing(Standing),
}

/// What one source says of an SKU at one warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockReading {
    /// The stock that it lists; empty: that of every shop.
    pub stock: String,
    /// The number, its moment and its source.
    pub listing: Listing,
    /// What the number means.
    pub semantics: Semantics,
    /// Where it comes from.
    pub origin: Origin,
}

impl StockReading {
    /// How late its source books goods that left, and how late it takes accepted orders off. A count is at once.
    pub const fn lags(&self) -> (SignedDuration, SignedDuration) {
        match self.origin {
            Origin::Hand => (SignedDuration::ZERO, SignedDuration::ZERO),
            Origin::Standing(standing) => (standing.posting_lag, standing.order_lag_max),
        }
    }
}

/// What an SKU that a source no longer lists means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Absent {
    /// It is unknown how many there are.
    #[default]
    Unknown,
    /// There are none: the source leaves such rows out.
    Zero,
    /// As many as it last listed, until that is too old.
    Keep,
}

/// What a number below zero means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Negative {
    /// It is unknown how many there are.
    #[default]
    Unknown,
    /// There are none.
    Zero,
}

/// Of an SKU's readings that one shop sells from, those that count: what its own stock lists stands instead of what is
/// listed for every shop.
pub fn of_own_stock(mut readings: Vec<StockReading>) -> Vec<StockReading> {
    let lists_it = |reading: &StockReading| !reading.stock.is_empty();
    if readings.iter().any(lists_it) {
        readings.retain(lists_it);
    }
    readings
}

/// The readings of one SKU that are in force, at most one of each source and warehouse. Where several are left for a
/// warehouse, they differ.
///
/// A count by hand stands in for every reading of its warehouse that is older, until that source is read again. Of the
/// sources, those of the highest priority are in force. Readings that say the same are one, the newest, where they are of
/// one source or say that nothing is there: of two sources that list five each there may be ten.
pub fn in_force(readings: Vec<StockReading>) -> Vec<StockReading> {
    if readings.len() < 2 {
        return readings;
    }
    if mutant("r15_last_source_wins") {
        let mut last: BTreeMap<String, StockReading> = BTreeMap::new();
        for reading in readings {
            let place = reading.listing.warehouse.clone();
            let is_newer = |known: &StockReading| known.listing.as_of <= reading.listing.as_of;
            if last.get(&place).is_none_or(is_newer) {
                last.insert(place, reading);
            }
        }
        return last.into_values().collect();
    }
    let mut places: BTreeMap<String, Vec<StockReading>> = BTreeMap::new();
    for reading in readings {
        let place = reading.listing.warehouse.clone();
        places.entry(place).or_default().push(reading);
    }
    let mut ranked = Vec::new();
    for of_place in places.into_values() {
        ranked.extend(with_counts(of_place));
    }
    let highest = ranked.iter().filter_map(|(priority, _)| *priority).max();
    let mut chosen: Vec<StockReading> = Vec::new();
    for (priority, reading) in ranked {
        if priority.is_some() && priority < highest {
            continue;
        }
        match chosen.iter_mut().find(|known| agree(known, &reading)) {
            Some(known) if known.listing.as_of < reading.listing.as_of => *known = reading,
            Some(_) => {}
            None => chosen.push(reading),
        }
    }
    chosen
}

/// Each reading of one warehouse, or the count by hand in its place, with its priority; a count that stands in for
/// none has no priority.
fn with_counts(readings: Vec<StockReading>) -> Vec<(Option<i64>, StockReading)> {
    let (hand, standing): (Vec<_>, Vec<_>) = readings
        .into_iter()
        .partition(|reading| reading.origin == Origin::Hand);
    let hand = hand.into_iter().max_by_key(|count| count.listing.as_of);
    if standing.is_empty() {
        return hand.map(|hand| (None, hand)).into_iter().collect();
    }
    let in_place = |reading: StockReading| {
        let priority = match reading.origin {
            Origin::Standing(standing) => Some(standing.priority),
            Origin::Hand => None,
        };
        match &hand {
            Some(hand) if hand.listing.as_of >= reading.listing.as_of => (priority, hand.clone()),
            _ => (priority, reading),
        }
    };
    standing.into_iter().map(in_place).collect()
}

/// Whether two readings say the same, and of the same goods.
fn agree(one: &StockReading, other: &StockReading) -> bool {
    let is_one_stock = one.listing.source == other.listing.source
        || one.listing.on_hand == Some(0)
        || mutant("r15_equal_sources_are_one");
    is_one_stock
        && one.listing.warehouse == other.listing.warehouse
        && one.listing.on_hand == other.listing.on_hand
        && one.listing.is_at_least == other.listing.is_at_least
        && one.semantics == other.semantics
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::ids::Sku;

    fn reading(source: &str, priority: Option<i64>, on_hand: i64, minute: i64) -> StockReading {
        let lag = SignedDuration::ZERO;
        StockReading {
            stock: String::new(),
            listing: Listing {
                sku: Sku::new("A").unwrap(),
                warehouse: String::new(),
                on_hand: Some(on_hand),
                is_at_least: false,
                as_of: Some(Timestamp::from_second(1_764_000_000 + 60 * minute).unwrap()),
                source: source.to_owned(),
            },
            semantics: Semantics::Physical,
            origin: priority.map_or(Origin::Hand, |priority| {
                Origin::Standing(Standing {
                    priority,
                    posting_lag: lag,
                    order_lag_max: lag,
                })
            }),
        }
    }

    fn chosen(readings: &[StockReading]) -> Vec<(String, i64)> {
        let chosen = in_force(readings.to_vec()).into_iter();
        let mut chosen: Vec<(String, i64)> = chosen
            .map(|reading| (reading.listing.source, reading.listing.on_hand.unwrap()))
            .collect();
        chosen.sort();
        chosen
    }

    fn named(of: &[(&str, i64)]) -> Vec<(String, i64)> {
        of.iter()
            .map(|(name, n)| ((*name).to_owned(), *n))
            .collect()
    }

    #[test]
    fn the_higher_priority_wins_and_equal_ones_both_stand() {
        let (own, supplier) = (
            reading("own", Some(2), 0, 0),
            reading("supplier", Some(1), 50, 9),
        );
        assert_eq!(chosen(&[own, supplier.clone()]), named(&[("own", 0)]));
        let own = reading("own", Some(1), 0, 0);
        assert_eq!(
            chosen(&[own.clone(), supplier]),
            named(&[("own", 0), ("supplier", 50)])
        );
        let none = reading("supplier", Some(1), 0, 5);
        assert_eq!(chosen(&[own, none]), named(&[("supplier", 0)]));
        let (own, same) = (
            reading("own", Some(1), 5, 0),
            reading("supplier", Some(1), 5, 9),
        );
        let both = named(&[("own", 5), ("supplier", 5)]);
        assert_eq!(chosen(&[own, same]), both, "there may be ten");
    }

    #[test]
    fn a_count_by_hand_stands_in_for_older_readings_only() {
        let count = reading("by hand", None, 3, 5);
        let (before, after) = (reading("a", Some(1), 9, 4), reading("b", Some(1), 7, 6));
        assert_eq!(
            chosen(&[count.clone(), before.clone()]),
            named(&[("by hand", 3)])
        );
        assert_eq!(chosen(&[count.clone(), after.clone()]), named(&[("b", 7)]));
        assert_eq!(
            chosen(&[before.clone(), after.clone(), count.clone()]),
            named(&[("b", 7), ("by hand", 3)])
        );
        let newer = reading("by hand too", None, 2, 8);
        assert_eq!(
            chosen(&[count.clone(), newer]),
            named(&[("by hand too", 2)])
        );
        // The count stands for the source of the higher priority, whose reading is older.
        let high = reading("a", Some(2), 9, 4);
        assert_eq!(chosen(&[high, after, count]), named(&[("by hand", 3)]));
    }

    #[test]
    fn a_priority_is_of_the_sku_and_not_of_one_warehouse() {
        let mut point = reading("own", Some(2), 4, 0);
        point.listing.warehouse = "PP1".to_owned();
        let pool = reading("supplier", Some(1), 50, 9);
        assert_eq!(chosen(&[point, pool]), named(&[("own", 4)]));
    }
}
