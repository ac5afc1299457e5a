//! Promises whose order is understood in two ways: its pickup point moved, or the map of SKUs or the stock of its shop
//! changed since they were made. Each level counts the lower reading as certain and the higher one as possible.

use crate::domain::demand::Demand;

/// What changed about an order since its units were promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// Its pickup point: another reading settles where the units lie.
    Point,
    /// What its SKUs are in the warehouse: its units are of the old map or of the new one until they left.
    Map,
    /// The stock that its shop sells from: its units are of the one it was accepted from, or were there all along.
    Stock,
}

impl Changed {
    /// The stored word. A changed stock is not stored: it shows in the shop.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Point => "point",
            Self::Map => "map",
            Self::Stock => "stock",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Option<Self> {
        let mut all = [Self::Point, Self::Map].into_iter();
        all.find(|changed| changed.as_str() == word)
    }
}

/// Units of a promise that only one of two readings takes from its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// How many, at most all of the promise.
    pub units: i64,
    /// Why.
    pub changed: Changed,
}

/// What an order takes from a level, by all readings of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// At most.
    pub demand: Demand,
    /// Of those, the units that not every reading takes there.
    pub doubted: i64,
}

/// What an order takes once another reading of it is counted too: of each level the larger number at most, and the
/// smaller one for certain. Nothing that was held is given up.
pub fn widen(held: &[Held], reading: &[Demand]) -> Vec<Held> {
    let is_at = |place: &Demand, other: &Demand| {
        place.sku == other.sku && place.warehouse == other.warehouse
    };
    let widened = held.iter().map(|held| {
        let of_place = reading.iter().find(|now| is_at(now, &held.demand));
        let now = of_place.map_or(0, |now| now.quantity);
        let most = held.demand.quantity.max(now);
        let least = (held.demand.quantity - held.doubted).min(now);
        Held {
            demand: Demand {
                quantity: most,
                ..held.demand.clone()
            },
            doubted: most - least,
        }
    });
    let is_new = |now: &&Demand| !held.iter().any(|held| is_at(now, &held.demand));
    let new = reading.iter().filter(is_new).map(|now| Held {
        demand: now.clone(),
        doubted: now.quantity,
    });
    widened.chain(new).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use super::*;
    use crate::domain::ids::Sku;

    fn demand(sku: &str, quantity: i64) -> Demand {
        Demand {
            sku: Sku::new(sku).unwrap(),
            warehouse: String::new(),
            quantity,
        }
    }

    fn held(sku: &str, quantity: i64, doubted: i64) -> Held {
        Held {
            demand: demand(sku, quantity),
            doubted,
        }
    }

    #[test]
    fn a_level_holds_the_larger_number_at_most_and_the_smaller_for_certain() {
        let found = widen(
            &[held("A", 4, 0), held("B", 1, 0), held("C", 2, 2)],
            &[demand("A", 2), demand("B", 1), demand("D", 3)],
        );
        assert_eq!(
            found,
            [
                held("A", 4, 2),
                held("B", 1, 0),
                held("C", 2, 2),
                held("D", 3, 3)
            ]
        );
    }

    #[test]
    fn the_same_reading_again_changes_nothing() {
        let before = [held("A", 4, 2), held("D", 3, 3)];
        assert_eq!(widen(&before, &[demand("A", 3)]), before);
    }
}
