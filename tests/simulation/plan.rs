//! What a seed stands for: which faults, how many orders, who else is about.

use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use qabyl_sandbox::{
    DeliveryMode, EntriesForm, Fault, FaultRate, Faults, IncludeSupport, LineSeed, ListOrder,
    OfferForm, OrderSeed, Scope, Settings, SuccessForm,
};

use crate::link::Untruth;

pub(crate) const TOKEN: &str = "simulated-token";

pub(crate) fn start() -> Timestamp {
    "2026-03-02T06:00:00Z".parse().unwrap()
}

/// Everything chosen before the story begins.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) faults: Faults,
    /// `(SKU, units at the start)`.
    pub(crate) stock: Vec<(String, u32)>,
    pub(crate) orders: Vec<OrderSeed>,
    pub(crate) steps: u32,
    pub(crate) max_in_flight: usize,
    /// How much of each is about in this story, 0 for none.
    pub(crate) crashes: f64,
    pub(crate) people: f64,
    pub(crate) outages: f64,
    pub(crate) clock_jumps: f64,
    pub(crate) untruth: Untruth,
    pub(crate) takeovers: f64,
    pub(crate) couriers: f64,
    pub(crate) counts: f64,
    /// How often somebody accepts in the cabinet, beside what people do otherwise.
    pub(crate) foreign: f64,
    /// How often something changes that is no step of an order: couriers unseen, lines cancelled, maps, fields.
    pub(crate) changes: f64,
    /// `poll.lookback`; a short one leaves orders that are approved late to the deep scan.
    pub(crate) lookback: Duration,
    pub(crate) cancel_confirm_after: Duration,
    /// The feed has accepted orders taken off.
    pub(crate) is_available: bool,
    /// Kaspi answers rightly and at once, and no clock is set.
    pub(crate) is_calm: bool,
    /// Some counts are dated by a clock that is ahead.
    pub(crate) counts_ahead: bool,
    /// How often an accepted order is to be sent from the other pickup point. Then each SKU lies at both, and the stock
    /// is named `S0@PP1`.
    pub(crate) moves: f64,
    /// How often a cancelled order is accepted again in the cabinet.
    pub(crate) reopens: f64,
}

/// Whether the feed of this story has accepted orders taken off: in one of four, but for the stories that
/// are kept, which were found without.
fn is_available(seed: u64) -> bool {
    let asked = crate::asked("QABYL_AVAILABLE").map(|all| all > 0);
    asked.unwrap_or_else(|| !is_kept(seed) && Rng::with_seed(seed ^ 0xfeed).u8(..4) == 0)
}

/// How often an order has no lines where it is asked for them: in one story of eight at all.
fn lineless(seed: u64) -> f64 {
    let mut rng = Rng::with_seed(seed ^ 0x11e5);
    if is_kept(seed) {
        0.0
    } else {
        some(&mut rng, 0.125, 0.5)
    }
}

/// Whether the story failed once, and is run as it was then.
fn is_kept(seed: u64) -> bool {
    let mut kept = include_str!("seeds.txt").lines();
    kept.any(|kept| kept.parse() == Ok(seed))
}

/// What a story is about: most have a little of everything, some have one trouble all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    Everything,
    /// The clock is set again and again.
    Clocks,
    /// POSTs are not answered, or answered wrongly; reads go well.
    Deaf,
    /// People accept in the cabinet what is scarce.
    Foreign,
    /// The shop brings its goods itself, and counts often.
    OwnDelivery,
    /// Couriers come, and the shelf is counted, all the time.
    Couriers,
    /// Goods lie at two pickup points, and accepted orders move between them.
    Points,
    /// Buyers cancel accepted orders, and come back.
    Reopened,
}

impl Theme {
    /// Fourteen stories of 32 have one; those that are kept were found without.
    fn of(seed: u64) -> Self {
        if is_kept(seed) {
            return Self::Everything;
        }
        match seed % 32 {
            3 | 19 => Self::Clocks,
            7 | 23 => Self::Deaf,
            11 | 27 => Self::Foreign,
            13 | 29 => Self::OwnDelivery,
            15 | 31 => Self::Couriers,
            9 | 17 => Self::Points,
            10 | 26 => Self::Reopened,
            _ => Self::Everything,
        }
    }
}

