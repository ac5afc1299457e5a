//! Histories of one level with its true shelf: whatever happened, what is certain is there, and what is there is
//! possible. The shelf is kept by itself, from what happened; nothing of it is computed as the product does.

use jiff::{SignedDuration, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use qabyl::domain::availability::{
    Changed, Count, Overlap, Place, Promise, Promised, Reading, Units, contributions,
};
use qabyl::domain::ids::{OrderCode, OrderId, ShopName};
use qabyl::domain::order::{State, Status};
use qabyl::domain::reservation::Departure;
use qabyl::domain::stock::Semantics;

use crate::rules::properties::cases;

/// Minutes before now.
type Ago = i64;

const LAG: i64 = 6 * 60;

fn at(ago: Ago) -> Timestamp {
    Timestamp::constant(1_772_434_800 - ago * 60, 0)
}

/// What happened to an order, in minutes before now; `None`: not yet.
#[derive(Debug, Clone, Copy)]
struct Story {
    units: i64,
    placed: Ago,
    accepted: Ago,
    /// When the product first saw it as accepted.
    seen: Option<Ago>,
    left: Option<Ago>,
    /// When Kaspi showed that.
    shown: Option<Ago>,
    /// When it was cancelled before its goods left, and seen so at once.
    cancelled: Option<Ago>,
    own: bool,
    /// Its units lie at another level instead, and the product does not know at which.
    moved: Option<bool>,
}

prop_compose! {
    fn stories()(
        units in 1..4_i64,
        placed in 2..2_880_i64,
        accepted in 0.0..1.0_f64,
        sweep in 0..3_i64,
        left in prop::option::weighted(0.6, 0.0..1.0_f64),
        late in 0..=LAG,
        cancelled in prop::option::weighted(0.15, 0.0..1.0_f64),
        own in prop::bool::weighted(0.25),
        moved in prop::option::weighted(0.2, any::<bool>()),
    ) -> Story {
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "minutes")]
        let within = |from: Ago, share: f64| (from as f64 * share) as Ago;
        let accepted = within(placed, accepted);
        let left = left.map(|share| within(accepted, share));
        // Kaspi shows a courier's date late, and the end of an own delivery at any time.
        let shown = left.and_then(|left| {
            let late = if own { late * 3 } else { late };
            (left - late >= 0).then_some(left - late)
        });
        let cancelled = cancelled.filter(|_| left.is_none()).map(|share| within(accepted, share));
        let seen = (accepted - sweep >= 0).then_some(accepted - sweep);
        Story { units, placed, accepted, seen, left, shown, cancelled, own, moved }
    }
}

impl Story {
    /// Whether its goods are of this level.
    fn is_here(&self) -> bool {
        self.moved != Some(true)
    }

    /// Units of this level that it takes off a shelf counted so long ago.
    fn gone_by(&self, ago: Ago) -> i64 {
        let is_gone = self.left.is_some_and(|left| left >= ago);
        if is_gone && self.is_here() {
            self.units
        } else {
            0
        }
    }

    /// Units of this level that it held so long ago.
    fn held_at(&self, ago: Ago) -> i64 {
        let holds = self.accepted >= ago
            && self.left.is_none_or(|left| left < ago)
            && self.cancelled.is_none_or(|cancelled| cancelled < ago);
        if holds && self.is_here() {
            self.units
        } else {
            0
        }
    }

