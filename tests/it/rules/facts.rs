//! Facts to decide on: a plain order of one line, to be bent by each test.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use qabyl::domain::evidence::{Evidence, Interval};
use qabyl::domain::facts::{Counters, Facts, LineFacts, LinesFacts, ShopFacts, ShortageSeen};
use qabyl::domain::ids::{EntryId, OrderCode, OrderId, PickupPoint, ShopName, Sku};
use qabyl::domain::limits::Limits;
use qabyl::domain::money::Money;
use qabyl::domain::order::{DeliveryMode, Line, Order, PaymentMode, UnitType};
use qabyl::domain::policy::Policy;
use qabyl::domain::rules::Rules;
use qabyl::domain::stock::{Level, LineStock};
use qabyl::rules_file;

pub(crate) const ACCEPT_ALL: &str = "[[rule]]\nname = \"all\"\nthen = \"accept\"\n";
pub(crate) const CANCEL_ALL: &str =
    "[[rule]]\nname = \"all\"\nthen = { cancel = \"MERCHANT_OUT_OF_STOCK\" }\n";

pub(crate) fn now() -> Timestamp {
    "2026-03-02T09:00:00Z".parse().unwrap()
}

pub(crate) fn ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

pub(crate) fn load(text: &str) -> Rules {
    rules_file::load(text, Path::new("rules.toml")).expect("these rules are whole")
}

pub(crate) fn policy(rules: Rules) -> Policy {
    Policy::new(rules, Limits::default(), "test".to_owned())
}

/// An order of 12 minutes ago, waiting for the merchant.
fn order() -> Order {
    let (id, code) = (
        OrderId::new("MTIz").unwrap(),
        OrderCode::new("123").unwrap(),
    );
    Order {
        approved_at: Some(ago(12)),
        total: Some(Money::from_tenge(512_000)),
        payment_mode: Some(PaymentMode::Prepaid),
        delivery_mode: Some(DeliveryMode::Local),
        kaspi_delivery: Some(true),
        pickup_point: Some(PickupPoint::new("30000001_PP1").unwrap()),
        ..Order::new(id, code, ago(15))
    }
}

pub(crate) fn level(on_hand: i64) -> Level {
    Level {
        warehouse: "PP1".to_owned(),
        on_hand,
        reserved_confirmed: 0,
        reserved_pending: 0,
        returned: 0,
        is_unbounded: false,
        recent_demand: 0,
        safety_stock: 0,
        as_of: ago(30),
        source: "stock.csv".to_owned(),
        doubts: Vec::new(),
    }
}

/// Line `number` of SKU `SKU-<number>`.
pub(crate) fn line(number: i64, quantity: u32, stock: LineStock) -> LineFacts {
    LineFacts {
        line: Line {
            entry: EntryId::new(format!("e{number}")).unwrap(),
            number,
            sku: Some(Sku::new(format!("SKU-{number}")).unwrap()),
            quantity,
            unit: UnitType::Pieces,
            unit_price: Some(Money::from_tenge(1000)),
            total: Some(Money::from_tenge(1000)),
            name: None,
            category: Some("Toys".to_owned()),
            master_product: None,
        },
        stock,
        wanted: i64::from(quantity),
        parts: Vec::new(),
    }
}

/// The plain order with these lines; its shortage, should it have one, is proven.
pub(crate) fn facts(lines: Vec<LineFacts>) -> Facts {
    Facts {
        shop: Some(ShopName::new("main").unwrap()),
        order: order(),
        first_seen_at: None,
        lines: LinesFacts::Known(lines),
        sent: None,
        namesakes: Vec::new(),
        shortage: Some(ShortageSeen {
            since: ago(11),
            scans: 3,
        }),
        shop_facts: ShopFacts {
            counters: Counters::default(),
            collapse: None,
            evidence: swept(ago(1), now()),
            restored_at: None,
            clock_skew_s: Some(0),
            paused: None,
            account: None,
            mismatch: None,
        },
    }
}

/// A complete sweep of accepted orders and the archive, and every order accounted for.
pub(crate) fn swept(start: Timestamp, end: Timestamp) -> Evidence {
    let sweep = Some(Interval { start, end });
    Evidence {
        accepted: sweep,
        archive: sweep,
        unaccounted: Vec::new(),
        unread_shops: Vec::new(),
        other_shops: Vec::new(),
    }
}

/// The one line of the plain order.
pub(crate) fn first(facts: &mut Facts) -> &mut LineFacts {
    match &mut facts.lines {
        LinesFacts::Known(lines) => &mut lines[0],
        LinesFacts::Unreadable(_) => unreachable!("the plain order has lines"),
    }
}

/// One line of two units of `SKU-1`, of which `on_hand` are there.
pub(crate) fn with_stock(on_hand: i64) -> Facts {
    facts(vec![line(1, 2, LineStock::Known(level(on_hand)))])
}