/// A trouble is about in some stories only, each time in another strength: what all of them
/// together would hide is seen where one is alone.
fn some(rng: &mut Rng, share: f64, most: f64) -> f64 {
    if rng.f64() < share {
        rng.f64() * most
    } else {
        0.0
    }
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rng = &mut rng;
        // Most stories are short: what goes wrong mostly does so early, and more of them are run.
        let longest = rng.u32(1..=120);
        let steps = rng.u32(..longest);
        let steps = 20 + if is_kept(seed) { steps } else { steps * 2 / 3 };
        let skus = rng.usize(3..=8);
        let orders = rng.usize(4..=6 + steps as usize / 6);
        let stock: Vec<(String, u32)> = (0..skus)
            .map(|sku| {
                (
                    format!("S{sku}"),
                    rng.u32(0..=u32::try_from(orders / 2).unwrap()),
                )
            })
            .collect();
        let orders = (0..orders)
            .map(|number| delivered(order(rng, number, skus, steps), seed))
            .collect();
        let faults = Fault::ALL
            .into_iter()
            .filter_map(|fault| {
                let probability = some(rng, 0.3, 0.25);
                let scopes = [Scope::Both, Scope::Both, Scope::Get, Scope::Post];
                let scope = *rng.choice(&scopes).unwrap();
                let happens = probability > 0.0
                    && (fault.applies_to(qabyl_sandbox::Method::Get) || scope != Scope::Get);
                happens.then_some(FaultRate {
                    scope,
                    fault,
                    probability,
                })
            })
            .collect();
        let plan = Self {
            settings: settings(rng, seed),
            faults,
            stock,
            orders,
            steps,
            max_in_flight: *rng.choice(&[1, 1, 2, 8]).unwrap(),
            crashes: some(rng, 0.5, 0.15),
            people: some(rng, 0.5, 0.2),
            outages: some(rng, 0.3, 0.05),
            clock_jumps: some(rng, 0.25, 0.05),
            untruth: Untruth {
                lies: some(rng, 0.3, 0.2),
                stale: some(rng, 0.3, 0.3),
                lineless: lineless(seed),
            },
            cancel_confirm_after: Duration::from_secs(*rng.choice(&[0, 60, 600]).unwrap()),
            takeovers: some(rng, 0.3, 0.06),
            couriers: some(rng, 0.5, 0.3),
            counts: 0.05 + some(rng, 0.3, 0.2),
            lookback: Duration::from_mins(*rng.choice(&[60, 3 * 24 * 60]).unwrap()),
            is_available: is_available(seed),
            foreign: 0.0,
            changes: 0.0,
            is_calm: false,
            counts_ahead: false,
            moves: 0.0,
            reopens: 0.0,
        };
        plan.about(Theme::of(seed), seed).changing(seed)
    }

    /// In three stories of ten orders and maps change, and a fourth of the lines are of aliases.
    fn changing(mut self, seed: u64) -> Self {
        // Not of the story's own draws: it stays what it would be without.
        let mut rng = Rng::with_seed(seed ^ 0xc4a6);
        if is_kept(seed) {
            return self;
        }
        self.changes = some(&mut rng, 0.3, 0.3);
        if self.changes > 0.0 {
            for line in self.orders.iter_mut().flat_map(|order| &mut order.lines) {
                if rng.u8(..4) == 0 && line.sku.starts_with('S') {
                    line.sku = line.sku.replacen('S', "X", 1);
                }
            }
        }
        self
    }

    /// Makes the story one about this.
    fn about(mut self, theme: Theme, seed: u64) -> Self {
        // Not of the story's own draws: it stays what it would be without.
        let mut rng = Rng::with_seed(seed ^ 0x7e3e);
        let scarce = |plan: &mut Self, rng: &mut Rng| {
            for (_, units) in &mut plan.stock {
                *units = rng.u32(1..=3);
            }
        };
        match theme {
            Theme::Everything => {}
            Theme::Clocks => {
                self.calm();
                self.deaf();
                // A new process knows the time by nothing but that clock.
                (self.clock_jumps, self.crashes) = (0.2, 0.0);
                self.is_calm = false;
            }
            Theme::Deaf => {
                self.calm();
                self.deaf();
                (self.people, self.crashes) = (0.1, 0.08);
                self.is_calm = false;
            }
            Theme::Foreign => {
                self.calm();
                scarce(&mut self, &mut rng);
                self.foreign = 0.5;
                self.cancel_confirm_after = Duration::ZERO;
            }
            Theme::OwnDelivery => {
                self.calm();
                scarce(&mut self, &mut rng);
                for order in &mut self.orders {
                    *order = order.clone().delivered(DeliveryMode::Local, false);
                }
                (self.couriers, self.counts, self.people) = (0.3, 0.3, 0.2);
            }
            Theme::Couriers => {
                self.calm();
                scarce(&mut self, &mut rng);
                (self.couriers, self.counts, self.people) = (0.5, 0.4, 0.1);
                self.counts_ahead = true;
            }
            Theme::Points => {
                self.calm();
                scarce(&mut self, &mut rng);
                let at_both = |(sku, units): &(String, u32)| {
                    [
                        (format!("{sku}@PP1"), *units),
                        (format!("{sku}@PP2"), *units),
                    ]
                };
                self.stock = self.stock.iter().flat_map(at_both).collect();
                for order in &mut self.orders {
                    if rng.bool() {
                        order.pickup_point = Some(full_point("PP2"));
                    }
                }
                (self.moves, self.couriers) = (0.2, 0.15);
                (self.counts, self.people) = (0.15, 0.2);
            }
            Theme::Reopened => {
                self.calm();
                scarce(&mut self, &mut rng);
                (self.reopens, self.people, self.foreign) = (0.2, 0.4, 0.2);
            }
        }
        self
    }

    /// Most POSTs have no effect, or none that is answered.
    fn deaf(&mut self) {
        let faults = [
            (Fault::DropBefore, 0.4),
            (Fault::NoEffect, 0.15),
            (Fault::LateEffect, 0.15),
            (Fault::DropAfter, 0.1),
            (Fault::Hang, 0.1),
        ];
        let rates = faults.map(|(fault, probability)| FaultRate {
            scope: Scope::Post,
            fault,
            probability,
        });
        self.faults = rates.into_iter().collect();
    }

    /// Takes away what would hide one trouble behind others.
    fn calm(&mut self) {
        self.faults = Faults::default();
        (self.untruth, self.outages) = (Untruth::default(), 0.0);
        (self.clock_jumps, self.takeovers) = (0.0, 0.0);
        self.is_calm = true;
    }
}

