//! The shop itself: its shelf, couriers, receipts, counts and buyers.

use fastrand::Rng;
use qabyl::domain::availability::Reading;
use qabyl::domain::facts::ShortageSeen;
use qabyl::domain::policy::Policy;

use super::figures::Figures;
use super::{COURIER_LAG, DAY, HOUR, MINUTE, READINGS, STEP, Setting, at, product};

/// A promise, and what becomes of its goods.
pub(super) struct Sold {
    pub(super) sku: usize,
    pub(super) place: usize,
    pub(super) units: i64,
    pub(super) own: bool,
    pub(super) placed: i64,
    pub(super) accepted: i64,
    pub(super) left: Option<i64>,
    pub(super) shown: Option<i64>,
}

/// An order that waits.
pub(super) struct Waiting {
    pub(super) sku: usize,
    pub(super) place: usize,
    pub(super) units: i64,
    pub(super) placed: i64,
    pub(super) own: bool,
    pub(super) number: u32,
    pub(super) shortage: Option<ShortageSeen>,
    pub(super) is_new: bool,
}

/// One level: what lies there, what was counted, and departures that the source has not booked yet.
#[derive(Default)]
pub(super) struct Shelf {
    pub(super) there: i64,
    pub(super) readings: Vec<Reading>,
    pub(super) unbooked: Vec<(i64, i64)>,
    /// Units that came in unannounced since the last count: nobody can know of them before the next.
    pub(super) came_since: i64,
}

pub(super) struct Shop {
    pub(super) setting: Setting,
    pub(super) rng: Rng,
    /// By SKU, each of its places.
    pub(super) shelves: Vec<Vec<(&'static str, Shelf)>>,
    pub(super) sold: Vec<Sold>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) weights: Vec<f64>,
    pub(super) policy: Policy,
    pub(super) figures: Figures,
}

impl Shop {
    pub(super) fn new(setting: Setting, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let places = |number: usize| -> &'static [&'static str] {
            match number % 4 {
                0 if setting.points => &["PP1", "PP2"],
                1 if setting.points => &["PP1", ""],
                _ => &[""],
            }
        };
        let mut shelves = Vec::new();
        for number in 0..setting.skus {
            let names = places(number).iter();
            let shelf = |name: &&'static str| {
                let there = rng.i64(0..=setting.restock);
                let shelf = Shelf {
                    there,
                    ..Shelf::default()
                };
                (*name, shelf)
            };
            shelves.push(names.map(shelf).collect());
        }
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let weight = |number: usize| 1.0 / (number as f64 + 1.0).powf(0.8);
        Self {
            setting,
            rng,
            shelves,
            sold: Vec::new(),
            waiting: Vec::new(),
            weights: (0..setting.skus).map(weight).collect(),
            policy: product::policy(),
            figures: Figures::default(),
        }
    }

    pub(super) fn live(mut self) -> Figures {
        let mut next_count = 0;
        for t in (0..self.setting.days * DAY).step_by(usize::try_from(STEP).unwrap()) {
            let hour = t % DAY;
            self.goods_leave(t, hour == 16 * HOUR);
            if hour == 9 * HOUR {
                self.fill_up();
                next_count = t;
            }
            self.goods_come_in();
            if t >= next_count {
                self.count(t);
                next_count = t + self.setting.count_every;
            }
            self.orders_come(t);
            // Orders are listed and decided between two of these moments.
            self.look(t + MINUTE);
            self.forget(t);
        }
        self.figures
    }

    fn goods_leave(&mut self, t: i64, courier: bool) {
        for sold in &mut self.sold {
            let takes = if sold.own {
                self.rng.f64() < 0.03
            } else {
                courier && sold.accepted < t - 4 * HOUR
            };
            if sold.left.is_none() && takes {
                let after = if sold.own { DAY } else { COURIER_LAG };
                sold.left = Some(t);
                sold.shown = Some(t + self.rng.i64(0..=after));
                let (_, shelf) = &mut self.shelves[sold.sku][sold.place];
                shelf.there -= sold.units;
                let booked = t + self.rng.i64(0..=self.setting.posting_lag);
                shelf.unbooked.push((booked, sold.units));
            }
        }
    }

    fn fill_up(&mut self) {
        for (_, shelf) in self.shelves.iter_mut().flatten() {
            if shelf.there <= 2 {
                shelf.there += self.setting.restock;
            }
        }
    }

    fn goods_come_in(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let chance = self.setting.inflow * STEP as f64 / DAY as f64;
        for (_, shelf) in self.shelves.iter_mut().flatten() {
            if chance > 0.0 && self.rng.f64() < chance {
                let came = *self.rng.choice(&[1, 1, 2]).unwrap();
                shelf.there += came;
                shelf.came_since += came;
            }
        }
    }

    fn count(&mut self, t: i64) {
        for (_, shelf) in self.shelves.iter_mut().flatten() {
            shelf.came_since = 0;
            shelf.unbooked.retain(|(booked, _)| *booked > t);
            let unbooked: i64 = shelf.unbooked.iter().map(|(_, units)| units).sum();
            shelf.readings.push(Reading {
                at: at(t),
                on_hand: Some(shelf.there + unbooked),
            });
            let old = shelf.readings.len().saturating_sub(READINGS);
            shelf.readings.drain(..old);
        }
    }

    fn orders_come(&mut self, t: i64) {
        let hour = t % DAY;
        let day = if (9 * HOUR..22 * HOUR).contains(&hour) {
            2.0
        } else {
            0.3
        };
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let rate = self.setting.orders_a_day * STEP as f64 / DAY as f64 * day / 1.2;
        while self.rng.f64() < rate / (1.0 + rate) {
            let sum: f64 = self.weights.iter().sum();
            let mut roll = self.rng.f64() * sum;
            let of = self.weights.iter().position(|weight| {
                roll -= weight;
                roll < 0.0
            });
            let sku = of.unwrap_or_default();
            let points = self.shelves[sku]
                .iter()
                .filter(|(name, _)| !name.is_empty())
                .count();
            let place = if points == 0 {
                0
            } else {
                self.rng.usize(..points)
            };
            self.figures.orders += 1;
            self.waiting.push(Waiting {
                sku,
                place,
                units: *self.rng.choice(&[1, 1, 1, 1, 2]).unwrap(),
                placed: t - self.rng.i64(0..STEP),
                own: self.rng.f64() < self.setting.own,
                number: self.figures.orders,
                shortage: None,
                is_new: true,
            });
        }
    }

    /// What is free at a place, by the true shelf.
    pub(super) fn free(&self, sku: usize, place: usize) -> i64 {
        let sold = self.sold.iter();
        let open =
            sold.filter(|sold| sold.sku == sku && sold.place == place && sold.left.is_none());
        self.shelves[sku][place].1.there - open.map(|sold| sold.units).sum::<i64>()
    }

    /// The same with what lies in the common pool, without what came in since the last count.
    pub(super) fn most_free(&self, sku: usize, place: usize) -> i64 {
        let came = |place: usize| self.shelves[sku][place].1.came_since;
        let pool = self.shelves[sku]
            .iter()
            .position(|(name, _)| name.is_empty());
        let besides = pool.filter(|pool| *pool != place);
        let besides = besides.map_or(0, |pool| (self.free(sku, pool) - came(pool)).max(0));
        self.free(sku, place) - came(place) + besides
    }

    /// Departures that Kaspi has shown, of goods that left long before the last count, matter no more.
    fn forget(&mut self, t: i64) {
        self.sold
            .retain(|sold| sold.shown.is_none_or(|shown| shown > t - 3 * DAY));
    }
}
