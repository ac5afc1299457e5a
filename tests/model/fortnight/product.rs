//! What the product sees of the shop, decides, and has stored.

use jiff::SignedDuration;
use qabyl::domain::availability::{Count, Place, Promise, Promised, Units, contributions};
use qabyl::domain::decision::{Decision, decide};
use qabyl::domain::evidence::{Evidence, Interval};
use qabyl::domain::facts::{Counters, Facts, LineFacts, ShopFacts, ShortageSeen};
use qabyl::domain::ids::{EntryId, OrderCode, OrderId, PickupPoint, ShopName};
use qabyl::domain::limits::Limits;
use qabyl::domain::money::Money;
use qabyl::domain::order::{DeliveryMode, Line, Lines, Order, State, Status, UnitType};
use qabyl::domain::policy::Policy;
use qabyl::domain::reservation::Departure;
use qabyl::domain::stock::Semantics;
use qabyl::domain::stock_ledger::{Ledger, Listing};
use qabyl::domain::verdict::Verdict;
use qabyl::rules_file;

use super::shop::{Shop, Sold, Waiting};
use super::{COURIER_LAG, MINUTE, STEP, at, sku};

/// The rules and limits as shipped, without the caps on how much a shop may cancel.
pub(super) fn policy() -> Policy {
    let limits = Limits {
        cancel_budget_share: None,
        cancels_per_hour_max: None,
        stock_collapse_share: None,
        ..Limits::default()
    };
    Policy::new(rules_file::default_rules(), limits, "fortnight".to_owned())
}

impl Shop {
    /// Everything that waits is decided once.
    pub(super) fn look(&mut self, now: i64) {
        for mut order in std::mem::take(&mut self.waiting) {
            let facts = self.facts(&mut order, now);
            self.judge_bounds(&order, &facts);
            let decision = decide(&facts, &self.policy, at(now));
            let first = std::mem::take(&mut order.is_new);
            match &decision.verdict {
                Verdict::Accept => self.accept(&order, now),
                Verdict::Cancel { .. } => self.cancel(&order),
                _ => self.wait(order, &facts, (&decision, first), now),
            }
        }
    }

    fn accept(&mut self, order: &Waiting, now: i64) {
        self.figures.accepted += 1;
        self.figures.oversold += u32::from(self.free(order.sku, order.place) < order.units);
        self.sold.push(Sold {
            sku: order.sku,
            place: order.place,
            units: order.units,
            own: order.own,
            placed: order.placed,
            accepted: now,
            left: None,
            shown: None,
        });
    }

    fn cancel(&mut self, order: &Waiting) {
        self.figures.cancelled += 1;
        self.figures.wrong += u32::from(self.most_free(order.sku, order.place) >= order.units);
    }

    fn wait(
        &mut self,
        order: Waiting,
        facts: &Facts,
        (decision, first): (&Decision, bool),
        now: i64,
    ) {
        let is_missing = facts.is_short() && decision.proposed.word() == "cancel";
        let covers =
            |line: &LineFacts| line.coverage() == qabyl::domain::availability::Coverage::InDoubt;
        let in_doubt = facts.lines().iter().any(covers);
        self.figures.in_doubt_at_first += u32::from(first && in_doubt && !is_missing);
        let last = self.policy.limits.schedule.last_moment(&facts.order);
        if at(now + STEP) >= last {
            self.figures.held_at_deadline += 1;
            return;
        }
        self.waiting.push(order);
    }

    /// No inflow since the last count is known to it: only then do the bounds have to contain the truth.
    fn judge_bounds(&mut self, order: &Waiting, facts: &Facts) {
        if self.setting.inflow > 0.0 {
            return;
        }
        let interval = facts.lines()[0].stock.interval();
        let (free, most) = (
            self.free(order.sku, order.place),
            self.most_free(order.sku, order.place),
        );
        let is_sound = interval.certain <= free && interval.possible.covers(most);
        self.figures.unsound += u32::from(!is_sound);
    }

    fn promised(&self, sku: usize, place: usize, now: i64) -> Promised {
        let (name, shelf) = &self.shelves[sku][place];
        let last = shelf.readings.last().unwrap();
        let promises: Vec<Promise> = self
            .sold
            .iter()
            .filter(|sold| sold.sku == sku && self.shelves[sku][sold.place].0 == *name)
            .map(|sold| promise(sold, now))
            .collect();
        let count = Count {
            as_of: last.at,
            semantics: Semantics::Physical,
            posting_lag: SignedDuration::from_secs(self.setting.posting_lag),
            order_lag_max: SignedDuration::ZERO,
            courier_lag_max: SignedDuration::from_secs(COURIER_LAG),
            readings: &shelf.readings,
            counts_are_evidence: self.setting.counts,
        };
        contributions(&count, &promises, None).into_iter().collect()
    }