/// A pickup point as orders and levels name it.
pub(crate) fn full_point(point: &str) -> String {
    format!("10000001_{point}")
}

fn settings(rng: &mut Rng, seed: u64) -> Settings {
    Settings {
        seed,
        tokens: vec![TOKEN.to_owned()],
        include_support: *rng
            .choice(&[
                IncludeSupport::Yes,
                IncludeSupport::Ignored,
                IncludeSupport::Partial,
            ])
            .unwrap(),
        entries_form: *rng
            .choice(&[EntriesForm::Mixed, EntriesForm::Data])
            .unwrap(),
        list_order: *rng
            .choice(&[
                ListOrder::CreatedAsc,
                ListOrder::CreatedDesc,
                ListOrder::Scattered,
            ])
            .unwrap(),
        success: *rng
            .choice(&[
                SuccessForm::Echo200,
                SuccessForm::Created201,
                SuccessForm::NoContent204,
            ])
            .unwrap(),
        late_by: Duration::from_secs(rng.u64(1..=100)),
        retry_after: Duration::from_secs(rng.u64(1..=60)),
        deadline: (rng.u8(..) < 60).then_some(Duration::from_hours(3)),
        ..Settings::default()
    }
}

/// Some orders the shop brings itself: no courier's date says when their goods left.
fn delivered(order: OrderSeed, seed: u64) -> OrderSeed {
    let number: u64 = order.code.parse().unwrap();
    if Rng::with_seed(seed ^ number).u8(..) < 40 {
        order.delivered(DeliveryMode::Local, false)
    } else {
        order
    }
}

fn order(rng: &mut Rng, number: usize, skus: usize, steps: u32) -> OrderSeed {
    // Most come during the story, some were there before, a few are approved long after.
    let placed = rng.i64(-1800..i64::from(steps) * 45);
    let created = start() + jiff::SignedDuration::from_secs(placed);
    let mut order = OrderSeed::new(&format!("{}", 900_000_000 + number), created);
    for _ in 0..rng.usize(1..=3) {
        let sku = if rng.u8(..) < 8 {
            "NOBODY-KNOWS".to_owned()
        } else {
            format!("S{}", rng.usize(..skus))
        };
        if order.lines.iter().any(|line| line.sku == sku) {
            continue;
        }
        let offer = match rng.u8(..) {
            0..10 => OfferForm::Unlinked,
            10..30 => OfferForm::Old,
            _ => OfferForm::Offer,
        };
        order = order.with_line(LineSeed {
            offer,
            ..LineSeed::new(&sku, rng.u32(1..=3))
        });
    }
    order.auto_accepted = rng.u8(..) < 15;
    order.express = rng.u8(..) < 10;
    order.pre_order = rng.u8(..) < 10;
    if rng.u8(..) < 30 {
        order = order.visible_at(created + jiff::SignedDuration::from_secs(rng.i64(1..7200)));
    }
    order
}
