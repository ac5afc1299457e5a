//! Fixed cases for rules to decide: one for each kind of doubt, and one without doubt.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::evidence::{Evidence, Interval};
use qabyl::domain::facts::{Counters, Facts, LineFacts, LinesFacts, ShopFacts, ShortageSeen};
use qabyl::domain::ids::{EntryId, OrderCode, OrderId, PickupPoint, ShopName, Sku};
use qabyl::domain::money::Money;
use qabyl::domain::order::{DeliveryMode, Line, Order, PaymentMode, Status, UnitType};
use qabyl::domain::stock::{Level, LineStock, UnknownStock};

/// Facts, and the verdicts that no rules may produce: `cancel` for lack of stock, `buyer` for another
/// reason.
pub struct Case {
    pub name: &'static str,
    pub facts: Facts,
    pub never: &'static [&'static str],
}

/// The moment of every decision.
pub fn now() -> Timestamp {
    Timestamp::constant(1_772_449_200, 0)
}

fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

fn sku() -> Sku {
    Sku::new("SKU-1").expect("a SKU")
}

fn plain() -> Order {
    let id = OrderId::new("OTAwMDAwMDAx").expect("an id");
    let code = OrderCode::new("900000001").expect("a code");
    Order {
        approved_at: Some(ago(12)),
        total: Some(Money::from_tenge(25_980)),
        payment_mode: Some(PaymentMode::Prepaid),
        delivery_mode: Some(DeliveryMode::Local),
        kaspi_delivery: Some(true),
        pickup_point: Some(PickupPoint::new("10000001_PP1").expect("a point")),
        ..Order::new(id, code, ago(15))
    }
}

fn level(on_hand: i64) -> LineStock {
    LineStock::Known(Level {
        warehouse: "PP1".to_owned(),
        on_hand,
        reserved_confirmed: 1,
        reserved_pending: 0,
        returned: 0,
        safety_stock: 0,
        as_of: ago(30),
        source: "stock.csv".to_owned(),
        is_unbounded: false,
        recent_demand: 0,
        doubts: Vec::new(),
    })
}

fn line(stock: LineStock) -> LineFacts {
    LineFacts {
        line: Line {
            entry: EntryId::new("e1").expect("an entry"),
            number: 1,
            sku: Some(sku()),
            quantity: 2,
            unit: UnitType::Pieces,
            unit_price: Some(Money::from_tenge(12_990)),
            total: Some(Money::from_tenge(25_980)),
            name: None,
            category: Some("Toys".to_owned()),
            master_product: None,
        },
        stock,
        wanted: 2,
        parts: Vec::new(),
    }
}

/// A plain order; its shortage, if any, is confirmed.
fn facts(lines: LinesFacts) -> Facts {
    let sweep = Interval {
        start: ago(1),
        end: now(),
    };
    Facts {
        shop: Some(ShopName::new("main").expect("not empty")),
        order: plain(),
        first_seen_at: None,
        lines,
        shortage: Some(ShortageSeen {
            since: ago(11),
            scans: 3,
        }),
        sent: None,
        namesakes: Vec::new(),
        shop_facts: ShopFacts {
            restored_at: None,
            counters: Counters::default(),
            collapse: None,
            evidence: Evidence {
                accepted: Some(sweep),
                archive: Some(sweep),
                unaccounted: Vec::new(),
                unread_shops: Vec::new(),
                other_shops: Vec::new(),
            },
            clock_skew_s: Some(0),
            paused: None,
            account: None,
            mismatch: None,
        },
    }
}

fn known(stock: LineStock) -> Facts {
    facts(LinesFacts::Known(vec![line(stock)]))
}

/// All cases.
pub fn cases() -> &'static [Case] {
    static CASES: LazyLock<Vec<Case>> = LazyLock::new(all);
    &CASES
}

fn all() -> Vec<Case> {
    let case = |name, never, facts| Case { name, facts, never };
    let paused = |mut facts: Facts| {
        facts.shop_facts.paused = Some("by hand".to_owned());
        facts
    };
    let accepted = |mut facts: Facts| {
        facts.order.status = Status::AcceptedByMerchant;
        facts
    };
    let express = |mut facts: Facts| {
        facts.order.express = true;
        facts.order.pickup_point = None;
        facts.order.kaspi_delivery = None;
        facts
    };
    vec![
        case("there", &["cancel"], known(level(9))),
        case("short", &["accept"], known(level(1))),
        case("express", &["cancel"], express(known(level(9)))),
        case(
            "unknown",
            &["accept", "cancel", "buyer"],
            known(LineStock::Unknown(UnknownStock::NotListed(sku()))),
        ),
        case(
            "unreadable",
            &["accept", "cancel", "buyer"],
            facts(LinesFacts::Unreadable("no entries".to_owned())),
        ),
        case(
            "paused",
            &["accept", "cancel", "buyer"],
            paused(known(level(9))),
        ),
        case(
            "accepted",
            &["accept", "cancel", "buyer"],
            accepted(known(level(9))),
        ),
    ]
}