    /// What the product has stored of it: lists come each minute.
    fn promise(&self) -> Promise {
        let units = match (self.shown, self.left, self.cancelled) {
            (Some(_), Some(left), _) if !self.own => Units::Left(Departure::Between {
                after: at(left),
                by: at(left),
            }),
            (Some(shown), ..) => Units::Left(Departure::Between {
                after: at(self.placed + 1),
                by: at(shown),
            }),
            (_, _, Some(cancelled)) => Units::Released { at: at(cancelled) },
            _ => Units::Reserved,
        };
        // Once Kaspi shows the departure, it is read no more.
        let read = self.shown.map_or(0, |shown| shown + 1);
        Promise {
            shop: ShopName::new("main").unwrap(),
            order: OrderId::new("id").unwrap(),
            code: OrderCode::new("900000001").unwrap(),
            quantity: self.units,
            units,
            made_at: at(self.accepted),
            confirmed_at: self.seen.map(at),
            there_at: at((self.accepted + 1).min(self.placed)),
            seen_at: at(read),
            state: if self.own {
                State::Delivery
            } else {
                State::KaspiDelivery
            },
            status: if self.cancelled.is_some() {
                Status::Cancelled
            } else {
                Status::AcceptedByMerchant
            },
            is_unread: false,
            is_reverted: false,
            has_namesake: false,
            kaspi_delivery: !self.own,
            is_departure_dated: self.shown.is_some() && !self.own,
            pre_order: false,
            place: Place::Here,
            overlap: self.moved.map(|_| Overlap {
                units: self.units,
                changed: Changed::Map,
            }),
        }
    }
}

/// A level, how it was counted, and what happened around it.
#[derive(Debug, Clone)]
struct History {
    first: i64,
    stories: Vec<Story>,
    /// The last count, and counts before it at even distances.
    counted: Ago,
    every: i64,
    semantics: Semantics,
    /// How late the source books a departure, or takes an order off: by this order's share of the most.
    booking: i64,
    booked: Vec<i64>,
}

prop_compose! {
    fn histories()(
        first in 0..12_i64,
        stories in vec(stories(), 0..8),
        counted in 0..1_440_i64,
        every in 20..90_i64,
        physical in prop::bool::weighted(0.7),
        booking in prop_oneof![2 => Just(0_i64), 1 => 1..60_i64],
        booked in vec(0..=100_i64, 8),
    ) -> History {
        let semantics = if physical { Semantics::Physical } else { Semantics::Available };
        History { first, stories, counted, every, semantics, booking, booked }
    }
}

impl History {
    /// What the source says as of then.
    fn reading(&self, ago: Ago) -> i64 {
        let mut number = self.first;
        for (story, booked) in self.stories.iter().zip(&self.booked) {
            let late = self.booking * booked / 100;
            match self.semantics {
                Semantics::Physical => number -= story.gone_by(ago + late),
                // Accepted orders are off; one that was given up is on again as late.
                Semantics::Available => {
                    number -= story.held_at(ago + late) + story.gone_by(ago + late);
                }
            }
        }
        number
    }

    /// What is free now, by the true shelf.
    fn free(&self) -> i64 {
        let taken = self
            .stories
            .iter()
            .map(|story| story.gone_by(0) + story.held_at(0));
        self.first - taken.sum::<i64>()
    }

    fn bounds(&self, counts_are_evidence: bool) -> (i64, i64, Promised) {
        let readings: Vec<Reading> = (0..40)
            .rev()
            .map(|back| self.counted + back * self.every)
            .map(|ago| Reading {
                at: at(ago),
                on_hand: Some(self.reading(ago)),
            })
            .collect();
        let lag = SignedDuration::from_mins(self.booking);
        let is_physical = self.semantics == Semantics::Physical;
        let count = Count {
            as_of: at(self.counted),
            semantics: self.semantics,
            posting_lag: if is_physical {
                lag
            } else {
                SignedDuration::ZERO
            },
            order_lag_max: if is_physical {
                SignedDuration::ZERO
            } else {
                lag
            },
            courier_lag_max: SignedDuration::from_mins(LAG),
            readings: &readings,
            counts_are_evidence,
        };
        let promises: Vec<Promise> = self.stories.iter().map(Story::promise).collect();
        let found: Promised = contributions(&count, &promises, None).into_iter().collect();
        let counted = self.reading(self.counted);
        let certain = counted - found.confirmed - found.in_doubt;
        (certain, counted - found.confirmed + found.returned, found)
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn the_bounds_contain_the_truth(history in histories(), counts in any::<bool>()) {
        let (certain, possible, found) = history.bounds(counts);
        let free = history.free();
        prop_assert!(certain <= possible, "{certain} to {possible}");
        prop_assert!(
            certain <= free && free <= possible,
            "{free} are free, and {certain} to {possible} available: {found:#?}"
        );
    }
}