    fn facts(&self, order: &mut Waiting, now: i64) -> Facts {
        let mut ledger = Ledger::new(0);
        for (place, (name, shelf)) in self.shelves[order.sku].iter().enumerate() {
            let last = shelf.readings.last().unwrap();
            let listing = Listing {
                sku: sku(order.sku),
                warehouse: (*name).to_owned(),
                on_hand: last.on_hand,
                is_at_least: false,
                as_of: Some(last.at),
                source: "count".to_owned(),
            };
            ledger.list(listing, self.promised(order.sku, place, now));
        }
        let name = self.shelves[order.sku][order.place].0;
        let point = (!name.is_empty()).then(|| PickupPoint::new(name).unwrap());
        let lines = ledger.facts(&lines(order), point.as_ref());
        let swept = Some(Interval {
            start: at(now - 2),
            end: at(now - 1),
        });
        let mut facts = Facts {
            shop: None,
            order: kaspi_order(order, point),
            first_seen_at: Some(at(now - 3)),
            lines,
            shortage: None,
            sent: None,
            namesakes: Vec::new(),
            shop_facts: ShopFacts {
                counters: Counters::default(),
                evidence: Evidence {
                    accepted: swept,
                    archive: swept,
                    ..Evidence::default()
                },
                clock_skew_s: Some(0),
                ..ShopFacts::default()
            },
        };
        order.shortage = facts.is_short().then(|| {
            let before = order.shortage.unwrap_or(ShortageSeen {
                since: at(now),
                scans: 0,
            });
            ShortageSeen {
                scans: before.scans + 1,
                ..before
            }
        });
        facts.shortage = order.shortage;
        facts
    }
}

/// What the product has stored of an order that it accepted.
fn promise(sold: &Sold, now: i64) -> Promise {
    let shown = sold.shown.filter(|shown| *shown <= now);
    let units = match (shown, sold.left) {
        // Kaspi's courier has a date; what the shop brings has none, and may have left since it was placed.
        (Some(_), Some(left)) if !sold.own => Units::Left(Departure::Between {
            after: at(left - 5),
            by: at(left + 5),
        }),
        (Some(shown), Some(_)) => Units::Left(Departure::Between {
            after: at(sold.placed - MINUTE),
            by: at(shown + MINUTE),
        }),
        _ => Units::Reserved,
    };
    Promise {
        shop: ShopName::new("main").unwrap(),
        order: OrderId::new("sold").unwrap(),
        code: OrderCode::new("900000001").unwrap(),
        quantity: sold.units,
        units,
        made_at: at(sold.accepted),
        confirmed_at: (now > sold.accepted).then(|| at(sold.accepted + MINUTE)),
        there_at: at(sold.accepted),
        seen_at: at(now),
        state: if sold.own {
            State::Delivery
        } else {
            State::KaspiDelivery
        },
        status: Status::AcceptedByMerchant,
        is_unread: false,
        is_reverted: false,
        has_namesake: false,
        kaspi_delivery: !sold.own,
        is_departure_dated: shown.is_some() && !sold.own,
        pre_order: false,
        place: Place::Here,
        overlap: None,
    }
}

fn kaspi_order(order: &Waiting, point: Option<PickupPoint>) -> Order {
    let id = OrderId::new(format!("id{}", order.number)).unwrap();
    let code = OrderCode::new(format!("{}", 900_000_000 + order.number)).unwrap();
    Order {
        total: Some(Money::from_tenge(1000 * order.units)),
        delivery_mode: Some(DeliveryMode::Local),
        kaspi_delivery: Some(!order.own),
        pickup_point: point,
        ..Order::new(id, code, at(order.placed))
    }
}

fn lines(order: &Waiting) -> Lines {
    Lines::Known(vec![Line {
        entry: EntryId::new("entry").unwrap(),
        number: 1,
        sku: Some(sku(order.sku)),
        quantity: u32::try_from(order.units).unwrap(),
        unit: UnitType::Pieces,
        unit_price: Some(Money::from_tenge(1000)),
        total: Some(Money::from_tenge(1000 * order.units)),
        name: None,
        category: None,
        master_product: None,
    }])
}
