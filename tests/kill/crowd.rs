//! Everybody but Qabyl: buyers who order and change their minds, couriers, the shelf.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use qabyl_sandbox::{ExternalEvent, OrderSeed, Status, World};

/// Each few orders want another of the scarce goods, so that some always run out.
const SCARCE: u32 = 60;
/// Units of a scarce good.
const SCARCE_UNITS: u32 = 3;
/// Units of a good whose buyers change their minds.
const CHURN_UNITS: u32 = 4;
/// What nobody runs out of.
const PLENTY: [&str; 3] = ["PLENTY-1", "PLENTY-2", "AUTO"];

/// Orders come within this time.
const SOON_MS: i64 = 500;

pub(crate) struct Crowd {
    rng: Rng,
    orders: u32,
}

impl Crowd {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            orders: 0,
        }
    }

    pub(crate) fn orders(&self) -> u32 {
        self.orders
    }

    fn next_code(&mut self) -> String {
        self.orders += 1;
        format!("9{:08}", self.orders)
    }

    /// Some buyers order now or soon; others think again, or have what they ordered.
    pub(crate) fn stir(&mut self, world: &mut World, now: Timestamp, orders: u32) {
        for _ in 0..orders {
            let at = now + SignedDuration::from_millis(self.rng.i64(0..SOON_MS));
            let order = self.order(at);
            world.at(at, ExternalEvent::Placed(Box::new(order)));
        }
        world.advance(now);
        for _ in 0..2 {
            self.think_again(world, now);
        }
    }

    fn order(&mut self, at: Timestamp) -> OrderSeed {
        let code = self.next_code();
        let order = OrderSeed::new(&code, at);
        let pieces = self.rng.u32(1..3);
        let turn = self.orders / 6 % SCARCE;
        let scarce = |order: OrderSeed| order.line(&format!("SCARCE-{turn}"), pieces);
        match self.rng.u8(..100) {
            0..35 => scarce(order),
            35..45 => scarce(order.line("PLENTY-1", 1)),
            45..65 => order.line(&format!("CHURN-{turn}"), 1),
            65..78 => order.line("PLENTY-2", pieces),
            78..86 => order.line("SOLD-OUT", 1),
            86..91 => order.line("UNLISTED", 1),
            91..95 => OrderSeed {
                express: true,
                ..order.line("PLENTY-1", 1)
            },
            _ => OrderSeed {
                auto_accepted: true,
                ..order.line("AUTO", 1)
            },
        }
    }

    /// Orders of buyers who change their minds.
    pub(crate) fn waver(&mut self, world: &mut World, at: Timestamp, orders: u32) {
        for _ in 0..orders {
            let code = self.next_code();
            let sku = format!("CHURN-{}", self.orders % SCARCE);
            assert!(world.place(OrderSeed::new(&code, at).line(&sku, 1)));
        }
    }

    /// An order that a rule leaves to a person.
    pub(crate) fn express(&mut self, world: &mut World, at: Timestamp) -> String {
        let code = self.next_code();
        let order = OrderSeed {
            express: true,
            ..OrderSeed::new(&code, at).line("PLENTY-1", 1)
        };
        assert!(world.place(order));
        code
    }

    /// Of the goods whose buyers do so: one cancels, before or after the accept; one order leaves the
    /// shelf; one is handed out.
    fn think_again(&mut self, world: &mut World, now: Timestamp) {
        let churning = |order: &&qabyl_sandbox::Order| {
            order.visible_at <= now && order.lines()[0].sku.starts_with("CHURN")
        };
        let open: Vec<(String, bool)> = world
            .orders()
            .iter()
            .filter(churning)
            .filter(|order| {
                matches!(
                    order.status,
                    Status::ApprovedByBank | Status::AcceptedByMerchant
                )
            })
            .map(|order| (order.code().to_owned(), order.handed_over_at.is_some()))
            .collect();
        let Some((code, has_left)) = self.rng.choice(&open) else {
            return;
        };
        match self.rng.u8(..4) {
            _ if *has_left => world.complete(code, now),
            0 => world.buyer_cancels(code, now),
            1 | 2 => world.hand_over(code, now),
            _ => false,
        };
    }

    /// Sees to it that some accepted order is cancelled by its buyer, and another leaves the shelf.
    pub(crate) fn settle_accepted(world: &mut World, now: Timestamp) {
        let accepted: Vec<String> = world
            .orders()
            .iter()
            .filter(|order| {
                order.status == Status::AcceptedByMerchant
                    && order.handed_over_at.is_none()
                    && order.lines()[0].sku.starts_with("CHURN")
            })
            .map(|order| order.code().to_owned())
            .collect();
        for (place, code) in accepted.iter().take(2).enumerate() {
            if place == 0 {
                world.buyer_cancels(code, now);
            } else {
                world.hand_over(code, now);
            }
        }
    }
}

/// All units there ever were, by SKU.
pub(crate) fn capacity() -> BTreeMap<String, u32> {
    let mut units: BTreeMap<String, u32> = PLENTY
        .iter()
        .map(|sku| ((*sku).to_owned(), 100_000))
        .collect();
    units.insert("SOLD-OUT".to_owned(), 0);
    for turn in 0..SCARCE {
        units.insert(format!("SCARCE-{turn}"), SCARCE_UNITS);
        units.insert(format!("CHURN-{turn}"), CHURN_UNITS);
    }
    units
}

/// What lies on the shelf now, as a stock file.
pub(crate) fn shelf(world: &World) -> String {
    let mut units = capacity();
    for order in world.orders() {
        if order.handed_over_at.is_some() {
            for line in order.lines() {
                if let Some(there) = units.get_mut(&line.sku) {
                    *there = there.saturating_sub(line.quantity);
                }
            }
        }
    }
    let mut text = "sku,on_hand\n".to_owned();
    for (sku, there) in units {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{sku},{there}");
    }
    text
}
